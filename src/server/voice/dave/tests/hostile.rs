//! Clients that lie.
use super::arbiter::Objection;
use super::client::named;
use super::message::Commit;
use super::tls::{Reader, put_vector};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A room where 1 and 2 have just committed "remove 9, add 3 and 4", and the commit of 1.
fn in_flight() -> (Room, Vec<u8>) {
    let mut room = Room::with(&[1, 2, 9]);
    room.mute
        .extend([(1, Default::default()), (2, Default::default())]);
    room.exit(9);
    room.enter(3);
    room.enter(4);
    room.advance(BATCH_DELAY);
    let commit = room.clients[&1].commits.last().unwrap().clone();
    (room, commit)
}

fn objection(room: &Room, id: u64, payload: &[u8]) -> Option<Objection> {
    room.delivery.judge(user(id), payload).err()
}

/// Where the fields of a commit start: group 4, epoch 13, leaf 22, the references after them.
const GROUP: usize = 5;
const EPOCH: usize = 13;
const LEAF: usize = 22;
const REFERENCES: usize = 28;

/// The commit with another list of proposals.
fn with_references(payload: &[u8], change: impl Fn(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let mut reader = Reader::new(&payload[REFERENCES..]);
    let list = reader.vector().unwrap();
    let mut references: Vec<Vec<u8>> = list.chunks(34).map(<[u8]>::to_vec).collect();
    change(&mut references);
    let mut forged = payload[..REFERENCES].to_vec();
    put_vector(&mut forged, &references.concat());
    forged.extend(reader.rest());
    forged
}

#[test]
fn an_honest_commit_is_accepted() {
    let (mut room, commit) = in_flight();
    assert_eq!(objection(&room, 1, &commit), None);
    room.unmute(1);
    room.unmute(2);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3, 4]);
}

#[test]
fn a_commit_must_name_exactly_what_is_in_flight() {
    let (room, commit) = in_flight();
    let other = Some(Objection::OtherProposals);
    let missing = with_references(&commit, |list| drop(list.pop()));
    assert_eq!(objection(&room, 1, &missing), other);
    let none = with_references(&commit, Vec::clear);
    assert_eq!(objection(&room, 1, &none), other);
    let twice = with_references(&commit, |list| list.push(list[0].clone()));
    assert_eq!(objection(&room, 1, &twice), other);
    let changed = with_references(&commit, |list| list[1][5] ^= 1);
    assert_eq!(objection(&room, 1, &changed), other);
    let more = with_references(&commit, |list| list.push([&[2, 32][..], &[7; 32]].concat()));
    assert_eq!(objection(&room, 1, &more), other);
    let same = with_references(&commit, |list| list.reverse());
    assert_eq!(
        objection(&room, 1, &same),
        None,
        "the order is the committer's"
    );
}

#[test]
fn an_inline_proposal_is_refused() {
    let (room, commit) = in_flight();
    // ProposalOrRef type 1, then remove (3) of leaf 0.
    let inline = with_references(&commit, |list| list.push(vec![1, 0, 3, 0, 0, 0, 0]));
    assert_eq!(objection(&room, 1, &inline), Some(Objection::Shape));
}

#[test]
fn a_commit_must_be_for_this_group_and_epoch_and_from_ones_own_leaf() {
    let (room, commit) = in_flight();
    for (at, expected) in [
        (GROUP, Objection::Group),
        (EPOCH + 7, Objection::Epoch),
        (LEAF + 3, Objection::ForeignLeaf),
    ] {
        let mut forged = commit.clone();
        forged[at] ^= 1;
        assert_eq!(objection(&room, 1, &forged), Some(expected));
    }
    assert_eq!(objection(&room, 2, &commit), Some(Objection::ForeignLeaf));
}

#[test]
fn who_was_not_told_cannot_commit() {
    let (mut room, commit) = in_flight();
    for outsider in [3, 9, 77] {
        assert_eq!(
            objection(&room, outsider, &commit),
            Some(Objection::NotAsked)
        );
    }
    room.unmute(2);
    assert_eq!(
        objection(&room, 1, &commit),
        Some(Objection::NothingProposed)
    );
}

#[test]
fn a_removal_needs_a_path_and_a_path_keeps_its_identity() {
    let (room, commit) = in_flight();
    let (parsed, welcome) = Commit::read(&commit).unwrap();
    let path = parsed.path_leaf.unwrap();
    let key = commit
        .windows(65)
        .position(|window| window == path.signature_key);
    let key = key.unwrap();
    // After the key: credential type, length of the identity, identity.
    let identity = key + 65 + 2 + 1;
    assert_eq!(commit[identity..identity + 8], *path.identity);
    for at in [key + 30, identity + 7] {
        let mut forged = commit.clone();
        forged[at] ^= 1;
        assert_eq!(objection(&room, 1, &forged), Some(Objection::OtherIdentity));
    }
    // The same without its path: references, "no path", signature and both tags.
    let mut bare = commit[..REFERENCES].to_vec();
    let mut reader = Reader::new(&commit[REFERENCES..]);
    put_vector(&mut bare, reader.vector().unwrap());
    bare.push(0);
    for length in [70, 32, 32] {
        put_vector(&mut bare, &vec![1; length]);
    }
    bare.extend(welcome);
    assert_eq!(objection(&room, 1, &bare), Some(Objection::NoPath));
}

#[test]
fn a_welcome_must_cover_exactly_the_added_members() {
    let (room, commit) = in_flight();
    let (parsed, welcome) = Commit::read(&commit).unwrap();
    let bad = Some(Objection::Welcome);
    assert_eq!(objection(&room, 1, parsed.message), bad, "none at all");
    let trailing = [&commit[..], &[0]].concat();
    assert_eq!(objection(&room, 1, &trailing), bad, "something after it");
    let mut suite = commit.clone();
    suite[parsed.message.len() + 1] = 3;
    assert_eq!(objection(&room, 1, &suite), bad, "another suite");
    let read = message::Welcome::read(welcome).unwrap();
    for target in read.targets() {
        let one = [parsed.message, &read.trimmed_to(&target).unwrap()].concat();
        assert_eq!(objection(&room, 1, &one), bad, "one is missing");
    }
    let mut foreign = commit.clone();
    let reference = read.targets().next().unwrap();
    let at = welcome
        .windows(32)
        .position(|window| window == reference)
        .unwrap();
    foreign[parsed.message.len() + at] ^= 1;
    assert_eq!(objection(&room, 1, &foreign), bad, "somebody else");
}

#[test]
fn a_welcome_for_nobody_is_refused() {
    let mut room = Room::with(&[1, 2, 9]);
    room.mute
        .extend([(1, Default::default()), (2, Default::default())]);
    let welcome = room.clients[&1].commits[0].clone();
    let welcome = Commit::read(&welcome).unwrap().1.to_vec();
    room.exit(9);
    room.advance(BATCH_DELAY);
    let commit = room.clients[&1].commits.last().unwrap().clone();
    assert_eq!(objection(&room, 1, &commit), None);
    let more = [commit, welcome].concat();
    assert_eq!(objection(&room, 1, &more), Some(Objection::Welcome));
}

#[test]
fn a_commit_cut_anywhere_or_with_any_byte_changed_does_no_harm() {
    let (mut room, commit) = in_flight();
    for length in 0..commit.len() {
        assert_ne!(
            objection(&room, 1, &commit[..length]),
            None,
            "{length} bytes"
        );
    }
    for at in 0..commit.len() {
        for bit in [0x01, 0x40, 0x80] {
            let mut changed = commit.clone();
            changed[at] ^= bit;
            let _ = objection(&room, 1, &changed);
        }
    }
    assert_eq!(
        room.told.last().unwrap().1,
        op::PROPOSALS,
        "nothing was answered"
    );
    room.unmute(2);
    room.unmute(1);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3, 4]);
}

#[test]
fn a_commit_with_a_wrong_tag_is_healed_by_those_who_get_it() {
    let (mut room, commit) = in_flight();
    let message = Commit::read(&commit).unwrap().0.message.len();
    let mut forged = commit;
    forged[message - 1] ^= 1; // membership tag
    room.mute.remove(&1);
    room.say(1, op::COMMIT_WELCOME, &forged);
    room.unmute(2);
    // Neither 1 nor 2 can follow the commit; 3 and 4 got a good Welcome.
    room.advance(5 * SECOND);
    room.assert_one_group(&[1, 2, 3, 4]);
}

#[test]
fn noise_closes_or_is_ignored_but_stops_nobody() {
    let mut rng = mynah_wire::rng::Rng::new(11);
    let mut room = Room::with(&[1, 2]);
    room.enter(9);
    room.advance(SECOND);
    for round in 0..2000_u32 {
        let op = 20 + rng.below(13) as u8;
        let length = rng.below(80) as usize;
        let noise: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
        room.delivery.receive(room.now, user(9), op, &noise);
        if round % 50 == 0 {
            room.advance(SECOND);
        }
    }
    room.exit(9);
    room.advance(5 * SECOND);
    room.assert_one_group(&[1, 2]);
    assert!(room.closed.iter().all(|(id, _)| *id == 9));
    assert!(room.closed.iter().any(|(_, code)| *code == 4020));
    assert!(room.closed.iter().any(|(_, code)| *code == 4002));
}

#[test]
fn floods_of_recoveries_and_key_packages_are_rate_limited() {
    let mut room = Room::with(&[1, 2]);
    let keys = room.client(1).key_package();
    for flood in [
        op::INVALID_COMMIT_WELCOME,
        op::KEY_PACKAGE,
        op::COMMIT_WELCOME,
    ] {
        room.closed.clear();
        let payload = match flood {
            op::KEY_PACKAGE => keys.clone(),
            _ => named(1),
        };
        for _ in 0..100 {
            room.delivery.receive(room.now, user(1), flood, &payload);
            if !room.delivery.outputs.is_empty() {
                room.settle();
            }
        }
        assert!(
            room.closed.contains(&(1, 4021)),
            "op {flood}: {:?}",
            room.closed
        );
    }
}

#[test]
fn a_client_that_refuses_every_welcome_is_closed_in_the_end() {
    let mut room = Room::with(&[1, 2]);
    room.enter(9);
    for _ in 0..40 {
        if !room.closed.is_empty() {
            break;
        }
        room.advance(Duration::from_millis(100));
        let replies = room.client(9).recover(1);
        for (op, payload) in replies {
            room.say(9, op, &payload);
        }
    }
    assert_eq!(room.closed.first(), Some(&(9, 4021)));
    room.exit(9);
    room.advance(5 * SECOND);
    room.assert_one_group(&[1, 2]);
}

#[test]
fn a_member_whose_commits_nobody_can_follow_does_not_keep_the_room() {
    let mut room = Room::with(&[1, 2, 3]);
    for round in 0..5 {
        // 1 is always the first, and always wrong.
        for id in [2, 3] {
            room.mute.insert(id, Default::default());
        }
        room.client(1).is_lazy = true;
        let before = room.client(1).commits.len();
        room.enter(10 + round);
        room.advance(BATCH_DELAY);
        if let Some(commit) = room.clients[&1].commits.get(before).cloned() {
            let message = Commit::read(&commit).unwrap().0.message.len();
            let mut forged = commit;
            forged[message - 1] ^= 1;
            room.say(1, op::COMMIT_WELCOME, &forged);
        }
        room.unmute(2);
        room.unmute(3);
        room.advance(5 * SECOND);
    }
    room.client(1).is_lazy = false;
    room.advance(5 * SECOND);
    assert_eq!(room.closed, []);
    room.assert_one_group(&[1, 2, 3, 10, 11, 12, 13, 14]);
}
