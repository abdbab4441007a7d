//! What waits, for how long, and in which order it comes out.

use super::*;

#[test]
fn packets_before_the_ssrc_is_known_wait_and_come_out_first() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.key(2, 1);
    mouth.key(1);
    let start = rig.now;
    for text in ["one", "two", "three"] {
        let (head, frame) = mouth.say(text);
        rig.frame(head, &frame);
        rig.now += Duration::from_millis(20);
    }
    assert_eq!(rig.heard(), [""; 0]);
    assert_eq!(rig.receiver.wake(), Some(start + HOLD_TIME));
    rig.learn(&mouth);
    let (head, frame) = mouth.say("four");
    rig.frame(head, &frame);
    let first = rig.receiver.poll(rig.now).unwrap();
    assert_eq!((&*first.payload, first.arrival), (&b"one"[..], start));
    assert_eq!(first.user_id, Some(UserId::new(2)));
    assert_eq!(rig.heard(), ["two", "three", "four"]);
    assert_eq!(rig.receiver.counters().delayed, 3);
    assert_eq!(rig.receiver.counters().lost.total(), 0);
}

#[test]
fn packets_before_the_key_is_known_wait_with_the_silence_between_them() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    mouth.key(1);
    let (head, frame) = mouth.say("one");
    rig.frame(head, &frame);
    let (head, _) = mouth.say("");
    rig.frame(head, &OPUS_SILENCE);
    let (head, frame) = mouth.say("two");
    rig.frame(head, &frame);
    assert_eq!(rig.heard(), [""; 0]);
    rig.key(2, 1);
    let sequences: Vec<u16> = std::iter::from_fn(|| rig.receiver.poll(rig.now))
        .map(|received| received.sequence)
        .collect();
    assert_eq!(sequences, [1, 2, 3]);
}

#[test]
fn packets_of_the_next_epoch_wait_for_its_commit() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 1);
    mouth.key(1);
    let old = mouth.say("old");
    mouth.key(2);
    let (head, frame) = mouth.say("new");
    rig.frame(head, &frame);
    // Overtaken on the way; the order between epochs is the listener's business.
    rig.frame(old.0, &old.1);
    assert_eq!(rig.heard(), ["old"]);
    let (head, frame) = mouth.say("newer");
    rig.frame(head, &frame);
    assert_eq!((rig.heard().len(), rig.receiver.held()), (0, 2));
    rig.key(2, 2);
    assert_eq!(rig.heard(), ["new", "newer"]);
    assert_eq!(rig.receiver.counters().lost.total(), 0);
}

#[test]
fn packets_of_an_epoch_before_we_joined_hold_nobody_up() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    mouth.key(6);
    for _ in 0..10 {
        let (head, frame) = mouth.say("not for us");
        rig.frame(head, &frame);
    }
    rig.key(2, 7);
    assert_eq!((rig.heard().len(), rig.receiver.held()), (0, 10));
    mouth.key(7);
    let (head, frame) = mouth.say("for us");
    rig.frame(head, &frame);
    assert_eq!(rig.heard(), ["for us"]);
    assert_eq!(rig.receiver.held(), 0, "a sender never goes back");
    let counters = *rig.receiver.counters();
    assert_eq!((counters.before_us, counters.lost.total()), (10, 0));
}

#[test]
fn once_somebody_was_heard_what_does_not_open_is_lost() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 1);
    mouth.key(1);
    let (head, frame) = mouth.say("heard");
    rig.frame(head, &frame);
    mouth.key(2);
    let (head, frame) = mouth.say("lost");
    rig.frame(head, &frame);
    mouth.key(3);
    rig.key(2, 3);
    let (head, frame) = mouth.say("heard again");
    rig.frame(head, &frame);
    assert_eq!(rig.heard(), ["heard", "heard again"]);
    let counters = *rig.receiver.counters();
    assert_eq!((counters.before_us, counters.lost.no_key), (0, 1));
}

#[test]
fn what_was_not_for_us_and_has_no_successor_is_no_loss_either() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    rig.key(2, 7);
    mouth.key(6);
    for _ in 0..110 {
        let (head, frame) = mouth.say("not for us");
        rig.frame(head, &frame);
    }
    rig.now += HOLD_TIME;
    assert_eq!(rig.heard(), [""; 0]);
    let counters = *rig.receiver.counters();
    assert_eq!((counters.before_us, counters.lost.total()), (110, 0));
    // Long after the join it is one.
    rig.now += 4 * SECOND;
    let (head, frame) = mouth.say("broken");
    rig.frame(head, &frame);
    rig.now += HOLD_TIME;
    assert_eq!(rig.heard(), [""; 0]);
    let counters = *rig.receiver.counters();
    assert_eq!((counters.before_us, counters.lost.no_key), (110, 1));
}

#[test]
fn two_seconds_are_the_end_of_waiting_and_silence_is_let_go() {
    let mut rig = Rig::new();
    let (mut named, mut nameless) = (Mouth::new(2), Mouth::new(3));
    rig.learn(&named);
    for mouth in [&mut named, &mut nameless] {
        mouth.key(1);
        let (head, frame) = mouth.say("in vain");
        rig.frame(head, &frame);
        let (head, _) = mouth.say("");
        rig.frame(head, &OPUS_SILENCE);
    }
    rig.now += HOLD_TIME - Duration::from_millis(1);
    assert_eq!(rig.heard(), [""; 0]);
    rig.now = rig.receiver.wake().unwrap();
    assert_eq!(rig.heard().len(), 2, "the silence");
    let counters = *rig.receiver.counters();
    assert_eq!((counters.lost.no_key, counters.lost.unknown_ssrc), (1, 1));
    assert_eq!((rig.receiver.wake(), rig.receiver.held()), (None, 0));
}

#[test]
fn a_hundred_packets_of_a_stream_wait_and_the_oldest_goes_first() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    rig.learn(&mouth);
    mouth.key(1);
    for n in 0..130 {
        let (head, frame) = mouth.say(&n.to_string());
        rig.frame(head, &frame);
    }
    assert_eq!(rig.receiver.held(), HELD_PER_STREAM);
    assert_eq!(rig.receiver.counters().lost.overflow, 30);
    rig.key(2, 1);
    let heard = rig.heard();
    assert_eq!((heard.len(), &heard[0][..]), (100, "30"));
}

#[test]
fn streams_and_bytes_are_bounded() {
    let mut rig = Rig::new();
    let mut sealed = Mouth::new(2);
    sealed.key(1);
    for ssrc in 0..1000 {
        let (head, frame) = sealed.say("flood");
        let ssrc = Ssrc(ssrc);
        rig.frame(Head { ssrc, ..head }, &frame);
    }
    assert_eq!(rig.receiver.held(), MAX_WAITING_STREAMS);
    let big = "x".repeat(1300);
    for n in 0..20_000 {
        let (head, frame) = sealed.say(&big);
        let ssrc = Ssrc(n % 200);
        rig.frame(Head { ssrc, ..head }, &frame);
    }
    assert!(rig.receiver.held_bytes <= MAX_HELD_BYTES);
    assert_eq!(
        rig.receiver.counters().lost.overflow + rig.receiver.held() as u64,
        21_000
    );
    rig.now += HOLD_TIME;
    rig.heard();
    assert_eq!(rig.receiver.held_bytes, 0);
}

#[test]
fn names_and_keys_are_bounded() {
    let mut rig = Rig::new();
    for n in 0..10_000 {
        rig.receiver.learn(Ssrc(n), UserId::new(u64::from(n)));
        rig.key(u64::from(n), 1);
    }
    assert_eq!(rig.receiver.owners.len(), MAX_KNOWN);
    assert_eq!(rig.receiver.voices.len(), MAX_KNOWN);
}

#[test]
fn time_that_goes_backwards_does_no_harm() {
    let mut rig = Rig::new();
    let mut mouth = Mouth::new(2);
    mouth.key(1);
    let (head, frame) = mouth.say("waits");
    rig.now += SECOND;
    rig.frame(head, &frame);
    rig.now -= SECOND;
    let (head, frame) = mouth.say("waits, too");
    rig.frame(head, &frame);
    rig.key(2, 1);
    rig.learn(&mouth);
    assert_eq!(rig.heard(), ["waits", "waits, too"]);
}

/// A whole conversation over bad network and slow signalling: every packet of an epoch of ours comes
/// out once, or is counted.
#[test]
fn no_packet_disappears_through_joins_and_epochs() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let mut rig = Rig::new();
        let mut mouth = Mouth::new(2);
        let mut epoch = 1;
        mouth.key(epoch);
        let (mut known, mut named) = (0, false);
        let (mut given, mut on_the_way) = (0u64, Vec::new());
        let mut heard = Vec::new();
        for _ in 0..600 {
            rig.now += Duration::from_millis(20);
            if rng.chance(0.02) {
                epoch += 1;
                mouth.key(epoch);
            }
            if known < epoch && rng.chance(0.2) {
                known += 1;
                rig.key(2, known);
            }
            if !named && rng.chance(0.1) {
                named = true;
                rig.learn(&mouth);
            }
            on_the_way.push(mouth.say(&mouth.sequence.to_string()));
            while on_the_way.len() > 3 || (!on_the_way.is_empty() && rng.chance(0.7)) {
                let at = rng.below(on_the_way.len() as u64) as usize;
                let (head, frame) = on_the_way.swap_remove(at);
                rig.frame(head, &frame);
                given += 1;
            }
            heard.extend(rig.heard());
        }
        rig.now += HOLD_TIME;
        heard.extend(rig.heard());
        let counters = *rig.receiver.counters();
        let mut unique = heard.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), heard.len(), "seed {seed}: nothing twice");
        assert_eq!(counters.released, heard.len() as u64, "seed {seed}");
        assert_eq!(counters.settled(), given, "seed {seed}");
        assert_eq!(rig.receiver.held_bytes, 0, "seed {seed}");
        // Keys come within 200 ms on average: little is lost for good.
        assert!(counters.released > 500, "seed {seed}: {counters:?}");
    }
}

#[test]
fn what_never_opens_is_told_of_in_its_place_if_somebody_wants_to_know() {
    for tells in [false, true] {
        let (mut rig, mut ada) = (Rig::new(), Mouth::new(1));
        rig.receiver.tell_unopened(tells);
        rig.learn(&ada);
        rig.key(1, 1);
        ada.key(1);
        let (head, frame) = ada.say("one");
        rig.frame(head, &frame);
        // No key of this epoch ever comes.
        ada.key(9);
        for word in ["two", "three"] {
            let (head, frame) = ada.say(word);
            rig.frame(head, &frame);
        }
        assert_eq!(rig.heard(), ["one"]);
        let begun = rig.now;
        rig.now += HOLD_TIME / 2;
        rig.key(1, 10);
        ada.key(10);
        let (head, frame) = ada.say("four");
        rig.frame(head, &frame);
        let out: Vec<_> = std::iter::from_fn(|| rig.receiver.poll(rig.now)).collect();
        let seen = |packet: &Received| (packet.sequence, packet.unopened, packet.arrival == begun);
        let seen: Vec<_> = out.iter().map(seen).collect();
        if tells {
            assert_eq!(seen, [(2, true, true), (3, true, true), (4, false, false)]);
            assert!(out[..2].iter().all(|packet| packet.payload.is_empty()));
            assert!(
                out.iter()
                    .all(|packet| packet.user_id == Some(UserId::new(1)))
            );
        } else {
            assert_eq!(seen, [(4, false, false)]);
        }
        // Counted once, whoever is told.
        let counters = rig.receiver.counters();
        assert_eq!((counters.released, counters.lost.no_key), (2, 2));
        assert_eq!(counters.settled(), 4);
    }
}
