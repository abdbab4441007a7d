//! From the C table to the traits: one generic shim for each function, each guarded.

use crate::{
    Cx, Event, Host, Plugin, Result, Saved, Why, abi, config,
    exec::Executor,
    panics::{self, guard},
};
use core::ffi::c_void;

/// What `create` allocates and `destroy` frees.
struct Body<P: Plugin> {
    table: abi::Instance,
    state: State<P>,
}

struct State<P: Plugin> {
    plugin: Option<P>,
    exec: Executor<P>,
    host: Host,
    /// It panicked: nothing inside can be trusted, so nothing is called any more.
    dead: bool,
}

impl<P: Plugin> State<P> {
    /// The plugin, if it started, and a way out for it.
    fn parts(&mut self) -> Option<(&mut P, Cx<'_, P>)> {
        let cx = Cx {
            exec: &mut self.exec,
            host: &self.host,
        };
        self.plugin.as_mut().map(|plugin| (plugin, cx))
    }

    fn event(&mut self, event: &abi::Event) {
        let host = self.host.clone();
        let Some((plugin, mut cx)) = self.parts() else {
            return;
        };
        // SAFETY: header, mynah_event: readable for the call.
        let result = unsafe { Event::read(event, &host) };
        if let Err(error) = result.and_then(|event| plugin.event(&mut cx, event)) {
            // SAFETY: as above.
            let name = unsafe { event.name.read() }.unwrap_or("an event");
            cx.warn(&format!("{name} could not be handled: {error}"));
        }
    }

    fn run(&mut self, token: u64) {
        let Some(then) = self.exec.run(token) else {
            return;
        };
        if let Some((plugin, mut cx)) = self.parts() {
            then(plugin, &mut cx);
        }
    }

    fn start(&mut self, config: &[u8], saved: &[u8]) -> Result<()> {
        // Another image has another std and another panic hook.
        let theirs = self.host.extension(abi::EXT_IMAGE);
        if !theirs.is_null() && !core::ptr::eq(theirs.cast(), &raw const panics::IMAGE) {
            panics::install_hook();
        }
        self.host.bind();
        let config = config::read::<P::Config>(config).map_err(config::words)?;
        let saved = (!saved.is_empty()).then(|| Saved::bytes(saved));
        let mut cx = Cx {
            exec: &mut self.exec,
            host: &self.host,
        };
        self.plugin = Some(P::start(&mut cx, config, saved)?);
        Ok(())
    }

    fn settings(&mut self, config: &[u8]) -> Result<()> {
        let config = config::read::<P::Config>(config).map_err(config::words)?;
        match self.parts() {
            Some((plugin, mut cx)) => plugin.reconfigure(&mut cx, config),
            None => Err(crate::Error::Closed("it has not started".into())),
        }
    }

    fn save(&mut self) -> Result<Saved> {
        self.plugin
            .as_mut()
            .map_or_else(|| Ok(Saved::empty()), P::save)
    }
}

/// Calls into the plugin unless it is dead; a panic kills it, is named and reported to the
/// host.
///
/// # Safety
/// `body` is what [`create`] made for the same `P`, called as the header says: serial, `[control]`.
unsafe fn enter<P: Plugin, T>(
    body: *mut c_void,
    if_dead: T,
    call: impl FnOnce(&mut State<P>) -> T,
) -> T {
    // SAFETY: promised by the caller. Only `state` is borrowed: the host may read `table`.
    let state = unsafe { &mut (*body.cast::<Body<P>>()).state };
    if state.dead {
        return if_dead;
    }
    match guard(|| call(&mut *state)) {
        Ok(value) => value,
        Err(words) => {
            state.dead = true;
            let text = format!("plugin {} panicked with {words}", P::ABOUT.id);
            // A host that is told writes it to the log itself.
            if !state.host.failed(&text) {
                state.host.log(abi::LOG_ERROR, &text);
            }
            if_dead
        }
    }
}

/// # Safety
/// As the header says of `mynah_entry.create`.
pub unsafe extern "C" fn create<P: Plugin>(host: *const abi::Host) -> *mut abi::Instance {
    let made = guard(|| {
        // SAFETY: header: the table outlives the instance, and `destroy` closes the handle.
        let host = unsafe { Host::new(P::ABOUT.id, host) };
        let state = State::<P> {
            plugin: None,
            exec: Executor::new(),
            host,
            dead: false,
        };
        let body = Box::into_raw(Box::new(Body {
            table: table::<P>(),
            state,
        }));
        // SAFETY: just made, nobody else has it.
        unsafe {
            (*body).table.self_ = body.cast();
            &raw mut (*body).table
        }
    });
    made.unwrap_or(core::ptr::null_mut())
}

fn table<P: Plugin>() -> abi::Instance {
    abi::Instance {
        size: size_of::<abi::Instance>() as u32,
        self_: core::ptr::null_mut(),
        start: Some(start::<P>),
        event: Some(event::<P>),
        run: Some(run::<P>),
        done: Some(done::<P>),
        save: Some(save::<P>),
        stop: Some(stop::<P>),
        destroy: Some(destroy::<P>),
        extension: Some(extension::<P>),
    }
}

unsafe extern "C" fn start<P: Plugin>(
    body: *mut c_void,
    config: abi::Bytes,
    saved: abi::Bytes,
    err: abi::Put,
    sink: *mut c_void,
) -> abi::Status {
    // SAFETY: the host calls as the header says; slices are readable for the call.
    unsafe {
        let result = enter::<P, _>(body, Err(None), |state| {
            state.start(config.read(), saved.read()).map_err(Some)
        });
        let (status, words) = match result {
            Ok(()) => return abi::OK,
            Err(Some(error)) => (error.status(), error.to_string()),
            Err(None) => (abi::E_PANIC, "it panicked while starting".to_owned()),
        };
        err(sink, abi::Bytes::of(words.as_bytes()));
        status
    }
}

unsafe extern "C" fn event<P: Plugin>(body: *mut c_void, event: *const abi::Event) {
    // SAFETY: the host calls as the header says; the event is readable for the call.
    unsafe { enter::<P, _>(body, (), |state| state.event(&whole(event))) }
}

/// An event of an older host is shorter: what it does not say is 0.
///
/// # Safety
/// `event` is readable as far as its own `size` says.
unsafe fn whole(event: *const abi::Event) -> abi::Event {
    let mut whole = abi::Event {
        size: 0,
        kind: 0,
        name: abi::Str::of(""),
        json: abi::Bytes::of(&[]),
        session: 0,
        at_us: 0,
        tier: abi::TIER_UNKNOWN,
    };
    // SAFETY: promised by the caller; every event begins with its size, and no more is copied than
    // both sides have.
    unsafe {
        let size = (&raw const (*event).size).read() as usize;
        let both = size.min(size_of::<abi::Event>());
        core::ptr::copy_nonoverlapping(event.cast::<u8>(), (&raw mut whole).cast::<u8>(), both);
    }
    whole
}

unsafe extern "C" fn run<P: Plugin>(body: *mut c_void, task: u64) {
    // SAFETY: the host calls as the header says.
    unsafe { enter::<P, _>(body, (), |state| state.run(task)) }
}

unsafe extern "C" fn done<P: Plugin>(
    body: *mut c_void,
    op: u64,
    status: abi::Status,
    result: abi::Bytes,
) {
    // SAFETY: the host calls as the header says; the slice is readable for the call.
    unsafe { enter::<P, _>(body, (), |state| state.host.done(op, status, result.read())) }
}

unsafe extern "C" fn save<P: Plugin>(
    body: *mut c_void,
    out: abi::Put,
    sink: *mut c_void,
) -> abi::Status {
    // SAFETY: the host calls as the header says.
    unsafe {
        enter::<P, _>(body, abi::E_PANIC, |state| match state.save() {
            Ok(saved) => {
                out(sink, abi::Bytes::of(saved.as_bytes()));
                abi::OK
            }
            Err(error) => {
                state.host.log(
                    abi::LOG_WARN,
                    &format!("its state could not be saved: {error}"),
                );
                error.status()
            }
        })
    }
}

unsafe extern "C" fn stop<P: Plugin>(body: *mut c_void, why: u32) {
    // SAFETY: the host calls as the header says.
    unsafe {
        enter::<P, _>(body, (), |state| {
            if let Some(plugin) = state.plugin.take() {
                let mut cx = Cx {
                    exec: &mut state.exec,
                    host: &state.host,
                };
                plugin.stop(&mut cx, Why::from_abi(why));
            }
        });
    }
}

unsafe extern "C" fn destroy<P: Plugin>(body: *mut c_void) {
    // SAFETY: header: the very last call; what `create` boxed comes back.
    let Body { state, .. } = *unsafe { Box::from_raw(body.cast::<Body<P>>()) };
    let State {
        plugin,
        mut exec,
        host,
        ..
    } = state;
    // Each on its own: a panic in the one must not keep the other.
    let dropped = [guard(|| exec.clear()), guard(|| drop(plugin))];
    for words in dropped.into_iter().filter_map(Result::err) {
        let text = format!(
            "plugin {} panicked while being dropped: {words}",
            P::ABOUT.id
        );
        host.log(abi::LOG_ERROR, &text);
    }
    host.close();
}

unsafe extern "C" fn extension<P: Plugin>(_: *mut c_void, id: abi::Str) -> *const c_void {
    // SAFETY: readable for the call.
    match unsafe { id.read() } {
        Some(abi::EXT_SETTINGS) => (&raw const *Table::<P>::SETTINGS).cast(),
        _ => core::ptr::null(),
    }
}

/// The tables of one type of plugin.
struct Table<P>(core::marker::PhantomData<P>);

impl<P: Plugin> Table<P> {
    const SETTINGS: &'static abi::Settings = &abi::Settings {
        size: size_of::<abi::Settings>() as u32,
        set: Some(settings::<P>),
    };
}

unsafe extern "C" fn settings<P: Plugin>(
    body: *mut c_void,
    config: abi::Bytes,
    err: abi::Put,
    sink: *mut c_void,
) -> abi::Status {
    // SAFETY: the host calls as the header says; slices are readable for the call.
    unsafe {
        let result = enter::<P, _>(body, Err(None), |state| {
            state.settings(config.read()).map_err(Some)
        });
        let (status, words) = match result {
            Ok(()) => return abi::OK,
            Err(Some(error)) => (error.status(), error.to_string()),
            Err(None) => (abi::E_PANIC, "it panicked over its new settings".to_owned()),
        };
        err(sink, abi::Bytes::of(words.as_bytes()));
        status
    }
}

/// # Safety
/// As the header says of `mynah_entry.check`.
pub unsafe extern "C" fn check<P: Plugin>(
    config: abi::Bytes,
    diag: abi::Put,
    sink: *mut c_void,
) -> abi::Status {
    let found = guard(|| {
        // SAFETY: readable for the call.
        let found = match config::read::<P::Config>(unsafe { config.read() }) {
            Ok(config) => P::check(&config),
            Err(found) => found,
        };
        serde_json::to_vec(&found).map(|json| (found.is_empty(), json))
    });
    let (good, json) = match found {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => return abi::E_FAILED,
        Err(words) => {
            let words = format!("the check of these settings panicked with {words}");
            let found = [crate::Diagnostic::new("", words)];
            let json = serde_json::to_vec(&found).unwrap_or_default();
            // SAFETY: `sink` belongs to `diag`.
            unsafe { diag(sink, abi::Bytes::of(&json)) };
            return abi::E_PANIC;
        }
    };
    // SAFETY: `sink` belongs to `diag`.
    unsafe { diag(sink, abi::Bytes::of(&json)) };
    if good { abi::OK } else { abi::E_INVALID }
}

/// `mynah_entry.flags`: what this image was built with.
pub const FLAGS: u32 = if cfg!(panic = "unwind") {
    abi::UNWINDS
} else {
    0
};

/// `mynah_entry.sdk`.
pub const SDK: &str = concat!("mynah-plugin ", env!("CARGO_PKG_VERSION"));
