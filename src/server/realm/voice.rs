//! Voice signalling: op 4 and everything a moderator can do (gateway.md section 9).
//!
//! Order matters: VOICE_STATE_UPDATE first, then the grant in the voice server, then
//! VOICE_SERVER_UPDATE, because songbird drops a server update that a state update overtakes.

use mynah_wire::gateway::VoiceStateRequest;
use mynah_wire::{ChannelId, GuildId, Secret, UserId, intents};
use serde_json::json;

use super::{Audience, Errand, Event, Realm};
use crate::crowd::VoiceTicket;
use crate::store::permissions::{CONNECT, MOVE_MEMBERS, VIEW_CHANNEL};
use crate::store::{Channel, ChannelKind, VoiceOwner, VoiceState};
use crate::voice::{DavePolicy, Flags, Grant};

/// The voice server closes with this when somebody is moved, kicked or leaves.
const CLOSE_DISCONNECTED: u16 = 4014;
/// … and with this when the channel is gone.
const CLOSE_CALL_ENDED: u16 = 4022;

/// Why somebody may not be in a voice channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VoiceRefusal {
    /// No such channel in this guild, or it has no voice.
    NotVoice,
    /// VIEW_CHANNEL or CONNECT is missing.
    NotAllowed,
    /// `user_limit` is reached.
    Full,
    /// The person is not in voice.
    NotConnected,
}

impl Realm {
    /// Op 4 of a gateway session. A refusal has no answer at all (gateway.md section 9), so the
    /// client's own timeout is all it gets.
    pub(crate) fn request_voice(&mut self, session_id: &str, request: VoiceStateRequest) {
        let Some(session) = self.sessions.get(session_id) else {
            return;
        };
        let (user_id, guild_id) = (session.user_id, request.guild_id);
        if !session.covers(Some(guild_id)) {
            return;
        }
        let Some(channel_id) = request.channel_id else {
            return self.leave_voice(guild_id, user_id);
        };
        if let Err(refusal) = self.may_enter(guild_id, channel_id, user_id) {
            tracing::debug!(%guild_id, %channel_id, ?refusal, "voice request stays unanswered");
            return;
        }
        let before = self.store.voice.get(&(guild_id, user_id));
        let stays = before.is_some_and(|state| state.channel_id == channel_id);
        let flags = (request.self_mute, request.self_deaf);
        if let Some(state) = before.filter(|_| stays)
            && (state.self_mute, state.self_deaf) != flags
        {
            return self.set_self_flags(guild_id, user_id, flags.0, flags.1);
        }
        // The same request again asks for the credentials again: a client that lost its voice
        // server does that (discord.js rejoin). They stay the same: discord.py takes other ones for
        // a new server, asks again, and never ends.
        let owner = VoiceOwner::Session(session_id.to_owned());
        // Constant for the life of a gateway session (songbird reconnects when it changes).
        let voice_session_id = session_id.to_owned();
        self.enter_voice(
            guild_id,
            channel_id,
            user_id,
            voice_session_id,
            owner,
            flags,
        );
    }

    /// A simulated user joins; the ticket is what its voice client needs.
    pub(crate) fn join_as_person(
        &mut self,
        user_id: UserId,
        channel_id: ChannelId,
    ) -> Result<VoiceTicket, VoiceRefusal> {
        let guild_id = self.voice_channel_guild(channel_id)?;
        self.may_enter(guild_id, channel_id, user_id)?;
        // One voice connection per person, over all guilds, as a Discord user client has it.
        let elsewhere: Vec<GuildId> = self
            .store
            .voice
            .keys()
            .filter(|(guild, user)| *user == user_id && *guild != guild_id)
            .map(|(guild, _)| *guild)
            .collect();
        for guild in elsewhere {
            // No errand: the ticket below replaces the voice client's session anyway.
            self.take_out(guild, user_id, CLOSE_DISCONNECTED);
        }
        let before = self.store.voice.get(&(guild_id, user_id));
        let flags = before.map_or((false, false), |s| (s.self_mute, s.self_deaf));
        let session_id = before.map(|s| s.session_id.clone());
        let session_id = session_id.unwrap_or_else(|| self.random.hex32());
        let owner = VoiceOwner::Simulated;
        self.enter_voice(guild_id, channel_id, user_id, session_id, owner, flags);
        self.ticket(guild_id, user_id)
            .ok_or(VoiceRefusal::NotConnected)
    }

    /// A simulated user whose voice client has lost its session asks for credentials, as a bot does
    /// with op 4. `None` for anybody who is not a simulated user in voice there.
    pub(crate) fn renew_ticket(
        &mut self,
        guild_id: GuildId,
        user_id: UserId,
    ) -> Option<VoiceTicket> {
        let state = self.store.voice.get(&(guild_id, user_id))?.clone();
        if state.owner != VoiceOwner::Simulated {
            return None;
        }
        self.grant_and_tell(&state);
        self.ticket(guild_id, user_id)
    }

    /// Leaves, by whatever means.
    pub(crate) fn leave_voice(&mut self, guild_id: GuildId, user_id: UserId) {
        self.remove_from_voice(guild_id, user_id, CLOSE_DISCONNECTED);
    }

    /// A moderator moves somebody who is in voice.
    pub(crate) fn move_member(
        &mut self,
        user_id: UserId,
        channel_id: ChannelId,
    ) -> Result<(), VoiceRefusal> {
        let guild_id = self.voice_channel_guild(channel_id)?;
        let Some(state) = self.store.voice.get(&(guild_id, user_id)).cloned() else {
            return Err(VoiceRefusal::NotConnected);
        };
        if state.channel_id == channel_id {
            return Ok(());
        }
        let flags = (state.self_mute, state.self_deaf);
        let simulated = state.owner == VoiceOwner::Simulated;
        self.enter_voice(
            guild_id,
            channel_id,
            user_id,
            state.session_id,
            state.owner,
            flags,
        );
        if let Some(ticket) = self.ticket(guild_id, user_id).filter(|_| simulated) {
            self.ask(Errand::Join(ticket));
        }
        Ok(())
    }

    /// The member's own switches.
    pub(crate) fn set_self_flags(
        &mut self,
        guild_id: GuildId,
        user_id: UserId,
        self_mute: bool,
        self_deaf: bool,
    ) {
        if let Some(state) = self.store.voice.get_mut(&(guild_id, user_id)) {
            (state.self_mute, state.self_deaf) = (self_mute, self_deaf);
            self.announce_flags(guild_id, user_id);
        }
    }

    /// A moderator's switches. They belong to the member and stay when it leaves voice.
    pub(crate) fn set_server_flags(
        &mut self,
        guild_id: GuildId,
        user_id: UserId,
        mute: Option<bool>,
        deaf: Option<bool>,
    ) {
        let member = self
            .store
            .guilds
            .get_mut(&guild_id)
            .and_then(|guild| guild.members.get_mut(&user_id));
        if let Some(member) = member {
            member.mute = mute.unwrap_or(member.mute);
            member.deaf = deaf.unwrap_or(member.deaf);
            self.announce_flags(guild_id, user_id);
        }
    }

    /// Stage: into the audience or onto the stage, with or without a raised hand.
    pub(crate) fn set_stage(
        &mut self,
        guild_id: GuildId,
        user_id: UserId,
        suppress: Option<bool>,
        raised_hand_ms: Option<Option<u64>>,
    ) {
        if let Some(state) = self.store.voice.get_mut(&(guild_id, user_id)) {
            if let Some(raised) = raised_hand_ms {
                state.request_to_speak_ms = raised;
            }
            if let Some(suppress) = suppress {
                state.suppress = suppress;
                if !suppress {
                    state.request_to_speak_ms = None;
                }
            }
            self.announce_flags(guild_id, user_id);
        }
    }

    /// Everybody leaves a channel that is being deleted.
    pub(crate) fn empty_voice_channel(&mut self, channel_id: ChannelId) {
        let inside: Vec<_> = self
            .store
            .voice_members(channel_id)
            .map(|state| (state.guild_id, state.user_id))
            .collect();
        for (guild_id, user_id) in inside {
            self.remove_from_voice(guild_id, user_id, CLOSE_CALL_ENDED);
        }
    }

    /// A gateway session is over; so is its place in voice.
    pub(super) fn leave_all_voice(&mut self, session_id: &str) {
        let owner = VoiceOwner::Session(session_id.to_owned());
        let places: Vec<_> = self
            .store
            .voice
            .values()
            .filter(|state| state.owner == owner)
            .map(|state| (state.guild_id, state.user_id))
            .collect();
        for (guild_id, user_id) in places {
            self.leave_voice(guild_id, user_id);
        }
    }

    /// Tells bots of a channel about a new voice server (fault `migrate`): new credentials for the
    /// place they already have.
    pub(crate) fn migrate_voice(&mut self, guild_id: GuildId, user_id: UserId) {
        let token = Secret::new(self.random.hex32());
        if let Some(state) = self.store.voice.get_mut(&(guild_id, user_id)) {
            state.token = token;
            let state = state.clone();
            self.grant_and_tell(&state);
            if state.owner == VoiceOwner::Simulated
                && let Some(ticket) = self.ticket(guild_id, user_id)
            {
                self.ask(Errand::Join(ticket));
            }
        }
    }

    fn voice_channel_guild(&self, channel_id: ChannelId) -> Result<GuildId, VoiceRefusal> {
        self.store
            .channels
            .get(&channel_id)
            .filter(|channel| channel.kind.is_voice())
            .and_then(|channel| channel.guild_id)
            .ok_or(VoiceRefusal::NotVoice)
    }

    fn may_enter(
        &self,
        guild_id: GuildId,
        channel_id: ChannelId,
        user_id: UserId,
    ) -> Result<(), VoiceRefusal> {
        if self.voice_channel_guild(channel_id)? != guild_id {
            return Err(VoiceRefusal::NotVoice);
        }
        if !self.store.may(user_id, channel_id, VIEW_CHANNEL | CONNECT) {
            return Err(VoiceRefusal::NotAllowed);
        }
        let limit = self
            .store
            .channels
            .get(&channel_id)
            .map_or(0, |c| c.user_limit);
        let others = self
            .store
            .voice_members(channel_id)
            .filter(|state| state.user_id != user_id)
            .count();
        let full = limit > 0 && others >= usize::try_from(limit).unwrap_or(usize::MAX);
        if full && !self.store.may(user_id, channel_id, MOVE_MEMBERS) {
            return Err(VoiceRefusal::Full);
        }
        Ok(())
    }

    fn enter_voice(
        &mut self,
        guild_id: GuildId,
        channel_id: ChannelId,
        user_id: UserId,
        session_id: String,
        owner: VoiceOwner,
        (self_mute, self_deaf): (bool, bool),
    ) {
        let before = self.store.voice.get(&(guild_id, user_id));
        let token = before
            .filter(|old| (old.channel_id, &old.owner) == (channel_id, &owner))
            .filter(|old| old.session_id == session_id)
            .map(|old| old.token.clone());
        let before = before.map(|old| old.channel_id);
        let token = token.unwrap_or_else(|| Secret::new(self.random.hex32()));
        let stage = self.is_stage(channel_id);
        let state = VoiceState {
            guild_id,
            channel_id,
            user_id,
            session_id,
            token,
            owner,
            self_mute,
            self_deaf,
            suppress: stage, // on a stage everybody starts in the audience (gateway.md section 9)
            request_to_speak_ms: None,
        };
        self.store.voice.insert((guild_id, user_id), state.clone());
        self.announce(&state, false);
        self.grant_and_tell(&state);
        if let Some(before) = before.filter(|before| *before != channel_id) {
            self.note_occupation(before);
        }
        self.note_occupation(channel_id);
    }

    fn remove_from_voice(&mut self, guild_id: GuildId, user_id: UserId, close_code: u16) {
        if self.take_out(guild_id, user_id, close_code) == Some(VoiceOwner::Simulated) {
            self.ask(Errand::Leave(user_id));
        }
    }

    fn take_out(&mut self, guild_id: GuildId, user_id: UserId, code: u16) -> Option<VoiceOwner> {
        let state = self.store.voice.remove(&(guild_id, user_id))?;
        self.announce(&state, true);
        self.voice.revoke(guild_id, user_id, code);
        self.note_occupation(state.channel_id);
        Some(state.owner)
    }

    /// Makes the credentials good and sends them to the bot session they are for.
    fn grant_and_tell(&mut self, state: &VoiceState) {
        self.voice.grant(Grant {
            guild_id: state.guild_id,
            channel_id: state.channel_id,
            user_id: state.user_id,
            session_id: state.session_id.clone(),
            token: state.token.clone(),
            dave: self
                .store
                .channels
                .get(&state.channel_id)
                .and_then(|channel| self.dave_policy_of(channel))
                .unwrap_or(DavePolicy::Off),
        });
        self.voice
            .set_flags(state.guild_id, state.user_id, self.flags_of(state));
        if let VoiceOwner::Session(session) = &state.owner {
            let data = json!({"token": state.token.expose(), "guild_id": state.guild_id,
                "endpoint": self.voice.endpoint()});
            self.emit(Event::to_session("VOICE_SERVER_UPDATE", session, data));
        }
    }

    fn announce_flags(&mut self, guild_id: GuildId, user_id: UserId) {
        if let Some(state) = self.store.voice.get(&(guild_id, user_id)).cloned() {
            self.voice
                .set_flags(guild_id, user_id, self.flags_of(&state));
            self.announce(&state, false);
        }
    }

    fn announce(&mut self, state: &VoiceState, left: bool) {
        let data = self.store.voice_state_json(state, left);
        self.emit(Event {
            name: "VOICE_STATE_UPDATE",
            to: Audience::Guild(state.guild_id),
            intent: intents::GUILD_VOICE_STATES,
            data,
        });
    }

    fn flags_of(&self, state: &VoiceState) -> Flags {
        let member = self
            .store
            .guilds
            .get(&state.guild_id)
            .and_then(|guild| guild.members.get(&state.user_id));
        Flags {
            self_mute: state.self_mute,
            self_deaf: state.self_deaf,
            mute: member.is_some_and(|m| m.mute),
            deaf: member.is_some_and(|m| m.deaf),
            suppress: state.suppress,
        }
    }

    fn is_stage(&self, channel_id: ChannelId) -> bool {
        self.store
            .channels
            .get(&channel_id)
            .is_some_and(|channel| channel.kind == ChannelKind::Stage)
    }

    /// End-to-end encryption of a voice channel; `None` for channels without voice. Stages are never
    /// encrypted (dave.md section 1).
    pub(crate) fn dave_policy_of(&self, channel: &Channel) -> Option<DavePolicy> {
        match channel.kind {
            ChannelKind::Voice => Some(channel.dave.unwrap_or(self.dave)),
            ChannelKind::Stage => Some(DavePolicy::Off),
            _ => None,
        }
    }

    /// Keeps a channel's start time and status true: both end with the last person.
    fn note_occupation(&mut self, channel_id: ChannelId) {
        let occupied = self.store.voice_members(channel_id).next().is_some();
        let unix_s = self.unix_ms() / 1000;
        let Some(channel) = self.store.channels.get_mut(&channel_id) else {
            return;
        };
        if occupied == channel.voice_start_s.is_some() {
            return;
        }
        channel.voice_start_s = occupied.then_some(unix_s);
        let had_status = !occupied && channel.status.take().is_some();
        let (Some(guild_id), start) = (channel.guild_id, channel.voice_start_s) else {
            return;
        };
        let data = json!({"id": channel_id, "guild_id": guild_id, "voice_start_time": start});
        self.emit(Event::guild(
            "VOICE_CHANNEL_START_TIME_UPDATE",
            guild_id,
            data,
        ));
        if had_status {
            let data = json!({"id": channel_id, "guild_id": guild_id, "status": null});
            self.emit(Event::guild("VOICE_CHANNEL_STATUS_UPDATE", guild_id, data));
        }
    }

    fn ticket(&self, guild_id: GuildId, user_id: UserId) -> Option<VoiceTicket> {
        let state = self.store.voice.get(&(guild_id, user_id))?;
        Some(VoiceTicket {
            guild_id,
            channel_id: state.channel_id,
            user_id,
            session_id: state.session_id.clone(),
            token: state.token.clone(),
            endpoint: self.voice.endpoint(),
        })
    }
}
