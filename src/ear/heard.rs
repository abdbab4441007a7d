//! What was heard in 20 ms, and what can be asked for.

use std::sync::Arc;
use std::time::Instant;

use mynah_audio::{Block, Lane};
use mynah_wire::{Ssrc, UserId};

/// What somebody who listens wants. The least of it costs the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Opus packets, as they come: no jitter buffer, no decoder.
    pub packets: bool,
    /// Every speaker's sound, decoded.
    pub pcm: bool,
    /// The sound of all speakers together.
    pub mix: bool,
    /// The bot's own lanes, as packets.
    pub lanes: bool,
}

impl Want {
    /// Somebody has to be decoded for this.
    #[must_use]
    pub const fn decodes(self) -> bool {
        self.pcm || self.mix
    }

    /// What both want.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            packets: self.packets || other.packets,
            pcm: self.pcm || other.pcm,
            mix: self.mix || other.mix,
            lanes: self.lanes || other.lanes,
        }
    }
}

/// 20 ms of a session. There is one for every 20 ms, whether anybody spoke or not.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Counts up by one, from 0 when the session was first listened to.
    pub tick: u64,
    /// The moment it stands for, on the monotonic clock.
    pub at: Instant,
    /// Of these, so many before this one never came: their reader was too slow, or the ear's thread stood
    /// still. In the second case their packets are among these.
    pub lost_before: u32,
    /// Who speaks, by SSRC; only when sound is wanted.
    pub voices: Vec<Voice>,
    /// What came since the last tick, in the order of arrival; packets that had to wait for a key or
    /// to be known come when they can, with the time at which they arrived.
    pub packets: Vec<Packet>,
    /// All voices together, limited to -1 dBTP; `None` unless wanted, and where nobody speaks.
    pub mix: Option<Arc<Block>>,
}

/// One speaker in 20 ms.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Who.
    pub user: UserId,
    /// Their stream.
    pub ssrc: Ssrc,
    /// 20 ms at 48 kHz, left and right interleaved.
    pub pcm: Option<Arc<Block>>,
    /// How loud, root mean square in dBFS, -100 to 0.
    pub level_dbfs: f32,
    /// These are words, or were 200 ms ago.
    pub is_speech: bool,
    /// Some of it is invented, because a packet is missing.
    pub conceals: bool,
    /// Where it begins in their stream, sample frames at 48 kHz.
    pub position: u64,
    /// Packets of theirs that never came, all together.
    pub lost: u32,
}

/// One Opus packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who said it; `None` for the bot's own lanes, and in calls without end-to-end encryption before
    /// the server has said whose stream it is.
    pub user: Option<UserId>,
    /// Which of the bot's own lanes it is.
    pub lane: Option<Lane>,
    /// Its stream.
    pub ssrc: Ssrc,
    /// RTP sequence; wraps.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz; wraps.
    pub timestamp: u32,
    /// When it arrived, or, for a lane, when it is sent.
    pub arrival: Instant,
    /// The Opus packet; empty when `unopened`.
    pub payload: Arc<[u8]>,
    /// It came and authenticated, but nothing opened it within two seconds: no key fits, or nobody said
    /// whose it is. Of people only.
    pub unopened: bool,
}
