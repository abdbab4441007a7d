//! A speech service over HTTP, as OpenAI's: `POST /v1/audio/speech` answers with a sound
//! (<https://platform.openai.com/docs/api-reference/audio/createSpeech>); many others answer alike.
//!
//! This is the whole of the engine but the way: the request, and the sound of the answer. Bytes
//! travel through a [`Post`], which the host is to offer, with its checks of addresses; a plugin
//! opens no connections of its own. Without one the engine says so and the next of the chain
//! speaks.

use std::sync::Arc;

use super::wav::Stream;
use super::{Ask, Engine, EngineError, Sound, Stop, VoiceName};

/// A key is no longer, in bytes.
const MAX_KEY_BYTES: usize = 4_096;
/// The service takes speeds from 0.25 to 4.0.
const SPEEDS: core::ops::RangeInclusive<f64> = 0.25..=4.0;
/// The voices of the service that the address belongs to; others can be written in bot.toml.
const VOICES: [&str; 9] = [
    "alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer",
];

/// A request, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// The value of `Authorization`, if there is a key. Never printed.
    pub authorization: Option<String>,
    /// JSON.
    pub body: String,
}

impl core::fmt::Debug for Request {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Request")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Sends requests. Its calls block.
pub trait Post: Send + Sync {
    /// Sends it; the body of a good answer goes to `out` as it comes, until that says `Ok(false)`.
    ///
    /// # Errors
    /// [`EngineError`], also the one `out` answers with.
    fn post(
        &self,
        request: &Request,
        stop: &Stop,
        out: &mut dyn FnMut(&[u8]) -> Result<bool, EngineError>,
    ) -> Result<(), EngineError>;
}

/// The engine `http`.
pub struct Http {
    url: String,
    key: Option<String>,
    model: String,
    default_voice: String,
    post: Option<Arc<dyn Post>>,
}

impl core::fmt::Debug for Http {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Http")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// `base` is the address up to and without `/v1`; `key` is what the key file holds, with or
    /// without white space around it.
    #[must_use]
    pub fn new(
        base: &str,
        key: Option<&str>,
        model: impl Into<String>,
        default_voice: impl Into<String>,
        post: Option<Arc<dyn Post>>,
    ) -> Self {
        let base = base.trim().trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        let key = key.map(str::trim).filter(|key| {
            let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
            !key.is_empty() && key.len() <= MAX_KEY_BYTES && visible
        });
        Self {
            url: format!("{base}/v1/audio/speech"),
            key: key.map(str::to_owned),
            model: model.into(),
            default_voice: default_voice.into(),
            post,
        }
    }

    /// What is sent for a text.
    #[must_use]
    pub fn request(&self, ask: &Ask<'_>) -> Request {
        let speed = (f64::from(ask.speed) / 100.0).clamp(*SPEEDS.start(), *SPEEDS.end());
        let body = serde_json::json!({
            "model": self.model,
            "input": ask.text,
            "voice": ask.voice.unwrap_or(&self.default_voice),
            "response_format": "wav",
            "speed": speed,
        });
        Request {
            url: self.url.clone(),
            authorization: self.key.as_ref().map(|key| format!("Bearer {key}")),
            body: body.to_string(),
        }
    }
}

impl Engine for Http {
    fn id(&self) -> &'static str {
        "http"
    }

    fn voices(&self, _: &Stop) -> Result<Vec<VoiceName>, EngineError> {
        let mut voices: Vec<&str> = VOICES.into();
        if !voices.contains(&self.default_voice.as_str()) {
            voices.insert(0, &self.default_voice);
        }
        Ok(voices
            .into_iter()
            .map(|id| VoiceName {
                id: id.to_owned(),
                title: id.to_owned(),
            })
            .collect())
    }

    fn speak(
        &self,
        ask: &Ask<'_>,
        stop: &Stop,
        out: &mut dyn FnMut(Sound<'_>) -> bool,
    ) -> Result<(), EngineError> {
        let Some(post) = &self.post else {
            return Err(EngineError::NotReady(
                "plugins of this version cannot send HTTP requests yet",
            ));
        };
        let mut stream = Stream::default();
        post.post(&self.request(ask), stop, &mut |bytes| {
            stream.push(bytes, out)
        })?;
        stream.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: Ask<'_> = Ask {
        text: "say \"hi\"",
        voice: None,
        speed: 150,
        pitch: 100,
    };

    struct Canned(Vec<u8>);

    impl Post for Canned {
        fn post(
            &self,
            _: &Request,
            _: &Stop,
            out: &mut dyn FnMut(&[u8]) -> Result<bool, EngineError>,
        ) -> Result<(), EngineError> {
            for part in self.0.chunks(7) {
                if !out(part)? {
                    break;
                }
            }
            Ok(())
        }
    }

    #[test]
    fn the_request_is_what_the_service_documents_and_the_key_is_not_printed() {
        let engine = Http::new(
            "http://127.0.0.1:8000/v1/",
            Some(" hunter2\n"),
            "tts-1",
            "alloy",
            None,
        );
        let request = engine.request(&ASK);
        assert_eq!(request.url, "http://127.0.0.1:8000/v1/audio/speech");
        assert_eq!(request.authorization.as_deref(), Some("Bearer hunter2"));
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "model": "tts-1", "input": "say \"hi\"", "voice": "alloy", "response_format": "wav", "speed": 1.5
            })
        );
        assert!(!format!("{request:?} {engine:?}").contains("hunter2"));
        let odd = Http::new("http://x", Some("a\r\nX-Evil: 1"), "m", "v", None);
        assert_eq!(odd.request(&ASK).authorization, None);
    }

    #[test]
    fn the_sound_of_the_answer_is_read_and_anything_else_refused() {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend(24_000_u32.to_le_bytes());
        wav.extend([0, 0, 0, 0, 2, 0, 16, 0]);
        wav.extend(b"data\0\0\0\0");
        wav.extend([1; 200]);
        let say = |answer: Option<Vec<u8>>| {
            let post = answer.map(|answer| Arc::new(Canned(answer)) as Arc<dyn Post>);
            let engine = Http::new("http://x", None, "m", "v", post);
            let mut samples = 0;
            let done = engine.speak(&ASK, &Stop::default(), &mut |sound| {
                assert_eq!(sound.rate_hz, 24_000);
                samples += sound.mono.len();
                true
            });
            (done, samples)
        };
        assert_eq!(say(Some(wav)), (Ok(()), 100));
        let html = b"<html>no, thank you very much indeed</html>".to_vec();
        assert!(matches!(say(Some(html)).0, Err(EngineError::BadSound(_))));
        assert!(matches!(
            say(Some(Vec::new())).0,
            Err(EngineError::Failed(_))
        ));
        assert!(matches!(say(None).0, Err(EngineError::NotReady(_))));
    }
}
