//! The card in a text channel: posted by `/nowplaying`, kept true, and as good after a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use mynah_plugin::{ChannelId, Cx, GuildId, MessageId, Reply};
use serde_json::{Value, json};

use super::{LineKind, Music, now};
use crate::calls::Repeat;
use crate::card::Card;

/// The bar moves this often; whatever else changes is shown at once.
const BAR_EVERY: Duration = Duration::from_secs(15);

/// A card that people can see.
pub(super) struct Shown {
    pub(super) channel: ChannelId,
    pub(super) message: MessageId,
    /// What it shows, as far as that is known.
    card: Option<Card>,
    at: Duration,
    /// A change is on its way.
    editing: bool,
}

impl Shown {
    pub(super) fn new(channel: ChannelId, message: MessageId, card: Option<Card>) -> Self {
        Self {
            channel,
            message,
            card,
            at: Duration::ZERO,
            editing: false,
        }
    }
}

/// A card as a message.
pub(super) fn reply(card: &Card) -> Reply {
    let text = Reply::text(card.text.as_str());
    if !card.plays && !card.waits {
        return text.components(Vec::new());
    }
    let button = |action: &str, emoji: &str, label: &str, enabled: bool| {
        json!({ "type": 2, "style": 2, "custom_id": format!("music:{action}"),
                "emoji": { "name": emoji }, "label": label, "disabled": !enabled })
    };
    let (toggle, word) = match card.plays && !card.paused {
        true => ("⏸️", "Pause"),
        false => ("▶️", "Play"),
    };
    let repeat = match card.repeat {
        Repeat::Off => "Loop: off",
        Repeat::Track => "Loop: track",
        Repeat::Queue => "Loop: queue",
    };
    let row = |buttons: Vec<Value>| json!({ "type": 1, "components": buttons });
    text.components(vec![
        row(vec![
            button("previous", "⏮️", "Back", true),
            button("toggle", toggle, word, true),
            button("skip", "⏭️", "Skip", card.plays),
            button("stop", "⏹️", "Stop", card.plays),
            button("queue", "📜", "Queue", true),
        ]),
        row(vec![
            button("quieter", "🔉", "Quieter", true),
            button("louder", "🔊", "Louder", true),
            button("repeat", "🔁", repeat, true),
            button("shuffle", "🔀", "Shuffle", card.waits),
        ]),
    ])
}

impl Music {
    /// From now on this message is the server's card.
    pub(super) fn shows(&mut self, cx: &Cx<'_, Self>, guild: GuildId, mut shown: Shown) {
        shown.at = now(cx);
        self.cards.insert(guild, shown);
    }

    /// Makes every card true that is not.
    pub(super) fn refresh_cards(&mut self, cx: &mut Cx<'_, Self>) {
        let now = now(cx);
        // The answer to a button is the card itself.
        let lines = self.open.values();
        let pressed: BTreeSet<GuildId> = lines
            .filter(|line| line.kind == LineKind::Button)
            .filter_map(|line| line.asked.guild_id())
            .collect();
        for (guild, shown) in &mut self.cards {
            if shown.editing || pressed.contains(guild) {
                continue;
            }
            let guild = *guild;
            let card = self.core.card(guild, now);
            let changed = match &shown.card {
                None => true,
                Some(before) => {
                    let same = Card {
                        text: card.text.clone(),
                        ..before.clone()
                    };
                    let moved = before.text != card.text && now >= shown.at + BAR_EVERY;
                    same != card || (moved && !card.paused)
                }
            };
            if !changed {
                continue;
            }
            (shown.editing, shown.at) = (true, now);
            let path = format!("/channels/{}/messages/{}", shown.channel, shown.message);
            let edit = cx.host().rest("PATCH", &path, reply(&card).to_json());
            shown.card = Some(card);
            cx.spawn(edit, move |music: &mut Self, cx, done| {
                match (done, music.cards.get_mut(&guild)) {
                    (Ok(_), Some(shown)) => {
                        shown.editing = false;
                        music.refresh_cards(cx);
                    }
                    // Deleted, or no longer ours to change: `/nowplaying` posts another one.
                    (Err(_), _) => drop(music.cards.remove(&guild)),
                    (Ok(_), None) => {}
                }
            });
        }
    }
}
