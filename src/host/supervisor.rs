//! When a plugin is started again (architecture C5.3). Sans-IO: time is an argument.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Pause before the first, second and third restart.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(25),
];
/// Failures older than this are forgiven.
const MEMORY: Duration = Duration::from_secs(600);

/// What happened to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// It started.
    Started,
    /// It panicked, or could not start.
    Failed,
    /// It could not start for a reason that time does not mend.
    Refused,
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Make an instance and start it.
    Start,
    /// Tell people it will be back.
    Restarting { after: Duration },
    /// Tell people it will not.
    Disabled { failures: usize },
    /// Nothing more; call `handle(Tick)` then.
    Wait(Option<Instant>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Running,
    Pause { until: Instant },
    Disabled,
}

/// Watches one plugin.
#[derive(Debug)]
pub(crate) struct Supervisor {
    state: State,
    failures: VecDeque<Instant>,
    output: VecDeque<Output>,
}

impl Supervisor {
    /// Wants to start at once.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Starting,
            failures: VecDeque::new(),
            output: [Output::Start].into(),
        }
    }

    /// Of one that runs already, with nothing held against it.
    pub(crate) fn of_running() -> Self {
        Self {
            state: State::Running,
            failures: VecDeque::new(),
            output: VecDeque::new(),
        }
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input) {
        match (self.state, input) {
            (State::Starting, Input::Started) => self.state = State::Running,
            (State::Starting | State::Running, Input::Failed) => self.failed(now),
            (State::Starting | State::Running, Input::Refused) => {
                self.failures.push_back(now);
                self.disable();
            }
            (State::Pause { until }, Input::Tick) if now >= until => {
                self.state = State::Starting;
                self.output.push_back(Output::Start);
            }
            // A late word about an instance that is gone already.
            _ => {}
        }
    }

    fn failed(&mut self, now: Instant) {
        while self
            .failures
            .front()
            .is_some_and(|then| now.duration_since(*then) > MEMORY)
        {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        match PAUSES.get(self.failures.len() - 1) {
            Some(&after) => {
                self.state = State::Pause { until: now + after };
                self.output.push_back(Output::Restarting { after });
            }
            None => self.disable(),
        }
    }

    fn disable(&mut self) {
        self.state = State::Disabled;
        self.output.push_back(Output::Disabled {
            failures: self.failures.len(),
        });
    }

    pub(crate) fn poll(&mut self) -> Output {
        self.output
            .pop_front()
            .unwrap_or(Output::Wait(match self.state {
                State::Pause { until } => Some(until),
                _ => None,
            }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A plugin that runs since `now`.
    fn running(now: Instant) -> Supervisor {
        let mut supervisor = Supervisor::new();
        assert_eq!(supervisor.poll(), Output::Start);
        supervisor.handle(now, Input::Started);
        assert_eq!(supervisor.poll(), Output::Wait(None));
        supervisor
    }

    #[test]
    fn pauses_grow_and_the_fourth_failure_disables() {
        let mut now = Instant::now();
        let mut supervisor = running(now);
        for seconds in [1, 5, 25] {
            supervisor.handle(now, Input::Failed);
            assert_eq!(supervisor.poll(), Output::Restarting { after: s(seconds) });
            assert_eq!(supervisor.poll(), Output::Wait(Some(now + s(seconds))));
            now += s(seconds);
            supervisor.handle(now, Input::Tick);
            assert_eq!(supervisor.poll(), Output::Start);
            supervisor.handle(now, Input::Started);
        }
        supervisor.handle(now, Input::Failed);
        assert_eq!(supervisor.poll(), Output::Disabled { failures: 4 });
        assert_eq!(supervisor.poll(), Output::Wait(None));
    }

    #[test]
    fn it_does_not_start_before_the_pause_is_over() {
        let now = Instant::now();
        let mut supervisor = running(now);
        supervisor.handle(now, Input::Failed);
        supervisor.handle(now + Duration::from_millis(999), Input::Tick);
        assert_eq!(supervisor.poll(), Output::Restarting { after: s(1) });
        assert_eq!(supervisor.poll(), Output::Wait(Some(now + s(1))));
    }

    #[test]
    fn failures_are_forgiven_after_ten_minutes() {
        let mut now = Instant::now();
        let mut supervisor = running(now);
        for _ in 0..8 {
            supervisor.handle(now, Input::Failed);
            assert_eq!(supervisor.poll(), Output::Restarting { after: s(1) });
            supervisor.handle(now + s(1), Input::Tick);
            assert_eq!(supervisor.poll(), Output::Start);
            supervisor.handle(now + s(1), Input::Started);
            now += s(601);
        }
    }

    #[test]
    fn failing_to_start_counts_as_a_failure() {
        let now = Instant::now();
        let mut supervisor = Supervisor::new();
        assert_eq!(supervisor.poll(), Output::Start);
        supervisor.handle(now, Input::Failed);
        assert_eq!(supervisor.poll(), Output::Restarting { after: s(1) });
    }

    #[test]
    fn a_refusal_disables_at_once() {
        let mut supervisor = Supervisor::new();
        supervisor.poll();
        supervisor.handle(Instant::now(), Input::Refused);
        assert_eq!(supervisor.poll(), Output::Disabled { failures: 1 });
    }

    #[test]
    fn a_second_failure_of_the_same_instance_changes_nothing() {
        let now = Instant::now();
        let mut supervisor = running(now);
        supervisor.handle(now, Input::Failed);
        supervisor.poll();
        supervisor.handle(now, Input::Failed);
        assert_eq!(supervisor.poll(), Output::Wait(Some(now + s(1))));
    }
}
