//! RTCP: the reader of what was decrypted, and the opening of datagrams that nobody sealed.
//!
//! Beyond not panicking: reading ends, no report has more blocks than its header can count, and what
//! nobody sealed never opens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mynah_session::transport::RtpOpener;
use mynah_wire::EncryptionMode;
use mynah_wire::rtcp::{Report, reports};

fuzz_target!(|input: &[u8]| {
    let mut read = 0;
    for report in reports(input) {
        read += 1;
        if let Report::Sender { blocks, .. } | Report::Receiver { blocks, .. } = report {
            assert!(blocks.count() <= 31);
        }
    }
    assert!(read <= input.len() / 4, "a packet has at least four bytes");
    for mode in [
        EncryptionMode::Aes256GcmRtpSize,
        EncryptionMode::XChaCha20Poly1305RtpSize,
    ] {
        let opener = RtpOpener::new(mode, &[7; 32]);
        assert!(opener.open_rtcp(&mut input.to_vec()).is_err());
    }
});
