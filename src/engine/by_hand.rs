//! What one call hears of the bot, in virtual time: the same decoders, rings, effects and tick code as
//! the threads run, stepped by whoever asks. For tests that hear a plugin without waiting for it.
//!
//! Nothing here reads a clock, opens a socket or begins a thread. Sounds are opened in place, which reads
//! the disk. There is no loudness to bring them to, and no bus.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mynah_media::{MediaError, OpenOptions};
use mynah_pulse::{
    EventKind, EventReader, Janitor, MixConfig, OpenError, PulseHandle, Sender, Sent, SessionKey,
    TrackOptions, Transmit, Transport, Wheel, by_hand,
};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_wire::{EncryptionMode, Ssrc};

use crate::fetch::Input;
use crate::fill::{Fill, RING_BLOCKS};
use crate::live::Live;
use crate::loudness::Level;
use crate::reel::{Item, begin};
use crate::tracks::Progress;
use crate::{Fade, FilterSpec, PlayOptions, Repeat, TrackEvent, TrackId};

/// Nobody listens in: any key will do.
const KEY: [u8; 32] = [7; 32];
const MODE: EncryptionMode = EncryptionMode::XChaCha20Poly1305RtpSize;
/// As the bot's in an ordinary channel.
const MIX: MixConfig = MixConfig {
    bitrate_bps: 64_000,
    complexity: 5,
};
/// Wakes of the tick in 20 ms.
const WAKES: usize = 4;
/// Bytes of live sound that there are before it is opened: nobody may wait for more.
const LIVE_BYTES: u64 = 16 << 10;

/// Clock and network of the tick.
#[derive(Default)]
struct Net {
    now_ns: u64,
    datagrams: Vec<Vec<u8>>,
}

impl Transmit for Net {
    type Link = ();

    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn send(&mut self, _: &(), datagram: &[u8]) -> Sent {
        self.datagrams.push(datagram.to_vec());
        Sent::Done
    }
}

/// One sound of the tick: a track, and those that follow it without a gap.
struct Playing {
    fill: Fill,
    progress: Arc<Progress>,
    /// Put in line after the track that plays.
    next: Option<TrackId>,
}

/// The bot's sound in one call.
pub struct Mix {
    wheel: Wheel<()>,
    handle: PulseHandle<()>,
    session: SessionKey,
    net: Net,
    news: EventReader,
    janitor: Janitor<()>,
    opener: RtpOpener,
    /// By the number of the track that began it.
    playing: BTreeMap<u64, Playing>,
    /// Live sound that is not there yet.
    coming: Vec<(TrackId, Live, PlayOptions)>,
    events: VecDeque<(TrackId, TrackEvent)>,
}

/// What 20 ms came to.
#[derive(Debug, Default)]
pub struct Tick {
    /// Opus packets that leave, in order; none while nothing sounds.
    pub packets: Vec<Vec<u8>>,
    /// What happened to tracks.
    pub events: Vec<(TrackId, TrackEvent)>,
}

impl Mix {
    /// A silent one.
    ///
    /// # Errors
    /// libopus has no memory.
    pub fn new() -> Result<Self, OpenError> {
        let (wheel, handle, janitor) = by_hand(0);
        let session = handle.open(MIX)?;
        let Some(news) = handle.events() else {
            unreachable!("the handle is new: nobody has taken its events")
        };
        let mut mix = Self {
            wheel,
            handle,
            session,
            net: Net::default(),
            news,
            janitor,
            opener: RtpOpener::new(MODE, &KEY),
            playing: BTreeMap::new(),
            coming: Vec::new(),
            events: VecDeque::new(),
        };
        mix.attach();
        Ok(mix)
    }

    /// The line is there (again): what was held goes on.
    pub fn attach(&mut self) {
        let transport = Transport {
            socket: (),
            sealer: RtpSealer::new(MODE, &KEY, 0),
            sender: Sender::Plain,
            ssrc: Ssrc(1),
            first_sequence: 0,
            first_timestamp: 0,
        };
        self.handle.attach(self.session, transport);
    }

    /// The line is gone: tracks hold still, nothing is lost.
    pub fn detach(&mut self) {
        self.handle.detach(self.session);
    }

    /// Plays a file.
    ///
    /// # Errors
    /// It cannot be read, or is no sound.
    pub fn play(
        &mut self,
        id: TrackId,
        path: &Path,
        options: &PlayOptions,
    ) -> Result<(), MediaError> {
        let item = open(id, Input::File(Arc::new(path.to_owned())), options.start)?;
        self.start(item, options);
        Ok(())
    }

    /// Plays sound that somebody makes; it is heard as soon as there is enough of it.
    pub fn play_live(&mut self, id: TrackId, live: Live, options: PlayOptions) {
        self.coming.push((id, live, options));
    }

    /// Plays a file after a track, without a gap. `false` when that track is over.
    ///
    /// # Errors
    /// It cannot be read, or is no sound.
    pub fn play_next(
        &mut self,
        after: TrackId,
        id: TrackId,
        path: PathBuf,
        start: Duration,
    ) -> Result<bool, MediaError> {
        let Some(voice) = self.voice_of(after) else {
            return Ok(false);
        };
        let item = open(id, Input::File(Arc::new(path)), start)?;
        let Some(playing) = self
            .playing
            .get_mut(&voice)
            .filter(|one| !one.fill.is_over())
        else {
            return Ok(false);
        };
        let instead_of = playing.fill.reel().set_next(Some(item));
        playing.next = Some(id);
        if let Some(old) = instead_of {
            self.events.push_back((old.id, TrackEvent::Stopped));
        }
        Ok(true)
    }

    /// Takes that back. `false` when it has begun.
    pub fn cancel_next(&mut self, id: TrackId) -> bool {
        let mut all = self.playing.values_mut();
        let Some(playing) = all.find(|one| one.next == Some(id)) else {
            return false;
        };
        if !playing.fill.reel().drop_next(id) {
            return false;
        }
        playing.next = None;
        self.events.push_back((id, TrackEvent::Stopped));
        true
    }

    /// Holds a track. Like everything below: `false` when there is no such track.
    pub fn pause(&mut self, id: TrackId) -> bool {
        self.with(id, |handle, session, voice| handle.pause(session, voice))
    }

    /// Lets it go on.
    pub fn resume(&mut self, id: TrackId) -> bool {
        self.with(id, |handle, session, voice| handle.resume(session, voice))
    }

    /// Ends it.
    pub fn stop(&mut self, id: TrackId) -> bool {
        let before = self.coming.len();
        self.coming.retain(|(coming, ..)| *coming != id);
        if self.coming.len() < before {
            self.events.push_back((id, TrackEvent::Stopped));
            return true;
        }
        self.with(id, |handle, session, voice| handle.stop(session, voice))
    }

    /// Lets it fade away.
    pub fn stop_with(&mut self, id: TrackId, fade: Fade) -> bool {
        self.with(id, |handle, session, voice| {
            handle.stop_with(session, voice, fade);
        })
    }

    /// Changes its loudness, at once or over a fade.
    pub fn gain(&mut self, id: TrackId, gain: f32, fade: Option<Fade>) -> bool {
        self.with(id, |handle, session, voice| match fade {
            Some(fade) => handle.fade(session, voice, gain, fade),
            None => handle.gain(session, voice, gain),
        })
    }

    /// Plays it again and again, or not.
    pub fn repeat(&mut self, id: TrackId, repeat: Repeat) -> bool {
        let voice = self.voice_of(id);
        let playing = voice.and_then(|voice| self.playing.get_mut(&voice));
        playing.is_some_and(|playing| {
            playing.fill.reel().set_repeat(repeat);
            true
        })
    }

    /// Changes its effects.
    pub fn filters(&mut self, id: TrackId, filters: &FilterSpec) -> bool {
        let Some(voice) = self.voice_of(id) else {
            return false;
        };
        let Some(playing) = self.playing.get_mut(&voice) else {
            return false;
        };
        if let Some((ring, at)) = playing.fill.change(filters) {
            let track = mynah_pulse::TrackId(voice);
            self.handle.swap(self.session, track, ring, at);
        }
        true
    }

    /// How far it is.
    #[must_use]
    pub fn position(&self, id: TrackId) -> Option<Duration> {
        let playing = self.playing.get(&self.voice_of(id)?)?;
        Some(playing.progress.position(id))
    }

    /// The next 20 ms.
    pub fn tick(&mut self) -> Tick {
        self.begin_live();
        for _ in 0..WAKES {
            self.net.now_ns = self.wheel.step(&mut self.net);
            self.listen_to_the_tick();
        }
        for playing in self.playing.values_mut() {
            playing.fill.put(RING_BLOCKS);
            while let Some((ended, began)) = playing.progress.turn() {
                playing.next = playing.next.filter(|next| *next != began);
                let how = match playing.progress.failure(ended) {
                    Some(reason) => TrackEvent::Failed(reason),
                    None => TrackEvent::Ended,
                };
                self.events
                    .extend([(ended, how), (began, TrackEvent::Started)]);
            }
        }
        self.janitor.sweep();
        let mut packets = Vec::new();
        for mut datagram in self.net.datagrams.drain(..) {
            if let Ok(opened) = self.opener.open(&mut datagram) {
                packets.push(datagram.get(opened.payload).unwrap_or_default().to_vec());
            }
        }
        Tick {
            packets,
            events: self.events.drain(..).collect(),
        }
    }

    /// Ends the call: what every track that was there came to.
    #[must_use]
    pub fn close(mut self) -> Vec<(TrackId, TrackEvent)> {
        let waiting = self.coming.drain(..).map(|(id, ..)| id);
        let playing = self.playing.values();
        let playing = playing.flat_map(|one| [Some(one.progress.current()), one.next]);
        let gone = waiting.chain(playing.flatten());
        gone.map(|id| (id, TrackEvent::Stopped)).collect()
    }

    fn start(&mut self, item: Item, options: &PlayOptions) {
        let id = item.id;
        let (fill, reader, progress) = Fill::new(item, options.repeat, options.filters.clone());
        let how = TrackOptions {
            gain: options.gain,
            paused: options.paused,
            lane: options.lane,
            fade_in: options.fade_in,
        };
        let voice = mynah_pulse::TrackId(id.0);
        self.handle.play(self.session, voice, reader, how);
        let playing = Playing {
            fill,
            progress,
            next: None,
        };
        self.playing.insert(id.0, playing);
    }

    fn begin_live(&mut self) {
        let is_there = |(_, live, _): &mut (TrackId, Live, PlayOptions)| {
            live.stream().ready_bytes() >= LIVE_BYTES
        };
        let there: Vec<_> = self.coming.extract_if(.., is_there).collect();
        for (id, live, options) in there {
            match open(id, Input::Live(live), Duration::ZERO) {
                Ok(item) => self.start(item, &options),
                Err(error) => {
                    let event = (id, TrackEvent::Failed(error.to_string()));
                    self.events.push_back(event);
                }
            }
        }
    }

    fn listen_to_the_tick(&mut self) {
        while let Some(event) = self.news.poll() {
            let Some(voice) = event.kind.track() else {
                continue;
            };
            let Some(playing) = self.playing.get(&voice.0) else {
                continue;
            };
            let id = playing.progress.current();
            let told = match event.kind {
                EventKind::Started(_) => TrackEvent::Started,
                EventKind::Ended { .. } => TrackEvent::Ended,
                EventKind::Stopped { .. } => TrackEvent::Stopped,
                EventKind::Stalled(_) => TrackEvent::Stalled,
                EventKind::Recovered(_) => TrackEvent::Recovered,
                EventKind::Broken { .. } => TrackEvent::Failed("the decoder gave up".into()),
                EventKind::Refused(_) => TrackEvent::Stopped,
                _ => continue,
            };
            let told = match playing.progress.failure(id) {
                Some(reason) if told == TrackEvent::Ended => TrackEvent::Failed(reason),
                _ => told,
            };
            self.events.push_back((id, told));
            if event.kind.is_last() {
                let gone = self.playing.remove(&voice.0);
                if let Some(next) = gone.and_then(|gone| gone.next) {
                    self.events.push_back((next, TrackEvent::Stopped));
                }
            }
        }
    }

    /// What a track is heard as.
    fn voice_of(&self, id: TrackId) -> Option<u64> {
        let mut all = self.playing.iter();
        let found = all.find(|(_, one)| one.progress.current() == id || one.next == Some(id));
        found.map(|(voice, _)| *voice)
    }

    fn with(
        &mut self,
        id: TrackId,
        order: impl FnOnce(&PulseHandle<()>, SessionKey, mynah_pulse::TrackId),
    ) -> bool {
        let Some(voice) = self.voice_of(id) else {
            return false;
        };
        order(&self.handle, self.session, mynah_pulse::TrackId(voice));
        true
    }
}

fn open(id: TrackId, input: Input, start: Duration) -> Result<Item, MediaError> {
    let media = input.open(&OpenOptions::default())?;
    let (media, first_frame) = begin(media, start)?;
    Ok(Item {
        id,
        media,
        first_frame,
        level: Level::default(),
        _in_use: input,
    })
}

#[cfg(test)]
#[path = "by_hand_tests.rs"]
mod tests;
