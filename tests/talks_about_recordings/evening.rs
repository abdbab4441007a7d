//! A server with people, a bot that can be killed, and what they say to each other.

use std::ops::Deref;
use std::path::Path;

use mynah_audio::{Encoder, EncoderConfig, SILENT_BLOCK};
use mynah_recorder::core::recording::{Limits, Plan, Recording};
use mynah_recorder::core::timeline::Arrived;
use mynah_testkit::{Bot, Control, Program, Scene, Talk, Used, text};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// A recording so long that its export is still being made when somebody calls it off.
const LONG_MINUTES: u64 = 20;
/// A server with people, and a bot beside it.
pub struct Evening {
    talk: Talk,
    pub bot: Bot,
    _server: Program,
}

impl Evening {
    pub async fn new(home: &Scene) -> Self {
        let server = Bot::server(MYNAH, home);
        let control = Control::of(&server);
        let body = json!({ "name": "scribe", "roles": ["Scribes"] });
        let scribe = text(&control.post("/users", body).await, "user_id");
        let state = control.get("/state").await;
        let guild = &state["guilds"][0];
        let roles = guild["roles"].as_array().unwrap();
        let role = roles.iter().find(|role| role["name"] == "Scribes").unwrap();
        // The recorder alone, so that all commands but the host's are its own.
        let settings = format!(
            "[plugins.music]\nenabled = false\n[plugins.soundboard]\nenabled = false\n\
             [plugins.tts]\nenabled = false\n[plugins.recorder]\nroles = [{}]\n",
            role["id"],
        );
        let mut bot = Bot::beside(&server, MYNAH, &settings);
        // `boss` manages the server and `scribe` has the role that may record, both in no voice channel;
        // `ann` and `bob` are in the channel that is recorded, `eve` is in another one, `dan` in none.
        let people = vec![
            ("boss", text(guild, "owner_id")),
            ("scribe", scribe),
            ("ann", control.user_in_voice("ann").await),
            ("bob", control.user_in_voice("bob").await),
            ("eve", control.user("eve").await),
            ("dan", control.user("dan").await),
        ];
        let other = server.ready_text("/voice_channel_ids/1");
        control.join(&people[4].1, other).await;
        long_recording(
            &bot.scene.path().join("data/recordings"),
            control.guild_id(),
        );
        bot.start();
        Self {
            talk: Talk::of(control, people, "record", "recorder:"),
            bot,
            _server: server,
        }
    }

    /// The Note button, and its dialog filled in.
    pub async fn notes(&self, how: Used, who: &str, panel: &str, words: &str) -> Value {
        let dialog = self.presses(how, who, panel, "note").await;
        assert!(dialog.to_string().contains("Mark this moment"), "{dialog}");
        let body = json!({
            "user_id": self.id(who), "interaction_id": dialog["interaction_id"],
            "values": { "text": words },
        });
        self.control.post("/modals", body).await
    }

    /// What is recorded now: its id, and the panel's message.
    pub async fn running(&self) -> (String, String) {
        let boss = self.id("boss");
        let status = self.control.say(boss, "record status", json!({})).await;
        let id = status.rsplit('`').nth(1);
        let id = id.unwrap_or_else(|| panic!("no id: {status}"));
        let panel = self.message(&[&format!("`{id}`"), "recorder:stop"]).await;
        (id.to_owned(), text(&panel, "id"))
    }

    /// Somebody hums.
    pub async fn hums(&self, who: &str) {
        let tone = json!({ "hz": 440, "seconds": 0.6, "dbfs": -12 });
        let body = json!({ "user_id": self.id(who), "tone": tone, "wait": true });
        self.control.post("/voice/say", body).await;
    }
}

impl Deref for Evening {
    type Target = Talk;

    fn deref(&self) -> &Talk {
        &self.talk
    }
}

/// A finished recording by somebody else, in which nobody says anything for a long time.
fn long_recording(root: &Path, guild: &str) {
    let plan = Plan {
        id: "long".to_owned(),
        guild: guild.parse().unwrap(),
        channel: 1,
        starter: 1,
        title: "All evening".to_owned(),
        consent: "notice".to_owned(),
        previous: None,
        // Far ahead, so that it is never old enough to be thrown away.
        started_ms: 4_000_000_000_000,
        limits: Limits::default(),
    };
    let mut recording = Recording::begin(root, plan).unwrap();
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut packet = [0; 1400];
    let length = encoder.encode(&SILENT_BLOCK, &mut packet).unwrap();
    for number in 0..LONG_MINUTES * 60 * 50 {
        let arrived = Arrived {
            ssrc: 1,
            seq: number as u16,
            rtp: number as u32 * 960,
            arrival_us: number * 20_000,
            payload: packet[..length].to_vec(),
        };
        recording.packet(1, "Ada", arrived).unwrap();
    }
    let end = LONG_MINUTES * 60 * 1_000_000;
    recording.finish(end, end / 1_000, "done").unwrap();
}
