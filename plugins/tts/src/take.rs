//! One message as it is being spoken: an engine's thread puts sound in, the host takes it out.

use core::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use mynah_plugin::audio::{Block, Pull};
use mynah_plugin::{Result, Source};

use crate::engines::pcm::PLAYED_HZ;
use crate::engines::{EngineError, Stop};

/// It begins to be played with so much made, or all of it: the host takes 500 ms at once.
const READY_SAMPLES: usize = PLAYED_HZ as usize * 6 / 10;
/// The host's thread, which plays everything of this plugin, waits so long for an engine.
const PATIENCE: Duration = Duration::from_millis(10);
/// One sample of `i16` in the full range of `f32`.
const SCALE: f32 = 1.0 / 32_768.0;

/// The place where they meet. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Take {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    stop: Stop,
    most_samples: usize,
}

#[derive(Debug, Default)]
struct State {
    samples: Vec<i16>,
    end: Option<Result<(), EngineError>>,
    bends: bool,
    is_cut: bool,
    waker: Option<Waker>,
}

/// What was made when it could begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The engine has done the pitch itself.
    pub bends: bool,
}

impl Take {
    /// At most `most_samples` of 48 kHz are taken.
    #[must_use]
    pub fn new(most_samples: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::default(),
                changed: Condvar::new(),
                stop: Stop::default(),
                most_samples,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the engine's work on it.
    pub fn stop(&self) {
        self.inner.stop.stop();
    }

    /// What an engine is ended by.
    #[must_use]
    pub fn stopper(&self) -> &Stop {
        &self.inner.stop
    }

    /// The engine that speaks does pitch itself. Said before its first sound.
    pub fn set_bends(&self, bends: bool) {
        let mut state = self.state();
        if state.samples.is_empty() {
            state.bends = bends;
        }
    }

    /// More sound of 48 kHz, one channel. `false`: there is enough.
    pub fn put(&self, samples: &[i16]) -> bool {
        let mut state = self.state();
        let room = self.inner.most_samples.saturating_sub(state.samples.len());
        state.samples.extend(samples.iter().take(room));
        state.is_cut |= samples.len() > room;
        let goes_on = !state.is_cut && !self.inner.stop.is_stopped();
        if state.samples.len() >= READY_SAMPLES {
            wake(&mut state);
        }
        drop(state);
        self.inner.changed.notify_all();
        goes_on
    }

    /// Nothing more will come.
    pub fn end(&self, how: Result<(), EngineError>) {
        let mut state = self.state();
        state.end.get_or_insert(how);
        wake(&mut state);
        drop(state);
        self.inner.changed.notify_all();
    }

    /// True until nothing more will come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state().end.is_none()
    }

    /// Samples made so far.
    #[must_use]
    pub fn made(&self) -> usize {
        self.state().samples.len()
    }

    /// It was longer than it may be.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.state().is_cut
    }

    /// Waits until it can be played.
    ///
    /// # Errors
    /// Why there is nothing to play.
    pub fn ready(&self) -> impl Future<Output = Result<Begin, EngineError>> + Send + 'static {
        let take = self.clone();
        poll_fn(move |context| {
            let mut state = take.state();
            let enough = state.samples.len() >= READY_SAMPLES;
            match &state.end {
                Some(Err(error)) if state.samples.is_empty() => Poll::Ready(Err(error.clone())),
                Some(Ok(())) if state.samples.is_empty() => {
                    Poll::Ready(Err(EngineError::Failed("it said nothing".to_owned())))
                }
                None if !enough => {
                    state.waker = Some(context.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(Ok(Begin { bends: state.bends })),
            }
        })
    }
}

fn wake(state: &mut State) {
    if let Some(waker) = state.waker.take() {
        waker.wake();
    }
}

/// Plays a [`Take`]. When it is dropped, its engine ends.
#[derive(Debug)]
pub struct Playing {
    take: Take,
    at: usize,
}

impl Playing {
    /// From the beginning.
    #[must_use]
    pub fn new(take: Take) -> Self {
        Self { take, at: 0 }
    }
}

impl Source for Playing {
    fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull> {
        let frames = out.samples().len() / 2;
        let mut state = self.take.state();
        if state.end.is_none() && state.samples.len() < self.at + frames {
            let waited = self
                .take
                .inner
                .changed
                .wait_timeout_while(state, PATIENCE, |state| {
                    state.end.is_none() && state.samples.len() < self.at + frames
                });
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
        let made = state.samples.get(self.at..).unwrap_or_default();
        if made.len() < frames && state.end.is_none() {
            // The engine is slower than speech: a pause between words, not a broken one.
            drop(state);
            out.silence();
            return Ok(Pull::More);
        }
        if made.is_empty() {
            return Ok(Pull::End);
        }
        let taken = made.len().min(frames);
        let samples = made
            .iter()
            .map(|sample| f32::from(*sample) * SCALE)
            .chain(core::iter::repeat(0.0));
        for (frame, sample) in out.samples().chunks_exact_mut(2).zip(samples) {
            frame.fill(sample);
        }
        self.at += taken;
        Ok(Pull::More)
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.take.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::pin::pin;
    use core::task::Context;

    fn poll(take: &Take) -> Poll<Result<Begin, EngineError>> {
        let ready = pin!(take.ready());
        ready.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn it_is_ready_with_six_tenths_of_a_second_or_at_its_end() {
        let take = Take::new(1 << 20);
        assert!(poll(&take).is_pending());
        assert!(take.put(&[1; 20_000]));
        assert!(poll(&take).is_pending());
        take.set_bends(true);
        assert!(take.put(&[1; 8_800]));
        assert_eq!(
            poll(&take),
            Poll::Ready(Ok(Begin { bends: false })),
            "said too late"
        );
        let short = Take::new(1 << 20);
        short.put(&[1; 10]);
        short.end(Err(EngineError::Stopped));
        assert!(
            matches!(poll(&short), Poll::Ready(Ok(_))),
            "what there is is played"
        );
    }

    #[test]
    fn without_a_sound_it_is_never_played() {
        let take = Take::new(100);
        take.end(Err(EngineError::NoVoice("x".into())));
        take.end(Ok(()));
        assert_eq!(
            poll(&take),
            Poll::Ready(Err(EngineError::NoVoice("x".into())))
        );
        let empty = Take::new(100);
        empty.end(Ok(()));
        assert!(matches!(
            poll(&empty),
            Poll::Ready(Err(EngineError::Failed(_)))
        ));
    }

    #[test]
    fn it_takes_no_more_than_it_may_and_a_dropped_player_ends_the_engine() {
        let take = Take::new(100);
        assert!(take.put(&[1; 100]));
        assert!(!take.put(&[1; 1]));
        assert!(take.is_cut());
        assert_eq!(take.made(), 100);
        let other = Take::new(100);
        drop(Playing::new(other.clone()));
        assert!(other.stopper().is_stopped() && !other.put(&[1]));
    }
}
