//! People wait for answers: who still owes one, and until when. Time is an argument.
//!
//! Discord gives three seconds (protocol/rest.md section 5). A plugin that is dead or slow must not
//! leave a person with "the application did not respond", so the host answers for it.

use crate::Call;
use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Discord waits three seconds; this leaves time for the host's own answer to travel.
const PATIENCE: Duration = Duration::from_millis(2500);
/// An interaction's token lives this long.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
/// More open interactions than this are a flood; the oldest promises are not tracked then.
const MAX_OPEN: usize = 4096;

/// Who owes what the host answers itself: no plugin has this place.
pub(crate) const HOST: usize = usize::MAX;

/// One interaction nobody has finished answering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) id: u64,
    pub(crate) token: String,
    /// Discord's interaction type.
    pub(crate) kind: u8,
    /// Who owes the answer; [`HOST`] is the host itself.
    pub(crate) plugin: usize,
    /// It was deferred: "thinking…" stands there.
    pub(crate) deferred: bool,
    until: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Interactions {
    open: HashMap<u64, Open>,
}

impl Interactions {
    /// A plugin was given an interaction.
    pub(crate) fn begin(&mut self, now: Instant, id: u64, token: &str, kind: u8, plugin: usize) {
        if self.open.len() < MAX_OPEN {
            let (token, until) = (token.to_owned(), now + PATIENCE);
            self.open.insert(
                id,
                Open {
                    id,
                    token,
                    kind,
                    plugin,
                    deferred: false,
                    until,
                },
            );
        }
    }

    /// A plugin asks for something: is it an answer? Defers stay open until they are completed.
    pub(crate) fn observe(&mut self, now: Instant, call: &Call) {
        let Call::Rest { path, body, .. } = call else {
            return;
        };
        let mut parts = path.split(['/', '?']).filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (Some("interactions"), Some(id), Some(_)) => {
                let kind = body
                    .as_ref()
                    .and_then(|body| body.get("type"))
                    .and_then(Value::as_u64);
                let Ok(id) = id.parse() else { return };
                match self.open.get_mut(&id) {
                    // 5: "thinking…" is shown and has to be replaced. 6 shows nothing.
                    Some(open) if kind == Some(5) => {
                        open.deferred = true;
                        open.until = now + TOKEN_LIFE;
                    }
                    _ => drop(self.open.remove(&id)),
                }
            }
            (Some("webhooks"), Some(_), Some(token)) => {
                self.open.retain(|_, open| open.token != token);
            }
            _ => {}
        }
    }

    /// When the next promise is broken.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.open.values().map(|open| open.until).min()
    }

    /// Those that were not answered in time. Deferred ones whose token died are forgotten.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Open> {
        let (late, open) = core::mem::take(&mut self.open)
            .into_iter()
            .partition(|(_, open)| now >= open.until);
        self.open = open;
        let late: HashMap<u64, Open> = late;
        late.into_values().filter(|open| !open.deferred).collect()
    }

    /// One will not be answered by its plugin.
    pub(crate) fn take(&mut self, id: u64) -> Option<Open> {
        self.open.remove(&id)
    }

    /// A plugin died: everything it owes, deferred or not.
    pub(crate) fn abandon(&mut self, plugin: usize) -> Vec<Open> {
        self.abandon_but(plugin, &[])
    }

    /// Likewise, but for those that its next instance will be given.
    pub(crate) fn abandon_but(&mut self, plugin: usize, kept: &[u64]) -> Vec<Open> {
        let (owed, open) = core::mem::take(&mut self.open)
            .into_iter()
            .partition(|(id, open)| open.plugin == plugin && !kept.contains(id));
        self.open = open;
        let owed: HashMap<u64, Open> = owed;
        owed.into_values().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rest(method: &str, path: &str, body: Value) -> Call {
        Call::Rest {
            method: method.into(),
            path: path.into(),
            body: Some(body),
            files: vec![],
        }
    }

    fn ids(open: Vec<Open>) -> Vec<u64> {
        let mut ids: Vec<u64> = open.into_iter().map(|open| open.id).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn an_answer_in_time_closes_it_and_a_missing_one_is_overdue() {
        let (mut all, now) = (Interactions::default(), Instant::now());
        all.begin(now, 1, "t1", 2, 0);
        all.begin(now, 2, "t2", 2, 0);
        all.observe(
            now,
            &rest("POST", "/interactions/1/t1/callback", json!({ "type": 4 })),
        );
        assert_eq!(all.deadline(), Some(now + PATIENCE));
        assert_eq!(
            ids(all.overdue(now + PATIENCE - Duration::from_millis(1))),
            [0; 0]
        );
        assert_eq!(ids(all.overdue(now + PATIENCE)), [2]);
        assert_eq!(all.deadline(), None);
    }

    #[test]
    fn a_deferred_answer_is_owed_until_it_is_edited() {
        let (mut all, now) = (Interactions::default(), Instant::now());
        for id in [1, 2] {
            all.begin(now, id, &format!("t{id}"), 2, 7);
            let path = format!("/interactions/{id}/t{id}/callback");
            all.observe(now, &rest("POST", &path, json!({ "type": 5 })));
        }
        assert_eq!(ids(all.overdue(now + PATIENCE)), [0; 0]);
        all.observe(
            now,
            &rest("PATCH", "/webhooks/9/t1/messages/@original", json!({})),
        );
        assert_eq!(ids(all.abandon(7)), [2]);
    }

    #[test]
    fn a_dead_plugin_abandons_only_its_own() {
        let (mut all, now) = (Interactions::default(), Instant::now());
        all.begin(now, 1, "t1", 2, 0);
        all.begin(now, 2, "t2", 4, 1);
        assert_eq!(ids(all.abandon(1)), [2]);
        assert_eq!(ids(all.overdue(now + PATIENCE)), [1]);
    }

    #[test]
    fn a_deferred_answer_nobody_completes_is_forgotten_with_its_token() {
        let (mut all, now) = (Interactions::default(), Instant::now());
        all.begin(now, 1, "t1", 2, 0);
        all.observe(
            now,
            &rest("POST", "/interactions/1/t1/callback", json!({ "type": 5 })),
        );
        assert_eq!(ids(all.overdue(now + TOKEN_LIFE)), [0; 0]);
        assert_eq!(all.deadline(), None);
    }
}
