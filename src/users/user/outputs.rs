//! What the machine wants done, and what it says.

use std::sync::Arc;
use std::time::Instant;

use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_session::voice::{Event, Input, MediaKeys, Output, TransportKeys};
use tokio_tungstenite::tungstenite::Message;

use super::joining::Hearing;
use super::{User, udp};
use crate::clock;
use crate::socket::Socket;
use crate::types::Privacy;

/// What the machine has come to.
pub enum Drained {
    /// Nothing more to do until something happens, or until then.
    Wait(Option<Instant>),
    /// The session is over, for this reason.
    Ended(String),
}

impl User {
    /// Does all of it, in order.
    pub(super) async fn drain(&mut self) -> Drained {
        loop {
            match self.machine.poll() {
                Output::JoinMain { channel_id: None } => {}
                Output::JoinMain { .. } => self.ask_for_ticket(),
                Output::OpenWs { url } => {
                    self.socket = Some(Socket::open(url, Arc::clone(&self.shared.tls)));
                }
                Output::SendText(text) => self.send(Message::text(text)),
                Output::SendBinary(bytes) => self.send(Message::binary(bytes)),
                Output::CloseWs { code } => {
                    if let Some(socket) = self.socket.take() {
                        socket.close(code);
                    }
                }
                Output::OpenUdp { peer } => self.udp = udp::connected(peer).await,
                Output::SendDatagram(bytes) => {
                    if let Some(udp) = &self.udp {
                        // Lost control packets are resent by the machine.
                        let _ = udp.send(&bytes).await;
                    }
                }
                Output::CloseUdp => {
                    self.udp = None;
                    self.mouth.unplug();
                    self.ear.unplug();
                    self.company.clear();
                    self.publish();
                }
                Output::Keys(keys) => self.plug(&keys),
                Output::Crypto(job) => self.crypto.run(*job),
                Output::Media(MediaKeys::Sender(keys)) => self.mouth.keys(clock::now(), &keys),
                Output::Media(keys) => self.ear.keys(clock::now(), &keys),
                Output::Event(Event::Ended(reason)) => {
                    let refused = self.refused.take();
                    return Drained::Ended(refused.unwrap_or_else(|| reason.to_string()));
                }
                Output::Event(event) => self.on_event(event),
                Output::Wait(wake) => return Drained::Wait(wake),
            }
        }
    }

    fn send(&mut self, message: Message) {
        let Some(socket) = &self.socket else {
            return;
        };
        if !socket.send(message) {
            self.socket = None;
            let now = clock::now();
            self.machine.handle(now, Input::WsClosed { code: None });
        }
    }

    fn plug(&mut self, keys: &TransportKeys) {
        let sealer = RtpSealer::new(keys.mode, &keys.secret_key, self.rng.next_u32());
        self.mouth.plug(clock::now(), sealer, keys.ssrc);
        self.ear.plug(RtpOpener::new(keys.mode, &keys.secret_key));
        self.publish();
    }

    /// How things stand for whoever waits for a join.
    pub(super) fn hearing(&self) -> Hearing {
        match (self.mouth.has_line(), self.mouth.is_held()) {
            (false, _) => Hearing::Nothing,
            (true, true) => Hearing::Held {
                alone: self.company.is_empty(),
            },
            (true, false) => Hearing::Open,
        }
    }

    /// Shows others how private the call is.
    fn publish(&self) {
        let report = self.machine.dave();
        let privacy = report.map(|report| Privacy::of(self.ticket.user_id, report));
        self.privacy.send_replace(privacy.unwrap_or_default());
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Speaking { user_id, ssrc, .. } => self.ear.learn(clock::now(), ssrc, user_id),
            Event::Joined(users) => {
                let others = users.into_iter().filter(|id| *id != self.ticket.user_id);
                self.company.extend(others);
            }
            Event::Left(user_id) => {
                self.company.remove(&user_id);
                self.ear.forget(user_id);
            }
            Event::Dave(event) => {
                tracing::debug!(user = %self.ticket.user_id, ?event, "end-to-end encryption");
                self.publish();
            }
            Event::Lost { reason } => {
                tracing::debug!(user = %self.ticket.user_id, reason, "voice connection lost");
            }
            _ => {}
        }
    }

    /// Sends what is due.
    pub(super) async fn speak(&mut self, now: Instant) {
        while let Some(packet) = self.mouth.due(now) {
            if let Some(udp) = &self.udp {
                // A refused datagram is a lost one.
                let _ = udp.send(packet).await;
            }
        }
    }
}
