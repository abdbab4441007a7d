//! Real threads, real sockets, real time; no promises about punctuality on a busy machine.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod common;

use common::{Sink, TRACK, base, sealed, sing};
use mynah_dave::frame::{FrameOpener, is_sealed};
use mynah_pulse::{EventKind, Pulse, PulseConfig};

fn start(threads: usize) -> Pulse {
    Pulse::start(PulseConfig {
        threads,
        fifo: false,
    })
    .unwrap()
}

#[test]
fn a_song_arrives_whole_and_in_order() {
    let pulse = start(1);
    let sink = Sink::new();
    let (_, mut writer) = sing(&pulse.handle(), &sink, 1, 25);
    writer.finish();
    let packets: Vec<_> = (0..25 + 1 + 5).map(|_| sink.take()).collect();
    for (i, (header, frame)) in packets.iter().enumerate() {
        assert_eq!(usize::from(header.sequence), i);
        assert_eq!(frame == &mynah_audio::SILENCE, i >= 26, "packet {i}");
    }
    let stats = pulse.handle().stats();
    assert!(stats.packets_sent >= 30);
    assert!(stats.lateness.count >= 100 && stats.lateness.p50_us > 0.0);
    assert_eq!(stats.codec_errors, 0);
    assert!(!stats.is_real_time(), "was not asked for");
}

#[test]
fn stopping_in_mid_song_sends_the_five_silence_frames() {
    let pulse = start(1);
    let sink = Sink::new();
    let (_, writer) = sing(&pulse.handle(), &sink, 1, 200);
    sink.skip(10);
    let mut events = pulse.handle().events().unwrap();
    let handle = pulse.handle();
    pulse.stop();
    let silences = std::iter::from_fn(|| Some(sink.take().1))
        .skip_while(|frame| frame != &mynah_audio::SILENCE)
        .take_while(|frame| frame == &mynah_audio::SILENCE)
        .take(5);
    assert_eq!(silences.count(), 5);
    let kinds: Vec<_> = std::iter::from_fn(|| events.poll())
        .map(|e| e.kind)
        .collect();
    assert_eq!(kinds.first(), Some(&EventKind::Started(TRACK)));
    assert_eq!(kinds.last(), Some(&EventKind::Closed));
    assert!(writer.is_abandoned(), "the janitor has dropped everything");
    // Orders after the end go nowhere and block nobody.
    handle
        .stats()
        .sessions
        .iter()
        .for_each(|s| handle.close(s.session));
}

#[test]
fn epochs_change_under_a_running_thread_and_every_frame_can_be_opened() {
    const EPOCHS: u64 = 40;
    let pulse = start(1);
    let (handle, sink) = (pulse.handle(), Sink::new());
    let (session, _writer) = sing(&handle, &sink, 1, 150);
    let now = std::time::Instant::now();
    let mut openers: Vec<_> = (1..=EPOCHS)
        .map(|epoch| (epoch, FrameOpener::new()))
        .collect();
    for (epoch, opener) in &mut openers {
        opener.install(&base(*epoch), *epoch, now);
    }
    let mut newest = 0;
    for epoch in 1..=EPOCHS {
        handle.sender(session, sealed(epoch));
        // Two packets may be on their way; of the next ones, all are of this epoch.
        for n in 0..3 {
            let (_, mut frame) = sink.take();
            let sealed_in = openers.iter_mut().find_map(|(epoch, opener)| {
                let opened = is_sealed(&frame) && opener.open(&mut frame, now).is_ok();
                opened.then_some(*epoch)
            });
            assert!(sealed_in.is_some() || newest == 0, "not one of our keys");
            assert!(sealed_in.unwrap_or(0) >= newest, "back to an old epoch");
            newest = sealed_in.unwrap_or(0);
            assert!(
                n < 2 || newest == epoch,
                "{newest} after {epoch} was ordered"
            );
        }
    }
    let stats = handle.stats();
    assert_eq!((stats.sealed_stale, stats.codec_errors), (0, 0));
}

#[test]
fn sessions_go_to_the_least_loaded_thread() {
    let pulse = start(3);
    let sink = Sink::new();
    let handle = pulse.handle();
    let mut songs: Vec<_> = (0..9).map(|i| sing(&handle, &sink, i, 4)).collect();
    let per_thread: Vec<_> = handle.stats().threads.iter().map(|t| t.sessions).collect();
    assert_eq!(per_thread, [3, 3, 3]);
    songs.iter_mut().for_each(|(_, writer)| writer.finish());
    sink.skip(9 * (4 + 1 + 5));
}

#[test]
fn the_real_time_class_is_reported_as_granted_or_not() {
    // Four threads: no other test of this process has a fourth one that could be mistaken for ours.
    let pulse = Pulse::start(PulseConfig {
        threads: 4,
        fifo: true,
    })
    .unwrap();
    let sink = Sink::new();
    // One song on each thread: once all are heard, every thread has asked for its class.
    for id in 1..=4 {
        let (_, mut writer) = sing(&pulse.handle(), &sink, id, 2);
        writer.finish();
    }
    sink.skip(4 * 2);
    // The kernel's own word for it: field 41 of stat is the policy, 1 is SCHED_FIFO (proc(5)).
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let policy = tasks.flatten().find_map(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let fields = stat.rsplit_once(')')?.1;
        let policy = fields.split_whitespace().nth(38)?.to_owned();
        (name.trim() == "mynah-tick-3").then_some(policy)
    });
    let is_fifo = policy.as_deref() == Some("1");
    // On a busy machine a song may be over before the next is seated, and a thread may have had none.
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while pulse.handle().stats().is_real_time() != is_fifo && std::time::Instant::now() < limit {
        std::thread::yield_now();
    }
    assert_eq!(pulse.handle().stats().is_real_time(), is_fifo, "{policy:?}");
}

#[test]
fn sessions_move_between_running_threads_and_every_packet_leaves_once_and_in_order() {
    const SONGS: u32 = 6;
    let pulse = start(3);
    let (handle, sink) = (pulse.handle(), Sink::new());
    let songs: Vec<_> = (0..SONGS).map(|n| sing(&handle, &sink, n, 60)).collect();
    let mut next = [0; SONGS as usize];
    // Whatever comes in order; every packet makes somebody move on.
    for n in 0..SONGS as usize * 40 {
        let (header, _) = sink.take();
        let session = header.ssrc.0 as usize;
        assert_eq!(header.sequence, next[session], "session {session}");
        next[session] += 1;
        handle.move_to(songs[n % songs.len()].0, n % 3).unwrap();
        let epoch = 1 + n as u64 / 8;
        handle.sender(songs[n % songs.len()].0, sealed(epoch));
    }
    for (session, writer) in songs {
        drop(writer);
        handle.close(session);
    }
    let mut events = handle.events().unwrap();
    let mut closed = 0;
    while closed < SONGS {
        let event = events.poll();
        closed += u32::from(event.is_some_and(|event| event.kind == EventKind::Closed));
        std::thread::yield_now();
    }
    let stats = handle.stats();
    assert!(stats.sessions.is_empty(), "{:?}", stats.sessions);
    assert_eq!((stats.orders_lost, stats.codec_errors), (0, 0));
}
