//! Adding: who may, from which file, and what becomes of it.

use std::time::Duration;

use mynah_plugin::{
    Attachment, ChannelId, Cx, GuildId, Ingest, Ingested, Interaction, MessageId, Playable, Reply,
    Result,
};
use serde::Deserialize;

use super::config::Upload;
use super::listing::length;
use super::{Soundboard, wall_ms, words};
use crate::core::name;
use crate::core::{Refusal, Sound, Viewer};

/// Sounds that may be on their way in one server at once: each costs a second of a processor.
const MOST_AT_ONCE: usize = 3;

/// What a sound is to be, before anybody has heard it.
#[derive(Debug, Clone)]
struct Plan {
    name: String,
    tags: Vec<String>,
    emoji: Option<String>,
    start: Duration,
    end: Option<Duration>,
    /// Shown with the answer.
    hint: &'static str,
}

/// Where its file is.
enum Origin {
    File(Attachment),
    /// Attached to this message.
    Message(ChannelId, MessageId),
}

impl Soundboard {
    pub(super) fn add_command(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
    ) {
        let found = self
            .may_upload(&asked)
            .and_then(|()| Ok((plan(&asked)?, origin(&asked, guild)?)));
        match found {
            Ok((plan, origin)) => self.add(cx, asked, guild, plan, origin),
            Err(words) => cx.detach("an answer", asked.refuse(words)),
        }
    }

    /// "Save as sound" in the menu of a message: named after its file.
    pub(super) fn save_message(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
    ) {
        let found = self.may_upload(&asked).and_then(|()| {
            let files = asked.target_message().map(|(_, files)| files);
            files
                .and_then(sound_file)
                .ok_or_else(|| words::NO_SOUND_IN_MESSAGE.to_owned())
        });
        let file = match found {
            Ok(file) => file,
            Err(words) => return cx.detach("an answer", asked.refuse(words)),
        };
        let library = self.library(guild);
        let plan = Plan {
            name: library.map_or_else(String::new, |all| all.free_name(&file.filename)),
            tags: Vec::new(),
            emoji: None,
            start: Duration::ZERO,
            end: None,
            hint: " `/sound edit` gives it another name, tags and an emoji.",
        };
        self.add(cx, asked, guild, plan, Origin::File(file));
    }

    fn may_upload(&self, asked: &Interaction) -> Result<(), String> {
        let roles = &self.config.upload_roles;
        let has_role = || asked.roles().iter().any(|role| roles.contains(role));
        let refusal = match self.config.upload {
            _ if self.viewer(asked).manages => return Ok(()),
            Upload::Everyone => return Ok(()),
            Upload::Role if has_role() => return Ok(()),
            Upload::Role => words::MAY_NOT_ADD_ROLE,
            Upload::Manager => words::MAY_NOT_ADD_MANAGER,
        };
        Err(refusal.to_owned())
    }

    fn add(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
        plan: Plan,
        origin: Origin,
    ) {
        if let Err(words) = self.begin_adding(&asked, guild, &plan, &origin) {
            return cx.detach("an answer", asked.refuse(words));
        }
        let how = Ingest {
            dir: self.shelf.folder(guild.get()).display().to_string(),
            name: None,
            start: plan.start,
            end: plan.end,
            longest: Duration::from_secs(u64::from(self.config.max_seconds)),
            max_bytes: self.config.upload_bytes(),
            lufs: self.config.loudness_lufs,
        };
        let (host, files, line) = (cx.host(), cx.files(), asked.clone());
        let work = async move {
            line.defer(true).await?;
            let file = match origin {
                Origin::File(file) => file,
                Origin::Message(channel, message) => {
                    let path = format!("/channels/{channel}/messages/{message}");
                    let found = host.rest("GET", &path, serde_json::Value::Null);
                    let found: Found = found.read().await?;
                    let none = || mynah_plugin::Error::failed(words::NO_SOUND_IN_MESSAGE);
                    sound_file(found.attachments).ok_or_else(none)?
                }
            };
            let name = Some(file.filename);
            files
                .ingest(Playable::Url(file.url), &Ingest { name, ..how })
                .await
        };
        cx.spawn(work, move |board: &mut Self, cx, kept: Result<Ingested>| {
            let user = asked.user_id();
            if let Some(room) = board.rooms.get_mut(&guild) {
                room.adding.remove(&user);
            }
            let words = match kept {
                Ok(kept) => board.put(cx, guild, board.viewer(&asked), plan, &kept),
                Err(error) => {
                    cx.debug(&format!("a sound was not added: {error}"));
                    format!("I could not add it: {error}")
                }
            };
            cx.detach("an answer", asked.edit(Reply::text(words)));
        });
    }

    /// Everything that can be refused before any work is done.
    fn begin_adding(
        &mut self,
        asked: &Interaction,
        guild: GuildId,
        plan: &Plan,
        origin: &Origin,
    ) -> Result<(), String> {
        let (user, most) = (asked.user_id(), self.config.upload_bytes());
        if let Origin::File(file) = origin
            && file.size > most
        {
            let (has, may) = (file.size.div_ceil(1 << 10), most >> 10);
            return Err(format!(
                "The file is too large: it has {has} KiB, and may have {may} KiB. Cut it, or save it as mp3 or ogg."
            ));
        }
        let gone = || words::GONE.to_owned();
        let room = self.rooms.get_mut(&guild).ok_or_else(gone)?;
        let may = room.library.may_add(user.get(), &plan.name, &[]);
        may.map_err(|refusal| refused(&refusal))?;
        if room.adding.contains(&user) {
            return Err(words::ADDING_ALREADY.to_owned());
        }
        if room.adding.len() >= MOST_AT_ONCE {
            return Err(words::ADDING_MANY.to_owned());
        }
        room.adding.insert(user);
        Ok(())
    }

    /// The file is there: now the sound is.
    fn put(
        &mut self,
        cx: &mut Cx<'_, Self>,
        guild: GuildId,
        viewer: Viewer,
        plan: Plan,
        kept: &Ingested,
    ) -> String {
        let Some(room) = self.rooms.get_mut(&guild) else {
            return words::GONE.to_owned();
        };
        let length_ms = kept.length().as_millis() as u64;
        let mut sound = Sound {
            id: 0,
            name: plan.name,
            aliases: Vec::new(),
            tags: plan.tags,
            emoji: plan.emoji,
            volume: 100,
            uploader: viewer.user,
            length_ms,
            bytes: kept.bytes,
            sha256: kept.sha256.clone(),
            plays: 0,
            rest_s: 0,
            hidden: false,
            added_ms: wall_ms(),
        };
        // Others may have added something meanwhile. A file that no row names is removed later.
        if let Err(refusal) = room.library.check(&sound) {
            return refused(&refusal);
        }
        match self.shelf.add(guild.get(), &sound) {
            Ok(id) => sound.id = id,
            Err(error) => {
                cx.error(&format!("{error}; {}", error.remedy()));
                return "I could not write it down. The operator finds the reason in the log."
                    .to_owned();
            }
        }
        let emoji = sound.emoji.as_deref().unwrap_or("🔊");
        let mut words = format!("{emoji} `{}` is here, {}.", sound.name, length(length_ms));
        room.library.replace(sound);
        if kept.is_cut {
            let most = self.config.max_seconds;
            words += &format!(" There was more of it: sounds have {most} s at most.");
        }
        if kept.is_damaged {
            words += " The file is damaged; this is what could be read.";
        }
        words + plan.hint
    }
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    attachments: Vec<Attachment>,
}

/// The first that may be a sound. Discord guesses types by names, so a name will do as well.
fn sound_file(files: Vec<Attachment>) -> Option<Attachment> {
    let is_sound = |file: &Attachment| {
        let kind = file.content_type.as_deref().unwrap_or_default();
        let known = [
            "mp3", "ogg", "opus", "wav", "flac", "m4a", "aac", "webm", "mp4", "mkv", "aiff",
        ];
        let extension = file
            .filename
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_lowercase();
        kind.starts_with("audio/")
            || kind.starts_with("video/")
            || known.contains(&extension.as_str())
    };
    files.into_iter().find(is_sound)
}

/// What the options say.
fn plan(asked: &Interaction) -> Result<Plan, String> {
    let refuse = |error: name::NameError| super::changing::sentence(&error.to_string());
    let emoji = asked.text("emoji").filter(|text| !text.trim().is_empty());
    let emoji = emoji.map(|text| name::emoji(text).ok_or(words::NO_EMOJI));
    Ok(Plan {
        name: name::name(asked.text("name").unwrap_or_default()).map_err(refuse)?,
        tags: name::tags(super::changing::or_nothing(
            asked.text("tags").unwrap_or_default(),
        ))
        .map_err(refuse)?,
        emoji: emoji.transpose()?,
        start: seconds(asked.number("start")).unwrap_or_default(),
        end: seconds(asked.number("end")),
        hint: "",
    })
}

fn seconds(number: Option<f64>) -> Option<Duration> {
    let number = number.filter(|number| (0.0..=3_600.0).contains(number))?;
    Duration::try_from_secs_f64(number).ok()
}

fn origin(asked: &Interaction, guild: GuildId) -> Result<Origin, String> {
    let link = asked.text("message").filter(|link| !link.trim().is_empty());
    match (asked.attachment("file"), link) {
        (Some(_), Some(_)) => Err(words::TWO_FILES.to_owned()),
        (Some(file), None) => Ok(Origin::File(file)),
        (None, None) => Err(words::NO_FILE.to_owned()),
        (None, Some(link)) => {
            let (in_guild, channel, message) =
                message_link(link).ok_or_else(|| words::NOT_HERE.to_owned())?;
            // Only what the person sees: messages of other channels may be none of their business.
            if in_guild != guild || Some(channel) != asked.channel_id() {
                return Err(words::NOT_HERE.to_owned());
            }
            Ok(Origin::Message(channel, message))
        }
    }
}

/// `https://discord.com/channels/<server>/<channel>/<message>`.
fn message_link(link: &str) -> Option<(GuildId, ChannelId, MessageId)> {
    let path = link
        .trim()
        .strip_prefix("https://")
        .or(link.trim().strip_prefix("http://"))?;
    let mut parts = path.rsplit('/');
    let (message, channel, guild) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next()? == "channels").then_some(())?;
    Some((
        guild.parse().ok()?,
        channel.parse().ok()?,
        message.parse().ok()?,
    ))
}

pub(super) fn refused(refusal: &Refusal) -> String {
    super::changing::sentence(&refusal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_messages_and_nothing_else() {
        let link = "https://discord.com/channels/1/3/9";
        let ids = (GuildId::new(1), ChannelId::new(3), MessageId::new(9));
        assert_eq!(message_link(link), Some(ids));
        assert_eq!(
            message_link("https://canary.discord.com/channels/1/3/9 "),
            Some(ids)
        );
        for bad in [
            "",
            "1/3/9",
            "https://x/y/1/3/9",
            "https://x/channels/1/3",
            "ftp://x/channels/1/3/9",
        ] {
            assert_eq!(message_link(bad), None, "{bad}");
        }
    }
}
