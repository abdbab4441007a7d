//! The plugins this program has, linked in or from files: how they judge their settings, and what they are granted.

use mynah_engine::{Bot, EventStream};
use mynah_host::{About, Backend, Host, HostError, Options, Order, PluginSpec, Scope};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use crate::config::{
    ANY_NEED, CommandScope, Config, Plugin, PluginCheck, PluginFile, PluginFinding, Severity,
};

use super::exit::{Failure, chain};
use super::reload;
use super::settings::absolute;

/// The plugins linked into this program.
const BUILT_IN: [&mynah_plugin::abi::Entry; 4] = [
    &mynah_music::ENTRY,
    &mynah_recorder::ENTRY,
    &mynah_soundboard::ENTRY,
    &mynah_tts::ENTRY,
];

/// The plugin whose `library` is `[paths] library` unless its table has one of its own.
const WITH_LIBRARY: &str = "music";
/// The plugin that needs no intents for messages if it is told not to read any by itself.
const WITH_MESSAGES: &str = "tts";

/// Its keys that are paths; programs are not, they may be found by name.
const WITH_PATHS: [&str; 2] = ["piper_voices", "http_api_key_file"];

/// A plugin that a configuration can name.
pub(super) struct Known {
    /// As in `[plugins.ID]`.
    pub id: String,
    /// Its table, or why it cannot be used.
    pub found: Result<(Backend, About), HostError>,
}

/// The built-in plugins, but for those that are replaced by a file, and then those from files. This
/// loads them: code of theirs runs.
pub(super) fn known(files: &[PluginFile]) -> Vec<Known> {
    let is_replaced = |id: &str| files.iter().any(|file| file.id == id);
    let built_in = BUILT_IN.into_iter().filter_map(|entry| {
        let about = mynah_host::describe(entry).ok()?;
        Some(Known {
            id: about.id.clone(),
            found: Ok((entry.into(), about)),
        })
    });
    let from_files = files.iter().map(|file| Known {
        id: file.id.clone(),
        found: open(file),
    });
    built_in
        .filter(|known| !is_replaced(&known.id))
        .chain(from_files)
        .collect()
}

/// Loads the plugin of a file.
///
/// # Errors
/// Those of [`mynah_host::load`].
pub(super) fn open(file: &PluginFile) -> Result<(Backend, About), HostError> {
    let entry = mynah_host::load(&file.path, Some(&file.id), file.sha256.as_deref())?;
    Ok((entry, mynah_host::describe(entry)?))
}

/// Calls `judge` with a check for every plugin.
pub(super) fn with_checks<T>(
    files: &[PluginFile],
    judge: impl FnOnce(&[PluginCheck<'_>]) -> T,
) -> T {
    let all = known(files);
    type Check<'a, T> = Box<dyn Fn(&T) -> Vec<PluginFinding> + 'a>;
    let checks: Vec<(Check<'_, Value>, Check<'_, [String]>)> = all
        .iter()
        .map(|known| {
            let settings: Check<'_, Value> = Box::new(|settings| match &known.found {
                Ok((entry, _)) => findings(mynah_host::check(*entry, settings)),
                Err(error) => vec![unusable(error)],
            });
            let grant: Check<'_, [String]> = Box::new(|grant| match &known.found {
                Ok((entry, _)) => findings(mynah_host::check_grants(*entry, grant)),
                Err(_) => Vec::new(),
            });
            (settings, grant)
        })
        .collect();
    let checks: Vec<PluginCheck<'_>> = all
        .iter()
        .zip(&checks)
        .map(|(known, (check, check_grant))| PluginCheck {
            id: &known.id,
            needs: match &known.found {
                Ok((_, about)) => about.needs.iter().map(|need| need.cap.clone()).collect(),
                Err(_) => vec![ANY_NEED.to_owned()],
            },
            check,
            check_grant,
            explicit: built_in(&known.id).is_none(),
        })
        .collect();
    judge(&checks)
}

/// The plugin of this id that is linked into this program.
fn built_in(id: &str) -> Option<About> {
    let mut abouts = BUILT_IN
        .into_iter()
        .filter_map(|entry| mynah_host::describe(entry).ok());
    abouts.find(|about| about.id == id)
}

/// A file that cannot be used, shown at the key that names it.
fn unusable(error: &HostError) -> PluginFinding {
    let (message, help) = match error {
        // Words that say what to do already.
        HostError::Entry { reason, .. } => (reason.clone(), String::new()),
        other => (chain(other), other.remedy().to_owned()),
    };
    PluginFinding {
        severity: Severity::Error,
        pointer: "/path".to_owned(),
        message,
        help,
    }
}

fn findings(diagnostics: Vec<mynah_plugin::Diagnostic>) -> Vec<PluginFinding> {
    let finding = |found: mynah_plugin::Diagnostic| PluginFinding {
        severity: Severity::Error,
        pointer: found.pointer,
        message: found.message,
        help: found
            .suggestion
            .map(|suggestion| format!("did you mean `{suggestion}`?"))
            .unwrap_or_default(),
    };
    diagnostics.into_iter().map(finding).collect()
}

/// The plugins to run, with their settings and what they may do. Their files were looked at when
/// the configuration was; one that cannot be used any more is left out, which is logged.
pub(super) fn specs(config: &Config) -> Vec<PluginSpec> {
    let enabled = config.plugins.iter().filter(|plugin| plugin.enabled);
    let files: Vec<PluginFile> = enabled.filter_map(|plugin| plugin.file.clone()).collect();
    let wanted = |id: &str| {
        config
            .plugins
            .iter()
            .find(|plugin| plugin.id == id && plugin.enabled)
    };
    let spec = |known: Known| {
        let plugin = wanted(&known.id)?;
        match known.found {
            Ok((entry, _)) => Some(spec(config, plugin, entry)),
            Err(error) => {
                tracing::error!(plugin = %known.id, "it is left out: {error}");
                None
            }
        }
    };
    known(&files).into_iter().filter_map(spec).collect()
}

/// One plugin with its settings and grants. Without `grant`, one that has the id of a built-in plugin
/// may do what that one may; another one nothing.
pub(super) fn spec(config: &Config, plugin: &Plugin, entry: Backend) -> PluginSpec {
    let settings = settings(config, plugin);
    let grants = plugin.grant.clone().unwrap_or_else(|| {
        let needs = built_in(&plugin.id).map(|about| about.needs);
        let needs = needs.iter().flatten().map(|need| need.cap.as_str());
        let needs = needs.filter(|need| is_wanted(&plugin.id, need, &settings));
        needs.flat_map(|need| granted(need, &settings)).collect()
    });
    PluginSpec::new(entry, settings, grants)
}

/// Starts them; returns when each has started or failed, and their commands are registered.
///
/// # Errors
/// When the host itself cannot work.
pub(super) async fn start(
    config: &Config,
    bot: &Bot,
    events: EventStream,
    orders: mpsc::Sender<Order>,
) -> Result<Host, Failure> {
    let options = Options {
        base_dir: config.folder.clone(),
        idle_leave: config.voice.idle_leave,
        stores: Some(config.paths.data.join("plugins")),
        permissions: reload::permissions(&config.permissions, bot).await,
        orders: Some(orders),
        by_hand: false,
        commands: match config.discord.command_scope {
            CommandScope::Global => Scope::Global,
            // Without guilds to develop in (the embedded server makes its own), all there are.
            CommandScope::Guild if config.discord.dev_guilds.is_empty() => {
                Scope::Guilds(bot.guilds())
            }
            CommandScope::Guild => Scope::Guilds(config.discord.dev_guilds.clone()),
        },
    };
    Host::start(bot.clone(), events, specs(config), options)
        .await
        .map_err(|error| Failure::failed(chain(&error), error.remedy()))
}

/// The plugin's own keys, with the folders that all plugins share.
fn settings(config: &Config, plugin: &Plugin) -> Value {
    let mut settings = plugin.settings.clone();
    if let (Some(folder), Some(table)) = (folder(config, &plugin.id), settings.as_object_mut()) {
        let folder = absolute(&folder).display().to_string();
        table.insert("folder".into(), json!(folder));
    }
    // Paths in the file are seen from the file.
    for key in WITH_PATHS {
        let given = settings.get(key).and_then(Value::as_str);
        if let Some(path) = given.filter(|path| plugin.id == WITH_MESSAGES && !path.is_empty()) {
            settings[key] = json!(absolute(&config.folder.join(path)).display().to_string());
        }
    }
    if let (WITH_LIBRARY, Some(table)) = (plugin.id.as_str(), settings.as_object_mut()) {
        let folders: Vec<String> = config
            .paths
            .library
            .iter()
            .map(|folder| absolute(folder).display().to_string())
            .collect();
        table.entry("library").or_insert_with(|| json!(folders));
    }
    settings
}

/// Where a plugin keeps what it makes; `None` for one that keeps nothing itself.
fn folder(config: &Config, id: &str) -> Option<std::path::PathBuf> {
    match id {
        "recorder" => Some(recordings(config)),
        "soundboard" => Some(config.paths.data.join("sounds")),
        "tts" => Some(config.paths.data.join("tts")),
        _ => None,
    }
}

/// Where recordings are kept.
pub(super) fn recordings(config: &Config) -> std::path::PathBuf {
    config.paths.data.join("recordings")
}

/// Messages, and the intents for them, only where they are read: Discord refuses bots that ask for
/// privileged intents they have not been given.
fn is_wanted(id: &str, need: &str, settings: &Value) -> bool {
    if id != WITH_MESSAGES {
        return true;
    }
    let reads = settings.get("auto_read").and_then(Value::as_bool);
    match need.split_once(':') {
        Some(("gateway.events", event)) if event.starts_with("MESSAGE_") => reads != Some(false),
        Some(("net.http", _)) => service(settings).is_some(),
        _ => true,
    }
}

/// The speech service that the operator names.
fn service(settings: &Value) -> Option<Url> {
    Url::parse(settings.get("http_url")?.as_str()?.trim()).ok()
}

/// Where plugins may send requests although it may be on this machine: what the operator names, and the
/// speech service in the settings of a plugin that runs.
pub(super) fn request_origins(config: &Config) -> Vec<String> {
    let named = config.net.private_origins.iter().cloned();
    let enabled = config.plugins.iter().filter(|plugin| plugin.enabled);
    let services = enabled.filter(|plugin| plugin.id == WITH_MESSAGES);
    let services = services.filter_map(|plugin| service(&plugin.settings));
    named
        .chain(services.map(|url| url.origin().ascii_serialization()))
        .collect()
}

/// What a built-in plugin is granted when the file does not say: what it asks for, but files only in
/// its library and its own folder, and requests to the service it was given only.
fn granted(need: &str, settings: &Value) -> Vec<String> {
    if let ("net.http:*", Some(url)) = (need, service(settings)) {
        let host = url.host_str().unwrap_or_default();
        return vec![format!("net.http:{host}")];
    }
    let Some(kind) = need
        .strip_suffix(":*")
        .filter(|kind| kind.starts_with("fs."))
    else {
        return vec![need.to_owned()];
    };
    let library = settings.get("library").and_then(Value::as_array);
    let folders = library.into_iter().flatten().chain(settings.get("folder"));
    folders
        .filter_map(Value::as_str)
        .map(|folder| format!("{kind}:{folder}"))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::keys;

    #[test]
    fn the_shipped_file_shows_the_keys_of_the_music_plugin_with_its_defaults() {
        for own in mynah_music::KEYS.iter().filter(|own| own.name != "library") {
            let shown = keys::find("plugins.music", own.name);
            assert_eq!(
                shown.map(|key| key.default),
                Some(own.default),
                "{}",
                own.name
            );
        }
        let shown = keys::names("plugins.music").filter(|name| !keys::PLUGIN_KEYS.contains(name));
        for name in shown {
            assert!(
                mynah_music::KEYS.iter().any(|own| own.name == name),
                "{name} is gone"
            );
        }
    }

    #[test]
    fn the_shipped_file_shows_the_keys_of_the_recorder_with_its_defaults() {
        for own in mynah_recorder::KEYS {
            let shown = keys::find("plugins.recorder", own.name);
            let shown = shown.map(|key| key.default);
            assert_eq!(shown, Some(own.default), "{}", own.name);
        }
        let shown =
            keys::names("plugins.recorder").filter(|name| !keys::PLUGIN_KEYS.contains(name));
        for name in shown {
            let is_known = mynah_recorder::KEYS.iter().any(|own| own.name == name);
            assert!(is_known, "{name} is gone");
        }
    }

    #[test]
    fn the_shipped_file_shows_the_keys_of_the_soundboard_with_its_defaults() {
        for own in mynah_soundboard::KEYS {
            let shown = keys::find("plugins.soundboard", own.name);
            let shown = shown.map(|key| key.default);
            assert_eq!(shown, Some(own.default), "{}", own.name);
        }
        let shown =
            keys::names("plugins.soundboard").filter(|name| !keys::PLUGIN_KEYS.contains(name));
        for name in shown {
            let is_known = mynah_soundboard::KEYS.iter().any(|own| own.name == name);
            assert!(is_known, "{name} is gone");
        }
    }

    #[test]
    fn the_shipped_file_shows_the_keys_of_tts_with_its_defaults() {
        for own in mynah_tts::KEYS {
            let shown = keys::find("plugins.tts", own.name);
            let shown = shown.map(|key| key.default);
            assert_eq!(shown, Some(own.default), "{}", own.name);
        }
        let shown = keys::names("plugins.tts").filter(|name| !keys::PLUGIN_KEYS.contains(name));
        for name in shown {
            let is_known = mynah_tts::KEYS.iter().any(|own| own.name == name);
            assert!(is_known, "{name} is gone");
        }
    }

    #[test]
    fn messages_are_asked_for_only_where_they_are_read() {
        let off = json!({ "auto_read": false });
        let event = "gateway.events:MESSAGE_CREATE";
        assert!(is_wanted("tts", event, &json!({})));
        assert!(!is_wanted("tts", event, &off));
        assert!(is_wanted("tts", "gateway.events:GUILD_CREATE", &off));
        assert!(is_wanted("other", event, &off));
        let service = json!({ "http_url": "http://127.0.0.1:5050/v1" });
        assert!(!is_wanted("tts", "net.http:*", &json!({ "http_url": "" })));
        assert!(is_wanted("tts", "net.http:*", &service));
        assert_eq!(granted("net.http:*", &service), ["net.http:127.0.0.1"]);
    }

    #[test]
    fn a_built_in_plugin_reads_files_in_its_library_only() {
        let settings = json!({ "library": ["/srv/music", "more"] });
        assert_eq!(
            granted("fs.read:*", &settings),
            ["fs.read:/srv/music", "fs.read:more"]
        );
        assert_eq!(granted("net.http:*", &settings), ["net.http:*"]);
        let settings = json!({ "folder": "/srv/recordings" });
        assert_eq!(
            granted("fs.write:*", &settings),
            ["fs.write:/srv/recordings"]
        );
    }
}
