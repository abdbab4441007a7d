//! What goes into a timeline and what comes out.

/// One packet as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The stream it belongs to.
    pub ssrc: u32,
    /// RTP sequence number; wraps.
    pub seq: u16,
    /// RTP time in frames at 48 kHz; wraps.
    pub rtp: u32,
    /// When it came, in microseconds on the recording clock.
    pub arrival_us: u64,
    /// The Opus packet; empty for one that came but could not be decrypted: it counts as lost.
    pub payload: Vec<u8>,
}

/// What one stretch of the line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// Nobody spoke.
    Silence,
    /// Something was lost: conceal it in the mode of this TOC byte.
    Lost {
        /// The TOC byte of the packet before.
        toc: u8,
    },
    /// An Opus packet.
    Packet(Vec<u8>),
}

/// One stretch of the line; each begins where the one before ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Position of its beginning, in frames at 48 kHz.
    pub at: u64,
    /// Its length in frames at 48 kHz; always a multiple of 120.
    pub frames: u64,
    /// What is heard.
    pub sound: Sound,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is on the line.
    Placed,
    /// It begins a talkspurt.
    Anchored,
    /// It came after its place had been filled, or twice.
    Late,
    /// It could not be decrypted, or is no Opus packet.
    Unusable,
    /// It was left out to keep in step with the clock.
    LeftOut,
}

/// The record of one packet, for the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it was put, or would have been, in frames at 48 kHz.
    pub at: u64,
    /// Its header and time; without the payload.
    pub arrived: Arrived,
    /// Bytes of its payload.
    pub bytes: u16,
    /// Frames at 48 kHz it lasts; 0 if that is unknown.
    pub frames: u32,
    /// What became of it.
    pub fate: Fate,
}

/// What comes out of a timeline, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The next stretch of the line.
    Piece(Piece),
    /// What became of a packet.
    Entry(Entry),
}

/// Counters of one person's timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came in.
    pub received: u64,
    /// Packets on the line.
    pub placed: u64,
    /// Packets missing between others.
    pub lost: u64,
    /// Packets that came too late, or twice.
    pub late: u64,
    /// Packets that could not be decrypted or are no Opus.
    pub unusable: u64,
    /// Packets left out to keep in step.
    pub left_out: u64,
    /// Frames at 48 kHz that are concealed.
    pub concealed: u64,
    /// Talkspurts.
    pub spurts: u64,
    /// Streams: one more for each SSRC or restart.
    pub streams: u64,
}
