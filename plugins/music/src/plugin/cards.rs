//! The card in a text channel: posted by `/nowplaying`, kept true, and as good after a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use mynah_plugin::{ChannelId, Cx, GuildId, Interaction, MessageId, Reply};
use serde_json::{Value, json};

use super::{Line, LineKind, LineState, Music, Words, now};
use crate::calls::Repeat;
use crate::card::Card;
use crate::ids::Reply as AnswerTo;

/// The bar moves this often; whatever else changes is shown at once.
const BAR_EVERY: Duration = Duration::from_secs(15);
/// Not more often than this: only a handful of messages of a channel may be changed in five seconds
/// (rest.md section 2), and what waits for its turn there is old when it gets it.
const EDIT_EVERY: Duration = Duration::from_millis(1_250);

/// A card that people can see.
pub(super) struct Shown {
    pub(super) channel: ChannelId,
    pub(super) message: MessageId,
    /// What it shows, as far as that is known.
    card: Option<Card>,
    at: Duration,
    /// A change is on its way. There is only one at a time: of two, nobody knows which comes last.
    editing: bool,
    /// When a change was sent last that nobody had pressed a button for.
    sent: Option<Duration>,
    /// Another one is due, and only waits for its time.
    is_due: bool,
}

impl Shown {
    pub(super) fn new(channel: ChannelId, message: MessageId, card: Option<Card>) -> Self {
        Self {
            channel,
            message,
            card,
            at: Duration::ZERO,
            editing: false,
            sent: None,
            is_due: false,
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
    // A button says what it leads to, not what it turns over: of two people who press it at the same moment
    // neither undoes what the other one wanted.
    let (toggle, hand, word) = match card.plays && !card.paused {
        true => ("pause", "⏸️", "Pause"),
        false => ("resume", "▶️", "Play"),
    };
    let repeat = match card.repeat {
        Repeat::Off => "Loop: off",
        Repeat::Track => "Loop: track",
        Repeat::Queue => "Loop: queue",
    };
    let next_repeat = match card.repeat.next() {
        Repeat::Off => "repeat_off",
        Repeat::Track => "repeat_track",
        Repeat::Queue => "repeat_queue",
    };
    let row = |buttons: Vec<Value>| json!({ "type": 1, "components": buttons });
    text.components(vec![
        row(vec![
            button("previous", "⏮️", "Back", true),
            button(toggle, hand, word, true),
            button("skip", "⏭️", "Skip", card.plays),
            button("stop", "⏹️", "Stop", card.plays),
            button("queue", "📜", "Queue", true),
        ]),
        row(vec![
            button("quieter", "🔉", "Quieter", true),
            button("louder", "🔊", "Louder", true),
            button(next_repeat, "🔁", repeat, true),
            button("shuffle", "🔀", "Shuffle", card.waits),
        ]),
    ])
}

impl Music {
    /// From now on this message is the server's card.
    fn shows(&mut self, cx: &Cx<'_, Self>, guild: GuildId, mut shown: Shown) {
        shown.at = now(cx);
        if let Some(before) = self.cards.get(&guild) {
            (shown.sent, shown.is_due) = (before.sent, before.is_due);
        }
        self.cards.insert(guild, shown);
    }

    /// Whether the message that somebody pressed a button of is a card with a change on its way.
    pub(super) fn is_changing(&self, asked: &Interaction) -> bool {
        let shown = asked.guild_id().and_then(|guild| self.cards.get(&guild));
        shown.is_some_and(|shown| shown.editing && Some(shown.message) == asked.message_id())
    }

    /// The answer changes the card as soon as it can; until then Discord is told that it comes.
    pub(super) fn hold(
        &mut self,
        cx: &mut Cx<'_, Self>,
        reply: AnswerTo,
        line: Line,
        words: Words,
    ) {
        let is_fresh = matches!(line.state, LineState::Fresh);
        self.open.insert(reply, line);
        if !is_fresh {
            return self.held.push((reply, words));
        }
        self.defer(cx, reply);
        if let Some(line) = self.open.get_mut(&reply) {
            line.state = LineState::Deferring(Some(words));
        }
    }

    /// A change of this message is through: who waited for that has their turn.
    fn edited(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId, message: MessageId) {
        let shown = self.cards.get_mut(&guild);
        if let Some(shown) = shown.filter(|shown| shown.message == message) {
            shown.editing = false;
        }
        for (reply, words) in std::mem::take(&mut self.held) {
            self.answer(cx, reply, words);
        }
        self.refresh_cards(cx);
    }

    /// A button did what it says: the message it sits on becomes the card as it is now.
    pub(super) fn press_answered(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        state: &LineState,
    ) {
        let Some(guild) = asked.guild_id() else {
            return;
        };
        let card = self.core.card(guild, now(cx));
        let reply = reply(&card);
        let (update, edit) = match state {
            LineState::Fresh => (Some(asked.update(reply)), None),
            _ => (None, Some(asked.edit(reply))),
        };
        let place = asked.channel_id().zip(asked.message_id());
        if let Some((channel, message)) = place {
            let mut shown = Shown::new(channel, message, Some(card));
            shown.editing = true;
            self.shows(cx, guild, shown);
        }
        let changed = async move {
            match (update, edit) {
                (Some(update), _) => update.await,
                (_, Some(edit)) => edit.await.map(drop),
                (None, None) => Ok(()),
            }
        };
        cx.spawn(changed, move |music: &mut Self, cx, changed| {
            if let Err(error) = changed {
                error.log(cx, "a card");
                if let Some(shown) = music.cards.get_mut(&guild) {
                    shown.card = None; // it shows what it showed before, whatever that was
                }
            }
            if let Some((_, message)) = place {
                music.edited(cx, guild, message);
            }
        });
    }

    /// `/nowplaying`: a card, which is kept up to date from now on.
    pub(super) fn show_card(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, text: String) {
        let (Some(guild), Some(channel)) = (asked.guild_id(), asked.channel_id()) else {
            return;
        };
        // The engine was asked for the place; what comes next is known here.
        let mut card = self.core.card(guild, now(cx));
        card.text = text + &card.tail;
        let replied = asked.reply(reply(&card));
        let posted = async move {
            replied.await?;
            asked.original().await
        };
        cx.spawn(posted, move |music: &mut Self, cx, posted| match posted {
            Ok(message) => {
                music.shows(cx, guild, Shown::new(channel, message.id, Some(card)));
                music.refresh_cards(cx); // something may have happened meanwhile
            }
            Err(error) => error.log(cx, "showing a card"),
        });
    }

    /// Makes every card true that is not.
    pub(super) fn refresh_cards(&mut self, cx: &mut Cx<'_, Self>) {
        let now = now(cx);
        // The answer to a button is the card itself.
        let lines = self.open.values();
        let mut busy: BTreeSet<GuildId> = lines
            .filter(|line| line.kind == LineKind::Button)
            .filter_map(|line| line.asked.guild_id())
            .collect();
        // What plays there after a restart is not yet known.
        busy.extend(self.core.comebacks().into_iter().map(|(guild, _)| guild));
        for (guild, shown) in &mut self.cards {
            if shown.editing || busy.contains(guild) {
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
            if !changed || shown.is_due {
                continue;
            }
            let turn = shown.sent.map_or(now, |sent| sent + EDIT_EVERY);
            if now < turn {
                shown.is_due = true;
                let sleep = cx.host().sleep(turn - now);
                cx.spawn(sleep, move |music: &mut Self, cx, _| {
                    if let Some(shown) = music.cards.get_mut(&guild) {
                        shown.is_due = false;
                    }
                    music.refresh_cards(cx);
                });
                continue;
            }
            shown.sent = Some(now);
            (shown.editing, shown.at) = (true, now);
            let message = shown.message;
            let path = format!("/channels/{}/messages/{}", shown.channel, shown.message);
            let edit = cx.host().rest("PATCH", &path, reply(&card).to_json());
            shown.card = Some(card);
            cx.spawn(edit, move |music: &mut Self, cx, done| {
                if done.is_err() {
                    // Deleted, or no longer ours to change: `/nowplaying` posts another one.
                    music.cards.retain(|_, shown| shown.message != message);
                }
                music.edited(cx, guild, message);
            });
        }
    }
}
