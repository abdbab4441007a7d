//! What a ring is filled from: one sound after the other, without a gap between them.
//!
//! The end of one sound and the start of the next meet at a sample, wherever in a block that is: an
//! album that was mastered without gaps plays without gaps, and a loop has no seam.

use std::time::Duration;

use mynah_audio::{Block, CHANNELS, FRAMES, SAMPLE_RATE_HZ, SILENT_BLOCK};
use mynah_media::{Media, MediaError, Read, Slot};

use crate::TrackId;
use crate::fetch::Input;
use crate::loudness::Level;

/// How often a sound is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeat {
    /// Once.
    #[default]
    Off,
    /// Until somebody stops it.
    Forever,
}

/// One sound, open.
pub struct Item {
    /// The track it is.
    pub id: TrackId,
    /// The decoder, at its first frame.
    pub media: Media,
    /// Frame (1/48000 s) of the file that comes first.
    pub first_frame: u64,
    /// What brings it to the loudness of the others.
    pub level: Level,
    /// A download stays in the cache while it is read.
    pub _in_use: Input,
}

/// A place in what was filled where something else begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// Frames of the block before it.
    pub at: usize,
    /// What begins there.
    pub id: TrackId,
    /// Frame of its file.
    pub file_frame: u64,
}

/// In what form a block is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cargo {
    /// As sound.
    #[default]
    Sound,
    /// As [`Reel::packet`]; the block is as it was.
    Packet,
    /// As sound and as [`Reel::packet`].
    Both,
}

/// What [`Reel::fill`] put into a block.
#[derive(Debug, Default)]
pub struct Filled {
    /// Frames of sound; fewer than 960 only at the very end.
    pub frames: usize,
    /// Sound, or a packet of it.
    pub cargo: Cargo,
    /// Where other sounds begin in it. A block can hold several very short ones.
    pub joins: Vec<Join>,
    /// Nothing comes after it.
    pub over: bool,
    /// Why a sound ended before its time.
    pub failure: Option<(TrackId, String)>,
}

/// The sound that plays, and the one that comes after it.
pub struct Reel {
    item: Item,
    next: Option<Item>,
    repeat: Repeat,
    /// Frames of a successor that did not fit into the block its predecessor ended in.
    carry: Vec<f32>,
    carry_at: usize,
    /// The current sound gives no more.
    ended: bool,
    /// It gave something since it was begun: what is empty is not repeated for ever.
    gave: bool,
}

impl Reel {
    pub fn new(item: Item, repeat: Repeat) -> Self {
        Self {
            item,
            next: None,
            repeat,
            carry: Vec::new(),
            carry_at: 0,
            ended: false,
            gave: false,
        }
    }

    /// What comes after this sound, instead of what was to come; that is returned.
    pub fn set_next(&mut self, next: Option<Item>) -> Option<Item> {
        std::mem::replace(&mut self.next, next)
    }

    /// Forgets what comes after this sound if it is `id`; true when it was.
    pub fn drop_next(&mut self, id: TrackId) -> bool {
        self.next.take_if(|next| next.id == id).is_some()
    }

    /// Whether the next block can be filled without waiting for a network.
    pub fn is_ready(&self) -> bool {
        self.ended || self.item.media.is_ready()
    }

    /// The packet that was filled last.
    pub fn packet(&self) -> &[u8] {
        self.item.media.packet()
    }

    /// How often the present sound is played.
    pub fn set_repeat(&mut self, repeat: Repeat) {
        self.repeat = repeat;
    }

    /// Fills a block: to its end, unless everything is over before.
    #[cfg(test)]
    pub fn fill(&mut self, block: &mut Block) -> Filled {
        self.fill_slot(block, true)
    }

    /// Fills a block: to its end, unless everything is over before. An Opus packet of a sound to
    /// which nothing is done comes as it is; with `sound` it is decoded as well.
    pub fn fill_slot(&mut self, block: &mut Block, sound: bool) -> Filled {
        let mut filled = Filled::default();
        loop {
            self.take_carry(block, &mut filled);
            if filled.frames == FRAMES {
                return filled;
            }
            if self.ended {
                match self.go_on() {
                    Some((id, file_frame)) => filled.joins.push(Join {
                        at: filled.frames,
                        id,
                        file_frame,
                    }),
                    None => {
                        filled.over = true;
                        return filled;
                    }
                }
            }
            self.read(block, &mut filled, sound);
        }
    }

    /// Reads the current sound: straight into an empty block, else through the carry.
    fn read(&mut self, block: &mut Block, filled: &mut Filled, sound: bool) {
        let direct = filled.frames == 0;
        let mut aside;
        let target = if direct {
            &mut *block
        } else {
            aside = SILENT_BLOCK;
            &mut aside
        };
        let Item {
            id, media, level, ..
        } = &mut self.item;
        let as_it_is = level.is_unity();
        // Packets begin up to 2 ms late; a join is exact.
        let untouched = direct && filled.joins.is_empty();
        let slot = if untouched {
            media.read_slot(target, sound || !as_it_is)
        } else {
            media.read(target).map(Slot::Sound)
        };
        let (frames, ended) = match slot {
            Ok(Slot::Sound(Read::Full)) => (FRAMES, false),
            Ok(Slot::Sound(Read::Last(frames))) => (frames.min(FRAMES), true),
            Ok(Slot::Sound(Read::End)) => (0, true),
            Ok(Slot::Packet) => {
                filled.cargo = Cargo::Packet;
                (FRAMES, false)
            }
            Ok(Slot::Both) => {
                filled.cargo = Cargo::Both;
                (FRAMES, false)
            }
            Err(error) => {
                filled.failure = Some((*id, error.to_string()));
                (0, true)
            }
        };
        if !as_it_is && filled.cargo != Cargo::Packet {
            level.apply(target.get_mut(..frames * CHANNELS).unwrap_or_default());
            filled.cargo = Cargo::Sound;
        }
        self.ended = ended;
        self.gave |= frames > 0;
        if direct {
            filled.frames = frames;
        } else {
            let sound = target.get(..frames * CHANNELS).unwrap_or_default();
            self.carry.extend_from_slice(sound);
        }
    }

    fn take_carry(&mut self, block: &mut Block, filled: &mut Filled) {
        let left = self.carry.get(self.carry_at..).unwrap_or_default();
        let room = block
            .get_mut(filled.frames * CHANNELS..)
            .unwrap_or_default();
        let taken = left.len().min(room.len());
        room.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        filled.frames += taken / CHANNELS;
        self.carry_at += taken;
        if self.carry_at >= self.carry.len() {
            self.carry = Vec::new(); // it is needed once for each sound
            self.carry_at = 0;
        }
    }

    /// Begins what comes after the current sound: the track and the frame of its file.
    fn go_on(&mut self) -> Option<(TrackId, u64)> {
        let gave = std::mem::take(&mut self.gave);
        if self.repeat == Repeat::Forever && gave && self.item.media.seek(Duration::ZERO).is_ok() {
            self.ended = false;
            return Some((self.item.id, 0));
        }
        self.item = self.next.take()?;
        self.repeat = Repeat::Off;
        self.ended = false;
        Some((self.item.id, self.item.first_frame))
    }
}

/// Opens a sound at `start`; the frame of the file it begins with.
///
/// # Errors
/// As [`mynah_media::open`].
pub fn begin(mut media: Media, start: Duration) -> Result<(Media, u64), MediaError> {
    if start.is_zero() {
        return Ok((media, 0));
    }
    let at = media.seek(start)?;
    Ok((media, frame_of(at)))
}

/// A place in time as a frame.
pub fn frame_of(at: Duration) -> u64 {
    (at.as_secs_f64() * f64::from(SAMPLE_RATE_HZ)).round() as u64
}

#[cfg(test)]
#[path = "reel_tests.rs"]
mod tests;
