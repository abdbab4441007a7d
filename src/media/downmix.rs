//! Any number of channels to two.

use symphonia::core::audio::{Channels, Position};

use mynah_audio::level::gain_from_db;

/// Gain of centre and surround channels: −3 dB (ITU-R BS.775-3, table 2).
const MINUS_3_DB: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// How each channel of a file lands in left and right.
#[derive(Debug, Clone, PartialEq)]
pub struct Downmix {
    /// For each channel its gain into left and into right.
    gains: Vec<[f32; 2]>,
}

impl Downmix {
    /// The downmix for a set of channels, in the order the decoder interleaves them.
    pub fn for_channels(channels: &Channels) -> Self {
        match channels {
            Channels::Positioned(positions) => Self::for_positions(positions.iter()),
            other => Self::for_count(other.count()),
        }
    }

    /// The downmix for speakers named one by one.
    pub fn for_positions(positions: impl Iterator<Item = Position>) -> Self {
        let gains: Vec<[f32; 2]> = positions.map(speaker).collect();
        match gains.len() {
            // One channel is mono wherever the file places it: equally loud on both sides.
            1 => Self {
                gains: vec![[1.0, 1.0]],
            },
            // Two channels are left and right, even if the file calls them something exotic.
            2 => Self {
                gains: vec![[1.0, 0.0], [0.0, 1.0]],
            },
            _ => Self { gains }.normalised(),
        }
    }

    /// The downmix for channels without names: the order WAVE and most others use.
    pub fn for_count(count: usize) -> Self {
        use Position as P;
        let (l, r, c, lfe) = (P::FRONT_LEFT, P::FRONT_RIGHT, P::FRONT_CENTER, P::LFE1);
        let (rl, rr, rc) = (P::REAR_LEFT, P::REAR_RIGHT, P::REAR_CENTER);
        let (sl, sr) = (P::SIDE_LEFT, P::SIDE_RIGHT);
        let known: &[Position] = match count {
            1 => &[c],
            2 => &[l, r],
            3 => &[l, r, c],
            4 => &[l, r, rl, rr],
            5 => &[l, r, c, rl, rr],
            6 => &[l, r, c, lfe, rl, rr],
            7 => &[l, r, c, lfe, rc, sl, sr],
            8 => &[l, r, c, lfe, rl, rr, sl, sr],
            // Nobody can say; alternate sides so that nothing is lost.
            _ => {
                let gains = (0..count).map(|i| if i % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] });
                return Self {
                    gains: gains.collect(),
                }
                .normalised();
            }
        };
        Self::for_positions(known.iter().copied())
    }

    /// The downmix for the channel order of Vorbis (Vorbis I section 4.3.9).
    pub fn for_vorbis(count: usize) -> Self {
        use Position as P;
        let (l, c, r) = (P::FRONT_LEFT, P::FRONT_CENTER, P::FRONT_RIGHT);
        let (rl, rr, rc, lfe) = (P::REAR_LEFT, P::REAR_RIGHT, P::REAR_CENTER, P::LFE1);
        let (sl, sr) = (P::SIDE_LEFT, P::SIDE_RIGHT);
        let order: &[Position] = match count {
            3 => &[l, c, r],
            4 => &[l, r, rl, rr],
            5 => &[l, c, r, rl, rr],
            6 => &[l, c, r, rl, rr, lfe],
            7 => &[l, c, r, sl, sr, rc, lfe],
            8 => &[l, c, r, sl, sr, rl, rr, lfe],
            _ => return Self::for_count(count),
        };
        Self::for_positions(order.iter().copied())
    }

    /// Channels this downmix reads.
    pub fn channels(&self) -> usize {
        self.gains.len()
    }

    /// Appends the stereo version of `interleaved` to `out`.
    pub fn mix(&self, interleaved: &[f32], out: &mut Vec<f32>) {
        match self.gains.as_slice() {
            [_] => out.extend(interleaved.iter().flat_map(|s| [*s, *s])),
            [[1.0, 0.0], [0.0, 1.0]] => out.extend_from_slice(interleaved),
            gains => {
                for frame in interleaved.chunks_exact(gains.len().max(1)) {
                    let (mut left, mut right) = (0.0, 0.0);
                    for (sample, [l, r]) in frame.iter().zip(gains) {
                        left += sample * l;
                        right += sample * r;
                    }
                    out.extend([left, right]);
                }
            }
        }
    }

    /// Scales the whole so that full scale on every channel at once still does not clip.
    fn normalised(mut self) -> Self {
        let sum = |side: fn(&[f32; 2]) -> f32| self.gains.iter().map(side).sum::<f32>();
        let top = sum(|g| g[0]).max(sum(|g| g[1]));
        if top > 1.0 {
            self.gains.iter_mut().flatten().for_each(|g| *g /= top);
        }
        self
    }
}

/// Where one loudspeaker's sound goes in stereo (ITU-R BS.775-3, annex 4).
fn speaker(position: Position) -> [f32; 2] {
    use Position as P;
    const LEFT: [Position; 7] = [
        P::REAR_LEFT,
        P::SIDE_LEFT,
        P::TOP_FRONT_LEFT,
        P::TOP_REAR_LEFT,
        P::TOP_SIDE_LEFT,
        P::BOTTOM_FRONT_LEFT,
        P::FRONT_LEFT_WIDE,
    ];
    const RIGHT: [Position; 7] = [
        P::REAR_RIGHT,
        P::SIDE_RIGHT,
        P::TOP_FRONT_RIGHT,
        P::TOP_REAR_RIGHT,
        P::TOP_SIDE_RIGHT,
        P::BOTTOM_FRONT_RIGHT,
        P::FRONT_RIGHT_WIDE,
    ];
    match position {
        P::FRONT_LEFT => [1.0, 0.0],
        P::FRONT_RIGHT => [0.0, 1.0],
        P::FRONT_LEFT_CENTER => [gain_from_db(-1.25), gain_from_db(-6.0)],
        P::FRONT_RIGHT_CENTER => [gain_from_db(-6.0), gain_from_db(-1.25)],
        // BS.775 leaves the effects channel out: the main channels carry the bass already.
        P::LFE1 | P::LFE2 => [0.0, 0.0],
        p if LEFT.contains(&p) => [MINUS_3_DB, 0.0],
        p if RIGHT.contains(&p) => [0.0, MINUS_3_DB],
        P::REAR_CENTER => [0.5, 0.5],
        _ => [MINUS_3_DB, MINUS_3_DB],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(count: usize, frame: &[f32]) -> Vec<f32> {
        let mut out = vec![];
        Downmix::for_count(count).mix(frame, &mut out);
        out
    }

    #[test]
    fn mono_is_equally_loud_on_both_sides_and_stereo_untouched() {
        assert_eq!(mixed(1, &[0.5, -0.25]), [0.5, 0.5, -0.25, -0.25]);
        assert_eq!(mixed(2, &[0.1, 0.2, 0.3, 0.4]), [0.1, 0.2, 0.3, 0.4]);
        let odd = Downmix::for_positions([Position::SIDE_LEFT, Position::SIDE_RIGHT].into_iter());
        assert_eq!(odd, Downmix::for_count(2));
    }

    #[test]
    fn five_one_follows_bs_775() {
        let scale = 1.0 / (1.0 + 2.0 * MINUS_3_DB);
        let near = |a: &[f32], b: [f32; 2]| {
            assert!(
                (a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6,
                "{a:?} {b:?}"
            );
        };
        near(&mixed(6, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), [scale, 0.0]);
        near(
            &mixed(6, &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
            [MINUS_3_DB * scale; 2],
        );
        near(&mixed(6, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), [0.0, 0.0]);
        near(
            &mixed(6, &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
            [0.0, MINUS_3_DB * scale],
        );
    }

    #[test]
    fn no_layout_can_clip_even_with_everything_at_full_scale() {
        for count in 1..=18 {
            let out = mixed(count, &vec![1.0; count]);
            assert!(out.iter().all(|s| *s <= 1.0 + 1e-6), "{count}: {out:?}");
            assert!(
                out.iter().all(|s| *s > 0.0),
                "{count} channels reach both sides"
            );
        }
    }

    #[test]
    fn every_layout_is_as_loud_on_the_left_as_on_the_right() {
        for count in [1, 2, 3, 4, 5, 6, 7, 8] {
            let out = mixed(count, &vec![0.7; count]);
            assert!((out[0] - out[1]).abs() < 1e-6, "{count}");
        }
    }
}
