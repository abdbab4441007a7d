//! With which keys to send, or why not to.

use std::time::{Duration, Instant};

use super::epoch::SendingKeys;
use super::keys::SenderKeys;
use super::roster::Roster;

/// How long after the session description the list of users may take. Before that, being alone
/// cannot be told from not knowing yet.
const ALONE_GRACE: Duration = Duration::from_millis(500);
/// How long sound stands still for others who are here while there is no key.
///
/// A group forms within some hundred milliseconds. When it does not, the server or the others are
/// broken, and waiting on would stop a radio, a queue of tracks or a game's clock for ever, for
/// people who hear nothing either way. Sound goes on unheard then, until there is a key after all.
pub const HOLD_LIMIT: Duration = Duration::from_secs(5);

/// Decides how to send. Says each decision once.
#[derive(Debug)]
pub(super) struct Sender {
    version: u16,
    keys: Option<SendingKeys>,
    /// The group that `keys` belong to was given up: they serve those who still have them.
    is_stale: bool,
    /// When the connection was described.
    started: Instant,
    /// Since when there has been no key.
    keyless_since: Instant,
    said: Option<SenderKeys>,
}

impl Sender {
    /// The state just after op 4 gave this version.
    pub const fn new(now: Instant, version: u16) -> Self {
        Self {
            version,
            keys: None,
            is_stale: false,
            started: now,
            keyless_since: now,
            said: None,
        }
    }

    pub const fn version(&self) -> u16 {
        self.version
    }

    /// The epoch we send in.
    pub fn epoch(&self) -> Option<u64> {
        self.keys
            .as_ref()
            .filter(|_| self.version > 0)
            .map(|keys| keys.epoch)
    }

    /// Executes a transition: from now on this version, with these keys.
    pub fn switch(&mut self, now: Instant, version: u16, keys: Option<SendingKeys>) {
        if keys.is_none() && (self.keys.is_some() || self.version == 0) {
            self.keyless_since = now;
        }
        self.version = version;
        self.keys = keys;
        self.is_stale = false;
    }

    /// The group is given up; its keys stay in use until the next transition (dave.md section 4, op
    /// 24), unless nobody is left who has them.
    pub fn outlive_group(&mut self) {
        self.is_stale = true;
    }

    /// What to say, if it is news.
    pub fn decide(&mut self, now: Instant, roster: &Roster) -> Option<SenderKeys> {
        if self.is_stale
            && let Some(keys) = &self.keys
            && !keys.members.iter().any(|member| roster.has(*member))
        {
            self.keys = None;
            self.keyless_since = now;
        }
        let wanted = self.wanted(now, roster);
        if self.said.as_ref() == Some(&wanted) {
            return None;
        }
        self.said = Some(wanted.clone());
        Some(wanted)
    }

    fn wanted(&self, now: Instant, roster: &Roster) -> SenderKeys {
        match (&self.keys, self.held_until(roster)) {
            _ if self.version == 0 => SenderKeys::Plain,
            (Some(keys), _) => SenderKeys::Sealed {
                epoch: keys.epoch,
                base: keys.base.clone(),
            },
            (None, until) if now < until => SenderKeys::Hold,
            (None, _) => SenderKeys::Unheard,
        }
    }

    /// Until when sound stands still without a key.
    fn held_until(&self, roster: &Roster) -> Instant {
        match roster.company_since() {
            None => self.started + ALONE_GRACE,
            Some(since) => since.max(self.keyless_since) + HOLD_LIMIT,
        }
    }

    /// When [`decide`](Self::decide) should be asked again without anything happening.
    pub fn deadline(&self, roster: &Roster) -> Option<Instant> {
        (self.said == Some(SenderKeys::Hold)).then(|| self.held_until(roster))
    }
}

#[cfg(test)]
mod tests {
    use mynah_dave::BaseSecret;

    use super::*;

    fn keys(epoch: u64, members: &[u64]) -> SendingKeys {
        SendingKeys {
            epoch,
            base: BaseSecret::new([epoch as u8; 16]),
            members: members.to_vec(),
        }
    }

    fn sealed(epoch: u64) -> Option<SenderKeys> {
        Some(SenderKeys::Sealed {
            epoch,
            base: BaseSecret::new([epoch as u8; 16]),
        })
    }

    struct Rig {
        start: Instant,
        sender: Sender,
        roster: Roster,
    }

    impl Rig {
        fn new(version: u16) -> Self {
            let start = Instant::now();
            Self {
                start,
                sender: Sender::new(start, version),
                roster: Roster::new(1),
            }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn decide(&mut self, ms: u64) -> Option<SenderKeys> {
            self.sender.decide(self.at(ms), &self.roster)
        }
    }

    #[test]
    fn version_0_is_plain_whoever_is_here() {
        let mut rig = Rig::new(0);
        assert_eq!(rig.decide(0), Some(SenderKeys::Plain));
        rig.roster.join(rig.start, [2]);
        assert_eq!(rig.decide(10_000), None);
        assert_eq!(rig.sender.deadline(&rig.roster), None);
    }

    #[test]
    fn alone_for_half_a_second_is_unheard_and_company_holds() {
        let mut rig = Rig::new(1);
        assert_eq!(rig.decide(0), Some(SenderKeys::Hold));
        assert_eq!(rig.sender.deadline(&rig.roster), Some(rig.at(500)));
        assert_eq!(rig.decide(499), None);
        assert_eq!(rig.decide(500), Some(SenderKeys::Unheard));
        assert_eq!(rig.sender.deadline(&rig.roster), None);
        rig.roster.join(rig.at(9000), [2]);
        assert_eq!(rig.decide(9000), Some(SenderKeys::Hold));
        assert_eq!(rig.sender.deadline(&rig.roster), Some(rig.at(14_000)));
        rig.roster.leave(rig.at(9100), 2);
        assert_eq!(rig.decide(9100), Some(SenderKeys::Unheard));
    }

    #[test]
    fn holding_for_others_ends_after_five_seconds_and_with_the_key() {
        let mut rig = Rig::new(1);
        rig.roster.join(rig.start, [2]);
        assert_eq!(rig.decide(0), Some(SenderKeys::Hold));
        assert_eq!(rig.decide(4999), None);
        assert_eq!(rig.decide(5000), Some(SenderKeys::Unheard));
        // Another one joining does not stop the sound again.
        rig.roster.join(rig.at(6000), [3]);
        assert_eq!(rig.decide(6000), None);
        rig.sender.switch(rig.at(6500), 1, Some(keys(1, &[1, 2])));
        assert_eq!(rig.decide(6500), sealed(1));
        assert_eq!(rig.decide(6600), None, "counters never start over");
    }

    #[test]
    fn keys_of_a_lost_group_serve_until_nobody_has_them() {
        let mut rig = Rig::new(1);
        rig.roster.join(rig.start, [2, 3]);
        rig.sender.switch(rig.start, 1, Some(keys(4, &[1, 2])));
        assert_eq!(rig.decide(0), sealed(4));
        rig.sender.outlive_group();
        assert_eq!(rig.decide(1000), None);
        rig.roster.leave(rig.at(2000), 2);
        assert_eq!(rig.decide(2000), Some(SenderKeys::Hold), "3 has no key");
        assert_eq!(rig.decide(7000), Some(SenderKeys::Unheard));
    }

    #[test]
    fn the_last_one_left_keeps_the_keys_until_the_group_is_given_up() {
        let mut rig = Rig::new(1);
        rig.roster.join(rig.start, [2]);
        rig.sender.switch(rig.start, 1, Some(keys(4, &[1, 2])));
        rig.decide(0);
        rig.roster.leave(rig.at(1000), 2);
        assert_eq!(rig.decide(1000), None);
        rig.sender.outlive_group();
        assert_eq!(rig.decide(1020), Some(SenderKeys::Unheard), "at once");
    }
}
