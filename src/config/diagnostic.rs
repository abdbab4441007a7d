//! What is wrong with a configuration, and the printer that shows it.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use serde_json::json;

use super::document::{Origin, Place, Text};
use super::mask::mask;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The bot does not start with it.
    Error,
    /// Works, but is probably not what was meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` when no line of any text is to blame (a file that cannot be read).
    pub place: Option<Place>,
    /// The table it belongs to (`plugins.music`), empty for the top level.
    pub section: String,
    /// What to do; may be empty, may have several lines.
    pub help: String,
}

/// Everything found, with the texts it was found in. `Display` prints all of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub(super) file: PathBuf,
    pub(super) texts: Vec<Text>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// An empty report about `file`.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            ..Self::default()
        }
    }

    /// How many findings of that kind there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics
            .iter()
            .filter(|found| found.severity == severity)
            .count()
    }

    /// Whether the configuration can be used.
    pub fn is_usable(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// Whether there is nothing to say at all.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Adds a finding that points at no line, such as one about the network.
    pub fn add(&mut self, severity: Severity, message: impl Into<String>, help: impl Into<String>) {
        self.diagnostics.push(Diagnostic {
            severity,
            message: message.into(),
            place: None,
            section: String::new(),
            help: help.into(),
        });
    }

    pub(super) fn text(&mut self, origin: Origin, content: String) -> usize {
        self.texts.push(Text { origin, content });
        self.texts.len() - 1
    }

    /// The findings in the order of the file, then of the environment, then the rest.
    fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.diagnostics.iter().collect();
        sorted.sort_by_key(|found| {
            found
                .place
                .as_ref()
                .map_or((usize::MAX, 0), |place| (place.text, place.span.start))
        });
        sorted
    }

    /// `2 errors and 1 warning in bot.toml`.
    pub fn summary(&self) -> String {
        let plural = |count: usize, word: &str| {
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        };
        let errors = plural(self.count(Severity::Error), "error");
        let warnings = plural(self.count(Severity::Warning), "warning");
        let counted = match (self.count(Severity::Error), self.count(Severity::Warning)) {
            (_, 0) => errors,
            (0, _) => warnings,
            _ => format!("{errors} and {warnings}"),
        };
        format!("{counted} in {}", self.file.display())
    }

    /// The findings as JSON objects: `severity`, `message`, `help`, `section`, and `file`, `line`,
    /// `column` (1-based, in characters), `end_column`, `text` or `variable` where they apply.
    pub fn to_json(&self) -> Vec<serde_json::Value> {
        self.sorted()
            .into_iter()
            .map(|found| {
                let mut object = json!({
                    "severity": found.severity.word(),
                    "message": found.message,
                    "help": found.help,
                    "section": found.section,
                });
                let Some((text, shown)) = self.locate(found) else {
                    return object;
                };
                match &text.origin {
                    Origin::File(path) => {
                        object["file"] = json!(path.display().to_string());
                        object["line"] = json!(shown.line);
                        object["column"] = json!(shown.column);
                        object["end_column"] = json!(shown.column + shown.width);
                        object["text"] = json!(shown.text);
                    }
                    Origin::Variable(name) => object["variable"] = json!(name),
                    Origin::Default => {}
                }
                object
            })
            .collect()
    }

    fn locate(&self, found: &Diagnostic) -> Option<(&Text, Shown)> {
        let place = found.place.as_ref()?;
        let text = self.texts.get(place.text)?;
        Some((text, Shown::of(&text.content, place)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in self.sorted() {
            writeln!(f, "{}: {}", found.severity.word(), found.message)?;
            match self.locate(found) {
                Some((text, shown)) => write_place(f, found, text, &shown)?,
                None => {
                    for line in found.help.lines() {
                        writeln!(f, "  {line}")?;
                    }
                }
            }
            writeln!(f)?;
        }
        if !self.is_empty() {
            writeln!(f, "{}", self.summary())?;
        }
        Ok(())
    }
}

/// The format of architecture C5.8: where, the line, the caret, what to do.
fn write_place(
    f: &mut fmt::Formatter<'_>,
    found: &Diagnostic,
    text: &Text,
    shown: &Shown,
) -> fmt::Result {
    let number = match &text.origin {
        Origin::File(path) => {
            write!(f, "  {}:{}:{}", path.display(), shown.line, shown.column)?;
            shown.line.to_string()
        }
        Origin::Variable(name) => {
            write!(f, "  environment variable {name}")?;
            String::new()
        }
        Origin::Default => return Ok(()),
    };
    if !found.section.is_empty() {
        write!(f, " [{}]", found.section)?;
    }
    writeln!(f)?;
    let gutter = " ".repeat(number.len());
    let indent = " ".repeat(shown.column - 1 - shown.cut);
    writeln!(f, "  {number} | {}", shown.window())?;
    let mut help = found.help.lines();
    let first = help.next().unwrap_or_default();
    let line = format!("  {gutter} | {indent}{} {first}", "^".repeat(shown.width));
    writeln!(f, "{}", line.trim_end())?;
    for more in help {
        writeln!(f, "  {gutter} | {indent}{} {more}", " ".repeat(shown.width))?;
    }
    Ok(())
}

/// The line a place starts on, made safe to show: secrets hidden, control characters replaced.
struct Shown {
    text: String,
    line: usize,
    /// 1-based, in characters.
    column: usize,
    /// Characters to underline, at least one.
    width: usize,
    /// Characters left out at the start of a very long line.
    cut: usize,
}

impl Shown {
    /// A line longer than this is shown in part.
    const LONGEST: usize = 160;

    fn of(content: &str, place: &Place) -> Self {
        let start = floor(content, place.span.start);
        let end = floor(content, place.span.end).max(start);
        let before = content.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = content.get(line_start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let marked = content.get(start..end).unwrap_or_default();
        // Only the first line of a long value is underlined.
        let width = marked
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            .max(1);
        let text: String = mask(line)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let cut = if text.chars().count() > Self::LONGEST {
            column.saturating_sub(40)
        } else {
            0
        };
        Self {
            text,
            line: before.matches('\n').count() + 1,
            column,
            width: width.min(Self::LONGEST - 40),
            cut,
        }
    }

    fn window(&self) -> String {
        let mut window: String = self
            .text
            .chars()
            .skip(self.cut)
            .take(Self::LONGEST)
            .collect();
        if self.text.chars().count() > self.cut + Self::LONGEST {
            let _ = write!(window, " …");
        }
        window
    }
}

/// The nearest character boundary at or before `at`.
fn floor(content: &str, at: usize) -> usize {
    let mut at = at.min(content.len());
    while !content.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(content: &str, span: std::ops::Range<usize>, help: &str) -> Report {
        let mut report = Report::new("bot.toml");
        let text = report.text(Origin::File("bot.toml".into()), content.to_owned());
        report.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            message: "unknown key `libary`".into(),
            place: Some(Place { text, span }),
            section: "plugins.music".into(),
            help: help.into(),
        });
        report
    }

    #[test]
    fn a_finding_is_printed_with_its_line_a_caret_and_a_suggestion() {
        let content = "[plugins.music]\nlibary = \"media/\"\n";
        let printed = report(content, 16..22, "did you mean `library`?").to_string();
        assert_eq!(
            printed,
            "error: unknown key `libary`\n  bot.toml:2:1 [plugins.music]\n  2 | libary = \"media/\"\n    \
             | ^^^^^^ did you mean `library`?\n\n1 error in bot.toml\n"
        );
    }

    #[test]
    fn carets_count_characters_and_a_span_past_the_end_is_harmless() {
        let printed = report("é = 1", 5..9, "").to_string();
        assert!(printed.contains("bot.toml:1:5"), "{printed}");
        let printed = report("é = 1", 1..400, "").to_string();
        assert!(printed.contains("1 | é = 1"), "{printed}");
    }

    #[test]
    fn a_very_long_line_is_shown_around_the_fault() {
        let content = format!("a = \"{}\" # here", "x".repeat(1000));
        let at = content.len() - 4;
        let printed = report(&content, at..at + 4, "this").to_string();
        let lines: Vec<&str> = printed.lines().collect();
        assert!(
            lines.iter().all(|line| line.chars().count() < 240),
            "{printed}"
        );
        let caret = lines
            .iter()
            .find(|line| line.contains("^^^^"))
            .copied()
            .unwrap_or_default();
        let shown = lines
            .iter()
            .find(|line| line.contains("# here"))
            .copied()
            .unwrap_or_default();
        assert_eq!(caret.find("^^^^"), shown.find("here"));
    }

    #[test]
    fn a_secret_on_the_line_is_not_printed() {
        let printed = report("token = \"hunter2\" oops", 18..22, "").to_string();
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
