//! What becomes of recordings: listed, shown, kept, deleted. Exports are in `exports.rs`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::MutexGuard;

use mynah_plugin::{Choice, Cx, GuildId, Interaction, UserId};

use super::room::{clock, plain, size};
use super::scribe::{Job, lock};
use super::{Recorder, commands, words};
use crate::core::events;
use crate::core::manifest::{Kind, Manifest};
use crate::core::shelf;
use crate::export_job::chapters;
use crate::library::{Entry, Library};

/// Recordings on one list.
const LISTED: usize = 15;
/// What Discord offers at most.
const OFFERED: usize = 25;
/// Notes that `/record info` shows.
const NOTES: usize = 10;

impl Recorder {
    /// The index of all recordings.
    pub(super) fn index(&self) -> MutexGuard<'_, Library> {
        lock(&self.library)
    }

    /// May this person do what they like with all recordings of the server?
    pub(super) fn is_staff(&self, asked: &Interaction) -> bool {
        commands::may_record(asked, &self.config.roles)
    }

    /// This server's recordings that `asked` may see, the newest first.
    fn here(&self, asked: &Interaction, guild: GuildId, typed: &str, limit: usize) -> Vec<Entry> {
        let starter = (!self.is_staff(asked)).then(|| asked.user_id().to_string());
        let listed = self
            .index()
            .list(&guild.to_string(), typed, starter.as_deref(), limit);
        listed.unwrap_or_default()
    }

    /// The folder of a recording of this server, by an id that somebody typed.
    pub(super) fn find(&self, guild: GuildId, id: &str) -> Option<PathBuf> {
        // Only what the index knows becomes a path.
        let entry = self.index().find(&guild.to_string(), id).ok()??;
        Some(self.folder.join(entry.guild).join(entry.id))
    }

    /// The recording that was asked for, if it is there and theirs to ask for; else they are told.
    pub(super) fn wanted(
        &self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
    ) -> Option<(PathBuf, Manifest)> {
        let id = asked.text("id").unwrap_or_default();
        let found = self.find(guild, id);
        let manifest = found.as_deref().map(Manifest::read);
        let refusal = match (found, manifest) {
            (Some(folder), Some(Ok(manifest))) => {
                if self.is_staff(asked) || is_of(&manifest, asked.user_id()) {
                    return Some((folder, manifest));
                }
                words::NOT_YOURS.to_owned()
            }
            (Some(_), Some(Err(error))) => format!("{error}; {}.", error.remedy()),
            _ => words::NO_SUCH.to_owned(),
        };
        cx.detach("an answer", asked.refuse(refusal));
        None
    }

    /// Offers recordings, or the chapters of the one that is named already.
    pub(super) fn offer(&self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let (option, typed) = asked.focused().unwrap_or_default();
        let choices = match option {
            "chapter" => self.chapters(asked, guild, &typed.to_lowercase()),
            _ => {
                let here = self.here(asked, guild, typed, OFFERED);
                let choice = |one: Entry| Choice::new(label(&one.title, &one.id), one.id);
                here.into_iter().map(choice).collect()
            }
        };
        cx.detach("offering recordings", asked.choices(choices));
    }

    fn chapters(&self, asked: &Interaction, guild: GuildId, typed: &str) -> Vec<Choice> {
        let id = asked.text("id").unwrap_or_default();
        let folder = self.find(guild, id);
        let mine = folder.filter(|folder| {
            let manifest = Manifest::read(folder);
            manifest.is_ok_and(|one| self.is_staff(asked) || is_of(&one, asked.user_id()))
        });
        let lines = mine.and_then(|folder| events::read(&folder).ok());
        let (lines, _) = lines.unwrap_or_default();
        let all = chapters(&lines).into_iter().enumerate();
        let fitting = all.filter(|(_, (_, text))| text.to_lowercase().contains(typed));
        fitting
            .take(OFFERED)
            .map(|(place, (at_us, text))| {
                let short: String = text.chars().take(80).collect();
                Choice::new(format!("{} {short}", clock(at_us)), (place + 1).to_string())
            })
            .collect()
    }

    pub(super) fn list(&self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let shown = self.here(asked, guild, "", LISTED);
        let mut text = String::new();
        for one in &shown {
            let keep = if one.keep { " · kept" } else { "" };
            let state = if one.is_open { " · 🔴 running" } else { "" };
            let _ = writeln!(
                text,
                "`{}` {} · {} · {} tracks · {}{keep}{state}",
                one.id,
                plain(&one.title),
                clock(one.length_us),
                one.tracks,
                size(one.bytes)
            );
        }
        let (all, bytes) = self.index().sums(&guild.to_string()).unwrap_or_default();
        if self.is_staff(asked) && all > 0 {
            if all > shown.len() as u64 {
                let _ = writeln!(text, "…and {} more", all - shown.len() as u64);
            }
            let _ = writeln!(text, "-# {} together", size(bytes));
        }
        if text.is_empty() {
            text.push_str(match self.is_staff(asked) {
                true => "Nothing has been recorded here yet. `/record start` begins.",
                false => words::NOTHING_OF_YOURS,
            });
        }
        cx.detach("an answer", asked.refuse(text));
    }

    pub(super) fn info(&self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let Some((folder, manifest)) = self.wanted(cx, asked, guild) else {
            return;
        };
        let mut text = format!(
            "**{}** · <#{}>{} · <t:{}:f> · {}\n",
            label(&manifest.title, &manifest.id),
            manifest.channel,
            // 0: they opted out, and are named nowhere.
            match manifest.starter.as_str() {
                "0" => String::new(),
                starter => format!(" · started by <@{starter}>"),
            },
            manifest.started_ms / 1_000,
            clock(manifest.length_us)
        );
        for track in &manifest.tracks {
            let name = match track.kind {
                Kind::Lane => format!("the bot's {}", track.name),
                _ => plain(&track.name),
            };
            let all = track.packets + track.lost;
            let percent = track.lost as f64 * 100.0 / all.max(1) as f64;
            let _ = writeln!(text, "• {name} · {percent:.1} % lost");
        }
        for (part, id) in [
            ("goes on from", &manifest.previous),
            ("goes on in", &manifest.next),
        ] {
            if let Some(id) = id {
                let _ = writeln!(text, "{part} `{id}`");
            }
        }
        let (lines, _) = events::read(&folder).unwrap_or_default();
        let notes = chapters(&lines);
        for (t, note) in notes.iter().take(NOTES) {
            let _ = writeln!(text, "📌 {} {}", clock(*t), plain(note));
        }
        if notes.len() > NOTES {
            let _ = writeln!(text, "…and {} more notes", notes.len() - NOTES);
        }
        cx.detach("an answer", asked.refuse(text));
    }

    pub(super) fn keep(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let Some((folder, manifest)) = self.wanted(cx, asked, guild) else {
            return;
        };
        let room = self.rooms.get_mut(&guild);
        let (kept, done) = match room.filter(|room| room.id == manifest.id) {
            Some(room) if room.ending => {
                return cx.detach("an answer", asked.refuse(words::ENDS));
            }
            // Its manifest is the disk thread's until it ends.
            Some(room) => {
                room.kept = !room.kept;
                room.scribe.order(Job::Keep(room.kept));
                (room.kept, Ok(()))
            }
            None => (!manifest.keep, shelf::keep(&folder, !manifest.keep)),
        };
        if done.is_ok() {
            self.note_down(cx, &folder);
        }
        let words = match done {
            Ok(()) if kept => {
                "It is kept whatever its age. The same again takes that back.".to_owned()
            }
            Ok(()) => "It goes with age again.".to_owned(),
            Err(error) => format!("{error}; {}.", error.remedy()),
        };
        cx.detach("an answer", asked.refuse(words));
    }

    pub(super) fn delete(&self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let Some((folder, manifest)) = self.wanted(cx, asked, guild) else {
            return;
        };
        let runs = self
            .rooms
            .get(&guild)
            .is_some_and(|room| room.id == manifest.id);
        let words = match asked.boolean("confirm") {
            _ if runs => "It is still being recorded: `/record stop` first.".to_owned(),
            Some(true) => match shelf::delete(&folder) {
                Ok(()) => {
                    self.call_off_all(&folder);
                    let id = &manifest.id;
                    if let Err(error) = self.index().remove(&guild.to_string(), id) {
                        cx.warn(&format!("the index of recordings: {error}"));
                    }
                    cx.info(&format!(
                        "{} deleted the recording {}",
                        asked.user_id(),
                        manifest.id
                    ));
                    format!(
                        "`{}` is gone, with everything that was made from it.",
                        manifest.id
                    )
                }
                Err(error) => format!("{error}; {}.", error.remedy()),
            },
            _ => words::CONFIRM.to_owned(),
        };
        cx.detach("an answer", asked.refuse(words));
    }

    /// Brings the index up to what a recording's files say.
    pub(super) fn note_down(&self, cx: &Cx<'_, Self>, folder: &std::path::Path) {
        if let Err(error) = self.index().note(folder) {
            cx.warn(&format!(
                "the index of recordings: {error}; {}",
                error.remedy()
            ));
        }
    }
}

fn is_of(manifest: &Manifest, user: UserId) -> bool {
    manifest.starter == user.to_string()
}

fn label(title: &str, id: &str) -> String {
    match title.is_empty() {
        true => id.to_owned(),
        false => format!("{title} · {id}"),
    }
}
