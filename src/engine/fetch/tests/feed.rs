//! Streams that break, stall, drip and jump, in virtual time.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use mynah_media::ByteStream;
use tokio::time::Instant;

use super::super::client::{Answer, Ask, Entity, Refused};
use super::super::pace::Times;
use super::super::stream::HttpSource;
use super::super::window::RING_BYTES;
use crate::FetchError;

const SHOWN: &str = "http://sound.test/a.mp3";
const FILE: usize = 200_000;

fn byte(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

/// Bytes `from..to` of the file.
fn part(from: usize, to: usize) -> Bytes {
    (from..to).map(byte).collect()
}

type Chunk = (Duration, Result<Bytes, String>);

fn answer(from: u64, entity: &Entity, ranges: bool, chunks: Vec<Chunk>) -> Answer {
    let body = stream::iter(chunks).then(|(after, chunk)| async move {
        tokio::time::sleep(after).await;
        chunk
    });
    Answer {
        entity: entity.clone(),
        from,
        ranges,
        body: body.boxed(),
    }
}

fn at_once(bytes: Bytes) -> Chunk {
    (Duration::ZERO, Ok(bytes))
}

fn broken() -> Chunk {
    (Duration::ZERO, Err("reset by peer".to_owned()))
}

fn known() -> Entity {
    Entity {
        tag: Some("\"1\"".to_owned()),
        modified: None,
        len_bytes: Some(FILE as u64),
    }
}

/// Answers in turn; remembers when what was asked for.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<(Instant, u64)>>,
}

impl Ask for Script {
    fn ask<'a>(
        &'a self,
        from: u64,
        _known: Option<&'a Entity>,
    ) -> BoxFuture<'a, Result<Answer, Refused>> {
        self.asked.lock().unwrap().push((Instant::now(), from));
        let next = self.answers.lock().unwrap().pop_front();
        let refused = || Refused {
            error: FetchError::Network {
                url: SHOWN.to_owned(),
                reason: "connection refused".to_owned(),
            },
            may_pass: true,
        };
        Box::pin(std::future::ready(next.ok_or_else(refused)))
    }

    fn shown(&self) -> &str {
        SHOWN
    }
}

async fn start(first: Answer, then: Vec<Answer>) -> (Arc<HttpSource>, Arc<Script>) {
    let script = Arc::new(Script::default());
    script.answers.lock().unwrap().extend(then);
    let asker = Arc::clone(&script);
    let source = HttpSource::start(asker, first, Times::default()).await;
    (Arc::new(source), script)
}

/// Reads on a thread of its own, as media threads do; virtual time stands still meanwhile.
async fn read(source: &Arc<HttpSource>, from: usize, count: usize) -> io::Result<Vec<u8>> {
    let source = Arc::clone(source);
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; count];
        let mut done = 0;
        while done < count {
            match source.read_at((from + done) as u64, &mut bytes[done..])? {
                0 => break,
                n => done += n,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    });
    reading.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_goes_on_at_the_exact_byte() {
    let first = answer(0, &known(), true, vec![at_once(part(0, 70_001)), broken()]);
    let second = answer(
        70_001,
        &known(),
        true,
        // Ended by the server, too early.
        vec![at_once(part(70_001, 130_000))],
    );
    let third = answer(130_000, &known(), true, vec![at_once(part(130_000, FILE))]);
    let (source, script) = start(first, vec![second, third]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let whole = read(&source, 0, FILE + 10).await.unwrap();
    assert_eq!(whole, part(0, FILE));
    let asked: Vec<u64> = script.asked.lock().unwrap().iter().map(|a| a.1).collect();
    assert_eq!(asked, [70_001, 130_000]);
}

#[tokio::test(start_paused = true)]
async fn attempts_come_after_longer_and_longer_pauses_and_then_the_stream_is_given_up() {
    let began = Instant::now();
    let first = answer(0, &known(), true, vec![at_once(part(0, 50_000)), broken()]);
    let (source, script) = start(first, vec![]).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let asked: Vec<u128> = script
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|(at, _)| (*at - began).as_millis())
        .collect();
    assert_eq!(asked, [250, 750, 1750, 3750, 7750]);
    assert_eq!(source.ready_bytes(), u64::MAX, "waiting would be in vain");
    assert_eq!(read(&source, 0, 50_000).await.unwrap(), part(0, 50_000));
    let error = read(&source, 50_000, 1).await.unwrap_err().to_string();
    assert_eq!(error, "connection refused, and 5 attempts to go on failed");
}

#[tokio::test(start_paused = true)]
async fn another_file_is_not_taken_for_the_rest_of_this_one() {
    let other = |tag: &str, len: usize| Entity {
        tag: Some(tag.to_owned()),
        modified: None,
        len_bytes: Some(len as u64),
    };
    for (entity, from, why) in [
        (other("\"2\"", FILE), 50_000, "replaced"),
        (other("\"1\"", FILE + 1), 50_000, "had 200000 bytes"),
        (known(), 0, "from byte 0 instead of 50000"),
    ] {
        let first = answer(0, &known(), true, vec![at_once(part(0, 50_000)), broken()]);
        let rest = answer(from, &entity, true, vec![at_once(part(0, 100_000))]);
        let (source, _) = start(first, vec![rest]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let error = read(&source, 50_000, 1).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drips_bytes_is_left_after_half_a_minute() {
    let drip = stream::repeat(0).then(|_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(Bytes::from_static(b"\x01"))
    });
    let first = Answer {
        entity: Entity::default(),
        from: 0,
        ranges: false,
        body: drip.boxed(),
    };
    let began = Instant::now();
    let (source, _) = start(first, vec![]).await;
    while source.ready_bytes() < u64::MAX {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(
        began.elapsed() < Duration::from_secs(32),
        "{:?}",
        began.elapsed()
    );
    let error = read(&source, 300, 1).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "the server sent less than 128 bytes a second over 30 s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_player_is_no_slow_server_and_holds_no_more_than_the_ring() {
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[7; 10_000])));
    let first = Answer {
        entity: Entity::default(),
        from: 0,
        ranges: false,
        body: endless.boxed(),
    };
    let (source, script) = start(first, vec![]).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(source.ready_bytes(), RING_BYTES as u64);
    assert_eq!(read(&source, 0, 1 << 20).await.unwrap(), vec![7; 1 << 20]);
    assert!(script.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stall_of_ten_seconds_breaks_nothing_and_one_of_fifteen_is_a_new_connection() {
    let stalls = vec![
        at_once(part(0, 40_000)),
        (Duration::from_secs(10), Ok(part(40_000, 80_000))),
        (Duration::from_secs(3600), Ok(part(80_000, FILE))),
    ];
    let rest = answer(80_000, &known(), true, vec![at_once(part(80_000, FILE))]);
    let (source, script) = start(answer(0, &known(), true, stalls), vec![rest]).await;
    assert_eq!(source.ready_bytes(), 40_000);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(source.ready_bytes(), 80_000);
    assert!(script.asked.lock().unwrap().is_empty());
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(read(&source, 0, FILE).await.unwrap(), part(0, FILE));
    assert_eq!(script.asked.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_jump_asks_for_the_place_and_a_small_step_does_not() {
    const LONG: u64 = 100_000_000;
    let entity = Entity {
        len_bytes: Some(LONG),
        ..known()
    };
    let from = |at: usize| {
        let chunks = (0..100).map(|n| at_once(part(at + n * 10_000, at + (n + 1) * 10_000)));
        answer(at as u64, &entity, true, chunks.collect())
    };
    let (source, script) = start(from(0), vec![from(50_000_000), from(300_000)]).await;
    assert_eq!(read(&source, 0, 1000).await.unwrap(), part(0, 1000));
    assert_eq!(
        read(&source, 300_000, 1000).await.unwrap(),
        part(300_000, 301_000)
    );
    assert!(
        script.asked.lock().unwrap().is_empty(),
        "so near is waited for"
    );
    let far = read(&source, 50_000_000, 400_000).await.unwrap();
    assert_eq!(far, part(50_000_000, 50_400_000));
    assert_eq!(
        read(&source, 100, 100).await.unwrap(),
        part(100, 200),
        "kept for good"
    );
    assert_eq!(
        read(&source, 50_390_000, 20_000).await.unwrap().len(),
        20_000,
        "kept for now"
    );
    assert_eq!(
        read(&source, 300_000, 100).await.unwrap(),
        part(300_000, 300_100)
    );
    let asked: Vec<u64> = script.asked.lock().unwrap().iter().map(|a| a.1).collect();
    assert_eq!(asked, [50_000_000, 300_000]);
    assert!(read(&source, LONG as usize, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_jump_says_so_and_goes_on() {
    let chunks = (0..200).map(|n| at_once(part(n * 10_000, (n + 1) * 10_000)));
    let first = answer(0, &Entity::default(), false, chunks.collect());
    let (source, script) = start(first, vec![]).await;
    assert!(!source.can_seek());
    assert_eq!(read(&source, 0, 150_000).await.unwrap(), part(0, 150_000));
    let error = read(&source, 900_000, 1).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotSeekable);
    assert_eq!(
        read(&source, 150_000, 900_000).await.unwrap(),
        part(150_000, 1_050_000)
    );
    assert!(script.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_that_breaks_goes_on_with_what_is_said_now() {
    let live = Entity::default();
    let first = answer(0, &live, false, vec![at_once(part(0, 50_000)), broken()]);
    let now = answer(0, &live, false, vec![at_once(part(0, 30_000))]);
    let (source, _) = start(first, vec![now]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        read(&source, 50_000, 40_000).await.unwrap(),
        part(0, 30_000)
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_from_a_server_without_ranges_ends_where_it_breaks_with_the_reason() {
    let first = answer(0, &known(), false, vec![at_once(part(0, 50_000)), broken()]);
    let (source, script) = start(first, vec![]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = read(&source, 50_000, 1).await.unwrap_err().to_string();
    assert!(error.contains("only from the beginning"), "{error}");
    assert!(script.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_lets_a_source_go_closes_its_connection() {
    struct Open {
        _connection: Arc<()>,
    }
    let connection = Arc::new(());
    let open = Open {
        _connection: Arc::clone(&connection),
    };
    let body = stream::unfold(open, |open| async move {
        std::future::pending::<()>().await;
        Some((Ok(Bytes::new()), open))
    });
    let first = Answer {
        entity: Entity::default(),
        from: 0,
        ranges: false,
        body: body.boxed(),
    };
    let (source, _) = start(first, vec![]).await;
    assert_eq!(Arc::strong_count(&connection), 2);
    drop(source);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(Arc::strong_count(&connection), 1);
}
