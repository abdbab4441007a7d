//! The verdict, when all has been quiet for a while.

use std::collections::BTreeSet;

use mynah_session::voice::{DaveReport, EndReason};
use mynah_wire::UserId;
use mynah_wire::voice::close;

use super::World;
use super::client::user_id;
use super::schedule::Who;
use super::script::Policy;

/// Of the frames that a client says in the last second, at least this part must be heard by each
/// other: the rest is still on the way or lost by the network. That none is lost to keys is the
/// ledger's business.
const HEARD_AT_LEAST: f64 = 0.6;

impl World {
    pub(super) fn check(&mut self) {
        self.finish_ears();
        let present: Vec<Who> = self
            .clients
            .iter()
            .filter_map(|client| Some(client.alive.as_ref()?.who))
            .collect();
        let members: Vec<Who> = present.into_iter().filter(|who| self.is_in(*who)).collect();
        let version = self.expected_version(&members);
        self.check_server(&members, version);
        let mut codes = BTreeSet::new();
        for who in &members {
            if let Some(code) = self.check_member(*who, &members, version) {
                codes.insert(code);
            }
        }
        if codes.len() > 1 {
            self.ledger
                .problem(format!("several privacy codes: {codes:?}"));
        }
        self.check_hearing(&members);
    }

    /// What is still undecided in the quiet must have been heard at once.
    fn finish_ears(&mut self) {
        let now = self.now;
        for alive in self.clients.iter_mut().filter_map(|c| c.alive.as_mut()) {
            let hold = alive.mouth.longest_hold;
            let longest = &mut self.ledger.counts.longest_hold;
            *longest = (*longest).max(hold);
            if let Some(ear) = alive.ear() {
                ear.finish(now, &mut self.ledger);
            }
        }
    }

    /// Is this client in the room? If not, is there a reason?
    fn is_in(&mut self, who: Who) -> bool {
        let is_required = self.script.policy == Policy::Required;
        let Some(alive) = self.alive(who) else {
            return false;
        };
        let ended = alive.ended.clone();
        let (has_dave, has_keys) = (alive.has_dave, alive.ssrc.is_some());
        match ended {
            Some(EndReason::Refused { code, .. })
                if code == close::DAVE_REQUIRED && is_required && !has_dave => {}
            Some(reason) => self.ledger.problem(format!("{who:?} ended: {reason}")),
            None if has_keys => return true,
            None => self.ledger.problem(format!("{who:?} is not connected")),
        }
        false
    }

    fn expected_version(&mut self, members: &[Who]) -> u16 {
        let all_have_dave = members.iter().all(|who| {
            self.clients[who.client]
                .alive
                .as_ref()
                .is_some_and(|a| a.has_dave)
        });
        match self.script.policy {
            Policy::Off => 0,
            Policy::Required => 1,
            Policy::Optional => u16::from(all_have_dave),
        }
    }

    /// The server knows exactly the members, and all of them in the same epoch.
    fn check_server(&mut self, members: &[Who], version: u16) {
        let reports = self.server.hub.reports();
        let known: BTreeSet<UserId> = reports.iter().map(|report| report.user_id).collect();
        let expected: BTreeSet<UserId> = members.iter().map(|who| user_id(who.client)).collect();
        if known != expected {
            self.ledger.problem(format!(
                "the server thinks that {known:?} are here, but {expected:?} are"
            ));
        }
        if members.len() < 2 {
            return;
        }
        for report in &reports {
            let who = report.user_id;
            if report.dave_version != version {
                self.ledger.problem(format!(
                    "the server gives {who} version {}, not {version}",
                    report.dave_version
                ));
            }
            if !report.connected {
                self.ledger
                    .problem(format!("the server has no connection of {who}"));
            }
            if version > 0 && report.epoch.is_none() {
                self.ledger
                    .problem(format!("the server has {who} in no epoch"));
            }
        }
    }

    /// One member's state is final and fits the others'; gives its privacy code.
    fn check_member(&mut self, who: Who, members: &[Who], version: u16) -> Option<String> {
        let Some(report) = self.alive(who).and_then(|alive| alive.session.dave()) else {
            self.ledger.problem(format!("{who:?} was told no version"));
            return None;
        };
        let is_alone = members.len() < 2;
        if report.version != version {
            self.ledger.problem(format!(
                "{who:?} has version {}, not {version}",
                report.version
            ));
        }
        let state = self.alive(who).map_or("", |alive| alive.mouth.state());
        if version == 0 {
            if state != "plain" {
                self.ledger
                    .problem(format!("{who:?} is {state} in a plain call"));
            }
            return None;
        }
        if is_alone {
            if state != "unheard" && state != "sealed" {
                self.ledger.problem(format!("{who:?} is {state} alone"));
            }
            return None;
        }
        self.check_group(who, &report, members);
        report.privacy_code
    }

    fn check_group(&mut self, who: Who, report: &DaveReport, members: &[Who]) {
        let expected: BTreeSet<(UserId, Vec<u8>)> = members
            .iter()
            .filter_map(|who| {
                let alive = self.alive(*who)?;
                Some((user_id(who.client), alive.identity.public_key().to_vec()))
            })
            .collect();
        let found: BTreeSet<(UserId, Vec<u8>)> = report.members.iter().cloned().collect();
        if report.epoch.is_none() || report.privacy_code.is_none() {
            return self.ledger.problem(format!("{who:?} is in no epoch"));
        }
        if found != expected {
            let users = |set: &BTreeSet<(UserId, Vec<u8>)>| -> Vec<UserId> {
                set.iter().map(|(user, _)| *user).collect()
            };
            self.ledger.problem(format!(
                "{who:?} is in a group of {:?}, not {:?}",
                users(&found),
                users(&expected)
            ));
        }
        let seal = self.alive(who).and_then(|alive| alive.mouth.seal());
        let seal = seal.and_then(|seal| self.ledger.seals.get(seal));
        if seal.map(|seal| &seal.code) != report.privacy_code.as_ref() {
            let epoch = seal.map(|seal| seal.epoch);
            let state = self.alive(who).map_or("", |alive| alive.mouth.state());
            self.ledger.problem(format!(
                "{who:?} is in epoch {:?} but speaks in {epoch:?} ({state})",
                report.epoch
            ));
        }
        let reports = self.server.hub.reports();
        let server = reports.iter().find(|r| r.user_id == user_id(who.client));
        if server.is_none_or(|server| server.epoch != report.epoch) {
            self.ledger.problem(format!(
                "{who:?} is in epoch {:?}, the server says {:?}",
                report.epoch,
                server.and_then(|server| server.epoch)
            ));
        }
    }

    /// Everybody hears everybody.
    fn check_hearing(&mut self, members: &[Who]) {
        let expected = super::LISTENING.as_secs_f64() / self.script.cadence.as_secs_f64();
        let enough = (expected * HEARD_AT_LEAST) as u64;
        for listener in members {
            for speaker in members.iter().filter(|speaker| *speaker != listener) {
                let heard = self
                    .alive(*listener)
                    .and_then(|alive| Some(alive.ear()?.heard_of(speaker.client)))
                    .unwrap_or(0);
                if heard < enough {
                    self.ledger.problem(format!(
                        "{listener:?} heard only {heard} frames of {speaker:?} in the last second"
                    ));
                }
            }
        }
    }
}
