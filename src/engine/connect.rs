//! Opening websockets, with one TLS configuration for the whole bot.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use crate::StartError;

/// A connected websocket, plain or TLS.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Largest message accepted from the main gateway. A GUILD_CREATE of a very large guild is a few
/// megabytes; beyond this something is wrong.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// The TLS settings: public roots, plus the embedded server's own CA when given.
///
/// # Errors
/// `extra_pem` holds no usable certificate.
pub fn tls(extra_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, StartError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(pem) = extra_pem {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|error| StartError::Certificate(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| StartError::Certificate(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Certificate(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Opens a websocket; Nagle's algorithm is off because every payload is small and wanted at once.
///
/// # Errors
/// A text for people: what the network, TLS or the handshake said.
pub async fn open(url: &str, tls: Arc<ClientConfig>) -> Result<Socket, String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    connect_async_tls_with_config(url, Some(config), true, Some(Connector::Rustls(tls)))
        .await
        .map(|(socket, _)| socket)
        .map_err(|error| error.to_string())
}
