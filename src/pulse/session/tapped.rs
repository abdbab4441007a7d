//! A session that is subscribed to a bus.
//!
//! As long as it has nothing of its own to say, it forwards the bus's frames: no mixing, no
//! encoding. When a track of its own begins, it mixes the bus's sound, as it was before the bus's
//! limiter, with the track. The change between the two is made while both say the same: the own
//! encoder hears two blocks before its first frame counts, and the own limiter with it. Own frames
//! and the bus's stand for the same 20 ms, so nothing is repeated or lost.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mynah_audio::ramp::RAMP_FRAMES;
use mynah_audio::{Block, CHANNELS, FRAMES, Lane, SILENT_BLOCK};

use crate::event::EventKind;
use crate::feed::{Feed, Found};
use crate::load::floor_percent;
use crate::shared::SlotBoard;

use super::{Made, SILENCE_FRAMES, Session, Tail};

/// Ticks a newcomer waits for a frame that does not lean on those before it. The bus makes one
/// within ten; after this time any frame will do.
const PATIENCE: u8 = 12;
/// Blocks the own encoder hears before it speaks: its look-ahead and its energies are then right.
const WARM_UP: u8 = 2;
/// Ticks without own sound after which the bus takes over again.
const CALM: u8 = 5;
/// Frames that were not there in time, in a row, after which the bus counts as silent.
const MISSES: u8 = 5;

/// Whose frames are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody's yet: waits so many ticks for a frame to begin with.
    Joining(u8),
    /// The bus's.
    Forwarding,
    /// The bus's, while the own encoder hears so many more blocks.
    Warming(u8),
    /// Own ones; so many ticks ago there was own sound.
    Own(u8),
}

/// The subscription of a session.
pub(crate) struct Tap {
    feed: Arc<Feed>,
    stage: Stage,
    misses: u8,
    /// The bus's sound was in the own mix at the last tick.
    joined: bool,
    pcm: Block,
}

impl Tap {
    pub(crate) fn new(feed: Arc<Feed>) -> Self {
        feed.join();
        Self {
            feed,
            stage: Stage::Joining(PATIENCE),
            misses: 0,
            joined: false,
            pcm: SILENT_BLOCK,
        }
    }

    /// The receivers know nothing of what was said before. *Tick-safe.*
    pub(super) fn begin(&mut self) {
        self.stage = Stage::Joining(PATIENCE);
        self.joined = false;
    }

    /// *Tick-safe.*
    pub(super) fn is_open(&self) -> bool {
        !self.feed.is_closed()
    }

    /// The frame sent last was encoded here. *Tick-safe.*
    pub(super) fn is_own(&self) -> bool {
        matches!(self.stage, Stage::Own(_))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.feed.part();
    }
}

impl<L> Session<L> {
    /// Subscribes the session to another bus, or to none; the old subscription is left in `tap`.
    /// *Tick-safe.*
    pub(crate) fn subscribe(&mut self, tap: &mut Option<Box<Tap>>) {
        let spoke_itself = self.tap.as_ref().is_none_or(|old| old.is_own());
        if !spoke_itself {
            // What the receivers heard last came from another encoder.
            let _unlikely = self.encoder.reset();
        }
        std::mem::swap(&mut self.tap, tap);
    }

    /// The last frame went through the own encoder. *Tick-safe.*
    pub(crate) fn encodes(&self) -> bool {
        let own = self.tap.as_ref().is_none_or(|tap| tap.is_own());
        own && self.tail == Tail::Sounding
    }

    /// How much of a frame's cost would be left at the bottom of the overload ladder. *Tick-safe.*
    pub(crate) fn floor_percent(&self) -> u64 {
        match self.encodes() {
            true => floor_percent(self.complexity_now),
            false => 100,
        }
    }

    /// Own sound, or own changes to the bus's sound.
    fn is_overlaid(&self) -> bool {
        self.mixer.is_active() || self.mixer.bends_bed()
    }

    /// The packet of `tick` of a subscribed session: what the bus said one tick before, alone or
    /// under own sound. *Tick-safe.*
    pub(super) fn prepare_tapped(
        &mut self,
        tap: &mut Tap,
        tick: u64,
        most: u8,
        board: &SlotBoard,
        tell: &mut impl FnMut(EventKind),
    ) -> Made {
        if self.tail == Tail::Passing {
            self.leave_packets(board);
        }
        let heard_tick = tick.saturating_sub(1);
        let flows = self.line.as_ref().is_some_and(|line| line.sender.flows());
        if !flows {
            tap.begin();
            let sound = self.mixer.next(None, tell);
            board.sounding.store(sound, Relaxed);
            return Made::Nothing;
        }
        if let Stage::Own(calm) = tap.stage {
            return match self.come_back(tap, calm, heard_tick) {
                Some(found) => self.forward(tap, found, tick, board),
                None => self.overlay(tap, tick, most, board, tell),
            };
        }
        let overlaid = self.is_overlaid();
        let stage = tap.stage;
        if overlaid && stage == Stage::Forwarding && self.tail == Tail::Sounding {
            let _unlikely = self.encoder.reset();
            tap.stage = Stage::Warming(WARM_UP);
        }
        match tap.stage {
            Stage::Warming(0) => {
                tap.stage = Stage::Own(0);
                tap.joined = true;
                self.encoder.begin();
                return self.overlay(tap, tick, most, board, tell);
            }
            Stage::Warming(left) => {
                self.warm_up(tap, heard_tick, board);
                tap.stage = Stage::Warming(left - 1);
            }
            // Nothing is to be joined on: the receivers hear silence.
            Stage::Joining(_) | Stage::Forwarding if overlaid => {
                tap.stage = Stage::Own(0);
                return self.overlay(tap, tick, most, board, tell);
            }
            _ => {}
        }
        let found = if self.closing {
            Found::Quiet
        } else {
            tap.feed.frame(heard_tick, self.packet.frame_room())
        };
        self.forward(tap, found, tick, board)
    }

    /// Sends what was found in the feed; it lies in the packet already.
    fn forward(&mut self, tap: &mut Tap, found: Found, tick: u64, board: &SlotBoard) -> Made {
        let found = match found {
            Found::Missed if tap.misses >= MISSES => Found::Quiet,
            found => found,
        };
        match found {
            Found::Frame { len, fresh } => {
                tap.misses = 0;
                if let Stage::Joining(left) = tap.stage {
                    if left > 0 && !fresh {
                        tap.feed.wish_fresh();
                        tap.stage = Stage::Joining(left - 1);
                        return Made::Nothing;
                    }
                    tap.stage = Stage::Forwarding;
                }
                self.tail = Tail::Sounding;
                board.sounding.store(true, Relaxed);
                board.forwarded.add(1);
                self.packet.set_frame(len, tick);
                if let Some(lanes) = &mut self.mixer.lanes {
                    lanes.packet(Lane::Bed, self.packet.frame());
                }
                Made::Packet
            }
            Found::Missed => {
                tap.misses += 1;
                board.missed.add(1);
                Made::Nothing
            }
            Found::Quiet => {
                board.sounding.store(false, Relaxed);
                let left = match self.tail {
                    Tail::Quiet => return Made::Nothing,
                    Tail::Sounding | Tail::Passing => SILENCE_FRAMES,
                    Tail::Silence(left) => left,
                };
                self.tail = match left {
                    0 | 1 => Tail::Quiet,
                    _ => Tail::Silence(left - 1),
                };
                board.silences.add(1);
                let len = self.packet.put_silence();
                self.packet.set_frame(len, tick);
                Made::Packet
            }
        }
    }

    /// Lets the own encoder and limiter hear what is forwarded.
    fn warm_up(&mut self, tap: &mut Tap, heard_tick: u64, board: &SlotBoard) {
        if tap.feed.pcm(heard_tick, &mut tap.pcm) {
            self.mixer.warm(&tap.pcm);
            board.encoded.add(1);
            let room = self.packet.frame_room();
            let _discarded = self.encoder.encode(self.mixer.block(), room);
        }
    }

    /// Mixes the bus's sound with what is the session's own, and encodes that.
    fn overlay(
        &mut self,
        tap: &mut Tap,
        tick: u64,
        most: u8,
        board: &SlotBoard,
        tell: &mut impl FnMut(EventKind),
    ) -> Made {
        let quiet = tap.feed.is_quiet(tick.saturating_sub(1));
        let there = !quiet && tap.feed.pcm(tick.saturating_sub(1), &mut tap.pcm);
        if !there && !quiet {
            board.missed.add(1);
        }
        let leaves = self.closing && !self.mixer.is_active();
        let wanted = there && !leaves;
        if there && (leaves && tap.joined || wanted && !tap.joined) {
            fade(&mut tap.pcm, wanted);
        }
        let heard = wanted || there && tap.joined;
        tap.joined = wanted;
        let sound = self.mixer.next(heard.then_some(&tap.pcm), tell);
        board.sounding.store(sound, Relaxed);
        if let Stage::Own(calm) = tap.stage {
            let overlaid = self.is_overlaid();
            tap.stage = Stage::Own(if overlaid { 0 } else { calm.saturating_add(1) });
        }
        self.speak(sound, tick, most, board)
    }

    /// After the overlay: the frame of the bus to go on with, once there is one that does not lean
    /// on those before it.
    fn come_back(&mut self, tap: &mut Tap, calm: u8, heard_tick: u64) -> Option<Found> {
        if calm < CALM || self.closing || self.is_overlaid() {
            return None;
        }
        if tap.feed.is_quiet(heard_tick) {
            // Its silence frames are still this session's own.
            if self.tail == Tail::Quiet {
                tap.stage = Stage::Forwarding;
            }
            return None;
        }
        tap.feed.wish_fresh();
        let found = tap.feed.frame(heard_tick, self.packet.frame_room());
        match found {
            Found::Frame { fresh, .. } if fresh || calm > CALM + PATIENCE => {
                tap.stage = Stage::Forwarding;
                tap.joined = false;
                Some(found)
            }
            _ => None,
        }
    }
}

/// The bus enters a mix in mid-sound, or leaves it: over 5 ms.
fn fade(block: &mut Block, enters: bool) {
    let frames = block.chunks_exact_mut(CHANNELS).zip(0..FRAMES as u32);
    for (frame, at) in frames {
        let risen = at.min(RAMP_FRAMES) as f32 / RAMP_FRAMES as f32;
        let gain = if enters { risen } else { 1.0 - risen };
        frame.iter_mut().for_each(|sample| *sample *= gain);
    }
}
