//! `p:<id>/ctl`: the one thread that calls a plugin (architecture B5, C6). It starts it, hands it
//! its mail, saves its state now and then, and starts it again when it fails.

use crate::{
    PluginState, clock,
    entry::{Loaded, MAX_PUT_BYTES, Put},
    instance::Instance,
    link::Link,
    mailbox::Mail,
    supervisor::{Input, Output, Supervisor},
};
use mynah_plugin::abi;
use std::{
    collections::BTreeSet,
    io,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// The state is saved this long after it may have changed: a panic loses no more than that, and a
/// busy plugin is not asked without end.
const SAVE_AFTER: Duration = Duration::from_millis(250);

/// The loop's own things.
pub(crate) struct Control {
    loaded: Loaded,
    link: Arc<Link>,
    config: String,
    /// Told once the first start has gone one way or the other.
    started: Option<oneshot::Sender<()>>,
    supervisor: Supervisor,
    instance: Option<Instance>,
    saved: Vec<u8>,
    save_at: Option<Instant>,
}

/// Another table for a plugin that runs, and who wants to know what came of it.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) loaded: Loaded,
    pub(crate) config: String,
    /// Gateway events that it asks for and is granted.
    pub(crate) events: BTreeSet<String>,
    /// Words when the old one goes on instead.
    pub(crate) answer: oneshot::Sender<Result<(), String>>,
}

/// Other settings for a plugin that runs, and who wants to know what came of it.
#[derive(Debug)]
pub(crate) struct NewSettings {
    pub(crate) config: String,
    /// `Ok(false)`: it has to be started anew for these. Words when it refuses them and goes on with the
    /// old ones.
    pub(crate) answer: oneshot::Sender<Result<bool, String>>,
}

/// A thread that is up, and how to learn of its beginning and end.
pub(crate) struct Running {
    /// `None` in a host that is run by hand.
    pub(crate) thread: Option<JoinHandle<()>>,
    pub(crate) started: oneshot::Receiver<()>,
    pub(crate) ended: oneshot::Receiver<()>,
}

impl Control {
    /// `refused`: why it must not even be created.
    pub(crate) fn spawn(
        loaded: Loaded,
        link: Arc<Link>,
        config: String,
        refused: Option<String>,
    ) -> io::Result<Running> {
        let (started_tx, started) = oneshot::channel();
        let (ended_tx, ended) = oneshot::channel();
        let name = format!("p:{}/ctl", link.id);
        if link.hub.by_hand {
            tokio::task::spawn_local(async move {
                // Dropped at the very end, however it comes.
                let _ended: oneshot::Sender<()> = ended_tx;
                let control = Self::new(loaded, link, config, started_tx);
                control.run_by_hand(refused).await;
            });
            return Ok(Running {
                thread: None,
                started,
                ended,
            });
        }
        let thread = Builder::new().name(name).spawn(move || {
            // Dropped at the very end, however it comes.
            let _ended: oneshot::Sender<()> = ended_tx;
            Self::new(loaded, link, config, started_tx).run(refused);
        })?;
        Ok(Running {
            thread: Some(thread),
            started,
            ended,
        })
    }

    /// On the control thread.
    fn new(loaded: Loaded, link: Arc<Link>, config: String, started: oneshot::Sender<()>) -> Self {
        link.bind();
        let saved = link.store.saved();
        Self {
            loaded,
            link,
            config,
            started: Some(started),
            supervisor: Supervisor::new(),
            instance: None,
            saved,
            save_at: None,
        }
    }

    fn run(mut self, refused: Option<String>) {
        self.refuse(refused);
        loop {
            let deadline = self.next_deadline();
            let mail = self.link.mailbox.take(deadline);
            match mail {
                Some(Mail::Stop(why)) => return self.stop(why),
                mail => self.step(mail),
            }
        }
    }

    /// As [`Control::run`], without a thread of its own: whatever it does is done in one go.
    async fn run_by_hand(mut self, refused: Option<String>) {
        self.refuse(refused);
        loop {
            let deadline = self.next_deadline();
            let link = Arc::clone(&self.link);
            match link.mailbox.wait(deadline).await {
                Some(Mail::Stop(why)) => return self.stop(why),
                mail => self.step(mail),
            }
            // One plugin that has much to do does not stop the clock for the others.
            tokio::task::yield_now().await;
        }
    }

    fn refuse(&mut self, refused: Option<String>) {
        if let Some(why) = refused {
            self.supervisor.poll();
            self.fail(Input::Refused, why);
        }
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        let wait = self.supervise();
        [wait, self.save_at].into_iter().flatten().min()
    }

    /// Handles what came, or that the deadline did.
    fn step(&mut self, mail: Option<Mail>) {
        match mail {
            Some(Mail::Reload(fresh)) => self.reload(*fresh),
            Some(Mail::Settings(new)) => self.settings(*new),
            Some(mail) => self.handle(mail),
            None => self.supervisor.handle(clock::now(), Input::Tick),
        }
        if self.save_at.is_some_and(|at| clock::now() >= at) {
            self.save();
        }
    }

    /// Does what the supervisor wants; when it wants to be asked again.
    fn supervise(&mut self) -> Option<Instant> {
        loop {
            match self.supervisor.poll() {
                Output::Start => self.start(),
                Output::Restarting { after } => {
                    tracing::warn!(plugin = %self.link.id, "it starts again in {} s", after.as_secs());
                    self.down(PluginState::Restarting);
                }
                Output::Disabled { failures } => {
                    tracing::error!(
                        plugin = %self.link.id,
                        "it is switched off after {failures} fault(s); everything else goes on. \
                         Mend it, then `mynah plugin reload {}`, or restart the bot",
                        self.link.id
                    );
                    self.down(PluginState::Disabled);
                }
                Output::Wait(deadline) => return deadline,
            }
        }
    }

    fn start(&mut self) {
        match self.try_start() {
            Ok(()) => {
                self.supervisor.handle(clock::now(), Input::Started);
                self.first_start_is_over();
            }
            Err((how, why)) => self.fail(how, why),
        }
    }

    /// One attempt; how it failed and why. What was made is kept until it is buried.
    fn try_start(&mut self) -> Result<(), (Input, String)> {
        self.link.take_fault();
        self.link.mailbox.open();
        let created = self.link.timed("create", || {
            Instance::create(&self.loaded, self.link.clone())
        });
        let instance = match created {
            Ok(instance) => instance,
            Err(why) => return Err((Input::Failed, why)),
        };
        let started = self
            .link
            .timed("start", || instance.start(&self.config, &self.saved));
        // Held until it is buried, or until it is good.
        self.instance = Some(instance);
        match started {
            Ok(()) => {
                self.link.mouths.let_go();
                self.link
                    .set_status(|status| status.state = PluginState::Running);
                let version = &self.loaded.about.version;
                tracing::info!(plugin = %self.link.id, version, "it is running");
                Ok(())
            }
            Err((status, why)) => {
                // Wrong configuration and missing grants do not mend themselves.
                let lasting = matches!(status, abi::E_INVALID | abi::E_DENIED | abi::E_UNSUPPORTED);
                let fault = self.link.take_fault();
                let why = fault.map_or(why, |fault| format!("in start: {fault}"));
                let how = if lasting {
                    Input::Refused
                } else {
                    Input::Failed
                };
                Err((how, why))
            }
        }
    }

    /// The old instance saves and stops, the new one starts from there; if it cannot, the old table
    /// is started again from the same state. Events wait meanwhile (architecture C5.6).
    fn reload(&mut self, fresh: Fresh) {
        self.save();
        let keeps = self.loaded.keeps_tracks() && fresh.loaded.keeps_tracks();
        if let Some(instance) = self.instance.take() {
            self.quiet(keeps);
            self.link.timed("stop", || instance.stop(abi::WHY_RELOAD));
            self.tell_last_fault();
            self.destroy(instance);
        }
        self.link.renew(keeps);
        let loaded = core::mem::replace(&mut self.loaded, fresh.loaded);
        let config = core::mem::replace(&mut self.config, fresh.config);
        match self.try_start() {
            Ok(()) => {
                self.supervisor = Supervisor::of_running();
                self.link.set_events(fresh.events);
                self.first_start_is_over();
                let _ = fresh.answer.send(Ok(()));
            }
            Err((_, why)) => {
                tracing::error!(plugin = %self.link.id, "the new one cannot start: {why}");
                if let Some(instance) = self.instance.take() {
                    self.destroy(instance);
                }
                self.link.renew(keeps);
                (self.loaded, self.config) = (loaded, config);
                // It starts in the next turn, and is watched like any other.
                self.supervisor = Supervisor::new();
                let _ = fresh.answer.send(Err(why));
            }
        }
    }

    fn settings(&mut self, new: NewSettings) {
        let NewSettings { config, answer } = new;
        let Some(instance) = &self.instance else {
            // Whatever keeps it from running, the next start has them.
            self.config = config;
            let _ = answer.send(Ok(true));
            return;
        };
        let outcome = self
            .link
            .timed("new settings", || instance.settings(&config));
        let outcome = match outcome {
            Ok(()) => {
                self.config = config;
                Ok(true)
            }
            Err((abi::E_UNSUPPORTED, _)) => Ok(false),
            Err((_, why)) => Err(why),
        };
        let _ = answer.send(outcome);
        self.save_at = self.save_at.or_else(|| Some(clock::now() + SAVE_AFTER));
        self.look_for_a_fault("new settings");
    }

    fn first_start_is_over(&mut self) {
        if let Some(started) = self.started.take() {
            let _ = started.send(());
        }
    }

    fn fail(&mut self, how: Input, why: String) {
        tracing::error!(plugin = %self.link.id, "{why}");
        self.link.set_status(|status| status.last_fault = Some(why));
        self.supervisor.handle(clock::now(), how);
    }

    /// The instance goes; what waited for it is told.
    fn down(&mut self, state: PluginState) {
        self.save_at = None;
        self.link.set_status(|status| {
            status.state = state;
            status.restarts += u32::from(state == PluginState::Restarting);
        });
        if let Some(instance) = self.instance.take() {
            self.destroy(instance);
        }
        self.link.mouths.let_go();
        self.link.bury();
        self.first_start_is_over();
    }

    /// Its sinks and sources are closed; nothing of it runs on another thread afterwards.
    /// With `keep` their tracks go on for half a second, to be taken over by the next instance.
    fn quiet(&self, keep: bool) {
        self.link.ears.stop(&self.link);
        self.link.mouths.stop(&self.link, keep);
    }

    fn destroy(&self, instance: Instance) {
        self.quiet(false);
        self.link.timed("destroy", || drop(instance));
    }

    fn handle(&mut self, mail: Mail) {
        let Some(instance) = &self.instance else {
            return;
        };
        let inside: Arc<str> = match mail {
            Mail::Event(event) => {
                self.link.timed(&event.name, || instance.event(&event));
                event.name
            }
            Mail::Run(task) => {
                self.link.timed("an async step", || instance.run(task));
                "an async step".into()
            }
            Mail::Done { op, status, body } => {
                self.link.timed("done", || instance.done(op, status, &body));
                "done".into()
            }
            Mail::Fault | Mail::Stop(_) | Mail::Reload(_) | Mail::Settings(_) => "its sound".into(),
        };
        self.save_at = self.save_at.or_else(|| Some(clock::now() + SAVE_AFTER));
        self.look_for_a_fault(&inside);
    }

    /// `inside`: the callback that it has just come back from.
    fn look_for_a_fault(&mut self, inside: &str) {
        if let Some(why) = self.link.take_fault() {
            self.fail(Input::Failed, format!("in {inside}: {why}"));
        }
    }

    /// A fault of an instance that was stopping anyway: nothing follows from it but that people know.
    fn tell_last_fault(&self) {
        if let Some(why) = self.link.take_fault() {
            let why = format!("in stop: {why}");
            tracing::error!(plugin = %self.link.id, "{why}");
            self.link.set_status(|status| status.last_fault = Some(why));
        }
    }

    fn save(&mut self) {
        self.save_at = None;
        let Some(instance) = &self.instance else {
            return;
        };
        let saved = self.link.timed("save", || instance.save());
        if saved.as_ref().is_some_and(|saved| saved.is_over) {
            let mib = MAX_PUT_BYTES >> 20;
            tracing::error!(
                plugin = %self.link.id,
                "its state is larger than {mib} MiB and is not kept; what it saved before stays"
            );
        } else if let Some(Put { bytes: saved, .. }) = saved {
            if saved != self.saved
                && let Err(error) = self.link.store.keep(&saved)
            {
                tracing::error!(plugin = %self.link.id, "its state cannot be kept: {error}");
            }
            self.saved = saved;
            self.link.count_save();
        }
        self.look_for_a_fault("save");
    }

    fn stop(mut self, why: u32) {
        self.save();
        if let Some(instance) = self.instance.take() {
            // First: what was heard until now is part of what it may want to finish.
            self.quiet(false);
            self.link.timed("stop", || instance.stop(why));
            self.tell_last_fault();
            self.destroy(instance);
        }
        self.link
            .set_status(|status| status.state = PluginState::Stopped);
        self.link.bury();
    }
}
