//! Whatever a client may say about DAVE (op 23, 26, 28, 31, text and binary), to a server that has
//! proposed the next epoch and waits for commits.
//!
//! The room is kept from one input to the next for as long as the server said nothing to anybody.
#![no_main]

use std::cell::RefCell;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mynah_fuzz::{Plan, Room, escaping, expect_fences};
use mynah_server::voice::machines::Frame;

/// Inputs that a room serves at most.
const MAX_USES: u32 = 200;
/// Marks a text; no opcode.
const TEXT: u8 = 0xFF;

struct Stage {
    room: Room,
    /// Both members' commits with welcomes, everybody's key packages, and op 23.
    real: Vec<Vec<u8>>,
    uses: u32,
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

impl Stage {
    fn new() -> Self {
        let mut room = Room::new();
        room.join();
        room.join();
        room.pass(Duration::from_millis(100));
        for client in &mut room.clients {
            client.holds_up = true;
        }
        room.join();
        room.pass(Duration::from_millis(50));
        let up = room.clients.iter().flat_map(|client| &client.up);
        let mut real: Vec<Vec<u8>> = up.map(write).collect();
        for text in [
            r#"{"op":23,"d":{"transition_id":1}}"#,
            r#"{"op":31,"d":{"transition_id":1}}"#,
            r#"{"op":31,"d":["transition_id",1]}"#,
        ] {
            real.push([&[TEXT], text.as_bytes()].concat());
        }
        Self {
            room,
            real,
            uses: 0,
        }
    }

    /// Gives one input to the server; false when the room is used up.
    fn play(&mut self, mut plan: Plan<'_>) -> bool {
        let said = self.room.said;
        while !plan.is_over() {
            let client = usize::from(plan.byte()) % 3;
            let Some(message) = plan.message(&self.real) else {
                break;
            };
            // Clients may say only so much in a second; time is not what is tested here.
            self.room.now += Duration::from_millis(300);
            self.room.say(client, &read(&message));
            self.room.settle();
        }
        self.uses += 1;
        self.uses < MAX_USES && self.room.said == said
    }
}

fn write(frame: &Frame) -> Vec<u8> {
    match frame {
        Frame::Text(text) => [&[TEXT], text.as_bytes()].concat(),
        Frame::Binary(bytes) => bytes.clone(),
    }
}

fn read(message: &[u8]) -> Frame {
    match message {
        [TEXT, text @ ..] => Frame::Text(String::from_utf8_lossy(text).into_owned()),
        bytes => Frame::Binary(bytes.to_vec()),
    }
}

fn run(input: &[u8]) {
    STAGE.with_borrow_mut(|kept| {
        let mut stage = kept.take().unwrap_or_else(Stage::new);
        if stage.play(Plan::new(input)) {
            *kept = Some(stage);
        }
    });
}

fuzz_target!(init: expect_fences(), |input: &[u8]| escaping(|| run(input)));
