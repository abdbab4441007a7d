//! Who sits at which leaf: all that the delivery service can know of a group's ratchet tree.

use mynah_wire::UserId;

/// An occupied leaf.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub user: UserId,
    pub signature_key: Vec<u8>,
    /// Changes with every commit of this member that has a path.
    pub encryption_key: Vec<u8>,
}

/// Leaves from the left; removed ones leave a hole that the next member takes (dave.md section 9,
/// "Applying").
#[derive(Debug, Default)]
pub(super) struct Tree {
    leaves: Vec<Option<Leaf>>,
}

impl Tree {
    /// Puts a member at the lowest free leaf.
    pub fn put(&mut self, leaf: Leaf) -> u32 {
        let index = match self.leaves.iter().position(Option::is_none) {
            Some(hole) => hole,
            None => {
                self.leaves.push(None);
                self.leaves.len() - 1
            }
        };
        if let Some(place) = self.leaves.get_mut(index) {
            *place = Some(leaf);
        }
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    pub fn remove(&mut self, index: u32) {
        if let Some(place) = self.place(index) {
            *place = None;
        }
    }

    pub fn leaf_mut(&mut self, index: u32) -> Option<&mut Leaf> {
        self.place(index)?.as_mut()
    }

    pub fn leaf(&self, index: u32) -> Option<&Leaf> {
        self.leaves.get(usize::try_from(index).ok()?)?.as_ref()
    }

    /// Occupied leaves with their index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Leaf)> {
        (0..)
            .zip(&self.leaves)
            .filter_map(|(index, leaf)| Some((index, leaf.as_ref()?)))
    }

    pub fn clear(&mut self) {
        self.leaves.clear();
    }

    fn place(&mut self, index: u32) -> Option<&mut Option<Leaf>> {
        self.leaves.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(user: u64) -> Leaf {
        Leaf {
            user: UserId::new(user),
            signature_key: Vec::new(),
            encryption_key: Vec::new(),
        }
    }

    #[test]
    fn a_newcomer_takes_the_lowest_hole() {
        let mut tree = Tree::default();
        assert_eq!([1, 2, 3, 4].map(|user| tree.put(leaf(user))), [0, 1, 2, 3]);
        tree.remove(3);
        tree.remove(1);
        tree.remove(9);
        assert_eq!([5, 6, 7].map(|user| tree.put(leaf(user))), [1, 3, 4]);
        let users: Vec<_> = tree
            .iter()
            .map(|(index, leaf)| (index, leaf.user.get()))
            .collect();
        assert_eq!(users, [(0, 1), (1, 5), (2, 3), (3, 6), (4, 7)]);
    }
}
