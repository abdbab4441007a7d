//! The callbacks of the C table in which no author's code runs when a plugin is written in Rust. An
//! author in C has them: they are made to misbehave here, but for panics, which C has not.

use crate::{Hostile, misdeed::trap};
use mynah_plugin::{abi, shim};
use std::{ffi::c_void, sync::OnceLock};

type Done = unsafe extern "C" fn(*mut c_void, u64, abi::Status, abi::Bytes);
type Destroy = unsafe extern "C" fn(*mut c_void);

/// What the SDK does in them. One type of plugin: the same for every instance.
static DONE: OnceLock<Done> = OnceLock::new();
static DESTROY: OnceLock<Destroy> = OnceLock::new();

/// # Safety
/// As the header says of `mynah_entry.create`.
pub unsafe extern "C" fn create(host: *const abi::Host) -> *mut abi::Instance {
    trap("create", None);
    // SAFETY: promised by the caller.
    let instance = unsafe { shim::create::<Hostile>(host) };
    if instance.is_null() {
        return instance;
    }
    // SAFETY: just made; the host has not seen it yet.
    let table = unsafe { &mut *instance };
    if let (Some(theirs), Some(last)) = (table.done, table.destroy) {
        let _ = DONE.set(theirs);
        let _ = DESTROY.set(last);
        table.done = Some(done);
        table.destroy = Some(destroy);
    }
    instance
}

unsafe extern "C" fn done(body: *mut c_void, op: u64, status: abi::Status, result: abi::Bytes) {
    trap("done", None);
    if let Some(theirs) = DONE.get() {
        // SAFETY: handed on as it came.
        unsafe { theirs(body, op, status, result) };
    }
}

unsafe extern "C" fn destroy(body: *mut c_void) {
    trap("destroy", None);
    if let Some(theirs) = DESTROY.get() {
        // SAFETY: handed on as it came.
        unsafe { theirs(body) };
    }
}
