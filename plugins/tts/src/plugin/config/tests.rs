//! Keys, defaults and mistakes.

use super::*;

#[test]
fn the_shipped_keys_are_those_of_the_config_with_its_values() {
    let shipped = serde_json::to_value(Config::default()).unwrap();
    for key in KEYS {
        let value: serde_json::Value = serde_json::from_str(key.default).unwrap();
        assert_eq!(shipped[key.name], value, "{}", key.name);
    }
    let all = shipped.as_object().unwrap().len();
    assert_eq!(all, KEYS.len() + 1, "`folder` is set by the program");
    assert!(Config::default().wrongs().is_empty());
}

#[test]
fn every_wrong_key_is_named_at_once() {
    let config = Config {
        engine: "festival".into(),
        fallback: vec!["espeak".into(), "x".into(), "http".into()],
        max_chars: 0,
        at_once: 99,
        required_role: "Crew".into(),
        cache_size: "lots".into(),
        ..Config::default()
    };
    let pointers: Vec<String> = config.wrongs().into_iter().map(|w| w.pointer).collect();
    let all = [
        "/fallback/1",
        "/engine",
        "/max_chars",
        "/at_once",
        "/required_role",
        "/cache_size",
        "/http_url",
    ];
    assert_eq!(pointers, all);
}

#[test]
fn each_engine_is_asked_once_and_the_key_is_read_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let config = Config {
        engine: "http".into(),
        fallback: vec!["espeak".into(), "http".into(), "piper".into()],
        http_url: "https://speech.example".into(),
        http_api_key_file: key.clone(),
        ..Config::default()
    };
    assert!(config.chain(None).is_err(), "there is no such file");
    std::fs::write(key, "hunter2\n").unwrap();
    let chain = config.chain(None).unwrap();
    let ids: Vec<&str> = chain.engines().iter().map(|engine| engine.id()).collect();
    assert_eq!(ids, ["http", "espeak", "piper"]);
    assert_eq!(config.limits().cache_bytes, 32 << 20);
}
