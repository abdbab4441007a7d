//! `mynah plugin`: what plugins there are, what a file holds, a new one, a newer one.

mod build;
pub(super) mod door;
mod new;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mynah_host::{About, Backend, Library};
use serde_json::{Value, json};

use crate::config::{Config, PluginFile};

use super::exit::{Exit, Failure, chain};
use super::plugins::{self, Known};
use super::{out, settings};

/// `mynah plugin`.
#[derive(Debug, Args)]
pub(super) struct PluginArgs {
    /// The settings; they say which plugins there are.
    #[arg(long, value_name = "FILE", default_value = "bot.toml", global = true)]
    pub config: PathBuf,
    /// Print one JSON document.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// All of them: built in, and from files that the settings name.
    List,
    /// What one says about itself.
    Info {
        /// An id of the settings, or a file (.so).
        which: String,
    },
    /// Can it be used? Shows the SHA-256 of its file. Exit code 1 when it cannot.
    Verify {
        /// An id of the settings, or a file (.so).
        which: String,
    },
    /// Write a new one, in Rust: a folder of that name that builds and has a test.
    New {
        /// Its id: small letters, digits and `-`.
        name: String,
        /// The folder to make; one named like it, if nothing is said.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
        /// The folder of mynah-plugin (plugins/api of Mynah's source); found by itself inside of one.
        #[arg(long, value_name = "FOLDER")]
        sdk: Option<PathBuf>,
    },
    /// Build one, in Rust, and show the lines for bot.toml.
    Build {
        /// Its folder, the one with Cargo.toml.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Faster to build, slower to run.
        #[arg(long)]
        debug: bool,
    },
    /// Exchange one of the running bot for what its file holds now; it goes on where it was.
    Reload {
        /// Its id. Without one, the bot reads bot.toml again and gives every plugin what has changed.
        id: Option<String>,
    },
}

/// Does what was asked for.
///
/// # Errors
/// The settings or the plugin cannot be used, or no bot runs.
pub(super) fn plugin(args: &PluginArgs) -> Result<(), Failure> {
    match &args.command {
        PluginCommand::List => list(args),
        PluginCommand::Info { which } => info(args, which),
        PluginCommand::Verify { which } => verify(args, which),
        PluginCommand::New { name, folder, sdk } => {
            new::new(args, name, folder.as_deref(), sdk.as_deref())
        }
        PluginCommand::Build { folder, debug } => build::build(args, folder, *debug),
        PluginCommand::Reload { id } => reload(args, id.as_deref()),
    }
}

/// A document or words, whichever was asked for.
fn say(args: &PluginArgs, document: impl FnOnce() -> Value, words: impl FnOnce() -> String) {
    match args.json {
        true => out::line(&format!("{:#}", document())),
        false => out::line(words().trim_end()),
    }
}

fn list(args: &PluginArgs) -> Result<(), Failure> {
    let config = settings::load(&args.config)?;
    let files: Vec<PluginFile> = config
        .plugins
        .iter()
        .filter_map(|plugin| plugin.file.clone())
        .collect();
    let all = plugins::known(&files);
    let rows: Vec<(&Known, &About, Backend, bool)> = all
        .iter()
        .filter_map(|known| {
            let (entry, about) = known.found.as_ref().ok()?;
            let enabled = |plugin: &crate::config::Plugin| plugin.id == known.id && plugin.enabled;
            Some((known, about, *entry, config.plugins.iter().any(enabled)))
        })
        .collect();
    let document = || {
        let rows = rows.iter().map(|(_, about, entry, enabled)| {
            let mut row = json_of(about, *entry);
            if let Some(row) = row.as_object_mut() {
                row.insert("enabled".into(), json!(enabled));
            }
            row
        });
        Value::Array(rows.collect())
    };
    say(args, document, || {
        let lines = rows.iter().map(|(_, about, entry, enabled)| {
            let state = if *enabled { "on " } else { "off" };
            let from = entry.library().map_or("built in".into(), from_file);
            format!(
                "{state}  {:<12} {:<8} {from}  {}\n",
                about.id, about.version, about.about
            )
        });
        lines.collect()
    });
    Ok(())
}

fn from_file(library: &'static Library) -> String {
    library.file().display().to_string()
}

fn json_of(about: &About, entry: Backend) -> Value {
    let needs = about
        .needs
        .iter()
        .map(|need| json!({ "capability": need.cap, "why": need.why, "required": need.required }));
    let library = entry.library();
    json!({
        "id": about.id, "name": about.name, "version": about.version, "about": about.about,
        "sdk": about.sdk, "intents": about.intents, "events": about.events,
        "needs": needs.collect::<Vec<Value>>(),
        "file": library.map(from_file), "sha256": library.map(Library::sha256),
    })
}

fn info(args: &PluginArgs, which: &str) -> Result<(), Failure> {
    let (entry, about, _) = find(args, which)?;
    say(
        args,
        || json_of(&about, entry),
        || {
            let mut text = format!(
                "{} ({}) {}\n{}\n",
                about.name, about.id, about.version, about.about
            );
            text += &format!("built with  {}\n", about.sdk);
            if let Some(library) = entry.library() {
                text += &format!(
                    "file        {}\nsha256      {}\n",
                    from_file(library),
                    library.sha256()
                );
            }
            for need in &about.needs {
                let must = if need.required { "needs" } else { "can use" };
                text += &format!("{must:<11} {} {}\n", need.cap, need.why);
            }
            for event in &about.events {
                text += &format!("hears       {event}\n");
            }
            text
        },
    );
    Ok(())
}

fn verify(args: &PluginArgs, which: &str) -> Result<(), Failure> {
    let found = find(args, which);
    let (entry, about, config) = match found {
        Ok(found) => found,
        Err(failure) if args.json => {
            say(
                args,
                || json!({ "ok": false, "error": failure.message() }),
                String::new,
            );
            return Err(Failure::said(Exit::Failed));
        }
        Err(failure) => return Err(failure),
    };
    say(
        args,
        || {
            let mut document = json_of(&about, entry);
            if let Some(document) = document.as_object_mut() {
                document.insert("ok".into(), json!(true));
            }
            document
        },
        || {
            let settings = if config {
                ", with the settings it has"
            } else {
                ""
            };
            let mut text = format!("`{}` {} can be used{settings}.\n", about.id, about.version);
            match entry.library() {
                Some(library) => text += &format!("sha256 = \"{}\"\n", library.sha256()),
                None => text += "It is built in.\n",
            }
            text
        },
    );
    Ok(())
}

/// By a file's path, else by an id of the settings; whether the settings were judged, too.
fn find(args: &PluginArgs, which: &str) -> Result<(Backend, About, bool), Failure> {
    let failed = |error: mynah_host::HostError| Failure::failed(chain(&error), "");
    let is_file = which.contains('/') || which.ends_with(".so") || Path::new(which).is_file();
    if is_file {
        let entry = mynah_host::load(Path::new(which), None, None).map_err(failed)?;
        let about = mynah_host::describe(entry).map_err(failed)?;
        return Ok((entry, about, false));
    }
    let config = settings::load(&args.config)?;
    let plugin = config.plugins.iter().find(|plugin| plugin.id == which);
    let file = plugin.and_then(|plugin| plugin.file.clone());
    let known = plugins::known(file.as_slice());
    match known.into_iter().find(|known| known.id == which) {
        Some(known) => {
            let (entry, about) = known.found.map_err(failed)?;
            Ok((entry, about, true))
        }
        None => Err(unknown(&config, which)),
    }
}

fn unknown(config: &Config, which: &str) -> Failure {
    let ids: Vec<&str> = config
        .plugins
        .iter()
        .map(|plugin| plugin.id.as_str())
        .collect();
    Failure::failed(
        format!("there is no plugin `{which}`"),
        format!("those that there are: {}; or give a file", ids.join(", ")),
    )
}

fn reload(args: &PluginArgs, id: Option<&str>) -> Result<(), Failure> {
    let config = settings::load(&args.config)?;
    let answer = door::ask(&config.paths.data, &json!({ "reload": id }))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let words = || match id {
        Some(_) => format!("`{}` runs again, version {}.", text("id"), text("version")),
        None => super::reload::words(&Ok(answer.clone())),
    };
    say(args, || answer.clone(), words);
    match answer.get("failed").and_then(Value::as_array) {
        Some(failed) if !failed.is_empty() => Err(Failure::said(Exit::Failed)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
