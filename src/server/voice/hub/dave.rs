//! The hub and the delivery services: one [`Delivery`] for each channel with somebody in it.

use std::time::Instant;

use mynah_wire::{ChannelId, UserId};

use super::session::{Session, SessionKey};
use super::{Hub, Link, Output};
use crate::voice::dave::{self, DavePolicy, Delivery, Standing};
use crate::voice::fault::{DaveFault, Scope};
use crate::voice::peer::Replay;

impl Hub {
    /// Starts a fault of end-to-end encryption; the same id replaces.
    pub fn set_dave_fault(&mut self, now: Instant, fault_id: u64, scope: Scope, fault: DaveFault) {
        self.dave_faults.insert(fault_id, (scope, fault));
        self.tell_rooms_of_faults(now);
    }

    /// The version for op 4 of this session.
    pub(super) fn dave_version(&mut self, key: SessionKey) -> u16 {
        let Some(session) = self.sessions.get(&key) else {
            return 0;
        };
        let (user, max_version) = (session.user_id, session.max_dave_version);
        let (channel, policy) = (session.channel_id, session.policy);
        self.room(channel, policy)
            .map_or(0, |room| room.version_for(user, max_version))
    }

    /// A session is present: it has op 4, and everybody has op 11.
    pub(super) fn dave_join(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        let (user, max_version) = (session.user_id, session.max_dave_version);
        let (channel, policy) = (session.channel_id, session.policy);
        if let Some(room) = self.room(channel, policy) {
            room.join(now, user, max_version);
            self.carry(channel);
        }
    }

    pub(super) fn dave_leave(&mut self, now: Instant, channel: ChannelId, user: UserId) {
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.leave(now, user);
            self.carry(channel);
        }
    }

    pub(super) fn dave_message(&mut self, now: Instant, link: Link, op: u8, payload: &[u8]) {
        let session = self.session_on(link.id);
        let Some(session) = session.and_then(|key| self.sessions.get(&key)) else {
            return;
        };
        let (channel, user) = (session.channel_id, session.user_id);
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.receive(now, user, op, payload);
            self.carry(channel);
        }
    }

    /// A connection is lost, but its session may be resumed.
    pub(super) fn dave_lost(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        let (channel, user) = (session.channel_id, session.user_id);
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.set_connected(now, user, false);
            self.carry(channel);
        }
    }

    /// A connection is back. What it missed is replayed, or else it has to start anew.
    pub(super) fn dave_resume(&mut self, now: Instant, key: SessionKey, replay: Replay) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let lost_sender = std::mem::take(&mut session.lost_sender);
        let (channel, user) = (session.channel_id, session.user_id);
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.set_connected(now, user, true);
            if replay == Replay::Nothing {
                room.resync(now, user, lost_sender);
            }
            self.carry(channel);
        }
    }

    pub(super) fn dave_tick(&mut self, now: Instant) {
        let channels: Vec<ChannelId> = self.rooms.keys().copied().collect();
        for channel in channels {
            if let Some(room) = self.rooms.get_mut(&channel) {
                room.tick(now);
            }
            self.carry(channel);
        }
    }

    pub(super) fn tell_rooms_of_faults(&mut self, now: Instant) {
        let active = self.active_dave_faults();
        let channels: Vec<ChannelId> = self.rooms.keys().copied().collect();
        for channel in channels {
            if let Some(room) = self.rooms.get_mut(&channel) {
                room.set_faults(now, active.clone());
            }
            self.carry(channel);
        }
    }

    pub(super) fn dave_deadline(&self) -> Option<Instant> {
        self.rooms.values().filter_map(Delivery::deadline).min()
    }

    pub(super) fn standing_of(&self, session: &Session) -> Standing {
        self.rooms
            .get(&session.channel_id)
            .map(|room| room.standing(session.user_id))
            .unwrap_or_default()
    }

    fn active_dave_faults(&self) -> Vec<(u64, Scope, DaveFault)> {
        self.dave_faults
            .iter()
            .map(|(id, (scope, fault))| (*id, *scope, *fault))
            .collect()
    }

    fn room(&mut self, channel: ChannelId, policy: DavePolicy) -> Option<&mut Delivery> {
        if policy == DavePolicy::Off {
            return None;
        }
        let faults = self.active_dave_faults();
        let signer = &self.signer;
        let room = self
            .rooms
            .entry(channel)
            .or_insert_with(|| Delivery::new(channel, policy, signer.clone(), faults));
        Some(room)
    }

    /// Carries out what a room wants done.
    fn carry(&mut self, channel: ChannelId) {
        while let Some(room) = self.rooms.get_mut(&channel) {
            match room.poll() {
                dave::Output::Tell(user, body) => {
                    if let Some(key) = self.session_in(channel, user) {
                        self.tell(key, body);
                    }
                }
                dave::Output::Close(user, code) => {
                    let key = self.session_in(channel, user);
                    let session = key.and_then(|key| self.sessions.get(&key));
                    if let Some(connection) = session.and_then(|session| session.connection) {
                        self.outputs.push_back(Output::Close(connection, code));
                    }
                }
                dave::Output::Wait(_) => break,
            }
        }
        self.follow_room(channel);
    }

    /// Brings up to date what depends on a room: who may get encrypted packets, and whether there
    /// is a room at all.
    fn follow_room(&mut self, channel: ChannelId) {
        let Some(room) = self.rooms.get(&channel) else {
            return;
        };
        for session in self.sessions.values_mut() {
            if session.channel_id == channel {
                let is_deaf = room.is_deaf_to_sealed(session.user_id);
                self.is_table_stale |= is_deaf != session.is_deaf_to_sealed;
                session.is_deaf_to_sealed = is_deaf;
            }
        }
        if room.is_empty() {
            self.rooms.remove(&channel);
        }
    }

    fn session_in(&self, channel: ChannelId, user: UserId) -> Option<SessionKey> {
        self.sessions
            .values()
            .find(|session| {
                session.is_present() && (session.channel_id, session.user_id) == (channel, user)
            })
            .map(|session| session.key)
    }
}
