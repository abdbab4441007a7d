use super::*;
use std::io::Cursor;

/// An element with a one-byte size (up to 126 bytes) or an eight-byte one.
fn element(id: &[u8], contents: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    match u8::try_from(contents.len()) {
        Ok(len) if len < 127 => out.push(0x80 | len),
        _ => {
            out.push(0x01);
            out.extend((contents.len() as u64).to_be_bytes().iter().skip(1));
        }
    }
    out.extend(contents);
    out
}

fn file(last_block: &[u8]) -> Vec<u8> {
    let other = element(&[0xAE], &element(&[0xD7], &[2]));
    let entry = [
        element(&[0xD7], &[1]),
        element(&[0x56, 0xAA], &[0x63, 0x2E, 0xA0]),
    ]
    .concat();
    let tracks = element(
        &[0x16, 0x54, 0xAE, 0x6B],
        &[other, element(&[0xAE], &entry)].concat(),
    );
    let info = element(&[0x15, 0x49, 0xA9, 0x66], &element(&[0x7B, 0xA9], b"A\0"));
    let start = element(&[0xE7], &[0]);
    let block = element(&[0xA3], &[0x81, 0, 0, 0, 9]);
    let first = element(&[0x1F, 0x43, 0xB6, 0x75], &[start, block].concat());
    let later = element(&[0xE7], &[0x13, 0x88]); // 5000 ticks
    let last = element(&[0x1F, 0x43, 0xB6, 0x75], &[&later, last_block].concat());
    let segment = element(
        &[0x18, 0x53, 0x80, 0x67],
        &[info, tracks, first, last].concat(),
    );
    [element(&[0x1A, 0x45, 0xDF, 0xA3], &[]), segment].concat()
}

fn padded_block() -> Vec<u8> {
    let block = element(&[0xA1], &[0x81, 0, 0, 0, 9]);
    let discard = element(&[0x75, 0xA2], &[0x00, 0xCD, 0xFE, 0x60]); // 13,500,000 ns
    element(&[0xA0], &[block, discard].concat())
}

#[test]
fn delay_and_padding_of_the_right_track_are_found() {
    let bytes = file(&padded_block());
    let facts = read_facts(&mut Cursor::new(&bytes), 1, Walk::All);
    assert_eq!((facts.start_ns, facts.end_ns), (6_500_000, 13_500_000));
    let other = read_facts(&mut Cursor::new(&bytes), 2, Walk::All);
    assert_eq!((other.start_ns, other.end_ns), (0, 0));
    assert_eq!(other.title.as_deref(), Some("A"));
}

#[test]
fn clusters_are_found_with_their_time_and_place() {
    let bytes = file(&padded_block());
    let clusters = read_facts(&mut Cursor::new(&bytes), 1, Walk::All).clusters;
    assert_eq!(clusters.iter().map(|c| c.ts).collect::<Vec<_>>(), [0, 5000]);
    for cluster in clusters {
        assert!(bytes[cluster.at as usize..].starts_with(&[0x1F, 0x43, 0xB6, 0x75]));
    }
}

#[test]
fn padding_counts_only_on_the_very_last_block() {
    let then = [padded_block(), element(&[0xA3], &[0x81, 0, 20, 0, 9])].concat();
    assert_eq!(
        read_facts(&mut Cursor::new(file(&then)), 1, Walk::All).end_ns,
        0
    );
    let other = [padded_block(), element(&[0xA3], &[0x82, 0, 20, 0, 9])].concat();
    assert_eq!(
        read_facts(&mut Cursor::new(file(&other)), 1, Walk::All).end_ns,
        13_500_000
    );
}

#[test]
fn truncated_or_foreign_bytes_have_no_trimming_and_never_hang() {
    let bytes = file(&padded_block());
    for cut in 0..bytes.len() {
        let _ = read_facts(
            &mut Cursor::new(bytes.get(..cut).unwrap_or_default()),
            1,
            Walk::All,
        );
    }
    assert_eq!(
        read_facts(&mut Cursor::new(b"RIFF....WAVE"), 1, Walk::All),
        Facts::default()
    );
}

/// A file that counts what is read of it.
struct Counted(Cursor<Vec<u8>>, usize, u64);

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let at = self.0.position();
        self.1 += usize::from(at.abs_diff(self.2) > 1000);
        let count = self.0.read(buf)?;
        self.2 = at + count as u64;
        Ok(count)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn the_index_tells_all_clusters_without_a_look_at_each() {
    let clip = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/audio/opus_11s_clusters.webm"
    );
    let mut clip = std::fs::read(clip).unwrap();
    let mut all = Counted(Cursor::new(clip.clone()), 0, 0);
    let truth = read_facts(&mut all, 1, Walk::All);
    assert_eq!(truth.clusters.len(), 6);
    let mut few = Counted(Cursor::new(clip.clone()), 0, 0);
    let by_cues = read_facts(&mut few, 1, Walk::ByCues);
    assert_eq!(by_cues.end_ns, truth.end_ns);
    let at = |facts: &Facts| facts.clusters.iter().map(|c| c.at).collect::<Vec<_>>();
    assert_eq!(at(&by_cues), at(&truth));
    // A place in a cluster comes after its beginning, by what others have put before the sound.
    for (named, cluster) in by_cues.clusters.iter().zip(&truth.clusters) {
        assert!(named.ts.abs_diff(cluster.ts) < 30, "{named:?} {cluster:?}");
    }
    assert!(few.1 < all.1, "{} large steps instead of {}", few.1, all.1);

    // Without an index, of a stream that goes on after what can be looked at, nothing is known.
    let cues = clip
        .windows(4)
        .rposition(|at| at == [0x1C, 0x53, 0xBB, 0x6B])
        .unwrap();
    clip[cues] = 0x1D;
    clip.truncate(cues - 2_000);
    assert_eq!(
        read_facts(&mut Cursor::new(clip), 1, Walk::ByCues).clusters,
        []
    );
}
