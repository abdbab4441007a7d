use super::*;
use crate::{Block, CHANNELS, Encoder, EncoderConfig, SILENT_BLOCK};

fn at_loss(policy: &mut EncoderPolicy, loss: f32) -> EncoderSettings {
    policy.loss = loss;
    policy.decide()
}

#[test]
fn the_bitrate_is_the_channels_or_what_was_wished_within_it() {
    let mut policy = EncoderPolicy::new(96_000);
    assert_eq!(policy.decide().bitrate_bps, 96_000);
    policy.wanted = WantedBitrate::Fixed(64_000);
    assert_eq!(policy.decide().bitrate_bps, 64_000);
    policy.wanted = WantedBitrate::Fixed(256_000);
    assert_eq!(policy.decide().bitrate_bps, 96_000);
    policy.channel_bps = 8;
    assert_eq!(policy.decide().bitrate_bps, 6_000);
}

#[test]
fn the_machine_caps_the_complexity() {
    let mut policy = EncoderPolicy::new(96_000);
    assert_eq!(policy.decide().complexity, 10);
    policy.cpu_complexity_cap = 5;
    assert_eq!(policy.decide().complexity, 5);
    policy.cpu_complexity_cap = 99;
    assert_eq!(policy.decide().complexity, 10);
}

#[test]
fn a_loss_that_wanders_round_a_border_changes_nothing() {
    let mut policy = EncoderPolicy::new(128_000);
    assert_eq!(at_loss(&mut policy, 0.009).expected_loss_percent, 0);
    let armed = at_loss(&mut policy, 0.05);
    assert_eq!(armed.expected_loss_percent, 5);
    for loss in [0.039, 0.041, 0.03, 0.06, 0.026, 0.079] {
        assert_eq!(at_loss(&mut policy, loss), armed, "{loss}");
    }
    assert_eq!(at_loss(&mut policy, 0.02).expected_loss_percent, 2);
    assert_eq!(at_loss(&mut policy, 0.5).expected_loss_percent, 20);
    assert_eq!(at_loss(&mut policy, 0.0).expected_loss_percent, 0);
}

#[test]
fn nonsense_for_a_loss_is_no_loss() {
    for loss in [f32::NAN, -1.0, f32::INFINITY] {
        let settings = at_loss(&mut EncoderPolicy::new(64_000), loss);
        assert_eq!((settings.fec, settings.expected_loss_percent), (false, 0));
    }
}

#[test]
fn fec_comes_with_loss_at_bitrates_of_speech_only() {
    let mut low = EncoderPolicy::new(64_000);
    assert!(!at_loss(&mut low, 0.0).fec);
    assert!(at_loss(&mut low, 0.05).fec);
    assert!(!at_loss(&mut low, 0.001).fec);
    assert!(!at_loss(&mut EncoderPolicy::new(96_000), 0.2).fec);
}

/// How many of the frames 51 to 150 that `settings` make of chords are CELT (RFC 6716 section 3.1:
/// TOC configurations 16 and more). libopus takes half a second to tell music from speech.
fn celt_frames(settings: &EncoderSettings) -> usize {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    encoder.apply(settings).unwrap();
    let mut packet = [0u8; 1275];
    let mut celt = 0;
    for b in 0..150 {
        let mut block: Block = SILENT_BLOCK;
        for (n, frame) in block.chunks_exact_mut(CHANNELS).enumerate() {
            let t = (b * crate::FRAMES + n) as f32 / 48_000.0;
            let tone = |hz: f32| (std::f32::consts::TAU * hz * t).sin() * 0.1;
            let left = tone(220.0) + tone(277.2) + tone(329.6) + tone(1760.0) + tone(7040.0);
            frame.copy_from_slice(&[left, left + tone(554.4)]);
        }
        encoder.encode(&block, &mut packet).unwrap();
        celt += usize::from(b >= 50 && packet[0] >> 3 >= 16);
    }
    celt
}

#[test]
fn music_stays_celt_whatever_the_policy_decides() {
    for channel_bps in [48_000, 64_000, 96_000, 128_000] {
        for loss in [0.0, 0.02, 0.05, 0.1, 0.3] {
            let settings = at_loss(&mut EncoderPolicy::new(channel_bps), loss);
            let celt = celt_frames(&settings);
            assert!(celt > 95, "{celt} of 100 with {settings:?}");
        }
    }
    // Why the policy holds back: the same loss told in full takes music out of CELT.
    let careless = EncoderSettings {
        fec: true,
        expected_loss_percent: 10,
        ..EncoderSettings::default()
    };
    assert!(celt_frames(&careless) < 50);
}
