//! What can be known about the tick from outside.
#![allow(
    clippy::disallowed_methods,
    reason = "control side: runs on callers' threads"
)]

use std::sync::atomic::Ordering::Relaxed;

use crate::SessionKey;
use crate::histogram::{Distribution, Tally};
use crate::shared::Board;

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
    /// Frames that could not be encoded or sealed. Anything but 0 is a bug.
    pub codec_errors: u64,
    /// Packets that left under another sender than the last one ordered before, because the order
    /// could not be read in time. Anything but 0 means that a sender's thread hangs in mid-order.
    pub sealed_stale: u64,
    /// One per tick thread.
    pub threads: Vec<ThreadStats>,
    /// One per open mix.
    pub sessions: Vec<SessionStats>,
}

/// One tick thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadStats {
    /// The scheduler granted the real-time class (`SCHED_FIFO`).
    pub fifo: bool,
    /// Open mixes.
    pub sessions: usize,
    /// Rung of the overload ladder: 0 none, then lower and lower encoder complexity.
    pub overload_rung: u8,
    /// No more mixes are accepted for now.
    pub overloaded: bool,
}

/// One mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionStats {
    /// Which.
    pub session: SessionKey,
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
    /// Frames encoded.
    pub frames_encoded: u64,
    /// Silence frames made.
    pub silence_frames: u64,
    /// See [`Stats::sealed_stale`].
    pub sealed_stale: u64,
}

impl Stats {
    pub(crate) fn read<'a>(boards: impl Iterator<Item = &'a Board>) -> Self {
        let mut stats = Self::default();
        let (mut lateness, mut wake_cost, mut frame_cost) =
            (Tally::default(), Tally::default(), Tally::default());
        for (thread, board) in boards.enumerate() {
            board.lateness.add_to(&mut lateness);
            board.wake_cost.add_to(&mut wake_cost);
            board.frame_cost.add_to(&mut frame_cost);
            stats.add(thread as u16, board);
        }
        stats.lateness = lateness.distribution();
        stats.wake_cost = wake_cost.distribution();
        stats.frame_cost = frame_cost.distribution();
        stats
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
        self.codec_errors += board.codec_errors.get();
        self.sealed_stale += board.sealed_stale.get();
        self.threads.push(ThreadStats {
            fifo: board.fifo.load(Relaxed),
            sessions: board.taken(),
            overload_rung: board.rung.load(Relaxed),
            overloaded: board.overloaded.load(Relaxed),
        });
        for (slot, mine) in board.slots.iter().enumerate() {
            let serial = mine.serial();
            if serial == 0 {
                continue;
            }
            self.sessions.push(SessionStats {
                session: SessionKey {
                    thread,
                    slot: slot as u16,
                    serial,
                },
                attached: mine.attached.load(Relaxed),
                sounding: mine.sounding.load(Relaxed),
                packets_sent: mine.sent.get(),
                packets_dropped: mine.dropped.get(),
                send_errors: mine.failed.get(),
                frames_encoded: mine.encoded.get(),
                silence_frames: mine.silences.get(),
                sealed_stale: mine.sealed_stale.get(),
            });
        }
    }
}
