//! All sounds of one server, in memory: names are looked up while people type.

use std::collections::BTreeMap;

use super::name::{fold, of_file, with_number};
use super::sound::{Edit, Sound, Viewer};

/// How many sounds there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In a server.
    pub sounds: usize,
    /// Of one person in a server.
    pub per_user: usize,
}

/// Why a sound was not taken or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server has as many as it may.
    #[error("this server has {0} sounds already, which is all it may have; delete one first")]
    Full(usize),
    /// The person has added as many as they may.
    #[error("you have added {0} sounds already, which is all you may have here; delete one first")]
    YoursFull(usize),
    /// Another sound is called so.
    #[error("`{taken}` is taken already, by the sound `{by}`")]
    Taken {
        /// What was asked for.
        taken: String,
        /// Who has it.
        by: String,
    },
    /// The same sound is there under another name.
    #[error("this very sound is here already: it is called `{0}`")]
    Same(String),
    /// There is no such sound.
    #[error("there is no such sound")]
    Gone,
}

/// The sounds of one server.
#[derive(Debug, Clone)]
pub struct Library {
    limits: Limits,
    sounds: BTreeMap<i64, Sound>,
}

impl Library {
    /// With what was stored; more than the limits allow stays, but nothing is added then.
    #[must_use]
    pub fn new(limits: Limits, stored: impl IntoIterator<Item = Sound>) -> Self {
        let sounds = stored.into_iter().map(|sound| (sound.id, sound)).collect();
        Self { limits, sounds }
    }

    /// Whether `user` may add one that is called so, asked before any work is done.
    ///
    /// # Errors
    /// [`Refusal`] says what is in the way.
    pub fn may_add(&self, user: u64, name: &str, aliases: &[String]) -> Result<(), Refusal> {
        if self.sounds.len() >= self.limits.sounds {
            return Err(Refusal::Full(self.sounds.len()));
        }
        let own = self.sounds.values().filter(|sound| sound.uploader == user);
        let own = own.count();
        if own >= self.limits.per_user {
            return Err(Refusal::YoursFull(own));
        }
        self.is_free(
            None,
            std::iter::once(name).chain(aliases.iter().map(String::as_str)),
        )
    }

    /// Whether this sound may be put in; [`Library::replace`] does it, once it is stored.
    ///
    /// # Errors
    /// As [`Library::may_add`], and [`Refusal::Same`] when its file is here under another name.
    pub fn check(&self, sound: &Sound) -> Result<(), Refusal> {
        self.may_add(sound.uploader, &sound.name, &sound.aliases)?;
        match self.with_file(&sound.sha256) {
            Some(same) => Err(Refusal::Same(same.name.clone())),
            None => Ok(()),
        }
    }

    /// A name after that of a file, which nobody has yet.
    #[must_use]
    pub fn free_name(&self, file: &str) -> String {
        let name = of_file(file);
        let names = std::iter::once(name.clone());
        let numbered = (2..=self.sounds.len() * 6 + 2).map(|number| with_number(&name, number));
        let mut free = names
            .chain(numbered)
            .filter(|name| self.is_free(None, std::iter::once(name.as_str())).is_ok());
        // Of so many names one is free: each sound has one, and five others at most.
        free.next().unwrap_or(name)
    }

    /// The sound with this file.
    #[must_use]
    pub fn with_file(&self, sha256: &str) -> Option<&Sound> {
        self.sounds.values().find(|sound| sound.sha256 == sha256)
    }

    /// What a sound would be after an edit.
    ///
    /// # Errors
    /// [`Refusal::Gone`], [`Refusal::Taken`].
    pub fn edited(&self, id: i64, edit: Edit) -> Result<Sound, Refusal> {
        let sound = self.sounds.get(&id).ok_or(Refusal::Gone)?;
        let mut sound = edit.of(sound);
        let name = fold(&sound.name);
        sound.aliases.retain(|alias| fold(alias) != name);
        let names = std::iter::once(&sound.name).chain(&sound.aliases);
        self.is_free(Some(id), names.map(String::as_str))?;
        Ok(sound)
    }

    /// Takes the place of the one with its number, once it is stored.
    pub fn replace(&mut self, sound: Sound) {
        self.sounds.insert(sound.id, sound);
    }

    /// Takes one out.
    pub fn remove(&mut self, id: i64) -> Option<Sound> {
        self.sounds.remove(&id)
    }

    /// It was played once more.
    pub fn played(&mut self, id: i64) {
        if let Some(sound) = self.sounds.get_mut(&id) {
            sound.plays = sound.plays.saturating_add(1);
        }
    }

    /// The sound with this number, if that person may see it.
    #[must_use]
    pub fn get(&self, id: i64, viewer: Viewer) -> Option<&Sound> {
        self.sounds
            .get(&id)
            .filter(|sound| sound.is_seen_by(viewer))
    }

    /// The sound that is called so, if that person may see it.
    #[must_use]
    pub fn find(&self, name: &str, viewer: Viewer) -> Option<&Sound> {
        let name = fold(name);
        self.seen(viewer).find(|sound| sound.is_called(&name))
    }

    /// All that a person may see, in order of their numbers.
    pub fn seen(&self, viewer: Viewer) -> impl Iterator<Item = &Sound> {
        self.sounds
            .values()
            .filter(move |sound| sound.is_seen_by(viewer))
    }

    /// How many there are, hidden ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sounds.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sounds.is_empty()
    }

    /// Hidden sounds have their names, too: else two could have one once it is shown.
    fn is_free<'a>(
        &self,
        but: Option<i64>,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), Refusal> {
        for name in names {
            let folded = fold(name);
            let others = self.sounds.values().filter(|sound| Some(sound.id) != but);
            if let Some(by) = others.into_iter().find(|sound| sound.is_called(&folded)) {
                let (taken, by) = (name.to_owned(), by.name.clone());
                return Err(Refusal::Taken { taken, by });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ANN: Viewer = Viewer {
        user: 5,
        manages: false,
    };
    const BOB: Viewer = Viewer {
        user: 6,
        manages: false,
    };
    const BOSS: Viewer = Viewer {
        user: 7,
        manages: true,
    };

    pub(crate) fn sound(id: i64, name: &str, tags: &[&str], plays: u64) -> Sound {
        Sound {
            id,
            name: name.into(),
            aliases: Vec::new(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            emoji: None,
            volume: 100,
            uploader: 5,
            length_ms: 1_000,
            bytes: 100,
            sha256: format!("{id:064x}"),
            plays,
            rest_s: 0,
            hidden: false,
            added_ms: id as u64,
        }
    }

    fn library(sounds: usize) -> Library {
        let limits = Limits {
            sounds: 4,
            per_user: 3,
        };
        Library::new(
            limits,
            (0..sounds).map(|n| sound(n as i64, &format!("s{n}"), &[], 0)),
        )
    }

    #[test]
    fn quotas_hold_for_a_person_and_for_the_server() {
        let mut library = library(3);
        assert_eq!(library.may_add(5, "new", &[]), Err(Refusal::YoursFull(3)));
        assert_eq!(library.may_add(6, "new", &[]), Ok(()));
        library.replace(Sound {
            uploader: 6,
            ..sound(9, "new", &[], 0)
        });
        assert_eq!(library.may_add(6, "more", &[]), Err(Refusal::Full(4)));
        library.remove(0);
        assert_eq!(library.may_add(5, "more", &[]), Ok(()));
    }

    #[test]
    fn names_are_taken_whoever_writes_them_however() {
        let mut library = library(1);
        library.replace(Sound {
            aliases: vec!["Éclat".into()],
            hidden: true,
            ..sound(1, "boom", &[], 0)
        });
        let taken = library.may_add(6, "E\u{301}CLAT", &[]);
        assert!(matches!(taken, Err(Refusal::Taken { by, .. }) if by == "boom"));
        assert_eq!(
            library
                .may_add(6, "x", &["BOOM".into()])
                .unwrap_err()
                .to_string(),
            "`BOOM` is taken already, by the sound `boom`"
        );
        let edit = |name: &str| Edit {
            name: Some(name.into()),
            ..Edit::default()
        };
        assert!(matches!(
            library.edited(1, edit("s0")),
            Err(Refusal::Taken { .. })
        ));
        let same = library.edited(1, edit("ÉCLAT")).unwrap();
        assert_eq!(
            (same.name.as_str(), same.aliases.len()),
            ("ÉCLAT", 0),
            "its own alias becomes its name"
        );
        assert_eq!(library.edited(77, edit("x")), Err(Refusal::Gone));
    }

    #[test]
    fn the_same_file_is_kept_once() {
        let library = library(1);
        let twin = Sound {
            sha256: sound(0, "", &[], 0).sha256,
            ..sound(8, "twin", &[], 0)
        };
        assert_eq!(library.check(&twin), Err(Refusal::Same("s0".into())));
    }

    #[test]
    fn a_file_gives_its_name_to_the_sound_unless_it_is_taken() {
        let mut library = library(0);
        assert_eq!(
            library.free_name("../../Air_Horn (final).v2.mp3"),
            "Air_Horn final v2"
        );
        assert_eq!(library.free_name("....wav"), "sound");
        library.replace(sound(1, "sound", &[], 0));
        library.replace(sound(2, "SOUND 2", &[], 0));
        assert_eq!(library.free_name("sound.ogg"), "sound 3");
        let long = "x".repeat(500);
        library.replace(sound(3, &"x".repeat(32), &[], 0));
        assert_eq!(library.free_name(&long), format!("{} 2", "x".repeat(30)));
    }

    #[test]
    fn hidden_sounds_are_seen_by_their_uploader_and_managers_only() {
        let mut library = library(0);
        library.replace(Sound {
            hidden: true,
            ..sound(1, "secret", &[], 0)
        });
        assert!(library.find("SECRET", ANN).is_some());
        assert!(library.find("secret", BOSS).is_some());
        assert!(library.find("secret", BOB).is_none() && library.get(1, BOB).is_none());
        assert!(!library.get(1, ANN).unwrap().is_changed_by(BOB));
    }

    #[test]
    fn edits_stay_within_their_ranges() {
        let edit = Edit {
            volume: Some(9_999),
            rest_s: Some(u32::MAX),
            emoji: Some(None),
            ..Edit::default()
        };
        let sound = edit.of(&sound(1, "x", &["a"], 3));
        assert_eq!((sound.volume, sound.rest_s, sound.plays), (200, 86_400, 3));
        assert_eq!(sound.tags, ["a"]);
    }
}
