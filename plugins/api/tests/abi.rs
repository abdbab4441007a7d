//! The C table is frozen: its layout is written down in `abi.golden`, the Rust twin has it, and a
//! C compiler reading `include/mynah_plugin.h` agrees.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use mynah_plugin::abi;
use std::{fmt::Write as _, path::Path, process::Command};

/// `struct: rust type { c field = rust field, … }` for the whole table; gives the Rust layout as
/// text and a C program that prints the C layout as the same text.
macro_rules! layouts {
    ($($c:ident : $rust:ident { $($field:ident = $rust_field:ident),* $(,)? })*) => {
        fn rust_layout() -> String {
            let mut out = String::new();
            $(
                let (size, align) = (size_of::<abi::$rust>(), align_of::<abi::$rust>());
                writeln!(out, "{} size {size} align {align}", stringify!($c)).unwrap();
                $(
                    let offset = core::mem::offset_of!(abi::$rust, $rust_field);
                    writeln!(out, "  {} at {offset}", stringify!($field)).unwrap();
                )*
            )*
            out
        }

        fn c_program() -> String {
            let mut out = String::from("#include \"mynah_plugin.h\"\n#include <stdio.h>\nint main(void) {\n");
            $(
                let c = stringify!($c);
                writeln!(out, "  printf(\"{c} size %zu align %zu\\n\", sizeof({c}), _Alignof({c}));").unwrap();
                $(
                    let field = stringify!($field);
                    writeln!(out, "  printf(\"  {field} at %zu\\n\", offsetof({c}, {field}));").unwrap();
                )*
            )*
            out.push_str("  return 0;\n}\n");
            out
        }
    };
}

layouts! {
    mynah_str: Str { ptr = ptr, len = len }
    mynah_bytes: Bytes { ptr = ptr, len = len }
    mynah_need: Need { cap = cap, why = why, required = required }
    mynah_desc: Desc {
        size = size, id = id, name = name, version = version, about = about, intents = intents,
        events = events, n_events = n_events, needs = needs, n_needs = n_needs,
        config_schema = config_schema,
    }
    mynah_host: Host {
        size = size, major = major, minor = minor, self = self_, log = log, wake = wake,
        now_us = now_us, extension = extension,
    }
    mynah_event: Event {
        size = size, kind = kind, name = name, json = json, session = session, at_us = at_us,
        tier = tier,
    }
    mynah_instance: Instance {
        size = size, self = self_, start = start, event = event, run = run, done = done,
        save = save, stop = stop, destroy = destroy, extension = extension,
    }
    mynah_settings: Settings { size = size, set = set }
    mynah_entry: Entry {
        magic = magic, major = major, minor = minor, size = size, flags = flags, sdk = sdk,
        desc = desc, check = check, create = create,
    }
    mynah_ops: Ops { size = size, submit = submit, cancel = cancel }
    mynah_commands: Commands { size = size, set = set }
    mynah_life: Life { size = size, failed = failed }
    mynah_block: Block {
        size = size, layout = layout, pcm = pcm, opus = opus, opus_cap = opus_cap,
        opus_len = opus_len, frame = frame, flags = flags,
    }
    mynah_source: Source { size = size, self = self_, pull = pull, seek = seek, close = close }
    mynah_voice: Voice {
        user = user, ssrc = ssrc, flags = flags, pcm = pcm, level_dbfs = level_dbfs, lost = lost,
        position = position,
    }
    mynah_packet: Packet {
        user = user, ssrc = ssrc, timestamp = timestamp, arrival_us = arrival_us, opus = opus,
        sequence = sequence, lane = lane, flags = flags,
    }
    mynah_heard: Heard {
        size = size, lost_before = lost_before, session = session, tick = tick, at_us = at_us,
        voices = voices, n_voices = n_voices, voice_stride = voice_stride, packets = packets,
        n_packets = n_packets, packet_stride = packet_stride, mix = mix,
    }
    mynah_sink: Sink { size = size, self = self_, heard = heard, close = close }
    mynah_audio: Audio {
        size = size, play = play, listen = listen, close = close, acquire = acquire,
        commit = commit,
    }
}

fn golden() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("abi.golden");
    std::fs::read_to_string(path).expect("abi.golden is part of the crate")
}

#[test]
#[cfg(target_pointer_width = "64")]
fn the_rust_table_has_the_frozen_layout() {
    assert_eq!(
        rust_layout(),
        golden(),
        "the table is frozen: grow it at the end, under a new size"
    );
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_c_compiler_reads_the_header_without_a_warning_and_agrees_on_the_layout() {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("layout.c"), dir.path().join("layout"));
    std::fs::write(&source, c_program()).unwrap();
    let compiled = Command::new("gcc")
        .args(["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(include)
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output()
        .expect("gcc is needed to build Mynah");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let printed = Command::new(program).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), golden());
}

#[test]
fn the_constants_of_the_header_are_those_of_rust() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/mynah_plugin.h");
    let header = std::fs::read_to_string(header).unwrap();
    let squeezed: String = header.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, value) in [
        ("MYNAH_OK", abi::OK),
        ("MYNAH_E_DENIED", abi::E_DENIED),
        ("MYNAH_E_BUSY", abi::E_BUSY),
        ("MYNAH_E_INVALID", abi::E_INVALID),
        ("MYNAH_E_CLOSED", abi::E_CLOSED),
        ("MYNAH_E_PANIC", abi::E_PANIC),
        ("MYNAH_E_UNSUPPORTED", abi::E_UNSUPPORTED),
        ("MYNAH_E_FAILED", abi::E_FAILED),
        ("MYNAH_SILENT", abi::SILENT as i32),
        ("MYNAH_GAP", abi::GAP as i32),
        ("MYNAH_LAST", abi::LAST as i32),
        ("MYNAH_SPEECH", abi::SPEECH as i32),
        ("MYNAH_CONCEALS", abi::CONCEALS as i32),
        ("MYNAH_UNOPENED", abi::UNOPENED as i32),
        ("MYNAH_TIER_UNKNOWN", abi::TIER_UNKNOWN as i32),
        ("MYNAH_TIER_MEMBER", abi::TIER_MEMBER as i32),
        ("MYNAH_TIER_OPEN", abi::TIER_OPEN as i32),
        ("MYNAH_TIER_DJ", abi::TIER_DJ as i32),
        ("MYNAH_TIER_MANAGER", abi::TIER_MANAGER as i32),
        ("MYNAH_TIER_ADMIN", abi::TIER_ADMIN as i32),
        ("MYNAH_TIER_OWNER", abi::TIER_OWNER as i32),
        ("MYNAH_LANE_NONE", abi::LANE_NONE.into()),
        ("MYNAH_LANE_BED", abi::LANE_BED.into()),
        ("MYNAH_LANE_SPEECH", abi::LANE_SPEECH.into()),
        ("MYNAH_LANE_FX", abi::LANE_FX.into()),
        ("MYNAH_LANE_NOTICE", abi::LANE_NOTICE.into()),
    ] {
        assert!(
            squeezed.contains(&format!("{name} = {value}")),
            "{name} is not {value}"
        );
    }
    assert!(squeezed.contains(&format!("#define MYNAH_MAGIC {:#010x}u", abi::MAGIC)));
    assert!(squeezed.contains(&format!("#define MYNAH_MAJOR {}", abi::MAJOR)));
    assert!(squeezed.contains(&format!("#define MYNAH_MINOR {}", abi::MINOR)));
    assert!(squeezed.contains(&format!("#define MYNAH_FRAMES {}u", abi::FRAMES)));
    assert!(squeezed.contains(&format!("#define MYNAH_UNWINDS {}u", abi::UNWINDS)));
}

#[test]
fn the_magic_spells_its_name() {
    assert_eq!(&abi::MAGIC.to_le_bytes(), b"BBP1");
}
