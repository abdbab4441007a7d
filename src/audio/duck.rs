//! Ducking: some sounds step back while others speak.
//!
//! A [`DuckMatrix`] says which trigger turns down which lane, how deep and how fast; a [`Ducker`]
//! carries it out, one block after the other, on the tick thread.

use crate::{Block, CHANNELS, FRAMES, Lane, SAMPLE_RATE_HZ};

/// What can turn others down: the four lanes, and people talking in the channel.
pub const TRIGGERS: usize = Lane::COUNT + 1;

/// The row of [`DuckMatrix`] for people who talk.
pub const HUMAN: usize = Lane::COUNT;

/// The deepest a rule can go: what is 96 dB down is not heard.
const DEEPEST_DB: f32 = -96.0;

/// No glide is shorter: 5 ms, as every other change of gain ([`crate::ramp::RAMP_FRAMES`]).
const SHORTEST_MS: f32 = 5.0;

/// No glide is longer: a minute.
const LONGEST_MS: f32 = 60_000.0;

/// Who steps back for whom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DuckMatrix {
    /// `rules[trigger][lane]`: how many dB the lane goes down while the trigger sounds, 0 or
    /// less; −96 at the deepest, other values and NaN count as the nearest that makes sense.
    /// Triggers are [`Lane::index`] and [`HUMAN`]. A lane never turns itself down.
    pub rules: [[f32; Lane::COUNT]; TRIGGERS],
    /// How long the way down to the full depth takes, ms, for each trigger; at least 5.
    pub attack_ms: [f32; TRIGGERS],
    /// How long the way back from the full depth takes, ms, for each trigger; at least 5.
    pub release_ms: [f32; TRIGGERS],
}

impl DuckMatrix {
    /// Nobody steps back for anybody.
    pub const OFF: Self = Self {
        rules: [[0.0; Lane::COUNT]; TRIGGERS],
        attack_ms: [80.0, 80.0, 40.0, 40.0, 80.0],
        release_ms: [400.0, 400.0, 250.0, 500.0, 400.0],
    };

    /// The rules of the house: music goes 12 dB down for speech and 6 for effects, everything 15
    /// for a notice. People who talk turn nothing down; see [`DuckMatrix::with_human`].
    pub const HOUSE: Self = Self {
        rules: [
            [0.0, 0.0, 0.0, 0.0],
            [-12.0, 0.0, 0.0, 0.0],
            [-6.0, 0.0, 0.0, 0.0],
            [-15.0, -15.0, -15.0, 0.0],
            [0.0, 0.0, 0.0, 0.0],
        ],
        ..Self::OFF
    };

    /// How far people turn music and effects down when that is wanted and nothing else is said.
    pub const HUMAN_DB: f32 = -9.0;

    /// The same rules, and music and effects go down by `db` while a person talks.
    #[must_use]
    pub fn with_human(mut self, db: f32) -> Self {
        self.rules[HUMAN] = [db, 0.0, db, 0.0];
        self
    }

    /// The same rules, and `lane` goes down by `db` while `trigger` sounds.
    #[must_use]
    pub fn with(mut self, trigger: Lane, lane: Lane, db: f32) -> Self {
        self.rules[trigger.index()][lane.index()] = db;
        self
    }

    /// The same rules, and what steps back for people who talk takes so long, ms, to go down and to
    /// come back.
    #[must_use]
    pub fn with_human_glide(mut self, attack_ms: f32, release_ms: f32) -> Self {
        self.attack_ms[HUMAN] = attack_ms;
        self.release_ms[HUMAN] = release_ms;
        self
    }

    /// True when people who talk turn anything down: whether it is worth listening for them.
    #[must_use]
    pub fn heeds_humans(&self) -> bool {
        self.rules[HUMAN].iter().any(|db| *db < 0.0)
    }

    /// The deepest rule on `lane` among the `active` triggers: its depth, and the row it is in.
    fn deepest(&self, lane: usize, active: Triggers) -> (f32, usize) {
        let mut deepest = (0.0, lane);
        for (trigger, row) in self.rules.iter().enumerate() {
            let db = row.get(lane).map_or(0.0, |db| sane_db(*db));
            if trigger != lane && active.has(trigger) && db < deepest.0 {
                deepest = (db, trigger);
            }
        }
        deepest
    }
}

impl Default for DuckMatrix {
    fn default() -> Self {
        Self::HOUSE
    }
}

fn sane_db(db: f32) -> f32 {
    // Less than a hundredth of a decibel is nothing, and neither is a NaN anything.
    if db < -0.01 { db.max(DEEPEST_DB) } else { 0.0 }
}

/// Frames of a glide of `ms`.
fn frames(ms: Option<&f32>) -> f32 {
    let ms = ms.copied().unwrap_or(SHORTEST_MS);
    let ms = if ms.is_nan() { SHORTEST_MS } else { ms };
    ms.clamp(SHORTEST_MS, LONGEST_MS) * (SAMPLE_RATE_HZ as f32 / 1000.0)
}

/// Which triggers sound in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Triggers(u8);

impl Triggers {
    /// Nothing sounds.
    pub const NONE: Self = Self(0);

    /// These, and a sound on `lane`. *Tick-safe.*
    #[must_use]
    pub const fn with(self, lane: Lane) -> Self {
        Self(self.0 | 1 << lane.index())
    }

    /// These, and a person who talks when `talks`. *Tick-safe.*
    #[must_use]
    pub const fn with_human(self, talks: bool) -> Self {
        Self(self.0 | (talks as u8) << HUMAN)
    }

    /// True when something sounds on `lane`. *Tick-safe.*
    #[must_use]
    pub const fn sounds(self, lane: Lane) -> bool {
        self.0 & 1 << lane.index() != 0
    }

    /// True when a person talks. *Tick-safe.*
    #[must_use]
    pub const fn human(self) -> bool {
        self.0 & 1 << HUMAN != 0
    }

    fn has(self, trigger: usize) -> bool {
        self.0 & 1 << trigger != 0
    }
}

/// Where one lane stands.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Glide {
    /// At the start of the block, dB. 0 or less.
    from_db: f32,
    /// At its end.
    db: f32,
    /// Per frame while it moves.
    step_db: f32,
    /// Frames of this block in which it moves.
    moving: usize,
    /// How fast it comes back, dB per frame: by the rule that held it down last, which may be gone.
    release_db: f32,
}

impl Glide {
    const REST: Self = Self {
        from_db: 0.0,
        db: 0.0,
        step_db: 0.0,
        moving: 0,
        release_db: 1.0,
    };

    /// Goes on by one block towards the rule `deepest`.
    fn step(&mut self, deepest: (f32, usize), matrix: &DuckMatrix) {
        let (target, row) = deepest;
        self.from_db = self.db;
        let way = target - self.db;
        if target < 0.0 && way <= 0.0 {
            // What holds the lane down says how fast it may come back.
            self.release_db = -target / frames(matrix.release_ms.get(row));
        }
        if way == 0.0 {
            self.moving = 0;
            return;
        }
        self.step_db = if way < 0.0 {
            target / frames(matrix.attack_ms.get(row))
        } else {
            self.release_db
        };
        let whole = (way / self.step_db).ceil();
        if whole <= FRAMES as f32 {
            self.moving = (whole as usize).min(FRAMES);
            self.db = target;
        } else {
            self.moving = FRAMES;
            self.db += self.step_db * FRAMES as f32;
        }
    }

    fn is_unity(&self) -> bool {
        self.from_db == 0.0 && self.db == 0.0
    }

    /// Turns down the block that [`Glide::step`] was called for.
    fn apply(&self, block: &mut Block) {
        let (gliding, level) = block.split_at_mut(self.moving.min(FRAMES) * CHANNELS);
        if !gliding.is_empty() {
            // As many dB per frame are a constant factor.
            let factor = linear(self.step_db);
            let (floor, top) = (self.from_db.min(self.db), self.from_db.max(self.db));
            let (floor, top) = (linear(floor), linear(top));
            let mut gain = linear(self.from_db);
            for frame in gliding.chunks_exact_mut(CHANNELS) {
                // The last frame may reach a fraction too far.
                gain = (gain * factor).clamp(floor, top);
                frame.iter_mut().for_each(|s| *s *= gain as f32);
            }
        }
        if self.db < 0.0 {
            let gain = linear(self.db) as f32;
            level.iter_mut().for_each(|s| *s *= gain);
        }
    }
}

fn linear(db: f32) -> f64 {
    10f64.powf(f64::from(db) / 20.0)
}

/// Turns lanes down while triggers sound, and lets them come back.
///
/// For each lane the deepest rule among the active triggers wins. The gain glides evenly in
/// decibels, the full depth of the rule taking its attack on the way down and its release on the
/// way back; it moves frame by frame over the borders of blocks and comes back to exactly 1.
#[derive(Debug, Clone)]
pub struct Ducker {
    matrix: DuckMatrix,
    lanes: [Glide; Lane::COUNT],
}

impl Default for Ducker {
    fn default() -> Self {
        Self::new(DuckMatrix::default())
    }
}

impl Ducker {
    /// A ducker at rest.
    #[must_use]
    pub fn new(matrix: DuckMatrix) -> Self {
        Self {
            matrix,
            lanes: [Glide::REST; Lane::COUNT],
        }
    }

    /// Other rules from the next block on; what is turned down glides to where they want it.
    /// *Tick-safe.*
    pub fn set_matrix(&mut self, matrix: DuckMatrix) {
        self.matrix = matrix;
    }

    /// The rules. *Tick-safe.*
    #[must_use]
    pub fn matrix(&self) -> &DuckMatrix {
        &self.matrix
    }

    /// Goes on by one block, in which `active` sound. To be called once for every block, before
    /// [`Ducker::apply`]. *Tick-safe.*
    pub fn step(&mut self, active: Triggers) {
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            lane.step(self.matrix.deepest(at, active), &self.matrix);
        }
    }

    /// True when this block of `lane` stays as it is, bit for bit. *Tick-safe.*
    #[must_use]
    pub fn is_unity(&self, lane: Lane) -> bool {
        self.lanes.get(lane.index()).is_none_or(Glide::is_unity)
    }

    /// True when no lane is turned down in this block, nor will be in the next one if nothing
    /// sounds. *Tick-safe.*
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.lanes.iter().all(Glide::is_unity)
    }

    /// How far `lane` is down at the end of this block, dB, 0 or less. *Tick-safe.*
    #[must_use]
    pub fn depth_db(&self, lane: Lane) -> f32 {
        self.lanes.get(lane.index()).map_or(0.0, |glide| glide.db)
    }

    /// Turns down this block of `lane` in place. *Tick-safe.*
    pub fn apply(&self, lane: Lane, block: &mut Block) {
        if let Some(glide) = self.lanes.get(lane.index())
            && !glide.is_unity()
        {
            glide.apply(block);
        }
    }
}

#[cfg(test)]
mod tests;
