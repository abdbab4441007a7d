//! What the engine tells whoever runs it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use mynah_session::gateway::StopReason;
use mynah_wire::{ChannelId, GuildId, UserId};
use tokio::sync::mpsc;

use crate::{BroadcastId, TrackId};

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A gateway dispatch, with Discord's own JSON untouched.
    Dispatch {
        /// Event name, such as `INTERACTION_CREATE`.
        name: String,
        /// The guild it belongs to, when its body says so.
        guild_id: Option<GuildId>,
        /// The body (`d`).
        data: Arc<str>,
    },
    /// A track changed.
    Track {
        /// Where it plays.
        guild_id: GuildId,
        /// Which track.
        track: TrackId,
        /// What happened.
        kind: TrackEvent,
    },
    /// A track of a broadcast changed.
    Broadcast {
        /// Which broadcast.
        broadcast: BroadcastId,
        /// Which track.
        track: TrackId,
        /// What happened.
        kind: TrackEvent,
    },
    /// A voice session changed.
    Voice {
        /// In which guild.
        guild_id: GuildId,
        /// What happened.
        kind: VoiceEvent,
    },
    /// Discord refused the bot for good, on the gateway or (end-to-end encryption, close 4017) on a
    /// voice server: going on is of no use.
    Stopped(StopReason),
}

/// What happened to a track.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrackEvent {
    /// Its first frame was prepared for sending.
    Started,
    /// It played to its end.
    Ended,
    /// It was stopped, or its session went away.
    Stopped,
    /// It cannot go on; the text says why.
    Failed(String),
    /// Its source gives nothing for 100 ms; silence meanwhile.
    Stalled,
    /// Its source came back.
    Recovered,
}

/// What happened to a voice session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VoiceEvent {
    /// Joined; sound flows.
    Connected {
        /// The channel.
        channel_id: ChannelId,
    },
    /// Moved by a moderator or by us.
    Moved {
        /// The new channel.
        channel_id: ChannelId,
    },
    /// The connection broke and is being mended.
    Lost {
        /// What broke.
        reason: String,
    },
    /// The connection is back without a rejoin.
    Resumed,
    /// Somebody says that they begin or cease to send sound (op 5). Told while anybody listens.
    Speaking {
        /// Who.
        user_id: UserId,
        /// True: they begin.
        speaks: bool,
    },
    /// A new epoch of the end-to-end encryption. Told while anybody listens.
    Epoch {
        /// The protocol's version.
        version: u16,
        /// Its number.
        epoch: u64,
    },
    /// Over: left, kicked, channel deleted, or given up.
    Ended {
        /// Why.
        reason: String,
    },
}

/// The receiving end of a bot's events; bounded at 1,024 (architecture.md B6 row 1).
#[derive(Debug)]
pub struct EventStream {
    live: mpsc::Receiver<Event>,
    /// What came before anybody could listen.
    kept: VecDeque<Event>,
}

impl EventStream {
    pub(crate) const fn new(live: mpsc::Receiver<Event>) -> Self {
        Self {
            live,
            kept: VecDeque::new(),
        }
    }

    /// The next event; `None` once the bot has shut down.
    pub async fn next(&mut self) -> Option<Event> {
        match self.kept.pop_front() {
            Some(event) => Some(event),
            None => self.live.recv().await,
        }
    }

    /// Keeps events for later, for as long as this is awaited: during the login nobody listens yet,
    /// and a bot in more guilds than fit would otherwise wait for itself. Bounded by the guilds.
    pub(crate) async fn keep(&mut self) -> Infallible {
        while let Some(event) = self.live.recv().await {
            self.kept.push_back(event);
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_events_than_the_queue_holds_are_kept_until_somebody_listens() {
        let (sender, live) = mpsc::channel(2);
        let mut stream = EventStream::new(live);
        let send = async {
            for n in 0..50u64 {
                let event = Event::Dispatch {
                    name: n.to_string(),
                    guild_id: None,
                    data: "{}".into(),
                };
                sender.send(event).await.unwrap();
            }
            drop(sender);
        };
        tokio::select! {
            () = send => {}
            never = stream.keep() => match never {},
        }
        for n in 0..50u64 {
            let next = stream.next().await;
            let right =
                matches!(&next, Some(Event::Dispatch { name, .. }) if *name == n.to_string());
            assert!(right, "{next:?}");
        }
        assert!(stream.next().await.is_none());
    }
}
