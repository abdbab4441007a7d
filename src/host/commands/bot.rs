//! `/bot`: how the bot and its plugins are doing, for those who run the server.

use super::{Question, help::MAX_CHOICES};
use crate::{Order, PluginState, clock, hub::Hub, link::Link, router::STUCK};
use mynah_plugin::Tier;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Numbers of one plugin that are shown.
const MAX_NUMBERS: usize = 8;

pub(super) fn definition() -> Value {
    json!({
        "type": 1, "name": "bot", "description": "How the bot is doing", "contexts": [0],
        "default_member_permissions": (1_u64 << 5).to_string(),
        "options": [
            { "type": 1, "name": "status", "description": "Version, uptime, voice, plugins" },
            { "type": 1, "name": "plugins", "description": "Every plugin, and what ails it" },
            {
                "type": 1, "name": "reload",
                "description": "Reads bot.toml and the plugins' files again; the sound goes on",
                "options": [{
                    "type": 3, "name": "plugin", "autocomplete": true,
                    "description": "Only this one, even if nothing of it has changed",
                }],
            },
        ],
    })
}

pub(super) async fn say(hub: &Hub, links: &[Arc<Link>], question: &Question) -> String {
    let tier = question.tier.unwrap_or(Tier::Member);
    if tier < Tier::Admin {
        return "You may not do this: it takes the permission to manage the server.".to_owned();
    }
    match question.subcommand().map(|(name, _)| name) {
        Some("plugins") => plugins(links),
        Some("reload") if tier < Tier::Owner => "Only the owners of this bot reload it: `owners` \
             in `[discord]` of bot.toml, or who owns its application."
            .to_owned(),
        Some("reload") => reload(hub, links, question).await,
        Some("status") => {
            let voice = match question.guild {
                Some(guild) => hub.runner.voice_status(guild).await,
                None => None,
            };
            let voice = match voice {
                Some(voice) => format!("in <#{}> here", voice.channel_id),
                None => "in no voice channel here".to_owned(),
            };
            let running = links
                .iter()
                .filter(|link| link.status().state == PluginState::Running);
            format!(
                "**Mynah {}**, up {}, {voice}. {} of {} plugins run; `/bot plugins` tells more.",
                env!("CARGO_PKG_VERSION"),
                time(clock::us_since(hub.origin) / 1_000_000),
                running.count(),
                links.len()
            )
        }
        _ => "I do not know that part of `/bot`.".to_owned(),
    }
}

async fn reload(hub: &Hub, links: &[Arc<Link>], question: &Question) -> String {
    let plugin = question.option("plugin").map(str::to_owned);
    if let Some(id) = &plugin
        && !links.iter().any(|link| link.id == *id)
    {
        return format!("No plugin `{id}` runs here; `/bot plugins` shows those that do.");
    }
    let Some(orders) = &hub.orders else {
        return "This bot cannot be reloaded from here.".to_owned();
    };
    let (answer, words) = oneshot::channel();
    match orders.try_send(Order::Reload { plugin, answer }) {
        Ok(()) => words
            .await
            .unwrap_or_else(|_| "The bot is stopping.".to_owned()),
        Err(_) => "It is being reloaded already. Try again in a moment.".to_owned(),
    }
}

/// Plugins whose id contains what is typed.
pub(super) fn offers(links: &[Arc<Link>], question: &Question) -> Vec<Value> {
    let typed = question.option("plugin").unwrap_or_default().to_lowercase();
    let ids = links.iter().map(|link| &link.id);
    ids.filter(|id| id.contains(&typed))
        .take(MAX_CHOICES)
        .map(|id| json!({ "name": id, "value": id }))
        .collect()
}

fn plugins(links: &[Arc<Link>]) -> String {
    let mut text = String::new();
    for link in links {
        let status = link.status();
        let state = match status.state {
            PluginState::Running => "🟢 runs",
            PluginState::Starting => "🟡 starts",
            PluginState::Restarting => "🟠 starts again after a fault",
            PluginState::Disabled => "🔴 is switched off after a fault",
            PluginState::Stopped => "⚪ is stopped",
        };
        let _ = write!(text, "**{}** {state}", link.id);
        if status.restarts > 0 {
            let _ = write!(text, " · started again {} times", status.restarts);
        }
        let lost = link.mailbox.lost_ever();
        if lost > 0 {
            let _ = write!(text, " · too slow for {lost} events");
        }
        if let Some((since, what)) = link.busy() {
            let time = clock::now().duration_since(since);
            if time > STUCK {
                let _ = write!(text, " · stuck in {what} for {} s", time.as_secs());
            }
        }
        if let Some(fault) = &status.last_fault {
            let short: String = fault.chars().take(200).collect();
            let _ = write!(text, "\n> {}", short.replace('\n', " "));
        }
        text.push('\n');
    }
    // After the states, because what is too much for one message is cut there.
    for link in links {
        let metrics = link.meters.all();
        if metrics.is_empty() {
            continue;
        }
        let numbers = metrics.iter().take(MAX_NUMBERS);
        let mut numbers: Vec<String> = numbers
            .map(|(name, metric)| format!("{name} {metric}").replace('`', "'"))
            .collect();
        if metrics.len() > MAX_NUMBERS {
            numbers.push("…".to_owned());
        }
        let _ = writeln!(text, "{} counts `{}`", link.id, numbers.join(" · "));
    }
    match text.is_empty() {
        true => "There are no plugins: `[plugins.…]` of bot.toml names them.".to_owned(),
        false => text.chars().take(2_000).collect(),
    }
}

/// Seconds for people.
fn time(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(time(59), "0 min");
        assert_eq!(time(3_700), "1 h 1 min");
        assert_eq!(time(200_000), "2 d 7 h");
    }
}
