//! No panic of the MLS libraries may end a voice session.
//!
//! Parsing in openmls 0.8.3 can be made to panic: `MlsMessageIn::tls_deserialize_bytes` slices a
//! message by the length it would write, and a list whose items run over its declared length makes that
//! longer than what was read (tests/calls/hostile.rs does it). Any member can send such a commit. Besides,
//! `davey` and openmls hold hundreds of `expect`s on paths that begin with a peer's bytes. The price of
//! the fence is a landing pad; the price of needing it is a new group, as after any bad commit.
//!
//! It needs `panic = "unwind"`, the default.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{GroupError, Step};

/// Runs `work`; its panic becomes [`GroupError::Panicked`]. Whatever it changed must be thrown away
/// then, which makes the assertion true.
pub(super) fn call<T>(step: Step, work: impl FnOnce() -> T) -> Result<T, GroupError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| GroupError::Panicked { step })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let result = call(Step::Commit, || -> u8 {
            panic!("this belongs to the test")
        });
        let error = result.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the MLS library failed while applying a commit"
        );
    }
}
