//! Text with bars and, on a terminal, colours.

use std::io::IsTerminal;

/// Where a report is written.
pub(super) struct Paper {
    colours: bool,
}

impl Paper {
    /// With colours if it is a terminal and nobody asked for none (`NO_COLOR`, https://no-color.org).
    pub(super) fn of(out: &impl IsTerminal) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: out.is_terminal() && !unwanted,
        }
    }

    /// Without any.
    #[cfg(test)]
    pub(super) const fn plain() -> Self {
        Self { colours: false }
    }

    /// What is well.
    pub(super) fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is not.
    pub(super) fn bad(&self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.colours {
            true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// A bar of `width` columns when `part` is all of `whole`.
pub(super) fn bar(part: f64, whole: f64, width: usize) -> String {
    let share = match part / whole {
        share if share.is_finite() => share.clamp(0.0, 1.0),
        _ => 0.0,
    };
    "#".repeat((share * width as f64).round() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share_and_never_longer() {
        assert_eq!(bar(1.0, 2.0, 10), "#####");
        assert_eq!(bar(5.0, 2.0, 4), "####");
        assert_eq!(bar(1.0, 0.0, 4), "");
        assert_eq!(bar(f64::NAN, 1.0, 4), "");
    }

    #[test]
    fn without_colours_text_stays_as_it_is() {
        assert_eq!(Paper::plain().good("yes"), "yes");
        let colours = Paper { colours: true };
        assert_eq!(colours.bad("no"), "\u{1b}[31mno\u{1b}[0m");
    }
}
