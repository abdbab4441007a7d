//! The frozen C table, version 1: the only thing that crosses between the bot and a plugin.
//!
//! Every type here has a twin in `include/mynah_plugin.h`; sizes and offsets are pinned in
//! `abi.golden` and checked against a C compiler by a test. Growth rule (architecture C3): every
//! struct starts with `size`, new fields only at the end, a reader uses a field only if `size`
//! covers it, and a changed meaning is a new extension id.
//!
//! Thread tags: `[load]` any thread, one at a time; `[control]` the plugin's own control thread,
//! serial, never re-entered; `[audio]` the plugin's audio threads; `[any]` any thread.
//!
//! Functions a *plugin* supplies are `Option`, so that a table with a NULL in it can be refused in
//! words instead of being called.

use core::ffi::c_void;

/// "BBP1", the first four bytes of an [`Entry`].
pub const MAGIC: u32 = 0x3150_4242;
/// Version of the table. Another major version is another table and another symbol.
pub const MAJOR: u16 = 1;
/// Revision of the table within [`MAJOR`]; never compared for refusal.
pub const MINOR: u16 = 3;
/// Frames (of two channels) in one block: 20 ms at 48 kHz.
pub const FRAMES: u32 = 960;
/// [`Entry::flags`]: built with `panic = "unwind"`. Without it a panic would end the whole bot
/// (architecture C1), so the host refuses such a plugin.
pub const UNWINDS: u32 = 1;
/// [`Entry::flags`]: it knows its tracks from its saved state, so that they play on while it is
/// reloaded. The tracks of others are stopped: their next instance could not.
pub const KEEPS_TRACKS: u32 = 2;

/// 0 is success, below zero one of the `E_` constants, above zero call-specific.
pub type Status = i32;
/// Done.
pub const OK: Status = 0;
/// The operator has not granted the capability.
pub const E_DENIED: Status = -1;
/// Too much at once; try again later.
pub const E_BUSY: Status = -2;
/// The arguments make no sense.
pub const E_INVALID: Status = -3;
/// The thing addressed is gone, or the other side is stopping.
pub const E_CLOSED: Status = -4;
/// The callee panicked; its instance is dead.
pub const E_PANIC: Status = -5;
/// This side does not know or offer that.
pub const E_UNSUPPORTED: Status = -6;
/// It was tried and did not work.
pub const E_FAILED: Status = -7;

/// [`Event::kind`]: a Discord gateway dispatch, JSON untouched.
pub const EVENT_DISCORD: u32 = 0;
/// [`Event::kind`]: an event of the bot itself (`mynah.track`, `mynah.voice`, `mynah.lost`).
pub const EVENT_MYNAH: u32 = 1;

/// [`Event::tier`]: not an interaction, or a host that does not say.
pub const TIER_UNKNOWN: u32 = 0;
/// [`Event::tier`]: somebody, where others decide.
pub const TIER_MEMBER: u32 = 1;
/// [`Event::tier`]: somebody, where nobody is named DJ and so everybody decides.
pub const TIER_OPEN: u32 = 2;
/// [`Event::tier`]: a DJ.
pub const TIER_DJ: u32 = 3;
/// [`Event::tier`]: a manager of this plugin.
pub const TIER_MANAGER: u32 = 4;
/// [`Event::tier`]: may manage the server.
pub const TIER_ADMIN: u32 = 5;
/// [`Event::tier`]: owns the bot.
pub const TIER_OWNER: u32 = 6;

/// [`Instance::stop`]: the bot is shutting down.
pub const WHY_SHUTDOWN: u32 = 0;
/// [`Instance::stop`]: a newer copy of the plugin takes over.
pub const WHY_RELOAD: u32 = 1;
/// [`Instance::stop`]: the operator switched the plugin off.
pub const WHY_DISABLED: u32 = 2;

/// Log levels of [`Host::log`], most severe first.
pub const LOG_ERROR: u32 = 1;
/// See [`LOG_ERROR`].
pub const LOG_WARN: u32 = 2;
/// See [`LOG_ERROR`].
pub const LOG_INFO: u32 = 3;
/// See [`LOG_ERROR`].
pub const LOG_DEBUG: u32 = 4;
/// See [`LOG_ERROR`].
pub const LOG_TRACE: u32 = 5;

/// Id of the extension with every async request ([`Ops`]).
pub const EXT_OPS: &str = "mynah.ops/1";
/// Id of the extension that registers slash commands ([`Commands`]).
pub const EXT_COMMANDS: &str = "mynah.commands/1";
/// Id of the extension by which an instance says that it is dead ([`Life`]).
pub const EXT_LIFE: &str = "mynah.life/1";
/// Id of the extension for a plugin's own sound ([`Audio`]).
pub const EXT_AUDIO: &str = "mynah.audio/1";
/// Id of the extension that an instance offers to take new settings while it runs ([`Settings`]).
pub const EXT_SETTINGS: &str = "mynah.settings/1";
/// Id of the extension whose pointer is the host's own [`crate::IMAGE`]: equal addresses mean that
/// plugin and host are one image and share one panic hook. Never dereferenced.
pub const EXT_IMAGE: &str = "mynah.image/1";

/// UTF-8 text, borrowed for the call (static inside a [`Desc`]); no NUL at the end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// First byte; may be dangling or NULL when `len` is 0.
    pub ptr: *const u8,
    /// Bytes.
    pub len: usize,
}

// SAFETY: an address and a length; reading through it is unsafe and has its own rules.
unsafe impl Send for Str {}
// SAFETY: as above.
unsafe impl Sync for Str {}

impl Str {
    /// Borrows a text. The caller keeps it alive for the call.
    #[must_use]
    pub const fn of(text: &str) -> Self {
        Self {
            ptr: text.as_ptr(),
            len: text.len(),
        }
    }

    /// The text, or `None` when it is not UTF-8.
    ///
    /// # Safety
    /// `ptr` and `len` describe readable memory that stays unchanged for `'a`.
    #[must_use]
    pub unsafe fn read<'a>(self) -> Option<&'a str> {
        // SAFETY: promised by the caller.
        let bytes = unsafe {
            Bytes {
                ptr: self.ptr,
                len: self.len,
            }
            .read()
        };
        core::str::from_utf8(bytes).ok()
    }
}

/// Bytes, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// First byte; may be dangling or NULL when `len` is 0.
    pub ptr: *const u8,
    /// Bytes.
    pub len: usize,
}

impl Bytes {
    /// Borrows bytes. The caller keeps them alive for the call.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// The bytes.
    ///
    /// # Safety
    /// `ptr` and `len` describe readable memory that stays unchanged for `'a`.
    #[must_use]
    pub unsafe fn read<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: promised by the caller; NULL was handled above.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// How a callee returns something of variable size: it calls this with parts, in order.
pub type Put = unsafe extern "C" fn(sink: *mut c_void, part: Bytes);

/// One capability a plugin asks for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// For instance `voice.speak` or `fs.read:media`.
    pub cap: Str,
    /// Why, in words for the operator.
    pub why: Str,
    /// 1: the plugin cannot work without it.
    pub required: u32,
}

/// What a plugin says about itself; static and read-only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Desc {
    /// Bytes of this struct as the plugin knows it.
    pub size: u32,
    /// Kebab-case, equals `[plugins.<id>]`.
    pub id: Str,
    /// For people.
    pub name: Str,
    /// The plugin's own version.
    pub version: Str,
    /// One sentence.
    pub about: Str,
    /// Gateway intents; the bot asks Discord for the union.
    pub intents: u64,
    /// Gateway event names it wants.
    pub events: *const Str,
    /// Length of `events`.
    pub n_events: u32,
    /// Capabilities.
    pub needs: *const Need,
    /// Length of `needs`.
    pub n_needs: u32,
    /// JSON Schema text, may be empty.
    pub config_schema: Str,
}

// SAFETY: read-only static data.
unsafe impl Sync for Desc {}
// SAFETY: read-only static data.
unsafe impl Sync for Need {}
// SAFETY: read-only static data.
unsafe impl Send for Need {}

/// What the host offers one plugin; outlives the instance.
#[repr(C)]
#[derive(Debug)]
pub struct Host {
    /// Bytes of this struct as the host knows it.
    pub size: u32,
    /// [`MAJOR`] of the host.
    pub major: u16,
    /// [`MINOR`] of the host.
    pub minor: u16,
    /// The host's own.
    pub self_: *mut c_void,
    /// `[any]` One line for the log: level, target, text.
    pub log: unsafe extern "C" fn(*const Host, u32, Str, Str),
    /// `[any]` Makes the host call [`Instance::run`] with this number, on the control thread.
    pub wake: unsafe extern "C" fn(*const Host, u64),
    /// `[any]` The bot's clock in microseconds; virtual in tests.
    pub now_us: unsafe extern "C" fn(*const Host) -> u64,
    /// `[control]` An extension's table; NULL when unknown or not granted.
    pub extension: unsafe extern "C" fn(*const Host, Str) -> *const c_void,
}

/// Something that happened.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Bytes of this struct as the host knows it.
    pub size: u32,
    /// [`EVENT_DISCORD`] or [`EVENT_MYNAH`].
    pub kind: u32,
    /// For instance `MESSAGE_CREATE` or `mynah.track`.
    pub name: Str,
    /// The event's data; Discord's own JSON, untouched.
    pub json: Bytes,
    /// The guild whose voice session it concerns, or 0.
    pub session: u64,
    /// When it arrived, on the clock of [`Host::now_us`].
    pub at_us: u64,
    /// Minor 3. What the person of an interaction may do with this plugin, as bot.toml and the server
    /// have it at that moment: one of the `TIER_` constants, each including those below it.
    pub tier: u32,
}

/// One running plugin, owned by the plugin; every function `[control]`.
#[repr(C)]
#[derive(Debug)]
pub struct Instance {
    /// Bytes of this struct as the plugin knows it.
    pub size: u32,
    /// First argument of every function.
    pub self_: *mut c_void,
    /// Begins. `config` is the plugin's table as JSON, `saved` what [`Instance::save`] gave before
    /// (or empty). On failure, words go to `err`.
    pub start: Option<unsafe extern "C" fn(*mut c_void, Bytes, Bytes, Put, *mut c_void) -> Status>,
    /// Something happened.
    pub event: Option<unsafe extern "C" fn(*mut c_void, *const Event)>,
    /// A task was woken: poll it.
    pub run: Option<unsafe extern "C" fn(*mut c_void, u64)>,
    /// An op finished. Below zero the body is `{"message": …}`.
    pub done: Option<unsafe extern "C" fn(*mut c_void, u64, Status, Bytes)>,
    /// Hands out the state to start from next time. Must not change it.
    pub save: Option<unsafe extern "C" fn(*mut c_void, Put, *mut c_void) -> Status>,
    /// The last chance; its sinks and sources are closed by then.
    pub stop: Option<unsafe extern "C" fn(*mut c_void, u32)>,
    /// The very last call.
    pub destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    /// An extension the plugin offers, or NULL.
    pub extension: Option<unsafe extern "C" fn(*mut c_void, Str) -> *const c_void>,
}

/// Extension [`EXT_SETTINGS`] of an instance: it takes new settings without being started anew, so
/// that its sources, its sinks and its work go on. Minor 3.
#[repr(C)]
#[derive(Debug)]
pub struct Settings {
    /// Bytes of this struct as the plugin knows it.
    pub size: u32,
    /// `[control]` Instance, its table as JSON, and where words go when it can not. The table was found
    /// good by [`Entry::check`]. [`E_UNSUPPORTED`]: it has to be started anew for these. Any other
    /// failure: nothing has changed.
    pub set: Option<unsafe extern "C" fn(*mut c_void, Bytes, Put, *mut c_void) -> Status>,
}

/// The one exported symbol, `mynah_entry_v1__<crate>`.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`MAJOR`] the plugin was built with.
    pub major: u16,
    /// [`MINOR`] the plugin was built with.
    pub minor: u16,
    /// Bytes of this struct as the plugin knows it.
    pub size: u32,
    /// [`UNWINDS`].
    pub flags: u32,
    /// SDK and compiler, for bug reports; never compared.
    pub sdk: Str,
    /// Who it is.
    pub desc: *const Desc,
    /// `[load]` Pure: is this table of `bot.toml` good? Puts a JSON array of
    /// `{"pointer","message","suggestion"}` and returns [`E_INVALID`] when it is not.
    pub check: Option<unsafe extern "C" fn(Bytes, Put, *mut c_void) -> Status>,
    /// `[control]` A new instance, or NULL. May only log.
    pub create: Option<unsafe extern "C" fn(*const Host) -> *mut Instance>,
}

// SAFETY: read-only static data and functions that may be called from any thread `[load]`.
unsafe impl Sync for Entry {}

/// Extension [`EXT_OPS`]: every async request.
#[repr(C)]
#[derive(Debug)]
pub struct Ops {
    /// Bytes of this struct.
    pub size: u32,
    /// `[control]` Kind and JSON arguments; the answer comes as [`Instance::done`]. 0: refused,
    /// too many are under way.
    pub submit: unsafe extern "C" fn(*const Host, Str, Bytes) -> u64,
    /// `[control]` No `done` afterwards.
    pub cancel: unsafe extern "C" fn(*const Host, u64),
}

/// Extension [`EXT_COMMANDS`]: slash commands. NULL unless `commands` is granted.
#[repr(C)]
#[derive(Debug)]
pub struct Commands {
    /// Bytes of this struct.
    pub size: u32,
    /// `[control]` Replaces the plugin's commands: a JSON array of Discord's command objects. On
    /// failure, words go to `err`.
    pub set: unsafe extern "C" fn(*const Host, Bytes, Put, *mut c_void) -> Status,
}

/// Extension [`EXT_LIFE`]: `event`, `run` and `done` have no result to report a panic with.
#[repr(C)]
#[derive(Debug)]
pub struct Life {
    /// Bytes of this struct.
    pub size: u32,
    /// `[control]` This instance is dead: destroy it and start another one.
    pub failed: unsafe extern "C" fn(*const Host, Str),
}

/// [`Block::layout`]: left, right, left, right; the native form.
pub const STEREO_INTERLEAVED: u32 = 0;
/// [`Block::layout`]: 960 left, then 960 right; the host interleaves.
pub const STEREO_PLANAR: u32 = 1;
/// [`Block::layout`]: one 20 ms Opus packet in `opus`.
pub const OPUS: u32 = 2;
/// [`Block::flags`]: nothing to hear.
pub const SILENT: u32 = 1;
/// [`Block::flags`]: something is missing before this block.
pub const GAP: u32 = 2;
/// [`Block::flags`]: nothing follows.
pub const LAST: u32 = 4;

/// 20 ms of sound. The memory is a slot of the host's ring: it is filled in place.
#[repr(C)]
#[derive(Debug)]
pub struct Block {
    /// Bytes of this struct.
    pub size: u32,
    /// [`STEREO_INTERLEAVED`], [`STEREO_PLANAR`] or [`OPUS`].
    pub layout: u32,
    /// 1920 floats, nominal -1.0 to 1.0, 64-byte aligned.
    pub pcm: *mut f32,
    /// Room for a packet.
    pub opus: *mut u8,
    /// Bytes of room.
    pub opus_cap: u32,
    /// Bytes written.
    pub opus_len: u32,
    /// Position in the stream, in 1/48000 s.
    pub frame: u64,
    /// [`SILENT`], [`GAP`], [`LAST`].
    pub flags: u32,
}

/// Sound a plugin makes; the host pulls.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Bytes of this struct.
    pub size: u32,
    /// First argument of every function.
    pub self_: *mut c_void,
    /// `[audio]` Fills one block: above zero more follows, 0 the end, below zero an error.
    pub pull: Option<unsafe extern "C" fn(*mut c_void, *mut Block) -> Status>,
    /// `[audio]` Goes to a frame.
    pub seek: Option<unsafe extern "C" fn(*mut c_void, u64) -> Status>,
    /// `[audio]` The last call.
    pub close: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// [`Voice::flags`]: somebody speaks, by the detector's judgement.
pub const SPEECH: u32 = 8;
/// [`Voice::flags`]: some of it was made up in the place of a packet that is missing.
pub const CONCEALS: u32 = 16;
/// [`Packet::flags`]: it could not be decrypted; there is no payload.
pub const UNOPENED: u32 = 32;

/// [`Packet::lane`]: a person's.
pub const LANE_NONE: u16 = 0;
/// [`Packet::lane`]: the bot's own music.
pub const LANE_BED: u16 = 1;
/// [`Packet::lane`]: the bot's own speech.
pub const LANE_SPEECH: u16 = 2;
/// [`Packet::lane`]: the bot's own effects.
pub const LANE_FX: u16 = 3;
/// [`Packet::lane`]: the bot's own notices.
pub const LANE_NOTICE: u16 = 4;

/// 20 ms of one speaker, decoded, in a [`Heard`]. An array element: it grows by [`Heard::voice_stride`].
#[repr(C)]
#[derive(Debug)]
pub struct Voice {
    /// Who.
    pub user: u64,
    /// RTP source.
    pub ssrc: u32,
    /// [`SPEECH`], [`CONCEALS`].
    pub flags: u32,
    /// 1920 floats, or NULL when no samples were asked for.
    pub pcm: *const f32,
    /// Level in dB of full scale, at least -100.
    pub level_dbfs: f32,
    /// Packets of this speaker that never came, since listening began.
    pub lost: u32,
    /// Position in the speaker's own sound, in 1/48000 s.
    pub position: u64,
}

/// One Opus packet as it came, in a [`Heard`]. An array element: it grows by [`Heard::packet_stride`].
#[repr(C)]
#[derive(Debug)]
pub struct Packet {
    /// Who; 0 when that is not known yet, or for the bot's own lanes.
    pub user: u64,
    /// RTP source.
    pub ssrc: u32,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// When it came, on the clock of [`Host::now_us`].
    pub arrival_us: u64,
    /// The Opus packet; empty with [`UNOPENED`].
    pub opus: Bytes,
    /// RTP sequence number.
    pub sequence: u16,
    /// [`LANE_NONE`], or which of the bot's own lanes.
    pub lane: u16,
    /// [`UNOPENED`].
    pub flags: u32,
}

/// What was heard in one guild within 20 ms.
#[repr(C)]
#[derive(Debug)]
pub struct Heard {
    /// Bytes of this struct.
    pub size: u32,
    /// Ticks dropped right before this one: the plugin was too slow.
    pub lost_before: u32,
    /// The guild.
    pub session: u64,
    /// Counts up by one every 20 ms, dropped ones included.
    pub tick: u64,
    /// When the 20 ms ended, on the clock of [`Host::now_us`].
    pub at_us: u64,
    /// The speakers.
    pub voices: *const Voice,
    /// Length of `voices`.
    pub n_voices: u32,
    /// Bytes from one voice to the next.
    pub voice_stride: u32,
    /// The packets, in the order they came.
    pub packets: *const Packet,
    /// Length of `packets`.
    pub n_packets: u32,
    /// Bytes from one packet to the next.
    pub packet_stride: u32,
    /// Everybody together: 1920 floats, or NULL when not asked for.
    pub mix: *const f32,
}

/// A plugin's ear.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sink {
    /// Bytes of this struct.
    pub size: u32,
    /// First argument of every function.
    pub self_: *mut c_void,
    /// `[audio]` Pointers are valid for the call. Below zero: the last one, and [`E_PANIC`] ends the
    /// whole instance.
    pub heard: Option<unsafe extern "C" fn(*mut c_void, *const Heard) -> Status>,
    /// `[audio]` The last call.
    pub close: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// Extension [`EXT_AUDIO`]: a plugin's own sound, and its ear.
#[repr(C)]
#[derive(Debug)]
pub struct Audio {
    /// Bytes of this struct.
    pub size: u32,
    /// `[control]` Plays a source in a guild: guild, source, options as JSON, the track. The source
    /// belongs to the host when the status is not below zero; otherwise words go to the last two.
    pub play: unsafe extern "C" fn(
        *const Host,
        u64,
        *const Source,
        Bytes,
        *mut u64,
        Put,
        *mut c_void,
    ) -> Status,
    /// `[control]` Listens in a guild: guild, sink, options as JSON, an id for `close`. The sink
    /// belongs to the host when the status is not below zero; otherwise words go to the last two.
    pub listen: unsafe extern "C" fn(
        *const Host,
        u64,
        *const Sink,
        Bytes,
        *mut u64,
        Put,
        *mut c_void,
    ) -> Status,
    /// `[control]` Ends a listening; the sink is closed on its own thread, soon.
    pub close: unsafe extern "C" fn(*const Host, u64) -> Status,
    /// `[any]` Takes a slot of a feed; one producer thread a feed.
    pub acquire: unsafe extern "C" fn(*const Host, u64, *mut Block) -> Status,
    /// `[any]` Hands the filled slot over.
    pub commit: unsafe extern "C" fn(*const Host, u64, *const Block) -> Status,
}
