//! The fault `hang`: a server that keeps its sockets and does nothing.

use super::{ConnectionId, Hub, Output};
use crate::voice::fault::Scope;
use crate::voice::peer::Verdict;

impl Hub {
    /// Lets the connections in `scope` hang, also those that come later, until the fault is cleared.
    pub fn set_hang(&mut self, fault_id: u64, scope: Scope) {
        self.hangs.insert(fault_id, scope);
        self.settle_hangs();
    }

    /// Tells every connection whose state has changed.
    pub(super) fn settle_hangs(&mut self) {
        let connected: Vec<(ConnectionId, bool)> = self
            .sessions
            .values()
            .filter_map(|session| {
                let mut hangs = self.hangs.values();
                let hangs = hangs.any(|scope| scope.covers(session.user_id, session.channel_id));
                Some((session.connection?, hangs))
            })
            .collect();
        for (connection, hangs) in connected {
            let has_changed = match hangs {
                true => self.hung.insert(connection),
                false => self.hung.remove(&connection),
            };
            if has_changed {
                self.outputs.push_back(Output::Hang(connection, hangs));
            }
        }
    }

    /// The verdict for a connection that has just named its session: at once, or once a scripted
    /// hang is over.
    pub(super) fn hang_if_scripted(
        &mut self,
        connection: ConnectionId,
        verdict: Verdict,
    ) -> Verdict {
        let session = self.session_on(connection);
        let session = session.and_then(|key| self.sessions.get(&key));
        let hangs = session.is_some_and(|session| {
            let mut scopes = self.hangs.values();
            scopes.any(|scope| scope.covers(session.user_id, session.channel_id))
        });
        match hangs {
            true => {
                self.hung.insert(connection);
                Verdict::Hung(Box::new(verdict))
            }
            false => verdict,
        }
    }
}
