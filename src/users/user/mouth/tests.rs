//! Pacing in virtual time.

use mynah_dave::frame::FrameOpener;
use mynah_session::transport::RtpOpener;
use mynah_wire::EncryptionMode;

use super::*;

const MODE: EncryptionMode = EncryptionMode::Aes256GcmRtpSize;
const KEY: [u8; 32] = [5; 32];

/// In a call without end-to-end encryption.
fn plugged(now: Instant) -> Mouth {
    let mut mouth = Mouth::new(65_534, u32::MAX - 960);
    mouth.plug(now, RtpSealer::new(MODE, &KEY, 0), Ssrc(7));
    mouth.keys(now, &SenderKeys::Plain);
    mouth
}

fn sealed(epoch: u64) -> SenderKeys {
    SenderKeys::Sealed {
        epoch,
        base: base(epoch),
    }
}

fn base(epoch: u64) -> BaseSecret {
    BaseSecret::new([epoch as u8; 16])
}

/// The frame inside a packet's payload, by a receiver who has the key of one epoch.
fn unsealed(payload: &[u8], epoch: u64) -> Option<Vec<u8>> {
    let mut frame = payload.to_vec();
    let mut opener = FrameOpener::new();
    let now = Instant::now();
    opener.install(&base(epoch), epoch, now);
    let length = opener.open(&mut frame, now).ok()?;
    frame.truncate(length);
    Some(frame)
}

fn opened(packet: &[u8]) -> (u16, u32, Vec<u8>) {
    let mut packet = packet.to_vec();
    let opened = RtpOpener::new(MODE, &KEY).open(&mut packet).unwrap();
    let header = opened.header;
    (
        header.sequence,
        header.timestamp,
        packet[opened.payload].to_vec(),
    )
}

struct Ends {
    started: oneshot::Receiver<u64>,
    done: oneshot::Receiver<Said>,
}

fn say(mouth: &mut Mouth, now: Instant, frames: mpsc::Receiver<Frame>) -> Ends {
    say_by(mouth, now, frames, 0.0)
}

fn say_by(mouth: &mut Mouth, now: Instant, frames: mpsc::Receiver<Frame>, ppm: f64) -> Ends {
    let (started_to, started) = oneshot::channel();
    let (done_to, done) = oneshot::channel();
    mouth.say(now, frames, ppm, started_to, done_to);
    Ends { started, done }
}

/// So many packets, in time.
fn packets(packets: u64) -> Said {
    Said {
        packets,
        skipped: Duration::ZERO,
    }
}

#[test]
fn a_fast_clock_sends_sooner_and_counts_the_same() {
    let start = Instant::now();
    let mut last = Vec::new();
    for ppm in [-1_000.0, 0.0, 1_000.0] {
        let mut mouth = plugged(start);
        let _said = say_by(&mut mouth, start, frames(250), ppm);
        let sent = run(&mut mouth, start);
        let (ms, _, timestamp, _) = sent.last().unwrap();
        last.push((*ms, timestamp.wrapping_sub(sent[0].2)));
    }
    // 254 frames later: a thousandth of 5 s is 5 ms.
    assert_eq!(
        last,
        [(5_085, 254 * 960), (5_080, 254 * 960), (5_074, 254 * 960)]
    );
}

fn frames(count: u8) -> mpsc::Receiver<Frame> {
    let (sender, receiver) = mpsc::channel(usize::from(count).max(1));
    for n in 0..count {
        sender.try_send([0xFC, n].into()).unwrap();
    }
    receiver
}

/// Runs until nothing is due: (milliseconds, sequence, timestamp, payload).
fn run(mouth: &mut Mouth, start: Instant) -> Vec<(u128, u16, u32, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(wake) = mouth.wake() {
        let now = wake.max(start);
        while let Some(packet) = mouth.due(now) {
            let (sequence, timestamp, payload) = opened(packet);
            all.push((
                now.duration_since(start).as_millis(),
                sequence,
                timestamp,
                payload,
            ));
        }
    }
    all
}

#[test]
fn frames_go_every_20_ms_and_end_in_five_frames_of_silence() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    let mut said = say(&mut mouth, start, frames(3));
    let sent = run(&mut mouth, start);
    assert_eq!(sent.len(), 8);
    for (n, (ms, sequence, timestamp, payload)) in sent.iter().enumerate() {
        assert_eq!(*ms, 20 * n as u128);
        assert_eq!(*sequence, 65_534u16.wrapping_add(n as u16));
        assert_eq!(*timestamp, (u32::MAX - 960).wrapping_add(960 * n as u32));
        assert_eq!(payload == &SILENCE, n >= 3);
    }
    assert!(said.started.try_recv().is_ok());
    assert_eq!(said.done.try_recv(), Ok(packets(8)));
}

#[test]
fn the_timestamp_counts_through_a_pause_and_the_sequence_does_not() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    let _first = say(&mut mouth, start, frames(1));
    let before = run(&mut mouth, start);
    let later = start + Duration::from_secs(2);
    let _second = say(&mut mouth, later, frames(1));
    let after = run(&mut mouth, start);
    let (last, next) = (before.last().unwrap(), &after[0]);
    assert_eq!(next.1, last.1.wrapping_add(1));
    assert_eq!(next.2.wrapping_sub(last.2), 2 * 48_000 - 5 * 960);
}

#[test]
fn a_slow_producer_leaves_a_hole_and_no_burst() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    let (producer, receiver) = mpsc::channel(8);
    let _said = say(&mut mouth, start, receiver);
    producer.try_send([0xFC, 0].into()).unwrap();
    assert!(mouth.due(start).is_some());
    for ms in [20, 40, 60] {
        assert!(mouth.due(start + Duration::from_millis(ms)).is_none());
    }
    producer.try_send([0xFC, 1].into()).unwrap();
    producer.try_send([0xFC, 2].into()).unwrap();
    let now = start + Duration::from_millis(80);
    let (sequence, timestamp, _) = opened(mouth.due(now).unwrap());
    assert_eq!(sequence, 65_535);
    assert_eq!(timestamp, (u32::MAX - 960).wrapping_add(4 * 960));
    assert!(
        mouth.due(now).is_none(),
        "the next frame waits for its time"
    );
}

#[test]
fn after_a_long_stall_the_time_is_skipped() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    let _said = say(&mut mouth, start, frames(20));
    assert!(mouth.due(start).is_some());
    let now = start + Duration::from_millis(500);
    assert!(mouth.due(now).is_some());
    assert!(mouth.due(now).is_none());
}

#[test]
fn without_a_line_speech_waits_and_then_goes_on() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    let _said = say(&mut mouth, start, frames(4));
    assert!(mouth.due(start).is_some());
    mouth.unplug();
    assert_eq!(mouth.wake(), None);
    assert!(mouth.due(start + Duration::from_secs(1)).is_none());
    let later = start + Duration::from_secs(5);
    mouth.plug(later, RtpSealer::new(MODE, &KEY, 0), Ssrc(8));
    assert_eq!(mouth.wake(), None, "keys belong to one connection");
    mouth.keys(later, &SenderKeys::Plain);
    let rest = run(&mut mouth, start);
    assert_eq!(rest.len(), 3 + 5, "nothing was skipped");
    assert_eq!(rest[0].0, 5000);
}

#[test]
fn a_muted_mouth_ends_with_silence_and_goes_on_unheard() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    let mut said = say(&mut mouth, start, frames(30));
    for n in 0..5 {
        assert!(mouth.due(start + n * TICK).is_some());
    }
    mouth.set_mute(true);
    let rest = run(&mut mouth, start);
    assert_eq!(rest.len(), 5);
    assert!(rest.iter().all(|(_, _, _, payload)| *payload == SILENCE));
    assert_eq!(said.done.try_recv(), Ok(packets(10)));
}

#[test]
fn a_new_sound_replaces_the_old_one_on_the_same_beat() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    let mut first = say(&mut mouth, start, frames(30));
    assert!(mouth.due(start).is_some());
    let _second = say(&mut mouth, start + Duration::from_millis(3), frames(1));
    assert_eq!(first.done.try_recv(), Ok(packets(1)));
    assert_eq!(mouth.wake(), Some(start + TICK));
}

#[test]
fn an_empty_sound_ends_without_a_packet() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    let mut said = say(&mut mouth, start, frames(0));
    assert!(run(&mut mouth, start).is_empty());
    assert_eq!(said.done.try_recv(), Ok(packets(0)));
    assert!(said.started.try_recv().is_err());
}

#[test]
fn sealed_frames_open_with_the_key_of_their_epoch_and_silence_stays_silence() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    mouth.keys(start, &sealed(4));
    let mut said = say(&mut mouth, start, frames(3));
    let sent = run(&mut mouth, start);
    assert_eq!(said.done.try_recv(), Ok(packets(8)));
    for (n, (_, _, _, payload)) in sent.iter().enumerate() {
        if n < 3 {
            assert_eq!(unsealed(payload, 4), Some(vec![0xFC, n as u8]));
            assert_eq!(unsealed(payload, 5), None);
        } else {
            assert_eq!(*payload, SILENCE, "never sealed");
        }
    }
}

#[test]
fn no_frame_leaves_under_the_key_of_an_epoch_that_is_over() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    mouth.keys(start, &sealed(1));
    let _said = say(&mut mouth, start, frames(3));
    let first = opened(mouth.due(start).unwrap()).2;
    mouth.keys(start + TICK, &sealed(2));
    let second = opened(mouth.due(start + TICK).unwrap()).2;
    assert_eq!(unsealed(&first, 1), Some(vec![0xFC, 0]));
    assert_eq!(unsealed(&second, 2), Some(vec![0xFC, 1]));
    assert_eq!(unsealed(&second, 1), None);
}

#[test]
fn the_same_key_again_goes_on_counting() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    mouth.keys(start, &sealed(1));
    let _said = say(&mut mouth, start, frames(2));
    let mut opener = FrameOpener::new();
    opener.install(&base(1), 1, start);
    for n in 0..2 {
        let mut frame = opened(mouth.due(start + n * TICK).unwrap()).2;
        // A repeated nonce would be a replay.
        assert!(opener.open(&mut frame, start).is_ok(), "frame {n}");
        mouth.keys(start, &sealed(1));
    }
}

#[test]
fn speech_waits_for_keys_and_loses_no_word() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    mouth.keys(start, &SenderKeys::Hold);
    let mut said = say(&mut mouth, start, frames(2));
    assert_eq!(mouth.wake(), None);
    assert!(mouth.due(start + Duration::from_secs(1)).is_none());
    assert!(said.started.try_recv().is_err());
    let ready = start + Duration::from_secs(2);
    mouth.keys(ready, &sealed(1));
    let sent = run(&mut mouth, start);
    assert_eq!(said.done.try_recv(), Ok(packets(7)));
    assert_eq!((sent[0].0, sent[1].0), (2000, 2020), "its clock starts now");
    assert_eq!(unsealed(&sent[0].3, 1), Some(vec![0xFC, 0]));
}

#[test]
fn speech_in_an_empty_room_goes_on_unsent_and_is_heard_from_where_it_is() {
    let start = Instant::now();
    let mut mouth = plugged(start);
    mouth.keys(start, &SenderKeys::Unheard);
    let mut said = say(&mut mouth, start, frames(10));
    for n in 0..4 {
        assert!(mouth.due(start + n * TICK).is_none());
    }
    assert!(said.started.try_recv().is_ok());
    mouth.keys(start + 4 * TICK, &sealed(1));
    let sent = run(&mut mouth, start);
    assert_eq!(said.done.try_recv(), Ok(packets(6 + 5)));
    assert_eq!(unsealed(&sent[0].3, 1), Some(vec![0xFC, 4]));
    assert_eq!(sent[0].1, 65_534, "no sequence number was used up");
}
