//! An open sound file as a source of blocks: the one place where demuxer, decoder, trimming,
//! downmix and resampler meet.

mod facts;
mod packets;
mod seek;

use std::time::Duration;

use symphonia::core::packet::Packet;

use mynah_audio::{Block, CHANNELS, FRAMES};

pub use packets::Slot;

use crate::decode::{Bad, CODECS, Decoder};
use crate::demux::{Demuxer, Next};
use crate::source::{Origin, View};
use crate::track::{OpenTrack, Path};
use crate::{Info, MediaError, limits, matroska, mp3};

/// How to open a file.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Where to begin; [`Duration::ZERO`] is the start.
    pub start: Duration,
}

/// What [`Media::read`] filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// A whole block.
    Full,
    /// The last block, with this many frames of sound and silence after them.
    Last(usize),
    /// Nothing, the sound was over before; the block is silence.
    End,
}

/// What was wrong with a file that plays all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// Packets that could not be decoded; each played as silence of its length.
    pub bad_packets: u64,
    /// Why the sound ended before the file did.
    pub ended_early: Option<String>,
}

impl Damage {
    /// True when nothing was wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An open, decoded, resampled source of blocks.
pub struct Media {
    origin: Origin,
    file: String,
    info: Info,
    demuxer: Demuxer,
    track: Option<OpenTrack>,
    /// 48 kHz stereo ready to be read, from `ready_at` on.
    ready: Vec<f32>,
    ready_at: usize,
    ended: bool,
    /// Matroska's clusters, to jump by.
    clusters: Vec<matroska::Cluster>,
    /// Of an mp3 stream: what to jump by, once it was looked for.
    mp3: Option<Option<mp3::Index>>,
    /// True once a chained stream followed: timestamps no longer say where the music is.
    chained: bool,
    damage: Damage,
    /// The last error while nothing was heard yet, for an honest refusal.
    first_error: Option<Bad>,
    /// Of a stream: the most bytes that one block has taken so far.
    needed_bytes: u64,
    /// The packets as they are, while somebody may want them.
    passage: Option<packets::Passage>,
}

/// A stream has to have so many bytes ready for the first block, and never needs more than the second
/// number: what keeps a stream holds more.
const NEEDED_BYTES: std::ops::RangeInclusive<u64> = (4 << 10)..=(128 << 10);

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl Media {
    pub(crate) fn open(origin: Origin, options: &OpenOptions) -> Result<Self, MediaError> {
        origin.begin_task(match origin.can_seek() {
            true => limits::MAX_STREAM_BYTES_WITHOUT_SOUND,
            false => limits::MAX_BYTES_IN_PASSING,
        });
        let mut media = Self::begin(origin)?;
        if !options.start.is_zero() {
            media.seek(options.start)?;
        }
        Ok(media)
    }

    /// Opens at the start and decodes the first sound.
    fn begin(origin: Origin) -> Result<Self, MediaError> {
        match Self::begin_as(origin.clone(), View::Whole) {
            // Some demuxers give up when the header promises more than there is. Read as a
            // stream, whose end nobody knows, a truncated file plays up to the cut.
            Err(first @ MediaError::Damaged { .. }) => {
                Self::begin_as(origin, View::Stream).map_err(|_| first)
            }
            other => other,
        }
    }

    fn begin_as(origin: Origin, view: View) -> Result<Self, MediaError> {
        let file = origin.name();
        let mut demuxer = Demuxer::open(&origin, view)?;
        let facts = demuxer.track()?;
        let decoder = Decoder::new(&file, &facts.params)?;
        let mut info = Info {
            codec: CODECS.get_audio_decoder(facts.params.codec).map_or_else(
                || {
                    if decoder.pre_skip().is_some() {
                        "opus".to_owned()
                    } else {
                        String::new()
                    }
                },
                |known| known.codec.info.short_name.to_owned(),
            ),
            container: demuxer.container(),
            ..Info::default()
        };
        demuxer.read_tags(&mut info, facts.id);
        let mut media = Self {
            origin,
            file,
            info,
            demuxer,
            track: None,
            ready: Vec::new(),
            ready_at: 0,
            ended: false,
            clusters: Vec::new(),
            mp3: None,
            chained: false,
            damage: Damage::default(),
            first_error: None,
            needed_bytes: *NEEDED_BYTES.start(),
            passage: None,
        };
        let trim = media.find_trim(&facts, &decoder);
        media.track = Some(OpenTrack::new(facts, decoder, trim));
        media.watch_packets();
        while !media.ended && media.path().is_none_or(Path::is_empty) && media.ready.is_empty() {
            media.pump()?;
        }
        media.describe()?;
        media.forget_packets_if_short();
        Ok(media)
    }

    /// What the file is.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// What was wrong with the file so far.
    #[must_use]
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// Fills the next 20 ms.
    ///
    /// # Errors
    /// [`MediaError::Io`] when the operating system fails to read. Damage in the file is no error
    /// here: it plays as silence or ends the sound, see [`Media::damage`].
    pub fn read(&mut self, out: &mut Block) -> Result<Read, MediaError> {
        if self.is_on_grid() {
            return self.read_slot(out, true).map(|slot| match slot {
                Slot::Sound(read) => read,
                Slot::Packet | Slot::Both => Read::Full,
            });
        }
        self.passage = None;
        self.timed(|media| media.read_block(out))
    }

    /// Reads something, and notes how many bytes of a stream that took.
    fn timed<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, MediaError>,
    ) -> Result<T, MediaError> {
        let taken = |origin: &Origin| origin.stream().map_or(0, |stream| stream.taken_bytes());
        self.origin
            .begin_task(limits::MAX_STREAM_BYTES_WITHOUT_SOUND);
        let before = taken(&self.origin);
        let read = read(self);
        let used = taken(&self.origin) - before;
        self.needed_bytes = used.clamp(self.needed_bytes, *NEEDED_BYTES.end());
        read
    }

    /// Whether the next [`Media::read`] can be expected not to wait. Always true but for a stream
    /// whose bytes have not come yet: a thread that others need, too, does better to come back later.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let Some(stream) = self.origin.stream() else {
            return true;
        };
        self.ended
            || self.slot_is_ready()
            || self.ready.len() - self.ready_at >= CHANNELS * FRAMES
            || stream.ready_bytes() >= self.needed_bytes
    }

    fn read_block(&mut self, out: &mut Block) -> Result<Read, MediaError> {
        while self.ready.len() - self.ready_at < out.len() && !self.ended {
            self.ready.drain(..self.ready_at);
            self.ready_at = 0;
            self.pump()?;
        }
        let ready = self.ready.get(self.ready_at..).unwrap_or_default();
        let samples = ready.len().min(out.len());
        let (sound, silence) = out.split_at_mut(samples);
        sound.iter_mut().zip(ready).for_each(|(o, r)| *o = *r);
        silence.fill(0.0);
        self.ready_at += samples;
        Ok(match samples / CHANNELS {
            0 => Read::End,
            FRAMES => Read::Full,
            frames => Read::Last(frames),
        })
    }
}

impl Media {
    fn path(&self) -> Option<&Path> {
        self.track.as_ref().and_then(|t| t.path.as_ref())
    }

    /// Takes one step: one packet in, or the end.
    fn pump(&mut self) -> Result<(), MediaError> {
        let mut demux_errors = 0;
        let mut without_sound = 0;
        loop {
            match self.demuxer.next()? {
                Next::Packet(packet) => {
                    demux_errors = 0;
                    if self.take(&packet) {
                        return Ok(());
                    }
                    without_sound += 1;
                    if without_sound > limits::MAX_SILENT_PACKETS_IN_A_ROW {
                        self.end(Some("the rest of the file has no sound".to_owned()));
                    }
                }
                Next::End => self.end(None),
                Next::Dead(reason) => self.end(Some(reason)),
                Next::NewStream => self.next_stream(),
                Next::Damaged(reason) => {
                    demux_errors += 1;
                    if demux_errors > limits::MAX_DEMUX_ERRORS_IN_A_ROW {
                        self.end(Some(reason));
                    }
                }
            }
            if self.ended {
                return Ok(());
            }
        }
    }

    /// Decodes one packet; false when it brought nothing.
    fn take(&mut self, packet: &Packet) -> bool {
        let Some(track) = &mut self.track else {
            return false;
        };
        if packet.track_id != track.facts.id {
            return false;
        }
        if self.passage.as_mut().is_some_and(|p| !p.watch(packet)) {
            self.passage = None;
        }
        match track.take(packet, &mut self.ready) {
            Ok(sound) => sound,
            Err(bad) => {
                self.damage.bad_packets += 1;
                if let Bad::Dead(reason) = &bad {
                    let reason = reason.clone();
                    self.first_error.get_or_insert(bad);
                    self.end(Some(reason));
                    return false;
                }
                self.first_error.get_or_insert(bad);
                if track.bad_in_a_row > limits::MAX_BAD_PACKETS_IN_A_ROW {
                    self.end(Some("too many damaged packets in a row".to_owned()));
                }
                false
            }
        }
    }

    /// Gives out what is still held, and nothing more will come.
    fn end(&mut self, early: Option<String>) {
        if let Some(track) = &mut self.track {
            track.finish(&mut self.ready);
        }
        self.ended = true;
        if early.is_some() && self.damage.ended_early.is_none() {
            self.damage.ended_early = early;
        }
    }

    /// A chained Ogg stream: play the next link from its own first sound on.
    fn next_stream(&mut self) {
        self.passage = None;
        if let Some(track) = &mut self.track {
            track.finish(&mut self.ready);
        }
        self.chained = true;
        let opened = self.demuxer.track().and_then(|facts| {
            let decoder = Decoder::new(&self.file, &facts.params)?;
            Ok((facts, decoder))
        });
        match opened {
            Ok((facts, decoder)) => {
                let trim = self.find_trim(&facts, &decoder);
                self.track = Some(OpenTrack::new(facts, decoder, trim));
            }
            Err(error) => self.end(Some(error.to_string())),
        }
    }
}

// A media thread opens a file and another may go on reading it.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Media>();
};
