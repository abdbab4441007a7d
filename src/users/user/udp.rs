//! The user's UDP socket.

use std::net::SocketAddr;

use tokio::net::UdpSocket;

/// A socket that talks to `peer` only; `None` when there is none to be had. Discovery then gets no
/// answer, and the machine tries again or gives up.
pub async fn connected(peer: SocketAddr) -> Option<UdpSocket> {
    let any: SocketAddr = if peer.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let open = async {
        let udp = UdpSocket::bind(any).await?;
        udp.connect(peer).await?;
        Ok::<_, std::io::Error>(udp)
    };
    open.await
        .inspect_err(|error| tracing::error!(%error, %peer, "cannot open a UDP socket"))
        .ok()
}

/// The length of the next datagram; waits for ever without a socket. Safe to cancel.
pub async fn receive(udp: Option<&UdpSocket>, buffer: &mut [u8]) -> Option<usize> {
    match udp {
        // Errors are ICMP answers of a dead server; the machine notices by its own timeouts.
        Some(udp) => udp.recv(buffer).await.ok(),
        None => std::future::pending().await,
    }
}
