//! What members of a room hear about each other (voice.md sections 3, 4 and 11).

use std::time::Instant;

use mynah_wire::UserId;
use mynah_wire::voice::{ClientDisconnect, ClientsConnect, Speaking, op};
use serde_json::json;

use super::session::{Session, SessionKey};
use super::{Hub, Link, Output};
use crate::voice::outbox::Body;

impl Hub {
    /// A member's media is described: introduce the room to it and it to the room. Op 11 comes
    /// first, so that nobody meets an unknown user in a later message; DAVE comes last.
    pub(super) fn welcome(&mut self, now: Instant, newcomer: SessionKey) {
        let Some(user_id) = self.sessions.get(&newcomer).map(|session| session.user_id) else {
            return;
        };
        let others: Vec<_> = self
            .others(newcomer)
            .map(|other| (other.key, other.user_id, op5(other)))
            .collect();
        if !others.is_empty() {
            let user_ids = others.iter().map(|(_, user_id, _)| *user_id).collect();
            self.tell(
                newcomer,
                Body::json(op::CLIENTS_CONNECT, &ClientsConnect { user_ids }),
            );
        }
        for (_, other, speaking) in &others {
            self.tell_client_kind(newcomer, *other);
            if let Some(speaking) = speaking {
                self.tell(newcomer, Body::json(op::SPEAKING, speaking));
            }
        }
        let connect = ClientsConnect {
            user_ids: vec![user_id],
        };
        let connect = Body::json(op::CLIENTS_CONNECT, &connect);
        for (other, _, _) in others {
            self.tell(other, connect.clone());
            self.tell_client_kind(other, user_id);
        }
        self.dave_join(now, newcomer);
    }

    /// Op 5 of a member. The others are told the first one and every change of the kind of
    /// speaking, but not each start and stop: Discord tells bots once per stay (voice.md
    /// section 4).
    pub(super) fn speaking(&mut self, link: Link, flags: u32) {
        let Some(key) = self.session_on(link.id) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        session.speaking = Some(flags);
        // Any op 5 lets audio pass, also "not speaking": discord.py and py-cord announce their stream
        // with it after op 4, and after a quick move that is all they send.
        self.is_table_stale |= !session.has_spoken;
        session.has_spoken = true;
        let is_news = match session.announced {
            None => true,
            Some(announced) => flags != 0 && flags != announced,
        };
        if !is_news {
            return;
        }
        session.announced = Some(flags);
        self.is_table_stale = true;
        let speaking = op5(session);
        self.tell_others(key, &Body::json(op::SPEAKING, &speaking));
    }

    /// Ends a session: the others are told, and its connection is closed with `code`.
    pub(super) fn end(&mut self, now: Instant, key: SessionKey, code: Option<u16>) {
        let disconnect = self.sessions.get(&key).map(|session| ClientDisconnect {
            user_id: session.user_id,
        });
        let is_present = self.sessions.get(&key).is_some_and(Session::is_present);
        if let Some(disconnect) = disconnect.filter(|_| is_present) {
            self.tell_others(key, &Body::json(op::CLIENT_DISCONNECT, &disconnect));
        }
        let Some(session) = self.sessions.remove(&key) else {
            return;
        };
        self.is_table_stale = true;
        if let Some(connection) = session.connection {
            self.connections.remove(&connection);
            if let Some(code) = code {
                self.outputs.push_back(Output::Close(connection, code));
            }
        }
        if is_present {
            // The others know from op 13 before they are asked to remove it.
            self.dave_leave(now, session.channel_id, session.user_id);
        }
    }

    pub(super) fn tell_backend_version(&mut self, link: Link) {
        if let Some(key) = self.session_on(link.id) {
            // Numbers of a real answer (voice.md section 3).
            let version = json!({"voice": "0.9.1", "rtc_worker": "0.3.35"});
            self.tell(key, Body::json(op::VOICE_BACKEND_VERSION, &version));
        }
    }

    /// Flags and platform of a user; both null, as Discord says of bots.
    fn tell_client_kind(&mut self, to: SessionKey, about: UserId) {
        let flags = json!({"user_id": about, "flags": null});
        self.tell(to, Body::json(op::CLIENT_FLAGS, &flags));
        let platform = json!({"user_id": about, "platform": null});
        self.tell(to, Body::json(op::CLIENT_PLATFORM, &platform));
    }

    fn tell_others(&mut self, key: SessionKey, body: &Body) {
        let others: Vec<_> = self.others(key).map(|other| other.key).collect();
        for other in others {
            self.tell(other, body.clone());
        }
    }

    /// The members that share a room with `key` and are past Select Protocol.
    fn others(&self, key: SessionKey) -> impl Iterator<Item = &Session> {
        let channel_id = self.sessions.get(&key).map(|session| session.channel_id);
        self.sessions.values().filter(move |session| {
            session.key != key && session.is_present() && Some(session.channel_id) == channel_id
        })
    }
}

/// Op 5 about a member, if there is anything to say.
fn op5(session: &Session) -> Option<Speaking> {
    Some(Speaking {
        speaking: session.announced?,
        delay: None,
        ssrc: Some(session.ssrc),
        user_id: Some(session.user_id),
    })
}
