//! An open sound file as a source of blocks: the one place where demuxer, decoder, trimming,
//! downmix and resampler meet.

use std::io::BufReader;
use std::time::Duration;

use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::packet::Packet;

use mynah_audio::{Block, CHANNELS, FRAMES, SAMPLE_RATE_HZ};

use crate::decode::{Bad, CODECS, Decoder};
use crate::demux::{Demuxer, Next, Sought, TrackFacts};
use crate::source::Origin;
use crate::track::{MAX_HOLD_FRAMES, OpenTrack, Path, Trim};
use crate::{Info, MediaError, limits, matroska, mp4};

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
    /// True once a chained stream followed: timestamps no longer say where the music is.
    chained: bool,
    damage: Damage,
    /// The last error while nothing was heard yet, for an honest refusal.
    first_error: Option<Bad>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl Media {
    pub(crate) fn open(origin: Origin, options: &OpenOptions) -> Result<Self, MediaError> {
        let mut media = Self::begin(origin)?;
        if !options.start.is_zero() {
            media.seek(options.start)?;
        }
        Ok(media)
    }

    /// Opens at the start and decodes the first sound.
    fn begin(origin: Origin) -> Result<Self, MediaError> {
        match Self::begin_as(origin.clone(), false) {
            // Some demuxers give up when the header promises more than there is. Read as a
            // stream, whose end nobody knows, a truncated file plays up to the cut.
            Err(first @ MediaError::Damaged { .. }) => {
                Self::begin_as(origin, true).map_err(|_| first)
            }
            other => other,
        }
    }

    fn begin_as(origin: Origin, as_stream: bool) -> Result<Self, MediaError> {
        let file = origin.name();
        let mut demuxer = Demuxer::open(&origin, as_stream)?;
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
            chained: false,
            damage: Damage::default(),
            first_error: None,
        };
        let rate_hz = facts.params.sample_rate.unwrap_or(SAMPLE_RATE_HZ);
        let trim = media.find_trim(&facts, &decoder, rate_hz);
        media.track = Some(OpenTrack::new(facts, decoder, trim));
        while !media.ended && media.path().is_none_or(Path::is_empty) && media.ready.is_empty() {
            media.pump()?;
        }
        media.describe()?;
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

    /// Goes to `to` from the start of the sound, exactly; past the end is the end. Returns where
    /// it went.
    ///
    /// # Errors
    /// [`MediaError::Io`] when the operating system fails to read.
    pub fn seek(&mut self, to: Duration) -> Result<Duration, MediaError> {
        let target = frames_of(to).min(u64::MAX / 4);
        if self.ended {
            // Not every demuxer finds its way back from the end of the file.
            self.start_over()?;
        }
        if !self.seek_by_jump(target)? {
            self.seek_by_playing(target)?;
        }
        // Ready now: whatever follows the target, so that the next read costs no more than usual.
        let frames = u128::from(target) * 1_000_000_000 / u128::from(SAMPLE_RATE_HZ);
        let reached = Duration::from_nanos(u64::try_from(frames).unwrap_or(u64::MAX));
        Ok(match (self.ended, self.info.duration) {
            (true, Some(end)) => end.min(reached),
            _ => reached,
        })
    }
}

impl Media {
    fn path(&self) -> Option<&Path> {
        self.track.as_ref().and_then(|t| t.path.as_ref())
    }

    /// Completes the info from the first decoded sound, or says why there is none.
    fn describe(&mut self) -> Result<(), MediaError> {
        let Some(track) = &self.track else {
            return Ok(());
        };
        let silent = self.ended && self.ready.is_empty();
        let Some(path) = track.path.as_ref().filter(|_| !silent) else {
            let file = self.file.clone();
            return Err(match self.first_error.take() {
                Some(Bad::Unsupported(feature)) => MediaError::UnsupportedCodec {
                    file,
                    codec: format!("{} with {feature}", self.info.codec),
                },
                Some(Bad::Packet(reason) | Bad::Dead(reason)) => {
                    MediaError::Damaged { file, reason }
                }
                None => {
                    let reason = self.damage.ended_early.take();
                    let reason = reason.unwrap_or_else(|| "it holds no sound at all".to_owned());
                    MediaError::Damaged { file, reason }
                }
            });
        };
        let rate_hz = path.output.rate_hz();
        self.info.sample_rate_hz = rate_hz;
        self.info.channels = u16::try_from(path.downmix.channels()).unwrap_or(u16::MAX);
        let trim = &track.trim;
        let frames = trim.music_frames.or_else(|| {
            let frames = track.ticks_to_frames(track.facts.duration_ticks?, rate_hz);
            Some(frames.saturating_sub(trim.start_frames + trim.end_frames))
        });
        let by_track = frames.map(|frames| {
            let nanos = u128::from(frames) * 1_000_000_000 / u128::from(rate_hz.max(1));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        // The container's length includes what the encoder put before the music.
        let lead = u128::from(trim.start_frames) * 1_000_000_000 / u128::from(rate_hz.max(1));
        let lead = Duration::from_nanos(u64::try_from(lead).unwrap_or(0));
        let by_container = || Some(self.demuxer.duration()?.saturating_sub(lead));
        self.info.duration = by_track
            .or_else(by_container)
            .filter(|length| !length.is_zero());
        Ok(())
    }

    fn find_trim(&mut self, facts: &TrackFacts, decoder: &Decoder, rate_hz: u32) -> Trim {
        let container = self.info.container.clone();
        let container = container.as_str();
        let mut trim = Trim {
            start_frames: decoder.pre_skip().unwrap_or(0),
            end_frames: 0,
            music_frames: None,
            // Without a declaration symphonia estimates the length of an mp3 from its first
            // frames and trims to that: it would cut the end off.
            trust_packets: facts.params.codec != CODEC_ID_MP3 || facts.padding_is_declared,
            trust_durations: container == "isomp4",
            drop_negative: container == "ogg" && decoder.pre_skip().is_none(),
        };
        let Ok(source) = self.origin.open() else {
            return trim;
        };
        let to_frames = |ns: u64| {
            let frames = (u128::from(ns) * u128::from(rate_hz) + 500_000_000) / 1_000_000_000;
            u64::try_from(frames).unwrap_or(0)
        };
        match container {
            "isomp4" => {
                let found = mp4::read_trim(&mut BufReader::new(source), facts.id, rate_hz);
                trim.start_frames = trim.start_frames.max(found.start_frames);
                trim.music_frames = found.music_frames;
            }
            "matroska" | "mkv" | "webm" => {
                // Small buffer: the scan jumps from header to header.
                let mut source = BufReader::with_capacity(64, source);
                let found = matroska::read_facts(&mut source, u64::from(facts.id));
                if decoder.pre_skip().is_none() {
                    trim.start_frames = to_frames(found.start_ns);
                }
                trim.end_frames = to_frames(found.end_ns).min(MAX_HOLD_FRAMES);
                if let Some(title) = found.title {
                    self.info.offer_title(&title);
                }
            }
            _ => {}
        }
        trim
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
                let rate_hz = facts.params.sample_rate.unwrap_or(SAMPLE_RATE_HZ);
                let trim = self.find_trim(&facts, &decoder, rate_hz);
                self.track = Some(OpenTrack::new(facts, decoder, trim));
            }
            Err(error) => self.end(Some(error.to_string())),
        }
    }

    /// Jumps close to the target by the container's index and decodes the rest. False when that
    /// is not possible.
    fn seek_by_jump(&mut self, target: u64) -> Result<bool, MediaError> {
        if self.chained {
            return Ok(false);
        }
        let past_end = self
            .info
            .duration
            .is_some_and(|end| frames_of(end) <= target);
        let Some(track) = &mut self.track else {
            return Ok(false);
        };
        let Some(jump) = track.plan_jump(target) else {
            return Ok(false);
        };
        match self.demuxer.seek(track.facts.id, jump.ts) {
            Sought::Near => {}
            Sought::PastEnd if past_end => {
                self.ready.clear();
                self.ready_at = 0;
                self.ended = true;
                return Ok(true);
            }
            Sought::PastEnd | Sought::Cannot => return Ok(false),
        }
        track.land(&jump);
        self.ready.clear();
        self.ready_at = 0;
        self.ended = false;
        while !self.ended && self.track.as_ref().is_some_and(OpenTrack::is_landing) {
            self.pump()?;
        }
        Ok(self
            .track
            .as_ref()
            .is_some_and(|t| !t.overshot() && !t.is_landing()))
    }

    /// Starts over and throws sound away until the target: slow, and always exact.
    fn seek_by_playing(&mut self, target: u64) -> Result<(), MediaError> {
        self.start_over()?;
        let most = limits::MAX_SEEK_DISCARD_SECONDS * u64::from(SAMPLE_RATE_HZ);
        let mut left = usize::try_from(target.min(most)).unwrap_or(usize::MAX / 4) * CHANNELS;
        loop {
            let drop = left.min(self.ready.len());
            self.ready.drain(..drop);
            left -= drop;
            if left == 0 || self.ended {
                break;
            }
            self.pump()?;
        }
        Ok(())
    }

    /// Opens the file again at its start.
    fn start_over(&mut self) -> Result<(), MediaError> {
        let fresh = Self::begin(self.origin.clone())?;
        let (info, bad_packets) = (std::mem::take(&mut self.info), self.damage.bad_packets);
        *self = Self { info, ..fresh };
        self.damage.bad_packets = bad_packets.max(self.damage.bad_packets);
        Ok(())
    }
}

fn frames_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() * u128::from(SAMPLE_RATE_HZ) / 1_000_000_000).unwrap_or(u64::MAX)
}
