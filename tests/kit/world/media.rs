//! The mouth of a client: numbered frames, sealed as the session says at the moment they leave.

use std::time::Instant;

use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameSealer, MAX_OVERHEAD_BYTES};
use mynah_session::voice::dave::SenderKeys;
use mynah_wire::{Ssrc, UserId};

use super::schedule::Who;

/// Samples of a 20 ms frame at 48 kHz.
const SAMPLES: u32 = 960;
/// Marks our frames, so that a wrongly opened one is noticed.
const MARK: [u8; 4] = *b"worl";
/// What a frame says: a table of contents byte as of Opus, mark, client, life, number, filling.
const FRAME_BYTES: usize = 48;
/// Of these behind an Opus packet: mark, client, life, number.
const SIGNED_BYTES: usize = 24;

/// One frame on its way.
#[derive(Debug)]
pub(super) struct Frame {
    pub from: Who,
    pub user_id: UserId,
    pub number: u64,
    pub ssrc: Ssrc,
    pub sequence: u16,
    pub timestamp: u32,
    pub sent: Instant,
    /// Which of the ledger's seals; `None` is plain.
    pub seal: Option<usize>,
    /// The sender may not know of the newest epoch, and has a reason (see `Alive::is_behind`).
    pub is_behind: bool,
    pub bytes: Vec<u8>,
}

/// What a frame says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Said {
    pub by: Who,
    pub number: u64,
}

impl Said {
    fn write(self) -> [u8; FRAME_BYTES] {
        let mut bytes = [0x55; FRAME_BYTES];
        bytes[0] = 0x78;
        bytes[1..5].copy_from_slice(&MARK);
        bytes[5..13].copy_from_slice(&(self.by.client as u64).to_be_bytes());
        bytes[13..17].copy_from_slice(&self.by.life.to_be_bytes());
        bytes[17..25].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// The same behind an Opus packet of one frame, as padding (RFC 6716, section 3.2.5): decoders
    /// pass over it.
    fn sign(self, opus: &[u8]) -> Vec<u8> {
        let frame = self.write();
        let mut bytes = vec![opus[0] | 3, 0x41, SIGNED_BYTES as u8];
        bytes.extend(&opus[1..]);
        bytes.extend(&frame[1..=SIGNED_BYTES]);
        bytes
    }

    /// What was said; `None` when this is no frame of ours.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let from = match bytes.get(1) {
            Some(0x41) => bytes.len().checked_sub(SIGNED_BYTES + 1)?,
            _ if bytes.len() == FRAME_BYTES => 0,
            _ => return None,
        };
        let bytes = bytes.get(from..)?;
        if bytes.get(1..5)? != MARK {
            return None;
        }
        let client = u64::from_be_bytes(bytes.get(5..13)?.try_into().ok()?);
        let life = u32::from_be_bytes(bytes.get(13..17)?.try_into().ok()?);
        let number = u64::from_be_bytes(bytes.get(17..25)?.try_into().ok()?);
        Some(Self {
            by: Who {
                client: usize::try_from(client).ok()?,
                life,
            },
            number,
        })
    }
}

enum Sender {
    /// Before the first word of the session: as `Hold`.
    Unset,
    Plain,
    Hold,
    Unheard,
    Sealed {
        sealer: Box<FrameSealer>,
        seal: usize,
    },
}

/// The mouth.
pub(super) struct Mouth {
    sender: Sender,
    /// Every key ever used; none may come back, or its nonces would start over.
    used: Vec<BaseSecret>,
    sequence: u16,
    timestamp: u32,
    number: u64,
    /// Since when it is silent although it was heard before.
    held_since: Option<Instant>,
    /// How long it was silent so far at most.
    pub longest_hold: std::time::Duration,
}

impl Mouth {
    pub fn new(sequence: u16) -> Self {
        Self {
            sender: Sender::Unset,
            used: Vec::new(),
            sequence,
            timestamp: 0,
            number: 0,
            held_since: None,
            longest_hold: std::time::Duration::ZERO,
        }
    }

    /// A new connection: nothing is sent before its session says how.
    pub fn reset(&mut self) {
        self.sender = Sender::Unset;
        self.held_since = None;
    }

    /// What the session says; `seal` is the ledger's number of a new key.
    ///
    /// # Errors
    /// A key that was used before.
    pub fn keys(&mut self, now: Instant, keys: &SenderKeys, seal: usize) -> Result<(), String> {
        let was_heard = matches!(self.sender, Sender::Sealed { .. } | Sender::Plain);
        self.sender = match keys {
            SenderKeys::Plain => Sender::Plain,
            SenderKeys::Hold => Sender::Hold,
            SenderKeys::Unheard => Sender::Unheard,
            SenderKeys::Sealed { epoch, base } => {
                if self.used.contains(base) {
                    return Err(format!(
                        "the sending key of epoch {epoch} came a second time"
                    ));
                }
                self.used.push(base.clone());
                Sender::Sealed {
                    sealer: Box::new(FrameSealer::new(base, *epoch)),
                    seal,
                }
            }
        };
        match self.sender {
            Sender::Hold if was_heard => self.held_since = Some(now),
            Sender::Hold | Sender::Unset => {}
            _ => {
                if let Some(since) = self.held_since.take() {
                    self.longest_hold = self.longest_hold.max(now - since);
                }
            }
        }
        Ok(())
    }

    /// In which of the ledger's seals it speaks now.
    pub fn seal(&self) -> Option<usize> {
        match self.sender {
            Sender::Sealed { seal, .. } => Some(seal),
            _ => None,
        }
    }

    /// What it does, for a complaint.
    pub fn state(&self) -> &'static str {
        match self.sender {
            Sender::Unset => "unset",
            Sender::Plain => "plain",
            Sender::Hold => "hold",
            Sender::Unheard => "unheard",
            Sender::Sealed { .. } => "sealed",
        }
    }

    /// Time passes in silence.
    pub fn pass(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(SAMPLES);
    }

    /// The next frame, if anything may be sent now; it says `opus`, if that is given.
    ///
    /// # Errors
    /// The sealer refuses.
    pub fn speak(
        &mut self,
        now: Instant,
        by: Who,
        user_id: UserId,
        ssrc: Ssrc,
        opus: Option<&[u8]>,
    ) -> Result<Option<Frame>, String> {
        let said = Said {
            by,
            number: self.number,
        };
        let mut bytes = opus.map_or_else(|| said.write().to_vec(), |opus| said.sign(opus));
        let length = bytes.len();
        let seal = match &mut self.sender {
            Sender::Unset | Sender::Hold | Sender::Unheard => return Ok(None),
            Sender::Plain => None,
            Sender::Sealed { sealer, seal } => {
                bytes.resize(length + MAX_OVERHEAD_BYTES, 0);
                let sealed = sealer
                    .seal(&mut bytes, length)
                    .map_err(|error| format!("sealing: {error}"))?;
                bytes.truncate(sealed);
                Some(*seal)
            }
        };
        self.number += 1;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(SAMPLES);
        Ok(Some(Frame {
            from: by,
            user_id,
            number: said.number,
            ssrc,
            sequence: self.sequence,
            timestamp: self.timestamp,
            sent: now,
            seal,
            is_behind: false,
            bytes,
        }))
    }
}
