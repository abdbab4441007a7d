//! The plugins' tables: host keys are ours, every other key is the plugin's and judged by it.

use std::path::{Path, PathBuf};

use super::diagnostic::Severity;
use super::document::{Entry, Node, Place, Value, pointer_to_span};
use super::keys::PLUGIN_KEYS;
use super::parse::{self, Problem};
use super::reader::Reader;
use super::suggest::nearest;

/// A plugin this program has, and how it judges its settings.
pub struct PluginCheck<'a> {
    /// Its id, as in `[plugins.ID]`.
    pub id: &'a str,
    /// What it may ask to be granted.
    pub needs: Vec<String>,
    /// Its own check of its own keys.
    pub check: &'a dyn Fn(&serde_json::Value) -> Vec<PluginFinding>,
    /// What is missing in a grant; pointers lead to `/grant`.
    pub check_grant: &'a dyn Fn(&[String]) -> Vec<PluginFinding>,
    /// Without `grant` it may do nothing, and what it cannot do without is missing then.
    pub explicit: bool,
}

/// In [`PluginCheck::needs`]: what it may ask for is not known, so any grant may be right.
pub const ANY_NEED: &str = "*";

/// A plugin in a file of its own, as the configuration names it; nothing else is judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginFile {
    /// Its id, as in `[plugins.ID]`.
    pub id: String,
    /// Its file, seen from where the program stands.
    pub path: PathBuf,
    /// The file's SHA-256, if it is pinned.
    pub sha256: Option<String>,
}

/// The plugins of a tree that have files of their own and are not switched off.
pub(super) fn files(root: &Node, folder: &Path) -> Vec<PluginFile> {
    let tables = root.find("plugins").map(|entry| entry.node.entries());
    let file = |entry: &Entry| {
        let enabled = entry.node.entry("enabled");
        let off = enabled.is_some_and(|entry| parse::flag(&entry.node).is_ok_and(|flag| !flag));
        let text = |name: &str| parse::filled(&entry.node.entry(name)?.node).ok();
        let path = text("path").filter(|_| !off)?;
        Some(PluginFile {
            id: entry.name.clone(),
            path: folder.join(path),
            sha256: text("sha256"),
        })
    };
    tables.into_iter().flatten().filter_map(file).collect()
}

/// Something a plugin found in its settings.
#[derive(Debug, Clone)]
pub struct PluginFinding {
    /// How bad it is.
    pub severity: Severity,
    /// JSON pointer (RFC 6901) into its settings.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
}

/// One plugin's settings.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// Its id.
    pub id: String,
    /// Whether to run it.
    pub enabled: bool,
    /// What it may do; `None` when the file does not say, which grants a built-in plugin its needs.
    pub grant: Option<Vec<String>>,
    /// The file it is loaded from; `None` for a built-in one.
    pub file: Option<PluginFile>,
    /// Its own keys, as JSON.
    pub settings: serde_json::Value,
}

/// Reads the table of every plugin; one without a table has its defaults.
pub(super) fn read(
    reader: &mut Reader<'_>,
    folder: &Path,
    plugins: &[PluginCheck<'_>],
) -> Vec<Plugin> {
    let files = files(reader.root, folder);
    let file = |id: &str| files.iter().find(|file| file.id == id).cloned();
    plugins
        .iter()
        .map(|plugin| one(reader, plugin, file(plugin.id)))
        .collect()
}

fn one(reader: &mut Reader<'_>, plugin: &PluginCheck<'_>, file: Option<PluginFile>) -> Plugin {
    let section = format!("plugins.{}", plugin.id);
    let nowhere = Node {
        place: Place {
            text: usize::MAX,
            span: 0..0,
        },
        value: Value::Table(vec![]),
    };
    let entry = reader.root.find(&section);
    let table = entry.map_or(&nowhere, |entry| &entry.node);

    let mut enabled = true;
    if let Some(entry) = table.entry("enabled") {
        match parse::flag(&entry.node) {
            Ok(flag) => enabled = flag,
            Err(problem) => reader.problem(&section, problem),
        }
    }
    let mut grant = None;
    if let Some(entry) = table.entry("grant") {
        match parse::list(&entry.node, |node| one_grant(node, plugin)) {
            Ok(words) => grant = Some(words),
            Err(problems) => problems
                .into_iter()
                .for_each(|problem| reader.problem(&section, problem)),
        }
    }
    for name in ["path", "sha256"] {
        if let Some(Err(problem)) = table.entry(name).map(|entry| parse::filled(&entry.node)) {
            reader.problem(&section, problem);
        }
    }
    if let (Some(entry), None) = (table.entry("sha256"), table.entry("path")) {
        let problem = Problem::at(
            &entry.node,
            "there is no `path` to pin",
            "name the file as well",
        );
        reader.problem(&section, problem);
    }
    let own = Node {
        place: table.place.clone(),
        value: Value::Table(
            table
                .entries()
                .iter()
                .filter(|entry| !PLUGIN_KEYS.contains(&entry.name.as_str()))
                .cloned()
                .collect(),
        ),
    };
    let settings = own.to_json();
    if enabled {
        let none = Vec::new();
        let judged = grant.as_ref().or(plugin.explicit.then_some(&none));
        let missing = judged.map_or_else(Vec::new, |grant| (plugin.check_grant)(grant));
        for finding in (plugin.check)(&settings).into_iter().chain(missing) {
            note(reader, &section, table, finding);
        }
    }
    Plugin {
        id: plugin.id.to_owned(),
        enabled,
        grant,
        file,
        settings,
    }
}

fn note(reader: &mut Reader<'_>, section: &str, table: &Node, finding: PluginFinding) {
    let found = pointer_to_span(table, &finding.pointer);
    // What is wrong with a key's name is shown at the key, everything else at the value.
    let about_key = finding.message.starts_with("unknown");
    let place = if about_key {
        found.key.unwrap_or(found.value)
    } else {
        found.value
    };
    if place.text == usize::MAX {
        reader.report.add(
            finding.severity,
            format!("[{section}] {}", finding.message),
            finding.help,
        );
        return;
    }
    reader.note(
        finding.severity,
        section,
        place.clone(),
        finding.message,
        finding.help,
    );
}

/// A grant is a need of the plugin, or one with its target narrowed or widened (`net.http:*`).
fn one_grant(node: &Node, plugin: &PluginCheck<'_>) -> parse::Parsed<String> {
    let written = parse::filled(node)?;
    let family = |grant: &str| grant.split(':').next().unwrap_or_default().to_owned();
    let families: Vec<String> = plugin.needs.iter().map(|need| family(need)).collect();
    if families.contains(&family(&written)) || families.iter().any(|known| known == ANY_NEED) {
        return Ok(written);
    }
    let help = match nearest(&written, families.iter().map(String::as_str)) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("it asks for: {}", plugin.needs.join(", ")),
    };
    let message = format!("`{}` does not ask for `{written}`", plugin.id);
    Err(Problem::at(node, message, help))
}
