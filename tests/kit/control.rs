//! A client of the embedded server's control API: acts as a person would.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Program;

/// Longest wait for one call; `hear` calls last as long as what they hear.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// What a `hear` call brought home.
#[derive(Debug)]
pub struct Heard {
    /// WAV or Ogg bytes.
    pub bytes: Vec<u8>,
    /// The `X-Voice-Stats` header.
    pub stats: Value,
}

impl Heard {
    /// A number of the statistics.
    ///
    /// # Panics
    /// There is no such number.
    pub fn stat(&self, name: &str) -> f64 {
        let number = self.stats.get(name).and_then(Value::as_f64);
        number.unwrap_or_else(|| panic!("no `{name}` in {}", self.stats))
    }

    /// The samples of a WAV file: 48 kHz, left and right in turns.
    ///
    /// # Panics
    /// It is none.
    pub fn samples(&self) -> Vec<f32> {
        let options = mynah_media::OpenOptions::default();
        let opened = mynah_media::open_bytes("heard.wav", self.bytes.clone(), &options);
        let mut media = opened.unwrap_or_else(|error| panic!("no WAV file: {error}"));
        let mut samples = Vec::new();
        let mut block = [0.0; mynah_audio::SAMPLES];
        loop {
            match media.read(&mut block) {
                Ok(mynah_media::Read::Full) => samples.extend_from_slice(&block),
                Ok(mynah_media::Read::Last(frames)) => {
                    samples.extend(block.iter().take(frames * 2));
                    return samples;
                }
                Ok(mynah_media::Read::End) => return samples,
                Err(error) => panic!("what was heard cannot be read: {error}"),
            }
        }
    }
}

/// The control API of one server.
#[derive(Clone, Debug)]
pub struct Control {
    http: reqwest::Client,
    base: String,
    guild_id: String,
    text_channel: String,
    voice_channel: String,
}

impl Control {
    /// Talks to a started program.
    ///
    /// # Panics
    /// No HTTP client can be built.
    pub fn of(program: &Program) -> Self {
        Self::at(program.ready())
    }

    /// Talks to a server that has written this into its ready file.
    ///
    /// # Panics
    /// It is no ready file, or no HTTP client can be built.
    pub fn at(ready: &Value) -> Self {
        let field = |pointer: &str| {
            let text = ready.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_else(|| panic!("the ready file has no {pointer}: {ready}"))
        };
        let ca = std::fs::read(field("/ca_file")).ok();
        let tls = mynah_engine::tls_config(ca.as_deref())
            .unwrap_or_else(|error| panic!("no TLS settings: {error}"));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(std::sync::Arc::unwrap_or_clone(tls))
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .unwrap_or_else(|error| panic!("no HTTP client: {error}"));
        Self {
            http,
            base: field("/control").to_owned(),
            guild_id: field("/guild_id").to_owned(),
            text_channel: field("/text_channel_id").to_owned(),
            voice_channel: field("/voice_channel_ids/0").to_owned(),
        }
    }

    /// The first guild.
    pub fn guild_id(&self) -> &str {
        &self.guild_id
    }

    /// Its text channel.
    pub fn text_channel(&self) -> &str {
        &self.text_channel
    }

    /// Its first voice channel.
    pub fn voice_channel(&self) -> &str {
        &self.voice_channel
    }

    /// POST that must succeed.
    ///
    /// # Panics
    /// The server answered with an error.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_post(path, body).await;
        assert!(
            (200..300).contains(&status),
            "POST {path}: {status} {answer}"
        );
        answer
    }

    /// POST that may fail: status and body.
    ///
    /// # Panics
    /// The server cannot be reached.
    pub async fn try_post(&self, path: &str, body: Value) -> (u16, Value) {
        let sent = self
            .http
            .post(format!("{}{path}", self.base))
            .json(&body)
            .send()
            .await;
        let response = sent.unwrap_or_else(|error| panic!("POST {path}: {error}"));
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// GET that must succeed.
    ///
    /// # Panics
    /// The server answered with an error or cannot be reached.
    pub async fn get(&self, path: &str) -> Value {
        let sent = self.http.get(format!("{}{path}", self.base)).send().await;
        let response = sent.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        let status = response.status();
        let body: Value = response.json().await.unwrap_or(Value::Null);
        assert!(status.is_success(), "GET {path}: {status} {body}");
        body
    }

    /// A new user.
    pub async fn user(&self, name: &str) -> String {
        text(
            &self.post("/users", json!({ "name": name })).await,
            "user_id",
        )
    }

    /// A new user who sits in the first voice channel.
    pub async fn user_in_voice(&self, name: &str) -> String {
        let user = self.user(name).await;
        self.join(&user, &self.voice_channel).await;
        user
    }

    /// Joins voice.
    pub async fn join(&self, user: &str, channel: &str) {
        self.post(
            "/voice/join",
            json!({ "user_id": user, "channel_id": channel }),
        )
        .await;
    }

    /// A slash command in the text channel; the whole answer.
    pub async fn command(&self, user: &str, command: &str, options: Value) -> Value {
        let body = json!({
            "user_id": user, "channel_id": self.text_channel, "command": command, "options": options,
        });
        self.post("/commands", body).await
    }

    /// A slash command; what the bot said.
    pub async fn say(&self, user: &str, command: &str, options: Value) -> String {
        let answer = self.command(user, command, options).await;
        spoken(&answer)
    }

    /// What a user hears from now on.
    ///
    /// # Panics
    /// The server answered with an error.
    pub async fn hear(&self, user: &str, seconds: f64, format: &str, from: Option<&str>) -> Heard {
        let mut url = format!(
            "{}/voice/hear?user_id={user}&seconds={seconds}&format={format}",
            self.base
        );
        if let Some(from) = from {
            url.push_str("&from=");
            url.push_str(from);
        }
        let sent = self.http.get(url).send().await;
        let response = sent.unwrap_or_else(|error| panic!("hear: {error}"));
        let status = response.status();
        let stats = response
            .headers()
            .get("x-voice-stats")
            .and_then(|value| value.to_str().ok());
        let stats = stats
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Value::Null);
        let bytes = response.bytes().await.unwrap_or_default().to_vec();
        assert!(
            status.is_success(),
            "hear: {status} {}",
            String::from_utf8_lossy(&bytes)
        );
        Heard { bytes, stats }
    }

    /// Scripts trouble; the fault's id.
    pub async fn fault(&self, body: Value) -> Value {
        self.post("/faults", body).await
    }
}

/// A text field of an answer.
///
/// # Panics
/// There is none.
pub fn text(answer: &Value, field: &str) -> String {
    let found = answer.get(field).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no `{field}` in {answer}"))
        .to_owned()
}

/// Everything a person would read in a command's answer: content and embed texts.
pub fn spoken(answer: &Value) -> String {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        (
                            "content" | "title" | "description" | "value" | "name" | "text",
                            Value::String(text),
                        ) => {
                            into.push(text.clone());
                        }
                        (
                            "author" | "member" | "user" | "interaction_metadata" | "interaction",
                            _,
                        ) => {}
                        (_, value) => collect(value, into),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    collect(answer.get("response").unwrap_or(answer), &mut texts);
    texts.join("\n")
}
