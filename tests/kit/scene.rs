//! A folder with a bot.toml and music, ready for the real program.

use std::f32::consts::TAU;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use mynah_media::wav::{Format, WavWriter};
use tempfile::TempDir;

use crate::{Control, Program};

/// A fresh folder; removed when dropped.
pub struct Scene {
    dir: TempDir,
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// An empty music folder and a bot.toml that runs on the embedded server on free ports.
    ///
    /// # Panics
    /// The temporary folder cannot be written.
    pub fn new() -> Self {
        let dir =
            tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let scene = Self { dir };
        std::fs::create_dir(scene.path().join("music"))
            .unwrap_or_else(|error| panic!("no music folder: {error}"));
        scene.config("");
        scene
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes bot.toml: the usual settings for tests plus `more`.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn config(&self, more: &str) {
        let text = format!(
            "schema = 1\n[paths]\nlibrary = [\"music\"]\n[server]\nhttp_port = 0\nvoice_port = 0\nseed = 7\n{more}"
        );
        self.write("bot.toml", text.as_bytes());
    }

    /// Writes a file.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Writes a song into the music folder: [`song`] as a 48 kHz WAV file.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn song(&self, name: &str, seconds: f32) -> (PathBuf, Vec<f32>) {
        let samples = song(seconds);
        (self.wav(name, &samples), samples)
    }

    /// Writes samples (48 kHz, stereo, interleaved) into the music folder as a WAV file.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn wav(&self, name: &str, samples: &[f32]) -> PathBuf {
        let path = self.path().join("music").join(name);
        write_wav(&path, samples).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Starts `mynah run` here.
    pub fn run(&self, binary: &str) -> (Program, Control) {
        let program = Program::start(binary, self.path(), &["run"], &[]);
        let control = Control::of(&program);
        (program, control)
    }
}

pub(crate) fn write_wav(path: &Path, samples: &[f32]) -> std::io::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut writer = WavWriter::new(file, Format::F32)?;
    writer.write(samples)?;
    writer.finish()?.flush()
}

/// A sound in which no two 20 ms frames are alike, so that a lost, repeated or swapped frame is
/// found: three slow sweeps that never come back to the same place, stereo, at -9 dBFS peak.
pub fn song(seconds: f32) -> Vec<f32> {
    let frames = (seconds * 48_000.0) as usize;
    let mut phases = [0.0f32; 3];
    let mut samples = Vec::with_capacity(frames * 2);
    for frame in 0..frames {
        let t = frame as f32 / 48_000.0;
        let hz = [
            220.0 + 61.0 * t,
            700.0 + 90.0 * (t * 0.7).sin() + 37.0 * t,
            1800.0 + 113.0 * t,
        ];
        for (phase, hz) in phases.iter_mut().zip(hz) {
            *phase = (*phase + hz / 48_000.0).fract();
        }
        let [a, b, c] = phases.map(|phase| (phase * TAU).sin());
        samples.push(0.18 * a + 0.11 * b + 0.06 * c);
        samples.push(0.18 * a - 0.11 * b + 0.06 * c);
    }
    samples
}
