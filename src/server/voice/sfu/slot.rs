//! One member on the media thread: what the table says plus what only this thread knows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mynah_wire::UserId;
use mynah_wire::rtp;

use super::path::Path;
use super::report::Reception;
use super::table::{ActiveFault, Member};
use crate::voice::seal::Transport;

/// Audio that arrives before its op 5 is kept this long: websocket and UDP race.
const EARLY_WINDOW: Duration = Duration::from_millis(200);
/// Ten frames of 20 ms fill the window.
const MAX_EARLY: usize = 10;

/// See the module.
pub(super) struct Slot {
    pub member: Member,
    pub transport: Option<Transport>,
    /// Where packets go: op 1's address, then the source of the last authentic packet.
    pub address: Option<SocketAddr>,
    /// Slots that hear this one.
    pub listeners: Vec<usize>,
    pub up: Path,
    pub down: Path,
    /// What the member is told about its stream.
    pub reception: Reception,
    /// A report at once: the member has new keys.
    pub is_unreported: bool,
    newest: Option<u16>,
    /// Bit n: the packet n before the newest has come.
    seen: u64,
    early: Vec<(Instant, Vec<u8>)>,
}

impl Slot {
    pub fn new(member: Member, seed: u64) -> Self {
        let mut slot = Self {
            transport: None,
            address: None,
            listeners: Vec::new(),
            up: Path::new(seed, salt(member.user_id, 1)),
            down: Path::new(seed, salt(member.user_id, 2)),
            reception: Reception::default(),
            is_unreported: false,
            newest: None,
            seen: 0,
            early: Vec::new(),
            member: Member {
                keys: None,
                address: None,
                ..member.clone()
            },
        };
        slot.update(member, seed);
        slot
    }

    /// Takes over a newer table row. Key schedule, counters and a latched address survive unless
    /// the row brings new ones.
    pub fn update(&mut self, member: Member, seed: u64) {
        let serial = |member: &Member| member.keys.as_ref().map(|keys| keys.serial);
        if serial(&member) != serial(&self.member) {
            self.is_unreported = member.keys.is_some();
            self.transport = member.keys.as_ref().map(|keys| {
                // Both directions share one key, and clients mostly count from 0 or 1: starting
                // in the other half keeps the nonces of the two directions apart.
                let first_nonce = 0x8000_0000;
                Transport::new(keys.mode, &keys.key, first_nonce, seed ^ keys.serial)
            });
        }
        if member.address != self.member.address {
            self.address = member.address;
        }
        self.member = member;
    }

    /// Keeps the faults that concern this member.
    pub fn set_faults(&mut self, faults: &[ActiveFault]) {
        let member = (self.member.user_id, self.member.channel_id);
        let covered = |fault: &&ActiveFault| fault.scope.covers(member.0, member.1);
        let up = |active: &&ActiveFault| active.fault.direction.is_up();
        let down = |active: &&ActiveFault| active.fault.direction.is_down();
        self.up
            .set(faults.iter().filter(covered).filter(up).copied());
        self.down
            .set(faults.iter().filter(covered).filter(down).copied());
    }

    /// Counts an authentic packet and the gap before it. A late packet fills its gap once.
    pub fn count(&mut self, sequence: u16, bytes: usize) {
        let counters = &self.member.counters;
        counters.arrived(bytes);
        let distance = self
            .newest
            .map_or(1, |newest| rtp::sequence_distance(newest, sequence));
        let steps = u32::from(distance.unsigned_abs());
        if distance > 0 {
            counters.missed(u64::from(steps) - 1);
            self.seen = self.seen.checked_shl(steps).unwrap_or(0) | 1;
            self.newest = Some(sequence);
        } else if let Some(bit) = 1_u64.checked_shl(steps)
            && self.seen & bit == 0
        {
            self.seen |= bit;
            counters.found();
        }
    }

    /// Keeps a clear packet that came before its op 5.
    pub fn keep_early(&mut self, now: Instant, packet: &[u8]) {
        if self.early.len() == MAX_EARLY {
            self.early.remove(0);
        }
        self.early.push((now, packet.to_vec()));
    }

    /// The early packets that are still fresh, once the member may be heard.
    pub fn take_early(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if !self.member.has_spoken || self.early.is_empty() {
            return Vec::new();
        }
        std::mem::take(&mut self.early)
            .into_iter()
            .filter(|(at, _)| now.saturating_duration_since(*at) <= EARLY_WINDOW)
            .map(|(_, packet)| packet)
            .collect()
    }
}

/// Each member and direction has its own random numbers, whatever the order of joins.
fn salt(user_id: UserId, direction: u64) -> u64 {
    user_id.get().rotate_left(17) ^ (direction << 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_wire::{ChannelId, Ssrc};
    use std::sync::Arc;

    #[test]
    fn gaps_are_lost_until_late_packets_fill_them_once() {
        let member = Member {
            session: 1,
            user_id: UserId::new(1),
            channel_id: ChannelId::new(1),
            ssrc: Ssrc(1),
            address: None,
            keys: None,
            speaking: 0,
            has_spoken: true,
            may_speak: true,
            may_hear: true,
            is_deaf_to_sealed: false,
            counters: Arc::default(),
        };
        let mut slot = Slot::new(member, 0);
        let mut lost_after = |sequence| {
            slot.count(sequence, 10);
            slot.member.counters.read().lost
        };
        assert_eq!(lost_after(65_534), 0);
        assert_eq!(lost_after(1), 2, "65535 and 0 are missing, across the wrap");
        assert_eq!(lost_after(0), 1);
        assert_eq!(lost_after(0), 1, "a duplicate fills nothing");
        assert_eq!(lost_after(1), 1);
        assert_eq!(lost_after(65_535), 0);
        assert_eq!(lost_after(2), 0);
        assert_eq!(slot.member.counters.read().packets_in, 7);
        assert_eq!(slot.member.counters.read().bytes_in, 70);
    }
}
