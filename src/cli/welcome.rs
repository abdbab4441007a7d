//! What `mynah` says when it is up: what runs where, and lines to paste that make it heard.

use std::path::PathBuf;

use mynah_server::ReadyFile;
use mynah_wire::UserId;

/// The bot is on the embedded server. `listener` is a person there, `song` something `/play` finds.
pub(super) fn embedded(
    ready: &ReadyFile,
    listener: Option<UserId>,
    music: &[PathBuf],
    song: &str,
) -> String {
    let control = &ready.control;
    let name = ready.bots.first().map_or("mynah", |bot| bot.name.as_str());
    let folders: Vec<String> = music
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let mut text = format!(
        "Mynah is up: the bot \"{name}\" is on the embedded Discord server. Nothing leaves this machine.\n\n  \
         control API  {control}\n  \
         music        {}\n",
        folders.join(", "),
    );
    let (Some(listener), Some(channel)) = (listener, ready.voice_channel_ids.first()) else {
        return text;
    };
    let text_channel = ready.text_channel_id;
    text.push_str(&format!(
        "\nHear it. Paste this into another terminal; somebody joins voice, says /play, and what they\n\
         hear in ten seconds is written to heard.wav:\n\n\
         curl -s --json '{{\"user_id\":\"{listener}\",\"channel_id\":\"{channel}\"}}' {control}/voice/join\n\
         curl -s --json '{{\"user_id\":\"{listener}\",\"channel_id\":\"{text_channel}\",\"command\":\"play\",\
         \"options\":{{\"query\":\"{song}\"}}}}' {control}/commands\n\
         curl -s '{control}/voice/hear?user_id={listener}&seconds=10' -o heard.wav\n\n\
         Everything that is going on:\n\n\
         curl -s {control}/state\n\n\
         Ctrl-C ends it."
    ));
    text
}

/// The bot is somewhere else.
pub(super) fn elsewhere(api: &str, name: &str, guilds: usize) -> String {
    let servers = match guilds {
        0 => "no server yet: invite it (README.md, \"Going to real Discord\")".to_owned(),
        1 => "1 server".to_owned(),
        more => format!("{more} servers"),
    };
    format!(
        "Mynah is up: \"{name}\" at {api}, in {servers}.\n\nJoin a voice channel and say /play. Ctrl-C ends it."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_in_no_server_is_told_how_to_get_into_one() {
        assert!(elsewhere("https://discord.com/api", "mynah", 0).contains("invite it"));
        assert!(elsewhere("https://discord.com/api", "mynah", 2).contains("in 2 servers"));
    }
}
