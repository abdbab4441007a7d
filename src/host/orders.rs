//! What an owner of the bot orders by a command and the program carries out: it has the settings.

use tokio::sync::oneshot;

/// Orders that wait at most; more are refused in words.
pub const MAX_ORDERS: usize = 4;

/// One order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Order {
    /// Reads the settings again and gives them to the plugins they are for.
    Reload {
        /// Only this one, even if nothing of it has changed.
        plugin: Option<String>,
        /// What came of it, in words for the person.
        answer: oneshot::Sender<String>,
    },
}
