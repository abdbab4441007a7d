//! A speech service over HTTP, as a machine in the house runs one: asked through the host's fetcher, heard
//! in the channel, and left alone for another engine when it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use mynah_audio::measure::tone_db;
use mynah_testkit::{Program, Scene};
use serde_json::json;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// What the service says instead of words.
const HZ: f64 = 700.0;
const RATE: u32 = 24_000;

/// What was asked of the service: head and body of each request.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A service that answers with a second of tone, or with a failure, by what it is told to say.
fn service() -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                head.push_str(&line);
                line.clear();
            }
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().unwrap())
            });
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let body = String::from_utf8(body).unwrap();
            let (status, answer) = match () {
                () if body.contains("broken") => ("500 Internal Server Error", b"no gpu".to_vec()),
                () if body.contains("strange") => ("200 OK", b"<html>hello</html>".repeat(9)),
                () => ("200 OK", tone()),
            };
            log.lock().unwrap().push((head, body));
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                answer.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
    (format!("http://{address}"), asked)
}

/// A WAV file of a second.
fn tone() -> Vec<u8> {
    let samples: Vec<u8> = (0..RATE)
        .map(|n| (f64::from(n) * HZ / f64::from(RATE) * std::f64::consts::TAU).sin() * 9_000.0)
        .flat_map(|sample| (sample as i16).to_le_bytes())
        .collect();
    let mut wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend((samples.len() as u32).to_le_bytes());
    wav.extend(samples);
    wav
}

/// How loud the tone of the service was at its loudest, and how loud anything was, dB.
fn loudest(samples: &[f32]) -> (f64, f64) {
    let left: Vec<f32> = samples.iter().copied().step_by(2).collect();
    let parts = left.chunks_exact(4_800);
    parts.fold((-200.0, -200.0), |(tone, all): (f64, f64), part| {
        let power: f32 = part.iter().map(|sample| sample * sample).sum();
        let level = 10.0 * f64::from(power / part.len() as f32 + 1e-12).log10();
        (tone.max(tone_db(part, HZ)), all.max(level))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_in_the_house_speaks_and_another_engine_steps_in_when_it_fails() {
    let (origin, asked) = service();
    let scene = Scene::new();
    scene.write("key", b" hunter2-hunter2\n");
    scene.config(&format!(
        "[log]\nlevel = \"debug\"\n[plugins.tts]\nengine = \"http\"\nfallback = [\"espeak\"]\nsay_name = \"never\"\n\
         http_url = \"{origin}\"\nhttp_api_key_file = \"key\"\nhttp_voice = \"nova\"\n"
    ));
    let (program, control): (Program, _) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    control.say(&alice, "tts join", json!({})).await;
    let say = async |text: &str| {
        let (heard, said) = tokio::join!(
            control.hear(&bob, 2.5, "wav", None),
            control.say(&alice, "say", json!({ "text": text }))
        );
        assert!(said.contains("Said"), "{said}");
        loudest(&heard.samples())
    };
    let (tone, all) = say("Good morning").await;
    assert!(tone > -25.0, "the service is heard: {tone} {all}");
    {
        let asked = asked.lock().unwrap();
        let (head, body) = &asked[0];
        assert!(head.starts_with("POST /v1/audio/speech "), "{head}");
        let head = head.to_lowercase();
        assert!(
            head.contains("authorization: bearer hunter2-hunter2"),
            "{head}"
        );
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&body["input"], &body["voice"]),
            (&json!("Good morning"), &json!("nova"))
        );
    }
    // It fails: eSpeak NG says the same words, and the service is left alone for half a minute.
    let (tone, all) = say("This is broken").await;
    assert!(all > -40.0 && tone < all - 6.0, "speech: {tone} {all}");
    let before = asked.lock().unwrap().len();
    let (tone, all) = say("This is strange").await;
    assert!(all > -40.0 && tone < all - 6.0, "speech: {tone} {all}");
    assert_eq!(asked.lock().unwrap().len(), before);
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("no gpu"),
        "the operator reads why: {}",
        ended.stderr
    );
}
