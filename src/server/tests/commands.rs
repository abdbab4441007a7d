//! Application commands over REST.

use serde_json::{Value, json};

use super::rig::{Rig, body};

fn global(rig: &Rig) -> String {
    format!("/applications/{}/commands", rig.bot())
}

fn slash(name: &str) -> Value {
    json!({"name": name, "description": "does something"})
}

#[test]
fn bulk_overwrite_replaces_and_keeps_ids_by_name() {
    let mut rig = Rig::new();
    let path = global(&rig);
    let first = body(
        rig.rest("PUT", &path, json!([slash("play"), slash("stop")])),
        200,
    );
    let second = body(
        rig.rest("PUT", &path, json!([slash("play"), slash("skip")])),
        200,
    );
    let find = |list: &Value, name: &str| {
        list.as_array()
            .unwrap()
            .iter()
            .find(|c| c["name"] == name)
            .cloned()
    };
    let (old, new) = (
        find(&first, "play").unwrap(),
        find(&second, "play").unwrap(),
    );
    assert_eq!(old["id"], new["id"]);
    assert_ne!(old["version"], new["version"]);
    assert!(find(&second, "stop").is_none());
    assert_eq!(body(rig.rest("GET", &path, Value::Null), 200), second);
}

#[test]
fn guild_and_global_commands_are_separate() {
    let mut rig = Rig::new();
    let guild = format!(
        "/applications/{}/guilds/{}/commands",
        rig.bot(),
        rig.guild()
    );
    let listed = body(rig.rest("PUT", &guild, json!([slash("here")])), 200);
    assert_eq!(listed[0]["guild_id"], rig.guild().to_string());
    assert_eq!(
        body(rig.rest("GET", &global(&rig), Value::Null), 200),
        json!([])
    );
}

#[test]
fn one_command_is_created_overwritten_changed_and_removed() {
    let mut rig = Rig::new();
    let path = global(&rig);
    let created = body(rig.rest("POST", &path, slash("play")), 201);
    let again = body(rig.rest("POST", &path, slash("play")), 200);
    assert_eq!(created["id"], again["id"]);
    let one = format!("{path}/{}", created["id"].as_str().unwrap());
    let changed = body(rig.rest("PATCH", &one, json!({"description": "new"})), 200);
    assert_eq!(
        (&changed["description"], &changed["name"]),
        (&json!("new"), &json!("play"))
    );
    body(rig.rest("POST", &path, slash("stop")), 201);
    assert_eq!(
        body(rig.rest("PATCH", &one, json!({"name": "stop"})), 400)["code"],
        40041
    );
    rig.pass(30.0);
    assert_eq!(rig.rest("DELETE", &one, Value::Null).status, 204);
    assert_eq!(body(rig.rest("GET", &one, Value::Null), 404)["code"], 10063);
}

#[test]
fn mistakes_are_named_by_index_and_field() {
    let mut rig = Rig::new();
    let path = global(&rig);
    let wrong = json!([slash("good"), {"name": "Bad Name", "description": ""}]);
    let errors = body(rig.rest("PUT", &path, wrong), 400)["errors"].clone();
    assert_eq!(
        errors["1"]["name"]["_errors"][0]["code"],
        "APPLICATION_COMMAND_INVALID_NAME"
    );
    assert_eq!(
        errors["1"]["description"]["_errors"][0]["code"],
        "BASE_TYPE_BAD_LENGTH"
    );
    assert!(errors.get("0").is_none());
    assert_eq!(
        body(rig.rest("GET", &path, Value::Null), 200),
        json!([]),
        "nothing was kept"
    );
}

#[test]
fn a_hundred_and_one_commands_are_too_many() {
    let mut rig = Rig::new();
    let many: Vec<Value> = (0..101).map(|n| slash(&format!("c{n}"))).collect();
    let path = global(&rig);
    assert_eq!(
        body(rig.rest("PUT", &path, json!(many)), 400)["code"],
        50035
    );
    body(rig.rest("PUT", &path, json!(many[..100])), 200);
    assert_eq!(
        body(rig.rest("POST", &path, slash("more")), 400)["code"],
        30032
    );
}

#[test]
fn another_applications_commands_are_not_ones_own() {
    let mut rig = Rig::new();
    let other = rig.realm.make_bot("other", None, true);
    let reply = rig.rest(
        "GET",
        &format!("/applications/{other}/commands"),
        Value::Null,
    );
    assert_eq!(body(reply, 403)["code"], 20012);
}

#[test]
fn names_in_other_languages_follow_the_same_rules() {
    let mut rig = Rig::new();
    let path = global(&rig);
    let mut good = slash("dice");
    good["name_localizations"] = json!({ "de": "würfel" });
    good["description_localizations"] = Value::Null;
    let kept = body(rig.rest("PUT", &path, json!([good])), 200);
    assert_eq!(kept[0]["name_localizations"]["de"], "würfel");
    let wrong = [
        ("name_localizations", json!({ "de": "Würfel" })),
        ("name_localizations", json!({ "tlh": "x" })),
        ("name_localizations", json!("de")),
        ("description_localizations", json!({ "de": "" })),
        (
            "description_localizations",
            json!({ "de": "x".repeat(101) }),
        ),
    ];
    // All in one request: how often commands may be written is limited as well.
    let commands = wrong.iter().enumerate().map(|(index, (key, texts))| {
        let mut command = slash(&format!("dice-{index}"));
        command[*key] = texts.clone();
        command
    });
    let commands: Value = commands.collect();
    let refused = body(rig.rest("PUT", &path, commands), 400);
    for (index, (key, texts)) in wrong.iter().enumerate() {
        let error = &refused["errors"][index.to_string()][*key];
        assert!(error.is_object(), "{texts}: {refused}");
    }
}
