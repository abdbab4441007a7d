//! `[voice.mix]`: who steps back for whom.

use std::time::Duration;

use super::document::{Node, Value};
use super::parse::{self, Parsed, Problem};
use super::reader::Reader;
use super::suggest::nearest;
use super::typed::{HumanTalk, Mix};

/// What is this far down is not heard.
const DEEPEST_DB: f64 = -60.0;
/// As the mixer: a faster way clicks, a slower one is none.
const FASTEST: Duration = Duration::from_millis(5);
const SLOWEST: Duration = Duration::from_secs(60);

/// Reads the table.
pub(super) fn mix(reader: &mut Reader<'_>) -> Option<Mix> {
    let speech = reader.read("voice.mix", "duck_speech_db", depth);
    let fx = reader.read("voice.mix", "duck_fx_db", depth);
    let human = reader.read("voice.mix", "duck_on_human_talk", human);
    Some(Mix {
        duck_speech_db: speech?,
        duck_fx_db: fx?,
        human: human?,
    })
}

fn depth(node: &Node) -> Parsed<f32> {
    parse::number(node, DEEPEST_DB, 0.0).map(|db| db as f32)
}

/// What is left out is as shipped.
fn human(node: &Node) -> Result<HumanTalk, Vec<Problem>> {
    let Value::Table(entries) = &node.value else {
        let help =
            "write it as { enabled = true, db = -9.0, attack = \"80ms\", release = \"400ms\" }";
        let message = format!("expected a table, found {}", node.value.kind());
        return Err(vec![Problem::at(node, message, help)]);
    };
    let mut talk = HumanTalk {
        enabled: false,
        db: -9.0,
        attack: Duration::from_millis(80),
        release: Duration::from_millis(400),
    };
    let mut problems = Vec::new();
    for entry in entries {
        let node = &entry.node;
        let time = || parse::duration(node, FASTEST, SLOWEST);
        let outcome = match entry.name.as_str() {
            "enabled" => parse::flag(node).map(|enabled| talk.enabled = enabled),
            "db" => depth(node).map(|db| talk.db = db),
            "attack" => time().map(|attack| talk.attack = attack),
            "release" => time().map(|release| talk.release = release),
            other => {
                let known = ["enabled", "db", "attack", "release"];
                Err(Problem {
                    message: format!("unknown key `{other}`"),
                    help: match nearest(other, known) {
                        Some(name) => format!("did you mean `{name}`?"),
                        None => format!("known here: {}", known.join(", ")),
                    },
                    place: entry.place.clone(),
                })
            }
        };
        problems.extend(outcome.err());
    }
    if problems.is_empty() {
        Ok(talk)
    } else {
        Err(problems)
    }
}
