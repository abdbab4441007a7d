//! Vectors of voice.md section 8, round trips, and hostile packets.

use mynah_wire::rng::Rng;

use super::*;

const BODY: &[u8] = &[0x78, 1, 2, 3, 4, 5, 6, 7, 8];
const HEADER: &str = "80780001000003c000000001";

fn key() -> [u8; 32] {
    std::array::from_fn(|i| i as u8)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Seals `header + body` and compares with the vector, then opens the vector.
fn check(mode: EncryptionMode, header: &str, body: &[u8], vector: &str) {
    let vector = hex(vector);
    let mut packet = hex(header);
    let header_len = packet.len();
    packet.extend(body);
    let end = packet.len();
    packet.resize(end + mode.overhead_bytes(), 0xEE);
    let mut sealer = RtpSealer::new(mode, &key(), 1);
    let total = sealer.seal(&mut packet, header_len, end).unwrap();
    assert_eq!(packet[..total], vector, "{mode}");

    let opened = RtpOpener::new(mode, &key()).open(&mut packet).unwrap();
    let body_start = packet[opened.payload.clone()].to_vec();
    assert!(body.ends_with(&body_start) && body_start == BODY, "{mode}");
}

#[test]
fn aes256_gcm_rtpsize_matches_the_vector() {
    check(
        EncryptionMode::Aes256GcmRtpSize,
        HEADER,
        BODY,
        "80780001000003c000000001 3c37cfa9085ff2af57 e85cd13c672fd9d404db1126b6d300e8 00000001",
    );
}

#[test]
fn xchacha20_poly1305_rtpsize_matches_the_vector() {
    check(
        EncryptionMode::XChaCha20Poly1305RtpSize,
        HEADER,
        BODY,
        "80780001000003c000000001 71a653236b0597d8c6 34fbb1d2b072b0963e41d66cec040a1c 00000001",
    );
}

#[test]
fn xsalsa20_poly1305_matches_the_vector() {
    check(
        EncryptionMode::XSalsa20,
        HEADER,
        BODY,
        "80780001000003c000000001 b8c1ade1b78ce82a5668f246b039326e cabe4121f6574a1966",
    );
}

#[test]
fn xsalsa20_lite_and_lite_rtpsize_match_the_vector() {
    for mode in [
        EncryptionMode::XSalsa20Lite,
        EncryptionMode::XSalsa20LiteRtpSize,
    ] {
        check(
            mode,
            HEADER,
            BODY,
            "80780001000003c000000001 ee906407ce92364d3e2ec1a0fd810f18 b6aad77d43b4f1540a 00000001",
        );
    }
}

#[test]
fn the_suffix_vector_with_24_nonce_bytes_opens() {
    let mut packet = hex(
        "80780001000003c000000001 5e90e684d645d633ed22bd30ff91936d 26fe3a4cc3cfa417b3 \
         000102030405060708090a0b0c0d0e0f1011121314151617",
    );
    let opened = RtpOpener::new(EncryptionMode::XSalsa20Suffix, &key())
        .open(&mut packet)
        .unwrap();
    assert_eq!(&packet[opened.payload], BODY);
}

#[test]
fn an_extension_is_sealed_like_the_vector_and_cut_off_when_opened() {
    let mut body = hex("1085900200000000");
    body.extend(BODY);
    check(
        EncryptionMode::Aes256GcmRtpSize,
        "90780002000007800000000abede0002",
        &body,
        "90780002000007800000000abede0002 54b35da80c5af4a8273d6793adb833876f \
         31fc0fbe5d469c906c469e1ed84b8c62 00000001",
    );
    let mut packet = hex(
        "90780002000007800000000abede0002 54b35da80c5af4a8273d6793adb833876f \
         31fc0fbe5d469c906c469e1ed84b8c62 00000001",
    );
    let opened = RtpOpener::new(EncryptionMode::Aes256GcmRtpSize, &key())
        .open(&mut packet)
        .unwrap();
    let ids: Vec<u8> = mynah_wire::rtp::elements(&packet[opened.extension])
        .map(|element| element.id)
        .collect();
    assert_eq!(ids, [1, 9]);
}

/// A packet with CSRCs, extension and padding around `body`: (bytes, header length).
fn decorated(rng: &mut Rng, body: &[u8]) -> (Vec<u8>, usize) {
    let header = Header {
        padding: rng.chance(0.5),
        extension: rng.chance(0.5),
        csrc_count: rng.below(4) as u8,
        ..Header::opus(rng.next_u16(), rng.next_u32(), mynah_wire::Ssrc(7))
    };
    let mut packet = header.write().to_vec();
    packet.extend(std::iter::repeat_n(
        0xC5,
        4 * usize::from(header.csrc_count),
    ));
    let words = rng.below(4) as u8;
    if header.extension {
        packet.extend([0xBE, 0xDE, 0, words]);
    }
    let clear = packet.len();
    if header.extension {
        packet.extend(std::iter::repeat_n(0, 4 * usize::from(words)));
    }
    packet.extend(body);
    if header.padding {
        let padding = 1 + rng.below(8) as u8;
        packet.extend(std::iter::repeat_n(padding, usize::from(padding)));
    }
    (packet, clear)
}

#[test]
fn every_mode_returns_the_body_whatever_surrounds_it() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mode = EncryptionMode::ALL[(seed % 7) as usize];
        let mut sealer = RtpSealer::new(mode, &key(), rng.next_u32());
        let opener = RtpOpener::new(mode, &key());
        let body: Vec<u8> = (0..rng.below(300)).map(|_| rng.next_u64() as u8).collect();
        let (mut packet, clear) = decorated(&mut rng, &body);
        let end = packet.len();
        packet.resize(end + 64, 0);
        let total = sealer.seal(&mut packet, clear, end).unwrap();
        assert_eq!(total, end + sealer.overhead());
        let opened = opener.open(&mut packet[..total]).unwrap();
        assert_eq!(&packet[opened.payload], &body, "seed {seed} {mode}");
    }
}

#[test]
fn a_changed_bit_anywhere_is_noticed() {
    for mode in EncryptionMode::ALL {
        let mut sealed = hex(HEADER);
        sealed.extend(BODY);
        let end = sealed.len();
        sealed.resize(end + mode.overhead_bytes(), 0);
        RtpSealer::new(mode, &key(), 5)
            .seal(&mut sealed, 12, end)
            .unwrap();
        let opener = RtpOpener::new(mode, &key());
        assert!(opener.open(&mut sealed.clone()).is_ok());
        // Secretbox modes other than the oldest leave the header unauthenticated: start behind it.
        let authenticates_header = matches!(
            mode,
            EncryptionMode::Aes256GcmRtpSize
                | EncryptionMode::Aes256Gcm
                | EncryptionMode::XChaCha20Poly1305RtpSize
                | EncryptionMode::XSalsa20
        );
        for at in if authenticates_header { 2 } else { 12 }..sealed.len() {
            let mut broken = sealed.clone();
            broken[at] ^= 0x10;
            assert_eq!(
                opener.open(&mut broken),
                Err(OpenError::Unauthentic),
                "{mode} byte {at}"
            );
        }
    }
}

#[test]
fn the_nonce_counts_up_and_a_key_ends_after_its_last_packet() {
    let mode = EncryptionMode::Aes256GcmRtpSize;
    let mut sealer = RtpSealer::new(mode, &key(), u32::MAX);
    let mut packet = [0u8; 64];
    packet[..12].copy_from_slice(&Header::opus(1, 2, mynah_wire::Ssrc(3)).write());
    let mut suffixes = Vec::new();
    for _ in 0..2 {
        let total = sealer.seal(&mut packet, 12, 20).unwrap();
        suffixes.push(packet[total - 4..total].to_vec());
    }
    assert_eq!(suffixes, [vec![0xFF; 4], vec![0; 4]]);
    sealer.remaining = 1;
    assert!(sealer.seal(&mut packet, 12, 20).is_ok());
    assert_eq!(
        sealer.seal(&mut packet, 12, 20),
        Err(SealError::NonceExhausted)
    );
}

#[test]
fn layouts_that_do_not_fit_are_refused() {
    let mut sealer = RtpSealer::new(EncryptionMode::Aes256GcmRtpSize, &key(), 0);
    let mut packet = [0u8; 40];
    for (header, end) in [(11, 20), (20, 19), (12, 21), (12, usize::MAX)] {
        assert_eq!(
            sealer.seal(&mut packet, header, end),
            Err(SealError::BadLayout)
        );
    }
    assert_eq!(sealer.seal(&mut packet, 12, 20), Ok(40));
}

#[test]
fn random_datagrams_never_open_and_never_panic() {
    let mut rng = Rng::new(1);
    let openers = EncryptionMode::ALL.map(|mode| RtpOpener::new(mode, &key()));
    for _ in 0..20_000 {
        let len = rng.below(80) as usize;
        let mut packet: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
        if let Some(first) = packet.first_mut().filter(|_| rng.chance(0.8)) {
            *first = 0x80 | (*first & 0x3F);
        }
        if let Some(second) = packet.get_mut(1).filter(|_| rng.chance(0.8)) {
            *second = 0x78;
        }
        for opener in &openers {
            assert!(opener.open(&mut packet.clone()).is_err());
        }
    }
}

#[test]
fn authentic_packets_with_impossible_lengths_are_malformed() {
    let mode = EncryptionMode::Aes256GcmRtpSize;
    let mut sealer = RtpSealer::new(mode, &key(), 0);
    let opener = RtpOpener::new(mode, &key());
    // Extension of 200 words around 4 bytes; then padding of 9 in 4 bytes; then padding of 0.
    let cases: [(u8, &[u8]); 3] = [(0x90, &[0; 4]), (0xA0, &[1, 1, 1, 9]), (0xA0, &[0; 4])];
    for (first, body) in cases {
        let mut packet = Header::opus(1, 2, mynah_wire::Ssrc(3)).write().to_vec();
        packet[0] = first;
        if first & 0x10 != 0 {
            packet.extend([0xBE, 0xDE, 0, 200]);
        }
        let clear = packet.len();
        packet.extend(body);
        let end = packet.len();
        packet.resize(end + 20, 0);
        sealer.seal(&mut packet, clear, end).unwrap();
        assert_eq!(opener.open(&mut packet), Err(OpenError::Malformed));
    }
}

#[test]
fn other_payload_types_and_short_packets_are_told_apart() {
    let opener = RtpOpener::new(EncryptionMode::Aes256GcmRtpSize, &key());
    assert_eq!(opener.open(&mut [0x80; 5]), Err(OpenError::TooShort));
    assert_eq!(opener.open(&mut [0x00; 40]), Err(OpenError::NotRtp));
    let mut other = [0u8; 40];
    other[..2].copy_from_slice(&[0x80, 101]);
    assert_eq!(opener.open(&mut other), Err(OpenError::NotOpus(101)));
    other[1] = 0x78;
    assert_eq!(
        opener.open(&mut other[..20].to_vec()),
        Err(OpenError::TooShort)
    );
}

#[test]
fn nothing_secret_is_printed() {
    for mode in EncryptionMode::ALL {
        let (sealer, opener) = (
            RtpSealer::new(mode, &[77; 32], 0),
            RtpOpener::new(mode, &[77; 32]),
        );
        assert!(!format!("{sealer:?} {opener:?}").contains("77"));
    }
}

#[test]
fn a_report_opens_in_place_and_forged_ones_do_not() {
    for mode in [
        EncryptionMode::Aes256GcmRtpSize,
        EncryptionMode::XChaCha20Poly1305RtpSize,
    ] {
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 8];
        report.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        let end = report.len();
        let clear = report.clone();
        report.resize(end + mode.overhead_bytes(), 0);
        Cipher::new(mode, &key())
            .seal(&mut report, CLEAR_BYTES, end, 77)
            .unwrap();
        let opener = RtpOpener::new(mode, &key());
        for at in 0..report.len() {
            let mut forged = report.clone();
            forged[at] ^= 1;
            assert!(opener.open_rtcp(&mut forged).is_err(), "{mode} {at}");
            let mut cut = report[..at].to_vec();
            assert!(opener.open_rtcp(&mut cut).is_err(), "{mode} {at}");
        }
        let length = opener.open_rtcp(&mut report).unwrap();
        assert_eq!(report[..length], clear);
    }
    let old = RtpOpener::new(EncryptionMode::XSalsa20Lite, &key());
    assert_eq!(old.open_rtcp(&mut [0x80; 60]), Err(OpenError::NotRtp));
}
