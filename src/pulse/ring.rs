//! The track ring: 20 ms blocks on their way from a decoder to the tick, written in place.
//!
//! Boxed blocks go round between the two ends: the writer takes an empty one, fills it where it
//! lies and hands it over; the reader plays it and hands it back. Nothing is copied, and the reader
//! never allocates or frees. A ring made by [`packed_ring`] carries blocks in half the memory, which
//! the writer may share with others; the reader unpacks them one by one.
//!
//! A ring made by [`packet_ring`] also carries Opus packets of 20 ms, with or without their sound.
//! The reader hands packets out as they are, or, where somebody has to mix them, decodes the first
//! of them beside the ring. As long as packets come without sound, no slot has a block: what is
//! played is then a few lines of memory, and a ring takes 6 kB instead of 130.
//!
//! Neither end wakes the other (design/architecture.md B6): the writer looks at [`RingWriter::free`]
//! on its own timer.

mod packed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::{Block, FRAMES, SILENT_BLOCK};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::packed::Packed;
use crate::unpack::Unpacker;

use packed::Unpacked;
pub use packed::packed_ring;

/// Room for packets grows in these steps.
const PACKET_STEP_BYTES: usize = 128;

/// Aligned to cache lines, as the plugin ABI promises for memory it lets plugins fill.
#[repr(C, align(64))]
struct Sound(Block);

impl Sound {
    #[allow(clippy::disallowed_methods, reason = "control and media side")]
    fn new() -> Box<Self> {
        Box::new(Self(SILENT_BLOCK))
    }
}

/// What has no block of its own shows this one.
static NOTHING: Block = SILENT_BLOCK;

/// 20 ms. What the reader of packets looks at lies together.
#[derive(Default)]
struct Slot {
    frames: usize,
    /// Length of the packet, 0 when there is none.
    packet_len: usize,
    /// `packed`, or else `sound`, holds the sound; else only the packet does.
    has_pcm: bool,
    /// May hold more bytes than the packet.
    packet: Box<[u8]>,
    /// Made by the writer when it is first filled.
    sound: Option<Box<Sound>>,
    /// Let go of by the writer when the slot is empty.
    packed: Option<Arc<Packed>>,
}

impl Slot {
    fn packet(&self) -> Option<&[u8]> {
        let packet = self.packet.get(..self.packet_len)?;
        (!packet.is_empty()).then_some(packet)
    }

    fn samples(&self) -> Option<&Block> {
        let plain = self.has_pcm && self.packed.is_none();
        plain.then_some(&self.sound.as_ref()?.0)
    }

    /// Puts a packet in. Media side: allocates for a packet that is longer than any before.
    #[allow(clippy::disallowed_methods, reason = "media side")]
    fn set_packet(&mut self, packet: &[u8]) {
        if self.packet.len() < packet.len() {
            let room = packet.len().next_multiple_of(PACKET_STEP_BYTES);
            self.packet = std::iter::repeat_n(0, room).collect();
        }
        if let Some(room) = self.packet.get_mut(..packet.len()) {
            room.copy_from_slice(packet);
            self.packet_len = packet.len();
        }
    }
}

#[derive(Default)]
struct Shared {
    finished: AtomicBool,
    writer_gone: AtomicBool,
    /// The reader mixes: packets alone cost it a decoder's work.
    pcm_wanted: AtomicBool,
    frames_taken: AtomicU64,
    frames_put: AtomicU64,
}

/// Makes a ring of `blocks` (at least one) blocks of 20 ms. The writer allocates 7.7 kB for each as
/// it first fills them.
#[must_use]
pub fn ring(blocks: usize) -> (RingWriter, RingReader) {
    ring_with(blocks, None, None)
}

/// Makes a ring that also carries Opus packets. The writer allocates for packets what they take, and
/// 7.7 kB for a block that comes with its sound; the ring has 56 kB for the decoder that turns
/// packets into sound where they must be mixed. Should libopus refuse that decoder, the ring is one
/// of [`ring`].
#[must_use]
#[allow(clippy::disallowed_methods, reason = "control side")]
pub fn packet_ring(blocks: usize) -> (RingWriter, RingReader) {
    match Unpacker::new() {
        Ok(unpacker) => ring_with(
            blocks,
            Some(Box::new(Packets {
                unpacker,
                last: Slot::default(),
                sound: Sound::new(),
                last_sound: Sound::new(),
                has_sound: false,
                last_has_sound: false,
                taken: 0,
            })),
            None,
        ),
        Err(_) => ring(blocks),
    }
}

#[allow(clippy::disallowed_methods, reason = "control side")]
fn ring_with(
    blocks: usize,
    packets: Option<Box<Packets>>,
    unpacked: Option<Box<Unpacked>>,
) -> (RingWriter, RingReader) {
    let blocks = blocks.max(1);
    let (full_in, full_out) = RingBuffer::new(blocks);
    let (mut empty_in, empty_out) = RingBuffer::new(blocks);
    for _ in 0..blocks {
        let fits = empty_in.push(Slot::default()).is_ok();
        debug_assert!(fits, "the ring is as long as the number of blocks");
    }
    let shared = Arc::new(Shared::default());
    // A ring without packets is always asked for sound.
    shared
        .pcm_wanted
        .store(packets.is_none(), Ordering::Relaxed);
    let writer = RingWriter {
        full: full_in,
        empty: empty_out,
        spare: None,
        takes_packets: packets.is_some(),
        takes_packed: packets.is_some() || unpacked.is_some(),
        shared: Arc::clone(&shared),
    };
    let reader = RingReader {
        full: full_out,
        empty: empty_in,
        packets,
        unpacked,
        shared,
    };
    (writer, reader)
}

/// The decoder's end of a ring. Dropping it without [`finish`](Self::finish) tells the reader that
/// the source broke off.
pub struct RingWriter {
    full: Producer<Slot>,
    empty: Consumer<Slot>,
    spare: Option<Slot>,
    takes_packets: bool,
    takes_packed: bool,
    shared: Arc<Shared>,
}

impl RingWriter {
    /// How many blocks can be put before the ring is full.
    #[must_use]
    pub fn free(&self) -> usize {
        self.empty.slots() + usize::from(self.spare.is_some())
    }

    /// How many blocks the ring was made for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.full.buffer().capacity()
    }

    /// True when the reader is gone: whatever is put will never be heard.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.full.is_abandoned()
    }

    /// Lets `fill` write the next 20 ms in place and hands them over. False, without calling
    /// `fill`, when the ring is full. `fill` must write every sample: the block still holds old ones.
    #[must_use = "false means that nothing was put"]
    pub fn put(&mut self, fill: impl FnOnce(&mut Block)) -> bool {
        let Some(block) = self.acquire() else {
            return false;
        };
        fill(block);
        self.commit(FRAMES);
        true
    }

    /// The next empty block to be filled in place, or `None` when the ring is full. It holds old
    /// samples. Nothing reaches the reader until [`commit`](Self::commit); acquiring again before
    /// that gives the same block.
    #[must_use]
    pub fn acquire(&mut self) -> Option<&mut Block> {
        let slot = self.spare()?;
        Some(&mut slot.sound.get_or_insert_with(Sound::new).0)
    }

    /// [`acquire`](Self::acquire) if `wanted`; else nothing, and no block is made.
    #[must_use]
    pub fn acquire_if(&mut self, wanted: bool) -> Option<&mut Block> {
        if wanted { self.acquire() } else { None }
    }

    fn spare(&mut self) -> Option<&mut Slot> {
        if self.spare.is_none() {
            self.spare = self.empty.pop().ok();
            // Freed here and not by the reader, if nobody else holds it.
            self.spare.iter_mut().for_each(|slot| slot.packed = None);
        }
        self.spare.as_mut()
    }

    /// Hands over the block acquired last, of which the first `frames` sample frames are sound.
    /// Fewer than 960 make sense in the last block only; the rest of it becomes silence. Does
    /// nothing without an acquired block.
    pub fn commit(&mut self, frames: usize) {
        let Some(mut slot) = self.spare.take() else {
            return;
        };
        slot.frames = frames.min(FRAMES);
        slot.has_pcm = true;
        slot.packet_len = 0;
        let sounding = slot.frames * mynah_audio::CHANNELS;
        let sound = slot.sound.as_mut();
        if let Some(rest) = sound.and_then(|sound| sound.0.get_mut(sounding..)) {
            rest.fill(0.0);
        }
        self.hand_over(slot);
    }

    /// Hands over the block acquired last together with the Opus packet of 20 ms that it was decoded
    /// from. Listeners hear one or the other: the block is the sound of the packets from
    /// [`PACKET_LEAD_FRAMES`](mynah_audio::codec::PACKET_LEAD_FRAMES) after the start of this one on, so that both
    /// come out of their decoders at the same time. A packet that the ring has no room for is left
    /// out. Does nothing without an acquired block.
    pub fn commit_with_packet(&mut self, packet: &[u8]) {
        let Some(mut slot) = self.spare.take() else {
            return;
        };
        slot.frames = FRAMES;
        slot.has_pcm = true;
        slot.packet_len = 0;
        if self.can_carry(packet) {
            slot.set_packet(packet);
        }
        self.hand_over(slot);
    }

    /// Hands over an Opus packet of 20 ms at 48 kHz, one frame, without its sound. The reader decodes
    /// it if it has to be mixed, at its own cost: see [`wants_pcm`](Self::wants_pcm). The last packets
    /// before something that has no packet should come with their sound. False when nothing was put:
    /// the ring is full or carries no packets, or the packet is empty or above 1275 bytes.
    #[must_use = "false means that nothing was put"]
    pub fn commit_packet(&mut self, packet: &[u8]) -> bool {
        if !self.can_carry(packet) || self.spare().is_none() {
            return false;
        }
        let Some(mut slot) = self.spare.take() else {
            return false;
        };
        slot.set_packet(packet);
        slot.frames = FRAMES;
        slot.has_pcm = false;
        self.hand_over(slot);
        true
    }

    fn can_carry(&self, packet: &[u8]) -> bool {
        self.takes_packets && (1..=MAX_FRAME_BYTES).contains(&packet.len())
    }

    /// True when the reader mixes, so that packets should come with their sound. It plays packets
    /// without as well. Always true for a ring that carries none.
    #[must_use]
    pub fn wants_pcm(&self) -> bool {
        self.shared.pcm_wanted.load(Ordering::Relaxed)
    }

    fn hand_over(&mut self, slot: Slot) {
        let put = self.shared.frames_put.load(Ordering::Relaxed) + slot.frames as u64;
        self.shared.frames_put.store(put, Ordering::Relaxed);
        let fits = self.full.push(slot).is_ok();
        debug_assert!(fits, "there are never more blocks than room for them");
    }

    /// Marks the end of the stream: the reader plays what is in the ring and is then done.
    pub fn finish(&mut self) {
        // Release: whoever sees the mark also sees every block put before it.
        self.shared.finished.store(true, Ordering::Release);
    }

    /// A cheap handle that reads the playing position from any thread.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.shared))
    }
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.shared.writer_gone.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for RingWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingWriter({} of {} free)", self.free(), self.capacity())
    }
}

/// Reads how far a ring has been played; outlives both ends.
#[derive(Clone)]
pub struct Meter(Arc<Shared>);

impl Meter {
    /// Sample frames (1/48000 s) the reader has played. Counts sound only, so it stands still in
    /// pauses and stalls. Runs ahead of the listener's ear by the 5 to 25 ms a packet is prepared
    /// early.
    #[must_use]
    pub fn frames_taken(&self) -> u64 {
        self.0.frames_taken.load(Ordering::Relaxed)
    }

    /// Sample frames the writer has put.
    #[must_use]
    pub fn frames_put(&self) -> u64 {
        self.0.frames_put.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Meter({}/{})", self.frames_taken(), self.frames_put())
    }
}

/// What the reader finds.
#[derive(Debug)]
pub enum Supply<'a> {
    /// The next 20 ms, of which `frames` sample frames are sound and the rest is silence.
    Block {
        /// Stays in the ring until [`RingReader::release`]. Old samples, where a block is packed or
        /// comes as a packet only, before [`RingReader::unpack`].
        samples: &'a Block,
        /// 960 except in the last block.
        frames: usize,
        /// The same as one Opus packet, if the ring has that.
        packet: Option<&'a [u8]>,
    },
    /// Nothing there yet, but the writer is alive.
    Dry,
    /// Everything was played and the writer said that this was all.
    Ended,
    /// Everything was played and the writer went away without a word.
    Broken,
}

/// What the reader of a ring with packets needs beside it.
struct Packets {
    unpacker: Unpacker,
    /// The slot released last.
    last: Slot,
    /// The sound of the next packet and of the last one, where this end has decoded them.
    sound: Box<Sound>,
    last_sound: Box<Sound>,
    has_sound: bool,
    last_has_sound: bool,
    /// Blocks released.
    taken: u64,
}

impl Packets {
    /// The slot was played; the one to be given back in its place. *Tick-safe.*
    fn keep(&mut self, slot: Slot) -> Slot {
        self.unpacker.keep(slot.packet());
        self.taken += 1;
        self.last_has_sound = std::mem::take(&mut self.has_sound);
        std::mem::swap(&mut self.sound, &mut self.last_sound);
        std::mem::replace(&mut self.last, slot)
    }

    /// The sound of what was played last, where it is known as such. *Tick-safe.*
    fn last_block(&self) -> Option<&Block> {
        match self.last_has_sound {
            true => Some(&self.last_sound.0),
            false => self.last.samples(),
        }
    }
}

/// The tick's end of a ring.
pub struct RingReader {
    full: Consumer<Slot>,
    empty: Producer<Slot>,
    packets: Option<Box<Packets>>,
    unpacked: Option<Box<Unpacked>>,
    shared: Arc<Shared>,
}

impl RingReader {
    /// Looks at the next block without taking it. *Tick-safe.*
    #[must_use]
    pub fn supply(&self) -> Supply<'_> {
        // A block that is there is there, whatever became of the writer. When there is none, look
        // again, in the opposite order of what the writer does last (put, finish, drop): whoever
        // sees one of these then also sees what came before it.
        if let Ok(slot) = self.full.peek() {
            return self.show(slot);
        }
        let gone = self.shared.writer_gone.load(Ordering::Acquire);
        let finished = self.shared.finished.load(Ordering::Acquire);
        match self.full.peek() {
            Ok(slot) => self.show(slot),
            Err(_) if finished => Supply::Ended,
            Err(_) if gone => Supply::Broken,
            Err(_) => Supply::Dry,
        }
    }

    fn show<'a>(&'a self, slot: &'a Slot) -> Supply<'a> {
        Supply::Block {
            samples: slot
                .samples()
                .or_else(|| self.packets.as_ref().map(|packets| &packets.sound.0))
                .or_else(|| self.unpacked.as_ref().map(|unpacked| &unpacked.sound.0))
                .unwrap_or(&NOTHING),
            frames: slot.frames,
            packet: slot.packet(),
        }
    }

    /// Makes sure that the next block is there as sound, decoding its packet if need be; true when
    /// it was. Ten decoders' work at most, once; then at most one for each block. *Tick-safe.*
    pub fn unpack(&mut self) -> bool {
        let Some(packets) = &mut self.packets else {
            if let (Some(unpacked), Ok(slot)) = (&mut self.unpacked, self.full.peek()) {
                unpacked.unpack(slot);
            }
            return false;
        };
        let look = self.full.slots().min(2);
        let Ok(chunk) = self.full.read_chunk(look) else {
            return false;
        };
        let (one, two) = chunk.as_slices();
        let mut slots = one.iter().chain(two);
        let Some(front) = slots.next() else {
            return false;
        };
        if packets.has_sound {
            return false;
        }
        if front.has_pcm {
            if let Some(packed) = &front.packed {
                packed.unpack(&mut packets.sound.0);
                packets.has_sound = true;
            }
            return false;
        }
        let packet = front.packet().unwrap_or_default();
        let next = slots.next().and_then(Slot::packet);
        let (taken, sound) = (packets.taken, &mut packets.sound.0);
        packets.unpacker.block(taken, packet, next, sound);
        packets.has_sound = true;
        true
    }

    /// Writes the sound of the block that was released last to `out`, as it would have been mixed;
    /// false when that is not known. Where what follows it has not come, its end fades out.
    /// *Tick-safe.*
    pub fn recall(&mut self, out: &mut Block) -> bool {
        let Some(packets) = &mut self.packets else {
            return false;
        };
        if packets.taken == 0 {
            return false;
        }
        if let Some(block) = packets.last_block() {
            *out = *block;
            return true;
        }
        if let Some(packed) = &packets.last.packed {
            packed.unpack(out);
            return true;
        }
        let front = self.full.peek().ok().and_then(Slot::packet);
        packets.unpacker.recall(packets.taken, front, out)
    }

    /// Asks the writer for sound beside packets, or says that packets will do. *Tick-safe.*
    pub fn want_pcm(&self, wanted: bool) {
        // Told once: a line of memory that both ends share is not written in every tick.
        if self.packets.is_some() && self.shared.pcm_wanted.load(Ordering::Relaxed) != wanted {
            self.shared.pcm_wanted.store(wanted, Ordering::Relaxed);
        }
    }

    /// Packets decoded by this end so far. *Tick-safe.*
    #[must_use]
    pub fn decoded_packets(&self) -> u64 {
        let packets = self.packets.as_ref();
        packets.map_or(0, |packets| packets.unpacker.decoded_packets())
    }

    /// Gives the block that [`supply`](Self::supply) showed back to the writer; does nothing when
    /// there is none. *Tick-safe.*
    pub fn release(&mut self) {
        let Ok(mut slot) = self.full.pop() else {
            return;
        };
        let taken = self.shared.frames_taken.load(Ordering::Relaxed) + slot.frames as u64;
        self.shared.frames_taken.store(taken, Ordering::Relaxed);
        if let Some(packets) = &mut self.packets {
            // What was heard last is kept; the one kept until now goes back in its place.
            slot = packets.keep(slot);
        }
        if let Some(unpacked) = &mut self.unpacked {
            unpacked.is_next = false;
        }
        // There is always room. Were there not, the block would be leaked, never freed here.
        if let Err(rtrb::PushError::Full(slot)) = self.empty.push(slot) {
            debug_assert!(false, "there are never more blocks than room for them");
            std::mem::forget(slot);
        }
    }

    /// How many blocks lie ready. *Tick-safe.*
    #[must_use]
    pub fn level(&self) -> usize {
        self.full.slots()
    }

    /// A cheap handle that reads the playing position from any thread.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.shared))
    }
}

impl std::fmt::Debug for RingReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingReader({} ready)", self.level())
    }
}

#[cfg(test)]
mod tests;
