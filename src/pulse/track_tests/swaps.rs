//! Going over from one ring to another. The new ring carries the song at half its height, so that
//! both what is heard and where it stands in the song can be told from the samples.

use super::*;

/// A second ring, filled with `blocks` blocks from frame `from` of the song on.
fn half(from: usize, blocks: usize) -> (RingWriter, RingReader) {
    let (mut writer, reader) = ring(16);
    put_half(&mut writer, from, blocks);
    (writer, reader)
}

fn put_half(writer: &mut RingWriter, from: usize, blocks: usize) {
    for b in 0..blocks {
        assert!(writer.put(|block| {
            for (i, frame) in block.chunks_exact_mut(2).enumerate() {
                frame.copy_from_slice(&song(from + b * FRAMES + i).map(|s| s * 0.5));
            }
        }));
    }
}

impl Rig {
    fn swap(&mut self, reader: RingReader, at_frame: usize) -> Option<Box<Swap>> {
        let mut swap = Some(Box::new(Swap::new(reader, at_frame as u64)));
        mynah_testkit::alloc::in_tick(|| self.track.swap(&mut swap));
        swap
    }

    /// The part heard from output frame `at` on is the new ring's song from `from` on.
    fn assert_plays_half(&self, at: usize, from: usize, frames: usize) {
        for i in 0..frames {
            let wanted = song(from + i)[0] * 0.5;
            assert_eq!(self.heard[at + i], wanted, "frame {i} after {at}");
        }
    }

    fn has_left_old(&mut self) -> bool {
        self.track.take_spent().is_some()
    }
}

const CROSS: usize = 480;

#[test]
fn a_track_goes_over_at_the_very_frame_and_in_between_hears_both() {
    let mut rig = playing();
    rig.feed(10);
    rig.tick(2);
    let (writer, reader) = half(4 * FRAMES, 8);
    assert!(rig.swap(reader, 4 * FRAMES).is_none());
    rig.tick(6);
    rig.assert_plays_song(0, 0, 4 * FRAMES);
    rig.assert_plays_half(4 * FRAMES + CROSS, 4 * FRAMES + CROSS, 4 * FRAMES - CROSS);
    rig.assert_no_click();
    let middle = rig.heard[4 * FRAMES + CROSS / 2 - 1];
    let wanted = song(4 * FRAMES + CROSS / 2 - 1)[0] * 0.75;
    assert!((middle - wanted).abs() < 1e-4);
    assert_eq!(writer.meter().frames_taken(), 4 * FRAMES as u64);
    assert_eq!(rig.track.frames_played, 8 * FRAMES as u64);
    assert_eq!(rig.news, [EventKind::Started(ID)], "nothing to tell");
    assert!(rig.has_left_old());
}

#[test]
fn a_swap_that_comes_too_late_skips_what_was_played_already() {
    let mut rig = playing();
    rig.feed(12);
    rig.tick(6);
    let (writer, reader) = half(3 * FRAMES, 8);
    rig.swap(reader, 3 * FRAMES);
    rig.tick(3);
    rig.assert_plays_song(0, 0, 6 * FRAMES);
    rig.assert_plays_half(6 * FRAMES + CROSS, 6 * FRAMES + CROSS, 3 * FRAMES - CROSS);
    rig.assert_no_click();
    let axis = 3 * FRAMES as u64 + writer.meter().frames_taken();
    assert_eq!(axis, 9 * FRAMES as u64, "both count the same song");
}

#[test]
fn a_new_ring_that_lags_is_waited_for_while_the_old_one_plays() {
    let mut rig = playing();
    rig.feed(12);
    rig.tick(1);
    let (mut writer, reader) = half(2 * FRAMES, 0);
    rig.swap(reader, 2 * FRAMES);
    rig.tick(5);
    rig.assert_plays_song(0, 0, 6 * FRAMES);
    put_half(&mut writer, 2 * FRAMES, 2);
    rig.tick(1);
    put_half(&mut writer, 4 * FRAMES, 6);
    rig.tick(2);
    rig.assert_plays_song(0, 0, 7 * FRAMES);
    rig.assert_plays_half(7 * FRAMES + CROSS, 7 * FRAMES + CROSS, 2 * FRAMES - CROSS);
    rig.assert_no_click();
}

#[test]
fn where_the_old_ring_is_dry_the_new_one_goes_on_without_a_gap() {
    let mut rig = playing();
    rig.feed(3);
    let (_writer, reader) = half(3 * FRAMES, 4);
    rig.swap(reader, 3 * FRAMES);
    rig.tick(5);
    rig.assert_plays_song(0, 0, 3 * FRAMES);
    rig.assert_plays_half(3 * FRAMES, 3 * FRAMES, 2 * FRAMES);
    assert_eq!(rig.news, [EventKind::Started(ID)]);
}

#[test]
fn an_old_ring_that_ends_is_not_the_end_while_another_waits() {
    for breaks in [false, true] {
        let mut rig = playing();
        rig.feed(3);
        match breaks {
            true => rig.writer = None,
            false => rig.writer.as_mut().unwrap().finish(),
        }
        let (mut writer, reader) = half(5 * FRAMES, 2);
        writer.finish();
        rig.swap(reader, 5 * FRAMES);
        rig.tick(6);
        // The song's own end is as hard as it is.
        rig.heard.truncate(5 * FRAMES);
        rig.assert_no_click();
        rig.assert_plays_song(0, 0, 3 * FRAMES);
        let faded = RAMP_FRAMES as usize;
        rig.assert_plays_half(3 * FRAMES + faded, 5 * FRAMES + faded, 2 * FRAMES - faded);
        let ended = EventKind::Ended {
            track: ID,
            frames_played: 7 * FRAMES as u64,
        };
        assert_eq!(rig.news, [EventKind::Started(ID), ended]);
    }
}

#[test]
fn a_paused_track_goes_over_at_once_and_is_heard_where_it_was() {
    let mut rig = playing();
    rig.feed(8);
    rig.tick(3);
    rig.track.pause();
    rig.tick(2);
    let (_writer, reader) = half(3 * FRAMES, 0);
    rig.swap(reader, 3 * FRAMES);
    assert!(rig.has_left_old());
    let (_writer, reader) = half(2 * FRAMES, 6);
    rig.swap(reader, 2 * FRAMES);
    assert!(rig.has_left_old(), "and again, with one block to skip");
    rig.track.resume();
    rig.tick(3);
    rig.assert_no_click();
    let faded = RAMP_FRAMES as usize;
    rig.assert_plays_half(5 * FRAMES + faded, 3 * FRAMES + faded, 3 * FRAMES - faded);
}

#[test]
fn a_paused_track_plays_what_is_left_before_a_frame_ahead() {
    let mut rig = playing();
    rig.feed(8);
    rig.tick(3);
    rig.track.pause();
    rig.tick(1);
    let (_writer, reader) = half(5 * FRAMES, 6);
    rig.swap(reader, 5 * FRAMES);
    rig.track.resume();
    rig.tick(4);
    let faded = RAMP_FRAMES as usize;
    rig.assert_plays_song(4 * FRAMES + faded, 3 * FRAMES + faded, 2 * FRAMES - faded);
    rig.assert_plays_half(6 * FRAMES + CROSS, 5 * FRAMES + CROSS, 2 * FRAMES - CROSS);
    rig.assert_no_click();
}

#[test]
fn a_track_that_has_not_begun_begins_with_the_new_ring() {
    let mut rig = playing();
    rig.feed(4);
    let (_writer, reader) = half(0, 4);
    rig.swap(reader, 0);
    rig.tick(3);
    rig.assert_plays_half(0, 0, 3 * FRAMES);
}

#[test]
fn the_last_of_two_swaps_is_the_one_that_happens() {
    let mut rig = playing();
    rig.feed(8);
    rig.tick(1);
    let (first, reader) = half(3 * FRAMES, 4);
    assert!(rig.swap(reader, 3 * FRAMES).is_none());
    let (_second, reader) = half(4 * FRAMES, 4);
    drop(rig.swap(reader, 4 * FRAMES).unwrap());
    assert!(first.is_abandoned(), "it came back with the order");
    rig.tick(5);
    rig.assert_plays_song(0, 0, 4 * FRAMES);
    rig.assert_plays_half(4 * FRAMES + CROSS, 4 * FRAMES + CROSS, 2 * FRAMES - CROSS);
}

#[test]
fn a_new_ring_with_nothing_left_ends_the_track_without_a_click() {
    for breaks in [false, true] {
        let mut rig = playing();
        rig.feed(6);
        rig.tick(2);
        let (mut writer, reader) = half(0, 0);
        if !breaks {
            writer.finish();
        }
        drop(writer);
        rig.swap(reader, 3 * FRAMES);
        rig.tick(3);
        rig.assert_no_click();
        rig.assert_silent(3 * FRAMES + CROSS..5 * FRAMES);
        let last = rig.news.last().unwrap();
        assert_eq!(matches!(last, EventKind::Broken { .. }), breaks, "{last:?}");
        assert!(rig.track.is_done());
    }
}

#[test]
fn gains_and_fades_carry_over() {
    let mut rig = playing();
    rig.feed(12);
    rig.tick(1);
    let long = Fade {
        frames: 6 * FRAMES as u32,
        ..Fade::QUICK
    };
    rig.track.act(&mut Act::Fade(0.0, long));
    let (_writer, reader) = half(3 * FRAMES, 8);
    rig.swap(reader, 3 * FRAMES);
    rig.tick(8);
    rig.assert_no_click();
    let at = 5 * FRAMES;
    let wanted = song(at + 10)[0] * 0.5 * (1.0 - (4 * FRAMES + 11) as f32 / (6 * FRAMES) as f32);
    assert!((rig.heard[at + 10] - wanted).abs() < 1e-4);
    rig.assert_silent(7 * FRAMES..9 * FRAMES);
}
