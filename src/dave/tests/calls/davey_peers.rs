//! With `davey`'s complete sessions, media and all, as the other people in the call: what Discord's
//! bots run today.

use std::time::{Duration, Instant};

use davey::{Codec, DaveSession, MediaType};
use mynah_dave::code;
use mynah_dave::frame::{
    FrameOpener, FrameSealer, MAX_OVERHEAD_BYTES, OpenError, RATCHET_EXPIRY, SILENCE, is_sealed,
};

use super::rig::*;

const OURS: u64 = 0x0102_0304_0506_0708;
const THEIRS: u64 = 0xF1F2_F3F4_F5F6_F7F8;

fn mixed_pair() -> Call {
    Call::new(vec![Party::ours(OURS), Party::davey(THEIRS)])
}

fn sealer(call: &mut Call) -> FrameSealer {
    let group = call.find(OURS).as_ours();
    FrameSealer::new(&group.base_secret(OURS).unwrap(), group.epoch().unwrap())
}

fn install(call: &mut Call, opener: &mut FrameOpener, now: Instant) {
    let group = call.find(OURS).as_ours();
    let base = group.base_secret(THEIRS).unwrap();
    opener.install(&base, group.epoch().unwrap(), now);
}

fn seal(sealer: &mut FrameSealer, frame: &[u8]) -> Vec<u8> {
    let mut buf = [frame, &[0; MAX_OVERHEAD_BYTES]].concat();
    let len = sealer.seal(&mut buf, frame.len()).unwrap();
    buf.truncate(len);
    buf
}

fn open(opener: &mut FrameOpener, frame: &[u8], now: Instant) -> Result<Vec<u8>, OpenError> {
    let mut buf = frame.to_vec();
    let len = opener.open(&mut buf, now)?;
    buf.truncate(len);
    Ok(buf)
}

fn davey_opens(session: &mut DaveSession, frame: &[u8]) -> Option<Vec<u8>> {
    session.decrypt(OURS, MediaType::AUDIO, frame).ok()
}

/// An Opus frame of a length that varies.
fn opus(n: usize) -> Vec<u8> {
    (0..n * 7 % 400).map(|at| (at * n) as u8).collect()
}

#[test]
fn frames_pass_in_both_directions_and_both_orders_of_joining() {
    for call in [
        &mut mixed_pair(),
        &mut Call::new(vec![Party::davey(THEIRS), Party::ours(OURS)]),
    ] {
        let now = Instant::now();
        let (mut sealer, mut opener) = (sealer(call), FrameOpener::new());
        install(call, &mut opener, now);
        let peer = call.find(THEIRS).as_davey();
        // Far enough for nonces of one, two and three bytes.
        for n in (1..20_000).filter(|n| *n < 400 || *n > 16_300) {
            let plain = opus(n % 500);
            let sealed = seal(&mut sealer, &plain);
            if n < 400 || n % 97 == 0 {
                assert_eq!(davey_opens(peer, &sealed).unwrap(), plain, "ours, {n}");
            }
            let sealed = peer.encrypt_opus(&plain).unwrap();
            assert!(is_sealed(&sealed));
            assert_eq!(
                open(&mut opener, &sealed, now).unwrap(),
                plain,
                "theirs, {n}"
            );
        }
    }
}

#[test]
fn silence_is_understood_by_both() {
    let mut call = mixed_pair();
    let (mut sealer, mut opener) = (sealer(&mut call), FrameOpener::new());
    let now = Instant::now();
    install(&mut call, &mut opener, now);
    let peer = call.find(THEIRS).as_davey();
    assert_eq!(
        davey_opens(peer, &seal(&mut sealer, &SILENCE)).unwrap(),
        SILENCE
    );
    let theirs = peer.encrypt_opus(&SILENCE).unwrap();
    assert_eq!(open(&mut opener, &theirs, now).unwrap(), SILENCE);
}

#[test]
fn an_epoch_change_loses_no_frame() {
    let mut call = mixed_pair();
    let (mut sealer_1, mut opener) = (sealer(&mut call), FrameOpener::new());
    let now = Instant::now();
    install(&mut call, &mut opener, now);
    let peer = call.find(THEIRS).as_davey();
    let theirs_1: Vec<_> = (0..3)
        .map(|n| peer.encrypt_opus(&[n]).unwrap().into_owned())
        .collect();
    assert!(open(&mut opener, &theirs_1[0], now).is_ok());

    call.join(vec![Party::ours(3)]);
    let peer = call.find(THEIRS).as_davey();
    let theirs_2 = peer.encrypt_opus(&[9]).unwrap().into_owned();
    // They switched, we have not heard of it: the frame waits and is not lost.
    let early = open(&mut opener, &theirs_2, now);
    assert_eq!(early, Err(OpenError::Unauthentic));
    // We have not switched: old frames open there.
    let old = seal(&mut sealer_1, b"old");
    assert_eq!(davey_opens(peer, &old).unwrap(), b"old");

    let then = now + Duration::from_secs(60);
    install(&mut call, &mut opener, then);
    assert_eq!(open(&mut opener, &theirs_2, then).unwrap(), [9]);
    assert_eq!(open(&mut opener, &theirs_1[1], then).unwrap(), [1]);
    let end = then + RATCHET_EXPIRY + Duration::from_millis(1);
    let late = open(&mut opener, &theirs_1[2], end);
    assert_eq!(late, Err(OpenError::Unauthentic));
    let mut sealer_2 = sealer(&mut call);
    let new = seal(&mut sealer_2, b"new");
    let peer = call.find(THEIRS).as_davey();
    assert_eq!(davey_opens(peer, &new).unwrap(), b"new");
}

#[test]
fn whoever_left_hears_nothing_more() {
    let mut call = Call::new(vec![
        Party::ours(OURS),
        Party::davey(THEIRS),
        Party::ours(3),
    ]);
    let mut gone = call.leave(THEIRS);
    let mut sealer = sealer(&mut call);
    let sealed = seal(&mut sealer, b"secret");
    assert_eq!(davey_opens(gone.as_davey(), &sealed), None);
}

#[test]
fn their_video_opens_whatever_the_codec() {
    let mut call = Call::new(vec![
        Party::ours(OURS),
        Party::davey(THEIRS),
        Party::davey(3),
    ]);
    let mut opener = FrameOpener::new();
    let now = Instant::now();
    install(&mut call, &mut opener, now);
    let body: Vec<u8> = (0..700u32).map(|n| ((n * n) >> 3) as u8 | 1).collect();
    let nal = |kind: u8| [&[0, 0, 0, 1, kind, 0x10], &body[..]].concat();
    let vp8_key = [0x10, 2, 0, 0x9D, 1, 0x2A, 64, 0, 64, 0];
    let frames = [
        (Codec::VP8, [&vp8_key, &body[..]].concat()),
        (Codec::VP8, [&[0x11], &body[..]].concat()),
        (Codec::VP9, body.clone()),
        (Codec::H264, [nal(0x67), nal(0x68), nal(0x65)].concat()),
        (Codec::H265, [nal(0x40), nal(0x26)].concat()),
        (
            Codec::AV1,
            [&[0x12, 0, 0x32, 0x80, 0x05], &body[..640]].concat(),
        ),
    ];
    let mut with_clear_bytes = 0;
    for (codec, frame) in &frames {
        let sender = call.find(THEIRS).as_davey();
        let sealed = sender
            .encrypt(MediaType::VIDEO, *codec, frame)
            .unwrap()
            .into_owned();
        with_clear_bytes += usize::from(sealed[sealed.len() - 3] > 12);
        // Senders rewrite some frames: what counts is what another receiver of theirs gets.
        let third = call.find(3).as_davey();
        let wanted = third.decrypt(THEIRS, MediaType::VIDEO, &sealed).unwrap();
        assert!(wanted.len() > 600, "{codec:?}");
        assert_eq!(
            open(&mut opener, &sealed, now).unwrap(),
            wanted,
            "{codec:?}"
        );
    }
    assert!(with_clear_bytes >= 4, "most codecs leave ranges clear");
}

#[test]
fn codes_are_the_ones_they_show() {
    let mut call = mixed_pair();
    let group = call.find(OURS).as_ours();
    let code = group.privacy_code().unwrap();
    let prints: Vec<_> = group
        .members()
        .iter()
        .map(|member| code::fingerprint(&member.signature_key, member.user_id))
        .collect();
    let ours = code::user_code(&prints[0], &prints[1]);
    let peer = call.find(THEIRS).as_davey();
    assert_eq!(peer.voice_privacy_code().unwrap(), code);
    assert_eq!(peer.get_verification_code(OURS).unwrap(), ours);
}

#[test]
fn eight_people_of_both_kinds_come_and_go() {
    let mut call = mixed_pair();
    for user_id in 10..16 {
        let joining = if user_id % 2 == 0 {
            Party::davey(user_id)
        } else {
            Party::ours(user_id)
        };
        call.join(vec![joining]);
        if user_id % 3 == 0 {
            call.leave(user_id - 2);
        }
        let first = call.parties[0].authenticator();
        assert!(
            call.parties
                .iter()
                .all(|party| party.authenticator() == first)
        );
        let mut sealer = sealer(&mut call);
        let sealed = seal(&mut sealer, b"everybody hears this");
        for party in call
            .parties
            .iter_mut()
            .filter(|party| party.user_id() != OURS)
        {
            match party {
                Party::Davey(session) => assert!(davey_opens(session, &sealed).is_some()),
                Party::Ours(group) => {
                    let mut opener = FrameOpener::new();
                    let base = group.base_secret(OURS).unwrap();
                    opener.install(&base, 1, Instant::now());
                    assert!(open(&mut opener, &sealed, Instant::now()).is_ok());
                }
            }
        }
    }
}
