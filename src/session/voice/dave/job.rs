//! The steps that take milliseconds: what is given away to be computed, and what comes back.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use mynah_dave::group::{Group, GroupError, Identity, Remedy};

use super::epoch::Epoch;

/// Names one job: of which connection, and which one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Counts Identifies: a job of an earlier connection is of no use.
    pub generation: u64,
    /// Counts jobs.
    pub serial: u64,
}

/// A step of MLS, together with the group it works on: P-256 and HPKE take milliseconds, more than
/// a thread that serves many connections may spend at once.
///
/// Two jobs are equal when they are the same step of the same connection.
pub struct Job {
    ticket: Ticket,
    group: Option<Box<Group>>,
    work: Work,
}

/// What is to be done.
pub(super) enum Work {
    /// Make a group object and a key package.
    Found(Founding),
    /// Forget the group; `announce`: and make a new key package.
    Renew { announce: bool },
    /// Op 25.
    ExternalSender(Vec<u8>),
    /// Op 27, append.
    Append {
        proposals: Vec<u8>,
        recognized: Vec<u64>,
    },
    /// Op 27, revoke.
    Revoke { refs: Vec<u8> },
    /// Op 29.
    Commit { transition_id: u16, commit: Vec<u8> },
    /// Op 30.
    Welcome {
        transition_id: u16,
        welcome: Vec<u8>,
        recognized: Vec<u64>,
    },
}

/// What a group object is made from.
#[derive(Clone)]
pub(super) struct Founding {
    pub version: u16,
    pub user_id: u64,
    pub channel_id: u64,
    pub identity: Arc<Identity>,
    /// Came before there was a group.
    pub external_sender: Option<Vec<u8>>,
}

/// A job's result. Goes back into the machine, whatever it is.
pub struct Done {
    pub(super) ticket: Ticket,
    pub(super) group: Option<Box<Group>>,
    pub(super) answer: Answer,
}

/// What came out.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing to say.
    Nothing,
    /// Send op 26.
    KeyPackage(Vec<u8>),
    /// Send op 28.
    CommitWelcome(Vec<u8>),
    /// An epoch has begun.
    Epoch { transition_id: u16, epoch: Epoch },
    /// Not for us, or not for now; without consequence.
    Refused(String),
    /// A commit or welcome we cannot use: ask to be let in anew.
    Invalid { transition_id: u16, reason: String },
    /// There is no group to go on with.
    Broken(String),
}

impl Job {
    pub(super) const fn new(ticket: Ticket, group: Option<Box<Group>>, work: Work) -> Self {
        Self {
            ticket,
            group,
            work,
        }
    }

    /// Computes for some milliseconds, on any thread; never blocks. The result must go back to the
    /// session that gave the job away; a session that has begun anew meanwhile drops it.
    #[must_use = "the session waits for the result and does nothing else with its group"]
    pub fn run(self) -> Done {
        let Self {
            ticket,
            group,
            work,
        } = self;
        let (group, answer) = perform(group, work);
        Done {
            ticket,
            group,
            answer,
        }
    }
}

fn perform(group: Option<Box<Group>>, work: Work) -> (Option<Box<Group>>, Answer) {
    match (group, work) {
        (_, Work::Found(founding)) => match found(&founding) {
            Ok((group, key_package)) => (Some(Box::new(group)), Answer::KeyPackage(key_package)),
            Err(error) => (None, broken(&error)),
        },
        (Some(mut group), work) => {
            let answer = step(&mut group, work);
            (Some(group), answer)
        }
        (None, _) => (None, Answer::Broken("there is no group".to_owned())),
    }
}

fn found(founding: &Founding) -> Result<(Group, Vec<u8>), GroupError> {
    let mut group = Group::new(
        founding.version,
        founding.user_id,
        founding.channel_id,
        &founding.identity,
    )?;
    if let Some(payload) = &founding.external_sender {
        group.set_external_sender(payload)?;
    }
    let key_package = group.key_package()?;
    Ok((group, key_package))
}

fn step(group: &mut Group, work: Work) -> Answer {
    match work {
        Work::Found(_) => unreachable!("founding needs no group and was handled before"),
        Work::Renew { announce } => match renew(group, announce) {
            Ok(Some(key_package)) => Answer::KeyPackage(key_package),
            Ok(None) => Answer::Nothing,
            Err(error) => broken(&error),
        },
        Work::ExternalSender(payload) => match group.set_external_sender(&payload) {
            Ok(()) => Answer::Nothing,
            Err(error) => refused(&error),
        },
        Work::Append {
            proposals,
            recognized,
        } => proposed(group.append(&proposals, &recognized)),
        Work::Revoke { refs } => proposed(group.revoke(&refs)),
        Work::Commit {
            transition_id,
            commit,
        } => match group.commit(&commit) {
            Ok(true) => entered(group, transition_id),
            Ok(false) => Answer::Refused("a commit to nothing that we know".to_owned()),
            Err(error) => invalid(transition_id, &error),
        },
        Work::Welcome {
            transition_id,
            welcome,
            recognized,
        } => match group.welcome(&welcome, &recognized) {
            Ok(()) => entered(group, transition_id),
            Err(error) => invalid(transition_id, &error),
        },
    }
}

fn renew(group: &mut Group, announce: bool) -> Result<Option<Vec<u8>>, GroupError> {
    group.reinit()?;
    announce.then(|| group.key_package()).transpose()
}

fn proposed(result: Result<Option<Vec<u8>>, GroupError>) -> Answer {
    match result {
        Ok(Some(commit_welcome)) => Answer::CommitWelcome(commit_welcome),
        Ok(None) => Answer::Nothing,
        Err(error) => refused(&error),
    }
}

fn entered(group: &Group, transition_id: u16) -> Answer {
    match Epoch::read(group) {
        Ok(epoch) => Answer::Epoch {
            transition_id,
            epoch,
        },
        Err(error) => invalid(transition_id, &error),
    }
}

/// A refusal has no consequence, unless the library came to harm: there is no transition to name in
/// an op 31 then.
fn refused(error: &GroupError) -> Answer {
    match error.remedy() {
        Remedy::Ignore => Answer::Refused(chain(error)),
        Remedy::Recover | Remedy::GiveUp => broken(error),
    }
}

fn invalid(transition_id: u16, error: &GroupError) -> Answer {
    Answer::Invalid {
        transition_id,
        reason: format!("transition {transition_id}: {}", chain(error)),
    }
}

fn broken(error: &GroupError) -> Answer {
    Answer::Broken(chain(error))
}

/// The error with all that is behind it.
fn chain(error: &GroupError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.ticket == other.ticket
    }
}

impl Eq for Job {}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("ticket", &self.ticket)
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done")
            .field("ticket", &self.ticket)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Found(_) => "found",
            Self::Renew { .. } => "renew",
            Self::ExternalSender(_) => "external sender",
            Self::Append { .. } => "append",
            Self::Revoke { .. } => "revoke",
            Self::Commit { .. } => "commit",
            Self::Welcome { .. } => "welcome",
        })
    }
}
