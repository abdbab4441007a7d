//! Taking a bot's answer to an interaction (rest.md section 5).

use std::time::Duration;

use mynah_wire::{ApplicationId, InteractionId, MessageId};
use serde_json::Value;

use super::{Draft, Patch, Realm};
use crate::store::{Answer, EPHEMERAL, Interaction, InteractionKind, LOADING, MessageOrigin};

/// A first answer has to come within this time.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The token is good for this long.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// Why a callback is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallbackError {
    /// No such interaction, wrong token, or too late: 404, 10062.
    Unknown,
    /// Answered before: 400, 40060.
    AlreadyAcknowledged,
    /// This type of answer does not fit this interaction.
    WrongType,
}

/// A checked first answer.
#[derive(Clone, Debug)]
pub(crate) enum Callback {
    /// 4
    Message(Box<Draft>),
    /// 5
    Defer {
        /// The answer to come is ephemeral.
        ephemeral: bool,
    },
    /// 6
    DeferUpdate,
    /// 7
    Update(Box<Patch>),
    /// 8
    Choices(Vec<Value>),
    /// 9
    Modal(Value),
}

impl Callback {
    fn number(&self) -> u8 {
        match self {
            Self::Message(_) => 4,
            Self::Defer { .. } => 5,
            Self::DeferUpdate => 6,
            Self::Update(_) => 7,
            Self::Choices(_) => 8,
            Self::Modal(_) => 9,
        }
    }

    fn fits(&self, interaction: &Interaction) -> bool {
        let from_message = interaction.source.is_some();
        match self {
            Self::Message(_) | Self::Defer { .. } => {
                interaction.kind != InteractionKind::Autocomplete
            }
            Self::DeferUpdate | Self::Update(_) => from_message,
            Self::Choices(_) => interaction.kind == InteractionKind::Autocomplete,
            Self::Modal(_) => !matches!(
                interaction.kind,
                InteractionKind::Autocomplete | InteractionKind::Modal
            ),
        }
    }
}

impl Realm {
    /// An interaction that may still get its first answer.
    ///
    /// # Errors
    /// See [`CallbackError`].
    pub(crate) fn answerable(
        &self,
        id: InteractionId,
        token: &str,
    ) -> Result<&Interaction, CallbackError> {
        let interaction = self
            .store
            .interactions
            .get(&id)
            .filter(|interaction| interaction.token.expose() == token)
            .ok_or(CallbackError::Unknown)?;
        if interaction.answer != Answer::Waiting {
            return Err(CallbackError::AlreadyAcknowledged);
        }
        if self.now.saturating_duration_since(interaction.created) > ANSWER_WITHIN {
            return Err(CallbackError::Unknown);
        }
        Ok(interaction)
    }

    /// Takes the first answer.
    ///
    /// # Errors
    /// See [`CallbackError`].
    pub(crate) fn answer(
        &mut self,
        id: InteractionId,
        token: &str,
        callback: Callback,
    ) -> Result<(), CallbackError> {
        let interaction = self.answerable(id, token)?.clone();
        if !callback.fits(&interaction) {
            return Err(CallbackError::WrongType);
        }
        let number = callback.number();
        let (answer, response) = match callback {
            Callback::Message(draft) => (
                Answer::Message,
                Some(self.respond(&interaction, *draft, None)),
            ),
            Callback::Defer { ephemeral } => {
                let draft = Draft {
                    flags: LOADING | if ephemeral { EPHEMERAL } else { 0 },
                    ..Draft::default()
                };
                (
                    Answer::Deferred,
                    Some(self.respond(&interaction, draft, None)),
                )
            }
            Callback::DeferUpdate => (Answer::DeferredUpdate, interaction.source),
            Callback::Update(patch) => {
                if let Some(source) = interaction.source {
                    self.edit(interaction.channel_id, source, *patch);
                }
                (Answer::Message, interaction.source)
            }
            Callback::Choices(choices) => (Answer::Choices(choices), None),
            Callback::Modal(modal) => (Answer::Modal(modal), None),
        };
        if let Some(interaction) = self.store.interactions.get_mut(&id) {
            interaction.answer = answer;
            interaction.response = response;
            interaction.callback = Some(number);
        }
        self.progress.notify_waiters();
        Ok(())
    }

    /// The interaction behind a webhook path; its token must have been used for a callback before.
    pub(crate) fn interaction_by_token(
        &self,
        app: ApplicationId,
        token: &str,
    ) -> Option<&Interaction> {
        self.store.interactions.values().find(|interaction| {
            interaction.bot_id.get() == app.get()
                && interaction.token.expose() == token
                && interaction.answer != Answer::Waiting
        })
    }

    /// A follow-up. Directly after a defer it fills the placeholder (rest.md section 5).
    pub(crate) fn follow_up(&mut self, id: InteractionId, draft: Draft) -> Option<MessageId> {
        let interaction = self.store.interactions.get(&id)?.clone();
        if let (Answer::Deferred, Some(placeholder)) = (&interaction.answer, interaction.response) {
            let patch = Patch {
                content: Some(draft.content),
                embeds: Some(draft.embeds),
                components: Some(draft.components),
                flags: Some((draft.flags & !EPHEMERAL, 0)),
                files: draft.files,
                allowed: draft.allowed,
                keep: None,
            };
            self.edit_response(id, placeholder, patch);
            return Some(placeholder);
        }
        let message = self.respond(&interaction, draft, interaction.response);
        if let Some(interaction) = self.store.interactions.get_mut(&id) {
            interaction.followups.push(message);
        }
        self.progress.notify_waiters();
        Some(message)
    }

    /// Edits the response or a follow-up; a deferred response is complete afterwards.
    pub(crate) fn edit_response(
        &mut self,
        id: InteractionId,
        message: MessageId,
        patch: Patch,
    ) -> bool {
        let Some(interaction) = self.store.interactions.get(&id) else {
            return false;
        };
        let (channel_id, is_response) = (
            interaction.channel_id,
            interaction.response == Some(message),
        );
        let edited = self.edit(channel_id, message, patch);
        if let Some(interaction) = self.store.interactions.get_mut(&id)
            && is_response
            && edited
        {
            interaction.answer = Answer::Message;
        }
        self.progress.notify_waiters();
        edited
    }

    /// Deletes the response or a follow-up.
    pub(crate) fn delete_response(&mut self, id: InteractionId, message: MessageId) -> bool {
        let Some(interaction) = self.store.interactions.get_mut(&id) else {
            return false;
        };
        let channel_id = interaction.channel_id;
        if interaction.response == Some(message) {
            interaction.response = None;
            interaction.answer = Answer::Deleted;
        }
        interaction
            .followups
            .retain(|followup| *followup != message);
        let deleted = self.delete(channel_id, message);
        self.progress.notify_waiters();
        deleted
    }

    fn respond(
        &mut self,
        interaction: &Interaction,
        draft: Draft,
        original_response: Option<MessageId>,
    ) -> MessageId {
        let origin = MessageOrigin::Interaction {
            id: interaction.id,
            kind: interaction.kind.number(),
            name: interaction.command_name.clone(),
            user_id: interaction.user_id,
            application_id: ApplicationId::new(interaction.bot_id.get()),
            original_response,
        };
        self.post(interaction.bot_id, interaction.channel_id, draft, origin)
    }

    /// Tokens end after 15 minutes.
    pub(super) fn forget_old_interactions(&mut self) {
        let now = self.now;
        self.store.interactions.retain(|_, interaction| {
            now.saturating_duration_since(interaction.created) <= TOKEN_LIFE
        });
    }
}
