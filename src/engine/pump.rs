//! Tick events to tracks and host.

use std::sync::Weak;
use std::time::Duration;

use mynah_pulse::{EventKind, EventReader};

use crate::bot::Inner;
use crate::{Audience, TrackEvent, TrackId, clock};

/// The tick wakes nobody; its events are looked at this often (architecture.md B6).
const PUMP_EVERY: Duration = Duration::from_millis(5);

/// Turns tick events into track events until the bot is gone.
pub async fn tick_events(inner: Weak<Inner>, mut tick: EventReader) {
    let mut every = tokio::time::interval(PUMP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tracing::trace!(started = ?clock::now(), "tick event pump");
    loop {
        every.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        turn(&inner).await;
        while let Some(event) = tick.poll() {
            if event.kind.is_last() {
                // What ended may have been the last of several sounds without gaps.
                turn(&inner).await;
            }
            if event.kind == EventKind::Closed {
                for gone in inner.forget_broadcast(event.session) {
                    let _ = inner.events.send(gone).await;
                }
            }
            note(&inner, event.kind).await;
        }
    }
}

/// Tells of sounds that followed another without a gap.
async fn turn(inner: &Inner) {
    loop {
        let turns = inner.tracks.turns();
        if turns.is_empty() {
            return;
        }
        for (audience, ended, began) in turns {
            let failure = inner.tracks.with(ended, |track| track.failure(ended));
            inner.tracks.remove(ended);
            tell(inner, audience, ended, ending(failure.flatten())).await;
            tell(inner, audience, began, TrackEvent::Started).await;
        }
    }
}

async fn note(inner: &Inner, event: EventKind) {
    let Some(voice) = event.track() else {
        return;
    };
    let kind = match event {
        EventKind::Started(_) => TrackEvent::Started,
        EventKind::Ended { .. } => TrackEvent::Ended,
        EventKind::Stopped { .. } => TrackEvent::Stopped,
        EventKind::Stalled(_) => TrackEvent::Stalled,
        EventKind::Recovered(_) => TrackEvent::Recovered,
        EventKind::Broken { .. } => TrackEvent::Failed("the decoder gave up".to_owned()),
        EventKind::Refused(_) => TrackEvent::Failed("the voice session is ending".to_owned()),
        _ => return,
    };
    let Some((audience, deck)) = inner.tracks.of_voice(voice) else {
        return;
    };
    let current = deck.progress().current();
    if !event.is_last() {
        return tell(inner, audience, current, kind).await;
    }
    for (id, track) in inner.tracks.remove_voice(voice) {
        let kind = match &kind {
            TrackEvent::Ended if id == current => ending(track.failure(id)),
            kind if id == current => kind.clone(),
            // It was to come next and never began.
            _ => TrackEvent::Stopped,
        };
        tell(inner, audience, id, kind).await;
    }
}

fn ending(failure: Option<String>) -> TrackEvent {
    failure.map_or(TrackEvent::Ended, TrackEvent::Failed)
}

async fn tell(inner: &Inner, audience: Audience, track: TrackId, kind: TrackEvent) {
    let _ = inner.events.send(audience.event(track, kind)).await;
}
