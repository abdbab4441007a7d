//! `mynah plugin build`: cargo makes the file, we look at it and show how to use it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::exit::{Failure, chain};
use crate::cli::settings::absolute;

use super::{PluginArgs, json_of, say};

/// Builds the library of a folder as a shared one. A crate that is linked into bots as well needs
/// nothing for that in its Cargo.toml (architecture C1).
///
/// # Errors
/// There is no cargo, it fails (and has said why), or what it made is no plugin.
pub(super) fn build(args: &PluginArgs, folder: &Path, debug: bool) -> Result<(), Failure> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Failure::usage(
            format!("there is no {}", manifest.display()),
            "name the folder of a plugin; `mynah plugin new NAME` makes one",
        ));
    }
    let file = cargo(&manifest, debug)?;
    let failed = |error: mynah_host::HostError| Failure::failed(chain(&error), error.remedy());
    let entry = mynah_host::load(&file, None, None).map_err(failed)?;
    let about = mynah_host::describe(entry).map_err(failed)?;
    let lines = bot_toml(
        &about,
        &file,
        entry.library().map_or("", |library| library.sha256()),
    );
    say(
        args,
        || {
            let mut document = json_of(&about, entry);
            if let Some(document) = document.as_object_mut() {
                document.insert("bot_toml".into(), json!(lines));
            }
            document
        },
        || {
            format!(
                "{}\n\nThese lines of bot.toml use it:\n\n{lines}",
                file.display()
            )
        },
    );
    Ok(())
}

/// The shared library that cargo made. Its progress and words go to standard error, as always.
fn cargo(manifest: &Path, debug: bool) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["rustc", "--lib", "--crate-type", "cdylib"]);
    cargo.arg("--message-format=json-render-diagnostics");
    cargo.arg("--manifest-path").arg(manifest);
    if !debug {
        cargo.arg("--release");
    }
    let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| {
        Failure::failed(
            format!("cargo cannot be started: {error}"),
            "install Rust (https://rustup.rs); plugins in C need their own compiler only",
        )
    })?;
    if !output.status.success() {
        return Err(Failure::failed(
            "cargo could not build it",
            "see its words above",
        ));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let made = said.lines().rev().find_map(shared_library);
    made.ok_or_else(|| Failure::failed("cargo made no shared library", "is it a library crate?"))
}

/// The file of one message of cargo (its reference, "JSON messages"), if it is about one.
fn shared_library(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_artifact = message.get("reason")?.as_str()? == "compiler-artifact";
    let files = message
        .get("filenames")
        .filter(|_| is_artifact)?
        .as_array()?;
    let mut files = files.iter().filter_map(Value::as_str);
    files.find(|file| file.ends_with(".so")).map(PathBuf::from)
}

/// What to write into the settings.
pub(super) fn bot_toml(about: &mynah_host::About, file: &Path, sha256: &str) -> String {
    // A JSON string is a TOML string as well.
    let text = |text: &str| json!(text).to_string();
    let needs: Vec<String> = about.needs.iter().map(|need| text(&need.cap)).collect();
    let path = absolute(file).display().to_string();
    format!(
        "[plugins.{}]\npath = {}\nsha256 = \"{sha256}\"\ngrant = [{}]\n",
        about.id,
        text(&path),
        needs.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_shared_library_among_what_cargo_says() {
        let line =
            r#"{"reason":"compiler-artifact","filenames":["/t/libdice.rlib","/t/libdice.so"]}"#;
        assert_eq!(shared_library(line), Some(PathBuf::from("/t/libdice.so")));
        for other in [
            "no json",
            r#"{"reason":"build-finished","success":true}"#,
            r#"{"reason":"compiler-artifact","filenames":["/t/libserde.rlib"]}"#,
        ] {
            assert_eq!(shared_library(other), None);
        }
    }
}
