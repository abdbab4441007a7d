//! Waiting for a bot's answer to an interaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_wire::InteractionId;
use serde_json::{Value, json};

use super::Problem;
use crate::clock;
use crate::realm::{ANSWER_WITHIN, Realm};
use crate::server::Shared;
use crate::store::{Answer, Interaction};

/// Waiting ends here unless the caller says otherwise: the time a bot may need to load a song.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest timeout a caller may ask for.
pub(super) const MAX_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// After a bare acknowledgement (type 6) an edit may follow. A bot that sends none is done.
const SETTLE: Duration = Duration::from_secs(1);

/// The caller's timeout within bounds.
pub(super) fn timeout(timeout_ms: Option<u64>) -> Duration {
    timeout_ms
        .map_or(DEFAULT_TIMEOUT, Duration::from_millis)
        .min(MAX_TIMEOUT)
}

/// Waits until the interaction has its answer; a deferred one counts when it is filled in.
pub(super) async fn wait(
    shared: &Arc<Shared>,
    id: InteractionId,
    timeout: Duration,
) -> Result<Value, Problem> {
    let started = clock::now();
    let progress = Arc::clone(&shared.realm().progress);
    let mut settled = None;
    loop {
        // Registered before looking, so that an answer in between is not missed.
        let notified = progress.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let deadline = {
            let realm = shared.realm();
            let now = clock::now();
            let Some(interaction) = realm.store.interactions.get(&id) else {
                return Err(Problem::new(
                    504,
                    "the interaction has expired",
                    "ask for less time",
                ));
            };
            match &interaction.answer {
                Answer::Waiting if now >= started + ANSWER_WITHIN => return Err(silent(started)),
                Answer::Waiting => started + timeout.min(ANSWER_WITHIN),
                Answer::Deferred => started + timeout,
                Answer::DeferredUpdate => {
                    let until = *settled.get_or_insert(now + SETTLE);
                    if now >= until || !interaction.followups.is_empty() {
                        return Ok(report(&realm, interaction, started));
                    }
                    until.min(started + timeout)
                }
                _ => return Ok(report(&realm, interaction, started)),
            }
        };
        tokio::select! {
            () = &mut notified => {}
            () = tokio::time::sleep_until(deadline.into()) => {
                if clock::now() >= started + timeout {
                    return late(shared, id, started, timeout);
                }
            }
        }
    }
}

fn silent(started: Instant) -> Problem {
    let took_ms = clock::millis(clock::now() - started);
    Problem::new(
        504,
        "the bot did not answer within 3 s",
        "Discord would say \"The application did not respond\": see the bot's log",
    )
    .with("took_ms", json!(took_ms))
}

/// The timeout is over. Whatever came meanwhile counts.
fn late(
    shared: &Arc<Shared>,
    id: InteractionId,
    started: Instant,
    timeout: Duration,
) -> Result<Value, Problem> {
    let realm = shared.realm();
    match realm.store.interactions.get(&id) {
        Some(interaction) if !matches!(interaction.answer, Answer::Waiting | Answer::Deferred) => {
            Ok(report(&realm, interaction, started))
        }
        Some(interaction) if interaction.answer == Answer::Deferred => {
            let error = format!("the bot is still thinking after {} ms", timeout.as_millis());
            Err(Problem::new(504, error, "give a longer timeout_ms"))
        }
        _ => Err(silent(started)),
    }
}

/// `{response, ephemeral, messages, took_ms}`, for autocomplete `{choices, took_ms}`.
fn report(realm: &Realm, interaction: &Interaction, started: Instant) -> Value {
    let took_ms = clock::millis(clock::now() - started);
    if let Answer::Choices(choices) = &interaction.answer {
        return json!({"choices": choices, "took_ms": took_ms});
    }
    let show = |id| {
        let message = realm.store.message(interaction.channel_id, id)?;
        Some(realm.store.message_json(message, Some(interaction.user_id)))
    };
    let response = match &interaction.answer {
        Answer::Modal(modal) => Some(modal.clone()),
        _ => interaction.response.and_then(show),
    };
    let ephemeral = interaction
        .response
        .and_then(|id| realm.store.message(interaction.channel_id, id))
        .is_some_and(crate::store::Message::is_ephemeral);
    let messages: Vec<Value> = interaction
        .response
        .iter()
        .chain(&interaction.followups)
        .filter_map(|id| show(*id))
        .collect();
    json!({"response": response, "response_type": interaction.callback, "ephemeral": ephemeral,
        "messages": messages, "interaction_id": interaction.id, "took_ms": took_ms})
}
