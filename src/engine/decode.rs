//! Decoding on media threads: opens sounds and keeps a track's ring full.
//!
//! A [`Deck`] is one ring and what fills it. Its job looks at the ring every 60 ms; whatever it is
//! told to change meanwhile is a job of its own, so that it happens at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_audio::FRAMES;
use mynah_media::{MediaError, OpenOptions};
use mynah_pulse::{RingReader, RingWriter};
use tokio::sync::oneshot;

use crate::TrackId;
use crate::fetch::Input;
use crate::pool::{Job, Next, Pool};
use crate::reel::{Cargo, Filled, Item, Reel, Repeat, begin};
use crate::tracks::{Progress, Span};

/// Blocks in a track's ring: 320 ms (architecture.md B6 row 6).
pub const RING_BLOCKS: usize = 16;
/// Blocks decoded before a track is handed to the tick, so that it starts without a stall.
const PREFILL_BLOCKS: usize = 4;
/// How often a full ring is looked at again; a third of its length leaves time for a slow disk.
const REFILL: Duration = Duration::from_millis(60);
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
}

impl Sound {
    fn open(self) -> Result<Item, MediaError> {
        let media = self.input.open(&OpenOptions::default())?;
        let (media, first_frame) = begin(media, self.start)?;
        Ok(Item {
            id: self.id,
            media,
            first_frame,
            _in_use: self.input,
        })
    }
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
    /// Play the present sound so often.
    Repeat(Repeat),
}

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
        repeat: Repeat,
    ) -> oneshot::Receiver<Result<Opened, MediaError>> {
        let (answer, opened) = oneshot::channel();
        pool.submit(Box::new(DecodeJob(Stage::Open {
            sound,
            repeat,
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
        sound: Sound,
        repeat: Repeat,
        answer: oneshot::Sender<Result<Opened, MediaError>>,
    },
    Fill(Deck),
    Gone,
}

impl Job for DecodeJob {
    fn step(&mut self) -> Next {
        match std::mem::replace(&mut self.0, Stage::Gone) {
            Stage::Open {
                sound,
                repeat,
                answer,
            } => match sound.open() {
                Ok(item) => {
                    let (opened, over) = load(item, repeat);
                    let deck = opened.deck.clone();
                    if answer.send(Ok(opened)).is_err() || over {
                        return Next::Done;
                    }
                    self.0 = Stage::Fill(deck);
                    Next::Again(Duration::ZERO)
                }
                Err(error) => {
                    let _ = answer.send(Err(error));
                    Next::Done
                }
            },
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
fn load(item: Item, repeat: Repeat) -> (Opened, bool) {
    let (writer, reader) = if item.media.has_packets() {
        mynah_pulse::packet_ring(RING_BLOCKS)
    } else {
        mynah_pulse::ring(RING_BLOCKS)
    };
    let span = Span::new(0, item.id, item.first_frame);
    let progress = Arc::new(Progress::new(writer.meter(), span));
    let mut fill = Fill {
        reel: Reel::new(item, repeat),
        writer,
        put_frames: 0,
        progress: Arc::clone(&progress),
    };
    let over = fill.decode(PREFILL_BLOCKS);
    let fill = Mutex::new((!over).then_some(fill));
    let deck = Deck(Arc::new(Inner { fill, progress }));
    (Opened { reader, deck }, over)
}

fn step(deck: &Deck) -> Next {
    let mut fill = deck.fill();
    match fill.as_mut().map(Fill::step) {
        Some(next @ Next::Again(_)) => next,
        Some(Next::Done) | None => {
            *fill = None;
            Next::Done
        }
    }
}

struct Fill {
    reel: Reel,
    writer: RingWriter,
    /// Frames put into the ring since the track began.
    put_frames: u64,
    progress: Arc<Progress>,
}

impl Fill {
    fn step(&mut self) -> Next {
        if self.writer.is_abandoned() || self.decode(BLOCKS_PER_STEP) {
            return Next::Done;
        }
        if !self.reel.is_ready() {
            return Next::Again(ARRIVES);
        }
        if self.writer.free() > RING_BLOCKS / 2 {
            return Next::Again(Duration::ZERO);
        }
        Next::Again(REFILL)
    }

    /// Decodes until the ring is full or `at_most` blocks are done; true when nothing more comes.
    fn decode(&mut self, at_most: usize) -> bool {
        for _ in 0..at_most {
            if !self.reel.is_ready() {
                return false;
            }
            let sound = self.writer.wants_pcm();
            let Some(block) = self.writer.acquire() else {
                return false;
            };
            let filled = self.reel.fill_slot(block, sound);
            self.note(&filled);
            if filled.frames > 0 {
                self.commit(&filled);
                self.put_frames += filled.frames as u64;
            }
            debug_assert!(filled.over || filled.frames == FRAMES);
            if filled.over {
                self.writer.finish();
                return true;
            }
        }
        false
    }

    fn commit(&mut self, filled: &Filled) {
        match filled.cargo {
            Cargo::Sound => self.writer.commit(filled.frames),
            Cargo::Both => self.writer.commit_with_packet(self.reel.packet()),
            Cargo::Packet => {
                let put = self.writer.commit_packet(self.reel.packet());
                debug_assert!(put, "packets without sound are for rings that take them");
            }
        }
    }

    fn note(&self, filled: &Filled) {
        for join in &filled.joins {
            let at = self.put_frames + join.at as u64;
            self.progress.begin(Span::new(at, join.id, join.file_frame));
        }
        if let Some((id, reason)) = &filled.failure {
            self.progress.fail(*id, reason.clone());
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
                let old = fill.reel.set_next(Some(next));
                Followed::Yes {
                    instead_of: old.map(|item| item.id),
                }
            });
            let _ = answer.send(outcome);
        }
        Order::Repeat(repeat) => {
            if let Some(fill) = deck.fill().as_mut() {
                fill.reel.set_repeat(repeat);
            }
        }
    }
}
