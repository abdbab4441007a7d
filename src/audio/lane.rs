//! What a sound is for: the four lanes of a mix.

/// The lane a track plays on. Lanes decide who is turned down for whom
/// ([`crate::duck::DuckMatrix`]); they change nothing else about a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lane {
    /// Music and other sound that may step back.
    #[default]
    Bed,
    /// Spoken words.
    Speech,
    /// Short effects.
    Fx,
    /// What must be heard: a warning, an announcement.
    Notice,
}

impl Lane {
    /// How many lanes there are.
    pub const COUNT: usize = 4;

    /// Every lane, in the order of [`Lane::index`].
    pub const ALL: [Self; Self::COUNT] = [Self::Bed, Self::Speech, Self::Fx, Self::Notice];

    /// The place of the lane in tables, 0 to 3. *Tick-safe.*
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Bed => 0,
            Self::Speech => 1,
            Self::Fx => 2,
            Self::Notice => 3,
        }
    }

    /// The name in settings, commands and logs, lower case. *Tick-safe.*
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bed => "bed",
            Self::Speech => "speech",
            Self::Fx => "fx",
            Self::Notice => "notice",
        }
    }

    /// The lane with this [`Lane::name`]; case does not matter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_name_lead_back_to_the_lane() {
        for (at, lane) in Lane::ALL.into_iter().enumerate() {
            assert_eq!(lane.index(), at);
            assert_eq!(Lane::from_name(lane.name()), Some(lane));
            assert_eq!(
                Lane::from_name(&lane.name().to_ascii_uppercase()),
                Some(lane)
            );
        }
        assert_eq!(Lane::from_name("drums"), None);
    }
}
