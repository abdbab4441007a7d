//! From captured packets to a file and its statistics.
//!
//! While a recording runs, the user's task only collects packets ([`Capture`]); everything that
//! costs time happens afterwards, on a blocking thread ([`render`]).

mod ogg;
mod order;
mod packets;
mod timeline;
mod wav;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_audio::SAMPLE_RATE_HZ;
use mynah_wire::{Ssrc, UserId};

use crate::Error;
use crate::types::{
    HearFormat, HearRequest, HearStats, Heard, KeyLosses, MAX_OGG_SECONDS, MAX_WAV_SECONDS,
};

/// One received packet, opened.
#[derive(Clone, Debug)]
pub struct Packet {
    /// RTP sequence.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// When it came.
    pub arrival: Instant,
    /// The Opus packet.
    pub payload: Arc<[u8]>,
}

/// What came from one sender.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// Who it is; packets may come before anybody says.
    pub owner: Option<UserId>,
    /// The packets just before the recording: they bring the decoder up to speed, unheard.
    pub preroll: Vec<Packet>,
    /// In order of arrival.
    pub packets: Vec<Packet>,
}

/// Everything that came while a recording ran.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Its beginning.
    pub started: Instant,
    /// Senders by stream.
    pub tracks: BTreeMap<Ssrc, Track>,
    /// What arrived meanwhile and could not be opened.
    pub lost_to_keys: KeyLosses,
}

/// The length of a recording, checked.
///
/// # Errors
/// [`Error::BadLength`].
pub fn length(request: &HearRequest) -> Result<Duration, Error> {
    let seconds = request.seconds;
    let limit = match request.format {
        HearFormat::Wav | HearFormat::WavFloat => MAX_WAV_SECONDS,
        HearFormat::Ogg | HearFormat::Packets => MAX_OGG_SECONDS,
    };
    if seconds > 0.0 && seconds <= limit {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(Error::BadLength { seconds })
    }
}

/// Makes the file. Blocking: decodes everything.
///
/// # Errors
/// [`Error::SeveralSpeakers`] for an Ogg of more than one sender; [`Error::Opus`], [`Error::Io`].
pub fn render(capture: &Capture, request: &HearRequest) -> Result<Heard, Error> {
    let wanted = |track: &Track| {
        (request.from.is_none() || track.owner == request.from) && !track.packets.is_empty()
    };
    let tracks = capture.tracks.values().filter(|track| wanted(track));
    let tracks: Vec<&Track> = tracks.collect();
    let frames = (request.seconds * f64::from(SAMPLE_RATE_HZ)).round() as u64;
    let bytes = match request.format {
        HearFormat::Wav => wav::write(capture.started, &tracks, frames, false)?,
        HearFormat::WavFloat => wav::write(capture.started, &tracks, frames, true)?,
        HearFormat::Ogg => ogg::write(capture.started, one_sender(&tracks)?, frames)?,
        HearFormat::Packets => {
            let tracks = capture.tracks.iter().filter(|(_, track)| wanted(track));
            packets::write(capture.started, tracks)?
        }
    };
    Ok(Heard {
        bytes,
        stats: HearStats {
            lost_to_keys: capture.lost_to_keys,
            ..stats(capture.started, &tracks)
        },
    })
}

/// The tracks of one person (a reconnect brings a second stream), or of nobody.
fn one_sender<'a>(tracks: &'a [&'a Track]) -> Result<&'a [&'a Track], Error> {
    let mut owners: Vec<UserId> = tracks
        .iter()
        .map(|track| track.owner.unwrap_or(UserId::new(0)))
        .collect();
    owners.sort_unstable();
    owners.dedup();
    if owners.len() > 1 {
        return Err(Error::SeveralSpeakers(owners));
    }
    Ok(tracks)
}

fn stats(started: Instant, tracks: &[&Track]) -> HearStats {
    let mut all = HearStats::default();
    for track in tracks {
        let one = order::Order::of(&track.packets).stats;
        all.packets += one.packets;
        all.lost += one.lost;
        all.late += one.late;
        all.jitter_ms = all.jitter_ms.max(one.jitter_ms);
        all.max_gap_ms = all.max_gap_ms.max(one.max_gap_ms);
        let first = track.packets.first().map(|packet| {
            let since = packet.arrival.saturating_duration_since(started);
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        });
        all.first_packet_us = match (all.first_packet_us, first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    all
}

#[cfg(test)]
mod tests;
