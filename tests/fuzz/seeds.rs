//! Writes `seeds/`: real messages of a small room, and inputs that name them. Run in this folder:
//! `cargo run --bin seeds`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use mynah_fuzz::{Client, Room};
use mynah_server::voice::machines::Frame;
use mynah_wire::voice::op;

fn main() -> io::Result<()> {
    commits()?;
    client()?;
    server()?;
    frame()?;
    jitter()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new("seeds").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// What a client said, by opcode.
fn said(client: &Client, opcode: u8) -> Option<Vec<u8>> {
    client.up.iter().rev().find_map(|frame| match frame {
        Frame::Binary(bytes) if bytes.first() == Some(&opcode) => Some(bytes[1..].to_vec()),
        _ => None,
    })
}

/// A key package bare and wrapped, a commit that adds, and one that removes.
fn commits() -> io::Result<()> {
    let mut room = Room::new();
    room.join();
    room.join();
    room.pass(Duration::from_millis(100));
    if let Some(package) = said(&room.clients[0], op::MLS_KEY_PACKAGE) {
        write("commit", "key_package", &package)?;
        write(
            "commit",
            "key_package_message",
            &[&[0, 1, 0, 5][..], &package].concat(),
        )?;
    }
    if let Some(commit) = said(&room.clients[0], op::MLS_COMMIT_WELCOME) {
        write("commit", "add", &commit)?;
    }
    room.join();
    room.pass(Duration::from_millis(100));
    room.leave(1);
    room.pass(Duration::from_millis(100));
    if let Some(commit) = said(&room.clients[0], op::MLS_COMMIT_WELCOME) {
        write("commit", "remove", &commit)?;
    }
    Ok(())
}

/// An input: real message `index`, unchanged.
const fn real(index: u8) -> [u8; 2] {
    [0x80 | index, 0]
}

/// An input: real message `index` with one byte changed.
const fn changed(index: u8, at: u16, xor: u8) -> [u8; 5] {
    let [high, low] = at.to_be_bytes();
    [0x80 | index, 1, high, low, xor]
}

/// Every real message alone, some in order and out of order, and changed here and there.
fn client() -> io::Result<()> {
    let all: Vec<u8> = (0..12).flat_map(real).collect();
    let backwards: Vec<u8> = (0..12).rev().flat_map(real).collect();
    write("dave_binary_client", "all", &[&[0][..], &all].concat())?;
    write(
        "dave_binary_client",
        "all_alone",
        &[&[1][..], &all].concat(),
    )?;
    write(
        "dave_binary_client",
        "backwards",
        &[&[0][..], &backwards].concat(),
    )?;
    for (name, at) in [("header", 3), ("start", 9), ("middle", 90)] {
        let messages: Vec<u8> = (0..12).flat_map(|index| changed(index, at, 1)).collect();
        write("dave_binary_client", name, &[&[0][..], &messages].concat())?;
    }
    for (name, text) in [
        (
            "op21",
            r#"{"op":21,"d":{"transition_id":9,"protocol_version":0},"seq":9}"#,
        ),
        ("op22", r#"{"op":22,"d":{"transition_id":9},"seq":9}"#),
        (
            "op24",
            r#"{"op":24,"d":{"protocol_version":1,"epoch":1},"seq":9}"#,
        ),
    ] {
        write(
            "dave_binary_client",
            name,
            &[&[0][..], &raw_text(text)].concat(),
        )?;
    }
    Ok(())
}

/// The same for the server, where each message names who says it.
fn server() -> io::Result<()> {
    let all: Vec<u8> = (0..9)
        .flat_map(|index| [&[index % 3][..], &real(index)].concat())
        .collect();
    write("dave_binary_server", "all", &all)?;
    for (name, at) in [("header", 3), ("start", 20), ("middle", 200)] {
        let messages: Vec<u8> = (0..9)
            .flat_map(|index| [&[index % 3][..], &changed(index, at, 1)].concat())
            .collect();
        write("dave_binary_server", name, &messages)?;
    }
    for (name, text) in [
        ("op23", r#"{"op":23,"d":{"transition_id":1}}"#),
        ("op31", r#"{"op":31,"d":["transition_id",1]}"#),
    ] {
        write(
            "dave_binary_server",
            name,
            &[&[1][..], &raw_text(text)].concat(),
        )?;
    }
    Ok(())
}

fn raw_text(text: &str) -> Vec<u8> {
    let length = text.len() as u16 + 1;
    [&length.to_be_bytes()[..], &[0xFF], text.as_bytes()].concat()
}

/// Keys and frames in good order, the other way round, and with repetitions.
fn frame() -> io::Result<()> {
    const KEY: [u8; 2] = [0x40, 1];
    let say = |index: u8| [&[0x1F, 1][..], &real(index)].concat();
    let in_order: Vec<u8> = [KEY.to_vec(), say(0), say(1), say(2), say(0)].concat();
    let held: Vec<u8> = [say(0), say(1), KEY.to_vec(), say(2)].concat();
    let expired: Vec<u8> = [KEY.to_vec(), vec![0x80, 255], say(3), say(0)].concat();
    let plain: Vec<u8> = [&[2, 0, 0x1F, 1, 0, 3][..], &[0xF8, 0xFF, 0xFE]].concat();
    let trailer: Vec<u8> = [&[0x1F, 1][..], &changed(0, 19, 0xFF)].concat();
    write("frame", "in_order", &in_order)?;
    write("frame", "held", &held)?;
    write("frame", "expired", &expired)?;
    write("frame", "plain", &plain)?;
    write("frame", "trailer", &trailer)
}

/// Streams that a jitter buffer knows well: every kind of packet in order and in time, one with what
/// goes wrong (lost, late, doubled, another beginning, a pause), and one that had to wait for its key.
fn jitter() -> io::Result<()> {
    // The first sequence and timestamp, then: what happens, and the packet.
    let start = [0xFF, 0xF0, 0xFF, 0xFE];
    let steady: Vec<u8> = (0..100u8)
        .flat_map(|n| [&[0x0C][..], &real(n / 10)].concat())
        .collect();
    write("jitter", "steady", &[&start[..], &steady].concat())?;
    let troubled: Vec<u8> = (0..120u8)
        .flat_map(|n| match n % 12 {
            3 => [&[0x08, 2][..], &real(0)].concat(),
            5 => [&[0x08, 0xFD][..], &real(0)].concat(),
            7 => [&[0x13, 5][..], &real(4)].concat(),
            9 if n > 60 => [&[0x0A, 1, 2, 3, 4][..], &real(4)].concat(),
            11 => [&[0x1C][..], &real(8)].concat(),
            _ => [&[0x0C][..], &real(n % 6)].concat(),
        })
        .collect();
    write("jitter", "troubled", &[&start[..], &troubled].concat())?;
    let held: Vec<u8> = (0..90u8)
        .flat_map(|n| {
            let what = if n < 60 { 0xE4 } else { 0x0C };
            [&[what][..], &real(1)].concat()
        })
        .collect();
    write("jitter", "held", &[&start[..], &held].concat())
}
