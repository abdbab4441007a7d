//! Joins the people of `mynah-users` to the embedded server. Neither room knows the other, so that
//! client and server stay two readings of the protocol; only their words are translated here.

use mynah_server::Server;
use mynah_server::crowd::{self, BoxFuture, Crowd};
use mynah_users::{self as users, TicketOffice, Users};
use mynah_wire::UserId;

/// The crowd of the embedded server: people who join voice, speak and hear as its control API asks
/// them to. Handed over with [`Server::set_crowd`].
pub struct CrowdOfUsers {
    users: Users,
}

impl CrowdOfUsers {
    /// Nobody yet, on that server.
    ///
    /// # Errors
    /// The server's certificate cannot be used.
    pub fn of(server: &Server) -> Result<Self, users::Error> {
        let renew = server.ticket_office();
        let office =
            TicketOffice::new(move |guild_id, user_id| renew(guild_id, user_id).map(ticket));
        let users = Users::with_office(server.voice().ca_pem(), Some(office))?;
        Ok(Self { users })
    }
}

impl Crowd for CrowdOfUsers {
    fn join(&self, joining: crowd::VoiceTicket) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move { self.users.join(ticket(joining)).await.map_err(words) })
    }

    fn leave(&self, user_id: UserId) -> BoxFuture<'_, ()> {
        Box::pin(self.users.leave(user_id))
    }

    fn say(
        &self,
        user_id: UserId,
        request: crowd::SayRequest,
    ) -> BoxFuture<'_, Result<crowd::SayReport, String>> {
        Box::pin(async move {
            let request = users::SayRequest {
                what: match request.what {
                    crowd::SayWhat::Path(path) => users::SayWhat::Path(path),
                    crowd::SayWhat::Tone { hz, seconds, dbfs } => {
                        users::SayWhat::Tone { hz, seconds, dbfs }
                    }
                },
                looped: request.looped,
                wait: request.wait,
                skew_ppm: request.skew_ppm,
            };
            let report = self.users.say(user_id, request).await.map_err(words)?;
            Ok(crowd::SayReport {
                started_at_us: report.started_at_us,
                packets: report.packets,
                skipped_us: report.skipped_us,
            })
        })
    }

    fn hear(
        &self,
        user_id: UserId,
        request: crowd::HearRequest,
    ) -> BoxFuture<'_, Result<crowd::Heard, String>> {
        Box::pin(async move {
            let request = users::HearRequest {
                seconds: request.seconds,
                from: request.from,
                format: match request.format {
                    crowd::HearFormat::Wav => users::HearFormat::Wav,
                    crowd::HearFormat::Ogg => users::HearFormat::Ogg,
                    crowd::HearFormat::Packets => users::HearFormat::Packets,
                },
            };
            let heard = self.users.hear(user_id, request).await.map_err(words)?;
            Ok(crowd::Heard {
                bytes: heard.bytes,
                stats: crowd::HearStats {
                    packets: heard.stats.packets,
                    lost: heard.stats.lost,
                    late: heard.stats.late,
                    jitter_ms: heard.stats.jitter_ms,
                    first_packet_us: heard.stats.first_packet_us,
                    max_gap_ms: heard.stats.max_gap_ms,
                    lost_to_keys: losses(heard.stats.lost_to_keys),
                },
            })
        })
    }

    fn set_flags(&self, user_id: UserId, self_mute: bool, self_deaf: bool) {
        self.users.set_flags(user_id, self_mute, self_deaf);
    }

    fn dave(&self, user_id: UserId) -> Option<crowd::UserDave> {
        let privacy = self.users.privacy(user_id)?;
        Some(crowd::UserDave {
            epoch: privacy.epoch?,
            privacy_code: privacy.code?,
            members: privacy.members,
        })
    }
}

fn ticket(ticket: crowd::VoiceTicket) -> users::VoiceTicket {
    users::VoiceTicket {
        guild_id: ticket.guild_id,
        channel_id: ticket.channel_id,
        user_id: ticket.user_id,
        session_id: ticket.session_id,
        token: ticket.token,
        endpoint: ticket.endpoint,
    }
}

fn losses(lost: users::KeyLosses) -> crowd::KeyLosses {
    crowd::KeyLosses {
        no_key: lost.no_key,
        unknown_ssrc: lost.unknown_ssrc,
        overflow: lost.overflow,
        plain: lost.plain,
        replayed: lost.replayed,
    }
}

fn words(error: users::Error) -> String {
    format!("{error}; {}", error.remedy())
}
