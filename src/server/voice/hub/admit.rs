//! Who gets in: Identify, Resume, Select Protocol (voice.md sections 2, 5, 11).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use mynah_wire::voice::{self, Ready, SessionDescription, close, op};
use mynah_wire::{EncryptionMode, Ssrc};
use zeroize::Zeroizing;

use super::session::{Session, SessionKey};
use super::{Hub, Link, MAX_SESSIONS, Output};
use crate::voice::dave::DavePolicy;
use crate::voice::grant::Grant;
use crate::voice::outbox::{Body, Outbox};
use crate::voice::peer::{Claim, Replay, Verdict};
use crate::voice::sfu::{Counters, Keys};

/// Discord numbers the messages of a session from 1; discord.js takes 0 for "no number".
const FIRST_SEQUENCE: u16 = 1;

impl Hub {
    pub(super) fn identify(&mut self, now: Instant, link: Link, claim: &Claim) -> Verdict {
        let grant = match self.check(claim) {
            Ok(grant) => grant.clone(),
            Err(code) => return Verdict::Refused(code),
        };
        if claim
            .channel_id
            .is_some_and(|named| named != grant.channel_id)
        {
            return Verdict::Refused(close::SESSION_INVALID);
        }
        if grant.dave == DavePolicy::Required && claim.max_dave_version == 0 {
            // Right after Identify, before Ready (dave.md section 1).
            return Verdict::Refused(close::DAVE_REQUIRED);
        }
        if self.sessions.len() >= MAX_SESSIONS {
            return Verdict::Refused(close::RATE_LIMITED);
        }
        // A second session of the same member replaces the first (section 11, point 3).
        let member = (grant.guild_id, grant.user_id);
        if let Some(older) = self.session_of(member).map(|session| session.key) {
            self.end(now, older, Some(close::SESSION_INVALID));
        }
        let key = SessionKey(self.next_session);
        self.next_session += 1;
        let ssrc = self.free_ssrc();
        self.connections.insert(link.id, key);
        self.sessions
            .insert(key, new_session(key, ssrc, link, claim, grant));
        self.is_table_stale = true;
        let ready = Ready {
            ssrc,
            ip: IpAddr::V4(link.media_ip),
            port: self.media_port,
            modes: self
                .modes
                .iter()
                .map(|mode| mode.name().to_owned())
                .collect(),
            experiments: Vec::new(),
            streams: Vec::new(),
        };
        self.tell(key, Body::json(op::READY, &ready));
        self.hang_if_scripted(link.id, Verdict::Accepted)
    }

    pub(super) fn resume(
        &mut self,
        now: Instant,
        link: Link,
        claim: &Claim,
        replay: Replay,
    ) -> Verdict {
        let found = self.sessions.values().find(|session| {
            session.guild_id == claim.guild_id && session.session_id == claim.session_id
        });
        let Some(session) = found else {
            return Verdict::Refused(close::SESSION_INVALID);
        };
        // discord.py asks the main gateway again before it resumes, so it may come with a token
        // the session was not made with.
        let grant = self
            .grants
            .get(&session.member())
            .filter(|grant| grant.session_id == session.session_id);
        let is_known =
            session.token == claim.token || grant.is_some_and(|grant| grant.token == claim.token);
        if !is_known {
            return Verdict::Refused(close::SESSION_INVALID);
        }
        let missed = match replay {
            Replay::Nothing => Some(Vec::new()),
            Replay::All => session.outbox.since(None),
            Replay::After(seq) => session.outbox.since(Some(seq)),
        };
        // Without a grant of this gateway session a newer join has replaced this one.
        let (Some(missed), Some(_)) = (missed, grant) else {
            let key = session.key;
            self.end(now, key, Some(close::SESSION_INVALID));
            return Verdict::Refused(close::SESSION_INVALID);
        };
        let key = session.key;
        if let Some(older) = session.connection {
            // The client noticed the loss before we did.
            self.connections.remove(&older);
            self.outputs
                .push_back(Output::Close(older, close::SESSION_INVALID));
        }
        self.connections.insert(link.id, key);
        if let Some(session) = self.sessions.get_mut(&key) {
            session.connection = Some(link.id);
            session.lost_at = None;
            session.version = link.version;
            session.token = claim.token.clone();
        }
        self.dave_resume(now, key, replay);
        self.hang_if_scripted(link.id, Verdict::Resumed(missed))
    }

    pub(super) fn select(
        &mut self,
        now: Instant,
        link: Link,
        address: SocketAddr,
        mode: Option<EncryptionMode>,
        fresh_key: [u8; 32],
    ) -> Verdict {
        let Some(mode) = mode.filter(|mode| self.modes.contains(mode)) else {
            return Verdict::Refused(close::UNKNOWN_MODE);
        };
        let serial = self.next_key;
        self.next_key += 1;
        let media_session_id = format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
        if self.moved.iter().any(|(_, socket)| *socket == link.id) {
            return Verdict::Refused(close::DISCONNECTED);
        }
        let Some(key) = self.session_on(link.id) else {
            return Verdict::Refused(close::SESSION_INVALID);
        };
        let dave_protocol_version = self.dave_version(key);
        let Some(session) = self.sessions.get_mut(&key) else {
            return Verdict::Refused(close::SESSION_INVALID);
        };
        let is_newcomer = !session.is_present();
        let keys = Keys {
            mode,
            key: Zeroizing::new(fresh_key),
            serial,
        };
        session.media = Some((address, keys));
        self.is_table_stale = true;
        let description = SessionDescription {
            mode: mode.name().to_owned(),
            secret_key: fresh_key,
            audio_codec: Some("opus".to_owned()),
            video_codec: Some("H264".to_owned()),
            media_session_id: Some(media_session_id),
            dave_protocol_version,
        };
        self.tell(key, Body::json(op::SESSION_DESCRIPTION, &description));
        if is_newcomer {
            self.welcome(now, key);
        }
        Verdict::Accepted
    }

    /// The grant behind a claim, or the close code for having none (voice.md section 11, point 2).
    fn check(&self, claim: &Claim) -> Result<&Grant, u16> {
        if !self.guilds.contains(&claim.guild_id) {
            return Err(close::SERVER_NOT_FOUND);
        }
        let user_id = claim.user_id.ok_or(voice::close::BAD_REQUEST)?;
        let grant = self
            .grants
            .get(&(claim.guild_id, user_id))
            .ok_or(close::SESSION_INVALID)?;
        if grant.token != claim.token {
            return Err(close::AUTHENTICATION_FAILED);
        }
        if grant.session_id != claim.session_id {
            return Err(close::SESSION_INVALID);
        }
        Ok(grant)
    }

    /// A non-zero number no session has: one socket serves all rooms, so it must be unique in all.
    fn free_ssrc(&mut self) -> Ssrc {
        loop {
            let ssrc = Ssrc(self.rng.next_u32());
            let is_taken = self.sessions.values().any(|session| session.ssrc == ssrc);
            if ssrc.get() != 0 && !is_taken {
                return ssrc;
            }
        }
    }
}

fn new_session(key: SessionKey, ssrc: Ssrc, link: Link, claim: &Claim, grant: Grant) -> Session {
    Session {
        key,
        guild_id: grant.guild_id,
        channel_id: grant.channel_id,
        user_id: grant.user_id,
        session_id: grant.session_id,
        token: grant.token,
        ssrc,
        version: link.version,
        connection: Some(link.id),
        lost_at: None,
        outbox: Outbox::new(FIRST_SEQUENCE),
        media: None,
        speaking: None,
        announced: None,
        has_spoken: false,
        policy: grant.dave,
        max_dave_version: claim.max_dave_version,
        lost_sender: false,
        is_deaf_to_sealed: false,
        counters: Arc::new(Counters::default()),
    }
}
