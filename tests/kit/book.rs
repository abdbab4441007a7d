//! What a conversation has tried, against what the bot has registered: so that no command and no button
//! is forgotten.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::Control;

/// How a command or button was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Used {
    /// As it is meant.
    Right,
    /// With what it cannot use, or when there is nothing to do.
    Wrong,
    /// By somebody who may not.
    Refused,
    /// From another voice channel, or from none.
    Elsewhere,
    /// By two people at once.
    AtOnce,
    /// After the bot was killed and started again.
    Restarted,
}

impl Used {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Right,
        Self::Wrong,
        Self::Refused,
        Self::Elsewhere,
        Self::AtOnce,
        Self::Restarted,
    ];
}

/// Why something is never used in some ways: commands or buttons, the ways, the reason.
pub type Excuse<'a> = (&'a [&'a str], &'a [Used], &'a str);

/// What was used, and how; and every button that was ever shown.
#[derive(Debug, Default)]
pub struct Book {
    used: Mutex<BTreeSet<(String, Used)>>,
    shown: Mutex<BTreeSet<String>>,
}

impl Book {
    /// Notes a use: a command as it is typed, or a button's custom id.
    pub fn note(&self, what: &str, how: Used) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert((kind(what), how));
    }

    /// Notes the custom ids of everything a person can press there that begin with `prefix`.
    pub fn look(&self, seen: &Value, prefix: &str) {
        match seen {
            Value::Object(fields) => {
                let id = fields.get("custom_id").and_then(Value::as_str);
                let id = id.filter(|_| fields.get("disabled") != Some(&Value::Bool(true)));
                if let Some(id) = id.filter(|id| id.starts_with(prefix)) {
                    let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                    shown.insert(kind(id));
                }
                fields.values().for_each(|value| self.look(value, prefix));
            }
            Value::Array(items) => items.iter().for_each(|item| self.look(item, prefix)),
            _ => {}
        }
    }

    /// What is registered or was shown, and was not used in some way that nothing excuses; and excuses
    /// that excuse nothing.
    pub fn gaps(&self, registered: &[String], excuses: &[Excuse<'_>]) -> Vec<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let all: BTreeSet<&String> = registered.iter().chain(&*shown).collect();
        let excused = |what: &str, how: Used| {
            let mut found = excuses.iter();
            found.any(|(whats, hows, _)| whats.contains(&what) && hows.contains(&how))
        };
        let mut gaps = Vec::new();
        for what in &all {
            for how in Used::ALL {
                if !used.contains(&((*what).clone(), how)) && !excused(what, how) {
                    gaps.push(format!("`{what}` was never used: {how:?}"));
                }
            }
        }
        for (whats, _, why) in excuses {
            let mut unknown = whats.iter().filter(|what| !all.contains(&what.to_string()));
            if let Some(what) = unknown.next() {
                gaps.push(format!("`{what}` is excused and does not exist: {why}"));
            }
        }
        gaps
    }
}

/// A custom id without the numbers in it: one button for each sound is one kind of button.
fn kind(what: &str) -> String {
    what.chars()
        .filter(|letter| !letter.is_ascii_digit())
        .collect()
}

impl Control {
    /// Every command and subcommand the bots have registered, as people type them, without those that
    /// begin with one of the words `but`: the host's own.
    ///
    /// # Panics
    /// The server answered with something else than its lists of commands.
    pub async fn registered(&self, user: &str, but: &[&str]) -> Vec<String> {
        let state = self.get("/state").await;
        let bots = state["bots"].as_array().into_iter().flatten();
        let names = bots.flat_map(|bot| bot["commands"].as_array().cloned().unwrap_or_default());
        let mut open: Vec<String> = names
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .filter(|name| !but.contains(&name.as_str()))
            .collect();
        let mut found = Vec::new();
        while let Some(words) = open.pop() {
            // An unknown subcommand is answered with the known ones.
            let body = json!({
                "user_id": user, "channel_id": self.text_channel(),
                "command": format!("{words} ?"), "options": {},
            });
            let (status, answer) = self.try_post("/commands", body).await;
            assert_eq!(status, 404, "{words}: {answer}");
            let hint = answer["hint"].as_str().unwrap_or_default();
            let below = hint.strip_prefix("known subcommands: ").unwrap_or_default();
            match below.is_empty() {
                true => found.push(words),
                false => open.extend(below.split(", ").map(|word| format!("{words} {word}"))),
            }
        }
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_used_in_some_way_is_a_gap_and_so_is_an_excuse_for_nothing() {
        let book = Book::default();
        let shown = json!([{ "components": [
            { "custom_id": "a:play:12" }, { "custom_id": "b:play" },
            { "custom_id": "a:more", "disabled": true },
        ] }]);
        book.look(&shown, "a:");
        for how in Used::ALL {
            book.note("a:play:7", how);
        }
        book.note("sing", Used::Right);
        let excuses: &[Excuse<'_>] = &[
            (
                &["sing"],
                &[Used::Wrong, Used::AtOnce, Used::Restarted, Used::Elsewhere],
                "a choir",
            ),
            (&["dance"], &[Used::Right], "nobody does"),
        ];
        let gaps = book.gaps(&["sing".to_owned()], excuses);
        assert_eq!(gaps.len(), 2, "{gaps:?}");
        assert!(
            gaps[0].contains("`sing`") && gaps[0].contains("Refused"),
            "{gaps:?}"
        );
        assert!(gaps[1].contains("`dance`"), "{gaps:?}");
    }
}
