//! The index of a track, `NN_<user>.idx`: one record for each packet that came, whatever became of it.
//!
//! A file is a header of 32 bytes and records of 32 bytes, all numbers little-endian:
//!
//! | header | | record | |
//! |---|---|---|---|
//! | 0 | `MYNAHIDX` | 0 | u64 position on the timeline, frames at 48 kHz |
//! | 8 | u32 version: 1 | 8 | u64 arrival, µs on the recording clock |
//! | 12 | u32 bytes of a record: 32 | 16 | u32 RTP time |
//! | 16 | zeros | 20 | u32 SSRC |
//! | | | 24 | u16 RTP sequence number |
//! | | | 26 | u16 flags, below |
//! | | | 28 | u16 bytes of the Opus packet |
//! | | | 30 | u16 its length in frames at 48 kHz |
//!
//! Flags: 1 on the line, 2 begins a talkspurt, 4 late or double, 8 could not be used, 16 left out to keep in
//! step. A record torn at the end of the file is to be ignored.

use super::timeline::{Arrived, Entry, Fate};

/// Bytes of the header and of each record.
pub const RECORD_BYTES: usize = 32;

/// The header.
#[must_use]
pub fn header() -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    let fields = b"MYNAHIDX"
        .iter()
        .copied()
        .chain(1_u32.to_le_bytes())
        .chain((RECORD_BYTES as u32).to_le_bytes());
    for (place, byte) in bytes.iter_mut().zip(fields) {
        *place = byte;
    }
    bytes
}

const fn flags(fate: Fate) -> u16 {
    match fate {
        Fate::Placed => 1,
        Fate::Anchored => 3,
        Fate::Late => 4,
        Fate::Unusable => 8,
        Fate::LeftOut => 16,
    }
}

const fn fate(flags: u16) -> Option<Fate> {
    Some(match flags {
        1 => Fate::Placed,
        3 => Fate::Anchored,
        4 => Fate::Late,
        8 => Fate::Unusable,
        16 => Fate::LeftOut,
        _ => return None,
    })
}

/// Appends the record of a packet.
pub fn write(entry: &Entry, out: &mut Vec<u8>) {
    out.extend_from_slice(&entry.at.to_le_bytes());
    out.extend_from_slice(&entry.arrived.arrival_us.to_le_bytes());
    out.extend_from_slice(&entry.arrived.rtp.to_le_bytes());
    out.extend_from_slice(&entry.arrived.ssrc.to_le_bytes());
    out.extend_from_slice(&entry.arrived.seq.to_le_bytes());
    out.extend_from_slice(&flags(entry.fate).to_le_bytes());
    out.extend_from_slice(&entry.bytes.to_le_bytes());
    out.extend_from_slice(&(entry.frames as u16).to_le_bytes());
}

/// Reads a whole index; `None` when the header is not ours. Torn and unknown records are left out.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Vec<Entry>> {
    let records = bytes.strip_prefix(&header())?;
    Some(
        records
            .chunks_exact(RECORD_BYTES)
            .filter_map(record)
            .collect(),
    )
}

fn record(bytes: &[u8]) -> Option<Entry> {
    let mut fields = bytes.iter().copied();
    let mut take = |count: usize| {
        (0..count).fold(0_u64, |value, index| {
            value | u64::from(fields.next().unwrap_or(0)) << (8 * index)
        })
    };
    let at = take(8);
    let arrived = Arrived {
        arrival_us: take(8),
        rtp: take(4) as u32,
        ssrc: take(4) as u32,
        seq: take(2) as u16,
        payload: Vec::new(),
    };
    Some(Entry {
        at,
        arrived,
        fate: fate(take(2) as u16)?,
        bytes: take(2) as u16,
        frames: take(2) as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_went_and_a_torn_one_is_left_out() {
        let entry = Entry {
            at: 1 << 40,
            arrived: Arrived {
                ssrc: 0xDEAD_BEEF,
                seq: 65_535,
                rtp: 0xFFFF_FC40,
                arrival_us: 1 << 50,
                payload: Vec::new(),
            },
            bytes: 1_275,
            frames: 5_760,
            fate: Fate::Anchored,
        };
        let mut file = header().to_vec();
        write(&entry, &mut file);
        assert_eq!(file.len(), 2 * RECORD_BYTES);
        write(&entry, &mut file);
        assert_eq!(parse(&file[..90]), Some(vec![entry]));
        assert_eq!(parse(b"MYNAHIDY"), None);
    }
}
