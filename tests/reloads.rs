//! The music plugin as a file, exchanged again and again while it plays: nobody hears of it, and memory
//! grows as plugins/README.md says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::print_stderr)] // measurements, for whoever runs it by hand

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use mynah_testkit::{Control, Lateness, Program, Scene, built_plugin};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// What one exchange for another file may leave behind, in KiB: that file, which stays mapped.
const OTHER_KIB: u64 = 32 << 10;

struct House {
    scene: Scene,
    program: Program,
    control: Control,
    alice: String,
    file: PathBuf,
}

impl House {
    /// Music plays, from a file that is this house's own.
    async fn new() -> Self {
        let scene = Scene::new();
        let built = built_plugin(MYNAH, "plugins/music");
        let file = scene.path().join("libmynah_music.so");
        std::fs::copy(built["file"].as_str().unwrap(), &file).unwrap();
        scene.config("[plugins.music]\npath = \"libmynah_music.so\"\n");
        scene.song("A Song.wav", 60.0);
        let (program, control) = scene.run(MYNAH);
        let alice = control.user_in_voice("alice").await;
        let play = json!({ "query": "a song" });
        let said = control.say(&alice, "play", play).await;
        assert!(said.contains("Now playing"), "{said}");
        control
            .say(&alice, "loop", json!({ "mode": "track" }))
            .await;
        while control.hear(&alice, 0.3, "ogg", None).await.stat("packets") < 10.0 {}
        Self {
            scene,
            program,
            control,
            alice,
            file,
        }
    }

    /// Exchanges it, so many times.
    async fn reload(&self, times: u32) {
        let socket = self.scene.path().join("data/mynah.sock");
        let reloads = move || (0..times).for_each(|_| exchange(&socket));
        tokio::task::spawn_blocking(reloads).await.unwrap();
    }

    /// As a compiler would: other bytes in the same place. What follows the sections is nobody's.
    fn change_the_file(&self) {
        let mut bytes = std::fs::read(&self.file).unwrap();
        bytes.push(0);
        std::fs::write(&self.file, bytes).unwrap();
    }

    /// What the program has in memory, of its own and of files, in KiB (proc(5), status).
    fn kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.program.pid());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().split_whitespace().next().unwrap();
        number.parse().unwrap()
    }

    /// What `work` does to the music: not one packet is missing, and nobody waits for any.
    async fn while_it_plays(&self, work: impl Future<Output = ()>) {
        let over = AtomicBool::new(false);
        let hears = async {
            let lateness = Lateness::start();
            let mut packets = 0.0;
            while !over.load(Ordering::Relaxed) {
                lateness.was_too_late(0);
                let heard = self.control.hear(&self.alice, 2.0, "ogg", None).await;
                assert_eq!(heard.stat("lost"), 0.0, "{}", heard.stats);
                // 100 in two seconds; the ends are cut wherever they fall. A machine that lets a thread
                // wait lets the sound's wait as well.
                let whole = heard.stat("packets") >= 95.0;
                assert!(whole || lateness.was_too_late(0), "{}", heard.stats);
                packets += heard.stat("packets");
            }
            eprintln!("{packets} packets were heard, none was lost");
        };
        let works = async {
            work.await;
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(works, hears);
        let playing = self.control.say(&self.alice, "nowplaying", json!({})).await;
        assert!(playing.contains("A Song"), "{playing}");
    }
}

/// As `mynah plugin reload music`, without a program for each.
fn exchange(socket: &Path) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(b"{\"reload\":\"music\"}\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["id"], "music", "{answer}");
}

/// Exchanges for the same file, `warm` of them before memory is looked at, in which allocators take
/// their arenas; then for another one each time. What both leave behind each, in KiB.
async fn grows_by(warm: u32, same: u32, other: u32) -> (u64, u64) {
    let house = House::new().await;
    let mut grown = (0, 0);
    house
        .while_it_plays(async {
            house.reload(warm).await;
            let before = house.kib();
            for part in 1..=10 {
                house.reload(same / 10).await;
                eprintln!("after {}: {} KiB", same / 10 * part, house.kib());
            }
            let between = house.kib();
            for _ in 0..other {
                house.change_the_file();
                house.reload(1).await;
            }
            let after = house.kib();
            let each = |from: u64, to: u64, times: u32| to.saturating_sub(from) / u64::from(times);
            grown = (each(before, between, same), each(between, after, other));
            eprintln!("{same} of the same: {before} to {between} KiB; {other} others: to {after}");
        })
        .await;
    assert_eq!(house.program.interrupt().code(), 0);
    grown
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_reloads_are_not_heard() {
    let (same, other) = grows_by(10, 40, 3).await;
    // A few may still be those in which an arena is taken.
    assert!(same < 4 << 10, "{same} KiB each");
    assert!(other < OTHER_KIB, "{other} KiB each");
}

/// ```sh
/// cargo test -p mynah --test reloads -- --ignored --nocapture
/// ```
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes some minutes"]
async fn a_thousand_reloads_are_not_heard_and_leave_next_to_nothing_behind() {
    let (same, other) = grows_by(100, 1_000, 20).await;
    assert!(same < 16, "{same} KiB each");
    assert!(other < OTHER_KIB, "{other} KiB each");
}
