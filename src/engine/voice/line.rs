//! The media side of a voice session: its UDP socket, and what the tick is told to seal with.

use std::net::SocketAddr;

use mynah_dave::frame::FrameSealer;
use mynah_pulse::{PulseHandle, Sender, SessionKey, Transport};
use mynah_session::transport::RtpSealer;
use mynah_session::voice::{MediaKeys, SenderKeys, TransportKeys};
use mynah_wire::rng::Rng;
use mynah_wire::{EncryptionMode, Ssrc};
use tokio::net::UdpSocket;

/// Media we are late to look at piles up no further than this; a bot that is deaf is sent none.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// The line of one voice session to its server, beginning with nothing after every
/// [`close`](Self::close).
pub struct Line {
    pulse: PulseHandle,
    key: SessionKey,
    rng: Rng,
    udp: Option<UdpSocket>,
    /// What the mix is attached with.
    attached: Option<(Ssrc, EncryptionMode)>,
    /// Keys to send with that came before there was anything to send on.
    early: Option<Sender>,
    /// The last keys to send with let the tracks go on.
    moves: bool,
}

impl Line {
    /// No line yet. `seed` is for first sequence, timestamp and nonce.
    pub fn new(pulse: PulseHandle, key: SessionKey, seed: u64) -> Self {
        Self {
            pulse,
            key,
            rng: Rng::new(seed),
            udp: None,
            attached: None,
            early: None,
            moves: false,
        }
    }

    /// A fresh socket, instead of any before.
    pub fn open(&mut self, peer: SocketAddr) {
        match connected(peer) {
            Ok(socket) => self.udp = Some(socket),
            Err(error) => {
                // Discovery then gets no answer and the machine tries again or gives up.
                tracing::error!(%error, %peer, "cannot open a UDP socket");
                self.udp = None;
            }
        }
    }

    /// True while there is a socket.
    pub const fn is_open(&self) -> bool {
        self.udp.is_some()
    }

    /// Sends a control packet; lost ones are resent by the machine.
    pub async fn send(&self, packet: &[u8]) {
        if let Some(udp) = &self.udp {
            let _ = udp.send(packet).await;
        }
    }

    /// The length of the next packet in `buffer`; waits for ever without a socket.
    pub async fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        match &self.udp {
            // Errors are ICMP answers of a dead server; the machine notices by its own timeouts.
            Some(udp) => udp.recv(buffer).await.ok(),
            None => std::future::pending().await,
        }
    }

    /// The mix can be heard from here on, as soon as it has keys to send with, too.
    pub fn attach(&mut self, keys: &TransportKeys) {
        let Some(socket) = self.udp.as_ref().and_then(media_socket) else {
            tracing::error!("keys arrived without a UDP socket");
            return;
        };
        self.pulse.attach(
            self.key,
            Transport {
                socket,
                sealer: RtpSealer::new(keys.mode, &keys.secret_key, self.rng.next_u32()),
                sender: self.early.take().unwrap_or_default(),
                ssrc: keys.ssrc,
                first_sequence: self.rng.next_u16(),
                first_timestamp: self.rng.next_u32(),
            },
        );
        self.attached = Some((keys.ssrc, keys.mode));
    }

    /// How media is end-to-end encrypted from now on.
    pub fn media(&mut self, keys: MediaKeys) {
        match keys {
            MediaKeys::Sender(keys) => self.speak(&keys),
            // The ear's part: an engine that listens hands these to
            // `mynah_session::receive::Receiver::keys`, in this order. We decrypt nothing.
            MediaKeys::Receiver { .. } | MediaKeys::Forget { .. } | MediaKeys::Passthrough(_) => {}
        }
    }

    fn speak(&mut self, keys: &SenderKeys) {
        tracing::debug!(?keys, "sending");
        let sender = match keys {
            SenderKeys::Plain => Sender::Plain,
            SenderKeys::Hold => Sender::Hold,
            SenderKeys::Unheard => Sender::Unheard,
            SenderKeys::Sealed { epoch, base } => {
                Sender::Sealed(Box::new(FrameSealer::new(base, *epoch)))
            }
        };
        self.moves = *keys != SenderKeys::Hold;
        if self.attached.is_some() {
            self.pulse.sender(self.key, sender);
        } else {
            self.early = Some(sender);
        }
    }

    /// Somebody talks in the channel, or nobody does any more.
    pub fn talk(&self, talks: bool) {
        self.pulse.talk(self.key, talks);
    }

    /// Stream and mode while attached.
    pub const fn attached(&self) -> Option<(Ssrc, EncryptionMode)> {
        self.attached
    }

    /// True when sound can flow.
    pub const fn moves(&self) -> bool {
        self.attached.is_some() && self.moves
    }

    /// Packets the kernel took, and those that left under keys that were replaced already.
    pub fn sent(&self) -> (u64, u64) {
        let stats = self.pulse.stats();
        let mine = stats.session(self.key);
        mine.map_or((0, 0), |mine| (mine.packets_sent, mine.sealed_stale))
    }

    /// Media stops; the mix stays, and its tracks hold still.
    pub fn close(&mut self) {
        self.pulse.detach(self.key);
        self.udp = None;
        self.attached = None;
        self.early = None;
        self.moves = false;
    }

    /// The mix ends: what sounds fades out.
    pub fn hang_up(&self) {
        self.pulse.close(self.key);
    }
}

fn connected(peer: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: SocketAddr = if peer.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(peer)?;
    socket.set_nonblocking(true)?;
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    UdpSocket::from_std(socket)
}

/// A second handle to the same socket for the tick thread.
fn media_socket(udp: &UdpSocket) -> Option<std::net::UdpSocket> {
    let cloned = socket2::SockRef::from(udp).try_clone();
    cloned
        .map(std::net::UdpSocket::from)
        .inspect_err(|error| tracing::error!(%error, "cannot clone the UDP socket"))
        .ok()
}
