//! `fs.list`: every file in a granted folder.

use crate::OpError;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// More files than this are not listed; a library beyond it needs its own index.
const MAX_FILES: usize = 50_000;
/// Folders inside folders beyond this are a loop or a prank.
const MAX_DEPTH: usize = 16;

/// Walks a folder. `real` is where it is, `named` how the plugin calls it; paths in the answer
/// begin with `named`. Hidden files and links are left out: a link could lead anywhere, or in
/// circles. Blocks on the disk.
pub(crate) fn list(real: &Path, named: &str) -> Result<Value, OpError> {
    let mut found: Vec<(String, u64, u64)> = Vec::new();
    let mut open: Vec<(PathBuf, String, usize)> =
        vec![(real.to_owned(), named.trim_end_matches('/').to_owned(), 0)];
    let mut truncated = false;
    while let Some((dir, named_dir, depth)) = open.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            // The folder itself must be readable; one inside it may be private.
            Err(error) if depth == 0 => {
                return Err(OpError::Failed(format!(
                    "`{named}` can not be listed: {error}"
                )));
            }
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            // A name that is not UTF-8 can not be said in JSON.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let named_entry = format!("{named_dir}/{name}");
            if kind.is_dir() {
                truncated |= depth + 1 >= MAX_DEPTH;
                if depth + 1 < MAX_DEPTH {
                    open.push((entry.path(), named_entry, depth + 1));
                }
            } else if kind.is_file() {
                if found.len() >= MAX_FILES {
                    truncated = true;
                    break;
                }
                let (bytes, modified_s) = entry.metadata().map_or((0, 0), |data| {
                    let modified = data.modified().ok();
                    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                    (data.len(), since.map_or(0, |since| since.as_secs()))
                });
                found.push((named_entry, bytes, modified_s));
            }
        }
    }
    found.sort();
    let files: Vec<Value> = found
        .into_iter()
        .map(|(path, bytes, modified_s)| {
            json!({ "path": path, "bytes": bytes, "modified_s": modified_s })
        })
        .collect();
    Ok(json!({ "files": files, "truncated": truncated }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_with_what_is_inside_its_folders_but_no_links_and_nothing_hidden() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        for name in ["z.mp3", "b/a.mp3", ".hidden"] {
            fs::write(dir.path().join(name), "xyz").unwrap();
        }
        std::os::unix::fs::symlink("/", dir.path().join("everything")).unwrap();
        let listed = list(dir.path(), "media/").unwrap();
        let paths: Vec<&str> = listed["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, ["media/b/a.mp3", "media/z.mp3"]);
        assert_eq!(listed["files"][0]["bytes"], 3);
        assert_eq!(listed["truncated"], false);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_it() {
        let error = list(Path::new("/nowhere/at/all"), "media").unwrap_err();
        assert!(error.to_string().contains("`media`"), "{error}");
    }
}
