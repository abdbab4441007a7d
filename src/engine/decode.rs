//! Decoding on media threads: opens sounds and keeps a track's ring full.
//!
//! A [`Deck`] is one ring and what fills it. Its job looks at the ring every 120 ms; whatever it is
//! told to change meanwhile is a job of its own, so that it happens at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_media::{MediaError, OpenOptions};
use mynah_pulse::RingReader;
use tokio::sync::oneshot;

use crate::fetch::Input;
use crate::fill::{Fill, RING_BLOCKS};
use crate::loudness::Loudness;
use crate::pool::{Job, Next, Pool};
use crate::reel::{Item, Repeat, begin};
use crate::tracks::Progress;
use crate::{FilterSpec, TrackId};

/// How often a full ring is looked at again. What a decoder works with is cold by then, so six blocks
/// at once cost less than twice three; 200 ms are left for a slow disk.
const REFILL: Duration = Duration::from_millis(120);
/// How often it is looked whether the bytes of a stream have come.
const ARRIVES: Duration = Duration::from_millis(20);
/// Blocks decoded per step, so that one job never holds a media thread for long.
const BLOCKS_PER_STEP: usize = 8;

/// A sound that can be opened.
pub struct Sound {
    /// The track it becomes.
    pub id: TrackId,
    /// Its bytes; a download stays in the cache while this is held, a stream stays open.
    pub input: Input,
    /// Where to begin.
    pub start: Duration,
    /// What brings it to the loudness of the others; `None` leaves it as it is.
    pub loudness: Option<Arc<Loudness>>,
}

impl Sound {
    fn open(self) -> Result<Item, MediaError> {
        let media = self.input.open(&OpenOptions::default())?;
        let (media, first_frame) = begin(media, self.start)?;
        let file = match &self.input {
            Input::File(path) => Some(path),
            Input::Stream(_) | Input::Live(_) => None,
        };
        let level = self.loudness.map(|known| known.level(media.info(), file));
        Ok(Item {
            id: self.id,
            media,
            first_frame,
            level: level.unwrap_or_default(),
            _in_use: self.input,
        })
    }
}

/// How a ring is filled.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// How often the first sound is played.
    pub repeat: Repeat,
    /// The effects on everything.
    pub filters: FilterSpec,
}

/// A decoder that has started.
pub struct Opened {
    /// The tick's end of the ring, already filled a little.
    pub reader: RingReader,
    /// What fills it.
    pub deck: Deck,
}

/// One ring and what fills it. Cheap to clone.
#[derive(Clone)]
pub struct Deck(Arc<Inner>);

struct Inner {
    /// `None` once everything is in the ring.
    fill: Mutex<Option<Fill>>,
    progress: Arc<Progress>,
}

/// A change to what a deck plays.
pub enum Order {
    /// Play this after the sound that is being read.
    Next(Box<Sound>, oneshot::Sender<Result<Followed, MediaError>>),
    /// Do not play this after it. Answered with whether that was in time.
    NotNext(TrackId, oneshot::Sender<bool>),
    /// Play the present sound so often.
    Repeat(Repeat),
    /// Other effects from now on. What is called, on a media thread, with the ring that has them and
    /// the frame of the track at which it begins, hands it to the tick.
    Filters(Box<FilterSpec>, HandOver),
}

/// See [`Order::Filters`].
pub type HandOver = Box<dyn FnOnce(RingReader, u64) + Send>;

/// Whether a sound will follow another.
pub enum Followed {
    /// It will.
    Yes {
        /// What was to follow before.
        instead_of: Option<TrackId>,
    },
    /// Everything has been read already.
    TooLate,
}

impl Deck {
    /// Opens `sound` on a media thread; answered when the first blocks are decoded.
    pub fn start(
        pool: &Pool,
        sound: Sound,
        how: How,
    ) -> oneshot::Receiver<Result<Opened, MediaError>> {
        let (answer, opened) = oneshot::channel();
        pool.submit(Box::new(DecodeJob(Stage::Open {
            what: Box::new((sound, how)),
            answer,
        })));
        opened
    }

    /// Changes something on a media thread, at once.
    pub fn order(&self, pool: &Pool, order: Order) {
        pool.submit(Box::new(OrderJob(Some((self.clone(), order)))));
    }

    /// How far it is heard.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.0.progress
    }

    fn fill(&self) -> MutexGuard<'_, Option<Fill>> {
        self.0.fill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Deck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deck")
            .field("progress", &self.0.progress)
            .finish_non_exhaustive()
    }
}

struct DecodeJob(Stage);

enum Stage {
    Open {
        what: Box<(Sound, How)>,
        answer: oneshot::Sender<Result<Opened, MediaError>>,
    },
    Fill(Deck),
    Gone,
}

impl Job for DecodeJob {
    fn step(&mut self) -> Next {
        match std::mem::replace(&mut self.0, Stage::Gone) {
            Stage::Open { what, answer } => {
                let (sound, how) = *what;
                let (opened, over) = match sound.open() {
                    Ok(item) => load(item, how),
                    Err(error) => {
                        let _ = answer.send(Err(error));
                        return Next::Done;
                    }
                };
                let deck = opened.deck.clone();
                if answer.send(Ok(opened)).is_err() || over {
                    return Next::Done;
                }
                self.0 = Stage::Fill(deck);
                Next::Again(Duration::ZERO)
            }
            Stage::Fill(deck) => {
                let next = step(&deck);
                self.0 = Stage::Fill(deck);
                next
            }
            Stage::Gone => Next::Done,
        }
    }
}

/// Makes the ring of an open sound and fills its beginning; true when that was all.
fn load(item: Item, how: How) -> (Opened, bool) {
    let (fill, reader, progress) = Fill::new(item, how.repeat, how.filters);
    let over = fill.is_over();
    let fill = Mutex::new((!over).then_some(fill));
    let deck = Deck(Arc::new(Inner { fill, progress }));
    (Opened { reader, deck }, over)
}

/// Fills a ring a little further.
fn turn(fill: &mut Fill) -> Next {
    if fill.is_abandoned() {
        return Next::Done;
    }
    fill.put(BLOCKS_PER_STEP);
    if fill.is_over() {
        return Next::Done;
    }
    if !fill.is_ready() {
        return Next::Again(ARRIVES);
    }
    if fill.free() > RING_BLOCKS / 2 {
        return Next::Again(Duration::ZERO);
    }
    Next::Again(REFILL)
}

fn step(deck: &Deck) -> Next {
    let mut fill = deck.fill();
    match fill.as_mut().map(turn) {
        Some(next @ Next::Again(_)) => next,
        Some(Next::Done) | None => {
            *fill = None;
            Next::Done
        }
    }
}

/// Carries out one order.
struct OrderJob(Option<(Deck, Order)>);

impl Job for OrderJob {
    fn step(&mut self) -> Next {
        if let Some((deck, order)) = self.0.take() {
            carry_out(&deck, order);
        }
        Next::Done
    }
}

fn carry_out(deck: &Deck, order: Order) {
    match order {
        Order::Next(sound, answer) => {
            // Opened before the deck is held: a slow disk must not starve the ring.
            let outcome = sound.open().map(|next| {
                let mut fill = deck.fill();
                let Some(fill) = fill.as_mut() else {
                    return Followed::TooLate;
                };
                let old = fill.reel().set_next(Some(next));
                Followed::Yes {
                    instead_of: old.map(|item| item.id),
                }
            });
            let _ = answer.send(outcome);
        }
        Order::NotNext(id, answer) => {
            let mut fill = deck.fill();
            let dropped = fill.as_mut().is_some_and(|fill| fill.reel().drop_next(id));
            let _ = answer.send(dropped);
        }
        Order::Repeat(repeat) => {
            if let Some(fill) = deck.fill().as_mut() {
                fill.reel().set_repeat(repeat);
            }
        }
        Order::Filters(spec, hand_over) => {
            // Handed over before the deck is free: of two changes the later one must be the last.
            let mut fill = deck.fill();
            if let Some((ring, at)) = fill.as_mut().and_then(|fill| fill.change(&spec)) {
                hand_over(ring, at);
            }
        }
    }
}
