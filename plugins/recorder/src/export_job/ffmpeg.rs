//! MP3 and AAC: samples through a pipe to `ffmpeg`, its options as separate arguments.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::ExportError;
use crate::core::export::to_i16;

/// ffmpeg at work; ends with it, whatever happens.
pub(super) struct Ffmpeg {
    child: Child,
    pipe: Option<BufWriter<ChildStdin>>,
}

impl Ffmpeg {
    pub fn start(name: &'static str, codec: &[&str], to: &Path) -> Result<Self, ExportError> {
        let mut command = Command::new("ffmpeg");
        command
            .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"])
            .args(["-f", "s16le", "-ar", "48000", "-ac", "2", "-i", "pipe:0"])
            .args(codec)
            .args(["-b:a", "192k", "-threads", "1"])
            .arg(to)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ExportError::NoFfmpeg(name),
            _ => ExportError::Ffmpeg(error.to_string()),
        })?;
        let pipe = child
            .stdin
            .take()
            .map(|pipe| BufWriter::with_capacity(1 << 16, pipe));
        Ok(Self { child, pipe })
    }

    pub fn put(&mut self, block: &[f32]) -> Result<(), ExportError> {
        let bytes: Vec<u8> = block
            .iter()
            .flat_map(|sample| to_i16(*sample).to_le_bytes())
            .collect();
        let written = self.pipe.as_mut().map(|pipe| pipe.write_all(&bytes));
        match written {
            Some(Ok(())) => Ok(()),
            // It went away; it says why at its end.
            _ => Err(self.words()),
        }
    }

    pub fn finish(mut self) -> Result<(), ExportError> {
        let flushed = self.pipe.take().map(|mut pipe| pipe.flush());
        match (flushed, self.child.wait()) {
            (Some(Ok(())), Ok(status)) if status.success() => Ok(()),
            _ => Err(self.words()),
        }
    }

    /// What it complained of last.
    fn words(&mut self) -> ExportError {
        self.pipe = None;
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(errors) = &mut self.child.stderr {
            let _ =
                std::io::Read::read_to_string(&mut std::io::Read::take(errors, 4_096), &mut text);
        }
        let last = text.lines().last().unwrap_or("it ended").to_owned();
        ExportError::Ffmpeg(last)
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
