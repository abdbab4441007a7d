//! One track on disk: a person's timeline, or a lane of the bot, as Ogg Opus with an index.

use std::path::Path;

use super::RecorderError;
use super::disk::Tail;
use super::index;
use super::ogg::{Head, Pager};
use super::packet::{conceal, silence};
use super::timeline::{Arrived, Output, Piece, Sound, Timeline};

/// A page with sound is on the disk so soon after its first packet. With what packets wait for before
/// they are put, less than a second of what was said is ever missing.
const FLUSH_SOUND_US: u64 = 600_000;
/// Silence can wait longer: larger pages make smaller files.
const FLUSH_SILENCE_US: u64 = 1_000_000;

/// A track that is being written.
#[derive(Debug)]
pub struct Track {
    timeline: Timeline,
    pager: Pager,
    sound: Tail,
    index: Tail,
    pages: Vec<u8>,
    records: Vec<u8>,
    waiting_since_us: Option<u64>,
    /// The open page holds more than silence.
    sounds: bool,
}

impl Track {
    /// Makes both files of a track and writes their headers.
    ///
    /// # Errors
    /// When one of them exists or cannot be written.
    pub fn create(sound: &Path, index: &Path, head: &Head) -> Result<Self, RecorderError> {
        let mut track = Self {
            timeline: Timeline::new(),
            pager: Pager::new(head.serial),
            sound: Tail::create(sound.to_owned())?,
            index: Tail::create(index.to_owned())?,
            pages: Vec::new(),
            records: Vec::new(),
            waiting_since_us: None,
            sounds: false,
        };
        track.sound.append(&head.pages())?;
        track.index.append(&index::header())?;
        Ok(track)
    }

    /// Takes a packet of the person in.
    ///
    /// # Errors
    /// When a full page cannot be written.
    pub fn push(&mut self, arrived: Arrived) -> Result<(), RecorderError> {
        let now_us = arrived.arrival_us;
        self.timeline.push(arrived);
        self.gather(now_us);
        self.write()
    }

    /// Puts out what is due at `now_us`: packets, silence, and a page that has been open for a second.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn drain(&mut self, now_us: u64) -> Result<(), RecorderError> {
        self.timeline.drain(now_us);
        self.gather(now_us);
        let patience_us = match self.sounds {
            true => FLUSH_SOUND_US,
            false => FLUSH_SILENCE_US,
        };
        if self
            .waiting_since_us
            .is_some_and(|since| now_us.saturating_sub(since) >= patience_us)
        {
            self.pager.flush(&mut self.pages);
            self.waiting_since_us = None;
            self.sounds = false;
        }
        self.write()
    }

    /// Ends the track at `now_us`.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(&mut self, now_us: u64) -> Result<(), RecorderError> {
        self.timeline.finish(now_us);
        self.gather(now_us);
        self.pager.finish(&mut self.pages);
        self.write()?;
        self.sync()
    }

    /// Forces both files to the disk.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn sync(&mut self) -> Result<(), RecorderError> {
        self.sound.sync()?;
        self.index.sync()
    }

    /// The line of this track.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Bytes of both files so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sound.bytes() + self.index.bytes()
    }

    /// Frames at 48 kHz in the file, with those in the open page.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.pager.frames()
    }

    fn gather(&mut self, now_us: u64) {
        let mut since_us = now_us;
        while let Some(output) = self.timeline.pop() {
            match output {
                Output::Piece(piece) => self.put(&piece),
                Output::Entry(entry) => {
                    // What was held back has waited already: a crash must not cost more than a second.
                    since_us = since_us.min(entry.arrived.arrival_us);
                    index::write(&entry, &mut self.records);
                }
            }
        }
        if self.pager.is_waiting() {
            self.waiting_since_us.get_or_insert(since_us);
        }
    }

    fn put(&mut self, piece: &Piece) {
        let before = self.pages.len();
        self.sounds |= piece.sound != Sound::Silence;
        match &piece.sound {
            Sound::Packet(packet) => self.pager.put(packet, piece.frames as u32, &mut self.pages),
            Sound::Silence => {
                for (packet, frames) in silence(piece.frames) {
                    self.pager.put(&packet, frames, &mut self.pages);
                }
            }
            Sound::Lost { toc } => {
                let mut left = piece.frames;
                while let Some((toc, frames)) = conceal(*toc, left) {
                    self.pager.put(&[toc], frames, &mut self.pages);
                    left -= u64::from(frames);
                }
            }
        }
        if self.pages.len() > before {
            self.waiting_since_us = None;
            self.sounds = false;
        }
    }

    /// Whole pages first, then the records: the index may say less than the track, never more.
    fn write(&mut self) -> Result<(), RecorderError> {
        if self.pages.is_empty() {
            return Ok(());
        }
        self.sound.append(&self.pages)?;
        self.pages.clear();
        self.index.append(&self.records)?;
        self.records.clear();
        Ok(())
    }
}
