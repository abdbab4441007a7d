//! A program that speaks: started without a shell, told its text through standard input, ended with
//! everything it started.

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{EngineError, Stop};

/// How often it is looked whether somebody wants it to end.
const LOOK: Duration = Duration::from_millis(20);
/// A program that has said all may take so long to end.
const LAST_BREATH: Duration = Duration::from_secs(1);
/// No pipe takes less at once when it says that it takes anything (POSIX, `PIPE_BUF`).
const PIPE_BYTES: usize = 512;
/// How much of what it complains about is kept, in bytes.
const COMPLAINT_BYTES: usize = 400;
/// What a program gets of the bot's own environment: nothing in which a token could be.
const ENVIRONMENT: [&str; 5] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "ESPEAK_DATA_PATH",
];

/// A program and what it is told.
pub(super) struct Task<'a> {
    pub(super) program: &'a Path,
    pub(super) args: &'a [&'a OsStr],
    pub(super) input: &'a [u8],
    pub(super) timeout: Duration,
    /// What the operator does when it is not there.
    pub(super) remedy: &'static str,
}

/// Runs it. Its output goes to `out` as it comes, until that answers `Ok(false)`.
///
/// # Errors
/// [`EngineError`], also the one `out` answers with. However it ends, the program is gone.
pub(super) fn run(
    task: &Task<'_>,
    stop: &Stop,
    out: &mut dyn FnMut(&[u8]) -> Result<bool, EngineError>,
) -> Result<(), EngineError> {
    let started = Instant::now();
    let mut running = start(task)?;
    let late = || {
        if stop.is_stopped() {
            return Err(EngineError::Stopped);
        }
        if started.elapsed() > task.timeout {
            return Err(EngineError::TimedOut(task.timeout));
        }
        Ok(())
    };
    let mut input = task.input;
    let mut bytes = vec![0; 16 << 10];
    loop {
        late()?;
        let ready = running.wait(!input.is_empty())?;
        if ready.input {
            input = running.tell(input);
        }
        if ready.complaint {
            running.listen();
        }
        if ready.output {
            let got = running.output.read(&mut bytes).map_err(failed)?;
            if got == 0 {
                break;
            }
            if !out(bytes.get(..got).unwrap_or_default())? {
                return Ok(());
            }
        }
    }
    running.end()
}

fn start(task: &Task<'_>) -> Result<Running, EngineError> {
    let mut command = Command::new(task.program);
    command
        .args(task.args)
        .env_clear()
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => EngineError::NotInstalled {
            program: task.program.display().to_string(),
            remedy: task.remedy,
        },
        _ => failed(error),
    })?;
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        unreachable!("all three were asked for");
    };
    Ok(Running {
        input: child.stdin.take(),
        output,
        errors: Some(errors),
        complaint: Vec::new(),
        child,
        is_reaped: false,
    })
}

fn failed(error: impl core::fmt::Display) -> EngineError {
    EngineError::Failed(error.to_string())
}

struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    errors: Option<ChildStderr>,
    complaint: Vec<u8>,
    is_reaped: bool,
}

/// What can be done without waiting.
struct Ready {
    input: bool,
    output: bool,
    complaint: bool,
}

impl Running {
    fn wait(&mut self, has_input: bool) -> Result<Ready, EngineError> {
        if !has_input {
            // Closed: it knows that it has heard all.
            self.input = None;
        }
        let mut ports = vec![PollFd::new(&self.output, PollFlags::IN)];
        let errors_at = self.errors.as_ref().map(|errors| {
            ports.push(PollFd::new(errors, PollFlags::IN));
            ports.len() - 1
        });
        let input_at = self.input.as_ref().map(|input| {
            ports.push(PollFd::new(input, PollFlags::OUT));
            ports.len() - 1
        });
        let time = Timespec::try_from(LOOK).map_err(failed)?;
        match poll(&mut ports, Some(&time)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error)),
        }
        let on = |at: Option<usize>| {
            at.and_then(|at| ports.get(at))
                .is_some_and(|port| !port.revents().is_empty())
        };
        Ok(Ready {
            output: on(Some(0)),
            complaint: on(errors_at),
            input: on(input_at),
        })
    }

    /// Tells it a little more; what is left.
    fn tell<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let Some(input) = &mut self.input else {
            return &[];
        };
        let part = text.get(..PIPE_BYTES.min(text.len())).unwrap_or_default();
        match input.write(part) {
            Ok(told) => text.get(told..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => text,
            // It does not want to hear more; what it says will tell whether that is wrong.
            Err(_) => &[],
        }
    }

    fn listen(&mut self) {
        let mut bytes = [0; 1024];
        let Some(errors) = &mut self.errors else {
            return;
        };
        match errors.read(&mut bytes) {
            Ok(0) | Err(_) => self.errors = None,
            Ok(got) => {
                let room = COMPLAINT_BYTES.saturating_sub(self.complaint.len());
                self.complaint.extend(bytes.iter().take(got.min(room)));
            }
        }
    }

    /// It has said all: how did it end?
    fn end(mut self) -> Result<(), EngineError> {
        let said_all = Instant::now();
        self.input = None;
        let status = loop {
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                break status;
            }
            if said_all.elapsed() > LAST_BREATH {
                return Err(failed("it does not end"));
            }
            let pause = Timespec::try_from(Duration::from_millis(1)).map_err(failed)?;
            let _ = poll(&mut [], Some(&pause));
        };
        self.is_reaped = true;
        while self.errors.is_some()
            && self.complaint.len() < COMPLAINT_BYTES
            && status.code() != Some(0)
        {
            self.listen();
        }
        if status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&self.complaint);
        let words = words.lines().next_back().unwrap_or_default().trim();
        Err(EngineError::Failed(format!("{status}: {words}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        // Not waited for yet, so the number is still its own, and that of its group.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell<'a>(
        script: &'a str,
        input: &'a [u8],
        timeout: Duration,
    ) -> (Vec<&'a OsStr>, &'a [u8], Duration) {
        (vec![OsStr::new("-c"), OsStr::new(script)], input, timeout)
    }

    fn say(
        (args, input, timeout): (Vec<&OsStr>, &[u8], Duration),
        stop: &Stop,
    ) -> (Result<(), EngineError>, Vec<u8>) {
        let task = Task {
            program: Path::new("/bin/sh"),
            args: &args,
            input,
            timeout,
            remedy: "",
        };
        let mut all = Vec::new();
        let done = run(&task, stop, &mut |bytes| {
            all.extend_from_slice(bytes);
            Ok(all.len() < 1 << 20)
        });
        (done, all)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_goes_in_comes_out_and_no_secret_of_the_environment_with_it() {
        let input = "words ".repeat(20_000);
        let (done, all) = say(shell("cat", input.as_bytes(), LONG), &Stop::default());
        assert_eq!((done, all.len()), (Ok(()), input.len()));
        let (_, all) = say(shell("env", b"", LONG), &Stop::default());
        let names: Vec<String> = String::from_utf8(all)
            .unwrap()
            .lines()
            .map(Into::into)
            .collect();
        let known = |line: &String| {
            ENVIRONMENT
                .iter()
                .chain(&["LANG", "PWD", "SHLVL", "_", "OLDPWD"])
                .any(|name| line.starts_with(&format!("{name}=")))
        };
        assert!(names.iter().all(known), "{names:?}");
    }

    #[test]
    fn a_failure_has_the_programs_own_words() {
        let (done, _) = say(
            shell("echo no such voice >&2; exit 3", b"", LONG),
            &Stop::default(),
        );
        let Err(EngineError::Failed(words)) = done else {
            panic!("{done:?}")
        };
        assert!(
            words.contains("no such voice") && words.contains('3'),
            "{words}"
        );
        let task = Task {
            program: Path::new("/no/such/engine"),
            args: &[],
            input: b"",
            timeout: LONG,
            remedy: "install it",
        };
        let missing = run(&task, &Stop::default(), &mut |_| Ok(true));
        assert_eq!(missing.unwrap_err().remedy(), "install it");
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("alive");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        // Read to its end: that comes when nobody is left who could write.
        let path = fifo.clone();
        let last_of_them = std::thread::spawn(move || std::fs::read(path));
        // The grandchild keeps all pipes open, so that only the group's end ends them.
        let script = format!("exec 3>{}; sleep 1000 & wait", fifo.display());
        let (done, _) = say(
            shell(&script, b"x", Duration::from_millis(300)),
            &Stop::default(),
        );
        assert!(matches!(done, Err(EngineError::TimedOut(_))), "{done:?}");
        assert!(last_of_them.join().unwrap().unwrap().is_empty());
    }

    #[test]
    fn stop_ends_it_and_enough_is_no_error() {
        let stop = Stop::default();
        stop.stop();
        let (done, _) = say(shell("sleep 1000", b"", LONG), &stop);
        assert_eq!(done, Err(EngineError::Stopped));
        let (done, all) = say(shell("yes", b"", LONG), &Stop::default());
        assert_eq!(done, Ok(()));
        assert!(all.len() >= 1 << 20);
    }
}
