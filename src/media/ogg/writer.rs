//! Writing Ogg Opus.

use std::io::{self, Write};

use mynah_audio::codec::packet_frames;

use super::page::{FIRST, LAST, MAX_SEGMENTS, Page};
use crate::opus_head::OpusHead;

/// What the head of the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Frames at 48 kHz a player throws away at the start: the encoder's lookahead, or 0 for
    /// packets cut out of a running stream (80 ms = 3840 would hide the decoder settling).
    pub pre_skip: u16,
    /// Sample rate of what was encoded, for display only.
    pub input_rate_hz: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            pre_skip: 312,
            input_rate_hz: 48_000,
            channels: 2,
        }
    }
}

/// Comments in the file: `("TITLE", "…")` and so on (RFC 7845 section 5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// Name and value; names are ASCII without `=`.
    pub fields: Vec<(String, String)>,
}

/// A page is closed after this many frames, one second: RFC 7845 section 3 asks for that much at
/// most, so that little is lost when a recording is cut off.
const PAGE_FRAMES: u64 = 48_000;

/// Writes one Ogg Opus stream.
///
/// Every second is a page, so what was written can be played even if [`OpusWriter::finish`] is
/// never reached.
#[derive(Debug)]
pub struct OpusWriter<W: Write> {
    out: W,
    page: Page,
    /// Frames in all packets so far, pre-skip included: the granule position.
    frames: u64,
    page_starts_at: u64,
    pre_skip: u64,
    /// The last packet, kept back: only [`OpusWriter::finish`] knows that it is the last.
    pending: Option<(Vec<u8>, u64)>,
}

impl<W: Write> OpusWriter<W> {
    /// Begins a file: both header pages are written at once. `serial` tells streams in one file
    /// apart; any number will do.
    ///
    /// # Errors
    /// Whatever `out` reports.
    pub fn new(out: W, serial: u32, head: Head, tags: &Tags) -> io::Result<Self> {
        let mut writer = Self {
            out,
            page: Page {
                serial,
                flags: FIRST,
                ..Page::default()
            },
            frames: 0,
            page_starts_at: 0,
            pre_skip: u64::from(head.pre_skip),
            pending: None,
        };
        let id = OpusHead::plain(head.channels.clamp(1, 2), head.pre_skip, head.input_rate_hz);
        writer.append(&id.write())?;
        writer.flush_page()?;
        writer.append(&comment(tags))?;
        writer.flush_page()?;
        Ok(writer)
    }

    /// Appends one Opus packet; its length in time is read from the packet itself.
    ///
    /// # Errors
    /// `InvalidInput` when the bytes are no Opus packet, else whatever the output reports.
    pub fn packet(&mut self, packet: &[u8]) -> io::Result<()> {
        let frames = packet_frames(packet)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?
            as u64;
        self.write_pending()?;
        self.pending = Some((packet.to_vec(), frames));
        Ok(())
    }

    /// Frames of sound written so far, without the pre-skip.
    #[must_use]
    pub fn frames(&self) -> u64 {
        let pending = self.pending.as_ref().map_or(0, |(_, frames)| *frames);
        (self.frames + pending).saturating_sub(self.pre_skip)
    }

    /// Ends the file after all packets.
    ///
    /// # Errors
    /// Whatever the output reports.
    pub fn finish(self) -> io::Result<W> {
        let all = self.frames();
        self.finish_at(all)
    }

    /// Ends the file after `frames` of sound: a player trims the rest of the last packet
    /// (RFC 7845 section 4.4). More than there is counts as all.
    ///
    /// # Errors
    /// Whatever the output reports.
    pub fn finish_at(mut self, frames: u64) -> io::Result<W> {
        let end = frames.saturating_add(self.pre_skip);
        if let Some((packet, length)) = self.pending.take() {
            self.append(&packet)?;
            // The granule may cut into the last packet only, never before the page began.
            self.frames = end.clamp(self.frames, self.frames + length);
        }
        self.page.flags |= LAST;
        self.flush_page()?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Closes the page begun, so that everything so far can be played from the output.
    ///
    /// # Errors
    /// Whatever the output reports.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.page.lacing.is_empty() {
            self.flush_page()?;
        }
        self.out.flush()
    }

    fn write_pending(&mut self) -> io::Result<()> {
        let Some((packet, frames)) = self.pending.take() else {
            return Ok(());
        };
        self.append(&packet)?;
        self.frames += frames;
        if self.frames - self.page_starts_at >= PAGE_FRAMES {
            self.flush_page()?;
        }
        Ok(())
    }

    /// Puts a packet on the page, on a fresh one if it does not fit whole. A packet too long for
    /// any page goes over several.
    fn append(&mut self, packet: &[u8]) -> io::Result<()> {
        let segments = packet.len() / 255 + 1;
        if !self.page.lacing.is_empty() && self.page.lacing.len() + segments > MAX_SEGMENTS {
            self.flush_page()?;
        }
        let mut rest = packet;
        loop {
            let room = MAX_SEGMENTS - self.page.lacing.len();
            let whole = (rest.len() / 255).min(room);
            let (now, later) = rest.split_at(whole * 255);
            self.page.lacing.extend(std::iter::repeat_n(255u8, whole));
            self.page.body.extend(now);
            rest = later;
            if self.page.lacing.len() < MAX_SEGMENTS {
                let last = rest.get(..rest.len().min(254)).unwrap_or_default();
                self.page.lacing.push(u8::try_from(last.len()).unwrap_or(0));
                self.page.body.extend(last);
                return Ok(());
            }
            // Full in mid-packet: no packet ends here unless an earlier one did.
            self.flush_page()?;
            self.page.flags |= super::page::CONTINUED;
        }
    }

    fn flush_page(&mut self) -> io::Result<()> {
        self.page.granule = self.frames;
        self.page.write(&mut self.out)?;
        self.page.sequence = self.page.sequence.wrapping_add(1);
        self.page.flags = 0;
        self.page.lacing.clear();
        self.page.body.clear();
        self.page_starts_at = self.frames;
        Ok(())
    }
}

/// The comment header, `OpusTags`.
fn comment(tags: &Tags) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        let len = u32::try_from(text.len()).unwrap_or(0);
        out.extend(len.to_le_bytes());
        out.extend(text.bytes().take(len as usize));
    }
    let mut out = b"OpusTags".to_vec();
    text(&mut out, concat!("mynah ", env!("CARGO_PKG_VERSION")));
    out.extend(u32::try_from(tags.fields.len()).unwrap_or(0).to_le_bytes());
    for (name, value) in &tags.fields {
        text(&mut out, &format!("{name}={value}"));
    }
    out
}
