//! Exit codes, and the failure a command ends with.

use std::error::Error;
use std::process::ExitCode;

use super::out;

/// What the process tells whoever started it (interfaces.md section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Fine,
    /// 1: something failed; trying again may help.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 78 (`EX_CONFIG`): configuration or credentials are wrong; a supervisor must not try again.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Config => 78,
        })
    }
}

/// Why a command could not be done, for people: what happened, and what to do.
#[derive(Debug, Clone)]
pub struct Failure {
    exit: Exit,
    message: String,
    help: String,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            help: help.into(),
        }
    }

    /// Something went wrong.
    pub fn failed(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message, help)
    }

    /// Configuration or credentials are wrong.
    pub fn config(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Config, message, help)
    }

    /// The command line asks for something that cannot be.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, help)
    }

    /// Everything has been said already; only the code is left.
    pub fn said(exit: Exit) -> Self {
        Self::new(exit, "", "")
    }

    /// Adds a line of advice.
    #[must_use]
    pub fn advise(mut self, line: &str) -> Self {
        if !self.help.is_empty() {
            self.help.push('\n');
        }
        self.help.push_str(line);
        self
    }

    /// The code the process ends with.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Says it on standard error and gives the code.
    pub(super) fn print(self) -> ExitCode {
        if !self.message.is_empty() {
            out::error(&format!("error: {}", self.message));
            self.help
                .lines()
                .for_each(|line| out::error(&format!("  {line}")));
        }
        self.exit.into()
    }
}

/// An error with its causes in one line; a cause that its effect has already told is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl std::fmt::Display for Layer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &dyn Error)
        }
    }

    #[test]
    fn a_chain_tells_every_cause_once() {
        let inner = Layer(
            "port 80: permission denied",
            Some(Box::new(Layer("permission denied", None))),
        );
        let outer = Layer("the server did not start", Some(Box::new(inner)));
        assert_eq!(
            chain(&outer),
            "the server did not start: port 80: permission denied"
        );
    }
}
