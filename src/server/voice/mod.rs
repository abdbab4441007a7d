//! The embedded voice server: voice gateway over TLS, and UDP media forwarding.
//!
//! Signalling and media share no lock. Read in this order:
//! * [`peer`]: one websocket without I/O: framing by version, order, close codes, timeouts;
//! * [`hub`]: all sessions and rooms without I/O: grants, Ready, resume, who is told what;
//! * [`outbox`]: numbered messages for buffered resume;
//! * [`dave`]: the delivery service of end-to-end encryption, one for each room, below the hub;
//! * [`sfu`]: the media thread: discovery, opening, forwarding, faults; [`seal`] its ciphers;
//! * [`ca`]: the certificate every client insists on; `connection` and `shared`: the tokio shell.

mod allowance;
pub mod ca;
mod connection;
pub mod dave;
mod error;
mod fault;
mod grant;
pub mod hub;
#[doc(hidden)]
pub mod machines;
pub mod outbox;
pub mod peer;
pub mod seal;
pub mod sfu;
mod shared;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock;
use mynah_wire::{EncryptionMode, GuildId, UserId};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

pub use dave::DavePolicy;
pub use error::VoiceError;
pub use fault::{DaveFault, Direction, Scope, UdpFault};
pub use grant::{Flags, Grant, SessionReport};

use ca::Ca;
use dave::GatewaySigner;
use hub::Hub;
use sfu::Sfu;
use shared::Shared;

/// Websockets open at once; further ones are refused at TCP level.
const MAX_CONNECTIONS: usize = 4_096;

/// Time for goodbyes once the server stops.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How to start the voice server.
#[derive(Clone, Debug)]
pub struct VoiceConfig {
    /// Address of websocket and media socket.
    pub bind: IpAddr,
    /// Websocket port; 0 takes a free one. Media uses the same number if it is free.
    pub port: u16,
    /// Offer the modes Discord discontinued in 2024, too.
    pub legacy_modes: bool,
    /// Where the certificate authority is kept.
    pub data_dir: PathBuf,
    /// Decides stream numbers and faults. Keys are always random.
    pub seed: u64,
}

/// A running voice server; a cheap handle to clone. It ends with [`stop`](Self::stop), or when
/// the last handle is dropped.
#[derive(Clone)]
pub struct VoiceServer {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    ca: Ca,
    port: u16,
    tasks: TaskTracker,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
    }
}

impl VoiceServer {
    /// Binds both sockets, prepares the certificate and starts serving.
    ///
    /// # Errors
    /// [`VoiceError`], each with its remedy.
    pub async fn start(config: VoiceConfig) -> Result<Self, VoiceError> {
        let media_bind = media_bind(config.bind, config.port)?;
        let ca = Ca::open(&config.data_dir, config.bind, SystemTime::now())?;
        let address = SocketAddr::new(config.bind, config.port);
        let listen = |source| VoiceError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let port = listener.local_addr().map_err(listen)?.port();
        let sfu = start_media(media_bind, port, config.seed)?;
        let modes: &[_] = if config.legacy_modes {
            &EncryptionMode::ALL
        } else {
            &EncryptionMode::CURRENT
        };
        let signer = GatewaySigner::new(&random()?)
            .map_err(|error| VoiceError::SigningKey(error.to_string()))?;
        let port_of_media = sfu.address().port();
        let hub = Hub::new(modes.to_vec(), port_of_media, config.seed, Arc::new(signer));
        let shared = Arc::new(Shared::new(hub, TlsAcceptor::from(ca.tls()), sfu));
        let tasks = TaskTracker::new();
        tasks.spawn(accept(Arc::clone(&shared), listener, tasks.clone()));
        if config.bind == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            // `localhost` is ::1 for some resolvers. Where IPv6 is missing, nobody asks for it.
            if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
                tasks.spawn(accept(Arc::clone(&shared), listener, tasks.clone()));
            }
        }
        let reaper = Arc::clone(&shared);
        tasks.spawn(async move { reaper.reap().await });
        tracing::info!(port, media = %shared.sfu.address(), "voice server is up");
        Ok(Self {
            owner: Arc::new(Owner {
                shared,
                ca,
                port,
                tasks,
            }),
        })
    }

    /// The certificate chain and key of this server, for other listeners of the same machine.
    pub fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.owner.ca.tls()
    }

    /// `localhost:PORT`, as VOICE_SERVER_UPDATE carries it (always with port: interop.md
    /// section 0).
    pub fn endpoint(&self) -> String {
        format!("localhost:{}", self.owner.port)
    }

    /// The CA certificate that clients must trust.
    pub fn ca_file(&self) -> &Path {
        self.owner.ca.file()
    }

    /// The same as PEM text.
    pub fn ca_pem(&self) -> &[u8] {
        self.owner.ca.pem()
    }

    /// Where media goes.
    pub fn media_address(&self) -> SocketAddrV4 {
        self.owner.shared.sfu.address()
    }

    /// The main gateway accepted an op 4: from now on an Identify with these credentials is good.
    /// See [`Hub::grant`].
    pub fn grant(&self, grant: Grant) {
        let now = clock::now();
        self.owner.shared.with_hub(|hub| hub.grant(now, grant));
    }

    /// The member may not be here any more; its socket is closed with `close_code`: 4014 after a
    /// kick or leave, 4022 when the channel is gone.
    pub fn revoke(&self, guild_id: GuildId, user_id: UserId, close_code: u16) {
        self.owner
            .shared
            .with_hub(|hub| hub.revoke(clock::now(), guild_id, user_id, close_code));
    }

    /// The member's mute and deaf flags changed.
    pub fn set_flags(&self, guild_id: GuildId, user_id: UserId, flags: Flags) {
        self.owner
            .shared
            .with_hub(|hub| hub.set_flags(guild_id, user_id, flags));
    }

    /// Every voice session, for `GET /control/state`.
    pub fn sessions(&self) -> Vec<SessionReport> {
        self.owner.shared.with_hub(|hub| hub.reports())
    }

    /// Starts a fault on the media path; the same id replaces.
    pub fn set_udp_fault(&self, fault_id: u64, scope: Scope, fault: UdpFault) {
        self.owner
            .shared
            .with_hub(|hub| hub.set_fault(fault_id, scope, fault));
    }

    /// Ends a fault of any kind.
    pub fn clear_fault(&self, fault_id: u64) {
        let now = clock::now();
        self.owner
            .shared
            .with_hub(|hub| hub.clear_fault(now, fault_id));
    }

    /// Starts a fault of end-to-end encryption; the same id replaces.
    pub fn set_dave_fault(&self, fault_id: u64, scope: Scope, fault: DaveFault) {
        self.owner
            .shared
            .with_hub(|hub| hub.set_dave_fault(clock::now(), fault_id, scope, fault));
    }

    /// Lets the sockets in scope hang until the fault is cleared: they stay open, and nothing is
    /// answered.
    pub fn set_hang(&self, fault_id: u64, scope: Scope) {
        self.owner
            .shared
            .with_hub(|hub| hub.set_hang(fault_id, scope));
    }

    /// Closes websockets with a scripted code; [`peer::ABRUPT`] tears them down without a word.
    /// With `forget` their sessions are gone: a resume is answered 4006.
    pub fn close_sockets(&self, scope: Scope, code: u16, forget: bool) {
        self.owner
            .shared
            .with_hub(|hub| hub.close(clock::now(), scope, code, forget));
    }

    /// Closes every connection with 1001 and ends the media thread. Returns when all is quiet.
    pub async fn stop(&self) {
        self.owner.shared.stopping.cancel();
        self.owner.tasks.close();
        self.owner.tasks.wait().await;
        let shared = Arc::clone(&self.owner.shared);
        if let Err(error) = tokio::task::spawn_blocking(move || shared.sfu.stop()).await {
            tracing::error!(%error, "stopping the media thread");
        }
    }
}

/// Accepts connections until the server stops.
async fn accept(shared: Arc<Shared>, listener: TcpListener, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopping.cancelled() => return,
        };
        match accepted {
            Ok((tcp, _)) if tasks.len() < MAX_CONNECTIONS => {
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    tokio::select! {
                        () = connection::run(&shared, tcp) => {}
                        // Running connections end by themselves; only a handshake hangs on.
                        () = grace(&shared) => {}
                    }
                });
            }
            Ok(_) => tracing::warn!("too many voice connections; one more was refused"),
            Err(error) => {
                // Out of file descriptors, mostly. Let others finish before the next try.
                tracing::warn!(%error, "cannot accept a voice connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Ends a while after the server began to stop.
async fn grace(shared: &Shared) {
    shared.stopping.cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
}

/// The media socket prefers the websocket's port number: one number to open in a firewall.
fn start_media(bind: SocketAddrV4, port: u16, seed: u64) -> Result<Sfu, VoiceError> {
    Sfu::start(SocketAddrV4::new(*bind.ip(), port), seed)
        .or_else(|_| Sfu::start(SocketAddrV4::new(*bind.ip(), 0), seed))
        .map_err(|source| VoiceError::Media {
            address: bind.into(),
            source,
        })
}

/// Media is IPv4 only (voice.md section 2).
fn media_bind(bind: IpAddr, port: u16) -> Result<SocketAddrV4, VoiceError> {
    let ip = match bind.to_canonical() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST,
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(_) => return Err(VoiceError::NeedsIpv4(SocketAddr::new(bind, port))),
    };
    Ok(SocketAddrV4::new(ip, port))
}

/// Bytes from the operating system, for keys.
fn random<const N: usize>() -> Result<[u8; N], VoiceError> {
    let mut bytes = [0; N];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| VoiceError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
