//! The card: what plays, with buttons, in one message that is kept up to date.

use crate::calls::Repeat;

/// What a card shows. Two that are equal but for `text` differ only by the time that passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// What is to be read, place in the track included.
    pub text: String,
    /// What is to be read without the place: when this changes the card has to.
    pub gist: String,
    /// The end of the text: votes, and what comes next.
    pub tail: String,
    /// Something has the room's voice.
    pub plays: bool,
    /// It is held.
    pub paused: bool,
    /// Something waits.
    pub waits: bool,
    /// What is played again.
    pub repeat: Repeat,
}
