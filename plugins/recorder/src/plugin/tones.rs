//! The two sounds by which people hear that they are recorded. Made here, so that nothing has to be
//! shipped; written into the recorder's own folder and played from there.

use std::f64::consts::TAU;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const RATE: u32 = 48_000;
/// Quiet enough to talk over.
const LEVEL: f64 = 0.2;

/// Where the sounds are.
#[derive(Debug, Clone)]
pub(super) struct Tones {
    /// A recording begins: three rising notes, 0.9 s.
    pub begin: PathBuf,
    /// Somebody came later: one note, 0.25 s.
    pub chime: PathBuf,
}

impl Tones {
    /// Writes the sounds that are not there yet.
    pub fn write(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let tones = Self {
            begin: folder.join("begin.wav"),
            chime: folder.join("chime.wav"),
        };
        let notes = [(523.25, 0.25), (659.26, 0.25), (783.99, 0.4)];
        for (path, notes) in [(&tones.begin, &notes[..]), (&tones.chime, &[(880.0, 0.25)])] {
            let wav = wav(notes);
            if fs::read(path).ok().as_deref() != Some(&wav[..]) {
                fs::write(path, wav)?;
            }
        }
        Ok(tones)
    }
}

/// Mono, 16 bits: notes as `(Hz, seconds)`, each dying away.
fn wav(notes: &[(f64, f64)]) -> Vec<u8> {
    let mut samples: Vec<i16> = Vec::new();
    for (hz, seconds) in notes {
        let count = (seconds * f64::from(RATE)) as u32;
        for at in 0..count {
            let time = f64::from(at) / f64::from(RATE);
            let rise = (time / 0.01).min(1.0);
            let fall = 1.0 - f64::from(at) / f64::from(count);
            let sound = (TAU * hz * time).sin() + 0.3 * (2.0 * TAU * hz * time).sin();
            samples.push((sound * LEVEL * rise * fall * fall * 32_767.0) as i16);
        }
    }
    let bytes = samples.len() as u32 * 2;
    let mut wav = Vec::with_capacity(bytes as usize + 44);
    wav.extend(b"RIFF");
    wav.extend((bytes + 36).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    samples
        .iter()
        .for_each(|sample| wav.extend(sample.to_le_bytes()));
    wav
}
