//! Synthetic senders with seeds: crystals off by 100 ppm, even jitter of 60 ms with the reorder it makes, 5 %
//! loss. Every packet carries its number, so that its place can be compared with when it was sent.

use super::*;
use crate::core::{frames_in, packet};

/// A small random generator (xorshift64*), so that runs are the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }
}

#[derive(Clone, Copy)]
struct Sender {
    ppm: f64,
    jitter_us: u64,
    loss_percent: u64,
    /// Milliseconds of speech and of pause, both at most; no pause is somebody who never stops.
    speech_ms: u64,
    pause_ms: u64,
    /// Whether the RTP time runs on through pauses, as in browsers; some bots stop it.
    runs_on: bool,
    /// Whether five silence packets end a spurt, as Discord wants.
    silence_frames: bool,
    length_us: u64,
    seed: u64,
}

const BASE_US: u64 = 30_000;

impl Default for Sender {
    fn default() -> Self {
        Self {
            ppm: 0.0,
            jitter_us: 60_000,
            loss_percent: 5,
            speech_ms: 8_000,
            pause_ms: 4_000,
            runs_on: true,
            silence_frames: true,
            length_us: 600_000_000,
            seed: 1,
        }
    }
}

struct Sent {
    /// When the fastest packet sent then would arrive: the truth all tracks share.
    truth_us: Vec<f64>,
    arrivals: Vec<Arrived>,
}

fn send(sender: Sender) -> Sent {
    let mut dice = Dice(sender.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut sent = Sent {
        truth_us: Vec::new(),
        arrivals: Vec::new(),
    };
    // Close to both wraps.
    let (mut seq, mut rtp) = (65_400_u16, u32::MAX - 48_000 * 20);
    // Time in microseconds of the sender's own clock.
    let mut own_us = 0_u64;
    while own_us < sender.length_us {
        let speech = 1 + dice.roll(sender.speech_ms / 20);
        let tail = if sender.silence_frames && sender.pause_ms > 0 {
            5
        } else {
            0
        };
        for index in 0..speech + tail {
            let truth = own_us as f64 / (1.0 + sender.ppm * 1e-6) + BASE_US as f64;
            let number = sent.truth_us.len() as u32;
            sent.truth_us.push(truth);
            let payload = if index < speech {
                let mut payload = vec![0xFC];
                payload.extend(number.to_be_bytes());
                payload.extend([0x55; 3]);
                payload
            } else {
                packet::SILENCE.to_vec()
            };
            if dice.roll(100) >= sender.loss_percent {
                sent.arrivals.push(Arrived {
                    ssrc: 7,
                    seq,
                    rtp,
                    arrival_us: truth as u64 + dice.roll(sender.jitter_us.max(1)),
                    payload,
                });
            }
            seq = seq.wrapping_add(1);
            rtp = rtp.wrapping_add(960);
            own_us += 20_000;
        }
        if sender.pause_ms > 0 {
            let pause_us = (100 + dice.roll(sender.pause_ms)) / 20 * 20_000;
            own_us += pause_us;
            if sender.runs_on {
                rtp = rtp.wrapping_add((pause_us / 1_000 * 48) as u32);
            }
        }
    }
    sent.arrivals.sort_by_key(|arrived| arrived.arrival_us);
    sent
}

#[derive(Default)]
struct Heard {
    /// Milliseconds off the truth, by packet; positive is late.
    errors: Vec<f64>,
    numbers: Vec<u32>,
    left_out: usize,
    counts: Counts,
    drift_ppm: Option<f64>,
    head: u64,
}

fn number_of(payload: &[u8]) -> Option<u32> {
    (payload.len() == 8)
        .then(|| u32::from_be_bytes([payload[1], payload[2], payload[3], payload[4]]))
}

fn hear(sent: &Sent, end_us: u64) -> Heard {
    let mut timeline = Timeline::new();
    let mut heard = Heard::default();
    let mut at = 0;
    let mut take = |timeline: &mut Timeline, heard: &mut Heard| {
        while let Some(output) = timeline.pop() {
            match output {
                Output::Piece(piece) => {
                    assert_eq!(piece.at, at, "the line has a gap");
                    assert!(piece.frames > 0 && piece.frames % u64::from(STEP) == 0);
                    at += piece.frames;
                    if let Sound::Packet(payload) = piece.sound
                        && let Some(number) = number_of(&payload)
                    {
                        let truth_ms = sent.truth_us[number as usize] / 1_000.0;
                        heard.errors.push(piece.at as f64 / 48.0 - truth_ms);
                        heard.numbers.push(number);
                    }
                }
                Output::Entry(entry) if entry.fate == Fate::LeftOut && entry.bytes == 8 => {
                    heard.left_out += 1;
                }
                Output::Entry(_) => {}
            }
        }
    };
    let mut now_us = 0;
    for arrived in &sent.arrivals {
        while now_us + 20_000 < arrived.arrival_us {
            now_us += 20_000;
            timeline.drain(now_us);
        }
        timeline.push(arrived.clone());
        take(&mut timeline, &mut heard);
    }
    timeline.finish(end_us);
    take(&mut timeline, &mut heard);
    heard.counts = timeline.counts();
    heard.drift_ppm = timeline.clock().drift_ppm();
    heard.head = timeline.head();
    heard
}

fn worst(errors: &[f64]) -> f64 {
    errors
        .iter()
        .fold(0.0, |worst, error| error.abs().max(worst))
}

/// The error that 999 of 1,000 packets stay below.
fn nearly_all(errors: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() * 999 / 1_000]
}

#[test]
fn speakers_stay_within_20_ms_for_two_hours() {
    let hours = 7_200_000_000;
    let speakers = [
        (100.0, 8_000, 4_000, 5),
        (-100.0, 8_000, 4_000, 5),
        (100.0, 1_000, 60_000, 5), // says a word a minute
        (-100.0, 600_000, 0, 5),   // music that never stops
        // Never a pause, never a loss: no place to set the line right unheard.
        (100.0, 600_000, 0, 0),
        (-100.0, 600_000, 0, 0),
    ];
    for (index, (ppm, speech_ms, pause_ms, loss_percent)) in speakers.into_iter().enumerate() {
        let sent = send(Sender {
            ppm,
            speech_ms,
            pause_ms,
            loss_percent,
            length_us: hours,
            seed: 40 + index as u64,
            ..Sender::default()
        });
        let spoken = sent
            .arrivals
            .iter()
            .filter(|a| a.payload.len() == 8)
            .count();
        let heard = hear(&sent, hours + 1_000_000);
        let (worst, nearly) = (worst(&heard.errors), nearly_all(&heard.errors));
        let drift = heard.drift_ppm.unwrap();
        eprintln!(
            "{ppm:+} ppm: worst {worst:.1} ms, 99.9 % {nearly:.1} ms, drift {drift:.1} ppm, left out {} of {spoken}, {:?}",
            heard.left_out, heard.counts
        );
        assert!(worst <= 20.0, "speaker {index}: {worst} ms off");
        assert!((drift - ppm).abs() < 15.0, "speaker {index}: {drift} ppm");
        // Every word that came is there; a crystal 100 ppm too fast costs 18 packets an hour at most.
        assert_eq!(heard.numbers.len() + heard.left_out, spoken);
        assert!(heard.left_out <= 40, "{} left out", heard.left_out);
        assert_eq!(heard.counts.late, 0);
        assert!(heard.numbers.is_sorted());
    }
}

#[test]
fn senders_whose_time_stops_in_pauses_are_anchored_by_their_first_packets() {
    let mut all = Vec::new();
    for seed in 0..8 {
        let sent = send(Sender {
            runs_on: false,
            seed,
            ..Sender::default()
        });
        let heard = hear(&sent, 610_000_000);
        assert_eq!(heard.counts.late, 0);
        all.extend(heard.errors);
    }
    let close = all.iter().filter(|error| error.abs() <= 20.0).count();
    eprintln!(
        "worst {:.1}, within 20 ms: {close} of {}",
        worst(&all),
        all.len()
    );
    // Five packets with 60 ms of jitter cannot tell more; the rest of the spurt sets it right.
    assert!(close * 1_000 >= all.len() * 990);
    assert!(worst(&all) <= 50.0, "{}", worst(&all));
}

#[test]
fn losses_inside_speech_are_concealed_and_not_closed_up() {
    let sent = send(Sender {
        jitter_us: 0,
        pause_ms: 0,
        length_us: 60_000_000,
        ..Sender::default()
    });
    let heard = hear(&sent, 70_000_000);
    let missing = heard
        .numbers
        .windows(2)
        .map(|pair| u64::from(pair[1] - pair[0] - 1))
        .sum::<u64>();
    assert!(missing > 50);
    assert_eq!(heard.counts.lost, missing);
    assert_eq!(heard.counts.concealed, missing * 960);
    assert!(worst(&heard.errors) <= 1.5);
    assert_eq!(heard.head, frames_in(70_000_000));
}

fn plain(ssrc: u32, number: u32, seq: u16, rtp: u32, arrival_us: u64) -> Arrived {
    let mut payload = vec![0xFC];
    payload.extend(number.to_be_bytes());
    payload.extend([0; 3]);
    Arrived {
        ssrc,
        seq,
        rtp,
        arrival_us,
        payload,
    }
}

fn sent(arrivals: Vec<Arrived>) -> Sent {
    let truth_us = arrivals
        .iter()
        .map(|arrived| arrived.arrival_us as f64)
        .collect();
    Sent { truth_us, arrivals }
}

#[test]
fn a_new_ssrc_and_a_restarted_client_keep_their_places() {
    let mut arrivals = Vec::new();
    for number in 0..300_u32 {
        let at = 1_000_000 + u64::from(number) * 20_000;
        arrivals.push(match number {
            0..100 => plain(1, number, number as u16, number * 960, at),
            // Another stream in the same breath.
            100..200 => plain(2, number, 9_000 + number as u16, 77_777 + number * 960, at),
            // The same SSRC, everything else anew and backward.
            _ => plain(2, number, (number + 40_000) as u16, 5 + number * 960, at),
        });
    }
    // One packet of the first stream is late and must not bring it back.
    let mut late = arrivals[98].clone();
    late.arrival_us = 1_000_000 + 103 * 20_000 + 1;
    let mut sent = sent(arrivals);
    sent.arrivals.insert(104, late);
    let heard = hear(&sent, 8_000_000);
    assert_eq!(heard.numbers, (0..300).collect::<Vec<_>>());
    assert!(worst(&heard.errors) <= 1.5, "{}", worst(&heard.errors));
    assert_eq!(heard.counts.streams, 3);
    assert_eq!(heard.counts.late, 1);
}

#[test]
fn doubles_and_wild_timestamps_do_no_harm() {
    let mut arrivals = Vec::new();
    for number in 0..200_u32 {
        let at = 500_000 + u64::from(number) * 20_000;
        // Halfway the time jumps by an hour, without a pause.
        let rtp = number * 960 + if number >= 100 { 172_800_000 } else { 0 };
        arrivals.push(plain(1, number, number as u16, rtp, at));
    }
    let mut sent = sent(arrivals);
    for number in (1..150).rev() {
        let mut double = sent.arrivals[number].clone();
        double.arrival_us += 1;
        sent.arrivals.insert(number + 1, double);
    }
    let heard = hear(&sent, 5_000_000);
    assert_eq!(heard.numbers, (0..200).collect::<Vec<_>>());
    assert!(worst(&heard.errors) <= 1.5, "{}", worst(&heard.errors));
    assert_eq!(heard.counts.late, 149);
    assert_eq!(heard.head, frames_in(5_000_000));
}

#[test]
fn a_packet_that_could_not_be_decrypted_is_concealed() {
    let mut arrivals: Vec<Arrived> = (0..50)
        .map(|number| {
            plain(
                1,
                number,
                number as u16,
                number * 960,
                u64::from(number) * 20_000,
            )
        })
        .collect();
    arrivals[20].payload.clear();
    arrivals[21].payload = vec![0xFB, 0]; // not Opus
    let heard = hear(&sent(arrivals), 1_000_000);
    assert_eq!(heard.counts.unusable, 2);
    assert_eq!(heard.counts.concealed, 2 * 960);
    assert_eq!(heard.numbers.len(), 48);
    assert!(worst(&heard.errors) <= 1.5);
}

#[test]
fn a_stalled_network_loses_nothing_and_moves_nothing() {
    // Second 2 to 3.2 arrives in one burst.
    let arrivals = (0..250_u32)
        .map(|number| {
            let at = 1_000_000 + u64::from(number) * 20_000;
            let stalled = if (2_000_000..3_200_000).contains(&at) {
                3_200_000
            } else {
                at
            };
            plain(1, number, number as u16, number * 960, stalled)
        })
        .collect();
    let mut sent: Sent = sent(arrivals);
    for (number, truth) in sent.truth_us.iter_mut().enumerate() {
        *truth = 1_000_000.0 + number as f64 * 20_000.0;
    }
    let heard = hear(&sent, 7_000_000);
    assert_eq!(heard.numbers, (0..250).collect::<Vec<_>>());
    assert!(worst(&heard.errors) <= 3.0, "{}", worst(&heard.errors));
    assert_eq!(heard.counts.concealed, 0);
}

#[test]
fn garbage_in_any_order_never_breaks_the_line() {
    let mut dice = Dice(99);
    let mut timeline = Timeline::new();
    let mut at = 0;
    let mut now_us = 0;
    for _ in 0..30_000 {
        now_us += dice.roll(30_000);
        let bytes = dice.roll(6);
        timeline.push(Arrived {
            ssrc: dice.roll(3) as u32,
            seq: (dice.roll(4) * 20_000 + dice.roll(12)) as u16,
            rtp: (dice.roll(5) * 1_000_000_007) as u32,
            arrival_us: now_us,
            payload: (0..bytes).map(|_| dice.roll(256) as u8).collect(),
        });
        timeline.drain(now_us);
        while let Some(output) = timeline.pop() {
            if let Output::Piece(piece) = output {
                assert_eq!(piece.at, at);
                at += piece.frames;
            }
        }
        assert!(at <= frames_in(now_us) + 48_000 * 2, "the line runs away");
    }
}
