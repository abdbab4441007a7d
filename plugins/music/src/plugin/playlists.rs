//! `/playlist`: lists of tracks that a server keeps in the plugin's store.

use mynah_plugin::{Choice, Cx, GuildId, Interaction, UserId};
use serde::{Deserialize, Serialize};

use super::Music;
use crate::calls::Ask;
use crate::queue::{Item, Origin};
use crate::says;
use crate::tells;
use crate::wording::shown;

/// Lists of one server.
const MAX_LISTS: usize = 100;

/// A list, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Playlist {
    name: String,
    /// Who saved it.
    by: UserId,
    items: Vec<Item>,
}

/// Names are the same whatever their case and spaces around them.
fn key(guild: GuildId, name: &str) -> String {
    format!("{}{}", prefix(guild), name.trim().to_lowercase())
}

fn prefix(guild: GuildId) -> String {
    format!("playlist/{guild}/")
}

impl Music {
    pub(super) fn playlist(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        let Some(guild) = asked.guild_id() else {
            return cx.detach("an answer", asked.refuse(says::ONLY_IN_SERVERS));
        };
        let name = asked.text("name").unwrap_or_default().trim().to_owned();
        let what = asked.command().trim_start_matches("playlist ").to_owned();
        if what == "list" {
            return all(cx, asked, guild);
        }
        // What is read here decides what is written: one at a time for each list.
        let changes = what == "save" || what == "delete";
        if changes && !self.changing.insert(key(guild, &name)) {
            let words = tells::list_is_changing(&name);
            return cx.detach("an answer", asked.refuse(words));
        }
        let found = cx.store().get::<Playlist>(&key(guild, &name));
        cx.spawn(found, move |music: &mut Self, cx, found| {
            let refusal = match (what.as_str(), found) {
                (_, Err(error)) => says::refused(&error.to_string()),
                ("save", Ok(before)) => match music.list_to_save(&asked, guild, &name, before) {
                    Ok((list, words)) => return Self::save_list(cx, asked, guild, list, words),
                    Err(refusal) => refusal,
                },
                (_, Ok(None)) => tells::no_such_list(&name),
                ("play", Ok(Some(list))) => {
                    let ask = Ask::Enqueue {
                        name: list.name,
                        items: list.items,
                    };
                    return music.meet(cx, asked, ask);
                }
                ("show", Ok(Some(list))) => tells::list_shown(&list.name, list.by, &list.items),
                ("delete", Ok(Some(list))) if music.may_change(&asked, &list) => {
                    return Self::delete_list(cx, asked, guild, list);
                }
                ("delete", Ok(Some(list))) => tells::list_of_another(&list.name, list.by),
                _ => says::UNKNOWN_COMMAND.to_owned(),
            };
            if changes {
                music.changing.remove(&key(guild, &name));
            }
            cx.detach("an answer", asked.refuse(refusal));
        });
    }

    /// What is to be kept, and the answer to that; or why it is not.
    fn list_to_save(
        &self,
        asked: &Interaction,
        guild: GuildId,
        name: &str,
        before: Option<Playlist>,
    ) -> Result<(Playlist, String), String> {
        if let Some(list) = before.filter(|list| !self.may_change(asked, list)) {
            return Err(tells::list_of_another(&list.name, list.by));
        }
        let mut items = self.core.list(guild);
        let all = items.len();
        // Discord's addresses of uploads end after a day.
        items.retain(|item| matches!(item.origin, Origin::File(_)));
        if items.is_empty() {
            return Err(tells::nothing_to_save(all));
        }
        let words = tells::list_saved(name, items.len(), all);
        let list = Playlist {
            name: name.to_owned(),
            by: asked.user_id(),
            items,
        };
        Ok((list, words))
    }

    fn save_list(
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
        list: Playlist,
        words: String,
    ) {
        let store = cx.store();
        let (prefix, key) = (prefix(guild), key(guild, &list.name));
        let changed = key.clone();
        let kept = async move {
            // 200 is what one page holds, and more than there may be.
            let all = store.list(&prefix, "").await?;
            let others = all.iter().filter(|entry| entry.key != key).count();
            if others >= MAX_LISTS {
                return Ok(false);
            }
            store.set(&key, &list)?.await.map(|()| true)
        };
        cx.spawn(kept, move |music, cx, kept: mynah_plugin::Result<bool>| {
            music.changing.remove(&changed);
            let answer = match kept {
                Ok(true) => asked.reply(words),
                Ok(false) => asked.refuse(tells::too_many_lists(MAX_LISTS)),
                Err(error) => asked.refuse(says::refused(&error.to_string())),
            };
            cx.detach("an answer", answer);
        });
    }

    fn may_change(&self, asked: &Interaction, list: &Playlist) -> bool {
        list.by == asked.user_id() || self.is_named_dj(asked)
    }

    fn delete_list(cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId, list: Playlist) {
        let changed = key(guild, &list.name);
        let gone = cx.store().remove(&changed);
        cx.spawn(gone, move |music: &mut Self, cx, gone| {
            music.changing.remove(&changed);
            let answer = match gone {
                Ok(_) => asked.reply(format!("**{}** is gone.", shown(&list.name))),
                Err(error) => asked.refuse(says::refused(&error.to_string())),
            };
            cx.detach("an answer", answer);
        });
    }

    pub(super) fn offer_lists(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        let Some(guild) = asked.guild_id() else {
            return cx.detach("offering lists", asked.choices([]));
        };
        let all = cx.store().list(&prefix(guild), "");
        cx.spawn(all, move |_, cx, all| {
            let typed = asked
                .focused()
                .map_or("", |(_, typed)| typed)
                .to_lowercase();
            let lists = all.unwrap_or_default();
            let lists = lists
                .iter()
                .filter_map(|entry| entry.read::<Playlist>().ok());
            let fitting = lists.filter(|list| list.name.to_lowercase().contains(&typed));
            let choices = fitting.map(|list| Choice::new(list.name.clone(), list.name));
            cx.detach("offering lists", asked.choices(choices.collect::<Vec<_>>()));
        });
    }
}

fn all(cx: &mut Cx<'_, Music>, asked: Interaction, guild: GuildId) {
    let all = cx.store().list(&prefix(guild), "");
    cx.spawn(all, move |_, cx, all| {
        let words = match all {
            Ok(all) => {
                let lists = all.iter().filter_map(|entry| entry.read::<Playlist>().ok());
                let lists = lists.map(|list| (list.name, list.by, list.items.len()));
                tells::lists(&lists.collect::<Vec<_>>())
            }
            Err(error) => says::refused(&error.to_string()),
        };
        cx.detach("an answer", asked.refuse(words));
    });
}
