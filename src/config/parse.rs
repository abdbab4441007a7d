//! From one value of the file to one typed setting. Every function says what it expected instead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::{Node, Place, Value};
use super::suggest::nearest;

/// Why a value cannot be used: what is wrong, and what to write instead.
#[derive(Debug)]
pub(super) struct Problem {
    pub message: String,
    pub help: String,
    pub place: Place,
}

/// What reading one value gives.
pub(super) type Parsed<T> = Result<T, Problem>;

impl Problem {
    pub fn at(node: &Node, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
            place: node.place.clone(),
        }
    }
}

fn wrong_kind(node: &Node, wanted: &str, help: &str) -> Problem {
    Problem::at(
        node,
        format!("expected {wanted}, found {}", node.value.kind()),
        help,
    )
}

/// A string.
pub(super) fn text(node: &Node) -> Parsed<String> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::List(_) | Value::Table(_) => Err(wrong_kind(node, "a string", "")),
        _ => Err(wrong_kind(node, "a string", "write it in quotes")),
    }
}

/// A string that is not empty.
pub(super) fn filled(node: &Node) -> Parsed<String> {
    let text = text(node)?;
    if text.trim().is_empty() {
        return Err(Problem::at(
            node,
            "the value is empty",
            "set it, or leave the key out",
        ));
    }
    Ok(text)
}

/// A boolean.
pub(super) fn flag(node: &Node) -> Parsed<bool> {
    match &node.value {
        Value::Flag(flag) => Ok(*flag),
        _ => Err(wrong_kind(
            node,
            "a boolean",
            "write true or false, without quotes",
        )),
    }
}

/// A whole number between two bounds, both included.
pub(super) fn whole(node: &Node, from: i128, to: i128) -> Parsed<i128> {
    let range = format!("write a whole number from {from} to {to}, without quotes");
    match &node.value {
        Value::Whole(whole) if (from..=to).contains(whole) => Ok(*whole),
        Value::Whole(_) => Err(Problem::at(node, "the number is out of range", range)),
        _ => Err(wrong_kind(node, "an integer", &range)),
    }
}

/// A number between two bounds, both included; a whole one will do.
pub(super) fn number(node: &Node, from: f64, to: f64) -> Parsed<f64> {
    let range = format!("write a number from {from} to {to}, without quotes");
    let number = match &node.value {
        Value::Decimal(number) => *number,
        Value::Whole(whole) => *whole as f64,
        _ => return Err(wrong_kind(node, "a number", &range)),
    };
    if (from..=to).contains(&number) {
        Ok(number)
    } else {
        Err(Problem::at(node, "the number is out of range", range))
    }
}

/// One of several words.
pub(super) fn choice<T: Copy>(node: &Node, choices: &[(&str, T)]) -> Parsed<T> {
    let written = text(node)?;
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == written) {
        return Ok(*value);
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let help = match nearest(&written, words.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("write one of: {}", words.join(", ")),
    };
    Err(Problem::at(
        node,
        format!("`{written}` is not known here"),
        help,
    ))
}

/// A list of strings, each read by `each`; every bad element is reported.
pub(super) fn list<T>(
    node: &Node,
    mut each: impl FnMut(&Node) -> Parsed<T>,
) -> Result<Vec<T>, Vec<Problem>> {
    let Value::List(nodes) = &node.value else {
        return Err(vec![wrong_kind(
            node,
            "a list",
            "write it in brackets: [\"…\"]",
        )]);
    };
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for node in nodes {
        match each(node) {
            Ok(value) => good.push(value),
            Err(problem) => bad.push(problem),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// A Discord id: a string of digits.
pub(super) fn id<T: std::str::FromStr>(node: &Node) -> Parsed<T> {
    let help = "an id is a number of 17 to 20 digits in quotes; Discord shows it under \
                \"Copy ID\" in developer mode";
    let Value::Text(text) = &node.value else {
        return Err(wrong_kind(node, "an id as a string", help));
    };
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(id) if digits => Ok(id),
        _ => Err(Problem::at(node, format!("`{text}` is not an id"), help)),
    }
}

/// `90s`, `10m`, `1h30m`, `250ms`, `2d`.
pub(super) fn duration(node: &Node, least: Duration, most: Duration) -> Parsed<Duration> {
    let help = "write a number with its unit, such as \"90s\", \"10m\" or \"1h30m\"";
    let Value::Text(text) = &node.value else {
        return Err(wrong_kind(node, "a duration as a string", help));
    };
    let Some(duration) = split_units(
        text,
        &[
            ("ms", 1),
            ("s", 1_000),
            ("m", 60_000),
            ("min", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ],
    )
    .map(Duration::from_millis) else {
        return Err(Problem::at(
            node,
            format!("`{text}` is not a duration"),
            help,
        ));
    };
    if duration < least || duration > most {
        let help = format!("write something from {least:?} to {most:?}");
        return Err(Problem::at(node, format!("`{text}` is out of range"), help));
    }
    Ok(duration)
}

/// `256MiB`, `1GB`, `500 kB`: bytes.
pub(super) fn size(node: &Node, least: u64, most: u64) -> Parsed<u64> {
    let help = "write a number with its unit, such as \"256MiB\" or \"1GB\"";
    let Value::Text(text) = &node.value else {
        return Err(wrong_kind(node, "a size as a string", help));
    };
    let units = [
        ("b", 1),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
    ];
    let Some(bytes) = split_units(&text.to_lowercase(), &units) else {
        return Err(Problem::at(node, format!("`{text}` is not a size"), help));
    };
    if !(least..=most).contains(&bytes) {
        let help = format!("write something from {least} B to {} MiB", most >> 20);
        return Err(Problem::at(node, format!("`{text}` is out of range"), help));
    }
    Ok(bytes)
}

/// `auto` (none), or bits per second: `96k`, `96 kbit/s`, `96000`.
pub(super) fn bitrate(node: &Node) -> Parsed<Option<u32>> {
    let help = "write \"auto\", or a bitrate with its unit such as \"96k\" (8k to 510k)";
    let Value::Text(text) = &node.value else {
        return Err(wrong_kind(node, "a bitrate as a string", help));
    };
    if text == "auto" {
        return Ok(None);
    }
    let units = [
        ("k", 1_000),
        ("kbps", 1_000),
        ("kbit/s", 1_000),
        ("bps", 1),
        ("bit/s", 1),
    ];
    match split_units(&text.to_lowercase(), &units).and_then(|bits| u32::try_from(bits).ok()) {
        // RFC 6716 section 2.1.1: Opus takes 6 to 510 kbit/s; below 8 stereo music is no music.
        Some(bits) if (8_000..=510_000).contains(&bits) => Ok(Some(bits)),
        Some(_) => Err(Problem::at(node, format!("`{text}` is out of range"), help)),
        None => Err(Problem::at(
            node,
            format!("`{text}` is not a bitrate"),
            help,
        )),
    }
}

/// Sums `1h30m`-like text in the smallest unit; each number needs a unit of the table.
fn split_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let letters = after
            .bytes()
            .take_while(|b| b.is_ascii_alphabetic() || *b == b'/')
            .count();
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after.trim_start();
    }
    Some(sum)
}

/// Where relative paths start and what `{data}` stands for.
pub(super) struct Folders<'a> {
    pub base: &'a Path,
    /// `None` while `[paths] data` itself is read.
    pub data: Option<&'a Path>,
    pub home: Option<&'a Path>,
}

/// A path: `{data}` and a leading `~/` expanded, relative ones from the folder of the file.
pub(super) fn path(node: &Node, folders: &Folders<'_>) -> Parsed<PathBuf> {
    let written = filled(node)?;
    if let Some(end) = written.find('}')
        && let Some(start) = written.find('{')
        && let Some(name) = written.get(start..=end)
        && (name != "{data}" || start != 0 || folders.data.is_none())
    {
        let help = if folders.data.is_some() {
            "only {data} at the start of a path is replaced"
        } else {
            "the data folder cannot stand on itself"
        };
        return Err(Problem::at(
            node,
            format!("`{name}` means nothing here"),
            help,
        ));
    }
    if let (Some(rest), Some(data)) = (written.strip_prefix("{data}"), folders.data) {
        let rest = rest.trim_start_matches('/');
        return Ok(if rest.is_empty() {
            data.to_owned()
        } else {
            data.join(rest)
        });
    }
    if let Some(rest) = written.strip_prefix("~/") {
        return match folders.home {
            Some(home) => Ok(home.join(rest)),
            None => Err(Problem::at(
                node,
                "there is no home folder to put for `~`",
                "write the whole path",
            )),
        };
    }
    let plain = written.strip_prefix("./").unwrap_or(&written);
    Ok(if folders.base == Path::new("") {
        PathBuf::from(plain)
    } else {
        folders.base.join(plain)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::document::parse_value;
    use super::*;

    fn node(literal: &str) -> Node {
        parse_value(literal, 0, 0).unwrap()
    }

    #[test]
    fn durations_have_units() {
        let read = |text: &str| {
            duration(
                &node(&format!("\"{text}\"")),
                Duration::ZERO,
                Duration::from_secs(86_400),
            )
        };
        assert_eq!(read("1h30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(read("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(read(" 10 m ").unwrap(), Duration::from_secs(600));
        for bad in [
            "",
            "10",
            "m",
            "10 minutes",
            "-5s",
            "1.5h",
            "99999999999999999999s",
            "2d",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(duration(&node("600"), Duration::ZERO, Duration::MAX).is_err());
    }

    #[test]
    fn sizes_tell_kilo_from_kibi() {
        let read = |text: &str| size(&node(&format!("\"{text}\"")), 1, u64::MAX);
        assert_eq!(read("1kB").unwrap(), 1_000);
        assert_eq!(read("1KiB").unwrap(), 1_024);
        assert_eq!(read("256 MiB").unwrap(), 256 << 20);
        for bad in ["", "12", "MiB", "1TB", "0B", "20000000000GiB"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bitrates_are_auto_or_what_opus_takes() {
        let read = |text: &str| bitrate(&node(&format!("\"{text}\"")));
        assert_eq!(read("auto").unwrap(), None);
        assert_eq!(read("96k").unwrap(), Some(96_000));
        assert_eq!(read("128kbit/s").unwrap(), Some(128_000));
        for bad in ["", "96", "4k", "600k", "loud"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_start_at_the_file_and_data_is_replaced() {
        let folders = Folders {
            base: Path::new("/etc/mynah"),
            data: Some(Path::new("/var/mynah")),
            home: Some(Path::new("/home/ana")),
        };
        let read = |text: &str| path(&node(&format!("\"{text}\"")), &folders);
        assert_eq!(read("./music").unwrap(), Path::new("/etc/mynah/music"));
        assert_eq!(read("/srv/music").unwrap(), Path::new("/srv/music"));
        assert_eq!(read("{data}/music").unwrap(), Path::new("/var/mynah/music"));
        assert_eq!(read("{data}").unwrap(), Path::new("/var/mynah"));
        assert_eq!(read("~/music").unwrap(), Path::new("/home/ana/music"));
        assert!(read("{date}/music").is_err());
        assert!(read(" ").is_err());
    }

    #[test]
    fn an_id_is_digits_in_quotes() {
        assert_eq!(
            id::<u64>(&node("\"123456789012345678\"")).unwrap(),
            123_456_789_012_345_678
        );
        for bad in [
            "123456789012345678",
            "\"\"",
            "\"12a\"",
            "\"+12\"",
            "\"99999999999999999999\"",
        ] {
            assert!(id::<u64>(&node(bad)).is_err(), "{bad}");
        }
    }
}
