//! What can be known about the tick from outside.
#![allow(
    clippy::disallowed_methods,
    reason = "control side: runs on callers' threads"
)]

use std::sync::atomic::Ordering::Relaxed;

use crate::SessionKey;
use crate::histogram::{Distribution, Tally};
use crate::shared::{Board, Measured};

/// A snapshot over all tick threads. Counters count since the start of the program.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// How late flushes began, against their absolute deadline.
    pub lateness: Distribution,
    /// Work per wake of 5 ms.
    pub wake_cost: Distribution,
    /// Mixing and encoding one packet; sealing costs about a microsecond and comes when it leaves.
    pub frame_cost: Distribution,
    /// Wakes of 5 ms that have passed.
    pub wakes: u64,
    /// Packets the kernel took.
    pub packets_sent: u64,
    /// Packets dropped because the socket buffer was full.
    pub packets_dropped: u64,
    /// Packets the kernel refused (for example: connection refused).
    pub send_errors: u64,
    /// Packets that were not ready at their deadline and left when they were.
    pub late_packets: u64,
    /// Frames never made because the thread was too far behind; timestamps jumped over them.
    pub skipped_frames: u64,
    /// Jumps over more than 100 ms.
    pub resyncs: u64,
    /// Events nobody read in time.
    pub events_dropped: u64,
    /// Orders given up because a tick thread did not answer for a second.
    pub orders_lost: u64,
    /// Frames encoded, also those that only warmed an encoder up.
    pub frames_encoded: u64,
    /// Opus packets that went out as their source had them.
    pub frames_passed: u64,
    /// Opus packets decoded on a tick thread, because a track that went out as packets had to be
    /// mixed and its media thread had not decoded them yet.
    pub frames_unpacked: u64,
    /// Frames that could not be encoded or sealed. Anything but 0 is a bug.
    pub codec_errors: u64,
    /// Packets that left under another sender than the last one ordered before, because the order
    /// could not be read in time. Anything but 0 means that a sender's thread hangs in mid-order.
    pub sealed_stale: u64,
    /// One per tick thread.
    pub threads: Vec<ThreadStats>,
    /// One per open mix.
    pub sessions: Vec<SessionStats>,
    /// What the three distributions were made of, for [`Stats::since`].
    tallies: Box<Tallies>,
}

#[derive(Debug, Clone, Default)]
struct Tallies {
    lateness: Tally,
    wake_cost: Tally,
    frame_cost: Tally,
}

/// One tick thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadStats {
    /// The scheduler granted the real-time class (`SCHED_FIFO`).
    pub fifo: bool,
    /// Mixes that are here.
    pub sessions: usize,
    /// Rung of the overload ladder: 0 none, then lower and lower encoder complexity.
    pub overload_rung: u8,
    /// No more mixes are accepted for now.
    pub overloaded: bool,
    /// The last rung: of every eight frames of each mix so many are left out.
    pub frames_left_out_of_8: u8,
    /// Work for each 20 ms, nanoseconds, as measured over the last 80 ms or so.
    pub busy_ns: u64,
    /// The same as it may be expected: what its mixes cost or are expected to, each by its own
    /// measured average.
    pub burden_ns: u64,
    /// How many more mixes could sound here at the lowest complexity, as far as measured.
    pub room: usize,
}

/// One mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionStats {
    /// Which.
    pub session: SessionKey,
    /// The tick thread it is on, counted from 0.
    pub thread: usize,
    /// It has a line.
    pub attached: bool,
    /// Its last frame was sound.
    pub sounding: bool,
    /// Packets the kernel took.
    pub packets_sent: u64,
    /// Packets dropped because the socket buffer was full.
    pub packets_dropped: u64,
    /// Packets the kernel refused.
    pub send_errors: u64,
    /// See [`Stats::frames_encoded`].
    pub frames_encoded: u64,
    /// See [`Stats::frames_passed`].
    pub frames_passed: u64,
    /// See [`Stats::frames_unpacked`].
    pub frames_unpacked: u64,
    /// Silence frames made.
    pub silence_frames: u64,
    /// Frames of a bus sent as they are, without encoding.
    pub frames_forwarded: u64,
    /// Frames of a bus that were not there in time and were left out.
    pub frames_missed: u64,
    /// See [`Stats::sealed_stale`].
    pub sealed_stale: u64,
    /// What making a frame costs, nanoseconds, on average over about the last 16.
    pub frame_cost_ns: u64,
    /// The same once it has been measured for a second and the mix has ticks.
    pub(crate) measured: Option<Measured>,
}

impl Stats {
    pub(crate) fn read<'a>(boards: impl Iterator<Item = &'a Board>) -> Self {
        let mut stats = Self::default();
        for (thread, board) in boards.enumerate() {
            board.lateness.add_to(&mut stats.tallies.lateness);
            board.wake_cost.add_to(&mut stats.tallies.wake_cost);
            board.frame_cost.add_to(&mut stats.tallies.frame_cost);
            stats.add(thread as u16, board);
        }
        stats.distribute();
        stats
    }

    fn distribute(&mut self) {
        self.lateness = self.tallies.lateness.distribution();
        self.wake_cost = self.tallies.wake_cost.distribution();
        self.frame_cost = self.tallies.frame_cost.distribution();
    }

    /// What happened after `earlier`, a former snapshot of the same tick threads: distributions and
    /// counters of the time between the two. Threads and sessions are as they are now, and count since
    /// the start.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut new = self.clone();
        new.tallies.lateness = self.tallies.lateness.since(&earlier.tallies.lateness);
        new.tallies.wake_cost = self.tallies.wake_cost.since(&earlier.tallies.wake_cost);
        new.tallies.frame_cost = self.tallies.frame_cost.since(&earlier.tallies.frame_cost);
        new.distribute();
        for (count, before) in new.counters().into_iter().zip(earlier.clone().counters()) {
            *count = count.saturating_sub(*before);
        }
        new
    }

    fn counters(&mut self) -> [&mut u64; 14] {
        [
            &mut self.wakes,
            &mut self.packets_sent,
            &mut self.packets_dropped,
            &mut self.send_errors,
            &mut self.late_packets,
            &mut self.skipped_frames,
            &mut self.resyncs,
            &mut self.events_dropped,
            &mut self.orders_lost,
            &mut self.frames_encoded,
            &mut self.frames_passed,
            &mut self.frames_unpacked,
            &mut self.codec_errors,
            &mut self.sealed_stale,
        ]
    }

    /// True when every tick thread runs in the real-time class.
    #[must_use]
    pub fn is_real_time(&self) -> bool {
        !self.threads.is_empty() && self.threads.iter().all(|t| t.fifo)
    }

    /// The counters of one mix, if it is open.
    #[must_use]
    pub fn session(&self, key: SessionKey) -> Option<&SessionStats> {
        self.sessions.iter().find(|s| s.session == key)
    }

    fn add(&mut self, thread: u16, board: &Board) {
        self.wakes += board.wakes.get();
        self.packets_sent += board.sent.get();
        self.packets_dropped += board.dropped.get();
        self.send_errors += board.failed.get();
        self.late_packets += board.late_packets.get();
        self.skipped_frames += board.skipped_frames.get();
        self.resyncs += board.resyncs.get();
        self.events_dropped += board.events_dropped.get();
        self.orders_lost += board.orders_lost.load(Relaxed);
        self.frames_encoded += board.encoded.get();
        self.frames_passed += board.passed.get();
        self.frames_unpacked += board.unpacked.get();
        self.codec_errors += board.codec_errors.get();
        self.sealed_stale += board.sealed_stale.get();
        self.threads.push(ThreadStats {
            fifo: board.fifo.load(Relaxed),
            sessions: board.present().count(),
            overload_rung: board.rung.load(Relaxed),
            overloaded: board.overloaded.load(Relaxed),
            frames_left_out_of_8: board.shed.load(Relaxed),
            busy_ns: board.busy_ns.load(Relaxed),
            burden_ns: board.burden_ns(),
            room: board.room(),
        });
        for (slot, mine) in board.slots.iter().enumerate() {
            let Some(session) = mine.present(thread, slot as u16) else {
                continue;
            };
            self.sessions.push(SessionStats {
                session,
                thread: usize::from(thread),
                attached: mine.attached.load(Relaxed),
                sounding: mine.sounding.load(Relaxed),
                packets_sent: mine.sent.get(),
                packets_dropped: mine.dropped.get(),
                send_errors: mine.failed.get(),
                frames_encoded: mine.encoded.get(),
                frames_passed: mine.passed.get(),
                frames_unpacked: mine.unpacked.get(),
                silence_frames: mine.silences.get(),
                frames_forwarded: mine.forwarded.get(),
                frames_missed: mine.missed.get(),
                sealed_stale: mine.sealed_stale.get(),
                frame_cost_ns: mine.cost.mean_ns(),
                measured: mine.measured(),
            });
        }
    }
}
