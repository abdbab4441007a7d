//! Numbers that people read to each other (DAVE paper, "Verification").
//!
//! If two members see the same *voice privacy code*, the same people are in their group and nobody
//! else. If two people see the same *user code* for each other, they know each other's keys.

use scrypt::{Params, scrypt};

use crate::group::MEMBER_ID_BYTES;

/// Digits of a voice privacy code, in groups of [`GROUP_DIGITS`].
pub const PRIVACY_CODE_DIGITS: usize = 30;
/// Digits of a user code, in groups of [`GROUP_DIGITS`].
pub const USER_CODE_DIGITS: usize = 45;
/// Digits that are made, and shown, together.
pub const GROUP_DIGITS: usize = 5;
/// Bytes of a pairwise fingerprint.
pub const PAIRWISE_BYTES: usize = 64;

/// Largest group: 8 bytes fill a `u64`.
const MAX_GROUP_DIGITS: usize = 8;
/// Format version of fingerprints.
const FINGERPRINT_VERSION: [u8; 2] = [0, 0];
/// Salt of the pairwise fingerprint (DAVE paper, "Verification fingerprint").
const SALT: [u8; 16] = [
    0x24, 0xca, 0xb1, 0x7a, 0x7a, 0xf8, 0xec, 0x2b, 0x82, 0xb4, 0x12, 0xb9, 0x2d, 0xab, 0x19, 0x2e,
];
/// scrypt with N = 2^14, r = 8, p = 2 (same section).
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 2;

/// `length` decimal digits from the first `length` bytes of `data`: each `group` bytes, read as a
/// big-endian number modulo `10^group`, give `group` digits (DAVE paper, "Displayable codes").
///
/// `None` when `data` is shorter than `length`, or `group` is not 1 to 8 or does not divide `length`.
pub fn displayable(data: &[u8], length: usize, group: usize) -> Option<String> {
    if group == 0 || group > MAX_GROUP_DIGITS || !length.is_multiple_of(group) {
        return None;
    }
    let modulus = 10u64.pow(u32::try_from(group).ok()?);
    let data = data.get(..length)?;
    let mut digits = String::with_capacity(length);
    for bytes in data.chunks_exact(group) {
        let number = bytes
            .iter()
            .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        digits.push_str(&format!("{:0group$}", number % modulus));
    }
    Some(digits)
}

/// The fingerprint (format version 0) of a member's signature `key`, as it stands in the group: 65
/// bytes, an uncompressed point of P-256.
pub fn fingerprint(key: &[u8], user_id: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FINGERPRINT_VERSION.len() + key.len() + MEMBER_ID_BYTES);
    bytes.extend_from_slice(&FINGERPRINT_VERSION);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&user_id.to_be_bytes());
    bytes
}

/// What two people, by their fingerprints `a` and `b`, have in common; the same in either order.
/// Costs some 50 ms and 16 MiB by design: never on a thread that has other work.
pub fn pairwise(a: &[u8], b: &[u8]) -> [u8; PAIRWISE_BYTES] {
    let both = if a <= b { [a, b] } else { [b, a] }.concat();
    let mut out = [0; PAIRWISE_BYTES];
    let Ok(params) = Params::new(LOG_N, R, P, PAIRWISE_BYTES) else {
        unreachable!("the parameters are constants within scrypt's limits")
    };
    let Ok(()) = scrypt(&both, &SALT, &params, &mut out) else {
        unreachable!("64 bytes are within scrypt's output limits")
    };
    out
}

/// The code that two people compare, from their fingerprints; 45 digits. As costly as [`pairwise`].
pub fn user_code(a: &[u8], b: &[u8]) -> String {
    let Some(code) = displayable(&pairwise(a, b), USER_CODE_DIGITS, GROUP_DIGITS) else {
        unreachable!("64 bytes make 45 digits in groups of 5")
    };
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Vec<u8> {
        let mut key = vec![0x04];
        key.resize(65, byte);
        key
    }

    #[test]
    fn the_displayable_code_of_the_paper_comes_out() {
        let data: Vec<u8> = (0..32).collect();
        let code = displayable(&data, 30, 5).unwrap();
        assert_eq!(code, "090606058512110636351516066685");
    }

    #[test]
    fn impossible_codes_are_refused() {
        let data = [7; 32];
        assert_eq!(displayable(&data, 33, 3), None, "too little data");
        assert_eq!(displayable(&data, 31, 5), None, "not whole groups");
        assert_eq!(displayable(&data, 30, 0), None, "empty groups");
        assert_eq!(displayable(&data, 27, 9), None, "groups beyond 8");
        assert_eq!(displayable(&data, usize::MAX, 1), None, "no such length");
        assert_eq!(displayable(&data, 0, 5).as_deref(), Some(""));
        assert_eq!(displayable(&[0xFF; 8], 8, 8).as_deref(), Some("09551615"));
    }

    #[test]
    fn a_fingerprint_is_version_key_and_user() {
        let bytes = fingerprint(&key(0x11), 1001);
        assert_eq!(bytes.len(), 2 + 65 + 8);
        assert_eq!(bytes[..3], [0, 0, 4]);
        assert_eq!(bytes[67..], 1001u64.to_be_bytes());
    }

    #[test]
    fn the_user_code_of_two_known_people_comes_out_in_either_order() {
        let (a, b) = (fingerprint(&key(0x11), 1001), fingerprint(&key(0x22), 1002));
        let both = pairwise(&b, &a);
        assert_eq!(both, pairwise(&a, &b));
        assert_eq!(both[..4], [0xfe, 0xa4, 0xea, 0x00]);
        assert_eq!(both[60..], [0x5d, 0xeb, 0xb3, 0x75]);
        assert_eq!(
            user_code(&a, &b),
            "921499064869471114595400528875823980364121564"
        );
    }
}
