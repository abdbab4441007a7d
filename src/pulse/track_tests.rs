//! A track heard sample by sample, without an encoder in between.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

#[path = "track_tests/fades.rs"]
mod fades;
#[path = "track_tests/swaps.rs"]
mod swaps;

use super::*;
use crate::ring::{RingWriter, ring};
use mynah_audio::{FRAMES, SAMPLES};

const ID: TrackId = TrackId(7);

/// A 440 Hz sine of height 0.8, different on both sides; frame `n` of an endless song.
fn song(n: usize) -> [f32; 2] {
    let phase = n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0;
    [0.8 * phase.sin(), -0.4 * phase.sin()]
}

/// The largest step of the left channel between two neighbouring frames of the song.
fn songs_own_step() -> f32 {
    (0..2000)
        .map(|n| (song(n + 1)[0] - song(n)[0]).abs())
        .fold(0.0, f32::max)
}

struct Rig {
    writer: Option<RingWriter>,
    track: Track,
    /// Frames of the song written so far.
    written: usize,
    heard: Vec<f32>,
    news: Vec<EventKind>,
}

impl Rig {
    fn new(options: TrackOptions) -> Self {
        let (writer, reader) = ring(16);
        Self {
            writer: Some(writer),
            track: Track::new(ID, reader, options),
            written: 0,
            heard: vec![],
            news: vec![],
        }
    }

    /// Puts `blocks` blocks of the song into the ring.
    fn feed(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.feed_frames(FRAMES);
        }
    }

    fn feed_frames(&mut self, frames: usize) {
        let writer = self.writer.as_mut().unwrap();
        let block = writer.acquire().unwrap();
        for (i, frame) in block.chunks_exact_mut(2).enumerate() {
            frame.copy_from_slice(&song(self.written + i));
        }
        writer.commit(frames);
        self.written += frames;
    }

    /// Mixes `ticks` blocks and keeps the left channel.
    fn tick(&mut self, ticks: usize) -> Mixed {
        let mut last = None;
        for _ in 0..ticks {
            let mut bus = [0.0; SAMPLES];
            let mixed = mynah_testkit::alloc::in_tick(|| self.track.mix(&mut bus));
            self.heard.extend(bus.iter().step_by(2));
            self.news.extend(mixed.events.into_iter().flatten());
            last = Some(mixed);
        }
        last.unwrap()
    }

    fn tell(&mut self, news: Option<EventKind>) {
        self.news.extend(news);
    }

    fn largest_step(&self) -> f32 {
        let steps = self.heard.windows(2).map(|w| (w[1] - w[0]).abs());
        steps.fold(self.heard[0].abs(), f32::max)
    }

    /// The part of the song heard from output frame `at` on equals the song from `from` on.
    fn assert_plays_song(&self, at: usize, from: usize, frames: usize) {
        for i in 0..frames {
            assert_eq!(
                self.heard[at + i],
                song(from + i)[0],
                "frame {i} after {at}"
            );
        }
    }

    fn assert_silent(&self, frames: std::ops::Range<usize>) {
        assert!(self.heard[frames].iter().all(|s| *s == 0.0));
    }

    /// No step larger than the song's own plus what the 5 ms ramp itself adds.
    fn assert_no_click(&self) {
        let allowed = songs_own_step() + 0.8 / RAMP_FRAMES as f32 + 1e-6;
        let found = self.largest_step();
        assert!(found <= allowed, "a step of {found}, allowed {allowed}");
    }
}

fn playing() -> Rig {
    Rig::new(TrackOptions::default())
}

#[test]
fn at_unity_the_song_passes_bit_for_bit_from_its_first_sample() {
    let mut rig = playing();
    rig.feed(5);
    rig.tick(5);
    rig.assert_plays_song(0, 0, 5 * FRAMES);
    assert_eq!(rig.news, [EventKind::Started(ID)]);
}

#[test]
fn pause_fades_within_5_ms_and_resume_goes_on_with_the_very_sample() {
    let mut rig = playing();
    rig.feed(8);
    rig.tick(3);
    let news = rig.track.pause();
    assert_eq!(news, None, "told when it has faded");
    rig.tick(4);
    let news = rig.track.resume();
    rig.tell(news);
    rig.tick(4);
    let ramp = RAMP_FRAMES as usize;
    rig.assert_plays_song(0, 0, 3 * FRAMES);
    rig.assert_silent(3 * FRAMES + ramp..7 * FRAMES);
    // Resumed at frame 3 × 960 of the song, which is also what faded out before.
    rig.assert_plays_song(7 * FRAMES + ramp, 3 * FRAMES + ramp, 4 * FRAMES - ramp);
    rig.assert_no_click();
    let told = [
        EventKind::Started(ID),
        EventKind::Paused(ID),
        EventKind::Resumed(ID),
    ];
    assert_eq!(rig.news, told);
}

#[test]
fn resuming_before_the_fade_has_happened_leaves_no_trace() {
    let mut rig = playing();
    rig.feed(4);
    rig.tick(2);
    rig.track.pause();
    rig.track.resume();
    rig.tick(2);
    rig.assert_plays_song(0, 0, 4 * FRAMES);
}

#[test]
fn stop_fades_within_5_ms_and_reports_what_was_played() {
    let mut rig = playing();
    rig.feed(5);
    rig.tick(2);
    assert_eq!(rig.track.stop(), None, "told when it has faded");
    rig.tick(2);
    rig.assert_no_click();
    rig.assert_silent(2 * FRAMES + RAMP_FRAMES as usize..4 * FRAMES);
    assert!(rig.track.is_done());
    let frames_played = 2 * FRAMES as u64;
    let stopped = EventKind::Stopped {
        track: ID,
        frames_played,
    };
    assert_eq!(rig.news, [EventKind::Started(ID), stopped]);
    assert_eq!(rig.track.stop(), None, "only once");
}

#[test]
fn gain_walks_to_its_target_within_5_ms() {
    let mut rig = playing();
    rig.feed(6);
    rig.tick(2);
    rig.track.set_gain(0.25);
    rig.tick(2);
    rig.track.set_gain(1.0);
    rig.tick(2);
    rig.assert_no_click();
    let settled = 2 * FRAMES + RAMP_FRAMES as usize;
    assert_eq!(rig.heard[settled], song(settled)[0] * 0.25);
    let back = 4 * FRAMES + RAMP_FRAMES as usize;
    rig.assert_plays_song(back, back, FRAMES);
}

#[test]
fn a_gain_set_while_paused_is_what_it_fades_in_to() {
    let mut rig = playing();
    rig.feed(4);
    rig.tick(1);
    rig.track.pause();
    rig.tick(1);
    rig.track.set_gain(0.5);
    rig.track.resume();
    rig.tick(2);
    rig.assert_no_click();
    assert_eq!(rig.heard[3 * FRAMES], song(2 * FRAMES)[0] * 0.5);
}

#[test]
fn a_dry_ring_fades_out_and_comes_back_where_it_broke_off() {
    let mut rig = playing();
    rig.feed_frames(FRAMES);
    // Broken off at the crest of the wave, where stopping dead would click the loudest.
    rig.feed_frames(FRAMES);
    rig.tick(2);
    rig.tick(10);
    let stalled = rig.news.clone();
    assert_eq!(stalled, [EventKind::Started(ID), EventKind::Stalled(ID)]);
    rig.assert_silent(2 * FRAMES + RAMP_FRAMES as usize..12 * FRAMES);
    rig.feed(2);
    rig.tick(2);
    rig.assert_no_click();
    assert_eq!(rig.news.last(), Some(&EventKind::Recovered(ID)));
    let back = 12 * FRAMES + RAMP_FRAMES as usize;
    rig.assert_plays_song(back, 2 * FRAMES + RAMP_FRAMES as usize, FRAMES);
}

#[test]
fn the_stall_is_reported_after_100_ms_and_not_before() {
    let mut rig = playing();
    rig.feed(1);
    rig.tick(1);
    rig.tick(4);
    assert_eq!(rig.news, [EventKind::Started(ID)]);
    rig.tick(1);
    assert_eq!(rig.news.last(), Some(&EventKind::Stalled(ID)));
    rig.tick(20);
    assert_eq!(rig.news.len(), 2, "and only once");
}

#[test]
fn a_hiccup_shorter_than_100_ms_is_not_worth_a_word() {
    let mut rig = playing();
    rig.feed(1);
    rig.tick(4);
    rig.feed(1);
    rig.tick(1);
    assert_eq!(rig.news, [EventKind::Started(ID)]);
    rig.assert_no_click();
}

#[test]
fn a_source_that_is_slow_to_start_has_not_stalled() {
    let mut rig = playing();
    rig.tick(50);
    assert_eq!(rig.news, []);
    rig.feed(1);
    rig.tick(1);
    rig.assert_plays_song(50 * FRAMES, 0, FRAMES);
}

#[test]
fn the_end_is_told_with_the_last_block_and_counts_every_frame() {
    let mut rig = playing();
    rig.feed(1);
    rig.feed_frames(333);
    rig.writer.as_mut().unwrap().finish();
    rig.tick(2);
    let ended = EventKind::Ended {
        track: ID,
        frames_played: 960 + 333,
    };
    assert_eq!(rig.news, [EventKind::Started(ID), ended]);
    rig.assert_plays_song(0, 0, FRAMES + 333);
    rig.assert_silent(FRAMES + 333..2 * FRAMES);
    assert!(rig.track.is_done());
}

#[test]
fn an_empty_song_ends_without_having_started() {
    let mut rig = playing();
    rig.writer.as_mut().unwrap().finish();
    let mixed = rig.tick(1);
    assert!(!mixed.sound);
    assert_eq!(
        rig.news,
        [EventKind::Ended {
            track: ID,
            frames_played: 0
        }]
    );
}

#[test]
fn a_source_that_dies_fades_out_and_is_told_apart_from_an_end() {
    let mut rig = playing();
    rig.feed(2);
    rig.writer = None;
    rig.tick(4);
    let broken = EventKind::Broken {
        track: ID,
        frames_played: 1920,
    };
    assert_eq!(rig.news, [EventKind::Started(ID), broken]);
    rig.assert_no_click();
    assert!(rig.track.is_done());
}

#[test]
fn a_track_started_paused_waits_and_fades_in() {
    let mut rig = Rig::new(TrackOptions {
        paused: true,
        ..TrackOptions::default()
    });
    rig.written = 27; // a quarter into the wave: starting dead would click
    rig.feed(3);
    rig.tick(5);
    rig.assert_silent(0..5 * FRAMES);
    assert!(!rig.track.is_active());
    rig.track.resume();
    rig.tick(2);
    rig.assert_no_click();
    rig.assert_plays_song(6 * FRAMES, 27 + FRAMES, FRAMES);
}

#[test]
fn pausing_and_stopping_in_a_stall_make_no_sound() {
    let mut rig = playing();
    rig.feed(1);
    rig.tick(3);
    let news = rig.track.pause();
    rig.tell(news);
    assert_eq!(rig.news.last(), Some(&EventKind::Paused(ID)), "at once");
    rig.track.resume();
    let news = rig.track.stop();
    rig.tell(news);
    assert!(rig.track.is_done());
    rig.tick(1);
    rig.assert_silent(2 * FRAMES..4 * FRAMES);
}

#[test]
fn a_line_lost_in_mid_sound_costs_no_sample() {
    let mut rig = playing();
    rig.feed(4);
    rig.tick(2);
    let news = rig.track.hush();
    rig.tell(news);
    rig.tick(2);
    let back = 2 * FRAMES + RAMP_FRAMES as usize;
    rig.assert_plays_song(back, back, 2 * FRAMES - RAMP_FRAMES as usize);
    assert_eq!(
        rig.heard[2 * FRAMES].abs(),
        (song(2 * FRAMES)[0] / 240.0).abs()
    );
}

#[test]
fn a_line_lost_while_fading_finishes_the_pause_and_the_stop() {
    let mut rig = playing();
    rig.feed(2);
    rig.tick(1);
    rig.track.pause();
    assert_eq!(rig.track.hush(), Some(EventKind::Paused(ID)));
    let mut rig = playing();
    rig.feed(2);
    rig.tick(1);
    rig.track.stop();
    assert!(matches!(rig.track.hush(), Some(EventKind::Stopped { .. })));
}
