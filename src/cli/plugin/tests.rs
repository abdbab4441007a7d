#![allow(clippy::unwrap_used)]
use super::*;

fn args(command: PluginCommand) -> PluginArgs {
    PluginArgs {
        config: PathBuf::from("/nowhere/bot.toml"),
        json: true,
        command,
    }
}

#[test]
fn a_new_plugin_stands_in_a_folder_of_its_own_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("coin-flip");
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/api");
    let new = |name: &str| {
        let args = args(PluginCommand::List);
        new::new(&args, name, Some(&place), Some(&sdk))
    };
    for name in ["", "Coin", "-a", "a-", "1a", "../x", "a b", &"a".repeat(33)] {
        assert_eq!(new(name).unwrap_err().exit(), Exit::Usage, "{name}");
        assert!(!place.exists());
    }
    new("coin-flip").unwrap();
    let code = std::fs::read_to_string(place.join("src/lib.rs")).unwrap();
    assert!(code.contains("export!(CoinFlip)") && code.contains("Slash::new(\"coin-flip\""));
    assert!(!code.contains("NAME") && !code.contains("Name {"));
    let manifest = std::fs::read_to_string(place.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let path = manifest["dependencies"]["mynah-plugin"]["path"].as_str();
    assert_eq!(path.map(Path::new), Some(sdk.as_path()));
    let kit = manifest["dependencies"]["mynah-testkit"]["path"].as_str();
    assert!(Path::new(kit.unwrap()).join("town.rs").is_file());
    let town = std::fs::read_to_string(place.join("tests/in_town.rs")).unwrap();
    assert!(town.contains("use coin_flip::ENTRY") && !town.contains("NAME"));
    assert!(new("coin-flip").unwrap_err().message().contains("exists"));
}

#[test]
fn a_bot_that_does_not_run_is_said_and_so_is_a_file_that_is_no_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let failure = door::ask(folder.path(), &json!({ "reload": "music" })).unwrap_err();
    assert!(failure.message().contains("no bot answers"));
    let file = folder.path().join("libx.so");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    let args = args(PluginCommand::List);
    let failure = verify(
        &PluginArgs {
            json: false,
            ..args
        },
        file.to_str().unwrap(),
    );
    assert!(failure.unwrap_err().message().contains("no shared library"));
}
