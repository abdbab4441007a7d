//! Simulated users against the real voice server: two independent readings of the protocol meet on
//! loopback, over real TLS and UDP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use mynah_audio::measure::tone_db;
use mynah_server::voice::{DavePolicy, Flags, Grant, Scope, UdpFault, VoiceConfig, VoiceServer};
use mynah_users::{
    Error, HearFormat, HearRequest, Heard, KeyLosses, SayReport, SayRequest, SayWhat, TicketOffice,
    Users, VoiceTicket,
};
use mynah_wire::{ChannelId, GuildId, Secret, UserId};

const GUILD: GuildId = GuildId::new(80);
const ROOM: ChannelId = ChannelId::new(70);
const OTHER_ROOM: ChannelId = ChannelId::new(71);
/// End-to-end encrypted; the others are not.
const SEALED_ROOM: ChannelId = ChannelId::new(72);
const ALICE: UserId = UserId::new(50);
const BOB: UserId = UserId::new(51);
const CAROL: UserId = UserId::new(52);

struct Town {
    server: Arc<VoiceServer>,
    users: Users,
    _data: tempfile::TempDir,
}

impl Town {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = VoiceServer::start(VoiceConfig {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            legacy_modes: false,
            data_dir: data.path().to_owned(),
            seed: 1,
        })
        .await
        .unwrap();
        let users = Users::new(server.ca_pem()).unwrap();
        Self {
            server: Arc::new(server),
            users,
            _data: data,
        }
    }

    /// With a main gateway that gives out new credentials for [`SEALED_ROOM`].
    async fn with_office() -> Self {
        let town = Self::new().await;
        let server = Arc::clone(&town.server);
        let office = TicketOffice::new(move |_, user_id| {
            let ticket = ticket(&server, user_id, SEALED_ROOM, "renewed");
            grant(&server, &ticket);
            Some(ticket)
        });
        let users = Users::with_office(town.server.ca_pem(), Some(office)).unwrap();
        Self { users, ..town }
    }

    fn ticket(&self, user_id: UserId, channel_id: ChannelId, token: &str) -> VoiceTicket {
        ticket(&self.server, user_id, channel_id, token)
    }

    /// What the main gateway does when somebody joins: permission first, then the ticket.
    async fn join(&self, user_id: UserId, channel_id: ChannelId) {
        let ticket = self.ticket(user_id, channel_id, &format!("{user_id}-{channel_id}"));
        grant(&self.server, &ticket);
        self.users.join(ticket).await.unwrap();
    }

    async fn hear(&self, who: UserId, seconds: f64, from: Option<UserId>) -> Heard {
        let format = HearFormat::WavFloat;
        let request = HearRequest {
            seconds,
            from,
            format,
        };
        self.users.hear(who, request).await.unwrap()
    }

    async fn say(&self, who: UserId, hz: f64, seconds: f64) -> SayReport {
        let request = SayRequest {
            skew_ppm: 0.0,
            what: SayWhat::Tone {
                hz,
                seconds,
                dbfs: -12.0,
            },
            looped: false,
            wait: true,
        };
        self.users.say(who, request).await.unwrap()
    }
}

fn ticket(
    server: &VoiceServer,
    user_id: UserId,
    channel_id: ChannelId,
    token: &str,
) -> VoiceTicket {
    VoiceTicket {
        guild_id: GUILD,
        channel_id,
        user_id,
        session_id: format!("session-{user_id}"),
        token: Secret::new(token),
        endpoint: server.endpoint(),
    }
}

fn grant(server: &VoiceServer, ticket: &VoiceTicket) {
    server.grant(Grant {
        guild_id: ticket.guild_id,
        channel_id: ticket.channel_id,
        user_id: ticket.user_id,
        session_id: ticket.session_id.clone(),
        token: ticket.token.clone(),
        dave: match ticket.channel_id {
            SEALED_ROOM => DavePolicy::Required,
            _ => DavePolicy::Off,
        },
    });
}

/// Five seconds of 440 Hz.
fn tone(looped: bool, wait: bool) -> SayRequest {
    SayRequest {
        skew_ppm: 0.0,
        what: SayWhat::Tone {
            hz: 440.0,
            seconds: 5.0,
            dbfs: -12.0,
        },
        looped,
        wait,
    }
}

/// Left channel.
fn samples(heard: &Heard) -> Vec<f32> {
    let wav = mynah_media::wav::read(&heard.bytes).unwrap();
    wav.samples.iter().step_by(2).copied().collect()
}

fn rms(samples: &[f32], from_s: f64, to_s: f64) -> f32 {
    let at = |s: f64| (s * 48_000.0) as usize;
    mynah_audio::level::rms(&samples[at(from_s)..at(to_s)])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_says_the_other_hears_to_the_packet() {
    let town = Town::new().await;
    town.join(ALICE, ROOM).await;
    town.join(BOB, ROOM).await;
    let ogg = town.users.hear(
        BOB,
        HearRequest {
            seconds: 2.0,
            from: Some(ALICE),
            format: HearFormat::Ogg,
        },
    );
    let (heard, ogg, alone, said) = tokio::join!(
        town.hear(BOB, 2.0, None),
        ogg,
        town.hear(ALICE, 2.0, None),
        town.say(ALICE, 440.0, 1.0)
    );
    assert_eq!(said.packets, Some(55), "fifty of sound, five of silence");
    assert_eq!((heard.stats.packets, heard.stats.lost), (55, 0));
    let sound = samples(&heard);
    assert_eq!(sound.len(), 96_000);
    let begin = heard.stats.first_packet_us.unwrap() as f64 / 1e6;
    // -12 dBFS peak is -15 dB RMS.
    assert!((rms(&sound, begin + 0.1, begin + 0.9) - 0.1776).abs() < 0.01);
    assert!(rms(&sound, begin + 1.2, 2.0) < 1e-3);
    assert_eq!(alone.stats.packets, 0, "nobody hears himself");
    assert_eq!(ogg.unwrap().stats.packets, 55);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_speakers_are_mixed_and_can_be_told_apart() {
    let town = Town::new().await;
    for user in [ALICE, BOB, CAROL] {
        town.join(user, ROOM).await;
    }
    let (both, one, _, _) = tokio::join!(
        town.hear(CAROL, 1.5, None),
        town.hear(CAROL, 1.5, Some(BOB)),
        town.say(ALICE, 500.0, 1.0),
        town.say(BOB, 2000.0, 1.0)
    );
    let middle = |heard: &Heard| samples(heard)[24_000..43_200].to_vec();
    let (both, one) = (middle(&both), middle(&one));
    let (alice, bob) = (tone_db(&both, 500.0), tone_db(&both, 2000.0));
    assert!((alice - bob).abs() < 1.5, "{alice} {bob}");
    assert!(tone_db(&one, 2000.0) - tone_db(&one, 500.0) > 40.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_survives_loss_jitter_and_a_crashed_voice_socket() {
    let town = Town::new().await;
    town.join(ALICE, ROOM).await;
    town.join(BOB, ROOM).await;
    town.users.say(ALICE, tone(true, false)).await.unwrap();

    // A voice socket closed with 4015 resumes, and no packet is lost meanwhile.
    let everybody = Scope::default();
    let (heard, ()) = tokio::join!(town.hear(BOB, 1.5, None), async {
        town.hear(BOB, 0.3, None).await;
        town.server.close_sockets(everybody, 4015, false);
    });
    assert_eq!(heard.stats.lost, 0);
    // 75 fit in; a busy machine may send the last ones a little later.
    assert!(heard.stats.packets >= 60, "{:?}", heard.stats);

    let fault = UdpFault {
        loss: 0.2,
        jitter_ms: 30.0,
        ..UdpFault::default()
    };
    town.server.set_udp_fault(1, everybody, fault);
    let heard = town.hear(BOB, 2.0, None).await;
    assert!((10..60).contains(&heard.stats.lost), "{:?}", heard.stats);
    assert!(
        heard.stats.jitter_ms > 3.0 && heard.stats.late > 3,
        "{:?}",
        heard.stats
    );
    // Holes are concealed: sound all the way.
    let sound = samples(&heard);
    for tenth in 1..19 {
        let from = f64::from(tenth) / 10.0;
        assert!(rms(&sound, from, from + 0.1) > 0.03, "at {from} s");
    }
    town.server.clear_fault(1);

    // A session the server has forgotten needs a new ticket; with it, all is well again.
    town.server.close_sockets(everybody, 4006, true);
    town.join(BOB, ROOM).await;
    town.join(ALICE, ROOM).await;
    town.say(ALICE, 440.0, 0.1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_by_the_server_comes_back_with_a_new_ticket() {
    let town = Town::with_office().await;
    town.join(ALICE, SEALED_ROOM).await;
    town.join(BOB, SEALED_ROOM).await;
    town.users.say(ALICE, tone(true, false)).await.unwrap();
    town.server.close_sockets(Scope::default(), 4006, true);
    let heard = town.hear(BOB, 6.0, None).await;
    assert!(rms(&samples(&heard), 5.0, 6.0) > 0.1, "{:?}", heard.stats);
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_takes_speech_and_ears_along() {
    let town = Town::new().await;
    town.join(ALICE, ROOM).await;
    town.join(BOB, OTHER_ROOM).await;
    let (heard, ()) = tokio::join!(town.hear(BOB, 2.0, None), async {
        town.users.say(ALICE, tone(true, false)).await.unwrap();
        town.join(ALICE, OTHER_ROOM).await;
    });
    assert!(
        (60..=100).contains(&heard.stats.packets),
        "{:?}",
        heard.stats
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn muting_and_deafening_work_at_the_user_too() {
    let town = Town::new().await;
    town.join(ALICE, ROOM).await;
    town.join(BOB, ROOM).await;
    town.users.set_flags(ALICE, true, false);
    let request = tone(true, false);
    let (heard, said) = tokio::join!(town.hear(BOB, 0.5, None), town.users.say(ALICE, request));
    assert!(said.is_ok(), "a muted mouth speaks unheard: {said:?}");
    assert_eq!(heard.stats.packets, 0);
    town.users.set_flags(ALICE, false, false);
    assert!(town.hear(BOB, 0.5, None).await.stats.packets > 15);
    // The server's own flags: a deafened member gets nothing.
    let deaf = Flags {
        self_deaf: true,
        ..Flags::default()
    };
    town.server.set_flags(GUILD, BOB, deaf);
    assert!(town.hear(BOB, 0.5, None).await.stats.packets < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_things_are_said_clearly() {
    let town = Town::new().await;
    let error = town.users.say(ALICE, tone(false, false)).await.unwrap_err();
    assert!(matches!(error, Error::NotInVoice(ALICE)));
    assert!(error.remedy().contains("join"));

    // Not granted: the server refuses the token, and the reason says so.
    let error = town
        .users
        .join(town.ticket(ALICE, ROOM, "wrong"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Join { .. }), "{error}");
    assert!(error.to_string().contains("closed with 40"), "{error}");

    town.join(ALICE, ROOM).await;
    let error = town.users.say(ALICE, tone(true, true)).await.unwrap_err();
    assert!(matches!(error, Error::EndlessWait));
    let text = tempfile::NamedTempFile::with_suffix(".mp3").unwrap();
    std::fs::write(text.path(), "this is a letter, not a song\n".repeat(50)).unwrap();
    let request = SayRequest {
        skew_ppm: 0.0,
        what: SayWhat::Path(text.path().to_owned()),
        looped: false,
        wait: false,
    };
    let error = town.users.say(ALICE, request).await.unwrap_err();
    assert!(matches!(error, Error::Media(_)), "{error}");

    // A kick ends what is being heard, and says so.
    let request = HearRequest {
        seconds: 30.0,
        from: None,
        format: HearFormat::Wav,
    };
    let (heard, ()) = tokio::join!(town.users.hear(ALICE, request), async {
        town.hear(ALICE, 0.2, None).await;
        town.server.revoke(GUILD, ALICE, 4014);
    });
    assert!(matches!(heard, Err(Error::Ended { .. })), "{heard:?}");
    assert!(!town.users.is_in_voice(ALICE));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_sealed_room_the_first_word_is_heard_and_all_see_the_same_code() {
    let town = Town::new().await;
    town.join(ALICE, SEALED_ROOM).await;
    let alone = town.say(ALICE, 440.0, 0.2).await;
    assert_eq!(
        alone.packets,
        Some(0),
        "there is no key, and nobody to hear"
    );
    for newcomer in [BOB, CAROL] {
        town.join(newcomer, SEALED_ROOM).await;
        let (heard, said) =
            tokio::join!(town.hear(ALICE, 2.0, None), town.say(newcomer, 440.0, 1.0));
        assert_eq!(said.packets, Some(55), "fifty of sound, five of silence");
        assert_eq!((heard.stats.packets, heard.stats.lost), (55, 0));
        assert_eq!(heard.stats.lost_to_keys, KeyLosses::default());
        let begin = heard.stats.first_packet_us.unwrap() as f64 / 1e6;
        // -12 dBFS peak is -15 dB RMS.
        let level = rms(&samples(&heard), begin + 0.1, begin + 0.9);
        assert!((level - 0.1776).abs() < 0.01, "{level}");
    }
    let seen = [ALICE, BOB, CAROL].map(|user| town.users.privacy(user).unwrap());
    for privacy in &seen {
        assert_eq!((privacy.version, privacy.epoch), (1, Some(2)));
        assert_eq!(privacy.code.as_ref().unwrap().len(), 30);
        assert_eq!(privacy.code, seen[0].code);
        assert_eq!(privacy.members, [ALICE, BOB, CAROL]);
    }
    assert_ne!(seen[0].fingerprint, seen[1].fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_sealed_room_comings_goings_and_crashes_cost_no_packet() {
    let town = Town::new().await;
    town.join(ALICE, SEALED_ROOM).await;
    town.join(BOB, SEALED_ROOM).await;
    town.users.say(ALICE, tone(true, false)).await.unwrap();
    let (heard, ()) = tokio::join!(town.hear(BOB, 5.0, Some(ALICE)), async {
        for _ in 0..3 {
            town.join(CAROL, SEALED_ROOM).await;
            town.hear(CAROL, 0.3, None).await;
            town.users.leave(CAROL).await;
        }
        town.server.close_sockets(Scope::default(), 4015, false);
    });
    assert_eq!(heard.stats.lost, 0, "{:?}", heard.stats);
    assert_eq!(heard.stats.lost_to_keys, KeyLosses::default());
    assert!(heard.stats.max_gap_ms < 500.0, "{:?}", heard.stats);
    let epoch = town.users.privacy(BOB).unwrap().epoch;
    assert!(epoch >= Some(4), "three joins were three epochs: {epoch:?}");
}
