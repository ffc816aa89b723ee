//! Sparse weights over the whole network: how many, and how their places move while it learns.

use super::super::settings::{check_below_1, check_from_0, check_positive, choice};
use super::{Classifier, ClassifierSettings};
use crate::encoder::networks::NetworkOptimiser;
use crate::error::{Error, Result};
use crate::net::{Change, Densities, Growth, LayerSpec, Network};

/// Share of the weights that is kept where places move and no share is set, as Dettmers and
/// Zettlemoyer have it.
const USUAL_DENSITY: f32 = 0.05;
/// Streams of the seed that first places come from, and random ones later.
const PLACES: u64 = 0x706C_6163_6500_0000;
const REGROWN: u64 = 0x7265_6772_6F77_0000;

choice! {
    /// How the places of sparse weights move while a classifier learns.
    Regrow {
        /// Not at all.
        None = "none",
        /// The smallest weights are dropped; those of the largest momentum grow, most of them in the layers that move
        /// most. Dettmers and Zettlemoyer, "Sparse networks from scratch", 2019.
        Momentum = "momentum",
        /// The positive and the negative weights nearest to 0 are dropped; others grow at random. Mocanu et al.,
        /// "Scalable training of artificial neural networks with adaptive sparse connectivity", 2018.
        Set = "set",
        /// The smallest weights are dropped; those of the largest gradient grow, in a step of its own. Evci et al.,
        /// "Rigging the lottery: making all tickets winners", 2020.
        Rigl = "rigl",
    }
}

choice! {
    /// How many of the sparse weights each layer has at first.
    LayerDensity {
        /// The same share of each layer.
        Uniform = "uniform",
        /// The larger the layer, the smaller its share: the sum of its dimensions over their product.
        ErdosRenyi = "erdos-renyi",
    }
}

choice! {
    /// How the share of dropped weights goes on.
    PruneSchedule {
        /// The same all the time.
        Constant = "constant",
        /// Down on a line.
        Linear = "linear",
        /// Down on half a cosine.
        Cosine = "cosine",
    }
}

impl ClassifierSettings {
    /// Share of all weights that is kept, if not all are.
    fn sparse_density(&self) -> Option<f64> {
        let usual = if self.regrow == Regrow::None { 1.0 } else { USUAL_DENSITY };
        let density = if self.weight_density == 0.0 { usual } else { self.weight_density };
        // Shortest text first: 0.05 means 1/20, not the nearest of 32 bits.
        (density < 1.0).then(|| density.to_string().parse().unwrap_or(f64::from(density)))
    }

    /// Refuses sparse weights that can't be.
    pub(super) fn check_sparse(&self) -> Result<()> {
        check_from_0(&[
            ("weight_density", self.weight_density),
            ("last_prune_rate", self.last_prune_rate),
        ])?;
        check_positive(&[("prune_rate", self.prune_rate), ("regrow_until", self.regrow_until)])?;
        check_below_1(&[("prune_rate", self.prune_rate)])?;
        let at_most_1 =
            [("weight_density", self.weight_density), ("regrow_until", self.regrow_until)];
        if let Some((name, value)) = at_most_1.into_iter().find(|(_, value)| *value > 1.0) {
            return Err(Error::setting(name, "at most 1", value));
        }
        if self.last_prune_rate > self.prune_rate {
            let expected = format!("at most the prune_rate of {}", self.prune_rate);
            return Err(Error::setting("last_prune_rate", expected, self.last_prune_rate));
        }
        match (self.sparse_density(), self.regrow) {
            (Some(_), _) => self.check_with_sparse(),
            (None, Regrow::None) => Ok(()),
            (None, _) => {
                let expected = "below 1: where no weight is zero none can move";
                Err(Error::setting("weight_density", expected, self.weight_density))
            }
        }
    }

    /// Refuses what does not go with sparse weights.
    fn check_with_sparse(&self) -> Result<()> {
        use NetworkOptimiser::{Nesterov, Sgd};
        let plain = matches!(self.optimiser, Sgd | Nesterov) && self.momentum == 0.0;
        if self.regrow == Regrow::Momentum && plain {
            let expected = "above 0: weights grow where it is largest";
            return Err(Error::setting("momentum", expected, self.momentum));
        }
        let own = |layer: &&LayerSpec| match **layer {
            LayerSpec::Convolution { density, .. } => density < 1.0,
            LayerSpec::Linear { density, drop_connect, .. } => density < 1.0 || drop_connect > 0.0,
            _ => false,
        };
        match self.layers.layers().iter().find(own) {
            None => Ok(()),
            Some(layer) => {
                let expected = "no density= and no drop-connect= besides a weight_density";
                Err(Error::setting("layers", expected, format!("`{layer}`")))
            }
        }
    }

    /// How many weights each layer has at first, if it does not have all.
    fn kept_counts(&self, network: &Network) -> Result<Option<Vec<usize>>> {
        let densities = match self.layer_density {
            LayerDensity::Uniform => Densities::Uniform,
            LayerDensity::ErdosRenyi => Densities::ErdosRenyi,
        };
        self.sparse_density().map(|density| network.kept_counts(density, densities)).transpose()
    }

    /// Drops the weights of a new network that the settings don't have.
    pub(super) fn sparsify(&self, network: &mut Network) -> Result<()> {
        if let Some(counts) = self.kept_counts(network)? {
            network.sparsify(&counts, self.seed ^ PLACES);
        }
        Ok(())
    }

    /// Refuses a restored network with more or fewer weights than the settings have.
    pub(super) fn check_places(&self, network: &Network) -> Result<()> {
        // In total: layers may have given places to each other.
        let count = self.kept_counts(network)?.map(|counts| counts.iter().sum());
        match network.keeps(count) {
            true => Ok(()),
            false => {
                Err(Error::shape("masks of weights", "as many as the settings have", "others"))
            }
        }
    }
}

impl Classifier {
    /// The change of places that belongs to the step of `samples` that comes next, if there is one.
    pub(super) fn change_due(&self, samples: usize) -> Option<Change> {
        let settings = &self.settings;
        let growth = match settings.regrow {
            Regrow::None => return None,
            Regrow::Momentum => Growth::Momentum,
            Regrow::Set => Growth::Random,
            Regrow::Rigl => Growth::Gradient,
        };
        let (step, epochs) = self.progress.after(samples);
        let due = match settings.regrow_every as u64 {
            0 => self.progress.ends_epoch(samples),
            every => step % every == 0,
        };
        let share = epochs / (f64::from(settings.regrow_until) * settings.epochs as f64);
        if !due || share >= 1.0 {
            return None;
        }
        let left = match settings.prune_schedule {
            PruneSchedule::Constant => 1.0,
            PruneSchedule::Linear => 1.0 - share,
            PruneSchedule::Cosine => 0.5 + 0.5 * (std::f64::consts::PI * share).cos(),
        };
        let (first, last) = (f64::from(settings.prune_rate), f64::from(settings.last_prune_rate));
        let seed = (settings.seed ^ REGROWN).wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Some(Change { growth, rate: last + (first - last) * left, seed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Inputs;
    use crate::encoder::State;
    use crate::encoder::model::Kind;
    use crate::rows::Rows;

    fn small(density: &str) -> Classifier {
        let mut settings = ClassifierSettings::default();
        settings.set("layers", "linear 20, k-winners 5").unwrap();
        settings.set("weight_density", density).unwrap();
        let values: Vec<f32> = (0..120).map(|place| (place % 7) as f32).collect();
        let rows = Rows::new(&values, 12).unwrap();
        Classifier::new(settings, Inputs { rows, image: None, classes: 3 }).unwrap()
    }

    fn masks(state: &mut State) -> &mut Vec<u8> {
        let of_first = |(name, _): &&mut (String, Vec<u8>)| name == "aamasks";
        &mut state.arrays.iter_mut().find(of_first).unwrap().1
    }

    #[test]
    fn damaged_masks_are_refused() {
        let dense = small("1").state();
        let classifier = small("0.3");
        let whole = classifier.state();
        // Two words of 16 places for each input; 12 of the second are of no unit.
        let damages: [fn(&mut Vec<u8>); 6] = [
            |masks| masks.clear(),
            |masks| masks.truncate(46),
            |masks| masks.extend([0, 0]),
            |masks| masks[0] ^= 1,
            |masks| masks[3] ^= 1,
            |masks| masks.fill(0),
        ];
        for (number, damage) in damages.into_iter().enumerate() {
            let mut state = whole.clone();
            damage(masks(&mut state));
            let settings = classifier.settings().clone();
            assert!(Classifier::from_state(settings, &mut state).is_err(), "damage {number}");
        }
        // Masks where no weight is held, and none where some are.
        let settings = |density: &str| small(density).settings().clone();
        assert!(Classifier::from_state(settings("1"), &mut whole.clone()).is_err());
        assert!(Classifier::from_state(settings("0.3"), &mut dense.clone()).is_err());
        let restored = Classifier::from_state(settings("0.3"), &mut whole.clone()).unwrap();
        assert!(restored.state() == whole);
    }
}
