//! A bot without plugins on the embedded server, both in this process: broadcasts to several guilds,
//! and music that steps back for people who talk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;

use mynah::CrowdOfUsers;
use mynah::engine::{
    Alone, Bot, BotConfig, BroadcastId, BroadcastOptions, DuckMatrix, Event, EventStream, Lane,
    PlayError, PlayOptions, PlayWhat, Repeat, TrackEvent, VoiceError,
};
use mynah::server::{Server, ServerConfig};
use mynah_audio::{level, measure};
use mynah_testkit::{Control, Heard, Scene, text};
use mynah_wire::{ChannelId, GuildId};
use serde_json::json;

/// The listener's recording may begin this long before the music.
const LAG: usize = 5 * 48_000;

/// A bot in voice in so many guilds, each with one person who listens.
struct Town {
    scene: Scene,
    server: Server,
    control: Control,
    bot: Bot,
    events: EventStream,
    guilds: Vec<(GuildId, ChannelId, String)>,
}

impl Town {
    async fn new(guilds: usize, settings: impl FnOnce(&mut BotConfig)) -> Self {
        let scene = Scene::new();
        let server = Server::start(ServerConfig::new(scene.path()))
            .await
            .unwrap();
        server.set_crowd(Arc::new(CrowdOfUsers::of(&server).unwrap()));
        let ready = server.ready();
        let control = Control::at(&serde_json::to_value(&ready).unwrap());
        let mut made = Vec::new();
        for n in 0..guilds {
            let guild = json!({ "name": format!("Guild {n}") });
            let guild = text(&control.post("/guilds", guild).await, "guild_id");
            let channel = json!({ "guild_id": guild, "name": "Room", "kind": "voice" });
            let channel = text(&control.post("/channels", channel).await, "channel_id");
            let listener = control.user(&format!("listener{n}")).await;
            control.join(&listener, &channel).await;
            made.push((guild.parse().unwrap(), channel.parse().unwrap(), listener));
        }
        let mut config = BotConfig::new(ready.bots[0].token.clone(), ready.api.clone());
        config.ca_pem = Some(server.voice().ca_pem().to_vec());
        config.cache_dir = scene.path().join("cache");
        config.complexity = 5;
        settings(&mut config);
        let (bot, events) = Bot::start(config).await.unwrap();
        for (guild, channel, _) in &made {
            bot.join(*guild, *channel).await.unwrap();
        }
        Self {
            scene,
            server,
            control,
            bot,
            events,
            guilds: made,
        }
    }

    fn guild(&self, n: usize) -> GuildId {
        self.guilds[n].0
    }

    /// What the person in a guild hears of the bot.
    async fn hear(&self, n: usize, seconds: f64) -> Vec<f32> {
        let me = self.bot.user_id().to_string();
        let listener = &self.guilds[n].2;
        samples(&self.control.hear(listener, seconds, "wav", Some(&me)).await)
    }

    async fn close(self) {
        self.bot.shutdown().await;
        self.server.stop().await;
    }
}

fn samples(heard: &Heard) -> Vec<f32> {
    let bytes = heard.bytes.clone();
    let options = mynah_media::OpenOptions::default();
    let mut media = mynah_media::open_bytes("heard.wav", bytes, &options).unwrap();
    let mut samples = Vec::new();
    let mut block = [0.0; mynah_audio::SAMPLES];
    loop {
        match media.read(&mut block).unwrap() {
            mynah_media::Read::Full => samples.extend_from_slice(&block),
            mynah_media::Read::Last(frames) => {
                samples.extend_from_slice(&block[..frames * 2]);
                return samples;
            }
            mynah_media::Read::End => return samples,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_is_encoded_once_and_heard_whole_wherever_it_is_tuned_in() {
    let mut town = Town::new(3, |_| {}).await;
    let (_, source) = town.scene.song("sweep.wav", 4.0);
    let path = town.scene.path().join("music/sweep.wav");
    let options = BroadcastOptions {
        alone: Alone::Wait,
        ..BroadcastOptions::default()
    };
    let radio = town.bot.open_broadcast(options).unwrap();
    for n in [0, 1] {
        town.bot.tune(town.guild(n), Some(radio)).unwrap();
    }
    let mut there = town.bot.listeners(radio);
    there.sort();
    assert_eq!(there, [town.guild(0), town.guild(1)]);

    let paused = PlayOptions {
        paused: true,
        ..PlayOptions::default()
    };
    let song = PlayWhat::Path(path.clone());
    let track = town.bot.play_on(radio, song.clone(), paused).await.unwrap();
    assert_eq!(town.bot.broadcast_tracks(radio), [track]);
    let before = town.bot.tick_stats().frames_encoded;
    let (one, other, elsewhere, ()) = tokio::join!(
        town.hear(0, 7.0),
        town.hear(1, 7.0),
        town.hear(2, 7.0),
        async { town.bot.resume(track).unwrap() }
    );
    for heard in [&one, &other] {
        let compared = measure::compare(&source, heard, LAG).expect("it is in the recording");
        assert!(compared.frames.is_clean(), "{:?}", compared.frames);
        assert!(compared.snr_db > 20.0, "{compared:?}");
    }
    assert!(level::is_silent(&elsewhere), "nobody tuned in there");
    let encoded = town.bot.tick_stats().frames_encoded - before;
    assert!((195..=205).contains(&encoded), "{encoded} for 200 blocks");

    // Over one of the guilds lies a sound of its own, and goes again.
    let radio_song = town
        .bot
        .play_on(radio, song.clone(), PlayOptions::default());
    let radio_song = radio_song.await.unwrap();
    let speech = PlayOptions {
        lane: Lane::Speech,
        ..PlayOptions::default()
    };
    let own = town.bot.play(town.guild(0), song, speech).await.unwrap();
    town.bot.set_gain(radio_song, 0.5).unwrap();
    town.bot.stop(own).unwrap();
    assert!(town.bot.position(radio_song).is_some());

    // Leaving voice is leaving the broadcast.
    town.bot.leave(town.guild(0)).await;
    assert_eq!(town.bot.tuned(town.guild(0)), None);
    assert_eq!(town.bot.listeners(radio), [town.guild(1)]);
    town.bot.end_broadcast(radio).unwrap();
    let mut told = Vec::new();
    while !told.contains(&(radio_song, TrackEvent::Stopped)) {
        if let Some(Event::Broadcast {
            broadcast,
            track,
            kind,
        }) = town.events.next().await
        {
            assert_eq!(broadcast, radio);
            told.push((track, kind));
        }
    }
    assert_eq!(
        told[..2],
        [(track, TrackEvent::Started), (track, TrackEvent::Ended)]
    );

    // Errors say what is wrong.
    let nowhere = town.bot.tune(town.guild(0), None).unwrap_err();
    let expected = VoiceError::NotConnected(town.guild(0));
    assert!(matches!(nowhere, PlayError::Voice(error) if error == expected));
    for gone in [radio, BroadcastId(99)] {
        let error = town.bot.tune(town.guild(1), Some(gone)).unwrap_err();
        assert!(error.to_string().contains(&gone.to_string()), "{error}");
        let error = town.bot.end_broadcast(gone).unwrap_err();
        assert!(matches!(error, PlayError::UnknownBroadcast(_)));
    }
    let what = PlayWhat::Path(town.scene.path().join("music/none.wav"));
    let missing = town.bot.broadcast(what, PlayOptions::default()).await;
    assert!(matches!(missing, Err(PlayError::Media(_))), "{missing:?}");
    town.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn music_steps_back_while_a_person_talks_and_comes_back_after() {
    let town = Town::new(1, |config| {
        config.duck = DuckMatrix::HOUSE.with_human(-12.0);
    })
    .await;
    let hum: Vec<f32> = (0..96_000)
        .flat_map(|n| [0.2 * (n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin(); 2])
        .collect();
    let path = town.scene.wav("hum.wav", &hum);
    let again = PlayOptions {
        repeat: Repeat::Forever,
        ..PlayOptions::default()
    };
    let speaker = town.control.user("speaker").await;
    let (guild, channel, _) = &town.guilds[0];
    town.control.join(&speaker, &channel.to_string()).await;
    town.bot
        .play(*guild, PlayWhat::Path(path), again)
        .await
        .unwrap();
    let says = json!({
        "user_id": speaker, "wait": true, "tone": { "hz": 1000, "seconds": 2.0 },
    });
    let (heard, _) = tokio::join!(town.hear(0, 7.0), town.control.post("/voice/say", says));
    // 100 ms each.
    let loud: Vec<f32> = heard
        .chunks_exact(9600)
        .map(|piece| level::db_from_gain(level::rms(piece)))
        .collect();
    let usual = loud[loud.len() - 20..]
        .iter()
        .copied()
        .fold(f32::MAX, f32::min);
    assert!(
        (-18.5..-15.5).contains(&usual),
        "undisturbed at the end: {loud:?}"
    );
    let low = loud
        .iter()
        .filter(|db| (usual - 13.0..usual - 11.0).contains(*db));
    let low = low.count();
    assert!(
        (14..=24).contains(&low),
        "{low} tenths of a second: {loud:?}"
    );
    // Not any more when nobody is to matter.
    town.bot.duck(*guild, DuckMatrix::HOUSE).unwrap();
    town.close().await;
}
