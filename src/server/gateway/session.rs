//! A gateway session: what survives a lost connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_wire::{GuildId, UserId};
use serde_json::Value;
use tokio::sync::Notify;

/// Dispatches kept for replay. A client further behind has to identify anew.
const LOG_ENTRIES: usize = 4096;
/// A session without connection lives this long (gateway.md section 12: 2 to 5 minutes).
pub(crate) const KEPT_AFTER_DISCONNECT: Duration = Duration::from_secs(180);

/// Names one connection.
pub type LinkId = u64;

/// A connection as the rest of the server sees it: something to wake and to give orders to.
#[derive(Debug)]
pub(crate) struct Link {
    /// Wakes the shell after something changed.
    pub wake: Arc<Notify>,
    /// Scripted trouble, in order.
    pub orders: VecDeque<Order>,
    /// Heartbeats stay unanswered: the client must find out that it talks to a zombie.
    pub drop_acks: bool,
    /// Whose it is, once identified.
    pub user_id: Option<UserId>,
}

impl Link {
    /// Gives an order.
    pub fn order(&mut self, order: Order) {
        self.orders.push_back(order);
        self.wake.notify_one();
    }
}

/// What a fault, or a newer connection, tells a connection to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Close with that code.
    Close(u16),
    /// Op 9.
    InvalidSession {
        /// `d`: the session may be resumed.
        resumable: bool,
    },
    /// Op 7.
    Reconnect,
    /// Neither read nor write for so long.
    Freeze(Duration),
}

/// One numbered dispatch. The body is shared between all sessions that got the event.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub seq: u64,
    pub name: &'static str,
    pub data: Arc<str>,
}

impl Entry {
    /// The payload as sent.
    pub fn text(&self) -> String {
        let Self { seq, name, data } = self;
        format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{data}}}"#)
    }
}

/// A gateway session.
#[derive(Debug)]
pub struct Session {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The bot.
    pub user_id: UserId,
    /// Intent bits.
    pub intents: u64,
    /// `(shard_id, shard_count)`.
    pub shard: (u32, u32),
    /// Last presence.
    pub presence: Option<Value>,
    seq: u64,
    log: VecDeque<Entry>,
    /// The connection it is on.
    pub(crate) link: Option<LinkId>,
    /// Since when it has no connection.
    pub(crate) detached: Option<Instant>,
}

impl Session {
    pub(crate) fn new(
        id: String,
        user_id: UserId,
        intents: u64,
        shard: (u32, u32),
        link: LinkId,
    ) -> Self {
        Self {
            id,
            user_id,
            intents,
            shard,
            presence: None,
            seq: 0,
            log: VecDeque::new(),
            link: Some(link),
            detached: None,
        }
    }

    /// The number of the newest dispatch.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Numbers a dispatch and keeps it.
    pub(crate) fn push(&mut self, name: &'static str, data: Arc<str>) {
        self.seq += 1;
        let seq = self.seq;
        self.log.push_back(Entry { seq, name, data });
        if self.log.len() > LOG_ENTRIES {
            self.log.pop_front();
        }
    }

    /// The dispatch after `cursor`, if it is still there.
    pub(crate) fn after(&self, cursor: u64) -> Option<&Entry> {
        let oldest = self.log.front()?.seq;
        let index = (cursor + 1).checked_sub(oldest)?;
        self.log.get(usize::try_from(index).ok()?)
    }

    /// Everything after `seq` can still be sent.
    pub(crate) fn can_replay_after(&self, seq: u64) -> bool {
        self.log.front().is_none_or(|oldest| seq + 1 >= oldest.seq)
    }

    /// Events of that guild belong to this shard (gateway.md section 8).
    pub(crate) fn covers(&self, guild_id: Option<GuildId>) -> bool {
        let (shard, count) = self.shard;
        match guild_id {
            Some(id) => (id.get() >> 22) % u64::from(count.max(1)) == u64::from(shard),
            None => shard == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::new("s".to_owned(), UserId::new(1), 0, (0, 1), 1)
    }

    #[test]
    fn the_log_is_walked_by_sequence_number() {
        let mut session = session();
        for _ in 0..3 {
            session.push("X", Arc::from("1"));
        }
        assert_eq!(session.after(0).unwrap().seq, 1);
        assert_eq!(
            session.after(2).unwrap().text(),
            r#"{"t":"X","s":3,"op":0,"d":1}"#
        );
        assert!(session.after(3).is_none());
    }

    #[test]
    fn a_client_too_far_behind_cannot_replay() {
        let mut session = session();
        for _ in 0..LOG_ENTRIES + 10 {
            session.push("X", Arc::from("1"));
        }
        assert!(!session.can_replay_after(9));
        assert!(session.can_replay_after(10));
        assert_eq!(session.after(10).unwrap().seq, 11);
        assert!(session.after(5).is_none());
    }

    #[test]
    fn a_guild_belongs_to_exactly_one_shard() {
        let mut session = session();
        let guild = GuildId::new(5 << 22);
        let covering: Vec<u32> = (0..3)
            .filter(|shard| {
                session.shard = (*shard, 3);
                session.covers(Some(guild))
            })
            .collect();
        assert_eq!(covering, [2]);
        session.shard = (1, 3);
        assert!(!session.covers(None));
    }
}
