//! A receiver with its clock, and senders.

use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameSealer, MAX_OVERHEAD_BYTES};

use super::super::*;

/// The secret of `user` in `epoch`.
pub fn base(user: u64, epoch: u64) -> BaseSecret {
    let mut bytes = [0; 16];
    bytes[0] = user as u8;
    bytes[1] = epoch as u8;
    BaseSecret::new(bytes)
}

pub struct Rig {
    pub receiver: Receiver,
    pub now: Instant,
}

impl Rig {
    pub fn new() -> Self {
        Self {
            receiver: Receiver::new(),
            now: Instant::now(),
        }
    }

    pub fn learn(&mut self, mouth: &Mouth) {
        self.receiver
            .learn(Ssrc(mouth.user as u32), UserId::new(mouth.user));
    }

    pub fn key(&mut self, user: u64, epoch: u64) {
        let keys = MediaKeys::Receiver {
            user_id: UserId::new(user),
            epoch,
            base: base(user, epoch),
        };
        self.receiver.keys(self.now, &keys);
    }

    pub fn frame(&mut self, head: Head, frame: &[u8]) {
        let head = Head {
            arrival: self.now,
            ..head
        };
        self.receiver
            .take_frame(self.now, head, &mut frame.to_vec());
    }

    /// Everything that came out since.
    pub fn heard(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.receiver.poll(self.now))
            .map(|received| String::from_utf8_lossy(&received.payload).into_owned())
            .collect()
    }
}

/// A sender; its ssrc is its user id.
pub struct Mouth {
    pub user: u64,
    pub sequence: u16,
    epoch: Option<u64>,
    sealer: Option<FrameSealer>,
}

impl Mouth {
    pub fn new(user: u64) -> Self {
        Self {
            user,
            sequence: 0,
            epoch: None,
            sealer: None,
        }
    }

    /// Seals under this epoch from now on.
    pub fn key(&mut self, epoch: u64) {
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            self.sealer = Some(FrameSealer::new(&base(self.user, epoch), epoch));
        }
    }

    pub fn plain(&mut self) {
        (self.epoch, self.sealer) = (None, None);
    }

    pub fn say(&mut self, text: &str) -> (Head, Vec<u8>) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut frame = text.as_bytes().to_vec();
        if let Some(sealer) = &mut self.sealer {
            frame.resize(text.len() + MAX_OVERHEAD_BYTES, 0);
            let length = sealer.seal(&mut frame, text.len()).unwrap();
            frame.truncate(length);
        }
        let head = Head {
            ssrc: Ssrc(self.user as u32),
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 960,
            arrival: Instant::now(),
        };
        (head, frame)
    }
}
