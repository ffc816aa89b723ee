//! The settings of a spatial pooler, and the sets of them that are known by name.

use super::super::settings::{choice, settings};
use super::Dimensions;
use crate::error::{Error, Result};
use crate::kernel::pools::FULL;

choice! {
    /// Known sets of settings. What a source leaves open is as in `paper-boosted`, or as by default.
    PoolerPreset {
        /// The best that we found, on held-out training images of MNIST, for reading labels off the
        /// codes: small pools, so that columns stand for a few inputs together, and boosting. For
        /// inputs that are no images set `potential_radius` to 0.
        Default = "default",
        /// The set of the forum thread: fixed random pools, no learning.
        Seed = "seed",
        /// Cui, Ahmad and Hawkins, "The HTM spatial pooler", 2017: 1024 columns, boosted.
        PaperBoosted = "paper-boosted",
        /// The same paper, with topology, for crosses.
        PaperTopologyCross = "paper-topology-cross",
        /// The same paper, with topology and boosting.
        PaperTopologyBoosted = "paper-topology-boosted",
        /// The same paper, without boosting.
        PaperNoBoosting = "paper-no-boosting",
        /// The MNIST example of htm.core in C++.
        HtmCoreMnist = "htm-core-mnist",
        /// The MNIST example of htm.core in Python.
        HtmCoreMnistPython = "htm-core-mnist-python",
    }
}

choice! {
    /// How vectors become bits.
    Binarise {
        /// On where the value is above `threshold`.
        Threshold = "threshold",
        /// On where the value is at least the mean of the vector.
        AboveMean = "above-mean",
    }
}

choice! {
    /// How boost factors come from duty cycles.
    BoostRule {
        /// `exp(boost_strength · (target - duty))`.
        Exponential = "exponential",
        /// `ln(duty) / ln(target)`: no parameter, on where `boost_strength` is not 0.
        Logarithmic = "logarithmic",
    }
}

settings! {
    /// Settings of a [`SpatialPooler`](super::SpatialPooler), under the field's own names.
    SpatialPoolerSettings recipes preset {
        /// A known set: default, seed, paper-boosted, paper-topology-cross, paper-topology-boosted,
        /// paper-no-boosting, htm-core-mnist or htm-core-mnist-python.
        preset: PoolerPreset = PoolerPreset::Default,
        /// Passes over the training data.
        epochs: usize = 2,
        /// Whether it learns at all; if not, the first random synapses stay.
        learn: bool = true,
        /// How vectors become bits: threshold or above-mean.
        binarise: Binarise = Binarise::Threshold,
        /// Values above this are on.
        threshold: f32 = 0.3,
        /// Axes of the inputs such as 28x28; 0 means the image's, or one axis.
        input_dimensions: Dimensions = Dimensions::default(),
        /// Axes of the columns, as many as the inputs have.
        column_dimensions: Dimensions = Dimensions::new(&[90, 90]),
        /// How far inputs of a column's pool lie from its centre, along each axis; 0 means no bound.
        potential_radius: usize = 9,
        /// Share of the inputs within reach that are in the pool.
        potential_pct: f32 = 0.04,
        /// Whether columns compete with all others, or in neighbourhoods.
        global_inhibition: bool = true,
        /// Share of the columns that win, at most 0.5; 0 if the next setting says it.
        local_area_density: f32 = 0.0,
        /// Winners a neighbourhood, of all columns if inhibition is global; 0 if the density says it.
        num_active_columns_per_inh_area: usize = 486,
        /// Connected inputs that must be on for a column to win.
        stimulus_threshold: usize = 0,
        /// What an input that is off takes from the permanence of a winner's synapse.
        syn_perm_inactive_dec: f32 = 0.02,
        /// What an input that is on adds to it.
        syn_perm_active_inc: f32 = 0.05,
        /// Permanence from which on a synapse is connected.
        syn_perm_connected: f32 = 0.5,
        /// Whether permanences below half of the increment become 0, as in nupic-legacy.
        trim: bool = false,
        /// Columns that overlap less often than this share of the best one's are bumped.
        min_pct_overlap_duty_cycle: f32 = 0.001,
        /// Samples that duty cycles reach back.
        duty_cycle_period: u64 = 1000,
        /// How boost factors come from duty cycles: exponential or logarithmic.
        boost_rule: BoostRule = BoostRule::Exponential,
        /// How strongly columns that win too seldom are ranked higher.
        boost_strength: f32 = 20.0,
        /// Whether boosting also ranks when encoding after training.
        boost_when_encoding: bool = true,
        /// Exactly k winners, ties to the lower index; if false, as published: columns under the
        /// stimulus threshold drop out, and local inhibition gives a varying count.
        exactly_k: bool = true,
        /// Whether pools and neighbourhoods go on at the opposite border.
        wrap_around: bool = true,
        /// Seed of pools, permanences and the order of the samples.
        seed: u64 = 0,
    }
}

impl SpatialPoolerSettings {
    /// The settings that a name stands for.
    pub fn recipe(preset: PoolerPreset) -> Self {
        let settings = match preset {
            PoolerPreset::Default => Self::default(),
            PoolerPreset::Seed => Self::seed_thread(),
            PoolerPreset::PaperBoosted => Self::paper(),
            PoolerPreset::PaperTopologyCross => Self {
                column_dimensions: Dimensions::new(&[32, 32]),
                potential_radius: 5,
                global_inhibition: false,
                local_area_density: 0.1,
                ..Self::paper()
            },
            PoolerPreset::PaperTopologyBoosted => Self {
                column_dimensions: Dimensions::new(&[32, 32]),
                potential_radius: 12,
                global_inhibition: false,
                ..Self::paper()
            },
            PoolerPreset::PaperNoBoosting => Self {
                column_dimensions: Dimensions::new(&[32, 32]),
                potential_radius: 10,
                global_inhibition: false,
                local_area_density: 0.1,
                syn_perm_inactive_dec: 0.01,
                boost_strength: 0.0,
                ..Self::paper()
            },
            PoolerPreset::HtmCoreMnist => Self::htm_core(),
            PoolerPreset::HtmCoreMnistPython => Self {
                column_dimensions: Dimensions::new(&[79, 79]),
                syn_perm_inactive_dec: 0.02,
                boost_strength: 7.0,
                wrap_around: false,
                binarise: Binarise::AboveMean,
                seed: 1,
                ..Self::htm_core()
            },
        };
        Self { preset, ..settings }
    }

    fn seed_thread() -> Self {
        Self {
            learn: false,
            epochs: 1,
            threshold: 0.5,
            column_dimensions: Dimensions::new(&[64, 64]),
            potential_radius: 28,
            potential_pct: 0.8,
            num_active_columns_per_inh_area: 240,
            syn_perm_inactive_dec: 0.0,
            syn_perm_active_inc: 0.0,
            syn_perm_connected: 0.8,
            min_pct_overlap_duty_cycle: 0.001,
            duty_cycle_period: 100,
            boost_strength: 1.0,
            boost_when_encoding: false,
            seed: 7777,
            ..Self::default()
        }
    }

    fn paper() -> Self {
        Self {
            epochs: 1,
            threshold: 0.5,
            column_dimensions: Dimensions::new(&[1024]),
            potential_radius: 1024,
            potential_pct: 1.0,
            local_area_density: 0.02,
            num_active_columns_per_inh_area: 0,
            stimulus_threshold: 1,
            syn_perm_inactive_dec: 0.02,
            syn_perm_active_inc: 0.1,
            syn_perm_connected: 0.5,
            min_pct_overlap_duty_cycle: 0.001,
            duty_cycle_period: 1000,
            boost_strength: 100.0,
            boost_when_encoding: false,
            seed: 1936,
            ..Self::default()
        }
    }

    fn htm_core() -> Self {
        Self {
            epochs: 1,
            threshold: 0.5,
            column_dimensions: Dimensions::new(&[28, 28, 8]),
            potential_radius: 7,
            potential_pct: 0.1,
            local_area_density: 0.1,
            num_active_columns_per_inh_area: 0,
            stimulus_threshold: 6,
            syn_perm_inactive_dec: 0.002,
            syn_perm_active_inc: 0.14,
            syn_perm_connected: 0.5,
            min_pct_overlap_duty_cycle: 0.2,
            duty_cycle_period: 1402,
            boost_strength: 2.0,
            seed: 4,
            ..Self::default()
        }
    }

    /// Refuses values that make no sense.
    pub(super) fn check(&self) -> Result<()> {
        within("potential_pct", self.potential_pct, 1e-6, 1.0)?;
        within("local_area_density", self.local_area_density, 0.0, 0.5)?;
        within("syn_perm_inactive_dec", self.syn_perm_inactive_dec, 0.0, 1.0)?;
        within("syn_perm_active_inc", self.syn_perm_active_inc, 0.0, 1.0)?;
        within("syn_perm_connected", self.syn_perm_connected, 1.0 / f32::from(FULL), 1.0)?;
        within("min_pct_overlap_duty_cycle", self.min_pct_overlap_duty_cycle, 0.0, 1.0)?;
        within("boost_strength", self.boost_strength, 0.0, 1e6)?;
        let steps = [
            ("syn_perm_inactive_dec", self.syn_perm_inactive_dec),
            ("syn_perm_active_inc", self.syn_perm_active_inc),
        ];
        for (key, value) in steps {
            if value > 0.0 && permanence(value) == 0 {
                let expected = format!("0 or at least {}", 1.0 / f32::from(FULL));
                return Err(Error::setting(key, expected, value));
            }
        }
        if self.trim && self.syn_perm_active_inc / 2.0 >= self.syn_perm_connected {
            let expected = "less than twice syn_perm_connected, for trimming";
            return Err(Error::setting("syn_perm_active_inc", expected, self.syn_perm_active_inc));
        }
        let counted = self.num_active_columns_per_inh_area > 0;
        if counted == (self.local_area_density > 0.0) {
            let expected = "0 where local_area_density is not, and not 0 where it is";
            let got = self.num_active_columns_per_inh_area;
            return Err(Error::setting("num_active_columns_per_inh_area", expected, got));
        }
        match self.duty_cycle_period {
            0 => Err(Error::setting("duty_cycle_period", "at least 1 sample", 0)),
            _ => Ok(()),
        }
    }
}

fn within(key: &str, value: f32, least: f32, most: f32) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::setting(key, format!("a number from {least} to {most}"), value))
}

/// A permanence from 0 to 1 in parts of [`FULL`].
pub(super) fn permanence(value: f32) -> u16 {
    (value * f32::from(FULL)).round() as u16
}
