//! Room for samples on their way from a decoder to a block.
//!
//! It is needed only while something is read, so a thread that reads many files has it once and not
//! once for each file: less memory, and the one that is used is in the cache.

use std::cell::RefCell;

/// A thread keeps so many, of so many samples each.
const MOST: usize = 4;
const MOST_SAMPLES: usize = 16_384;

thread_local! {
    static ROOMS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// An empty room.
pub fn take() -> Vec<f32> {
    let room = ROOMS.try_with(|rooms| rooms.borrow_mut().pop());
    room.ok().flatten().unwrap_or_default()
}

/// Gives a room back; what is in it is forgotten.
pub fn give(mut room: Vec<f32>) {
    room.clear();
    if (1..=MOST_SAMPLES).contains(&room.capacity()) {
        // Only a thread that is ending has none; then the room goes, too.
        let _ = ROOMS.try_with(|rooms| {
            let mut rooms = rooms.borrow_mut();
            if rooms.len() < MOST {
                rooms.push(room);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_was_given_back_is_empty_and_used_again() {
        let mut room = take();
        room.extend([1.0; 5000]);
        let at = room.as_ptr();
        give(room);
        let again = take();
        assert!(again.is_empty() && again.as_ptr() == at);
        give(Vec::with_capacity(MOST_SAMPLES + 1));
        assert_eq!(take().capacity(), 0, "what is larger is not kept");
    }
}
