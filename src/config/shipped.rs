//! The text of the shipped `bot.toml`, generated from the key table (conventions, rule 28).

use super::keys::{Key, SECTIONS, Shipped, all};

const HEAD: &str = "\
# Mynah's settings. As shipped, `mynah` runs on the embedded server: nothing to set, no token.
#
# What is written here is the default, unless it is commented out. Every key can be set from the
# environment too, and the environment wins: [voice] bitrate is MYNAH__VOICE__BITRATE.
# `mynah check` shows every mistake at once, with its line.

";

/// The whole file.
pub fn text() -> String {
    let mut text = HEAD.to_owned();
    keys(&mut text, "");
    for section in SECTIONS {
        text.push('\n');
        comment(&mut text, section.docs);
        text.push_str(&format!("[{}]\n", section.name));
        keys(&mut text, section.name);
    }
    text
}

fn keys(text: &mut String, section: &str) {
    for key in all().filter(|key| key.section == section) {
        one(text, key);
    }
}

fn one(text: &mut String, key: &Key) {
    match key.shipped {
        // An empty example: known, but not advertised.
        Shipped::Example("") => {}
        Shipped::Example(shown) => {
            comment(text, key.docs);
            text.push_str(&format!("# {} = {shown}\n", key.name));
        }
        Shipped::Set => {
            comment(text, key.docs);
            text.push_str(&format!("{} = {}\n", key.name, key.default));
        }
    }
}

fn comment(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(&format!("# {line}\n"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_shipped_bot_toml_is_the_generated_text() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bot.toml");
        if std::env::var_os("MYNAH_WRITE_SHIPPED").is_some() {
            std::fs::write(path, text()).unwrap();
        }
        let shipped = std::fs::read_to_string(path).unwrap();
        assert!(
            shipped == text(),
            "bot.toml differs from the key table; write it anew with\n  \
             MYNAH_WRITE_SHIPPED=1 cargo test -p mynah shipped_bot_toml"
        );
    }

    #[test]
    fn no_line_of_the_shipped_file_is_longer_than_100_columns() {
        for line in text().lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
