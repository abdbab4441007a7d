//! Opus packets as the file has them, for listeners whose decoder can have them untouched.
//!
//! What is read lies on the grid of the file's own packets: slot `k` is packet `k`, or the block of
//! sound that a listener hears in its place, see [`PACKET_LEAD_FRAMES`]. Sound that has to begin or
//! end at an exact frame, and whatever is not one frame of 20 ms, has a block and no packet.

use std::collections::VecDeque;
use std::time::Duration;

use mynah_audio::codec::{MAX_FRAME_BYTES, MAX_PACKET_FRAMES, PACKET_LEAD_FRAMES, packet_frames};
use mynah_audio::{Block, CHANNELS, Decoder, FRAMES, SAMPLE_RATE_HZ};
use symphonia::core::packet::Packet;

use super::{Media, Read};
use crate::demux::Next;
use crate::track::{MAX_HOLD_FRAMES, OpenTrack};
use crate::{MediaError, limits};

/// One packet, in frames.
const STEP: u64 = FRAMES as u64;
/// See [`PACKET_LEAD_FRAMES`].
const LEAD: u64 = PACKET_LEAD_FRAMES as u64;
/// Frames kept before the next slot: a decoder wants 80 ms to settle (RFC 7845 section 4.6).
const PRIMING_FRAMES: u64 = 4 * STEP;
/// Slots that come with their sound after one without a packet: whoever plays them has to mix that
/// one and goes on mixing for a while.
const SOUND_AFTER_GAP: u32 = 14;
/// Shorter files are always decoded.
const LEAST_LENGTH: Duration = Duration::from_secs(1);
/// Packets remembered while nobody has said whether packets are wanted.
const MOST_WATCHED: usize = 64;

/// What [`Media::read_slot`] filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Sound only, as [`Media::read`] tells.
    Sound(Read),
    /// A packet; the block was not touched.
    Packet,
    /// A packet and its sound.
    Both,
}

/// A packet with its place.
struct Entry {
    /// Frames of the stream before it, counted from some packet's start.
    start: u64,
    frames: u64,
    /// Frames at its end that are padding.
    padding: u64,
    data: Box<[u8]>,
}

impl Entry {
    fn end(&self) -> u64 {
        self.start + self.frames
    }

    /// True when a listener can have it as it is: one frame of 20 ms, on the grid.
    fn is_whole(&self) -> bool {
        let Some(toc) = self.data.first() else {
            return false;
        };
        // RFC 6716 table 2: the frame size by configuration. The last two bits count frames.
        let twenty_ms = match toc >> 3 {
            config @ 0..12 => config % 4 == 1,
            config @ 12..16 => config % 2 == 1,
            config => config % 4 == 3,
        };
        // One or two bytes are no frame but a pause in the transmission.
        let has_frame = (3..=MAX_FRAME_BYTES).contains(&self.data.len());
        twenty_ms && toc & 3 == 0 && has_frame && self.start.is_multiple_of(STEP)
    }
}

/// The packets of a stream around the place where it is read.
#[derive(Default)]
pub(super) struct Passage {
    /// From a little before the next slot on.
    entries: VecDeque<Entry>,
    running: Option<Running>,
}

/// What is known once packets are asked for.
struct Running {
    decoder: Decoder,
    /// The next slot.
    slot: u64,
    /// Sound begins at this frame; what comes before it in a slot is silence.
    begin: u64,
    /// Sound ends at this frame.
    end: Option<u64>,
    /// Another stream follows.
    chained: bool,
    /// Slots that still come with their sound.
    sound_due: u32,
    /// The start of the packet that the decoder wants next, if it stands in the stream at all.
    decoder_at: Option<u64>,
    /// Decoded sound, and the frame it begins at.
    sound: Vec<f32>,
    sound_from: u64,
    scratch: Vec<f32>,
}

impl Passage {
    /// Remembers a packet that is being decoded elsewhere; false when it is none of Opus.
    pub(super) fn watch(&mut self, packet: &Packet) -> bool {
        if self.entries.len() >= MOST_WATCHED {
            self.entries.pop_front();
        }
        self.push(packet)
    }

    fn push(&mut self, packet: &Packet) -> bool {
        let Ok(frames) = packet_frames(&packet.data) else {
            return false;
        };
        let start = self.entries.back().map_or(0, Entry::end);
        let frames = frames as u64;
        self.entries.push_back(Entry {
            start,
            frames,
            padding: packet.trim_end.get().min(frames),
            data: packet.data.clone(),
        });
        true
    }

    fn last_end(&self) -> u64 {
        self.entries.back().map_or(0, Entry::end)
    }

    /// The packet of a slot, if a listener can have it.
    fn packet(&self, slot: u64) -> Option<&Entry> {
        let at = slot.checked_mul(STEP)?;
        let mut entries = self.entries.iter();
        entries.find(|e| e.start == at && e.is_whole())
    }

    /// Forgets what no slot from `slot` on needs.
    fn forget_before(&mut self, slot: u64) {
        let needed = (slot * STEP).saturating_sub(PRIMING_FRAMES);
        while self.entries.front().is_some_and(|e| e.end() <= needed) {
            self.entries.pop_front();
        }
    }
}

impl Running {
    /// The first slot that holds the frame `begin`, or most of what comes after it.
    fn new(decoder: Decoder, begin: u64) -> Self {
        let slot = begin.saturating_sub(LEAD) / STEP;
        Self {
            decoder,
            slot,
            begin,
            end: None,
            chained: false,
            // In mid-stream a listener's decoder has to be led in.
            sound_due: if slot > 0 { SOUND_AFTER_GAP + 1 } else { 0 },
            decoder_at: None,
            sound: Vec::new(),
            sound_from: 0,
            scratch: vec![0.0; MAX_PACKET_FRAMES * CHANNELS],
        }
    }

    /// Where a slot's sound lies.
    fn span(slot: u64) -> std::ops::Range<u64> {
        let start = slot * STEP + LEAD;
        start..start + STEP
    }

    fn is_past_end(&self, frame: u64) -> bool {
        self.end.is_some_and(|end| frame > end)
    }

    /// Decodes until the sound of `span` is there; the number of packets that could not be.
    fn decode(&mut self, entries: &VecDeque<Entry>, span: &std::ops::Range<u64>) -> u64 {
        let mut bad = 0;
        let follows = |at: u64| entries.iter().any(|e| e.start == at);
        if !self
            .decoder_at
            .is_some_and(|at| at <= span.end && follows(at))
            || self.sound_from > span.start
        {
            // From the oldest packet known: its sound, and that of the next ones, is only for the
            // decoder to settle.
            let _unlikely = self.decoder.reset();
            let first = entries.front().map_or(span.start, |e| e.start);
            self.decoder_at = Some(first);
            self.sound.clear();
            self.sound_from = first;
        }
        for entry in entries {
            if entry.start >= span.end {
                break;
            }
            if self.decoder_at != Some(entry.start) {
                continue;
            }
            let frames = usize::try_from(entry.frames).unwrap_or(0) * CHANNELS;
            let room = self.scratch.get_mut(..frames).unwrap_or_default();
            if self.decoder.decode(&entry.data, room).is_err() {
                room.fill(0.0);
                bad += 1;
            }
            self.sound.extend_from_slice(room);
            self.decoder_at = Some(entry.end());
        }
        let old = span.start.saturating_sub(self.sound_from);
        let old = usize::try_from(old)
            .unwrap_or(0)
            .min(self.sound.len() / CHANNELS);
        self.sound.drain(..old * CHANNELS);
        self.sound_from += old as u64;
        bad
    }

    /// Writes the decoded sound of `span`, up to the end; the frames of it.
    fn write(&self, span: &std::ops::Range<u64>, out: &mut [f32]) -> usize {
        let end = self.end.unwrap_or(span.end).min(span.end);
        let frames = usize::try_from(end.saturating_sub(span.start)).unwrap_or(0);
        out.fill(0.0);
        let silent = self.begin.saturating_sub(span.start);
        let silent = usize::try_from(silent).unwrap_or(0).min(frames);
        let whole = out.iter_mut().zip(&self.sound).take(frames * CHANNELS);
        whole
            .skip(silent * CHANNELS)
            .for_each(|(to, from)| *to = *from);
        frames
    }
}

impl Media {
    /// Fills the next 20 ms like [`Media::read`], or gives them as the Opus packet that the file has
    /// for them: look at [`Media::packet`] then. With `sound` a packet comes with its sound.
    ///
    /// Packets come from Ogg, WebM and Matroska files of one Opus stream in mono or stereo, to be
    /// played as it is, and only while nobody has called [`Media::read`] since the file was opened or
    /// sought. Such a file is read on the grid of its packets: at the start up to 2 ms are left out,
    /// after a seek up to 20 ms of silence come first. The last packets before something without a
    /// packet come with their sound, and so do the first ones after it.
    ///
    /// # Errors
    /// As [`Media::read`].
    pub fn read_slot(&mut self, out: &mut Block, sound: bool) -> Result<Slot, MediaError> {
        if !self.begin_passage() {
            return self.read(out).map(Slot::Sound);
        }
        self.timed(|media| media.next_slot(out, sound))
    }

    /// True when [`Media::read_slot`] may give packets.
    #[must_use]
    pub fn has_packets(&self) -> bool {
        self.passage.is_some()
    }

    /// The packet that [`Media::read_slot`] gave last.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        let passage = self.passage.as_ref();
        let given = passage.and_then(|p| {
            let slot = p.running.as_ref()?.slot.checked_sub(1)?;
            p.packet(slot)
        });
        given.map_or(&[], |entry| &entry.data)
    }

    /// Starts to remember packets, at a place where nothing has been read.
    pub(super) fn watch_packets(&mut self) {
        let container = self.info.container.as_str();
        let plain = matches!(container, "ogg" | "matroska") && !self.chained;
        let opus = self.track.as_ref().is_some_and(OpenTrack::is_plain_opus);
        self.passage = (plain && opus).then(Passage::default);
        self.forget_packets_if_short();
    }

    /// In a jingle the exact start matters more than what its packets save.
    pub(super) fn forget_packets_if_short(&mut self) {
        let short = |length: Duration| length < LEAST_LENGTH;
        if self.info.duration.is_some_and(short) {
            self.passage = None;
        }
    }

    /// True when packets are read already.
    pub(super) fn is_on_grid(&self) -> bool {
        let passage = self.passage.as_ref();
        passage.is_some_and(|passage| passage.running.is_some())
    }

    /// Of a passage: whether the next slot needs nothing from the file.
    pub(super) fn slot_is_ready(&self) -> bool {
        self.passage.as_ref().is_some_and(|passage| {
            let running = passage.running.as_ref();
            running.is_some_and(|r| r.end.is_some() || passage.last_end() >= self.due(r.slot))
        })
    }

    /// Goes over to packets, if the file has them and nothing has been read.
    fn begin_passage(&mut self) -> bool {
        if self.is_on_grid() {
            return true;
        }
        let (Some(passage), Some(track)) = (&mut self.passage, &self.track) else {
            return false;
        };
        // The sound in hand ends where the last packet does, but for what is held back.
        let waiting = self.ready.len().saturating_sub(self.ready_at) / CHANNELS;
        let waiting = waiting as u64 + track.held_frames();
        let begin = passage.last_end().checked_sub(waiting);
        let (Some(begin), Ok(decoder), false) = (begin, Decoder::new(), self.ended) else {
            self.passage = None;
            return false;
        };
        passage.running = Some(Running::new(decoder, begin));
        self.ready.clear();
        self.ready_at = 0;
        true
    }

    /// The frame up to which packets must be known before slot `slot` is given: it and the next one,
    /// and then the end is not near.
    fn due(&self, slot: u64) -> u64 {
        let padding = self.track.as_ref().map_or(0, |t| t.trim.end_frames);
        Running::span(slot + 1).end + STEP + padding
    }

    fn next_slot(&mut self, out: &mut Block, sound: bool) -> Result<Slot, MediaError> {
        self.fill_passage()?;
        let Some(passage) = &mut self.passage else {
            return self.read_block(out).map(Slot::Sound);
        };
        let Some(running) = &mut passage.running else {
            return Ok(Slot::Sound(Read::End));
        };
        let slot = running.slot;
        let span = Running::span(slot);
        let led_in = running.sound_due <= SOUND_AFTER_GAP;
        let whole = |slot, r: &Running, entries: &VecDeque<Entry>| {
            let at = slot * STEP;
            let has = entries.iter().any(|e| e.start == at && e.is_whole());
            has && !r.is_past_end(Running::span(slot).end)
        };
        let has_packet = led_in && whole(slot, running, &passage.entries);
        let next_has = whole(slot + 1, running, &passage.entries);
        let wanted = sound || !has_packet || !next_has || running.sound_due > 0;
        running.sound_due = match has_packet {
            true => running.sound_due.saturating_sub(1),
            false => SOUND_AFTER_GAP,
        };
        if !wanted {
            running.slot += 1;
            passage.forget_before(slot);
            return Ok(Slot::Packet);
        }
        self.damage.bad_packets += running.decode(&passage.entries, &span);
        let frames = running.write(&span, out);
        running.slot += 1;
        let chained = running.chained;
        passage.forget_before(slot);
        if frames < FRAMES && chained {
            let rest = out.get(..frames * CHANNELS).unwrap_or_default();
            self.ready.extend_from_slice(rest);
            self.passage = None;
            self.next_stream();
            return self.read_block(out).map(Slot::Sound);
        }
        Ok(match frames {
            FRAMES if has_packet => Slot::Both,
            FRAMES => Slot::Sound(Read::Full),
            0 => Slot::Sound(self.over(Read::End)),
            frames => Slot::Sound(self.over(Read::Last(frames))),
        })
    }

    fn over(&mut self, read: Read) -> Read {
        self.ended = true;
        read
    }

    /// Reads packets until the next slot can be given.
    fn fill_passage(&mut self) -> Result<(), MediaError> {
        let mut demux_errors = 0;
        let mut without_sound = 0;
        loop {
            let Some((passage, running)) = self.passage.as_mut().and_then(|passage| {
                let slot = passage.running.as_ref()?;
                let facts = (slot.slot, slot.end.is_some());
                Some((passage, facts))
            }) else {
                return Ok(());
            };
            let (slot, ended) = running;
            // Padding is only padding if nothing follows it.
            let padded = passage.entries.back().is_some_and(|e| e.padding > 0);
            let enough = passage.last_end();
            if ended || enough >= self.due(slot) && !padded {
                return Ok(());
            }
            match self.demuxer.next()? {
                Next::Packet(packet) => {
                    demux_errors = 0;
                    without_sound += 1;
                    if self.is_of_track(&packet) {
                        let taken = self.passage.as_mut().is_some_and(|p| p.push(&packet));
                        self.damage.bad_packets += u64::from(!taken);
                        without_sound *= u32::from(!taken);
                    }
                    if without_sound > limits::MAX_SILENT_PACKETS_IN_A_ROW {
                        self.end_passage(
                            Some("the rest of the file has no sound".to_owned()),
                            false,
                        );
                    }
                }
                Next::End => self.end_passage(None, false),
                Next::Dead(reason) => self.end_passage(Some(reason), false),
                Next::NewStream => self.end_passage(None, true),
                Next::Damaged(reason) => {
                    demux_errors += 1;
                    if demux_errors > limits::MAX_DEMUX_ERRORS_IN_A_ROW {
                        self.end_passage(Some(reason), false);
                    }
                }
            }
        }
    }

    fn is_of_track(&self, packet: &Packet) -> bool {
        let track = self.track.as_ref();
        track.is_some_and(|track| track.facts.id == packet.track_id)
    }

    /// No more packets come: finds the last frame of sound.
    fn end_passage(&mut self, early: Option<String>, chained: bool) {
        let declared = self.track.as_ref().map_or(0, |t| t.trim.end_frames);
        let Some(passage) = &mut self.passage else {
            return;
        };
        // Whole packets of padding, and then a part of one.
        let mut padding = 0;
        for entry in passage.entries.iter().rev() {
            padding += entry.padding;
            if entry.padding < entry.frames || padding > MAX_HOLD_FRAMES {
                break;
            }
        }
        let end = passage.last_end().saturating_sub(padding.max(declared));
        if let Some(running) = &mut passage.running {
            running.end = Some(end);
            running.chained = chained;
        }
        if early.is_some() && self.damage.ended_early.is_none() {
            self.damage.ended_early = early;
        }
    }
}

const _: () = assert!(SAMPLE_RATE_HZ as usize == 50 * FRAMES);

#[cfg(test)]
mod tests;
