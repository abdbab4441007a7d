//! The built-in plugins as files of their own, in the place of what is linked into the program.
//!
//! With `MYNAH_BUILTINS=so` every program that a test starts gets them, by the settings' environment
//! twins, so that any test of the program runs both ways:
//!
//! ```sh
//! MYNAH_BUILTINS=so cargo nextest run -p mynah --test talks_about_music --test talks_about_recordings
//! ```

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The built-in plugins.
pub const BUILTINS: [&str; 4] = ["music", "recorder", "soundboard", "tts"];

/// What the environment of a program has to say for it, as was asked for; nothing as a rule.
pub(crate) fn asked_for(binary: &str) -> &'static [(String, String)] {
    static MADE: OnceLock<Vec<(String, String)>> = OnceLock::new();
    MADE.get_or_init(|| match std::env::var("MYNAH_BUILTINS") {
        Ok(asked) if asked == "so" => BUILTINS.map(|id| from_file(binary, id)).into(),
        Ok(other) => panic!("MYNAH_BUILTINS={other}: only `so` is known"),
        Err(_) => Vec::new(),
    })
}

fn from_file(binary: &str, id: &str) -> (String, String) {
    let made = built_plugin(binary, &format!("plugins/{id}"));
    let file = made.get("file").and_then(Value::as_str).unwrap_or_default();
    let key = format!("MYNAH__PLUGINS__{}__PATH", id.to_uppercase());
    (key, file.to_owned())
}

/// A plugin of this workspace, named by its folder there, as a file; what `mynah plugin build` says of
/// it: `{file, sha256, bot_toml, …}`. Quick when it was built before.
///
/// # Panics
/// It cannot be built.
pub fn built_plugin(binary: &str, folder: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(binary)
        .args(["plugin", "build", "--debug", "--json"])
        .arg(root.join(folder))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {binary}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{folder}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{folder}: {error}"))
}
