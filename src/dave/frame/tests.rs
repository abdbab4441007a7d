//! The media half as a whole: what one side seals the other opens, once, and nothing else opens.

use std::time::{Duration, Instant};

use aes_gcm::aead::{AeadInPlace, KeyInit};

use super::layout::Layout;
use super::ratchet::Ratchet;
use super::sealer::{GENERATION_SHIFT, SealError};
use super::*;
use crate::BaseSecret;

/// dave.md section 6 and 7: the base secret of the vectors, and the frame sealed with it.
const VECTOR: u128 = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f;
const VECTOR_BODY: [u8; 9] = [0x78, 1, 2, 3, 4, 5, 6, 7, 8];

fn base(number: u128) -> BaseSecret {
    BaseSecret::new(number.to_be_bytes())
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.replace(' ', "");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Random enough for tests, and the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll() as u8).collect()
    }
}

fn seal(sealer: &mut FrameSealer, frame: &[u8]) -> Vec<u8> {
    let mut buf = [frame, &[0; MAX_OVERHEAD_BYTES]].concat();
    let len = sealer.seal(&mut buf, frame.len()).unwrap();
    buf.truncate(len);
    buf
}

fn open(opener: &mut FrameOpener, frame: &[u8], now: Instant) -> Result<Vec<u8>, OpenError> {
    let mut buf = frame.to_vec();
    match opener.open(&mut buf, now) {
        Ok(len) => Ok(buf[..len].to_vec()),
        Err(error) => {
            assert_eq!(buf, frame, "an error changes nothing");
            Err(error)
        }
    }
}

fn sides(number: u128, now: Instant) -> (FrameSealer, FrameOpener) {
    let mut opener = FrameOpener::new();
    opener.install(&base(number), 1, now);
    (FrameSealer::new(&base(number), 1), opener)
}

/// A frame as a video sender makes it: with clear ranges, sealed by another implementation of GCM.
fn video(number: u128, nonce: u32, media: &[u8], clear: &[(usize, usize)]) -> Vec<u8> {
    let mut ratchet = Ratchet::new(&base(number));
    ratchet.forward(nonce >> GENERATION_SHIFT);
    let (mut aad, mut text, mut is_clear) = (Vec::new(), Vec::new(), vec![false; media.len()]);
    for (offset, size) in clear {
        is_clear[*offset..offset + size].fill(true);
    }
    for (byte, clear) in media.iter().zip(&is_clear) {
        if *clear { &mut aad } else { &mut text }.push(*byte);
    }
    let cipher = aes_gcm::Aes128Gcm::new(&ratchet.key().into());
    let mut iv = [0; 12];
    iv[8..].copy_from_slice(&nonce.to_le_bytes());
    let tag = cipher
        .encrypt_in_place_detached(&iv.into(), &aad, &mut text)
        .unwrap();
    let mut text = text.into_iter();
    let mut frame: Vec<u8> = media
        .iter()
        .zip(&is_clear)
        .map(|(byte, clear)| if *clear { *byte } else { text.next().unwrap() })
        .collect();
    frame.extend(&tag[..8]);
    uleb(&mut frame, nonce as usize);
    for (offset, size) in clear {
        uleb(&mut frame, *offset);
        uleb(&mut frame, *size);
    }
    let size = frame.len() - media.len() + 3;
    frame.extend([u8::try_from(size).unwrap(), 0xFA, 0xFA]);
    frame
}

fn uleb(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[test]
fn sealed_frames_are_those_of_an_independent_computation() {
    let first = bytes("a3df01e0a012834250 39b697865aa1a4ca 01 0c fafa");
    let later = bytes("0b4e0c3568d4150285 3006a93e47571aee ac02 0d fafa");
    let mut sealer = FrameSealer::new(&base(VECTOR), 7);
    assert_eq!(sealer.epoch(), 7);
    assert_eq!(seal(&mut sealer, &VECTOR_BODY), first, "nonce 1");
    (2..300).for_each(|_| drop(seal(&mut sealer, &VECTOR_BODY)));
    assert_eq!(seal(&mut sealer, &VECTOR_BODY), later, "nonce 300");
    let now = Instant::now();
    let (_, mut opener) = sides(VECTOR, now);
    assert_eq!(open(&mut opener, &later, now).unwrap(), VECTOR_BODY);
    assert_eq!(open(&mut opener, &first, now).unwrap(), VECTOR_BODY);
}

#[test]
fn every_length_agrees_with_another_gcm_and_opens() {
    let now = Instant::now();
    let (mut sealer, mut opener) = sides(1, now);
    let mut dice = Dice(1);
    for len in 0..700 {
        let plain = dice.bytes(len);
        let sealed = seal(&mut sealer, &plain);
        assert_eq!(sealed, video(1, len as u32 + 1, &plain, &[]), "{len}");
        assert!(is_sealed(&sealed));
        assert!(sealed.len() <= len + MAX_OVERHEAD_BYTES);
        assert_eq!(open(&mut opener, &sealed, now).unwrap(), plain, "{len}");
    }
}

#[test]
fn clear_ranges_of_video_stay_where_they_are_and_are_authenticated() {
    let now = Instant::now();
    let (_, mut opener) = sides(2, now);
    let mut dice = Dice(2);
    for nonce in 1..400 {
        let len = 1 + dice.below(600);
        let media = dice.bytes(len);
        let (mut clear, mut at) = (Vec::new(), 0);
        for _ in 0..dice.below(6) {
            let offset = at + dice.below(media.len() - at + 1);
            let size = dice.below((media.len() - offset).min(40) + 1);
            clear.push((offset, size));
            at = offset + size;
        }
        let sealed = video(2, nonce, &media, &clear);
        for (offset, size) in &clear {
            let mut forged = sealed.clone();
            if *size > 0 {
                forged[offset + dice.below(*size)] ^= 1;
                assert_eq!(open(&mut opener, &forged, now), Err(OpenError::Unauthentic));
            }
        }
        assert_eq!(open(&mut opener, &sealed, now).unwrap(), media, "{clear:?}");
        assert_eq!(open(&mut opener, &sealed, now), Err(OpenError::Replayed));
    }
}

#[test]
fn silence_passes_both_ways_untouched() {
    let now = Instant::now();
    let (mut sealer, mut opener) = sides(3, now);
    assert_eq!(seal(&mut sealer, &SILENCE), SILENCE);
    assert_eq!(sealer.seal(&mut SILENCE.clone(), 3), Ok(3), "needs no room");
    assert_eq!(open(&mut opener, &SILENCE, now).unwrap(), SILENCE);
    let mut without_keys = FrameOpener::new();
    assert_eq!(open(&mut without_keys, &SILENCE, now).unwrap(), SILENCE);
    let sealed = seal(&mut sealer, &[1]);
    assert_eq!(sealed[sealed.len() - 4], 1, "silence counts no nonce");
}

#[test]
fn plain_frames_are_told_from_sealed_ones() {
    let now = Instant::now();
    let (_, mut opener) = sides(3, now);
    for plain in [&b""[..], &[0xFA], b"opus", &[0xFA; 64]] {
        assert!(!is_sealed(plain));
        assert_eq!(open(&mut opener, plain, now), Err(OpenError::NotSealed));
    }
}

#[test]
fn a_full_buffer_refuses_and_changes_nothing() {
    let mut sealer = FrameSealer::new(&base(4), 1);
    for room in 0..12 {
        let mut buf = vec![5; 20 + room];
        assert_eq!(sealer.seal(&mut buf, 20), Err(SealError::NoRoom));
        assert_eq!(buf, vec![5; 20 + room]);
    }
    let mut buf = vec![5; 32];
    assert_eq!(sealer.seal(&mut buf, 33), Err(SealError::NoRoom));
    assert_eq!(sealer.seal(&mut buf, usize::MAX), Err(SealError::NoRoom));
    assert_eq!(sealer.seal(&mut buf, 20), Ok(32));
    assert_eq!(buf[28], 1, "what was refused counts no nonce");
}

#[test]
fn no_bit_may_change_on_the_way() {
    let now = Instant::now();
    let (mut sealer, mut opener) = sides(5, now);
    let opus = seal(&mut sealer, &Dice(5).bytes(60));
    let mut dice = Dice(6);
    let video = video(5, 1000, &dice.bytes(60), &[(0, 10), (30, 5)]);
    for sealed in [&opus, &video] {
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let error = open(&mut opener, &forged, now).unwrap_err();
            assert_ne!(error, OpenError::Replayed, "bit {bit}: not authentic");
        }
        for cut in 0..sealed.len() {
            assert!(open(&mut opener, &sealed[..cut], now).is_err());
            assert!(open(&mut opener, &sealed[cut + 1..], now).is_err());
        }
        assert!(open(&mut opener, sealed, now).is_ok());
    }
}

#[test]
fn random_bytes_never_open_and_never_panic() {
    let now = Instant::now();
    let (_, mut opener) = sides(6, now);
    opener.install(&base(7), 2, now);
    let mut dice = Dice(7);
    let mut shaped = 0;
    for round in 0..20_000 {
        let len = dice.below(80);
        let mut frame = dice.bytes(len);
        if round % 2 == 0 {
            // Half of them get the shape, so that more is tried than the marker.
            let nonce = 1 + dice.below(4);
            frame.extend((1..nonce).map(|_| 0x80 | dice.roll() as u8));
            let size = 11 + nonce + dice.below(6) / 5;
            frame.extend([dice.roll() as u8 & 0x0F, size as u8, 0xFA, 0xFA]);
        }
        shaped += u32::from(is_sealed(&frame));
        let later = now + Duration::from_secs(dice.roll() >> 40);
        assert!(open(&mut opener, &frame, later).is_err());
    }
    assert!(shaped > 1000, "{shaped} frames got as far as the keys");
}

#[test]
fn a_frame_opens_once() {
    let now = Instant::now();
    let (mut sealer, mut opener) = sides(8, now);
    let sealed = seal(&mut sealer, b"once");
    assert!(open(&mut opener, &sealed, now).is_ok());
    assert_eq!(open(&mut opener, &sealed, now), Err(OpenError::Replayed));
    opener.install(&base(8), 1, now);
    assert_eq!(
        open(&mut opener, &sealed, now),
        Err(OpenError::Replayed),
        "the same key again does not make old frames new"
    );
    opener.install(&base(9), 2, now);
    assert_eq!(open(&mut opener, &sealed, now), Err(OpenError::Replayed));
}

#[test]
fn frames_may_come_in_any_order_within_the_window() {
    let now = Instant::now();
    let (mut sealer, mut opener) = sides(9, now);
    let mut frames: Vec<_> = (0..1500u32)
        .map(|n| (n, seal(&mut sealer, &n.to_be_bytes())))
        .collect();
    let (n, newest) = frames.pop().unwrap();
    assert_eq!(open(&mut opener, &newest, now).unwrap(), n.to_be_bytes());
    let mut dice = Dice(9);
    while !frames.is_empty() {
        let (n, frame) = frames.swap_remove(dice.below(frames.len()));
        let opened = open(&mut opener, &frame, now);
        if 1499 - n < 1000 {
            assert_eq!(opened.unwrap(), n.to_be_bytes());
        } else if 1499 - n > 1024 {
            assert_eq!(opened, Err(OpenError::Replayed), "too old to know");
        }
    }
}

#[test]
fn an_old_epoch_opens_for_ten_seconds_and_not_longer() {
    let now = Instant::now();
    let (mut old, mut opener) = sides(10, now);
    let mut new = FrameSealer::new(&base(11), 2);
    let early = seal(&mut new, b"early");
    assert_eq!(
        open(&mut opener, &early, now),
        Err(OpenError::Unauthentic),
        "its key is on the way"
    );
    let switch = now + Duration::from_secs(100);
    opener.install(&base(11), 2, switch);
    assert_eq!(opener.epoch(), Some(2));
    assert_eq!(open(&mut opener, &early, switch).unwrap(), b"early");
    let end = switch + RATCHET_EXPIRY;
    let late = seal(&mut old, b"late");
    let last = seal(&mut old, b"too late");
    assert_eq!(open(&mut opener, &late, end).unwrap(), b"late");
    let after = end + Duration::from_nanos(1);
    assert_eq!(open(&mut opener, &last, after), Err(OpenError::Unauthentic));
    let sealed = seal(&mut new, b"new");
    assert_eq!(open(&mut opener, &sealed, after).unwrap(), b"new");
    assert!(opener.has_keys(after + Duration::from_secs(1_000_000)));
}

#[test]
fn a_third_epoch_does_not_prolong_the_first() {
    let now = Instant::now();
    let (mut first, mut opener) = sides(12, now);
    opener.install(&base(13), 2, now);
    let later = now + Duration::from_secs(9);
    opener.install(&base(14), 3, later);
    opener.install(&base(14), 3, later);
    let sealed = [(); 2].map(|()| seal(&mut first, b"first"));
    assert!(open(&mut opener, &sealed[0], now + RATCHET_EXPIRY).is_ok());
    let after = now + RATCHET_EXPIRY + Duration::from_millis(1);
    assert_eq!(
        open(&mut opener, &sealed[1], after),
        Err(OpenError::Unauthentic)
    );
}

#[test]
fn without_keys_nothing_opens() {
    let now = Instant::now();
    let (mut sealer, mut opener) = sides(15, now);
    let sealed = seal(&mut sealer, b"secret");
    assert!(!FrameOpener::new().has_keys(now));
    assert_eq!(
        open(&mut FrameOpener::new(), &sealed, now),
        Err(OpenError::NoKey)
    );
    opener.expire(now);
    assert!(opener.has_keys(now + RATCHET_EXPIRY));
    let after = now + RATCHET_EXPIRY + Duration::from_millis(1);
    assert!(!opener.has_keys(after));
    assert_eq!(open(&mut opener, &sealed, after), Err(OpenError::NoKey));
}

#[test]
fn only_the_newest_epochs_are_kept() {
    let now = Instant::now();
    let mut opener = FrameOpener::new();
    let kept = RATCHETS_KEPT as u128;
    for number in 0..100 {
        opener.install(&base(number), number as u64, now);
    }
    for number in 0..100 {
        let sealed = seal(&mut FrameSealer::new(&base(number), 0), b"x");
        let opened = open(&mut opener, &sealed, now).is_ok();
        assert_eq!(opened, number >= 100 - kept, "{number}");
    }
}

#[test]
fn who_missed_a_storm_of_epochs_is_still_understood() {
    let start = Instant::now();
    let (mut opener, mut now) = (FrameOpener::new(), start);
    for number in 0..40 {
        opener.install(&base(number), number as u64, now);
        now += Duration::from_millis(200);
    }
    let sealed = seal(&mut FrameSealer::new(&base(0), 0), b"x");
    assert!(open(&mut opener, &sealed, now).is_ok());
}

#[test]
fn a_new_generation_takes_over_when_the_nonce_reaches_it() {
    let now = Instant::now();
    let (_, mut opener) = sides(16, now);
    let mut sealer = FrameSealer::at(&base(16), 1, (1 << GENERATION_SHIFT) - 3);
    let frames: Vec<_> = (0..5u8).map(|n| seal(&mut sealer, &[n])).collect();
    // 2^24 frames take more than a day.
    let day = now + Duration::from_secs(100_000);
    assert_eq!(
        open(&mut opener, &frames[4], now),
        Err(OpenError::Generation),
        "the sender cannot have got there"
    );
    for n in [0, 4, 3, 2, 1] {
        assert_eq!(open(&mut opener, &frames[n], day).unwrap(), [n as u8]);
        assert_eq!(open(&mut opener, &frames[n], day), Err(OpenError::Replayed));
    }
    let mut overtaken = FrameSealer::at(&base(16), 1, 100_000);
    let overtaken = seal(&mut overtaken, b"old");
    let after = day + RATCHET_EXPIRY + Duration::from_millis(1);
    assert_eq!(
        open(&mut opener, &overtaken, after),
        Err(OpenError::Generation),
        "the key of the old generation is gone"
    );
}

#[test]
fn forged_frames_do_not_move_the_generation() {
    let day = Instant::now() + Duration::from_secs(100_000);
    let (mut sealer, mut opener) = sides(17, Instant::now());
    let mut ahead = FrameSealer::at(&base(17), 1, 1 << GENERATION_SHIFT);
    let mut forged = seal(&mut ahead, b"forged");
    forged[0] ^= 1;
    assert_eq!(open(&mut opener, &forged, day), Err(OpenError::Unauthentic));
    let later = day + RATCHET_EXPIRY + RATCHET_EXPIRY;
    let sealed = seal(&mut sealer, b"still the first");
    assert!(open(&mut opener, &sealed, later).is_ok());
    let sealed = seal(&mut ahead, b"the second");
    assert!(open(&mut opener, &sealed, later).is_ok());
}

#[test]
fn the_generation_goes_on_when_the_nonce_comes_around() {
    let start = Instant::now();
    let (_, mut opener) = sides(18, start);
    // Frames that a sender at full speed seals, one at the end of each generation.
    let mut now = start;
    for generation in 0..260u64 {
        let frames = ((generation + 1) << GENERATION_SHIFT) - 1;
        now = start + Duration::from_secs(frames / 170 + 1);
        let mut sealer = FrameSealer::at(&base(18), 1, frames - 1);
        for wanted in [frames, frames + 1] {
            let sealed = seal(&mut sealer, &wanted.to_be_bytes());
            let nonce = Layout::split(&mut sealed.clone()).unwrap().1.nonce;
            assert_eq!(nonce, wanted as u32);
            let opened = open(&mut opener, &sealed, now);
            assert_eq!(opened.unwrap(), wanted.to_be_bytes());
        }
    }
    let mut sealer = FrameSealer::at(&base(18), 1, 5);
    let ancient = seal(&mut sealer, b"its nonce looks like generation 256");
    assert!(open(&mut opener, &ancient, now).is_err());
}

#[test]
fn a_sealer_stops_before_it_repeats_a_nonce() {
    let mut sealer = FrameSealer::new(&base(19), 1);
    sealer.frames = (1 << 56) - 1;
    let mut buf = [1; 40];
    assert_eq!(sealer.seal(&mut buf, 20), Err(SealError::Exhausted));
    sealer.frames = u64::MAX;
    assert_eq!(sealer.seal(&mut buf, 20), Err(SealError::Exhausted));
    assert_eq!(buf, [1; 40]);
}

#[test]
fn nothing_secret_is_printed() {
    let now = Instant::now();
    let (sealer, opener) = sides(20, now);
    assert_eq!(format!("{opener:?}"), "[1]");
    assert_eq!(
        format!("{sealer:?}"),
        "FrameSealer { epoch: 1, frames: 0, .. }"
    );
}
