//! Ops are refused in words before anything happens.

use super::*;

#[test]
fn an_unknown_op_is_unsupported_and_a_malformed_one_invalid() {
    assert!(matches!(
        Call::parse("voice.fly", b"{}"),
        Err(OpError::Unsupported(_))
    ));
    for (kind, args) in [
        ("voice.join", "{\"guild_id\":\"1\"}"),
        ("voice.play", "{\"guild_id\":\"1\"}"),
        (
            "voice.play",
            "{\"guild_id\":\"1\",\"path\":\"a\",\"url\":\"b\"}",
        ),
        ("track.gain", "{\"track\":1,\"gain\":5}"),
        ("track.gain", "{\"track\":1,\"gain\":-1}"),
        ("track.stop", "{\"track\":1,\"fade\":{\"ms\":99999}}"),
        ("track.next", "{\"track\":1}"),
        ("track.filters", "{\"track\":1,\"filters\":{\"volume\":9}}"),
        (
            "voice.play",
            "{\"guild_id\":\"1\",\"path\":\"a\",\"lane\":\"attic\"}",
        ),
        ("rest", "{\"method\":\"GET\",\"path\":\"/a/../b\"}"),
        ("rest", "{\"method\":\"GET\",\"path\":\"http://x\"}"),
        // Would be granted as a message and delete the channel.
        (
            "rest",
            "{\"method\":\"DELETE\",\"path\":\"/channels/1#/messages\"}",
        ),
        ("rest", "{\"method\":\"BREW\",\"path\":\"/coffee\"}"),
        ("timer", "nonsense"),
        (
            "media.ingest",
            r#"{"url":"https://a/b","max_ms":1,"max_bytes":1}"#,
        ),
        (
            "media.ingest",
            r#"{"dir":"d","url":"https://a/b","max_ms":1,"max_bytes":1,"lufs":3}"#,
        ),
        ("media.ingest", r#"{"dir":"d","max_ms":1,"max_bytes":1}"#),
        ("http.request", r#"{"url":"https://a","method":"DELETE"}"#),
        ("http.request", r#"{"url":"https://a","base64":"?"}"#),
        (
            "http.request",
            r#"{"url":"https://a","headers":{"Host":"b"}}"#,
        ),
        (
            "http.request",
            r#"{"url":"https://a","max_bytes":99999999}"#,
        ),
    ] {
        let call = Call::parse(kind, args.as_bytes());
        assert!(
            matches!(call, Err(OpError::Invalid(_))),
            "{kind} {args}: {call:?}"
        );
    }
}

#[test]
fn ids_are_read_as_texts_and_numbers() {
    let expected = Call::Join(GuildId::new(1), ChannelId::new(2));
    for args in [
        "{\"guild_id\":\"1\",\"channel_id\":\"2\"}",
        "{\"guild_id\":1,\"channel_id\":2}",
    ] {
        assert_eq!(
            Call::parse("voice.join", args.as_bytes()).unwrap(),
            expected
        );
    }
}

#[test]
fn every_rest_path_needs_the_capability_it_belongs_to() {
    assert_eq!(
        rest_capability("/interactions/1/token/callback"),
        "commands"
    );
    assert_eq!(
        rest_capability("/webhooks/1/token/messages/@original"),
        "commands"
    );
    assert_eq!(rest_capability("/channels/1/messages?limit=1"), "chat.send");
    assert_eq!(rest_capability("/channels/1"), "discord.rest");
    assert_eq!(rest_capability("/guilds/1/members/2"), "discord.rest");
}

#[test]
fn each_lane_that_turns_others_down_needs_its_own_grant() {
    let granted = |list: &[&str], kind: &str, args: &str| {
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        let grants = Grants::new("music", &list, std::path::Path::new("."));
        Call::parse(kind, args.as_bytes()).unwrap().check(&grants)
    };
    let play = |lane: &str| format!(r#"{{"guild_id":"1","path":"a","lane":"{lane}"}}"#);
    for (list, bed, notice) in [
        (&["voice.speak"][..], true, false),
        (&["voice.speak:notice"], false, true),
        (&["voice.speak:fx"], false, false),
        (&["voice.speak", "voice.speak:*"], true, true),
    ] {
        let heard = |lane| granted(list, "voice.play", &play(lane)).is_ok();
        assert_eq!((heard("bed"), heard("notice")), (bed, notice), "{list:?}");
        // Whoever may be heard at all may join, and steer what is its own.
        let join = r#"{"guild_id":"1","channel_id":"2"}"#;
        assert!(granted(list, "voice.join", join).is_ok());
        assert!(granted(list, "track.stop", r#"{"track":1}"#).is_ok());
    }
    let refused = granted(&["voice.speak"], "voice.play", &play("fx")).unwrap_err();
    assert!(refused.to_string().contains("`voice.speak:fx`"));
}

#[test]
fn a_sound_is_kept_only_with_grants_for_its_folder_and_its_address() {
    let args = br#"{"url":"https://cdn.example/a.mp3","dir":"sounds/1","max_ms":30000,
                    "max_bytes":1000,"start_ms":500,"end_ms":900,"name":"a.mp3"}"#;
    let call = Call::parse("media.ingest", args).unwrap();
    let Call::Ingest(ingest) = &call else {
        unreachable!()
    };
    let how = ingest.how;
    assert_eq!(
        (how.lufs, how.ceiling_dbtp, how.max_bytes),
        (-16.0, -1.0, 1_000)
    );
    assert_eq!(
        (how.start.as_millis(), how.end.unwrap().as_millis()),
        (500, 900)
    );
    assert_eq!(ingest.name.as_deref(), Some("a.mp3"));
    assert!(call.can_be_dropped() && !call.is_instant());
    let granted = |list: &[&str]| {
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        call.check(&Grants::new("x", &list, std::path::Path::new(".")))
    };
    let all = ["fs.write:sounds", "net.http:cdn.example"];
    assert!(granted(&all).is_ok());
    for one in all {
        assert!(matches!(granted(&[one]), Err(OpError::Denied(_))), "{one}");
    }
}

#[test]
fn files_travel_as_base64() {
    let args = br#"{"method":"POST","path":"/channels/1/messages",
                    "files":[{"name":"a.txt","base64":"aGk="}]}"#;
    let Call::Rest { files, .. } = Call::parse("rest", args).unwrap() else {
        unreachable!()
    };
    assert_eq!(files[0].bytes, b"hi");
    assert_eq!(files[0].content_type, "application/octet-stream");
}

#[test]
fn a_service_is_asked_only_where_that_is_granted() {
    let grants = Grants::new(
        "p",
        &["net.http:a.org".to_owned()],
        std::path::Path::new(""),
    );
    for (url, may) in [
        ("https://a.org/x", true),
        ("https://a.org:8443/x", true),
        ("https://b.org/x", false),
        ("https://a.org.b.org/x", false),
        ("https://a.org@b.org/x", false),
    ] {
        let args = serde_json::json!({ "url": url }).to_string();
        let call = Call::parse("http.request", args.as_bytes()).unwrap();
        assert_eq!(call.check(&grants).is_ok(), may, "{url}");
    }
}
