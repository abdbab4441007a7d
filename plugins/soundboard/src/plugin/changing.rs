//! Changing, deleting and bringing back.

use mynah_plugin::{Choice, Cx, GuildId, Interaction};

use super::adding::refused;
use super::listing::label;
use super::playing::hush;
use super::{MOST_CHOICES, Soundboard, wall_ms, words};
use crate::core::name::{self, fold};
use crate::core::{Edit, Sound, Viewer};
use crate::shelf::ShelfError;

impl Soundboard {
    pub(super) fn edit(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let words = self.edited(asked, guild);
        let words = words.unwrap_or_else(|words| words);
        cx.detach("an answer", asked.refuse(words));
    }

    fn edited(&mut self, asked: &Interaction, guild: GuildId) -> Result<String, String> {
        let id = self.own(asked, guild)?.id;
        let edit = edit(asked)?;
        if edit == Edit::default() {
            return Err(words::NOTHING_CHANGED.to_owned());
        }
        let room = self.rooms.get_mut(&guild).ok_or(words::GONE)?;
        let sound = room
            .library
            .edited(id, edit)
            .map_err(|refusal| refused(&refusal))?;
        self.shelf
            .change(&sound)
            .map_err(|error| unwritten(&error))?;
        let words = format!("`{}` was changed. `/sound info` shows it.", sound.name);
        room.library.replace(sound);
        Ok(words)
    }

    pub(super) fn delete(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let words = self.deleted(cx, asked, guild);
        let words = words.unwrap_or_else(|words| words);
        cx.detach("an answer", asked.refuse(words));
    }

    fn deleted(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
    ) -> Result<String, String> {
        let (id, name) = {
            let sound = self.own(asked, guild)?;
            (sound.id, sound.name.clone())
        };
        let written = self.shelf.set_deleted(id, Some(wall_ms()));
        written.map_err(|error| unwritten(&error))?;
        let room = self.rooms.get_mut(&guild).ok_or(words::GONE)?;
        room.library.remove(id);
        let over = room.voices.take_sound(id);
        hush(cx, &over);
        Ok(match self.config.bin_days {
            0 => format!("`{name}` was deleted."),
            days => {
                format!("`{name}` was deleted. For {days} days `/sound restore` brings it back.")
            }
        })
    }

    pub(super) fn restore(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let words = self.restored(asked, guild);
        let words = words.unwrap_or_else(|words| words);
        cx.detach("an answer", asked.refuse(words));
    }

    fn restored(&mut self, asked: &Interaction, guild: GuildId) -> Result<String, String> {
        let (viewer, name) = (self.viewer(asked), asked.text("name").unwrap_or_default());
        let bin = self
            .shelf
            .bin(guild.get())
            .map_err(|error| unwritten(&error))?;
        let named =
            |sound: &Sound| name == format!("#{}", sound.id) || fold(&sound.name) == fold(name);
        let mut found = bin.into_iter().filter(named).peekable();
        if found.peek().is_none() {
            return Err("There is no such sound among those that were deleted.".to_owned());
        }
        let mut own = found.filter(|sound| sound.is_changed_by(viewer));
        let sound = own.next().ok_or(words::NOT_YOURS)?;
        let room = self.rooms.get_mut(&guild).ok_or(words::GONE)?;
        room.library
            .check(&sound)
            .map_err(|refusal| refused(&refusal))?;
        let written = self.shelf.set_deleted(sound.id, None);
        written.map_err(|error| unwritten(&error))?;
        let words = format!("`{}` is back.", sound.name);
        room.library.replace(sound);
        Ok(words)
    }

    /// The bin, for whoever may bring it back.
    pub(super) fn offer_bin(&self, guild: GuildId, typed: &str, viewer: Viewer) -> Vec<Choice> {
        let bin = self.shelf.bin(guild.get()).unwrap_or_default();
        let typed = fold(typed);
        bin.iter()
            .filter(|sound| sound.is_changed_by(viewer) && fold(&sound.name).contains(&typed))
            .take(MOST_CHOICES)
            .map(|sound| Choice::new(label(sound), format!("#{}", sound.id)))
            .collect()
    }

    /// The sound that is named, if the person may change it.
    fn own(&self, asked: &Interaction, guild: GuildId) -> Result<&Sound, String> {
        let (viewer, name) = (self.viewer(asked), asked.text("name").unwrap_or_default());
        let found = self.library(guild).and_then(|all| all.find(name, viewer));
        let sound = found.ok_or_else(|| words::no_such(name))?;
        match sound.is_changed_by(viewer) {
            true => Ok(sound),
            false => Err(words::NOT_YOURS.to_owned()),
        }
    }
}

/// What the options say.
fn edit(asked: &Interaction) -> Result<Edit, String> {
    let refuse = |error: name::NameError| sentence(&error.to_string());
    let emoji = match asked.text("emoji").map(or_nothing) {
        None => None,
        Some("") => Some(None),
        Some(text) => Some(Some(name::emoji(text).ok_or(words::NO_EMOJI)?)),
    };
    let read = |option: &str, read: fn(&str) -> Result<Vec<String>, name::NameError>| {
        let text = asked.text(option).map(or_nothing);
        text.map(read).transpose().map_err(refuse)
    };
    let whole = |option: &str| {
        asked
            .integer(option)
            .map(|number| number.clamp(0, 1 << 20) as u32)
    };
    Ok(Edit {
        name: asked
            .text("rename")
            .map(name::name)
            .transpose()
            .map_err(refuse)?,
        aliases: read("aliases", name::aliases)?,
        tags: read("tags", name::tags)?,
        emoji,
        volume: whole("volume").map(|percent| percent.min(1_000) as u16),
        rest_s: whole("cooldown"),
        hidden: asked.boolean("hidden"),
    })
}

/// `-` takes away what is there.
pub(super) fn or_nothing(text: &str) -> &str {
    match text.trim() {
        "-" => "",
        text => text,
    }
}

fn unwritten(error: &ShelfError) -> String {
    format!("I could not write it down: {}.", error.remedy())
}

/// With a capital and a full stop.
pub(super) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}
