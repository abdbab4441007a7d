//! Every way a connection can be lost, and the way back (voice.md section 6).

use std::time::{Duration, Instant};

use mynah_wire::voice::{CloseAction, close, close_action, close_code};

use super::session::{CLOSE_NORMAL, CLOSE_RESUMABLE, Next, Phase, Session};
use super::{EndReason, Event};

/// A connection that lived this long was good: the next loss starts with a fresh account.
const STABLE: Duration = Duration::from_secs(10);
/// After so many failed tries the next stronger remedy is taken: resume, identify, rejoin.
const TRIES: u32 = 3;
/// How long the main gateway has to explain a 4014 or 4022 (voice.md section 6).
pub(super) const JUDGE_TIMEOUT: Duration = Duration::from_secs(5);
/// After 4021, rate limited: no sooner than 30 to 60 s (voice.md section 6).
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(30);

impl Session {
    pub(super) fn on_closed(&mut self, code: Option<u16>) {
        if !self.has_socket() {
            return;
        }
        let row = code.and_then(close_code);
        let reason = match (code, row) {
            (Some(code), Some(row)) => {
                format!("the voice server closed with {code}: {}", row.meaning)
            }
            (Some(code), None) => format!("the voice server closed with {code}"),
            (None, _) => "the voice connection broke".to_owned(),
        };
        let mut action = close_action(code);
        if code == Some(close::SESSION_TIMEOUT) && matches!(self.phase, Phase::Resuming { .. }) {
            action = CloseAction::Rejoin;
        }
        self.settle();
        if let Some(code) = code {
            let count = self.refusals.entry(code).or_insert(0);
            *count = count.saturating_add(1);
            let count = *count;
            if retry_limit(code).is_some_and(|limit| count > limit) {
                self.refuse(code);
                return;
            }
            if action == CloseAction::Identify && count > 1 {
                action = CloseAction::Rejoin;
            }
        }
        match action {
            CloseAction::Stop => self.on_refused(code.unwrap_or(CLOSE_NORMAL), reason),
            action => self.lose(reason, action),
        }
    }

    /// A step timed out or heartbeats stopped: close our side and go the way of a broken connection.
    pub(super) fn step_failed(&mut self, reason: &str) {
        self.settle();
        let code = if self.can_resume() {
            CLOSE_RESUMABLE
        } else {
            CLOSE_NORMAL
        };
        self.close_socket(code);
        self.lose(reason.to_owned(), CloseAction::Resume);
    }

    /// Endpoint null: the channel has no voice server for now; the next one comes unasked
    /// (gateway.md section 9).
    pub(super) fn server_lost(&mut self) {
        self.settle();
        let was_live = matches!(self.phase, Phase::Live { .. });
        self.close_socket(CLOSE_NORMAL);
        self.drop_media();
        self.server = None;
        self.note(
            "Discord has no voice server for the channel".to_owned(),
            was_live,
        );
        // While asking, the deadline of the question goes on: a denied join must end.
        if !matches!(self.phase, Phase::Asking { .. }) {
            self.phase = Phase::ServerLost;
        }
    }

    pub(super) fn give_up_at(&self) -> Instant {
        let since = self.trouble_since.unwrap_or(self.now);
        since
            .checked_add(self.config.give_up_after)
            .unwrap_or(since + Duration::from_secs(86_400))
    }

    pub(super) fn give_up(&mut self) {
        let reason = std::mem::take(&mut self.last_reason);
        self.end(EndReason::GaveUp { reason });
    }

    /// A connection that was stable until now pays off earlier failures.
    pub(super) fn settle(&mut self) {
        if let Phase::Live { since } = self.phase
            && self.now.saturating_duration_since(since) >= STABLE
        {
            self.backoff.reset();
            self.failed_resumes = 0;
            self.failed_identifies = 0;
            self.refusals.clear();
            self.trouble_since = None;
        }
    }

    pub(super) fn note(&mut self, reason: String, was_live: bool) {
        self.trouble_since.get_or_insert(self.now);
        self.last_reason = reason.clone();
        if was_live {
            self.tell(Event::Lost { reason });
        }
    }

    fn can_resume(&self) -> bool {
        self.media
            .as_ref()
            .is_some_and(|media| media.keys.is_some())
    }

    fn on_refused(&mut self, code: u16, reason: String) {
        // An unknown mode is fatal only when it was the last one (voice.md section 6).
        if code == close::UNKNOWN_MODE
            && let Some(media) = &self.media
            && !media.alternatives.is_empty()
        {
            self.refused_modes.push(media.mode);
            self.lose(reason, CloseAction::Identify);
        } else {
            self.refuse(code);
        }
    }

    fn refuse(&mut self, code: u16) {
        // The socket is gone already; `end` must not close it again.
        self.phase = Phase::ServerLost;
        let meaning = close_code(code).map_or("unknown code", |row| row.meaning);
        self.end(EndReason::Refused { code, meaning });
    }

    /// The socket is gone (already closed on both sides): choose the remedy.
    pub(super) fn lose(&mut self, reason: String, action: CloseAction) {
        let was_live = matches!(self.phase, Phase::Live { .. });
        if let Phase::Resuming { .. }
        | Phase::Opening { resume: true, .. }
        | Phase::Hello { resume: true, .. } = self.phase
        {
            self.failed_resumes = self.failed_resumes.saturating_add(1);
        } else if !was_live {
            self.failed_identifies = self.failed_identifies.saturating_add(1);
        }
        self.heartbeat = None;
        self.note(reason, was_live);

        let next = self.next_step(action);
        // Keys survive only a resume (voice.md section 5).
        if next != Some(Next::Resume) {
            self.drop_media();
        }
        let Some(next) = next else {
            self.phase = Phase::Judging {
                deadline: self.now + JUDGE_TIMEOUT,
            };
            return;
        };
        // The first resume goes at once: listeners hear on, but nobody new is heard meanwhile.
        let pause = if next == Next::Resume && self.backoff.attempts() == 0 {
            let _ = self.backoff.pause();
            Duration::ZERO
        } else {
            self.backoff.pause()
        };
        let pause = if action == CloseAction::RejoinLater {
            RATE_LIMIT_PAUSE + RATE_LIMIT_PAUSE.mul_f64(self.rng.unit_f64())
        } else {
            pause
        };
        // Not even started before the patience ends: stop now rather than sleep first.
        let until = self.now + pause;
        if self.give_up_at() <= until && pause > Duration::ZERO {
            self.phase = Phase::ServerLost;
            self.give_up();
            return;
        }
        self.phase = Phase::Pausing { until, next };
    }

    /// `None`: wait for the main gateway.
    fn next_step(&mut self, action: CloseAction) -> Option<Next> {
        match action {
            CloseAction::WaitMain => None,
            CloseAction::Resume if self.can_resume() && self.failed_resumes < TRIES => {
                Some(Next::Resume)
            }
            // A resume that failed three times, or nothing to resume yet.
            CloseAction::Resume | CloseAction::Identify
                if !self.can_resume() && self.failed_identifies < TRIES =>
            {
                Some(Next::Identify)
            }
            CloseAction::Identify if self.failed_identifies < TRIES => Some(Next::Identify),
            _ => {
                self.failed_resumes = 0;
                self.failed_identifies = 0;
                Some(Next::Rejoin)
            }
        }
    }
}

/// Codes that mean our own bug or refused credentials are not retried for ever.
const fn retry_limit(code: u16) -> Option<u32> {
    match code {
        close::UNKNOWN_OPCODE => Some(2),
        close::DECODE_ERROR | close::BAD_REQUEST => Some(1),
        close::AUTHENTICATION_FAILED => Some(3),
        _ => None,
    }
}
