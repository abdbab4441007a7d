//! A network of its own for each test, in virtual time.

use super::*;

const MS: u64 = 1_000_000;

/// xorshift64*: the same network for the same seed.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// An Opus packet of so many frames that carries a number.
fn payload(frames: i64, number: u64) -> Arc<[u8]> {
    let head: &[u8] = match frames {
        120 => &[0xE4],
        240 => &[0xEC],
        480 => &[0xF4],
        960 => &[0xFC],
        1920 => &[0xFD],
        2880 => &[0xFF, 3],
        5760 => &[0xFF, 6],
        _ => panic!("no packet is {frames} frames long"),
    };
    let mut bytes = head.to_vec();
    bytes.extend(number.to_be_bytes());
    // 48 bytes divide into 2, 3 and 6 frames.
    bytes.resize(head.len() + 48, 0);
    bytes.into()
}

fn number(packet: &JitterPacket) -> u64 {
    let bytes = &packet.payload;
    let at = bytes.len() - 48;
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// A sender, a network, and a buffer that is pulled every 20 ms.
struct World {
    epoch: Instant,
    jitter: Jitter,
    rng: Rng,
    /// Packets on the way, by arrival.
    on_the_way: std::collections::BTreeMap<(u64, u64), JitterPacket>,
    pulls: u64,
    /// What came out.
    played: Vec<u64>,
    turns: Vec<Pulled>,
    keep_turns: bool,
    /// Frames of each kind that came out.
    invented: i64,
    dtx: i64,
    quiet: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            epoch: Instant::now(),
            jitter: Jitter::new(JitterConfig::default()),
            rng: Rng(seed | 1),
            on_the_way: Default::default(),
            pulls: 0,
            played: Vec::new(),
            turns: Vec::new(),
            keep_turns: false,
            invented: 0,
            dtx: 0,
            quiet: 0,
        }
    }

    fn at(&self, ns: u64) -> Instant {
        self.epoch + Duration::from_nanos(ns)
    }

    fn send(
        &mut self,
        number: u64,
        arrival_ns: u64,
        sequence: u16,
        timestamp: u32,
        bytes: Arc<[u8]>,
    ) {
        let packet = JitterPacket {
            sequence,
            timestamp,
            arrival: self.at(arrival_ns),
            payload: bytes,
        };
        self.on_the_way.insert((arrival_ns, number), packet);
    }

    /// Runs until `until_ns`, in the order of time.
    fn run(&mut self, until_ns: u64) {
        loop {
            // Our own turns are a little off the sender's.
            let next_pull = self.pulls * 20 * MS + 7 * MS;
            let arrival = self.on_the_way.first_key_value().map(|(key, _)| key.0);
            if arrival.is_some_and(|at| at <= next_pull && at <= until_ns) {
                let (_, packet) = self.on_the_way.pop_first().unwrap();
                let _ = self.jitter.push(packet);
                assert!(self.jitter.waiting() <= MAX_PACKETS);
                continue;
            }
            if next_pull > until_ns {
                return;
            }
            self.pulls += 1;
            let pulled = self.jitter.pull(self.at(next_pull));
            self.judge(&pulled);
            if self.keep_turns {
                self.turns.push(pulled);
            }
        }
    }

    fn judge(&mut self, pulled: &Pulled) {
        let Pulled::Sound(turn) = pulled else {
            self.quiet += 1;
            return;
        };
        assert!((941..=979).contains(&turn.frames), "{turn:?}");
        for piece in &turn.pieces {
            match piece {
                Piece::Packet(packet) if packet.payload.len() > SILENT_BYTES => {
                    self.played.push(number(packet));
                }
                Piece::Packet(_) => {}
                Piece::Lost { frames, .. } => self.invented += i64::from(*frames),
                Piece::Dtx { frames } => self.dtx += i64::from(*frames),
            }
        }
    }
}

/// How a stretch of packets travels.
struct Weather {
    /// Frames of a packet.
    frames: i64,
    /// The sender's clock against ours, parts per million.
    ppm: f64,
    loss: f64,
    jitter_ms: f64,
    doubled: f64,
}

const CALM: Weather = Weather {
    frames: 960,
    ppm: 0.0,
    loss: 0.0,
    jitter_ms: 0.0,
    doubled: 0.0,
};

/// Sends `count` packets without a pause from `from_ns` on; returns those that were not lost.
fn stream(world: &mut World, from_ns: u64, count: u64, first: u64, weather: &Weather) -> Vec<u64> {
    let step = weather.frames as f64 * 1e9 / 48_000.0 / (1.0 + weather.ppm * 1e-6);
    let mut arrived = Vec::new();
    for n in 0..count {
        let sent = from_ns + (n as f64 * step) as u64;
        if world.rng.share() < weather.loss {
            continue;
        }
        let way = 30.0 + world.rng.share() * weather.jitter_ms;
        let at = sent + (way * MS as f64) as u64;
        let id = first + n;
        let sequence = (65_000 + id) as u16;
        let timestamp = (u64::from(u32::MAX) - 48_000 + id * weather.frames as u64) as u32;
        world.send(id, at, sequence, timestamp, payload(weather.frames, id));
        if world.rng.share() < weather.doubled {
            world.send(
                id + (1 << 40),
                at + 3 * MS,
                sequence,
                timestamp,
                payload(weather.frames, id),
            );
        }
        arrived.push(id);
    }
    arrived
}

/// An hour without a pause. Returns the buffer's numbers, after judging that everything that was not
/// lost was played once, in order, and that the delay stayed where it belongs.
fn hour(seed: u64, weather: &Weather) -> JitterStats {
    let mut world = World::new(seed);
    let count = 180_000;
    let arrived = stream(&mut world, 0, count, 0, weather);
    let mut longest = Duration::ZERO;
    let mut shortest = Duration::MAX;
    for minute in 1..60 {
        world.run(minute * 60_000 * MS);
        let stats = world.jitter.stats();
        longest = longest.max(stats.delay);
        shortest = shortest.min(stats.delay);
    }
    world.run(3_602_000 * MS);
    let stats = world.jitter.stats();
    let lost = count - arrived.len() as u64;
    println!("seed {seed}: {lost} lost on the way, delay {shortest:?} to {longest:?}, {stats:?}");
    assert!(
        world.played.is_sorted_by(|a, b| a < b),
        "each once, in order"
    );
    assert_eq!(world.played.len() as u64 + stats.lost, count);
    assert_eq!(stats.lost, lost + stats.late);
    let slack = Duration::from_millis(40);
    assert!(longest < stats.target + slack, "it grows: {longest:?}");
    assert!(
        shortest + Duration::from_millis(10) > Duration::from_millis(20),
        "{shortest:?}"
    );
    assert!(world.quiet < 200, "nobody fell silent");
    stats
}

#[test]
fn an_hour_in_calm_weather_is_played_whole_with_the_least_delay() {
    for ppm in [0.0, 100.0, -100.0] {
        let stats = hour(1, &Weather { ppm, ..CALM });
        assert_eq!((stats.lost, stats.late, stats.duplicate), (0, 0, 0));
        assert_eq!(stats.target, Duration::from_millis(20));
        // The end of the stream is not known beforehand.
        assert!(stats.concealed <= 12, "{stats:?}");
    }
}

#[test]
fn an_hour_of_loss_and_jitter_loses_only_what_the_network_lost() {
    for (seed, ppm) in [(2, 100.0), (3, -100.0)] {
        let weather = Weather {
            ppm,
            loss: 0.05,
            jitter_ms: 60.0,
            doubled: 0.01,
            ..CALM
        };
        let stats = hour(seed, &weather);
        assert!(stats.duplicate > 1000);
        let target = stats.target.as_millis();
        assert!(
            (55..=75).contains(&target),
            "60 ms of jitter need {target} ms"
        );
        // A clock at 100 ppm and a target of 99 % cost a handful each hour, not a share.
        assert!(stats.late < 180, "{} late", stats.late);
    }
}

mod chaos;
mod spurts;
mod streams;
