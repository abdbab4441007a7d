//! When a mix is one source's packets, and what came before when it no longer is. Tick code.

use mynah_audio::Limiter;

use super::Mixer;
use crate::track::Track;

impl Mixer {
    /// The only track that sounds, if its packets can go out as they are. *Tick-safe.*
    pub(crate) fn passable(&mut self) -> Option<&mut Track> {
        let ducks = self.talking && self.ducker.matrix().heeds_humans();
        if self.held || ducks || self.limiter.is_working() {
            return None;
        }
        let mut active = self.tracks.iter_mut().filter(|t| t.is_active());
        let only = active.next()?;
        let alone = active.next().is_none() && self.ducker.is_unity(only.lane());
        (alone && only.can_pass()).then_some(only)
    }

    /// Makes the block that went out last as a packet, as if it had been mixed; false when nobody
    /// knows it any more. *Tick-safe.*
    pub(crate) fn recall(&mut self) -> bool {
        let mut tracks = self.tracks.iter_mut();
        let lane = tracks.find_map(|track| track.recall(&mut self.out).then(|| track.lane()));
        let Some(lane) = lane else {
            return false;
        };
        if let Some(tap) = &mut self.lanes {
            tap.before(lane, &self.out);
        }
        self.limiter.process(&mut self.out, false);
        true
    }

    /// Nothing of what was mixed is still to come. *Tick-safe.*
    pub(crate) fn forget_sound(&mut self) {
        self.limiter = Limiter::new();
    }

    /// Packets decoded on the tick since this was asked last. *Tick-safe.*
    pub(crate) fn take_decoded(&mut self) -> u64 {
        self.tracks.iter_mut().map(Track::take_decoded).sum()
    }
}
