//! What becomes of recordings: listed, shown, exported, kept, deleted.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use mynah_plugin::{Choice, Cx, GuildId, Interaction, Reply, Result};
use serde_json::json;

use super::room::{clock, plain, size};
use super::{Recorder, words};
use crate::core::events::{self, Event};
use crate::core::manifest::{Kind, Manifest};
use crate::core::shelf::{self, Shelved};
use crate::export_job::{ExportError, ExportJob, Format};

/// What Discord takes from a bot without a boost (rest.md section 5).
const ATTACH_BYTES: u64 = 10 << 20;
/// Recordings on one list.
const LISTED: usize = 15;
/// Notes that `/record info` shows.
const NOTES: usize = 10;

impl Recorder {
    /// This server's recordings, the newest first.
    fn here(&self, guild: GuildId) -> Vec<Shelved> {
        let own = self.folder.join(guild.to_string());
        let mut here = shelf::list(&self.folder).unwrap_or_default();
        here.retain(|one| one.folder.starts_with(&own));
        here.reverse();
        here
    }

    /// The folder of a recording of this server, by an id that somebody typed.
    fn find(&self, guild: GuildId, id: &str) -> Option<PathBuf> {
        let named = |one: &Shelved| one.folder.file_name().is_some_and(|name| name == id);
        let found = self.here(guild).into_iter().find(named)?;
        Some(found.folder)
    }

    /// The recording that was asked for, if it is there and does not run; else they are told.
    fn wanted(
        &self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
    ) -> Option<(PathBuf, Manifest)> {
        let id = asked.text("id").unwrap_or_default();
        let found = self.find(guild, id);
        let manifest = found.as_deref().map(Manifest::read);
        let refusal = match (found, manifest) {
            (Some(folder), Some(Ok(manifest))) => return Some((folder, manifest)),
            (Some(_), Some(Err(error))) => format!("{error}; {}.", error.remedy()),
            _ => words::NO_SUCH.to_owned(),
        };
        cx.detach("an answer", asked.refuse(refusal));
        None
    }

    pub(super) fn offer(&self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let typed = asked
            .focused()
            .map_or("", |(_, typed)| typed)
            .to_lowercase();
        let mut choices = Vec::new();
        for one in self.here(guild) {
            let Ok(manifest) = one.manifest else {
                continue;
            };
            let label = label(&manifest);
            if label.to_lowercase().contains(&typed) {
                choices.push(Choice::new(label, manifest.id));
            }
        }
        cx.detach("offering recordings", asked.choices(choices));
    }

    pub(super) fn list(&self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let all = self.here(guild);
        let mut text = String::new();
        for one in all.iter().take(LISTED) {
            let _ = match &one.manifest {
                Ok(manifest) => {
                    let keep = if manifest.keep { " · kept" } else { "" };
                    let state = match manifest.state.is_open() {
                        true => " · 🔴 running",
                        false => "",
                    };
                    writeln!(
                        text,
                        "`{}` {} · {} · {} tracks · {}{keep}{state}",
                        manifest.id,
                        plain(&manifest.title),
                        clock(manifest.length_us),
                        manifest.tracks.len(),
                        size(one.bytes)
                    )
                }
                Err(_) => writeln!(text, "⚠️ {} cannot be read", one.folder.display()),
            };
        }
        if all.len() > LISTED {
            let _ = writeln!(text, "…and {} more", all.len() - LISTED);
        }
        if text.is_empty() {
            text.push_str("Nothing has been recorded here yet. `/record start` begins.");
        }
        cx.detach("an answer", asked.refuse(text));
    }

    pub(super) fn info(&self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let Some((folder, manifest)) = self.wanted(cx, asked, guild) else {
            return;
        };
        let mut text = format!(
            "**{}** · <#{}>{} · <t:{}:f> · {}\n",
            label(&manifest),
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
        let notes = lines.iter().filter_map(|line| match &line.event {
            Event::Note { text, .. } => Some((line.t, text)),
            _ => None,
        });
        for (t, note) in notes.take(NOTES) {
            let _ = writeln!(text, "📌 {} {}", clock(t), plain(note));
        }
        cx.detach("an answer", asked.refuse(text));
    }

    pub(super) fn keep(&self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let Some((folder, manifest)) = self.wanted(cx, asked, guild) else {
            return;
        };
        let words = match shelf::keep(&folder, !manifest.keep) {
            Ok(()) if manifest.keep => "It goes with age again.".to_owned(),
            Ok(()) => "It is kept whatever its age. The same again takes that back.".to_owned(),
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

    // --- export --------------------------------------------------------------------------------

    pub(super) fn export(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let Some((folder, _)) = self.wanted(cx, &asked, guild) else {
            return;
        };
        let from_us = asked.text("from").map(moment);
        let to_us = asked.text("to").map(moment);
        if from_us == Some(None) || to_us == Some(None) {
            let words = "Write a moment as 1:02:03, 2:30 or 90s.";
            return cx.detach("an answer", asked.refuse(words));
        }
        let job = ExportJob {
            folder,
            format: asked
                .text("format")
                .and_then(Format::named)
                .unwrap_or(Format::Flac),
            mix: asked.boolean("mix").unwrap_or(false),
            from_us: from_us.flatten(),
            to_us: to_us.flatten(),
            out: None,
        };
        let deferred = asked.defer(true);
        let work = async move {
            let deferred = deferred.await;
            (deferred, aside(move || run(&job)).await)
        };
        cx.spawn(work, move |_, cx, (deferred, made)| {
            if let Err(error) = deferred {
                error.log(cx, "saying that it takes a while");
            }
            match made {
                Ok((path, bytes)) => deliver(cx, asked, path, bytes),
                Err(error) => {
                    let words = format!("There is no file: {error}; {}.", error.remedy());
                    cx.detach("an answer", asked.edit(Reply::text(words)));
                }
            }
        });
    }
}

fn run(job: &ExportJob) -> std::result::Result<(PathBuf, u64), ExportError> {
    let path = job.run(&mut |_, _| true)?;
    let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
    Ok((path, bytes))
}

/// Attaches the file where it fits, else says where it lies.
fn deliver(cx: &mut Cx<'_, Recorder>, asked: Interaction, path: PathBuf, bytes: u64) {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let (name, words) = (name.unwrap_or_default(), place(&path, bytes));
    let channel = asked.channel_id();
    let contents = (bytes <= ATTACH_BYTES)
        .then(|| std::fs::read(&path).ok())
        .flatten();
    let (Some(contents), Some(channel)) = (contents, channel) else {
        return cx.detach("an answer", asked.edit(Reply::text(words)));
    };
    let file = json!({
        "name": name, "content_type": "application/octet-stream",
        "base64": base64::engine::general_purpose::STANDARD.encode(contents),
    });
    let body = Reply::text(format!("📦 {name} · {}", size(bytes))).to_json();
    let posted = cx.host().op(
        "rest",
        json!({ "method": "POST", "path": format!("/channels/{channel}/messages"),
                "body": body, "files": [file] }),
    );
    cx.spawn(posted, move |_, cx, posted: Result<_>| {
        let words = match posted {
            Ok(_) => format!("Here it is. {words}"),
            Err(error) => format!("It could not be attached ({error}). {words}"),
        };
        cx.detach("an answer", asked.edit(Reply::text(words)));
    });
}

fn place(path: &Path, bytes: u64) -> String {
    format!(
        "It lies on the bot's machine: `{}` ({}).",
        path.display(),
        size(bytes)
    )
}

fn label(manifest: &Manifest) -> String {
    match manifest.title.is_empty() {
        true => manifest.id.clone(),
        false => format!("{} · {}", manifest.title, manifest.id),
    }
}

/// `1:02:03`, `2:30`, `90s` or `90` in microseconds.
fn moment(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches('s');
    let mut seconds = 0_u64;
    for part in text.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    seconds.checked_mul(1_000_000)
}

/// Does something that takes long on a thread of its own; the plugin goes on meanwhile.
fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Aside<T> {
    let state = Arc::new(Mutex::new((None, None::<Waker>)));
    let theirs = Arc::clone(&state);
    let started = std::thread::Builder::new()
        .name("recorder-export".into())
        .spawn(move || {
            let _ = rustix::process::nice(10);
            let result = work();
            let mut state = theirs.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = Some(result);
            if let Some(waker) = state.1.take() {
                waker.wake();
            }
        });
    // Without a thread it never ends, and the answer stays "thinking": the system has other worries.
    drop(started);
    Aside(state)
}

struct Aside<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Future for Aside<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        assert_eq!(moment("1:02:03"), Some(3_723_000_000));
        assert_eq!(moment(" 90s "), Some(90_000_000));
        assert_eq!(moment("2:30"), Some(150_000_000));
        assert_eq!(moment("soon"), None);
        assert_eq!(moment("99999999999999999999"), None);
    }
}
