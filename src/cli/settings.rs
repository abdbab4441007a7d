//! Loading the configuration for a command, and handing it to the rooms in their own terms.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, Loaded, Report};

use super::exit::{Exit, Failure};
use super::{out, plugins};

/// Reads `file` and the environment.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn read(file: &Path) -> Result<Loaded, Report> {
    // Variables that are not text cannot be settings of ours.
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let files = config::plugin_files(file, &variables);
    plugins::with_checks(&files, |checks| config::load(file, &variables, checks))
}

/// As [`read`], for commands that go on with it: says warnings and errors on standard error.
///
/// # Errors
/// The exit code for a wrong configuration; all has been said.
pub(super) fn load(file: &Path) -> Result<Config, Failure> {
    match read(file) {
        Ok(loaded) => {
            if !loaded.report.is_empty() {
                out::error(&loaded.report.to_string());
            }
            Ok(loaded.config)
        }
        Err(report) => {
            out::error(report.to_string().trim_end());
            Err(Failure::said(Exit::Config))
        }
    }
}

/// The same path from everywhere: it goes into the ready file and to plugins, which may stand elsewhere.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
