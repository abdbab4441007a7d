//! Packets to recordings.

use mynah_dave::BaseSecret;
use mynah_dave::frame::FrameSealer;
use mynah_session::transport::RtpSealer;
use mynah_session::voice::Passthrough;
use mynah_wire::EncryptionMode;
use mynah_wire::rtp::Header;

use super::*;

const MODE: EncryptionMode = EncryptionMode::XChaCha20Poly1305RtpSize;
const KEY: [u8; 32] = [9; 32];
const ALICE: UserId = UserId::new(50);
const BOB: UserId = UserId::new(51);

struct Rig {
    ear: Ear,
    sealer: RtpSealer,
    now: Instant,
    sequence: u16,
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self::encrypted();
        let plain = MediaKeys::Passthrough(Passthrough::Always);
        rig.ear.keys(rig.now, &plain);
        rig
    }

    /// In a call with end-to-end encryption, without keys so far.
    fn encrypted() -> Self {
        let mut ear = Ear::default();
        ear.plug(RtpOpener::new(MODE, &KEY));
        Self {
            ear,
            sealer: RtpSealer::new(MODE, &KEY, 0),
            now: Instant::now(),
            sequence: 0,
        }
    }

    fn packet(&mut self, ssrc: u32) {
        self.send(ssrc, &[0xFC, 1, 2, 3]);
    }

    fn sealed(&mut self, ssrc: u32, sealer: &mut FrameSealer) {
        let mut frame = [0u8; 64];
        frame[..4].copy_from_slice(&[0xFC, 1, 2, 3]);
        let length = sealer.seal(&mut frame, 4).unwrap();
        self.send(ssrc, &frame[..length]);
    }

    fn key(&mut self, user_id: UserId, epoch: u64) {
        let base = base(epoch);
        let keys = MediaKeys::Receiver {
            user_id,
            epoch,
            base,
        };
        self.ear.keys(self.now, &keys);
    }

    fn send(&mut self, ssrc: u32, payload: &[u8]) {
        let header = Header::opus(self.sequence, 960 * u32::from(self.sequence), Ssrc(ssrc));
        self.sequence += 1;
        let mut datagram = header.write().to_vec();
        datagram.extend(payload);
        let end = datagram.len();
        datagram.resize(end + self.sealer.overhead(), 0);
        self.sealer.seal(&mut datagram, 12, end).unwrap();
        self.ear.take(self.now, &mut datagram);
        self.now += Duration::from_millis(20);
    }

    fn record(&mut self, from: Option<UserId>) -> oneshot::Receiver<Result<Capture, Refusal>> {
        let (done, captured) = oneshot::channel();
        let length = Duration::from_secs(1);
        self.ear.record(self.now, length, from, done);
        captured
    }
}

fn base(epoch: u64) -> BaseSecret {
    BaseSecret::new([epoch as u8; 16])
}

fn sealer(epoch: u64) -> FrameSealer {
    FrameSealer::new(&base(epoch), epoch)
}

fn counts(capture: &Capture) -> Vec<(u32, Option<UserId>, usize)> {
    let count = |(ssrc, track): (&Ssrc, &Track)| (ssrc.0, track.owner, track.packets.len());
    capture.tracks.iter().map(count).collect()
}

#[test]
fn a_recording_takes_what_comes_in_its_time_and_names_the_speakers_late() {
    let mut rig = Rig::new();
    rig.packet(1);
    let mut captured = rig.record(None);
    for _ in 0..3 {
        rig.packet(1);
        rig.packet(2);
    }
    rig.ear.learn(rig.now, Ssrc(1), ALICE);
    rig.ear.forget(ALICE);
    assert!(captured.try_recv().is_err());
    rig.now = rig.ear.wake().unwrap();
    rig.packet(1);
    rig.ear.finish(rig.now);
    let capture = captured.try_recv().unwrap().unwrap();
    assert_eq!(counts(&capture), [(1, Some(ALICE), 3), (2, None, 3)]);
    assert_eq!(capture.tracks[&Ssrc(1)].preroll.len(), 1);
    assert!(rig.ear.recordings.is_empty());
}

#[test]
fn a_recording_of_one_person_skips_the_others_but_keeps_strangers() {
    let mut rig = Rig::new();
    rig.ear.learn(rig.now, Ssrc(1), ALICE);
    rig.ear.learn(rig.now, Ssrc(2), BOB);
    let mut captured = rig.record(Some(ALICE));
    for ssrc in [1, 2, 3] {
        rig.packet(ssrc);
    }
    rig.ear.finish(rig.now + Duration::from_secs(1));
    let capture = captured.try_recv().unwrap().unwrap();
    assert_eq!(counts(&capture), [(1, Some(ALICE), 1), (3, None, 1)]);
}

#[test]
fn recordings_run_side_by_side_up_to_a_limit() {
    let mut rig = Rig::new();
    let mut running: Vec<_> = (0..MAX_RECORDINGS).map(|_| rig.record(None)).collect();
    let mut refused = rig.record(None);
    assert_eq!(refused.try_recv().unwrap().unwrap_err(), Refusal::TooMany);
    // A caller that went away frees its place.
    drop(running.pop());
    assert!(rig.record(None).try_recv().is_err());
    rig.packet(1);
    rig.ear.finish(rig.now + Duration::from_secs(1));
    for mut captured in running {
        assert_eq!(counts(&captured.try_recv().unwrap().unwrap()).len(), 1);
    }
}

#[test]
fn a_deaf_or_unplugged_ear_hears_nothing() {
    let mut rig = Rig::new();
    let mut captured = rig.record(None);
    rig.ear.set_deaf(true);
    rig.packet(1);
    rig.ear.set_deaf(false);
    rig.ear.unplug();
    rig.packet(1);
    rig.ear.plug(RtpOpener::new(MODE, &[1; 32]));
    rig.packet(1);
    rig.ear.finish(rig.now + Duration::from_secs(1));
    assert!(captured.try_recv().unwrap().unwrap().tracks.is_empty());
}

#[test]
fn memory_is_bounded_by_streams_and_preroll() {
    let mut rig = Rig::new();
    for ssrc in 0..3000 {
        rig.packet(ssrc);
    }
    for _ in 0..100 {
        rig.packet(1);
    }
    assert_eq!(rig.ear.recent.len(), MAX_STREAMS);
    assert_eq!(rig.ear.recent[&Ssrc(1)].packets.len(), PREROLL);
    // The streams that were heard last are still known.
    assert!(rig.ear.recent.contains_key(&Ssrc(2999)));
}

#[test]
fn a_recording_that_outgrows_its_memory_says_so() {
    let mut rig = Rig::new();
    let mut captured = rig.record(None);
    rig.ear.recordings[0].bytes = MAX_CAPTURE_BYTES;
    rig.packet(1);
    rig.packet(1);
    rig.ear.finish(rig.now + Duration::from_secs(1));
    assert_eq!(captured.try_recv().unwrap().unwrap_err(), Refusal::TooMuch);
}

#[test]
fn packets_that_come_before_their_key_are_recorded_when_they_arrived() {
    let mut rig = Rig::encrypted();
    let mut captured = rig.record(None);
    let (start, mut sealer) = (rig.now, sealer(1));
    for _ in 0..5 {
        rig.sealed(1, &mut sealer);
    }
    rig.ear.learn(rig.now, Ssrc(1), ALICE);
    rig.key(ALICE, 1);
    rig.sealed(1, &mut sealer);
    rig.ear.finish(start + Duration::from_secs(1));
    let capture = captured.try_recv().unwrap().unwrap();
    let track = &capture.tracks[&Ssrc(1)];
    assert_eq!(track.owner, Some(ALICE));
    for (n, packet) in (0u32..).zip(&track.packets) {
        assert_eq!(u32::from(packet.sequence), n);
        assert_eq!(packet.arrival, start + n * Duration::from_millis(20));
        assert_eq!(*packet.payload, [0xFC, 1, 2, 3]);
    }
    assert_eq!(track.packets.len(), 6);
    assert_eq!(capture.lost_to_keys, KeyLosses::default());
}

#[test]
fn a_recording_waits_for_the_keys_of_what_came_in_its_time() {
    let mut rig = Rig::encrypted();
    rig.ear.learn(rig.now, Ssrc(1), ALICE);
    let mut captured = rig.record(None);
    let (start, mut sealer) = (rig.now, sealer(1));
    rig.sealed(1, &mut sealer);
    let end = start + Duration::from_secs(1);
    rig.ear.finish(end);
    assert!(captured.try_recv().is_err(), "one packet has no key yet");
    rig.now = end + Duration::from_millis(300);
    rig.key(ALICE, 1);
    assert!(rig.ear.wake().is_some_and(|wake| wake <= rig.now));
    rig.ear.finish(rig.now);
    let capture = captured.try_recv().unwrap().unwrap();
    assert_eq!(counts(&capture), [(1, Some(ALICE), 1)]);
}

#[test]
fn what_never_gets_a_key_is_counted_by_reason_in_the_recording_of_its_time() {
    let mut rig = Rig::encrypted();
    rig.ear.learn(rig.now, Ssrc(1), ALICE);
    rig.key(ALICE, 1);
    // Heard before: later frames are not those of a call we were only about to join.
    rig.sealed(1, &mut sealer(1));
    let mut captured = rig.record(None);
    let mut stale = sealer(7);
    rig.sealed(1, &mut stale);
    rig.sealed(1, &mut stale);
    rig.sealed(2, &mut stale);
    rig.packet(1);
    let later = rig.now + Duration::from_secs(10);
    rig.ear.finish(later);
    let capture = captured.try_recv().unwrap().unwrap();
    assert!(capture.tracks.is_empty());
    let expected = KeyLosses {
        no_key: 2,
        unknown_ssrc: 1,
        plain: 1,
        ..KeyLosses::default()
    };
    assert_eq!(capture.lost_to_keys, expected);
}

#[test]
fn somebody_whose_frames_never_open_is_named() {
    let mut rig = Rig::encrypted();
    rig.ear.learn(rig.now, Ssrc(1), ALICE);
    rig.key(ALICE, 1);
    // Right after the key such frames would be of an epoch before it.
    rig.now += Duration::from_secs(2);
    let mut stale = sealer(7);
    for _ in 0..40 {
        rig.sealed(1, &mut stale);
    }
    assert_eq!(rig.ear.undecryptable(), Some(ALICE));
    assert_eq!(rig.ear.undecryptable(), None);
}

#[test]
fn a_stream_that_changes_hands_brings_no_preroll_of_the_one_before() {
    let mut rig = Rig::new();
    rig.ear.learn(rig.now, Ssrc(1), ALICE);
    rig.packet(1);
    rig.ear.learn(rig.now, Ssrc(1), BOB);
    let mut captured = rig.record(None);
    rig.packet(1);
    rig.ear.finish(rig.now + Duration::from_secs(1));
    let capture = captured.try_recv().unwrap().unwrap();
    assert_eq!(counts(&capture), [(1, Some(BOB), 1)]);
    assert!(capture.tracks[&Ssrc(1)].preroll.is_empty());
}
