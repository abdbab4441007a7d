//! The part of the source that may still be read, by the number of the frame.

use crate::CHANNELS;

/// Frames that are kept although nobody reads them any more, so that forgetting is rare.
const SLACK: usize = 2048;

/// Frames there is room for from the start: enough at speeds and pitches up to 1.5 and for 20 ms at
/// a time. Beyond, it grows once.
const ROOM: usize = 8192;

pub(super) struct Source {
    left: Vec<f32>,
    right: Vec<f32>,
    /// The number of the frame that `left` and `right` begin with; negative before the sound.
    first: i64,
}

impl Source {
    /// An empty one, with silence of `lead` frames before frame 0.
    pub(super) fn new(lead: usize) -> Self {
        let lead_in = || {
            let mut channel = Vec::with_capacity(ROOM);
            channel.resize(lead, 0.0);
            channel
        };
        Self {
            left: lead_in(),
            right: lead_in(),
            first: -(lead as i64),
        }
    }

    pub(super) fn push(&mut self, interleaved: &[f32]) {
        let frames = interleaved.as_chunks::<CHANNELS>().0;
        self.left.extend(frames.iter().map(|[l, _]| l));
        self.right.extend(frames.iter().map(|[_, r]| r));
    }

    /// Silence up to this frame.
    pub(super) fn pad_to(&mut self, frame: i64) {
        let wanted = usize::try_from(frame - self.first).unwrap_or(0);
        if wanted > self.left.len() {
            self.left.resize(wanted, 0.0);
            self.right.resize(wanted, 0.0);
        }
    }

    /// The number of the frame after the last one.
    pub(super) fn end_frame(&self) -> i64 {
        self.first + self.left.len() as i64
    }

    /// `frames` of both channels from number `from` on; empty where not all of them are there.
    #[inline]
    pub(super) fn frames(&self, from: i64, frames: usize) -> (&[f32], &[f32]) {
        let at = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let range = at..at.saturating_add(frames);
        (
            self.left.get(range.clone()).unwrap_or_default(),
            self.right.get(range).unwrap_or_default(),
        )
    }

    pub(super) fn forget_before(&mut self, frame: i64) {
        let old = usize::try_from(frame - self.first).unwrap_or(0);
        let old = old.min(self.left.len());
        if old > SLACK {
            self.left.drain(..old);
            self.right.drain(..old);
            self.first += old as i64;
        }
    }
}
