//! Reading Ogg Opus packet by packet, without decoding.

use std::io::{self, Read};

use mynah_audio::codec::packet_frames;

use super::page::{CONTINUED, LAST, NO_GRANULE, Page};
use crate::opus_head::OpusHead;

/// One Opus packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The Opus bytes.
    pub data: Vec<u8>,
    /// Frames at 48 kHz it decodes to.
    pub frames: u16,
    /// Of those, frames at the end to throw away (only on the last packet).
    pub trim_end: u16,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no Opus stream in it.
    #[error("this is not an Ogg Opus file")]
    NotOpus,
    /// The operating system failed to read.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

impl ReadError {
    /// What can be done about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotOpus => "play it as any other file, or convert it with opusenc",
            Self::Io(_) => "check the disk, or the network share it is on",
        }
    }
}

/// A packet this long is an attack: 120 ms at the highest rate are 61 kB with all padding.
const MAX_PACKET_BYTES: usize = 1 << 17;

/// Reads the packets of the first Opus stream of an Ogg file.
#[derive(Debug)]
pub struct OpusReader<R: Read> {
    input: R,
    head: OpusHead,
    serial: u32,
    /// The tail of the last page: a packet still to be continued.
    partial: Vec<u8>,
    queue: std::collections::VecDeque<Packet>,
    /// Frames of all packets so far, pre-skip included.
    frames: u64,
    ended: bool,
}

impl<R: Read> OpusReader<R> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`ReadError::NotOpus`], or [`ReadError::Io`].
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let first = Page::read(&mut input)?.ok_or(ReadError::NotOpus)?;
        let head = OpusHead::parse(&first.body).ok_or(ReadError::NotOpus)?;
        let mut reader = Self {
            input,
            head,
            serial: first.serial,
            partial: Vec::new(),
            queue: std::collections::VecDeque::new(),
            frames: 0,
            ended: false,
        };
        // The comment header may go over several pages (cover art); packets begin after it.
        loop {
            let page = reader.page()?.ok_or(ReadError::NotOpus)?;
            let finished = page.lacing.iter().any(|l| *l < 255);
            if finished {
                return Ok(reader);
            }
        }
    }

    /// Frames at 48 kHz to throw away at the start.
    #[must_use]
    pub fn pre_skip(&self) -> u16 {
        self.head.pre_skip
    }

    /// Channels of the stream.
    #[must_use]
    pub fn channels(&self) -> u8 {
        self.head.channels
    }

    /// The next packet, `None` at the end. Damaged pages and packets are passed over.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn next_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        while self.queue.is_empty() && !self.ended {
            match self.page()? {
                Some(page) => self.take(&page),
                None => self.ended = true,
            }
        }
        Ok(self.queue.pop_front())
    }

    fn page(&mut self) -> Result<Option<Page>, ReadError> {
        loop {
            match Page::read(&mut self.input)? {
                Some(page) if page.serial != self.serial => {}
                other => return Ok(other),
            }
        }
    }

    fn take(&mut self, page: &Page) {
        let before = self.queue.len();
        if page.flags & CONTINUED == 0 {
            self.partial.clear();
        }
        // Without the beginning, a continued packet is useless.
        let mut orphan = page.flags & CONTINUED != 0 && self.partial.is_empty();
        let mut body = page.body.as_slice();
        for lace in &page.lacing {
            let (segment, rest) = body.split_at(usize::from(*lace).min(body.len()));
            body = rest;
            if self.partial.len() <= MAX_PACKET_BYTES {
                self.partial.extend(segment);
            }
            if *lace < 255 {
                let data = std::mem::take(&mut self.partial);
                if !std::mem::take(&mut orphan)
                    && let Ok(frames) = packet_frames(&data)
                {
                    self.frames += frames as u64;
                    let frames = u16::try_from(frames).unwrap_or(u16::MAX);
                    self.queue.push_back(Packet {
                        data,
                        frames,
                        trim_end: 0,
                    });
                }
            }
        }
        if page.flags & LAST != 0 {
            self.ended = true;
            if page.granule != NO_GRANULE && page.granule < self.frames {
                self.trim(self.frames - page.granule, before);
            }
        }
    }

    /// Takes `excess` frames off the packets of the last page, from the back.
    fn trim(&mut self, mut excess: u64, before: usize) {
        for packet in self.queue.iter_mut().skip(before).rev() {
            let trim = excess.min(u64::from(packet.frames));
            packet.trim_end = u16::try_from(trim).unwrap_or(packet.frames);
            excess -= trim;
        }
    }
}
