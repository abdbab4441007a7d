//! A stage for a plugin's unit tests: a scripted host behind the real C table, on the test's own
//! thread, without clock, network or bot.
//!
//! ```
//! # use mynah_plugin::*;
//! # struct Hello;
//! # impl Plugin for Hello {
//! #     const ABOUT: About = About::new("hello", "Hello", "1.0.0", "Says hello.");
//! #     type Config = serde_json::Value;
//! #     fn start(_: &mut Cx<'_, Self>, _: serde_json::Value, _: Option<Saved>) -> Result<Self> { Ok(Self) }
//! #     fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
//! #         if let Event::Interaction(asked) = event { cx.detach("hello", asked.reply("Hello!")); }
//! #         Ok(())
//! #     }
//! # }
//! use mynah_plugin::testing::{Answer, Stage};
//! use serde_json::json;
//!
//! static ENTRY: abi::Entry = mynah_plugin::entry!(Hello);
//! let mut stage = Stage::start(&ENTRY, &json!({}))?;
//! stage.script(|request| match request.kind.as_str() {
//!     "rest" => Answer::Done(json!(null)),
//!     _ => Answer::Later,
//! });
//! stage.command("hello", json!({}));
//! assert_eq!(stage.said(), ["Hello!"]);
//! # Ok::<(), Error>(())
//! ```

mod ear;
mod mouth;
mod store;

use crate::{Error, Result, Saved, Tier, Why, abi, host::put_vec};
use core::ffi::c_void;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    rc::{Rc, Weak},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What the script says to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It succeeded with this result.
    Done(Value),
    /// It failed.
    Failed(Error),
    /// Not now: [`Stage::answer`] will.
    Later,
}

/// One op the plugin asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its number.
    pub op: u64,
    /// For instance `voice.play`.
    pub kind: String,
    /// Its arguments.
    pub args: Value,
}

type Script = Box<dyn FnMut(&Request) -> Answer>;

/// A plugin on stage.
pub struct Stage {
    /// The plugin holds its address.
    host: Rc<Hall>,
    instance: *mut abi::Instance,
    script: Script,
    interactions: u64,
    tier: Option<Tier>,
    /// How many requests the script has seen.
    scripted: usize,
}

struct Hall {
    table: abi::Host,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now_us: u64,
    log: Vec<String>,
    wakes: VecDeque<u64>,
    requests: Vec<Request>,
    open: Vec<u64>,
    cancelled: Vec<u64>,
    taken: usize,
    commands: Value,
    failed: Option<String>,
    ears: ear::Ears,
    mouths: mouth::Mouths,
    store: store::Kept,
}

impl Hall {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// Starts a plugin with an empty memory.
    ///
    /// # Errors
    /// What `check` or `start` said.
    pub fn start(entry: &'static abi::Entry, config: &Value) -> Result<Self> {
        Self::start_from(entry, config, &Saved::empty())
    }

    /// Starts a plugin from a saved state.
    ///
    /// # Errors
    /// What `check` or `start` said.
    pub fn start_from(entry: &'static abi::Entry, config: &Value, saved: &Saved) -> Result<Self> {
        let host = Rc::new_cyclic(|hall: &Weak<Hall>| Hall {
            table: abi::Host {
                size: size_of::<abi::Host>() as u32,
                major: abi::MAJOR,
                minor: abi::MINOR,
                self_: hall.as_ptr().cast_mut().cast(),
                log,
                wake,
                now_us,
                extension,
            },
            state: Mutex::new(State::default()),
        });
        let create = entry
            .create
            .ok_or_else(|| Error::invalid("the entry has no create"))?;
        // SAFETY: header; the table outlives the instance: `Drop` destroys the instance first.
        let instance = unsafe { create(&raw const host.table) };
        if instance.is_null() {
            return Err(Error::failed("create returned NULL"));
        }
        let script: Script = Box::new(|_| Answer::Later);
        let stage = Self {
            host,
            instance,
            script,
            interactions: 0,
            tier: None,
            scripted: 0,
        };
        let config = config.to_string();
        let mut words: Vec<u8> = Vec::new();
        let status = stage.call(
            |table| table.start,
            |start, this| {
                let (config, saved) = (
                    abi::Bytes::of(config.as_bytes()),
                    abi::Bytes::of(saved.as_bytes()),
                );
                // SAFETY: header; put_vec gets its Vec.
                unsafe { start(this, config, saved, put_vec, (&raw mut words).cast()) }
            },
        );
        match status {
            Some(abi::OK) => {
                let mut stage = stage;
                stage.run();
                Ok(stage)
            }
            Some(status) => {
                let body = json!({ "message": String::from_utf8_lossy(&words) }).to_string();
                Err(Error::from_status(status, body.as_bytes()))
            }
            None => Err(Error::invalid("the instance has no start")),
        }
    }

    /// Calls one of the instance's functions, if it has it.
    fn call<F, T>(
        &self,
        which: impl FnOnce(&abi::Instance) -> Option<F>,
        call: impl FnOnce(F, *mut c_void) -> T,
    ) -> Option<T> {
        // SAFETY: alive until `Drop`; the plugin does not write its table.
        let (function, this) = unsafe { (which(&*self.instance), (*self.instance).self_) };
        function.map(|function| call(function, this))
    }

    /// How requests are answered from now on; without a script they wait for [`Stage::answer`].
    pub fn script(&mut self, script: impl FnMut(&Request) -> Answer + 'static) {
        self.script = Box::new(script);
        self.run();
    }

    /// Runs woken tasks and answers requests until there is nothing more to do.
    pub fn run(&mut self) {
        loop {
            let wake = self.host.state().wakes.pop_front();
            if let Some(task) = wake {
                // SAFETY: header.
                self.call(|table| table.run, |run, this| unsafe { run(this, task) });
                continue;
            }
            let next = self.host.state().requests.get(self.scripted).cloned();
            let Some(request) = next else { return };
            self.scripted += 1;
            let kept = self.host.state().store.answer(&request);
            if let Some(kept) = kept {
                self.finish(request.op, Ok(kept));
                continue;
            }
            match (self.script)(&request) {
                Answer::Done(body) => self.finish(request.op, Ok(body)),
                Answer::Failed(error) => self.finish(request.op, Err(error)),
                Answer::Later => {}
            }
        }
    }

    /// Answers a request the script left open.
    pub fn answer(&mut self, op: u64, result: Result<Value>) {
        self.finish(op, result);
        self.run();
    }

    fn finish(&mut self, op: u64, result: Result<Value>) {
        let was_open = {
            let mut state = self.host.state();
            let before = state.open.len();
            state.open.retain(|open| *open != op);
            state.open.len() != before
        };
        if !was_open {
            return;
        }
        let (status, body) = match result {
            Ok(body) => (abi::OK, body.to_string()),
            Err(Error::Discord {
                http,
                code,
                message,
            }) => {
                let body = json!({ "message": message, "http": http, "code": code });
                (abi::E_FAILED, body.to_string())
            }
            Err(error) => (
                error.status(),
                json!({ "message": error.to_string() }).to_string(),
            ),
        };
        // SAFETY: header; the body is readable for the call.
        self.call(
            |table| table.done,
            |done, this| unsafe {
                done(this, op, status, abi::Bytes::of(body.as_bytes()));
            },
        );
    }

    /// What people of later interactions may do, as the host would say; `None` is a host that does not.
    pub fn tier(&mut self, tier: Option<Tier>) {
        self.tier = tier;
    }

    /// The operator gives it other settings while it runs.
    ///
    /// # Errors
    /// What [`crate::Plugin::reconfigure`] said; [`Error::Unsupported`] when it has to be started anew.
    pub fn reconfigure(&mut self, config: &Value) -> Result<()> {
        let offered = self.call(
            |table| table.extension,
            // SAFETY: header.
            |call, this| unsafe { call(this, abi::Str::of(abi::EXT_SETTINGS)) },
        );
        let table = offered.unwrap_or(core::ptr::null()).cast::<abi::Settings>();
        if table.is_null() {
            return Err(Error::Unsupported("new settings while it runs".into()));
        }
        // SAFETY: header: an extension's table lives as long as the instance.
        let set = unsafe { (*table).set };
        let config = config.to_string();
        let mut words: Vec<u8> = Vec::new();
        let status = self.call(
            |_| set,
            |set, this| {
                let config = abi::Bytes::of(config.as_bytes());
                // SAFETY: header; put_vec gets its Vec.
                unsafe { set(this, config, put_vec, (&raw mut words).cast()) }
            },
        );
        self.run();
        match status {
            Some(abi::OK) => Ok(()),
            other => Err(Error::refused(other, &words)),
        }
    }

    /// A gateway event (`VOICE_STATE_UPDATE`) or one of the bot (`mynah.track`).
    pub fn event(&mut self, name: &str, data: &Value) {
        let json = data.to_string();
        let kind = if name.starts_with("mynah.") {
            abi::EVENT_MYNAH
        } else {
            abi::EVENT_DISCORD
        };
        let guild = data.get("guild_id").and_then(Value::as_str);
        let event = abi::Event {
            size: size_of::<abi::Event>() as u32,
            kind,
            name: abi::Str::of(name),
            json: abi::Bytes::of(json.as_bytes()),
            session: guild.and_then(|guild| guild.parse().ok()).unwrap_or(0),
            at_us: self.host.state().now_us,
            tier: self.tier.map_or(abi::TIER_UNKNOWN, Tier::to_abi),
        };
        // SAFETY: header; the event is readable for the call.
        self.call(
            |table| table.event,
            |call, this| unsafe { call(this, &raw const event) },
        );
        self.run();
    }

    /// A person (`"5"`, "ann") uses a slash command in guild `"1"`, channel `"3"`. `options` is an
    /// object of values; a name with a space in `command` is a subcommand.
    pub fn command(&mut self, command: &str, options: Value) {
        self.interaction(2, command, &options, None);
    }

    /// The person is typing the option `focused`.
    pub fn autocomplete(&mut self, command: &str, options: Value, focused: &str) {
        self.interaction(4, command, &options, Some(focused));
    }

    fn interaction(&mut self, kind: u8, command: &str, options: &Value, focused: Option<&str>) {
        let options = options.as_object().cloned().unwrap_or_default();
        let mut list: Vec<Value> = options
            .iter()
            .map(|(name, value)| {
                let kind = match value {
                    Value::Bool(_) => 5,
                    Value::Number(number) if number.is_f64() => 10,
                    Value::Number(_) => 4,
                    _ => 3,
                };
                let focused = focused == Some(name.as_str());
                json!({ "name": name, "type": kind, "value": value, "focused": focused })
            })
            .collect();
        let mut words = command.split(' ');
        let name = words.next().unwrap_or_default();
        for sub in words.rev() {
            list = vec![json!({ "name": sub, "type": 1, "options": list })];
        }
        self.raw_interaction(kind, json!({ "name": name, "type": 1, "options": list }));
    }

    /// The person presses a button or chooses from a menu; `action` without the plugin's id.
    pub fn component(&mut self, plugin: &str, action: &str, values: &[&str]) {
        let custom_id = format!("{plugin}:{action}");
        let data = json!({ "custom_id": custom_id, "component_type": 2, "values": values });
        self.raw_interaction(3, data);
    }

    /// An interaction with the given `data`.
    pub fn raw_interaction(&mut self, kind: u8, data: Value) {
        self.interactions += 1;
        let interaction = json!({
            "id": self.interactions.to_string(), "token": format!("token{}", self.interactions),
            "application_id": "9", "type": kind, "guild_id": "1", "channel_id": "3",
            "member": { "user": { "id": "5", "username": "ann" }, "permissions": "0" },
            "data": data,
        });
        self.event("INTERACTION_CREATE", &interaction);
    }

    /// The requests since the last call.
    pub fn requests(&mut self) -> Vec<Request> {
        let mut state = self.host.state();
        let new = state
            .requests
            .get(state.taken..)
            .unwrap_or_default()
            .to_vec();
        state.taken = state.requests.len();
        new
    }

    /// The texts the plugin answered with since the last call of this or [`Stage::requests`]:
    /// replies, edits, follow-ups and messages, in order.
    pub fn said(&mut self) -> Vec<String> {
        let requests = self.requests();
        let rest = requests.iter().filter(|request| request.kind == "rest");
        rest.filter_map(|request| {
            let body = request.args.get("body")?;
            let message = body.get("data").unwrap_or(body);
            Some(message.get("content")?.as_str()?.to_owned())
        })
        .collect()
    }

    /// The ops that were cancelled.
    #[must_use]
    pub fn cancelled(&self) -> Vec<u64> {
        self.host.state().cancelled.clone()
    }

    /// What the plugin wrote to the log.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.host.state().log.clone()
    }

    /// The commands it set, in Discord's JSON.
    #[must_use]
    pub fn commands(&self) -> Value {
        self.host.state().commands.clone()
    }

    /// Why the instance is dead, if it panicked.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.host.state().failed.clone()
    }

    /// Moves the plugin's clock. Ops of kind `timer` are the script's business.
    pub fn set_now_us(&mut self, now_us: u64) {
        self.host.state().now_us = now_us;
    }

    /// What the plugin would start from next time.
    ///
    /// # Errors
    /// What `save` said.
    pub fn save(&mut self) -> Result<Saved> {
        let mut saved: Vec<u8> = Vec::new();
        let status = self.call(
            |table| table.save,
            |save, this| {
                // SAFETY: header; put_vec gets its Vec.
                unsafe { save(this, put_vec, (&raw mut saved).cast()) }
            },
        );
        match status {
            Some(abi::OK) | None => Ok(Saved::bytes(saved)),
            Some(status) => Err(Error::from_status(status, &[])),
        }
    }

    /// Stops it; what it still asks for is in [`Stage::requests`].
    pub fn stop(&mut self, why: Why) {
        let why = match why {
            Why::Shutdown => abi::WHY_SHUTDOWN,
            Why::Reload => abi::WHY_RELOAD,
            Why::Disabled => abi::WHY_DISABLED,
        };
        // Header, mynah_instance.stop: its sinks and sources are closed by then.
        ear::close_all(&self.host);
        mouth::close_all(&self.host);
        // SAFETY: header.
        self.call(|table| table.stop, |stop, this| unsafe { stop(this, why) });
    }
}

impl Stage {
    /// Destroys the plugin; every op that was cancelled in its life.
    #[must_use]
    pub fn destroy(self) -> Vec<u64> {
        let host = Rc::clone(&self.host);
        drop(self);
        let state = host.state();
        state.cancelled.clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        ear::close_all(&self.host);
        mouth::close_all(&self.host);
        // SAFETY: header: the very last call.
        self.call(
            |table| table.destroy,
            |destroy, this| unsafe { destroy(this) },
        );
    }
}

/// # Safety
/// `host` is the table of a living [`Hall`].
unsafe fn hall<'a>(host: *const abi::Host) -> &'a Hall {
    // SAFETY: promised by the caller; `self_` was set to the Hall that holds the table.
    unsafe { &*(*host).self_.cast::<Hall>() }
}

unsafe extern "C" fn log(host: *const abi::Host, _: u32, _: abi::Str, text: abi::Str) {
    // SAFETY: the plugin calls as the header says.
    let (hall, text) = unsafe { (hall(host), text.read()) };
    hall.state()
        .log
        .push(text.unwrap_or("(not UTF-8)").to_owned());
}

unsafe extern "C" fn wake(host: *const abi::Host, task: u64) {
    // SAFETY: the plugin calls as the header says.
    unsafe { hall(host) }.state().wakes.push_back(task);
}

unsafe extern "C" fn now_us(host: *const abi::Host) -> u64 {
    // SAFETY: the plugin calls as the header says.
    unsafe { hall(host) }.state().now_us
}

unsafe extern "C" fn extension(_: *const abi::Host, id: abi::Str) -> *const c_void {
    static OPS: abi::Ops = abi::Ops {
        size: size_of::<abi::Ops>() as u32,
        submit,
        cancel,
    };
    static COMMANDS: abi::Commands = abi::Commands {
        size: size_of::<abi::Commands>() as u32,
        set,
    };
    static LIFE: abi::Life = abi::Life {
        size: size_of::<abi::Life>() as u32,
        failed,
    };
    // SAFETY: the plugin calls as the header says.
    match unsafe { id.read() } {
        Some(abi::EXT_OPS) => (&raw const OPS).cast(),
        Some(abi::EXT_COMMANDS) => (&raw const COMMANDS).cast(),
        Some(abi::EXT_LIFE) => (&raw const LIFE).cast(),
        Some(abi::EXT_AUDIO) => (&raw const ear::AUDIO).cast(),
        Some(abi::EXT_IMAGE) => (&raw const crate::IMAGE).cast(),
        _ => core::ptr::null(),
    }
}

unsafe extern "C" fn submit(host: *const abi::Host, kind: abi::Str, args: abi::Bytes) -> u64 {
    // SAFETY: the plugin calls as the header says.
    let (hall, kind, args) = unsafe { (hall(host), kind.read(), args.read()) };
    let mut state = hall.state();
    let op = state.requests.len() as u64 + 1;
    let args = serde_json::from_slice(args).unwrap_or(Value::Null);
    state.requests.push(Request {
        op,
        kind: kind.unwrap_or_default().to_owned(),
        args,
    });
    state.open.push(op);
    op
}

unsafe extern "C" fn cancel(host: *const abi::Host, op: u64) {
    // SAFETY: the plugin calls as the header says.
    let mut state = unsafe { hall(host) }.state();
    state.open.retain(|open| *open != op);
    state.cancelled.push(op);
}

unsafe extern "C" fn set(
    host: *const abi::Host,
    json: abi::Bytes,
    _: abi::Put,
    _: *mut c_void,
) -> abi::Status {
    // SAFETY: the plugin calls as the header says.
    let (hall, json) = unsafe { (hall(host), json.read()) };
    hall.state().commands = serde_json::from_slice(json).unwrap_or(Value::Null);
    abi::OK
}

unsafe extern "C" fn failed(host: *const abi::Host, why: abi::Str) {
    // SAFETY: the plugin calls as the header says.
    let (hall, why) = unsafe { (hall(host), why.read()) };
    hall.state().failed = Some(why.unwrap_or_default().to_owned());
}
