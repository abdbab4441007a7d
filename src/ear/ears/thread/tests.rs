//! What a thread does at its edges.

use super::*;

fn seat(socket: UdpSocket) -> Seat {
    socket.set_nonblocking(true).unwrap();
    Seat {
        hearing: Hearing::new(),
        shared: Arc::new(Shared {
            news: std::sync::Mutex::default(),
            stats: std::sync::Mutex::default(),
            listens: false.into(),
            failed: false.into(),
            wake: Box::new(|| {}),
        }),
        socket: Some(socket),
        polled: false,
        spouts: Vec::new(),
    }
}

fn pair() -> (UdpSocket, UdpSocket) {
    let one = UdpSocket::bind("127.0.0.1:0").unwrap();
    let two = UdpSocket::bind("127.0.0.1:0").unwrap();
    one.connect(two.local_addr().unwrap()).unwrap();
    two.connect(one.local_addr().unwrap()).unwrap();
    (one, two)
}

#[allow(clippy::disallowed_methods, reason = "it only has to be some moment")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_socket_with_nothing_to_say_is_left_alone_until_the_next_tick() {
    let (one, two) = pair();
    let mut seat = seat(one);
    // Ready, as the thread believes, and then empty; and nothing but empty datagrams.
    assert_eq!(seat.read(now()), Rest::UntilTick);
    for _ in 0..READ_AT_ONCE {
        two.send(&[]).unwrap();
    }
    assert_eq!(seat.read(now()), Rest::UntilTick);
    // Empty ones between others are passed over, and are no news.
    for datagram in [b"".as_slice(), &[9; 8], b""] {
        two.send(datagram).unwrap();
    }
    assert_eq!(seat.read(now()), Rest::No);
    let news = lock(&seat.shared.news);
    assert_eq!(news.control, [vec![9; 8]]);
}

#[test]
fn a_socket_that_was_shut_down_does_not_make_the_thread_spin() {
    let (one, _two) = pair();
    let other = one.try_clone().unwrap();
    let mut seat = seat(one);
    rustix::net::shutdown(&other, rustix::net::Shutdown::Read).unwrap();
    assert_eq!(seat.read(now()), Rest::UntilTick);
}

#[test]
fn a_little_late_is_made_up_for_and_a_lot_is_counted() {
    let ms = Duration::from_millis;
    assert_eq!(hopeless(ms(200)), 0);
    assert_eq!(hopeless(ms(201)), 10);
    assert_eq!(hopeless(ms(5_019)), 250);
    assert_eq!(hopeless(Duration::MAX), u32::MAX);
}

#[test]
fn a_flood_of_control_datagrams_hides_nobody_whose_frames_do_not_open() {
    let ears = super::super::Ears::start(1).unwrap();
    let ear = ears.handle().open(Box::new(|| {})).unwrap();
    for _ in 0..10_000 {
        ear.shared.tell(EarNews::Control(vec![9; 8]));
    }
    let user = mynah_wire::UserId::new(50);
    for _ in 0..3 {
        ear.shared.tell(EarNews::Undecryptable(user));
    }
    // First and once; the flood is cut.
    assert_eq!(ear.news(), Some(EarNews::Undecryptable(user)));
    let rest = std::iter::from_fn(|| ear.news());
    assert_eq!(rest.count(), super::super::MAX_CONTROL);
}

#[test]
fn lane_packets_never_pile_up_before_a_thread_that_stands_still() {
    let (orders, inbox) = std::sync::mpsc::channel();
    let bell = rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK).unwrap();
    let door = Door {
        orders: std::sync::Mutex::new(orders),
        lanes: 0.into(),
        bell,
        open: 0.into(),
    };
    let packet = crate::Packet {
        user: None,
        lane: Some(mynah_audio::Lane::Bed),
        ssrc: mynah_wire::Ssrc(0),
        sequence: 0,
        timestamp: 0,
        arrival: now(),
        payload: [].into(),
        unopened: false,
    };
    for _ in 0..10_000 {
        door.order(1, Order::Lane(packet.clone()));
    }
    door.order(1, Order::Unplug);
    let orders: Vec<_> = inbox.try_iter().collect();
    assert_eq!(orders.len(), super::super::MAX_LANES + 1);
    assert!(matches!(orders.last(), Some((1, Order::Unplug))));
}
