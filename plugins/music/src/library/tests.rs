//! The index: ids, paths, ranking, labels.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;

fn found(root: &str, relative: &str) -> Found {
    Found {
        path: Path::new(root).join(relative),
        relative: relative.to_owned(),
        stamp: (1, 1),
    }
}

fn library(files: &[&str]) -> Library {
    Library::build(
        files.iter().map(|f| found("/srv/music", f)).collect(),
        &Library::default(),
    )
}

fn tags(artist: &str, title: &str) -> Tags {
    Tags {
        title: Some(title.into()),
        artist: Some(artist.into()),
        ..Tags::default()
    }
}

fn hit(library: &Library, query: &str) -> String {
    match library.find(query) {
        Search::Hit(entry) => entry.relative.clone(),
        Search::Nothing(near) => format!(
            "nothing near {:?}",
            near.iter().map(|e| &e.relative).collect::<Vec<_>>()
        ),
    }
}

#[test]
fn ids_say_nothing_about_the_disk_and_outlive_new_files_and_a_move() {
    let before = library(&["a/one.mp3", "two.mp3"]);
    let moved = vec![
        found("/mnt/x", "0.mp3"),
        found("/mnt/x", "a/one.mp3"),
        found("/mnt/x", "two.mp3"),
    ];
    let after = Library::build(moved, &Library::default());
    for entry in before.entries() {
        assert!(!entry.id.contains("one") && entry.id.len() == 20);
        assert_eq!(after.with_id(&entry.id).unwrap().relative, entry.relative);
    }
}

#[test]
fn the_same_place_in_two_library_folders_gets_two_ids() {
    let both = Library::build(
        vec![found("/a", "x.mp3"), found("/b", "x.mp3")],
        &Library::default(),
    );
    let ids: Vec<_> = both.entries().map(|e| e.id.clone()).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_query_may_be_an_id_or_any_spelling_of_a_path() {
    let library = library(&[
        "Jazz/Take Five.flac",
        "Rock/Take Five.flac",
        "Take Five.flac",
    ]);
    let id = library
        .at_path(Path::new("/srv/music/Rock/Take Five.flac"))
        .unwrap()
        .id
        .clone();
    assert_eq!(hit(&library, &id), "Rock/Take Five.flac");
    for query in [
        "Rock/Take Five.flac",
        "/srv/music/Rock/Take Five.flac",
        "music/Rock/Take Five.flac",
        "./Rock/Take Five.flac",
        "Rock\\Take Five.flac",
    ] {
        assert_eq!(hit(&library, query), "Rock/Take Five.flac", "{query}");
    }
    assert_eq!(hit(&library, "Take Five.flac"), "Take Five.flac");
}

#[test]
fn no_path_leads_out_of_the_library() {
    let library = library(&["a.mp3"]);
    for query in [
        "/etc/passwd",
        "../../etc/passwd",
        "/srv/music/../secret.mp3",
        "../music/x.mp3",
    ] {
        assert!(hit(&library, query).starts_with("nothing"), "{query}");
    }
}

#[test]
fn words_match_in_any_order_and_a_whole_title_wins() {
    let mut library = library(&["q/1.mp3", "q/2.mp3", "q/3.mp3"]);
    library.tag(
        Path::new("/srv/music/q/1.mp3"),
        tags("Queen", "We Will Rock You (live)"),
    );
    library.tag(
        Path::new("/srv/music/q/2.mp3"),
        tags("Queen", "We Will Rock You"),
    );
    library.tag(
        Path::new("/srv/music/q/3.mp3"),
        tags("Rock You Band", "Something Queen"),
    );
    assert_eq!(hit(&library, "we will rock you"), "q/2.mp3");
    assert_eq!(hit(&library, "queen rock live"), "q/1.mp3");
    assert_eq!(hit(&library, "something"), "q/3.mp3");
}

#[test]
fn ties_fall_to_the_shorter_title_then_to_the_place() {
    let library = library(&["b/Blue.mp3", "a/Blue.mp3", "a/Blue Train.mp3"]);
    let names: Vec<_> = library
        .suggest("blu", 25)
        .iter()
        .map(|e| e.relative.clone())
        .collect();
    assert_eq!(names, ["a/Blue.mp3", "b/Blue.mp3", "a/Blue Train.mp3"]);
}

#[test]
fn nothing_found_names_up_to_three_close_titles() {
    let library = library(&[
        "Bohemian Rhapsody.mp3",
        "Bohemian Like You.mp3",
        "Bohemians.mp3",
        "Bohemia.mp3",
        "Zebra.mp3",
    ]);
    let Search::Nothing(near) = library.find("bohemain rapsody") else {
        panic!("a typo is not a hit")
    };
    assert_eq!(near.len(), 3);
    assert_eq!(near[0].relative, "Bohemian Rhapsody.mp3");
    let Search::Nothing(near) = library.find("qwxyz") else {
        panic!("noise is not a hit")
    };
    assert!(near.is_empty());
}

#[test]
fn a_new_scan_keeps_the_tags_of_unchanged_files() {
    let mut old = library(&["a.mp3"]);
    old.tag(Path::new("/srv/music/a.mp3"), tags("Björk", "Jóga"));
    let new = Library::build(
        vec![found("/srv/music", "a.mp3"), found("/srv/music", "b.mp3")],
        &old,
    );
    let changed = Found {
        stamp: (2, 1),
        ..found("/srv/music", "a.mp3")
    };
    assert_eq!(
        Library::build(vec![changed], &old)
            .entries()
            .next()
            .unwrap()
            .tags,
        None
    );
    assert_eq!(hit(&new, "bjork joga"), "a.mp3");
    assert_eq!(new.entries().next().unwrap().label(), "Björk – Jóga");
}

#[test]
fn the_largest_library_answers_from_memory() {
    let files: Vec<_> = (0..scan::MAX_FILES)
        .map(|n| {
            found(
                "/m",
                &format!("artist {}/album {}/track number {n}.mp3", n % 900, n % 77),
            )
        })
        .collect();
    let library = Library::build(files, &Library::default());
    assert_eq!(library.len(), scan::MAX_FILES);
    assert_eq!(library.suggest("track", 25).len(), 25);
    assert_eq!(
        hit(&library, "number 31415"),
        "artist 815/album 76/track number 31415.mp3"
    );
}

#[test]
fn a_label_falls_back_from_tags_to_the_file_name() {
    assert_eq!(tags("A", "B").label("x/c.mp3"), "A – B");
    assert_eq!(tags(" ", "B").label("x/c.mp3"), "B");
    assert_eq!(tags("A", "").label("x/c.d.mp3"), "c.d");
    assert_eq!(Tags::default().label(".hidden"), ".hidden");
}
