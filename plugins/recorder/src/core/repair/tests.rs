//! Tracks that are broken on purpose.

use super::*;
use crate::core::packet::SILENCE;

fn head() -> Head {
    Head {
        serial: 9,
        channels: 2,
        tags: vec![("ARTIST".to_owned(), "Ada".to_owned())],
    }
}

/// Pages of one packet each, of stream 7.
fn sound(pages: u32) -> Vec<u8> {
    let (mut pager, mut bytes) = (Pager::new(7), Vec::new());
    for _ in 0..pages {
        pager.put(&SILENCE, 960, &mut bytes);
        pager.flush(&mut bytes);
    }
    bytes
}

/// Repairs a file of these bytes twice; gives what the first repair did and the bytes after it.
fn mend(bytes: &[u8]) -> (TrackRepair, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("01_1.opus");
    fs::write(&path, bytes).unwrap();
    let done = repair_track(&path, &head()).unwrap();
    let mended = fs::read(&path).unwrap();
    let again = repair_track(&path, &head()).unwrap();
    assert_eq!(again.report, done.report);
    assert!(again.cut_bytes == 0 && !again.ended && !again.begun_anew);
    assert_eq!(fs::read(&path).unwrap(), mended);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    (done, mended)
}

#[test]
fn a_broken_header_is_written_again_and_no_sound_is_lost() {
    let own = Head {
        serial: 7,
        ..head()
    };
    for hurt in [3, 30, 60, 100] {
        let mut bytes = own.pages();
        bytes[hurt] ^= 1;
        bytes.extend(sound(50));
        let (done, mended) = mend(&bytes);
        assert!(done.begun_anew && done.ended, "byte {hurt}");
        assert_eq!(done.report.faults, [], "byte {hurt}");
        // The last is the silence that carries the end.
        assert_eq!(done.report.frames, 51 * 960);
        assert_eq!(done.cut_bytes, own.pages().len() as u64);
        assert!(mended.starts_with(&own.pages()));
    }
}

#[test]
fn sound_without_any_header_gets_one_of_its_own_stream() {
    let (done, _) = mend(&sound(5));
    assert_eq!(done.report.faults, []);
    assert_eq!((done.report.serial, done.report.frames), (7, 6 * 960));
}

#[test]
fn nothing_but_headers_begins_anew() {
    let twice = [head().pages(), head().pages()].concat();
    for bytes in [b"".as_slice(), b"OggS", &twice[..20], &twice[28..], &twice] {
        let (done, mended) = mend(bytes);
        // Two right headers and two strange pages are no reason to throw anything away.
        let is_whole = bytes.len() == twice.len();
        assert_eq!(done.begun_anew, !is_whole, "{} bytes", bytes.len());
        assert!(is_whole || done.report.is_legal());
        assert!(mended.starts_with(&head().pages()));
    }
}

#[test]
fn a_missing_end_is_seen_behind_any_number_of_other_faults() {
    let mut bytes = head().pages();
    for page in 0..300 {
        let mut pager = Pager::after(9, 5 * page + 7, 0);
        pager.put(&SILENCE, 960, &mut bytes);
        pager.flush(&mut bytes);
    }
    bytes.extend(b"OggS and no more");
    let (done, _) = mend(&bytes);
    assert!(done.ended);
    assert_eq!(done.cut_bytes, 16);
    assert!(!done.report.faults.iter().any(Fault::is_repairable));
    assert!(!done.report.is_legal());
}
