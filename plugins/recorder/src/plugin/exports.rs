//! `/record export`: files made of a finished recording, one job at a time, with a bar that moves.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine as _;
use mynah_plugin::{Cx, GuildId, Interaction, Reply, Result};
use serde_json::json;

use super::room::size;
use super::{Recorder, post, words};
use crate::export_job::{ExportError, ExportJob, Format};

/// What Discord takes from a bot without a boost (rest.md section 5).
const ATTACH_BYTES: u64 = 10 << 20;
/// Exports that run or wait; each waits on a thread.
const MAX_EXPORTS: usize = 5;
/// The bar moves this often; Discord allows five edits in five seconds.
const BAR_EVERY: Duration = Duration::from_secs(2);
/// Letters of the bar.
const BAR: u64 = 16;

/// One that runs or waits.
#[derive(Debug)]
pub(super) struct Export {
    number: u64,
    /// Of this recording.
    folder: PathBuf,
    state: Arc<State>,
    /// What the person reads.
    shown: String,
}

/// What its thread and the plugin share.
#[derive(Debug, Default)]
struct State {
    done: AtomicU64,
    all: AtomicU64,
    called_off: AtomicBool,
}

impl State {
    fn bar(&self) -> String {
        let (done, all) = (
            self.done.load(Ordering::Relaxed),
            self.all.load(Ordering::Relaxed),
        );
        if all == 0 {
            return "📦 It waits for another export, or is about to begin.".to_owned();
        }
        let percent = done.min(all) * 100 / all;
        let full = percent * BAR / 100;
        let bar: String = (0..BAR)
            .map(|at| if at < full { '█' } else { '░' })
            .collect();
        format!("📦 `{bar}` {percent} %")
    }
}

impl Recorder {
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
        if self.exports.len() >= MAX_EXPORTS {
            return cx.detach("an answer", asked.refuse(words::EXPORTS_WAIT));
        }
        let names = asked.text("tracks").unwrap_or_default().split(',');
        let job = ExportJob {
            folder,
            format: asked
                .text("format")
                .and_then(Format::named)
                .unwrap_or(Format::Flac),
            mix: asked.boolean("mix").unwrap_or(false),
            tracks: names
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
            chapter: asked.text("chapter").map(str::to_owned),
            from_us: from_us.flatten(),
            to_us: to_us.flatten(),
            out: None,
        };
        self.exported += 1;
        let (number, state) = (self.exported, Arc::new(State::default()));
        self.exports.push(Export {
            number,
            folder: job.folder.clone(),
            state: Arc::clone(&state),
            shown: String::new(),
        });
        let deferred = asked.defer(true);
        let made = aside(move || run(&job, &state));
        cx.spawn(deferred, move |recorder: &mut Self, cx, deferred| {
            if let Err(error) = deferred {
                error.log(cx, "saying that it takes a while");
            }
            recorder.move_bar(cx, asked.clone(), number);
            // Only now: an export that fails at once would be told before the answer it completes.
            cx.spawn(made, move |recorder: &mut Self, cx, made| {
                recorder.made(cx, asked, number, made);
            });
        });
    }

    /// There is a file, or none.
    fn made(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        number: u64,
        made: std::result::Result<(PathBuf, u64), ExportError>,
    ) {
        self.exports.retain(|one| one.number != number);
        let words = match made {
            Ok((path, bytes)) => return self.deliver(cx, asked, path, bytes),
            Err(ExportError::CalledOff) => "The export was called off.".to_owned(),
            Err(error) => format!("There is no file: {error}; {}.", error.remedy()),
        };
        let reply = Reply::text(words).components(Vec::new());
        cx.detach("an answer", asked.edit(reply));
    }

    /// Shows how far it is, again and again until it is done.
    fn move_bar(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, number: u64) {
        let Some(export) = self.exports.iter_mut().find(|one| one.number == number) else {
            return;
        };
        let bar = export.state.bar();
        if bar != export.shown && !export.state.called_off.load(Ordering::Relaxed) {
            export.shown.clone_from(&bar);
            let button = json!({ "type": 2, "style": 4, "label": "Call off",
                                 "custom_id": format!("recorder:calloff{number}") });
            let row = json!({ "type": 1, "components": [button] });
            let shown = asked.edit(Reply::text(bar).components(vec![row]));
            cx.detach("showing how far an export is", shown);
        }
        let sleep = cx.host().sleep(BAR_EVERY);
        cx.spawn(sleep, move |recorder: &mut Self, cx, _| {
            recorder.move_bar(cx, asked, number);
        });
    }

    /// Nobody waits for files of a recording that is gone.
    pub(super) fn call_off_all(&self, folder: &Path) {
        for export in self.exports.iter().filter(|one| one.folder == folder) {
            export.state.called_off.store(true, Ordering::Relaxed);
        }
    }

    /// The button below the bar; only who asked for the export sees it.
    pub(super) fn call_off(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, number: &str) {
        let number = number.parse::<u64>().ok();
        let export = self.exports.iter().find(|one| Some(one.number) == number);
        if let Some(export) = export {
            export.state.called_off.store(true, Ordering::Relaxed);
            return cx.detach("an answer", asked.defer_update());
        }
        cx.detach("an answer", asked.refuse("That export is over."));
    }

    /// Attaches the file where it fits, else says where it lies.
    fn deliver(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, path: PathBuf, bytes: u64) {
        // Its folder has grown.
        if let Some(folder) = path.parent().and_then(Path::parent) {
            self.note_down(cx, folder);
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let (name, words) = (name.unwrap_or_default(), place(&path, bytes));
        let channel = asked.channel_id();
        let contents = (bytes <= ATTACH_BYTES)
            .then(|| std::fs::read(&path).ok())
            .flatten();
        let (Some(contents), Some(channel)) = (contents, channel) else {
            return tell(cx, asked, words);
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
            tell(cx, asked, words);
        });
    }
}

/// Completes the answer; after a quarter of an hour Discord takes it no more, and the channel is told.
fn tell(cx: &mut Cx<'_, Recorder>, asked: Interaction, words: String) {
    let edited = asked.edit(Reply::text(words.clone()).components(Vec::new()));
    cx.spawn(edited, move |_, cx, edited| {
        if let (Err(error), Some(channel)) = (edited, asked.channel_id()) {
            error.log(cx, "completing an answer");
            post(cx, channel, format!("<@{}> {words}", asked.user_id()));
        }
    });
}

fn run(job: &ExportJob, state: &State) -> std::result::Result<(PathBuf, u64), ExportError> {
    let path = job.run(&mut |done, all| {
        state.done.store(done, Ordering::Relaxed);
        state.all.store(all, Ordering::Relaxed);
        !state.called_off.load(Ordering::Relaxed)
    })?;
    let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
    Ok((path, bytes))
}

fn place(path: &Path, bytes: u64) -> String {
    format!(
        "It lies on the bot's machine: `{}` ({}).",
        path.display(),
        size(bytes)
    )
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
pub(super) fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Aside<T> {
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

pub(super) struct Aside<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

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
