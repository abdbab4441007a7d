//! Frames sealed end to end: what leaves, under which epoch, and what a change of epoch costs.

use std::time::Instant;

use mynah_dave::frame::{FrameOpener, SILENCE, is_sealed};

use super::rig::{FIRST_SEQUENCE, Heard, Rig, base, sealed, tone};
use crate::{Sender, TrackId};

/// A listener who knows the keys of the epochs 1 to so many, each by itself.
pub(super) struct Epochs {
    openers: Vec<(u64, FrameOpener)>,
    now: Instant,
}

impl Epochs {
    pub(super) fn new(newest: u64) -> Self {
        let now = Instant::now();
        let opener = |epoch| {
            let mut opener = FrameOpener::new();
            opener.install(&base(epoch), epoch, now);
            (epoch, opener)
        };
        Self {
            openers: (1..=newest).map(opener).collect(),
            now,
        }
    }

    /// The epoch a frame was sealed in, and what it was before; no epoch if it was not sealed.
    pub(super) fn open(&mut self, frame: &mut [u8]) -> (Option<u64>, Vec<u8>) {
        if !is_sealed(frame) {
            return (None, frame.to_vec());
        }
        let now = self.now;
        let opened = self.openers.iter_mut().find_map(|(epoch, opener)| {
            let len = opener.open(frame, now).ok()?;
            Some((*epoch, len))
        });
        let (epoch, len) = opened.expect("it is sealed under none of our keys");
        (Some(epoch), frame[..len].to_vec())
    }
}

/// What was sent over link 1, with the epoch of each frame, and the frames opened.
pub(super) fn opened(rig: &Rig, newest: u64) -> Vec<(Option<u64>, Heard)> {
    let mut epochs = Epochs::new(newest);
    let heard = rig.heard(1).into_iter();
    heard
        .map(|mut heard| {
            let (epoch, frame) = epochs.open(&mut heard.frame);
            (epoch, Heard { frame, ..heard })
        })
        .collect()
}

/// What a song sounds like without end-to-end encryption.
fn plainly(song: fn(usize) -> f32, blocks: usize, ms: u64) -> Vec<Heard> {
    let mut rig = Rig::new(200);
    let (_, mut writer) = rig.sing(song, blocks);
    writer.finish();
    rig.run_ms(ms);
    rig.heard(1)
}

fn frames(sent: &[(Option<u64>, Heard)]) -> Vec<Heard> {
    sent.iter().map(|(_, heard)| heard.clone()).collect()
}

#[test]
fn every_frame_is_sealed_and_the_five_silences_travel_unchanged() {
    let mut rig = Rig::new(100);
    let (_, mut writer) = rig.sing_as(sealed(1), tone, 8);
    writer.finish();
    rig.run_ms(500);
    let raw = rig.heard(1);
    assert_eq!(raw.len(), 8 + 1 + 5);
    assert!(raw[..9].iter().all(|heard| is_sealed(&heard.frame)));
    assert!(raw[9..].iter().all(|heard| heard.frame == SILENCE));
    let sent = opened(&rig, 1);
    assert!(sent[..9].iter().all(|(epoch, _)| *epoch == Some(1)));
    assert_eq!(frames(&sent), plainly(tone, 8, 500));
    assert_eq!(rig.handle.stats().codec_errors, 0);
}

#[test]
fn an_epoch_change_loses_no_frame_and_nobody_can_hear_it() {
    let plain = plainly(tone, 30, 900);
    for offset_ms in 0..20 {
        let mut rig = Rig::new(200);
        let (session, mut writer) = rig.sing_as(sealed(1), tone, 30);
        writer.finish();
        rig.run_ms(200 + offset_ms);
        rig.handle.sender(session, sealed(2));
        rig.run_ms(100);
        rig.handle.sender(session, sealed(3));
        rig.run_ms(600 - offset_ms);
        let sent = opened(&rig, 3);
        // Not a bit of it: neither Opus frames nor sequence, timestamps or times of sending.
        assert_eq!(frames(&sent), plain, "{offset_ms} ms");
        let mut epochs: Vec<_> = sent.iter().filter_map(|(epoch, _)| *epoch).collect();
        epochs.dedup();
        assert_eq!(epochs, [1, 2, 3]);
    }
}

#[test]
fn no_packet_leaves_under_the_old_epoch_once_the_new_one_was_ordered() {
    for offset_ms in 0..20 {
        let mut rig = Rig::new(200);
        let (session, _writer) = rig.sing_as(sealed(1), tone, 40);
        rig.run_ms(200 + offset_ms);
        let ordered_ns = rig.io.now_ns;
        rig.handle.sender(session, sealed(2));
        rig.run_ms(200);
        for (epoch, heard) in opened(&rig, 2) {
            let expected = if heard.at_ns > ordered_ns { 2 } else { 1 };
            assert_eq!(epoch, Some(expected), "order at {offset_ms} ms");
        }
        assert_eq!(rig.handle.stats().sealed_stale, 0);
    }
}

#[test]
fn an_order_behind_many_others_is_read_before_the_packet_leaves() {
    let mut rig = Rig::new(200);
    let (session, _writer) = rig.sing_as(sealed(1), tone, 40);
    rig.run_ms(200);
    let ordered_ns = rig.io.now_ns;
    for _ in 0..900 {
        rig.handle.set_bitrate(session, 96_000);
    }
    rig.handle.sender(session, sealed(2));
    rig.run_ms(100);
    let sent = opened(&rig, 2);
    let later = || sent.iter().filter(|(_, heard)| heard.at_ns > ordered_ns);
    assert!(later().count() >= 4);
    assert!(later().all(|(epoch, _)| *epoch == Some(2)));
    assert_eq!(rig.handle.stats().sealed_stale, 0);
}

#[test]
fn a_late_packet_leaves_under_the_new_epoch_too() {
    let mut rig = Rig::new(200);
    let (session, _writer) = rig.sing_as(sealed(1), tone, 40);
    rig.run_ms(200);
    rig.sleep_through_ms(35);
    rig.handle.sender(session, sealed(2));
    let ordered_ns = rig.io.now_ns;
    rig.run_ms(100);
    assert!(rig.handle.stats().late_packets > 0);
    for (epoch, heard) in opened(&rig, 2) {
        let expected = if heard.at_ns >= ordered_ns { 2 } else { 1 };
        assert_eq!(epoch, Some(expected));
    }
}

#[test]
fn a_packet_that_had_to_leave_under_the_old_epoch_is_counted() {
    let mut rig = Rig::new(400);
    let (session, mut writer) = rig.sing_as(sealed(1), tone, 16);
    // Nobody sweeps: the tick stops reading orders when 4,096 boxes wait.
    for _ in 0..100 {
        for _ in 0..64 {
            rig.handle.set_bitrate(session, 96_000);
        }
        rig.run_ms(5);
        while writer.put(|block| block.fill(0.25)) {}
        if rig.handle.stats().wakes > 66 {
            break;
        }
    }
    rig.handle.sender(session, sealed(2));
    assert_eq!(rig.handle.stats().sealed_stale, 0);
    rig.run_ms(41);
    let stats = rig.handle.stats();
    assert!(stats.sealed_stale >= 2, "{}", stats.sealed_stale);
    let mine = stats.session(session).unwrap().sealed_stale;
    assert_eq!(mine, stats.sealed_stale);
    rig.janitor.sweep();
    rig.run_ms(20);
    let before = rig.handle.stats().sealed_stale;
    while writer.put(|block| block.fill(0.25)) {}
    rig.run_ms(200);
    assert_eq!(rig.handle.stats().sealed_stale, before, "read at last");
    assert_eq!(opened(&rig, 2).last().unwrap().0, Some(2));
}

#[test]
fn plain_sound_becomes_sealed_and_plain_again_without_a_seam() {
    let plain = plainly(tone, 30, 900);
    let mut rig = Rig::new(200);
    let (session, mut writer) = rig.sing(tone, 30);
    writer.finish();
    rig.run_ms(207);
    rig.handle.sender(session, sealed(1));
    rig.run_ms(200);
    rig.handle.sender(session, Sender::Plain);
    rig.run_ms(493);
    let sent = opened(&rig, 1);
    assert_eq!(frames(&sent), plain);
    let mut epochs: Vec<_> = sent.iter().map(|(epoch, _)| *epoch).collect();
    epochs.dedup();
    assert_eq!(epochs, [None, Some(1), None]);
}

#[test]
fn epochs_may_start_again_from_one() {
    let mut rig = Rig::new(200);
    let (session, _writer) = rig.sing_as(sealed(5), tone, 40);
    rig.run_ms(215);
    let ordered_ns = rig.io.now_ns;
    rig.handle.sender(session, sealed(1));
    rig.run_ms(200);
    let sent = opened(&rig, 5);
    let later = || sent.iter().filter(|(_, heard)| heard.at_ns > ordered_ns);
    assert!(later().count() >= 9);
    assert!(later().all(|(epoch, _)| *epoch == Some(1)));
    assert_eq!(rig.handle.stats().sealed_stale, 0);
}

#[test]
fn replaced_sealers_are_dropped_by_the_janitor_and_not_on_the_tick() {
    let mut rig = Rig::new(0);
    let (session, _writer) = rig.sing_as(sealed(1), tone, 16);
    rig.run_ms(50);
    rig.janitor.sweep();
    rig.handle.sender(session, sealed(2));
    // Under the guard: a free on the tick aborts.
    rig.run_ms(50);
    let (swept, freed) = mynah_testkit::alloc::count(|| rig.janitor.sweep());
    assert_eq!(swept, 1);
    assert!(freed.frees >= 2, "the order and the sealer in it");
}

#[test]
fn a_sender_for_a_mix_without_a_line_does_nothing() {
    let mut rig = Rig::new(100);
    let session = rig.open();
    let _writer = rig.play(session, TrackId(1), tone, 16);
    rig.handle.sender(session, sealed(1));
    rig.run_ms(50);
    assert_eq!(rig.io.sends, 0);
    rig.attach_as(session, 1, Sender::Hold);
    rig.run_ms(50);
    assert_eq!(rig.io.sends, 0, "that sender went with nothing");
    rig.handle.sender(session, sealed(2));
    rig.run_ms(50);
    let sent = opened(&rig, 2);
    assert_eq!(sent[0].1.header.sequence, FIRST_SEQUENCE);
    assert_eq!(sent[0].0, Some(2));
    assert_eq!(rig.handle.stats().sealed_stale, 0);
}
