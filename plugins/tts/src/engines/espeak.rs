//! eSpeak NG: small, quick, every language. <https://github.com/espeak-ng/espeak-ng>

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use super::child::{Task, run};
use super::wav::Stream;
use super::{Ask, Engine, EngineError, Sound, Stop, VoiceName};

/// What it takes to speak at its own speed, in words a minute (espeak-ng(1), `-s`), and its limits.
const WORDS_PER_MINUTE: u32 = 175;
const SPEEDS: core::ops::RangeInclusive<u32> = 80..=450;
/// Its own pitch of 0 to 99 (espeak-ng(1), `-p`).
const PITCH: u32 = 50;
const PITCH_MAX: u32 = 99;
/// More voices, or more bytes of a list of them, are not believed.
const MAX_VOICES: usize = 2_000;
const MAX_LIST_BYTES: usize = 1 << 20;
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// What the operator does when it is not there.
const REMEDY: &str =
    "install it, for instance with `apt-get install espeak-ng`, or set `espeak_path`";

/// The engine `espeak`.
#[derive(Debug, Clone)]
pub struct Espeak {
    path: PathBuf,
    default_voice: String,
    timeout: Duration,
}

impl Espeak {
    /// `path` is the program's name or place; a sentence takes `timeout` at most.
    #[must_use]
    pub fn new(
        path: impl Into<PathBuf>,
        default_voice: impl Into<String>,
        timeout: Duration,
    ) -> Self {
        Self {
            path: path.into(),
            default_voice: default_voice.into(),
            timeout,
        }
    }

    fn list(&self, what: &str, stop: &Stop) -> Result<String, EngineError> {
        let args = [OsStr::new(what)];
        let task = Task {
            program: &self.path,
            args: &args,
            input: b"",
            timeout: LIST_TIMEOUT,
            remedy: REMEDY,
        };
        let mut list = Vec::new();
        run(&task, stop, &mut |bytes| {
            list.extend_from_slice(bytes);
            Ok(list.len() < MAX_LIST_BYTES)
        })?;
        Ok(String::from_utf8_lossy(&list).into_owned())
    }
}

impl Engine for Espeak {
    fn id(&self) -> &'static str {
        "espeak"
    }

    fn bends(&self) -> bool {
        true
    }

    /// Languages, and each with the variants for one language: `en-us+f3` is one of them.
    fn voices(&self, stop: &Stop) -> Result<Vec<VoiceName>, EngineError> {
        let mut voices = languages(&self.list("--voices", stop)?);
        // Old versions know no list of variants.
        let variants = self.list("--voices=variant", stop).unwrap_or_default();
        voices.extend(variants_of(&variants, &self.default_voice));
        voices.truncate(MAX_VOICES);
        Ok(voices)
    }

    fn speak(
        &self,
        ask: &Ask<'_>,
        stop: &Stop,
        out: &mut dyn FnMut(Sound<'_>) -> bool,
    ) -> Result<(), EngineError> {
        let voice = ask.voice.unwrap_or(&self.default_voice);
        if !is_voice(voice) {
            return Err(EngineError::NoVoice(voice.to_owned()));
        }
        let speed =
            (WORDS_PER_MINUTE * u32::from(ask.speed) / 100).clamp(*SPEEDS.start(), *SPEEDS.end());
        let pitch = (PITCH * u32::from(ask.pitch) / 100).min(PITCH_MAX);
        // `-b 1`: the text is UTF-8. Markup stays off: nothing in a text is an order.
        let args: [OsString; 10] = [
            "--stdout".into(),
            "--stdin".into(),
            "-b".into(),
            "1".into(),
            "-v".into(),
            voice.into(),
            "-s".into(),
            speed.to_string().into(),
            "-p".into(),
            pitch.to_string().into(),
        ];
        let args: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
        let task = Task {
            program: &self.path,
            args: &args,
            input: ask.text.as_bytes(),
            timeout: self.timeout,
            remedy: REMEDY,
        };
        let mut stream = Stream::default();
        let spoke = run(&task, stop, &mut |bytes| stream.push(bytes, out));
        match spoke.and_then(|()| stream.end()) {
            Err(EngineError::Failed(words)) if words.contains("voice") => {
                Err(EngineError::NoVoice(voice.to_owned()))
            }
            other => other,
        }
    }
}

/// What can be a voice's name and nothing else: no path, no option.
fn is_voice(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+');
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 40
        && name.chars().all(letters)
}

/// "Pty Language Age/Gender VoiceName File", one voice a line.
fn languages(list: &str) -> Vec<VoiceName> {
    let mut voices: Vec<VoiceName> = list
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split_whitespace();
            let id = columns.nth(1)?;
            let title = columns.nth(1)?.replace('_', " ");
            is_voice(id).then(|| VoiceName {
                id: id.to_owned(),
                title,
            })
        })
        .collect();
    // The first of each language is the one that is spoken with that name.
    let mut seen = std::collections::BTreeSet::new();
    voices.retain(|voice| seen.insert(voice.id.clone()));
    voices
}

/// The variants of a voice: their files are `!v/f3`.
fn variants_of(list: &str, voice: &str) -> Vec<VoiceName> {
    let base = voice.split('+').next().unwrap_or(voice);
    let variants = list.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace();
        let title = columns.nth(3)?.replace('_', " ");
        let file = columns.next()?.rsplit('/').next()?;
        let id = format!("{base}+{file}");
        is_voice(&id).then(|| VoiceName {
            id,
            title: format!("{base}, {title}"),
        })
    });
    variants.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tests that speak need the real program.
    fn espeak() -> Espeak {
        let found = std::process::Command::new("espeak-ng")
            .arg("--version")
            .output();
        assert!(
            found.is_ok(),
            "this test needs eSpeak NG: apt-get install espeak-ng"
        );
        Espeak::new("espeak-ng", "en-us", Duration::from_secs(30))
    }

    fn say(engine: &Espeak, ask: &Ask<'_>) -> (Result<(), EngineError>, u32, Vec<i16>) {
        let (mut rate, mut all) = (0, Vec::new());
        let done = engine.speak(ask, &Stop::default(), &mut |sound| {
            rate = sound.rate_hz;
            all.extend_from_slice(sound.mono);
            true
        });
        (done, rate, all)
    }

    const HELLO: Ask<'_> = Ask {
        text: "Hello everybody, how are you?",
        voice: None,
        speed: 100,
        pitch: 100,
    };

    #[test]
    fn it_speaks_at_the_speed_that_is_asked_for() {
        let engine = espeak();
        let (done, rate, sound) = say(&engine, &HELLO);
        assert_eq!((done, rate), (Ok(()), 22_050));
        let seconds = sound.len() as f64 / f64::from(rate);
        assert!((1.0..4.0).contains(&seconds), "{seconds}");
        let loudest = sound.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest > Some(3_000), "{loudest:?}");
        let (_, _, fast) = say(
            &engine,
            &Ask {
                speed: 200,
                ..HELLO
            },
        );
        assert!(
            fast.len() * 3 < sound.len() * 2,
            "{} {}",
            fast.len(),
            sound.len()
        );
        let (_, _, german) = say(
            &engine,
            &Ask {
                voice: Some("de"),
                ..HELLO
            },
        );
        assert_ne!(german, sound);
        let (done, _, _) = say(
            &engine,
            &Ask {
                text: "-v de --path=/ <speak> \u{1F600} \"$(id)\"",
                ..HELLO
            },
        );
        assert_eq!(done, Ok(()), "whatever is in a text is text");
    }

    #[test]
    fn a_voice_is_a_name_and_neither_an_option_nor_a_path() {
        let engine = Espeak::new("/no/such/program", "en", Duration::from_secs(1));
        for bad in [
            "--help",
            "../x",
            "/etc/passwd",
            "",
            "a b",
            "x\ny",
            &"x".repeat(99),
        ] {
            let (done, _, _) = say(
                &engine,
                &Ask {
                    voice: Some(bad),
                    ..HELLO
                },
            );
            assert!(
                matches!(done, Err(EngineError::NoVoice(_))),
                "{bad}: {done:?}"
            );
        }
        let (done, _, _) = say(&engine, &HELLO);
        assert!(
            done.unwrap_err()
                .remedy()
                .contains("apt-get install espeak-ng")
        );
        let (done, _, _) = say(
            &espeak(),
            &Ask {
                voice: Some("xx-nowhere"),
                ..HELLO
            },
        );
        assert!(matches!(done, Err(EngineError::NoVoice(_))), "{done:?}");
    }

    #[test]
    fn it_lists_languages_and_variants() {
        let voices = espeak().voices(&Stop::default()).unwrap();
        let has = |id: &str| voices.iter().any(|voice| voice.id == id);
        assert!(has("en-us") && has("de") && has("en-us+f3"), "{voices:?}");
        let list = "Pty Language Age/Gender VoiceName File\n 5  de  --/M  German  gmw/de\n 5 -x --/M Evil f\n";
        assert_eq!(
            languages(list),
            [VoiceName {
                id: "de".into(),
                title: "German".into()
            }]
        );
        assert!(languages("").is_empty() && languages("\n\n a").is_empty());
    }
}
