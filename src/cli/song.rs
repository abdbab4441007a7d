//! Something to play for whoever has just started Mynah for the first time.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use mynah_audio::{Block, CHANNELS};
use mynah_media::{Read, tune, wav};

/// Endings of files that count as music here; the plugin decides for itself.
const ENDINGS: [&str; 14] = [
    "mp3", "flac", "ogg", "oga", "opus", "wav", "m4a", "aac", "mp4", "webm", "mka", "mkv", "aiff",
    "aif",
];
/// Folders looked into before the search is given up as "there is some".
const FOLDERS: usize = 200;
/// One round of the built-in tune.
const TUNE_SECONDS: f64 = 24.0;
const TUNE_NAME: &str = "Mynah Tune.wav";

/// Words that `/play` finds something by: the name of a file in the library. An empty library gets
/// the built-in tune first.
pub(super) fn find_or_make(library: &[PathBuf]) -> Option<String> {
    let file = match library.iter().find_map(|folder| find(folder)) {
        Some(file) => file,
        None => make(library.first()?)
            .inspect_err(|error| tracing::warn!("the built-in tune cannot be written: {error}"))
            .ok()?,
    };
    Some(words(file.file_stem()?.to_str()?))
}

fn find(root: &Path) -> Option<PathBuf> {
    let mut folders = vec![root.to_owned()];
    for _ in 0..FOLDERS {
        let Ok(entries) = std::fs::read_dir(folders.pop()?) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        paths.sort();
        let is_music = |path: &&PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| ENDINGS.contains(&ending.to_lowercase().as_str()))
                && path.is_file()
        };
        if let Some(file) = paths.iter().find(is_music) {
            return Some(file.clone());
        }
        folders.extend(paths.into_iter().filter(|path| path.is_dir()));
    }
    None
}

fn make(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join(TUNE_NAME);
    let part = folder.join(format!("{TUNE_NAME}.part"));
    let mut out = wav::WavWriter::new(BufWriter::new(File::create(&part)?), wav::Format::I16)?;
    let mut tune = tune::builtin(TUNE_SECONDS);
    let mut block: Block = [0.0; 1920];
    loop {
        let frames = match tune.read(&mut block) {
            Read::Full => block.len() / CHANNELS,
            Read::Last(frames) => frames,
            Read::End => break,
        };
        out.write(block.get(..frames * CHANNELS).unwrap_or_default())?;
    }
    out.finish()?;
    std::fs::rename(&part, &path)?;
    Ok(path)
}

/// Letters, digits and spaces only: the words stand in JSON in quotes in a shell.
fn words(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_empty_library_gets_the_tune_and_a_full_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let library = [folder.path().to_owned()];
        assert_eq!(find_or_make(&library).unwrap(), "Mynah Tune");
        let written = std::fs::read(folder.path().join(TUNE_NAME)).unwrap();
        // 24 s of 48 kHz stereo 16 bit, and a header.
        assert!(written.len() > 24 * 48_000 * 4);
        assert_eq!(find_or_make(&library).unwrap(), "Mynah Tune");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_song_is_found_below_and_its_words_are_safe_to_paste() {
        let folder = tempfile::tempdir().unwrap();
        let album = folder.path().join("album");
        std::fs::create_dir(&album).unwrap();
        std::fs::write(album.join("cover.jpg"), "").unwrap();
        std::fs::write(album.join("It's \"Fine\" $HOME.mp3"), "").unwrap();
        assert_eq!(
            find_or_make(&[folder.path().to_owned()]).unwrap(),
            "It s Fine HOME"
        );
    }
}
