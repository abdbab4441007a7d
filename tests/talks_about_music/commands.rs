//! Every command, by one person at a time.

use mynah_testkit::spoken;
use serde_json::json;

use crate::talk::Talk;

/// Nothing plays and nothing waits.
pub async fn in_silence(talk: &Talk) {
    let lines = r#"
        Wrong dj pause | Nothing is playing
        Wrong dj resume | Nothing is playing, and the queue is empty
        Wrong dj skip | Nothing is playing
        Wrong dj stop | Nothing is playing
        Wrong dj queue show | The queue is empty
        Wrong dj queue move {"from": 1, "to": 2} | Nothing waits
        Wrong dj queue remove {"place": 1} | Nothing waits
        Wrong dj queue clear | Nothing waits
        Wrong dj queue shuffle | Nothing waits
        Wrong dj nowplaying | Nothing is playing
        Wrong dj volume {"percent": 500} | 500 is not a volume I can set
        Wrong dj volume {"percent": -1} | -1 is not a volume I can set
        Wrong dj seek {"to": "soon"} | `1:02`
        Wrong dj seek {"to": "1:00"} | Nothing is playing
        Wrong dj loop {"mode": "off"} | Nothing is looped
        Wrong dj filter {"preset": "nightcroe"} | Did you mean `nightcore`?
        Wrong dj filter {"speed": 9} | 9 is out of range
        Wrong dj previous | Nothing has played here yet
        Wrong dj replay | Nothing has played here yet
        Wrong dj leave | not in a voice channel
        Wrong dj play | Tell me what to play
        Wrong dj play {"query": "   "} | Tell me what to play
        Wrong dj play {"query": "no such thing"} | Nothing in the library fits
        Wrong dj play {"query": "notes"} | cannot play
        Wrong dj playlist save {"name": "x"} | Nothing plays and nothing waits
        Wrong dj playlist play {"name": "x"} | There is no list called
        Wrong dj playlist show {"name": "x"} | There is no list called
        Wrong dj playlist delete {"name": "x"} | There is no list called
        Elsewhere dan play {"query": "alpha"} | You are not in a voice channel
        Right ann history | Nothing has been played here yet
        Right ann playlist list | keeps no lists yet
        Right ann loop | Nothing is looped
        Right ann filter | No filter is set
        Right ann volume | The volume is 100 %
    "#;
    talk.script("", lines).await;
}

/// `alpha` of `ann` plays, then come `bravo` of `bob` and `charlie` of `ann`.
pub async fn while_it_plays(talk: &Talk) {
    let lines = r#"
        Right ann play {"query": "alpha"} | Now playing **alpha**
        Right bob play {"query": "bravo"} | 1st in the queue
        Right ann play {"query": "charlie"} | 2nd in the queue
        Elsewhere eve play {"query": "delta"} | you are in another voice channel
        Elsewhere dan play {"query": "delta"} | where I am playing

        Refused ann pause | That is for DJs
        Refused ann resume | That is for DJs
        Refused ann stop | That is for DJs
        Refused bob seek {"to": "+5"} | That is for DJs
        Refused bob replay | That is for DJs
        Refused ann previous | That is for DJs
        Refused ann volume {"percent": 50} | That is for DJs
        Refused ann loop {"mode": "track"} | That is for DJs
        Refused ann filter {"speed": 1.5} | That is for DJs
        Refused ann leave | That is for DJs
        Refused ann queue move {"from": 1, "to": 2} | That is for DJs
        Refused ann queue remove {"place": 1} | That is for DJs
        Refused ann queue remove {"place": 1, "last": 2} | That is for DJs
        Refused ann queue clear | That is for DJs
        Refused ann queue shuffle | That is for DJs

        Elsewhere eve pause | you are in another voice channel
        Elsewhere eve resume | you are in another voice channel
        Elsewhere eve skip | you are in another voice channel
        Elsewhere dan skip | You are not in a voice channel
        Elsewhere eve stop | you are in another voice channel
        Elsewhere eve seek {"to": "+5"} | you are in another voice channel
        Elsewhere eve replay | you are in another voice channel
        Elsewhere eve previous | you are in another voice channel
        Elsewhere eve volume {"percent": 50} | you are in another voice channel
        Elsewhere eve loop {"mode": "track"} | you are in another voice channel
        Elsewhere eve filter {"speed": 1.5} | you are in another voice channel
        Elsewhere eve leave | you are in another voice channel
        Elsewhere eve queue move {"from": 1, "to": 2} | you are in another voice channel
        Elsewhere eve queue remove {"place": 1} | you are in another voice channel
        Elsewhere eve queue clear | you are in another voice channel
        Elsewhere eve queue shuffle | you are in another voice channel
        Elsewhere dan queue show | 1. **bravo**
        Elsewhere dan nowplaying | Playing **alpha**
        Elsewhere dan history | Nothing has been played here yet

        Right dj pause | Paused **alpha**
        Wrong dj pause | already paused
        Right dj resume | Going on with **alpha**
        Wrong dj resume | is playing already
        Right ann seek {"to": "10:00"} | goes on at 10:0
        Right dj seek {"to": "50%"} | goes on at 10:0
        Wrong dj seek {"to": "99:00"} | only 20:00 long
        Right ann replay | goes on at 0:0
        Right dj loop {"mode": "queue"} | goes round
        Right dj loop {"mode": "off"} | Nothing is looped any more
        Right dj filter {"preset": "nightcore"} | now nightcore
        Right dj filter {"preset": "off"} | as it is
        Right dj volume {"percent": 40} | now 40 %
        Right dj volume {"percent": 100} | now 100 %
    "#;
    talk.script("", lines).await;
    for (command, name, typed, offered) in [
        ("play", "query", "charl", "charlie"),
        ("filter", "preset", "night", "nightcore"),
    ] {
        let body = json!({
            "user_id": talk.id("ann"), "channel_id": talk.control.text_channel(),
            "command": command, "options": { name: typed }, "focused": name,
        });
        let answer = talk.control.post("/autocomplete", body).await;
        let choices = answer["choices"].as_array().unwrap();
        assert_eq!(choices.len(), 1, "{command}: {answer}");
        assert!(choices[0].to_string().contains(offered), "{answer}");
    }
}

/// The queue, votes, lists, the way back; then it leaves. And whom the bot does not serve.
pub async fn in_turn(talk: &Talk) {
    let lines = r#"
        Right dj queue move {"from": 1, "to": 2} | **bravo** is 2nd
        Right dj queue move {"from": 2, "to": 1} | **bravo** is 1st
        Wrong dj queue move {"from": 1, "to": 9} | no place 9
        Wrong dj queue move {"from": 0, "to": 1} | no place 0
        Wrong dj queue remove {"place": 7} | no place 7
        Right ann queue remove {"place": 2} | Took **charlie**
        Right ann play {"query": "charlie"} | 2nd in the queue
        Right dj queue shuffle | Shuffled 2 tracks
        Right bob queue show | **charlie**
        Right bob nowplaying | Playing **alpha**

        Right bob playlist save {"name": "Evening"} | Saved **Evening** with 3 tracks
        Refused ann playlist save {"name": "evening"} | is a list of
        Refused ann playlist delete {"name": "evening"} | is a list of
        Right ann playlist list | **Evening**
        Right ann playlist show {"name": " EVENING "} | **alpha**
        Right ann playlist play {"name": "evening"} | Added 3 tracks of **Evening**
        Elsewhere dan playlist save {"name": "mine"} | Saved **mine**
        Elsewhere dan playlist list | **mine**
        Elsewhere dan playlist show {"name": "mine"} | **alpha**
        Elsewhere dan playlist play {"name": "mine"} | You are not in a voice channel
        Elsewhere eve playlist play {"name": "mine"} | you are in another voice channel
        Elsewhere dan playlist delete {"name": "mine"} | is gone
        Right dj queue clear | Took 5 tracks

        Right bob play {"query": "bravo"} | 1st in the queue
        Right ann play {"query": "charlie"} | 2nd in the queue
        Right bob skip | 1 of 2 votes
        Wrong bob skip | 1 of 2 votes
        Right ann skip | Skipped **alpha**. Now playing **bravo**
        Right ann skip | 1 of 2 votes
        Right dj skip | Now playing **charlie**
        Right bob history | **alpha**
        Right dj previous | Now playing **bravo**
        Right bob replay | goes on at 0:0
        Right dj stop | Stopped **bravo**
        Wrong dj stop | Nothing is playing
        Right ann replay | Now playing **bravo**
        Right dj stop {"clear": true} | Took 1 track
        Right dj leave | Left
        Right bob playlist delete {"name": "evening"} | is gone
    "#;
    talk.script("", lines).await;
    let all = r#"
        play {"query": "alpha"}
        pause
        resume
        skip
        stop
        queue show
        queue move {"from": 1, "to": 2}
        queue remove {"place": 1}
        queue clear
        queue shuffle
        nowplaying
        volume
        seek {"to": "1:00"}
        loop
        filter
        history
        playlist save {"name": "x"}
        playlist play {"name": "x"}
        playlist list
        playlist show {"name": "x"}
        playlist delete {"name": "x"}
        previous
        replay
        leave
    "#;
    for command in all.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = format!("Refused rude {command} | do not let you use it");
        talk.script("", &line).await;
    }
    let said = talk
        .control
        .command(talk.id("ann"), "queue show", json!({}))
        .await;
    assert!(spoken(&said).contains("The queue is empty"), "{said}");
}
