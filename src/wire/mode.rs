//! Transport encryption modes of the voice connection (voice.md section 8).

use std::fmt;
use std::str::FromStr;

/// How RTP packets are sealed between one client and the voice server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EncryptionMode {
    /// `aead_aes256_gcm_rtpsize`: AES-256-GCM; current, preferred where hardware helps.
    Aes256GcmRtpSize,
    /// `aead_xchacha20_poly1305_rtpsize`: XChaCha20-Poly1305; current, always offered.
    XChaCha20Poly1305RtpSize,
    /// `xsalsa20_poly1305_lite_rtpsize`: secretbox; discontinued 2024-11-18.
    XSalsa20LiteRtpSize,
    /// `aead_aes256_gcm`: AES-256-GCM over a fixed 12-byte header; discontinued.
    Aes256Gcm,
    /// `xsalsa20_poly1305_lite`: secretbox, 4-byte nonce on the wire; discontinued.
    XSalsa20Lite,
    /// `xsalsa20_poly1305_suffix`: secretbox, 24 random nonce bytes on the wire; discontinued.
    XSalsa20Suffix,
    /// `xsalsa20_poly1305`: secretbox, the RTP header is the nonce; discontinued.
    XSalsa20,
}

impl EncryptionMode {
    /// Every mode, current ones first, in the order a server should offer them.
    pub const ALL: [Self; 7] = [
        Self::Aes256GcmRtpSize,
        Self::XChaCha20Poly1305RtpSize,
        Self::XSalsa20LiteRtpSize,
        Self::Aes256Gcm,
        Self::XSalsa20Lite,
        Self::XSalsa20Suffix,
        Self::XSalsa20,
    ];

    /// The two modes Discord offers today.
    pub const CURRENT: [Self; 2] = [Self::Aes256GcmRtpSize, Self::XChaCha20Poly1305RtpSize];

    /// The name used in `Ready.modes` and `Select Protocol`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes256GcmRtpSize => "aead_aes256_gcm_rtpsize",
            Self::XChaCha20Poly1305RtpSize => "aead_xchacha20_poly1305_rtpsize",
            Self::XSalsa20LiteRtpSize => "xsalsa20_poly1305_lite_rtpsize",
            Self::Aes256Gcm => "aead_aes256_gcm",
            Self::XSalsa20Lite => "xsalsa20_poly1305_lite",
            Self::XSalsa20Suffix => "xsalsa20_poly1305_suffix",
            Self::XSalsa20 => "xsalsa20_poly1305",
        }
    }

    /// True for the modes that Discord discontinued on 2024-11-18.
    pub const fn is_legacy(self) -> bool {
        !matches!(
            self,
            Self::Aes256GcmRtpSize | Self::XChaCha20Poly1305RtpSize
        )
    }

    /// True when the clear header covers CSRCs and the extension preamble; otherwise exactly the
    /// first 12 bytes are clear.
    pub const fn clears_full_header(self) -> bool {
        matches!(
            self,
            Self::Aes256GcmRtpSize | Self::XChaCha20Poly1305RtpSize | Self::XSalsa20LiteRtpSize
        )
    }

    /// Bytes a sealed packet is longer than its clear form: tag plus nonce on the wire.
    pub const fn overhead_bytes(self) -> usize {
        match self {
            Self::XSalsa20 => 16,
            Self::XSalsa20Suffix => 16 + 24,
            _ => 16 + 4,
        }
    }
}

impl fmt::Display for EncryptionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not one of [`EncryptionMode::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown encryption mode")]
pub struct UnknownMode;

impl FromStr for EncryptionMode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or(UnknownMode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_found_by_its_name() {
        for mode in EncryptionMode::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        assert_eq!("rot13".parse::<EncryptionMode>(), Err(UnknownMode));
    }

    #[test]
    fn only_the_two_rtpsize_aeads_are_current() {
        let current: Vec<_> = EncryptionMode::ALL
            .into_iter()
            .filter(|m| !m.is_legacy())
            .collect();
        assert_eq!(current, EncryptionMode::CURRENT);
    }
}
