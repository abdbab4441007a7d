//! What fills a track's ring: reads its sounds, does its effects, counts its frames.
//!
//! # Effects that change while they are heard
//! The ring is up to 320 ms ahead of the ear; a change has to be heard within 40. So a new ring is
//! made that begins with the next block the tick will take, filled from [`Past`] through the new
//! effects, and the tick fades from one to the other within that block. Where the tick is quicker, it
//! skips what it has overtaken.

use std::sync::Arc;

use mynah_audio::filters::{Chain, FilterSpec};
use mynah_audio::{Block, CHANNELS, FRAMES, SILENT_BLOCK};
use mynah_pulse::{Packed, RingReader, RingWriter};

use crate::past::Past;
use crate::reel::{Cargo, Filled, Item, Join, Reel, Repeat};
use crate::tracks::{Progress, Span};

/// Blocks in a track's ring: 320 ms (architecture.md B6 row 6).
pub const RING_BLOCKS: usize = 16;
/// Blocks decoded before a ring is handed to the tick, so that it starts without a stall.
const PREFILL_BLOCKS: usize = 4;

/// How much a turn of the work has put into the ring.
enum Put {
    Block,
    /// The ring is full, or the source has nothing yet.
    Wait,
    Over,
}

/// Effects at work.
struct Effects {
    chain: Chain,
    /// What they gave and the ring has not got.
    ready: Vec<f32>,
    taken: usize,
    /// Their source is over.
    flushed: bool,
}

impl Effects {
    /// From frame `at` of the track on, after `lead_in`, of which nothing is heard.
    fn new(spec: &FilterSpec, at: u64, lead_in: &[f32]) -> Option<Self> {
        if spec.is_identity() {
            return None;
        }
        let before = (lead_in.len() / CHANNELS) as u64;
        let mut chain = Chain::starting_at(spec, at.saturating_sub(before));
        if chain.source_frames_per_output_frame() == 1.0 && at >= before {
            let mut unheard = Vec::new();
            chain.process(lead_in, &mut unheard);
        } else {
            // It would not be known which of its output belongs to the lead-in.
            chain = Chain::starting_at(spec, at);
        }
        Some(Self {
            chain,
            ready: Vec::new(),
            taken: 0,
            flushed: false,
        })
    }

    fn ready_frames(&self) -> usize {
        (self.ready.len() - self.taken) / CHANNELS
    }

    /// Takes the next sound; `over` when it is the last.
    fn take(&mut self, samples: &[f32], over: bool) {
        self.ready.drain(..self.taken);
        self.taken = 0;
        self.chain.process(samples, &mut self.ready);
        if over {
            self.chain.flush(&mut self.ready);
            self.flushed = true;
        }
    }

    /// Writes up to a block; its frames.
    fn give(&mut self, block: &mut Block) -> usize {
        let left = self.ready.get(self.taken..).unwrap_or_default();
        let given = left.len().min(block.len());
        block
            .iter_mut()
            .zip(left)
            .for_each(|(to, from)| *to = *from);
        self.taken += given;
        given / CHANNELS
    }
}

/// Where a ring begins: frame `out` of what is heard is frame `dry` of what was read.
#[derive(Clone, Copy)]
struct Origin {
    out: u64,
    dry: u64,
    /// Frames read for each frame heard.
    rate: f64,
}

impl Origin {
    fn dry_at(&self, out: u64) -> u64 {
        self.dry + (out.saturating_sub(self.out) as f64 * self.rate).round() as u64
    }

    fn out_at(&self, dry: u64) -> u64 {
        self.out + (dry.saturating_sub(self.dry) as f64 / self.rate).round() as u64
    }
}

/// What a ring is filled from, and what of it was read lately.
struct Source {
    reel: Reel,
    past: Past,
    progress: Arc<Progress>,
}

impl Source {
    /// Reads 20 ms, remembers them, tells of what failed.
    fn read(&mut self, block: &mut Block, sound: bool) -> Filled {
        let filled = self.reel.fill_slot(block, sound);
        self.past.keep(block, &filled, self.reel.packet());
        if let Some((id, reason)) = &filled.failure {
            self.progress.fail(*id, reason.clone());
        }
        filled
    }
}

/// One ring, and what it is filled from.
pub struct Fill {
    source: Source,
    effects: Option<Effects>,
    spec: FilterSpec,
    writer: RingWriter,
    /// Rings that were left and may be heard still: a ring without a writer is one whose decoder gave up,
    /// and the tick may have read everything before it learns of the next ring.
    left: Vec<RingWriter>,
    origin: Origin,
    /// Frames put since the track began.
    put_frames: u64,
    /// The sound has packets, which go through while nothing is done to it.
    has_packets: bool,
    over: bool,
}

impl Fill {
    /// A ring for a sound that is open, its beginning filled; what tells how far it is heard.
    pub fn new(item: Item, repeat: Repeat, spec: FilterSpec) -> (Self, RingReader, Arc<Progress>) {
        let has_packets = item.media.has_packets();
        let (writer, reader) = ring(has_packets && spec.is_identity());
        let effects = Effects::new(&spec, 0, &[]);
        let rate = rate(effects.as_ref());
        let span = Span::new(0, item.id, item.first_frame, rate);
        let progress = Arc::new(Progress::new(writer.meter(), span));
        let mut fill = Self {
            source: Source {
                reel: Reel::new(item, repeat),
                past: Past::default(),
                progress: Arc::clone(&progress),
            },
            effects,
            spec,
            writer,
            left: Vec::new(),
            origin: Origin {
                out: 0,
                dry: 0,
                rate,
            },
            put_frames: 0,
            has_packets,
            over: false,
        };
        fill.put(PREFILL_BLOCKS);
        (fill, reader, progress)
    }

    /// What is read from.
    pub fn reel(&mut self) -> &mut Reel {
        &mut self.source.reel
    }

    /// True when everything is in the ring.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// True when nobody will hear what is put.
    pub fn is_abandoned(&self) -> bool {
        self.writer.is_abandoned()
    }

    /// True when the next block can be read without waiting for a network.
    pub fn is_ready(&self) -> bool {
        self.source.reel.is_ready()
    }

    /// How many blocks the ring has room for.
    pub fn free(&self) -> usize {
        self.writer.free()
    }

    /// Fills the ring until it is full or `at_most` blocks are put.
    pub fn put(&mut self, at_most: usize) {
        self.left.retain(|left| !left.is_abandoned());
        for _ in 0..at_most {
            let put = if self.over {
                return;
            } else if self.effects.is_some() {
                self.put_changed()
            } else if self.source.past.is_put() {
                self.put_read()
            } else {
                self.put_again()
            };
            match put {
                Put::Block => {}
                Put::Wait => break,
                Put::Over => {
                    self.writer.finish();
                    self.over = true;
                }
            }
        }
        let heard = self.origin.dry_at(self.source.progress.heard());
        self.source.past.forget_before(heard);
    }

    /// Other effects from what is heard next on: the ring that has them, and the frame of the track
    /// it begins at. `None` when they are those there are, or everything was read.
    pub fn change(&mut self, spec: &FilterSpec) -> Option<(RingReader, u64)> {
        if self.over || self.spec == *spec {
            return None;
        }
        if self.has_packets && self.source.past.is_put() && self.source.reel.is_ready() {
            // The last packet's sound ends in the one after it.
            self.source.read(&mut { SILENT_BLOCK }, true);
        }
        self.source.past.decode();
        let at = self.source.progress.heard().next_multiple_of(FRAMES as u64);
        let wanted = self.origin.dry_at(at);
        let dry = self.source.past.rewind(wanted)?;
        let (writer, reader) = ring(self.has_packets && spec.is_identity());
        self.effects = Effects::new(spec, at, &self.source.past.lead_in());
        self.spec = spec.clone();
        let rate = rate(self.effects.as_ref());
        self.origin = Origin { out: at, dry, rate };
        self.put_frames = at;
        let moved = dry as i64 - wanted as i64;
        self.source
            .progress
            .turn_over(at, moved, rate, writer.meter());
        self.left.push(std::mem::replace(&mut self.writer, writer));
        self.put(PREFILL_BLOCKS);
        Some((reader, at))
    }

    /// Reads what comes next.
    fn put_read(&mut self) -> Put {
        if !self.source.reel.is_ready() {
            return Put::Wait;
        }
        if self.writer.free() == 0 {
            return Put::Wait;
        }
        let mut block = SILENT_BLOCK;
        let filled = self.source.read(&mut block, self.writer.wants_pcm());
        self.tell(self.source.past.last_frame(), &filled.joins);
        if filled.frames > 0 {
            self.put_frames += filled.frames as u64;
            let packet = self.source.reel.packet();
            let put = match (self.source.past.last_sound(), filled.cargo) {
                (Some(sound), Cargo::Both) => self.writer.commit_packed_with_packet(sound, packet),
                (Some(sound), _) => self.writer.commit_packed(sound, filled.frames),
                (None, _) => self.writer.commit_packet(packet),
            };
            debug_assert!(
                put,
                "there is room, and packets are for rings that take them"
            );
        }
        debug_assert!(filled.over || filled.frames == FRAMES);
        if filled.over { Put::Over } else { Put::Block }
    }

    /// Puts what was read before into a new ring.
    fn put_again(&mut self) -> Put {
        if self.writer.free() == 0 {
            return Put::Wait;
        }
        let Some(piece) = self.source.past.again() else {
            return Put::Wait;
        };
        let (frames, over) = (piece.frames, piece.over);
        let joins = (piece.frame, piece.joins.clone());
        if frames > 0 {
            self.put_frames += frames as u64;
            let writer = &mut self.writer;
            let put = match (piece.sound().map(Arc::clone), piece.packet()) {
                (Some(sound), Some(packet)) => writer.commit_packed_with_packet(sound, packet),
                (Some(sound), None) => writer.commit_packed(sound, frames),
                (None, Some(packet)) => writer.commit_packet(packet),
                (None, None) => writer.commit_packed(Packed::new(&[]), frames),
            };
            debug_assert!(put, "there is room");
        }
        self.tell(joins.0, &joins.1);
        if over { Put::Over } else { Put::Block }
    }

    /// Puts a block that the effects gave.
    fn put_changed(&mut self) -> Put {
        if self.writer.free() == 0 {
            return Put::Wait;
        }
        let Some(mut effects) = self.effects.take() else {
            return Put::Wait;
        };
        let put = self.put_effects(&mut effects);
        self.effects = Some(effects);
        put
    }

    fn put_effects(&mut self, effects: &mut Effects) -> Put {
        while effects.ready_frames() < FRAMES && !effects.flushed {
            if self.source.past.is_put() {
                if !self.source.reel.is_ready() {
                    return Put::Wait;
                }
                let mut block = SILENT_BLOCK;
                let filled = self.source.read(&mut block, true);
                let samples = block.get(..filled.frames * CHANNELS);
                effects.take(samples.unwrap_or_default(), filled.over);
                self.tell(self.source.past.last_frame(), &filled.joins);
            } else if let Some(piece) = self.source.past.again() {
                let block = piece.block();
                let samples = block.get(..piece.frames * CHANNELS);
                effects.take(samples.unwrap_or_default(), piece.over);
                let joins = (piece.frame, piece.joins.clone());
                self.tell(joins.0, &joins.1);
            }
        }
        let mut block = SILENT_BLOCK;
        let frames = effects.give(&mut block);
        if frames > 0 {
            let sound = block.get(..frames * CHANNELS).unwrap_or_default();
            let put = self.writer.commit_packed(Packed::new(sound), frames);
            debug_assert!(put, "there is room");
            self.put_frames += frames as u64;
        }
        let over = effects.flushed && effects.ready_frames() == 0;
        if over { Put::Over } else { Put::Block }
    }

    /// Tells where other sounds begin in the piece that begins at frame `dry`.
    fn tell(&self, dry: u64, joins: &[Join]) {
        for join in joins {
            let at = self.origin.out_at(dry + join.at as u64);
            let span = Span::new(at, join.id, join.file_frame, self.origin.rate);
            self.source.progress.begin(span);
        }
    }
}

fn ring(packets: bool) -> (RingWriter, RingReader) {
    if packets {
        mynah_pulse::packet_ring(RING_BLOCKS)
    } else {
        mynah_pulse::packed_ring(RING_BLOCKS)
    }
}

fn rate(effects: Option<&Effects>) -> f64 {
    effects.map_or(1.0, |effects| {
        effects.chain.source_frames_per_output_frame()
    })
}

#[cfg(test)]
#[path = "fill_tests.rs"]
mod tests;
