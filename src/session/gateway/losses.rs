//! Losing the main gateway, and when to come back (gateway.md section 6).

use std::time::Duration;

use mynah_wire::gateway::{self as wire, CloseAction};

use super::shard::{CLOSE_NORMAL, CLOSE_RESUMABLE, Phase, RESUME_TRIES, Shard};
use super::{Output, State, StopReason};

/// A connection that lived this long was good: the next loss starts with a short pause again.
const STABLE: Duration = Duration::from_secs(10);
/// Extra pause after close 4008: we were too fast.
const SLOW_DOWN: Duration = Duration::from_secs(5);

impl Shard {
    pub(super) fn on_reconnect(&mut self) {
        // "At once" (gateway.md section 6), unless the last connection was just as short.
        let at_once = self.lived_long();
        self.out.push_back(Output::CloseWs {
            code: CLOSE_RESUMABLE,
        });
        self.lose("the gateway asked for a reconnect", Duration::ZERO, at_once);
    }

    pub(super) fn on_invalid_session(&mut self, may_resume: bool) {
        if matches!(self.phase, Phase::Hello { .. }) {
            return;
        }
        let keep = may_resume && self.session.is_some();
        let code = if keep {
            self.failed_resumes = self.failed_resumes.saturating_add(1);
            CLOSE_RESUMABLE
        } else {
            self.session = None;
            CLOSE_NORMAL
        };
        self.out.push_back(Output::CloseWs { code });
        // A random 1 to 5 s (gateway.md section 6, "Invalid Session").
        let wait = Duration::from_secs(1) + Duration::from_secs(4).mul_f64(self.rng.unit_f64());
        self.lose("the gateway session is no longer valid", wait, false);
    }

    pub(super) fn on_closed(&mut self, code: Option<u16>) {
        if !self.has_socket() {
            return;
        }
        if let Phase::Opening { .. } = self.phase {
            self.failed_opens = self.failed_opens.saturating_add(1);
        }
        let row = code.and_then(wire::close_code);
        match wire::close_action(code) {
            CloseAction::Stop => {
                self.session = None;
                self.stop(row.map_or(StopReason::Asked, |row| StopReason::Fatal {
                    code: row.code,
                    meaning: row.meaning,
                    remedy: row.remedy,
                    credentials: row.code == wire::close::AUTHENTICATION_FAILED,
                }));
                return;
            }
            CloseAction::Identify => self.session = None,
            CloseAction::Resume => {}
        }
        if let Phase::Resuming { .. } = self.phase {
            self.failed_resumes = self.failed_resumes.saturating_add(1);
            // The server ended the session politely: one try was enough (gateway.md section 6).
            if matches!(code, Some(1000 | 1001)) {
                self.session = None;
            }
        }
        let extra = if code == Some(wire::close::RATE_LIMITED) {
            SLOW_DOWN
        } else {
            Duration::ZERO
        };
        let reason = match (code, row) {
            (Some(code), Some(row)) => format!("the gateway closed with {code}: {}", row.meaning),
            (Some(code), None) => format!("the gateway closed with {code}"),
            (None, _) => "the gateway connection broke".to_owned(),
        };
        self.lose(&reason, extra, false);
    }

    pub(super) fn give_up_socket(&mut self, reason: &str) {
        if let Phase::Resuming { .. } = self.phase {
            self.failed_resumes = self.failed_resumes.saturating_add(1);
        }
        self.out.push_back(Output::CloseWs {
            code: CLOSE_RESUMABLE,
        });
        self.lose(reason, Duration::ZERO, false);
    }

    pub(super) fn lived_long(&self) -> bool {
        matches!(self.phase, Phase::Live { since } if self.now.saturating_duration_since(since) >= STABLE)
    }

    pub(super) fn lose(&mut self, reason: &str, at_least: Duration, at_once: bool) {
        if self.lived_long() {
            self.backoff.reset();
            self.identify_backoff.reset();
        }
        if self.failed_resumes >= RESUME_TRIES {
            self.session = None;
            self.failed_resumes = 0;
        }
        let pause = if at_once {
            Duration::ZERO
        } else if self.session.is_some()
            || matches!(self.phase, Phase::Opening { .. } | Phase::Hello { .. })
        {
            // No identify was spent: a resume is free, and failing to connect costs nothing.
            self.backoff.pause()
        } else {
            self.identify_backoff.pause()
        };
        let retry_in = pause.max(at_least);
        self.heartbeat = None;
        self.phase = Phase::Idle {
            until: self.now + retry_in,
        };
        self.out.push_back(Output::State(State::Lost {
            reason: reason.to_owned(),
            retry_in,
        }));
    }

    pub(super) fn stop(&mut self, reason: StopReason) {
        self.phase = Phase::Stopped;
        self.heartbeat = None;
        self.voice.clear();
        self.out.push_back(Output::Stopped(reason));
    }
}
