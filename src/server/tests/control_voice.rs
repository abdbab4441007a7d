//! Voice and faults over the control API, with a crowd that only notes what it is asked.

use std::sync::{Arc, Mutex};

use mynah_wire::UserId;
use serde_json::{Value, json};

use super::control::person;
use super::sockets::{Socket, bot, control, login, payload, up};
use crate::crowd::{
    BoxFuture, Crowd, HearRequest, HearStats, Heard, SayReport, SayRequest, UserDave, VoiceTicket,
};
use crate::voice::DavePolicy;

/// Notes what it is asked, and does it at once.
#[derive(Default)]
struct PaperCrowd(Mutex<Vec<String>>);

impl PaperCrowd {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Crowd for PaperCrowd {
    fn join(&self, ticket: VoiceTicket) -> BoxFuture<'_, Result<(), String>> {
        self.note(format!("join {} {}", ticket.user_id, ticket.channel_id));
        Box::pin(async { Ok(()) })
    }

    fn leave(&self, user_id: UserId) -> BoxFuture<'_, ()> {
        self.note(format!("leave {user_id}"));
        Box::pin(async {})
    }

    fn say(&self, _: UserId, request: SayRequest) -> BoxFuture<'_, Result<SayReport, String>> {
        self.note(format!("say {:?}", request.what));
        let report = SayReport {
            started_at_us: 1,
            skipped_us: None,
            packets: request.wait.then_some(50),
        };
        Box::pin(async move { Ok(report) })
    }

    fn hear(&self, _: UserId, request: HearRequest) -> BoxFuture<'_, Result<Heard, String>> {
        self.note(format!("hear {}", request.seconds));
        let heard = Heard {
            bytes: b"RIFF".to_vec(),
            stats: HearStats::default(),
        };
        Box::pin(async move { Ok(heard) })
    }

    fn set_flags(&self, user_id: UserId, self_mute: bool, self_deaf: bool) {
        self.note(format!("flags {user_id} {self_mute} {self_deaf}"));
    }

    fn dave(&self, user_id: UserId) -> Option<UserDave> {
        Some(UserDave {
            epoch: 3,
            privacy_code: "012345678901234567890123456789".to_owned(),
            members: vec![user_id],
        })
    }
}

#[tokio::test]
async fn people_join_speak_listen_move_and_leave_through_the_crowd() {
    let up = up().await;
    let alice = person(&up, "alice").await;
    let [first, second] = [up.ready.voice_channel_ids[0], up.ready.voice_channel_ids[1]];
    let join = json!({"user_id": alice, "channel_id": first});
    assert_eq!(
        control(&up, "POST", "/voice/join", &join).await.status,
        501,
        "no crowd yet"
    );
    let crowd = Arc::new(PaperCrowd::default());
    up.server.set_crowd(crowd.clone());
    let who = json!({"user_id": alice});
    assert_eq!(control(&up, "POST", "/voice/leave", &who).await.status, 409);
    assert_eq!(control(&up, "POST", "/voice/join", &join).await.status, 200);
    let mut tone = json!({"user_id": alice, "tone": {"hz": 440, "seconds": 1}, "wait": true});
    let said = control(&up, "POST", "/voice/say", &tone).await.json();
    assert_eq!(said, json!({"started_at_us": 1, "packets": 50}));
    tone["tone"]["hz"] = json!(0);
    assert_eq!(control(&up, "POST", "/voice/say", &tone).await.status, 400);
    let hear = format!("/voice/hear?user_id={alice}&seconds=0.5");
    let heard = control(&up, "GET", &hear, &Value::Null).await;
    assert_eq!(heard.body, b"RIFF");
    assert!(
        heard.head.contains("x-voice-stats: {") && heard.head.contains("\"packets\":0"),
        "{}",
        heard.head
    );
    let timed = format!("{hear}&format=packets");
    let timed = control(&up, "GET", &timed, &Value::Null).await;
    assert!(timed.head.contains("content-type: application/json"));
    let unknown = format!("{hear}&format=mp3");
    let unknown = control(&up, "GET", &unknown, &Value::Null).await;
    assert_eq!(unknown.status, 400);
    let flags = json!({"user_id": alice, "self_mute": true});
    control(&up, "POST", "/voice/state", &flags).await;
    let there = json!({"user_id": alice, "channel_id": second});
    assert_eq!(
        control(&up, "POST", "/voice/move", &there).await.status,
        200
    );
    assert_eq!(control(&up, "POST", "/voice/kick", &who).await.status, 200);
    assert_eq!(
        crowd.take(),
        [
            format!("join {alice} {first}"),
            "say Tone { hz: 440.0, seconds: 1.0, dbfs: -20.0 }".to_owned(),
            "hear 0.5".to_owned(),
            "hear 0.5".to_owned(),
            format!("flags {alice} true false"),
            format!("join {alice} {second}"),
            format!("leave {alice}"),
        ]
    );
    up.server.stop().await;
}

#[tokio::test]
async fn scripted_trouble_hits_its_target_and_ends() {
    let up = up().await;
    let mut socket = login(&up).await;
    let user = up.ready.bots[0].user_id;
    let channel = up.ready.text_channel_id;
    let path = format!("/channels/{channel}/messages");
    let rest = json!({"scope": {"all": true}, "rest": {"route": "POST /channels/ID/messages",
        "status": 429, "retry_after": 0.25, "times": 1}});
    control(&up, "POST", "/faults", &rest).await;
    let limited = bot(&up, "POST", &path, &json!({"content": "x"})).await;
    assert_eq!(
        (limited.status, &limited.json()["retry_after"]),
        (429, &json!(0.25))
    );
    assert!(
        limited.head.contains("x-ratelimit-reset-after: 0.250"),
        "{}",
        limited.head
    );
    assert_eq!(
        bot(&up, "POST", &path, &json!({"content": "x"}))
            .await
            .status,
        200
    );
    let udp = json!({"scope": {"user_id": user}, "udp": {"loss": 0.2, "jitter_ms": 30}});
    let fault = control(&up, "POST", "/faults", &udp).await.json();
    let id = fault["fault_id"].as_str().unwrap().to_owned();
    assert_eq!(
        control(&up, "DELETE", &format!("/faults/{id}"), &Value::Null)
            .await
            .status,
        200
    );
    assert_eq!(
        control(&up, "DELETE", &format!("/faults/{id}"), &Value::Null)
            .await
            .status,
        404
    );
    let odd = json!({"scope": {"all": true}, "udp": {"lose": 1}});
    let odd = control(&up, "POST", "/faults", &odd).await;
    assert!(odd.status == 400 && odd.json()["hint"].as_str().unwrap().contains("loss"));
    let close = json!({"scope": {"user_id": user}, "gateway": {"reconnect": true}});
    control(&up, "POST", "/faults", &close).await;
    event_op(&mut socket, 7).await;
    assert_eq!(
        control(&up, "DELETE", "/faults", &Value::Null).await.status,
        200
    );
    up.server.stop().await;
}

#[tokio::test]
async fn channels_have_a_policy_and_stages_have_none_to_choose() {
    let up = up().await;
    let policy_of = |state: &Value, id: &Value| -> Value {
        let channels = state["channels"].as_array().unwrap();
        channels.iter().find(|c| c["id"] == *id).unwrap()["dave"].clone()
    };
    let mut made = Vec::new();
    for dave in ["required", "optional", "off"] {
        let body = json!({"name": dave, "kind": "voice", "dave": dave});
        let answer = control(&up, "POST", "/channels", &body).await.json();
        made.push((answer["channel_id"].clone(), dave));
    }
    let state = control(&up, "GET", "/state", &Value::Null).await.json();
    for (id, dave) in made {
        assert_eq!(policy_of(&state, &id), dave);
    }
    let shipped = DavePolicy::SHIPPED.word();
    assert_eq!(
        policy_of(&state, &json!(up.ready.voice_channel_ids[0])),
        shipped
    );
    assert_eq!(policy_of(&state, &json!(up.ready.stage_channel_id)), "off");
    assert_eq!(
        policy_of(&state, &json!(up.ready.text_channel_id)),
        Value::Null
    );
    for (kind, dave) in [
        ("stage", "required"),
        ("text", "optional"),
        ("voice", "maybe"),
    ] {
        let body = json!({"name": "x", "kind": kind, "dave": dave});
        let refused = control(&up, "POST", "/channels", &body).await;
        assert_eq!(refused.status, 400, "{kind} {dave}");
    }
    up.server.stop().await;
}

#[tokio::test]
async fn voice_faults_that_last_are_listed_and_end() {
    let up = up().await;
    for fault in [
        json!({"hang": true}),
        json!({"invalid_commit": true, "withhold_welcome": true}),
        json!({"delay_execute_ms": 500}),
        json!({"downgrade": true}),
        json!({"duplicate_external_sender": true}),
    ] {
        let body = json!({"scope": {"all": true}, "voice": fault});
        let answer = control(&up, "POST", "/faults", &body).await;
        assert_eq!(answer.status, 200, "{fault}");
        let state = control(&up, "GET", "/state", &Value::Null).await.json();
        assert_eq!(state["faults"][0]["script"]["voice"], fault);
        let path = format!("/faults/{}", answer.json()["fault_id"].as_str().unwrap());
        assert_eq!(
            control(&up, "DELETE", &path, &Value::Null).await.status,
            200
        );
    }
    let long = json!({"scope": {"all": true}, "voice": {"delay_execute_ms": 60_001}});
    assert_eq!(control(&up, "POST", "/faults", &long).await.status, 400);
    up.server.stop().await;
}

async fn event_op(socket: &mut Socket, op: u64) {
    while payload(socket).await["op"] != op {}
}
