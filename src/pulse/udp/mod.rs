//! The edge to the kernel: the clock, the scheduling class, and sending. The only unsafe code of
//! this room.

pub(crate) mod class;
pub(crate) mod clock;

use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use crate::wheel::{Sent, Transmit};

/// The real clock and real sockets.
pub(crate) struct Wire;

impl Transmit for Wire {
    type Link = UdpSocket;

    fn now_ns(&mut self) -> u64 {
        clock::now_ns()
    }

    fn send(&mut self, socket: &UdpSocket, datagram: &[u8]) -> Sent {
        send(socket, datagram)
    }
}

/// Sends on a connected socket without ever blocking, whatever mode the socket is in.
fn send(socket: &UdpSocket, datagram: &[u8]) -> Sent {
    // SAFETY: send(2) reads `len` bytes at the pointer, which is exactly the slice; the descriptor
    // is open for as long as `socket` is borrowed.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            datagram.as_ptr().cast(),
            datagram.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    if sent >= 0 {
        return Sent::Done;
    }
    // Reading errno is reading a thread-local: no call into the kernel, no allocation.
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN | libc::ENOBUFS) => Sent::Full,
        _ => Sent::Failed,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_arrive_whole() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        from.connect(to.local_addr().unwrap()).unwrap();
        assert_eq!(Wire.send(&from, b"one frame"), Sent::Done);
        let mut got = [0; 64];
        let (len, peer) = to.recv_from(&mut got).unwrap();
        assert_eq!(&got[..len], b"one frame");
        assert_eq!(peer, from.local_addr().unwrap());
    }

    #[test]
    fn a_socket_without_a_peer_is_an_error_not_a_panic() {
        let lonely = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(Wire.send(&lonely, b"x"), Sent::Failed);
    }

    #[test]
    fn sending_into_a_full_buffer_never_blocks() {
        // A stream-like pair whose reader does not read fills up; a blocking socket would hang.
        let (a, _b) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let a = UdpSocket::from(std::os::fd::OwnedFd::from(a));
        let sent = (0..100_000).map(|_| Wire.send(&a, &[0; 1000]));
        assert!(sent.into_iter().any(|s| s == Sent::Full));
    }
}
