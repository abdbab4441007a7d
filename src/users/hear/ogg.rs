//! An untouched recording: one sender's packets in Ogg, pauses filled with silence.

use std::time::Instant;

use mynah_audio::codec::packet_frames;
use mynah_audio::{FRAMES, SILENCE};
use mynah_media::ogg::{Head, OpusWriter, Tags};

use super::Track;
use super::timeline::{Placed, place};
use crate::Error;

/// Decoded but not played, so that a decoder is in step when the recording begins: 80 ms
/// (RFC 7845 section 4.2).
const LEAD_FRAMES: usize = 3840;
/// Lost packets that a player is asked to conceal; longer holes become silence.
const MAX_CONCEALED: i64 = 10;

/// Writes one sender's packets into a file of exactly `frames` frames.
///
/// Ogg Opus has no holes, so packets lie on a grid of whole packets: pauses are silence frames, and
/// a talkspurt may move by up to half a packet. Lost packets become packets of no data, which every
/// decoder conceals (RFC 7845 section 4.1).
///
/// # Errors
/// [`Error::Io`].
pub fn write(started: Instant, tracks: &[&Track], frames: u64) -> Result<Vec<u8>, Error> {
    let mut placed: Vec<Placed<'_>> = tracks
        .iter()
        .flat_map(|track| place(started, &track.packets))
        .collect();
    placed.sort_by_key(|placed| placed.at);

    let (lead, lead_frames) = lead(tracks);
    let head = Head {
        pre_skip: u16::try_from(lead_frames).unwrap_or(u16::MAX),
        ..Head::default()
    };
    let mut grid = Grid {
        file: OpusWriter::new(Vec::new(), 1, head, &Tags::default())?,
        limit: frames,
    };
    for packet in lead {
        grid.push(packet)?;
    }
    let mut previous: Option<&[u8]> = None;
    for placed in placed {
        let missing = placed.lost * placed.frames;
        let silent = placed.at - missing - grid.cursor();
        if placed.lost > MAX_CONCEALED {
            grid.silence(silent + missing)?;
        } else {
            grid.silence(silent)?;
            for _ in 0..placed.lost {
                grid.push(&no_data(previous.unwrap_or(&placed.packet.payload)))?;
            }
        }
        if packet_frames(&placed.packet.payload).is_ok() {
            grid.push(&placed.packet.payload)?;
            previous = Some(&placed.packet.payload);
        }
    }
    while grid.file.frames() < frames {
        grid.push(&SILENCE)?;
    }
    Ok(grid.file.finish_at(frames)?)
}

/// What a player decodes before the recording begins: the packets heard just before, and silence
/// before those. Also how long that is.
fn lead<'a>(tracks: &'a [&'a Track]) -> (Vec<&'a [u8]>, usize) {
    let before = tracks.iter().find(|track| !track.preroll.is_empty());
    let (mut packets, mut frames): (Vec<&[u8]>, usize) = (Vec::new(), 0);
    for packet in before.iter().flat_map(|track| track.preroll.iter().rev()) {
        let Ok(length) = packet_frames(&packet.payload) else {
            continue;
        };
        if frames + length > LEAD_FRAMES {
            break;
        }
        packets.push(&packet.payload);
        frames += length;
    }
    while frames < LEAD_FRAMES {
        packets.push(&SILENCE);
        frames += FRAMES;
    }
    packets.reverse();
    (packets, frames)
}

/// The file as a row of packets that ends once the recording is full.
struct Grid {
    file: OpusWriter<Vec<u8>>,
    limit: u64,
}

impl Grid {
    fn cursor(&self) -> i64 {
        i64::try_from(self.file.frames()).unwrap_or(i64::MAX)
    }

    fn push(&mut self, packet: &[u8]) -> Result<(), Error> {
        if self.file.frames() < self.limit {
            self.file.packet(packet)?;
        }
        Ok(())
    }

    /// As many silence frames as fit best into a pause.
    fn silence(&mut self, frames: i64) -> Result<(), Error> {
        let packet = FRAMES as i64;
        for _ in 0..(frames + packet / 2).div_euclid(packet).max(0) {
            self.push(&SILENCE)?;
        }
        Ok(())
    }
}

/// A packet of the same kind and length without data: "conceal this" (RFC 6716 section 3.2.1).
fn no_data(like: &[u8]) -> [u8; 1] {
    // The low two bits count frames; 0 is one frame.
    [like.first().copied().unwrap_or(0xFC) & 0xFC]
}
