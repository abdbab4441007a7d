//! The board: a message with a grid of buttons. What a button does is written in its `custom_id`, so
//! boards work after a restart, and for as long as their message is there.

use mynah_plugin::{Cx, GuildId, Interaction, Reply};
use serde_json::{Value, json};

use super::{Soundboard, words};
use crate::core::name::custom_emoji;
use crate::core::search::{Order, Page, page};
use crate::core::{Library, Sound, Viewer};

/// Buttons in a row, and rows; one more row turns pages. Discord takes five of five.
const ROW: usize = 5;
const ROWS: usize = 4;

/// A board is for everybody: nothing hidden is on it.
const EVERYBODY: Viewer = Viewer {
    user: 0,
    manages: false,
};

impl Soundboard {
    pub(super) fn show_board(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
    ) {
        let tag = asked.text("tag").map(|tag| tag.trim_start_matches('#'));
        let number = asked.integer("page").unwrap_or(1).max(1) as usize - 1;
        let Some(library) = self.library(guild) else {
            return;
        };
        match board(library, tag.filter(|tag| !tag.is_empty()), number) {
            Ok(board) => cx.detach("a board", asked.reply(board)),
            Err(words) => cx.detach("an answer", asked.refuse(words)),
        }
    }

    /// A button of the pager: `2` or `2:tag`.
    pub(super) fn turn_board(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
        to: &str,
    ) {
        let (number, tag) = to.split_once(':').unwrap_or((to, ""));
        let tag = Some(tag).filter(|tag| !tag.is_empty());
        let Some(library) = self.library(guild) else {
            return;
        };
        match board(library, tag, number.parse().unwrap_or(0)) {
            Ok(board) => cx.detach("a board", asked.update(board)),
            Err(words) => cx.detach("an answer", asked.refuse(words)),
        }
    }
}

/// One page of buttons.
fn board(library: &Library, tag: Option<&str>, number: usize) -> Result<Reply, &'static str> {
    let page = page(library, tag, Order::Name, EVERYBODY, number, ROW * ROWS);
    if page.sounds.is_empty() {
        return Err(match tag {
            Some(_) => words::NONE_WITH_TAG,
            None => words::EMPTY,
        });
    }
    let of = match tag {
        Some(tag) => format!("Sounds with `#{}`", tag.replace('`', "")),
        None => "Sounds".to_owned(),
    };
    let text = match page.pages {
        1 => format!("**{of}**"),
        pages => format!("**{of}**, page {} of {pages}", page.page + 1),
    };
    let mut rows: Vec<Value> = page
        .sounds
        .chunks(ROW)
        .map(|row| json!({ "type": 1, "components": row.iter().map(|sound| button(sound)).collect::<Vec<_>>() }))
        .collect();
    rows.push(json!({ "type": 1, "components": pager(&page, tag) }));
    Ok(Reply::text(text).components(rows))
}

fn button(sound: &Sound) -> Value {
    let mut button = json!({
        "type": 2, "style": 2, "label": sound.name, "custom_id": format!("soundboard:play:{}", sound.id),
    });
    let emoji = sound
        .emoji
        .as_deref()
        .map(|emoji| match custom_emoji(emoji) {
            Some((animated, name, id)) => {
                json!({ "name": name, "id": id.to_string(), "animated": animated })
            }
            None => json!({ "name": emoji }),
        });
    if let (Some(emoji), Some(button)) = (emoji, button.as_object_mut()) {
        button.insert("emoji".into(), emoji);
    }
    button
}

/// Back, forward, by chance, stop. Every one has words beside its picture.
fn pager(page: &Page<'_>, tag: Option<&str>) -> Vec<Value> {
    let tagged = |what: String| match tag {
        Some(tag) => format!("soundboard:{what}:{tag}"),
        None => format!("soundboard:{what}"),
    };
    let (first, last) = (page.page == 0, page.page + 1 >= page.pages);
    let mut row = Vec::new();
    if page.pages > 1 {
        // Two buttons of one message never have one id, even where both lead nowhere.
        let back = match first {
            true => "soundboard:page:first".to_owned(),
            false => tagged(format!("page:{}", page.page - 1)),
        };
        let on = match last {
            true => "soundboard:page:last".to_owned(),
            false => tagged(format!("page:{}", page.page + 1)),
        };
        row.push(control("◀️", "Back", &back, first));
        row.push(control("▶️", "More", &on, last));
    }
    row.push(control(
        "🎲",
        "Surprise",
        &tagged("random".to_owned()),
        false,
    ));
    row.push(control("⏹️", "Stop mine", "soundboard:stop", false));
    row
}

fn control(emoji: &str, label: &str, id: &str, disabled: bool) -> Value {
    json!({
        "type": 2, "style": 1, "label": label, "emoji": { "name": emoji }, "custom_id": id,
        "disabled": disabled,
    })
}
