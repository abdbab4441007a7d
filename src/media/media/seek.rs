//! Seeking: jump close by the container's index, decode the rest, land on the exact frame.

use std::time::Duration;

use mynah_audio::{CHANNELS, SAMPLE_RATE_HZ};

use super::Media;
use crate::demux::{Demuxer, Sought};
use crate::source::{Origin, View};
use crate::track::OpenTrack;
use crate::{MediaError, limits, matroska, mp3};

impl Media {
    /// Goes to `to` from the start of the sound, exactly; past the end is the end. Returns where
    /// it went.
    ///
    /// # Errors
    /// [`MediaError::Io`] when the operating system fails to read, [`MediaError::NoJump`] for a
    /// stream that cannot jump; the sound goes on where it was then.
    pub fn seek(&mut self, to: Duration) -> Result<Duration, MediaError> {
        if !self.origin.can_seek() {
            return Err(MediaError::NoJump {
                file: self.file.clone(),
            });
        }
        self.origin.begin_task(limits::MAX_SEEK_STREAM_BYTES);
        let target = frames_of(to).min(u64::MAX / 4);
        if self.ended {
            // Not every demuxer finds its way back from the end of the file.
            self.start_over()?;
        }
        if !self.seek_by_jump(target)? {
            self.seek_by_playing(target)?;
        }
        // Only sound in hand proves that the place exists.
        while !self.ended && self.ready.len() <= self.ready_at {
            self.pump()?;
        }
        let frames = u128::from(target) * 1_000_000_000 / u128::from(SAMPLE_RATE_HZ);
        let reached = Duration::from_nanos(u64::try_from(frames).unwrap_or(u64::MAX));
        Ok(
            match (self.ended && self.ready.is_empty(), self.info.duration) {
                (true, Some(end)) => end.min(reached),
                _ => reached,
            },
        )
    }

    /// Jumps close to the target by the container's index and decodes the rest. False when that
    /// is not possible.
    fn seek_by_jump(&mut self, target: u64) -> Result<bool, MediaError> {
        if self.chained {
            return Ok(false);
        }
        let Some(track) = &mut self.track else {
            return Ok(false);
        };
        let Some(jump) = track.plan_jump(target) else {
            return Ok(false);
        };
        let past_end = self
            .info
            .duration
            .is_some_and(|end| frames_of(end) <= target);
        let bad_packets = self.damage.bad_packets;
        let far = if self.demuxer.container() == "mp3" {
            jump_far(
                &mut self.demuxer,
                &self.origin,
                &mut self.mp3,
                track,
                jump.ts,
            )
        } else {
            None
        };
        let (demuxer, origin) = (&mut self.demuxer, &self.origin);
        let sought =
            far.unwrap_or_else(|| jump_to(demuxer, origin, &self.clusters, track, jump.ts));
        match sought {
            Sought::Near => {}
            Sought::PastEnd if past_end && !track.length_is_a_guess() => {
                self.ready.clear();
                self.ready_at = 0;
                self.ended = true;
                return Ok(true);
            }
            Sought::PastEnd | Sought::Cannot => return Ok(false),
        }
        track.land(&jump);
        self.watch_packets();
        self.ready.clear();
        self.ready_at = 0;
        self.ended = false;
        while !self.ended && self.track.as_ref().is_some_and(OpenTrack::is_landing) {
            self.pump()?;
        }
        // Frames of mp3 that begin in one left out are no damage.
        self.damage.bad_packets = bad_packets;
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
        // What was learned by playing stays known.
        let (chained, mp3) = (self.chained, self.mp3.take());
        *self = Self {
            info,
            chained,
            mp3,
            ..fresh
        };
        self.damage.bad_packets = bad_packets.max(self.damage.bad_packets);
        Ok(())
    }
}

/// An mp3 stream is read through to a place that is no further than this.
const NEAR_BYTES: u64 = 2 << 20;

/// Frames of mp3 before the wanted one that a decoder may need parts of (their "bit reservoir").
const MP3_LEAD_FRAMES: u64 = 4;

/// In an mp3 stream: goes close to timestamp `ts` without fetching all before it. `None` where reading
/// through is as quick, or nothing else is possible.
fn jump_far(
    demuxer: &mut Demuxer,
    origin: &Origin,
    index: &mut Option<Option<mp3::Index>>,
    track: &OpenTrack,
    ts: i64,
) -> Option<Sought> {
    let len_bytes = origin.stream()?.len_bytes()?;
    let (here, from_start) = demuxer.place();
    let index = index.get_or_insert_with(|| {
        let mut source = origin.open_for_facts().ok()?;
        mp3::Index::read(&mut source, len_bytes)
    });
    let index = index.as_ref()?;
    let first = track.first_pts();
    let number = |ts: i64| {
        let ticks = u64::try_from(ts.saturating_sub(first)).unwrap_or(0);
        ticks / index.frames_each()
    };
    if index.is_past_end(number(ts)) {
        return Some(Sought::PastEnd);
    }
    let there = index.place_of(number(ts));
    let through = match ts >= here {
        true => there.saturating_sub(index.place_of(number(here))),
        false if from_start => there,
        false => u64::MAX,
    };
    if through < NEAR_BYTES {
        return None;
    }
    let early = number(ts).saturating_sub(MP3_LEAD_FRAMES);
    let mut source = origin.open_for_facts().ok()?;
    let place = index.frame_near(&mut source, index.place_of(early));
    let place = place.ok()??;
    // Where it is only estimated, it is never later than wanted.
    let frame = index.frame_at(place).min(number(ts));
    let ticks = frame.checked_mul(index.frames_each())?;
    let view = View::Spliced { from: 0, to: place };
    let opened = Demuxer::open(origin, view).ok()?;
    *demuxer = opened.begins_at(first.saturating_add_unsigned(ticks));
    Some(Sought::Near)
}

/// Brings the demuxer to a place at or before timestamp `ts`.
fn jump_to(
    demuxer: &mut Demuxer,
    origin: &Origin,
    clusters: &[matroska::Cluster],
    track: &OpenTrack,
    ts: i64,
) -> Sought {
    let Some(first) = clusters.first() else {
        // The demuxer's own seeking in Matroska lands seconds off.
        let trusted = demuxer.container() != "matroska";
        return if trusted {
            demuxer.seek(track.facts.id, ts)
        } else {
            Sought::Cannot
        };
    };
    // A cluster's own time is later than its packets' by the codec delay, so this is early enough.
    let wanted = u64::try_from(ts).unwrap_or(0);
    let before = clusters
        .partition_point(|c| c.ts <= wanted)
        .saturating_sub(1);
    let Some(cluster) = clusters.get(before) else {
        return Sought::Cannot;
    };
    let view = View::Spliced {
        from: first.at,
        to: cluster.at,
    };
    match Demuxer::open(origin, view) {
        Ok(opened) => {
            *demuxer = opened;
            Sought::Near
        }
        Err(_) => Sought::Cannot,
    }
}

fn frames_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() * u128::from(SAMPLE_RATE_HZ) / 1_000_000_000).unwrap_or(u64::MAX)
}
