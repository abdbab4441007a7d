//! Files and streams made to hurt: each is bounded in time and memory and says clearly what is wrong.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod counting;
mod truth;

use std::io::{self, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mynah_audio::SILENT_BLOCK;
use mynah_media::{
    ByteStream, Media, MediaError, OpenOptions, Read, open, open_bytes, open_stream,
};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Memory is counted for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Longest time for anything here, on any machine however busy; most takes milliseconds.
const LONG: Duration = Duration::from_secs(120);

/// Waits for the other tests; first line of each, since what a test prepares counts for the others too.
fn alone() -> Alone {
    Alone(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
}

struct Alone(#[expect(dead_code, reason = "held, never read")] MutexGuard<'static, ()>);

/// Holds one test's bounds: so much memory, and [`LONG`].
struct Bounds {
    what: String,
    began: Instant,
    before: usize,
    most_bytes: usize,
}

impl Alone {
    fn bounds(&self, what: &str, most_mib: usize) -> Bounds {
        Bounds {
            what: what.to_owned(),
            began: Instant::now(),
            before: counting::begin(),
            most_bytes: most_mib << 20,
        }
    }
}

impl Drop for Bounds {
    fn drop(&mut self) {
        let held = counting::peak_above(self.before);
        let took = self.began.elapsed();
        println!("{}: {} kB, {took:?}", self.what, held >> 10);
        if !std::thread::panicking() {
            assert!(held <= self.most_bytes, "{}: {held} bytes", self.what);
            assert!(took < LONG, "{}: {took:?}", self.what);
        }
    }
}

/// What a stream gives at a place.
type Byte = Box<dyn Fn(u64) -> u8 + Send + Sync>;

/// A stream without an end, made while it is read.
struct Endless {
    byte: Byte,
    can_seek: bool,
    taken: AtomicU64,
}

impl std::fmt::Debug for Endless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endless")
    }
}

impl ByteStream for Endless {
    fn name(&self) -> String {
        "http://x/endless".to_owned()
    }

    fn len_bytes(&self) -> Option<u64> {
        None
    }

    fn can_seek(&self) -> bool {
        self.can_seek
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        for (at, byte) in (at..).zip(buf.iter_mut()) {
            *byte = (self.byte)(at);
        }
        self.taken.fetch_add(buf.len() as u64, Ordering::Relaxed);
        Ok(buf.len())
    }

    fn renew_patience(&self) {}

    fn ready_bytes(&self) -> u64 {
        u64::MAX
    }

    fn taken_bytes(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

fn endless(byte: impl Fn(u64) -> u8 + Send + Sync + 'static) -> Arc<Endless> {
    Arc::new(Endless {
        byte: Box::new(byte),
        can_seek: false,
        taken: AtomicU64::new(0),
    })
}

/// `head`, and then `again` for ever.
fn looped(head: Vec<u8>, again: Vec<u8>) -> Arc<Endless> {
    endless(move |at| {
        let at = at as usize;
        match at.checked_sub(head.len()) {
            None => head[at],
            Some(after) => again[after % again.len()],
        }
    })
}

/// Opens and plays so many blocks at most; how many came.
fn play(media: &mut Media, most_blocks: usize) -> usize {
    let mut block = SILENT_BLOCK;
    for heard in 0..most_blocks {
        match media.read(&mut block) {
            Ok(Read::Full) => {}
            Ok(Read::Last(_)) => return heard + 1,
            Ok(Read::End) | Err(_) => return heard,
        }
    }
    most_blocks
}

fn refused(stream: Arc<Endless>) -> MediaError {
    let error = open_stream(stream, &OpenOptions::default()).expect_err("this is no sound");
    assert!(
        error.to_string().contains("\"http://x/endless\""),
        "{error}"
    );
    assert!(error.remedy().len() > 10);
    println!("    {error}");
    error
}

fn noise(at: u64) -> u8 {
    (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 53) as u8
}

#[test]
fn endless_nonsense_is_refused_after_a_bounded_part_of_it() {
    let alone = alone();
    let _bounds = alone.bounds("endless noise, zeros and text", 16);
    refused(endless(noise));
    refused(endless(|_| 0));
    refused(endless(|_| b'a'));
    refused(endless(|_| 0xFF));
}

#[test]
fn endless_headers_are_refused_after_a_bounded_part_of_them() {
    let alone = alone();
    // Each begins like a sound that has yet to come.
    let flac_padding = looped(
        [&b"fLaC\x00\x00\x00\x22"[..], &stream_info(2, 44_100)].concat(),
        b"\x01\x00\x00\x04\0\0\0\0".to_vec(),
    );
    let riff_junk = looped(
        b"RIFF\xFF\xFF\xFF\xFFWAVE".to_vec(),
        b"JUNK\x08\0\0\0........".to_vec(),
    );
    let id3_chain = looped(vec![], b"ID3\x04\0\0\0\0\0\x0a..........".to_vec());
    let ebml_void = looped(
        b"\x1A\x45\xDF\xA3\x84\x42\x82\x81\x77\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
            .to_vec(),
        b"\xEC\x84....".to_vec(),
    );
    let mp4_free = looped(
        b"\0\0\0\x10ftypM4A \0\0\0\0".to_vec(),
        b"\0\0\0\x10free........".to_vec(),
    );
    let aiff_junk = looped(
        b"FORM\x7F\xFF\xFF\xFFAIFF".to_vec(),
        b"JUNK\0\0\0\x08........".to_vec(),
    );
    for (name, stream) in [
        ("flac padding", flac_padding),
        ("wav junk", riff_junk),
        ("id3 tags", id3_chain),
        ("matroska void", ebml_void),
        ("mp4 free", mp4_free),
        ("aiff junk", aiff_junk),
    ] {
        println!("{name}");
        let _bounds = alone.bounds(name, 128);
        refused(stream);
    }
}

/// FLAC's STREAMINFO for 24 bits, blocks of 65,535 frames, no length.
fn stream_info(channels: u8, rate_hz: u32) -> Vec<u8> {
    let mut out = vec![0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0];
    let packed = u64::from(rate_hz) << 44 | u64::from(channels - 1) << 41 | 15 << 36;
    out.extend(packed.to_be_bytes());
    out.extend([0; 16]);
    out
}

/// A FLAC frame of 65,535 silent stereo frames, 16 bits: the numbers of silence in 20 bytes.
fn silent_frame(number: u8) -> Vec<u8> {
    // Sync, fixed block size; 16-bit size follows, 44.1 kHz; stereo, 16 bits; frame number.
    let mut frame = vec![0xFF, 0xF8, 0x79, 0x18, number & 0x7F, 0xFF, 0xFE];
    frame.push(crc8(&frame));
    for _ in 0..2 {
        frame.extend([0x00, 0, 0]); // a constant subframe: 0
    }
    let crc = crc16(&frame);
    frame.extend(crc.to_be_bytes());
    frame
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| (crc << 1) ^ ((crc >> 7) * 0x07))
    })
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            (crc << 1) ^ ((crc >> 15) * 0x8005)
        })
    })
}

#[test]
fn a_flac_bomb_is_unpacked_only_as_far_as_it_is_heard() {
    let alone = alone();
    let _bounds = alone.bounds("flac bomb", 64);
    // 2 MB that hold 170 hours.
    let mut bomb = [&b"fLaC\x80\x00\x00\x22"[..], &stream_info(2, 44_100)].concat();
    for number in 0..128 * 1024 {
        bomb.extend(silent_frame((number % 128) as u8));
    }
    assert!(bomb.len() < 3 << 20);
    let mut media = open_bytes("bomb.flac", bomb, &OpenOptions::default()).unwrap();
    assert_eq!(play(&mut media, 1000), 1000);
    // A jump ends, wherever.
    let _ = media.seek(Duration::from_secs(300));
    play(&mut media, 10);
}

#[test]
fn two_hundred_megabytes_of_tags_are_passed_over() {
    let alone = alone();
    let clip = truth::bytes("mp3_44k_stereo.mp3");
    const TAG: u32 = 200 << 20;
    let size = [TAG >> 21, TAG >> 14, TAG >> 7, TAG].map(|part| (part & 0x7F) as u8);
    let header = [&b"ID3\x04\0\0"[..], &size].concat();
    let picture = [&b"APIC"[..], &[0x63, 0x7F, 0x7F, 0x70], &[0, 0]].concat();
    for (name, start) in [("padding", vec![]), ("one picture", picture)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tagged.mp3");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&header).unwrap();
        file.write_all(&start).unwrap();
        file.seek(SeekFrom::Start(u64::from(TAG) + 10)).unwrap();
        file.write_all(&clip).unwrap();
        drop(file);
        let _bounds = alone.bounds(&format!("200 MB of tags: {name}"), 16);
        let mut media = open(&path, &OpenOptions::default()).unwrap();
        assert!(play(&mut media, 100_000) > 10, "the music plays");
    }
}

#[test]
fn millions_of_small_tags_are_passed_over() {
    let alone = alone();
    let frame = b"TXXX\0\0\0\x05\0\0\x00a\0bc".to_vec();
    let clip = truth::bytes("mp3_44k_stereo.mp3");
    for (tag, most_mib) in [(200u32 << 20, 16), (12 << 20, 48)] {
        let count = tag as usize / frame.len();
        let tag = (count * frame.len()) as u32;
        let size = [tag >> 21, tag >> 14, tag >> 7, tag].map(|part| (part & 0x7F) as u8);
        let mut file = tempfile::NamedTempFile::with_suffix(".mp3").unwrap();
        file.write_all(&[&b"ID3\x04\0\0"[..], &size].concat())
            .unwrap();
        let thousand = frame.repeat(1024);
        for _ in 0..count / 1024 {
            file.write_all(&thousand).unwrap();
        }
        file.write_all(&frame.repeat(count % 1024)).unwrap();
        file.write_all(&clip).unwrap();
        let _bounds = alone.bounds(&format!("{count} small tags"), most_mib);
        let mut media = open(file.path(), &OpenOptions::default()).unwrap();
        assert!(play(&mut media, 100_000) > 10, "the music plays");
    }
}

#[test]
fn millions_of_comments_are_refused_before_they_are_read() {
    let alone = alone();
    let clip = truth::bytes("flac_44k_stereo.flac");
    let count = (15u32 << 20) / 6;
    let mut comments = [&0u32.to_le_bytes()[..], &count.to_le_bytes()].concat();
    for _ in 0..count {
        comments.extend(b"\x02\0\0\0a=");
    }
    let size = (comments.len() as u32).to_be_bytes();
    let block = [&[4, size[1], size[2], size[3]], &comments[..]].concat();
    let flac = [&clip[..42], &block, &clip[42..]].concat();
    let _bounds = alone.bounds("millions of comments: flac", 20);
    let error = opened("comments.flac", flac).unwrap_err();
    assert!(matches!(error, MediaError::BeyondLimit { .. }), "{error}");
}

#[test]
fn millions_of_comments_in_ogg_are_refused_before_they_are_read() {
    let alone = alone();
    let clip = truth::bytes("opus_48k_stereo.opus");
    let second = clip
        .windows(4)
        .skip(1)
        .position(|at| at == b"OggS")
        .unwrap()
        + 1;
    let count = (4u32 << 20) / 6;
    let mut packet = [
        &b"OpusTags"[..],
        &0u32.to_le_bytes()[..],
        &count.to_le_bytes(),
    ]
    .concat();
    for _ in 0..count {
        packet.extend(b"\x02\0\0\0a=");
    }
    let mut ogg = clip[..second].to_vec();
    let mut pages = packet.chunks(255 * 255).enumerate().peekable();
    while let Some((n, chunk)) = pages.next() {
        let mut lacing = vec![255u8; chunk.len() / 255];
        if pages.peek().is_none() {
            lacing.push((chunk.len() % 255) as u8);
        }
        ogg.extend(raw_page(
            u8::from(n > 0),
            n as u32 + 1,
            &clip[14..18],
            &lacing,
            chunk,
        ));
    }
    let third = clip[second + 4..]
        .windows(4)
        .position(|at| at == b"OggS")
        .unwrap()
        + second
        + 4;
    ogg.extend_from_slice(&clip[third..]);
    let _bounds = alone.bounds("millions of comments: ogg", 8);
    let error = opened("comments.opus", ogg).unwrap_err();
    assert!(matches!(error, MediaError::BeyondLimit { .. }), "{error}");
}

/// A WAV file whose sizes are what its author says.
fn wav(channels: u16, rate_hz: u32, data_bytes: u32, data: &[u8]) -> Vec<u8> {
    let align = channels.wrapping_mul(2);
    let mut out = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0".to_vec();
    out.extend(channels.to_le_bytes());
    out.extend(rate_hz.to_le_bytes());
    out.extend((rate_hz.wrapping_mul(u32::from(align))).to_le_bytes());
    out.extend(align.to_le_bytes());
    out.extend(16u16.to_le_bytes());
    out.extend(b"data");
    out.extend(data_bytes.to_le_bytes());
    out.extend(data);
    out
}

fn opened(name: &str, bytes: Vec<u8>) -> Result<Media, MediaError> {
    open_bytes(name, bytes, &OpenOptions::default())
}

#[test]
fn one_sample_is_a_sound_and_so_are_384_khz() {
    let alone = alone();
    let _bounds = alone.bounds("one sample", 8);
    let mut media = opened("one.wav", wav(1, 48_000, 2, &[0, 0x40])).unwrap();
    let mut block = SILENT_BLOCK;
    assert_eq!(media.read(&mut block).unwrap(), Read::Last(1));
    assert!((block[0] - 0.5).abs() < 0.01 && (block[1] - 0.5).abs() < 0.01);
    assert_eq!(media.read(&mut block).unwrap(), Read::End);
    let second = vec![0; 384_000 * 4];
    let mut media = opened("high.wav", wav(2, 384_000, second.len() as u32, &second)).unwrap();
    assert_eq!(truth::play(&mut media).len(), 48_000 * 2);
}

#[test]
fn thirty_two_channels_are_refused_with_the_limit() {
    let alone = alone();
    let _bounds = alone.bounds("32 channels", 8);
    let error = opened("wall.wav", wav(32, 48_000, 6400, &[0; 6400])).unwrap_err();
    println!("    {error}");
    assert!(
        matches!(
            error,
            MediaError::BeyondLimit { .. }
                | MediaError::UnsupportedCodec { .. }
                | MediaError::Damaged { .. }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("wall.wav"));
}

#[test]
fn absurd_lengths_in_a_wav_header_change_nothing() {
    let alone = alone();
    let _bounds = alone.bounds("absurd wav", 64);
    let data: Vec<u8> = (0..96_000u32).map(|n| n as u8).collect();
    for promised in [u32::MAX, u32::MAX - 1, 0x8000_0000, 96_000] {
        let mut media = opened("long.wav", wav(1, 48_000, promised, &data)).unwrap();
        assert_eq!(truth::play(&mut media).len(), 48_000 * 2, "{promised:#x}");
    }
    for (channels, rate_hz) in [(0, 48_000), (1, 0), (u16::MAX, 48_000), (1, u32::MAX)] {
        let error = opened("odd.wav", wav(channels, rate_hz, 96_000, &data)).unwrap_err();
        println!("    {error}");
    }
}

/// One Ogg page.
fn raw_page(kind: u8, sequence: u32, serial: &[u8], lacing: &[u8], body: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(kind);
    page.extend([0; 8]);
    page.extend(serial);
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(lacing.len() as u8);
    page.extend(lacing);
    page.extend(body);
    let crc = page.iter().fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            (crc << 1) ^ ((crc >> 31) * 0x04C1_1DB7)
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

#[test]
fn an_ogg_packet_that_never_ends_and_pages_that_repeat_are_given_up() {
    let alone = alone();
    let clip = truth::bytes("opus_48k_stereo.opus");
    {
        // The pages of the music again and again, with the same numbers.
        let _bounds = alone.bounds("repeated pages", 24);
        let body = clip.windows(4).rposition(|at| at == b"OggS").unwrap();
        let mut again = clip.clone();
        for _ in 0..200 {
            again.extend_from_slice(&clip[body..]);
        }
        if let Ok(mut media) = opened("again.ogg", again) {
            play(&mut media, 100_000);
        }
    }
    {
        let _bounds = alone.bounds("a packet without end", 64);
        let second = clip
            .windows(4)
            .skip(1)
            .position(|at| at == b"OggS")
            .unwrap()
            + 1;
        let mut head = clip[..second].to_vec();
        // Each page is the next part of the same packet.
        let more = raw_page(1, 1, &clip[14..18], &[255; 255], &[0x11; 255 * 255]);
        head.extend_from_slice(&raw_page(
            0,
            1,
            &clip[14..18],
            &[255; 255],
            &[0x11; 255 * 255],
        ));
        refused(looped(head, more));
    }
    let _bounds = alone.bounds("pages of nobody", 64);
    refused(looped(
        vec![],
        raw_page(0, 0, b"nobd", &[255; 4], &[0; 4 * 255]),
    ));
}

#[test]
fn an_endless_song_plays_on_in_constant_memory() {
    let alone = alone();
    let clip = truth::bytes("mp3_44k_stereo.mp3");
    let _bounds = alone.bounds("an endless song", 16);
    let mut media = open_stream(looped(vec![], clip), &OpenOptions::default()).unwrap();
    assert_eq!(play(&mut media, 5_000), 5_000);
    let error = media.seek(Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, MediaError::NoJump { .. }), "{error}");
    assert_eq!(play(&mut media, 10), 10, "and goes on where it was");
}

/// Frames of chapters that hold each other, as deep as so many bytes allow.
fn nested_chapters(bytes: usize) -> Vec<u8> {
    let frame = 10 + 17;
    let mut left = bytes / frame * frame;
    let mut out = Vec::with_capacity(left);
    while left > 0 {
        let inside = (left as u32 - 10).to_be_bytes();
        out.extend([&b"CHAP"[..], &inside, &[0; 2 + 17]].concat());
        left -= frame;
    }
    out
}

/// Opens and plays with half the stack that threads have.
fn plays_in_a_small_room(file: Vec<u8>) {
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let played = small.spawn(move || {
        let mut media = opened("chapters.mp3", file).unwrap();
        assert!(play(&mut media, 100_000) > 10, "the music plays");
    });
    played.unwrap().join().unwrap();
}

#[test]
fn chapters_within_chapters_are_not_followed_all_the_way_down() {
    let alone = alone();
    let clip = truth::bytes("mp3_44k_stereo.mp3");
    for bytes in [20_000, 100_000, 2_000_000] {
        let frames = nested_chapters(bytes);
        let size = frames.len() as u32;
        let size = [size >> 21, size >> 14, size >> 7, size].map(|part| (part & 0x7F) as u8);
        let tag = [&b"ID3\x03\0\0"[..], &size, &frames].concat();
        for junk in [&b""[..], b"\0\0\0"] {
            let file = [junk, &tag, &clip].concat();
            let _bounds = alone.bounds(&format!("{bytes} bytes of chapters"), 64);
            plays_in_a_small_room(file);
        }
    }
    // Tables of contents, each of which names the next one.
    let mut frames = Vec::new();
    for number in 0..4_000 {
        let top = if number == 0 { 2 } else { 0 };
        let body = format!("{number:05}\0{}\x01{:05}\0", char::from(top), number + 1);
        let size = (body.len() as u32).to_be_bytes();
        frames.extend([&b"CTOC"[..], &size, &[0, 0], body.as_bytes()].concat());
    }
    let size = frames.len() as u32;
    let size = [size >> 21, size >> 14, size >> 7, size].map(|part| (part & 0x7F) as u8);
    let _bounds = alone.bounds("a long chain of contents", 16);
    plays_in_a_small_room([&b"ID3\x03\0\0"[..], &size, &frames, &clip].concat());
}
