//! What is learned about a file while opening it: its length and tags, and what to trim.

use std::io::BufReader;
use std::time::Duration;

use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;

use mynah_audio::SAMPLE_RATE_HZ;

use super::Media;
use crate::decode::{Bad, Decoder};
use crate::demux::TrackFacts;
use crate::matroska::{self, Walk};
use crate::track::{MAX_HOLD_FRAMES, Trim};
use crate::{MediaError, mp4};

impl Media {
    /// Completes the info from the first decoded sound, or says why there is none.
    pub(super) fn describe(&mut self) -> Result<(), MediaError> {
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

    /// Finds which frames the encoder added.
    pub(super) fn find_trim(&mut self, facts: &TrackFacts, decoder: &Decoder) -> Trim {
        let rate_hz = decoder.rate_hz().or(facts.params.sample_rate);
        let rate_hz = rate_hz.unwrap_or(SAMPLE_RATE_HZ);
        let container = self.info.container.clone();
        let container = container.as_str();
        let mut trim = Trim {
            rate_hz,
            start_frames: decoder.pre_skip().unwrap_or(0),
            end_frames: 0,
            music_frames: None,
            // Without a declaration symphonia estimates the length of an mp3 from its first
            // frames and trims to that: it would cut the end off.
            trust_packets: facts.params.codec != CODEC_ID_MP3 || facts.padding_is_declared,
            trust_durations: container == "isomp4",
            drop_negative: container == "ogg" && decoder.pre_skip().is_none(),
        };
        let Ok(source) = self.origin.open_for_facts() else {
            return trim;
        };
        let to_frames = |ns: u64| {
            let frames = (u128::from(ns) * u128::from(rate_hz) + 500_000_000) / 1_000_000_000;
            u64::try_from(frames).unwrap_or(0)
        };
        match container {
            "isomp4" => {
                let found = mp4::read_facts(&mut BufReader::new(source), facts.id, rate_hz);
                trim.start_frames = trim.start_frames.max(found.trim.start_frames);
                trim.music_frames = found.trim.music_frames;
                self.info.chapters = found.chapters;
            }
            "matroska" => {
                // Small buffer: the scan jumps from header to header.
                let mut source = BufReader::with_capacity(64, source);
                let walk = match self.origin.stream() {
                    Some(_) => Walk::ByCues,
                    None => Walk::All,
                };
                let found = matroska::read_facts(&mut source, u64::from(facts.id), walk);
                if decoder.pre_skip().is_none() {
                    trim.start_frames = to_frames(found.start_ns);
                }
                trim.end_frames = to_frames(found.end_ns).min(MAX_HOLD_FRAMES);
                self.clusters = found.clusters;
                if let Some(title) = found.title {
                    self.info.offer_title(&title);
                }
                self.info.chapters = found.chapters;
            }
            _ => {}
        }
        trim
    }
}
