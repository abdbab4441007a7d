//! A track whose packets go out as they are. Tick code.

use mynah_audio::{Block, FRAMES};

use super::{Flow, Track};
use crate::event::EventKind;
use crate::ring::Supply;

impl Track {
    /// True when the next 20 ms could be heard as the packet that they are. *Tick-safe.*
    pub(crate) fn can_pass(&self) -> bool {
        let unchanged = self.gains.is_unity() && !self.leaving && self.swap.is_none();
        let joined = self.sounding || !self.started && !self.reopen;
        let is_packet = || {
            matches!(
                self.ring.supply(),
                Supply::Block {
                    packet: Some(_),
                    frames: FRAMES,
                    ..
                }
            )
        };
        self.flow == Flow::Playing && unchanged && joined && is_packet()
    }

    /// True before its first block. *Tick-safe.*
    pub(crate) fn is_fresh(&self) -> bool {
        !self.started
    }

    /// Takes the next packet, as [`can_pass`](Self::can_pass) has seen it: its length, and what is to
    /// be told. *Tick-safe.*
    pub(crate) fn pass(&mut self, room: &mut [u8]) -> (usize, [Option<EventKind>; 2]) {
        let mut len = 0;
        if let Supply::Block {
            packet: Some(packet),
            ..
        } = self.ring.supply()
        {
            len = packet.len();
            if let Some(room) = room.get_mut(..len) {
                room.copy_from_slice(packet);
            }
        }
        self.passing = true;
        self.frames_played += FRAMES as u64;
        self.ring.release();
        self.ring.want_pcm(false);
        (len, [self.began(), self.ended()])
    }

    /// The track's packets were heard until now, and will be mixed from now on: writes the block that
    /// went out last as a packet. False when it has not, or is not known. *Tick-safe.*
    pub(crate) fn recall(&mut self, out: &mut Block) -> bool {
        if !std::mem::take(&mut self.passing) || !self.ring.recall(out) {
            return false;
        }
        // Where nothing follows, the end of that block has faded out already.
        self.sounding &= self.ring.level() > 0;
        true
    }

    /// Makes sure that the next block can be mixed. *Tick-safe.*
    pub(super) fn unpack(&mut self) {
        if self.is_active() {
            self.passing = false;
            self.ring.want_pcm(true);
            self.ring.unpack();
            if let Some(swap) = &mut self.swap {
                swap.unpack();
            }
        }
    }

    /// Packets decoded on the tick since this was asked last. *Tick-safe.*
    pub(crate) fn take_decoded(&mut self) -> u64 {
        let now = self.ring.decoded_packets();
        now - std::mem::replace(&mut self.decoded_before, now)
    }
}
