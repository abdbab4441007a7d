//! One instance of a plugin, safe to hold: every function of its table, called as the header says.

use crate::{
    entry::{Loaded, Put, put},
    link::Link,
    mailbox::Event,
    table::Table,
};
use mynah_plugin::abi;
use std::{ffi::c_void, marker::PhantomData, sync::Arc};

/// Lives and dies on the control thread (it is not `Send`).
pub(crate) struct Instance {
    raw: *mut abi::Instance,
    _control_thread_only: PhantomData<*mut ()>,
    /// Dropped after `drop` has destroyed the instance.
    _table: Table,
}

impl Instance {
    /// Creates, does not start.
    pub(crate) fn create(loaded: &Loaded, link: Arc<Link>) -> Result<Self, String> {
        let create = loaded.create().ok_or("its table has no `create`")?;
        let table = Table::new(link);
        // SAFETY: header, mynah_entry.create: [control]; the table outlives the instance.
        let raw = unsafe { create(table.as_ptr()) };
        if raw.is_null() {
            return Err("it could not be created".into());
        }
        let instance = Self {
            raw,
            _control_thread_only: PhantomData,
            _table: table,
        };
        // SAFETY: not NULL; every instance begins with its size.
        let size = unsafe { (&raw const (*raw).size).read() };
        if (size as usize) < size_of::<abi::Instance>() {
            // Its `destroy` may not be there: nothing in it may be touched.
            std::mem::forget(instance);
            return Err("its instance table is too short".into());
        }
        Ok(instance)
    }

    fn call<F, T>(
        &self,
        which: impl FnOnce(&abi::Instance) -> Option<F>,
        call: impl FnOnce(F, *mut c_void) -> T,
    ) -> Option<T> {
        // SAFETY: header: the table stays as it is until `destroy`, which is in `drop`. Copied out
        // first, so that nothing is borrowed while the plugin runs.
        let (function, this) = unsafe { (which(&*self.raw), (*self.raw).self_) };
        function.map(|function| call(function, this))
    }

    /// Status and words when it can not.
    pub(crate) fn start(&self, config: &str, saved: &[u8]) -> Result<(), (abi::Status, String)> {
        let mut words = Put::default();
        let status = self.call(
            |table| table.start,
            |start, this| {
                let (config, saved) = (abi::Bytes::of(config.as_bytes()), abi::Bytes::of(saved));
                // SAFETY: header: slices live for the call; `put` gets what it expects.
                unsafe { start(this, config, saved, put, (&raw mut words).cast()) }
            },
        );
        match status {
            Some(status) if status >= 0 => Ok(()),
            Some(status) => Err((status, words.text())),
            None => Err((abi::E_UNSUPPORTED, "its table has no `start`".into())),
        }
    }

    pub(crate) fn event(&self, event: &Event) {
        let raw = abi::Event {
            size: size_of::<abi::Event>() as u32,
            kind: event.kind,
            name: abi::Str::of(&event.name),
            json: abi::Bytes::of(event.json.as_bytes()),
            session: event.session,
            at_us: event.at_us,
            tier: event.tier,
        };
        // SAFETY: header: the event lives for the call.
        self.call(
            |table| table.event,
            |event, this| unsafe { event(this, &raw const raw) },
        );
    }

    /// Other settings, that `check` has found good. Status and words when it can not;
    /// `abi::E_UNSUPPORTED` when it has to be started anew for them.
    pub(crate) fn settings(&self, config: &str) -> Result<(), (abi::Status, String)> {
        let id = abi::Str::of(abi::EXT_SETTINGS);
        let offered = self.call(
            |table| table.extension,
            // SAFETY: header: the id lives for the call.
            |extension, this| unsafe { extension(this, id) },
        );
        let offered = offered.unwrap_or(std::ptr::null()).cast::<abi::Settings>();
        let no = || (abi::E_UNSUPPORTED, String::new());
        if offered.is_null() {
            return Err(no());
        }
        // SAFETY: header: an extension's table lives as long as its instance; every one begins with its
        // size, which is looked at before the rest.
        let set = unsafe {
            let size = (&raw const (*offered).size).read() as usize;
            let whole = size >= size_of::<abi::Settings>();
            whole.then(|| (&raw const (*offered).set).read()).flatten()
        };
        let mut words = Put::default();
        let status = self.call(
            |_| set,
            |set, this| {
                let config = abi::Bytes::of(config.as_bytes());
                // SAFETY: header: slices live for the call; `put` gets what it expects.
                unsafe { set(this, config, put, (&raw mut words).cast()) }
            },
        );
        match status {
            Some(status) if status >= 0 => Ok(()),
            Some(status) => Err((status, words.text())),
            None => Err(no()),
        }
    }

    pub(crate) fn run(&self, task: u64) {
        // SAFETY: header.
        self.call(|table| table.run, |run, this| unsafe { run(this, task) });
    }

    pub(crate) fn done(&self, op: u64, status: abi::Status, body: &str) {
        let body = abi::Bytes::of(body.as_bytes());
        // SAFETY: header: the body lives for the call.
        self.call(
            |table| table.done,
            |done, this| unsafe { done(this, op, status, body) },
        );
    }

    /// Its state, unless it could not say.
    pub(crate) fn save(&self) -> Option<Put> {
        let mut saved = Put::default();
        let status = self.call(
            |table| table.save,
            |save, this| {
                // SAFETY: header: `put` gets what it expects.
                unsafe { save(this, put, (&raw mut saved).cast()) }
            },
        );
        (status == Some(abi::OK)).then_some(saved)
    }

    pub(crate) fn stop(&self, why: u32) {
        // SAFETY: header.
        self.call(|table| table.stop, |stop, this| unsafe { stop(this, why) });
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: header: the very last call.
        self.call(
            |table| table.destroy,
            |destroy, this| unsafe { destroy(this) },
        );
    }
}
