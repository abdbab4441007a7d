//! Was a frame lost in one of the unavoidable windows? What is asked is only what the world knows by
//! itself; the receiver's own reasons are not believed.

use std::time::{Duration, Instant};

use super::{Ear, Fresh, Key};
use crate::world::ledger::{Ledger, Seal, Window};
use crate::world::media::{Frame, Said};

/// How long a receiver must hold what it cannot open yet (issue 3; dave.md has no number).
const HOLD: Duration = Duration::from_secs(2);
/// How long frames of somebody who left must still be taken.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// How long old keys must stay good (dave.md section 6).
const OLD_KEYS: Duration = Duration::from_secs(10);
/// As long it is surely held: of one stream 100 packets at most are, and some come twice or in a
/// bunch.
const SURELY_HELD: Duration = Duration::from_millis(1800);
/// The longest that senders may stay in an old epoch: the server executes a transition after 2 s even
/// if somebody is not ready (dave.md section 9), and its word takes a while.
const TRANSITION: Duration = Duration::from_secs(4);
/// The longest that a client whose connection is good may have to wait for its epoch: two transitions
/// of others who are not ready, a commit that never comes (4 s), and the ways.
const ENTRY: Duration = Duration::from_secs(9);

impl Ear {
    pub(super) fn judge(&self, arrived: Instant, frame: &Frame, ledger: &mut Ledger) {
        let said = Said {
            by: frame.from,
            number: frame.number,
        };
        if self.is_heard(said) {
            return;
        }
        match self.excuse(arrived, frame, ledger) {
            Ok(window) => ledger.lost(window),
            Err(reason) => {
                let who = self.user_id;
                ledger.problem(format!("{said:?} was lost at {who}: {reason}"));
            }
        }
    }

    /// The window that explains a loss.
    fn excuse(&self, arrived: Instant, frame: &Frame, ledger: &Ledger) -> Result<Window, String> {
        let given_up = arrived + HOLD;
        let left = self.left.get(&frame.user_id);
        if left.is_some_and(|at| *at + AFTERWARDS <= given_up) {
            return Ok(Window::SenderLeft);
        }
        let in_trouble = self.is_cut || self.trouble.is_some_and(|until| until + HOLD >= arrived);
        match self.known.get(&frame.ssrc) {
            Some(since) if *since <= given_up => {}
            _ if in_trouble => return Ok(Window::LateKeys),
            Some(since) => {
                let late = *since - arrived;
                return Err(format!("its speaker was named {late:?} later"));
            }
            None => return Err("its speaker was never named".to_owned()),
        }
        let Some(seal) = frame.seal.and_then(|seal| ledger.seals.get(seal)) else {
            return self.excuse_plain(arrived, frame, in_trouble);
        };
        if let Some(key) = self.keys.iter().find(|key| key.base == seal.base) {
            return self.excuse_keyed(arrived, frame, key, seal.epoch, in_trouble);
        }
        self.excuse_keyless(arrived, frame, seal, ledger, in_trouble)
    }

    /// The frame is not sealed, and the receiver does not believe such frames.
    fn excuse_plain(
        &self,
        arrived: Instant,
        frame: &Frame,
        in_trouble: bool,
    ) -> Result<Window, String> {
        let is_young = self
            .entered
            .as_ref()
            .is_none_or(|(at, _)| frame.sent <= *at + TRANSITION);
        let comes_down = self
            .passthrough_since
            .iter()
            .any(|since| *since > arrived && *since < arrived + TRANSITION);
        if comes_down {
            Ok(Window::Downgrading)
        } else if is_young {
            Ok(Window::Upgrading)
        } else if frame.is_behind {
            Ok(Window::SenderBehind)
        } else if in_trouble {
            Ok(Window::LateKeys)
        } else {
            Err("it was plain".to_owned())
        }
    }

    /// The receiver has, or got later, the key of the frame.
    fn excuse_keyed(
        &self,
        arrived: Instant,
        frame: &Frame,
        key: &Key,
        epoch: u64,
        in_trouble: bool,
    ) -> Result<Window, String> {
        if key.since > arrived {
            let late = key.since - arrived;
            return match late > SURELY_HELD {
                true if in_trouble => Ok(Window::LateKeys),
                true => Err(format!("the key of epoch {epoch} came {late:?} later")),
                false => Err(format!(
                    "the key of epoch {epoch} came {late:?} later, it should have been held"
                )),
            };
        }
        let newer = self
            .keys
            .iter()
            .filter(|other| other.user_id == key.user_id && other.since > key.since)
            .map(|other| other.since)
            .min();
        match newer {
            Some(newer) if arrived >= newer + OLD_KEYS && frame.is_behind => {
                Ok(Window::SenderBehind)
            }
            _ => Err(format!("the key of epoch {epoch} was there")),
        }
    }

    /// The receiver never got the key of the frame.
    fn excuse_keyless(
        &self,
        arrived: Instant,
        frame: &Frame,
        seal: &Seal,
        ledger: &Ledger,
        in_trouble: bool,
    ) -> Result<Window, String> {
        let (_, why) = self.fresh;
        // Epochs older than its first one were none of the receiver's, even if an earlier leaf of
        // its sat in them.
        let first = self.entered.as_ref();
        let is_foreign = first.is_none_or(|(_, code)| ledger.is_older(&seal.code, code));
        let is_stale = first.is_some_and(|(at, _)| frame.sent > *at + TRANSITION);
        if is_stale && frame.is_behind {
            return Ok(Window::SenderBehind);
        }
        let (since, _) = self.fresh;
        let since = self
            .company_since
            .map_or(since, |company| company.max(since));
        // What was asked for over a broken websocket is asked again.
        let since = self.mended.map_or(since, |mended| mended.max(since));
        let is_forgotten = first.is_none() && arrived > since + ENTRY && !in_trouble;
        if is_foreign && !is_stale && !is_forgotten {
            return Ok(match why {
                Fresh::Joined => Window::JoinedLater,
                Fresh::Recovering => Window::Recovering,
                Fresh::Regrouping => Window::Regrouping,
            });
        }
        if in_trouble {
            return Ok(Window::LateKeys);
        }
        let is_member = seal.members.contains(&self.user_id);
        let what = if is_member { "a" } else { "no" };
        Err(format!(
            "the receiver is {what} member of epoch {} and never got its keys",
            seal.epoch
        ))
    }
}
