//! What a frame and what a join cost: `cargo bench -p mynah-dave`.
//!
//! Measured on a virtual machine with two x86-64 cores (AES-NI, CLMUL), rustc 1.95, in one run while
//! other work shared the machine; `davey` 0.2.0 beside it. Opening is the difference of two rows:
//!
//! | frame | seal | seal and open | davey: seal | davey: seal and open |
//! |---|---|---|---|---|
//! | 200 B | 0.18 µs | 0.40 µs | 0.39 µs | 0.95 µs |
//! | 1000 B | 0.46 µs | 1.1 µs | 1.4 µs | 2.8 µs |
//!
//! How the building blocks were chosen, for 14 blocks: `aes` 0.8 in one batch of 16 27 ns, `aes` 0.9 62 ns
//! (its VAES path wants 64 blocks); `ghash` 0.5 180 ns, `ghash` 0.6 88 ns; all of `ring` 165 ns, which
//! cannot check a tag of 8 bytes and would need the keystream from elsewhere to open.
//!
//! One more joins a room of 25, for each member:
//!
//! | step | who | cost |
//! |---|---|---|
//! | key package | who joins | 1.0 ms |
//! | proposal to commit | every member | 2.4 ms |
//! | apply the commit that won | every member | 0.4 ms |
//! | welcome | who joins | 7 to 9 ms |
//! | base secrets of all 26 | everybody | 0.03 ms |
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may stop on any error"
)]

#[path = "../tests/rig/mod.rs"]
mod rig;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use davey::{Codec, MediaType};
use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameOpener, FrameSealer, MAX_OVERHEAD_BYTES};
use mynah_dave::group::Group;

use rig::{Call, Gateway, Party, batch, ours, split};

/// A plain Opus frame at 80 kbit/s, and one at 400.
const SIZES: [usize; 2] = [200, 1000];

fn frames(c: &mut Criterion) {
    let base = BaseSecret::new([7; 16]);
    let now = Instant::now();
    for size in SIZES {
        let mut sealer = FrameSealer::new(&base, 1);
        let mut buf = vec![0x55; size + MAX_OVERHEAD_BYTES];
        c.bench_function(&format!("seal {size} B"), |b| {
            b.iter(|| sealer.seal(black_box(&mut buf), size).unwrap());
        });

        let mut opener = FrameOpener::new();
        opener.install(&base, 1, now);
        let mut sealer = FrameSealer::new(&base, 1);
        c.bench_function(&format!("seal and open {size} B"), |b| {
            b.iter(|| {
                let len = sealer.seal(black_box(&mut buf), size).unwrap();
                opener.open(black_box(&mut buf[..len]), now).unwrap()
            });
        });
    }
}

fn davey_frames(c: &mut Criterion) {
    let mut call = Call::new(vec![Party::davey(1), Party::davey(2)]);
    let (first, second) = call.parties.split_at_mut(1);
    let (sender, receiver) = (first[0].as_davey(), second[0].as_davey());
    for size in SIZES {
        let plain = vec![0x55; size];
        let (mut sealed, mut opened) = (Vec::new(), vec![0; size + 64]);
        c.bench_function(&format!("davey: seal {size} B"), |b| {
            b.iter(|| {
                sender
                    .encrypt_into(
                        MediaType::AUDIO,
                        Codec::OPUS,
                        black_box(&plain),
                        &mut sealed,
                    )
                    .unwrap();
            });
        });
        c.bench_function(&format!("davey: seal and open {size} B"), |b| {
            b.iter(|| {
                sender
                    .encrypt_into(
                        MediaType::AUDIO,
                        Codec::OPUS,
                        black_box(&plain),
                        &mut sealed,
                    )
                    .unwrap();
                receiver
                    .decrypt_into(1, MediaType::AUDIO, black_box(&sealed), &mut opened)
                    .unwrap()
            });
        });
    }
}

/// A room of 25 people before one more joins: two of them, and who else is needed.
struct Room {
    gateway: Gateway,
    /// Proposals that add members 3 to 25 to a new group.
    others: Vec<Vec<u8>>,
}

impl Room {
    fn new() -> Self {
        let gateway = Gateway::new();
        let add = |user| gateway.add(0, &ours(user).key_package().unwrap());
        let others = (3..=25).map(add).collect();
        Self { gateway, others }
    }

    fn person(&self, user_id: u64) -> Group {
        let mut group = ours(user_id);
        group
            .set_external_sender(&self.gateway.external_sender())
            .unwrap();
        group
    }

    /// The first two of 25 members.
    fn members(&self) -> [Group; 2] {
        let [mut first, mut second] = [1, 2].map(|user| self.person(user));
        let mut proposals = vec![self.gateway.add(0, &second.key_package().unwrap())];
        proposals.extend(self.others.iter().cloned());
        let answer = first.append(&batch(&proposals), &everybody()).unwrap();
        let (commit, welcome) = split(&answer.unwrap());
        first.commit(&commit).unwrap();
        second.welcome(&welcome, &everybody()).unwrap();
        [first, second]
    }
}

fn everybody() -> Vec<u64> {
    (1..=26).collect()
}

/// Does a step and adds up how long it took.
fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = black_box(work());
    *spent += start.elapsed();
    result
}

fn join(c: &mut Criterion) {
    let room = Room::new();
    let steps = [
        "join 25: key package",
        "join 25: proposal to commit",
        "join 25: apply own commit",
        "join 25: apply another's commit",
        "join 25: welcome",
        "join 25: base secrets of all",
    ];
    let mut group = c.benchmark_group("mls");
    group.sample_size(10);
    for (wanted, name) in steps.iter().enumerate() {
        group.bench_function(*name, |b| {
            b.iter_custom(|rounds| {
                let mut spent = [Duration::ZERO; 6];
                for _ in 0..rounds {
                    let [mut first, mut second] = room.members();
                    let mut joiner = room.person(26);
                    let package = timed(&mut spent[0], || joiner.key_package().unwrap());
                    let add = batch(&[room.gateway.add(1, &package)]);
                    let answer = timed(&mut spent[1], || first.append(&add, &everybody()).unwrap());
                    let (commit, welcome) = split(&answer.unwrap());
                    second.append(&add, &everybody()).unwrap();
                    timed(&mut spent[2], || first.commit(&commit).unwrap());
                    timed(&mut spent[3], || second.commit(&commit).unwrap());
                    timed(&mut spent[4], || {
                        joiner.welcome(&welcome, &everybody()).unwrap()
                    });
                    timed(&mut spent[5], || joiner.base_secrets().unwrap());
                }
                spent[wanted]
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames, davey_frames, join);
criterion_main!(benches);
