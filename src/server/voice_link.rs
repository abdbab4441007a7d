//! What the rules need from the voice server, so that they can be tested without one.

use mynah_wire::{GuildId, UserId};
use serde_json::Value;

use crate::voice::{DaveFault, Flags, Grant, Scope, UdpFault, VoiceServer};

/// The voice server as the realm sees it. Every call returns at once.
pub(crate) trait VoiceLink: Send {
    /// `host:port` of the voice websocket.
    fn endpoint(&self) -> String;
    /// A voice Identify with these credentials is good from now on.
    fn grant(&self, grant: Grant);
    /// It is not any more; the socket closes with that code.
    fn revoke(&self, guild_id: GuildId, user_id: UserId, close_code: u16);
    /// Mute and deaf as others see it.
    fn set_flags(&self, guild_id: GuildId, user_id: UserId, flags: Flags);
    /// Every voice session, for `GET /control/state`.
    fn sessions(&self) -> Vec<Value>;
    /// Trouble on UDP.
    fn set_udp_fault(&self, fault_id: u64, scope: Scope, fault: UdpFault);
    /// Trouble in end-to-end encryption.
    fn set_dave_fault(&self, fault_id: u64, scope: Scope, fault: DaveFault);
    /// Voice websockets that do nothing.
    fn set_hang(&self, fault_id: u64, scope: Scope);
    /// The end of any of these.
    fn clear_fault(&self, fault_id: u64);
    /// Closes voice websockets; `forget` also makes a resume impossible.
    fn close_sockets(&self, scope: Scope, code: u16, forget: bool);
}

impl VoiceLink for VoiceServer {
    fn endpoint(&self) -> String {
        self.endpoint()
    }

    fn grant(&self, grant: Grant) {
        self.grant(grant);
    }

    fn revoke(&self, guild_id: GuildId, user_id: UserId, close_code: u16) {
        self.revoke(guild_id, user_id, close_code);
    }

    fn set_flags(&self, guild_id: GuildId, user_id: UserId, flags: Flags) {
        self.set_flags(guild_id, user_id, flags);
    }

    fn sessions(&self) -> Vec<Value> {
        self.sessions()
            .into_iter()
            .filter_map(|report| serde_json::to_value(report).ok())
            .collect()
    }

    fn set_udp_fault(&self, fault_id: u64, scope: Scope, fault: UdpFault) {
        self.set_udp_fault(fault_id, scope, fault);
    }

    fn set_dave_fault(&self, fault_id: u64, scope: Scope, fault: DaveFault) {
        self.set_dave_fault(fault_id, scope, fault);
    }

    fn set_hang(&self, fault_id: u64, scope: Scope) {
        self.set_hang(fault_id, scope);
    }

    fn clear_fault(&self, fault_id: u64) {
        self.clear_fault(fault_id);
    }

    fn close_sockets(&self, scope: Scope, code: u16, forget: bool) {
        self.close_sockets(scope, code, forget);
    }
}
