//! A tape in the world: client 0 is a bot that records what the others say, through the real ear
//! ([`mynah_ear::Hearing`]) into the recorder's core, while the world judges keys and windows as always.
//!
//! Speakers have crystals of their own and say known things: every second of their own time a marker
//! of 1 kHz, then a word at a pitch of that second. The datagrams the bot gets are real RTP, sealed
//! with the transport keys of its session. What every packet said and when is written down, so that
//! a test can hold the finished tracks against it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_audio::{Encoder, EncoderConfig, Lane, SILENT_BLOCK};
use mynah_ear::{Hearing, Packet, Want};
use mynah_recorder::core::recording::{Limits, Plan, Recording};
use mynah_recorder::core::timeline::Arrived;
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_session::voice::{MediaKeys, TransportKeys};
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header};
use mynah_wire::{Ssrc, UserId};

use super::client::{GUILD, user_id};
use super::media::Frame;
use super::schedule::Event;
use super::{Counts, Failure, Script, World};

/// The client that records.
pub const BOT: usize = 0;
/// Frames after which a speaker says the same again: ten seconds.
const LOOP_FRAMES: u64 = 500;
/// Frames in a second of a speaker's time.
const SECOND: u64 = 50;
/// Frames of a marker, from the beginning of each second.
pub const MARKER_FRAMES: u64 = 2;
/// Frames of the word in each second.
pub const WORD_FRAMES: std::ops::Range<u64> = 15..30;
/// Pitch of a marker.
pub const MARKER_HZ: f32 = 1000.0;
const FRAME: Duration = Duration::from_millis(20);
const LANE: &str = "music";
/// Packets of one stream that wait for its name, as in the recorder's plugin.
const MAX_HELD: usize = 100;

/// Who speaks how.
#[derive(Clone, Copy, Debug)]
pub struct Speaker {
    /// How much too fast their crystal is, in millionths.
    pub ppm: f64,
    /// They speak for so many frames ...
    pub talk_frames: u64,
    /// ... and are silent for so many, again and again.
    pub pause_frames: u64,
}

/// The pitch of a speaker's word in a second of their time.
#[must_use]
pub fn word_hz(client: usize, second: u64) -> f32 {
    300.0
        + 170.0 * (second % 10) as f32
        + 23.0 * client as f32
        + if second % 10 >= 4 { 300.0 } else { 0.0 }
}

/// One packet that was said.
#[derive(Clone, Copy, Debug)]
pub struct Spoken {
    /// Who.
    pub client: usize,
    /// The frame's number on the speaker's own clock.
    pub frame: u64,
    /// When it was said, in microseconds since the recording began.
    pub sent_us: u64,
    /// It reached the bot and could be opened.
    pub is_heard: bool,
}

/// What was recorded, and what was said.
#[derive(Debug)]
pub struct Recorded {
    /// The recording's folder.
    pub folder: PathBuf,
    /// What the world counted.
    pub counts: Counts,
    /// Every packet of a person by SSRC and RTP time.
    pub spoken: HashMap<(u32, u32), Spoken>,
    /// Every packet of the lane by RTP time: its frame, and when it was played.
    pub played: HashMap<u32, (u64, u64)>,
    /// How long it is.
    pub length_us: u64,
    /// Times the bot's connection was replaced.
    pub plugged: u32,
}

/// Plays a script, with client [`BOT`] recording into `root`. `speakers[n]` is client `n`; clients
/// beyond speak as the last does.
///
/// # Errors
/// What the world found wrong.
///
/// # Panics
/// The recording cannot be written.
pub fn record(
    script: &Script,
    speakers: &[Speaker],
    root: &Path,
) -> Result<Recorded, Box<Failure>> {
    let mut world = World::new(script.clone(), None);
    let tape = Tape::new(world.start, script.seed, speakers, script.clients(), root);
    world.tape = Some(Box::new(tape));
    world.schedule.at(world.start, Event::Tape);
    let (counts, tape) = world.run_taped()?;
    let tape = tape.unwrap_or_else(|| panic!("the tape is gone"));
    Ok(tape.finish(counts))
}

/// See the module.
pub(super) struct Tape {
    start: Instant,
    now: Instant,
    hearing: Hearing,
    /// The server's side of the bot's transport.
    sealer: Option<RtpSealer>,
    recording: Recording,
    speakers: Vec<Speaker>,
    loops: Vec<Vec<Vec<u8>>>,
    /// Frames of each speaker's clock so far.
    frames: Vec<u64>,
    lane_frames: u64,
    unnamed: BTreeMap<Ssrc, Vec<Arrived>>,
    spoken: HashMap<(u32, u32), Spoken>,
    played: HashMap<u32, (u64, u64)>,
    plugged: u32,
}

impl Tape {
    fn new(start: Instant, seed: u64, speakers: &[Speaker], clients: usize, root: &Path) -> Self {
        let plan = Plan {
            id: format!("world-{seed}"),
            guild: GUILD.get(),
            channel: 1,
            starter: 0,
            title: String::new(),
            consent: "notice".to_owned(),
            previous: None,
            started_ms: 1_790_000_000_000,
            limits: Limits {
                sync_every_us: 60_000_000,
                ..Limits::default()
            },
        };
        let recording =
            Recording::begin(root, plan).unwrap_or_else(|error| panic!("no recording: {error}"));
        let mut hearing = Hearing::new();
        hearing.want(Want {
            packets: true,
            pcm: false,
            mix: false,
            lanes: true,
        });
        let last = speakers.last().copied().unwrap_or(Speaker {
            ppm: 0.0,
            talk_frames: 1,
            pause_frames: 0,
        });
        let speakers = (0..clients)
            .map(|client| speakers.get(client).copied().unwrap_or(last))
            .collect();
        Self {
            start,
            now: start,
            hearing,
            sealer: None,
            recording,
            speakers,
            loops: (0..clients).map(said).collect(),
            frames: vec![0; clients],
            lane_frames: 0,
            unnamed: BTreeMap::new(),
            spoken: HashMap::new(),
            played: HashMap::new(),
            plugged: 0,
        }
    }

    fn us(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX)
    }

    // --- mouths --------------------------------------------------------------------------------

    /// Time between two frames of a client.
    pub fn cadence(&self, client: usize) -> Duration {
        let ppm = self.speakers.get(client).map_or(0.0, |speaker| speaker.ppm);
        FRAME.div_f64(1.0 + ppm * 1e-6)
    }

    /// The next frame of a client's clock, and what is said in it; nothing is said in pauses.
    pub fn frame(&mut self, client: usize, pauses: bool) -> (u64, Option<Vec<u8>>) {
        let frame = self.frames[client];
        self.frames[client] += 1;
        let speaker = self.speakers[client];
        let turn = frame % (speaker.talk_frames + speaker.pause_frames);
        if pauses && turn >= speaker.talk_frames {
            return (frame, None);
        }
        let place = (frame % LOOP_FRAMES) as usize;
        (frame, Some(self.loops[client][place].clone()))
    }

    /// A frame left.
    pub fn said(&mut self, said: &Frame, frame: u64) {
        let spoken = Spoken {
            client: said.from.client,
            frame,
            sent_us: self.us(said.sent),
            is_heard: false,
        };
        self.spoken.insert((said.ssrc.0, said.timestamp), spoken);
    }

    // --- the bot's connection ------------------------------------------------------------------

    pub fn plug(&mut self, keys: &TransportKeys) {
        let opener = || RtpOpener::new(keys.mode, &keys.secret_key);
        self.hearing.plug(opener(), opener(), keys.ssrc);
        self.sealer = Some(RtpSealer::new(keys.mode, &keys.secret_key, 1 << 20));
        self.plugged += 1;
    }

    pub fn unplug(&mut self) {
        self.hearing.unplug();
        self.sealer = None;
    }

    pub fn keys(&mut self, now: Instant, keys: &MediaKeys) {
        self.hearing.keys(now, keys);
    }

    pub fn learn(&mut self, now: Instant, ssrc: Ssrc, user: UserId) {
        self.hearing.learn(now, ssrc, user);
    }

    pub fn forget(&mut self, user: UserId) {
        self.hearing.forget(user);
    }

    /// A frame arrives, as the server seals it for the bot.
    ///
    /// # Panics
    /// It does not fit its buffer.
    pub fn take(&mut self, now: Instant, frame: &Frame) {
        let Some(sealer) = &mut self.sealer else {
            return;
        };
        let header = Header::opus(frame.sequence, frame.timestamp, frame.ssrc);
        let mut packet = header.write().to_vec();
        packet.extend(&frame.bytes);
        let end = packet.len();
        packet.resize(end + sealer.overhead(), 0);
        let sealed = sealer.seal(&mut packet, FIXED_HEADER_LEN, end);
        sealed.unwrap_or_else(|error| panic!("sealing: {error}"));
        self.hearing.take(now, &mut packet);
    }

    /// What the world's own ear opened: no less may be on the tape.
    pub fn heard(&mut self, heard: impl Iterator<Item = (Ssrc, u32)>) {
        for (ssrc, timestamp) in heard {
            if let Some(spoken) = self.spoken.get_mut(&(ssrc.0, timestamp)) {
                spoken.is_heard = true;
            }
        }
    }

    // --- the tape ------------------------------------------------------------------------------

    /// 20 ms: the bot plays, hears and writes.
    ///
    /// # Panics
    /// The disk refuses.
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        let frame = self.lane_frames;
        self.lane_frames += 1;
        let timestamp = (frame as u32)
            .wrapping_mul(960)
            .wrapping_add(u32::MAX - 48_000);
        self.played.insert(timestamp, (frame, self.us(now)));
        self.hearing.lane(Packet {
            user: None,
            lane: Some(Lane::Bed),
            ssrc: Ssrc(0),
            sequence: frame as u16,
            timestamp,
            arrival: now,
            payload: Arc::from(&self.loops[BOT][(frame % LOOP_FRAMES) as usize][..]),
            unopened: false,
        });
        for packet in self.hearing.tick(now).packets {
            self.write(&packet)
                .unwrap_or_else(|error| panic!("writing: {error}"));
        }
        let now_us = self.us(now);
        let ticked = self.recording.tick(now_us, None);
        ticked.unwrap_or_else(|error| panic!("writing: {error}"));
    }

    fn write(&mut self, packet: &Packet) -> Result<(), mynah_recorder::core::RecorderError> {
        let arrived = Arrived {
            ssrc: packet.ssrc.0,
            seq: packet.sequence,
            rtp: packet.timestamp,
            arrival_us: self.us(packet.arrival),
            payload: packet.payload.to_vec(),
        };
        if packet.lane.is_some() {
            return self.recording.lane(LANE, arrived);
        }
        let Some(user) = packet.user else {
            let held = self.unnamed.entry(packet.ssrc).or_default();
            if held.len() < MAX_HELD {
                held.push(arrived);
            }
            return Ok(());
        };
        let before = self.unnamed.remove(&packet.ssrc).unwrap_or_default();
        for arrived in before.into_iter().chain([arrived]) {
            self.recording.packet(user.get(), "", arrived)?;
        }
        Ok(())
    }

    fn finish(mut self, counts: Counts) -> Recorded {
        // The last packets may still be waiting for earlier ones.
        let end = self.now + Duration::from_secs(1);
        let length_us = self.us(end);
        let finished = self.recording.finish(length_us, 0, "asked");
        finished.unwrap_or_else(|error| panic!("writing: {error}"));
        Recorded {
            folder: self.recording.folder().to_owned(),
            counts,
            spoken: self.spoken,
            played: self.played,
            length_us,
            plugged: self.plugged,
        }
    }
}

/// The user id of a client, as on the tracks.
#[must_use]
pub fn id_of(client: usize) -> u64 {
    user_id(client).get()
}

/// Ten seconds of a speaker, encoded.
fn said(client: usize) -> Vec<Vec<u8>> {
    let config = EncoderConfig {
        bitrate_bps: 48_000,
        complexity: 2,
        ..EncoderConfig::default()
    };
    let mut encoder = Encoder::new(config).unwrap_or_else(|error| panic!("no encoder: {error}"));
    let mut packet = [0; 1400];
    let mut encode = |frame: u64| {
        let (second, place) = (frame / SECOND, frame % SECOND);
        let hz = match place {
            place if place < MARKER_FRAMES => MARKER_HZ,
            place if WORD_FRAMES.contains(&place) => word_hz(client, second),
            _ => 0.0,
        };
        let mut block = SILENT_BLOCK;
        for (sample, pair) in block.chunks_exact_mut(2).enumerate() {
            let at = (frame * 960 + sample as u64) as f32 / 48_000.0;
            pair.fill(if hz > 0.0 {
                0.3 * (at * hz * std::f32::consts::TAU).sin()
            } else {
                0.0
            });
        }
        let length = encoder
            .encode(&block, &mut packet)
            .unwrap_or_else(|error| panic!("encoding: {error}"));
        packet[..length].to_vec()
    };
    (0..LOOP_FRAMES).map(&mut encode).collect()
}
