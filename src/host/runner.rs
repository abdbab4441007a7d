//! The seam between host and engine: who carries out what plugins ask for.

use crate::{Call, OpError};
use mynah_engine::{Live, PlayOptions, VoiceStatus, Want, ear::Heard};
use mynah_wire::GuildId;
use serde_json::Value;
use std::pin::Pin;

/// What an op comes to.
pub type Outcome = Result<Value, OpError>;
/// A future without a name.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is heard in one guild, one [`Heard`] every 20 ms. Dropping it ends the wish.
pub trait Listens: Send + 'static {
    /// The next 20 ms, if they are over. Never blocks; what nobody takes is dropped, and counted in
    /// [`Heard::lost_before`].
    fn next(&mut self) -> Option<Heard>;

    /// The bot has left voice there: nothing follows what [`Listens::next`] still has.
    fn is_over(&self) -> bool;
}

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

    /// Hears what is said in the voice channel the bot is in. Called on plugins' control threads; must
    /// not block.
    ///
    /// # Errors
    /// [`OpError::Closed`] when it is in none.
    fn listen(&self, guild: GuildId, want: Want) -> Result<Box<dyn Listens>, OpError>;

    /// Plays sound that a plugin makes; its track. Called on plugins' control threads, inside a tokio
    /// runtime; must not block.
    ///
    /// # Errors
    /// [`OpError::Closed`] when the bot is in no voice channel there.
    fn play_live(&self, guild: GuildId, live: Live, how: PlayOptions) -> Result<u64, OpError>;
}
