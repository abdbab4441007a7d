//! Characters that cannot be spoken.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory as Kind;

/// Marks on one letter that are kept: one from the general accents (what has a letter of its own is
/// composed already), three from a script's own, which Thai and Hebrew need.
const MAX_ACCENTS: usize = 1;
const MAX_SCRIPT_MARKS: usize = 3;

/// Composes (Unicode NFC), takes out what is invisible, and piles of accents. Only `\n` is left of
/// the characters that are not printed.
#[must_use]
pub fn clean(text: &str) -> String {
    let kinds = CodePointMapData::<Kind>::new();
    let text = ComposingNormalizerBorrowed::new_nfc().normalize(text);
    let mut out = String::with_capacity(text.len());
    let (mut accents, mut marks) = (0, 0);
    for c in text.chars() {
        match kinds.get(c) {
            Kind::NonspacingMark | Kind::EnclosingMark | Kind::SpacingMark => {
                let (count, most) = if is_accent(c) {
                    (&mut accents, MAX_ACCENTS)
                } else {
                    (&mut marks, MAX_SCRIPT_MARKS)
                };
                let on_something = out
                    .chars()
                    .next_back()
                    .is_some_and(|last| !last.is_whitespace());
                if !is_selector(c) && *count < most && on_something {
                    *count += 1;
                    out.push(c);
                }
                continue;
            }
            Kind::Control if c == '\n' => out.push('\n'),
            Kind::Control
            | Kind::SpaceSeparator
            | Kind::LineSeparator
            | Kind::ParagraphSeparator => {
                out.push(' ');
            }
            Kind::Format | Kind::Surrogate | Kind::PrivateUse | Kind::Unassigned => continue,
            _ if is_filler(c) => out.push(' '),
            // Two of them would make eSpeak read phonemes.
            _ if matches!(c, '[' | ']') => out.push(' '),
            _ => out.push(c),
        }
        (accents, marks) = (0, 0);
    }
    out
}

/// The blocks of accents for any letter (Unicode, "Combining Diacritical Marks" and its kin).
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// They choose between pictures of a character.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Characters that count as letters or symbols but show nothing; skin tones left alone.
fn is_filler(c: char) -> bool {
    matches!(
        c,
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' | '\u{1f3fb}'..='\u{1f3ff}'
    )
}
