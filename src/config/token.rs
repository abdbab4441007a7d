//! The bot token: where it comes from, and whether it can be one.

use std::path::Path;

use mynah_wire::Secret;

use super::diagnostic::Severity;
use super::document::Entry;
use super::mask::has_token_shape;
use super::parse::{self, Folders, Parsed, Problem};
use super::reader::Reader;

/// Why a text is not a bot token, with what to do. The text itself is never part of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub message: &'static str,
    pub help: &'static str,
}

/// Where a token is to be had.
pub(super) const WHERE: &str = "get one at https://discord.com/developers/applications: your \
     application, Bot, Reset Token\nkeep it in a file and set token_file, or set \
     MYNAH__DISCORD__TOKEN";

/// A token file holds one line; this is far more than any token.
const FILE_LIMIT_BYTES: u64 = 4096;

/// The token from whichever source is set: at most one of the file's, or one of the environment's,
/// which wins.
pub(super) fn read(
    reader: &mut Reader<'_>,
    folders: &Folders<'_>,
    variables: &[(String, String)],
    real: bool,
) -> Option<Secret> {
    const NAMES: [&str; 3] = ["token", "token_file", "token_env"];
    let all: Vec<&Entry> = NAMES
        .iter()
        .filter_map(|name| reader.entry("discord", name))
        .collect();
    let outside: Vec<&Entry> = all
        .iter()
        .copied()
        .filter(|entry| reader.is_variable(&entry.place))
        .collect();
    let sources = if outside.is_empty() { all } else { outside };
    let (Some(first), rest) = (sources.first(), sources.get(1..).unwrap_or_default()) else {
        no_token(reader);
        return None;
    };
    for more in rest {
        let message = format!(
            "the token is set twice: by `{}` and by `{}`",
            first.name, more.name
        );
        reader.note(
            Severity::Error,
            "discord",
            more.place.clone(),
            message,
            "keep one of them",
        );
    }
    match take_token(first, folders, variables, real) {
        Ok(secret) => {
            if first.name == "token" && !reader.is_variable(&first.place) {
                reader.note(
                    Severity::Warning,
                    "discord",
                    first.place.clone(),
                    "a token in this file is easily shared by accident",
                    "put it into a file of its own and set token_file",
                );
            }
            Some(secret)
        }
        Err(problem) => {
            reader.problem("discord", problem);
            None
        }
    }
}

fn no_token(reader: &mut Reader<'_>) {
    let message = "there is no bot token, and this api needs one";
    match reader.entry("discord", "api") {
        Some(entry) => {
            let place = entry.node.place.clone();
            reader.note(Severity::Error, "discord", place, message, WHERE);
        }
        None => reader.report.add(Severity::Error, message, WHERE),
    }
}

fn take_token(
    entry: &Entry,
    folders: &Folders<'_>,
    variables: &[(String, String)],
    real: bool,
) -> Parsed<Secret> {
    let node = &entry.node;
    let raw = match entry.name.as_str() {
        "token_file" => {
            let path = parse::path(node, folders)?;
            read_file(&path).map_err(|why| {
                Problem::at(node, why, "the file holds the bot token and nothing else")
            })?
        }
        "token_env" => {
            let name = parse::filled(node)?;
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.clone()).ok_or_else(|| {
                let help = format!("set it before the start: export {name}=…");
                Problem::at(
                    node,
                    format!("the environment has no variable `{name}`"),
                    help,
                )
            })?
        }
        _ => parse::text(node)?,
    };
    check(&raw, real).map_err(|fault| Problem::at(node, fault.message, fault.help))
}

/// Checks the shape of a token. `real` is true for Discord itself; other servers may give out tokens
/// of any shape.
pub(super) fn check(raw: &str, real: bool) -> Result<Secret, Fault> {
    let token = raw.trim();
    let fault = |message, help| Err(Fault { message, help });
    if token.is_empty() {
        return fault("the token is empty", WHERE);
    }
    if token.len() >= 4
        && token
            .get(..4)
            .is_some_and(|head| head.eq_ignore_ascii_case("bot "))
    {
        return fault(
            "the token starts with `Bot `",
            "leave `Bot ` out: Mynah adds it where it is needed",
        );
    }
    if is_placeholder(token) {
        return fault("the token is only a placeholder", WHERE);
    }
    if token.starts_with(['"', '\'']) || token.ends_with(['"', '\'']) {
        return fault("the token has quotes around it", "leave the quotes out");
    }
    if token.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return fault(
            "the token has a space or a line break in it",
            "copy it again, in one piece",
        );
    }
    if !token.is_ascii() {
        return fault(
            "the token has a letter in it that no token has",
            "copy it again",
        );
    }
    if real && !has_token_shape(token) {
        return fault(
            "this does not look like a bot token",
            "a bot token has three parts with dots between; the application id, the public key and \
             the client secret are other things\nfind it at \
             https://discord.com/developers/applications: your application, Bot, Reset Token",
        );
    }
    Ok(Secret::new(token))
}

fn is_placeholder(token: &str) -> bool {
    let lower = token.to_lowercase();
    let marked = token.starts_with('<') || token.starts_with('{') || token.starts_with('$');
    let letters: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    let same = |c: char| lower.chars().all(|other| other == c);
    marked
        || ["…", "..."].contains(&lower.as_str())
        || same('x')
        || same('*')
        || [
            "changeme",
            "token",
            "bottoken",
            "discordtoken",
            "todo",
            "none",
            "null",
        ]
        .contains(&letters.as_str())
        || [
            "yourtoken",
            "yourbottoken",
            "yourdiscord",
            "tokenhere",
            "inserttoken",
            "pasteyour",
        ]
        .iter()
        .any(|phrase| letters.contains(phrase))
}

/// Reads a token file.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    if !meta.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    if meta.len() > FILE_LIMIT_BYTES {
        return Err(format!("{shown} is too large for a token file"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    String::from_utf8(bytes).map_err(|_| format!("{shown} is not a text file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made up, in the documented shape.
    const TOKEN: &str = "MTAwMDAwMDAwMDAwMDAwMDAx.Gabcde.abcdefghijklmnopqrstuvwxyz0123456789AB";

    #[test]
    fn a_token_is_taken_and_white_space_around_it_is_not() {
        let secret = check(&format!("{TOKEN}\n"), true).map(|secret| secret.expose().to_owned());
        assert_eq!(secret, Ok(TOKEN.to_owned()));
    }

    #[test]
    fn what_is_no_token_is_told_from_one() {
        let said = |raw: &str| {
            check(raw, true)
                .err()
                .map(|fault| fault.message)
                .unwrap_or_default()
        };
        assert!(said(" ").contains("empty"));
        assert!(said(&format!("Bot {TOKEN}")).contains("`Bot `"));
        assert!(said(&format!("\"{TOKEN}\"")).contains("quotes"));
        assert!(said(&format!("{TOKEN} {TOKEN}")).contains("space"));
        for placeholder in [
            "YOUR_TOKEN_HERE",
            "<token>",
            "xxxx",
            "changeme",
            "...",
            "${TOKEN}",
        ] {
            assert!(said(placeholder).contains("placeholder"), "{placeholder}");
        }
        // A client secret and a public key.
        assert!(said("aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY").contains("does not look like"));
        assert!(said(&"0f".repeat(32)).contains("does not look like"));
    }

    #[test]
    fn another_server_may_give_tokens_of_any_shape() {
        assert!(check("bot-1", false).is_ok());
        assert!(check("", false).is_err());
    }
}
