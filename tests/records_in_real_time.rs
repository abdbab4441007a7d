//! A meeting in real time: four speakers whose clocks are wrong, a bad network, a new epoch every ten
//! seconds, a resumed gateway, another voice server; music meanwhile. Where everything was said is known to
//! the microsecond, and every track is held against it.
//!
//! ```sh
//! MYNAH_MINUTES=10 cargo test --test records_in_real_time minutes -- --ignored --nocapture
//! cargo test --test records_in_real_time instant -- --ignored --nocapture
//! ```
//!
//! By hand, on a machine that does nothing else: a speaker that stands still with the machine is late as well
//! (`skipped_us`, told at the end).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mynah_recorder::core::manifest::{Kind, Manifest};
use mynah_recorder::core::timeline::Fate;
use mynah_recorder::core::{checker, events, export, shelf};
use mynah_testkit::{Control, Scene};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// How wrong each speaker's clock is.
const CLOCKS_PPM: [f64; 4] = [100.0, -100.0, 50.0, 0.0];
const MARKER_MS: usize = 60;
const MARKER_HZ: f64 = 1_000.0;
/// A word in each second, behind the marker.
const WORD_MS: std::ops::Range<usize> = 300..600;
/// After so many packets without a loss a decoder is in step again.
const IN_STEP: u64 = 10;
/// The aim: markers are this close to the truth, in milliseconds.
const CLOSE_MS: f64 = 20.0;

/// What is said in a second of a track: a marker, and a word at a pitch of the second.
fn said(second: usize, ms: usize) -> Option<f64> {
    match ms {
        0..MARKER_MS => Some(MARKER_HZ),
        ms if WORD_MS.contains(&ms) => Some(1_400.0 + 130.0 * (second % 10) as f64),
        _ => None,
    }
}

/// A WAV of 16 bits and one channel.
fn speech(path: &Path, seconds: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let bytes = (seconds * 96_000) as u32;
    file.write_all(b"RIFF").unwrap();
    file.write_all(&(bytes + 36).to_le_bytes()).unwrap();
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0").unwrap();
    file.write_all(&48_000_u32.to_le_bytes()).unwrap();
    file.write_all(&96_000_u32.to_le_bytes()).unwrap();
    file.write_all(b"\x02\0\x10\0data").unwrap();
    file.write_all(&bytes.to_le_bytes()).unwrap();
    for second in 0..seconds {
        for at in 0..48_000 {
            let tone = said(second, at / 48).map_or(0.0, |hz| {
                (std::f64::consts::TAU * hz * at as f64 / 48_000.0).sin()
            });
            file.write_all(&((tone * 9_000.0) as i16).to_le_bytes())
                .unwrap();
        }
    }
    file.flush().unwrap();
}

/// The power of 1 kHz in each millisecond of one channel, and all power.
fn powers(sound: &[f32]) -> Vec<(f32, f32)> {
    // A millisecond is one turn of the marker, so there is no phase to be kept.
    let power = |part: &[f32]| {
        let (mut re, mut im, mut all) = (0.0_f32, 0.0_f32, 0.0_f32);
        for (at, sample) in part.iter().enumerate() {
            let turn = std::f32::consts::TAU * at as f32 / 48.0;
            re += sample * turn.cos();
            im += sample * turn.sin();
            all += sample * sample;
        }
        ((re * re + im * im) / 24.0, all)
    };
    sound.chunks_exact(48).map(power).collect()
}

/// The same of a track.
fn marker_power(track: &Path) -> Vec<(f32, f32)> {
    let (mut found, mut rest) = (Vec::new(), Vec::<f32>::new());
    export::decode(track, 0..u64::MAX / 2, |block| {
        rest.extend(block.iter().step_by(2));
        let whole = rest.len() / 48 * 48;
        found.extend(powers(&rest[..whole]));
        rest.drain(..whole);
        Ok(())
    })
    .unwrap();
    found
}

/// Where near `expected` (in milliseconds) the marker is, if it is there.
fn marker_near(power: &[(f32, f32)], expected: f64, around: usize) -> Option<f64> {
    let from = (expected as usize).saturating_sub(around);
    let mut best = (0, 0.0_f32, 0.0_f32);
    for at in from..=from + 2 * around {
        let part = power.get(at..at + MARKER_MS)?;
        let (own, all) = part
            .iter()
            .fold((0.0, 0.0), |sum, ms| (sum.0 + ms.0, sum.1 + ms.1));
        if own > best.1 {
            best = (at, own, own / all.max(1e-9));
        }
    }
    // A millisecond of the marker at full level has a power of 24 · 0.27².
    let there = best.1 > 0.5 * MARKER_MS as f32 * 24.0 * 0.07 && best.2 > 0.7;
    there.then_some(best.0 as f64)
}

async fn bot_id(control: &Control) -> String {
    let state = control.get("/state").await;
    state["bots"][0]["user_id"].as_str().unwrap().to_owned()
}

async fn owner(control: &Control) -> String {
    let state = control.get("/state").await;
    state["guilds"][0]["owner_id"].as_str().unwrap().to_owned()
}

/// Everything that happens to the call, until `end`.
async fn trouble(control: &Control, bot: &str, end: Instant, length: Duration) {
    let begun = Instant::now();
    let guest = control.user("guest").await;
    let (mut resumed, mut migrated, mut inside) = (false, false, false);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(5)).await;
        inside = !inside;
        if inside {
            control.join(&guest, control.voice_channel()).await;
        } else {
            control
                .post("/voice/leave", json!({ "user_id": guest }))
                .await;
        }
        let past = begun.elapsed();
        if !resumed && past > length / 3 {
            resumed = true;
            let close = json!({ "scope": { "user_id": bot }, "gateway": { "close": 4000 } });
            control.fault(close).await;
            let close = json!({ "scope": { "user_id": bot }, "voice": { "close": 4015 } });
            control.fault(close).await;
        }
        if !migrated && past > length * 2 / 3 {
            migrated = true;
            let away = json!({ "scope": { "user_id": bot }, "voice": { "migrate": true } });
            control.fault(away).await;
        }
    }
}

fn finished(data: &Path) -> (PathBuf, Manifest) {
    let one = shelf::list(&data.join("data/recordings"))
        .unwrap()
        .remove(0);
    (one.folder, one.manifest.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, in real time"]
async fn minutes_of_a_meeting_are_in_time_on_every_track() {
    let minutes: usize = std::env::var("MYNAH_MINUTES").map_or(1, |text| text.parse().unwrap());
    let seconds = minutes * 60;
    let scene = Scene::new();
    let file = scene.path().join("speech.wav");
    speech(&file, seconds);
    std::fs::create_dir_all(scene.path().join("music")).unwrap();
    std::fs::copy(&file, scene.path().join("music/markers.wav")).unwrap();
    let (program, control) = scene.run(MYNAH);
    let (boss, bot) = (owner(&control).await, bot_id(&control).await);
    let mut speakers = Vec::new();
    for (number, ppm) in CLOCKS_PPM.into_iter().enumerate() {
        speakers.push((control.user_in_voice(&format!("s{number}")).await, ppm));
    }
    for (number, (user, _)) in speakers.iter().enumerate() {
        let bad = json!({ "scope": { "user_id": user }, "seed": number,
            "udp": { "loss": 0.05, "jitter_ms": 60, "reorder": 0.02, "direction": "up" } });
        control.fault(bad).await;
    }
    let options = json!({ "channel": control.voice_channel(), "title": "Minutes" });
    let begun = control.say(&boss, "record start", options).await;
    assert!(begun.contains("Recording"), "{begun}");
    control
        .command(&speakers[0].0, "play", json!({ "query": "markers" }))
        .await;

    let length = Duration::from_secs(seconds as u64);
    let end = Instant::now() + length;
    let speak = |user: String, ppm: f64| {
        let (control, file) = (&control, &file);
        async move {
            let say = json!({ "user_id": user, "path": file, "wait": true, "skew_ppm": ppm });
            control.post("/voice/say", say).await
        }
    };
    let said = futures_join(speakers.iter().map(|(user, ppm)| speak(user.clone(), *ppm)));
    // Somebody listens to the bot, so that its lane can be held against what it sent.
    let heard = control.hear(&speakers[3].0, seconds as f64 - 5.0, "wav", Some(&bot));
    let trouble = trouble(&control, &bot, end, length);
    let (said, heard, ()) = tokio::join!(said, heard, trouble);
    control.command(&boss, "record stop", json!({})).await;
    assert_eq!(program.interrupt().code(), 0);

    let (folder, manifest) = finished(scene.path());
    let (lines, _) = events::read(&folder).unwrap();
    let outages: Vec<(u64, u64)> = lines
        .iter()
        .filter_map(|line| match line.event {
            events::Event::Outage { length_us, .. } => Some((line.t - length_us, line.t)),
            _ => None,
        })
        .collect();
    let epochs = lines
        .iter()
        .filter(|line| matches!(line.event, events::Event::Dave { .. }));
    eprintln!("{} epochs, outages {outages:?} us", epochs.count());
    let mut worst_of_all = 0.0_f64;
    for ((user, ppm), report) in speakers.iter().zip(&said) {
        let entry = manifest
            .tracks
            .iter()
            .find(|entry| entry.user == *user)
            .unwrap();
        let track = folder.join(&entry.file);
        assert!(checker::check(&track).unwrap().is_legal());
        let power = marker_power(&track);
        let started_us =
            report["started_at_us"].as_f64().unwrap() - manifest.started_ms as f64 * 1e3;
        let places = frames_that_came(&folder.join(&entry.index), started_us);
        let came: BTreeSet<u64> = places.iter().map(|(frame, ..)| *frame).collect();
        // Where every single packet stands, whatever the ear makes of it.
        let off = |(frame, at_ms, fate): &(u64, f64, Fate)| {
            let sent_ms = started_us / 1e3 + *frame as f64 * 20.0 / (1.0 + ppm / 1e6);
            let stands = matches!(fate, Fate::Placed | Fate::Anchored);
            if stands { (at_ms - sent_ms).abs() } else { 0.0 }
        };
        let worst_packet = places.iter().map(off).fold(0.0, f64::max);
        worst_of_all = worst_of_all.max(worst_packet);
        // A marker is three packets. Without one of them its edges are not where they were; without the next
        // one concealment goes on with the tone; and for some frames after a loss a decoder is out of step
        // with the encoder, and a tone rises late, wherever it stands.
        let is_whole = |second: usize| {
            let frame = second as u64 * 50;
            (frame.saturating_sub(IN_STEP)..frame + 5).all(|frame| came.contains(&frame))
        };
        let (mut errors, mut missing, mut hurt) = (Vec::new(), Vec::new(), 0);
        for second in 0..seconds {
            let sent_us = started_us + second as f64 * 1e6 / (1.0 + ppm / 1e6);
            match (is_whole(second), marker_near(&power, sent_us / 1e3, 60)) {
                (true, Some(at)) => errors.push(((at - sent_us / 1e3).abs(), second)),
                (true, None) => missing.push(second),
                (false, _) => hurt += 1,
            }
        }
        errors.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (worst, when) = errors.last().copied().unwrap_or((f64::MAX, 0));
        eprintln!(
            "{ppm:+} ppm (found {:?}): {} markers, worst {worst:.1} ms (second {when}; worst packet {worst_packet:.1}), p99 {:.1}, median {:.1}; {} not heard; {hurt} others \
             lost packets on the wire; skipped {} us; {} lost of {}",
            entry.drift_ppm,
            errors.len(),
            errors[errors.len() * 99 / 100].0,
            errors[errors.len() / 2].0,
            missing.len(),
            report["skipped_us"],
            entry.lost,
            entry.lost + entry.packets
        );
        worst_of_all = worst_of_all.max(worst);
        assert!(missing.is_empty(), "{missing:?}");
    }
    lane_keeps_time(&folder, &manifest, &heard.bytes);
    assert!(worst_of_all <= CLOSE_MS, "{worst_of_all} ms");
}

/// The frames of a speaker that reached the recorder, by their number.
fn frames_that_came(index: &Path, started_us: f64) -> Vec<(u64, f64, Fate)> {
    let records = mynah_recorder::core::index::parse(&std::fs::read(index).unwrap()).unwrap();
    let first = &records[0].arrived;
    // The first that came may not be the first that was sent: the quickest of the soonest tells.
    let delay = |record: &mynah_recorder::core::timeline::Entry| {
        let frames = f64::from(record.arrived.rtp.wrapping_sub(first.rtp) as i32);
        record.arrived.arrival_us as f64 - started_us - frames / 0.048
    };
    let quickest = records.iter().take(100).map(delay).fold(f64::MAX, f64::min);
    let number = (quickest / 20_000.0).round().max(0.0) as u32;
    let base = first.rtp.wrapping_sub(number * 960);
    let place = |record: &mynah_recorder::core::timeline::Entry| {
        let frame = u64::from(record.arrived.rtp.wrapping_sub(base) / 960);
        (frame, record.at as f64 / 48.0, record.fate)
    };
    records.iter().map(place).collect()
}

/// Every marker in a sound, in milliseconds from its beginning.
fn markers(power: &[(f32, f32)]) -> Vec<f64> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at + MARKER_MS < power.len() {
        // Where one may be, its best place is looked for.
        let begins = power[at].0 > 12.0 * 0.07;
        match begins
            .then(|| marker_near(power, at as f64 + 5.0, 10))
            .flatten()
        {
            Some(place) => {
                found.push(place);
                at = place as usize + 500;
            }
            None => at += 1,
        }
    }
    found
}

/// What the bot played is recorded when it was sent: against what somebody heard of it.
fn lane_keeps_time(folder: &Path, manifest: &Manifest, heard: &[u8]) {
    let is_music = |entry: &&mynah_recorder::core::manifest::TrackEntry| {
        entry.kind == Kind::Lane && entry.name == "music"
    };
    let lane = manifest
        .tracks
        .iter()
        .find(is_music)
        .unwrap_or_else(|| panic!("{manifest:?}"));
    let recorded = markers(&marker_power(&folder.join(&lane.file)));
    let data = heard.windows(4).position(|part| part == b"data").unwrap() + 8;
    let sound: Vec<f32> = heard[data..]
        .chunks_exact(4)
        .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0)
        .collect();
    let heard = markers(&powers(&sound));
    // When the listener began is not known to the millisecond, but that it is one moment.
    let mut best = (f64::MAX, 0, 0.0);
    for begin in heard.iter().take(5).map(|first| first - recorded[0]) {
        let errors = recorded.iter().filter_map(|lane| {
            let near = heard.iter().map(|heard| (heard - lane - begin).abs());
            near.min_by(f64::total_cmp).filter(|error| *error < 100.0)
        });
        let mut errors: Vec<f64> = errors.collect();
        errors.sort_by(f64::total_cmp);
        let median = errors.get(errors.len() / 2).copied().unwrap_or(f64::MAX);
        if errors.len() > best.1 {
            best = (
                errors.last().copied().unwrap_or(f64::MAX),
                errors.len(),
                median,
            );
        }
    }
    let (worst, matched, median) = best;
    eprintln!(
        "lane: {} markers recorded, {} heard, {matched} of both; worst {worst:.0} ms, median {median:.0}",
        recorded.len(),
        heard.len()
    );
    assert!(worst <= CLOSE_MS && matched + 10 >= heard.len().min(recorded.len()));
}

async fn futures_join<F: Future<Output = Value> + Send>(
    all: impl Iterator<Item = F>,
) -> Vec<Value> {
    // As many at once as there are; none waits for another.
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<Value>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(move |cx| {
        for (one, slot) in waiting.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(cx)
            {
                *slot = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect()),
            false => std::task::Poll::Pending,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, in real time"]
async fn who_joins_and_speaks_in_the_same_instant_is_recorded_from_the_first_word() {
    let tries: usize = std::env::var("MYNAH_TRIES").map_or(100, |text| text.parse().unwrap());
    let scene = Scene::new();
    let (program, control) = scene.run(MYNAH);
    let boss = owner(&control).await;
    let _ann = control.user_in_voice("ann").await;
    let options = json!({ "channel": control.voice_channel(), "title": "First" });
    let begun = control.say(&boss, "record start", options).await;
    assert!(begun.contains("Recording"), "{begun}");
    let mut said = Vec::new();
    for number in 0..tries {
        let user = control.user(&format!("u{number}")).await;
        let (to, tone) = (
            control.voice_channel(),
            json!({ "hz": 600, "seconds": 0.4, "dbfs": -12 }),
        );
        let join = json!({ "user_id": user, "channel_id": to });
        control.post("/voice/join", join).await;
        let say = json!({ "user_id": user, "tone": tone, "wait": true });
        let report = control.post("/voice/say", say).await;
        control
            .post("/voice/leave", json!({ "user_id": user }))
            .await;
        said.push((user, report["started_at_us"].as_f64().unwrap()));
    }
    control.command(&boss, "record stop", json!({})).await;
    assert_eq!(program.interrupt().code(), 0);
    let (folder, manifest) = finished(scene.path());
    let mut whole = 0;
    for (user, started_us) in &said {
        let Some(entry) = manifest.tracks.iter().find(|entry| entry.user == *user) else {
            eprintln!("{user} has no track");
            continue;
        };
        let index = std::fs::read(folder.join(&entry.index)).unwrap();
        let records = mynah_recorder::core::index::parse(&index).unwrap();
        // 20 packets of sound and five of silence; the first arrives when it was sent.
        let first = records
            .first()
            .map_or(0, |record| record.arrived.arrival_us);
        let late_us = first as f64 - (started_us - manifest.started_ms as f64 * 1e3);
        let is_whole = records.len() >= 20 && late_us < 15_000.0 && entry.unusable == 0;
        if !is_whole {
            eprintln!(
                "{user}: {} packets, the first {late_us} us after it was sent, {entry:?}",
                records.len()
            );
        }
        whole += usize::from(is_whole);
    }
    eprintln!("{whole} of {tries} recorded from the first packet");
    assert_eq!(whole, tries);
}
