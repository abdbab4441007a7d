//! The two ends of a ring.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use super::*;

fn first_sample(reader: &RingReader) -> Option<f32> {
    match reader.supply() {
        Supply::Block { samples, .. } => Some(samples[0]),
        _ => None,
    }
}

#[test]
fn blocks_arrive_in_order_and_a_full_ring_refuses() {
    let (mut writer, mut reader) = ring(3);
    let mut next = 0.0;
    for _ in 0..5 {
        for i in 0..3u8 {
            assert_eq!(writer.free(), 3 - usize::from(i));
            assert!(writer.put(|b| b.fill(next + f32::from(i))));
        }
        assert!(!writer.put(|_| panic!("must not be called")));
        for i in 0..3u8 {
            assert_eq!(first_sample(&reader), Some(next + f32::from(i)));
            reader.release();
        }
        assert!(matches!(reader.supply(), Supply::Dry));
        next += 3.0;
    }
    assert_eq!(writer.meter().frames_taken(), 15 * 960);
}

#[test]
fn looking_does_not_take() {
    let (mut writer, reader) = ring(2);
    assert!(writer.put(|b| b.fill(0.5)));
    assert_eq!(first_sample(&reader), Some(0.5));
    assert_eq!(first_sample(&reader), Some(0.5));
    assert_eq!(reader.level(), 1);
    assert_eq!(writer.meter().frames_taken(), 0);
}

#[test]
fn a_short_last_block_is_padded_with_silence_and_counted_exactly() {
    let (mut writer, mut reader) = ring(2);
    writer.acquire().unwrap().fill(1.0);
    writer.commit(100);
    writer.finish();
    let Supply::Block {
        samples, frames, ..
    } = reader.supply()
    else {
        panic!("a block was put");
    };
    assert_eq!(frames, 100);
    assert!(samples[..200].iter().all(|s| *s == 1.0));
    assert!(samples[200..].iter().all(|s| *s == 0.0));
    reader.release();
    assert!(matches!(reader.supply(), Supply::Ended));
    assert_eq!(reader.meter().frames_taken(), 100);
    assert_eq!(reader.meter().frames_put(), 100);
}

#[test]
fn an_acquired_block_that_is_not_committed_is_not_lost() {
    let (mut writer, reader) = ring(1);
    writer.acquire().unwrap().fill(1.0);
    assert!(matches!(reader.supply(), Supply::Dry));
    assert_eq!(writer.free(), 1);
    writer.acquire().unwrap().fill(2.0);
    writer.commit(960);
    assert_eq!(first_sample(&reader), Some(2.0));
    writer.commit(960);
    assert_eq!(reader.level(), 1, "a commit without a block does nothing");
}

#[test]
fn what_is_in_the_ring_is_played_before_the_end_is_seen() {
    for finished in [true, false] {
        let (mut writer, mut reader) = ring(2);
        assert!(writer.put(|b| b.fill(1.0)));
        if finished {
            writer.finish();
        }
        drop(writer);
        assert_eq!(first_sample(&reader), Some(1.0));
        reader.release();
        match reader.supply() {
            Supply::Ended => assert!(finished),
            Supply::Broken => assert!(!finished),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_writer_sees_that_nobody_listens_any_more() {
    let (mut writer, reader) = ring(1);
    assert!(!writer.is_abandoned());
    drop(reader);
    assert!(writer.is_abandoned());
    assert!(writer.put(|b| b.fill(0.0)), "still harmless");
}

#[test]
fn a_million_samples_cross_threads_intact() {
    let (mut writer, mut reader) = ring(4);
    let thread = std::thread::spawn(move || {
        for i in 0..1000u16 {
            while !writer.put(|b| b.fill(f32::from(i))) {
                std::thread::yield_now();
            }
        }
        writer.finish();
    });
    let mut next = 0u16;
    loop {
        match reader.supply() {
            Supply::Block { samples, .. } => {
                assert!(samples.iter().all(|s| *s == f32::from(next)));
                next += 1;
            }
            Supply::Ended => break,
            Supply::Dry => {
                std::thread::yield_now();
                continue;
            }
            Supply::Broken => panic!("the writer finished properly"),
        }
        reader.release();
    }
    assert_eq!(next, 1000);
    thread.join().unwrap();
}

#[test]
fn packed_blocks_are_shared_unpacked_one_by_one_and_never_freed_by_the_reader() {
    let (mut writer, mut reader) = packed_ring(2);
    let blocks = [0.25, 0.5, 1.0].map(|level| Packed::new(&[level; 200]));
    assert!(writer.commit_packed(Arc::clone(&blocks[0]), 100));
    assert!(writer.commit_packed(Arc::clone(&blocks[1]), FRAMES));
    assert!(
        !writer.commit_packed(Arc::clone(&blocks[2]), FRAMES),
        "full"
    );
    for (block, frames) in blocks.iter().zip([100, FRAMES]) {
        reader.unpack();
        let Supply::Block {
            samples, frames: f, ..
        } = reader.supply()
        else {
            panic!("it was put")
        };
        let mut wanted = SILENT_BLOCK;
        block.unpack(&mut wanted);
        assert_eq!((samples, f), (&wanted, frames));
        reader.release();
        assert_eq!(Arc::strong_count(block), 2, "it is still in its slot");
    }
    // The writer lets go when it uses the slot again.
    assert!(writer.put(|block| block.fill(0.1)), "plain blocks go, too");
    assert_eq!(Arc::strong_count(&blocks[0]), 1);
    reader.unpack();
    assert_eq!(first_sample(&reader), Some(0.1));
}

#[test]
fn a_ring_for_plain_blocks_takes_packed_ones_as_well() {
    let (mut writer, reader) = ring(1);
    assert!(writer.commit_packed(Packed::new(&[1.0; 10]), FRAMES));
    assert!((first_sample(&reader).unwrap() - 1.0).abs() < 1e-6);
}

#[test]
fn what_was_heard_as_a_packet_is_recalled_from_its_packed_block() {
    let (mut writer, mut reader) = packet_ring(2);
    let block = Packed::new(&[0.5; SILENT_BLOCK.len()]);
    assert!(writer.commit_packed_with_packet(block, &[1, 2, 3]));
    assert!(matches!(
        reader.supply(),
        Supply::Block {
            packet: Some(&[1, 2, 3]),
            ..
        }
    ));
    reader.release();
    let mut out = SILENT_BLOCK;
    assert!(reader.recall(&mut out));
    assert!(out.iter().all(|s| (s - 0.5).abs() < 1e-4));
}
