//! What the recorder has to know of an Opus packet: how long it is, whether it is legal, and which packet
//! makes a decoder conceal (RFC 6716, section 3).

/// 20 ms of silence: what Discord's own clients send, a CELT frame whose silence flag is set.
pub const SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];

/// The finest step of time an Opus packet can fill: 2.5 ms, in frames at 48 kHz.
pub const STEP: u32 = 120;

/// The longest packet that is legal: 120 ms, in frames at 48 kHz (RFC 6716, section 3.4, rule 5).
pub const LONGEST: u32 = 5_760;

/// The largest frame that is legal, in bytes (RFC 6716, section 3.4, rule 2).
const LARGEST_FRAME_BYTES: usize = 1_275;

/// Silence packets for `frames`, rounded down to 2.5 ms: first those of 20 ms, then at most one of 10, 5 and
/// 2.5 ms, as `(packet, frames)`.
pub fn silence(frames: u64) -> impl Iterator<Item = ([u8; 3], u32)> {
    let mut left = frames;
    std::iter::from_fn(move || {
        // CELT, full band, mono: configurations 31 down to 28 are 20, 10, 5 and 2.5 ms. The silence flag is
        // the first thing such a frame holds, whatever its length (RFC 6716, section 4.3).
        let (toc, frames) = [(0xF8, 960), (0xF0, 480), (0xE8, 240), (0xE0, 120)]
            .into_iter()
            .find(|(_, frames)| u64::from(*frames) <= left)?;
        left -= u64::from(frames);
        Some(([toc, 0xFF, 0xFE], frames))
    })
}

/// Frames at 48 kHz in one Opus frame of the given TOC byte (RFC 6716, table 2).
#[must_use]
pub const fn frame_size(toc: u8) -> u32 {
    let config = toc >> 3;
    match (config, config & 3) {
        (0..=11, 0) => 480,
        (0..=11, 1) => 960,
        (0..=11, 2) => 1_920,
        (0..=11, _) => 2_880,
        (12..=15, 0 | 2) => 480,
        (12..=15, _) => 960,
        (_, 0) => 120,
        (_, 1) => 240,
        (_, 2) => 480,
        _ => 960,
    }
}

/// Frames at 48 kHz in a packet, if it is legal by all the rules of RFC 6716, section 3.4.
#[must_use]
pub fn duration(packet: &[u8]) -> Option<u32> {
    let (&toc, rest) = packet.split_first()?;
    let count = match toc & 3 {
        0 => {
            fits(rest.len())?;
            1
        }
        1 => {
            (rest.len() % 2 == 0).then_some(())?;
            fits(rest.len() / 2)?;
            2
        }
        2 => {
            let (first, rest) = length(rest)?;
            fits(rest.len().checked_sub(first)?)?;
            2
        }
        _ => many(rest)?,
    };
    let frames = frame_size(toc) * count;
    (frames <= LONGEST).then_some(frames)
}

/// Checks a packet of signalled frame count and gives the count (RFC 6716, section 3.2.5).
fn many(rest: &[u8]) -> Option<u32> {
    let (&about, mut rest) = rest.split_first()?;
    let count = u32::from(about & 0x3F);
    (count > 0).then_some(())?;
    if about & 0x40 != 0 {
        let mut padding = 0;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            padding += usize::from(byte.min(254));
            if byte != 255 {
                break;
            }
        }
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    if about & 0x80 == 0 {
        let each = rest.len() / count as usize;
        (rest.len() % count as usize == 0).then_some(())?;
        fits(each)?;
    } else {
        let mut sum = 0;
        for _ in 1..count {
            let (frame, after) = length(rest)?;
            sum += frame;
            rest = after;
        }
        fits(rest.len().checked_sub(sum)?)?;
    }
    Some(count)
}

/// Reads the length of a frame (RFC 6716, section 3.2.1).
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [first @ 0..=251, rest @ ..] => Some((usize::from(*first), rest)),
        [first, second, rest @ ..] => Some((usize::from(*second) * 4 + usize::from(*first), rest)),
        _ => None,
    }
}

fn fits(frame_bytes: usize) -> Option<()> {
    (frame_bytes <= LARGEST_FRAME_BYTES).then_some(())
}

/// Whether the packet carries no speech: DTX (RFC 6716, section 3.4: at most one byte of data) or a silence
/// packet.
#[must_use]
pub fn is_quiet(packet: &[u8]) -> bool {
    packet.len() <= 2 || packet == SILENCE
}

/// The TOC-only packet that lets a decoder conceal as much of `frames` as one packet of `toc`'s mode can,
/// with the frames it lasts; `None` when less is left than the mode's shortest frame.
///
/// A code 0 packet without data is a frame of length zero, which decoders take as lost (RFC 6716, section
/// 3.2.1; RFC 7845, section 4.1). Mode, bandwidth and channels stay those of the packet before.
#[must_use]
pub fn conceal(toc: u8, frames: u64) -> Option<(u8, u32)> {
    let config = toc >> 3;
    let (family, sizes): (u8, &[(u8, u32)]) = match config {
        0..=11 => (config & !3, &[(3, 2_880), (2, 1_920), (1, 960), (0, 480)]),
        12..=15 => (config & !1, &[(1, 960), (0, 480)]),
        _ => (config & !3, &[(3, 960), (2, 480), (1, 240), (0, 120)]),
    };
    let longest = frame_size(toc).max(960);
    sizes
        .iter()
        .find(|(_, size)| u64::from(*size) <= frames && *size <= longest)
        .map(|(index, size)| ((family + index) << 3 | toc & 4, *size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_table() {
        assert_eq!(duration(&SILENCE), Some(960));
        assert_eq!(duration(&[0x08, 1, 2]), Some(960)); // SILK, 20 ms
        assert_eq!(duration(&[0x18, 1]), Some(2_880)); // SILK, 60 ms
        assert_eq!(duration(&[0xF9, 1, 2]), Some(1_920)); // two frames alike
        assert_eq!(duration(&[0xF9, 1, 2, 3]), None); // cannot be halved
        assert_eq!(duration(&[0xFB, 6, 1, 2, 3, 4, 5, 6]), Some(5_760));
        assert_eq!(duration(&[0xFB, 7, 1, 2, 3, 4, 5, 6, 7]), None); // 140 ms
        assert_eq!(duration(&[0xFB, 0]), None);
        assert_eq!(duration(&[0xFB]), None);
        assert_eq!(duration(&[0xFA, 5, 1, 2]), None); // the first frame is longer than the packet
        assert_eq!(duration(&[]), None);
        assert_eq!(duration(&[0xF8; 1_300]), None);
    }

    #[test]
    fn no_bytes_at_all_can_break_the_parser() {
        let mut seed = 7_u32;
        for round in 0..20_000_usize {
            let packet: Vec<u8> = (0..round % 40)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            if let Some(frames) = duration(&packet) {
                assert!(frames > 0 && frames <= LONGEST && frames % STEP == 0);
            }
        }
    }

    #[test]
    fn silence_and_concealment_fill_what_they_are_asked_to() {
        let frames: u32 = silence(960 * 3 + 480 + 120 + 7)
            .map(|(_, frames)| frames)
            .sum();
        assert_eq!(frames, 960 * 3 + 600);
        for (packet, frames) in silence(1_800) {
            assert_eq!(duration(&packet), Some(frames));
        }
        for toc in 0..=255_u8 {
            let (packet, frames) = conceal(toc, 2_000).unwrap();
            assert_eq!(duration(&[packet]), Some(frames));
            assert_eq!(packet & 4, toc & 4, "channels change");
            assert_eq!(packet & 3, 0);
        }
        assert_eq!(conceal(0x08, 960), Some((0x08, 960)));
        assert_eq!(conceal(0x08, 300), None);
    }
}
