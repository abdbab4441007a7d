//! What songbird 0.6.1 costs: its own mixers and its own worker loop, driven through the feature that it
//! has for its benches, with end-to-end encryption and AES-256-GCM, to a socket of this machine.
//!
//! `mynah-rival-songbird passthrough FOLDER SESSIONS SECONDS`, `… hold FOLDER COMPLEXITY SECONDS SESSIONS…`;
//! the folder holds `music.opus` and `music.mp3` as `judged sounds FOLDER` writes them.

mod call;

use std::net::UdpSocket;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use songbird::driver::Listeners;
use songbird::driver::bench_internals::mixer::Mixer;
use songbird::driver::bench_internals::scheduler::{
    Config, Live, LiveStatBlock, Mode, StatBlock, TaskId, WorkerId,
};
use songbird::driver::bench_internals::track_context;
use songbird::input::Input;
use songbird::input::codecs::{get_codec_registry, get_probe};
use songbird::tracks::{Track, TrackHandle};
use tokio::runtime::Handle;

const TICK: Duration = Duration::from_millis(20);
/// Sessions of a worker thread, songbird's default.
const PER_THREAD: usize = 16;
/// The ticks of the first second are for opening.
const FIRST: u32 = 50;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let number = |word: &&str| word.parse::<usize>().expect("a number");
    match words.as_slice() {
        ["passthrough", folder, sessions, seconds] => {
            let stage = Stage::new(runtime.handle(), &Path::new(folder).join("music.opus"));
            let each = Duration::from_secs(number(seconds) as u64);
            passthrough(&stage, number(sessions), each);
        }
        ["hold", folder, complexity, seconds, sessions @ ..] => {
            for sessions in sessions.iter().map(number) {
                let stage = Stage::new(runtime.handle(), &Path::new(folder).join("music.mp3"));
                let each = Duration::from_secs(number(seconds) as u64);
                hold(&stage, number(complexity) as i32, each, sessions);
            }
        }
        _ => println!(
            "passthrough FOLDER SESSIONS SECONDS | hold FOLDER COMPLEXITY SECONDS SESSIONS…"
        ),
    }
}

/// What all sessions share.
struct Stage {
    runtime: Handle,
    gateway: call::Gateway,
    sink: UdpSocket,
    song: Arc<[u8]>,
}

/// A worker's loop, and what has to stay alive beside it.
struct Worker {
    live: Live,
    listeners: Vec<Listeners>,
    _tracks: Vec<TrackHandle>,
    _ends: Vec<Box<dyn std::any::Any + Send>>,
}

impl Stage {
    fn new(runtime: &Handle, song: &Path) -> Self {
        Self {
            runtime: runtime.clone(),
            gateway: call::Gateway::new(),
            sink: UdpSocket::bind("127.0.0.1:0").unwrap(),
            song: std::fs::read(song).unwrap().into(),
        }
    }

    fn mixer(&self, complexity: i32) -> (Mixer, Listeners, TrackHandle) {
        let (mut mixer, listeners) = Mixer::mock(self.runtime.clone(), true);
        let connection = mixer.conn_active.as_mut().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.sink.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        connection.udp_tx = socket;
        *connection.dave_session.write().unwrap() = Some(self.gateway.session());
        mixer.encoder.set_complexity(complexity).unwrap();
        let Input::Live(live, _) = Input::from(Arc::clone(&self.song)) else {
            unreachable!("bytes are a live input");
        };
        let parsed = live.promote(get_codec_registry(), get_probe()).unwrap();
        let (track, context) = track_context(Track::from(Input::Live(parsed, None)));
        mixer.add_track(context).unwrap();
        (mixer, listeners, track)
    }

    fn worker(&self, sessions: usize, complexity: i32) -> Worker {
        let mut config = Config::default();
        config.strategy = Mode::MaxPerThread(sessions.try_into().unwrap());
        config.move_expensive_tasks = false;
        let (tasks, tasks_out) = flume();
        let (orders, orders_out) = flume();
        let live = Live::new(
            WorkerId::new(),
            config,
            Arc::<StatBlock>::default(),
            Arc::<LiveStatBlock>::default(),
            tasks_out,
            orders,
        );
        let mut worker = Worker {
            live,
            listeners: vec![],
            _tracks: vec![],
            _ends: vec![Box::new(tasks), Box::new(orders_out)],
        };
        let mut id = TaskId::new();
        for _ in 0..sessions {
            let (mixer, listeners, track) = self.mixer(complexity);
            worker.live.add_task_direct(mixer, id.incr());
            worker.listeners.push(listeners);
            worker._tracks.push(track);
        }
        worker
    }
}

/// Both ends of a channel of the kind the caller wants.
fn flume<T>() -> (flume::Sender<T>, flume::Receiver<T>) {
    flume::unbounded()
}

impl Worker {
    /// What a driver's event task would take; songbird's own work for that is not counted.
    fn drain(&self) {
        for listeners in &self.listeners {
            listeners.0.drain();
            listeners.1.drain();
        }
    }
}

/// CPU time of one frame that goes out as it is: of the whole process in real time, and of the worker's
/// loop alone, run as fast as it goes.
fn passthrough(stage: &Stage, sessions: usize, each: Duration) {
    const TICKS: u32 = 25;
    let (play, rounds) = (real_time(stage, 10, each, sessions), 20);
    assert!(stage.received() > 0, "nothing was sent");
    println!(
        "songbird_passthrough_us_per_frame {:.2}",
        play.cpu_us_per_frame
    );
    let mut worker = stage.worker(sessions.min(100), 10);
    let mut spent = Duration::ZERO;
    for round in 0..rounds + 2 {
        let begin = cpu(ClockId::ThreadCPUTime);
        for _ in 0..TICKS {
            assert!(worker.live.run_once());
        }
        // The first rounds open the files.
        if round >= 2 {
            spent += cpu(ClockId::ThreadCPUTime) - begin;
        }
        worker.drain();
    }
    let frames = f64::from(rounds * TICKS) * sessions.min(100) as f64;
    println!(
        "songbird_loop_us_per_frame {:.2}",
        spent.as_secs_f64() * 1e6 / frames
    );
}

impl Stage {
    /// Bytes of a packet that lies in the sink.
    fn received(&self) -> usize {
        let mut packet = [0; 2048];
        self.sink.set_nonblocking(true).unwrap();
        self.sink.recv(&mut packet).unwrap_or(0)
    }
}

/// What came of sessions that play in real time.
struct Play {
    cores: f64,
    cpu_us_per_frame: f64,
    /// Milliseconds, sorted.
    late: Vec<f64>,
}

/// Sessions, 16 on each worker thread, each thread waiting for its own absolute deadlines as songbird's
/// does.
fn real_time(stage: &Stage, complexity: i32, each: Duration, sessions: usize) -> Play {
    let mut left = sessions;
    let mut workers = vec![];
    while left > 0 {
        let some = left.min(PER_THREAD);
        workers.push(stage.worker(some, complexity));
        left -= some;
    }
    let count = workers.len() as u32;
    let together = Arc::new(Barrier::new(workers.len() + 1));
    let threads: Vec<_> = (0..)
        .zip(workers)
        .map(|(n, worker)| {
            let together = Arc::clone(&together);
            std::thread::spawn(move || {
                together.wait();
                turn(worker, TICK * n / count, each)
            })
        })
        .collect();
    together.wait();
    std::thread::sleep(FIRST * TICK);
    let (begin, used) = (Instant::now(), cpu(ClockId::ProcessCPUTime));
    std::thread::sleep(each.saturating_sub(TICK * 5));
    let (wall, used) = (begin.elapsed(), cpu(ClockId::ProcessCPUTime) - used);
    let late: Vec<Vec<Duration>> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    let late = late.into_iter().flatten();
    let mut late: Vec<f64> = late.map(|d| d.as_secs_f64() * 1e3).collect();
    late.sort_by(f64::total_cmp);
    let frames = wall.as_secs_f64() / TICK.as_secs_f64() * sessions as f64;
    Play {
        cores: used.as_secs_f64() / wall.as_secs_f64(),
        cpu_us_per_frame: used.as_secs_f64() * 1e6 / frames,
        late,
    }
}

/// Whether so many sessions hold.
fn hold(stage: &Stage, complexity: i32, each: Duration, sessions: usize) {
    let play = real_time(stage, complexity, each, sessions);
    let at = |share: f64| play.late[((play.late.len() - 1) as f64 * share) as usize];
    let holds = if at(0.99) < 10.0 { "yes" } else { "no" };
    println!(
        "hold {sessions} {holds} complexity {complexity} cores {:.2} lateness p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.2} ms",
        play.cores,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    );
}

/// How late the packets of each tick were.
fn turn(mut worker: Worker, phase: Duration, each: Duration) -> Vec<Duration> {
    let ticks = (each.as_secs_f64() / TICK.as_secs_f64()) as usize;
    let mut late = Vec::with_capacity(ticks);
    let mut deadline = Instant::now() + phase;
    let first = FIRST as usize;
    for tick in 0..first + ticks {
        assert!(worker.live.run_once());
        if tick % 25 == 0 {
            worker.drain();
        }
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        if tick >= first {
            late.push(deadline.elapsed());
        }
        deadline += TICK;
    }
    late
}

fn cpu(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
