//! Sound from nothing: the demo's tune, and a test tone.

use std::f64::consts::TAU;

use mynah_audio::{Block, CHANNELS, FRAMES, SAMPLE_RATE_HZ};

use crate::Read;

/// The demo's tune for `seconds`: plucked chords and a small melody, stereo, over 24 s in a loop.
///
/// Fades out over its last 20 ms, peaks below −1 dBFS, and is the same every time. Infinite
/// seconds play for ever.
#[must_use]
pub fn builtin(seconds: f64) -> Tune {
    Tune {
        notes: score(),
        at: 0,
        end: frames(seconds),
    }
}

fn frames(seconds: f64) -> u64 {
    // The cast saturates: negative is nothing, infinite is for ever.
    (seconds * f64::from(SAMPLE_RATE_HZ)) as u64
}

/// The built-in tune; see [`builtin`].
#[derive(Debug, Clone)]
pub struct Tune {
    notes: Vec<Note>,
    /// Frames given so far.
    at: u64,
    end: u64,
}

#[derive(Debug, Clone, Copy)]
struct Note {
    /// Start in the loop, in frames.
    start: u64,
    hz: f64,
    height: f64,
    /// 0 left, 1 right.
    pan: f64,
    /// How fast it dies away: time constant in seconds.
    ring_s: f64,
}

/// A beat: 80 a minute.
const BEAT_FRAMES: u64 = 36_000;
/// Eight bars of four beats.
const LOOP_FRAMES: u64 = 8 * 4 * BEAT_FRAMES;
/// A note is silent (−60 dB and faded) after this; shorter than the loop, so one loop back is far
/// enough to look for notes still sounding.
const NOTE_FRAMES: u64 = 3 * 48_000;
/// Softens where a note begins.
const ATTACK_S: f64 = 0.006;
/// Softens where a note is cut, and where the tune ends.
const FADE_FRAMES: u64 = 960;

impl Tune {
    /// Fills the next block, like [`crate::Media::read`].
    pub fn read(&mut self, out: &mut Block) -> Read {
        let left = self.end.saturating_sub(self.at);
        let count = usize::try_from(left).unwrap_or(FRAMES).min(FRAMES);
        let (sound, silence) = out.split_at_mut(count * CHANNELS);
        sound.fill(0.0);
        silence.fill(0.0);
        let in_loop = self.at % LOOP_FRAMES;
        for note in &self.notes {
            // Seen from a note late in the loop, the loop's start is the next round's. In the
            // first round nothing rings over.
            for origin in [note.start, note.start.wrapping_sub(LOOP_FRAMES)] {
                if origin > LOOP_FRAMES && self.at < LOOP_FRAMES {
                    continue;
                }
                note.add(in_loop.wrapping_sub(origin).cast_signed(), sound);
            }
        }
        for (n, frame) in (self.at..).zip(sound.chunks_exact_mut(CHANNELS)) {
            let fade = (self.end - n).min(FADE_FRAMES) as f32 / FADE_FRAMES as f32;
            frame.iter_mut().for_each(|s| *s *= fade);
        }
        self.at += count as u64;
        match count {
            0 => Read::End,
            FRAMES => Read::Full,
            n => Read::Last(n),
        }
    }
}

impl Iterator for Tune {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let mut block = mynah_audio::SILENT_BLOCK;
        match self.read(&mut block) {
            Read::End => None,
            _ => Some(block),
        }
    }
}

impl Note {
    /// Adds the note to `sound`, which begins `age` frames after the note did.
    fn add(&self, age: i64, sound: &mut [f32]) {
        let frames = (sound.len() / CHANNELS) as i64;
        if age + frames <= 0 || age >= NOTE_FRAMES as i64 {
            return;
        }
        let left = (self.pan * TAU / 4.0).cos() * self.height;
        let right = (self.pan * TAU / 4.0).sin() * self.height;
        let per_frame = 1.0 / f64::from(SAMPLE_RATE_HZ);
        // Decay and phase go on by multiplication within the block: a fifth of the cost of an
        // `exp` and a `sin` a frame.
        let fading = (-per_frame / self.ring_s).exp();
        let mut decay = (-(age as f64) * per_frame / self.ring_s).exp();
        let (turn_s, turn_c) = (TAU * self.hz * per_frame).sin_cos();
        let (mut next_s, mut next_c) = (TAU * self.hz * age as f64 * per_frame).sin_cos();
        for (n, frame) in (age..).zip(sound.chunks_exact_mut(CHANNELS)) {
            let (now, s, c) = (decay, next_s, next_c);
            decay *= fading;
            (next_s, next_c) = (s * turn_c + c * turn_s, c * turn_c - s * turn_s);
            if !(0..NOTE_FRAMES as i64).contains(&n) {
                continue;
            }
            let t = n as f64 * per_frame;
            let attack = (t / ATTACK_S).min(1.0);
            let cut = (NOTE_FRAMES as i64 - n).min(FADE_FRAMES as i64) as f64 / FADE_FRAMES as f64;
            // The second, third and fifth partial by the multiple-angle formulas. Higher ones
            // die sooner, as on a plucked string.
            let s2 = s * s;
            let wave = s
                + 0.45 * now * 2.0 * s * c
                + 0.22 * now * now * s * (3.0 - 4.0 * s2)
                + 0.10 * now * now * s * (5.0 - 20.0 * s2 + 16.0 * s2 * s2);
            let value = wave * attack * cut * now;
            if let [l, r] = frame {
                *l += (value * left) as f32;
                *r += (value * right) as f32;
            }
        }
    }
}

/// The score: Am7 F C G and back, an arpeggio over a bass note, and a melody above.
fn score() -> Vec<Note> {
    const CHORDS: [[i32; 4]; 8] = [
        [57, 60, 64, 67], // Am7
        [53, 57, 60, 64], // Fmaj7
        [48, 55, 60, 64], // C
        [55, 59, 62, 67], // G
        [57, 60, 64, 67], // Am7
        [53, 57, 60, 69], // F
        [50, 57, 62, 65], // Dm
        [52, 56, 59, 62], // E7
    ];
    // Note of the melody and its beat within the bar; a bar or two apart it breathes.
    const MELODY: [&[(i32, u64)]; 8] = [
        &[(76, 0), (74, 4), (72, 6)],
        &[(69, 0), (72, 3)],
        &[(76, 0), (79, 4), (76, 6)],
        &[(74, 0)],
        &[(72, 0), (74, 3), (76, 6)],
        &[(81, 0), (79, 4), (76, 6)],
        &[(77, 0), (76, 3), (74, 6)],
        &[(71, 0), (68, 4)],
    ];
    let hz = |midi: i32| 440.0 * 2f64.powf(f64::from(midi - 69) / 12.0);
    let mut notes = Vec::new();
    for (bar, (chord, melody)) in (0u64..).zip(CHORDS.iter().zip(MELODY)) {
        let start = bar * 4 * BEAT_FRAMES;
        let bass = chord.first().map_or(110.0, |n| hz(n - 12));
        notes.push(Note {
            start,
            hz: bass,
            height: 0.16,
            pan: 0.5,
            ring_s: 1.1,
        });
        let rising_falling = [0usize, 1, 2, 3, 2, 1, 2, 3];
        for (step, which) in (0u64..).zip(rising_falling) {
            let midi = chord.get(which).copied().unwrap_or(57);
            notes.push(Note {
                start: start + step * BEAT_FRAMES / 2,
                hz: hz(midi),
                height: 0.085,
                pan: 0.2 + 0.2 * which as f64,
                ring_s: 0.45,
            });
        }
        for (midi, eighth) in melody {
            notes.push(Note {
                start: start + eighth * BEAT_FRAMES / 2,
                hz: hz(*midi),
                height: 0.13,
                pan: 0.42,
                ring_s: 0.6,
            });
        }
    }
    notes
}

/// A sine on both channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Frequency, up to 24 kHz.
    pub hz: f64,
    /// Peak level in dB relative to full scale: 0 is the loudest, −20 comfortable.
    pub dbfs: f64,
}

impl Tone {
    /// The tone as blocks for `seconds`, with 20 ms of fade at both ends. Infinite is for ever.
    #[must_use]
    pub fn blocks(self, seconds: f64) -> ToneBlocks {
        ToneBlocks {
            tone: self,
            at: 0,
            end: frames(seconds),
        }
    }
}

/// The blocks of a [`Tone`].
#[derive(Debug, Clone)]
pub struct ToneBlocks {
    tone: Tone,
    at: u64,
    end: u64,
}

impl ToneBlocks {
    /// Fills the next block, like [`crate::Media::read`].
    pub fn read(&mut self, out: &mut Block) -> Read {
        let left = self.end.saturating_sub(self.at);
        let count = usize::try_from(left).unwrap_or(FRAMES).min(FRAMES);
        let height = 10f64.powf(self.tone.dbfs.min(0.0) / 20.0);
        let per_frame = self.tone.hz / f64::from(SAMPLE_RATE_HZ);
        out.fill(0.0);
        for (n, frame) in (self.at..).zip(out.chunks_exact_mut(CHANNELS)).take(count) {
            let edge = (n + 1).min(self.end - n).min(FADE_FRAMES) as f64 / FADE_FRAMES as f64;
            // Whole turns are taken off first, so that the phase stays exact for days.
            let turn = (n as f64 * per_frame).fract();
            frame.fill((height * edge * (TAU * turn).sin()) as f32);
        }
        self.at += count as u64;
        match count {
            0 => Read::End,
            FRAMES => Read::Full,
            n => Read::Last(n),
        }
    }
}

impl Iterator for ToneBlocks {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let mut block = mynah_audio::SILENT_BLOCK;
        match self.read(&mut block) {
            Read::End => None,
            _ => Some(block),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_audio::{level, measure};

    #[test]
    fn the_tune_never_clips_and_is_never_silent_for_long() {
        // Two rounds: the second has the first one's last notes ringing into it.
        let sound: Vec<f32> = builtin(2.0 * 24.0).flatten().collect();
        let peak = level::peak(&sound);
        assert!((0.3..0.89).contains(&peak), "peak {peak}");
        assert!(measure::longest_quiet_frames(&sound[..sound.len() - 4000], 0.003) < 2400);
        let (left, right): (Vec<f32>, Vec<f32>) =
            sound.chunks_exact(2).map(|f| (f[0], f[1])).unzip();
        assert_ne!(left, right, "it is stereo");
        assert!(
            (level::rms(&left) / level::rms(&right)).ln().abs() < 0.4,
            "and balanced"
        );
    }

    #[test]
    fn the_tune_loops_without_a_seam() {
        let sound: Vec<f32> = builtin(100.0).flatten().collect();
        let second = &sound[24 * 96_000..48 * 96_000];
        let third = &sound[48 * 96_000..72 * 96_000];
        assert_eq!(second, third);
        let seam = &sound[24 * 96_000 - 200..24 * 96_000 + 200];
        assert!(measure::largest_step(seam) < 0.05);
    }

    #[test]
    fn the_tune_has_exactly_the_length_asked_for() {
        let mut tune = builtin(0.03);
        let mut block = [1.0; mynah_audio::SAMPLES];
        assert_eq!(tune.read(&mut block), Read::Full);
        assert_eq!(tune.read(&mut block), Read::Last(480));
        assert!(block[960..].iter().all(|s| *s == 0.0));
        assert_eq!(tune.read(&mut block), Read::End);
        assert_eq!(builtin(-1.0).next(), None);
        assert!(builtin(f64::INFINITY).nth(10_000).is_some());
    }

    #[test]
    fn a_tone_has_its_frequency_and_level() {
        let sound: Vec<f32> = Tone {
            hz: 1000.0,
            dbfs: -20.0,
        }
        .blocks(1.0)
        .flatten()
        .collect();
        assert_eq!(sound.len(), 96_000);
        let left: Vec<f32> = sound.iter().step_by(2).copied().collect();
        let level = measure::tone_db(&left[4800..43_200], 1000.0);
        assert!((level + 20.0).abs() < 0.01, "{level}");
        assert!((level::peak(&sound) - 0.1).abs() < 1e-4);
        assert!(
            measure::largest_step(&sound) < 0.02,
            "no click at either end"
        );
        let loud: Vec<f32> = Tone {
            hz: 440.0,
            dbfs: 6.0,
        }
        .blocks(0.1)
        .flatten()
        .collect();
        assert!(level::peak(&loud) <= 1.0, "never above full scale");
    }
}
