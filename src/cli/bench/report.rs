//! What was measured, for people and for scripts.

use std::fmt::Write;

use mynah_engine::bench::{Limit, Measured};
use serde_json::{Value, json};

use super::Found;
use super::paper::{Paper, bar};

const BAR: usize = 40;
/// Where the overload ladder begins (architecture B6).
const FULL: f64 = 0.8;

/// The report of one run.
pub(super) struct Report<'a> {
    found: &'a Found,
    cores: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(found: &'a Found) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { found, cores }
    }

    /// The report for people.
    pub(super) fn text(&self, paper: &Paper) -> String {
        let mut text = String::new();
        self.write(&mut text, paper)
            .unwrap_or_else(|_| unreachable!("a String takes all text"));
        text
    }

    fn write(&self, to: &mut String, paper: &Paper) -> std::fmt::Result {
        let setup = self.found.setup;
        writeln!(
            to,
            "machine     {}, {}",
            processor(),
            count(self.cores, "core")
        )?;
        writeln!(
            to,
            "sessions    {}, Opus {} kbit/s{}, end-to-end encrypted, AES-256-GCM",
            self.plays(),
            setup.bitrate_bps / 1000,
            match self.found.passthrough {
                true => String::new(),
                false => format!(" at complexity {}", setup.complexity),
            },
        )?;
        writeln!(
            to,
            "threads     {}, {}; {}\n",
            count(setup.threads, "tick thread"),
            self.class(),
            count(setup.decoders, "decoder"),
        )?;
        self.write_stages(to)?;
        self.write_loads(to, paper)?;
        if self.found.capacity.is_some() {
            self.write_plot(to, paper)?;
        }
        self.write_verdict(to, paper)
    }

    fn plays(&self) -> &'static str {
        match self.found.passthrough {
            true => "Opus files that go out as they are",
            false => "mp3 files (44.1 kHz, stereo, 128 kbit/s)",
        }
    }

    fn class(&self) -> &'static str {
        match (self.found.setup.fifo, self.is_real_time()) {
            (false, _) => "normal scheduling as asked",
            (true, true) => "real-time scheduling (SCHED_FIFO)",
            (true, false) => "normal scheduling: SCHED_FIFO was refused",
        }
    }

    fn is_real_time(&self) -> bool {
        let mut loads = self.found.loads.iter();
        loads.all(|load| load.stats.is_real_time())
    }

    /// Name and microseconds of each stage that sessions of this kind go through.
    fn stages(&self) -> Vec<(&'static str, f64)> {
        let stages = &self.found.stages;
        let all = [
            ("decode", stages.decode_us),
            ("resample", stages.resample_us),
            ("mix", stages.mix_us),
            ("encode", stages.encode_us),
            ("seal (dave)", stages.dave_us),
            ("seal (rtp)", stages.rtp_us),
            ("send", stages.send_us),
        ];
        let skipped = if self.found.passthrough { 4 } else { 0 };
        all.into_iter().skip(skipped).collect()
    }

    fn write_stages(&self, to: &mut String) -> std::fmt::Result {
        let stages = self.stages();
        let sum: f64 = stages.iter().map(|(_, us)| us).sum();
        writeln!(to, "one frame of 20 ms, each stage by itself, us of CPU")?;
        for (name, us) in stages {
            let line = format!("  {name:<18} {us:>7.2}  {}", bar(us, sum, BAR));
            writeln!(to, "{}", line.trim_end())?;
        }
        writeln!(to, "  {:<18} {sum:>7.2}\n", "all")
    }

    fn write_loads(&self, to: &mut String, paper: &Paper) -> std::fmt::Result {
        writeln!(
            to,
            "                  us a frame       busy            lateness, ms"
        )?;
        writeln!(
            to,
            "sessions  hold   all  tick  media  tick  cores    p50    p99  p99.9    max"
        )?;
        for load in &self.found.loads {
            let late = &load.stats.lateness;
            let holds = match load.holds() {
                true => paper.good(" yes"),
                false => paper.bad("  no"),
            };
            write!(
                to,
                "{:>8}  {holds} {:>5.0} {:>5.0} {:>6.0} {:>4.0}% {:>6.2}",
                load.sessions,
                load.cpu_us_per_frame(),
                load.tick_us_per_frame(),
                load.media_us_per_frame(),
                load.tick_load() * 100.0,
                load.cores(),
            )?;
            for us in [late.p50_us, late.p99_us, late.p999_us, late.max_us] {
                write!(to, " {:>6.2}", us / 1000.0)?;
            }
            writeln!(to, "{}", given_up(load))?;
        }
        writeln!(to)
    }

    fn write_plot(&self, to: &mut String, paper: &Paper) -> std::fmt::Result {
        writeln!(to, "how busy the tick threads are ('|': more is too much)")?;
        for load in &self.found.loads {
            let filled = bar(load.tick_load(), 1.0, BAR);
            let mut line: Vec<char> = format!("{filled:<BAR$}").chars().collect();
            if let Some(edge) = line.get_mut((FULL * BAR as f64) as usize) {
                *edge = '|';
            }
            let line: String = line.into_iter().collect();
            let painted = match load.holds() {
                true => paper.good(line.trim_end()),
                false => paper.bad(line.trim_end()),
            };
            writeln!(to, "{:>8}  {painted}", load.sessions)?;
        }
        writeln!(to)
    }

    fn write_verdict(&self, to: &mut String, paper: &Paper) -> std::fmt::Result {
        match (&self.found.capacity, self.found.loads.first()) {
            (Some(capacity), _) => {
                let sessions = paper.good(&count(capacity.sessions, "session"));
                writeln!(to, "capacity    {sessions}")?;
            }
            (None, Some(load)) => {
                let holds = match load.holds() {
                    true => paper.good("hold"),
                    false => paper.bad("do not hold"),
                };
                writeln!(
                    to,
                    "verdict     {} {holds}",
                    count(load.sessions, "session")
                )?;
            }
            (None, None) => {}
        }
        for line in self.why() {
            writeln!(to, "why         {line}")?;
        }
        Ok(())
    }

    fn limit(&self) -> Option<Limit> {
        match &self.found.capacity {
            Some(capacity) => capacity.limit,
            None => self.found.loads.first().and_then(Measured::limit),
        }
    }

    /// What stops this machine, and what would help.
    fn why(&self) -> Vec<String> {
        let (setup, stages) = (self.found.setup, &self.found.stages);
        let mut why = Vec::new();
        let most = self.found.loads.iter().max_by_key(|load| load.sessions);
        let cores = most.map_or(0.0, Measured::cores);
        let whole_machine = cores > self.cores as f64 * 0.9;
        match self.limit() {
            None if self.found.capacity.is_none() => why.push("nothing was given up".to_owned()),
            None => why.push("nothing was given up: even the most that was tried holds".to_owned()),
            Some(Limit::Decoders) => why.push("decoders do not fill the rings in time".to_owned()),
            Some(Limit::Late) => {
                why.push("packets leave too late: others want the cores".to_owned())
            }
            Some(Limit::Refused) => why.push("the tick threads take no more sessions".to_owned()),
            Some(Limit::Complexity | Limit::Skipped) if !self.found.passthrough => {
                let share = stages.encode_us / stages.tick_us().max(1e-9) * 100.0;
                why.push(format!(
                    "the tick threads are full; {share:.0} % of their work is the encoder at complexity {}",
                    setup.complexity
                ));
            }
            Some(Limit::Complexity | Limit::Skipped) => {
                why.push("the tick threads are full".to_owned());
            }
        }
        let full = matches!(self.limit(), Some(limit) if limit != Limit::Decoders);
        if whole_machine {
            why.push(format!("all {} are busy", count(self.cores, "core")));
        } else if full && setup.threads < self.cores {
            why.push(format!(
                "{:.1} of {} are in use: another tick thread would help (--threads {}; [voice] threads)",
                cores,
                count(self.cores, "core"),
                setup.threads + 1
            ));
        }
        if setup.fifo && !self.is_real_time() {
            why.push(
                "SCHED_FIFO was refused (CAP_SYS_NICE or an rtprio limit): packets are less punctual"
                    .to_owned(),
            );
        }
        why
    }

    /// The report for scripts.
    pub(super) fn json(&self) -> Value {
        let setup = self.found.setup;
        let stages: serde_json::Map<String, Value> = self
            .stages()
            .into_iter()
            .map(|(name, us)| (name.replace(" (", "_").replace(')', ""), json!(us)))
            .collect();
        json!({
            "capacity": self.found.capacity.as_ref().map(|capacity| capacity.sessions),
            "limit": self.limit().map(name),
            "why": self.why(),
            "machine": { "processor": processor(), "cores": self.cores },
            "build": if cfg!(debug_assertions) { "development" } else { "release" },
            "setup": {
                "tick_threads": setup.threads,
                "decoders": setup.decoders,
                "real_time": self.is_real_time(),
                "complexity": setup.complexity,
                "bitrate_bps": setup.bitrate_bps,
                "passthrough": self.found.passthrough,
            },
            "stages_us": stages,
            "loads": self.found.loads.iter().map(load_json).collect::<Vec<_>>(),
        })
    }
}

fn load_json(load: &Measured) -> Value {
    let late = &load.stats.lateness;
    json!({
        "sessions": load.sessions,
        "holds": load.holds(),
        "limit": load.limit().map(name),
        "seconds": load.wall.as_secs_f64(),
        "cpu_us_per_frame": load.cpu_us_per_frame(),
        "tick_us_per_frame": load.tick_us_per_frame(),
        "media_us_per_frame": load.media_us_per_frame(),
        "tick_load": load.tick_load(),
        "cores": load.cores(),
        "lateness_us": {
            "p50": late.p50_us, "p99": late.p99_us, "p999": late.p999_us, "max": late.max_us,
        },
        "frames_due": load.frames_due(),
        "frames_sent": load.frames_sent(),
        "late_packets": load.stats.late_packets,
        "skipped_frames": load.stats.skipped_frames,
        "stalls": load.stalls,
        "lowest_complexity": load.lowest_complexity,
    })
}

fn name(limit: Limit) -> &'static str {
    match limit {
        Limit::Complexity => "complexity",
        Limit::Skipped => "skipped",
        Limit::Decoders => "decoders",
        Limit::Late => "late",
        Limit::Refused => "refused",
    }
}

/// What a load had to give up, in few words.
fn given_up(load: &Measured) -> String {
    match load.limit() {
        None => String::new(),
        Some(Limit::Complexity) => format!("  complexity {}", load.lowest_complexity),
        Some(Limit::Skipped) => format!("  {} frames left out", load.stats.skipped_frames),
        Some(Limit::Decoders) if load.stalls > 0 => format!("  {} stalls", load.stalls),
        Some(Limit::Decoders) => "  frames missing".to_owned(),
        Some(Limit::Late) => format!("  {:.1} % late", load.late_share() * 100.0),
        Some(Limit::Refused) => "  more refused".to_owned(),
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name.trim())
        .to_owned()
}
