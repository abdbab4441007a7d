//! What an ear has to know that begins to listen in the middle of a call: whose stream is whose, and
//! the keys that frames are sealed under now.
//!
//! Both are said once, when somebody comes or an epoch begins. So they are kept from the beginning of
//! each connection, whether anybody listens or not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mynah_dave::BaseSecret;
use mynah_session::voice::{MediaKeys, Passthrough};
use mynah_wire::{Ssrc, UserId};

/// Older keys stay good for so long after newer ones ([`MediaKeys::Receiver`]).
const OLDER_KEYS: Duration = Duration::from_secs(10);
/// Keys of one member at once: as many as a receiver keeps.
const MAX_KEYS: usize = 64;
/// Members and streams, far above any call.
const MAX_KNOWN: usize = 4096;

struct Key {
    epoch: u64,
    base: BaseSecret,
    since: Instant,
}

/// See the [module](self).
#[derive(Default)]
pub struct Known {
    passthrough: Option<Passthrough>,
    keys: BTreeMap<UserId, Vec<Key>>,
    owners: BTreeMap<Ssrc, UserId>,
}

impl Known {
    /// News of the end-to-end encryption.
    pub fn media(&mut self, now: Instant, keys: &MediaKeys) {
        match keys {
            MediaKeys::Sender(_) => {}
            MediaKeys::Receiver {
                user_id,
                epoch,
                base,
            } => {
                if self.keys.len() >= MAX_KNOWN && !self.keys.contains_key(user_id) {
                    return;
                }
                let of_user = self.keys.entry(*user_id).or_default();
                of_user.push(Key {
                    epoch: *epoch,
                    base: base.clone(),
                    since: now,
                });
                forget_old(now, of_user);
            }
            MediaKeys::Forget { user_id } => {
                self.keys.remove(user_id);
            }
            MediaKeys::Passthrough(passthrough) => self.passthrough = Some(*passthrough),
        }
    }

    /// Op 5: whose stream this is.
    pub fn learn(&mut self, ssrc: Ssrc, user_id: UserId) {
        if self.owners.len() < MAX_KNOWN || self.owners.contains_key(&ssrc) {
            self.owners.insert(ssrc, user_id);
        }
    }

    /// Op 13: somebody has left.
    pub fn forget(&mut self, user_id: UserId) {
        self.owners.retain(|_, owner| *owner != user_id);
    }

    /// The connection is gone, and with it all of this.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whose streams are whose.
    pub fn owners(&self) -> impl Iterator<Item = (Ssrc, UserId)> {
        self.owners.iter().map(|(ssrc, user)| (*ssrc, *user))
    }

    /// The news again, in an order as good as that in which they came.
    pub fn again(&self) -> impl Iterator<Item = MediaKeys> {
        let passthrough = self.passthrough.map(MediaKeys::Passthrough);
        let keys = self.keys.iter().flat_map(|(user_id, keys)| {
            keys.iter().map(|key| MediaKeys::Receiver {
                user_id: *user_id,
                epoch: key.epoch,
                base: key.base.clone(),
            })
        });
        passthrough.into_iter().chain(keys)
    }
}

/// A key goes 10 s after its successor came.
fn forget_old(now: Instant, keys: &mut Vec<Key>) {
    let is_over = |next: &Key| now.saturating_duration_since(next.since) > OLDER_KEYS;
    let over = keys.iter().skip(1).take_while(|next| is_over(next)).count();
    let beyond = keys.len().saturating_sub(MAX_KEYS);
    keys.drain(..over.max(beyond));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: u64, epoch: u64) -> MediaKeys {
        MediaKeys::Receiver {
            user_id: UserId::new(user),
            epoch,
            base: BaseSecret::new([epoch as u8; 16]),
        }
    }

    #[test]
    fn what_is_still_good_is_said_again_in_order_and_nothing_else() {
        let start = crate::clock::now();
        let at = |s| start + Duration::from_secs(s);
        let mut known = Known::default();
        known.media(start, &MediaKeys::Passthrough(Passthrough::Meanwhile));
        known.media(start, &key(5, 1));
        known.media(start, &key(6, 1));
        known.media(at(1), &MediaKeys::Passthrough(Passthrough::Never));
        known.media(at(1), &key(5, 2));
        known.media(at(9), &key(5, 3));
        let never = MediaKeys::Passthrough(Passthrough::Never);
        let all = [never.clone(), key(5, 1), key(5, 2), key(5, 3), key(6, 1)];
        assert_eq!(known.again().collect::<Vec<_>>(), all);
        known.media(at(15), &key(5, 4));
        let user_id = UserId::new(6);
        known.media(at(15), &MediaKeys::Forget { user_id });
        let left = [never, key(5, 2), key(5, 3), key(5, 4)];
        assert_eq!(known.again().collect::<Vec<_>>(), left);
        known.clear();
        assert_eq!(known.again().count(), 0);
    }

    #[test]
    fn streams_of_whoever_left_are_nobodys() {
        let mut known = Known::default();
        known.learn(Ssrc(1), UserId::new(5));
        known.learn(Ssrc(2), UserId::new(6));
        known.learn(Ssrc(3), UserId::new(5));
        known.forget(UserId::new(5));
        assert_eq!(
            known.owners().collect::<Vec<_>>(),
            [(Ssrc(2), UserId::new(6))]
        );
    }

    #[test]
    fn a_storm_of_epochs_is_bounded() {
        let mut known = Known::default();
        (0..200).for_each(|epoch| known.media(crate::clock::now(), &key(5, epoch)));
        assert_eq!(known.again().count(), MAX_KEYS);
        assert_eq!(known.again().last(), Some(key(5, 199)));
    }
}
