//! The closed set of everything that a model file can hold.

use super::state::State;
use super::{Autoencoder, AutoencoderSettings, ConvWta, ConvWtaSettings};
use super::{Classifier, ClassifierSettings, Embedder, EmbedderSettings};
use super::{Classify, Decoder, Encoder, Latents, Learner};
use super::{Patches, PatchesSettings, Pursuit, PursuitSettings};
use super::{RandomProjection, RandomProjectionSettings};
use super::{SpatialPooler, SpatialPoolerSettings, Tied, TiedSettings};
use crate::error::{Error, Result};
use crate::net::LayerView;
use crate::rows::{ImageShape, Rows};

/// One setting of a kind: name, default, meaning.
pub type SettingHelp = (&'static str, String, &'static str);

/// How a model is fitted: the settings that belong to the loop, not to the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Passes over the data.
    pub epochs: usize,
    /// Samples a step.
    pub batch: usize,
    /// Samples a step of the first epoch.
    pub first_batch: usize,
    /// Steps after which the fit ends, even within an epoch; `None` for no such end.
    pub steps: Option<u64>,
    /// Seed of the order of the samples.
    pub seed: u64,
    /// Whether an epoch draws its samples with replacement, every class equally often on average,
    /// instead of showing each once.
    pub balanced: bool,
}

/// Inputs that a new model looks at: for its width, its scaling, its first weights.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// `(len, width)`.
    pub rows: Rows<'a>,
    /// How a row is laid out as an image, where it is one.
    pub image: Option<ImageShape>,
    /// Classes that the rows' labels tell apart; 0 without labels.
    pub classes: usize,
}

impl<'a> From<Rows<'a>> for Inputs<'a> {
    fn from(rows: Rows<'a>) -> Self {
        Self { rows, image: None, classes: 0 }
    }
}

/// What every kind of [`Model`] can tell of itself; encoding, learning and decoding are the public
/// traits' matter.
pub(crate) trait Kind: Encoder {
    fn learner(&mut self) -> Option<&mut dyn Learner> {
        None
    }
    fn decoder(&self) -> Option<&dyn Decoder> {
        None
    }
    fn latents(&self) -> Option<&dyn Latents> {
        None
    }
    fn classifier(&self) -> Option<&dyn Classify> {
        None
    }
    fn schedule(&self) -> Schedule;
    /// The weights of one unit, `(input_width,)`.
    fn filter(&self, unit: usize) -> Vec<f32>;
    /// What a file has to keep besides the settings.
    fn state(&self) -> State;
    /// The weights that learning moves, for monitors.
    fn layers(&self) -> Vec<LayerView<'_>> {
        Vec::new()
    }
}

/// Inside of `impl Kind`: the kind itself is what it offers, of learner, decoder and latents.
macro_rules! offers {
    (@ learner) => {
        fn learner(&mut self) -> Option<&mut dyn $crate::encoder::Learner> {
            Some(self)
        }
    };
    (@ decoder) => {
        fn decoder(&self) -> Option<&dyn $crate::encoder::Decoder> {
            Some(self)
        }
    };
    (@ latents) => {
        fn latents(&self) -> Option<&dyn $crate::encoder::Latents> {
            Some(self)
        }
    };
    (@ classifier) => {
        fn classifier(&self) -> Option<&dyn $crate::encoder::Classify> {
            Some(self)
        }
    };
    ($($what:ident),*) => {
        $(offers!(@ $what);)*
    };
}
pub(crate) use offers;

/// Declares the kinds: each a type with `new(settings, inputs)`, `from_state(settings, state)` and
/// `settings()`.
macro_rules! kinds {
    ($($name:literal => $kind:ident, $settings:ident;)*) => {
        /// Any encoder of this library, by kind.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum Model {
            $(#[doc = concat!("`", $name, "`.")] $kind(Box<$kind>),)*
        }

        impl Model {
            /// The names of all kinds.
            pub const KINDS: &[&str] = &[$($name),*];

            /// A new model of `kind` for inputs like `inputs`; settings that are not named keep
            /// their defaults.
            ///
            /// # Errors
            /// If the kind or a setting is unknown (the nearest known name is offered), or a value
            /// is out of range.
            pub fn new<'a>(
                kind: &str,
                settings: &[(String, String)],
                inputs: impl Into<Inputs<'a>>,
            ) -> Result<Self> {
                match kind {
                    $($name => {
                        let settings = $settings::of_pairs(settings)?;
                        Ok(Self::from($kind::new(settings, inputs)?))
                    })*
                    _ => Err(Error::unknown_name("encoder kind", kind, Self::KINDS)),
                }
            }

            /// The model of `kind` that a file holds.
            pub(crate) fn from_state(
                kind: &str,
                settings: &[(String, String)],
                mut state: State,
            ) -> Result<Self> {
                let model = match kind {
                    $($name => {
                        let settings = $settings::of_pairs(settings)?;
                        Self::from($kind::from_state(settings, &mut state)?)
                    })*
                    _ => return Err(Error::unknown_name("encoder kind", kind, Self::KINDS)),
                };
                state.finish().map(|()| model)
            }

            /// The settings that a kind has.
            ///
            /// # Errors
            /// If the kind is unknown.
            pub fn settings_of(kind: &str) -> Result<Vec<SettingHelp>> {
                match kind {
                    $($name => Ok($settings::help()),)*
                    _ => Err(Error::unknown_name("encoder kind", kind, Self::KINDS)),
                }
            }

            /// The name of this model's kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name,)*
                }
            }

            /// All settings as names and texts.
            pub fn settings(&self) -> Vec<(&'static str, String)> {
                match self {
                    $(Self::$kind(model) => model.settings().list(),)*
                }
            }

            fn inner(&self) -> &dyn Kind {
                match self {
                    $(Self::$kind(model) => model.as_ref(),)*
                }
            }

            fn inner_mut(&mut self) -> &mut dyn Kind {
                match self {
                    $(Self::$kind(model) => model.as_mut(),)*
                }
            }
        }

        $(impl From<$kind> for Model {
            fn from(model: $kind) -> Self {
                Self::$kind(Box::new(model))
            }
        })*
    };
}

kinds! {
    "conv-wta" => ConvWta, ConvWtaSettings;
    "random-projection" => RandomProjection, RandomProjectionSettings;
    "spatial-pooler" => SpatialPooler, SpatialPoolerSettings;
    "tied" => Tied, TiedSettings;
    "patches" => Patches, PatchesSettings;
    "pursuit" => Pursuit, PursuitSettings;
    "autoencoder" => Autoencoder, AutoencoderSettings;
    "classifier" => Classifier, ClassifierSettings;
    "embedder" => Embedder, EmbedderSettings;
}

impl Model {
    /// The model as an encoder.
    pub fn encoder(&self) -> &dyn Encoder {
        self.inner()
    }

    /// The model as a learner, if its kind learns.
    pub fn learner(&mut self) -> Option<&mut dyn Learner> {
        self.inner_mut().learner()
    }

    /// The model as a classifier, if its kind is one.
    pub fn classifier(&self) -> Option<&dyn Classify> {
        self.inner().classifier()
    }

    /// The model as a decoder, if its kind has one.
    pub fn decoder(&self) -> Option<&dyn Decoder> {
        self.inner().decoder()
    }

    /// The model as a source of real-valued latents, if its kind has them.
    pub fn latents(&self) -> Option<&dyn Latents> {
        self.inner().latents()
    }

    /// Takes over the first layers of a trained model, as [`Embedder::start_from`] does; returns how many.
    ///
    /// # Errors
    /// If this is no embedder, `other` no classifier, or they don't fit.
    pub fn start_from(&mut self, other: &Self) -> Result<usize> {
        match (self, other) {
            (Self::Embedder(embedder), Self::Classifier(classifier)) => {
                embedder.start_from(classifier)
            }
            (own, other) => {
                let (own, other) = (own.kind(), other.kind());
                let reason =
                    format!("an embedder starts from a classifier, not {own} from {other}");
                Err(Error::Unsupported(reason))
            }
        }
    }

    /// How the model is to be fitted; 0 epochs for a kind that does not learn.
    pub fn schedule(&self) -> Schedule {
        self.inner().schedule()
    }

    /// The weights of one unit, `(input_width,)`.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn filter(&self, unit: usize) -> Vec<f32> {
        assert!(unit < self.inner().units(), "unit {unit} of {}", self.inner().units());
        self.inner().filter(unit)
    }

    /// The weights that learning moves, as a monitor sees them; none of a kind that shows none.
    pub fn layers(&self) -> Vec<LayerView<'_>> {
        self.inner().layers()
    }

    /// What a file has to keep besides the settings.
    pub(crate) fn state(&self) -> State {
        self.inner().state()
    }
}
