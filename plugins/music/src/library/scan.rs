//! From the listings of the library folders to the files of the library.
//!
//! The host walks the folders, because it is the host's grants that decide what may be seen: it leaves
//! hidden files out and follows no link that leaves the folder. Here is decided what belongs into a
//! library, and how much of it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The most files one library may hold: beyond it the index would no longer answer in memory in time.
pub const MAX_FILES: usize = 50_000;
/// The deepest a file may lie below its library folder.
pub const MAX_DEPTH: usize = 12;

/// Endings of files that may hold sound. Whether one really does is for the engine to say.
const ENDINGS: [&str; 20] = [
    "mp3", "mp2", "mp1", "flac", "ogg", "oga", "opus", "wav", "wave", "m4a", "m4b", "mp4", "aac",
    "alac", "webm", "mkv", "mka", "aif", "aiff", "aifc",
];

/// What one library folder holds, with everything below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files.
    pub files: Vec<File>,
    /// The host stopped before the end.
    pub cut_short: bool,
}

/// One file of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path, as the host takes it back.
    pub path: PathBuf,
    /// What changes when the file does: its size and the time of its last change.
    pub stamp: (u64, u64),
}

/// A file for the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path, as the host takes it back.
    pub path: PathBuf,
    /// The path below its library folder, with `/` between the parts.
    pub relative: String,
    /// What changes when the file does.
    pub stamp: (u64, u64),
}

/// Something the operator should know about a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A folder could not be listed, with the host's reason.
    Unreadable(PathBuf, String),
    /// The host listed only a part of this folder.
    CutShort(PathBuf),
    /// There were more than [`MAX_FILES`] files; the rest is not in the index.
    TooManyFiles,
    /// A folder lies deeper than [`MAX_DEPTH`]; its files are not in the index.
    TooDeep(PathBuf),
}

/// A scan in progress.
#[derive(Debug)]
pub struct Scan {
    ahead: Vec<PathBuf>,
    at: Option<PathBuf>,
    seen: BTreeSet<PathBuf>,
    found: Vec<Found>,
    notes: Vec<Note>,
}

impl Scan {
    /// A scan of these library folders, in this order.
    #[must_use]
    pub fn new(folders: &[PathBuf]) -> Self {
        Self {
            ahead: folders.iter().rev().cloned().collect(),
            at: None,
            seen: BTreeSet::new(),
            found: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The folder to list now; the answer goes to [`Scan::listed`]. `None`: the scan is over.
    pub fn advance(&mut self) -> Option<&Path> {
        self.at = self.ahead.pop();
        self.at.as_deref()
    }

    /// Takes the listing of the folder [`Scan::advance`] named.
    pub fn listed(&mut self, listing: Result<Listing, String>) {
        let Some(folder) = self.at.take() else { return };
        let mut listing = match listing {
            Ok(listing) => listing,
            Err(reason) => return self.note(Note::Unreadable(folder, reason)),
        };
        listing.files.sort_by(|a, b| a.path.cmp(&b.path)); // the same disk gives the same index
        for File { path, stamp } in listing.files {
            let Some(relative) = below(&folder, &path) else {
                continue;
            };
            if !has_sound_ending(&relative) {
                continue;
            }
            if relative.split('/').count() > MAX_DEPTH {
                self.note(Note::TooDeep(path.parent().unwrap_or(&path).to_owned()));
            } else if self.found.len() >= MAX_FILES {
                return self.note(Note::TooManyFiles);
            } else if self.seen.insert(path.clone()) {
                self.found.push(Found {
                    path,
                    relative,
                    stamp,
                }); // library folders may lie in each other
            }
        }
        if listing.cut_short {
            self.note(Note::CutShort(folder));
        }
    }

    /// What was found, and what the operator should know.
    #[must_use]
    pub fn finish(self) -> (Vec<Found>, Vec<Note>) {
        (self.found, self.notes)
    }

    fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// A path as it reads below a library folder. The host may have made the path absolute, so the folder's
/// own parts are looked for inside it. `None`: not a plain path, or not one in words.
fn below(folder: &Path, path: &Path) -> Option<String> {
    let parts = |path: &Path| -> Vec<PathBuf> {
        let named = path
            .components()
            .filter(|part| !matches!(part, Component::CurDir));
        named.map(|part| PathBuf::from(part.as_os_str())).collect()
    };
    let (folder, path) = (parts(folder), parts(path));
    let start = path
        .windows(folder.len().max(1))
        .position(|window| window == folder);
    let rest = path.get(start.map_or(0, |start| start + folder.len())..)?;
    let rest: Option<Vec<&str>> = rest.iter().map(|part| part.to_str()).collect();
    let rest = rest?;
    // A path of `..` would read differently to the host and to people.
    (!rest.is_empty() && !rest.contains(&".."))
        .then(|| rest.join("/").trim_start_matches('/').to_owned())
}

/// Whether a file name ends like a sound file.
#[must_use]
pub fn has_sound_ending(name: &str) -> bool {
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(paths: &[&str]) -> Result<Listing, String> {
        let files = paths
            .iter()
            .map(|path| File {
                path: path.into(),
                stamp: (1, 2),
            })
            .collect();
        Ok(Listing {
            files,
            cut_short: false,
        })
    }

    /// Scans folders whose listings a function makes up.
    fn scan(
        folders: &[&str],
        disk: impl Fn(&Path) -> Result<Listing, String>,
    ) -> (Vec<String>, Vec<Note>) {
        let folders: Vec<_> = folders.iter().map(PathBuf::from).collect();
        let mut scan = Scan::new(&folders);
        while let Some(path) = scan.advance() {
            let listing = disk(path);
            scan.listed(listing);
        }
        let (found, notes) = scan.finish();
        (found.into_iter().map(|f| f.relative).collect(), notes)
    }

    #[test]
    fn sound_files_are_taken_in_a_steady_order_and_others_left() {
        let paths = [
            "m/b/song.opus",
            "m/z.MP3",
            "m/a.flac",
            "m/cover.jpg",
            "m/noending",
        ];
        let (found, notes) = scan(&["m/"], |_| listing(&paths));
        assert_eq!(found, ["a.flac", "b/song.opus", "z.MP3"]);
        assert_eq!(notes, []);
    }

    #[test]
    fn a_path_reads_the_same_whether_the_host_made_it_absolute_or_not() {
        let cases = [
            ("media", "media/a/x.mp3"),
            ("./media/", "/home/me/bot/media/a/x.mp3"),
            ("/srv/media", "/srv/media/a/x.mp3"),
        ];
        for (folder, path) in cases {
            assert_eq!(
                below(Path::new(folder), Path::new(path)).as_deref(),
                Some("a/x.mp3"),
                "{path}"
            );
        }
        assert_eq!(
            below(Path::new("."), Path::new("a/x.mp3")).as_deref(),
            Some("a/x.mp3")
        );
        assert_eq!(below(Path::new("m"), Path::new("m/../x.mp3")), None);
        assert_eq!(below(Path::new("m"), Path::new("m")), None);
    }

    #[test]
    fn a_file_in_two_library_folders_is_taken_once() {
        let (found, _) = scan(&["m", "m/jazz"], |_| listing(&["m/jazz/x.mp3"]));
        assert_eq!(found, ["jazz/x.mp3"]);
    }

    #[test]
    fn files_too_deep_and_too_many_are_left_out_with_a_note() {
        let deep = format!("m{}/x.mp3", "/d".repeat(MAX_DEPTH));
        let (found, notes) = scan(&["m"], |_| listing(&[&deep, "m/y.mp3"]));
        assert_eq!(found, ["y.mp3"]);
        assert!(matches!(notes.as_slice(), [Note::TooDeep(_)]));
        let many: Vec<_> = (0..MAX_FILES + 5).map(|n| format!("m/{n}.mp3")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let (found, notes) = scan(&["m"], |_| listing(&many));
        assert_eq!((found.len(), notes), (MAX_FILES, vec![Note::TooManyFiles]));
    }

    #[test]
    fn an_unreadable_or_cut_folder_is_noted_and_the_rest_is_scanned() {
        let (found, notes) = scan(&["/gone", "/m"], |path| match path.to_str() {
            Some("/gone") => Err("no such folder".to_owned()),
            _ => listing(&["/m/a.wav"]).map(|listing| Listing {
                cut_short: true,
                ..listing
            }),
        });
        assert_eq!(found, ["a.wav"]);
        let gone = Note::Unreadable("/gone".into(), "no such folder".into());
        assert_eq!(notes, [gone, Note::CutShort("/m".into())]);
    }
}
