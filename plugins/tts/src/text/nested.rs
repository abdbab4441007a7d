//! What Discord's own apps hide: marks within marks.
//!
//! The scanner goes from left to right and knows no nesting; the apps read what stands in a quote or
//! between `**` by itself, so that a spoiler may begin and end elsewhere. Where marks cross each other
//! the two differ. What either of them hides is not read: this reading adds to the scanner's, and can
//! take nothing away.

/// A character, and where it stands in the message, in bytes.
type Mark = (usize, char);

/// Marks within marks within marks: deeper, everything is hidden.
const MAX_DEPTH: usize = 24;
/// Characters that are looked at, again and again, before everything is hidden.
const MAX_STEPS: usize = 4_000_000;

/// For every byte at which a character begins: is it hidden? Empty if nothing is.
pub(super) fn hidden(message: &str) -> Vec<bool> {
    let hides = ["||", "`", "://"]
        .into_iter()
        .any(|mark| message.contains(mark));
    if !hides {
        return Vec::new();
    }
    let marks: Vec<Mark> = message.char_indices().collect();
    let mut reader = Reader {
        hidden: vec![false; message.len()],
        steps: MAX_STEPS,
    };
    reader.read(&marks, 0, true);
    if reader.steps == 0 {
        reader.hidden.fill(true);
    }
    reader.hidden
}

struct Reader {
    hidden: Vec<bool>,
    steps: usize,
}

impl Reader {
    fn hide(&mut self, marks: &[Mark]) {
        for (at, _) in marks {
            if let Some(hidden) = self.hidden.get_mut(*at) {
                *hidden = true;
            }
        }
    }

    /// Where `end` begins, `from` or later.
    fn find(&mut self, marks: &[Mark], from: usize, end: &str) -> Option<usize> {
        let rest = marks.get(from..)?;
        let found =
            (0..rest.len()).find(|at| rest.get(*at..).is_some_and(|rest| starts(rest, end)));
        let looked = found.unwrap_or(rest.len()) + 1;
        self.steps = self.steps.saturating_sub(looked);
        found.map(|at| from + at)
    }

    fn read(&mut self, marks: &[Mark], depth: usize, quotes: bool) {
        if depth > MAX_DEPTH {
            return self.hide(marks);
        }
        let mut rest = marks;
        let mut line_start = true;
        while let Some((first, after)) = rest.split_first() {
            if self.steps == 0 {
                return;
            }
            self.steps -= 1;
            let taken = self.one(rest, depth, quotes && line_start);
            line_start = taken.is_none() && first.1 == '\n';
            rest = taken.and_then(|taken| rest.get(taken..)).unwrap_or(after);
        }
    }

    /// What begins here, in the order in which it is looked for; how long it is.
    fn one(&mut self, rest: &[Mark], depth: usize, quotes: bool) -> Option<usize> {
        match rest.first()?.1 {
            '`' => self.block(rest).or_else(|| self.inline(rest)),
            '>' if quotes => self.quote(rest, depth),
            '\\' => escape(rest),
            'h' | 'H' => self.address(rest),
            '*' | '_' | '~' => self.around(rest, depth),
            '|' => self.spoiler(rest),
            _ => None,
        }
    }

    fn block(&mut self, rest: &[Mark]) -> Option<usize> {
        if !starts(rest, "```") {
            return None;
        }
        let body = rest.get(3..)?.iter().position(|(_, c)| *c != '\n')? + 3;
        let end = self.find(rest, body + 1, "```")?;
        self.hide(rest.get(..end)?);
        Some(end + 3)
    }

    fn inline(&mut self, rest: &[Mark]) -> Option<usize> {
        let open = run(rest);
        let mut at = open;
        while let Some(start) = self.find(rest, at, "`") {
            let closing = run(rest.get(start..)?);
            if closing == open {
                self.hide(rest.get(..start)?);
                return Some(start + open);
            }
            at = start + closing;
        }
        None
    }

    /// Lines that begin with `> `, read by themselves; `>>> ` is all that follows.
    fn quote(&mut self, rest: &[Mark], depth: usize) -> Option<usize> {
        if starts(rest, ">>> ") {
            self.read(rest.get(4..)?, depth + 1, false);
            return Some(rest.len());
        }
        let (mut at, mut inside) = (0, Vec::new());
        while rest.get(at..).is_some_and(|line| starts(line, "> ")) {
            let end = self.find(rest, at, "\n").map_or(rest.len(), |end| end + 1);
            inside.extend_from_slice(rest.get(at + 2..end).unwrap_or_default());
            at = end;
        }
        self.read(&inside, depth + 1, false);
        (at > 0).then_some(at)
    }

    fn address(&mut self, rest: &[Mark]) -> Option<usize> {
        let small = |marks: &[Mark], with: &str| {
            let fits = marks
                .iter()
                .zip(with.chars())
                .all(|((_, a), b)| a.to_ascii_lowercase() == b);
            fits && marks.len() >= with.len()
        };
        if !small(rest, "https://") && !small(rest, "http://") {
            return None;
        }
        let end = rest
            .iter()
            .position(|(_, c)| c.is_whitespace() || *c == '<');
        let whole = rest.get(..end.unwrap_or(rest.len()))?;
        let end = whole.iter().rposition(|(_, c)| !".,:;\"'])".contains(*c))? + 1;
        self.hide(rest.get(..end)?);
        Some(end)
    }

    /// `**`, `__`, `~~`, `*`, `_` with something between, which is read by itself.
    fn around(&mut self, rest: &[Mark], depth: usize) -> Option<usize> {
        for mark in ["**", "__", "~~", "*", "_"] {
            if !starts(rest, mark) {
                continue;
            }
            let long = mark.len();
            if long == 1 && rest.get(1).is_none_or(|(_, c)| c.is_whitespace()) {
                continue;
            }
            let mut from = long + 1;
            while let Some(end) = self.find(rest, from, mark) {
                // The last ones of a row close.
                let again = rest
                    .get(end + long)
                    .is_some_and(|(_, c)| mark.starts_with(*c));
                if !again {
                    self.read(rest.get(long..end)?, depth + 1, false);
                    return Some(end + long);
                }
                from = end + 1;
            }
        }
        None
    }

    fn spoiler(&mut self, rest: &[Mark]) -> Option<usize> {
        if !starts(rest, "||") {
            return None;
        }
        let end = self.find(rest, 3, "||")?;
        self.hide(rest.get(..end)?);
        Some(end + 2)
    }
}

fn starts(marks: &[Mark], with: &str) -> bool {
    marks.len() >= with.len() && marks.iter().zip(with.chars()).all(|((_, a), b)| *a == b)
}

/// Backticks in a row.
fn run(marks: &[Mark]) -> usize {
    marks.iter().take_while(|(_, c)| *c == '`').count()
}

fn escape(rest: &[Mark]) -> Option<usize> {
    let next = rest.get(1)?.1;
    (!next.is_ascii_alphanumeric() && !next.is_whitespace()).then_some(2)
}
