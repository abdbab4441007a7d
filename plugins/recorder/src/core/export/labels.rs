//! Notes as labels that other programs read.

use std::fmt::Write;

use crate::core::events::{Event, Line};

/// The notes as WebVTT chapters: each lasts until the next, the last until `length_us`.
#[must_use]
pub fn webvtt(lines: &[Line], length_us: u64) -> String {
    let notes = notes(lines);
    let mut text = String::from("WEBVTT\n");
    for (index, (at_us, note)) in notes.iter().enumerate() {
        let end_us = notes.get(index + 1).map_or(length_us, |(at_us, _)| *at_us);
        // A cue must last (WebVTT, section 4.1), and its text must not look like an arrow or a tag.
        let end_us = end_us.max(at_us + 1_000);
        let note = note
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let _ = write!(text, "\n{} --> {}\n{note}\n", clock(*at_us), clock(end_us));
    }
    text
}

/// The notes as a label track of Audacity: start, end in seconds, text, separated by tabs.
#[must_use]
pub fn audacity_labels(lines: &[Line]) -> String {
    notes(lines)
        .into_iter()
        .map(|(at_us, note)| {
            let (seconds, rest) = (at_us / 1_000_000, at_us % 1_000_000);
            format!("{seconds}.{rest:06}\t{seconds}.{rest:06}\t{note}\n")
        })
        .collect()
}

/// The notes in order of time, each on one line.
fn notes(lines: &[Line]) -> Vec<(u64, String)> {
    let mut notes: Vec<(u64, String)> = lines
        .iter()
        .filter_map(|line| match &line.event {
            Event::Note { text, .. } => {
                let words: Vec<&str> = text.split_whitespace().collect();
                Some((line.t, words.join(" ")))
            }
            _ => None,
        })
        .filter(|(_, text)| !text.is_empty())
        .collect();
    notes.sort_by_key(|(at_us, _)| *at_us);
    notes
}

/// `hh:mm:ss.mmm`
fn clock(us: u64) -> String {
    let ms = us / 1_000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1_000 % 60,
        ms % 1_000
    )
}
