//! What the group gives to the media half.

use std::fmt;

use zeroize::ZeroizeOnDrop;

/// The secret from which the media keys of one sender in one epoch grow: 16 bytes, exported from
/// the group with the label "Discord Secure Frames v0" and the sender's id (DAVE paper, "Sender key
/// derivation").
///
/// `Debug` hides it and memory is cleared when it is dropped. Equality is for telling a new key from
/// one already installed, not for checking what a stranger claims.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct BaseSecret([u8; Self::BYTES]);

impl BaseSecret {
    /// How long it is: the key length of AES-128.
    pub const BYTES: usize = 16;

    /// Wraps exported bytes.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for BaseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BaseSecret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_secret_is_never_printed() {
        let secret = BaseSecret::new([0xAB; 16]);
        assert_eq!(format!("{secret:?}"), "BaseSecret(***)");
    }
}
