//! What the delivery service of DAVE costs the voice server.
//! `cargo bench -p mynah-server --bench delivery`.
//!
//! All of it happens under the lock of the signalling side, so a join must not hold up the heartbeats
//! of others: no single call may take more than a few milliseconds, and a join costs one key package
//! and one proposal.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that fails should stop"
)]

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use davey::DaveSession;
use mynah_server::voice::dave::{BATCH_DELAY, DavePolicy, Delivery, GatewaySigner, Output};
use mynah_wire::{ChannelId, UserId};

const KEY_PACKAGE: u8 = 26;
const CHANNEL: u64 = 10;

fn key_packages(count: u64) -> Vec<(UserId, Vec<u8>)> {
    let make = |id| {
        let mut session = DaveSession::new(NonZeroU16::MIN, id, CHANNEL, None).unwrap();
        (UserId::new(id), session.create_key_package().unwrap())
    };
    (1..=count).map(make).collect()
}

/// Nobody has sent keys yet.
fn room(now: Instant, signer: &Arc<GatewaySigner>, users: &[(UserId, Vec<u8>)]) -> Delivery {
    let channel = ChannelId::new(CHANNEL);
    let mut room = Delivery::new(
        channel,
        DavePolicy::Required,
        Arc::clone(signer),
        Vec::new(),
    );
    for (user, _) in users {
        room.join(now, *user, 1);
    }
    room
}

fn drain(room: &mut Delivery) -> usize {
    let mut told = 0;
    while !matches!(room.poll(), Output::Wait(_)) {
        told += 1;
    }
    told
}

fn delivery(c: &mut Criterion) {
    let now = Instant::now();
    let signer = Arc::new(GatewaySigner::new(&[7; 32]).unwrap());
    let mut group = c.benchmark_group("delivery");
    let one = key_packages(1);
    group.bench_function("key_package", |bencher| {
        bencher.iter_batched_ref(
            || room(now, &signer, &one),
            |room| room.receive(now, one[0].0, KEY_PACKAGE, &one[0].1),
            BatchSize::SmallInput,
        );
    });
    for count in [2, 10, 50] {
        let users = key_packages(count);
        group.bench_function(format!("propose/{count}_at_once"), |bencher| {
            bencher.iter_batched_ref(
                || {
                    let mut room = room(now, &signer, &users);
                    for (user, keys) in &users {
                        room.receive(now, *user, KEY_PACKAGE, keys);
                    }
                    drain(&mut room);
                    room
                },
                |room| {
                    room.tick(now + BATCH_DELAY);
                    assert_eq!(drain(room) as u64, count);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, delivery);
criterion_main!(benches);
