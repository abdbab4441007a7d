//! A voice server's socket and sessions that send to it.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "shared by several test binaries"
)]

use std::net::UdpSocket;
use std::time::Duration;

use mynah_dave::BaseSecret;
use mynah_dave::frame::FrameSealer;
use mynah_pulse::{
    MixConfig, PulseHandle, RingWriter, Sender, SessionKey, TrackId, TrackOptions, Transport, ring,
};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_wire::rtp::Header;
use mynah_wire::{EncryptionMode, Ssrc};

pub const MODE: EncryptionMode = EncryptionMode::XChaCha20Poly1305RtpSize;
pub const KEY: [u8; 32] = [42; 32];
pub const TRACK: TrackId = TrackId(1);

/// Where all packets go.
pub struct Sink(UdpSocket);

impl Sink {
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Only so that a failing test ends: nothing here waits this long.
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self(socket)
    }

    /// The next packet, opened.
    pub fn take(&self) -> (Header, Vec<u8>) {
        let mut bytes = [0; 1500];
        let len = self.0.recv(&mut bytes).unwrap();
        let packet = &mut bytes[..len];
        let opened = RtpOpener::new(MODE, &KEY).open(packet).unwrap();
        (opened.header, packet[opened.payload].to_vec())
    }

    pub fn skip(&self, packets: usize) {
        (0..packets).for_each(|_| drop(self.take()));
    }

    /// A transport to here.
    pub fn transport(&self, ssrc: u32) -> Transport {
        transport_to(&self.0.local_addr().unwrap().to_string(), ssrc)
    }
}

/// A transport to this address.
pub fn transport_to(to: &str, ssrc: u32) -> Transport {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    Transport {
        socket,
        sealer: RtpSealer::new(MODE, &KEY, 0),
        sender: Sender::Plain,
        ssrc: Ssrc(ssrc),
        first_sequence: 0,
        first_timestamp: 0,
    }
}

/// The media secret of an epoch.
pub fn base(epoch: u64) -> BaseSecret {
    BaseSecret::new([epoch as u8; BaseSecret::BYTES])
}

/// Frames sealed in an epoch.
pub fn sealed(epoch: u64) -> Sender {
    Sender::Sealed(Box::new(FrameSealer::new(&base(epoch), epoch)))
}

/// Opens a session that plays `blocks` blocks of a tone to `sink`.
pub fn sing(
    handle: &PulseHandle,
    sink: &Sink,
    ssrc: u32,
    blocks: usize,
) -> (SessionKey, RingWriter) {
    sing_on(handle, sink.transport(ssrc), blocks)
}

/// The same, to wherever the transport goes.
pub fn sing_on(
    handle: &PulseHandle,
    transport: Transport,
    blocks: usize,
) -> (SessionKey, RingWriter) {
    let mix = MixConfig {
        bitrate_bps: 64_000,
        complexity: 1,
    };
    let session = handle.open(mix).unwrap();
    let (mut writer, reader) = ring(blocks);
    let mut n = 0u32;
    while writer.put(|block| {
        for frame in block.chunks_exact_mut(2) {
            frame.fill(0.5 * (n as f32 * 0.0576).sin());
            n += 1;
        }
    }) {}
    handle.attach(session, transport);
    handle.play(session, TRACK, reader, TrackOptions::default());
    (session, writer)
}
