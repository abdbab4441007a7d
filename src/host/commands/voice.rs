//! `/voice`: the bot's place in voice, and how private it is.

use super::Question;
use crate::{Call, OpError, Runner, hub::Hub};
use mynah_dave::code::{self, GROUP_DIGITS};
use mynah_engine::VoiceStatus;
use mynah_plugin::Tier;
use mynah_wire::{ChannelId, GuildId, UserId};
use serde_json::{Value, json};

pub(super) fn definition() -> Value {
    // rest.md section 6: type 1 is a subcommand, 6 a person; context 0 a server.
    json!({
        "type": 1, "name": "voice", "description": "The bot in voice", "contexts": [0],
        "options": [{
            "type": 1, "name": "status",
            "description": "Where the bot is, and whether the call is end-to-end encrypted",
            "options": [{
                "type": 6, "name": "member",
                "description": "Shows the code that you and the bot compare with this person",
            }],
        }, {
            "type": 1, "name": "join", "description": "Comes into your voice channel",
        }, {
            "type": 1, "name": "move", "description": "Goes to another voice channel, with its sound",
            "options": [{
                "type": 7, "name": "channel", "description": "Where to", "required": true,
                "channel_types": [2, 13],
            }],
        }, {
            "type": 1, "name": "leave", "description": "Leaves the voice channel",
        }, {
            "type": 1, "name": "stay",
            "description": "Stays where it is, also when nobody is there, and comes back after a restart",
            "options": [{
                "type": 5, "name": "on", "description": "False: it goes again when nobody is there",
                "required": true,
            }],
        }],
    })
}

pub(super) async fn say(hub: &Hub, question: &Question) -> String {
    let runner = &*hub.runner;
    let Some(guild) = question.guild else {
        return "Voice channels are in servers: ask me there.".to_owned();
    };
    match question.subcommand().map(|(name, _)| name) {
        Some("status") => {}
        Some("join") => return join(hub, question, guild).await,
        Some("move") => return go(hub, question, guild).await,
        Some("stay") => return stay(hub, question, guild).await,
        Some("leave") => return leave(hub, question, guild).await,
        _ => return "I do not know that part of `/voice`. `/voice status` is there.".to_owned(),
    }
    let Some(status) = runner.voice_status(guild).await else {
        return "I am in no voice channel here.".to_owned();
    };
    match question.person("member") {
        None => report(&status),
        Some(member) => match compare(&status, member) {
            Comparison::With(own, theirs) => verification(member, own, theirs).await,
            Comparison::Not(words) => words,
        },
    }
}

/// Where the person and the bot are.
async fn places(
    runner: &dyn Runner,
    question: &Question,
    guild: GuildId,
) -> (Option<ChannelId>, Option<ChannelId>) {
    let Some(user) = question.user else {
        return (None, None);
    };
    let state = runner.run(Call::State(guild, user)).await;
    let state = state.unwrap_or_default();
    let place = |name: &str| state.get(name)?.as_str()?.parse().ok();
    (place("channel_id"), place("bot_channel_id"))
}

async fn join(hub: &Hub, question: &Question, guild: GuildId) -> String {
    let runner = &*hub.runner;
    let (theirs, ours) = places(runner, question, guild).await;
    let Some(theirs) = theirs else {
        return "Join a voice channel first, then I come to you.".to_owned();
    };
    match ours {
        Some(ours) if ours == theirs => return format!("I am in <#{ours}> already."),
        // Others may be listening there.
        Some(ours) if !question.moves() => return may_not_move(ours),
        _ => {}
    }
    if let Err(pinned) = hub.pins().may_go(None, guild, Some(theirs)) {
        return pinned.to_string();
    }
    match runner.run(Call::Join(guild, theirs)).await {
        Ok(joined) => with_unheard(format!("I am in <#{theirs}>."), &joined),
        Err(error) => cannot(theirs, &error),
    }
}

/// What keeps people from hearing the bot, if anything does.
fn with_unheard(words: String, joined: &Value) -> String {
    match joined.get("unheard").and_then(Value::as_str) {
        Some(unheard) => format!("{words} {unheard}"),
        None => words,
    }
}

fn cannot(channel: ChannelId, error: &OpError) -> String {
    format!("I cannot join <#{channel}>: {error}.")
}

fn may_not_move(ours: ChannelId) -> String {
    format!(
        "I am in <#{ours}>. Sending me elsewhere takes the permission to move members, or being a DJ; \
         `/voice leave` there lets me go."
    )
}

async fn go(hub: &Hub, question: &Question, guild: GuildId) -> String {
    let runner = &*hub.runner;
    let Some(there) = question.channel("channel") else {
        return "Say where to: `/voice move channel:`.".to_owned();
    };
    match places(runner, question, guild).await.1 {
        None => {
            return "I am in no voice channel here: `/voice join` brings me into yours.".to_owned();
        }
        Some(ours) if ours == there => return format!("I am in <#{ours}> already."),
        Some(ours) if !question.moves() => return may_not_move(ours),
        Some(_) => {}
    }
    if let Err(pinned) = hub.pins().may_go(None, guild, Some(there)) {
        return pinned.to_string();
    }
    match runner.run(Call::Join(guild, there)).await {
        Ok(joined) => with_unheard(format!("Moved to <#{there}>."), &joined),
        Err(error) => cannot(there, &error),
    }
}

async fn stay(hub: &Hub, question: &Question, guild: GuildId) -> String {
    if question.tier.is_none_or(|tier| tier < Tier::Admin) {
        return "You may not do this: it takes the permission to manage the server.".to_owned();
    }
    let here = match question.flag("on") {
        Some(true) => match places(&*hub.runner, question, guild).await.1 {
            Some(ours) => Some(ours),
            None => {
                return "I am in no voice channel here: `/voice join` brings me into yours."
                    .to_owned();
            }
        },
        _ => None,
    };
    if let Err(error) = hub.stays.set(guild, here) {
        return format!("I cannot remember that: {error}");
    }
    match here {
        Some(channel) => format!(
            "I stay in <#{channel}>, also when nobody is there, and come back after a restart. \
             `/voice leave` ends that."
        ),
        None => "I go when nobody is there any more.".to_owned(),
    }
}

async fn leave(hub: &Hub, question: &Question, guild: GuildId) -> String {
    let runner = &*hub.runner;
    let (theirs, ours) = places(runner, question, guild).await;
    let Some(ours) = ours else {
        return "I am in no voice channel here.".to_owned();
    };
    if theirs != Some(ours) && !question.moves() {
        return format!(
            "Only people in <#{ours}>, and those who may move members, can send me away."
        );
    }
    if let Err(pinned) = hub.pins().may_go(None, guild, None) {
        return pinned.to_string();
    }
    // Who sends it away does not want it back after the next restart.
    if hub.stays.has(guild)
        && let Err(error) = hub.stays.set(guild, None)
    {
        return format!("I cannot leave <#{ours}> for good: {error}");
    }
    match runner.run(Call::Leave(guild)).await {
        Ok(_) => format!("Left <#{ours}>."),
        Err(error) => format!("I cannot leave <#{ours}>: {error}"),
    }
}

/// Everything about the session.
fn report(status: &VoiceStatus) -> String {
    let mut lines = vec![format!("I am in <#{}>.", status.channel_id)];
    lines.extend(status.unheard.clone());
    let version = status.dave_version;
    match (version, status.epoch) {
        (0, _) => lines.push(
            "**Encryption** to Discord only: this call is not end-to-end encrypted, as in every \
             stage channel"
                .to_owned(),
        ),
        (_, None) => lines.push(format!(
            "**Encryption** end-to-end (DAVE {version}); there are no keys yet, because nobody else \
             is here or somebody is just joining"
        )),
        (_, Some(epoch)) => {
            let members = match status.members.len() {
                1 => "1 member".to_owned(),
                n => format!("{n} members"),
            };
            lines.push(format!(
                "**Encryption** end-to-end (DAVE {version}), epoch {epoch}, {members}"
            ));
        }
    }
    if let Some(code) = &status.privacy_code {
        lines.push(format!(
            "**Voice privacy code** `{}`, the same for everybody in the call",
            grouped(code)
        ));
    }
    let latency = status.latency.map_or_else(
        || "not measured yet".to_owned(),
        |latency| format!("{} ms", latency.as_millis()),
    );
    lines.push(format!("**Heartbeat** {latency}"));
    if let Some(rtt) = status.rtt {
        lines.push(format!("**UDP ping** {} ms", rtt.as_millis()));
    }
    lines.push(format!("**Packets sent** {}", status.packets_sent));
    if let Some(jitter) = status.jitter {
        let (received, lost, ms) = (status.received, status.lost, jitter.as_millis());
        lines.push(format!(
            "**Packets heard** {received}, {lost} lost, {ms} ms jitter"
        ));
    }
    lines.push(format!("**Transport** {}", status.mode));
    lines.join("\n")
}

/// Whether there is a code with somebody.
#[derive(Debug, PartialEq, Eq)]
enum Comparison {
    /// The two fingerprints.
    With(Vec<u8>, Vec<u8>),
    /// Why not.
    Not(String),
}

fn compare(status: &VoiceStatus, member: UserId) -> Comparison {
    if status.dave_version == 0 {
        return Comparison::Not(
            "This call is not end-to-end encrypted, as in every stage channel: there is no code to \
             compare."
                .to_owned(),
        );
    }
    let find = |wanted: UserId| {
        let found = status
            .members
            .iter()
            .find(|(user_id, _)| *user_id == wanted);
        found.map(|(user_id, key)| code::fingerprint(key, user_id.get()))
    };
    if member == status.user_id {
        return Comparison::Not("That is me. Choose the person you are with.".to_owned());
    }
    // In the group the bot is a member like any other.
    let Some(own) = find(status.user_id) else {
        return Comparison::Not(
            "There are no keys in this call yet: nobody else is here, or somebody is just joining. \
             Try again in a moment."
                .to_owned(),
        );
    };
    match find(member) {
        Some(theirs) => Comparison::With(own, theirs),
        None => Comparison::Not(format!(
            "<@{member}> is not in this call: there is no code to compare."
        )),
    }
}

/// The pairwise code; scrypt takes some 50 ms of computing, so not on a tokio worker.
async fn verification(member: UserId, own: Vec<u8>, theirs: Vec<u8>) -> String {
    let computed = tokio::task::spawn_blocking(move || code::user_code(&own, &theirs)).await;
    match computed {
        Ok(code) => format!(
            "**Verification code** of me and <@{member}>\n`{}`\nThey see the same digits at my \
             name under *Verify*. Different digits mean that somebody is in between.",
            grouped(&code)
        ),
        Err(error) => {
            tracing::error!(%error, "the verification code could not be computed");
            "The code could not be computed; the log says more.".to_owned()
        }
    }
}

/// `1234567890` as `12345 67890`, the way Discord's own clients show codes.
fn grouped(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / GROUP_DIGITS);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && n % GROUP_DIGITS == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;
    use mynah_wire::ChannelId;
    use std::time::Duration;

    const BOT: UserId = UserId::new(1001);
    const ANN: UserId = UserId::new(1002);

    /// The two members of dave.md section 8.
    fn status() -> VoiceStatus {
        let key = |byte: u8| {
            let mut key = vec![byte; 65];
            key[0] = 4;
            key
        };
        VoiceStatus {
            channel_id: ChannelId::new(7),
            user_id: BOT,
            ssrc: mynah_wire::Ssrc(3),
            mode: "aead_aes256_gcm_rtpsize".to_owned(),
            latency: Some(Duration::from_micros(23_400)),
            rtt: None,
            received: 0,
            lost: 0,
            jitter: None,
            dave_version: 1,
            epoch: Some(4),
            privacy_code: Some("123456789012345678901234567890".to_owned()),
            members: vec![(BOT, key(0x11)), (ANN, key(0x22))],
            own_key: key(0x11),
            packets_sent: 4711,
            unheard: None,
            sealed_stale: 0,
        }
    }

    #[test]
    fn the_report_names_place_privacy_and_health() {
        let said = report(&status());
        for words in [
            "<#7>",
            "DAVE 1",
            "epoch 4",
            "2 members",
            "`12345 67890 12345 67890 12345 67890`",
            "23 ms",
            "4711",
            "aead_aes256_gcm_rtpsize",
        ] {
            assert!(said.contains(words), "{words} is missing in {said}");
        }
    }

    #[test]
    fn a_stage_is_said_not_to_be_end_to_end_encrypted() {
        let stage = VoiceStatus {
            dave_version: 0,
            epoch: None,
            privacy_code: None,
            members: Vec::new(),
            own_key: Vec::new(),
            latency: None,
            ..status()
        };
        let said = report(&stage);
        assert!(said.contains("not end-to-end encrypted"), "{said}");
        assert!(!said.contains("privacy code"), "{said}");
        assert!(said.contains("not measured yet"), "{said}");
        let Comparison::Not(said) = compare(&stage, ANN) else {
            panic!("there is no code on a stage");
        };
        assert!(said.contains("not end-to-end encrypted"), "{said}");
    }

    #[test]
    fn before_the_first_epoch_there_are_no_keys_and_no_codes() {
        let alone = VoiceStatus {
            epoch: None,
            privacy_code: None,
            members: Vec::new(),
            ..status()
        };
        let said = report(&alone);
        assert!(said.contains("no keys yet"), "{said}");
        let Comparison::Not(said) = compare(&alone, ANN) else {
            panic!("there are no keys");
        };
        assert!(said.contains("no keys"), "{said}");
    }

    #[test]
    fn who_is_not_in_the_call_has_no_code_and_neither_has_the_bot_itself() {
        let Comparison::Not(said) = compare(&status(), UserId::new(5)) else {
            panic!("a stranger has no code");
        };
        assert!(said.contains("<@5> is not in this call"), "{said}");
        let Comparison::Not(said) = compare(&status(), BOT) else {
            panic!("there is no code with oneself");
        };
        assert!(said.contains("me"), "{said}");
    }

    #[tokio::test]
    async fn the_verification_code_is_the_one_of_the_protocol_paper() {
        let Comparison::With(own, theirs) = compare(&status(), ANN) else {
            panic!("ann is there");
        };
        let said = verification(ANN, own, theirs).await;
        // dave.md section 8: 921499064869471114595400528875823980364121564.
        let code = "92149 90648 69471 11459 54005 28875 82398 03641 21564";
        assert!(said.contains(code), "{said}");
        assert!(said.contains("<@1002>"), "{said}");
    }

    #[test]
    fn digits_are_shown_in_groups_of_five() {
        assert_eq!(grouped(""), "");
        assert_eq!(grouped("12345"), "12345");
        assert_eq!(grouped("123456"), "12345 6");
    }
}
