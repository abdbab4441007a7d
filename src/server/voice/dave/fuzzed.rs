//! The readers of this folder as the fuzz targets see them (`tests/fuzz`).

use std::sync::OnceLock;

use mynah_wire::UserId;

use super::GatewaySigner;
use super::key_package::MemberKeys;
use super::message::{Commit, Welcome};

/// Reads an op 28 payload, and cuts its Welcome to each target; true when all of that works.
pub fn read_commit(payload: &[u8]) -> bool {
    let Some((commit, rest)) = Commit::read(payload) else {
        return false;
    };
    // What is passed on is exactly what was read.
    let is_whole = commit.message.len() + rest.len() == payload.len();
    match Welcome::read(rest) {
        _ if rest.is_empty() => is_whole,
        None => false,
        Some(welcome) => welcome.targets().all(|target| {
            let trimmed = welcome.trimmed_to(&target);
            trimmed.is_some_and(|bytes| Welcome::read(&bytes).is_some())
        }),
    }
}

/// Checks an op 26 payload of this user; true when it is good.
pub fn read_key_package(user: UserId, payload: &[u8]) -> bool {
    static SIGNER: OnceLock<Option<GatewaySigner>> = OnceLock::new();
    let signer = SIGNER.get_or_init(|| GatewaySigner::new(&[7; 32]).ok());
    signer
        .as_ref()
        .is_some_and(|signer| MemberKeys::check(signer, user, payload).is_ok())
}
