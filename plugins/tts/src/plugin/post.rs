//! The way of a speech service's requests: engines ask on threads of their own and wait there, the host
//! is asked on the plugin's thread, which never waits.

use core::future::poll_fn;
use core::task::{Poll, Waker};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_plugin::{Cx, WebAnswer};

use super::Tts;
use crate::engines::http::{Post, Request};
use crate::engines::{EngineError, Stop};

/// Requests that wait for the plugin's thread; each thread of the studio has one at most.
const MAX_WAITING: usize = 64;
/// How often a waiting thread looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);
/// A sentence of a minute is not larger.
const MOST_BYTES: u64 = 12 << 20;
/// A service may think about a sentence for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// So much of what a service says about a failure is shown.
const MAX_WORDS: usize = 200;

/// One request on its way, and who waits for its answer.
struct Letter {
    request: Request,
    /// Whoever waited does not any more: there is no point in asking.
    given_up: Arc<AtomicBool>,
    answer: Sender<Result<WebAnswer, String>>,
}

#[derive(Default)]
struct Inside {
    letters: VecDeque<Letter>,
    waker: Option<Waker>,
}

/// How an answer comes back.
type Answered = Receiver<Result<WebAnswer, String>>;

/// Where threads put their requests. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Postbox(Arc<Mutex<Inside>>);

impl Postbox {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, request: &Request, given_up: &Arc<AtomicBool>) -> Option<Answered> {
        let (answer, answered) = channel();
        let mut inside = self.lock();
        if inside.letters.len() >= MAX_WAITING {
            return None;
        }
        inside.letters.push_back(Letter {
            request: request.clone(),
            given_up: Arc::clone(given_up),
            answer,
        });
        if let Some(waker) = inside.waker.take() {
            waker.wake();
        }
        Some(answered)
    }

    /// The next request, when there is one.
    async fn next(self) -> Letter {
        poll_fn(|cx| {
            let mut inside = self.lock();
            match inside.letters.pop_front() {
                Some(letter) => Poll::Ready(letter),
                None => {
                    inside.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Post for Postbox {
    fn post(
        &self,
        request: &Request,
        stop: &Stop,
        out: &mut dyn FnMut(&[u8]) -> Result<bool, EngineError>,
    ) -> Result<(), EngineError> {
        let given_up = Arc::new(AtomicBool::new(false));
        let answered = self
            .put(request, &given_up)
            .ok_or(EngineError::NotReady("too much is being asked at once"))?;
        let answer = loop {
            match answered.recv_timeout(LOOK) {
                Ok(answer) => break answer,
                Err(RecvTimeoutError::Timeout) if stop.is_stopped() => {
                    given_up.store(true, Ordering::Relaxed);
                    return Err(EngineError::Stopped);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Stopped),
            }
        };
        let answer = answer.map_err(EngineError::Failed)?;
        if !answer.is_success() {
            return Err(EngineError::Service {
                status: answer.status,
                said: said(&answer, request.authorization.as_deref()),
            });
        }
        out(&answer.body).map(drop)
    }
}

/// What a service says about a failure, without the key: some repeat it.
fn said(answer: &WebAnswer, authorization: Option<&str>) -> String {
    let mut said = answer.text();
    for secret in authorization.iter().flat_map(|all| all.rsplit(' ').take(1)) {
        said = said.replace(secret, "***");
    }
    said.trim().chars().take(MAX_WORDS).collect()
}

/// Carries requests to the host, as many at once as there are.
pub(super) fn carry(cx: &mut Cx<'_, Tts>, postbox: Postbox) {
    cx.spawn(postbox.clone().next(), move |_: &mut Tts, cx, letter| {
        let Letter {
            request,
            given_up,
            answer,
        } = letter;
        if given_up.load(Ordering::Relaxed) {
            return carry(cx, postbox);
        }
        let mut asked =
            mynah_plugin::Request::post(&request.url, "application/json", request.body.as_bytes())
                .max_bytes(MOST_BYTES)
                .timeout(PATIENCE);
        if let Some(key) = &request.authorization {
            asked = asked.header("authorization", key);
        }
        cx.spawn(cx.http(&asked), move |_, _, result| {
            // Whoever asked may have been stopped meanwhile.
            let _ = answer.send(result.map_err(|error| error.to_string()));
        });
        carry(cx, postbox);
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            url: "https://a/v1/audio/speech".into(),
            authorization: Some("Bearer hunter2".into()),
            body: "{}".into(),
        }
    }

    /// The next letter, as the plugin's thread takes it.
    fn take(postbox: &Postbox) -> Letter {
        loop {
            let letter = postbox.lock().letters.pop_front();
            match letter {
                Some(letter) => return letter,
                None => std::thread::yield_now(),
            }
        }
    }

    fn asked(answer: Result<WebAnswer, String>) -> (Result<(), EngineError>, Vec<u8>) {
        let postbox = Postbox::default();
        let other = postbox.clone();
        let service = std::thread::spawn(move || take(&other).answer.send(answer).unwrap());
        let mut heard = Vec::new();
        let done = postbox.post(&request(), &Stop::default(), &mut |bytes| {
            heard.extend_from_slice(bytes);
            Ok(true)
        });
        service.join().unwrap();
        (done, heard)
    }

    fn answer(status: u16, body: &[u8]) -> WebAnswer {
        WebAnswer {
            status,
            headers: Default::default(),
            body: body.to_vec(),
        }
    }

    #[test]
    fn the_answer_comes_back_to_the_thread_that_asked() {
        let (done, heard) = asked(Ok(answer(200, b"sound")));
        assert_eq!((done, heard), (Ok(()), b"sound".to_vec()));
        // Some services repeat what they were given; people are told the status alone.
        let (done, heard) = asked(Ok(answer(401, b"  no such key: hunter2\n")));
        let refused = EngineError::Service {
            status: 401,
            said: "no such key: ***".to_owned(),
        };
        assert_eq!(refused.to_string(), "the service answered 401");
        assert_eq!((done, heard), (Err(refused), Vec::new()));
        let (done, _) = asked(Err("it leads to a private address".into()));
        assert!(matches!(done, Err(EngineError::Failed(words)) if words.contains("private")));
    }

    #[test]
    fn who_is_stopped_does_not_wait_and_neither_does_anybody_when_the_plugin_is_gone() {
        let postbox = Postbox::default();
        let stop = Stop::default();
        stop.stop();
        let done = postbox.post(&request(), &stop, &mut |_| Ok(true));
        assert_eq!(done, Err(EngineError::Stopped));
        let given_up = take(&postbox).given_up;
        assert!(given_up.load(Ordering::Relaxed), "it is not asked any more");
        let other = postbox.clone();
        let gone = std::thread::spawn(move || {
            postbox.post(&request(), &Stop::default(), &mut |_| Ok(true))
        });
        drop(take(&other));
        assert_eq!(gone.join().unwrap(), Err(EngineError::Stopped));
    }

    #[test]
    fn what_waits_is_bounded() {
        let postbox = Postbox::default();
        let wanted = Arc::new(AtomicBool::new(false));
        let put = || postbox.put(&request(), &wanted);
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| put()).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert!(put().is_none());
    }
}
