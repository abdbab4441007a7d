//! The seam between host and engine: who carries out what plugins ask for.

use crate::{Call, OpError};
use mynah_engine::VoiceStatus;
use mynah_wire::GuildId;
use serde_json::Value;
use std::pin::Pin;

/// What an op comes to.
pub type Outcome = Result<Value, OpError>;
/// A future without a name.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Carries out ops. The bot does ([`mynah_engine::Bot`]); tests have a scripted one.
///
/// The host answers [`Call::List`] and [`Call::Timer`] itself, checks grants and owners first, and
/// gives real paths in [`crate::What::Path`].
pub trait Runner: Send + Sync + 'static {
    /// Where commands are registered.
    fn application_id(&self) -> u64;

    /// Begins one op. Called on any thread inside a tokio runtime; must not block.
    fn run(&self, call: Call) -> BoxFuture<Outcome>;

    /// How the voice session of a guild is doing; `None` if the bot is in none of its channels. For
    /// the host's own `/voice status`, not for plugins.
    fn voice_status(&self, guild: GuildId) -> BoxFuture<Option<VoiceStatus>>;
}
