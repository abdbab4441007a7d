//! From an open socket to keys: Hello, Identify, Ready, discovery, Select Protocol, description
//! (voice.md sections 2 to 5), and the payloads of a live connection.

use mynah_wire::udp::{Datagram, Discovery, classify};
use mynah_wire::voice::{
    ClientDisconnect, ClientsConnect, Envelope, Hello, Identify, Ready, Resume, SPEAKING_VOICE,
    SelectProtocol, SelectProtocolData, SessionDescription, Speaking, VERSION, op,
    parse_server_binary, write,
};
use mynah_wire::{EncryptionMode, Ssrc};

use super::heartbeat::Heartbeat;
use super::session::{
    CLOSE_NORMAL, DISCOVERY_RESEND, DISCOVERY_TIMEOUT, Media, Phase, STEP_TIMEOUT, Session,
};
use super::{EndReason, Event, Output, TransportKeys};

/// Best first; everything behind the first two needs `allow_legacy_modes`.
const PREFERENCE: [EncryptionMode; 7] = EncryptionMode::ALL;

impl Session {
    pub(super) fn on_opened(&mut self) {
        if let Phase::Opening { resume, .. } = self.phase {
            self.phase = Phase::Hello {
                deadline: self.now + STEP_TIMEOUT,
                resume,
            };
        }
    }

    pub(super) fn on_text(&mut self, text: &str) {
        if !self.has_socket() {
            return;
        }
        // Undecodable text and unknown opcodes are ignored (voice.md section 3).
        let Ok(envelope) = Envelope::parse(text) else {
            return;
        };
        if envelope.seq.is_some() {
            // The latest received, not the largest: values may come unordered (section 5).
            self.seq_ack = envelope.seq;
        }
        match envelope.op {
            op::HELLO => {
                if let Ok(hello) = envelope.body() {
                    self.on_hello(&hello);
                }
            }
            op::READY => {
                if let Ok(ready) = envelope.body() {
                    self.on_ready(ready);
                }
            }
            op::SESSION_DESCRIPTION => {
                if let Ok(description) = envelope.body() {
                    self.on_description(&description);
                }
            }
            op::HEARTBEAT => {
                let (now, seq_ack) = (self.now, self.seq_ack);
                if let Some(beat) = &mut self.heartbeat {
                    let text = beat.beat(now, seq_ack);
                    self.out.push_back(Output::SendText(text));
                }
            }
            op::HEARTBEAT_ACK => self.on_ack(&envelope),
            op::RESUMED => self.on_resumed(),
            op::SPEAKING => {
                if let Ok(Speaking {
                    speaking: flags,
                    ssrc: Some(ssrc),
                    user_id: Some(user_id),
                    ..
                }) = envelope.body()
                {
                    self.tell(Event::Speaking {
                        user_id,
                        ssrc,
                        flags,
                    });
                }
            }
            op::CLIENTS_CONNECT => {
                if let Ok(ClientsConnect { user_ids }) = envelope.body() {
                    self.dave_joined(&user_ids);
                    self.tell(Event::Joined(user_ids));
                }
            }
            op::CLIENT_DISCONNECT => {
                if let Ok(ClientDisconnect { user_id }) = envelope.body() {
                    self.dave_left(user_id);
                    self.tell(Event::Left(user_id));
                }
            }
            op::DAVE_FIRST..=op::DAVE_LAST => self.on_dave_text(&envelope),
            _ => {}
        }
    }

    /// All binary messages belong to DAVE.
    pub(super) fn on_binary(&mut self, frame: &[u8]) {
        if !self.has_socket() {
            return;
        }
        if let Some((seq, opcode, payload)) = parse_server_binary(frame, VERSION) {
            // Counted with the texts, for a later resume.
            self.seq_ack = seq.or(self.seq_ack);
            self.on_dave_binary(opcode, payload);
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn on_hello(&mut self, hello: &Hello) {
        let Phase::Hello { resume, .. } = self.phase else {
            return;
        };
        let (Some(server), Some(session_id)) = (&self.server, &self.session_id) else {
            return;
        };
        self.heartbeat = Some(Heartbeat::start(self.now, hello.heartbeat_interval));
        let deadline = self.now + STEP_TIMEOUT;
        let token = server.token.expose().to_owned();
        let session_id = session_id.clone();
        let server_id = self.config.guild_id;
        let text = if resume {
            self.phase = Phase::Resuming { deadline };
            let seq_ack = Some(self.seq_ack.map_or(-1, i32::from));
            write(
                op::RESUME,
                &Resume {
                    server_id,
                    session_id,
                    token,
                    seq_ack,
                },
            )
        } else {
            self.phase = Phase::Identifying { deadline };
            write(
                op::IDENTIFY,
                &Identify {
                    server_id,
                    user_id: self.config.user_id,
                    session_id,
                    token,
                    max_dave_protocol_version: self.announced_dave_version(),
                    channel_id: None,
                },
            )
        };
        self.out.push_back(Output::SendText(text));
    }

    fn on_ready(&mut self, ready: Ready) {
        let Phase::Identifying { .. } = self.phase else {
            return;
        };
        let mut usable = self.usable_modes(&ready.modes).into_iter();
        let Some(mode) = usable.next() else {
            self.end(EndReason::NoCommonMode {
                offered: ready.modes,
            });
            return;
        };
        self.media = Some(Media {
            ssrc: ready.ssrc,
            mode,
            alternatives: usable.collect(),
            keys: None,
            next_ping: self.now,
            ping_sequence: 0,
            ping_sent: None,
        });
        self.begin_dave();
        self.out.push_back(Output::OpenUdp {
            peer: Self::peer(ready.ip, ready.port),
        });
        self.send_discovery();
        self.phase = Phase::Discovering {
            deadline: self.now + DISCOVERY_TIMEOUT,
            resend: self.now + DISCOVERY_RESEND,
        };
    }

    /// The offered modes we may use, best first. Legacy modes count only when nothing current is
    /// offered, and only when allowed.
    fn usable_modes(&self, offered: &[String]) -> Vec<EncryptionMode> {
        let usable: Vec<_> = PREFERENCE
            .into_iter()
            .filter(|mode| offered.iter().any(|name| name == mode.name()))
            .filter(|mode| !self.refused_modes.contains(mode))
            .collect();
        let current: Vec<_> = usable.iter().copied().filter(|m| !m.is_legacy()).collect();
        if !current.is_empty() {
            current
        } else if self.config.allow_legacy_modes {
            usable
        } else {
            Vec::new()
        }
    }

    pub(super) fn send_discovery(&mut self) {
        if let Some(media) = &self.media {
            let request = Discovery::Request { ssrc: media.ssrc };
            self.out
                .push_back(Output::SendDatagram(request.write().to_vec()));
        }
    }

    pub(super) fn on_datagram(&mut self, packet: &[u8]) {
        match classify(packet) {
            Datagram::Discovery => self.on_discovery(packet),
            Datagram::Ping => self.on_ping_answer(packet),
            Datagram::Rtp | Datagram::Rtcp | Datagram::Keepalive => {}
        }
    }

    fn on_discovery(&mut self, packet: &[u8]) {
        let (Phase::Discovering { .. }, Some(media)) = (self.phase, &self.media) else {
            return;
        };
        let Some(Discovery::Response {
            ssrc,
            address,
            port,
        }) = Discovery::parse(packet)
        else {
            return;
        };
        if ssrc != media.ssrc {
            return;
        }
        let select = SelectProtocol {
            protocol: "udp".to_owned(),
            data: SelectProtocolData {
                address: address.to_string(),
                port,
                mode: media.mode.name().to_owned(),
            },
        };
        self.out
            .push_back(Output::SendText(write(op::SELECT_PROTOCOL, &select)));
        self.phase = Phase::Describing {
            deadline: self.now + STEP_TIMEOUT,
        };
    }

    fn on_description(&mut self, description: &SessionDescription) {
        let first = matches!(self.phase, Phase::Describing { .. });
        if !first && !matches!(self.phase, Phase::Live { .. } | Phase::Resuming { .. }) {
            return;
        }
        let announced = self.announced_dave_version();
        let Some(media) = &mut self.media else {
            return;
        };
        let mode = description.mode.parse();
        let dave = description.dave_protocol_version;
        if mode != Ok(media.mode) || dave > announced {
            self.step_failed("the voice server described a session we did not ask for");
            return;
        }
        let keys = TransportKeys {
            mode: media.mode,
            secret_key: description.secret_key,
            ssrc: media.ssrc,
        };
        // A repeated description must not start the nonce counter over under the same key.
        if media.keys.as_ref() == Some(&keys) {
            return;
        }
        let (ssrc, mode) = (media.ssrc, media.mode);
        media.keys = Some(keys.clone());
        if first {
            self.say_speaking(ssrc);
            self.go_live();
            self.tell(Event::Connected { ssrc, mode });
        }
        self.out.push_back(Output::Keys(keys));
        if first {
            self.dave_described(dave);
        }
    }

    fn on_resumed(&mut self) {
        if let Phase::Resuming { .. } = self.phase {
            self.go_live();
            // The websocket may have broken with the first one in it. Only the server's messages are
            // replayed, and without an op 5 nobody would hear us for the rest of the session.
            if let Some(media) = &self.media {
                self.say_speaking(media.ssrc);
            }
            self.tell(Event::Resumed);
            self.tick_dave();
        }
    }

    /// Op 5, before the first RTP packet, or the server refuses our ssrc (voice.md section 4).
    fn say_speaking(&mut self, ssrc: Ssrc) {
        let speaking = Speaking {
            speaking: SPEAKING_VOICE,
            delay: Some(0),
            ssrc: Some(ssrc),
            user_id: None,
        };
        self.out
            .push_back(Output::SendText(write(op::SPEAKING, &speaking)));
    }

    fn go_live(&mut self) {
        self.phase = Phase::Live { since: self.now };
        self.was_live = true;
    }

    fn on_ack(&mut self, envelope: &Envelope<'_>) {
        // Version 8 echoes an object, older servers the bare number.
        let t = match envelope.body::<serde_json::Value>() {
            Ok(serde_json::Value::Object(map)) => map.get("t").and_then(|t| t.as_u64()),
            Ok(number) => number.as_u64(),
            Err(_) => None,
        };
        let now = self.now;
        let trip = self
            .heartbeat
            .as_mut()
            .and_then(|beat| beat.answered(now, t));
        if let Some(trip) = trip {
            self.tell(Event::Latency(trip));
        }
    }

    /// Ends the session for good; the last thing the machine says.
    pub(super) fn end(&mut self, reason: EndReason) {
        self.close_socket(CLOSE_NORMAL);
        self.drop_media();
        // Whoever stops by itself must also leave the channel, or it stays there as a ghost.
        if reason != EndReason::Disconnected {
            self.out.push_back(Output::JoinMain { channel_id: None });
        }
        self.phase = Phase::Ended;
        self.session_id = None;
        self.server = None;
        self.tell(Event::Ended(reason));
    }
}
