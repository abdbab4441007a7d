use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

const RATE: usize = SAMPLE_RATE_HZ as usize;

/// A sine of 1 kHz on both channels: seconds and height (dBFS) of one part after the other.
fn tone(parts: &[(f64, f64)]) -> Vec<f32> {
    let mut out = vec![];
    for (seconds, dbfs) in parts {
        let height = 10f64.powf(dbfs / 20.0);
        for _ in 0..(seconds * RATE as f64).round() as usize {
            let n = out.len() / CHANNELS;
            let s = (std::f64::consts::TAU * (n % 48) as f64 / 48.0).sin() * height;
            out.extend([s as f32; CHANNELS]);
        }
    }
    out
}

fn measured(sound: &[f32]) -> Loudness {
    let mut meter = Meter::new().unwrap();
    // In pieces, as it comes from a decoder.
    sound.chunks(1_920).for_each(|piece| meter.add(piece));
    meter.loudness()
}

#[test]
fn the_minimum_requirement_signals_of_ebu_tech_3341_measure_as_required() {
    // Table 1 of EBU Tech 3341, signals 1 to 5: integrated loudness within 0.1 LU. (Signal 6 has
    // five channels.)
    let signals: [(&[(f64, f64)], f64); 5] = [
        (&[(20.0, -23.0)], -23.0),
        (&[(20.0, -33.0)], -33.0),
        (&[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)], -23.0),
        (
            &[
                (10.0, -72.0),
                (10.0, -36.0),
                (60.0, -23.0),
                (10.0, -36.0),
                (10.0, -72.0),
            ],
            -23.0,
        ),
        (&[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)], -23.0),
    ];
    for (at, (parts, lufs)) in (1..).zip(signals) {
        let loudness = measured(&tone(parts));
        println!("signal {at}: {loudness:?}");
        assert!(
            (loudness.lufs - lufs).abs() <= 0.1,
            "signal {at}: {loudness:?}"
        );
    }
}

#[test]
fn the_true_peak_signals_of_ebu_tech_3341_measure_as_required() {
    // Signals 15 to 19: sines of a fraction of the sample rate whose samples miss the peak;
    // −0.4 to +0.2 dB are allowed.
    for (fraction, degrees, height, dbtp) in [
        (4.0, 0.0, 0.5, -6.0),
        (4.0, 45.0, 0.5, -6.0),
        (6.0, 60.0, 0.5, -6.0),
        (8.0, 67.5, 0.5, -6.0),
        (4.0, 45.0, 1.41, 3.0),
    ] {
        let sound: Vec<f32> = (0..RATE)
            .flat_map(|n| {
                let turn = n as f64 / fraction + degrees / 360.0;
                // Fades in and out, as the signals do.
                let fade = (n.min(RATE - n) as f64 / 4_800.0).min(1.0);
                [((std::f64::consts::TAU * turn).sin() * height * fade) as f32; CHANNELS]
            })
            .collect();
        let peak = measured(&sound).true_peak_db;
        assert!(
            (-0.4..=0.2).contains(&(peak - dbtp)),
            "fs/{fraction}: {peak} dBTP"
        );
    }
}

fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

/// Signals that are not in the standard: name, sound, and what ffmpeg 5.1.9
/// (`-af ebur128=peak=true`) said of them: LUFS, dBTP.
fn signals() -> Vec<(&'static str, Vec<f32>, f64, f64)> {
    let (mut l, mut r, mut low) = (noise(1), noise(2), [0.0f32; 2]);
    let music: Vec<f32> = (0..12 * RATE)
        .flat_map(|n| {
            let t = n as f32 / RATE as f32;
            low = [low[0] * 0.97 + l() * 0.1, low[1] * 0.97 + r() * 0.1];
            let swell = 0.3 + 0.25 * (t * 1.7).sin();
            let bass = (std::f32::consts::TAU * 65.4 * t).sin() * 0.4;
            low.map(|s| (s + bass) * swell)
        })
        .collect();
    let mut l = noise(3);
    let talk: Vec<f32> = (0..15 * RATE)
        .flat_map(|n| {
            let t = n as f32 / RATE as f32;
            let said = t % 3.0 < 1.4 && (t * 4.0).sin() > -0.6;
            let voice = (std::f32::consts::TAU * 140.0 * t).sin() * 0.2 + l() * 0.05;
            [if said { voice } else { l() * 0.0005 }; CHANNELS]
        })
        .collect();
    let mut l = noise(4);
    let one_side: Vec<f32> = (0..8 * RATE)
        .flat_map(|n| {
            let fade = (n as f32 / RATE as f32 / 8.0).powi(2);
            [l() * fade, 0.0]
        })
        .collect();
    vec![
        ("music", music, -15.8, -1.3),
        ("talk", talk, -16.0, -11.0),
        ("noise on one side", one_side, -6.9, 4.7),
    ]
}

/// What ffmpeg's ebur128 filter says: LUFS and dBTP. `None` without ffmpeg.
fn ffmpeg(sound: &[f32]) -> Option<(f64, f64)> {
    let mut child = Command::new("ffmpeg")
        .args([
            "-nostats", "-f", "f32le", "-ar", "48000", "-ac", "2", "-i", "-",
        ])
        .args(["-af", "ebur128=peak=true", "-f", "null", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    let bytes: Vec<u8> = sound.iter().flat_map(|s| s.to_le_bytes()).collect();
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().ok()?;
    feeder.join().ok()?.ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = said.rsplit_once("Summary:")?.1;
    let number = |label: &str| -> Option<f64> {
        let after = summary.split_once(label)?.1;
        after.split_whitespace().next()?.parse().ok()
    };
    Some((number("I:")?, number("Peak:")?))
}

#[test]
fn loudness_is_within_a_tenth_of_ffmpegs() {
    for (name, sound, lufs, dbtp) in signals() {
        let loudness = measured(&sound);
        let live = ffmpeg(&sound);
        println!("{name}: {loudness:?}, ffmpeg {live:?}");
        let (lufs, dbtp) = live.unwrap_or((lufs, dbtp));
        assert!(
            (loudness.lufs - lufs).abs() <= 0.1,
            "{name}: {loudness:?} for {lufs} LUFS"
        );
        // ffmpeg finds peaks with another filter, which passes more of the noise above 20 kHz.
        let peak_off = (loudness.true_peak_db - dbtp).abs();
        assert!(peak_off <= 0.6, "{name}: {loudness:?} for {dbtp} dBTP");
    }
}

#[test]
fn silence_and_nothing_have_no_loudness_and_get_no_gain() {
    for sound in [vec![], vec![0.0; 2 * RATE * CHANNELS]] {
        let loudness = measured(&sound);
        assert_eq!(loudness.lufs, f64::NEG_INFINITY);
        assert_eq!(loudness.true_peak_db, f64::NEG_INFINITY);
        assert_eq!(loudness.gain_to(-16.0, -1.0), 1.0);
    }
}

#[test]
fn a_nan_is_taken_for_silence() {
    let mut sound = tone(&[(5.0, -23.0)]);
    sound[1000] = f32::NAN;
    assert!((measured(&sound).lufs + 23.0).abs() < 0.1);
}

#[test]
fn the_gain_reaches_the_target_unless_the_peak_forbids_it() {
    let db = crate::level::db_from_gain;
    assert!(
        (db(gain_for(-10.0, -0.5, -16.0, -1.0)) + 6.0).abs() < 1e-3,
        "down freely"
    );
    assert!(
        (db(gain_for(-22.0, -10.0, -16.0, -1.0)) - 6.0).abs() < 1e-3,
        "up within the peak"
    );
    assert!(
        (db(gain_for(-22.0, -4.0, -16.0, -1.0)) - 3.0).abs() < 1e-3,
        "up to the ceiling"
    );
    assert_eq!(gain_for(-22.0, 0.5, -16.0, -1.0), 1.0, "no room at all");
    assert!(
        (db(gain_for(-60.0, -50.0, -16.0, -1.0)) - 12.0).abs() < 1e-3,
        "12 dB at most"
    );
    assert_eq!(gain_for(f64::NAN, -3.0, -16.0, -1.0), 1.0);
    assert!((db(gain_for(-22.0, f64::NAN, -16.0, -1.0)) - 6.0).abs() < 1e-3);
}

#[test]
fn the_gained_recording_measures_at_the_target() {
    let mut sound = tone(&[(5.0, -30.0)]);
    let gain = measured(&sound).gain_to(-20.0, -1.0);
    sound.iter_mut().for_each(|s| *s *= gain);
    assert!((measured(&sound).lufs + 20.0).abs() < 0.05);
}
