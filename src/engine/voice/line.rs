//! The media side of a voice session: its UDP socket, and what the tick is told to seal with.

use std::net::SocketAddr;

use mynah_dave::frame::FrameSealer;
use mynah_pulse::{PulseHandle, Sender, SessionKey, Transport};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_session::voice::{SenderKeys, TransportKeys};
use mynah_wire::rng::Rng;
use mynah_wire::{EncryptionMode, Ssrc};
use tokio::net::UdpSocket;

use crate::lanes::{LaneRecording, LaneSink, Lanes};

/// Media we are late to look at piles up no further than this; a bot that is deaf is sent none.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// The socket, by who reads it.
enum Socket {
    /// This task.
    Shell(UdpSocket),
    /// The ear, on a clone. Not known to the reactor, which would wake for every packet.
    Ear(std::net::UdpSocket),
}

/// While people are heard: 50 speakers in bursts of 100 ms, with the kernel's overhead.
const HEARING_BUFFER_BYTES: usize = 1024 * 1024;

/// What the ear needs of a line.
pub struct Receiving {
    /// A clone of the socket.
    pub socket: std::net::UdpSocket,
    /// Opens media.
    pub media: RtpOpener,
    /// Opens reports about media.
    pub reports: RtpOpener,
    /// The bot's own stream.
    pub own: Ssrc,
}

/// The line of one voice session to its server, beginning with nothing after every
/// [`close`](Self::close).
pub struct Line {
    pulse: PulseHandle,
    key: SessionKey,
    rng: Rng,
    udp: Option<Socket>,
    /// What the mix is attached with.
    attached: Option<TransportKeys>,
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
            Ok(socket) => self.udp = Some(Socket::Shell(socket)),
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

    /// True while there is a socket and this task reads it.
    #[cfg(test)]
    pub const fn is_shells(&self) -> bool {
        matches!(self.udp, Some(Socket::Shell(_)))
    }

    /// Sends a control packet; lost ones are resent by the machine.
    pub async fn send(&self, packet: &[u8]) {
        match &self.udp {
            Some(Socket::Shell(udp)) => drop(udp.send(packet).await),
            Some(Socket::Ear(udp)) => drop(udp.send(packet)),
            None => {}
        }
    }

    /// The length of the next packet in `buffer`; waits for ever without a socket, or while the ear
    /// reads it.
    pub async fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        match &self.udp {
            // Errors are ICMP answers of a dead server; the machine notices by its own timeouts.
            Some(Socket::Shell(udp)) => udp.recv(buffer).await.ok(),
            Some(Socket::Ear(_)) | None => std::future::pending().await,
        }
    }

    /// From now on the ear reads: what it needs for that. `None` without a line.
    pub fn hand_over(&mut self) -> Option<Receiving> {
        let keys = self.attached.as_ref()?;
        let opener = || RtpOpener::new(keys.mode, &keys.secret_key);
        let (media, reports, own) = (opener(), opener(), keys.ssrc);
        let udp = match self.udp.take()? {
            Socket::Shell(udp) => udp.into_std().inspect_err(fault).ok()?,
            Socket::Ear(udp) => udp,
        };
        let clone = udp.try_clone().inspect_err(fault).ok();
        let _ = socket2::SockRef::from(&udp).set_recv_buffer_size(HEARING_BUFFER_BYTES);
        self.udp = Some(Socket::Ear(udp));
        Some(Receiving {
            socket: clone?,
            media,
            reports,
            own,
        })
    }

    /// The ear reads no more.
    pub fn take_back(&mut self) {
        self.udp = match self.udp.take() {
            Some(Socket::Ear(udp)) => UdpSocket::from_std(udp)
                .inspect_err(fault)
                .ok()
                .map(Socket::Shell),
            other => other,
        };
    }

    /// Records the lanes of this session's mix, whether there is a line or not.
    pub fn record(&self, lanes: &Lanes, sink: LaneSink) -> LaneRecording {
        lanes.record(&self.pulse, self.key, sink)
    }

    /// The mix can be heard from here on, as soon as it has keys to send with, too.
    pub fn attach(&mut self, keys: TransportKeys) {
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
        self.attached = Some(keys);
    }

    /// How the bot's own media is end-to-end encrypted from now on.
    pub fn speak(&mut self, keys: &SenderKeys) {
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
    pub fn attached(&self) -> Option<(Ssrc, EncryptionMode)> {
        self.attached.as_ref().map(|keys| (keys.ssrc, keys.mode))
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
fn media_socket(udp: &Socket) -> Option<std::net::UdpSocket> {
    let cloned = match udp {
        Socket::Shell(udp) => socket2::SockRef::from(udp).try_clone(),
        Socket::Ear(udp) => socket2::SockRef::from(udp).try_clone(),
    };
    cloned.map(Into::into).inspect_err(fault).ok()
}

fn fault(error: &std::io::Error) {
    tracing::error!(%error, "the UDP socket cannot be handed on");
}
