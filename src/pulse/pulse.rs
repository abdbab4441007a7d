//! The threads: `mynah-tick-0`, `mynah-tick-1`, … and `mynah-janitor`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "control side: makes and joins the threads"
)]

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use crate::balance::Balancer;
use crate::event::EventReader;
use crate::handle::PulseHandle;
use crate::janitor::Janitor;
use crate::udp::{Wire, class, clock};
use crate::wheel::{Parts, WAKE_NS, Wheel, connect, wheel};

/// How often the janitor looks, and the balancer with it. Nothing waits for it; 4,096 boxes fit in
/// its queue.
const SWEEP_EVERY: Duration = Duration::from_millis(20);

/// Wakes (500 ms) a stopping thread gives its sessions to fade and send their silence frames,
/// which takes 160 ms.
const LAST_WAKES: u32 = 100;

/// How to run the tick threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PulseConfig {
    /// Tick threads, at least 1. Keep it below the number of cores when `fifo` is on.
    pub threads: usize,
    /// Ask the scheduler for `SCHED_FIFO` at priority 50; see [`Stats::is_real_time`](crate::Stats::is_real_time)
    /// for the answer. Without it, lateness under load is a hundred times worse
    /// (design/architecture.md B8), but everything works.
    pub fifo: bool,
}

impl Default for PulseConfig {
    /// One thread less than there are cores, in the real-time class.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores.saturating_sub(1).max(1),
            fifo: true,
        }
    }
}

/// The running real-time room. Stops when dropped.
#[derive(Debug)]
pub struct Pulse {
    handle: PulseHandle,
    stopping: Arc<AtomicBool>,
    ticks: Vec<JoinHandle<()>>,
    janitor: Option<JoinHandle<()>>,
}

impl Pulse {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system refuses to make a thread.
    pub fn start(config: PulseConfig) -> io::Result<Self> {
        let start_ns = clock::now_ns() + WAKE_NS;
        let stopping = Arc::new(AtomicBool::new(false));
        let (mut desks, mut events, mut retired) = (vec![], vec![], vec![]);
        let mut wheels = vec![];
        for i in 0..config.threads.max(1) {
            let parts: Parts<UdpSocket> = wheel(i as u16, start_ns);
            desks.push(parts.desk);
            events.push(parts.events);
            retired.push(parts.retired);
            wheels.push(parts.wheel);
        }
        connect(&mut wheels);
        let reader = EventReader {
            queues: events.into_boxed_slice(),
        };
        let mut pulse = Self {
            handle: PulseHandle::new(desks.into_boxed_slice(), reader),
            stopping,
            ticks: vec![],
            janitor: None,
        };
        // From here on an error drops `pulse`, which ends the threads already running.
        for (i, wheel) in wheels.into_iter().enumerate() {
            let stopping = Arc::clone(&pulse.stopping);
            let name = format!("mynah-tick-{i}");
            let tick = thread::Builder::new()
                .name(name)
                .spawn(move || run(wheel, config.fifo, &stopping))?;
            pulse.ticks.push(tick);
        }
        let janitor = Janitor::new(retired);
        let balancer = Balancer::new(pulse.handle());
        let janitor = thread::Builder::new()
            .name("mynah-janitor".into())
            .spawn(move || keep_clean(janitor, balancer))?;
        pulse.janitor = Some(janitor);
        Ok(pulse)
    }

    /// The control side.
    #[must_use]
    pub fn handle(&self) -> PulseHandle {
        self.handle.clone()
    }

    /// Ends the threads: whatever sounds fades out and is followed by its five silence frames.
    /// Blocks for about 160 ms when something sounds, 500 ms at most.
    pub fn stop(self) {
        drop(self);
    }

    fn join(&mut self) {
        self.stopping.store(true, Ordering::Release);
        let threads = self.ticks.drain(..).chain(self.janitor.take());
        for thread in threads {
            // A panic there has been printed by the panic hook; there is nothing left to save.
            let _panicked = thread.join();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.join();
    }
}

/// Makes a wheel that nobody drives, with its control side: the caller is the clock and the
/// network. This is how tests, benches and simulations run the tick in virtual time.
#[must_use]
pub fn by_hand<L>(start_ns: u64) -> (Wheel<L>, PulseHandle<L>, Janitor<L>) {
    let (mut wheels, handle, janitor) = wheels_by_hand(start_ns, 1);
    match wheels.pop() {
        Some(wheel) => (wheel, handle, janitor),
        None => unreachable!("one was asked for"),
    }
}

/// The same with several wheels, which share one clock as tick threads do.
#[must_use]
pub fn wheels_by_hand<L>(
    start_ns: u64,
    wheels: u16,
) -> (Vec<Wheel<L>>, PulseHandle<L>, Janitor<L>) {
    let (mut desks, mut events, mut retired) = (vec![], vec![], vec![]);
    let mut made = vec![];
    for i in 0..wheels.max(1) {
        let parts: Parts<L> = wheel(i, start_ns);
        desks.push(parts.desk);
        events.push(parts.events);
        retired.push(parts.retired);
        made.push(parts.wheel);
    }
    connect(&mut made);
    let reader = EventReader {
        queues: events.into_boxed_slice(),
    };
    let handle = PulseHandle::new(desks.into_boxed_slice(), reader);
    (made, handle, Janitor::new(retired))
}

/// A tick thread. Everything inside the loop is tick code.
fn run(mut wheel: Wheel<UdpSocket>, fifo: bool, stopping: &AtomicBool) {
    let granted = class::prepare_thread(fifo);
    let board = Arc::clone(wheel.board());
    board.fifo.store(granted, Ordering::Relaxed);
    let mut wire = Wire;
    let mut last_wakes = None;
    loop {
        let next = wheel.step(&mut wire);
        match &mut last_wakes {
            None if stopping.load(Ordering::Acquire) => {
                wheel.wind_down();
                last_wakes = Some(LAST_WAKES);
            }
            None => {}
            Some(0) => break,
            Some(_) if wheel.is_empty() => break,
            Some(left) => *left -= 1,
        }
        clock::sleep_until(next);
    }
    board.stopped.store(true, Ordering::Release);
}

fn keep_clean(mut janitor: Janitor<UdpSocket>, mut balancer: Balancer) {
    loop {
        // Asked before sweeping, so that what was retired last is swept too.
        let alone = janitor.is_alone();
        janitor.sweep();
        if alone {
            return;
        }
        balancer.look();
        thread::sleep(SWEEP_EVERY);
    }
}
