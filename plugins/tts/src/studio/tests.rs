//! Engines without programs, on real threads.

use super::*;
use crate::engines::Sound;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Says one sample for each byte, or fails.
struct Parrot {
    id: &'static str,
    says: Result<(), EngineError>,
    asked: Arc<AtomicUsize>,
    lines: bool,
}

impl Engine for Parrot {
    fn id(&self) -> &'static str {
        self.id
    }

    fn voices(&self, _: &Stop) -> Result<Vec<VoiceName>, EngineError> {
        self.says.clone()?;
        Ok(vec![VoiceName {
            id: "polly".into(),
            title: "Polly".into(),
        }])
    }

    fn takes_lines(&self) -> bool {
        self.lines
    }

    fn speak(
        &self,
        ask: &Ask<'_>,
        _: &Stop,
        out: &mut dyn FnMut(Sound<'_>) -> bool,
    ) -> Result<(), EngineError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.says.clone()?;
        if ask.voice.is_some_and(|voice| voice != "polly") {
            return Err(EngineError::NoVoice("x".into()));
        }
        for byte in ask.text.bytes() {
            if !out(Sound {
                rate_hz: 48_000,
                mono: &[i16::from(byte); 100],
            }) {
                break;
            }
        }
        Ok(())
    }
}

fn studio(says: [Result<(), EngineError>; 2], lines: bool) -> (Studio, [Arc<AtomicUsize>; 2]) {
    let asked = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let [a, b] = says;
    let parrot = |id, says, asked: &Arc<AtomicUsize>| -> Arc<dyn Engine> {
        Arc::new(Parrot {
            id,
            says,
            asked: Arc::clone(asked),
            lines,
        })
    };
    let chain = Chain::new(vec![parrot("a", a, &asked[0]), parrot("b", b, &asked[1])]);
    let limits = Limits {
        threads: 2,
        max_seconds: 1,
        cache_bytes: 1 << 20,
    };
    (
        Studio::new(chain, limits, Arc::new(|| 0), Arc::new(|_| {})).unwrap(),
        asked,
    )
}

fn made(studio: &Studio, sentences: &[&str], voice: Voice) -> (usize, Take) {
    let sentences = sentences.iter().map(|text| (*text).to_owned()).collect();
    let take = studio.speak(sentences, voice, 100).unwrap();
    studio.settle();
    (take.made(), take)
}

#[test]
fn what_was_said_before_is_not_made_again() {
    let (studio, [asked, _]) = studio([Ok(()), Ok(())], false);
    assert_eq!(made(&studio, &["hello", "you"], Voice::default()).0, 800);
    assert_eq!(
        made(&studio, &["hello", "there"], Voice::default()).0,
        1_000
    );
    assert_eq!(
        asked.load(Ordering::Relaxed),
        3,
        "hello came from the cache"
    );
    let fast = Voice {
        speed: 150,
        ..Voice::default()
    };
    made(&studio, &["hello"], fast);
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[test]
fn another_engine_speaks_when_the_first_cannot_and_it_is_left_alone_for_a_while() {
    let missing = EngineError::NotInstalled {
        program: "a".into(),
        remedy: "install a",
    };
    let (studio, [first, second]) = studio([Err(missing.clone()), Ok(())], false);
    studio.settle();
    assert_eq!(studio.chain().reports()[0].trouble, Some(missing));
    assert_eq!(studio.voices()["b"].len(), 1);
    assert!(studio.voices()["a"].is_empty());
    let voice = Voice {
        engine: Some("a".into()),
        name: Some("whoever".into()),
        ..Voice::default()
    };
    assert_eq!(made(&studio, &["hello"], voice).0, 500, "in b's own voice");
    assert_eq!(
        (
            first.load(Ordering::Relaxed),
            second.load(Ordering::Relaxed)
        ),
        (0, 1)
    );
}

#[test]
fn a_voice_that_is_gone_becomes_the_engines_own() {
    let (studio, [first, _]) = studio([Ok(()), Ok(())], false);
    let voice = Voice {
        engine: Some("a".into()),
        name: Some("gone".into()),
        ..Voice::default()
    };
    assert_eq!(made(&studio, &["hi"], voice).0, 200);
    assert_eq!(first.load(Ordering::Relaxed), 2);
}

#[test]
fn without_any_engine_the_reason_of_the_last_one_is_told() {
    let failed = |text: &str| Err(EngineError::Failed(text.into()));
    let (studio, _) = studio([failed("one"), failed("two")], false);
    let (samples, take) = made(&studio, &["hello"], Voice::default());
    assert_eq!(samples, 0);
    let mut ready = core::pin::pin!(take.ready());
    let mut context = core::task::Context::from_waker(core::task::Waker::noop());
    let told = ready.as_mut().poll(&mut context);
    assert_eq!(
        told,
        core::task::Poll::Ready(Err(EngineError::Failed("two".into())))
    );
}

#[test]
fn a_message_ends_at_its_limit_and_a_stopped_one_is_not_begun() {
    let (studio, [asked, _]) = studio([Ok(()), Ok(())], false);
    let long = "x".repeat(400);
    let (samples, take) = made(&studio, &[&long, &long, &long], Voice::default());
    assert_eq!((samples, take.is_cut()), (48_000, true));
    assert_eq!(
        asked.load(Ordering::Relaxed),
        1,
        "the second came from the cache"
    );
    let take = studio
        .speak(vec!["x".repeat(400); 50], Voice::default(), 100)
        .unwrap();
    take.stop();
    studio.settle();
    assert!(take.made() <= 48_000);
}

#[test]
fn an_engine_that_takes_lines_gets_all_of_them_at_once() {
    let (studio, [asked, _]) = studio([Ok(()), Ok(())], true);
    assert_eq!(made(&studio, &["one", "two"], Voice::default()).0, 700);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn the_studio_takes_no_more_than_it_can_hold() {
    let (studio, _) = studio([Ok(()), Ok(())], false);
    let refused = (0..100_000).find(|_| {
        studio
            .speak(vec!["x".repeat(400)], Voice::default(), 100)
            .is_err()
    });
    // Two threads may be quicker than this one; then nothing has to be refused.
    assert!(refused.is_none() || refused >= Some(MAX_ORDERS - 1));
    drop(studio);
}
