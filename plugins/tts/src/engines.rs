//! What turns words into sound. Engines run on the threads of [`crate::studio`], never on the
//! plugin's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub mod chain;
mod child;
pub mod espeak;
pub mod http;
pub mod pcm;
pub mod piper;
pub mod wav;

/// What is to be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// One sentence, or several on a line each for an engine that [takes
    /// lines](Engine::takes_lines).
    pub text: &'a str,
    /// The engine's name of the voice; `None` for its own.
    pub voice: Option<&'a str>,
    /// Percent of the voice's own speed, 50 to 260.
    pub speed: u16,
    /// Percent of the voice's own pitch, 50 to 200; without meaning where [`Engine::bends`] is
    /// false.
    pub pitch: u16,
}

/// A piece of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound<'a> {
    /// Samples in a second, the same in every piece.
    pub rate_hz: u32,
    /// One channel.
    pub mono: &'a [i16],
}

/// A voice people can choose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VoiceName {
    /// What [`Ask::voice`] takes.
    pub id: String,
    /// What people read.
    pub title: String,
}

/// An engine. Its calls block.
pub trait Engine: Send + Sync {
    /// Its name in settings and commands.
    fn id(&self) -> &'static str;

    /// The voices it has now.
    ///
    /// # Errors
    /// When it is not there, or does not answer, or is stopped.
    fn voices(&self, stop: &Stop) -> Result<Vec<VoiceName>, EngineError>;

    /// Whether it does pitch itself.
    fn bends(&self) -> bool {
        false
    }

    /// Whether it speaks several lines in one go, the first while it makes the next.
    fn takes_lines(&self) -> bool {
        false
    }

    /// Speaks. Sound goes to `out` as it is made, until that answers `false`: then there is enough,
    /// which is no error.
    ///
    /// # Errors
    /// [`EngineError`]; what went to `out` before is good.
    fn speak(
        &self,
        ask: &Ask<'_>,
        stop: &Stop,
        out: &mut dyn FnMut(Sound<'_>) -> bool,
    ) -> Result<(), EngineError>;
}

/// Ends the work of an engine from another thread. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends it within some 20 ms.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Has it been ended?
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why an engine did not speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Its program is not on this machine.
    #[error("`{program}` is not installed")]
    NotInstalled {
        /// As bot.toml names it.
        program: String,
        /// What the operator does about it.
        remedy: &'static str,
    },
    /// It has no such voice.
    #[error("there is no voice `{0}`")]
    NoVoice(String),
    /// It ended without a sound, or with an error.
    #[error("it failed: {0}")]
    Failed(String),
    /// A service refused. What it said is for the operator; people see the status.
    #[error("the service answered {status}")]
    Service {
        /// HTTP status.
        status: u16,
        /// Its words, shortened, without the key.
        said: String,
    },
    /// It took too long.
    #[error("it took longer than {0:?}")]
    TimedOut(Duration),
    /// What it sent is no sound that is understood.
    #[error("its sound cannot be read: {0}")]
    BadSound(&'static str),
    /// It was ended.
    #[error("it was stopped")]
    Stopped,
    /// It is not set up.
    #[error("{0}")]
    NotReady(&'static str),
}

impl EngineError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotInstalled { remedy, .. } => remedy,
            Self::Service { .. } => "look at its address, its key and its own log",
            Self::NoVoice(_) => "choose another with /tts voice",
            Self::Failed(_) | Self::BadSound(_) => {
                "try the engine by hand, and look at its path in bot.toml"
            }
            Self::TimedOut(_) => "use a smaller voice, or another engine",
            Self::Stopped => "nothing: somebody wanted that",
            Self::NotReady(_) => "look at [plugins.tts] in bot.toml",
        }
    }

    /// More, for the operator alone; may be empty.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Service { said, .. } => said,
            _ => "",
        }
    }

    /// Whether the engine is to blame, and others are asked for a while.
    #[must_use]
    pub fn is_the_engines(&self) -> bool {
        !matches!(self, Self::Stopped | Self::NoVoice(_))
    }
}
