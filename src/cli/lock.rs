//! One running bot per data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::exit::Failure;

/// Held as long as the bot runs. The system lets go of it when the process ends, however it ends, so
/// a crash leaves nothing to clean up.
#[derive(Debug)]
pub(super) struct DataLock {
    _file: File,
}

/// Makes the data folder and locks it.
///
/// # Errors
/// When the folder cannot be written, or another bot runs on it.
pub(super) fn take(folder: &Path) -> Result<DataLock, Failure> {
    let shown = folder.display();
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::failed(
            format!("cannot make the data folder {shown}: {error}"),
            "set [paths] data",
        )
    })?;
    let path = folder.join("mynah.lock");
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = open.map_err(|error| {
        let help = "the data folder must be writable; [paths] data names it";
        Failure::failed(format!("cannot write {}: {error}", path.display()), help)
    })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder: String = holder
                .chars()
                .filter(char::is_ascii_digit)
                .take(10)
                .collect();
            return Err(Failure::failed(
                format!("another mynah (process {holder}) is running on the data folder {shown}"),
                "stop it first, or give this one a data folder of its own: \
                 MYNAH__PATHS__DATA=other-folder",
            ));
        }
        Err(TryLockError::Error(error)) => {
            return Err(Failure::failed(
                format!("cannot lock {}: {error}", path.display()),
                "",
            ));
        }
    }
    // The process id is for the message above only; without it the lock is as good.
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "{}", std::process::id());
    Ok(DataLock { _file: file })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = take(&data).unwrap();
        let refused = format!("{:?}", take(&data).unwrap_err());
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(first);
        assert!(take(&data).is_ok());
    }
}
