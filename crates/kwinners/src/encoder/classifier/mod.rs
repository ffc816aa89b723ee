//! Networks with k-winners that tell classes apart, and the codes of their last hidden layer.
//!
//! Source: Ahmad and Scheinkman, "How Can We Be So Dense? The benefits of using highly sparse
//! representations", 2019.

mod front;
mod inputs;
mod learn;
mod presets;
mod settings;
mod sparse;

pub use front::ClassifierFront;
pub use presets::ClassifierPreset;
pub use settings::{ClassifierLoss, ClassifierSettings};
pub use sparse::{LayerDensity, PruneSchedule, Regrow};

use std::sync::OnceLock;

use rayon::prelude::*;

use super::model::offers;
use super::networks::{self, Progress, Range, Workspace, in_planes};
use super::scaling::{InputScaling, Scaling};
use super::{Classify, Encoder, Inputs, Kind, Schedule, State};
use crate::error::{Error, Result};
use crate::kernel::SelectScratch;
use crate::kwta::KWinners;
use crate::net::{Build, Layer, LayerSpec, LayerView, Network, NetworkSpec, Trace};
use crate::rows::{ImageShape, Rows};
use crate::sdr::SdrBatch;
use front::Front;

/// Samples of a fit whose length is not set.
const ENOUGH_SAMPLES: usize = 600_000;
const FEWEST_EPOCHS: usize = 10;
/// Rows that pass a network at once when it doesn't learn.
const ROWS_A_PASS: usize = 8;

/// A network whose last hidden layer gives codes: the winners of its last k-winners layer, or the
/// `winners` largest activations before the classes where it has none.
///
/// Sparse weights are stored and multiplied sparse, and what follows a k-winners layer touches
/// winners only, learning or not: see [`crate::net`].
///
/// ```
/// use kwinners::encoder::{Classifier, ClassifierSettings, Classify, Encoder, Inputs, Learner};
/// use kwinners::Rows;
/// // Two classes: which half of eight values is larger.
/// let images: Vec<f32> = (0..800).map(|i| ((i % 8 < 4) == (i / 8 % 2 == 0)) as u8 as f32).collect();
/// let labels: Vec<u32> = (0..100).map(|row| row % 2).collect();
/// let rows = Rows::new(&images, 8)?;
/// let mut settings = ClassifierSettings { learning_rate: 0.01, ..Default::default() };
/// settings.set("layers", "linear 40 density=0.5, k-winners 5")?;
/// let inputs = Inputs { rows, image: None, classes: 2 };
/// let mut classifier = Classifier::new(settings, inputs)?;
/// for _ in 0..20 {
///     classifier.learn(rows, Some(&labels))?;
/// }
/// assert_eq!(classifier.classify(rows)?, labels);
/// assert_eq!(classifier.encode(rows)?.winners(), Some(5));
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Classifier {
    settings: ClassifierSettings,
    width: usize,
    image: Option<ImageShape>,
    classes: usize,
    front: Front,
    /// Of what the front gives.
    scaling: Scaling,
    /// Of the training values.
    range: Range,
    network: Network,
    /// The network as it is asked, if not as it learns; until it learns again.
    sparse: OnceLock<Option<Box<Network>>>,
    code: Code,
    progress: Progress,
    workspace: Workspace,
}

/// Where codes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code {
    /// The layer whose input is ranked.
    layer: usize,
    k_winners: KWinners,
}

impl Classifier {
    /// An untrained classifier for inputs like `inputs`, which say how many classes there are; their
    /// scaling is learned, and their number says how long the schedule is.
    ///
    /// # Errors
    /// If there are no classes, a setting is out of range, a layer does not fit what it gets, or the inputs
    /// hold NaN or infinity.
    pub fn new<'a>(
        mut settings: ClassifierSettings,
        inputs: impl Into<Inputs<'a>>,
    ) -> Result<Self> {
        let Inputs { rows, image, classes } = inputs.into();
        rows.check_finite("training inputs")?;
        settings.check()?;
        image.map_or(Ok(()), |image| image.check(rows.width()))?;
        if classes < 2 {
            let expected = "labels of at least 2 classes";
            return Err(Error::shape("training data of a classifier", expected, classes));
        }
        if settings.epochs == 0 {
            settings.epochs = ENOUGH_SAMPLES.div_ceil(rows.len().max(1)).max(FEWEST_EPOCHS);
        }
        let front = Front::new(&settings, rows.width(), image)?;
        settings.moves().check(front.image)?;
        let scaling = match settings.input {
            // Saves the images of all clips, which nothing would be learned from.
            InputScaling::Raw => Scaling::learn(settings.input, rows)?,
            _ => match front.images(rows)? {
                Some(images) => Scaling::learn(settings.input, Rows::new(&images, front.width)?)?,
                None => Scaling::learn(settings.input, rows)?,
            },
        };
        let spec = whole(&settings, classes);
        let mut network = Network::new(&spec, front.shape(), &build(&settings))?;
        settings.sparsify(&mut network)?;
        Ok(Self {
            width: rows.width(),
            image,
            classes,
            front,
            scaling,
            range: Range::of(rows),
            code: Code::of(&network, settings.winners)?,
            progress: Progress::new(rows.len()),
            network,
            sparse: OnceLock::new(),
            workspace: Workspace::default(),
            settings,
        })
    }

    /// The classifier as it was saved.
    pub(crate) fn from_state(settings: ClassifierSettings, state: &mut State) -> Result<Self> {
        settings.check()?;
        let width = state.take("width")?;
        let image = state.take_image(width)?;
        let classes = state.take("classes")?;
        let spec = whole(&settings, classes);
        let front = Front::new(&settings, width, image)?;
        let mut network = Network::empty(&spec, front.shape(), &build(&settings))?;
        networks::restore(&mut network, state, &settings.optimiser())?;
        settings.check_places(&network)?;
        let mut classifier = Self {
            width,
            image,
            classes,
            scaling: Scaling::take_from(state, front.width)?,
            front,
            range: Range::take_from(state)?,
            code: Code::of(&network, settings.winners)?,
            progress: Progress::take_from(state)?,
            network,
            sparse: OnceLock::new(),
            workspace: Workspace::default(),
            settings,
        };
        classifier.set_boost();
        Ok(classifier)
    }

    /// The settings that the classifier was made with.
    pub fn settings(&self) -> &ClassifierSettings {
        &self.settings
    }

    /// What others can build on: the layers before the last, the network at work, and the scaling of its inputs.
    pub(super) fn body(&self) -> Result<(&NetworkSpec, &Network, &Scaling)> {
        match self.front.is_some() {
            false => Ok((&self.settings.layers, &self.network, &self.scaling)),
            true => {
                let reason = "the classifier takes clips by front=log-mel, its layers take no rows";
                Err(Error::Unsupported(reason.to_owned()))
            }
        }
    }

    /// Weights that are not held at zero, layer by layer, and of how many: layers without weights left out,
    /// biases too.
    pub fn kept_weights(&self) -> Vec<(usize, usize)> {
        let counts = self.network.layers.iter().filter_map(Layer::weight_counts);
        counts.map(|(shape, kept)| (kept, shape.iter().product())).collect()
    }

    /// Entropy of the duty cycles of each k-winners layer in bits, `Σ H(d)` over its units, and the most
    /// that it could be, `n · H(k/n)`.
    ///
    /// Source: Ahmad and Scheinkman 2019, section 2.
    pub fn entropies(&self) -> Vec<(f64, f64)> {
        let entropy = |layer: &Layer| match layer {
            Layer::KWinners(layer) => Some(layer.entropy()),
            _ => None,
        };
        self.network.layers.iter().filter_map(entropy).collect()
    }

    /// The network as it is asked: what is sparse is stored sparse.
    fn trained(&self) -> &Network {
        let sparse = self.sparse.get_or_init(|| self.network.stored_sparse().map(Box::new));
        sparse.as_deref().unwrap_or(&self.network)
    }

    /// Passes blocks of `rows` to layer `until` and hands each trace, with its first row's number, to
    /// `read`.
    fn pass<T: Send>(
        &self,
        rows: Rows<'_>,
        until: usize,
        read: impl Fn(&mut Trace, usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let blocks: Vec<Rows<'_>> = rows.blocks(ROWS_A_PASS).collect();
        let one = |(number, block): (usize, &Rows<'_>)| {
            self.workspace.with_trace(|trace| {
                self.fill(*block, trace);
                self.trained().infer(trace, until);
                read(trace, number * ROWS_A_PASS)
            })
        };
        match blocks.as_slice() {
            [block] => one((0, block)).map(|read| vec![read]),
            blocks => blocks.par_iter().enumerate().map(one).collect(),
        }
    }

    /// How much the score of a unit of the code rises with each input, at an input of zeros (after scaling):
    /// its weights, where the code's layer sees the inputs. A log-mel image of silence is the same for all
    /// quiet clips, so that nothing rises there.
    fn linear_part(&self, unit: usize) -> Vec<f32> {
        if self.front.is_some() {
            return vec![0.0; self.width];
        }
        let mut trace = Trace::default();
        trace.input(1, self.width).values.fill(0.0);
        self.network.infer(&mut trace, self.code.layer);
        self.network.unit_slopes(&mut trace, self.code.layer, unit);
        in_planes(trace.slopes[0].sample(0), self.front.shape()).collect()
    }

    fn check_rows(&self, rows: Rows<'_>) -> Result<()> {
        rows.check_width("inputs to classify", self.width)?;
        rows.check_finite("inputs to classify")
    }

    /// Writes the code of each sample of a trace that has come to the code's layer to `codes`, `(k,)` each.
    fn codes_of(&self, trace: &mut Trace, codes: &mut Vec<u32>) -> Result<()> {
        let Trace { signals, scratch, .. } = trace;
        let signal = &signals[self.code.layer];
        let (mut code, mut select) = (Vec::new(), SelectScratch::default());
        for sample in 0..signal.len() {
            match &self.network.layers[self.code.layer] {
                Layer::KWinners(layer) => layer.code_of(signal.sample(sample), scratch, &mut code),
                _ => {
                    code.resize(self.code.k_winners.winners(), 0);
                    let scores = signal.sample(sample);
                    self.code.k_winners.pick(sample, scores, &mut select, &mut code)?;
                }
            }
            codes.extend_from_slice(&code);
        }
        Ok(())
    }
}

impl Code {
    /// The last k-winners layer, or the `winners` largest of what the classes are told from.
    fn of(network: &Network, winners: usize) -> Result<Self> {
        let layers = network.layers.iter().enumerate().rev();
        let mut last = layers.filter_map(|(number, layer)| match layer {
            Layer::KWinners(layer) if layer.code_winners() < layer.shape.size() => {
                Some((number, layer.code_winners()))
            }
            _ => None,
        });
        let classes = network.layers.len() - 1;
        match (last.next(), winners) {
            (Some((layer, own)), 0) => {
                Ok(Self { layer, k_winners: KWinners::new(network.shapes[layer].size(), own)? })
            }
            (Some((layer, own)), asked) if asked == own => {
                Ok(Self { layer, k_winners: KWinners::new(network.shapes[layer].size(), own)? })
            }
            (Some((_, own)), asked) => {
                let expected = format!("0 or {own}, as the last k-winners layer has");
                Err(Error::setting("winners", expected, asked))
            }
            (None, 0) => {
                let expected = "at least 1, as no layer has k-winners";
                Err(Error::setting("winners", expected, 0))
            }
            (None, asked) => {
                let k_winners = KWinners::new(network.shapes[classes].size(), asked)?;
                Ok(Self { layer: classes, k_winners })
            }
        }
    }
}

/// The network of the settings with the layer to the classes.
fn whole(settings: &ClassifierSettings, classes: usize) -> NetworkSpec {
    let mut layers = settings.layers.layers().to_vec();
    layers.push(LayerSpec::Linear { units: classes, density: 1.0, drop_connect: 0.0 });
    NetworkSpec::new(layers)
}

fn build(settings: &ClassifierSettings) -> Build {
    Build {
        first: settings.first_weights,
        optimiser: settings.optimiser(),
        boost: settings.boost,
        period: settings.duty_period,
        seed: settings.seed,
    }
}

impl Encoder for Classifier {
    fn input_width(&self) -> usize {
        self.width
    }

    fn units(&self) -> usize {
        self.code.k_winners.units()
    }

    fn winners(&self) -> usize {
        self.code.k_winners.winners()
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        super::encode_in_blocks(self, rows, codes, |block| {
            let mut winners = Vec::new();
            self.workspace.with_trace(|trace| {
                for rows in block.blocks(ROWS_A_PASS) {
                    self.fill(rows, trace);
                    self.trained().infer(trace, self.code.layer);
                    self.codes_of(trace, &mut winners)?;
                }
                Ok(winners)
            })
        })
    }
}

impl Classify for Classifier {
    fn classes(&self) -> usize {
        self.classes
    }

    fn scores(&self, rows: Rows<'_>) -> Result<Vec<f32>> {
        self.check_rows(rows)?;
        let last = self.network.layers.len();
        let scores = self.pass(rows, last, |trace, _| Ok(trace.signals[last].values.clone()))?;
        Ok(scores.concat())
    }

    fn input_slopes(
        &self,
        rows: Rows<'_>,
        weigh: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<Vec<f32>> {
        self.check_rows(rows)?;
        if self.front.is_some() {
            let reason =
                "the slopes of a loss by waveforms are not known: front=log-mel stands between";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        let blocks: Vec<Rows<'_>> = rows.blocks(ROWS_A_PASS).collect();
        let one = |(number, block): (usize, &Rows<'_>)| {
            self.workspace.with_trace(|trace| {
                self.fill(*block, trace);
                let first = number * ROWS_A_PASS;
                self.network.input_slopes(trace, |sample, scores| weigh(first + sample, scores));
                self.slopes_of_rows(trace)
            })
        };
        let slopes: Vec<Vec<f32>> = blocks.par_iter().enumerate().map(one).collect();
        Ok(slopes.concat())
    }
}

impl Kind for Classifier {
    offers!(learner, classifier);

    fn schedule(&self) -> Schedule {
        let ClassifierSettings { epochs, batch, first_batch, balanced, seed, .. } = self.settings;
        let first_batch = if first_batch == 0 { batch } else { first_batch };
        Schedule { epochs, batch, first_batch, steps: None, seed, balanced }
    }

    fn filter(&self, unit: usize) -> Vec<f32> {
        self.linear_part(unit)
    }

    fn layers(&self) -> Vec<LayerView<'_>> {
        self.network.views()
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.push("width", self.width);
        state.push_image(self.image);
        state.push("classes", self.classes);
        self.scaling.push_to(&mut state);
        self.range.push_to(&mut state);
        self.progress.push_to(&mut state);
        networks::save(&self.network, &mut state);
        state
    }
}
