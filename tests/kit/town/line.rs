//! The bot's gateway client: identifies, beats, resumes, and tells the host what happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mynah_engine::Event;
use mynah_server::indoors::{Indoors, Line};
use mynah_wire::GuildId;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

/// How often it says that it is there; the server asks for 41 s.
const BEAT: Duration = Duration::from_secs(30);
/// Before it connects again. An Identify is good once in five seconds.
const AGAIN: Duration = Duration::from_millis(5_100);

/// Payloads that the bot wants to send.
#[derive(Clone, Default)]
pub(super) struct Orders(Arc<Desk>);

#[derive(Default)]
struct Desk {
    waiting: Mutex<Vec<Value>>,
    came: Notify,
}

impl Orders {
    /// Sends a payload soon.
    pub(super) fn send(&self, payload: Value) {
        let waiting = &self.0.waiting;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(payload);
        drop(waiting);
        self.0.came.notify_one();
    }

    fn take(&self) -> Vec<Value> {
        let waiting = &self.0.waiting;
        std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Session and the number of the last dispatch.
#[derive(Default)]
struct Place {
    session: Option<String>,
    seq: u64,
}

/// Until the task is dropped.
pub(super) async fn run(
    server: &Indoors,
    intents: u64,
    orders: Orders,
    events: mpsc::Sender<Event>,
) {
    let mut place = Place::default();
    loop {
        let mut line = server.connect();
        line.send(&match &place.session {
            Some(session) => server.resume(session, place.seq),
            None => server.identify(intents),
        });
        talk(&mut line, &mut place, &orders, &events).await;
        drop(line);
        tokio::time::sleep(AGAIN).await;
    }
}

/// One connection, until it is over.
async fn talk(line: &mut Line, place: &mut Place, orders: &Orders, events: &mpsc::Sender<Event>) {
    let mut beat = tokio::time::interval(BEAT);
    loop {
        let payload = tokio::select! {
            payload = line.next() => payload,
            () = orders.0.came.notified() => {
                for order in orders.take() {
                    line.send(&order);
                }
                continue;
            }
            _ = beat.tick() => {
                if place.session.is_some() {
                    line.send(&json!({"op": 1, "d": place.seq}));
                }
                continue;
            }
        };
        let Ok(payload) = payload else { return };
        match payload.get("op").and_then(Value::as_u64) {
            Some(0) => dispatch(&payload, place, events).await,
            Some(7) => return,
            Some(9) => {
                if payload.get("d") != Some(&json!(true)) {
                    *place = Place::default();
                }
                return;
            }
            _ => {}
        }
    }
}

async fn dispatch(payload: &Value, place: &mut Place, events: &mpsc::Sender<Event>) {
    let text = |value: &Value, key| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let (Some(name), Some(data)) = (text(payload, "t"), payload.get("d")) else {
        return;
    };
    place.seq = payload
        .get("s")
        .and_then(Value::as_u64)
        .unwrap_or(place.seq);
    if name == "READY" {
        place.session = text(data, "session_id");
    }
    let guild = text(data, "guild_id").and_then(|id| id.parse().ok());
    let event = Event::Dispatch {
        name,
        guild_id: guild.map(GuildId::new),
        data: data.to_string().into(),
    };
    // The host is gone: so is whoever wanted to know.
    let _ = events.send(event).await;
}
