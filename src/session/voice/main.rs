//! What passes over the main gateway: op 4 out, voice state and voice server in (gateway.md
//! section 9).

use mynah_wire::{ChannelId, Secret};

use super::recovery::JUDGE_TIMEOUT;
use super::session::{ALONE_TIMEOUT, ASK_TIMEOUT, CLOSE_NORMAL, Phase, Server, Session};
use super::{EndReason, Event, Main, Output};

impl Session {
    /// Sends op 4. A rejoin leaves first: asking for the channel we are already in would only
    /// update flags and bring no new credentials (gateway.md section 9).
    pub(super) fn ask(&mut self, leave_first: bool) {
        if leave_first {
            self.out.push_back(Output::JoinMain { channel_id: None });
        }
        self.session_id = None;
        self.server = None;
        self.asked = self.asked.saturating_add(1);
        self.out.push_back(Output::JoinMain {
            channel_id: Some(self.channel_id),
        });
        self.phase = Phase::Asking {
            deadline: self.now + ASK_TIMEOUT,
        };
    }

    pub(super) fn ask_timed_out(&mut self) {
        if self.was_live {
            self.trouble_since.get_or_insert(self.now);
            self.last_reason = "the main gateway did not answer the join".to_owned();
            if self.give_up_at() <= self.now {
                self.give_up();
            } else {
                self.ask(true);
            }
        } else if self.session_id.is_some() && self.asked == 1 {
            // A state but no server: we were in this channel already, perhaps from an earlier run.
            self.ask(true);
        } else {
            self.end(EndReason::Denied);
        }
    }

    pub(super) fn on_state(&mut self, channel_id: Option<ChannelId>, session_id: &str) {
        let asking = matches!(self.phase, Phase::Asking { .. });
        let Some(channel_id) = channel_id else {
            // While asking this is the echo of our own leave, or of an earlier stay.
            if !asking {
                self.end(EndReason::Disconnected);
            }
            return;
        };
        self.session_id = Some(session_id.to_owned());
        if asking {
            self.open_if_complete();
            self.hurry();
        } else {
            // Moved; a new VOICE_SERVER_UPDATE follows and brings the rest.
            self.channel_id = channel_id;
        }
    }

    /// A state without a server: we may have been in this channel already, from an earlier run that
    /// ended without a word, and then no server will ever be named.
    fn hurry(&mut self) {
        if let Phase::Asking { deadline } = self.phase
            && !self.was_live
            && self.asked == 1
        {
            let deadline = deadline.min(self.now + ALONE_TIMEOUT);
            self.phase = Phase::Asking { deadline };
        }
    }

    pub(super) fn on_server(&mut self, token: &str, endpoint: Option<&str>) {
        let Some(endpoint) = endpoint.map(host_and_port).filter(|e| !e.is_empty()) else {
            self.server_lost();
            return;
        };
        let server = Server {
            token: Secret::new(token),
            endpoint: endpoint.to_owned(),
        };
        let waits_for_server = matches!(
            self.phase,
            Phase::Asking { .. } | Phase::ServerLost | Phase::Judging { .. }
        );
        // Events may come twice (gateway.md section 11); only news is a migration.
        if !waits_for_server && self.server.as_ref() == Some(&server) {
            return;
        }
        self.server = Some(server);
        if waits_for_server {
            self.open_if_complete();
            return;
        }
        let was_live = matches!(self.phase, Phase::Live { .. });
        self.close_socket(CLOSE_NORMAL);
        self.drop_media();
        if was_live {
            self.out.push_back(Output::Event(Event::Lost {
                reason: "moved to another voice server".to_owned(),
            }));
        }
        self.open(false);
    }

    pub(super) fn on_move(&mut self, channel_id: ChannelId) {
        // While connected, the state update decides where we are: the move may be denied.
        if !matches!(self.phase, Phase::Live { .. }) {
            self.channel_id = channel_id;
        }
        self.out.push_back(Output::JoinMain {
            channel_id: Some(channel_id),
        });
        if let Phase::Asking { .. } = self.phase {
            self.phase = Phase::Asking {
                deadline: self.now + ASK_TIMEOUT,
            };
        }
    }

    /// While the main gateway is away nobody can answer or explain; once it is back, the clocks of
    /// those who wait for its word start anew.
    pub(super) fn on_main(&mut self, main: Main) {
        self.main_lost = main == Main::Lost;
        match (main, self.phase) {
            (Main::New, _) => self.start_over(),
            (Main::Resumed, Phase::Asking { .. }) => {
                self.phase = Phase::Asking {
                    deadline: self.now + ASK_TIMEOUT,
                };
            }
            (Main::Resumed, Phase::Judging { .. }) => {
                self.phase = Phase::Judging {
                    deadline: self.now + JUDGE_TIMEOUT,
                };
            }
            (Main::Lost | Main::Resumed, _) => {}
        }
    }

    /// All credentials belonged to the old main session; Discord has taken us out of the channel, or
    /// is about to (gateway.md section 9). No leave first: the new session is in no channel.
    fn start_over(&mut self) {
        self.settle();
        let was_live = matches!(self.phase, Phase::Live { .. });
        self.close_socket(CLOSE_NORMAL);
        self.drop_media();
        self.note("the main gateway began a new session".to_owned(), was_live);
        self.ask(false);
    }

    pub(super) fn open_if_complete(&mut self) {
        if self.session_id.is_some() && self.server.is_some() {
            self.drop_media();
            self.open(false);
        }
    }
}

/// `endpoint` comes without a scheme, but some servers add one (gateway.md section 9).
fn host_and_port(endpoint: &str) -> &str {
    let endpoint = endpoint.trim();
    let endpoint = endpoint
        .strip_prefix("wss://")
        .or_else(|| endpoint.strip_prefix("ws://"))
        .unwrap_or(endpoint);
    endpoint.trim_end_matches('/')
}
