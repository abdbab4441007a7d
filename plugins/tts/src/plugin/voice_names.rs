//! Voices as people choose them: `espeak:en-us+f3`.

use mynah_plugin::Choice as Offer;

use crate::studio::Listing;

/// Choices that Discord shows.
const MAX_OFFERS: usize = 25;

/// The voices that fit what was typed: those that begin with it, then those that contain it.
pub(super) fn offers(listing: &Listing, typed: &str) -> Vec<Offer> {
    let typed = typed.trim().to_lowercase();
    let mut found: Vec<(u8, String, String)> = Vec::new();
    for (engine, voices) in listing {
        for voice in voices {
            let title = format!("{} ({engine}, {})", voice.title, voice.id);
            let value = format!("{engine}:{}", voice.id);
            let begins = |text: &str| text.to_lowercase().starts_with(&typed);
            let rank = if begins(&voice.id) || begins(&voice.title) {
                0
            } else if title.to_lowercase().contains(&typed) || begins(&value) {
                1
            } else {
                continue;
            };
            // Discord takes no longer values.
            if value.chars().count() <= 100 {
                found.push((rank, title, value));
            }
        }
    }
    found.sort();
    found.truncate(MAX_OFFERS);
    found
        .into_iter()
        .map(|(_, title, value)| Offer::new(title, value))
        .collect()
}

/// Engine and voice of what was chosen or typed; `None` if nobody has it.
pub(super) fn find(
    listing: &Listing,
    typed: &str,
    engine: Option<&str>,
) -> Option<(String, String)> {
    let typed = typed.trim();
    let (wanted, name) = match typed.split_once(':') {
        Some((engine, name)) => (Some(engine), name),
        None => (engine, typed),
    };
    let engines = listing
        .iter()
        .filter(|(id, _)| wanted.is_none_or(|wanted| wanted == **id));
    let mut found = engines.filter_map(|(id, voices)| {
        let voice = voices.iter().find(|voice| {
            voice.id.eq_ignore_ascii_case(name) || voice.title.eq_ignore_ascii_case(name)
        })?;
        Some(((*id).to_owned(), voice.id.clone()))
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::VoiceName;

    fn listing() -> Listing {
        let voice = |id: &str, title: &str| VoiceName {
            id: id.into(),
            title: title.into(),
        };
        Listing::from([
            (
                "espeak",
                vec![
                    voice("de", "German"),
                    voice("en-us", "English (America)"),
                    voice("nl", "Dutch"),
                ],
            ),
            ("piper", vec![voice("en_US-amy", "en US amy")]),
        ])
    }

    #[test]
    fn what_begins_with_the_letters_comes_first() {
        let names = |typed: &str| -> Vec<String> {
            let json: Vec<String> = offers(&listing(), typed)
                .iter()
                .map(|offer| format!("{offer:?}"))
                .collect();
            json.iter()
                .map(|text| text.split('"').nth(3).unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(offers(&listing(), "").len(), 4);
        assert_eq!(offers(&listing(), "EN").len(), 2, "{:?}", names("EN"));
        assert_eq!(offers(&listing(), "zzz").len(), 0);
    }

    #[test]
    fn a_voice_is_found_by_its_number_plate_its_name_and_its_title() {
        let found = |typed: &str, engine: Option<&str>| find(&listing(), typed, engine);
        let pair = |engine: &str, voice: &str| Some((engine.to_owned(), voice.to_owned()));
        assert_eq!(found("espeak:de", None), pair("espeak", "de"));
        assert_eq!(found("german", None), pair("espeak", "de"));
        assert_eq!(found("en_us-AMY", None), pair("piper", "en_US-amy"));
        assert_eq!(found("de", Some("piper")), None);
        assert_eq!(found("piper:de", None), None);
        assert_eq!(found("../../etc", None), None);
    }
}
