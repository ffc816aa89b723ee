//! Learning rates over a fit.

/// How the learning rate goes on from its first value over a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// The same all the time.
    Constant,
    /// Halved after every so many steps.
    Halved {
        /// Steps from one halving to the next.
        every: u64,
    },
    /// `(1 + cos(π · share done)) / 2` of the first value, down to 0.
    Cosine,
    /// `1 - share done` of the first value, down to 0.
    Linear,
}

impl Rate {
    /// Share of the first rate that holds at `step`, which counts from 1, of `steps`; it rises to
    /// there over the first `warmup` steps.
    ///
    /// ```
    /// use kwinners::net::Rate;
    /// assert_eq!(Rate::Halved { every: 10 }.share(11, 100, 0), 0.5);
    /// assert_eq!(Rate::Linear.share(51, 100, 0), 0.5);
    /// assert_eq!(Rate::Constant.share(2, 100, 4), 0.5);
    /// ```
    pub fn share(self, step: u64, steps: u64, warmup: u64) -> f32 {
        let before = step.saturating_sub(1);
        let done = before as f64 / steps.max(step) as f64;
        let share = match self {
            Self::Constant => 1.0,
            Self::Halved { every } => 0.5f64.powi((before / every.max(1)).min(1000) as i32),
            Self::Cosine => 0.5 + 0.5 * (std::f64::consts::PI * done).cos(),
            Self::Linear => 1.0 - done,
        };
        let warm = if step < warmup { step as f64 / warmup as f64 } else { 1.0 };
        (share * warm) as f32
    }
}
