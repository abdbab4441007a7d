//! Packets of a source that go out as they are: no mix, no encoder. Tick code.
//!
//! That is right only while exactly one track sounds, exactly as its source made it. Going to and
//! from our own encoder is not heard: a packet and the block that stands for it come out of the
//! listener's decoder at the same time ([`PACKET_LEAD_FRAMES`](mynah_audio::codec::PACKET_LEAD_FRAMES)),
//! the encoder is warmed up with the block before its first frame, and that frame leans on nothing
//! the listener's decoder has not heard.

use mynah_audio::codec::MAX_FRAME_BYTES;

use super::{Made, SILENCE_FRAMES, Session, Tail};
use crate::event::EventKind;
use crate::shared::SlotBoard;

/// Ticks a track must have sounded unchanged before its packets go out again (200 ms): somebody who
/// moves a volume slider does not switch to and fro.
const CALM_TICKS: u32 = 10;

impl<L> Session<L> {
    /// Sends the next packet of the only track as it is, if that is right now; else makes the
    /// encoder ready to go on from where the packets ended. *Tick-safe.*
    pub(super) fn pass(
        &mut self,
        tick: u64,
        flows: bool,
        board: &SlotBoard,
        tell: &mut impl FnMut(EventKind),
    ) -> Option<Made> {
        let passing = self.tail == Tail::Passing;
        let tapped = self.tap.is_some();
        let Some(track) = self.mixer.passable().filter(|_| !tapped) else {
            self.calm_ticks = 0;
            if passing {
                self.leave_packets(board);
            }
            return None;
        };
        self.calm_ticks = self.calm_ticks.saturating_add(1);
        // Nobody listens who would have to be led over from anything.
        let begins = track.is_fresh() && matches!(self.tail, Tail::Quiet | Tail::Silence(_));
        let enters = begins || self.calm_ticks > CALM_TICKS || !flows;
        if !passing && !enters {
            return None;
        }
        let lane = track.lane();
        let (len, news) = track.pass(self.packet.frame_room());
        news.into_iter().flatten().for_each(tell);
        if !flows {
            // Played for nobody; whoever listens next is led in from the start.
            self.calm_ticks = 0;
            return Some(Made::Nothing);
        }
        if !passing {
            self.mixer.forget_sound();
        }
        self.tail = Tail::Passing;
        board.passed.add(1);
        self.packet.set_frame(len, tick);
        if let Some(tap) = &mut self.mixer.lanes {
            tap.packet(lane, self.packet.frame());
        }
        Some(Made::Packet)
    }

    /// The packets end here and the sound goes on, or fades out, through the encoder.
    pub(super) fn leave_packets(&mut self, board: &SlotBoard) {
        // Without effect on the packet if it fails: the encoder then goes on where it stood.
        let _unlikely = self.encoder.reset();
        if !self.mixer.recall() {
            // A packet that was the last needs no look-ahead to be flushed.
            self.tail = Tail::Silence(SILENCE_FRAMES);
            return;
        }
        board.encoded.add(1);
        let mut unheard = [0; MAX_FRAME_BYTES];
        let _unlikely = self.encoder.encode(self.mixer.block(), &mut unheard);
        self.encoder.begin();
        self.tail = Tail::Sounding;
    }

    /// The frame that was made last will not be sent. Its sound is kept in the mixer and comes first
    /// when there is sound again. *Tick-safe.*
    pub(crate) fn hold_back(&mut self) {
        let own = self.tap.as_ref().is_none_or(|tap| tap.is_own());
        let sound = match self.tail {
            Tail::Sounding => own,
            Tail::Passing => self.mixer.recall(),
            Tail::Quiet | Tail::Silence(_) => false,
        };
        self.mixer.hold_back(sound);
    }
}
