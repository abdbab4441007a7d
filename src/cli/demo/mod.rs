//! `mynah demo`: server, bot and a listening user in one process; plays a file, writes down what the
//! listener heard, and says how good it was.
//!
//! Nothing is cut short: the listener is a voice client with its own socket and keys, and is asked
//! over the control API as any script would.

mod reference;
mod report;
mod stage;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mynah_media::wav::{Format, WavWriter};
use mynah_media::{MediaError, OpenOptions, Read};

use super::args::DemoArgs;
use super::exit::Failure;
use super::{logging, out, run, signals};
use report::Report;
use stage::Stage;

/// Longest demonstration unless `--seconds` says otherwise.
const DEFAULT_SECONDS: f64 = 60.0;
/// Length of the built-in tune when no file is given.
const TUNE_SECONDS: f64 = 20.0;
/// What the listener hears before and after the sound.
const MARGIN: Duration = Duration::from_millis(1500);

/// The sound to play, and what it should sound like.
struct Source {
    path: PathBuf,
    shown: String,
    about: String,
    /// Interleaved stereo, 48 kHz, only the part that is played.
    samples: Vec<f32>,
}

/// Runs the demonstration.
///
/// # Errors
/// The file cannot be played, the stage cannot be set up, or the listener heard something else.
pub(super) fn demo(args: &DemoArgs) -> Result<(), Failure> {
    logging::start_quietly();
    if args
        .seconds
        .is_some_and(|seconds| !(0.5..=3600.0).contains(&seconds))
    {
        return Err(Failure::usage(
            "--seconds must be between 0.5 and 3600",
            "for example --seconds 30",
        ));
    }
    let dir = tempfile::Builder::new()
        .prefix("mynah-demo-")
        .tempdir()
        .map_err(|error| {
            Failure::failed(format!("no temporary folder: {error}"), "check TMPDIR")
        })?;
    let source = source(args, dir.path())?;
    let made = writable(&args.out)?;
    let outcome = run::block_on(async {
        let stop = signals::listen()?;
        tokio::select! {
            result = perform(args, &source, dir.path()) => result,
            () = stop.cancelled() => Err(Failure::failed("interrupted", "nothing was written")),
        }
    });
    if made && std::fs::metadata(&args.out).is_ok_and(|out| out.len() == 0) {
        let _ = std::fs::remove_file(&args.out);
    }
    outcome
}

async fn perform(args: &DemoArgs, source: &Source, dir: &Path) -> Result<(), Failure> {
    let seconds = source.samples.len() as f64 / 2.0 / f64::from(mynah_audio::SAMPLE_RATE_HZ);
    out::error(&format!(
        "playing {} ({}), {seconds:.1} s …",
        source.shown, source.about
    ));
    let stage = Stage::set(dir).await?;
    let heard = stage
        .play(
            &source.path,
            Duration::from_secs_f64(seconds),
            MARGIN,
            &args.out,
        )
        .await;
    let closing = stage.close().await;
    let heard = heard?;
    std::fs::write(&args.out, &heard.bytes).map_err(|error| {
        Failure::failed(
            format!("cannot write {}: {error}", args.out.display()),
            "choose another --out",
        )
    })?;
    let recording = decode_bytes(&args.out, &heard.bytes)?;
    let report = Report::new(source, &heard, &recording, &closing);
    report.text(&args.out).lines().for_each(out::line);
    report.verdict()
}

/// Opens the file (or writes the built-in tune) and decodes what will be compared.
fn source(args: &DemoArgs, dir: &Path) -> Result<Source, Failure> {
    let limit = args.seconds.unwrap_or(DEFAULT_SECONDS);
    let (path, shown) = match &args.file {
        Some(path) => (path.clone(), path.display().to_string()),
        None => {
            let path = dir.join("tune.wav");
            let seconds = args.seconds.unwrap_or(TUNE_SECONDS);
            write_tune(&path, seconds).map_err(|error| {
                Failure::failed(
                    format!("cannot write the built-in tune: {error}"),
                    "check TMPDIR",
                )
            })?;
            (path, "the built-in tune".to_owned())
        }
    };
    let unplayable = |error: MediaError| Failure::failed(error.to_string(), error.remedy());
    let mut media = mynah_media::open(&path, &OpenOptions::default()).map_err(unplayable)?;
    let info = media.info();
    let about = format!(
        "{}, {} Hz, {} ch",
        info.codec, info.sample_rate_hz, info.channels
    );
    let samples = decode(&mut media, limit).map_err(unplayable)?;
    if samples.is_empty() {
        return Err(Failure::failed(
            format!("{shown} holds no sound"),
            "choose another file",
        ));
    }
    // Only as much is played as is compared: a cut copy keeps the end of sound honest.
    let whole = samples.len() as f64 / 96_000.0 < limit - 0.02;
    let path = if whole { path } else { cut(&samples, dir)? };
    Ok(Source {
        path,
        shown,
        about,
        samples,
    })
}

fn cut(samples: &[f32], dir: &Path) -> Result<PathBuf, Failure> {
    let path = dir.join("cut.wav");
    write_wav(&path, samples).map_err(|error| {
        Failure::failed(format!("cannot write a copy: {error}"), "check TMPDIR")
    })?;
    Ok(path)
}

/// 32-bit samples, so that writing changes nothing.
fn write_wav(path: &Path, samples: &[f32]) -> std::io::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut writer = WavWriter::new(file, Format::F32)?;
    writer.write(samples)?;
    writer.finish()?.flush()
}

fn write_tune(path: &Path, seconds: f64) -> std::io::Result<()> {
    let mut tune = mynah_media::tune::builtin(seconds);
    let mut samples = Vec::new();
    let mut block = [0.0; mynah_audio::SAMPLES];
    loop {
        match tune.read(&mut block) {
            Read::Full => samples.extend_from_slice(&block),
            Read::Last(frames) => samples.extend(block.iter().take(frames * 2)),
            Read::End => return write_wav(path, &samples),
        }
    }
}

/// Decodes up to `seconds` of sound.
fn decode(media: &mut mynah_media::Media, seconds: f64) -> Result<Vec<f32>, MediaError> {
    let mut samples = Vec::new();
    let mut block = [0.0; mynah_audio::SAMPLES];
    let most = (seconds * 48_000.0) as usize * 2;
    while samples.len() < most {
        match media.read(&mut block)? {
            Read::Full => samples.extend_from_slice(&block),
            Read::Last(frames) => {
                samples.extend(block.iter().take(frames * 2));
                break;
            }
            Read::End => break,
        }
    }
    samples.truncate(most);
    Ok(samples)
}

fn decode_bytes(path: &Path, bytes: &[u8]) -> Result<Vec<f32>, Failure> {
    let name = path.display().to_string();
    let opened = mynah_media::open_bytes(&name, bytes.to_vec(), &OpenOptions::default());
    opened
        .and_then(|mut media| decode(&mut media, f64::from(u16::MAX)))
        .map_err(|error| Failure::failed(format!("the recording cannot be read back: {error}"), ""))
}

/// Says so before the music plays, not after. True when the file is new.
fn writable(path: &Path) -> Result<bool, Failure> {
    let made = !path.exists();
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .map(|_| made)
        .map_err(|error| {
            Failure::failed(
                format!("cannot write {}: {error}", path.display()),
                "choose another --out",
            )
        })
}
