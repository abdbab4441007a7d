//! All simulated users, by id.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_wire::rng::Rng;
use mynah_wire::{GuildId, UserId};
use tokio::sync::{Semaphore, oneshot};

use crate::types::{HearRequest, Heard, MAX_SKEW_PPM, Privacy, SayReport, SayRequest, VoiceTicket};
use crate::user::{Command, Refusal};
use crate::{Error, TicketOffice, clock, hear, socket, speech, user};

/// How long the first packet of a speech may take; longer means there is no connection to speak on.
const FIRST_PACKET: Duration = Duration::from_secs(10);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// The simulated users of one server. A cheap handle; dropping the last one lets everybody leave.
#[derive(Clone, Debug)]
pub struct Users {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: user::Shared,
    people: Mutex<HashMap<UserId, Person>>,
    seed: AtomicU64,
}

#[derive(Clone, Debug)]
struct Person {
    guild_id: GuildId,
    line: user::Line,
}

impl Users {
    /// Nobody yet. `ca_pem` is the only root the voice server's certificate is checked against.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub fn new(ca_pem: &[u8]) -> Result<Self, Error> {
        Self::with_office(ca_pem, None)
    }

    /// As [`Users::new`]; who loses all credentials gets new ones at `office`. Without one such a
    /// user leaves voice.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub fn with_office(ca_pem: &[u8], office: Option<TicketOffice>) -> Result<Self, Error> {
        Ok(Self {
            inner: Arc::new(Inner {
                shared: user::Shared {
                    tls: socket::tls(ca_pem)?,
                    office,
                    crypto: Arc::new(Semaphore::new(user::CRYPTO_AT_ONCE)),
                },
                people: Mutex::default(),
                seed: AtomicU64::new(clock::seed()),
            }),
        })
    }

    /// Joins voice; returns when the user hears the others and is heard by them: connected and, if
    /// others are in an end-to-end encrypted call, in their group. Keys that do not come are waited
    /// for three seconds. A ticket for somebody already there moves them: in the same guild their
    /// speech and recordings go on.
    ///
    /// # Errors
    /// [`Error::Join`] with the reason, after up to a minute of trying; [`Error::Identity`].
    pub async fn join(&self, ticket: VoiceTicket) -> Result<(), Error> {
        let user_id = ticket.user_id;
        let failed = |reason| Error::Join { user_id, reason };
        if let Some(person) = self.person(user_id) {
            if person.guild_id == ticket.guild_id {
                let (done, answer) = oneshot::channel();
                let command = Command::Ticket {
                    ticket: ticket.clone(),
                    done,
                };
                // An old session that ends meanwhile cannot take the ticket: a new one can.
                if person.line.commands.send(command).await.is_ok()
                    && let Ok(answer) = answer.await
                {
                    return answer.map_err(failed);
                }
            } else {
                self.leave(user_id).await;
            }
        }
        let (done, answer) = oneshot::channel();
        let guild_id = ticket.guild_id;
        let line = user::start(ticket, self.inner.shared.clone(), self.seed(), done)?;
        self.people().insert(user_id, Person { guild_id, line });
        match answer.await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(failed("the session was replaced".to_owned())),
        }
    }

    /// Leaves voice, whatever is being said or heard. Nothing happens for somebody who is not
    /// there.
    pub async fn leave(&self, user_id: UserId) {
        let Some(person) = self.people().remove(&user_id) else {
            return;
        };
        let (done, gone) = oneshot::channel();
        let sent = person.line.commands.send(Command::Leave { done }).await;
        if sent.is_ok() {
            let _ = tokio::time::timeout(GOODBYE, gone).await;
        }
    }

    /// Speaks. Returns when the first packet has left, or the last one when asked to wait.
    ///
    /// While end-to-end keys are on their way the speech waits for them, so none of its words is
    /// lost. While nobody else is in an end-to-end encrypted call the words are spoken but not sent:
    /// there is no key, and nobody who could hear them.
    ///
    /// # Errors
    /// [`Error::NotInVoice`], [`Error::EndlessWait`], [`Error::Media`], [`Error::BadTone`],
    /// [`Error::Mute`], [`Error::Ended`].
    pub async fn say(&self, user_id: UserId, request: SayRequest) -> Result<SayReport, Error> {
        if request.looped && request.wait {
            return Err(Error::EndlessWait);
        }
        if !(-MAX_SKEW_PPM..=MAX_SKEW_PPM).contains(&request.skew_ppm) {
            return Err(Error::BadSkew(request.skew_ppm));
        }
        let person = self.person(user_id).ok_or(Error::NotInVoice(user_id))?;
        let frames = speech::start(request.what, request.looped).await?;
        let (started, first) = oneshot::channel();
        let (done, last) = oneshot::channel();
        let command = Command::Say {
            frames,
            skew_ppm: request.skew_ppm,
            started,
            done,
        };
        let sent = person.line.commands.send(command).await;
        sent.map_err(|_| Error::NotInVoice(user_id))?;
        let ended = || Error::Ended {
            user_id,
            reason: "the voice session is over, or something else is said".to_owned(),
        };
        let started_at_us = match tokio::time::timeout(FIRST_PACKET, first).await {
            Ok(Ok(at_us)) => at_us,
            Ok(Err(_)) => return Err(ended()),
            Err(_) => return Err(Error::Mute(user_id)),
        };
        let said = if request.wait {
            Some(last.await.map_err(|_| ended())?)
        } else {
            None
        };
        Ok(SayReport {
            started_at_us,
            packets: said.map(|said| said.packets),
            skipped_us: said.map(|said| said.skipped.as_micros() as u64),
        })
    }

    /// Records what the user hears, from now on, for exactly the given time. Any number of
    /// recordings may run at once, up to sixteen.
    ///
    /// # Errors
    /// [`Error::NotInVoice`], [`Error::BadLength`], [`Error::TooManyRecordings`],
    /// [`Error::TooMuch`], [`Error::SeveralSpeakers`], [`Error::Ended`].
    pub async fn hear(&self, user_id: UserId, request: HearRequest) -> Result<Heard, Error> {
        let length = hear::length(&request)?;
        let person = self.person(user_id).ok_or(Error::NotInVoice(user_id))?;
        let (done, captured) = oneshot::channel();
        let command = Command::Hear {
            length,
            from: request.from,
            done,
        };
        let sent = person.line.commands.send(command).await;
        sent.map_err(|_| Error::NotInVoice(user_id))?;
        let capture = match captured.await {
            Ok(Ok(capture)) => capture,
            Ok(Err(Refusal::TooMany)) => return Err(Error::TooManyRecordings(user_id)),
            Ok(Err(Refusal::TooMuch)) => {
                let limit_mib = user::MAX_CAPTURE_BYTES >> 20;
                return Err(Error::TooMuch { limit_mib });
            }
            Err(_) => {
                return Err(Error::Ended {
                    user_id,
                    reason: "the voice session is over".to_owned(),
                });
            }
        };
        tokio::task::spawn_blocking(move || hear::render(&capture, &request))
            .await
            .map_err(std::io::Error::other)?
    }

    /// The user's own mute and deaf switches. Somebody who is not in voice has none.
    pub fn set_flags(&self, user_id: UserId, self_mute: bool, self_deaf: bool) {
        if let Some(person) = self.person(user_id) {
            let flags = Command::Flags {
                self_mute,
                self_deaf,
            };
            // Full means the user's task is stuck behind thirty other commands: nothing to tell it.
            let _ = person.line.commands.try_send(flags);
        }
    }

    /// True while the user has a voice session, connected or being mended.
    pub fn is_in_voice(&self, user_id: UserId) -> bool {
        self.person(user_id).is_some()
    }

    /// The user's end-to-end encryption; `None` for somebody who is not in voice.
    pub fn privacy(&self, user_id: UserId) -> Option<Privacy> {
        let person = self.person(user_id)?;
        let privacy = person.line.privacy.borrow().clone();
        Some(privacy)
    }

    fn person(&self, user_id: UserId) -> Option<Person> {
        let mut people = self.people();
        let person = people.get(&user_id)?.clone();
        if person.line.commands.is_closed() {
            people.remove(&user_id);
            return None;
        }
        Some(person)
    }

    fn people(&self) -> MutexGuard<'_, HashMap<UserId, Person>> {
        self.inner
            .people
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn seed(&self) -> u64 {
        Rng::new(self.inner.seed.fetch_add(1, Ordering::Relaxed)).next_u64()
    }
}
