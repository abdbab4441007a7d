//! `bot.toml` and the environment, read into typed settings.
//!
//! [`load`] reads everything before it judges anything: it either gives a [`Config`] or a [`Report`]
//! with every mistake in it, each with its line (or variable), a caret and what to do.
//!
//! | module | job |
//! |---|---|
//! | [`keys`] | the one table of keys, defaults and documentation |
//! | [`document`] | the tree of values, each knowing where it was written |
//! | `environment` | `MYNAH__SECTION__KEY` variables, put over the file |
//! | `sections`, `discord`, `token`, `plugins` | the tables read into typed settings |
//! | `reader`, `parse` | reading one value, noting every problem and going on |
//! | [`diagnostic`] | the report and its printer |
//! | [`shipped`] | the text of the shipped file, from the key table |

pub mod diagnostic;
mod discord;
pub mod document;
mod environment;
pub mod keys;
mod mask;
mod mix;
mod parse;
mod permissions;
mod plugins;
mod reader;
mod sections;
pub mod shipped;
pub mod suggest;
mod token;
mod typed;

use std::path::Path;

pub use diagnostic::{Report, Severity};
pub use plugins::{ANY_NEED, Plugin, PluginCheck, PluginFile, PluginFinding};
pub use typed::{
    Api, CommandScope, Config, Discord, HumanTalk, Log, LogFormat, LogLevel, Mix, Net, Owners,
    Paths, Permissions, Server, Status, StatusKind, Voice,
};

use document::Origin;
use reader::Reader;

/// A configuration file larger than this is not one.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// Settings that can be used, and what is worth saying about them all the same.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Warnings only.
    pub report: Report,
}

/// Reads `file` and the `MYNAH__…` ones of `variables`, and checks all of it, plugins' tables too.
///
/// # Errors
/// The report of everything that is wrong, when anything is.
pub fn load(
    file: &Path,
    variables: &[(String, String)],
    plugins: &[PluginCheck<'_>],
) -> Result<Loaded, Report> {
    let mut report = Report::new(file);
    let content = match read_file(file) {
        Ok(content) => content,
        Err((message, help)) => {
            report.add(Severity::Error, message, help);
            return Err(report);
        }
    };
    judge(file, content, variables, plugins, report)
}

/// The plugins in files of their own that a configuration names, so that these can say what they
/// think of it ([`load`]). What is wrong with it is not said here.
pub fn plugin_files(file: &Path, variables: &[(String, String)]) -> Vec<PluginFile> {
    let Ok(content) = read_file(file) else {
        return Vec::new();
    };
    let mut report = Report::new(file);
    let text = report.text(Origin::File(file.to_owned()), content.clone());
    let (mut root, _) = document::parse(&content, text);
    environment::merge(&mut root, &mut report, variables);
    plugins::files(&root, folder_of(file))
}

/// Relative paths in a file are seen from here.
fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// Everything after reading the file.
fn judge(
    file: &Path,
    content: String,
    variables: &[(String, String)],
    plugins: &[PluginCheck<'_>],
    mut report: Report,
) -> Result<Loaded, Report> {
    let text = report.text(Origin::File(file.to_owned()), content.clone());
    let (mut root, syntax) = document::parse(&content, text);
    let header_broken = syntax
        .iter()
        .any(|error| is_header(&content, error.place.span.start));
    for error in syntax {
        report.diagnostics.push(diagnostic::Diagnostic {
            severity: Severity::Error,
            message: error.message,
            place: Some(error.place),
            section: String::new(),
            help: String::new(),
        });
    }
    if header_broken {
        // The keys below a broken header would seem to stand in the table above it: every further
        // finding would be false.
        return Err(report);
    }
    environment::merge(&mut root, &mut report, variables);
    let mut reader = Reader::new(&root, report);
    let ids: Vec<&str> = plugins.iter().map(|plugin| plugin.id).collect();
    reader.check_names(&ids);
    let tables = plugins::read(&mut reader, folder_of(file), plugins);
    let config = sections::read(&mut reader, file, variables, tables);
    match config {
        Some(config) if reader.report.is_usable() => Ok(Loaded {
            config,
            report: reader.report,
        }),
        _ => Err(reader.report),
    }
}

fn read_file(file: &Path) -> Result<String, (String, String)> {
    let shown = file.display();
    let fail =
        |why: String, help: &str| Err((format!("cannot read {shown}: {why}"), help.to_owned()));
    let meta = match std::fs::metadata(file) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return fail(
                "there is no such file".to_owned(),
                "start mynah in the folder of bot.toml, or say --config PATH",
            );
        }
        Err(error) => return fail(error.to_string(), ""),
    };
    if meta.is_dir() {
        return fail("it is a folder".to_owned(), "say --config FOLDER/bot.toml");
    }
    if meta.len() > FILE_LIMIT_BYTES {
        return fail(
            "it is larger than 1 MiB".to_owned(),
            "this cannot be the right file",
        );
    }
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return fail(error.to_string(), ""),
    };
    match String::from_utf8(bytes) {
        // A byte order mark is no part of TOML, but some editors write one.
        Ok(text) => Ok(text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text)),
        Err(_) => fail("it is not UTF-8 text".to_owned(), "save it as UTF-8"),
    }
}

/// Whether the line that a byte stands on is a table header.
fn is_header(content: &str, at: usize) -> bool {
    let before = content.get(..at.min(content.len())).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    content
        .get(start..)
        .unwrap_or_default()
        .trim_start()
        .starts_with('[')
}

#[cfg(test)]
mod tests;
