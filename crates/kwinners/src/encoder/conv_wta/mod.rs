//! The convolutional winner-take-all autoencoder: one winner a map, and all that follows from it.

mod learn;
mod settings;
mod stage;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::scaling::Scaling;
use super::{Decoder, Encoder, Inputs, Kind, Latents, Learner, ROWS_A_TASK, Schedule, State};
use crate::error::{Error, Result};
use crate::kernel::SelectScratch;
use crate::kwta::{Balance, KWinners};
use crate::net::{Optimiser, Parameter};
use crate::rng::Rng;
use crate::rows::{ImageShape, Rows};
use crate::sdr::SdrBatch;
use learn::Workspace;
pub use settings::{Channels, ConvWtaSettings};
use stage::{Climb, Stage, push_stages, take_parameter, take_stages};

/// Samples of each stage after which little more is learned.
const ENOUGH_SAMPLES: usize = 300_000;

/// What a file calls the values, mean and squared gradients of the amplitudes.
const AMPLITUDE_NAMES: [&str; 3] = ["amplitude", "amplitudefirst", "amplitudesecond"];

/// Largest image, in values: what is above is a forged file.
const MOST_VALUES: usize = 1 << 28;

/// A convolutional autoencoder in which each map has one winner.
///
/// - **Up**: rectified convolutions that keep width and height. **Spatial sparsity**: of each map
///   only the largest activation survives, of equal ones the first. **Lifetime sparsity**: over a
///   mini-batch, each map keeps its winner in the `lifetime_percent` of the samples where it is largest.
/// - **Down**: `x̂ = Σ a · D_map`, each survivor `a` adding its map's filter around its place; the mean
///   of `½ |x - x̂|²` is minimised.
/// - **Winners only**: decoding adds one small filter a survivor, the last convolution learns from
///   one window a survivor, and the ones below from the places under these windows alone. A step so
///   costs little more than its way up, `Σ places · taps · maps` multiply-adds a sample.
///
/// **Codes.** After learning there is no lifetime sparsity. The score of a map in a square of `pool`
/// by `pool` places is its largest activation there, before the rectifier so that units at rest
/// don't tie, plus a tenth of its largest anywhere, so that squares in which nothing ever stirs tell
/// something too. The `k` best of all `n = maps · squares`, a [`Balance`] added, are the code. Unit `u`
/// is map `u % maps` in square `u / maps`.
///
/// **Back.** Each unit of a code adds its map's filter at the mean place of that map's winners in the
/// unit's square, times a learned amplitude of the unit.
///
/// **Stages** (`channels=64/128`) are learned one after the other, each for an equal part of the
/// steps: a further one sees the pooled activations of the one below as an image of that many channels.
/// Codes come from the last.
///
/// Source: Makhzani and Frey, "Winner-take-all autoencoders", NIPS 2015, section 3. The binary code, its
/// balance and the way back from it are ours.
///
/// ```
/// use kwinners::data::ImageShape;
/// use kwinners::encoder::{ConvWta, ConvWtaSettings, Decoder, Encoder, Inputs, Latents, Learner};
/// use kwinners::Rows;
/// // Images of 6x6 with one bright row each.
/// let images: Vec<f32> = (0..360).map(|i| (i / 6 % 6 == i / 36 % 6) as u8 as f32).collect();
/// let inputs = Inputs {
///     rows: Rows::new(&images, 36)?,
///     image: Some(ImageShape { width: 6, height: 6, channels: 1 }),
/// };
/// let mut settings = ConvWtaSettings { winners: 5, learning_rate: 0.01, ..Default::default() };
/// settings.set("channels", "8")?;
/// settings.set("lifetime_percent", "50")?;
/// let mut model = ConvWta::new(settings, inputs)?;
/// let first = model.learn(inputs.rows, None)?.loss;
/// let last = (0..100).map(|_| model.learn(inputs.rows, None)).last().unwrap()?.loss;
/// assert!(last < first / 2.0);
/// let codes = model.encode(inputs.rows)?;
/// assert_eq!((codes.units(), codes.winners()), (8 * 2 * 2, Some(5)));
/// assert_eq!(model.latents(inputs.rows)?.len(), 10 * 32);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConvWta {
    settings: ConvWtaSettings,
    image: ImageShape,
    k_winners: KWinners,
    scaling: Scaling,
    /// Bottom first; at least one.
    stages: Vec<Stage>,
    /// What each unit's filter counts on the way back, `(n,)`; learned by Adam with the last stage.
    amplitude: Parameter,
    balance: Balance,
    /// Samples since each unit last won a code while learning, `(n,)`.
    idle: Vec<u32>,
    /// Steps after which the next stage learns.
    stage_steps: u64,
    samples: u64,
    steps: u64,
    workspace: Workspace,
}

impl ConvWta {
    /// An untrained encoder for images like `inputs`, from which only the scaling is learned.
    ///
    /// # Errors
    /// If the inputs are not images, hold NaN or infinity, or a setting is out of range.
    pub fn new<'a>(mut settings: ConvWtaSettings, inputs: impl Into<Inputs<'a>>) -> Result<Self> {
        let Inputs { rows, image } = inputs.into();
        rows.check_finite("training inputs")?;
        settings.check()?;
        let image = image.ok_or_else(|| {
            Error::Unsupported(format!(
                "conv-wta learns from images, and rows of {} values do not say how they lie: use a data \
                 set of images, or give the shape with the data (in the library: `Dataset::with_image`)",
                rows.width()
            ))
        })?;
        check_image(image, rows.width())?;
        let plans = settings.plans(image);
        let units = plans.last().map_or(0, settings::Plan::units);
        let k_winners = k_winners(units, &settings)?;
        if settings.epochs == 0 {
            settings.epochs = plans.len() * ENOUGH_SAMPLES.div_ceil(rows.len().max(1));
        }
        let steps = settings.epochs as u64 * rows.len().div_ceil(settings.batch) as u64;
        let mut rng = Rng::of_stream(settings.seed, 0);
        let rule = settings.rule();
        let stage_steps = steps.div_ceil(plans.len() as u64);
        let stages = plans.into_iter().map(|plan| Stage::new(plan, &rule, &mut rng)).collect();
        Ok(Self {
            image,
            k_winners,
            scaling: Scaling::learn(settings.input, rows)?,
            stages,
            amplitude: Parameter::new(vec![0.0; units], &Optimiser::ADAM),
            balance: Balance::new(units),
            idle: vec![0; units],
            stage_steps,
            samples: 0,
            steps: 0,
            workspace: Workspace::default(),
            settings,
        })
    }

    /// The encoder as it was saved.
    pub(crate) fn from_state(settings: ConvWtaSettings, state: &mut State) -> Result<Self> {
        settings.check()?;
        let image = ImageShape {
            width: state.take("width")?,
            height: state.take("height")?,
            channels: state.take("channels")?,
        };
        let sides = [image.width, image.height, image.channels];
        let values = sides.into_iter().try_fold(1, usize::checked_mul);
        let values = values.filter(|values| (1..=MOST_VALUES).contains(values));
        let width =
            values.ok_or_else(|| Error::shape("image", "a smaller one", format!("{sides:?}")))?;
        let plans = settings.plans(image);
        let units = plans.last().map_or(0, settings::Plan::units);
        let k_winners = k_winners(units, &settings)?;
        let stages = take_stages(plans, &settings.rule(), state)?;
        let amplitude = take_parameter(AMPLITUDE_NAMES, units, &Optimiser::ADAM, state)?;
        let balance = Balance::from_parts(state.take_array("bias")?, state.take("spread")?)?;
        let idle: Vec<u32> = state.take_array("idle")?;
        for (what, length) in [("bias", balance.bias().len()), ("idle", idle.len())] {
            if length != units {
                return Err(Error::shape(what, units, length));
            }
        }
        Ok(Self {
            image,
            k_winners,
            scaling: Scaling::take_from(state, width)?,
            stages,
            amplitude,
            balance,
            idle,
            stage_steps: state.take("stage_steps")?,
            samples: state.take("samples")?,
            steps: state.take("steps")?,
            workspace: Workspace::default(),
            settings,
        })
    }

    /// The settings that the encoder was made with.
    pub fn settings(&self) -> &ConvWtaSettings {
        &self.settings
    }

    /// What one unit stands for: its decoder filter where the unit has its mean place, `(input_width,)`.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn filter(&self, unit: usize) -> Vec<f32> {
        assert!(unit < self.units(), "unit {unit} of {}", self.units());
        let mut dense = Vec::new();
        self.descend(&[unit as u32], |_| 1.0, &mut dense);
        let mut row = vec![0.0; self.input_width()];
        self.planes_of(&dense, &mut row);
        row
    }

    /// `len` inputs, `(len, input_width)`, each from what `descend` makes of its number.
    fn decode_all(&self, len: usize, descend: impl Fn(usize, &mut Vec<f32>) + Sync) -> Vec<f32> {
        let width = self.input_width();
        let mut rows = vec![0.0; len * width];
        rows.par_chunks_mut(width * ROWS_A_TASK).enumerate().for_each(|(task, rows)| {
            let mut dense = Vec::new();
            for (number, row) in rows.chunks_exact_mut(width).enumerate() {
                descend(task * ROWS_A_TASK + number, &mut dense);
                self.planes_of(&dense, row);
                self.scaling.invert(row);
            }
        });
        rows
    }

    fn last(&self) -> &Stage {
        self.stages.last().expect("there is a stage")
    }

    /// Fills `climb.dense` with the input of stage `stage`: the scaled image, or the rectified pooled
    /// activations of the stage below.
    fn load(&self, row: &[f32], stage: usize, climb: &mut Climb) {
        let mut scaled = row.to_vec();
        self.scaling.apply(&mut scaled);
        self.dense_of(&scaled, &mut climb.dense);
        for below in &self.stages[..stage] {
            below.climb(climb);
            below.pool(climb);
            climb.dense.clear();
            climb.dense.extend(climb.pooled.iter().map(|value| value.max(0.0)));
        }
    }

    /// Fills `climb.pooled` with the pooled activations of the last stage, before the rectifier.
    fn climb_all(&self, row: &[f32], climb: &mut Climb) {
        self.load(row, self.stages.len() - 1, climb);
        self.last().climb(climb);
        self.last().pool(climb);
    }

    /// An image from planes to channels last.
    fn dense_of(&self, row: &[f32], dense: &mut Vec<f32>) {
        let (channels, pixels) = (self.image.channels, row.len() / self.image.channels);
        dense.clear();
        dense.resize(row.len(), 0.0);
        for (channel, plane) in row.chunks_exact(pixels).enumerate() {
            for (pixel, value) in plane.iter().enumerate() {
                dense[pixel * channels + channel] = *value;
            }
        }
    }

    /// An image from channels last to planes.
    fn planes_of(&self, dense: &[f32], row: &mut [f32]) {
        let (channels, pixels) = (self.image.channels, row.len() / self.image.channels);
        for (channel, plane) in row.chunks_exact_mut(pixels).enumerate() {
            for (pixel, value) in plane.iter_mut().enumerate() {
                *value = dense[pixel * channels + channel];
            }
        }
    }

    /// Winners of a block of rows, `(len, k)`.
    fn encode_block(&self, rows: Rows<'_>) -> Result<Vec<u32>> {
        let (mut climb, mut scratch) = (Climb::default(), SelectScratch::default());
        let mut winners = vec![0; rows.len() * self.settings.winners];
        let slots = winners.chunks_exact_mut(self.settings.winners);
        for (number, (row, slots)) in rows.iter().zip(slots).enumerate() {
            self.climb_all(row, &mut climb);
            self.last().lean(&mut climb.pooled);
            self.balance.apply(&mut climb.pooled);
            self.k_winners.pick(number, &climb.pooled, &mut scratch, slots)?;
        }
        Ok(winners)
    }

    /// What the units of a code stand for together, each counting `value(unit)`, from the last stage
    /// down to the scaled image, `(height, width, channels)`.
    fn descend(&self, code: &[u32], value: impl Fn(usize) -> f32, dense: &mut Vec<f32>) {
        let mut canvas = Vec::new();
        self.last().clear_canvas(&mut canvas);
        for &unit in code {
            self.last().show(unit as usize, value(unit as usize), &mut canvas);
        }
        self.last().dense_of(&canvas, dense);
        for stage in self.stages.iter().rev().skip(1) {
            stage.clear_canvas(&mut canvas);
            for (unit, &value) in dense.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                stage.show(unit, value, &mut canvas);
            }
            stage.dense_of(&canvas, dense);
        }
    }

    /// How much of what each unit of a code stands for is in `dense`, an image, `(height, width,
    /// channels)`: the adjoint of [`ConvWta::descend`].
    fn ascend(&self, dense: &mut Vec<f32>, code: &[u32], found: &mut Vec<f32>) {
        let (last, below) = self.stages.split_last().expect("there is a stage");
        let mut canvas = Vec::new();
        for stage in below {
            stage.canvas_of(dense, &mut canvas);
            dense.clear();
            dense.extend((0..stage.plan.units()).map(|unit| stage.find(unit, &canvas)));
        }
        last.canvas_of(dense, &mut canvas);
        found.clear();
        found.extend(code.iter().map(|&unit| last.find(unit as usize, &canvas)));
    }
}

impl Encoder for ConvWta {
    fn input_width(&self) -> usize {
        self.image.width * self.image.height * self.image.channels
    }

    fn units(&self) -> usize {
        self.k_winners.units()
    }

    fn winners(&self) -> usize {
        self.k_winners.winners()
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        super::encode_in_blocks(self, rows, codes, |block| self.encode_block(block))
    }
}

impl Decoder for ConvWta {
    fn decode(&self, codes: &SdrBatch) -> Result<Vec<f32>> {
        if codes.units() != self.units() {
            let expected = format!("{} units", self.units());
            return Err(Error::shape("codes", expected, codes.units()));
        }
        Ok(self.decode_all(codes.len(), |row, dense| {
            self.descend(codes.get(row).indices(), |unit| self.amplitude.values[unit], dense);
        }))
    }
}

impl Latents for ConvWta {
    /// The rectified pooled activations of all units, as the paper reads them out.
    fn latents(&self, rows: Rows<'_>) -> Result<Vec<f32>> {
        rows.check_width("inputs to encode", self.input_width())?;
        rows.check_finite("inputs to encode")?;
        let units = self.units();
        let mut latents = vec![0.0; rows.len() * units];
        let tasks = latents.par_chunks_mut(units * ROWS_A_TASK);
        tasks.enumerate().for_each(|(task, latents)| {
            let mut climb = Climb::default();
            for (row, latents) in latents.chunks_exact_mut(units).enumerate() {
                self.climb_all(rows.row(task * ROWS_A_TASK + row), &mut climb);
                latents.iter_mut().zip(&climb.pooled).for_each(|(to, from)| *to = from.max(0.0));
            }
        });
        Ok(latents)
    }

    fn reconstruct(&self, latents: Rows<'_>) -> Result<Vec<f32>> {
        latents.check_width("latents", self.units())?;
        Ok(self.decode_all(latents.len(), |row, dense| {
            let values = latents.row(row);
            let active = (0..values.len()).filter(|&unit| values[unit] != 0.0);
            let active: Vec<u32> = active.map(|unit| unit as u32).collect();
            self.descend(&active, |unit| values[unit], dense);
        }))
    }
}

impl Kind for ConvWta {
    fn learner(&mut self) -> Option<&mut dyn Learner> {
        Some(self)
    }

    fn decoder(&self) -> Option<&dyn Decoder> {
        Some(self)
    }

    fn latents(&self) -> Option<&dyn Latents> {
        Some(self)
    }

    fn setting_list(&self) -> Vec<(&'static str, String)> {
        self.settings.list()
    }

    fn schedule(&self) -> Schedule {
        let ConvWtaSettings { epochs, batch, seed, .. } = self.settings;
        Schedule { epochs, batch, steps: None, seed, balanced: false }
    }

    fn filter(&self, unit: usize) -> Vec<f32> {
        self.filter(unit)
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.push("width", self.image.width);
        state.push("height", self.image.height);
        state.push("channels", self.image.channels);
        state.push("stage_steps", self.stage_steps);
        state.push("samples", self.samples);
        state.push("steps", self.steps);
        state.push("spread", self.balance.spread());
        push_stages(&self.stages, &mut state);
        let [values, first, second] = AMPLITUDE_NAMES;
        state.push_array(values, &self.amplitude.values);
        state.push_array(first, &self.amplitude.first);
        state.push_array(second, &self.amplitude.second);
        state.push_array("bias", self.balance.bias());
        state.push_array("idle", &self.idle);
        self.scaling.push_to(&mut state);
        state
    }
}

/// Refuses images that rows of `width` can't be.
fn check_image(image: ImageShape, width: usize) -> Result<()> {
    let ImageShape { width: columns, height, channels } = image;
    let values = columns.checked_mul(height).and_then(|pixels| pixels.checked_mul(channels));
    if values == Some(width) && width <= MOST_VALUES {
        return Ok(());
    }
    let got = format!("images of {columns}x{height}, {channels} channels");
    Err(Error::shape("training inputs", format!("images of {width} values"), got))
}

/// Refuses numbers of winners that the units don't allow, saying where the units come from.
fn k_winners(units: usize, settings: &ConvWtaSettings) -> Result<KWinners> {
    KWinners::new(units, settings.winners).map_err(|_| {
        let expected =
            format!("1 to {units}, the units: maps of the last layer times pooled places");
        Error::setting("winners", expected, settings.winners)
    })
}
