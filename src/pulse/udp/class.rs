//! The scheduling class of a tick thread.

/// Above everything ordinary; the kernel's threaded interrupts run at the same priority
/// (design/architecture.md B5).
const PRIORITY: libc::c_int = 50;

/// Prepares the calling thread for punctuality and returns whether it now runs in the real-time
/// class. Needs `CAP_SYS_NICE` or an rtprio limit; without them everything works, less punctually.
pub(crate) fn prepare_thread(fifo: bool) -> bool {
    // Ordinary threads are woken up to 50 us late on purpose, to save power; ask for 1 ns.
    // SAFETY: PR_SET_TIMERSLACK takes one integer and affects the calling thread only (prctl(2)).
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
    fifo && ask_for_fifo()
}

fn ask_for_fifo() -> bool {
    let parameters = libc::sched_param {
        sched_priority: PRIORITY,
    };
    // Children of the program must not inherit the class.
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: sched_setscheduler(2) reads one valid sched_param; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) == 0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_the_kernel_says() {
        let thread = std::thread::spawn(|| {
            assert!(!prepare_thread(false), "not asked for");
            let granted = prepare_thread(true);
            // SAFETY: no arguments beyond the calling thread.
            let class = unsafe { libc::sched_getscheduler(0) };
            assert_eq!(granted, class & libc::SCHED_FIFO != 0);
        });
        thread.join().unwrap();
    }
}
