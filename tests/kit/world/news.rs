//! What the sessions tell: keys for mouth and ear, and events.

use mynah_session::voice::{DaveEvent, Event as Heard, Input, MediaKeys, SenderKeys};

use super::World;
use super::ear::Fresh;
use super::ledger::Seal;
use super::schedule::Who;

/// After a break is mended, news may still be on the way for so long.
const CATCHING_UP: std::time::Duration = std::time::Duration::from_secs(2);

impl World {
    pub(super) fn media_keys(&mut self, who: Who, keys: &MediaKeys) {
        let now = self.now;
        self.tell(|| format!("{who:?} keys {keys:?}"));
        let seal = self.ledger.seals.len();
        let Some(alive) = self
            .clients
            .get_mut(who.client)
            .and_then(|c| c.alive.as_mut())
        else {
            return;
        };
        if let MediaKeys::Sender(sender) = keys {
            alive.is_recovering = false;
            if let SenderKeys::Sealed { epoch, base } = sender {
                let Some(known) = alive.epochs.iter().rfind(|known| known.epoch == *epoch) else {
                    let problem = format!("{who:?} sends in epoch {epoch} without entering it");
                    return self.ledger.problem(problem);
                };
                let (code, members) = (known.code.clone(), known.members.clone());
                self.ledger.seals.push(Seal {
                    epoch: *epoch,
                    base: base.clone(),
                    code,
                    members,
                });
            }
            if let Err(problem) = alive.mouth.keys(now, sender, seal) {
                self.ledger.problem(format!("{who:?}: {problem}"));
            }
        }
        if let Some(ear) = alive.ear() {
            ear.keys(now, keys);
            ear.hear(now, &mut self.ledger);
        }
        if let Some(tape) = self.taping(who) {
            tape.keys(now, keys);
        }
    }

    pub(super) fn heard(&mut self, who: Who, event: Heard) {
        let now = self.now;
        if !matches!(event, Heard::Latency(_)) {
            self.tell(|| format!("{who:?} event {event:?}"));
        }
        match (&event, self.taping(who)) {
            (Heard::Speaking { user_id, ssrc, .. }, Some(tape)) => tape.learn(now, *ssrc, *user_id),
            (Heard::Left(user_id), Some(tape)) => tape.forget(*user_id),
            _ => {}
        }
        let counts = &mut self.ledger.counts;
        let Some(alive) = self
            .clients
            .get_mut(who.client)
            .and_then(|c| c.alive.as_mut())
        else {
            return;
        };
        match event {
            Heard::Resumed => {
                counts.resumes += 1;
                alive.trouble(now + CATCHING_UP);
                alive.mend(now);
            }
            Heard::Connected { .. } => alive.is_cut = false,
            Heard::Ended(reason) => alive.ended = Some(reason),
            Heard::Dave(event) => self.dave_event(who, &event),
            event => {
                let Some((_, ear)) = &mut alive.udp else {
                    return;
                };
                match event {
                    Heard::Speaking { user_id, ssrc, .. } => {
                        ear.learn(now, ssrc, user_id);
                        ear.hear(now, &mut self.ledger);
                    }
                    Heard::Joined(users) => ear.joined(now, &users),
                    Heard::Left(user_id) => ear.left(now, user_id),
                    _ => {}
                }
            }
        }
    }

    fn dave_event(&mut self, who: Who, event: &DaveEvent) {
        let now = self.now;
        let counts = &mut self.ledger.counts;
        let Some(alive) = self
            .clients
            .get_mut(who.client)
            .and_then(|c| c.alive.as_mut())
        else {
            return;
        };
        match event {
            DaveEvent::Epoch { privacy_code, .. } => {
                let took = alive.ear().and_then(|ear| ear.enter(now, privacy_code));
                counts.longest_entry = counts.longest_entry.max(took.unwrap_or_default());
                let is_late = alive.is_late(now);
                self.ledger.born(now, privacy_code, is_late);
            }
            DaveEvent::Recovering { .. } => {
                counts.recoveries += 1;
                alive.is_recovering = true;
                if let Some(ear) = alive.ear() {
                    ear.fresh(now, Fresh::Recovering);
                }
            }
            DaveEvent::Downgraded => {
                if let Some(ear) = alive.ear() {
                    ear.fresh(now, Fresh::Regrouping);
                }
            }
            _ => {}
        }
    }

    /// The ear tells the session what it cannot open.
    pub(super) fn complain(&mut self, who: Who) {
        while let Some(user_id) = self
            .alive(who)
            .and_then(|alive| alive.ear()?.undecryptable())
        {
            self.tell(|| format!("{who:?} cannot open {user_id}"));
            self.give(who, Input::Undecryptable { user_id });
        }
    }
}
