//! The traits an author implements.

use crate::{About, Cx, Diagnostic, Error, Event, Result, abi};
use serde::{Serialize, de::DeserializeOwned};

/// A plugin: one struct, `&mut self`, no locks. Every method runs on the plugin's own control
/// thread, one after the other `[control]`. A panic in any of them ends this instance only; the
/// host starts a new one from the last [`Plugin::save`].
pub trait Plugin: Sized + Send + 'static {
    /// Who it is and what it needs.
    const ABOUT: About;

    /// The plugin's table of `bot.toml`. Unknown keys, wrong types and missing keys are reported
    /// before anything starts, all at once, with the nearest known key as a suggestion: derive
    /// `Deserialize` and write doc comments, nothing else. Use `#[serde(default)]` for options.
    type Config: DeserializeOwned;

    /// Checks what types can not: ranges, files that must exist. `[load]`, pure.
    fn check(config: &Self::Config) -> Vec<Diagnostic> {
        let _ = config;
        Vec::new()
    }

    /// Begins. Register commands here.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the words reach the operator's log.
    fn start(cx: &mut Cx<'_, Self>, config: Self::Config, saved: Option<Saved>) -> Result<Self>;

    /// Something happened.
    ///
    /// # Errors
    /// Logged by the host; the plugin goes on.
    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        let _ = (cx, event);
        Ok(())
    }

    /// Takes new settings while it runs, after `check` found nothing: the operator has changed bot.toml
    /// and said so. Sources, sinks and tasks go on. Without this the host starts the plugin anew with
    /// them, from its saved state.
    ///
    /// # Errors
    /// [`Error::Unsupported`]: start me anew for these. Anything else: nothing has changed, which the
    /// operator is told.
    fn reconfigure(&mut self, cx: &mut Cx<'_, Self>, config: Self::Config) -> Result<()> {
        let _ = (cx, config);
        Err(Error::Unsupported("new settings while it runs".into()))
    }

    /// What to start from next time. Called now and then, and before a stop; must change nothing.
    ///
    /// # Errors
    /// Logged by the host, which then keeps the state saved before.
    fn save(&mut self) -> Result<Saved> {
        Ok(Saved::empty())
    }

    /// The last chance to do something in memory; every [`crate::Sink`] and
    /// [`crate::Source`] was dropped before. Tasks spawned here, and those still waiting, are cancelled
    /// right after.
    fn stop(self, cx: &mut Cx<'_, Self>, why: Why) {
        let _ = (cx, why);
    }
}

/// State handed from one instance of a plugin to the next.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Saved(Vec<u8>);

impl Saved {
    /// Nothing to remember.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Anything serde can write, as JSON.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it can not be written as JSON.
    pub fn json(state: &impl Serialize) -> Result<Self> {
        Ok(Self(serde_json::to_vec(state)?))
    }

    /// Bytes in a form of the plugin's own.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Reads what [`Saved::json`] wrote.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it was written by a version with another form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.0)?)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a plugin is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The bot is shutting down.
    Shutdown,
    /// A newer copy of the plugin takes over.
    Reload,
    /// The operator switched it off.
    Disabled,
}

impl Why {
    pub(crate) fn from_abi(why: u32) -> Self {
        match why {
            abi::WHY_RELOAD => Self::Reload,
            abi::WHY_DISABLED => Self::Disabled,
            _ => Self::Shutdown,
        }
    }
}

impl Error {
    /// Logs what would otherwise be dropped: for `then` closures that only care about success.
    pub fn log<P: Plugin>(&self, cx: &Cx<'_, P>, while_doing: &str) {
        cx.warn(&format!("{while_doing}: {self}"));
    }
}
