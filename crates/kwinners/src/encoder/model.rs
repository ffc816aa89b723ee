//! The closed set of everything that a model file can hold.

use super::{Decoder, Encoder, Learner, RandomProjection, RandomProjectionSettings};
use super::{Tied, TiedSettings};
use crate::error::{Error, Result};
use crate::rows::Rows;

/// Any encoder of this library, by kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Model {
    /// `random-projection`.
    RandomProjection(RandomProjection),
    /// `tied`. Boxed: it is much the larger.
    Tied(Box<Tied>),
}

/// One setting of a kind: name, default, meaning.
pub type SettingHelp = (&'static str, String, &'static str);

/// How a model is fitted: the settings that belong to the loop, not to the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Passes over the data.
    pub epochs: usize,
    /// Samples a step.
    pub batch: usize,
    /// Seed of the order of the samples.
    pub seed: u64,
}

impl Model {
    /// The names of all kinds.
    pub const KINDS: [&'static str; 2] = ["random-projection", "tied"];

    /// A new model of `kind` for inputs like `rows`; settings that are not named keep their defaults.
    ///
    /// # Errors
    /// If the kind or a setting is unknown (the nearest known name is offered), or a value is out
    /// of range.
    pub fn new(kind: &str, settings: &[(String, String)], rows: Rows<'_>) -> Result<Self> {
        match kind {
            "random-projection" => {
                let mut chosen = RandomProjectionSettings::default();
                settings.iter().try_for_each(|(key, value)| chosen.set(key, value))?;
                Ok(Self::RandomProjection(RandomProjection::new(chosen, rows)?))
            }
            "tied" => {
                let mut chosen = TiedSettings::default();
                settings.iter().try_for_each(|(key, value)| chosen.set(key, value))?;
                Ok(Self::Tied(Box::new(Tied::new(chosen, rows)?)))
            }
            _ => Err(Error::unknown_name("encoder kind", kind, &Self::KINDS)),
        }
    }

    /// The settings that a kind has.
    ///
    /// # Errors
    /// If the kind is unknown.
    pub fn settings_of(kind: &str) -> Result<Vec<SettingHelp>> {
        match kind {
            "random-projection" => Ok(RandomProjectionSettings::help()),
            "tied" => Ok(TiedSettings::help()),
            _ => Err(Error::unknown_name("encoder kind", kind, &Self::KINDS)),
        }
    }

    /// The name of this model's kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RandomProjection(_) => "random-projection",
            Self::Tied(_) => "tied",
        }
    }

    /// The model as an encoder.
    pub fn encoder(&self) -> &dyn Encoder {
        match self {
            Self::RandomProjection(model) => model,
            Self::Tied(model) => model.as_ref(),
        }
    }

    /// The model as a learner, if its kind learns.
    pub fn learner(&mut self) -> Option<&mut dyn Learner> {
        match self {
            Self::RandomProjection(_) => None,
            Self::Tied(model) => Some(model.as_mut()),
        }
    }

    /// The model as a decoder, if its kind has one.
    pub fn decoder(&self) -> Option<&dyn Decoder> {
        match self {
            Self::RandomProjection(_) => None,
            Self::Tied(model) => Some(model.as_ref()),
        }
    }

    /// All settings as names and texts.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RandomProjection(model) => model.settings().list(),
            Self::Tied(model) => model.settings().list(),
        }
    }

    /// How the model is to be fitted; 0 epochs for a kind that does not learn.
    pub fn schedule(&self) -> Schedule {
        match self {
            Self::RandomProjection(model) => {
                Schedule { epochs: 0, batch: 1, seed: model.settings().seed }
            }
            Self::Tied(model) => {
                let settings = model.settings();
                Schedule { epochs: settings.epochs, batch: settings.batch, seed: settings.seed }
            }
        }
    }

    /// The weights of one unit, `(input_width,)`.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn filter(&self, unit: usize) -> Vec<f32> {
        match self {
            Self::RandomProjection(model) => model.filter(unit),
            Self::Tied(model) => model.filter(unit),
        }
    }
}
