//! Hearing what is said in a voice channel.

use std::fmt;

use mynah_wire::GuildId;
use tokio::sync::{mpsc, oneshot};

use super::Bot;
use crate::VoiceError;
use crate::ear::{self, Heard, Tap};
use crate::voice::{Stay, VoiceCommand};

/// What to hear. Nothing is decoded unless samples are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Everybody's Opus packets, as they come.
    pub packets: bool,
    /// Everybody's samples, in time and without gaps.
    pub pcm: bool,
    /// Everybody's samples together.
    pub mix: bool,
    /// Packets of what the bot itself plays, each lane by itself.
    pub lanes: bool,
}

/// What is heard in one guild. Dropping it ends the wish.
///
/// It goes on through reconnects and moves, with silence where there is no line. Not when the bot
/// leaves: then it [is over](Self::is_over).
pub struct Listening {
    /// Comes from the session, which may have something else to do first.
    coming: Option<oneshot::Receiver<Tap>>,
    tap: Option<Tap>,
    want: ear::Want,
    /// Of the session, which must not be kept alive by its listeners.
    session: mpsc::WeakSender<VoiceCommand>,
    _stay: Stay,
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening")
            .field("is_over", &self.is_over())
            .finish_non_exhaustive()
    }
}

impl Listening {
    /// The next 20 ms, if they are over. Never blocks. A second's worth is kept, ten seconds' when
    /// only packets are wanted; what is dropped then is counted in [`Heard::lost_before`].
    #[allow(
        clippy::should_implement_trait,
        reason = "`None` is not the end of an iterator"
    )]
    pub fn next(&mut self) -> Option<Heard> {
        if let Some(coming) = &mut self.coming {
            match coming.try_recv() {
                Ok(tap) => {
                    self.tap = Some(tap);
                    self.coming = None;
                }
                Err(oneshot::error::TryRecvError::Empty) => return None,
                Err(oneshot::error::TryRecvError::Closed) => self.coming = None,
            }
        }
        let tap = self.tap.as_mut()?;
        let heard = tap.next();
        if heard.is_none() && tap.is_closed() {
            self.ask_again();
        }
        heard
    }

    /// The ear was another one: a tap of the new one is asked for, once.
    fn ask_again(&mut self) {
        self.tap = None;
        let Some(session) = self.session.upgrade() else {
            return;
        };
        let (tap, coming) = oneshot::channel();
        let want = self.want;
        if session.try_send(VoiceCommand::Listen { want, tap }).is_ok() {
            self.coming = Some(coming);
        }
    }

    /// The bot has left voice there: nothing follows what [`next`](Self::next) still has.
    pub fn is_over(&self) -> bool {
        let session = self.session.upgrade();
        session.is_none_or(|session| session.is_closed())
    }
}

impl Bot {
    /// Hears what is said in the voice channel the bot is in, from now on. While anybody listens, the
    /// bot is not deaf; people see that.
    ///
    /// # Errors
    /// [`VoiceError::NotConnected`] when there is no voice session in that guild, [`VoiceError::Busy`]
    /// when it has too much to do.
    pub fn listen(&self, guild: GuildId, want: Want) -> Result<Listening, VoiceError> {
        let sessions = self.inner.voice();
        let open = sessions.get(&guild);
        let voice = open.filter(|voice| !voice.commands.is_closed());
        let voice = voice.ok_or(VoiceError::NotConnected(guild))?;
        // Counted before the session is asked: it opens its ear for whoever is counted.
        let stay = Stay::new(voice.listens.clone(), want.lanes);
        let (tap, coming) = oneshot::channel();
        let want = ear::Want {
            packets: want.packets,
            pcm: want.pcm,
            mix: want.mix,
            lanes: want.lanes,
        };
        let command = VoiceCommand::Listen { want, tap };
        voice
            .commands
            .try_send(command)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => VoiceError::Busy(guild),
                mpsc::error::TrySendError::Closed(_) => VoiceError::NotConnected(guild),
            })?;
        Ok(Listening {
            coming: Some(coming),
            tap: None,
            want,
            session: voice.commands.downgrade(),
            _stay: stay,
        })
    }
}
