//! What the signalling side tells the media path: one immutable table, replaced as a whole.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mynah_wire::{ChannelId, EncryptionMode, Ssrc, UserId};
use zeroize::Zeroizing;

use crate::voice::fault::{Scope, UdpFault};

/// Everything the media path may know.
#[derive(Debug, Default)]
pub struct Table {
    /// Goes up with every table.
    pub generation: u64,
    /// Every session, also those that have not described their media yet.
    pub members: Vec<Member>,
    /// Scripted trouble in force.
    pub faults: Vec<ActiveFault>,
}

/// One session as the media path sees it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Never used twice: tells a returning member from a resumed one.
    pub session: u64,
    /// Who.
    pub user_id: UserId,
    /// Which room.
    pub channel_id: ChannelId,
    /// The member's stream.
    pub ssrc: Ssrc,
    /// From op 1; a hint until the first authentic packet (voice.md section 7, server quirk).
    pub address: Option<SocketAddr>,
    /// From op 4.
    pub keys: Option<Keys>,
    /// Flags of op 5, for the speaker extension.
    pub speaking: u32,
    /// Without an op 5 nothing is forwarded.
    pub has_spoken: bool,
    /// Not muted or suppressed by the server.
    pub may_speak: bool,
    /// Not deaf.
    pub may_hear: bool,
    /// Has no end-to-end encryption while others in the room still use it: their frames would be
    /// noise to it (voice.md section 9).
    pub is_deaf_to_sealed: bool,
    /// Where the media path counts.
    pub counters: Arc<Counters>,
}

/// Transport keys of one session.
#[derive(Clone)]
pub struct Keys {
    /// How packets are sealed.
    pub mode: EncryptionMode,
    /// The secret.
    pub key: Zeroizing<[u8; 32]>,
    /// Tells a new key from the same one in a new table.
    pub serial: u64,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({}, #{}, ***)", self.mode, self.serial)
    }
}

/// A fault with its name and scope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActiveFault {
    /// From the control API.
    pub id: u64,
    /// Whom it concerns.
    pub scope: Scope,
    /// What it does.
    pub fault: UdpFault,
}

/// Counted by the media thread, read by anyone. One writer, so plain loads and stores suffice.
#[derive(Debug, Default)]
pub struct Counters {
    packets_in: AtomicU64,
    packets_out: AtomicU64,
    bytes_in: AtomicU64,
    lost: AtomicU64,
}

/// [`Counters`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Authentic voice packets from the member.
    pub packets_in: u64,
    /// Voice packets sent to the member.
    pub packets_out: u64,
    /// Datagram bytes of `packets_in`.
    pub bytes_in: u64,
    /// Sequence gaps not filled by late packets.
    pub lost: u64,
}

impl Counters {
    /// The numbers now.
    pub fn read(&self) -> Counted {
        Counted {
            packets_in: self.packets_in.load(Ordering::Relaxed),
            packets_out: self.packets_out.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    pub(super) fn arrived(&self, bytes: usize) {
        add(&self.packets_in, 1);
        add(&self.bytes_in, bytes as u64);
    }

    pub(super) fn forwarded(&self) {
        add(&self.packets_out, 1);
    }

    pub(super) fn missed(&self, packets: u64) {
        add(&self.lost, packets);
    }

    pub(super) fn found(&self) {
        let lost = self.lost.load(Ordering::Relaxed);
        self.lost.store(lost.saturating_sub(1), Ordering::Relaxed);
    }
}

/// Cheaper than a locked add: only the media thread writes.
fn add(counter: &AtomicU64, more: u64) {
    let now = counter.load(Ordering::Relaxed);
    counter.store(now.wrapping_add(more), Ordering::Relaxed);
}
