//! Whether people talk, as far as their packets tell: what ducks music for humans.
//!
//! Nothing is decrypted for that. The clear header says that a packet is audio, its length that it is
//! more than silence; the server sends a bot nothing of its own. A full ear, which knows who says
//! what, is another matter.

use std::time::{Duration, Instant};

use mynah_session::gateway::Command;
use mynah_session::voice::Input;
use mynah_wire::ChannelId;
use mynah_wire::rtp::{Header, PAYLOAD_TYPE_OPUS, extension_bytes};
use mynah_wire::udp::{Datagram, classify};

use super::Shell;
use crate::clock;

/// Somebody who has said nothing for so long has stopped: ten frames.
const PAUSE: Duration = Duration::from_millis(200);
/// Tag and nonce counter of the transport's encryption (voice.md section 8). The older modes have
/// longer nonces, which does not matter here.
const SEAL_BYTES: usize = 16 + 4;
/// A silence frame has 3 bytes and travels unsealed; comfort noise has one or two, and end-to-end
/// encryption adds 12 or so. Speech at the lowest bitrate there is has 20.
const LEAST_SPEECH_BYTES: usize = 16;

/// Whether somebody talks.
#[derive(Debug, Default)]
pub struct Talk {
    /// When it is over, unless more is said.
    until: Option<Instant>,
    /// What was reported last.
    told: bool,
}

impl Talk {
    /// Somebody said something.
    pub fn said(&mut self, now: Instant) {
        self.until = Some(now + PAUSE);
    }

    /// A packet came from the voice server. It may be cut off, where that does not make it silence.
    pub fn hear(&mut self, now: Instant, packet: &[u8]) {
        if is_speech(packet) {
            self.said(now);
        }
    }

    /// Nobody is heard any more: the line is gone, or nobody listens.
    pub fn hush(&mut self) {
        self.until = None;
    }

    /// What is new at this time: somebody talks, or nobody does.
    pub fn turn(&mut self, now: Instant) -> Option<bool> {
        self.until = self.until.filter(|until| *until > now);
        let talks = self.until.is_some();
        (talks != std::mem::replace(&mut self.told, talks)).then_some(talks)
    }

    /// When to ask again.
    pub const fn deadline(&self) -> Option<Instant> {
        self.until
    }
}

impl Shell {
    /// What came from the voice server's media address.
    pub(super) fn datagram(&mut self, packet: &[u8]) {
        let now = clock::now();
        match classify(packet) {
            Datagram::Discovery | Datagram::Ping => {
                self.machine.handle(now, Input::Datagram(packet));
            }
            Datagram::Rtp if self.reasons().talk => self.talk.hear(now, packet),
            _ => {}
        }
    }

    /// The reasons to hear have changed: the server is to send what people say, or need not.
    pub(super) async fn listen(&mut self) {
        let reasons = *self.listens.borrow_and_update();
        if !reasons.talk {
            self.talk.hush();
        }
        self.hearing.settle(&mut self.line, reasons);
        self.tell_deaf().await;
    }

    /// Says whether the bot hears, if that is not what was said last. Before it is connected, the join
    /// says it.
    pub(super) async fn tell_deaf(&mut self) {
        if self.announced.is_some() && self.told_deaf != Some(self.reasons().is_deaf()) {
            self.join_main(Some(self.channel_id)).await;
        }
    }

    /// Says on the main gateway where the bot wants to be, and whether it hears.
    pub(super) async fn join_main(&mut self, channel_id: Option<ChannelId>) {
        let self_deaf = self.reasons().is_deaf();
        self.told_deaf = Some(self_deaf);
        let command = Command::VoiceState {
            guild_id: self.guild_id,
            channel_id,
            self_mute: false,
            // Without a reason to listen the server need not send us anything, and people see that
            // they are not heard (product.md section 1).
            self_deaf,
        };
        let _ = self.main.send(command).await;
    }
}

fn is_speech(packet: &[u8]) -> bool {
    let Some(header) = Header::parse(packet) else {
        return false;
    };
    if header.payload_type != PAYLOAD_TYPE_OPUS {
        return false;
    }
    let extension = extension_bytes(packet, &header).unwrap_or(0);
    let around = header.clear_len() + extension + SEAL_BYTES;
    packet.len() >= around + LEAST_SPEECH_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_wire::Ssrc;

    fn packet(header: Header, body: usize) -> Vec<u8> {
        let mut packet = header.write().to_vec();
        packet.resize(packet.len() + body, 0x55);
        packet
    }

    #[test]
    fn speech_counts_for_200_ms_and_silence_video_and_rubbish_do_not() {
        let mut talk = Talk::default();
        let at = |ms| crate::clock::now() + Duration::from_millis(ms);
        let start = at(0);
        let opus = Header::opus(1, 960, Ssrc(7));
        let silence = packet(opus, 3 + SEAL_BYTES);
        let video = Header {
            payload_type: 101,
            ..opus
        };
        // A silence frame behind a header extension of two words.
        let extended = Header {
            extension: true,
            ..opus
        };
        let mut silence_extended = extended.write().to_vec();
        silence_extended.extend([0xBE, 0xDE, 0, 2]);
        silence_extended.resize(silence_extended.len() + 8 + 3 + SEAL_BYTES, 1);
        for nothing in [
            silence,
            silence_extended,
            packet(video, 500),
            vec![],
            vec![0x13; 60],
        ] {
            talk.hear(start, &nothing);
            assert_eq!(talk.turn(start), None, "{nothing:?}");
        }
        let speech = packet(opus, 40 + SEAL_BYTES);
        talk.hear(start, &speech);
        assert_eq!(talk.turn(start), Some(true));
        talk.hear(start + PAUSE / 2, &speech);
        assert_eq!(talk.turn(start + PAUSE), None, "still at it");
        assert_eq!(talk.deadline(), Some(start + PAUSE * 3 / 2));
        assert_eq!(talk.turn(start + PAUSE * 3 / 2), Some(false));
        assert_eq!(
            (talk.deadline(), talk.turn(start + PAUSE * 2)),
            (None, None)
        );
        talk.hear(start + PAUSE * 2, &speech);
        assert_eq!(talk.turn(start + PAUSE * 2), Some(true));
        talk.hush();
        assert_eq!(talk.turn(start + PAUSE * 2), Some(false));
    }
}
