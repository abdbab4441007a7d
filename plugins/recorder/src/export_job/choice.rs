//! Which tracks and which part of a recording somebody means.

use super::ExportError;
use crate::core::events::{Event, Line};
use crate::core::manifest::{Manifest, TrackEntry};

/// The tracks that `wanted` names, in the recording's order; all when nothing is named.
pub(super) fn chosen<'a>(
    manifest: &'a Manifest,
    wanted: &[String],
) -> Result<Vec<&'a TrackEntry>, ExportError> {
    if wanted.is_empty() {
        return Ok(manifest.tracks.iter().collect());
    }
    let mut takes = vec![false; manifest.tracks.len()];
    for one in wanted {
        let mut found = false;
        for (place, (take, entry)) in takes.iter_mut().zip(&manifest.tracks).enumerate() {
            if is_meant(one, place + 1, entry) {
                *take = true;
                found = true;
            }
        }
        if !found {
            let there: Vec<&str> = manifest.tracks.iter().map(|t| t.name.as_str()).collect();
            return Err(ExportError::NoTrack {
                wanted: one.clone(),
                there: there.join(", "),
            });
        }
    }
    let tracks = manifest.tracks.iter().zip(takes);
    Ok(tracks.filter(|(_, take)| *take).map(|(t, _)| t).collect())
}

/// Beyond this a number is an id: Discord's have 17 digits and more.
const MOST_TRACKS: u64 = 100_000;

fn is_meant(wanted: &str, number: usize, entry: &TrackEntry) -> bool {
    let id = wanted.trim_start_matches("<@").trim_end_matches('>');
    match wanted.parse::<u64>() {
        Ok(place) if place < MOST_TRACKS => place == number as u64,
        _ => {
            wanted.to_lowercase() == entry.name.to_lowercase()
                || (!entry.user.is_empty() && id == entry.user)
        }
    }
}

/// Every note with the place where it stands, in microseconds, in order.
#[must_use]
pub fn chapters(lines: &[Line]) -> Vec<(u64, String)> {
    let notes = lines.iter().filter_map(|line| match &line.event {
        Event::Note { text, .. } => Some((line.t, text.clone())),
        _ => None,
    });
    let mut notes: Vec<(u64, String)> = notes.collect();
    notes.sort_by_key(|(at_us, _)| *at_us);
    notes
}

/// From the note that `wanted` names to the next one, or to the end.
pub(super) fn chapter(lines: &[Line], wanted: &str, length_us: u64) -> Option<(u64, u64)> {
    let notes = chapters(lines);
    let named = wanted.trim().to_lowercase();
    let by_text = notes
        .iter()
        .position(|(_, text)| text.trim().to_lowercase() == named);
    let by_number = || named.parse::<usize>().ok()?.checked_sub(1);
    let place = by_text.or_else(by_number)?;
    let (from_us, _) = notes.get(place)?;
    // Two notes of one moment are one chapter.
    let next = notes
        .iter()
        .map(|(at_us, _)| *at_us)
        .find(|at| at > from_us);
    Some((*from_us, next.unwrap_or(length_us)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(t: u64, text: &str) -> Line {
        let json = serde_json::json!({
            "t": t, "wall_ms": 0, "kind": "note", "by": "5", "note": "chapter", "text": text,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_chapter_lasts_until_the_next_note_and_is_found_by_text_or_number() {
        let lines = [
            note(9_000, "Budget"),
            note(2_000, "Hello"),
            note(9_000, "Same"),
        ];
        assert_eq!(chapter(&lines, "hello", 20_000), Some((2_000, 9_000)));
        assert_eq!(chapter(&lines, "2", 20_000), Some((9_000, 20_000)));
        assert_eq!(chapter(&lines, "Same", 20_000), Some((9_000, 20_000)));
        assert_eq!(chapter(&lines, "0", 20_000), None);
        assert_eq!(chapter(&lines, "Bye", 20_000), None);
    }

    #[test]
    fn people_are_named_by_name_id_mention_or_number() {
        let track = |user: &str, name: &str| {
            serde_json::json!({ "file": "f", "index": "i", "kind": "person", "user": user,
                "name": name, "serial": 1 })
        };
        let manifest: Manifest = serde_json::from_value(serde_json::json!({
            "schema": 1, "id": "a", "guild": "1", "channel": "2", "state": "stopped",
            "started_ms": 0, "software": "", "tracks": [track("5", "Ann"), track("6", "Bob"),
                { "file": "f", "index": "i", "kind": "lane", "name": "music", "serial": 3 }],
        }))
        .unwrap();
        let names = |wanted: &[&str]| -> Result<Vec<String>, String> {
            let wanted: Vec<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
            let found = chosen(&manifest, &wanted).map_err(|error| error.to_string())?;
            Ok(found.iter().map(|track| track.name.clone()).collect())
        };
        assert_eq!(names(&[]).unwrap().len(), 3);
        assert_eq!(names(&["bob", "<@5>"]).unwrap(), ["Ann", "Bob"]);
        assert_eq!(names(&["3"]).unwrap(), ["music"]);
        let refusal = names(&["Eve"]).unwrap_err();
        assert!(
            refusal.contains("`Eve`") && refusal.contains("Ann, Bob"),
            "{refusal}"
        );
    }
}
