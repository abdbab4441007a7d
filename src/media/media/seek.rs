//! Seeking: jump close by the container's index, decode the rest, land on the exact frame.

use std::time::Duration;

use mynah_audio::{CHANNELS, SAMPLE_RATE_HZ};

use super::Media;
use crate::demux::{Demuxer, Sought};
use crate::source::{Origin, View};
use crate::track::OpenTrack;
use crate::{MediaError, limits, matroska};

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
        match jump_to(
            &mut self.demuxer,
            &self.origin,
            &self.clusters,
            track,
            jump.ts,
        ) {
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
        let chained = self.chained;
        *self = Self {
            info,
            chained,
            ..fresh
        };
        self.damage.bad_packets = bad_packets.max(self.damage.bad_packets);
        Ok(())
    }
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
