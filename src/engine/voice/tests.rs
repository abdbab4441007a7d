//! The shell's own decisions, without a socket.

use mynah_pulse::{MixConfig, Pulse, PulseConfig};
use mynah_session::gateway::Command;
use mynah_wire::{EncryptionMode, Ssrc, UserId};

use super::*;
use crate::{TrackEvent, TrackId};

const GUILD: GuildId = GuildId::new(8);
const HERE: ChannelId = ChannelId::new(70);
const THERE: ChannelId = ChannelId::new(71);

struct Rig {
    shell: Shell,
    main: mpsc::Receiver<Command>,
    events: mpsc::Receiver<Event>,
    _pulse: Pulse,
}

impl Rig {
    fn new() -> Self {
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
        let setup = VoiceSetup {
            guild_id: GUILD,
            config: Config {
                guild_id: GUILD,
                user_id: UserId::new(90),
                channel_id: HERE,
                allow_legacy_modes: false,
                max_dave_version: 0,
                give_up_after: Duration::from_secs(600),
                seed: 1,
            },
            tls: crate::connect::tls(None).unwrap(),
            main: to_main,
            key: pulse.handle().open(mix).unwrap(),
            pulse: pulse.handle(),
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
            _pulse: pulse,
        }
    }

    async fn join(&mut self, channel_id: ChannelId) -> oneshot::Receiver<Result<(), VoiceError>> {
        let (done, joined) = oneshot::channel();
        let command = VoiceCommand::Join { channel_id, done };
        self.shell.command(Some(command)).await;
        joined
    }

    async fn connected(&mut self) {
        let event = MachineEvent::Connected {
            ssrc: Ssrc(1),
            mode: EncryptionMode::ALL[0],
        };
        self.shell.event(event).await;
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
    rig.shell.end("on purpose".to_owned()).await;
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
