//! Senders that send nothing: `Hold`, where nothing moves, and `Unheard`, where only nobody listens.

use mynah_audio::level::{peak, rms};

use super::dave::opened;
use super::rig::{FIRST_SEQUENCE, FIRST_TIMESTAMP, Heard, MS, Rig, sealed, tone};
use crate::{EventKind, RingWriter, Sender, TrackId};

/// Frames that were taken out of a ring, in packets.
fn taken(writer: &RingWriter) -> u64 {
    writer.meter().frames_taken() / 960
}

/// What was sent over link 1, opened.
fn frames(rig: &Rig) -> Vec<Heard> {
    let sent = opened(rig, 3).into_iter();
    sent.map(|(_, heard)| heard).collect()
}

#[test]
fn a_line_that_holds_is_like_no_line_until_there_are_keys() {
    let mut rig = Rig::new(100);
    let (session, writer) = rig.sing_as(Sender::Hold, tone, 40);
    rig.run_ms(1000);
    assert_eq!((rig.io.sends, taken(&writer)), (0, 0));
    assert!(
        rig.kinds().is_empty(),
        "nothing has started: {:?}",
        rig.news
    );
    let asked_ns = rig.io.now_ns;
    rig.handle.sender(session, sealed(1));
    rig.run_ms(200);
    let heard = frames(&rig);
    assert!(heard[0].at_ns - asked_ns <= 25 * MS);
    assert_eq!(heard[0].header.sequence, FIRST_SEQUENCE);
    // The clock of the line began to run when it was attached.
    let waited = heard[0].header.timestamp.wrapping_sub(FIRST_TIMESTAMP) / 960;
    assert!((49..=51).contains(&waited), "{waited} ticks");
    let sent = heard.len() as u64;
    assert!(
        taken(&writer) - sent <= 1,
        "the song begins at its beginning"
    );
    assert_eq!(rig.kinds(), [EventKind::Started(TrackId(1))]);
}

#[test]
fn holding_in_mid_song_sends_nothing_more_and_loses_no_frame() {
    for offset_ms in 0..20 {
        let mut rig = Rig::new(200);
        let (session, mut writer) = rig.sing_as(sealed(1), tone, 30);
        writer.finish();
        rig.run_ms(200 + offset_ms);
        rig.handle.sender(session, Sender::Hold);
        let before = frames(&rig).len() as u64;
        let held = taken(&writer);
        assert!(held - before <= 1, "one packet may have been prepared");
        rig.run_ms(1000);
        assert_eq!(frames(&rig).len() as u64, before, "{offset_ms} ms");
        assert_eq!(taken(&writer), held);

        rig.handle.sender(session, sealed(2));
        rig.run_ms(1000);
        let sent = opened(&rig, 2);
        let after: Vec<Heard> = sent
            .iter()
            .filter(|(epoch, _)| *epoch == Some(2))
            .map(|(_, heard)| heard.clone())
            .collect();
        // 30 blocks, and the encoder's look-ahead at the end.
        assert_eq!(before + after.len() as u64, 31, "{offset_ms} ms");
        let (last, first) = (&sent[before as usize - 1].1, &after[0]);
        assert_eq!(first.header.sequence, last.header.sequence.wrapping_add(1));

        let pcm = Rig::decode(&after);
        assert!(peak(&pcm[..60]) < 0.25, "fades in: {}", peak(&pcm[..60]));
        assert!(rms(&pcm[1920..3840]) > 0.3, "and sounds");
        assert_eq!(rig.handle.stats().sealed_stale, 0);
    }
}

#[test]
fn sound_that_begins_again_does_not_click() {
    let own = (0..2000)
        .map(|n| (tone(n + 1) - tone(n)).abs())
        .fold(0.0, f32::max);
    for offset_ms in 0..20 {
        let mut rig = Rig::new(200);
        let (session, _writer) = rig.sing_as(sealed(1), tone, 60);
        rig.run_ms(200 + offset_ms);
        rig.handle.sender(session, Sender::Hold);
        rig.run_ms(300);
        rig.handle.sender(session, sealed(2));
        rig.run_ms(200);
        let sent = opened(&rig, 2).into_iter();
        let after: Vec<Heard> = sent
            .filter(|(epoch, _)| *epoch == Some(2))
            .map(|(_, heard)| heard)
            .collect();
        let pcm = Rig::decode(&after);
        let steps = pcm.windows(2).map(|w| (w[1] - w[0]).abs());
        let step = steps.fold(0.0, f32::max);
        assert!(step < own * 1.6, "{offset_ms} ms: {step}, its own {own}");
    }
}

#[test]
fn without_listeners_the_song_goes_on_unsent() {
    let mut rig = Rig::new(200);
    let (session, writer) = rig.sing_as(Sender::Unheard, tone, 60);
    rig.run_ms(500);
    assert_eq!(rig.io.sends, 0);
    let unheard = taken(&writer);
    assert!((24..=26).contains(&unheard), "{unheard}");
    assert!(rig.handle.stats().session(session).unwrap().sounding);
    assert_eq!(rig.kinds(), [EventKind::Started(TrackId(1))]);
    assert_eq!(rig.handle.stats().sessions[0].frames_encoded, 0);

    rig.handle.sender(session, sealed(1));
    rig.run_ms(200);
    let heard = frames(&rig);
    let more = taken(&writer) - unheard;
    assert!(more - heard.len() as u64 <= 1, "{more}");
    let pcm = Rig::decode(&heard);
    assert!(
        peak(&pcm[..60]) < 0.25,
        "who comes in mid-song hears it fade in"
    );
    assert!(rms(&pcm[1920..3840]) > 0.3);
}

#[test]
fn when_the_last_listener_leaves_nothing_more_is_sent_and_the_song_ends_in_time() {
    let mut rig = Rig::new(200);
    let (session, mut writer) = rig.sing_as(sealed(1), tone, 30);
    writer.finish();
    rig.run_ms(213);
    rig.handle.sender(session, Sender::Unheard);
    let before = rig.io.sends;
    rig.run_ms(600);
    assert_eq!(rig.io.sends, before);
    let track = TrackId(1);
    let frames_played = 30 * 960;
    assert_eq!(
        rig.kinds(),
        [
            EventKind::Started(track),
            EventKind::Ended {
                track,
                frames_played
            }
        ]
    );
}

#[test]
fn when_somebody_comes_the_song_waits_for_the_keys() {
    let mut rig = Rig::new(200);
    let (session, writer) = rig.sing_as(Sender::Unheard, tone, 60);
    rig.run_ms(300);
    rig.handle.sender(session, Sender::Hold);
    rig.run_ms(5);
    let held = taken(&writer);
    rig.run_ms(300);
    assert_eq!((rig.io.sends, taken(&writer)), (0, held));
    rig.handle.sender(session, sealed(1));
    rig.run_ms(200);
    let sent = frames(&rig).len() as u64;
    assert!(sent >= 9 && taken(&writer) - held - sent <= 1);
}

#[test]
fn pause_stop_and_close_are_answered_while_the_line_holds() {
    let mut rig = Rig::new(100);
    let (session, _one) = rig.sing_as(sealed(1), tone, 30);
    let _two = rig.play(session, TrackId(2), tone, 30);
    rig.run_ms(100);
    rig.handle.sender(session, Sender::Hold);
    rig.run_ms(20);
    let sent = rig.io.sends;
    rig.handle.pause(session, TrackId(1));
    rig.handle.stop(session, TrackId(2));
    rig.run_ms(5);
    assert!(matches!(
        rig.kinds()[2..],
        [EventKind::Paused(TrackId(1)), EventKind::Stopped { .. }]
    ));
    rig.handle.close(session);
    rig.run_ms(5);
    assert_eq!(rig.kinds().last(), Some(&EventKind::Closed));
    assert!(rig.wheel.is_empty());
    assert_eq!(rig.io.sends, sent, "and nothing was sent for it");
}

#[test]
fn what_was_stopped_while_the_line_held_is_not_heard_afterwards() {
    for offset_ms in 0..20 {
        let mut rig = Rig::new(100);
        let (session, _old) = rig.sing_as(sealed(1), tone, 30);
        rig.run_ms(100 + offset_ms);
        rig.handle.sender(session, Sender::Hold);
        rig.handle.stop(session, TrackId(1));
        rig.run_ms(50);
        let sent = rig.io.sends;
        let _new = rig.play(session, TrackId(2), |_| 0.0, 30);
        rig.handle.sender(session, sealed(2));
        rig.run_ms(100);
        assert_eq!(rig.io.sends, sent, "the new song is silence");
    }
}

#[test]
fn a_mix_nobody_hears_closes_as_any_other() {
    let mut rig = Rig::new(100);
    let (session, _writer) = rig.sing_as(Sender::Unheard, tone, 30);
    rig.run_ms(100);
    rig.handle.close(session);
    rig.run_ms(60);
    assert!(matches!(
        rig.kinds()[1..],
        [EventKind::Stopped { .. }, EventKind::Closed]
    ));
    assert!(rig.wheel.is_empty());
    assert_eq!(rig.io.sends, 0);
}

#[test]
fn a_line_replaced_while_its_keys_change_loses_no_frame() {
    for offset_ms in 0..20 {
        let mut rig = Rig::new(200);
        let (session, writer) = rig.sing_as(sealed(1), tone, 40);
        rig.run_ms(200 + offset_ms);
        let before = rig.heard(1).len() as u64;
        // The packet that waits must not leave early under the key that has just been replaced.
        rig.attach_as(session, 2, Sender::Hold);
        rig.handle.sender(session, sealed(2));
        rig.run_ms(200);
        let (old, new) = (rig.heard(1).len() as u64, rig.heard(2).len() as u64);
        assert_eq!(old, before, "{offset_ms} ms");
        assert!(new >= 9);
        let prepared = taken(&writer) - old - new;
        assert!(prepared <= 1, "{offset_ms} ms: {prepared} lost");
        assert_eq!(rig.handle.stats().sealed_stale, 0);
    }
}

#[test]
fn new_transport_keys_for_the_same_stream_change_nothing_about_the_frames() {
    for offset_ms in 0..20 {
        let mut rig = Rig::new(200);
        let (session, writer) = rig.sing_as(sealed(1), tone, 40);
        rig.run_ms(200 + offset_ms);
        rig.attach_as(session, 1, Sender::Hold);
        rig.run_ms(100);
        rig.handle.sender(session, sealed(2));
        rig.run_ms(100);
        // Opened by one listener: a counter that started over would be a replay.
        let sent = opened(&rig, 2);
        assert!(taken(&writer) - sent.len() as u64 <= 1, "{offset_ms} ms");
        for pair in sent.windows(2) {
            let (a, b) = (&pair[0].1.header, &pair[1].1.header);
            assert_eq!(b.sequence, a.sequence.wrapping_add(1), "{offset_ms} ms");
        }
        let last = sent.last().unwrap();
        assert_eq!(last.0, Some(2));
    }
}
