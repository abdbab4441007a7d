//! A Discord of your own inside a program: for tests of a bot, whatever it is written in.
//!
//! ```text
//! cargo run --example embed_server                # ends after its own short test
//! cargo run --example embed_server -- --stay      # stays until Ctrl-C, for a bot of yours
//! ```
//!
//! It starts the server on loopback, makes a bot and a person through the control API
//! (`src/server/README.md`), lets the person speak, and listens to what came of it.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::sync::Arc;

use clap::Parser;
use mynah::CrowdOfUsers;
use mynah::engine::tls_config;
use mynah::server::{Server, ServerConfig};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Args {
    /// Stay up until Ctrl-C.
    #[arg(long)]
    stay: bool,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerConfig::new(dir.path())).await?;
    // Without it there are no simulated people, only bots that connect.
    server.set_crowd(Arc::new(CrowdOfUsers::of(&server)?));
    let ready = server.ready();
    println!("REST      {}", ready.api);
    println!("gateway   {}", ready.gateway);
    println!("control   {}", ready.control);
    println!(
        "voice     {}, certificate of {}",
        ready.voice_endpoint,
        ready.ca_file.display()
    );

    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(Arc::unwrap_or_clone(tls_config(None)?))
        .no_proxy()
        .build()?;
    let post = async |path: &str, body: Value| -> Outcome<Value> {
        let url = format!("{}/{path}", ready.control);
        let answer = http.post(url).json(&body).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    };
    let bot = post("bots", json!({ "name": "yours" })).await?;
    println!("token     {}", text(&bot, "token")?);
    if args.stay {
        tokio::signal::ctrl_c().await?;
        server.stop().await;
        return Ok(());
    }

    let room = ready.voice_channel_ids.first().ok_or("no voice channel")?;
    let mut people = Vec::new();
    for name in ["ann", "bob"] {
        let user = post("users", json!({ "name": name })).await?;
        let user = text(&user, "user_id")?.to_owned();
        post("voice/join", json!({ "user_id": user, "channel_id": room })).await?;
        people.push(user);
    }
    let (Some(ann), Some(bob)) = (people.first(), people.get(1)) else {
        return Err("two people were made".into());
    };
    let url = format!("{}/voice/hear?user_id={bob}&seconds=1", ready.control);
    let tone = json!({ "hz": 440, "seconds": 1, "dbfs": -12 });
    let say = post("voice/say", json!({ "user_id": ann, "tone": tone }));
    let (heard, said) = tokio::join!(http.get(url).send(), say);
    said?;
    let heard = heard?.error_for_status()?;
    let stats = heard.headers().get("x-voice-stats");
    let stats: Value = serde_json::from_slice(stats.ok_or("no statistics")?.as_bytes())?;
    println!(
        "bob heard {} packets of ann, end-to-end encrypted; {} were lost",
        stats["packets"], stats["lost"]
    );
    server.stop().await;
    Ok(())
}

fn text<'a>(answer: &'a Value, field: &str) -> Outcome<&'a str> {
    let text = answer.get(field).and_then(Value::as_str);
    Ok(text.ok_or_else(|| format!("no {field} in {answer}"))?)
}
