//! The threads on which engines speak.
//!
//! A message is spoken sentence by sentence, so that the first is heard while the next is made. As
//! many messages as there are threads are made at once, whatever the number of servers; the rest
//! waits its turn. What is waiting is bounded: each server has one message here at a time.

use core::future::poll_fn;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::{Builder, JoinHandle};

use crate::cache::{self, Cache};
use crate::engines::chain::Chain;
use crate::engines::pcm::{PLAYED_HZ, Resampler};
use crate::engines::{Ask, Engine, EngineError, Stop, VoiceName};
use crate::take::Take;
use crate::voices::Voice;

/// Messages that wait for a thread.
const MAX_ORDERS: usize = 256;
/// The longest a message may be spoken, whatever bot.toml says.
pub const MAX_SECONDS: u32 = 120;

/// What bounds the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Engines that run at once, at least 1.
    pub threads: usize,
    /// The longest a message is spoken, in seconds, up to [`MAX_SECONDS`].
    pub max_seconds: u32,
    /// What the cache may hold, in bytes.
    pub cache_bytes: usize,
}

/// The clock of the host, in microseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Tells the operator something.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// The voices of each engine, as they were when they were last listed.
pub type Listing = BTreeMap<&'static str, Vec<VoiceName>>;

enum Order {
    Speak {
        take: Take,
        sentences: Vec<String>,
        voice: Voice,
        speed: u16,
    },
    List,
}

#[derive(Default)]
struct Desk {
    orders: VecDeque<Order>,
    /// Threads that are at work.
    busy: usize,
    stop: bool,
    /// What is being spoken: ended when the studio closes.
    takes: Vec<Take>,
}

struct Shared {
    chain: Chain,
    cache: Mutex<Cache>,
    desk: Mutex<Desk>,
    changed: Condvar,
    voices: Mutex<Voices>,
    /// Ends the listing of voices; takes have their own.
    stop: Stop,
    clock: Clock,
    tell: Tell,
    limits: Limits,
}

#[derive(Default)]
struct Voices {
    /// `None` until they were listed for the first time.
    listing: Option<Listing>,
    waker: Option<Waker>,
}

/// Hands out work. Dropped, it ends all of it and waits for the threads.
pub struct Studio {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl core::fmt::Debug for Studio {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Studio")
            .field("chain", &self.shared.chain)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Studio {
    /// Starts the threads, and has the voices listed.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(chain: Chain, limits: Limits, clock: Clock, tell: Tell) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            chain,
            cache: Mutex::new(Cache::new(limits.cache_bytes)),
            desk: Mutex::default(),
            changed: Condvar::new(),
            voices: Mutex::default(),
            stop: Stop::default(),
            clock,
            tell,
            limits,
        });
        let mut studio = Self {
            shared,
            threads: Vec::new(),
        };
        for number in 0..limits.threads.max(1) {
            let shared = Arc::clone(&studio.shared);
            let thread = Builder::new().name(format!("tts/{number}"));
            studio.threads.push(thread.spawn(move || run(&shared))?);
        }
        studio.list();
        Ok(studio)
    }

    /// Speaks sentences in a voice, `hurry` percent faster than it says. The sound is in the take
    /// as it is made.
    ///
    /// # Errors
    /// [`EngineError::NotReady`] when too much waits.
    pub fn speak(
        &self,
        sentences: Vec<String>,
        voice: Voice,
        hurry: u16,
    ) -> Result<Take, EngineError> {
        let seconds = self.shared.limits.max_seconds.min(MAX_SECONDS);
        let take = Take::new(seconds as usize * PLAYED_HZ as usize);
        let speed =
            (u32::from(voice.speed) * u32::from(hurry) / 100).min(u32::from(u16::MAX)) as u16;
        let mut desk = lock(&self.shared.desk);
        if desk.orders.len() >= MAX_ORDERS {
            return Err(EngineError::NotReady("too much is being spoken at once"));
        }
        desk.takes.push(take.clone());
        desk.orders.push_back(Order::Speak {
            take: take.clone(),
            sentences,
            voice,
            speed,
        });
        drop(desk);
        self.shared.changed.notify_all();
        Ok(take)
    }

    /// Has the voices listed again, soon.
    pub fn list(&self) {
        let mut desk = lock(&self.shared.desk);
        let asked = desk.orders.iter().any(|order| matches!(order, Order::List));
        if !asked && desk.orders.len() < MAX_ORDERS {
            desk.orders.push_back(Order::List);
        }
        drop(desk);
        self.shared.changed.notify_all();
    }

    /// The voices as they were listed last.
    #[must_use]
    pub fn voices(&self) -> Listing {
        lock(&self.shared.voices)
            .listing
            .clone()
            .unwrap_or_default()
    }

    /// Waits until they were listed for the first time. For one who waits.
    pub fn listed(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        poll_fn(move |context| {
            let mut voices = lock(&shared.voices);
            if voices.listing.is_some() {
                return Poll::Ready(());
            }
            voices.waker = Some(context.waker().clone());
            Poll::Pending
        })
    }

    /// The engines and how they are.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.shared.chain
    }

    /// Waits until nothing is being made.
    pub fn settle(&self) {
        let desk = lock(&self.shared.desk);
        let idle = |desk: &mut Desk| !desk.stop && (desk.busy > 0 || !desk.orders.is_empty());
        drop(self.shared.changed.wait_while(desk, idle));
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let mut desk = lock(&self.shared.desk);
        desk.stop = true;
        desk.orders.clear();
        desk.takes.iter().for_each(Take::stop);
        self.shared.stop.stop();
        drop(desk);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared) {
    loop {
        let desk = lock(&shared.desk);
        let waited = shared
            .changed
            .wait_while(desk, |desk| !desk.stop && desk.orders.is_empty());
        let mut desk = waited.unwrap_or_else(PoisonError::into_inner);
        if desk.stop {
            return;
        }
        let Some(order) = desk.orders.pop_front() else {
            continue;
        };
        desk.busy += 1;
        drop(desk);
        match order {
            Order::Speak {
                take,
                sentences,
                voice,
                speed,
            } => {
                let how = speak(shared, &take, &sentences, &voice, speed);
                take.end(how);
            }
            Order::List => list(shared),
        }
        let mut desk = lock(&shared.desk);
        desk.busy -= 1;
        desk.takes.retain(|take| take.is_open());
        drop(desk);
        shared.changed.notify_all();
    }
}

fn list(shared: &Shared) {
    let found = shared.chain.engines().iter().map(|engine| {
        let voices = engine.voices(&shared.stop);
        let now_us = (shared.clock)();
        if let Err(error) = &voices {
            shared
                .chain
                .report(engine.id(), &Err(error.clone()), now_us);
        }
        (engine.id(), voices.unwrap_or_default())
    });
    let found = found.collect();
    let mut voices = lock(&shared.voices);
    voices.listing = Some(found);
    let waker = voices.waker.take();
    drop(voices);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The first engine that speaks at all speaks to the end.
fn speak(
    shared: &Shared,
    take: &Take,
    sentences: &[String],
    voice: &Voice,
    speed: u16,
) -> Result<(), EngineError> {
    let mut last = EngineError::NotReady("no engine is set up");
    for engine in shared
        .chain
        .order(voice.engine.as_deref(), (shared.clock)())
    {
        // A voice belongs to the engine it was chosen for.
        let own = voice
            .engine
            .as_deref()
            .is_none_or(|chosen| chosen == engine.id());
        let mut name = voice.name.as_deref().filter(|_| own);
        loop {
            let how = with(shared, take, &*engine, name, sentences, voice, speed);
            shared.chain.report(engine.id(), &how, (shared.clock)());
            if let Err(error) = how.as_ref()
                && error.is_the_engines()
            {
                let id = engine.id();
                (shared.tell)(&format!(
                    "the engine `{id}` did not speak, others are asked for a while: {error}; {}. {}",
                    error.remedy(),
                    error.detail()
                ));
            }
            match how {
                Ok(()) => return Ok(()),
                Err(error) if take.made() > 0 || error == EngineError::Stopped => {
                    return Err(error);
                }
                // The engine's own voice rather than another engine.
                Err(EngineError::NoVoice(_)) if name.is_some() => name = None,
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
    }
    Err(last)
}

fn with(
    shared: &Shared,
    take: &Take,
    engine: &dyn Engine,
    name: Option<&str>,
    sentences: &[String],
    voice: &Voice,
    speed: u16,
) -> Result<(), EngineError> {
    take.set_bends(engine.bends());
    let lines = engine.takes_lines().then(|| vec![sentences.join("\n")]);
    for text in lines.as_deref().unwrap_or(sentences) {
        if take.stopper().is_stopped() {
            return Err(EngineError::Stopped);
        }
        let pitch = if engine.bends() { voice.pitch } else { 100 };
        let ask = Ask {
            text,
            voice: name,
            speed,
            pitch,
        };
        let key = cache::key(engine.id(), name, speed, pitch, text);
        let found = lock(&shared.cache).find(&key);
        if let Some(sound) = found {
            if !take.put(&sound) {
                return Ok(());
            }
            continue;
        }
        let sound = make(take, engine, &ask)?;
        if take.is_cut() || take.stopper().is_stopped() {
            return Ok(());
        }
        lock(&shared.cache).keep(key, sound.into());
    }
    Ok(())
}

/// Has one sentence spoken; it goes to the take as it is made, and comes back whole.
fn make(take: &Take, engine: &dyn Engine, ask: &Ask<'_>) -> Result<Vec<i16>, EngineError> {
    let mut all: Vec<i16> = Vec::new();
    let mut resampler: Option<Resampler> = None;
    let mut wrong = None;
    let spoke = engine.speak(ask, take.stopper(), &mut |sound| {
        let resampler = match &mut resampler {
            Some(resampler) => resampler,
            None => match Resampler::new(sound.rate_hz) {
                Some(new) => resampler.insert(new),
                None => {
                    wrong = Some(EngineError::BadSound("its rate is out of range"));
                    return false;
                }
            },
        };
        let before = all.len();
        resampler.push(sound.mono, &mut all);
        take.put(all.get(before..).unwrap_or_default())
    });
    let before = all.len();
    if let Some(resampler) = &mut resampler {
        resampler.finish(&mut all);
    }
    take.put(all.get(before..).unwrap_or_default());
    spoke?;
    wrong.map_or(Ok(all), Err)
}

#[cfg(test)]
mod tests;
