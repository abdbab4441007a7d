//! What a voice session has to say, in words and in consequences.

use mynah_session::gateway::StopReason;
use mynah_session::voice::{DaveEvent, EndReason};
use mynah_wire::voice::close;

/// What happened, and what to do about it.
pub fn in_words(reason: &EndReason) -> String {
    match reason.remedy() {
        "" => reason.to_string(),
        remedy => format!("{reason}; {remedy}"),
    }
}

/// Whether the bot as a whole can do nothing about it: every channel would refuse it as this one
/// did, and asking again for ever is no way to find that out.
pub fn fatal(reason: &EndReason, has_identity: bool) -> Option<StopReason> {
    let EndReason::Refused { code, meaning } = *reason else {
        return None;
    };
    (code == close::DAVE_REQUIRED).then_some(StopReason::Fatal {
        code,
        meaning,
        remedy: if has_identity {
            "the voice server wants a newer version of end-to-end encryption (DAVE) than this bot \
             knows: update the bot"
        } else {
            "end-to-end encryption is switched off: write dave = true under [voice] in bot.toml"
        },
        credentials: false,
    })
}

/// The privacy code is for the ears of the people in the call: at debug only.
pub fn log(event: &DaveEvent) {
    match event {
        DaveEvent::Epoch {
            epoch,
            privacy_code,
            members,
        } => {
            let members = members.len();
            tracing::info!(epoch, members, "end-to-end encrypted");
            tracing::debug!(epoch, privacy_code, "end-to-end encrypted");
        }
        DaveEvent::Upgraded { version } => {
            tracing::info!(version, "the call becomes end-to-end encrypted");
        }
        DaveEvent::Downgraded => {
            tracing::warn!("the call goes on without end-to-end encryption");
        }
        DaveEvent::Recovering { reason } => {
            tracing::warn!(reason, "end-to-end encryption begins anew");
        }
        other => tracing::debug!(?other, "end-to-end encryption"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: EndReason = EndReason::Refused {
        code: close::DAVE_REQUIRED,
        meaning: "end-to-end encryption (DAVE) required",
    };

    #[test]
    fn a_server_that_demands_encryption_ends_the_bot_and_is_told_why_there_is_none() {
        let Some(StopReason::Fatal { code, remedy, .. }) = fatal(&REFUSED, false) else {
            panic!("this is no way to go on");
        };
        assert_eq!(code, 4017);
        assert!(remedy.contains("dave = true under [voice]"), "{remedy}");
        let Some(StopReason::Fatal { remedy, .. }) = fatal(&REFUSED, true) else {
            panic!("nor is this");
        };
        assert!(remedy.contains("update the bot"), "{remedy}");
    }

    #[test]
    fn every_other_end_is_the_end_of_one_session_only() {
        let other = EndReason::Refused {
            code: 4012,
            meaning: "unknown protocol",
        };
        for reason in [other, EndReason::Left, EndReason::Denied] {
            assert_eq!(fatal(&reason, true), None, "{reason}");
        }
    }
}
