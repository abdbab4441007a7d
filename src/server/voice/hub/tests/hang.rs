//! A voice server that keeps its sockets and does nothing.
use super::*;

fn hang(world: &mut World, user: u64) {
    let scope = Scope {
        user_id: Some(UserId::new(user)),
        channel_id: None,
    };
    world.hub.set_hang(1, scope);
    world.settle();
}

fn end(world: &mut World) {
    let now = world.now;
    world.hub.clear_fault(now, 1);
    world.settle();
}

#[test]
fn a_hanging_connection_answers_nothing_and_catches_up_when_it_is_over() {
    let mut world = World::new();
    let (hit, spared) = (world.join(5), world.join(6));
    hang(&mut world, 5);
    world.clear(hit);
    world.clear(spared);
    let beat = json!({"op": 3, "d": {"t": 1}});
    world.say(hit, &beat);
    world.say(spared, &beat);
    world.say(spared, &json!({"op": 5, "d": {"speaking": 1}}));
    for _ in 0..10 {
        world.advance(HEARTBEAT_TIMEOUT);
        world.say(spared, &beat);
    }
    assert_eq!(world.ops(hit), Vec::<u64>::new());
    assert_eq!(world.code(hit), None);
    end(&mut world);
    assert_eq!(world.ops(hit)[..2], [6, 5]);
    world.say(hit, &beat);
    assert_eq!(world.last(hit)["op"], 6);
}

#[test]
fn connections_made_during_a_hang_get_no_further_than_hello() {
    let mut world = World::new();
    let lost = world.join(5);
    world.input(lost, Input::Closed(None));
    world.grant_in(6, ROOM);
    world.hub.set_hang(1, Scope::default());
    let (back, fresh) = (world.resume(5, 8, 1), world.identify(6, 8));
    world.advance(IDENTIFY_TIMEOUT * 2);
    assert_eq!((world.ops(back), world.ops(fresh)), (vec![8], vec![8]));
    end(&mut world);
    assert_eq!(world.ops(back), [8, 9, 4]);
    assert_eq!(world.ops(fresh), [8, 2]);
}

#[test]
fn a_hang_does_not_keep_a_client_from_leaving() {
    let mut world = World::new();
    let (hit, other) = (world.join(5), world.join(6));
    hang(&mut world, 5);
    world.input(hit, Input::Closed(Some(1000)));
    assert_eq!(world.last(other)["op"], 13);
    let kicked = world.join(5);
    let now = world.now;
    world
        .hub
        .revoke(now, GuildId::new(GUILD), UserId::new(5), 4014);
    world.settle();
    assert_eq!(world.code(kicked), Some(4014));
}
