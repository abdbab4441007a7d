//! The table the host hands one plugin (`mynah_host` and its extensions). Every function is
//! guarded: a panic must not cross into foreign code.

use crate::{OpError, clock, lines, link::Link};
use mynah_plugin::abi;
use std::{
    ffi::c_void,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// A `mynah_host` at an address that stays, holding its [`Link`] alive.
pub(crate) struct Table {
    raw: *mut abi::Host,
}

impl Table {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        let host = abi::Host {
            size: size_of::<abi::Host>() as u32,
            major: abi::MAJOR,
            minor: abi::MINOR,
            self_: Arc::into_raw(link).cast_mut().cast(),
            log,
            wake,
            now_us,
            extension,
        };
        Self {
            raw: Box::into_raw(Box::new(host)),
        }
    }

    pub(crate) fn as_ptr(&self) -> *const abi::Host {
        self.raw
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: both were made in `new` and are given back once. The header says the plugin
        // uses neither after `destroy`, and the instance that has this table is dropped first.
        unsafe {
            let host = Box::from_raw(self.raw);
            drop(Arc::from_raw(host.self_.cast::<Link>()));
        }
    }
}

/// Runs one function of the table for the link behind it.
///
/// # Safety
/// `host` is a [`Table`] that has not been dropped.
unsafe fn with<T>(host: *const abi::Host, otherwise: T, call: impl FnOnce(&Arc<Link>) -> T) -> T {
    // SAFETY: promised by the caller; the table keeps its own count.
    let link = ManuallyDrop::new(unsafe { Arc::from_raw((*host).self_.cast::<Link>()) });
    catch_unwind(AssertUnwindSafe(|| call(&link))).unwrap_or(otherwise)
}

unsafe extern "C" fn log(host: *const abi::Host, level: u32, target: abi::Str, text: abi::Str) {
    // SAFETY: header: called with the host's own table; texts are readable for the call.
    unsafe {
        with(host, (), |link| {
            if !link.may_log() {
                return;
            }
            let text = lines::cut(text.read().unwrap_or("(a line that is not UTF-8)"));
            let (plugin, part) = (&link.id, target.read().unwrap_or_default());
            let part = if part == plugin { "" } else { part };
            match level {
                0 | abi::LOG_ERROR => tracing::error!(plugin, part, "{text}"),
                abi::LOG_WARN => tracing::warn!(plugin, part, "{text}"),
                abi::LOG_INFO => tracing::info!(plugin, part, "{text}"),
                abi::LOG_DEBUG => tracing::debug!(plugin, part, "{text}"),
                _ => tracing::trace!(plugin, part, "{text}"),
            }
        });
    }
}

unsafe extern "C" fn wake(host: *const abi::Host, task: u64) {
    // SAFETY: header: called with the host's own table.
    unsafe { with(host, (), |link| link.mailbox.wake(task)) }
}

unsafe extern "C" fn now_us(host: *const abi::Host) -> u64 {
    // SAFETY: header: called with the host's own table.
    unsafe { with(host, 0, |link| clock::us_since(link.hub.origin)) }
}

static OPS: abi::Ops = abi::Ops {
    size: size_of::<abi::Ops>() as u32,
    submit,
    cancel,
};
static COMMANDS: abi::Commands = abi::Commands {
    size: size_of::<abi::Commands>() as u32,
    set: set_commands,
};
static LIFE: abi::Life = abi::Life {
    size: size_of::<abi::Life>() as u32,
    failed,
};
static AUDIO: abi::Audio = abi::Audio {
    size: size_of::<abi::Audio>() as u32,
    play,
    listen,
    close,
    acquire,
    commit,
};

unsafe extern "C" fn extension(host: *const abi::Host, id: abi::Str) -> *const c_void {
    // SAFETY: header: called with the host's own table; the id is readable for the call.
    unsafe {
        with(host, std::ptr::null(), |link| match id.read() {
            Some(abi::EXT_OPS) => (&raw const OPS).cast(),
            Some(abi::EXT_LIFE) => (&raw const LIFE).cast(),
            Some(abi::EXT_IMAGE) => (&raw const mynah_plugin::IMAGE).cast(),
            Some(abi::EXT_AUDIO) => (&raw const AUDIO).cast(),
            Some(abi::EXT_COMMANDS) if link.grants.has("commands") => (&raw const COMMANDS).cast(),
            _ => std::ptr::null(),
        })
    }
}

unsafe extern "C" fn submit(host: *const abi::Host, kind: abi::Str, args: abi::Bytes) -> u64 {
    // SAFETY: header: called with the host's own table; slices are readable for the call.
    unsafe {
        with(host, 0, |link| {
            if !link.on_control("mynah_ops.submit") {
                return 0;
            }
            link.submit(kind.read().unwrap_or_default(), args.read())
        })
    }
}

unsafe extern "C" fn cancel(host: *const abi::Host, op: u64) {
    // SAFETY: header: called with the host's own table.
    unsafe {
        with(host, (), |link| {
            if link.on_control("mynah_ops.cancel") {
                link.cancel(op);
            }
        });
    }
}

unsafe extern "C" fn set_commands(
    host: *const abi::Host,
    json: abi::Bytes,
    err: abi::Put,
    sink: *mut c_void,
) -> abi::Status {
    // SAFETY: header: called with the host's own table; `json` is readable for the call.
    let result = unsafe {
        with(
            host,
            Err((abi::E_FAILED, "the host had a fault".to_owned())),
            |link| {
                if !link.on_control("mynah_commands.set") {
                    return Err((
                        abi::E_INVALID,
                        "called outside the control thread".to_owned(),
                    ));
                }
                let result = link.set_commands(json.read());
                result.map_err(|error| (error.status(), error.to_string()))
            },
        )
    };
    match result {
        Ok(()) => abi::OK,
        Err((status, words)) => {
            // SAFETY: header, mynah_put: `sink` belongs to `err`.
            unsafe { err(sink, abi::Bytes::of(words.as_bytes())) };
            status
        }
    }
}

unsafe extern "C" fn failed(host: *const abi::Host, why: abi::Str) {
    // SAFETY: header: called with the host's own table; `why` is readable for the call.
    unsafe {
        with(host, (), |link| {
            if link.on_control("mynah_life.failed") {
                link.set_fault(why.read().unwrap_or("it failed").to_owned());
            }
        });
    }
}

unsafe extern "C" fn play(
    host: *const abi::Host,
    guild: u64,
    source: *const abi::Source,
    options: abi::Bytes,
    track: *mut u64,
    err: abi::Put,
    err_sink: *mut c_void,
) -> abi::Status {
    let fault = Err(OpError::Failed("the host had a fault".to_owned()));
    // SAFETY: header: called with the host's own table; `source` and `options` are readable for the
    // call.
    let result = unsafe {
        with(host, fault, |link| {
            if !link.on_control("mynah_audio.play") {
                let words = "called outside the control thread".to_owned();
                return Err(OpError::Invalid(words));
            }
            if ((&raw const (*source).size).read() as usize) < size_of::<abi::Source>() {
                let words = "its source is too short".to_owned();
                return Err(OpError::Invalid(words));
            }
            link.play_source(guild, *source, options.read())
        })
    };
    // SAFETY: header: `track` is the caller's to be written to, `err_sink` belongs to `err`.
    unsafe { answer(result, track, err, err_sink) }
}

/// The answer of `play` and `listen`.
///
/// # Safety
/// `id` may be written to; header, mynah_put: `sink` belongs to `err`.
unsafe fn answer(
    result: Result<u64, OpError>,
    id: *mut u64,
    err: abi::Put,
    sink: *mut c_void,
) -> abi::Status {
    // SAFETY: promised by the caller.
    unsafe {
        match result {
            Ok(new) => {
                id.write(new);
                abi::OK
            }
            Err(error) => {
                let words = error.to_string();
                err(sink, abi::Bytes::of(words.as_bytes()));
                error.status()
            }
        }
    }
}

unsafe extern "C" fn listen(
    host: *const abi::Host,
    guild: u64,
    sink: *const abi::Sink,
    options: abi::Bytes,
    id: *mut u64,
    err: abi::Put,
    err_sink: *mut c_void,
) -> abi::Status {
    let fault = Err(OpError::Failed("the host had a fault".to_owned()));
    // SAFETY: header: called with the host's own table; `sink` and `options` are readable for the
    // call.
    let result = unsafe {
        with(host, fault, |link| {
            if !link.on_control("mynah_audio.listen") {
                let words = "called outside the control thread".to_owned();
                return Err(OpError::Invalid(words));
            }
            if ((&raw const (*sink).size).read() as usize) < size_of::<abi::Sink>() {
                let words = "its sink is too short".to_owned();
                return Err(OpError::Invalid(words));
            }
            link.listen(guild, options.read(), *sink)
        })
    };
    // SAFETY: header: `id` is the caller's to be written to, `err_sink` belongs to `err`.
    unsafe { answer(result, id, err, err_sink) }
}

unsafe extern "C" fn close(host: *const abi::Host, id: u64) -> abi::Status {
    // SAFETY: header: called with the host's own table.
    unsafe {
        with(host, abi::E_FAILED, |link| {
            if !link.on_control("mynah_audio.close") {
                return abi::E_INVALID;
            }
            if link.ears.close(id) {
                abi::OK
            } else {
                abi::E_CLOSED
            }
        })
    }
}

unsafe extern "C" fn acquire(_: *const abi::Host, _: u64, _: *mut abi::Block) -> abi::Status {
    abi::E_UNSUPPORTED
}

unsafe extern "C" fn commit(_: *const abi::Host, _: u64, _: *const abi::Block) -> abi::Status {
    abi::E_UNSUPPORTED
}
