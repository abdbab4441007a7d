//! Who somebody is to the other members.

use std::fmt;
use std::sync::Arc;

use davey::SigningKeyPair;
use zeroize::Zeroize;

use super::{GroupError, Step, fence};

/// A P-256 key that signs what its owner says in groups. Bots make one for each process and use it in
/// all their calls (dave.md section 8); it is never stored. Cloning shares it.
#[derive(Clone)]
pub struct Identity(Arc<Keys>);

struct Keys(SigningKeyPair);

impl Identity {
    /// A new key, from the system's randomness.
    ///
    /// # Errors
    /// [`GroupError::Panicked`] when the system has none.
    pub fn generate() -> Result<Self, GroupError> {
        let keys = fence::call(Step::Begin, SigningKeyPair::generate)?;
        Ok(Self(Arc::new(Keys(keys))))
    }

    /// The public half: an uncompressed point, 65 bytes, as it stands in the group.
    pub fn public_key(&self) -> &[u8] {
        &self.0.0.public
    }

    pub(super) fn keys(&self) -> &SigningKeyPair {
        &self.0.0
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.0.private.zeroize();
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(***)")
    }
}
