//! How a mix is encoded, decided in one place.
//!
//! # What libopus does with the settings
//!
//! Read in libopus 1.6.1 (`opus_encoder.c`) and held by this room's tests:
//!
//! - *In-band FEC* exists in SILK and hybrid frames only; a CELT frame carries none, and music is
//!   CELT at every bitrate of a voice channel. Yet the flag is not harmless for music: when the
//!   expected loss exceeds a limit, libopus leaves CELT to be able to use FEC. The limit falls
//!   from 8 % for music to 0 for speech, so at an expected loss of 9 % and more even music at
//!   128 kbit/s would be coded as speech. While FEC is on, the policy therefore never tells more
//!   than 5 %: speech gets its FEC, music stays CELT.
//! - *Expected loss* helps CELT without FEC: the more of it, the less a frame leans on the energy
//!   of the one before and on long pitch prediction, so that a hole is over sooner. It costs some
//!   bits, hence none is told while none is measured.
//! - *DTX* saves nothing here: the tick sends silence frames and then nothing by itself.

use crate::codec::BITRATE_RANGE_BPS;

/// How [`crate::Encoder`] encodes; changed in mid-stream by [`crate::Encoder::apply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Target bitrate in bits per second, [`BITRATE_RANGE_BPS`]; other values are
    /// clamped.
    pub bitrate_bps: u32,
    /// libopus complexity 0..=10. For music only 10, 7, 5, 4, 1 and 0 differ in cost
    /// (design/crates.md 1.2).
    pub complexity: u8,
    /// In-band forward error correction; only speech-like (SILK) frames carry any.
    pub fec: bool,
    /// The packet loss the encoder should arm itself against, percent, 0..=100.
    pub expected_loss_percent: u8,
    /// Discontinuous transmission: near-silence is coded in next to no bits.
    pub dtx: bool,
    /// Variable bitrate. Constant bitrate hides the loudness of speech from an eavesdropper, at
    /// a cost in quality.
    pub vbr: bool,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self {
            bitrate_bps: 128_000,
            complexity: 10,
            fec: false,
            expected_loss_percent: 0,
            dtx: false,
            vbr: true,
        }
    }
}

impl EncoderSettings {
    /// The same within the ranges that libopus takes.
    pub(crate) fn clamped(&self) -> Self {
        Self {
            bitrate_bps: self
                .bitrate_bps
                .clamp(*BITRATE_RANGE_BPS.start(), *BITRATE_RANGE_BPS.end()),
            complexity: self.complexity.min(10),
            expected_loss_percent: self.expected_loss_percent.min(100),
            ..*self
        }
    }
}

/// The bitrate that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WantedBitrate {
    /// What the channel allows.
    #[default]
    Auto,
    /// So many bits per second, never more than the channel allows.
    Fixed(u32),
}

/// Decides how to encode from what is known of the channel, the network and the machine.
///
/// Pure: the same inputs in the same order give the same settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderPolicy {
    /// What the channel allows, bits per second.
    pub channel_bps: u32,
    /// What the operator wants.
    pub wanted: WantedBitrate,
    /// Share of packets lost on the way, 0.0..=1.0, as measured last.
    pub loss: f32,
    /// The most complexity the machine can afford now, 0..=10.
    pub cpu_complexity_cap: u8,
    /// The step of [`LOSS_STEPS`] that is in force.
    step: usize,
}

/// A degree of loss, and what is done about it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LossStep {
    /// In force from this share on …
    from: f32,
    /// … until the share falls below this one.
    until: f32,
    /// What the encoder is told, percent.
    percent: u8,
}

/// Few steps with a gap between up and down, so that a loss that wanders does not change the
/// encoder with every measurement.
const LOSS_STEPS: [LossStep; 5] = [
    LossStep {
        from: 0.0,
        until: 0.0,
        percent: 0,
    },
    LossStep {
        from: 0.01,
        until: 0.005,
        percent: 2,
    },
    LossStep {
        from: 0.04,
        until: 0.025,
        percent: 5,
    },
    LossStep {
        from: 0.08,
        until: 0.06,
        percent: 10,
    },
    LossStep {
        from: 0.16,
        until: 0.12,
        percent: 20,
    },
];

/// Up to the bitrate of an unboosted channel hybrid frames are as good for speech as CELT; above,
/// speech over music would lose more by leaving CELT than FEC gives back.
const FEC_UP_TO_BPS: u32 = 64_000;

/// The most expected loss told while FEC is on: libopus' limit for what it is sure is music is 8 %,
/// and it is seldom sure.
const MOST_WITH_FEC_PERCENT: u8 = 5;

impl EncoderPolicy {
    /// A policy for a channel of `channel_bps`, no loss, a machine with time.
    #[must_use]
    pub fn new(channel_bps: u32) -> Self {
        Self {
            channel_bps,
            wanted: WantedBitrate::Auto,
            loss: 0.0,
            cpu_complexity_cap: 10,
            step: 0,
        }
    }

    /// The settings for what is known now. Remembers the degree of loss it decided on, so that a
    /// small change does not change the settings.
    pub fn decide(&mut self) -> EncoderSettings {
        let loss = if self.loss.is_finite() {
            self.loss.clamp(0.0, 1.0)
        } else {
            0.0
        };
        while let Some(next) = LOSS_STEPS.get(self.step + 1)
            && loss >= next.from
        {
            self.step += 1;
        }
        while self.step > 0 && LOSS_STEPS.get(self.step).is_none_or(|s| loss < s.until) {
            self.step -= 1;
        }
        let percent = LOSS_STEPS.get(self.step).map_or(0, |s| s.percent);
        let wanted = match self.wanted {
            WantedBitrate::Auto => self.channel_bps,
            WantedBitrate::Fixed(bps) => bps.min(self.channel_bps),
        };
        let bitrate_bps = wanted.clamp(*BITRATE_RANGE_BPS.start(), *BITRATE_RANGE_BPS.end());
        let fec = percent > 0 && bitrate_bps <= FEC_UP_TO_BPS;
        EncoderSettings {
            bitrate_bps,
            complexity: self.cpu_complexity_cap.min(10),
            fec,
            expected_loss_percent: if fec {
                percent.min(MOST_WITH_FEC_PERCENT)
            } else {
                percent
            },
            dtx: false,
            vbr: true,
        }
    }
}

#[cfg(test)]
mod tests;
