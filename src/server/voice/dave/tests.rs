#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
//! The delivery service with real davey sessions as members, in virtual time.
pub(in crate::voice) mod client;
mod faults;
mod flows;
mod hostile;
mod keys;
mod races;
mod recovery;
mod room;
mod storms;
mod versions;

use super::*;
use client::Client;
use key_package::MemberKeys;
use room::{Room, user};
