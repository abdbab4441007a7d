//! The server's own readers of MLS: commit with Welcome (op 28), and key package (op 26).
#![no_main]

use libfuzzer_sys::fuzz_target;
use mynah_server::voice::machines::{read_commit, read_key_package};
use mynah_wire::UserId;

fuzz_target!(|input: &[u8]| {
    let _ = read_commit(input);
    let _ = read_key_package(UserId::new(1000), input);
});
