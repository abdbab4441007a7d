//! An ear in virtual time, with real transport, end-to-end encryption and Opus.

use mynah_audio::{Encoder, EncoderConfig, SAMPLES};
use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameSealer, MAX_OVERHEAD_BYTES};
use mynah_session::transport::RtpSealer;
use mynah_wire::EncryptionMode;
use mynah_wire::rng::Rng;
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header};

use super::*;

mod late;

const MODE: EncryptionMode = EncryptionMode::Aes256GcmRtpSize;
const KEY: [u8; 32] = [7; 32];

fn base(user: u64, epoch: u64) -> BaseSecret {
    let mut bytes = [0; 16];
    bytes[0] = user as u8;
    bytes[1] = epoch as u8;
    BaseSecret::new(bytes)
}

fn key(user: u64, epoch: u64) -> MediaKeys {
    MediaKeys::Receiver {
        user_id: UserId::new(user),
        epoch,
        base: base(user, epoch),
    }
}

/// Somebody who speaks; their stream has the number of the user.
struct Mouth {
    user: u64,
    sequence: u16,
    timestamp: u32,
    frames: FrameSealer,
    rtp: RtpSealer,
    encoder: Encoder,
    turn: f32,
}

impl Mouth {
    fn new(user: u64) -> Self {
        Self {
            user,
            sequence: 65_500,
            timestamp: u32::MAX - 9_600,
            frames: FrameSealer::new(&base(user, 1), 1),
            rtp: RtpSealer::new(MODE, &KEY, user as u32 * 1_000_000),
            encoder: Encoder::new(EncoderConfig::default()).unwrap(),
            turn: 0.0,
        }
    }

    fn epoch(&mut self, epoch: u64) {
        self.frames = FrameSealer::new(&base(self.user, epoch), epoch);
    }

    /// 20 ms of a tone, sealed twice.
    fn say(&mut self) -> Vec<u8> {
        let mut block = SILENT_BLOCK;
        for pair in block.chunks_exact_mut(2) {
            pair.fill(0.25 * self.turn.sin());
            self.turn += std::f32::consts::TAU * 440.0 / 48_000.0;
        }
        let mut frame = [0; 1400];
        let length = self.encoder.encode(&block, &mut frame).unwrap();
        self.seal(&frame[..length])
    }

    fn seal(&mut self, opus: &[u8]) -> Vec<u8> {
        let mut frame = opus.to_vec();
        frame.resize(opus.len() + MAX_OVERHEAD_BYTES, 0);
        let length = self.frames.seal(&mut frame, opus.len()).unwrap();
        let header = Header::opus(self.sequence, self.timestamp, Ssrc(self.user as u32));
        let mut packet = header.write().to_vec();
        packet.extend(&frame[..length]);
        let end = packet.len();
        packet.resize(end + self.rtp.overhead(), 0);
        self.rtp.seal(&mut packet, FIXED_HEADER_LEN, end).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(960);
        packet
    }
}

struct Rig {
    ear: Hearing,
    now: Instant,
}

impl Rig {
    fn new(want: Want) -> Self {
        let mut ear = Hearing::new();
        ear.plug(
            RtpOpener::new(MODE, &KEY),
            RtpOpener::new(MODE, &KEY),
            Ssrc(999),
        );
        ear.want(want);
        Self {
            ear,
            now: Instant::now(),
        }
    }

    fn know(&mut self, user: u64) {
        self.ear.keys(self.now, &key(user, 1));
        self.ear
            .learn(self.now, Ssrc(user as u32), UserId::new(user));
    }

    fn take(&mut self, mut datagram: Vec<u8>) {
        assert_eq!(self.ear.take(self.now, &mut datagram), Taken::Media);
    }

    fn tick(&mut self) -> Heard {
        self.now += crate::TICK;
        self.ear.tick(self.now)
    }
}

const PACKETS: Want = Want {
    packets: true,
    pcm: false,
    mix: false,
    lanes: false,
};
const SOUND: Want = Want {
    packets: false,
    pcm: true,
    mix: true,
    lanes: false,
};

#[test]
fn words_said_before_the_key_and_the_owner_are_known_are_heard_in_order_with_their_times() {
    let (mut rig, mut mouth) = (Rig::new(PACKETS), Mouth::new(5));
    let begun = rig.now;
    for _ in 0..50 {
        rig.take(mouth.say());
        assert!(rig.tick().packets.is_empty());
    }
    rig.ear.learn(rig.now, Ssrc(5), UserId::new(5));
    assert!(rig.tick().packets.is_empty());
    rig.ear.keys(rig.now, &key(5, 1));
    rig.take(mouth.say());
    let heard = rig.tick();
    assert_eq!(heard.packets.len(), 51);
    for (at, packet) in heard.packets[..50].iter().enumerate() {
        assert_eq!(packet.user, Some(UserId::new(5)));
        assert_eq!(packet.sequence, 65_500_u16.wrapping_add(at as u16));
        assert_eq!(packet.arrival, begun + crate::TICK * at as u32);
    }
    assert_eq!(heard.tick, 51);
}

#[test]
fn nothing_bad_in_a_stream_ends_it() {
    let (mut rig, mut mouth) = (Rig::new(PACKETS), Mouth::new(5));
    rig.know(5);
    let (mut rng, mut heard) = (Rng::new(4), 0);
    for round in 0..500_u64 {
        let good = mouth.say();
        for kind in 0..4 {
            let mut bad = good.clone();
            match kind {
                // Changed on the way; cut; of a stream nobody knows; a frame that nobody sealed.
                0 => bad[rng.below(good.len() as u64) as usize] ^= 1 << rng.below(8),
                1 => bad.truncate(rng.below(good.len() as u64) as usize),
                2 => {
                    let header = Header::opus(1, 2, Ssrc(rng.next_u32()));
                    bad = header.write().to_vec();
                    bad.resize(60, 9);
                }
                _ => {
                    let mut liar = Mouth::new(5);
                    liar.rtp = RtpSealer::new(MODE, &KEY, rng.next_u32());
                    liar.sequence = mouth.sequence;
                    liar.epoch(2 + round % 3);
                    bad = liar.seal(&[0xF8, 1, 2, 3]);
                }
            }
            let _ = rig.ear.take(rig.now, &mut bad);
        }
        rig.take(good.clone());
        // And once more: a double is not heard.
        rig.take(good);
        // What the liar sealed comes too, but says nothing.
        let packets = rig.tick().packets;
        assert!(
            packets
                .iter()
                .all(|one| one.unopened == one.payload.is_empty())
        );
        heard += packets.iter().filter(|one| !one.unopened).count();
    }
    assert_eq!(heard, 500);
}

#[test]
fn everybody_is_heard_at_every_tick_alone_and_together() {
    let mut rig = Rig::new(SOUND);
    let mut mouths: Vec<Mouth> = (1..=3).map(Mouth::new).collect();
    for user in 1..=3 {
        rig.know(user);
    }
    let (mut spoke, mut mixed) = ([0; 4], 0);
    for _ in 0..200 {
        for mouth in &mut mouths {
            rig.take(mouth.say());
        }
        let heard = rig.tick();
        for voice in &heard.voices {
            let pcm = voice.pcm.as_ref().unwrap();
            assert_eq!(pcm.len(), SAMPLES);
            if voice.level_dbfs > -20.0 {
                spoke[voice.user.get() as usize] += 1;
            }
        }
        mixed += usize::from(heard.mix.is_some());
    }
    for (user, ticks) in spoke.iter().enumerate().skip(1) {
        assert!(*ticks > 185, "user {user} was heard in {ticks} ticks");
    }
    assert!(mixed > 190, "{mixed}");
    // Silence follows, and then nothing is made.
    let rest: Vec<Heard> = (0..200).map(|_| rig.tick()).collect();
    assert!(
        rest[100..]
            .iter()
            .all(|heard| heard.voices.is_empty() && heard.mix.is_none())
    );
}

#[test]
fn the_next_epoch_does_not_interrupt_anybody() {
    let (mut rig, mut mouth) = (Rig::new(PACKETS), Mouth::new(5));
    rig.know(5);
    let mut heard = 0;
    for epoch in 2..30 {
        for _ in 0..7 {
            rig.take(mouth.say());
            heard += rig.tick().packets.len();
        }
        // Now the sender is first, now the key is.
        if epoch % 2 == 0 {
            mouth.epoch(epoch);
            rig.take(mouth.say());
            rig.ear.keys(rig.now, &key(5, epoch));
        } else {
            rig.ear.keys(rig.now, &key(5, epoch));
            rig.take(mouth.say());
            mouth.epoch(epoch);
        }
        heard += rig.tick().packets.len();
    }
    assert_eq!(heard, 28 * 8);
    assert_eq!(rig.ear.stats().speakers[0].lost, 0);
}

#[test]
fn a_stream_that_goes_to_somebody_else_is_theirs_from_then_on() {
    let (mut rig, mut first) = (Rig::new(PACKETS), Mouth::new(5));
    rig.know(5);
    rig.take(first.say());
    assert_eq!(rig.tick().packets[0].user, Some(UserId::new(5)));
    rig.ear.forget(UserId::new(5));
    let mut second = Mouth::new(6);
    second.user = 5;
    second.sequence = 9;
    rig.ear.keys(rig.now, &key(6, 1));
    rig.ear.learn(rig.now, Ssrc(5), UserId::new(6));
    rig.take(second.say());
    assert_eq!(rig.tick().packets[0].user, Some(UserId::new(6)));
    let speakers = rig.ear.stats().speakers;
    assert_eq!(speakers.len(), 1);
    // The numbers between the two are nobody's loss.
    assert_eq!((speakers[0].received, speakers[0].lost), (1, 0));
}

/// A packet with these flags, sealed for the transport; `header` is the clear part.
fn sealed(rtp: &mut RtpSealer, header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut packet = header.to_vec();
    packet.extend(body);
    let end = packet.len();
    packet.resize(end + rtp.overhead(), 0);
    rtp.seal(&mut packet, header.len(), end).unwrap();
    packet
}

fn plain(rig: &mut Rig) {
    let always = mynah_session::voice::Passthrough::Always;
    rig.ear.keys(rig.now, &MediaKeys::Passthrough(always));
}

#[test]
fn words_after_a_move_are_never_said_by_whoever_had_the_number_before() {
    let mut rig = Rig::new(SOUND);
    plain(&mut rig);
    rig.ear.learn(rig.now, Ssrc(5), UserId::new(5));
    let mut rtp = RtpSealer::new(MODE, &KEY, 0);
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut frame = [0; 1400];
    let mut said = move |sequence: u16| {
        let block = [0.25; SAMPLES];
        let length = encoder.encode(&block, &mut frame).unwrap();
        let header = Header::opus(sequence, 960 * u32::from(sequence), Ssrc(5)).write();
        sealed(&mut rtp, &header, &frame[..length])
    };
    for sequence in 0..50 {
        rig.take(said(sequence));
        let _ = rig.tick();
    }
    rig.ear.unplug();
    let opener = || RtpOpener::new(MODE, &KEY);
    rig.ear.plug(opener(), opener(), Ssrc(998));
    plain(&mut rig);
    for sequence in 1000..1050 {
        rig.take(said(sequence));
        assert!(rig.tick().voices.is_empty(), "nobody has the number yet");
    }
    rig.ear.learn(rig.now, Ssrc(5), UserId::new(6));
    for sequence in 1050..1100 {
        rig.take(said(sequence));
        let heard = rig.tick();
        assert!(heard.voices.iter().all(|one| one.user == UserId::new(6)));
        assert!(heard.voices.iter().all(|one| one.lost == 0));
    }
}

#[test]
fn extensions_sources_and_padding_are_cut_off_and_other_media_is_nobodys_voice() {
    let mut rig = Rig::new(PACKETS);
    plain(&mut rig);
    let mut rtp = RtpSealer::new(MODE, &KEY, 0);
    let opus = [0xF8, 1, 2, 3];
    // Two contributing sources, an extension of one word, and three bytes of padding.
    let decorated = Header {
        padding: true,
        extension: true,
        csrc_count: 2,
        ..Header::opus(1, 960, Ssrc(5))
    };
    let mut clear = decorated.write().to_vec();
    clear.extend([9; 8]);
    clear.extend([0xBE, 0xDE, 0, 1]);
    let mut body = vec![0x10, 0x85, 0, 0];
    body.extend(opus);
    body.extend([0, 0, 3]);
    rig.take(sealed(&mut rtp, &clear, &body));
    // Video and its repetitions, and padding longer than the packet.
    for payload_type in [101, 102, 103, 104] {
        let header = Header {
            payload_type,
            ..Header::opus(2, 1920, Ssrc(6))
        };
        rig.take(sealed(&mut rtp, &header.write(), &opus));
    }
    let header = Header {
        padding: true,
        ..Header::opus(3, 2880, Ssrc(7))
    };
    rig.take(sealed(&mut rtp, &header.write(), &[0xF8, 200]));
    let heard = rig.tick();
    assert_eq!(heard.packets.len(), 1);
    assert_eq!(*heard.packets[0].payload, opus);
    assert_eq!(rig.ear.stats().speakers.len(), 1);
}

#[test]
fn what_grows_is_bounded() {
    let mut rig = Rig::new(Want {
        packets: true,
        pcm: true,
        mix: true,
        lanes: false,
    });
    rig.ear.keys(
        rig.now,
        &MediaKeys::Passthrough(mynah_session::voice::Passthrough::Always),
    );
    let mut rtp = RtpSealer::new(MODE, &KEY, 1);
    for ssrc in 0..6_000_u32 {
        let mut packet = Header::opus(1, 960, Ssrc(ssrc)).write().to_vec();
        packet.extend([0xF8, 0xFF, 0xFE]);
        packet.resize(FIXED_HEADER_LEN + 3 + rtp.overhead(), 0);
        rtp.seal(&mut packet, FIXED_HEADER_LEN, FIXED_HEADER_LEN + 3)
            .unwrap();
        rig.take(packet);
    }
    assert!(rig.ear.streams.len() <= MAX_STREAMS);
    assert_eq!(rig.tick().packets.len(), MAX_PACKETS);
    assert_eq!(rig.ear.stats().flooded, 6_000 - MAX_PACKETS as u64);
    // Nobody of them ever speaks again.
    rig.now += FORGET_STREAM;
    let _ = rig.tick();
    assert!(rig.ear.streams.is_empty());
}

#[test]
fn what_is_no_media_is_given_back_unchanged() {
    let mut rig = Rig::new(PACKETS);
    let mut pong = vec![0x13, 0x37, 0xF0, 0x0D, 0, 0, 0, 1];
    assert_eq!(rig.ear.take(rig.now, &mut pong), Taken::Control);
    assert_eq!(pong, [0x13, 0x37, 0xF0, 0x0D, 0, 0, 0, 1]);
}
