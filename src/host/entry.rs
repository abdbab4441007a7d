//! The entry table of a plugin, looked at before anything in it is called.

use crate::{HostError, Library, PluginSpec, grants, lines};
use mynah_plugin::{Diagnostic, abi};
use serde_json::Value;
use std::{ffi::c_void, sync::mpsc, thread::Builder, time::Duration};

/// Where a plugin's table comes from. After this, every plugin is treated alike.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// Linked into the bot.
    Static(&'static abi::Entry),
    /// Loaded from a file.
    Native(&'static Library),
}

impl Backend {
    fn entry(&self) -> &abi::Entry {
        match self {
            Self::Static(entry) => entry,
            Self::Native(library) => library.entry(),
        }
    }

    /// Whether both are the same code: one table, or files with the same bytes.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Static(one), Self::Static(other)) => std::ptr::eq(*one, *other),
            (Self::Native(one), Self::Native(other)) => one.sha256() == other.sha256(),
            _ => false,
        }
    }

    /// The file it was loaded from; `None` when it is linked into the bot.
    #[must_use]
    pub fn library(&self) -> Option<&'static Library> {
        match self {
            Self::Static(_) => None,
            Self::Native(library) => Some(library),
        }
    }
}

impl From<&'static abi::Entry> for Backend {
    fn from(entry: &'static abi::Entry) -> Self {
        Self::Static(entry)
    }
}

/// What a plugin says about itself, copied out of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// Equals `[plugins.<id>]`.
    pub id: String,
    /// For people.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence.
    pub about: String,
    /// SDK and compiler, for bug reports.
    pub sdk: String,
    /// Gateway intents.
    pub intents: u64,
    /// Gateway events it wants.
    pub events: Vec<String>,
    /// Capabilities.
    pub needs: Vec<Need>,
}

/// One capability a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// For instance `voice.speak`.
    pub cap: String,
    /// Why.
    pub why: String,
    /// It does not start without.
    pub required: bool,
}

/// More events or needs than this are garbage.
const MAX_ROWS: u32 = 256;

/// Mistakes of one configuration that are shown.
const MAX_FINDINGS: usize = 64;
/// A check that takes longer is not waited for.
const CHECK: Duration = Duration::from_secs(5);

/// A table that can be used.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    backend: Backend,
    pub(crate) about: About,
}

impl Loaded {
    pub(crate) fn new(backend: Backend) -> Result<Self, HostError> {
        let about = about(backend.entry())?;
        Ok(Self { backend, about })
    }

    pub(crate) fn create(
        &self,
    ) -> Option<unsafe extern "C" fn(*const abi::Host) -> *mut abi::Instance> {
        self.backend.entry().create
    }

    /// It finds its tracks again after a reload.
    pub(crate) fn keeps_tracks(&self) -> bool {
        self.backend.entry().flags & abi::KEEPS_TRACKS != 0
    }

    /// Everything wrong in the plugin's configuration. Blocks, for [`CHECK`] at most.
    pub(crate) fn check(&self, config: &Value) -> Vec<Diagnostic> {
        let Some(check) = self.backend.entry().check else {
            return Vec::new();
        };
        let failed = |words: &str| vec![Diagnostic::new("", words)];
        let config = config.to_string();
        let (answer, found) = mpsc::sync_channel(1);
        // On a thread that may be left behind: whoever asks must not wait for ever.
        let name = format!("p:{}/chk", self.about.id);
        let thread = Builder::new().name(name).spawn(move || {
            let mut json = Put::default();
            let config = abi::Bytes::of(config.as_bytes());
            // SAFETY: header, mynah_entry.check: [load], pure; `put` gets what it expects.
            let status = unsafe { check(config, put, (&raw mut json).cast()) };
            // Who asked may be gone.
            let _ = answer.send((status, json));
        });
        if thread.is_err() {
            return failed("there is no thread to check its configuration on");
        }
        let Ok((status, json)) = found.recv_timeout(CHECK) else {
            return failed(
                "the plugin's own check of its configuration does not come back; mend the plugin, or \
                 switch it off",
            );
        };
        if status == abi::OK {
            return Vec::new();
        }
        let found: Result<Vec<Diagnostic>, _> = serde_json::from_slice(&json.bytes);
        match found {
            Ok(mut found) if !found.is_empty() => {
                found.truncate(MAX_FINDINGS);
                found
            }
            _ => failed("the plugin's own check of its configuration failed"),
        }
    }

    /// What is wrong with what is granted.
    pub(crate) fn check_grants(&self, granted: &[String]) -> Vec<Diagnostic> {
        let id = &self.about.id;
        let wrong = granted.iter().enumerate().filter_map(|(place, grant)| {
            let (words, meant) = grants::misspelt(grant)?;
            let mut found = Diagnostic::new(format!("/grant/{place}"), words);
            found.suggestion = meant;
            Some(found)
        });
        let missing = self.missing_grants(granted).map(|need| {
            let words = format!(
                "`{id}` needs `{}` {}, which is not granted",
                need.cap, need.why
            );
            Diagnostic::new("/grant", words).suggest(need.cap.clone())
        });
        wrong.chain(missing).collect()
    }

    /// Required and not granted: without these it must not start.
    pub(crate) fn missing_grants(&self, granted: &[String]) -> impl Iterator<Item = &Need> {
        let needs = self.about.needs.iter();
        needs.filter(|need| need.required && !grants::meets(granted, &need.cap))
    }
}

/// What plugins may hand out in one call: words, findings, their state.
pub(crate) const MAX_PUT_BYTES: usize = 16 << 20;

/// What a plugin has handed out.
#[derive(Debug, Default)]
pub(crate) struct Put {
    pub(crate) bytes: Vec<u8>,
    /// There was more than [`MAX_PUT_BYTES`]; the rest is not here.
    pub(crate) is_over: bool,
}

impl Put {
    /// As text for people.
    pub(crate) fn text(&self) -> String {
        let words = String::from_utf8_lossy(&self.bytes);
        lines::cut(&words).to_owned()
    }
}

/// Appends to the [`Put`] that `sink` points to.
///
/// # Safety
/// `sink` is a live `Put` nobody else uses during the call; `part` is readable.
pub(crate) unsafe extern "C" fn put(sink: *mut c_void, part: abi::Bytes) {
    // SAFETY: promised by the caller.
    let (sink, part) = unsafe { (&mut *sink.cast::<Put>(), part.read()) };
    let room = MAX_PUT_BYTES.saturating_sub(sink.bytes.len());
    let fits = part.get(..room).unwrap_or(part);
    sink.is_over |= fits.len() < part.len();
    sink.bytes.extend_from_slice(fits);
}

fn about(entry: &abi::Entry) -> Result<About, HostError> {
    let refuse = |plugin: &str, reason: String| {
        Err(HostError::Entry {
            plugin: plugin.to_owned(),
            reason,
        })
    };
    if entry.magic != abi::MAGIC {
        return refuse(
            "?",
            "it does not begin with the magic of a Mynah plugin".into(),
        );
    }
    if entry.major != abi::MAJOR {
        return refuse("?", wrong_version(u32::from(entry.major)));
    }
    if (entry.size as usize) < size_of::<abi::Entry>() || entry.desc.is_null() {
        return refuse("?", "its table is too short".into());
    }
    // SAFETY: header: `desc` is static, read-only data; checked for NULL. Its size is read first.
    let size = unsafe { (&raw const (*entry.desc).size).read() };
    if (size as usize) < size_of::<abi::Desc>() {
        return refuse("?", "its description is too short".into());
    }
    // SAFETY: as above, and long enough.
    let desc = unsafe { &*entry.desc };
    let id = text(desc.id);
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > 32 || !id.chars().all(kebab) {
        return refuse(
            &id,
            "its id must be 1 to 32 small letters, digits and `-`".into(),
        );
    }
    if entry.flags & abi::UNWINDS == 0 {
        let why = "it is built with panic=abort, so a fault in it would end the whole bot; build \
                   it with panic=unwind";
        return refuse(&id, why.into());
    }
    if entry.create.is_none() {
        return refuse(&id, "its table has no `create`".into());
    }
    if desc.n_events > MAX_ROWS || desc.n_needs > MAX_ROWS {
        return refuse(&id, "it asks for too many events or capabilities".into());
    }
    // SAFETY: header: arrays of these lengths, static.
    let (events, needs) = unsafe {
        (
            rows(desc.events, desc.n_events),
            rows(desc.needs, desc.n_needs),
        )
    };
    Ok(About {
        name: text(desc.name),
        version: text(desc.version),
        about: text(desc.about),
        sdk: text(entry.sdk),
        intents: desc.intents,
        events: events.iter().map(|name| text(*name)).collect(),
        needs: needs
            .iter()
            .map(|need| Need {
                cap: text(need.cap),
                why: text(need.why),
                required: need.required != 0,
            })
            .collect(),
        id,
    })
}

/// What to say, and to do, about another version of the table.
pub(crate) fn wrong_version(theirs: u32) -> String {
    let ours = u32::from(abi::MAJOR);
    let advice = if theirs > ours {
        "it is built for a newer Mynah: update the bot, or build it with this bot's mynah-plugin"
    } else {
        "it is built for an older Mynah: build it again with this bot's mynah-plugin"
    };
    format!("it speaks table version {theirs}, this bot speaks {ours}; {advice}")
}

fn text(text: abi::Str) -> String {
    // SAFETY: header, mynah_desc: static, read-only data.
    unsafe { text.read() }.unwrap_or("(not UTF-8)").to_owned()
}

/// # Safety
/// `first` points to `n` readable, static rows, or is NULL.
unsafe fn rows<T>(first: *const T, n: u32) -> &'static [T] {
    if first.is_null() || n == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(first, n as usize) }
}

/// What a plugin says about itself.
///
/// # Errors
/// [`HostError::Entry`] when its table can not be used.
pub fn describe(entry: impl Into<Backend>) -> Result<About, HostError> {
    Loaded::new(entry.into()).map(|loaded| loaded.about)
}

/// Everything wrong in a plugin's table of bot.toml (without the host's own keys), as the plugin
/// itself sees it. Nothing is started.
#[must_use]
pub fn check(entry: impl Into<Backend>, config: &Value) -> Vec<Diagnostic> {
    mynah_plugin::install_hook();
    match Loaded::new(entry.into()) {
        Ok(loaded) => loaded.check(config),
        Err(error) => vec![Diagnostic::new("", error.to_string())],
    }
}

/// Required capabilities that are not granted, and words that are none; pointers lead to `/grant`.
#[must_use]
pub fn check_grants(entry: impl Into<Backend>, grants: &[String]) -> Vec<Diagnostic> {
    match Loaded::new(entry.into()) {
        Ok(loaded) => loaded.check_grants(grants),
        Err(error) => vec![Diagnostic::new("", error.to_string())],
    }
}

/// Intents that only carry messages; one of them is privileged, and Discord refuses bots that ask for
/// it without having it.
const OF_MESSAGES: u64 = mynah_wire::intents::GUILD_MESSAGES | mynah_wire::intents::MESSAGE_CONTENT;

/// The gateway intents all these plugins need together, with those the bot itself needs. Messages are
/// not asked for on behalf of a plugin that may not be told of any.
#[must_use]
pub fn intents(specs: &[PluginSpec]) -> u64 {
    let base = mynah_wire::intents::GUILDS | mynah_wire::intents::GUILD_VOICE_STATES;
    let asked = specs.iter().filter_map(|spec| {
        let intents = Loaded::new(spec.entry).ok()?.about.intents;
        let hears = |grant: &String| {
            let event = grant.strip_prefix("gateway.events:");
            event.is_some_and(|event| event == "*" || event.starts_with("MESSAGE_"))
        };
        let told = spec.grants.iter().any(hears);
        Some(if told {
            intents
        } else {
            intents & !OF_MESSAGES
        })
    });
    asked.fold(base, |union, intents| union | intents)
}
