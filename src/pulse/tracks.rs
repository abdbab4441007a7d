//! All tracks of a session: as many as there are, without the tick allocating for any of them.

use crate::TrackId;
use crate::order::Retired;
use crate::track::Track;
use mynah_audio::Encoder;

/// A track in the box it is made in, and the way to the next one.
pub(crate) struct Node {
    track: Track,
    /// For a mix that has none.
    encoder: Option<Box<Encoder>>,
    next: Option<Box<Node>>,
}

impl Node {
    pub(crate) fn new(track: Track, encoder: Option<Box<Encoder>>) -> Self {
        Self {
            track,
            encoder,
            next: None,
        }
    }

    /// The encoder that came with the track. *Tick-safe.*
    pub(crate) fn encoder(&mut self) -> &mut Option<Box<Encoder>> {
        &mut self.encoder
    }

    /// *Tick-safe.*
    pub(crate) fn id(&self) -> TrackId {
        self.track.id()
    }
}

/// A list in the order of coming, linked through the tracks' own boxes: the tick moves pointers.
#[derive(Default)]
pub(crate) struct Tracks {
    first: Option<Box<Node>>,
}

impl Tracks {
    /// *Tick-safe.*
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Track> {
        let nodes = std::iter::successors(self.first.as_deref(), |node| node.next.as_deref());
        nodes.map(|node| &node.track)
    }

    /// *Tick-safe.*
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Track> {
        let mut next = self.first.as_deref_mut();
        std::iter::from_fn(move || {
            let node = next.take()?;
            next = node.next.as_deref_mut();
            Some(&mut node.track)
        })
    }

    /// Appends the track in `node`, if there is one. *Tick-safe.*
    pub(crate) fn append(&mut self, node: &mut Option<Box<Node>>) {
        let mut end = &mut self.first;
        while let Some(node) = end {
            end = &mut node.next;
        }
        std::mem::swap(end, node);
    }

    /// The track `id`, unless it is done. *Tick-safe.*
    pub(crate) fn find(&mut self, id: TrackId) -> Option<&mut Track> {
        self.iter_mut().find(|t| t.id() == id && !t.is_done())
    }

    /// Hands over the tracks that are done, and the rings that were left: `most` boxes at most.
    /// *Tick-safe.*
    pub(crate) fn take_leftovers<L>(&mut self, most: usize, mut hand: impl FnMut(Retired<L>)) {
        let mut left = most;
        let mut at = &mut self.first;
        while let Some(node) = at
            && left > 0
        {
            if let Some(swap) = node.track.take_spent() {
                left -= 1;
                hand(Retired::Swap(swap));
            } else if !node.track.is_done() {
                let Some(node) = at else { return };
                at = &mut node.next;
            } else if let Some(mut node) = at.take() {
                *at = node.next.take();
                left -= 1;
                hand(Retired::Track(node));
            }
        }
    }
}

impl Drop for Tracks {
    /// One after the other: dropping the first box would drop the rest inside each other, as deep
    /// as there are tracks. Runs where the session is dropped, never on the tick.
    fn drop(&mut self) {
        let mut next = self.first.take();
        while let Some(mut node) = next {
            next = node.next.take();
        }
    }
}
