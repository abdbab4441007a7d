//! What it says. The first language is for everybody whose own is not here.

use mynah_plugin::Catalogue;

pub(crate) const WORDS: Catalogue = Catalogue::new(&[
    (
        "en-US",
        &[
            ("about", "Sounds a tuning fork in your voice channel"),
            ("nowhere", "That works in servers only."),
            ("alone", "Join a voice channel first, I come to you."),
            ("refused", "I cannot sound there: {why}"),
            ("silent", "The fork is silent. `/tune` strikes it again."),
            ("now", "## {hz} Hz"),
            ("note", "Another note"),
            ("other", "Another frequency"),
            ("hz", "Frequency in Hz, 20 to 10000"),
            ("range", "A fork sounds from 20 to 10,000 Hz."),
            ("stop", "Stop"),
            ("stopped", "The fork is silent."),
        ],
    ),
    (
        "de",
        &[
            (
                "about",
                "Lässt in deinem Sprachkanal eine Stimmgabel klingen",
            ),
            ("nowhere", "Das geht nur auf Servern."),
            ("alone", "Komm erst in einen Sprachkanal, ich komme dazu."),
            ("refused", "Dort kann ich nicht klingen: {why}"),
            (
                "silent",
                "Die Gabel ist still. `/tune` schlägt sie wieder an.",
            ),
            ("now", "## {hz} Hz"),
            ("note", "Ein anderer Ton"),
            ("other", "Andere Frequenz"),
            ("hz", "Frequenz in Hz, 20 bis 10000"),
            ("range", "Eine Gabel klingt von 20 bis 10 000 Hz."),
            ("stop", "Aus"),
            ("stopped", "Die Gabel ist still."),
        ],
    ),
]);
