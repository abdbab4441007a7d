//! A track between two rings: when it goes over, and how that sounds. Tick code.

use mynah_audio::Block;

use super::{Heard, Track};
use crate::ring::Supply;
use crate::swap::Swap;

/// Where the next block comes from.
enum Turn {
    /// The ring there is.
    Stay,
    /// Both rings: this is the block of the change.
    Cross,
    /// The other ring, which begins further on than this one ends.
    Jump,
}

impl Track {
    /// Goes over to another ring when it is time; where nothing is heard, that is now. A ring that
    /// waited for the same is left in `swap`. *Tick-safe.*
    pub(crate) fn swap(&mut self, swap: &mut Option<Box<Swap>>) {
        std::mem::swap(&mut self.swap, swap);
        self.swap_unheard();
    }

    /// Plays the next block, from whichever ring it comes.
    pub(super) fn play(&mut self, bus: &mut Block) -> Heard {
        match self.turn() {
            Turn::Stay => self.play_ring(bus),
            Turn::Cross => self.play_across(bus),
            Turn::Jump => {
                let echo = self.echo_out(bus);
                let at = self.swap.as_ref().map(|swap| swap.at_frame());
                self.frames_played = at.unwrap_or(self.frames_played);
                self.go_over();
                let (sound, events) = self.play_ring(bus);
                (echo || sound, events)
            }
        }
    }

    /// The block of the change: one ring fades into the other, both are taken from.
    fn play_across(&mut self, bus: &mut Block) -> Heard {
        self.unpack();
        let (Some(swap), Supply::Block { samples, .. }) = (&self.swap, self.ring.supply()) else {
            return self.play_ring(bus);
        };
        let block = swap.cross(samples);
        self.gains.add(&block, bus);
        self.echo.keep(&block);
        self.ring.release();
        self.go_over();
        let began = self.began();
        match self.ring.supply() {
            Supply::Block { frames, .. } => self.frames_played += frames as u64,
            _ => self.sounding = false,
        }
        self.ring.release();
        (true, [began, self.left().or_else(|| self.ended())])
    }

    /// Whether to go over to the ring that waits; what needs no fading is done at once.
    fn turn(&mut self) -> Turn {
        let at = self.frames_played;
        // While the janitor has no room for one ring, there is none for a second.
        let Some(swap) = self.swap.as_mut().filter(|_| self.spent.is_none()) else {
            return Turn::Stay;
        };
        match self.ring.supply() {
            Supply::Ended | Supply::Broken if swap.at_frame() > at => return Turn::Jump,
            Supply::Ended | Supply::Broken if swap.reaches(at) => self.go_over(),
            Supply::Dry if swap.reaches(at) && swap.is_ready() => self.go_over(),
            Supply::Block { .. } if swap.reaches(at) && swap.is_ready() => {
                if self.sounding {
                    return Turn::Cross;
                }
                self.go_over();
            }
            _ => {}
        }
        Turn::Stay
    }

    /// Goes over if nothing is heard that would have to be faded.
    pub(super) fn swap_unheard(&mut self) {
        let (at, quiet) = (self.frames_played, !self.sounding && self.spent.is_none());
        if self.swap.as_mut().is_some_and(|s| quiet && s.reaches(at)) {
            self.go_over();
        }
    }

    fn go_over(&mut self) {
        if let Some(mut swap) = self.swap.take() {
            swap.take_over(&mut self.ring);
            self.spent = Some(swap);
        }
    }
}
