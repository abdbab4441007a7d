//! What a voice session is started with, and what it can be asked.

use std::sync::Arc;

use mynah_pulse::{PulseHandle, SessionKey};
use mynah_session::voice::{Config, Main};
use mynah_wire::{ChannelId, GuildId, Secret};
use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot, watch};

use crate::crypto::CryptoPool;
use crate::ear::{EarHandle, Tap, Want};
use crate::lanes::Lanes;
use crate::{Event, VoiceError, VoiceStatus};

/// Why a session is to hear what people say; without a reason it is deaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// Music is turned down for people who talk.
    pub talk: bool,
    /// So many listen.
    pub listeners: u32,
    /// So many of them listen to the bot's own lanes, too.
    pub lanes: u32,
}

impl Reasons {
    /// The server need send nothing of what people say.
    pub const fn is_deaf(self) -> bool {
        !self.talk && self.listeners == 0
    }
}

/// What the rest of the engine asks of a voice session.
pub enum VoiceCommand {
    /// The bot's own VOICE_STATE_UPDATE.
    State {
        /// Where the bot is now.
        channel_id: Option<ChannelId>,
        /// Main-gateway session id.
        session_id: String,
    },
    /// VOICE_SERVER_UPDATE.
    Server {
        /// Voice token.
        token: Secret,
        /// `host:port`, or none while the server is lost.
        endpoint: Option<String>,
    },
    /// Be in this channel; answered when sound can flow.
    Join {
        /// Which channel.
        channel_id: ChannelId,
        /// Where the answer goes.
        done: oneshot::Sender<Result<(), VoiceError>>,
    },
    /// The main gateway connection was lost or is back.
    Main(Main),
    /// Somebody listens, and is counted in [`Reasons`] already.
    Listen {
        /// To what.
        want: Want,
        /// Where it is heard.
        tap: oneshot::Sender<Tap>,
    },
    /// Say how things are; no answer when nothing is connected.
    Status {
        /// Where the answer goes.
        done: oneshot::Sender<VoiceStatus>,
    },
    /// Leave; answered when gone.
    Leave {
        /// Where the answer goes.
        done: oneshot::Sender<()>,
    },
}

/// Forgets a session; what there is to tell about that.
pub type OnEnd = Box<dyn FnOnce() -> Vec<Event> + Send + Sync>;

/// What a voice shell needs from the engine.
pub struct VoiceSetup {
    /// In which guild.
    pub guild_id: GuildId,
    /// The machine's settings, with the first channel.
    pub config: Config,
    /// TLS for the voice websocket.
    pub tls: Arc<ClientConfig>,
    /// To op 4 of the right shard.
    pub main: mpsc::Sender<mynah_session::gateway::Command>,
    /// Why the bot hears; otherwise it is deaf.
    pub listens: watch::Receiver<Reasons>,
    /// The threads that hear.
    pub ears: EarHandle,
    /// The thread that encodes the bot's own lanes for those who listen to them.
    pub lanes: Arc<Lanes>,
    /// The tick threads.
    pub pulse: PulseHandle,
    /// The mix of this guild.
    pub key: SessionKey,
    /// Where MLS steps are computed.
    pub crypto: Arc<CryptoPool>,
    /// Where events go.
    pub events: mpsc::Sender<Event>,
    /// Seed for first sequence, timestamp and nonce.
    pub seed: u64,
    /// Called when the session is over; its events go out before the Ended event.
    pub on_end: OnEnd,
}
