//! Several files as one zip, stored as they are: Opus does not get smaller. Beyond 4 GiB by ZIP64 (PKWARE
//! APPNOTE 6.3, sections 4.3 and 4.5.3).

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use crate::core::{RecorderError, at};

/// Writes `files`, each `(name in the zip, path)`, as one zip. Gives its bytes. Nothing is held in memory, and
/// `to` needs no seeking.
///
/// # Errors
/// When a file cannot be read or the zip not written.
pub fn pack(files: &[(String, &Path)], to: &Path) -> Result<u64, RecorderError> {
    let mut out = Counted {
        inner: BufWriter::with_capacity(1 << 16, at(to, File::create(to))?),
        bytes: 0,
    };
    let mut packed = Vec::new();
    for (name, path) in files {
        // Read twice, so that sizes and checksum stand before the data: every unpacker takes that.
        let (bytes, crc) = at(path, measure(path))?;
        let entry = Entry {
            name: name.clone(),
            bytes,
            crc,
            offset: out.bytes,
        };
        at(to, out.write_all(&entry.local()))?;
        let source = at(path, File::open(path))?;
        let copied = at(to, io::copy(&mut source.take(bytes), &mut out))?;
        if copied != bytes {
            return at(path, Err(io::ErrorKind::UnexpectedEof.into()));
        }
        packed.push(entry);
    }
    let start = out.bytes;
    for entry in &packed {
        at(to, out.write_all(&entry.central()))?;
    }
    let end = end(packed.len() as u64, start, out.bytes - start);
    at(to, out.write_all(&end))?;
    at(to, out.flush())?;
    Ok(out.bytes)
}

struct Counted {
    inner: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Entry {
    name: String,
    bytes: u64,
    crc: u32,
    offset: u64,
}

/// The value, or what says that the real one is in the ZIP64 field.
fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn put(out: &mut Vec<u8>, values: &[u16]) {
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

impl Entry {
    fn name(&self) -> &[u8] {
        let bytes = self.name.as_bytes();
        bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes)
    }

    /// What both headers share: version, flags, method, time, checksum, sizes, length of the name.
    fn shared(&self, large: bool, out: &mut Vec<u8>) {
        // Version 4.5 knows ZIP64; bit 11: the name is UTF-8; stored; 1 January 1980.
        put(out, &[if large { 45 } else { 20 }, 1 << 11, 0, 0, 0x21]);
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&short(self.bytes).to_le_bytes());
        out.extend_from_slice(&short(self.bytes).to_le_bytes());
        put(out, &[self.name().len() as u16]);
    }

    fn local(&self) -> Vec<u8> {
        let large = self.bytes >= u64::from(u32::MAX);
        let mut out = b"PK\x03\x04".to_vec();
        self.shared(large, &mut out);
        put(&mut out, &[if large { 20 } else { 0 }]);
        out.extend_from_slice(self.name());
        if large {
            put(&mut out, &[1, 16]);
            out.extend_from_slice(&self.bytes.to_le_bytes());
            out.extend_from_slice(&self.bytes.to_le_bytes());
        }
        out
    }

    fn central(&self) -> Vec<u8> {
        let limit = u64::from(u32::MAX);
        let mut extra = Vec::new();
        if self.bytes >= limit {
            extra.extend_from_slice(&self.bytes.to_le_bytes());
            extra.extend_from_slice(&self.bytes.to_le_bytes());
        }
        if self.offset >= limit {
            extra.extend_from_slice(&self.offset.to_le_bytes());
        }
        let mut out = b"PK\x01\x02".to_vec();
        put(&mut out, &[45]);
        self.shared(!extra.is_empty(), &mut out);
        let extra_bytes = if extra.is_empty() { 0 } else { extra.len() + 4 };
        put(&mut out, &[extra_bytes as u16, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&short(self.offset).to_le_bytes());
        out.extend_from_slice(self.name());
        if !extra.is_empty() {
            put(&mut out, &[1, extra.len() as u16]);
            out.extend_from_slice(&extra);
        }
        out
    }
}

fn end(count: u64, start: u64, bytes: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let limit = u64::from(u32::MAX);
    if start >= limit || bytes >= limit || count >= u64::from(u16::MAX) {
        out.extend_from_slice(b"PK\x06\x06");
        out.extend_from_slice(&44_u64.to_le_bytes());
        put(&mut out, &[45, 45, 0, 0, 0, 0]);
        for value in [count, count, bytes, start] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        out.extend_from_slice(&(start + bytes).to_le_bytes());
        out.extend_from_slice(&1_u32.to_le_bytes());
    }
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    out.extend_from_slice(b"PK\x05\x06");
    put(&mut out, &[0, 0, count, count]);
    out.extend_from_slice(&short(bytes).to_le_bytes());
    out.extend_from_slice(&short(start).to_le_bytes());
    put(&mut out, &[0]);
    out
}

/// Length and CRC-32 of a file.
fn measure(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 1 << 16];
    let (mut bytes, mut crc) = (0, u32::MAX);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok((bytes, !crc));
        }
        bytes += read as u64;
        crc = chunk.iter().take(read).fold(crc, |crc, byte| {
            let index = (crc as u8 ^ byte) as usize;
            crc >> 8 ^ TABLE.get(index).copied().unwrap_or(0)
        });
    }
}

/// Remainders of all bytes for the CRC-32 of zip files (reflected 0x04C11DB7).
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 0 {
                value >> 1
            } else {
                value >> 1 ^ 0xEDB8_8320
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_holds_the_files_and_their_checksums() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, b"123456789").unwrap();
        assert_eq!(measure(&file).unwrap(), (9, 0xCBF4_3926)); // the check value of CRC-32
        let zip = folder.path().join("all.zip");
        let bytes = pack(
            &[("Ä/1.opus".to_owned(), &file), ("b".to_owned(), &file)],
            &zip,
        )
        .unwrap();
        let packed = std::fs::read(&zip).unwrap();
        assert_eq!(packed.len() as u64, bytes);
        assert_eq!(
            packed
                .windows(9)
                .filter(|part| part == b"123456789")
                .count(),
            2
        );
        assert_eq!(
            packed[packed.len() - 22..][..12],
            *b"PK\x05\x06\0\0\0\0\x02\0\x02\0"
        );
    }

    #[test]
    fn large_files_are_told_in_64_bits() {
        let entry = Entry {
            name: "n".to_owned(),
            bytes: 5 << 30,
            crc: 1,
            offset: 6 << 30,
        };
        assert_eq!(entry.local().len(), 30 + 1 + 20);
        assert_eq!(entry.central().len(), 46 + 1 + 28);
        assert_eq!(end(1, 7 << 30, 75).len(), 56 + 20 + 22);
    }
}
