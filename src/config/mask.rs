//! Lines of a configuration are shown in error messages; tokens in them never are.

use super::suggest::distance;

/// The line with every secret replaced by stars, one for one, so that carets still fit.
///
/// Hidden is whatever is assigned to something spelled like `token` (also misspelled, also as an
/// environment variable), and everything that has the shape of a Discord bot token wherever it
/// stands. Hiding too much is harmless here, hiding too little is not.
pub fn mask(line: &str) -> String {
    let mut masked: Vec<char> = line.chars().collect();
    hide_assigned(&mut masked);
    hide_shaped(&mut masked);
    masked.into_iter().collect()
}

fn hide_assigned(line: &mut [char]) {
    let mut word = String::new();
    let mut last = String::new();
    let mut hiding = false;
    for c in line.iter_mut() {
        if hiding {
            if !c.is_whitespace() {
                *c = '*';
            }
            continue;
        }
        match *c {
            '=' => hiding = is_token_like(if word.is_empty() { &last } else { &word }),
            c if c.is_alphanumeric() || c == '_' || c == '-' => word.push(c),
            _ => {
                if !word.is_empty() {
                    last = std::mem::take(&mut word);
                }
            }
        }
    }
}

fn is_token_like(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.rsplit("__").next().unwrap_or(&name);
    !name.ends_with("_file") && !name.ends_with("_env") && distance(name, "token") <= 2
}

/// A bot token is three base64url parts joined by dots: application id, time, signature.
fn hide_shaped(line: &mut [char]) {
    let mut start = 0;
    while start < line.len() {
        let length = line
            .iter()
            .skip(start)
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
            .count();
        let run: String = line.iter().skip(start).take(length).collect();
        if has_token_shape(&run) {
            line.iter_mut()
                .skip(start)
                .take(length)
                .for_each(|c| *c = '*');
        }
        start += length + 1;
    }
}

/// Whether a text looks like a bot token.
pub(super) fn has_token_shape(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('.').map(str::len).collect();
    let letters = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    letters
        && matches!(lengths.as_slice(), [id, time, mac] if *id >= 17 && *time >= 4 && *mac >= 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made up, in the documented shape.
    const TOKEN: &str = "MTAwMDAwMDAwMDAwMDAwMDAx.Gabcde.abcdefghijklmnopqrstuvwxyz0123456789AB";

    #[test]
    fn a_token_is_hidden_wherever_it_stands() {
        for line in [
            format!("token = \"{TOKEN}\""),
            format!("tokn = '{TOKEN}'"),
            format!("discord = {{ token = \"{TOKEN}\" }}"),
            format!("discord.\"token\" = \"{TOKEN}\""),
            format!("MYNAH__DISCORD__TOKEN={TOKEN}"),
            format!("status = \"{TOKEN}\""),
            format!("# {TOKEN}"),
        ] {
            let masked = mask(&line);
            assert!(!masked.contains("abcdefghij"), "{masked}");
            assert_eq!(masked.chars().count(), line.chars().count());
        }
    }

    #[test]
    fn a_token_of_any_shape_is_hidden_after_its_key() {
        assert_eq!(mask("token = \"hunter2\""), "token = *********");
        assert_eq!(
            mask("MYNAH__DISCORD__TOKEN=x y"),
            "MYNAH__DISCORD__TOKEN=* *"
        );
    }

    #[test]
    fn other_lines_stay_readable() {
        for line in [
            "token_file = \"/run/secrets/token\"",
            "token_env = \"BOT\"",
            "a = 1.5",
        ] {
            assert_eq!(mask(line), line);
        }
    }
}
