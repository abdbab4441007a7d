//! Start, stop, and what the tasks share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mynah_wire::rng::Rng;
use mynah_wire::{GuildId, Secret, UserId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{self, Clock};
use crate::config::{ReadyBot, ReadyFile, ServerConfig};
use crate::crowd::{Crowd, VoiceTicket};
use crate::error::ServerError;
use crate::http;
use crate::realm::{Errand, Realm};
use crate::store::Randomness;
use crate::voice::{VoiceConfig, VoiceServer};

/// HTTP connections at once; the next one waits.
const MAX_CONNECTIONS: usize = 1024;
/// Request line and headers of one request.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The next request's headers have to arrive within this time. Longer than clients keep idle
/// connections (90 s in most pools), so that they never meet one that is just being closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(120);
/// A TLS handshake has to be done by then.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// How often things that end by themselves are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// A simulated user that cannot join by then is left alone.
const ERRAND_TIMEOUT: Duration = Duration::from_secs(15);
/// Goodbyes may take this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What all tasks share.
pub(crate) struct Shared {
    realm: Mutex<Realm>,
    crowd: RwLock<Option<Arc<dyn Crowd>>>,
    /// Errands run one after the other, whoever runs them.
    turn: tokio::sync::Mutex<()>,
    pub(crate) control_token: Option<Secret>,
    pub(crate) loopback: bool,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Shared {
    /// Around a realm that is called without sockets.
    pub(crate) fn indoors(realm: Realm) -> Arc<Self> {
        Arc::new(Self {
            realm: Mutex::new(realm),
            crowd: RwLock::new(None),
            turn: tokio::sync::Mutex::new(()),
            control_token: None,
            loopback: true,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Joins the simulated users to the control API.
    pub(crate) fn set_crowd(&self, crowd: Arc<dyn Crowd>) {
        *self.crowd.write().unwrap_or_else(PoisonError::into_inner) = Some(crowd);
    }

    /// The realm, at the present time. Hold it shortly and never across an await.
    pub(crate) fn realm(&self) -> MutexGuard<'_, Realm> {
        // A panic while it was held is a bug that its request has already reported; the others go
        // on with what is there.
        let mut realm = self.realm.lock().unwrap_or_else(PoisonError::into_inner);
        realm.advance(clock::now());
        realm
    }

    /// The simulated users, if the program has any.
    pub(crate) fn crowd(&self) -> Option<Arc<dyn Crowd>> {
        self.crowd
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lets simulated users follow what moderators did to them. Returns when it is done.
    pub(crate) async fn run_errands(&self) {
        let _turn = self.turn.lock().await;
        loop {
            let errand = self.realm().errands.pop_front();
            let (Some(errand), crowd) = (errand, self.crowd()) else {
                return;
            };
            let Some(crowd) = crowd else { continue };
            match errand {
                Errand::Leave(user_id) => crowd.leave(user_id).await,
                Errand::Join(ticket) => {
                    let user_id = ticket.user_id;
                    match tokio::time::timeout(ERRAND_TIMEOUT, crowd.join(ticket)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(problem)) => {
                            tracing::warn!(%user_id, problem, "simulated user could not follow");
                        }
                        Err(_) => tracing::warn!(%user_id, "simulated user did not follow in time"),
                    }
                }
            }
        }
    }
}

/// The embedded server. It stops when [`stop`](Self::stop) is called; dropping it leaves its tasks
/// running until the runtime ends.
pub struct Server {
    shared: Arc<Shared>,
    voice: VoiceServer,
    address: SocketAddr,
}

impl Server {
    /// Opens the ports and starts serving. Everything is up when this returns.
    ///
    /// # Errors
    /// A port is in use, the bind address needs a control token, or voice cannot start.
    pub async fn start(config: ServerConfig) -> Result<Self, ServerError> {
        let loopback = config.bind.is_loopback();
        if !loopback && config.control_token.is_none() {
            return Err(ServerError::OpenControl {
                address: config.bind,
            });
        }
        let random = randomness(loopback, config.seed)?;
        let wanted = SocketAddr::new(config.bind, config.http_port);
        let listen_error = |source| ServerError::Listen {
            address: wanted,
            source,
        };
        let listener = TcpListener::bind(wanted).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let voice = VoiceServer::start(VoiceConfig {
            bind: config.bind,
            port: config.voice_port,
            legacy_modes: config.legacy_modes,
            data_dir: config.data_dir.clone(),
            seed: config.seed,
        })
        .await?;
        let tls = config.tls.then(|| TlsAcceptor::from(voice.tls()));
        let scheme = if config.tls { "https" } else { "http" };
        let realm = Realm::new(
            crate::realm::Start {
                clock: Clock::system(),
                now: clock::now(),
                seed: config.seed,
                random,
                bot: config.bot.unwrap_or_default(),
                limits: config.limits,
                base_url: format!("{scheme}://{}", reachable(address)),
                dave: config.dave,
            },
            Box::new(voice.clone()),
        );
        let shared = Arc::new(Shared {
            realm: Mutex::new(realm),
            crowd: RwLock::new(None),
            turn: tokio::sync::Mutex::new(()),
            control_token: config.control_token,
            loopback,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shared
            .tasks
            .spawn(accept(listener, tls, Arc::clone(&shared)));
        shared.tasks.spawn(keep_house(Arc::clone(&shared)));
        tracing::info!(%address, voice = voice.endpoint(), "embedded server is up");
        Ok(Self {
            shared,
            voice,
            address,
        })
    }

    /// Where everything is.
    pub fn ready(&self) -> ReadyFile {
        let realm = self.shared.realm();
        let base = realm.base_url();
        let bots = realm
            .store
            .bots
            .values()
            .map(|bot| ReadyBot {
                name: bot.name.clone(),
                token: bot.token.clone(),
                application_id: bot.application_id(),
                user_id: bot.user_id,
            })
            .collect();
        ReadyFile {
            pid: std::process::id(),
            api: format!("{base}/api"),
            gateway: realm.gateway_url(),
            voice_endpoint: self.voice.endpoint(),
            ca_file: self.voice.ca_file().to_owned(),
            control: format!("{base}/control"),
            bots,
            guild_id: realm.defaults.guild_id,
            text_channel_id: realm.defaults.text_channel_id,
            voice_channel_ids: realm.defaults.voice_channel_ids.clone(),
            stage_channel_id: realm.defaults.stage_channel_id,
        }
    }

    /// The address of REST, gateway and control.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The voice server beside it.
    pub fn voice(&self) -> &VoiceServer {
        &self.voice
    }

    /// Joins the simulated users to the control API.
    pub fn set_crowd(&self, crowd: Arc<dyn Crowd>) {
        self.shared.set_crowd(crowd);
    }

    /// Where simulated users get credentials when the voice server has forgotten theirs; what it
    /// gives out is `None` for somebody who is no longer in voice there. Does not keep the server
    /// alive, and does not block.
    pub fn ticket_office(
        &self,
    ) -> impl Fn(GuildId, UserId) -> Option<VoiceTicket> + Send + Sync + use<> {
        let shared = Arc::downgrade(&self.shared);
        move |guild_id, user_id| shared.upgrade()?.realm().renew_ticket(guild_id, user_id)
    }

    /// Closes every connection and stops.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.shared.tasks.wait())
            .await
            .is_err()
        {
            tracing::debug!("some connections did not say goodbye in time");
        }
        self.voice.stop().await;
    }
}

/// Tokens follow from the seed on loopback, and from the system elsewhere.
fn randomness(loopback: bool, seed: u64) -> Result<Randomness, ServerError> {
    if loopback {
        return Ok(Randomness::Seeded(Rng::new(seed)));
    }
    let system = ring::rand::SystemRandom::new();
    let mut probe = [0; 8];
    ring::rand::SecureRandom::fill(&system, &mut probe).map_err(|_| ServerError::NoRandomness)?;
    Ok(Randomness::System(system))
}

/// An address clients of this machine can use: "any address" is written as loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let router = http::router(Arc::clone(&shared));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: give others time to close.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers must not wait for more: a command's answer is timed by tests.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let (shared, router, tls) = (Arc::clone(&shared), router.clone(), tls.clone());
        let tasks = shared.tasks.clone();
        tasks.spawn(async move {
            let _slot = slot;
            let Some(tls) = tls else {
                return connection(stream, router, &shared.stop).await;
            };
            match tokio::time::timeout(TLS_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => connection(stream, router, &shared.stop).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        });
    }
}

/// One HTTP connection with hyper's limits, which `axum::serve` does not offer.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: axum::Router,
    stop: &CancellationToken,
) {
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP connection ended");
    }
}

/// Lets time pass for what nobody touches: sessions waiting for a resume, moves by bots.
async fn keep_house(shared: Arc<Shared>) {
    let errand_waiting = Arc::clone(&shared.realm().errand_waiting);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = errand_waiting.notified() => {}
            () = tokio::time::sleep(HOUSEKEEPING) => drop(shared.realm()),
        }
        shared.run_errands().await;
    }
}
