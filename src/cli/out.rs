//! Writing to the terminal. A reader that has gone away (`mynah check | head`) is no error.

use std::io::Write;

/// A line of the result, on standard output.
pub(super) fn line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// A line about the work, on standard error.
pub(super) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
