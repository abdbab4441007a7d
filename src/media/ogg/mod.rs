//! Ogg Opus files, written and read packet by packet (RFC 3533, RFC 7845).
//!
//! The player does not need this: it reads Ogg like any other container. Recordings are written
//! with [`OpusWriter`], and [`OpusReader`] takes the packets out again without decoding them.

mod page;
mod reader;
mod writer;

#[cfg(test)]
pub(crate) use page::crc;
pub use reader::{OpusReader, Packet, ReadError};
pub use writer::{Head, OpusWriter, Tags};

#[cfg(test)]
mod tests;
