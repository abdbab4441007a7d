//! Lists, and what is known of one sound.

use mynah_plugin::{Cx, GuildId, Interaction, Reply};
use serde_json::{Value, json};

use super::{Soundboard, words};
use crate::core::search::{Order, page};
use crate::core::{Library, Sound, Viewer};

/// Lines of one page: with the longest names they fit into a message.
const LINES: usize = 10;

impl Soundboard {
    pub(super) fn show_list(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let tag = asked.text("tag").map(|tag| tag.trim_start_matches('#'));
        let order = order(asked.text("sort").unwrap_or_default());
        let number = asked.integer("page").unwrap_or(1).max(1) as usize - 1;
        let viewer = self.viewer(asked);
        let Some(library) = self.library(guild) else {
            return;
        };
        let tag = tag.filter(|tag| !tag.is_empty());
        match list(library, tag, order, viewer, number) {
            Ok(list) => cx.detach("a list", asked.reply(list.ephemeral())),
            Err(words) => cx.detach("an answer", asked.refuse(words)),
        }
    }

    /// A button of the pager: `2:plays` or `2:plays:tag`.
    pub(super) fn turn_list(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
        to: &str,
    ) {
        let mut parts = to.splitn(3, ':');
        let number = parts.next().and_then(|number| number.parse().ok());
        let order = order(parts.next().unwrap_or_default());
        let tag = parts.next().filter(|tag| !tag.is_empty());
        let viewer = self.viewer(asked);
        let Some(library) = self.library(guild) else {
            return;
        };
        match list(library, tag, order, viewer, number.unwrap_or(0)) {
            Ok(list) => cx.detach("a list", asked.update(list)),
            Err(words) => cx.detach("an answer", asked.refuse(words)),
        }
    }

    pub(super) fn info(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let viewer = self.viewer(asked);
        let name = asked.text("name").unwrap_or_default();
        let found = self.library(guild).and_then(|all| all.find(name, viewer));
        let words = found.map_or_else(|| words::no_such(name), about);
        cx.detach("an answer", asked.refuse(words));
    }
}

/// One line while somebody types: `📯 airhorn (2.3 s) #loud`.
pub(super) fn label(sound: &Sound) -> String {
    // A server's own emoji would be shown as its code here.
    let emoji = sound
        .emoji
        .as_deref()
        .filter(|emoji| !emoji.starts_with('<'));
    let emoji = emoji.map(|emoji| format!("{emoji} ")).unwrap_or_default();
    let tags: String = sound.tags.iter().map(|tag| format!(" #{tag}")).collect();
    format!("{emoji}{} ({}){tags}", sound.name, length(sound.length_ms))
}

/// `2.3 s`.
pub(super) fn length(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

fn order(word: &str) -> Order {
    match word {
        "plays" => Order::Plays,
        "newest" => Order::Newest,
        "length" => Order::Length,
        _ => Order::Name,
    }
}

fn word(order: Order) -> &'static str {
    match order {
        Order::Name => "name",
        Order::Plays => "plays",
        Order::Newest => "newest",
        Order::Length => "length",
    }
}

fn list(
    library: &Library,
    tag: Option<&str>,
    order: Order,
    viewer: Viewer,
    number: usize,
) -> Result<Reply, &'static str> {
    let page = page(library, tag, order, viewer, number, LINES);
    if page.sounds.is_empty() {
        return Err(match tag {
            Some(_) => words::NONE_WITH_TAG,
            None => words::EMPTY,
        });
    }
    let mut text = match page.of {
        1 => "**1 sound**".to_owned(),
        of => format!("**{of} sounds**"),
    };
    if page.pages > 1 {
        text += &format!(", page {} of {}", page.page + 1, page.pages);
    }
    for sound in &page.sounds {
        text += &format!("\n{}", line(sound));
    }
    let mut reply = Reply::text(text).components(Vec::new());
    if page.pages > 1 {
        let to = |number: usize| {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            format!("soundboard:list:{number}:{}{tag}", word(order))
        };
        let turn = |label: &str, to: Option<String>, nowhere: &str| -> Value {
            json!({
                "type": 2, "style": 2, "label": label, "disabled": to.is_none(),
                "custom_id": to.unwrap_or_else(|| format!("soundboard:list:{nowhere}")),
            })
        };
        let back = page.page.checked_sub(1).map(to);
        let on = (page.page + 1 < page.pages).then(|| to(page.page + 1));
        let row = [turn("Back", back, "first"), turn("More", on, "last")];
        reply = reply.components(vec![json!({ "type": 1, "components": row })]);
    }
    Ok(reply)
}

fn line(sound: &Sound) -> String {
    let emoji = sound.emoji.as_deref().map(|emoji| format!("{emoji} "));
    let tags: Vec<String> = sound
        .tags
        .iter()
        .take(3)
        .map(|tag| format!("#{tag}"))
        .collect();
    let tags = match tags.is_empty() {
        true => String::new(),
        false => format!(" {}", tags.join(" ")),
    };
    let (emoji, length) = (emoji.unwrap_or_default(), length(sound.length_ms));
    let hidden = if sound.hidden { ", hidden" } else { "" };
    format!(
        "{emoji}`{}` {length}, {}{hidden}{tags}",
        sound.name,
        plays(sound.plays)
    )
}

fn plays(plays: u64) -> String {
    match plays {
        0 => "never played".to_owned(),
        1 => "played once".to_owned(),
        more => format!("played {more} times"),
    }
}

fn about(sound: &Sound) -> String {
    let emoji = sound.emoji.as_deref().map(|emoji| format!("{emoji} "));
    let mut text = format!(
        "{}**{}**",
        emoji.unwrap_or_default(),
        sound.name.replace('_', "\\_")
    );
    let mut add = |what: &str, is: String| text += &format!("\n{what}: {is}");
    if !sound.aliases.is_empty() {
        add("also called", sound.aliases.join(", "));
    }
    if !sound.tags.is_empty() {
        add("tags", sound.tags.join(", "));
    }
    let kib = sound.bytes.div_ceil(1 << 10);
    add("length", format!("{} ({kib} KiB)", length(sound.length_ms)));
    add("volume", format!("{} %", sound.volume));
    if sound.rest_s > 0 {
        add("rests", format!("{} s after it was played", sound.rest_s));
    }
    if sound.hidden {
        add("hidden", "only its uploader and managers see it".to_owned());
    }
    let since = sound.added_ms / 1_000;
    add("added", format!("<t:{since}:R> by <@{}>", sound.uploader));
    add("heard", plays(sound.plays));
    text
}
