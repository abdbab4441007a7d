//! Commands the host answers itself (product.md section 1): what belongs to the bot and to no
//! plugin.
//!
//! They are registered before all plugins' commands, so no plugin can take one of these names. A
//! definition and its answer stand together, one file a command; [`definitions`] and [`say`] are the
//! two places that name them all.

mod bot;
mod help;
mod voice;

use crate::{Call, hub::Hub, link::Link, tiers::MANAGES};
use mynah_plugin::Tier;
use mynah_wire::{ChannelId, GuildId, UserId};
use serde_json::{Value, json};
use std::sync::Arc;

/// Administrator, Manage Server, or Move Members: who may send the bot about.
const MOVES: u64 = MANAGES | 1 << 24;

/// What a person asked the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    /// The interaction.
    pub(crate) id: u64,
    /// Where; `None` in a private chat.
    pub(crate) guild: Option<GuildId>,
    /// Who; `None` in a private chat.
    pub(crate) user: Option<UserId>,
    /// What they may do there.
    pub(crate) permissions: u64,
    /// Who they are to this bot.
    pub(crate) tier: Option<Tier>,
    /// Command, subcommand and options, as Discord sends them.
    pub(crate) data: Value,
}

/// The definitions, for the registration.
pub(crate) fn definitions() -> Vec<Value> {
    vec![voice::definition(), help::definition(), bot::definition()]
}

/// Answers in a task of its own: nothing here may hold up the router.
pub(crate) fn answer(hub: &Arc<Hub>, links: &Arc<[Arc<Link>]>, question: Question) {
    let (hub, links) = (hub.clone(), links.clone());
    hub.runtime.clone().spawn(async move {
        let words = say(&hub, &links, &question).await;
        // Gone when it took so long that the router has answered.
        let open = hub.interactions().take(question.id);
        if let Some(open) = open {
            hub.answer(&open, &words);
        }
    });
}

async fn say(hub: &Hub, links: &[Arc<Link>], question: &Question) -> String {
    match question.data.get("name").and_then(Value::as_str) {
        Some("voice") => voice::say(hub, question).await,
        Some("help") => help::say(&hub.directory().list, question),
        Some("bot") => bot::say(hub, links, question).await,
        _ => "This bot does not offer that any more.".to_owned(),
    }
}

/// What fits what is being typed.
pub(crate) fn offer(hub: &Arc<Hub>, links: &[Arc<Link>], question: &Question) {
    let choices = match question.data.get("name").and_then(Value::as_str) {
        Some("bot") => bot::offers(links, question),
        _ => help::offers(&hub.directory().list, question),
    };
    let Some(open) = hub.interactions().take(question.id) else {
        return;
    };
    let path = format!("/interactions/{}/{}/callback", open.id, open.token);
    let body = json!({ "type": 8, "data": { "choices": choices } });
    let call = Call::Rest {
        method: "POST".into(),
        path,
        body: Some(body),
        files: Vec::new(),
    };
    hub.begin("choices could not be offered", call);
}

impl Question {
    /// The subcommand and its options; `None` for a command without.
    fn subcommand(&self) -> Option<(&str, &[Value])> {
        // rest.md section 6: option type 1 is a subcommand, and stands alone.
        let first = self.data.get("options")?.get(0)?;
        if first.get("type").and_then(Value::as_u64) != Some(1) {
            return None;
        }
        let options = first.get("options").and_then(Value::as_array);
        let name = first.get("name").and_then(Value::as_str)?;
        Some((name, options.map_or(&[], Vec::as_slice)))
    }

    /// An option of the command itself.
    fn text(&self, option: &str) -> Option<&str> {
        let options = self.data.get("options")?.as_array()?;
        let named = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(option);
        options.iter().find(named)?.get("value")?.as_str()
    }

    /// What an option of the subcommand holds.
    fn option(&self, option: &str) -> Option<&str> {
        let (_, options) = self.subcommand()?;
        let named = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(option);
        options.iter().find(named)?.get("value")?.as_str()
    }

    /// A yes-or-no option of the subcommand.
    fn flag(&self, option: &str) -> Option<bool> {
        let (_, options) = self.subcommand()?;
        let named = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(option);
        options.iter().find(named)?.get("value")?.as_bool()
    }

    /// The person an option of the subcommand names.
    fn person(&self, option: &str) -> Option<UserId> {
        self.option(option)?.parse().ok()
    }

    /// The channel an option of the subcommand names.
    fn channel(&self, option: &str) -> Option<ChannelId> {
        self.option(option)?.parse().ok()
    }

    /// May send the bot about: those who may move people, the DJs, and who is above them.
    fn moves(&self) -> bool {
        self.permissions & MOVES != 0 || self.tier.is_some_and(|tier| tier >= Tier::Dj)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(data: Value) -> Question {
        Question {
            id: 1,
            guild: None,
            user: None,
            permissions: 0,
            tier: None,
            data,
        }
    }

    #[test]
    fn a_subcommand_brings_its_own_options() {
        let asked = question(json!({ "name": "voice", "options": [
            { "name": "status", "type": 1, "options": [
                { "name": "member", "type": 6, "value": "42" },
            ] },
        ] }));
        assert_eq!(asked.subcommand().unwrap().0, "status");
        assert_eq!(asked.person("member"), Some(UserId::new(42)));
        assert_eq!(asked.person("other"), None);
    }

    #[test]
    fn nonsense_has_no_subcommand_and_names_nobody() {
        for data in [
            json!({}),
            json!({ "options": [] }),
            json!({ "options": [{ "name": "status", "type": 6, "value": "1" }] }),
            json!({ "options": [{ "type": 1 }] }),
        ] {
            let asked = question(data);
            assert!(asked.subcommand().is_none(), "{asked:?}");
        }
        let asked = question(
            json!({ "options": [{ "name": "status", "type": 1, "options": [
            { "name": "member", "value": "ann" }, { "name": "text", "value": 4 },
        ] }] }),
        );
        assert_eq!((asked.person("member"), asked.person("text")), (None, None));
    }

    #[test]
    fn every_definition_has_a_name_of_its_own_and_all_but_help_belong_to_servers() {
        let mut names: Vec<String> = Vec::new();
        for definition in definitions() {
            if definition["name"] != "help" {
                assert_eq!(definition["contexts"], json!([0]), "{definition}");
            }
            names.push(definition["name"].as_str().unwrap().to_owned());
        }
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
