//! What a plugin holds while one of its methods runs.

use crate::{
    Commands, Error, Files, GuildId, Host, Listening, PlayOptions, Plugin, Result, Sink, Source,
    Track, Voice, Want, abi, ear, exec::Executor,
};

/// The way out of a plugin's method: host, async work, commands.
pub struct Cx<'a, P: Plugin> {
    pub(crate) exec: &'a mut Executor<P>,
    pub(crate) host: &'a Host,
}

impl<P: Plugin> Cx<'_, P> {
    /// The host, cloneable into async work.
    #[must_use]
    pub fn host(&self) -> Host {
        self.host.clone()
    }

    /// Voice: join, play, tracks.
    #[must_use]
    pub fn voice(&self) -> Voice {
        self.host.voice()
    }

    /// Files in granted folders.
    #[must_use]
    pub fn files(&self) -> Files {
        self.host.files()
    }

    /// What the plugin keeps; needs `store`.
    #[must_use]
    pub fn store(&self) -> crate::Store {
        self.host.store()
    }

    /// What the plugin counts, for whoever runs the bot.
    #[must_use]
    pub fn metrics(&self) -> crate::Metrics {
        crate::Metrics::new(self.host.clone())
    }

    /// Does `work` beside everything else; `then` brings its result home to `&mut P`. Neither runs
    /// after the plugin stopped.
    pub fn spawn<T: 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(&mut P, &mut Cx<'_, P>, T) + Send + 'static,
    ) {
        self.exec.spawn(self.host, work, then);
    }

    /// Does `work` whose result nobody needs; a failure is logged as `what`.
    pub fn detach<T: 'static>(
        &mut self,
        what: &'static str,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) {
        self.spawn(work, move |_, cx, result| {
            if let Err(error) = result {
                error.log(cx, what);
            }
        });
    }

    /// Replaces the plugin's slash commands. The bot registers the union of all plugins' once they
    /// have started, and again when one changes its list.
    ///
    /// # Errors
    /// [`Error::Invalid`] names every rule of Discord that is broken; [`Error::Denied`] without the
    /// capability `commands`.
    pub fn set_commands(&mut self, commands: &Commands) -> Result<()> {
        let wrong = commands.check();
        if !wrong.is_empty() {
            return Err(Error::Invalid(wrong.join("; ")));
        }
        self.host
            .set_commands(commands.to_json().to_string().as_bytes())
    }

    /// Plays sound the plugin makes itself. Needs the grant of its [`crate::Lane`]. Returns at once;
    /// the track's events tell the rest, and [`Cx::voice`] steers it like any other. `start` and
    /// `repeat` are for files.
    ///
    /// # Errors
    /// [`Error::Denied`] names the capability that is missing, [`Error::Closed`] when the bot is in no
    /// voice channel there, [`Error::Invalid`] when the options make no sense,
    /// [`Error::Unsupported`] when the host does not offer `mynah.audio/1`.
    pub fn play_source(
        &mut self,
        guild: GuildId,
        source: impl Source,
        options: PlayOptions,
    ) -> Result<Track> {
        crate::audio::play(self.host, guild, source, &options.to_json())
    }

    /// After a reload, in [`Plugin::start`]: a source goes on with a track that a source of the instance
    /// before played, without a gap; [`crate::audio::Block::frame`] counts on. For plugins that
    /// [keep their tracks](crate::About::keeps_tracks) and know them from their saved state. What is not
    /// taken over by the end of `start` ends.
    ///
    /// # Errors
    /// [`Error::Closed`] when the track is over, or was never a source's; [`Error::Unsupported`] as
    /// [`Cx::play_source`].
    pub fn take_over(
        &mut self,
        guild: GuildId,
        track: Track,
        source: impl Source,
    ) -> Result<Track> {
        let options = serde_json::json!({ "takes_over": track.get() });
        crate::audio::play(self.host, guild, source, &options)
    }

    /// Hears what is said in the voice channel the bot is in: `sink` gets it on the plugin's
    /// `[audio]` thread until [`Cx::unlisten`], or until the bot leaves voice in this guild.
    /// Reconnects and moves go on in the same sink. While anybody listens, people see that the bot is
    /// not deaf.
    ///
    /// # Errors
    /// [`Error::Denied`] names the capability that is missing, [`Error::Closed`] when the bot is in no
    /// voice channel there, [`Error::Invalid`] when nothing is wanted, [`Error::Unsupported`] when the
    /// host does not offer `mynah.audio/1`.
    pub fn listen(&mut self, guild: GuildId, want: Want, sink: impl Sink) -> Result<Listening> {
        ear::listen(self.host, guild, want, sink)
    }

    /// Ends it: the sink is dropped on the `[audio]` thread, soon. Harmless when it is over already.
    pub fn unlisten(&mut self, listening: Listening) {
        ear::unlisten(self.host, listening);
    }

    /// The bot's clock in microseconds; virtual in tests.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.host.now_us()
    }

    /// Tells the operator about something that went wrong.
    pub fn error(&self, text: &str) {
        self.host.log(abi::LOG_ERROR, text);
    }

    /// Tells the operator about something odd.
    pub fn warn(&self, text: &str) {
        self.host.log(abi::LOG_WARN, text);
    }

    /// Tells the operator about something normal.
    pub fn info(&self, text: &str) {
        self.host.log(abi::LOG_INFO, text);
    }

    /// Tells whoever looks for a fault.
    pub fn debug(&self, text: &str) {
        self.host.log(abi::LOG_DEBUG, text);
    }
}
