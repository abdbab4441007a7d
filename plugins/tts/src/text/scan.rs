//! The marks of Discord in a message: what is text, what stands for something, what is hidden.
//!
//! Left to right, as Discord's own reader goes (support page "Markdown Text 101"; message
//! formatting: docs.discord.com/developers/reference#message-formatting). Where marks cross each
//! other and readers could disagree about where a spoiler ends, everything up to its last mark is
//! hidden.

use super::address;

/// One piece of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// Plain text.
    Text(&'a str),
    /// A mark that is not spoken.
    Mark,
    /// A spoiler, gone with all that is in it.
    Spoiler,
    /// Code, likewise.
    Code,
    /// An address.
    Link(&'a str),
    /// A person.
    User(u64),
    /// A role.
    Role(u64),
    /// A channel.
    Channel(u64),
    /// A command; its name.
    Command(&'a str),
    /// A place of the server's guide.
    Guide,
    /// A server's own emoji; its name.
    Emoji(&'a str),
    /// A moment in seconds since 1970, and how it is shown.
    Time(i64, char),
    /// The end of a line.
    Line,
}

/// Reads a message piece by piece.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The text was cut: what is open at its end might have been closed.
    was_cut: bool,
    /// No spoiler, and no code block, ends after here: looked for once, not for every mark.
    no_spoiler: bool,
    no_block: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, was_cut: bool) -> Self {
        Self {
            text,
            at: 0,
            was_cut,
            no_spoiler: false,
            no_block: false,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn before(&self) -> Option<char> {
        self.text.get(..self.at)?.chars().next_back()
    }

    fn take(&mut self, bytes: usize, found: Found<'a>) -> Found<'a> {
        self.at += bytes;
        found
    }

    /// Whatever begins here with a mark; `None` for plain text.
    fn marked(&mut self) -> Option<Found<'a>> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        if self.before().is_none_or(|before| before == '\n')
            && let Some(bytes) = line_mark(rest)
        {
            return Some(self.take(bytes, Found::Mark));
        }
        match first {
            '\n' => Some(self.take(1, Found::Line)),
            '\\' => self.escaped(rest),
            '`' => self.code(rest),
            '|' if rest.starts_with("||") => self.spoiler(rest),
            '<' => self.angled(rest),
            ']' if rest.starts_with("](") => self.masked(rest),
            '*' | '_' | '~' => self.emphasis(rest, first),
            _ => self.address(rest),
        }
    }

    /// A backslash takes the meaning from the mark after it.
    fn escaped(&mut self, rest: &'a str) -> Option<Found<'a>> {
        let after = rest.get(1..)?;
        let mark = after.chars().next().filter(char::is_ascii_punctuation)?;
        let mark = after.get(..mark.len_utf8())?;
        Some(self.take(1 + mark.len(), Found::Text(mark)))
    }

    fn code(&mut self, rest: &'a str) -> Option<Found<'a>> {
        if rest.starts_with("```") && !self.no_block {
            if let Some(bytes) = block(rest) {
                return Some(self.take(bytes, Found::Code));
            }
            if self.was_cut {
                return Some(self.take(rest.len(), Found::Code));
            }
            self.no_block = true;
        }
        let open = rest.bytes().take_while(|byte| *byte == b'`').count();
        if let Some(bytes) = inline(rest, open) {
            return Some(self.take(bytes, Found::Code));
        }
        if self.was_cut {
            return Some(self.take(rest.len(), Found::Code));
        }
        Some(self.take(open, Found::Mark))
    }

    fn spoiler(&mut self, rest: &'a str) -> Option<Found<'a>> {
        let end = if self.no_spoiler { None } else { spoiler(rest) };
        let Some(end) = end else {
            self.no_spoiler = true;
            let bytes = if self.was_cut { rest.len() } else { 2 };
            let found = if self.was_cut {
                Found::Spoiler
            } else {
                Found::Mark
            };
            return Some(self.take(bytes, found));
        };
        let inside = rest.get(2..end).unwrap_or_default();
        // A mark or an address that begins before and ends inside, or the other way round.
        let glued = self.before().is_some_and(|before| !before.is_whitespace());
        let crosses = inside.contains('\n') || glued || odd_marks(inside);
        let last = rest.rfind("||").unwrap_or(end);
        let end = if crosses { last.max(end) } else { end };
        Some(self.take(end + 2, Found::Spoiler))
    }

    /// `<@1>`, `<:name:1>`, `<t:1:R>`, `<https://…>`: everything in angle brackets.
    fn angled(&mut self, rest: &'a str) -> Option<Found<'a>> {
        let end = rest.find('>')?;
        let inside = rest.get(1..end)?;
        let found = angled(inside)?;
        Some(self.take(end + 1, found))
    }

    /// The end of `[words](https://…)`: the words were text.
    fn masked(&mut self, rest: &'a str) -> Option<Found<'a>> {
        let before = self.text.get(..self.at)?;
        let words = before.rfind('[').and_then(|open| before.get(open + 1..))?;
        if words.contains(']') {
            return None;
        }
        let target = rest.get(2..)?;
        let end = closing(target)?;
        let target = target.get(..end)?.trim();
        let (address, title) = target
            .split_once(char::is_whitespace)
            .unwrap_or((target, ""));
        let is_title = title.is_empty() || title.trim_start().starts_with(['"', '\'']);
        // Anything else is no link to Discord either, and a mark in it begins something.
        if !is_title || target.contains("||") {
            return None;
        }
        let address = address.trim_start_matches('<').trim_end_matches('>');
        address::length(address)?;
        Some(self.take(end + 3, Found::Link(address)))
    }

    /// `*`, `_`, `~~` around words; not `2 * 3`, nor one tilde.
    fn emphasis(&mut self, rest: &'a str, mark: char) -> Option<Found<'a>> {
        let count = rest.chars().take_while(|c| *c == mark).count();
        let after = rest.get(count..).and_then(|after| after.chars().next());
        let space = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let alone = space(self.before()) && space(after);
        let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        if count == 1 && (alone || mark == '~') {
            return None;
        }
        if mark == '_' && inside(self.before()) && inside(after) {
            return Some(self.take(count, Found::Text(" ")));
        }
        Some(self.take(count, Found::Mark))
    }

    fn address(&mut self, rest: &'a str) -> Option<Found<'a>> {
        if self.before().is_some_and(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        let bytes = address::length(rest)?;
        let address = rest.get(..bytes)?;
        // Spoilers and code that begin in it are hidden as well, wherever they end.
        let spoiler = address.find("||").and_then(|at| {
            let last = rest.get(at + 2..)?.rfind("||")?;
            Some(at + 2 + last + 2)
        });
        let code = address.find('`').and_then(|at| {
            let rest = rest.get(at..)?;
            let open = rest.bytes().take_while(|byte| *byte == b'`').count();
            Some(at + block(rest).into_iter().chain(inline(rest, open)).max()?)
        });
        let end = [spoiler, code]
            .into_iter()
            .flatten()
            .fold(bytes, usize::max);
        Some(self.take(end, Found::Link(address)))
    }
}

impl<'a> Iterator for Scanner<'a> {
    /// Where it begins, in bytes, and what it is.
    type Item = (usize, Found<'a>);

    fn next(&mut self) -> Option<(usize, Found<'a>)> {
        let start = self.at;
        loop {
            let here = self.at;
            if here >= self.text.len() {
                let text = self.text.get(start..).filter(|text| !text.is_empty())?;
                return Some((start, Found::Text(text)));
            }
            if let Some(found) = self.marked() {
                if here == start {
                    return Some((start, found));
                }
                // The text before it first; the mark is found again.
                self.at = here;
                let text = self.text.get(start..here).unwrap_or_default();
                return Some((start, Found::Text(text)));
            }
            self.at = here + self.rest().chars().next().map_or(1, char::len_utf8);
        }
    }
}

/// `> `, `>>> `, `# `, `-# `, `- `, `* ` at the beginning of a line; its length in bytes.
fn line_mark(rest: &str) -> Option<usize> {
    let indent = rest.bytes().take_while(|byte| *byte == b' ').count();
    let line = rest.get(indent..)?;
    let marks = [">>> ", "> ", "### ", "## ", "# ", "-# ", "- ", "* "];
    let mark = marks.into_iter().find(|mark| line.starts_with(mark))?;
    Some(indent + mark.len())
}

/// The length of a code block that begins here, both fences included.
fn block(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("```")?;
    let language = after.find('\n').filter(|end| {
        let word = after.get(..*end).unwrap_or_default();
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_+-.#".contains(c))
    });
    let close = |from: usize| -> Option<usize> {
        let body = after.get(from..)?;
        let blank = body.bytes().take_while(|byte| *byte == b'\n').count();
        let first = body.get(blank..)?.chars().next()?;
        let skip = from + blank + first.len_utf8();
        Some(skip + after.get(skip..)?.find("```")?)
    };
    let end = language
        .and_then(|end| close(end + 1))
        .or_else(|| close(0))?;
    Some(3 + end + 3)
}

/// The length of code that begins with `open` backticks; fewer of them may close it.
fn inline(rest: &str, open: usize) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    let mut at = open;
    while let Some(found) = rest.get(at..).and_then(|rest| rest.find('`')) {
        let start = at + found;
        let run = rest.get(start..).unwrap_or_default();
        let run = run.bytes().take_while(|byte| *byte == b'`').count();
        at = start + run;
        if run <= open && best.is_none_or(|(most, _)| run > most) {
            best = Some((run, at));
        }
        if run == open {
            break;
        }
    }
    best.map(|(_, end)| end)
}

/// Where the bracket is that was opened before a text; addresses may have some of their own.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    text.char_indices().find_map(|(at, c)| {
        open = match c {
            '(' => open + 1,
            ')' => open - 1,
            _ => open,
        };
        (open == 0).then_some(at)
    })
}

/// Where the mark is that closes a spoiler: the first one with something before it.
fn spoiler(rest: &str) -> Option<usize> {
    let first = rest.get(2..)?.chars().next()?;
    let from = 2 + first.len_utf8();
    Some(from + rest.get(from..)?.find("||")?)
}

/// A mark that is opened but not closed in it, as far as counting tells.
fn odd_marks(text: &str) -> bool {
    let odd = |mark: &str| text.matches(mark).count() % 2 == 1;
    odd("*")
        || odd("_")
        || odd("~~")
        || odd("`")
        || text.contains('[') != text.contains(']')
        || text.ends_with('\\')
        || text.ends_with('|')
        || text.starts_with('|')
}

/// What the inside of angle brackets means; `None` if nothing.
fn angled(inside: &str) -> Option<Found<'_>> {
    if let Some(person) = inside.strip_prefix('@') {
        if let Some(role) = person.strip_prefix('&') {
            return Some(Found::Role(number(role)?));
        }
        return Some(Found::User(number(
            person.strip_prefix('!').unwrap_or(person),
        )?));
    }
    if let Some(channel) = inside.strip_prefix('#') {
        return Some(Found::Channel(number(channel)?));
    }
    if let Some(time) = inside.strip_prefix("t:") {
        let (at, form) = time.split_once(':').unwrap_or((time, "f"));
        let form = form
            .chars()
            .next()
            .filter(|form| "tTdDfFsSR".contains(*form))?;
        return Some(Found::Time(at.parse().ok()?, form));
    }
    if let Some(command) = inside.strip_prefix('/') {
        let (name, id) = command.rsplit_once(':')?;
        number(id)?;
        return Some(Found::Command(name));
    }
    if let Some(emoji) = inside
        .strip_prefix("a:")
        .or_else(|| inside.strip_prefix(':'))
    {
        let (name, id) = emoji.split_once(':')?;
        number(id)?;
        let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        return fits.then_some(Found::Emoji(name));
    }
    if let Some(place) = inside.strip_prefix("id:") {
        return matches!(place, "customize" | "browse" | "guide" | "linked-roles")
            .then_some(Found::Guide);
    }
    address::length(inside)?;
    (!inside.contains(char::is_whitespace)).then_some(Found::Link(inside))
}

/// An id: digits alone, and not too many.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
