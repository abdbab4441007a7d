//! Who listens, and what the session does for them.

use mynah_session::voice::Passthrough;

use super::*;

#[tokio::test]
async fn the_bot_is_deaf_exactly_while_nobody_who_talks_matters() {
    let mut rig = Rig::new();
    rig.asked().await;
    rig.connected().await;
    let mut deaf = Vec::new();
    for talk in [true, true, false] {
        rig.listens.send_modify(|reasons| reasons.talk = talk);
        rig.shell.listen().await;
        rig.shell.drain().await;
        while let Ok(command) = rig.main.try_recv() {
            if let Command::VoiceState {
                channel_id,
                self_deaf,
                ..
            } = command
                && channel_id.is_some()
            {
                assert_eq!(channel_id, Some(HERE));
                deaf.push(self_deaf);
            }
        }
    }
    // What has not changed is not said again.
    assert_eq!(deaf, [false, true]);
    // Whoever listens is a reason of its own, and outlives a main gateway that may have missed it.
    let stay = Stay::new(rig.listens.clone(), false);
    rig.shell.listen().await;
    assert!(!rig.shell.line.is_shells(), "the ear reads");
    let resumed = VoiceCommand::Main(mynah_session::voice::Main::Resumed);
    rig.shell.command(Some(resumed)).await;
    drop(stay);
    rig.shell.listen().await;
    assert!(rig.shell.line.is_shells());
    let mut deaf = Vec::new();
    while let Ok(command) = rig.main.try_recv() {
        if let Command::VoiceState { self_deaf, .. } = command {
            deaf.push(self_deaf);
        }
    }
    assert_eq!(deaf, [false, false, true]);
    // Speech counts only while it matters.
    let mut speech = mynah_wire::rtp::Header::opus(1, 960, Ssrc(7))
        .write()
        .to_vec();
    speech.resize(120, 1);
    rig.shell.datagram(&speech);
    assert_eq!(rig.shell.talk.turn(clock::now()), None);
    rig.listens.send_modify(|reasons| reasons.talk = true);
    rig.shell.datagram(&speech);
    assert_eq!(rig.shell.talk.turn(clock::now()), Some(true));
    rig.listens.send_modify(|reasons| reasons.talk = false);
    rig.shell.listen().await;
    assert_eq!(rig.shell.talk.turn(clock::now()), Some(false));
}

#[tokio::test]
async fn who_begins_to_listen_before_there_is_a_connection_is_not_forgotten() {
    let mut rig = Rig::new();
    rig.asked().await;
    let _stay = Stay::new(rig.listens.clone(), false);
    rig.shell.listen().await;
    let (tap, heard) = oneshot::channel();
    let want = crate::ear::Want::default();
    let command = VoiceCommand::Listen { want, tap };
    rig.shell.command(Some(command)).await;
    let tap = heard.await.unwrap();
    rig.connected().await;
    let told = rig.main.try_recv().unwrap();
    let Command::VoiceState { self_deaf, .. } = told else {
        panic!("{told:?}");
    };
    assert!(!self_deaf);
    // The taps end with the session, and only then.
    assert!(!tap.is_closed());
    rig.shell.line.close();
    rig.shell.end(EndReason::Left).await;
    while !tap.is_closed() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn while_the_ear_reads_pings_still_come_back_and_people_who_talk_are_still_noticed() {
    let (mode, key) = (EncryptionMode::ALL[0], [1; 32]);
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::new();
    rig.asked().await;
    rig.shell.line.open(server.local_addr().unwrap());
    rig.shell.line.attach(TransportKeys {
        mode,
        secret_key: key,
        ssrc: Ssrc(1),
    });
    // Both were said before anybody listened.
    let plain = MediaKeys::Passthrough(Passthrough::Always);
    rig.shell.hearing.media(&plain);
    rig.shell.hearing.learn(Ssrc(7), UserId::new(5));
    rig.listens.send_modify(|reasons| reasons.talk = true);
    let _stay = Stay::new(rig.listens.clone(), false);
    rig.shell.listen().await;
    rig.shell.line.send(b"where am I").await;
    let (_, client) = server.recv_from(&mut [0; 32]).unwrap();

    let ping = mynah_wire::udp::Ping {
        is_answer: true,
        sequence: 1,
    };
    server.send_to(&ping.write(), client).unwrap();
    let news = rig.shell.hearing.news();
    let news = tokio::time::timeout(Duration::from_secs(20), news).await;
    assert!(news.is_ok(), "the ear hands on what is no media");
    rig.shell.ear_news();

    let mut sealer = mynah_session::transport::RtpSealer::new(mode, &key, 0);
    let mut sequence = 0;
    let mut say = |payload: &[u8]| {
        sequence += 1;
        let header = mynah_wire::rtp::Header::opus(sequence, u32::from(sequence) * 960, Ssrc(7));
        let mut packet = header.write().to_vec();
        let clear = packet.len();
        packet.extend(payload);
        let end = packet.len();
        packet.resize(end + 64, 0);
        let length = sealer.seal(&mut packet, clear, end).unwrap();
        server.send_to(&packet[..length], client).unwrap();
    };
    say(&[0xF8, 0xFF, 0xFE]);
    let noticed = async {
        loop {
            say(&[0x78; 60]);
            // As the shell itself waits.
            let wake = rig.shell.hearing.deadline(clock::now());
            sleep_until(wake.map(Instant::from_std)).await;
            rig.shell.overhear();
            if rig.shell.talk.turn(clock::now()) == Some(true) {
                return;
            }
        }
    };
    let noticed = tokio::time::timeout(Duration::from_secs(20), noticed).await;
    assert!(noticed.is_ok(), "somebody talks");
}
