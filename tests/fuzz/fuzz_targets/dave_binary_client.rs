//! Whatever a voice server may say about DAVE (op 21 to 30, text and binary), to a client that is in
//! a group of three, with the next epoch's proposals, commit and transition on their way to it.
//!
//! The room is kept from one input to the next for as long as the client took no notice of what it
//! was told: making one costs a hundred times what most inputs do.
#![no_main]

use std::cell::RefCell;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mynah_fuzz::{Plan, Room, escaping, expect_fences};
use mynah_server::voice::machines::Frame;
use mynah_session::voice::{DaveReport, Input, Output};

/// Inputs that a room serves at most, so that traces of old ones cannot pile up.
const MAX_USES: u32 = 200;
/// Marks a text among the real messages.
const TEXT: u8 = 0xFF;

struct Stage {
    room: Room,
    /// Held back: op 27, op 29 and op 22 that make the next epoch, and all the earlier ones.
    real: Vec<Vec<u8>>,
    report: Option<DaveReport>,
    uses: u32,
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

impl Stage {
    /// `alone`: nobody else is there yet, and the first group is on its way.
    fn new(alone: bool) -> Self {
        let mut room = Room::new();
        room.join();
        if !alone {
            room.join();
            room.pass(Duration::from_millis(100));
        }
        room.clients[0].holds_down = true;
        room.join();
        room.pass(Duration::from_millis(100));
        // Nobody waits for the client longer than two seconds.
        room.pass(Duration::from_millis(2100));
        let real = room.clients[0].down.iter().map(write).collect();
        Self {
            real,
            report: room.clients[0].session.dave(),
            room,
            uses: 0,
        }
    }

    /// Gives one input to the client; false when the room is used up.
    fn play(&mut self, mut plan: Plan<'_>) -> bool {
        let mut is_untouched = true;
        while let Some(message) = plan.message(&self.real) {
            let frame = read(&message);
            self.room.tell(0, &frame);
            is_untouched &= self.drain();
        }
        self.uses += 1;
        is_untouched && self.uses < MAX_USES && self.room.clients[0].session.dave() == self.report
    }

    /// Runs what the client wants to have computed; false when it said anything at all.
    fn drain(&mut self) -> bool {
        let now = self.room.now;
        let session = &mut self.room.clients[0].session;
        let mut is_silent = true;
        loop {
            match session.poll() {
                Output::Wait(_) => return is_silent,
                Output::Crypto(job) => session.handle(now, Input::Crypto(job.run())),
                _ => is_silent = false,
            }
        }
    }
}

fn write(frame: &Frame) -> Vec<u8> {
    match frame {
        Frame::Text(text) => [&[TEXT], text.as_bytes()].concat(),
        Frame::Binary(bytes) => bytes.clone(),
    }
}

/// A sequence number of 0xFFxx never occurs here, so that byte marks a text.
fn read(message: &[u8]) -> Frame {
    match message {
        [TEXT, text @ ..] => Frame::Text(String::from_utf8_lossy(text).into_owned()),
        bytes => Frame::Binary(bytes.to_vec()),
    }
}

fn run(input: &[u8]) {
    let mut plan = Plan::new(input);
    let alone = plan.byte() & 1 == 1;
    STAGE.with_borrow_mut(|kept| {
        let fits = |stage: &Stage| stage.room.clients.len() == 3 - usize::from(alone);
        let mut stage = match kept.take().filter(fits) {
            Some(stage) => stage,
            None => Stage::new(alone),
        };
        if stage.play(plan) {
            *kept = Some(stage);
        }
    });
}

fuzz_target!(init: expect_fences(), |input: &[u8]| escaping(|| run(input)));
