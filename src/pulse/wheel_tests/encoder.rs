//! What the encoder is told while it works.

use mynah_audio::EncoderSettings;

use super::rig::{Rig, tone};

const SETTINGS: EncoderSettings = EncoderSettings {
    bitrate_bps: 96_000,
    complexity: 1,
    fec: false,
    expected_loss_percent: 0,
    dtx: false,
    vbr: false,
};

#[test]
fn new_settings_hold_from_the_next_frame_on_and_a_bitrate_changes_nothing_else() {
    let mut rig = Rig::new(100);
    let (session, mut writer) = rig.sing(tone, 16);
    let mut run = |rig: &mut Rig| {
        for _ in 0..10 {
            let _ = writer.put(|block| block.fill(0.1));
            rig.run_ms(20);
        }
        rig.heard(1).last().unwrap().frame.len()
    };
    // Without variable bitrate each frame has the same length: bit/s / 8 / 50.
    rig.handle.encoder(session, SETTINGS);
    assert_eq!(run(&mut rig), 240);
    rig.handle.set_bitrate(session, 64_000);
    assert_eq!(run(&mut rig), 160);
    rig.handle.encoder(
        session,
        EncoderSettings {
            bitrate_bps: 128_000,
            ..SETTINGS
        },
    );
    assert_eq!(run(&mut rig), 320);
}
