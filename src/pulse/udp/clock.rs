//! The monotonic clock, read through the vDSO, and sleeping until a point on it.

const NS_PER_S: u64 = 1_000_000_000;

/// Nanoseconds of `CLOCK_MONOTONIC`. No system call where the vDSO knows the clock source, which
/// is everywhere one would run this. *Tick-safe.*
pub(crate) fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime(2) writes one timespec to a valid place. It fails only for unknown
    // clocks; CLOCK_MONOTONIC is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * NS_PER_S + now.tv_nsec as u64
}

/// Sleeps until `deadline_ns` on the same clock; returns at once when that has passed. Absolute,
/// so that being late once does not make everything after it late. *Tick-safe.*
pub(crate) fn sleep_until(deadline_ns: u64) {
    let until = libc::timespec {
        tv_sec: (deadline_ns / NS_PER_S) as libc::time_t,
        tv_nsec: (deadline_ns % NS_PER_S) as libc::c_long,
    };
    loop {
        // SAFETY: clock_nanosleep(2) reads one valid timespec; with TIMER_ABSTIME it does not
        // write the remaining time, so null is allowed.
        let result = unsafe {
            libc::clock_nanosleep(
                libc::CLOCK_MONOTONIC,
                libc::TIMER_ABSTIME,
                &raw const until,
                std::ptr::null_mut(),
            )
        };
        // A signal handler ran; the deadline is the same.
        if result != libc::EINTR {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward_and_a_past_deadline_does_not_block() {
        let before = now_ns();
        sleep_until(before.saturating_sub(NS_PER_S));
        sleep_until(before + 1_000_000);
        assert!(now_ns() >= before + 1_000_000);
    }
}
