//! What recording costs: packets of many people, through timeline, pages and files in memory.
//!
//! `cargo bench -p mynah-recorder --bench record`; on a virtual machine with two x86-64 cores, see
//! `plugins/recorder/README.md`.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mynah_recorder::core::recording::{Limits, Plan, Recording};
use mynah_recorder::core::timeline::Arrived;

const PEOPLE: u64 = 200;

fn record(c: &mut Criterion) {
    let root = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
    let plan = Plan {
        id: "bench".to_owned(),
        guild: 1,
        channel: 2,
        starter: 3,
        title: String::new(),
        consent: "notice".to_owned(),
        previous: None,
        started_ms: 1_790_000_000_000,
        limits: Limits {
            largest_bytes: u64::MAX,
            longest_us: u64::MAX,
            ..Limits::default()
        },
    };
    let mut recording = Recording::begin(root.path(), plan).unwrap();
    let mut payload = vec![0xFC];
    payload.extend([0x55; 80]);
    let mut number = 0_u64;
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Elements(PEOPLE));
    // 20 ms of a room: a core has 20 ms for it.
    group.bench_function("200 speakers, 20 ms", |b| {
        b.iter(|| {
            let now_us = number * 20_000;
            for user in 1..=PEOPLE {
                let arrived = Arrived {
                    ssrc: user as u32,
                    seq: number as u16,
                    rtp: (number * 960) as u32,
                    arrival_us: now_us,
                    payload: payload.clone(),
                };
                recording.packet(user, "somebody", arrived).unwrap();
            }
            recording.tick(now_us, None).unwrap();
            number += 1;
        });
    });
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
