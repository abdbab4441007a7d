//! The track being played: packets in, 48 kHz stereo out, with every frame the encoder added
//! taken off.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP3, CODEC_ID_VORBIS};
use symphonia::core::packet::Packet;

use mynah_audio::CHANNELS;

use crate::decode::{Bad, Decoded, Decoder};
use crate::demux::TrackFacts;
use crate::downmix::Downmix;
use crate::limits;
use crate::resample::ToOutputRate;
use crate::rooms;

/// Padding longer than this is no padding: the file goes on after its declared end.
pub const MAX_HOLD_FRAMES: u64 = 1 << 16;

/// The same for mp3: a LAME header can declare 4,095 frames at most. Longer, another mp3 was glued
/// on behind this one.
const MAX_MP3_HOLD_FRAMES: u64 = 4608;

/// Decoding begins this much before the place sought, so that codecs with memory have settled:
/// Opus wants 80 ms (RFC 7845 section 4.6), mp3 and AAC two frames.
const PRE_ROLL_MS: u64 = 100;

/// No sample is larger; full scale is 1.0.
const MOST_LOUD: f32 = 1e6;

/// Frames the encoder added, in the source's rate, and what may be believed about them.
#[derive(Debug, Clone, Copy)]
pub struct Trim {
    /// What the source's rate is, by its header.
    pub rate_hz: u32,
    /// Frames to throw away at the start.
    pub start_frames: u64,
    /// Frames to throw away at the end.
    pub end_frames: u64,
    /// Frames between the two, if known.
    pub music_frames: Option<u64>,
    /// False where the trims on packets are guesses of the demuxer.
    pub trust_packets: bool,
    /// True where a last packet shorter than it decodes to is padded (MP4).
    pub trust_durations: bool,
    /// True where a negative timestamp at the start means frames to throw away (Ogg Vorbis).
    pub drop_negative: bool,
}

impl Trim {
    /// Counts in frames of another rate: HE-AAC that is not announced shows with its first packet
    /// that it runs at twice the rate of its header.
    fn recount(&mut self, rate_hz: u32) {
        let (now, before) = (u128::from(rate_hz), u128::from(self.rate_hz.max(1)));
        let recounted =
            |frames: u64| u64::try_from(u128::from(frames) * now / before).unwrap_or(u64::MAX);
        self.start_frames = recounted(self.start_frames);
        self.end_frames = recounted(self.end_frames);
        self.music_frames = self.music_frames.map(recounted);
        self.rate_hz = rate_hz;
    }
}

/// The track being played, with everything that depends on its format.
pub struct OpenTrack {
    /// What the container says.
    pub facts: TrackFacts,
    /// What to take off.
    pub trim: Trim,
    /// From decoded samples to output; made with the first packet, because only the decoder
    /// knows the true rate and channels.
    pub path: Option<Path>,
    /// Damaged packets since the last good one.
    pub bad_in_a_row: u32,
    decoder: Decoder,
    decoded: Decoded,
    /// True until the first packet after the start or a seek is decoded.
    fresh: bool,
    /// Timestamp in ticks of the first packet.
    first_pts: i64,
    /// The same of the first frame of it that the codec keeps.
    first_ts: Option<i64>,
    landing: Landing,
}

/// How far a seek has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Landing {
    /// Not seeking.
    None,
    /// The next packet tells how many frames to throw away until this one (after the trim).
    Wanted(u64),
    /// The next packet came after the wanted frame.
    Overshot,
}

/// A seek worked out.
#[derive(Debug, Clone, Copy)]
pub struct Jump {
    /// The timestamp to jump to, in ticks.
    pub ts: i64,
    /// The first frame to pass on, in the source's rate, counted from the start of the music.
    source_frame: u64,
    /// Output frames to throw away after that.
    skip_frames: u64,
}

/// From decoded samples to 48 kHz stereo.
pub struct Path {
    /// To stereo.
    pub downmix: Downmix,
    /// To 48 kHz.
    pub output: ToOutputRate,
    channels: Channels,
    /// Stereo at the source's rate, not yet passed on.
    stereo: Vec<f32>,
    /// Frames at the end of `stereo` that are padding if nothing follows.
    hold_frames: u64,
    /// Frames to throw away before the first is passed on.
    drop_frames: u64,
    /// Frames that may still be passed on.
    left_frames: u64,
}

impl OpenTrack {
    /// A track at its start.
    pub fn new(facts: TrackFacts, decoder: Decoder, trim: Trim) -> Self {
        Self {
            facts,
            trim,
            path: None,
            bad_in_a_row: 0,
            decoder,
            decoded: Decoded::default(),
            fresh: true,
            first_pts: 0,
            first_ts: None,
            landing: Landing::None,
        }
    }

    /// Decodes a packet and appends what became ready; false when it brought no sound.
    pub fn take(&mut self, packet: &Packet, ready: &mut Vec<f32>) -> Result<bool, Bad> {
        self.decoded.samples = rooms::take();
        let taken = self.decode(packet, ready);
        rooms::give(std::mem::take(&mut self.decoded.samples));
        taken
    }

    fn decode(&mut self, packet: &Packet, ready: &mut Vec<f32>) -> Result<bool, Bad> {
        let decoded = self
            .decoder
            .decode(packet, &mut self.decoded)
            .and_then(|()| self.check());
        if let Err(bad) = decoded {
            self.bad_in_a_row += 1;
            self.cover(packet, ready);
            return Err(bad);
        }
        self.bad_in_a_row = 0;
        let channels = self.decoded.channels.count().max(1);
        let frames = (self.decoded.samples.len() / channels) as u64;
        if frames == 0 {
            self.fresh = false; // nothing left to throw away of the first packet
            return Ok(false);
        }
        self.fit_path(ready)?;
        let rate_hz = self.decoded.rate_hz;
        let (start, end) = self.packet_trim(packet, frames, rate_hz);
        self.fresh = false;
        if start < frames {
            self.place(packet, start, rate_hz);
        }
        let Some(path) = &mut self.path else {
            return Ok(false);
        };
        let kept = self
            .decoded
            .samples
            .get(count(start) * channels..)
            .unwrap_or_default();
        if path.stereo.is_empty() {
            rooms::give(std::mem::replace(&mut path.stereo, rooms::take()));
        }
        let before = path.stereo.len();
        path.downmix.mix(kept, &mut path.stereo);
        clean(path.stereo.get_mut(before..).unwrap_or_default());
        path.hold(frames - start, end);
        let most = match self.facts.params.codec {
            CODEC_ID_MP3 => MAX_MP3_HOLD_FRAMES,
            _ => MAX_HOLD_FRAMES,
        };
        if path.hold_frames > most {
            self.trim.trust_packets = false;
            path.hold_frames = 0;
        }
        path.pass_on(self.trim.end_frames, ready);
        Ok(true)
    }

    /// Gives out what is held back and inside the resampler, except declared padding.
    pub fn finish(&mut self, ready: &mut Vec<f32>) {
        if let Some(path) = &mut self.path {
            path.pass_on(self.trim.end_frames, ready);
            path.stereo.clear();
            path.output.finish(ready);
        }
    }

    /// Ticks to frames, rounded.
    pub fn ticks_to_frames(&self, ticks: u64, rate_hz: u32) -> u64 {
        let (numer, denom) = self.facts.tick;
        let (numer, denom) = (
            u128::from(numer) * u128::from(rate_hz),
            u128::from(denom.max(1)),
        );
        u64::try_from((u128::from(ticks) * numer + denom / 2) / denom).unwrap_or(u64::MAX)
    }

    /// Frames to ticks, rounded.
    fn frames_to_ticks(&self, frames: u64, rate_hz: u32) -> i64 {
        let (numer, denom) = self.facts.tick;
        let per_second = (u128::from(numer) * u128::from(rate_hz)).max(1);
        let ticks = (u128::from(frames) * u128::from(denom) + per_second / 2) / per_second;
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }

    /// Works out a jump to output frame `target`; `None` so near the start that playing from
    /// there is as quick and always exact.
    pub fn plan_jump(&self, target: u64) -> Option<Jump> {
        let path = self.path.as_ref()?;
        let first_ts = self.first_ts?;
        let (source_frame, skip_frames) = path.output.entry_point(target);
        let rate_hz = u64::from(path.output.rate_hz());
        let pre_roll = rate_hz * PRE_ROLL_MS / 1000;
        let early = source_frame.checked_sub(2 * pre_roll)? + pre_roll + self.trim.start_frames;
        let ts = first_ts.checked_add(self.frames_to_ticks(early, path.output.rate_hz()))?;
        Some(Jump {
            ts: ts.max(0),
            source_frame,
            skip_frames,
        })
    }

    /// Forgets the sound before the jump; the next packet says where it landed.
    pub fn land(&mut self, jump: &Jump) {
        self.decoder.reset();
        self.fresh = true;
        self.bad_in_a_row = 0;
        self.landing = Landing::Wanted(jump.source_frame);
        if let Some(path) = &mut self.path {
            path.stereo.clear();
            path.hold_frames = 0;
            path.drop_frames = 0;
            path.left_frames = match self.trim.music_frames {
                Some(music) => music.saturating_sub(jump.source_frame),
                None => u64::MAX,
            };
            path.output.restart(jump.skip_frames);
        }
    }

    /// The timestamp of the first packet.
    pub fn first_pts(&self) -> i64 {
        self.first_pts
    }

    /// True for one Opus stream in mono or stereo that is played as it is.
    pub fn is_plain_opus(&self) -> bool {
        self.decoder.is_plain_opus() && self.trim.music_frames.is_none()
    }

    /// Frames that are decoded and may be padding, or wait for what follows them.
    pub fn held_frames(&self) -> u64 {
        let waiting = self.path.as_ref().map_or(0, |path| path.stereo.len());
        (waiting / CHANNELS) as u64
    }

    /// True when the container's length is an estimate: an mp3 without an index, raw AAC.
    pub fn length_is_a_guess(&self) -> bool {
        match self.facts.params.codec {
            CODEC_ID_MP3 | CODEC_ID_AAC => {
                !self.facts.padding_is_declared && self.trim.music_frames.is_none()
            }
            _ => false,
        }
    }

    /// True between a jump and the packet that says where it landed.
    pub fn is_landing(&self) -> bool {
        matches!(self.landing, Landing::Wanted(_))
    }

    /// True when the jump landed after the place wanted.
    pub fn overshot(&self) -> bool {
        self.landing == Landing::Overshot
    }

    /// Refuses what no path can be made for.
    fn check(&self) -> Result<(), Bad> {
        let (rate_hz, channels) = (self.decoded.rate_hz, self.decoded.channels.count());
        if self.decoded.samples.is_empty() {
            return Ok(());
        }
        let sane = limits::SAMPLE_RATES_HZ.contains(&rate_hz)
            && (1..=limits::MAX_CHANNELS).contains(&channels);
        if sane {
            Ok(())
        } else {
            Err(Bad::Packet(format!("{channels} channels at {rate_hz} Hz")))
        }
    }

    /// Makes the path, or a new one when rate or channels change in mid-file.
    fn fit_path(&mut self, ready: &mut Vec<f32>) -> Result<(), Bad> {
        let rate_hz = self.decoded.rate_hz;
        let fits = self.path.as_ref().is_some_and(|path| {
            path.output.rate_hz() == rate_hz && path.channels == self.decoded.channels
        });
        if fits {
            return Ok(());
        }
        let first = self.path.is_none();
        if first && self.facts.params.codec == CODEC_ID_AAC {
            self.trim.recount(rate_hz);
        }
        self.finish(ready);
        let output = ToOutputRate::new(rate_hz)
            .ok_or_else(|| Bad::Dead(format!("{rate_hz} Hz cannot be resampled")))?;
        self.path = Some(Path {
            downmix: self.decoder.downmix(&self.decoded),
            output,
            channels: self.decoded.channels.clone(),
            stereo: Vec::new(),
            hold_frames: 0,
            drop_frames: if first { self.trim.start_frames } else { 0 },
            left_frames: self.trim.music_frames.filter(|_| first).unwrap_or(u64::MAX),
        });
        Ok(())
    }

    /// Frames of this packet to take off at its start and end.
    fn packet_trim(&self, packet: &Packet, frames: u64, rate_hz: u32) -> (u64, u64) {
        let (mut start, mut end) = (0, 0);
        if self.trim.trust_packets {
            start = self
                .ticks_to_frames(packet.trim_start.get(), rate_hz)
                .min(frames);
            end = self
                .ticks_to_frames(packet.trim_end.get(), rate_hz)
                .min(frames - start);
        }
        // A Vorbis block needs the one before it to overlap with: the first decodes to nothing
        // (Vorbis I section 4.3.8), and the decoder, asked not to trim, hands half a block out.
        if self.fresh && self.facts.params.codec == CODEC_ID_VORBIS {
            start = frames;
            end = 0;
        }
        if self.trim.trust_durations && packet.dur.get() > 0 {
            let due = self.ticks_to_frames(packet.dur.get(), rate_hz);
            end = end.max((frames - start).saturating_sub(due));
        }
        (start, end)
    }

    /// Learns from the packet's timestamp where the stream starts or a jump landed.
    ///
    /// `trimmed` frames of it are taken off its start.
    fn place(&mut self, packet: &Packet, trimmed: u64, rate_hz: u32) {
        let kept_from = packet
            .pts
            .get()
            .saturating_add(self.frames_to_ticks(trimmed, rate_hz));
        let Some(first_ts) = self.first_ts else {
            self.first_pts = packet.pts.get();
            self.first_ts = Some(kept_from);
            if self.trim.drop_negative && kept_from < 0 {
                let before = self.ticks_to_frames(kept_from.unsigned_abs(), rate_hz);
                self.trim.start_frames += before;
                if let Some(path) = &mut self.path {
                    path.drop_frames += before;
                }
            }
            return;
        };
        let Landing::Wanted(wanted) = self.landing else {
            return;
        };
        let ticks = u64::try_from(kept_from.saturating_sub(first_ts)).unwrap_or(0);
        let here = self.snapped(self.ticks_to_frames(ticks, rate_hz), rate_hz);
        match (wanted + self.trim.start_frames).checked_sub(here) {
            Some(drop) => {
                self.landing = Landing::None;
                if let Some(path) = &mut self.path {
                    path.drop_frames = drop;
                }
            }
            None => self.landing = Landing::Overshot,
        }
    }

    /// Corrects a place told by a coarse clock (Matroska's millisecond): with packets of equal
    /// length the true place is a whole number of them.
    fn snapped(&self, here: u64, rate_hz: u32) -> u64 {
        let tick = self.ticks_to_frames(1, rate_hz);
        let channels = self.decoded.channels.count().max(1);
        let packet = (self.decoded.samples.len() / channels) as u64;
        let equal = self.facts.params.codec != CODEC_ID_VORBIS;
        if tick < 2 || !equal || packet < 8 * tick {
            return here;
        }
        let near = (here + packet / 2) / packet * packet;
        if near.abs_diff(here) <= 2 * tick {
            near
        } else {
            here
        }
    }

    /// Puts silence where a damaged packet's sound would be, so that what follows stays in time.
    fn cover(&mut self, packet: &Packet, ready: &mut Vec<f32>) {
        let Some(rate_hz) = self.path.as_ref().map(|p| p.output.rate_hz()) else {
            return;
        };
        let frames = self.ticks_to_frames(packet.block_dur().get(), rate_hz);
        let frames = frames.min(limits::MAX_FRAMES_PER_PACKET);
        self.place(packet, 0, rate_hz);
        let end_frames = self.trim.end_frames;
        let Some(path) = &mut self.path else { return };
        path.stereo
            .resize(path.stereo.len() + count(frames) * CHANNELS, 0.0);
        path.hold_frames = 0;
        path.pass_on(end_frames, ready);
    }
}

impl Path {
    /// True before the first sound.
    pub fn is_empty(&self) -> bool {
        self.stereo.is_empty()
    }

    /// Notes that of the `kept` frames just appended the last `padding` are padding, if nothing
    /// real follows.
    fn hold(&mut self, kept: u64, padding: u64) {
        self.hold_frames = if padding >= kept {
            self.hold_frames + kept
        } else {
            padding
        };
    }

    /// Passes on everything except what is held, dropped or beyond the end of the music.
    fn pass_on(&mut self, end_frames: u64, ready: &mut Vec<f32>) {
        let waiting = (self.stereo.len() / CHANNELS) as u64;
        let free = waiting.saturating_sub(self.hold_frames.max(end_frames));
        let drop = free.min(self.drop_frames);
        self.drop_frames -= drop;
        let pass = (free - drop).min(self.left_frames);
        self.left_frames -= if self.left_frames == u64::MAX {
            0
        } else {
            pass
        };
        let from = count(drop) * CHANNELS;
        let sound = self
            .stereo
            .get(from..from + count(pass) * CHANNELS)
            .unwrap_or_default();
        self.output.push(sound, ready);
        self.stereo.drain(..count(free) * CHANNELS);
        if self.stereo.is_empty() {
            rooms::give(std::mem::take(&mut self.stereo));
        }
    }
}

/// Puts silence where a damaged packet decodes to no sound that can be: the resampler stumbles over
/// what is not finite, and over what its sums make so.
fn clean(samples: &mut [f32]) {
    for sample in samples {
        // What is no number is no smaller one, either.
        let is_sound = sample.abs() <= MOST_LOUD;
        *sample = if is_sound { *sample } else { 0.0 };
    }
}

/// Frames as an index. Frames come from packets, which memory holds.
fn count(frames: u64) -> usize {
    usize::try_from(frames).unwrap_or(usize::MAX / 16)
}
