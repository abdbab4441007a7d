//! The curves of a fade.

/// The way a gain takes between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Curve {
    /// A straight line: right for short moves, and for two halves of one sound (their sum is 1).
    #[default]
    Linear,
    /// The power moves on a sine: two opposite fades keep the sum of their powers at every
    /// moment, so that one song goes over into another without a dip. From 0 to 1 it is a sine,
    /// from 1 to 0 a cosine.
    EqualPower,
    /// As many decibels in every moment: an even change of loudness to the ear. Silence lies
    /// infinitely many decibels below anything; a fade from or to it takes 60 dB for the whole
    /// way and is bent so that it ends at exactly 0.
    Decibel,
}

/// A fade to or from silence takes so much of its louder end for silence: −60 dB.
const SILENCE: f64 = 1e-3;

/// A curve on its way, evaluated by recurrence: a sine or a power for each frame would cost ten
/// times as much. Made anew for every block, so rounding cannot pile up. *Tick-safe.*
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Gain = √(from² · cos² + to² · sin²), the angle going from 0 to a quarter turn.
    Turn {
        sin: f64,
        cos: f64,
        step_sin: f64,
        step_cos: f64,
        from_squared: f64,
        to_squared: f64,
    },
    /// Gain = value · scale + offset, the value growing by a factor.
    Power {
        value: f64,
        factor: f64,
        scale: f64,
        offset: f64,
    },
}

impl Shape {
    /// The curve from `from` to `to` (linear gains) over `whole` frames, `done` of them past.
    pub(super) fn new(curve: Curve, from: f32, to: f32, done: u32, whole: u32) -> Self {
        let (from, to) = (f64::from(from), f64::from(to));
        let whole = f64::from(whole.max(1));
        let at = f64::from(done) / whole;
        match curve {
            Curve::EqualPower => {
                let quarter = std::f64::consts::FRAC_PI_2;
                let (sin, cos) = (quarter * at).sin_cos();
                let (step_sin, step_cos) = (quarter / whole).sin_cos();
                Self::Turn {
                    sin,
                    cos,
                    step_sin,
                    step_cos,
                    from_squared: from * from,
                    to_squared: to * to,
                }
            }
            Curve::Decibel => {
                let (low, high) = (from.min(to), from.max(to));
                let floor = low.max(high * SILENCE);
                let (start, end) = (from.max(floor), to.max(floor));
                // 1 and 0 unless an end lies below the floor.
                let scale = if high > floor {
                    (high - low) / (high - floor)
                } else {
                    1.0
                };
                let ratio = if start > 0.0 { end / start } else { 1.0 };
                Self::Power {
                    value: start * ratio.powf(at),
                    factor: ratio.powf(1.0 / whole),
                    scale,
                    offset: low - floor * scale,
                }
            }
            // Ramps walk straight lines by themselves; here for completeness.
            Curve::Linear => Self::Power {
                value: 1.0,
                factor: 1.0,
                scale: 0.0,
                offset: from + (to - from) * at,
            },
        }
    }

    /// The gain at the place reached.
    pub(super) fn here(&self) -> f32 {
        let gain = match *self {
            Self::Turn {
                sin,
                cos,
                from_squared,
                to_squared,
                ..
            } => (from_squared * cos * cos + to_squared * sin * sin).sqrt(),
            Self::Power {
                value,
                scale,
                offset,
                ..
            } => value * scale + offset,
        };
        gain.max(0.0) as f32
    }

    /// Goes on by one frame and gives its gain.
    pub(super) fn next_gain(&mut self) -> f32 {
        match self {
            Self::Turn {
                sin,
                cos,
                step_sin,
                step_cos,
                ..
            } => {
                (*sin, *cos) = (
                    *sin * *step_cos + *cos * *step_sin,
                    *cos * *step_cos - *sin * *step_sin,
                );
            }
            Self::Power { value, factor, .. } => *value *= *factor,
        }
        self.here()
    }
}
