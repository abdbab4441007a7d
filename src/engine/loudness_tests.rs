use std::time::Duration;

use mynah_media::{Media, wav};

use super::*;

/// A file of a steady tone of this amplitude.
fn tone(folder: &Path, amplitude: f32) -> Arc<PathBuf> {
    let path = folder.join(format!("{amplitude}.wav"));
    let mut out = wav::WavWriter::new(File::create(&path).unwrap(), wav::Format::F32).unwrap();
    let samples: Vec<f32> = (0..48_000u32 * 3)
        .flat_map(|n| [(n as f32 / 48_000.0 * 997.0 * std::f32::consts::TAU).sin() * amplitude; 2])
        .collect();
    out.write(&samples).unwrap();
    out.finish().unwrap();
    Arc::new(path)
}

fn open(path: &Path) -> Media {
    mynah_media::open(path, &OpenOptions::default()).unwrap()
}

/// Waits for the thread that measures; ends although it never would.
fn measured(level: &Level) -> f32 {
    let began = crate::clock::now();
    while level.wanted() == 1.0 && crate::clock::now() - began < Duration::from_secs(60) {
        std::thread::yield_now();
    }
    level.wanted()
}

#[test]
fn a_track_is_measured_once_and_known_by_its_content_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    // A tone of full scale on both channels measures -0.0 LUFS: this one -14.
    let path = tone(dir.path(), 0.2);
    let known = Loudness::new(-24.0, dir.path().join("loudness")).unwrap();
    let first = known.level(open(&path).info(), Some(&path));
    assert_eq!(first.gain, 1.0, "it begins as it is");
    let gain = 20.0 * measured(&first).log10();
    assert!((gain + 10.0).abs() < 0.3, "{gain} dB");
    // Glides, 3 dB a second, and stays there.
    let mut level = first;
    let mut block = SILENT_BLOCK;
    for second in 1..=5 {
        for _ in 0..50 {
            block.fill(0.5);
            level.apply(&mut block);
        }
        let expected = (f64::from(second) * -3.0).max(f64::from(gain)) as f32;
        let db = 20.0 * (block[block.len() - 1] / 0.5).log10();
        assert!((db - expected).abs() < 0.05, "{db} dB after {second} s");
    }
    // The same content elsewhere.
    let copy = Arc::new(dir.path().join("copy.wav"));
    std::fs::copy(&*path, &*copy).unwrap();
    let again = Loudness::new(-24.0, dir.path().join("loudness")).unwrap();
    let level = again.level(open(&copy).info(), Some(&copy));
    assert_eq!(level.gain, level.wanted());
    assert!((20.0 * level.gain.log10() - gain).abs() < 0.01);
    // Something else is something else.
    let other = tone(dir.path(), 0.05);
    assert_eq!(again.level(open(&other).info(), Some(&other)).gain, 1.0);
}

#[test]
fn tags_are_believed_and_quiet_tracks_are_not_raised_over_their_peaks() {
    let dir = tempfile::tempdir().unwrap();
    let known = Loudness::new(-16.0, dir.path().to_owned()).unwrap();
    let mut info = open(&tone(dir.path(), 0.1)).info().clone();
    let mut gain_of = |db: f32, peak: Option<f32>| {
        info.replay_gain = Some(mynah_media::Gain { db, peak });
        20.0 * known.level(&info, None).gain.log10()
    };
    // ReplayGain brings to -18 LUFS, two below what is wanted here.
    assert!((gain_of(-7.0, None) + 5.0).abs() < 0.01);
    assert!((gain_of(4.0, Some(0.2)) - 6.0).abs() < 0.01);
    let peak = 20.0 * 0.8f32.log10();
    assert!((gain_of(4.0, Some(0.8)) - (-1.0 - peak)).abs() < 0.01);
    assert_eq!(gain_of(-2.05, None), 0.0, "a difference nobody hears");
}
