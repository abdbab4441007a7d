//! Who spoke for how long: counted on the sound thread, written when the meeting is over.

use crate::wav::Wav;
use mynah_plugin::{Heard, Sink, UserId};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A break in the speech of one person that makes two times out of one: 50 × 20 ms.
const BREAK_TICKS: u64 = 50;
/// Files that are tried until a name is free.
const MAX_FILES: u32 = 9_999;
/// People whose time is kept apart.
const MAX_PEOPLE: usize = 500;

/// What came of a meeting.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Minutes {
    /// 20 ms each, from its beginning to its end.
    pub(crate) ticks: u64,
    pub(crate) people: BTreeMap<UserId, Spoken>,
    /// The name of its files without their ending.
    pub(crate) name: String,
    /// Why they are not whole.
    pub(crate) fault: Option<String>,
}

/// What one person said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// 20 ms each.
    pub(crate) ticks: u64,
    /// How often they took the word.
    pub(crate) times: u64,
    last: u64,
}

impl Minutes {
    fn count(&mut self, user: UserId, tick: u64) {
        if !self.people.contains_key(&user) && self.people.len() >= MAX_PEOPLE {
            return;
        }
        let spoken = self.people.entry(user).or_default();
        if spoken.times == 0 || tick.saturating_sub(spoken.last) > BREAK_TICKS {
            spoken.times += 1;
        }
        spoken.ticks += 1;
        spoken.last = tick;
    }

    /// For people, whoever spoke most first.
    pub(crate) fn words(&self) -> String {
        let mut text = format!("Minutes of {} in `{}.wav`.\n", time(self.ticks), self.name);
        let mut people: Vec<_> = self.people.iter().collect();
        people.sort_by_key(|(_, spoken)| core::cmp::Reverse(spoken.ticks));
        for (user, spoken) in people {
            let (who, long) = (crate::mention(*user), time(spoken.ticks));
            let _ = writeln!(text, "{who} spoke {long}, {} times", spoken.times);
        }
        if self.people.is_empty() {
            text.push_str("Nobody said anything.\n");
        }
        if let Some(fault) = &self.fault {
            let _ = writeln!(text, "⚠️ The files are not whole: {fault}");
        }
        text
    }
}

/// `1:05` for 65 seconds of ticks.
fn time(ticks: u64) -> String {
    let seconds = ticks / 50;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The ear. It writes to the disk through a buffer, on its own sound thread, which may block a
/// little; a recorder for many hours and many people would hand over to a thread of its own.
pub(crate) struct Ear {
    wav: Option<Wav>,
    folder: PathBuf,
    minutes: Minutes,
    tell: SyncSender<Minutes>,
}

impl Ear {
    /// Makes the folder and a file that was not there before.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Receiver<Minutes>)> {
        fs::create_dir_all(folder)?;
        let (name, file) = free_name(folder)?;
        let (tell, ended) = sync_channel(1);
        let minutes = Minutes {
            name,
            ..Minutes::default()
        };
        let ear = Self {
            wav: Some(Wav::new(file)?),
            folder: folder.to_owned(),
            minutes,
            tell,
        };
        Ok((ear, ended))
    }

    fn write(&mut self, mix: Option<&[f32]>, missed: u32) {
        let Some(wav) = &mut self.wav else { return };
        let written = wav.silence(missed).and_then(|()| match mix {
            Some(mix) => wav.write(mix),
            None => wav.silence(1),
        });
        if let Err(error) = written {
            // The minutes go on without the sound.
            self.minutes.fault = Some(error.to_string());
            self.wav = None;
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(wav) = self.wav.take() {
            wav.finish()?;
        }
        let path = self.folder.join(format!("{}.txt", self.minutes.name));
        let mut file = File::options().write(true).create_new(true).open(path)?;
        file.write_all(self.minutes.words().as_bytes())
    }
}

impl Sink for Ear {
    fn heard(&mut self, heard: &Heard<'_>) {
        self.minutes.ticks += 1 + u64::from(heard.lost_before());
        let tick = self.minutes.ticks;
        for voice in heard.voices().filter(|voice| voice.is_speech) {
            self.minutes.count(voice.user, tick);
        }
        self.write(heard.mix().map(|mix| mix.as_slice()), heard.lost_before());
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            self.minutes.fault = Some(error.to_string());
        }
        // Nobody waits for it when the bot was taken out.
        let _ = self.tell.try_send(core::mem::take(&mut self.minutes));
    }
}

/// `meeting-0001` or the next; what is there is never written over.
fn free_name(folder: &Path) -> io::Result<(String, File)> {
    for number in 1..=MAX_FILES {
        let name = format!("meeting-{number:04}");
        let path = folder.join(format!("{name}.wav"));
        match File::options().write(true).create_new(true).open(path) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the folder is full of meetings"))
}
