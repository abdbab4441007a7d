//! The real program as a child process, the way a person starts it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::builtins;

/// A start that takes longer than this has failed; generous, because CI machines are slow and two
/// cores are shared by many tests.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How a finished program ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit status.
    pub status: ExitStatus,
    /// Everything it printed to standard output.
    pub stdout: String,
    /// Everything it printed to standard error.
    pub stderr: String,
}

impl Finished {
    /// The exit code; -1 when killed by a signal.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

/// Runs the program to its end.
///
/// # Panics
/// It cannot be started.
pub fn run<S: AsRef<OsStr>>(
    binary: &str,
    dir: &Path,
    args: &[S],
    env: &[(&str, &str)],
) -> Finished {
    let output = command(binary, dir, args, env)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {binary}: {error}"));
    Finished {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn command<S: AsRef<OsStr>>(binary: &str, dir: &Path, args: &[S], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary);
    command
        .args(args)
        .current_dir(dir)
        .envs(builtins::asked_for(binary).iter().cloned())
        .envs(env.iter().copied());
    command
}

/// A program that stays up: `mynah run` or `mynah serve`, killed when dropped.
pub struct Program {
    child: Child,
    ready: Value,
    stdout: mpsc::Receiver<String>,
    stderr: Option<std::thread::JoinHandle<String>>,
    ready_file: PathBuf,
}

impl Program {
    /// Starts the program with `--ready-file` and waits until it says it is up, by reading what it
    /// prints.
    ///
    /// # Panics
    /// It ends or stays silent instead; the message holds what it printed.
    pub fn start<S: AsRef<OsStr>>(
        binary: &str,
        dir: &Path,
        args: &[S],
        env: &[(&str, &str)],
    ) -> Self {
        let ready_file = dir.join("ready.json");
        let mut child = command(binary, dir, args, env)
            .arg("--ready-file")
            .arg(&ready_file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {binary}: {error}"));
        let (Some(out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            unreachable!("both are piped")
        };
        let (lines, stdout) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = err.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut program = Self {
            child,
            ready: Value::Null,
            stdout,
            stderr: Some(stderr),
            ready_file,
        };
        program.await_ready();
        program
    }

    /// The ready file is written before the first line is printed, so one line is enough.
    fn await_ready(&mut self) {
        let line = self.stdout.recv_timeout(START_PATIENCE);
        let text = std::fs::read_to_string(&self.ready_file);
        let (Ok(_), Ok(text)) = (line, text) else {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let stderr = self.stderr.take().and_then(|reader| reader.join().ok());
            panic!(
                "the program did not come up; it said:\n{}",
                stderr.unwrap_or_default()
            );
        };
        self.ready = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("the ready file is not JSON: {error}\n{text}"));
    }

    /// The ready file's content.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// A text of the ready file.
    ///
    /// # Panics
    /// There is none of that name.
    pub fn ready_text(&self, pointer: &str) -> &str {
        let text = self.ready.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("the ready file has no {pointer}: {}", self.ready))
    }

    /// Process id, for signals.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `INT` or `TERM`.
    ///
    /// # Panics
    /// `kill` is not installed.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cannot signal the program"
        );
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// The process cannot be waited for.
    pub fn wait(mut self) -> Finished {
        let status = self
            .child
            .wait()
            .unwrap_or_else(|error| panic!("cannot wait: {error}"));
        let stderr = self
            .stderr
            .take()
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default();
        let stdout = self.stdout.iter().collect::<Vec<_>>().join("\n");
        Finished {
            status,
            stdout,
            stderr,
        }
    }

    /// Ctrl-C, then the end.
    pub fn interrupt(self) -> Finished {
        self.signal("INT");
        self.wait()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
