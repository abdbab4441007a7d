//! The load that `mynah bench` and this room's benches put on a machine.
//!
//! A [`Hall`] is everything of many playing sessions but Discord: real files, the media threads that
//! decode them, rings, the tick threads with mix, encode, both seals and the kernel's send, each session
//! on a socket of its own. Packets go to a socket of this machine that nobody reads, so that no receiver
//! takes part in what is measured.
//!
//! Blocking, for plain threads: never from an async task.

mod capacity;
mod cpu;
mod measured;
mod sounds;
mod stages;

use std::io;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mynah_dave::BaseSecret;
use mynah_dave::frame::FrameSealer;
use mynah_media::MediaError;
use mynah_pulse::{
    EventKind, EventReader, MixConfig, OpenError, Pulse, PulseConfig, PulseHandle, RingReader,
    RingWriter, Sender, SessionKey, TrackOptions, Transport,
};
use mynah_session::transport::RtpSealer;
use mynah_wire::{EncryptionMode, Ssrc};

use crate::decode::{Deck, How, Opened, Sound};
use crate::fetch::Input;
use crate::pool::{Job, Next, Pool};
use crate::{Repeat, TrackId};

pub use capacity::{Capacity, Ramp, Search};
pub use cpu::{process_cpu, thread_cpu};
pub use measured::{Limit, Measured};
pub use sounds::{Sounds, music_mp3};
pub use stages::Stages;

/// Both ends of the ladder of complexities count as held only at or above what was asked for.
const LADDER: [u8; 4] = [10, 7, 5, 1];
/// What a measurement begins with: everybody has started, and rings are full.
const SETTLE: Duration = Duration::from_millis(700);
/// How often a measurement looks at the overload ladder and at the events.
const LOOK: Duration = Duration::from_millis(50);

/// How the sessions of a hall sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Tick threads, at least 1.
    pub threads: usize,
    /// Ask for real-time scheduling of the tick threads.
    pub fifo: bool,
    /// Opus complexity, 0 to 10.
    pub complexity: u8,
    /// Opus bitrate.
    pub bitrate_bps: u32,
    /// Media threads that decode at a time.
    pub decoders: usize,
}

impl Default for Setup {
    /// As shipped: complexity 10, 128 kbit/s, one tick thread, a media thread on each core.
    fn default() -> Self {
        Self {
            threads: 1,
            fifo: true,
            complexity: 10,
            bitrate_bps: 128_000,
            decoders: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// No more sessions could be seated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeatError {
    /// The tick threads take no more: admission by measured cost.
    #[error(transparent)]
    Refused(#[from] OpenError),
    /// The system gives no more sockets or threads.
    #[error("the system gives no more: {0}")]
    System(#[from] io::Error),
    /// The sound cannot be played.
    #[error(transparent)]
    Sound(#[from] MediaError),
    /// A decoder went away without an answer.
    #[error("a decoder gave up")]
    DecoderGone,
}

impl SeatError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.remedy(),
            Self::System(_) => "raise the limit of open files (ulimit -n)",
            Self::Sound(error) => error.remedy(),
            Self::DecoderGone => "run it again; if it happens again, it is a bug",
        }
    }
}

/// Many sessions that play.
#[derive(Debug)]
pub struct Hall {
    mixes: PulseHandle,
    events: Option<EventReader>,
    setup: Setup,
    sink: UdpSocket,
    seated: Vec<SessionKey>,
    idle: usize,
    stalls: u64,
    /// Rings that nobody fills, for sessions that are there and silent.
    silent: Vec<RingWriter>,
    // Ends last of these, so that the tick has let go of every ring when the decoders end.
    _pulse: Pulse,
    pool: Arc<Pool>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Hall {
    /// Starts the threads, for nobody yet.
    ///
    /// # Errors
    /// The system gives no thread or no socket.
    pub fn open(setup: Setup) -> io::Result<Self> {
        let pulse = Pulse::start(PulseConfig {
            threads: setup.threads,
            fifo: setup.fifo,
        })?;
        let mixes = pulse.handle();
        Ok(Self {
            events: mixes.events(),
            mixes,
            setup,
            sink: UdpSocket::bind("127.0.0.1:0")?,
            seated: Vec::new(),
            idle: 0,
            stalls: 0,
            silent: Vec::new(),
            _pulse: pulse,
            pool: Arc::new(Pool::new(setup.decoders)),
        })
    }

    /// How many play.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seated.len() - self.idle
    }

    /// True when nobody plays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How it was opened.
    #[must_use]
    pub fn setup(&self) -> Setup {
        self.setup
    }

    /// All counters of the tick threads as they are now.
    #[must_use]
    pub fn stats(&self) -> mynah_pulse::Stats {
        self.mixes.stats()
    }

    /// So many sessions more, each playing `sound` for ever.
    ///
    /// # Errors
    /// See [`SeatError`]; those seated before it stay.
    pub fn seat(&mut self, more: usize, sound: &Path) -> Result<(), SeatError> {
        let opener = self.opener(sound);
        opener.each(more, |opened| self.play(opened.reader).map(drop))
    }

    /// One session more that plays what comes out of `ring`.
    ///
    /// # Errors
    /// As [`Hall::seat`].
    pub fn play(&mut self, ring: RingReader) -> Result<SessionKey, SeatError> {
        let session = self.join()?;
        let track = mynah_pulse::TrackId(u64::from(self.seated.len() as u32));
        self.mixes
            .play(session, track, ring, TrackOptions::default());
        Ok(session)
    }

    /// One session more that plays nothing.
    ///
    /// # Errors
    /// As [`Hall::seat`].
    pub fn seat_idle(&mut self) -> Result<(), SeatError> {
        self.join()?;
        self.idle += 1;
        Ok(())
    }

    /// What opens files on the media threads of this hall.
    #[must_use]
    pub fn opener(&self, sound: &Path) -> Opener {
        Opener {
            pool: Arc::clone(&self.pool),
            sound: Arc::new(sound.to_owned()),
        }
    }

    /// One session more whose source gives `blocks` blocks of silence and then nothing, as a station
    /// that hangs.
    ///
    /// # Errors
    /// As [`Hall::seat`].
    pub fn seat_stalled(&mut self, blocks: usize) -> Result<(), SeatError> {
        let (mut writer, reader) = mynah_pulse::ring(blocks.max(1));
        while writer.put(|block| block.fill(0.01)) {}
        self.silent.push(writer);
        self.play(reader)?;
        self.idle += 1;
        Ok(())
    }

    /// So many reads that do not come back, as from a disk that hangs, each on a media thread of this
    /// hall; they end when what is returned is dropped.
    #[must_use]
    pub fn hang(&self, reads: usize) -> Hanging {
        let hang = |_| {
            let (end, never) = mpsc::channel();
            self.pool.submit(Box::new(Hang(never)));
            end
        };
        Hanging((0..reads).map(hang).collect())
    }

    fn join(&mut self) -> Result<SessionKey, SeatError> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(self.sink.local_addr()?)?;
        let session = self.mixes.open(MixConfig {
            bitrate_bps: self.setup.bitrate_bps,
            complexity: self.setup.complexity,
        })?;
        self.seated.push(session);
        let number = self.seated.len() as u32;
        let base = BaseSecret::new([number as u8; BaseSecret::BYTES]);
        let transport = Transport {
            socket,
            sender: Sender::Sealed(Box::new(FrameSealer::new(&base, 1))),
            sealer: RtpSealer::new(EncryptionMode::Aes256GcmRtpSize, &[7; 32], 0),
            ssrc: Ssrc(number),
            first_sequence: 0,
            first_timestamp: 0,
        };
        self.mixes.attach(session, transport);
        Ok(session)
    }

    /// Lets everybody play for `time`, after a moment for all to have begun, and says what that took.
    /// `go_on` is asked twenty times a second; `None` when it says no.
    pub fn measure(&mut self, time: Duration, go_on: &dyn Fn() -> bool) -> Option<Measured> {
        self.wait(SETTLE, go_on)?;
        self.stalls = 0;
        let begun = crate::clock::now();
        let (before, cpu, threads) = (self.stats(), process_cpu(), cpu::by_thread());
        let rung = self.wait(time, go_on)?;
        let (after, used) = (self.stats(), process_cpu().saturating_sub(cpu));
        Some(Measured {
            setup: self.setup,
            sessions: self.len(),
            wall: begun.elapsed(),
            stats: after.since(&before),
            cpu: used,
            threads: cpu::by_thread().since(&threads),
            stalls: self.stalls,
            lowest_complexity: LADDER.get(usize::from(rung)).copied().unwrap_or(1),
            refused: false,
        })
    }

    /// The lowest rung of the overload ladder that was seen meanwhile.
    fn wait(&mut self, time: Duration, go_on: &dyn Fn() -> bool) -> Option<u8> {
        let until = crate::clock::now() + time;
        let mut rung = 0;
        loop {
            if !go_on() {
                return None;
            }
            let left = until.saturating_duration_since(crate::clock::now());
            let threads = self.stats().threads;
            let now = threads.iter().map(|thread| thread.overload_rung).max();
            rung = rung.max(now.unwrap_or(0));
            self.read_events();
            if left.is_zero() {
                return Some(rung);
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    fn read_events(&mut self) {
        let Some(events) = &mut self.events else {
            return;
        };
        while let Some(event) = events.poll() {
            let stalled = matches!(event.kind, EventKind::Stalled(_));
            self.stalls += u64::from(stalled);
        }
    }
}

/// Reads that hang until this is dropped.
#[derive(Debug)]
pub struct Hanging(
    #[allow(dead_code, reason = "dropping them is what they are for")] Vec<mpsc::Sender<()>>,
);

struct Hang(mpsc::Receiver<()>);

impl Job for Hang {
    fn step(&mut self) -> Next {
        let _gone = self.0.recv();
        Next::Done
    }
}

/// Opens files on media threads.
#[derive(Clone, Debug)]
pub struct Opener {
    pool: Arc<Pool>,
    sound: Arc<PathBuf>,
}

impl Opener {
    /// Opens so many at once, decodes their beginning and lets go of them.
    ///
    /// # Errors
    /// As [`Hall::seat`].
    pub fn open(&self, files: usize) -> Result<(), SeatError> {
        self.each(files, |_| Ok(()))
    }

    fn each(
        &self,
        files: usize,
        mut then: impl FnMut(Opened) -> Result<(), SeatError>,
    ) -> Result<(), SeatError> {
        let start = |number| {
            let sound = Sound {
                id: TrackId(number as u64),
                input: Input::File(Arc::clone(&self.sound)),
                start: Duration::ZERO,
                loudness: None,
            };
            let how = How {
                repeat: Repeat::Forever,
                ..How::default()
            };
            Deck::start(&self.pool, sound, how)
        };
        let opening: Vec<_> = (0..files).map(start).collect();
        for opened in opening {
            let opened = opened.blocking_recv();
            then(opened.map_err(|_| SeatError::DecoderGone)??)?;
        }
        Ok(())
    }
}
