//! How much of each channel goes where.
//!
//! ```text
//! l' = l_to_l · l + r_to_l · r
//! r' = l_to_r · l + r_to_r · r
//! ```

use super::spec::ChannelMix;
use crate::CHANNELS;

pub(super) fn run(mix: &ChannelMix, samples: &mut [f32]) {
    for [left, right] in samples.as_chunks_mut::<CHANNELS>().0 {
        let (l, r) = (*left, *right);
        *left = mix.l_to_l * l + mix.r_to_l * r;
        *right = mix.l_to_r * l + mix.r_to_r * r;
    }
}

#[cfg(test)]
mod tests {
    use crate::filters::spec::{ChannelMix, FilterSpec};
    use crate::filters::testing::rendered;

    #[test]
    fn the_mix_is_exact() {
        let input: Vec<f32> = (0..2000).map(|n| (n as f32 * 0.37).sin()).collect();
        let mix = ChannelMix {
            l_to_l: 0.1,
            l_to_r: 0.9,
            r_to_l: 0.6,
            r_to_r: 0.3,
        };
        let swap = ChannelMix {
            l_to_l: 0.0,
            l_to_r: 1.0,
            r_to_l: 1.0,
            r_to_r: 0.0,
        };
        for mix in [mix, swap] {
            let spec = FilterSpec {
                channel_mix: Some(mix),
                ..Default::default()
            };
            let out = rendered(&spec, &input);
            for (i, o) in input.chunks(2).zip(out.chunks(2)) {
                assert_eq!(o[0], mix.l_to_l * i[0] + mix.r_to_l * i[1]);
                assert_eq!(o[1], mix.l_to_r * i[0] + mix.r_to_r * i[1]);
            }
        }
    }
}
