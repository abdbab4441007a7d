//! The shell's own decisions, without a socket.

use mynah_dave::BaseSecret;
use mynah_dave::group::Identity;
use mynah_pulse::{MixConfig, Pulse, PulseConfig};
use mynah_session::gateway::{Command, StopReason};
use mynah_session::voice::{Config, SenderKeys, TransportKeys};
use mynah_wire::voice::{close, op};
use mynah_wire::{EncryptionMode, Ssrc, UserId};
use serde_json::{Value, json};

mod listening;

use super::*;
use crate::{TrackEvent, TrackId, VoiceStatus};

const GUILD: GuildId = GuildId::new(8);
const HERE: ChannelId = ChannelId::new(70);
const THERE: ChannelId = ChannelId::new(71);

struct Rig {
    shell: Shell,
    main: mpsc::Receiver<Command>,
    events: mpsc::Receiver<Event>,
    listens: Arc<watch::Sender<Reasons>>,
    key: mynah_pulse::SessionKey,
    _ears: crate::ear::Ears,
    _pulse: Pulse,
}

impl Rig {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(identity: Option<Arc<Identity>>) -> Self {
        let config = PulseConfig {
            threads: 1,
            fifo: false,
        };
        let pulse = Pulse::start(config).unwrap();
        let mix = MixConfig {
            bitrate_bps: 64_000,
            complexity: 0,
        };
        let (to_main, main) = mpsc::channel(64);
        let (to_events, events) = mpsc::channel(64);
        let (listens, heeds) = watch::channel(Reasons::default());
        let ears = crate::ear::Ears::start(1).unwrap();
        let key = pulse.handle().open(mix).unwrap();
        let setup = VoiceSetup {
            guild_id: GUILD,
            config: Config {
                guild_id: GUILD,
                user_id: UserId::new(90),
                channel_id: HERE,
                allow_legacy_modes: false,
                max_dave_version: 1,
                identity,
                give_up_after: Duration::from_secs(600),
                seed: 1,
            },
            tls: crate::connect::tls(None).unwrap(),
            main: to_main,
            listens: heeds,
            ears: ears.handle(),
            lanes: Arc::new(crate::lanes::Lanes::start().unwrap()),
            key,
            pulse: pulse.handle(),
            crypto: Arc::new(CryptoPool::start().unwrap()),
            events: to_events,
            seed: 1,
            on_end: Box::new(|| {
                vec![Event::Track {
                    guild_id: GUILD,
                    track: TrackId(1),
                    kind: TrackEvent::Stopped,
                }]
            }),
        };
        Self {
            shell: shell(setup),
            main,
            events,
            listens: Arc::new(listens),
            key,
            _ears: ears,
            _pulse: pulse,
        }
    }

    async fn join(&mut self, channel_id: ChannelId) -> oneshot::Receiver<Result<(), VoiceError>> {
        let (done, joined) = oneshot::channel();
        let command = VoiceCommand::Join { channel_id, done };
        self.shell.command(Some(command)).await;
        joined
    }

    /// A connection with which sound can flow.
    async fn connected(&mut self) {
        self.transport().await;
        self.send_with(SenderKeys::Plain).await;
    }

    /// A connection without keys to send with.
    async fn transport(&mut self) {
        self.shell.line.open(([127, 0, 0, 1], 9).into());
        self.shell.line.attach(TransportKeys {
            mode: EncryptionMode::ALL[0],
            secret_key: [1; 32],
            ssrc: Ssrc(1),
        });
        let event = MachineEvent::Connected {
            ssrc: Ssrc(1),
            mode: EncryptionMode::ALL[0],
        };
        self.shell.event(event).await;
        self.shell.arrive(clock::now()).await;
    }

    async fn send_with(&mut self, keys: SenderKeys) {
        self.shell.line.speak(&keys);
        self.shell.arrive(clock::now()).await;
    }

    async fn status(&mut self) -> Option<VoiceStatus> {
        let (done, status) = oneshot::channel();
        let command = VoiceCommand::Status { done };
        self.shell.command(Some(command)).await;
        status.await.ok()
    }

    /// Channels asked for on the main gateway since the last call.
    async fn asked(&mut self) -> Vec<Option<ChannelId>> {
        self.shell.drain().await;
        let mut asked = Vec::new();
        while let Ok(command) = self.main.try_recv() {
            if let Command::VoiceState { channel_id, .. } = command {
                asked.push(channel_id);
            }
        }
        asked
    }

    fn told(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

#[tokio::test]
async fn a_denied_move_can_be_asked_again_and_is_never_taken_for_done() {
    let mut rig = Rig::new();
    assert_eq!(rig.asked().await, [Some(HERE)]);
    rig.connected().await;
    let mut first = rig.join(THERE).await;
    assert_eq!(rig.asked().await, [Some(THERE)]);
    // The old connection was mended meanwhile: we are still here.
    rig.connected().await;
    let told = rig.told();
    let here = |event: &Event| {
        matches!(event, Event::Voice { kind: VoiceEvent::Connected { channel_id }, .. }
            if *channel_id == HERE)
    };
    assert!(told.len() == 2 && told.iter().all(here), "{told:?}");
    assert!(first.try_recv().is_err(), "nobody arrived there");
    let _second = rig.join(THERE).await;
    assert_eq!(rig.asked().await, [Some(THERE)]);
}

#[tokio::test]
async fn a_join_that_another_one_overtook_is_told_so() {
    let mut rig = Rig::new();
    let mut first = rig.join(HERE).await;
    let mut second = rig.join(THERE).await;
    assert_eq!(rig.asked().await, [Some(HERE), Some(THERE)]);
    rig.connected().await;
    assert!(matches!(first.try_recv(), Ok(Err(VoiceError::Ended(_)))));
    assert_eq!(second.try_recv(), Ok(Ok(())));
}

#[tokio::test]
async fn tracks_are_reported_stopped_before_the_session_is_reported_ended() {
    let mut rig = Rig::new();
    rig.shell.end(EndReason::Left).await;
    let order = [rig.events.recv().await, rig.events.recv().await];
    let stopped_then_ended = matches!(
        order,
        [
            Some(Event::Track {
                kind: TrackEvent::Stopped,
                ..
            }),
            Some(Event::Voice {
                kind: VoiceEvent::Ended { .. },
                ..
            })
        ]
    );
    assert!(stopped_then_ended, "{order:?}");
}

#[tokio::test]
async fn a_join_is_answered_when_there_are_keys_to_send_with() {
    let early = [
        SenderKeys::Plain,
        SenderKeys::Unheard,
        SenderKeys::Sealed {
            epoch: 1,
            base: BaseSecret::new([1; 16]),
        },
    ];
    for keys in early {
        let mut rig = Rig::new();
        let mut joined = rig.join(HERE).await;
        rig.transport().await;
        rig.send_with(SenderKeys::Hold).await;
        assert!(joined.try_recv().is_err(), "nothing can be heard yet");
        assert!(rig.told().is_empty());
        rig.send_with(keys.clone()).await;
        assert_eq!(joined.try_recv(), Ok(Ok(())), "{keys:?}");
        let [Event::Voice { kind, .. }] = &rig.told()[..] else {
            panic!("one event");
        };
        assert_eq!(*kind, VoiceEvent::Connected { channel_id: HERE });
        rig.send_with(SenderKeys::Hold).await;
        rig.send_with(SenderKeys::Plain).await;
        assert!(rig.told().is_empty(), "it is told once");
    }
}

#[tokio::test]
async fn a_join_waits_for_keys_no_longer_than_six_seconds() {
    let mut rig = Rig::new();
    let mut joined = rig.join(HERE).await;
    rig.transport().await;
    let begun = clock::now();
    rig.shell.arrive(begun + ARRIVAL / 2).await;
    assert!(joined.try_recv().is_err());
    rig.shell.arrive(begun + ARRIVAL).await;
    assert_eq!(joined.try_recv(), Ok(Ok(())));
}

#[tokio::test]
async fn keys_that_come_before_the_transport_are_kept_and_those_of_a_closed_line_are_not() {
    let mut rig = Rig::new();
    rig.send_with(SenderKeys::Unheard).await;
    assert!(!rig.shell.line.moves());
    rig.transport().await;
    assert!(rig.shell.line.moves());
    rig.shell.line.close();
    assert!(!rig.shell.line.moves());
    rig.transport().await;
    assert!(!rig.shell.line.moves(), "a new line begins with nothing");
}

#[tokio::test]
async fn a_session_that_is_not_connected_has_no_status_and_a_connected_one_tells_where_it_is() {
    let mut rig = Rig::new();
    assert_eq!(rig.status().await, None);
    rig.connected().await;
    let latency = Duration::from_millis(12);
    rig.shell.event(MachineEvent::Latency(latency)).await;
    let status = rig.status().await.unwrap();
    assert_eq!((status.channel_id, status.ssrc), (HERE, Ssrc(1)));
    assert_eq!(status.user_id, UserId::new(90));
    assert_eq!(status.mode, "aead_aes256_gcm_rtpsize");
    assert_eq!(status.latency, Some(latency));
    assert_eq!((status.dave_version, status.epoch), (0, None));
    rig.shell.line.close();
    assert_eq!(rig.status().await, None);
}

#[tokio::test]
async fn a_refusal_for_want_of_encryption_is_told_as_the_end_of_the_bot() {
    let mut rig = Rig::new();
    let mut joined = rig.join(HERE).await;
    let reason = EndReason::Refused {
        code: close::DAVE_REQUIRED,
        meaning: "end-to-end encryption (DAVE) required",
    };
    rig.shell.end(reason).await;
    let told: Vec<_> = std::iter::from_fn(|| rig.events.try_recv().ok()).collect();
    let last = told.last();
    assert!(
        matches!(last, Some(Event::Stopped(StopReason::Fatal { code: 4017, remedy, .. }))
            if remedy.contains("dave = true")),
        "{told:?}"
    );
    assert!(matches!(joined.try_recv(), Ok(Err(VoiceError::Ended(_)))));
}

impl Rig {
    /// Hands one thing to the machine and does what it asks.
    async fn give(&mut self, input: Input<'_>) {
        self.shell.machine.handle(clock::now(), input);
        assert!(matches!(self.shell.drain().await, Drained::Wait(_)));
    }

    async fn text(&mut self, payload: Value) {
        self.give(Input::WsText(&payload.to_string())).await;
    }
}

#[tokio::test]
async fn a_step_of_mls_is_computed_elsewhere_and_its_result_goes_back_into_the_machine() {
    let identity = Arc::new(Identity::generate().unwrap());
    let mut rig = Rig::with(Some(identity));
    let mut joined = rig.join(HERE).await;
    rig.give(Input::StateUpdate {
        channel_id: Some(HERE),
        session_id: "main-session",
    })
    .await;
    rig.give(Input::ServerUpdate {
        token: "token",
        // Nobody is there: what the server says is said here.
        endpoint: Some("127.0.0.1:9"),
    })
    .await;
    rig.give(Input::WsOpened).await;
    rig.text(json!({"op": op::HELLO, "d": {"v": 8, "heartbeat_interval": 13750.0}}))
        .await;
    rig.text(json!({"op": op::READY, "seq": 1, "d": {
        "ssrc": 5, "ip": "127.0.0.1", "port": 9, "modes": ["aead_aes256_gcm_rtpsize"],
    }}))
    .await;
    let discovered = mynah_wire::udp::Discovery::Response {
        ssrc: Ssrc(5),
        address: "198.51.100.4".parse().unwrap(),
        port: 51000,
    };
    rig.give(Input::Datagram(&discovered.write())).await;
    rig.text(json!({"op": op::SESSION_DESCRIPTION, "seq": 2, "d": {
        "mode": "aead_aes256_gcm_rtpsize", "secret_key": vec![7; 32], "dave_protocol_version": 1,
    }}))
    .await;
    assert_eq!(rig.status().await.unwrap().dave_version, 1);
    rig.shell.arrive(clock::now()).await;
    assert!(joined.try_recv().is_err(), "there is no key yet");

    let done = finished(&mut rig.shell.step).await.unwrap();
    rig.shell.machine.handle(clock::now(), Input::Crypto(done));
    let Output::SendBinary(key_package) = rig.shell.machine.poll() else {
        panic!("the server waits for our key package");
    };
    assert_eq!(key_package[0], op::MLS_KEY_PACKAGE);
}

#[tokio::test]
async fn what_the_bot_plays_reaches_those_who_listen_to_its_lanes_and_nobody_else() {
    let mut rig = Rig::new();
    rig.connected().await;
    let lanes = crate::ear::Want {
        lanes: true,
        ..crate::ear::Want::default()
    };
    let stay = Stay::new(rig.listens.clone(), true);
    let (tap, coming) = oneshot::channel();
    rig.shell.open_tap(lanes, tap).await;
    let mut tap = coming.await.unwrap();
    let (mut writer, reader) = mynah_pulse::ring(16);
    for _ in 0..10 {
        assert!(writer.put(|block| {
            let frames = block.chunks_exact_mut(2).enumerate();
            frames.for_each(|(n, frame)| frame.fill((n as f32 * 0.05).sin() * 0.3));
        }));
    }
    writer.finish();
    let options = mynah_pulse::TrackOptions {
        lane: crate::Lane::Notice,
        ..Default::default()
    };
    let track = mynah_pulse::TrackId(1);
    rig._pulse.handle().play(rig.key, track, reader, options);
    let mut packets = Vec::new();
    let all = async {
        // Ten blocks, and what the encoder holds at the end.
        while packets.len() < 11 {
            packets.extend(tap.next().into_iter().flat_map(|heard| heard.packets));
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(waited.is_ok(), "{} packets came", packets.len());
    let first = &packets[0];
    for (n, packet) in packets.iter().enumerate() {
        assert_eq!(packet.user, None);
        assert_eq!(packet.lane, Some(crate::Lane::Notice));
        assert_eq!(packet.sequence, n as u16);
        // More where the tick was late, on a busy machine.
        let since = packet.timestamp.wrapping_sub(first.timestamp);
        assert!(
            since.is_multiple_of(960) && since >= n as u32 * 960,
            "{since}"
        );
    }
    assert!(rig.shell.hearing.records_lanes());
    drop(stay);
    rig.shell.listen().await;
    assert!(!rig.shell.hearing.records_lanes());
}
