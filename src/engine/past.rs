//! The sound around the place that is heard, as it was before any effect.
//!
//! A ring holds up to 320 ms that nobody has heard. When the effects of a track change, that much is
//! made again with the new ones, from what is kept here: a stream cannot be read twice, and a seek
//! would take as long as the format wants.

use std::collections::VecDeque;
use std::sync::Arc;

use mynah_audio::codec::{MAX_PACKET_FRAMES, PACKET_LEAD_FRAMES};
use mynah_audio::{Block, CHANNELS, Decoder, FRAMES, SILENT_BLOCK};
use mynah_pulse::Packed;

use crate::reel::{Cargo, Filled, Join};

/// Pieces kept before the one that is heard: effects and decoders want 80 ms to settle.
const BEHIND: u64 = 4 * FRAMES as u64;

/// 20 ms of the track as they were read, fewer at its very end.
pub struct Piece {
    /// Frames of the track before it.
    pub frame: u64,
    /// Its length.
    pub frames: usize,
    /// Where other sounds begin in it.
    pub joins: Vec<Join>,
    /// Nothing comes after it.
    pub over: bool,
    /// `None` while only the packet is known. The ring may hold it, too.
    sound: Option<Arc<Packed>>,
    /// Empty when there is none.
    packet: Vec<u8>,
}

impl Piece {
    /// The whole block; silence where it is not known.
    pub fn block(&self) -> Block {
        let mut block = SILENT_BLOCK;
        if let Some(kept) = &self.sound {
            kept.unpack(&mut block);
        }
        block
    }

    /// The packet it came as.
    pub fn packet(&self) -> Option<&[u8]> {
        (!self.packet.is_empty()).then_some(&self.packet)
    }

    /// `None` when only the packet is known.
    pub fn sound(&self) -> Option<&Arc<Packed>> {
        self.sound.as_ref()
    }
}

/// The pieces from a little before the one that is heard to the one that was read last.
#[derive(Default)]
pub struct Past {
    pieces: VecDeque<Piece>,
    /// How many of them have been put into the ring there is.
    put: usize,
    /// Frames read since the track began.
    read_frames: u64,
    /// Room of packets that were forgotten, for those to come.
    spare: Vec<Vec<u8>>,
}

impl Past {
    /// Keeps what was read, as put already.
    pub fn keep(&mut self, block: &Block, filled: &Filled, packet: &[u8]) {
        let samples = block.get(..filled.frames * CHANNELS).unwrap_or_default();
        let sound = (filled.cargo != Cargo::Packet).then(|| Packed::new(samples));
        let mut kept = Vec::new();
        if filled.cargo != Cargo::Sound {
            kept = self.spare.pop().unwrap_or_default();
            kept.clear();
            kept.extend_from_slice(packet);
        }
        self.pieces.push_back(Piece {
            frame: self.read_frames,
            frames: filled.frames,
            joins: filled.joins.clone(),
            over: filled.over,
            sound,
            packet: kept,
        });
        self.read_frames += filled.frames as u64;
        self.put = self.pieces.len();
    }

    /// Forgets what lies more than 80 ms before a frame.
    pub fn forget_before(&mut self, frame: u64) {
        while let Some(first) = self.pieces.front() {
            let end = first.frame + first.frames as u64;
            if end + BEHIND > frame || self.put == 0 {
                return;
            }
            self.put -= 1;
            let gone = self.pieces.pop_front().map(|piece| piece.packet);
            self.spare
                .extend(gone.filter(|packet| packet.capacity() > 0));
        }
    }

    /// Goes back to the piece that begins nearest to a frame: from there on everything is put again.
    /// The frame it begins at; `None` when nothing is kept.
    pub fn rewind(&mut self, to: u64) -> Option<u64> {
        let pieces = self.pieces.iter().enumerate();
        let (at, piece) = pieces.min_by_key(|(_, piece)| piece.frame.abs_diff(to))?;
        self.put = at;
        Some(piece.frame)
    }

    /// The sound before the piece that is put next, at most 80 ms of it, for effects to settle on.
    pub fn lead_in(&self) -> Vec<f32> {
        let first = self.put.saturating_sub((BEHIND / FRAMES as u64) as usize);
        let pieces = self.pieces.range(first..self.put);
        pieces.flat_map(Piece::block).collect()
    }

    /// The next piece that is put again.
    pub fn again(&mut self) -> Option<&Piece> {
        let piece = self.pieces.get(self.put)?;
        self.put += 1;
        Some(piece)
    }

    /// True when everything that was read is put.
    pub fn is_put(&self) -> bool {
        self.put >= self.pieces.len()
    }

    /// The sound that was kept last; `None` when it is only known as a packet.
    pub fn last_sound(&self) -> Option<Arc<Packed>> {
        self.pieces.back()?.sound.clone()
    }

    /// Frame of the track at which the piece begins that was read last.
    pub fn last_frame(&self) -> u64 {
        self.pieces.back().map_or(0, |piece| piece.frame)
    }

    /// Decodes what is known as packets only. Of the last packet of all, the end is guessed: its
    /// sound ends in the packet that has not been read.
    pub fn decode(&mut self) {
        if self.pieces.iter().all(|piece| piece.sound.is_some()) {
            return;
        }
        let Ok(mut decoder) = Decoder::new() else {
            return;
        };
        let mut out = vec![0.0; MAX_PACKET_FRAMES * CHANNELS];
        let (mut stream, mut run) = (Vec::new(), 0);
        for at in 0..=self.pieces.len() {
            let packet = self.pieces.get(at).and_then(Piece::packet);
            let decoded = match packet {
                Some(packet) => decoder.decode(packet, &mut out),
                None => decoder.conceal(out.get_mut(..FRAMES * CHANNELS).unwrap_or_default()),
            };
            let frames = decoded.unwrap_or(FRAMES).min(FRAMES);
            stream.extend_from_slice(out.get(..frames * CHANNELS).unwrap_or_default());
            if packet.is_none() {
                self.give_sound(run..at, &stream);
                stream.clear();
                run = at + 1;
                let _ = decoder.reset();
            }
        }
    }

    /// Gives their sound to pieces whose packets, one after the other, decode to `stream`.
    fn give_sound(&mut self, run: std::ops::Range<usize>, stream: &[f32]) {
        let sound = stream.get(PACKET_LEAD_FRAMES * CHANNELS..);
        let blocks = sound.unwrap_or_default().chunks_exact(FRAMES * CHANNELS);
        for (piece, samples) in self.pieces.range_mut(run).zip(blocks) {
            if piece.sound.is_none() {
                piece.sound = Some(Packed::new(samples));
            }
        }
    }
}
