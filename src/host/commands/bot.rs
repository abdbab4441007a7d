//! `/bot`: how the bot and its plugins are doing, for those who run the server.

use super::{MANAGES, Question};
use crate::{PluginState, clock, hub::Hub, link::Link, router::STUCK};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) fn definition() -> Value {
    json!({
        "type": 1, "name": "bot", "description": "How the bot is doing", "contexts": [0],
        "default_member_permissions": (1_u64 << 5).to_string(),
        "options": [
            { "type": 1, "name": "status", "description": "Version, uptime, voice, plugins" },
            { "type": 1, "name": "plugins", "description": "Every plugin, and what ails it" },
        ],
    })
}

pub(super) async fn say(hub: &Hub, links: &[Arc<Link>], question: &Question) -> String {
    if question.permissions & MANAGES == 0 {
        return "You may not do this: it takes the permission to manage the server.".to_owned();
    }
    match question.subcommand().map(|(name, _)| name) {
        Some("plugins") => plugins(links),
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
