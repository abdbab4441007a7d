//! Long and endless sounds: read while they come, taken up again where they broke.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use mynah_media::ByteStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::FetchError;
use super::client::{Answer, Asker, Body, Entity, Refused};
use super::pace::{Pace, Times};
use super::window::Window;

/// A connection that brought so much was a good one: the attempts are counted anew.
const GOOD_BYTES: u64 = 16 << 10;
/// A stream is handed out when it has so much; a second of the richest mp3.
const PRIMED_BYTES: usize = 40 << 10;

/// A sound that comes over HTTP while it plays. Dropping the last clone of its `Arc` closes the
/// connection.
#[derive(Debug)]
pub struct HttpSource {
    shown: String,
    len_bytes: Option<u64>,
    can_seek: bool,
    window: Arc<Window>,
    task: AbortHandle,
}

impl HttpSource {
    /// Goes on from an answer that begins with byte 0. Waits a little, for the first bytes.
    pub(super) async fn start(asker: Asker, first: Answer, times: Times) -> Self {
        let window = Arc::new(Window::new(times.read));
        let (shown, prime) = (asker.shown().to_owned(), times.prime);
        let (len_bytes, can_seek) = (first.entity.len_bytes, first.ranges);
        let feed = Feed {
            closing: Closing(Arc::clone(&window)),
            asker,
            entity: first.entity,
            ranges: first.ranges,
            at: 0,
            attempts: 0,
            gained: 0,
            pace: Pace::default(),
            times,
        };
        let task = tokio::spawn(feed.run(first.body)).abort_handle();
        let source = Self {
            shown,
            len_bytes,
            can_seek,
            window,
            task,
        };
        // Whether it became enough or took too long: it plays with what there is.
        let _ = timeout(prime, source.window.has(PRIMED_BYTES)).await;
        source
    }
}

impl Drop for HttpSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ByteStream for HttpSource {
    fn name(&self) -> String {
        self.shown.clone()
    }

    fn len_bytes(&self) -> Option<u64> {
        self.len_bytes
    }

    fn can_seek(&self) -> bool {
        self.can_seek
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if self.len_bytes.is_some_and(|len| at >= len) {
            return Ok(0);
        }
        self.window.read_at(at, buf, self.can_seek)
    }

    fn renew_patience(&self) {
        self.window.renew_patience();
    }

    fn ready_bytes(&self) -> u64 {
        self.window.ready_bytes()
    }

    fn taken_bytes(&self) -> u64 {
        self.window.taken_bytes()
    }
}

/// Lets no reader wait for a task that is gone.
struct Closing(Arc<Window>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.fail("the stream was closed");
    }
}

/// The task that fills the window.
struct Feed {
    closing: Closing,
    asker: Asker,
    entity: Entity,
    ranges: bool,
    /// Place of the next byte.
    at: u64,
    /// Attempts in a row that brought next to nothing.
    attempts: usize,
    /// Bytes since the last answer.
    gained: u64,
    pace: Pace,
    times: Times,
}

/// Why a body brings no more.
enum Stop {
    /// It is over.
    Ended,
    /// The reader wants to go on there.
    Jump(u64),
    /// The connection broke.
    Broke(String),
}

impl Feed {
    async fn run(mut self, first: Body) {
        let Err(error) = self.feed(first).await;
        tracing::info!(%error, "a stream ends here");
        self.window().fail(&reason(&error));
    }

    fn window(&self) -> &Window {
        &self.closing.0
    }

    /// Ends only with an error: after the end of the file the reader may still jump.
    async fn feed(&mut self, first: Body) -> Result<std::convert::Infallible, FetchError> {
        let mut body = first;
        loop {
            match self.pour(body).await? {
                Stop::Ended => {
                    self.window().end();
                    self.at = self.jump().await;
                }
                Stop::Jump(to) => self.at = to,
                Stop::Broke(why) => self.pause(why).await?,
            }
            body = self.ask_again().await?;
        }
    }

    /// Waits for a jump.
    async fn jump(&self) -> u64 {
        loop {
            if let Some(to) = self.window().take_jump() {
                return to;
            }
            self.window().changed().await;
        }
    }

    /// Pours a body into the window.
    async fn pour(&mut self, mut body: Body) -> Result<Stop, FetchError> {
        loop {
            let asked = Instant::now();
            let next = tokio::select! {
                biased;
                to = self.jump() => return Ok(Stop::Jump(to)),
                next = timeout(self.times.idle, body.next()) => next,
            };
            let (waited, bytes) = (asked.elapsed(), count(&next));
            self.note(waited, bytes)?;
            let mut chunk = match next {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(why))) => return Ok(Stop::Broke(why)),
                Ok(None) => return Ok(self.end_of_body()),
                Err(_) => {
                    let idle = self.times.idle.as_secs();
                    return Ok(Stop::Broke(format!("nothing came for {idle} s")));
                }
            };
            self.gained += bytes;
            if self.gained >= GOOD_BYTES {
                self.attempts = 0;
            }
            while !chunk.is_empty() {
                let taken = self.window().push(&chunk);
                chunk.advance(taken);
                self.at += taken as u64;
                if let Some(to) = self.window().take_jump() {
                    return Ok(Stop::Jump(to));
                }
                if taken == 0 {
                    self.window().changed().await;
                }
            }
        }
    }

    /// The body is over: so is the file, or this was a part of it.
    fn end_of_body(&self) -> Stop {
        match self.entity.len_bytes {
            Some(len) if self.at < len => {
                let at = self.at;
                Stop::Broke(format!("it ended after {at} of {len} bytes"))
            }
            _ => Stop::Ended,
        }
    }

    fn note(&mut self, waited: Duration, bytes: u64) -> Result<(), FetchError> {
        if self.pace.is_enough(&self.times, waited, bytes) {
            return Ok(());
        }
        Err(too_slow(self.asker.shown(), &self.times))
    }

    /// Waits before the next attempt, longer each time; an error when there is none any more.
    async fn pause(&mut self, why: String) -> Result<(), FetchError> {
        let url = self.asker.shown().to_owned();
        // A sound of known length from a server that cannot begin in the middle.
        if !self.ranges && self.entity.len_bytes.is_some() {
            let reason = format!("{why}, and its server sends files only from the beginning");
            return Err(FetchError::Changed { url, reason });
        }
        let Some(pause) = self.times.back_off.get(self.attempts).copied() else {
            let reason = format!("{why}, and {} attempts to go on failed", self.attempts);
            return Err(FetchError::Network { url, reason });
        };
        self.attempts += 1;
        tracing::debug!(
            url,
            why,
            attempt = self.attempts,
            "taking a stream up again"
        );
        tokio::time::sleep(pause).await;
        self.note(pause, 0)
    }

    /// Asks for the rest, as often as it may help.
    async fn ask_again(&mut self) -> Result<Body, FetchError> {
        loop {
            if let Some(to) = self.window().take_jump() {
                self.at = to;
            }
            self.gained = 0;
            let asked = Instant::now();
            let answer = self.asker.ask(self.at, Some(&self.entity)).await;
            self.note(asked.elapsed(), 0)?;
            match answer {
                Ok(answer) => return self.take_up(answer),
                Err(Refused {
                    error,
                    may_pass: true,
                }) => self.pause(reason(&error)).await?,
                Err(refused) => return Err(refused.error),
            }
        }
    }

    /// The body of an answer that goes on exactly where the last one broke.
    fn take_up(&self, answer: Answer) -> Result<Body, FetchError> {
        let changed = |reason: String| FetchError::Changed {
            url: self.asker.shown().to_owned(),
            reason,
        };
        // Live: there is no place to go back to, and what comes is what is said now.
        if !self.ranges && self.entity.len_bytes.is_none() {
            return Ok(answer.body);
        }
        if let Some(difference) = self.entity.difference(&answer.entity) {
            return Err(changed(difference));
        }
        if answer.from != self.at {
            return Err(changed(format!(
                "the server sends the file from byte {} instead of {}",
                answer.from, self.at
            )));
        }
        Ok(answer.body)
    }
}

/// Likewise for downloads: below this average a server is left.
pub(super) fn too_slow(shown: &str, times: &Times) -> FetchError {
    FetchError::TooSlow {
        url: shown.to_owned(),
        reason: format!(
            "the server sent less than {} bytes a second over {} s",
            times.bytes_per_second,
            times.window.as_secs()
        ),
    }
}

/// The error without the address, which whoever shows it adds.
fn reason(error: &FetchError) -> String {
    match error {
        FetchError::Network { reason, .. }
        | FetchError::TooSlow { reason, .. }
        | FetchError::Changed { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

fn count(next: &Result<Option<Result<Bytes, String>>, tokio::time::error::Elapsed>) -> u64 {
    match next {
        Ok(Some(Ok(chunk))) => chunk.len() as u64,
        _ => 0,
    }
}
