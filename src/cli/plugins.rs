//! The plugins this program has: how they judge their settings, and what they are granted.

use mynah_engine::{Bot, EventStream};
use mynah_host::{Host, Options, PluginSpec, Scope};
use serde_json::{Value, json};

use crate::config::{CommandScope, Config, Plugin, PluginCheck, PluginFinding, Severity};

use super::exit::{Failure, chain};
use super::settings::absolute;

/// The plugins linked into this program.
const BUILT_IN: [&mynah_plugin::abi::Entry; 2] = [&mynah_music::ENTRY, &mynah_recorder::ENTRY];

/// The plugin whose `library` is `[paths] library` unless its table has one of its own.
const WITH_LIBRARY: &str = "music";
/// The plugin whose `folder` is `recordings` in the data folder.
const WITH_FOLDER: &str = "recorder";

/// Calls `judge` with a check for every plugin.
pub(super) fn with_checks<T>(judge: impl FnOnce(&[PluginCheck<'_>]) -> T) -> T {
    let abouts: Vec<_> = BUILT_IN
        .into_iter()
        .filter_map(|entry| Some((entry, mynah_host::describe(entry).ok()?)))
        .collect();
    type Check<'a, T> = Box<dyn Fn(&T) -> Vec<PluginFinding> + 'a>;
    let checks: Vec<(Check<'_, Value>, Check<'_, [String]>)> = abouts
        .iter()
        .map(|(entry, _)| {
            let settings: Check<'_, Value> =
                Box::new(|settings| findings(mynah_host::check(*entry, settings)));
            let grant: Check<'_, [String]> =
                Box::new(|grant| findings(mynah_host::check_grants(*entry, grant)));
            (settings, grant)
        })
        .collect();
    let checks: Vec<PluginCheck<'_>> = abouts
        .iter()
        .zip(&checks)
        .map(|((_, about), (check, check_grant))| PluginCheck {
            id: &about.id,
            needs: about.needs.iter().map(|need| need.cap.clone()).collect(),
            check,
            check_grant,
        })
        .collect();
    judge(&checks)
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

/// The plugins to run, with their settings and what they may do.
pub(super) fn specs(config: &Config) -> Vec<PluginSpec> {
    let wanted = |id: &str| {
        config
            .plugins
            .iter()
            .find(|plugin| plugin.id == id && plugin.enabled)
    };
    BUILT_IN
        .into_iter()
        .filter_map(|entry| {
            let about = mynah_host::describe(entry).ok()?;
            let plugin = wanted(&about.id)?;
            let settings = settings(config, plugin);
            let grants = plugin.grant.clone().unwrap_or_else(|| {
                let needs = about.needs.iter().map(|need| need.cap.as_str());
                needs.flat_map(|need| granted(need, &settings)).collect()
            });
            Some(PluginSpec::new(entry, settings, grants))
        })
        .collect()
}

/// Starts them; returns when each has started or failed, and their commands are registered.
///
/// # Errors
/// When the host itself cannot work.
pub(super) async fn start(
    config: &Config,
    bot: &Bot,
    events: EventStream,
) -> Result<Host, Failure> {
    let options = Options {
        base_dir: config.folder.clone(),
        stores: Some(config.paths.data.join("plugins")),
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
    if let (WITH_FOLDER, Some(table)) = (plugin.id.as_str(), settings.as_object_mut()) {
        let folder = absolute(&recordings(config)).display().to_string();
        table.insert("folder".into(), json!(folder));
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

/// Where recordings are kept.
pub(super) fn recordings(config: &Config) -> std::path::PathBuf {
    config.paths.data.join("recordings")
}

/// What a built-in plugin is granted when the file does not say: what it asks for, but files only in
/// its library and its own folder.
fn granted(need: &str, settings: &Value) -> Vec<String> {
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
