//! Piper: neural voices on the own machine. <https://github.com/OHF-Voice/piper1-gpl>
//!
//! A voice is two files in a folder, `NAME.onnx` and `NAME.onnx.json`. The program gets lines and
//! writes bare samples; both the older and the newer program know the options used here.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::child::{Task, run};
use super::pcm::Bytes;
use super::wav::RATES_HZ;
use super::{Ask, Engine, EngineError, Sound, Stop, VoiceName};

/// A folder with more voices is not read to its end.
const MAX_VOICES: usize = 1_000;
/// The description of a voice is some 10 kB.
const MAX_JSON_BYTES: u64 = 1 << 20;
/// What the operator does when something is missing.
const REMEDY: &str =
    "install Piper and set `piper_path`; its voices go to the folder of `piper_voices`";

/// The engine `piper`.
#[derive(Debug, Clone)]
pub struct Piper {
    path: PathBuf,
    folder: PathBuf,
    default_voice: String,
    timeout: Duration,
}

/// The part of `NAME.onnx.json` that is needed.
#[derive(Debug, Deserialize)]
struct About {
    audio: Audio,
}

#[derive(Debug, Deserialize)]
struct Audio {
    sample_rate: u32,
}

impl Piper {
    /// `path` is the program's name or place, `folder` holds the voices; a message takes `timeout`
    /// at most.
    #[must_use]
    pub fn new(
        path: impl Into<PathBuf>,
        folder: impl Into<PathBuf>,
        default_voice: impl Into<String>,
        timeout: Duration,
    ) -> Self {
        Self {
            path: path.into(),
            folder: folder.into(),
            default_voice: default_voice.into(),
            timeout,
        }
    }

    /// The model of a voice, and its rate; `None` is the voice of bot.toml.
    fn model(&self, wanted: Option<&str>) -> Result<(PathBuf, u32), EngineError> {
        let voice = wanted.unwrap_or(&self.default_voice);
        let model = self.folder.join(format!("{voice}.onnx"));
        if !is_voice(voice) || !model.is_file() {
            return Err(match wanted {
                Some(voice) => EngineError::NoVoice(voice.to_owned()),
                // Nothing that people choose could help.
                None => EngineError::NotInstalled {
                    program: model.display().to_string(),
                    remedy: REMEDY,
                },
            });
        }
        let rate_hz = rate(&self.folder.join(format!("{voice}.onnx.json")))?;
        Ok((model, rate_hz))
    }
}

impl Engine for Piper {
    fn id(&self) -> &'static str {
        "piper"
    }

    fn takes_lines(&self) -> bool {
        true
    }

    fn voices(&self, _: &Stop) -> Result<Vec<VoiceName>, EngineError> {
        let missing = |_| EngineError::NotInstalled {
            program: self.folder.display().to_string(),
            remedy: REMEDY,
        };
        let folder = std::fs::read_dir(&self.folder).map_err(missing)?;
        let names = folder.flatten().take(2 * MAX_VOICES).filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name
                .strip_suffix(".onnx")
                .filter(|id| is_voice(id))?
                .to_owned();
            Some(VoiceName {
                title: id.replace(['_', '-'], " "),
                id,
            })
        });
        let mut voices: Vec<VoiceName> = names.take(MAX_VOICES).collect();
        voices.sort();
        Ok(voices)
    }

    fn speak(
        &self,
        ask: &Ask<'_>,
        stop: &Stop,
        out: &mut dyn FnMut(Sound<'_>) -> bool,
    ) -> Result<(), EngineError> {
        let (model, rate_hz) = self.model(ask.voice)?;
        // Twice as fast is half as long.
        let scale = format!("{:.2}", 100.0 / f64::from(ask.speed.max(1)));
        let args: [OsString; 5] = [
            "--model".into(),
            model.into(),
            "--output_raw".into(),
            "--length_scale".into(),
            scale.into(),
        ];
        let args: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
        let mut input = ask.text.to_owned();
        input.push('\n');
        let task = Task {
            program: &self.path,
            args: &args,
            input: input.as_bytes(),
            timeout: self.timeout,
            remedy: REMEDY,
        };
        let (mut body, mut mono, mut said) = (Bytes::new(1), Vec::new(), false);
        run(&task, stop, &mut |bytes| {
            mono.clear();
            body.push(bytes, &mut mono);
            said |= !mono.is_empty();
            Ok(out(Sound {
                rate_hz,
                mono: &mono,
            }))
        })?;
        if said {
            Ok(())
        } else {
            Err(EngineError::Failed("it said nothing".to_owned()))
        }
    }
}

/// What can be a voice's name: a file of the folder, and never above it.
fn is_voice(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 80
        && name.chars().all(letters)
}

fn rate(path: &Path) -> Result<u32, EngineError> {
    let bad = EngineError::BadSound("the voice's .onnx.json does not say its rate");
    let mut json = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_JSON_BYTES).read_to_end(&mut json));
    let about: Option<About> = read.ok().and_then(|_| serde_json::from_slice(&json).ok());
    let rate_hz = about.ok_or_else(|| bad.clone())?.audio.sample_rate;
    if RATES_HZ.contains(&rate_hz) {
        Ok(rate_hz)
    } else {
        Err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// A folder with a voice, and a program in Piper's place: it writes what it was told.
    fn stand_in(folder: &Path, script: &str) -> Piper {
        std::fs::write(folder.join("en_US-test.onnx"), b"model").unwrap();
        let json = br#"{ "audio": { "sample_rate": 16000 }, "num_speakers": 1 }"#;
        std::fs::write(folder.join("en_US-test.onnx.json"), json).unwrap();
        let program = folder.join("piper");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Piper::new(program, folder, "en_US-test", Duration::from_secs(30))
    }

    fn say(engine: &Piper, voice: Option<&str>) -> (Result<(), EngineError>, usize) {
        let ask = Ask {
            text: "one\ntwo",
            voice,
            speed: 125,
            pitch: 100,
        };
        let mut samples = 0;
        let done = engine.speak(&ask, &Stop::default(), &mut |sound| {
            assert_eq!(sound.rate_hz, 16_000);
            samples += sound.mono.len();
            true
        });
        (done, samples)
    }

    #[test]
    fn it_gets_lines_and_its_samples_are_read_at_the_voices_rate() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let script = format!(
            "echo \"$@\" > {0}; cat >> {0}; head -c 32000 /dev/zero",
            log.display()
        );
        let engine = stand_in(folder.path(), &script);
        assert_eq!(say(&engine, None), (Ok(()), 16_000));
        let log = std::fs::read_to_string(log).unwrap();
        let model = folder.path().join("en_US-test.onnx");
        let args = format!(
            "--model {} --output_raw --length_scale 0.80",
            model.display()
        );
        assert_eq!(
            log.lines().collect::<Vec<_>>(),
            [args.as_str(), "one", "two"]
        );
        assert_eq!(
            engine.voices(&Stop::default()).unwrap(),
            [VoiceName {
                id: "en_US-test".into(),
                title: "en US test".into()
            }]
        );
    }

    #[test]
    fn a_voice_is_a_file_of_its_folder_and_silence_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let engine = stand_in(folder.path(), "cat > /dev/null");
        for bad in ["../en_US-test", "/etc/passwd", "nobody", "--help", ""] {
            let (done, _) = say(&engine, Some(bad));
            assert!(matches!(done, Err(EngineError::NoVoice(_))), "{bad}");
        }
        assert!(matches!(say(&engine, None).0, Err(EngineError::Failed(_))));
        std::fs::write(folder.path().join("en_US-test.onnx.json"), b"{}").unwrap();
        assert!(matches!(
            say(&engine, None).0,
            Err(EngineError::BadSound(_))
        ));
        std::fs::remove_file(folder.path().join("en_US-test.onnx")).unwrap();
        assert!(matches!(
            say(&engine, None).0,
            Err(EngineError::NotInstalled { .. })
        ));
        let nowhere = Piper::new("piper", "/no/such/folder", "x", Duration::from_secs(1));
        assert!(matches!(
            nowhere.voices(&Stop::default()),
            Err(EngineError::NotInstalled { .. })
        ));
    }
}
