//! The plugin's handle to the host, and ops as futures.

use crate::{Error, Files, Result, Voice, abi};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    ffi::c_void,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    task::{Context, Poll, Waker},
    thread::ThreadId,
    time::Duration,
};

/// What the bot can do for a plugin. Cheap to clone, may go into async work; ops must be awaited in
/// tasks of [`crate::Cx::spawn`] (they are submitted on the control thread).
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    plugin: &'static str,
    /// Gone after `destroy`: wakers may outlive the instance in threads of the plugin's own.
    table: RwLock<Option<Table>>,
    bound: OnceLock<Bound>,
    pending: Mutex<HashMap<u64, Slot>>,
}

#[derive(Clone, Copy)]
struct Table(*const abi::Host);
// SAFETY: header, mynah_host: the [any] functions may be called from every thread; the others are
// only reached after `on_control` said yes.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

#[derive(Clone, Copy)]
struct Bound {
    control: ThreadId,
    ops: *const abi::Ops,
    commands: *const abi::Commands,
    life: *const abi::Life,
}
// SAFETY: extension tables live as long as the host's own; used only `on_control`.
unsafe impl Send for Bound {}
// SAFETY: as above.
unsafe impl Sync for Bound {}

enum Slot {
    Waiting(Waker),
    Done(abi::Status, Vec<u8>),
}

impl Host {
    /// # Safety
    /// `table` is a host table as the header describes it, alive until [`Host::close`].
    pub(crate) unsafe fn new(plugin: &'static str, table: *const abi::Host) -> Self {
        Self {
            inner: Arc::new(Inner {
                plugin,
                table: RwLock::new(Some(Table(table))),
                bound: OnceLock::new(),
                pending: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// First thing in `start`: from now on this is the control thread.
    pub(crate) fn bind(&self) {
        let ops = self.extension(abi::EXT_OPS).cast();
        let commands = self.extension(abi::EXT_COMMANDS).cast();
        let life = self.extension(abi::EXT_LIFE).cast();
        let control = std::thread::current().id();
        // `start` is called once; a second one would keep the first thread, which is right.
        let _ = self.inner.bound.set(Bound {
            control,
            ops,
            commands,
            life,
        });
    }

    /// Last thing in `destroy`.
    pub(crate) fn close(&self) {
        *self
            .inner
            .table
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn with_table<T>(&self, call: impl FnOnce(*const abi::Host, &abi::Host) -> T) -> Option<T> {
        let guard = self
            .inner
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let Table(pointer) = (*guard)?;
        // SAFETY: alive while it is Some (Host::new), and we hold the lock.
        let table = unsafe { &*pointer };
        Some(call(pointer, table))
    }

    pub(crate) fn extension(&self, id: &str) -> *const c_void {
        // SAFETY: [control]; called from shims only.
        self.with_table(|host, table| unsafe { (table.extension)(host, abi::Str::of(id)) })
            .unwrap_or(core::ptr::null())
    }

    /// For typed access to an extension: the pointer to call it with.
    pub(crate) fn raw<T>(&self, call: impl FnOnce(*const abi::Host) -> T) -> Option<T> {
        self.with_table(|host, _| call(host))
    }

    /// Tells the host that this instance is dead. `false` if it can not be told.
    pub(crate) fn failed(&self, why: &str) -> bool {
        let life = self.bound().map_or(core::ptr::null(), |bound| bound.life);
        if life.is_null() {
            return false;
        }
        // SAFETY: [control], checked by `bound`; the table outlives the instance.
        self.raw(|host| unsafe { ((*life).failed)(host, abi::Str::of(why)) })
            .is_some()
    }

    pub(crate) fn wake(&self, token: u64) {
        // SAFETY: [any].
        self.with_table(|host, table| unsafe { (table.wake)(host, token) });
    }

    /// Writes a line to the bot's log. `level` is one of `abi::LOG_ERROR` … `abi::LOG_TRACE`.
    pub fn log(&self, level: u32, text: &str) {
        let target = abi::Str::of(self.inner.plugin);
        // SAFETY: [any].
        self.with_table(|host, table| unsafe {
            (table.log)(host, level, target, abi::Str::of(text));
        });
    }

    /// The bot's clock in microseconds; virtual in tests. 0 after the plugin was destroyed.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        // SAFETY: [any].
        self.with_table(|host, table| unsafe { (table.now_us)(host) })
            .unwrap_or(0)
    }

    /// The plugin's id.
    #[must_use]
    pub fn plugin(&self) -> &'static str {
        self.inner.plugin
    }

    /// Voice: join, play, tracks.
    #[must_use]
    pub fn voice(&self) -> Voice {
        Voice::new(self.clone())
    }

    /// What the plugin keeps; needs `store`.
    #[must_use]
    pub fn store(&self) -> crate::Store {
        crate::Store::new(self.clone())
    }

    /// Files in granted folders.
    #[must_use]
    pub fn files(&self) -> Files {
        Files::new(self.clone())
    }

    /// Any op by its kind; the typed helpers are built on this.
    pub fn op(&self, kind: &'static str, args: Value) -> Op {
        Op {
            host: self.clone(),
            state: State::New { kind, args },
        }
    }

    /// A Discord REST request, for instance `rest("POST", "/channels/1/messages", json!({…}))`.
    pub fn rest(&self, method: &str, path: &str, body: Value) -> Op {
        self.op(
            "rest",
            json!({ "method": method, "path": path, "body": body }),
        )
    }

    /// Waits on the bot's clock.
    pub fn sleep(&self, time: Duration) -> Call<()> {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.op("timer", json!({ "ms": ms })).unit()
    }

    pub(crate) fn set_commands(&self, list: &[u8]) -> Result<()> {
        let bound = self.bound()?;
        if bound.commands.is_null() {
            return Err(Error::Denied(
                "`commands` is not granted to this plugin".into(),
            ));
        }
        let mut words: Vec<u8> = Vec::new();
        let status = self.with_table(|host, _| {
            // SAFETY: [control], checked by `bound`; the table outlives the instance; `put_vec`
            // gets the Vec it expects.
            unsafe {
                let set = (*bound.commands).set;
                set(host, abi::Bytes::of(list), put_vec, (&raw mut words).cast())
            }
        });
        match status {
            Some(abi::OK) => Ok(()),
            Some(status) => {
                let message = String::from_utf8_lossy(&words);
                let body = json!({ "message": message }).to_string();
                Err(Error::from_status(status, body.as_bytes()))
            }
            None => Err(Error::Closed("the plugin is stopped".into())),
        }
    }

    /// The extension tables, if this is the control thread.
    fn bound(&self) -> Result<Bound> {
        let bound = self.inner.bound.get().copied();
        let bound = bound.ok_or_else(|| Error::Closed("the plugin has not started".into()))?;
        if std::thread::current().id() != bound.control {
            return Err(Error::Invalid(
                "host calls belong on the plugin's control thread: await them in Cx::spawn".into(),
            ));
        }
        Ok(bound)
    }

    fn submit(&self, kind: &str, args: &Value) -> Result<u64> {
        let bound = self.bound()?;
        if bound.ops.is_null() {
            return Err(Error::Unsupported(format!(
                "this host has no {}",
                abi::EXT_OPS
            )));
        }
        let args = args.to_string();
        let args = abi::Bytes::of(args.as_bytes());
        let op = self.with_table(|host, _| {
            // SAFETY: [control], checked by `bound`; the table outlives the instance.
            unsafe { ((*bound.ops).submit)(host, abi::Str::of(kind), args) }
        });
        match op {
            None => Err(Error::Closed("the plugin is stopped".into())),
            Some(0) => Err(Error::Busy("too many requests are under way".into())),
            Some(op) => Ok(op),
        }
    }

    /// An op whose answer nobody waits for; what is refused is left out.
    pub(crate) fn tell(&self, kind: &'static str, args: &Value) {
        // `done` finds nobody who waits for it and ignores it.
        let _ = self.submit(kind, args);
    }

    /// An op finished: wake whoever waits. Unknown numbers were cancelled.
    pub(crate) fn done(&self, op: u64, status: abi::Status, body: &[u8]) {
        let mut pending = self.pending();
        if let Some(slot) = pending.get_mut(&op)
            && let Slot::Waiting(waker) =
                core::mem::replace(slot, Slot::Done(status, body.to_vec()))
        {
            drop(pending);
            waker.wake();
        }
    }

    fn cancel(&self, op: u64) {
        let was = self.pending().remove(&op);
        if !matches!(was, Some(Slot::Waiting(_))) {
            return;
        }
        // A future dropped on a foreign thread only forgets: `done` finds nobody and is ignored.
        if let Ok(bound) = self.bound()
            && !bound.ops.is_null()
        {
            // SAFETY: [control], checked by `bound`.
            self.with_table(|host, _| unsafe { ((*bound.ops).cancel)(host, op) });
        }
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Slot>> {
        self.inner
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("plugin", &self.inner.plugin)
            .finish_non_exhaustive()
    }
}

/// Appends to the `Vec<u8>` that `sink` points to.
///
/// # Safety
/// `sink` is a live `Vec<u8>` nobody else uses during the call; `part` is readable.
pub(crate) unsafe extern "C" fn put_vec(sink: *mut c_void, part: abi::Bytes) {
    // SAFETY: promised by the caller.
    let (sink, part) = unsafe { (&mut *sink.cast::<Vec<u8>>(), part.read()) };
    sink.extend_from_slice(part);
}

/// An async request to the host. Dropping it before it is done cancels it.
#[must_use = "an op does nothing until it is awaited"]
#[derive(Debug)]
pub struct Op {
    host: Host,
    state: State,
}

#[derive(Debug)]
enum State {
    New { kind: &'static str, args: Value },
    Waiting(u64),
    Finished,
}

impl Future for Op {
    type Output = Result<Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match core::mem::replace(&mut this.state, State::Finished) {
            State::New { kind, args } => match this.host.submit(kind, &args) {
                Err(error) => Poll::Ready(Err(error)),
                Ok(op) => {
                    this.host
                        .pending()
                        .insert(op, Slot::Waiting(cx.waker().clone()));
                    this.state = State::Waiting(op);
                    Poll::Pending
                }
            },
            State::Waiting(op) => {
                let mut pending = this.host.pending();
                match pending.remove(&op) {
                    Some(Slot::Done(status, body)) => Poll::Ready(finish(status, &body)),
                    Some(Slot::Waiting(_)) => {
                        pending.insert(op, Slot::Waiting(cx.waker().clone()));
                        drop(pending);
                        this.state = State::Waiting(op);
                        Poll::Pending
                    }
                    None => Poll::Ready(Err(Error::Closed("the request was cancelled".into()))),
                }
            }
            State::Finished => Poll::Ready(Err(Error::Closed(
                "the request was already answered".into(),
            ))),
        }
    }
}

fn finish(status: abi::Status, body: &[u8]) -> Result<Value> {
    if status < 0 {
        return Err(Error::from_status(status, body));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_slice(body)?)
}

impl Drop for Op {
    fn drop(&mut self) {
        if let State::Waiting(op) = self.state {
            self.host.cancel(op);
        }
    }
}

impl Op {
    /// The answer as a type.
    pub fn read<T: DeserializeOwned>(self) -> Call<T> {
        Call {
            op: self,
            read: |body| Ok(serde_json::from_value(body)?),
        }
    }

    /// The answer's contents do not matter.
    pub fn unit(self) -> Call<()> {
        Call {
            op: self,
            read: |_| Ok(()),
        }
    }
}

/// An [`Op`] whose answer has a type. Dropping it before it is done cancels it.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<T> {
    pub(crate) op: Op,
    pub(crate) read: fn(Value) -> Result<T>,
}

impl<T> Future for Call<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let read = self.read;
        Pin::new(&mut self.op)
            .poll(cx)
            .map(|body| body.and_then(read))
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.op).finish()
    }
}
