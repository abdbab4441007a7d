//! Sounds played while they come, and neighbours that do not.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use mynah_audio::SILENT_BLOCK;
use mynah_media::{ByteStream, Media, OpenOptions, Read};

use super::server::{Reply, Server, Then, asked_from, fetcher, serve, short_times};
use crate::fetch::{HttpSource, Input};
use crate::pool::{Job, Next, Pool};

fn clip(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/audio/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// Opens what `reply` serves as `name`, as a stream.
async fn stream(
    name: &str,
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> (Arc<HttpSource>, Server) {
    let server = serve("127.0.0.1", reply).await;
    let trusted = vec![server.origin.clone()];
    let (fetcher, _folder) = fetcher(HashMap::new(), trusted, short_times());
    let opened = fetcher.open(&format!("{}/{name}", server.origin)).await;
    let Ok(Input::Stream(source)) = opened else {
        panic!("not a stream: {opened:?}");
    };
    (source, server)
}

fn samples(media: &mut Media) -> Vec<f32> {
    let mut out = Vec::new();
    let mut block = SILENT_BLOCK;
    loop {
        match media.read(&mut block).unwrap() {
            Read::Full => out.extend_from_slice(&block),
            Read::Last(frames) => out.extend_from_slice(&block[..frames * 2]),
            Read::End => return out,
        }
    }
}

/// All of a stream, played on a thread of its own.
async fn play(source: Arc<HttpSource>) -> Vec<f32> {
    let playing = tokio::task::spawn_blocking(move || {
        let options = OpenOptions::default();
        samples(&mut mynah_media::open_stream(source, &options).unwrap())
    });
    playing.await.unwrap()
}

fn played_here(name: &str, file: Vec<u8>) -> Vec<f32> {
    let options = OpenOptions::default();
    samples(&mut mynah_media::open_bytes(name, file, &options).unwrap())
}

#[tokio::test]
async fn a_sound_without_a_length_plays_as_the_file_does() {
    for name in [
        "mp3_44k_stereo.mp3",
        "aac_44k_stereo.aac",
        "opus_48k_stereo.opus",
        "vorbis_44k_stereo.ogg",
        "flac_44k_stereo.flac",
        "opus_48k_stereo.webm",
        "pcm_44k_stereo_24bit.wav",
        "aac_48k_mono_faststart.m4a",
    ] {
        let file = clip(name);
        let served = file.clone();
        let head = "200 OK\nConnection: close";
        let (source, server) = stream(name, move |_| Reply::new(head, &served, Then::Close)).await;
        assert!(!source.can_seek());
        let (there, here) = (play(source).await, played_here(name, file));
        assert_eq!(there.len(), here.len(), "{name}");
        assert!(there == here, "{name}");
        assert_eq!(server.count(), 1);
    }
}

/// A sound longer than what is downloaded: 34 MB of WAV, 3 minutes.
fn long_wav() -> Vec<u8> {
    let frames = 34u32 << 18;
    let mut out = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xBB\0\0\0\xEE\x02\0\x04\0\x10\0data".to_vec();
    out.extend((frames * 4).to_le_bytes());
    for frame in 0..frames {
        let sample = (frame.wrapping_mul(2_654_435_761) >> 18) as i16;
        out.extend(sample.to_le_bytes());
        out.extend((-sample).to_le_bytes());
    }
    out
}

#[tokio::test]
async fn a_long_sound_whose_connection_breaks_again_and_again_plays_every_sample_and_jumps() {
    let file = Arc::new(long_wav());
    let served = Arc::clone(&file);
    let (source, server) = stream("long.wav", move |request| {
        // Each connection brings 5 MB and breaks.
        let cut = (asked_from(request) + 5_000_000).min(served.len());
        Reply::range(request, &served, cut)
    })
    .await;
    assert_eq!(source.len_bytes(), Some(file.len() as u64));
    let (whole, again) = (Arc::clone(&source), source);
    let over_http = play(whole).await;
    let here = played_here("long.wav", file.to_vec());
    assert!(over_http == here);
    assert!(server.count() >= 7, "{}", server.count());
    let jumped = tokio::task::spawn_blocking(move || {
        let mut media = mynah_media::open_stream(again, &OpenOptions::default()).unwrap();
        let to = media.seek(std::time::Duration::from_secs(150)).unwrap();
        assert_eq!(to.as_secs(), 150);
        let mut block = SILENT_BLOCK;
        media.read(&mut block).unwrap();
        block
    });
    let at = 150 * 48_000 * 2;
    assert_eq!(jumped.await.unwrap(), here[at..at + 1920]);
}

/// A job that reads a source which does not go on.
struct Stalled(Arc<HttpSource>, u64, mpsc::Sender<String>);

impl Job for Stalled {
    fn step(&mut self) -> Next {
        let mut bytes = [0; 4096];
        match self.0.read_at(self.1, &mut bytes) {
            Ok(count) => {
                self.1 += count as u64;
                Next::Again(std::time::Duration::ZERO)
            }
            Err(error) => {
                self.2.send(error.to_string()).unwrap();
                Next::Done
            }
        }
    }
}

struct Panics;

impl Job for Panics {
    fn step(&mut self) -> Next {
        panic!("on purpose")
    }
}

struct Count(u32, mpsc::Sender<String>);

impl Job for Count {
    fn step(&mut self) -> Next {
        if self.0 > 0 {
            self.0 -= 1;
            return Next::Again(std::time::Duration::ZERO);
        }
        self.1.send("counted".to_owned()).unwrap();
        Next::Done
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_stall_or_panic_do_not_stop_their_neighbours() {
    let (source, _server) = stream("stalled.mp3", |_| {
        let head = "200 OK\nConnection: close";
        Reply::new(head, &[1; 50_000], Then::Hang)
    })
    .await;
    let pool = Pool::new(1);
    let (done, finished) = mpsc::channel();
    for _ in 0..8 {
        pool.submit(Box::new(Stalled(Arc::clone(&source), 0, done.clone())));
        pool.submit(Box::new(Panics));
    }
    pool.submit(Box::new(Count(100, done)));
    let order = tokio::task::spawn_blocking(move || finished.iter().take(9).collect::<Vec<_>>());
    let order = order.await.unwrap();
    assert_eq!(order[0], "counted", "it did not wait for the others");
    assert!(
        order[1..]
            .iter()
            .all(|why| why.contains("kept the player waiting")
                || why.contains("attempts to go on failed")),
        "{order:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_has_nothing_to_read_yet_is_known_without_waiting() {
    let mp3 = clip("mp3_48k_no_index.mp3");
    let half = mp3.len() / 2;
    let (source, _server) = stream("stalled.mp3", move |_| {
        let head = "200 OK\nConnection: close";
        Reply::new(head, &mp3[..half], Then::Hang)
    })
    .await;
    let stalls = tokio::task::spawn_blocking(move || {
        let mut media = mynah_media::open_stream(source, &OpenOptions::default()).unwrap();
        let mut block = SILENT_BLOCK;
        let mut blocks = 0;
        while media.is_ready() {
            assert_eq!(media.read(&mut block).unwrap(), Read::Full);
            blocks += 1;
        }
        blocks
    });
    assert!(stalls.await.unwrap() > 5);
}
