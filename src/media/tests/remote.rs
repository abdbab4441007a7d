//! Jumps in sounds that come over a network: close to the place, without fetching all before it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod truth;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mynah_media::{ByteStream, Media, OpenOptions, open_bytes, open_stream};

/// Bytes that count how many of them are read.
#[derive(Debug)]
struct Remote {
    name: &'static str,
    bytes: Vec<u8>,
    taken: AtomicU64,
}

impl ByteStream for Remote {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn len_bytes(&self) -> Option<u64> {
        Some(self.bytes.len() as u64)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn renew_patience(&self) {}

    fn ready_bytes(&self) -> u64 {
        u64::MAX
    }

    fn taken_bytes(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

fn remote(name: &'static str, bytes: Vec<u8>) -> (Media, Arc<Remote>) {
    let taken = AtomicU64::new(0);
    let stream = Arc::new(Remote { name, bytes, taken });
    let media = open_stream(Arc::clone(&stream) as _, &OpenOptions::default());
    (media.unwrap(), stream)
}

/// Seeks, and how many bytes that took.
fn seek(media: &mut Media, stream: &Remote, ms: u64) -> u64 {
    let before = stream.taken_bytes();
    let to = Duration::from_millis(ms);
    assert_eq!(media.seek(to).unwrap(), to);
    stream.taken_bytes() - before
}

/// 36 minutes of mp3: the sound of a clip again and again, in frames of 96 bytes and 24 ms.
fn long_mp3() -> Vec<u8> {
    let clip = truth::bytes("about.mp3");
    let first = clip.windows(3).position(|at| at == [0xFF, 0xFB, 0x14]);
    let sound = &clip[first.unwrap()..];
    assert_eq!(sound.len() % 96, 0);
    sound.repeat(90_000 / (sound.len() / 96))
}

#[test]
fn a_long_mp3_of_constant_bitrate_is_jumped_in_to_the_frame() {
    let bytes = long_mp3();
    let frames = bytes.len() as u64 / 96 * 1152;
    let (mut media, stream) = remote("https://x/long.mp3", bytes);
    assert!(stream.taken_bytes() < 200_000);
    // Far, back, a little on, and near the end.
    for ms in [1_500_000u64, 700_123, 703_500, 2_100_000] {
        let took = seek(&mut media, &stream, ms);
        assert!(took < 200_000, "{took} bytes to {ms} ms");
    }
    let heard = truth::play(&mut media).len() as u64 / 2;
    assert_eq!(
        heard + 2_100_000 * 48,
        frames,
        "not a frame too many or too few"
    );
    assert!(media.damage().is_none(), "{:?}", media.damage());
    let took = seek(&mut media, &stream, 1_000);
    assert!(took < 200_000, "{took} bytes back to the beginning");
}

#[test]
fn matroska_is_jumped_in_by_its_index_to_the_same_sound_as_in_a_file() {
    let clip = truth::bytes("opus_11s_clusters.webm");
    let (mut there, stream) = remote("https://x/a.webm", clip.clone());
    let mut here = open_bytes("a.webm", clip, &OpenOptions::default()).unwrap();
    let took = seek(&mut there, &stream, 10_900);
    assert!(took < 10_000, "{took} bytes of 15,000");
    for ms in [10_900u64, 1_500, 9_000] {
        seek(&mut there, &stream, ms);
        here.seek(Duration::from_millis(ms)).unwrap();
        assert!(truth::play(&mut there) == truth::play(&mut here), "{ms} ms");
    }
}
