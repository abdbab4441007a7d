//! The tracks of one session, and the 20 ms they make together: tracks to lanes, lanes turned down
//! for each other, their sum, and the limiter that watches over it.

mod passthrough;

use mynah_audio::ramp::RAMP_FRAMES;
use mynah_audio::{
    Block, CHANNELS, DuckMatrix, Ducker, Lane, Limiter, SILENT_BLOCK, Triggers, level,
};

use crate::event::EventKind;
use crate::tap::LaneTap;
use crate::track::{Mixed, Track};
use crate::tracks::{Node, Tracks};

/// What a block turned out to be.
#[derive(Default)]
struct Tally {
    /// There is anything to hear.
    sound: bool,
    /// How many sources it has.
    heard: usize,
    /// The largest gain of any of them.
    loudest: f32,
}

impl Tally {
    fn add(&mut self, mixed: Mixed, tell: &mut impl FnMut(EventKind)) {
        if mixed.sound {
            self.heard += 1;
            self.loudest = self.loudest.max(mixed.gain);
        }
        mixed.events.into_iter().flatten().for_each(tell);
    }
}

/// The mixing half of a session.
pub(crate) struct Mixer {
    pub(crate) tracks: Tracks,
    ducker: Ducker,
    /// A human speaks.
    talking: bool,
    limiter: Limiter,
    /// What is to be encoded: the sum, limited and with it 1.5 ms late.
    out: Block,
    /// The sum before the limiter, for those who mix on with it.
    dry: Option<Box<Block>>,
    /// `out` holds sound that was taken from the rings and has not been sent.
    held: bool,
    /// Where each lane is copied to, for those who record them.
    pub(crate) lanes: Option<Box<LaneTap>>,
}

impl Mixer {
    pub(crate) fn new() -> Self {
        Self {
            tracks: Tracks::default(),
            ducker: Ducker::new(DuckMatrix::default()),
            talking: false,
            limiter: Limiter::new(),
            out: SILENT_BLOCK,
            dry: None,
            held: false,
            lanes: None,
        }
    }

    /// True when some track needs ticks. *Tick-safe.*
    pub(crate) fn is_active(&self) -> bool {
        self.tracks.iter().any(|t| t.is_active())
    }

    /// True when some track holds something for the janitor. *Tick-safe.*
    pub(crate) fn has_leftovers(&self) -> bool {
        self.tracks.iter().any(|t| t.is_leftover())
    }

    /// Puts a track into the mix. *Tick-safe.*
    pub(crate) fn take_track(&mut self, track: &mut Option<Box<Node>>) {
        // What is held was of other tracks, unless one of them goes on.
        self.held &= self.is_active();
        self.tracks.append(track);
    }

    /// Says which lanes are turned down for which, from where they stand now. *Tick-safe.*
    pub(crate) fn set_ducking(&mut self, matrix: DuckMatrix) {
        self.ducker.set_matrix(matrix);
    }

    /// Says whether a human speaks now. *Tick-safe.*
    pub(crate) fn set_talking(&mut self, talking: bool) {
        self.talking = talking;
    }

    /// The line went away in mid-sound: all tracks hold still, and nothing of what was heard last
    /// is still to come. *Tick-safe.*
    pub(crate) fn hush(&mut self, tell: &mut impl FnMut(EventKind)) {
        let news = self.tracks.iter_mut().filter_map(|t| t.hush());
        news.for_each(tell);
        self.limiter = Limiter::new();
    }

    /// Ends all tracks; where nothing `moves`, without a fade. *Tick-safe.*
    pub(crate) fn stop_all(&mut self, moves: bool, tell: &mut impl FnMut(EventKind)) {
        let stop = |track: &mut Track| match moves {
            true => track.stop(),
            false => track.hush().or_else(|| track.stop()),
        };
        self.tracks.iter_mut().filter_map(stop).for_each(tell);
    }

    /// There will be no ticks for a while: whoever was turned down is not when it goes on.
    /// *Tick-safe.*
    pub(crate) fn rest(&mut self) {
        self.ducker = Ducker::new(*self.ducker.matrix());
    }

    /// The block that was made last will not be sent: when it is sound, it comes first when there
    /// is sound again. *Tick-safe.*
    pub(crate) fn hold_back(&mut self, sound: bool) {
        self.held = sound;
    }

    /// What was held back is not wanted any more. *Tick-safe.*
    pub(crate) fn forget_held(&mut self) {
        self.held = false;
    }

    /// Keeps every block as it is before the limiter. Control side: allocates.
    #[allow(clippy::disallowed_methods, reason = "control side")]
    pub(crate) fn keep_dry(&mut self) {
        self.dry = Some(Box::new(SILENT_BLOCK));
    }

    /// The last block before the limiter, if that is kept. *Tick-safe.*
    pub(crate) fn dry(&self) -> Option<&Block> {
        self.dry.as_deref()
    }

    /// True when the next block of a bed would not stay as it is. *Tick-safe.*
    pub(crate) fn bends_bed(&self) -> bool {
        self.heeds_talk() || !self.ducker.is_unity(Lane::Bed)
    }

    /// Somebody speaks, and that turns something down.
    fn heeds_talk(&self) -> bool {
        self.talking && self.ducker.matrix().heeds_humans()
    }

    /// Makes `block` what was mixed last, as far as what comes next can tell. *Tick-safe.*
    pub(crate) fn warm(&mut self, block: &Block) {
        self.out = *block;
        if let Some(tap) = &mut self.lanes {
            tap.before(Lane::Bed, block);
        }
        self.limiter.process(&mut self.out, false);
    }

    /// Makes the next block, with `under` as one more sound in the lane bed. True when there is
    /// anything to hear in it; the 1.5 ms that the limiter still holds after the last sound come
    /// with the block after that. *Tick-safe.*
    pub(crate) fn next(&mut self, under: Option<&Block>, tell: &mut impl FnMut(EventKind)) -> bool {
        if std::mem::take(&mut self.held) && self.is_active() {
            fade_ends(&mut self.out);
            let lane = self.lone_lane(false).unwrap_or_default();
            if let Some(tap) = &mut self.lanes {
                tap.block(lane, &self.out);
            }
            return true;
        }
        self.out.fill(0.0);
        let mut tally = Tally::default();
        match self.lone_lane(under.is_some()) {
            Some(lane) => self.mix_lone(lane, under, &mut tally, tell),
            None => self.mix_lanes(under, &mut tally, tell),
        }
        if let Some(dry) = &mut self.dry {
            **dry = self.out;
        }
        // A lone track that is not amplified reaches the encoder bit for bit, even if its decoder
        // overshot full scale: limiting it is the mastering engineer's business, not ours.
        let watch = tally.heard > 1 || tally.loudest > 1.0 || self.limiter.is_working();
        self.limiter.process(&mut self.out, watch);
        tally.sound
    }

    /// The block that is to be encoded. *Tick-safe.*
    pub(crate) fn block(&self) -> &Block {
        &self.out
    }

    /// The only lane in use; bed when there is none, nothing when there are several.
    fn lone_lane(&self, bed_in_use: bool) -> Option<Lane> {
        let bed = bed_in_use.then_some(Lane::Bed);
        let tracks = self.tracks.iter().filter(|t| t.is_active());
        let mut lanes = tracks.map(|t| t.lane()).chain(bed);
        let first = lanes.next().unwrap_or_default();
        lanes.all(|lane| lane == first).then_some(first)
    }

    /// Everything sounds in one lane: it is the sum.
    fn mix_lone(
        &mut self,
        lane: Lane,
        under: Option<&Block>,
        tally: &mut Tally,
        tell: &mut impl FnMut(EventKind),
    ) {
        if let Some(under) = under {
            self.out = *under;
            tally.heard = 1;
        }
        for track in self.tracks.iter_mut().filter(|t| t.is_active()) {
            tally.add(track.mix(&mut self.out), tell);
        }
        tally.sound = tally.heard > 0 && !level::is_silent(&self.out);
        let active = Triggers::NONE.with_human(self.talking);
        self.ducker.step(if tally.sound {
            active.with(lane)
        } else {
            active
        });
        self.ducker.apply(lane, &mut self.out);
        if let Some(tap) = self.lanes.as_mut().filter(|_| tally.sound) {
            tap.block(lane, &self.out);
        }
    }

    /// Mixes each lane for itself, turns it down, and adds it to the sum. Of its own, so that only
    /// mixes of several lanes pay for 31 kB of stack.
    #[inline(never)]
    fn mix_lanes(
        &mut self,
        under: Option<&Block>,
        tally: &mut Tally,
        tell: &mut impl FnMut(EventKind),
    ) {
        let mut lanes = [SILENT_BLOCK; Lane::COUNT];
        if let (Some(under), Some(bed)) = (under, lanes.get_mut(Lane::Bed.index())) {
            *bed = *under;
            tally.heard = 1;
        }
        for track in self.tracks.iter_mut().filter(|t| t.is_active()) {
            if let Some(lane) = lanes.get_mut(track.lane().index()) {
                tally.add(track.mix(lane), tell);
            }
        }
        let mut active = Triggers::NONE.with_human(self.talking);
        for (lane, block) in Lane::ALL.into_iter().zip(&lanes) {
            if !level::is_silent(block) {
                active = active.with(lane);
            }
        }
        self.ducker.step(active);
        for (lane, block) in Lane::ALL.into_iter().zip(&mut lanes) {
            if active.sounds(lane) {
                self.ducker.apply(lane, block);
                tally.sound = true;
                if let Some(tap) = &mut self.lanes {
                    tap.block(lane, block);
                }
                let sum = self.out.iter_mut().zip(&*block);
                sum.for_each(|(sum, sample)| *sum += sample);
            }
        }
    }
}

/// Lets a block rise and fall over 5 ms each: nothing was heard before it, and the tracks fade in
/// after it.
fn fade_ends(block: &mut Block) {
    let gains = || (0..RAMP_FRAMES).map(|frame| frame as f32 / RAMP_FRAMES as f32);
    let shape = |(frame, gain): (&mut [f32], f32)| frame.iter_mut().for_each(|s| *s *= gain);
    block
        .chunks_exact_mut(CHANNELS)
        .zip(gains())
        .for_each(shape);
    let backwards = block.chunks_exact_mut(CHANNELS).rev();
    backwards.zip(gains()).for_each(shape);
}

#[cfg(test)]
#[path = "mix_tests.rs"]
mod tests;
