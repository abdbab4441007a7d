//! Plugins in files of their own: read, hashed, looked at, and only then loaded (architecture C7).
//!
//! What is loaded is what was hashed: the bytes are read once, and a private copy of exactly these
//! is given to the system, which a change of the file, by a compiler say, cannot reach. Nothing of a
//! file that is no plugin of this table version is run: its exported name says so before it is
//! loaded. What is loaded stays for the life of the process, and the same bytes are loaded once.

use crate::{Backend, HostError, entry};
use libloading::os::unix::{Library as Native, RTLD_LOCAL, RTLD_NOW};
use mynah_plugin::abi;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    fs::{self, File, Permissions},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// More than any plugin has; a debug build of a large one has 60 MB.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// Libraries of one process: each stays mapped. Ten a day for a year.
const MAX_LIBRARIES: usize = 4096;
/// What the exported name begins with, before the number of the table's version.
const SYMBOL: &str = "mynah_entry_v";
/// An identifier; longer ones are garbage.
const MAX_NAME_BYTES: usize = 200;
/// More exported names than this are garbage.
const MAX_NAMES: usize = 16;

/// A plugin that was loaded from a file. Never unloaded.
#[derive(Debug)]
pub struct Library {
    entry: &'static abi::Entry,
    file: PathBuf,
    sha256: String,
}

impl Library {
    /// Where it was read.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// SHA-256 of its file, 64 small hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(crate) fn entry(&self) -> &'static abi::Entry {
        self.entry
    }
}

/// Loaded by this process. The system keeps such a list as well, by name; this one is by content.
static LOADED: Mutex<Vec<&'static Library>> = Mutex::new(Vec::new());

/// Loads a plugin from a file. Blocks; any thread. `id` is what its table of bot.toml is called,
/// `sha256` the pin that stands there; either may be left out.
///
/// # Errors
/// [`HostError::Entry`] in words that say what to do: the file cannot be read, is not pinned, is no
/// plugin, is built for another version of the table or with `panic=abort`, or has another id.
pub fn load(file: &Path, id: Option<&str>, sha256: Option<&str>) -> Result<Backend, HostError> {
    let shown = file.display().to_string();
    let refuse = |reason| HostError::Entry {
        plugin: id.unwrap_or(&shown).to_owned(),
        reason,
    };
    let bytes = read(file).map_err(refuse)?;
    let hash = hash(&bytes);
    if let Some(pin) = sha256 {
        pinned(pin, &hash, &shown).map_err(refuse)?;
    }
    // Held while loading: the table's functions are called by one thread at a time `[load]`.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = loaded.iter().find(|library| library.sha256 == hash);
    let library: &'static Library = match known {
        Some(library) => library,
        None if loaded.len() >= MAX_LIBRARIES => {
            return Err(refuse(
                "too many plugins were loaded by now; restart the bot".into(),
            ));
        }
        None => {
            let entry = open(file, &bytes).map_err(refuse)?;
            let library = Box::leak(Box::new(Library {
                entry,
                file: file.to_owned(),
                sha256: hash,
            }));
            loaded.push(library);
            library
        }
    };
    drop(loaded);
    let about = entry::describe(Backend::Native(library))?;
    match id {
        Some(id) if id != about.id => Err(refuse(format!(
            "{shown} is the plugin `{}`; call its table [plugins.{}], or name another file",
            about.id, about.id
        ))),
        _ => Ok(Backend::Native(library)),
    }
}

/// SHA-256 of a file as `sha256` in bot.toml wants it. Nothing of it is run.
///
/// # Errors
/// [`HostError::Entry`] when it cannot be read.
pub fn sha256_of(file: &Path) -> Result<String, HostError> {
    let bytes = read(file).map_err(|reason| HostError::Entry {
        plugin: file.display().to_string(),
        reason,
    })?;
    Ok(hash(&bytes))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let shown = file.display();
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no file {shown}; build it first, or mend `path`")
        }
        _ => format!("cannot read {shown}: {error}"),
    };
    let meta = fs::metadata(file).map_err(cannot)?;
    if !meta.is_file() {
        return Err(format!("{shown} is no file; `path` names the .so itself"));
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(cannot)?;
    // One more, to see that there is more.
    let mut limited = opened.take(MAX_FILE_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("{shown} is larger than 512 MiB: it is no plugin"));
    }
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn pinned(pin: &str, hash: &str, shown: &str) -> Result<(), String> {
    if pin.len() != 64 || !pin.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(
            "`sha256` is not 64 hexadecimal digits; `mynah plugin verify FILE` shows them".into(),
        );
    }
    match pin.eq_ignore_ascii_case(hash) {
        true => Ok(()),
        false => Err(format!(
            "{shown} is not the file that is pinned: its SHA-256 is {hash}. If you changed it \
             yourself, write that into `sha256`; else do not use it"
        )),
    }
}

/// Loads a private copy of these bytes and finds the table in it.
fn open(file: &Path, bytes: &[u8]) -> Result<&'static abi::Entry, String> {
    let symbol = symbol(file, bytes)?;
    let copy = |error| {
        format!("no private copy of it can be made: {error}; see to TMPDIR and the room there")
    };
    // The system tells libraries apart by name and inode: each has a folder of its own, whose name
    // does not come back.
    let folder = tempfile::Builder::new()
        .prefix("mynah-plugin-")
        .rand_bytes(16)
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(copy)?;
    let place = folder.path().join("plugin.so");
    fs::write(&place, bytes).map_err(copy)?;
    // SAFETY: dlopen(3): the initialisers of the library run. The operator named this file in
    // bot.toml: native code is trusted code (architecture C5.7).
    let library = unsafe { Native::open(Some(&place), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|error| cannot_load(&error, &place, file))?;
    // SAFETY: header: a data symbol of this name is a mynah_entry. Only its address is taken here.
    let table = unsafe { library.get::<*const abi::Entry>(symbol.as_bytes()) };
    let table = table.map(|table| table.as_raw_ptr().cast::<abi::Entry>());
    // Its code and data stay where they are: threads and destructors of its own may outlive whatever
    // we know of it (architecture C1, C7). The copy's file may go, its mapping stays.
    core::mem::forget(library);
    let table = table.map_err(|error| format!("its `{symbol}` cannot be found: {error}"))?;
    if table.is_null() || !table.is_aligned() {
        return Err(format!("its `{symbol}` is no table"));
    }
    // SAFETY: header: static, read-only data, mapped for the life of the process. Magic, version and
    // size are judged before anything else of it is used (`entry::about`).
    Ok(unsafe { &*table })
}

/// The system's words, about the file that people know, and what they mean most often.
fn cannot_load(error: &libloading::Error, place: &Path, file: &Path) -> String {
    let mut words = error.to_string();
    if let Some(inner) = std::error::Error::source(error) {
        let _ = write!(words, ": {inner}");
    }
    let (place, file) = (place.display().to_string(), file.display().to_string());
    let words = words.replace(&place, &file);
    let advice = if words.contains("GLIBC") {
        "; build it on this machine, or on one with an older C library"
    } else if words.contains("ELF") || words.contains("wrong") {
        "; build it for this kind of machine"
    } else if words.contains("Operation not permitted") || words.contains("failed to map") {
        "; programs may not run from the temporary folder: set TMPDIR to one where they may"
    } else {
        "; `ldd` shows which libraries it misses"
    };
    format!("the system cannot load it: {words}{advice}")
}

/// The name of its table: among those in its bytes the one that is called like the file, else the
/// only one. Nothing of the file has run yet.
fn symbol(file: &Path, bytes: &[u8]) -> Result<String, String> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(format!(
            "{} is no shared library (ELF); `mynah plugin build` makes one",
            file.display()
        ));
    }
    let ours = format!("{SYMBOL}{}__", abi::MAJOR);
    let (mine, others): (Vec<String>, Vec<String>) = names(bytes)
        .into_iter()
        .partition(|name| name.starts_with(&ours));
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_prefix("lib").unwrap_or(&stem).replace('-', "_");
    let called = format!("{ours}{stem}");
    match (mine.as_slice(), others.first()) {
        (all, _) if all.contains(&called) => Ok(called),
        ([only], _) => Ok(only.clone()),
        ([], Some(other)) => Err(other_version(other)),
        ([], None) => Err(format!(
            "{} exports no `{ours}…`: it is no Mynah plugin. In Rust, \
             `mynah_plugin::export!(YourType);` makes that symbol; build with crate-type cdylib",
            file.display()
        )),
        (several, _) => Err(format!(
            "it holds several plugins ({}); call the file lib<one of them>.so",
            several.join(", ")
        )),
    }
}

fn other_version(name: &str) -> String {
    let digits = name.strip_prefix(SYMBOL).unwrap_or_default();
    let theirs: u32 = digits
        .split('_')
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default();
    entry::wrong_version(theirs)
}

/// Names of tables of any version in the bytes of a library: whole strings of its symbol table.
fn names(bytes: &[u8]) -> Vec<String> {
    let start = SYMBOL.as_bytes();
    let mut found: Vec<String> = Vec::new();
    let mut rest = bytes;
    while let Some(at) = find(rest, start) {
        let (before, after) = rest.split_at(at);
        let end = after
            .iter()
            .take(MAX_NAME_BYTES)
            .position(|byte| *byte == 0);
        let name = end.and_then(|end| after.get(..end));
        let name = name.and_then(|name| core::str::from_utf8(name).ok());
        // A string of a symbol table has a NUL on either side.
        let whole = before.last().is_none_or(|byte| *byte == 0);
        if let Some(name) = name.filter(|name| whole && is_name(name))
            && !found.iter().any(|known| known == name)
        {
            found.push(name.to_owned());
            if found.len() == MAX_NAMES {
                return found;
            }
        }
        rest = after.get(start.len()..).unwrap_or_default();
    }
    found
}

fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix(SYMBOL).unwrap_or_default();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest.get(digits..).unwrap_or_default();
    digits > 0
        && after.starts_with("__")
        && after.len() > 2
        && after
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where `what` begins, looking for its first byte first: most bytes are another one.
fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = what.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = from + rest.iter().position(|byte| byte == first)?;
        if bytes.get(at..)?.starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn elf(tail: &[u8]) -> Vec<u8> {
        [b"\x7fELF".as_slice(), tail].concat()
    }

    fn words(file: &str, bytes: &[u8]) -> String {
        symbol(Path::new(file), bytes).unwrap_err()
    }

    #[test]
    fn the_table_is_found_by_the_files_name_or_alone() {
        let one = elf(b"\0mynah_entry_v1__dice\0");
        let found = |file: &str, bytes: &[u8]| symbol(Path::new(file), bytes).unwrap();
        assert_eq!(found("/x/libdice.so", &one), "mynah_entry_v1__dice");
        assert_eq!(found("/x/renamed.so", &one), "mynah_entry_v1__dice");
        let two = elf(b"\0mynah_entry_v1__dice\0x\0mynah_entry_v1__hello_c\0");
        assert_eq!(found("hello-c.so", &two), "mynah_entry_v1__hello_c");
        assert!(words("other.so", &two).contains("several plugins"));
    }

    #[test]
    fn what_is_no_plugin_or_one_of_another_version_is_refused_before_anything_of_it_runs() {
        assert!(words("a.so", b"#!/bin/sh").contains("no shared library"));
        assert!(words("a.so", &elf(b"\0other\0")).contains("mynah_plugin::export!"));
        let newer = words("a.so", &elf(b"\0mynah_entry_v7__dice\0"));
        assert!(
            newer.contains("version 7") && newer.contains("newer Mynah"),
            "{newer}"
        );
        // Parts of words, words without an end, and words that only begin like one.
        for tail in [
            b"\0xmynah_entry_v1__dice\0".as_slice(),
            b"\0mynah_entry_v1__dice",
            b"\0mynah_entry_v1__\0",
            b"\0mynah_entry_v__dice\0",
            b"\0mynah_entry_v1__di ce\0",
        ] {
            assert!(words("a.so", &elf(tail)).contains("no Mynah plugin"));
        }
    }

    #[test]
    fn a_file_that_is_not_the_pinned_one_is_refused_with_its_own_hash() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libdice.so");
        fs::write(&file, elf(b"\0mynah_entry_v1__dice\0")).unwrap();
        let hash = sha256_of(&file).unwrap();
        let refused = |pin: &str| {
            load(&file, Some("dice"), Some(pin))
                .unwrap_err()
                .to_string()
        };
        let other = refused(&"0".repeat(64));
        assert!(other.contains(&hash) && other.contains("is not the file that is pinned"));
        assert!(refused("abc").contains("64 hexadecimal digits"));
        // The right one, in capitals: it is looked at further, and is no library after all.
        assert!(refused(&hash.to_uppercase()).contains("cannot load it"));
        let gone = load(&folder.path().join("gone.so"), None, None).unwrap_err();
        assert!(gone.to_string().contains("there is no file"));
        let none = load(folder.path(), None, None).unwrap_err();
        assert!(none.to_string().contains("is no file"));
    }
}
