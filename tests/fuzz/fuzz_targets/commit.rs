//! The server's own readers of MLS: commit with Welcome (op 28), and key package (op 26).
#![no_main]

use libfuzzer_sys::fuzz_target;
use mynah_fuzz::{escaping, expect_fences};
use mynah_server::voice::machines::{read_commit, read_key_package};
use mynah_wire::UserId;

fuzz_target!(init: expect_fences(), |input: &[u8]| {
    escaping(|| {
        let _ = read_commit(input);
        let _ = read_key_package(UserId::new(1000), input);
    });
});
