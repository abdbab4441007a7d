//! The ready file: written whole or not at all, so that whoever waits for it never reads half.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::exit::Failure;

/// Takes away the file of an earlier run, and finds out before any work whether it can be written.
///
/// # Errors
/// When it cannot.
pub(super) fn prepare(path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let folder = folder_of(path);
    if !folder.is_dir() {
        let message = format!("--ready-file: there is no folder {}", folder.display());
        return Err(Failure::usage(message, "make it first"));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(cannot_write(path, &error))
        }
        _ => Ok(()),
    }
}

/// Writes it: into a file beside it first, which then takes its name.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn write(path: Option<&Path>, content: &serde_json::Value) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = folder_of(path).join(format!(".{name}.{}.part", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        // It holds the token of the embedded server's bot.
        .mode(0o600)
        .open(&part)
        .and_then(|mut file| {
            writeln!(file, "{content:#}")?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&part);
        cannot_write(path, &error)
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(
        format!("cannot write the ready file {}: {error}", path.display()),
        "",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_old_file_goes_first_and_the_new_one_comes_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        std::fs::write(&path, "old").unwrap();
        prepare(Some(&path)).unwrap();
        assert!(!path.exists());
        write(Some(&path), &serde_json::json!({ "pid": 1 })).unwrap();
        let read = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&read).unwrap()["pid"],
            1
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_found_before_the_work() {
        assert!(prepare(Some(Path::new("/nowhere/at/all/ready.json"))).is_err());
    }
}
