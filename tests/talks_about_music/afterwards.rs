//! The bot was started again: everything goes on, and every button from before works.

use crate::talk::Talk;

pub async fn after_a_restart(talk: &mut Talk) {
    let lines = r#"
        Right ann play {"query": "alpha"} | Now playing **alpha**
        Right bob play {"query": "bravo"} | 1st in the queue
        Right ann play {"query": "charlie"} | 2nd in the queue
        Right bob playlist save {"name": "Evening"} | Saved **Evening** with 3 tracks
        Right dj volume {"percent": 70} | now 70 %
        Right dj loop {"mode": "queue"} | goes round
        Right dj filter {"preset": "nightcore"} | now nightcore
        Right ann seek {"to": "5:00"} | goes on at 5:0
    "#;
    talk.script("", lines).await;
    let card = talk.card().await;
    talk.restart();
    // Somebody listens still: it goes on by itself, and its card with it.
    talk.until("ann", "queue show", "Playing: **alpha**").await;
    let lines = r#"
        Restarted bob queue show | at 5:
        Restarted bob queue show | 1. **bravo**
        Restarted bob volume | The volume is 70 %
        Restarted bob loop | The queue is looped
        Restarted bob filter | The filter is nightcore
        Restarted bob history | **
        Restarted ann pause | That is for DJs
        Restarted bob playlist list | **Evening**
        Restarted bob playlist show {"name": "evening"} | **charlie**
        Restarted dj pause | Paused **alpha**
        Restarted dj resume | Going on with **alpha**
        Restarted dj queue move {"from": 1, "to": 2} | **bravo** is 2nd
        Restarted dj queue shuffle | Shuffled 2 tracks
        Restarted dj seek {"to": "2:00"} | goes on at 2:0
        Restarted ann replay | goes on at 0:0
        Restarted dj [pause] | Paused: **alpha**
        Restarted dj [resume] | Playing **alpha**
        Restarted dj [repeat_off] | Playing **alpha**
        Restarted dj [repeat_track] | looped
        Restarted dj [repeat_queue] | queue looped
        Restarted dj [quieter] | volume 60 %
        Restarted dj [louder] | volume 70 %
        Restarted dj [shuffle] | Next: **
        Restarted bob [queue] | 2 tracks
        Restarted bob nowplaying | Playing **alpha**
        Restarted dj loop {"mode": "off"} | Nothing is looped any more
        Restarted dj [skip] | Playing **
        Restarted dj [previous] | Playing **alpha**
        Restarted dj skip | Skipped **alpha**
        Restarted dj previous | Now playing **alpha**
        Restarted dj queue remove {"place": 1, "last": 2} | Took 2 tracks
        Restarted ann playlist play {"name": "evening"} | Added 3 tracks
        Restarted dj queue clear | Took 3 tracks
        Restarted dj [stop] | Nothing is playing
        Restarted ann play {"query": "delta"} | Now playing **delta**
        Restarted bob playlist save {"name": "evening"} | with 1 track
        Restarted bob playlist delete {"name": "evening"} | is gone
        Restarted dj stop | Stopped **delta**
        Restarted dj leave | Left
    "#;
    talk.script(&card, lines).await;
}
