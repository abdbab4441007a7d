//! The receiving half in virtual time.

mod order;
mod rig;

use std::time::Duration;

use mynah_wire::rng::Rng;
use mynah_wire::{EncryptionMode, OPUS_SILENCE};

use super::*;
use crate::transport::RtpSealer;
use rig::{Mouth, Rig, base};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn sealed_frames_of_a_known_user_come_out_with_their_name() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 1);
    mouth.key(1);
    let (head, frame) = mouth.say("hello");
    rig.frame(head, &frame);
    let received = rig.receiver.poll(rig.now).unwrap();
    assert_eq!(
        (received.ssrc, received.user_id),
        (Ssrc(2), Some(UserId::new(2)))
    );
    assert_eq!((received.sequence, received.timestamp), (1, 960));
    assert_eq!(&*received.payload, b"hello");
    assert_eq!(rig.receiver.poll(rig.now), None);
    assert_eq!(rig.receiver.counters().released, 1);
    assert_eq!(rig.receiver.counters().delayed, 0);
    assert_eq!(rig.receiver.wake(), None);
}

#[test]
fn datagrams_are_opened_by_the_transport_first() {
    let key = [7; 32];
    let mode = EncryptionMode::ALL[0];
    let mut rig = Rig::new();
    rig.receiver
        .keys(rig.now, &MediaKeys::Passthrough(Passthrough::Always));
    let mut sealer = RtpSealer::new(mode, &key, 0);
    let mut datagram = |payload_type: u8, body: &[u8]| {
        let mut header = mynah_wire::rtp::Header::opus(5, 960, Ssrc(2));
        header.payload_type = payload_type;
        let mut packet = [&header.write()[..], body, &[0; 64]].concat();
        let length = sealer.seal(&mut packet, 12, 12 + body.len()).unwrap();
        packet.truncate(length);
        packet
    };
    let good = datagram(120, b"sound");
    rig.receiver.take(rig.now, &mut good.clone());
    assert_eq!(rig.receiver.counters().lost.unplugged, 1);
    rig.receiver.transport(Some(RtpOpener::new(mode, &key)));
    rig.receiver.take(rig.now, &mut good.clone());
    assert_eq!(rig.heard(), ["sound"]);
    let mut forged = good;
    *forged.last_mut().unwrap() ^= 1;
    rig.receiver.take(rig.now, &mut forged);
    rig.receiver.take(rig.now, &mut datagram(101, b"video"));
    rig.receiver.take(rig.now, &mut [1, 2, 3]);
    rig.receiver.take(rig.now, &mut datagram(120, b""));
    let counters = *rig.receiver.counters();
    assert_eq!((counters.lost.unauthentic, counters.lost.malformed), (1, 2));
    assert_eq!((counters.empty, counters.released), (1, 1));
}

#[test]
fn plain_frames_pass_only_while_they_are_allowed() {
    let mut rig = Rig::new();
    let mouth = &mut Mouth::new(2);
    rig.learn(mouth);
    let plain = |rig: &mut Rig, mouth: &mut Mouth| {
        let (head, frame) = mouth.say("plain");
        rig.frame(head, &frame);
        !rig.heard().is_empty()
    };
    assert!(!plain(&mut rig, mouth), "never, until something is said");
    let window = Passthrough::Until(rig.now + 10 * SECOND);
    for (passthrough, wait, is_heard) in [
        (Passthrough::Always, SECOND, true),
        (Passthrough::Never, SECOND, false),
        (window, SECOND, true),
        (window, 8 * SECOND, true),
        (window, SECOND, false),
    ] {
        rig.receiver
            .keys(rig.now, &MediaKeys::Passthrough(passthrough));
        rig.now += if passthrough == window {
            wait
        } else {
            Duration::ZERO
        };
        assert_eq!(plain(&mut rig, mouth), is_heard, "{passthrough:?} {wait:?}");
    }
    assert_eq!(rig.receiver.counters().lost.plain, 3);
}

#[test]
fn silence_always_passes() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    let (head, _) = mouth.say("x");
    rig.frame(head, &OPUS_SILENCE);
    let received = rig.receiver.poll(rig.now).unwrap();
    assert_eq!(*received.payload, OPUS_SILENCE);
    assert_eq!(received.user_id, None);
}

#[test]
fn frames_on_the_way_at_a_change_between_plain_and_sealed_are_heard() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 1);
    mouth.key(1);
    let sealed = mouth.say("sealed");
    rig.receiver
        .keys(rig.now, &MediaKeys::Passthrough(Passthrough::Always));
    mouth.plain();
    let plain = mouth.say("plain");
    rig.frame(plain.0, &plain.1);
    rig.frame(sealed.0, &sealed.1);
    assert_eq!(rig.heard(), ["plain", "sealed"]);
}

#[test]
fn what_looks_sealed_in_a_plain_call_is_a_frame_like_others() {
    let mut rig = Rig::new();
    rig.receiver
        .keys(rig.now, &MediaKeys::Passthrough(Passthrough::Always));
    let mut other = Mouth::new(2);
    other.key(1);
    // Not before everybody must have heard that the call is plain.
    let (head, frame) = other.say("by a sender that has not");
    rig.frame(head, &frame);
    assert_eq!(rig.receiver.poll(rig.now), None);
    rig.now += 60 * SECOND;
    assert_eq!(rig.receiver.poll(rig.now), None);
    let (head, frame) = other.say("by accident");
    rig.frame(head, &frame);
    assert_eq!(rig.receiver.poll(rig.now).unwrap().payload[..], frame[..]);
    assert_eq!(rig.receiver.held(), 0);
}

#[test]
fn what_looks_sealed_during_an_upgrade_waits_and_is_never_taken_for_sound() {
    let mut rig = Rig::new();
    rig.receiver
        .keys(rig.now, &MediaKeys::Passthrough(Passthrough::Meanwhile));
    let mut other = Mouth::new(2);
    rig.learn(&other);
    let plain = other.say("plain");
    rig.frame(plain.0, &plain.1);
    other.key(1);
    let sealed = other.say("sealed");
    rig.frame(sealed.0, &sealed.1);
    assert_eq!(rig.heard(), ["plain"]);
    rig.key(2, 1);
    assert_eq!(rig.heard(), ["sealed"]);
}

#[test]
fn a_frame_counts_once() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 1);
    mouth.key(1);
    let (head, frame) = mouth.say("once");
    for _ in 0..3 {
        rig.frame(head, &frame);
    }
    assert_eq!(rig.heard(), ["once"]);
    assert_eq!(rig.receiver.counters().lost.replayed, 2);
}

#[test]
fn frames_from_before_we_came_are_no_reason_to_begin_anew() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 7);
    // The others have not executed the transition that adds us.
    mouth.key(6);
    let since = rig.now;
    while rig.now < since + SETTLES_IN {
        let (head, frame) = mouth.say("before");
        rig.frame(head, &frame);
        assert_eq!(rig.receiver.undecryptable(), None);
        rig.now += Duration::from_millis(20);
    }
    // Somebody who never does is reported.
    let said = (0..40).find(|_| {
        let (head, frame) = mouth.say("still before");
        rig.frame(head, &frame);
        rig.receiver.undecryptable().is_some()
    });
    assert_eq!(said, Some(36));
}

#[test]
fn thirty_seven_failures_in_a_row_are_reported_once_and_good_frames_in_between_are_not() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 1);
    rig.now += SETTLES_IN;
    let mut reports = 0;
    for round in 0..74 {
        mouth.key(99);
        let (head, frame) = mouth.say("lost");
        rig.frame(head, &frame);
        rig.frame(head, &[1, 2, 3]);
        if let Some(user) = rig.receiver.undecryptable() {
            assert_eq!((user.get(), round % 37), (2, 36));
            reports += 1;
        }
    }
    assert_eq!(reports, 2);
    for _ in 0..30 {
        let (head, frame) = mouth.say("lost");
        rig.frame(head, &frame);
    }
    let mut good = Mouth::new(2);
    good.sequence = mouth.sequence;
    good.key(1);
    let (head, frame) = good.say("good");
    rig.frame(head, &frame);
    assert_eq!(rig.heard(), ["good"]);
    for _ in 0..30 {
        let (head, frame) = mouth.say("lost");
        rig.frame(head, &frame);
    }
    assert_eq!(rig.receiver.undecryptable(), None);
    let counters = rig.receiver.counters();
    let all = 74 + 74 + 60 + 1;
    assert_eq!(counters.settled() + rig.receiver.held() as u64, all);
}

#[test]
fn the_end_of_a_connection_forgets_everything_but_what_is_ready() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 1);
    mouth.key(1);
    let (head, frame) = mouth.say("ready");
    rig.frame(head, &frame);
    mouth.key(2);
    let (head, frame) = mouth.say("waits");
    rig.frame(head, &frame);
    rig.receiver.transport(None);
    assert_eq!(rig.heard(), ["ready"]);
    assert_eq!(rig.receiver.counters().lost.unplugged, 1);
    assert_eq!((rig.receiver.held(), rig.receiver.wake()), (0, None));
    mouth.key(1);
    let (head, frame) = mouth.say("late");
    rig.frame(head, &frame);
    assert_eq!(rig.heard(), [""; 0]);
}

#[test]
fn who_left_is_heard_for_ten_seconds_unless_the_ssrc_is_given_away() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 1);
    mouth.key(1);
    let (head, frame) = mouth.say("last words");
    let (late, too_late) = (mouth.say("late"), mouth.say("too late"));
    rig.receiver.poll(rig.now);
    rig.receiver.forget(UserId::new(2));
    let user_id = UserId::new(2);
    rig.receiver.keys(rig.now, &MediaKeys::Forget { user_id });
    rig.frame(head, &frame);
    rig.now += 9 * SECOND;
    rig.frame(late.0, &late.1);
    assert_eq!(rig.heard(), ["last words", "late"]);
    rig.now += SECOND;
    rig.frame(too_late.0, &too_late.1);
    assert_eq!(rig.heard(), [""; 0]);

    // Back again within the time: nothing is forgotten.
    rig.key(2, 2);
    rig.learn(&mouth);
    rig.receiver.keys(rig.now, &MediaKeys::Forget { user_id });
    rig.receiver.forget(user_id);
    rig.now += 5 * SECOND;
    rig.key(2, 3);
    rig.learn(&mouth);
    rig.now += 60 * SECOND;
    mouth.key(3);
    let (head, frame) = mouth.say("here again");
    rig.frame(head, &frame);
    assert_eq!(rig.heard(), ["here again"]);

    rig.receiver.forget(user_id);
    rig.receiver.learn(Ssrc(2), UserId::new(3));
    let mut new = Mouth::new(2);
    new.sequence = mouth.sequence;
    rig.receiver.keys(
        rig.now,
        &MediaKeys::Receiver {
            user_id: UserId::new(3),
            epoch: 4,
            base: base(2, 4),
        },
    );
    new.key(4);
    let (head, frame) = new.say("somebody else");
    rig.frame(head, &frame);
    assert_eq!(
        rig.receiver.poll(rig.now).unwrap().user_id,
        Some(UserId::new(3))
    );
}

#[test]
fn forged_and_random_frames_never_come_out_and_are_all_counted() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut rig = Rig::new();
        let mut mouth = Mouth::new(2);
        rig.learn(&mouth);
        rig.key(2, 1);
        mouth.key(1);
        let mut given = 0;
        for _ in 0..400 {
            rig.now += Duration::from_millis(rng.below(40));
            let (mut head, mut frame) = mouth.say("the truth");
            match rng.below(5) {
                0 => {
                    let at = rng.below(frame.len() as u64) as usize;
                    frame[at] ^= 1 << rng.below(8);
                }
                1 => frame = (0..rng.below(60)).map(|_| rng.next_u64() as u8).collect(),
                2 => {
                    frame = (0..rng.below(60)).map(|_| rng.next_u64() as u8).collect();
                    frame.extend([12, 0xFA, 0xFA]);
                }
                3 => head.ssrc = Ssrc(rng.next_u32() % 5),
                _ => {}
            }
            if rng.chance(0.02) {
                rig.key(2, 1);
            }
            given += 1;
            rig.frame(head, &frame);
            assert!(
                rig.receiver.wake().is_none_or(|wake| wake > rig.now),
                "seed {seed}"
            );
        }
        let heard = rig.heard();
        assert!(heard.len() > 60, "seed {seed}");
        assert!(heard.iter().all(|said| said == "the truth"), "seed {seed}");
        let settled = rig.receiver.counters().settled();
        assert_eq!(settled + rig.receiver.held() as u64, given, "seed {seed}");
        rig.now += HOLD_TIME;
        rig.heard();
        assert_eq!(rig.receiver.held(), 0);
        assert_eq!(rig.receiver.held_bytes, 0);
        let settled = rig.receiver.counters().settled();
        assert_eq!(settled, given, "seed {seed}: every packet has its end");
    }
}
