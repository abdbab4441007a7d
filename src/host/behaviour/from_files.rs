//! Plugins in files of their own: the example in C, and files that must be refused.

use super::bench::{Bench, bench, neighbour};
use crate::{Backend, Options, PluginSpec, PluginState, check, describe, load, sha256_of};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compiles C, with the words of the example's head.
fn compile(source: &Path, folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    let file = folder.join(format!("lib{name}.so"));
    let compiled = Command::new("gcc")
        .args([
            "-std=c11",
            "-pedantic",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-O2",
        ])
        .args(["-fPIC", "-shared", "-fvisibility=hidden"])
        .args(more)
        .arg("-I")
        .arg(root().join("plugins/api/include"))
        .arg(source)
        .arg("-o")
        .arg(&file)
        .output()
        .expect("gcc runs");
    let words = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{words}");
    file
}

/// The example, built into a folder.
pub(super) fn hello_c(folder: &Path) -> PathBuf {
    compile(
        &root().join("examples/c_plugin/hello_c.c"),
        folder,
        "hello_c",
        &[],
    )
}

pub(super) fn spec(entry: Backend) -> PluginSpec {
    let grants = ["commands", "voice.speak"].map(String::from);
    PluginSpec::new(entry, json!({}), grants.into())
}

pub(super) async fn asked(bench: &mut Bench) -> String {
    bench
        .interaction(2, json!({ "name": "hello-c", "type": 1 }))
        .await;
    bench.said().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_plain_c_answers_plays_a_tone_and_starts_from_what_it_saved() {
    let folder = tempfile::tempdir().unwrap();
    let file = hello_c(folder.path());
    let hash = sha256_of(&file).unwrap();
    let entry = load(&file, Some("hello-c"), Some(&hash)).unwrap();
    // What was loaded is a copy: the file may go.
    std::fs::remove_file(&file).unwrap();
    assert_eq!(entry.library().unwrap().sha256(), hash);
    assert_eq!(describe(entry).unwrap().needs.len(), 2);
    assert!(check(entry, &json!({})).is_empty());
    assert_eq!(check(entry, &json!({ "key": 1 })).len(), 1);
    let mut bench = bench(vec![spec(entry), neighbour()], Options::default(), false).await;
    let names = bench.registration().await.1;
    assert_eq!(names, ["voice", "help", "bot", "hello-c", "hello", "count"]);
    assert_eq!(
        asked(&mut bench).await,
        "Hello from C, number 1 (a tone plays)"
    );
    assert_eq!(
        asked(&mut bench).await,
        "Hello from C, number 2 (a tone plays)"
    );
    bench
        .host
        .reload("hello-c", entry, json!({}))
        .await
        .unwrap();
    for _ in 0..2 {
        assert!(matches!(bench.call().await.0, crate::Call::Stop(_)));
    }
    assert_eq!(
        asked(&mut bench).await,
        "Hello from C, number 3 (a tone plays)"
    );
    assert_eq!(bench.host.report()[0].state, PluginState::Running);
    assert_eq!(bench.lives.stop_all().len(), 3, "a tone each time");
}

/// The example with some text of it exchanged.
pub(super) fn altered(folder: &Path, name: &str, from: &str, to: &str) -> PathBuf {
    let source = root().join("examples/c_plugin/hello_c.c");
    let text = std::fs::read_to_string(source).unwrap();
    assert!(text.contains(from), "{from}");
    let source = folder.join(format!("{name}.c"));
    std::fs::write(&source, text.replace(from, to)).unwrap();
    compile(&source, folder, name, &[])
}

#[test]
fn files_that_cannot_be_used_are_refused_in_words_that_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, from: &str, to: &str, words: &[&str]| {
        let file = altered(folder.path(), name, from, to);
        let said = load(&file, Some("hello-c"), None).unwrap_err().to_string();
        for word in words {
            assert!(said.contains(word), "{name}: {said}");
        }
    };
    let magic = ".magic = MYNAH_MAGIC";
    refused("magic", magic, ".magic = 7", &["magic of a Mynah plugin"]);
    let major = ".major = MYNAH_MAJOR";
    refused(
        "newer",
        major,
        ".major = 2",
        &["version 2", "update the bot"],
    );
    refused(
        "older",
        major,
        ".major = 0",
        &["version 0", "build it again"],
    );
    let symbol = "mynah_entry_v1__hello_c";
    let newer = "mynah_entry_v2__hello_c";
    refused("symbol", symbol, newer, &["version 2", "update the bot"]);
    refused(
        "none",
        symbol,
        "some_table",
        &["no Mynah plugin", "export!"],
    );
    let flags = ".flags = MYNAH_UNWINDS";
    refused(
        "abort",
        flags,
        ".flags = 0",
        &["panic=abort", "panic=unwind"],
    );
    let id = "LITERAL(\"hello-c\"),\n  .name";
    let other = "LITERAL(\"other\"),\n  .name";
    refused(
        "id",
        id,
        other,
        &["is the plugin `other`", "[plugins.other]"],
    );
    let size = ".size = sizeof(mynah_entry)";
    refused("short", size, ".size = 8", &["too short"]);
    let create = ".create = create";
    refused(
        "create",
        create,
        ".create = 0 ? create : 0",
        &["no `create`"],
    );
    let missing = "static mynah_instance *create(const mynah_host *host) {";
    let calls = format!("extern void nowhere(void);\n{missing}\n  nowhere();");
    refused(
        "missing",
        missing,
        &calls,
        &["cannot load it", "nowhere", "ldd"],
    );
}
