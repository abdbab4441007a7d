//! Who may do what, as bot.toml says and as it is changed while the bot runs: DJs, managers of a plugin,
//! blocked people, owners; `mynah plugin reload`, `/bot reload`, SIGHUP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mynah_testkit::{Control, Program, Scene, run};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");

struct Place {
    scene: Scene,
    program: Program,
    control: Control,
    owner: String,
}

impl Place {
    async fn new() -> Self {
        let scene = Scene::new();
        scene.song("long song.wav", 60.0);
        scene.song("other song.wav", 60.0);
        let (program, control) = scene.run(MYNAH);
        let state = control.get("/state").await;
        let owner = state["guilds"][0]["owner_id"].as_str().unwrap().to_owned();
        Self {
            scene,
            program,
            control,
            owner,
        }
    }

    async fn person(&self, name: &str, roles: &[&str]) -> String {
        let body = json!({ "name": name, "roles": roles });
        let user = mynah_testkit::text(&self.control.post("/users", body).await, "user_id");
        self.control.join(&user, self.control.voice_channel()).await;
        user
    }

    /// The id of a role by its name.
    async fn role(&self, name: &str) -> String {
        let state = self.control.get("/state").await;
        let roles = state["guilds"][0]["roles"].as_array().unwrap();
        let role = roles.iter().find(|role| role["name"] == name).unwrap();
        role["id"].as_str().unwrap().to_owned()
    }

    /// `mynah plugin reload` for everything.
    fn reload(&self) -> (i32, String, String) {
        let finished = run(MYNAH, self.scene.path(), &["plugin", "reload"], &[]);
        (finished.code(), finished.stdout, finished.stderr)
    }

    async fn says(&self, user: &str, command: &str, options: Value) -> String {
        self.control.say(user, command, options).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_of_the_file_hold_for_every_plugin_and_change_while_the_bot_runs() {
    let place = Place::new().await;
    let none = json!({});
    let [ann, dj, scribe, rude] = [
        place.person("ann", &[]).await,
        place.person("dj", &["DJs"]).await,
        place.person("scribe", &["Scribes"]).await,
        place.person("rude", &[]).await,
    ];
    let said = place.says(&ann, "play", json!({ "query": "long" })).await;
    assert!(said.contains("long song"), "{said}");
    // Nobody is named: everybody decides, and only those who run the server record.
    let said = place.says(&rude, "volume", json!({ "percent": 90 })).await;
    assert!(said.contains("90"), "{said}");
    let said = place.says(&scribe, "record start", none.clone()).await;
    assert!(said.contains("manage the server"), "{said}");

    let (djs, scribes) = (place.role("DJs").await, place.role("Scribes").await);
    place.scene.config(&format!(
        "[permissions]\ndj_roles = [\"{djs}\"]\nmanager_roles = {{ recorder = [\"{scribes}\"] }}\n\
         blocked_users = [\"{rude}\"]\n[plugins.music]\ndefault_volume = 60\nmax_volume = 60\n"
    ));
    let (code, out, error) = place.reload();
    assert_eq!(code, 0, "{error}");
    assert!(
        out.contains("`music`") && !out.contains("`recorder`"),
        "{out}"
    );

    let said = place.says(&rude, "nowplaying", none.clone()).await;
    assert!(said.contains("do not let you use it"), "{said}");
    let said = place.says(&ann, "volume", json!({ "percent": 50 })).await;
    assert!(said.contains("DJ"), "{said}");
    let said = place.says(&dj, "volume", json!({ "percent": 90 })).await;
    assert!(said.contains("60"), "the new limit counts: {said}");
    let said = place.says(&dj, "volume", json!({ "percent": 50 })).await;
    assert!(said.contains("50"), "{said}");
    let said = place.says(&dj, "record start", none.clone()).await;
    assert!(said.contains("manage the server"), "{said}");
    let said = place.says(&scribe, "record start", none.clone()).await;
    assert!(!said.contains("manage the server"), "{said}");
    let said = place.says(&scribe, "record stop", none.clone()).await;
    assert!(!said.contains("manage the server"), "{said}");
    let said = place.says(&ann, "nowplaying", none.clone()).await;
    assert!(said.contains("long song"), "it plays on: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_reload_from_discord_and_a_wrong_file_changes_nothing() {
    let place = Place::new().await;
    let none = json!({});
    let admin = json!({ "name": "Admins", "permissions": "8" });
    let body = json!({ "name": "admin", "roles": [admin] });
    let admin = mynah_testkit::text(&place.control.post("/users", body).await, "user_id");
    let said = place.says(&admin, "bot reload", none.clone()).await;
    assert!(said.contains("Only the owners"), "{said}");
    let said = place.says(&place.owner, "bot reload", none.clone()).await;
    assert!(said.contains("have changed"), "{said}");

    place
        .scene
        .config("[plugins.music]\nmax_volum = 60\n[permissions]\nblocked_users = [\"1\", \"x\"]\n");
    let said = place.says(&place.owner, "bot reload", none.clone()).await;
    assert!(said.contains("max_volum"), "{said}");
    let (code, _, error) = place.reload();
    assert_eq!(code, 78, "{error}");
    assert!(error.contains("`x` is not an id"), "{error}");

    place
        .scene
        .config("[plugins.music]\ndefault_volume = 60\nmax_volume = 60\n");
    let said = place.says(&place.owner, "bot reload", none.clone()).await;
    assert!(said.contains("`music`"), "{said}");
    let one = json!({ "plugin": "tts" });
    let said = place.says(&place.owner, "bot reload", one).await;
    assert!(said.contains("`tts` runs again"), "{said}");
    let one = json!({ "plugin": "dance" });
    let said = place.says(&place.owner, "bot reload", one).await;
    assert!(said.contains("No plugin `dance`"), "{said}");

    // SIGHUP reads the file again; it is done when the person it blocks is refused.
    let ann = place.person("ann", &[]).await;
    let blocks_ann = format!("[permissions]\nblocked_users = [\"{ann}\"]\n");
    place.scene.config(&blocks_ann);
    place.program.signal("HUP");
    let refused = async {
        while !place
            .says(&ann, "nowplaying", none.clone())
            .await
            .contains("do not let you")
        {}
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), refused).await;
    waited.expect("SIGHUP puts the file into effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_where_the_bot_cannot_go_is_refused_at_once_and_a_stage_is_asked_for() {
    let place = Place::new().await;
    let none = json!({});
    let ann = place.person("ann", &[]).await;
    let channel = async |body: Value| {
        mynah_testkit::text(&place.control.post("/channels", body).await, "channel_id")
    };
    let full = channel(json!({ "name": "booth", "kind": "voice", "user_limit": 1 })).await;
    place.control.join(&ann, &full).await;
    for (command, options) in [
        ("voice join", none.clone()),
        ("play", json!({ "query": "long" })),
        ("say", json!({ "text": "hello" })),
    ] {
        let said = place.says(&ann, command, options).await;
        assert!(said.contains("it is full (1 of 1)"), "{command}: {said}");
    }
    let stage = channel(json!({ "name": "stage", "kind": "stage" })).await;
    place.control.join(&ann, &stage).await;
    let bot = async || {
        let state = place.control.get("/state").await;
        let states = state["voice_states"].as_array().unwrap();
        let bot = states.iter().find(|state| state["simulated"] == false);
        bot.unwrap().clone()
    };
    let said = place.says(&ann, "voice join", none.clone()).await;
    assert!(said.ends_with(&format!("<#{stage}>.")), "{said}");
    assert_eq!(bot().await["suppress"], false, "it stepped up");

    // Another stage, where it may not: it raises its hand instead.
    let hall = channel(json!({ "name": "hall", "kind": "stage" })).await;
    place.control.join(&ann, &hall).await;
    let route = format!(
        "PATCH /guilds/{}/voice-states/@me",
        place.control.guild_id()
    );
    let refuses = json!({ "route": route, "status": 403, "times": 1 });
    let fault = json!({ "scope": { "all": true }, "rest": refuses });
    place.control.fault(fault).await;
    let options = json!({ "channel": hall });
    let said = place.says(&place.owner, "voice move", options).await;
    assert!(said.contains("raised my hand"), "{said}");
    let said = place.says(&ann, "voice status", none.clone()).await;
    assert!(said.contains("audience of this stage"), "{said}");
    let bot = bot().await;
    assert_eq!(bot["suppress"], true, "{bot}");
    assert!(bot["request_to_speak_timestamp"].is_string(), "{bot}");

    let quiet = channel(json!({ "name": "quiet", "kind": "voice" })).await;
    let options = json!({ "channel": quiet });
    let said = place.says(&ann, "voice move", options.clone()).await;
    assert!(said.contains("takes the permission to move"), "{said}");
    let said = place.says(&place.owner, "voice move", options).await;
    assert!(said.contains("Moved to"), "{said}");
    let state = place.control.get("/state").await;
    let bots = state["bots"].as_array().unwrap();
    let body = json!({ "user_id": bots[0]["user_id"], "mute": true });
    place.control.post("/voice/state", body).await;
    let said = place.says(&ann, "voice status", none).await;
    assert!(said.contains("a moderator has muted me"), "{said}");
}
