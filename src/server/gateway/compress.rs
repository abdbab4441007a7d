//! Transport compression, server side (gateway.md section 3).
//!
//! One context per connection; after each payload the stream is flushed so that the client can
//! decode everything it has got, and exactly one payload goes into one websocket message.

use std::io;

use flate2::{Compress, FlushCompress, Status};
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

use super::Compression;

/// Grows the output by this much at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// zstd's own default level: fast, and the client does not care.
const ZSTD_LEVEL: i32 = 3;

/// The compression context of one connection.
pub enum Compressor {
    /// Text frames.
    Plain,
    /// `zlib-stream`.
    Zlib(Box<Compress>),
    /// `zstd-stream`.
    Zstd(Box<Encoder<'static>>),
}

impl Compressor {
    /// A fresh context: also a resumed session starts with one.
    ///
    /// # Errors
    /// zstd could not allocate its context.
    pub fn new(kind: Compression) -> io::Result<Self> {
        Ok(match kind {
            Compression::None => Self::Plain,
            Compression::Zlib => {
                Self::Zlib(Box::new(Compress::new(flate2::Compression::fast(), true)))
            }
            Compression::Zstd => Self::Zstd(Box::new(Encoder::new(ZSTD_LEVEL)?)),
        })
    }

    /// The bytes of one payload; `None` means "send it as text".
    ///
    /// # Errors
    /// The compressor reported an error; the connection cannot go on.
    pub fn compress(&mut self, payload: &str) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Plain => Ok(None),
            Self::Zlib(context) => zlib(context, payload.as_bytes()).map(Some),
            Self::Zstd(context) => zstd(context, payload.as_bytes()).map(Some),
        }
    }
}

fn zlib(context: &mut Compress, mut input: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(input.len() / 2 + 64);
    loop {
        out.reserve(CHUNK_BYTES);
        let before = context.total_in();
        let status = context
            .compress_vec(input, &mut out, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        let taken = usize::try_from(context.total_in() - before).unwrap_or(usize::MAX);
        input = input.get(taken..).unwrap_or_default();
        // A flush is complete when everything was taken and there was room left for more output.
        if input.is_empty() && (out.len() < out.capacity() || status == Status::BufError) {
            return Ok(out);
        }
    }
}

fn zstd(context: &mut Encoder<'static>, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(payload.len() / 2 + 64);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut input = InBuffer::around(payload);
    while input.pos() < payload.len() {
        let mut output = OutBuffer::around(chunk.as_mut_slice());
        context.run(&mut input, &mut output)?;
        out.extend_from_slice(output.as_slice());
    }
    loop {
        let mut output = OutBuffer::around(chunk.as_mut_slice());
        let left = context.flush(&mut output)?;
        out.extend_from_slice(output.as_slice());
        if left == 0 {
            return Ok(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};
    use zstd::stream::raw::Decoder;

    use super::*;

    fn payloads() -> Vec<String> {
        let long: String = (0..60_000).map(|n| format!("{n:x}")).collect();
        vec![
            r#"{"op":10}"#.into(),
            long,
            String::new(),
            r#"{"op":11}"#.into(),
        ]
    }

    #[test]
    fn every_zlib_message_ends_in_a_sync_flush_and_decodes_alone_in_order() {
        let mut compressor = Compressor::new(Compression::Zlib).unwrap();
        let mut inflate = Decompress::new(true);
        for payload in payloads() {
            let bytes = compressor.compress(&payload).unwrap().unwrap();
            if !payload.is_empty() {
                assert!(bytes.ends_with(&[0, 0, 0xFF, 0xFF]));
            }
            let mut out = Vec::with_capacity(payload.len() + 64);
            inflate
                .decompress_vec(&bytes, &mut out, FlushDecompress::Sync)
                .unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), payload);
        }
    }

    #[test]
    fn every_zstd_message_decodes_alone_in_order() {
        let mut compressor = Compressor::new(Compression::Zstd).unwrap();
        let mut decoder = Decoder::new().unwrap();
        for payload in payloads() {
            let bytes = compressor.compress(&payload).unwrap().unwrap();
            let mut input = InBuffer::around(&bytes);
            let mut out = vec![0; payload.len() + 64];
            let mut output = OutBuffer::around(out.as_mut_slice());
            while input.pos() < bytes.len() {
                decoder.run(&mut input, &mut output).unwrap();
            }
            assert_eq!(output.as_slice(), payload.as_bytes());
        }
    }

    #[test]
    fn without_compression_payloads_are_text() {
        let mut plain = Compressor::new(Compression::None).unwrap();
        assert!(plain.compress("{}").unwrap().is_none());
    }
}
