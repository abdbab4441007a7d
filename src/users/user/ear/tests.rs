//! Packets to recordings.

use mynah_session::transport::RtpSealer;
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
        let header = Header::opus(self.sequence, 960 * u32::from(self.sequence), Ssrc(ssrc));
        self.sequence += 1;
        let mut datagram = header.write().to_vec();
        datagram.extend([0xFC, 1, 2, 3]);
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
    rig.ear.learn(Ssrc(1), ALICE);
    rig.ear.forget(ALICE);
    assert!(captured.try_recv().is_err());
    rig.now = rig.ear.wake().unwrap();
    rig.packet(1);
    rig.ear.finish(rig.now);
    let capture = captured.try_recv().unwrap().unwrap();
    assert_eq!(counts(&capture), [(1, Some(ALICE), 3), (2, None, 3)]);
    assert_eq!(capture.tracks[&Ssrc(1)].preroll.len(), 1);
    assert_eq!(rig.ear.wake(), None);
}

#[test]
fn a_recording_of_one_person_skips_the_others_but_keeps_strangers() {
    let mut rig = Rig::new();
    rig.ear.learn(Ssrc(1), ALICE);
    rig.ear.learn(Ssrc(2), BOB);
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
        rig.ear.learn(Ssrc(ssrc), ALICE);
    }
    for _ in 0..100 {
        rig.packet(1);
    }
    assert_eq!(
        (rig.ear.recent.len(), rig.ear.owners.len()),
        (MAX_STREAMS, MAX_STREAMS)
    );
    assert_eq!(rig.ear.recent[&Ssrc(1)].len(), PREROLL);
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
