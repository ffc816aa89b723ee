//! Networks that learn codes: near where labels, or the inputs themselves, are alike, far elsewhere.
//!
//! Source: EmbedderSDR by D. Ulianych, with the losses of pytorch-mighty.

mod learn;
mod membership;
mod presets;
mod settings;

pub use presets::EmbedderPreset;
pub use settings::{
    EmbedderLoss, EmbedderMetric, EmbedderMiner, EmbedderPairs, EmbedderSettings, EmbedderStep,
    EmbedderThreshold,
};

use super::model::offers;
use super::networks::{self, Progress, Range, Workspace, in_planes, shape_of};
use super::scaling::Scaling;
use super::{Classifier, Decoder, Encoder, Inputs, Kind, Schedule, State};
use crate::error::{Error, Result};
use crate::net::{Build, Layer, LayerView, MapShape, MetricWork, Network, Trace};
use crate::rows::{ImageShape, Rows};
use crate::sdr::SdrBatch;

/// Rows that pass a network at once when it doesn't learn: many where weights are read once for all of them, few
/// where maps should stay in the cache.
const ROWS_A_PASS: usize = 128;
const IMAGES_A_PASS: usize = 8;

/// A network whose last layer is a k-winners step, so that its outputs are codes: it learns which of them should
/// share units.
///
/// While learning the step is soft, or its slope is; encoding takes the `k` largest values, whatever the step was.
/// A balance, part of the model, keeps all units in use.
///
/// ```
/// use kwinners::encoder::{Embedder, EmbedderSettings, Encoder, Learner};
/// use kwinners::{Rng, Rows};
/// // Two classes: which half of eight values is larger.
/// let mut rng = Rng::new(1);
/// let larger = |i: usize| ((i % 8 < 4) == (i / 8 % 2 == 0)) as u8 as f32;
/// let images: Vec<f32> = (0..800).map(|i| larger(i) + rng.uniform()).collect();
/// let labels: Vec<u32> = (0..100).map(|row| row % 2).collect();
/// let rows = Rows::new(&images, 8)?;
/// let mut settings = EmbedderSettings { units: 40, winners: 5, epochs: 60, ..Default::default() };
/// settings.set("layers", "linear 20, relu")?;
/// settings.set("learning_rate", "0.01")?;
/// let mut embedder = Embedder::new(settings, rows)?;
/// for _ in 0..60 {
///     embedder.learn(rows, Some(&labels))?;
/// }
/// let codes = embedder.encode(rows)?;
/// let alike = |a, b| codes.get(a).overlap(codes.get(b)).unwrap();
/// assert!(alike(0, 2) > alike(0, 1));
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embedder {
    settings: EmbedderSettings,
    width: usize,
    image: Option<ImageShape>,
    scaling: Scaling,
    /// Of the training values.
    range: Range,
    network: Network,
    /// The layer that makes codes.
    code: usize,
    progress: Progress,
    workspace: Workspace,
    /// Outputs of the step at hand, and what compares them.
    outputs: Vec<f32>,
    work: MetricWork,
}

impl Embedder {
    /// An untrained embedder for inputs like `inputs`; their scaling is learned, and their number says how long the
    /// schedule is.
    ///
    /// # Errors
    /// If a setting is out of range, a layer does not fit what it gets, or the inputs hold NaN or infinity.
    pub fn new<'a>(settings: EmbedderSettings, inputs: impl Into<Inputs<'a>>) -> Result<Self> {
        let Inputs { rows, image, .. } = inputs.into();
        rows.check_finite("training inputs")?;
        settings.check()?;
        image.map_or(Ok(()), |image| image.check(rows.width()))?;
        settings.moves().check(image)?;
        let (spec, code) = settings.network(rows.width());
        let shape = shape_of(rows.width(), image);
        let network = Network::new(&spec, shape, &build(&settings))?;
        Ok(Self {
            width: rows.width(),
            image,
            scaling: Scaling::learn(settings.input, rows)?,
            range: Range::of(rows),
            network,
            code,
            progress: Progress::new(rows.len()),
            workspace: Workspace::default(),
            outputs: Vec::new(),
            work: MetricWork::default(),
            settings,
        })
    }

    /// The embedder as it was saved.
    pub(crate) fn from_state(settings: EmbedderSettings, state: &mut State) -> Result<Self> {
        settings.check()?;
        let width = state.take("width")?;
        let image = state.take_image(width)?;
        let (spec, code) = settings.network(width);
        let mut network = Network::empty(&spec, shape_of(width, image), &build(&settings))?;
        networks::restore(&mut network, state, &settings.optimiser())?;
        Ok(Self {
            width,
            image,
            scaling: Scaling::take_from(state, width)?,
            range: Range::take_from(state)?,
            network,
            code,
            progress: Progress::take_from(state)?,
            workspace: Workspace::default(),
            outputs: Vec::new(),
            work: MetricWork::default(),
            settings,
        })
    }

    /// The settings that the embedder was made with.
    pub fn settings(&self) -> &EmbedderSettings {
        &self.settings
    }

    /// Takes over the first layers of a trained classifier, as many as both describe alike, and its scaling of
    /// inputs: learned with classes first, the embedder has the last layer to learn. Returns how many layers.
    ///
    /// # Errors
    /// If the two take other inputs, or not even the first layer is the same.
    pub fn start_from(&mut self, classifier: &Classifier) -> Result<usize> {
        let (spec, network, scaling) = classifier.body()?;
        if classifier.input_width() != self.width || network.shapes[0] != self.network.shapes[0] {
            let expected = format!("a classifier of inputs of {} values", self.width);
            return Err(Error::shape("model to start from", expected, classifier.input_width()));
        }
        let pairs = spec.layers().iter().zip(self.settings.layers.layers());
        let same = pairs.take_while(|(theirs, own)| theirs == own).count();
        if same == 0 {
            let expected = format!("layers that begin as `{spec}` does");
            return Err(Error::setting("layers", expected, &self.settings.layers));
        }
        let optimiser = self.settings.optimiser();
        for (own, theirs) in self.network.layers.iter_mut().zip(&network.layers).take(same) {
            *own = theirs.clone();
            own.learned().into_iter().for_each(|learned| learned.forget(&optimiser));
        }
        self.scaling = scaling.clone();
        Ok(same)
    }

    fn shape(&self) -> MapShape {
        self.network.shapes[0]
    }

    /// Whether maps pass the network, not only vectors.
    fn has_maps(&self) -> bool {
        self.network.layers.iter().any(|layer| matches!(layer, Layer::Convolve(_)))
    }
}

fn build(settings: &EmbedderSettings) -> Build {
    Build {
        first: settings.first_weights,
        optimiser: settings.optimiser(),
        boost: 0.0,
        period: 1000,
        seed: settings.seed,
    }
}

impl Encoder for Embedder {
    fn input_width(&self) -> usize {
        self.width
    }

    fn units(&self) -> usize {
        self.settings.units
    }

    fn winners(&self) -> usize {
        self.settings.winners
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        let winners = self.settings.winners;
        let most = if self.has_maps() { IMAGES_A_PASS } else { ROWS_A_PASS };
        super::encode_in_blocks(self, rows, codes, |block| {
            let mut places = vec![0; block.len() * winners];
            let mut rest = places.as_mut_slice();
            self.workspace.with_trace(|trace| {
                for rows in block.blocks(most) {
                    self.fill(rows, trace);
                    self.network.infer(trace, self.code);
                    let Layer::KStep(layer) = &self.network.layers[self.code] else { continue };
                    let Trace { signals, scratch, .. } = &mut *trace;
                    for sample in 0..rows.len() {
                        let (code, left) = std::mem::take(&mut rest).split_at_mut(winners);
                        layer.code_of(signals[self.code].sample(sample), scratch, code);
                        rest = left;
                    }
                }
            });
            Ok(places)
        })
    }
}

impl Decoder for Embedder {
    fn decode(&self, codes: &SdrBatch) -> Result<Vec<f32>> {
        let Some(loss) = self.settings.reconstruction() else {
            let reason = "an embedder decodes what it learned with loss=mse or loss=bce";
            return Err(Error::Unsupported(reason.to_owned()));
        };
        if codes.units() != self.units() {
            let expected = format!("{} units", self.units());
            return Err(Error::shape("codes to decode", expected, codes.units()));
        }
        let (last, mut rows) = (self.network.layers.len(), Vec::new());
        let mut trace = Trace::default();
        for first in (0..codes.len()).step_by(ROWS_A_PASS) {
            let samples = ROWS_A_PASS.min(codes.len() - first);
            trace.signals.resize_with(last + 1, Default::default);
            let (values, listed) = trace.signals[self.code + 1].clear_listed(samples, self.units());
            for (sample, values) in values.chunks_exact_mut(self.units()).enumerate() {
                let code = codes.get(first + sample);
                code.indices().iter().for_each(|&unit| values[unit as usize] = 1.0);
                listed.push(code.indices().iter().copied());
            }
            self.network.infer_from(&mut trace, self.code + 1);
            rows.extend_from_slice(&trace.signals[last].values);
        }
        rows.chunks_mut(self.width).for_each(|row| loss.finish(row));
        Ok(rows)
    }
}

impl Kind for Embedder {
    offers!(learner);

    fn decoder(&self) -> Option<&dyn Decoder> {
        self.settings.reconstruction().is_some().then_some(self)
    }

    fn schedule(&self) -> Schedule {
        let EmbedderSettings { epochs, batch, seed, .. } = self.settings;
        Schedule { epochs, batch, first_batch: batch, steps: None, seed, balanced: false }
    }

    /// How much the value of a unit rises with each input, at an input of zeros (after scaling).
    fn filter(&self, unit: usize) -> Vec<f32> {
        let mut trace = Trace::default();
        trace.input(1, self.width).values.fill(0.0);
        self.network.infer(&mut trace, self.code);
        self.network.unit_slopes(&mut trace, self.code, unit);
        in_planes(trace.slopes[0].sample(0), self.shape()).collect()
    }

    fn layers(&self) -> Vec<LayerView<'_>> {
        self.network.views()
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.push("width", self.width);
        state.push_image(self.image);
        self.scaling.push_to(&mut state);
        self.range.push_to(&mut state);
        self.progress.push_to(&mut state);
        networks::save(&self.network, &mut state);
        state
    }
}
