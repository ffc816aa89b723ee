//! Image codes with topology: a dictionary of patches, winners at every place, pooled by region.
//!
//! Source: Coates, Lee and Ng, "An analysis of single-layer networks in unsupervised feature
//! learning", 2011, with winners in place of the triangle activation and exactly `k` of `n` over the
//! image at the end.

mod dictionary;
mod geometry;
mod learn;

use super::settings::{choice, settings};
use super::{Encoder, Inputs, Kind, Learner, Schedule, State};
use crate::error::{Error, Result};
use crate::kernel::SelectScratch;
use crate::kwta::{Balance, KWinners};
use crate::rng::Rng;
use crate::rows::{ImageShape, Rows};
use crate::sdr::SdrBatch;
use dictionary::Dictionary;
use geometry::Geometry;

/// Stream of the seed that first atoms and the whitening's patches are drawn from.
const DRAW: u64 = 0x7061_7463_6865_7300;

/// Samples after which the balance has brought every unit into use on all data tried.
const ENOUGH_SAMPLES: usize = 240_000;
const FEWEST_EPOCHS: usize = 4;

choice! {
    /// What a unit takes from the answers of its atom in its region.
    Pooling {
        /// The largest.
        Max = "max",
        /// Their sum.
        Sum = "sum",
    }
}

settings! {
    /// Settings of [`Patches`].
    PatchesSettings {
        /// Units of a code, `n`: an atom in a region each, so a multiple of regions and scales.
        units: usize = 6400,
        /// Active units of every code, `k`, over the whole image.
        winners: usize = 320,
        /// Passes over the training data: the first for the dictionary, the others for the balance; 0
        /// means as many as show 240,000 samples, and at least 4.
        epochs: usize = 0,
        /// Samples a step.
        batch: usize = 200,
        /// Seed of the first atoms, of the patches looked at and of the order of the samples.
        seed: u64 = 0,
        /// Pixels along a side of a patch; 0 means a fifth of the image's shorter side, at least 3.
        patch: usize = 0,
        /// Side of the patches of a second, coarser scale; 0 for none.
        second_patch: usize = 0,
        /// Pixels from one patch to the next.
        stride: usize = 1,
        /// Regions along a side of the image.
        grid: usize = 4,
        /// Share of its side by which a region reaches over into its neighbours.
        overlap: f32 = 0.5,
        /// Winners at every place, the only ones that are pooled.
        place_winners: usize = 1,
        /// What a unit takes from its region: max or sum.
        pooling: Pooling = Pooling::Sum,
        /// Weight of the best answer in the region, won or not: what ranks units that win no place.
        lean: f32 = 0.5,
        /// How much of the mean variance is added before whitening; 0 for no whitening.
        whitening: f32 = 0.0,
        /// Variance under which a patch counts as empty, for pixels from 0 to 1.
        contrast_floor: f32 = 0.01,
        /// Patches of each sample that the dictionary learns from.
        patches_a_sample: usize = 10,
        /// Rate of the balance, in standard deviations of a sample's scores, a sample.
        balance_rate: f32 = 0.01,
    }
}

/// An encoder of images by their parts: at each place the best atoms of a dictionary win, a unit is
/// an atom in a region and takes the best answer there, and the `k` best units of the image are the
/// code.
///
/// Learning has two parts: the first epoch turns the atoms (spherical k-means on whitened patches),
/// the others learn the balance that keeps every unit in use. Neither looks at labels. Cost a sample:
/// `places · patch · atoms` multiply-adds, one dense product an image and scale.
///
/// ```
/// use kwinners::encoder::{Encoder, Inputs, Patches, PatchesSettings};
/// use kwinners::{Rows, data::ImageShape};
/// let image = ImageShape { width: 8, height: 8, channels: 1 };
/// let pixels: Vec<f32> = (0..10 * 64).map(|i| (i * i % 7) as f32 / 6.0).collect();
/// let rows = Rows::new(&pixels, 64)?;
/// let settings = PatchesSettings { units: 64, winners: 3, patch: 4, grid: 2, ..Default::default() };
/// let patches = Patches::new(settings, Inputs { rows, image: Some(image) })?;
/// assert_eq!(patches.encode(rows)?.winners(), Some(3));
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Patches {
    settings: PatchesSettings,
    k_winners: KWinners,
    image: ImageShape,
    scales: Vec<Scale>,
    balance: Balance,
    samples: u64,
    steps: u64,
    /// Samples of a whole epoch: the first epoch is for the dictionary.
    epoch_samples: u64,
}

/// Patches of one size: where they lie and what they are compared with.
#[derive(Clone, Debug)]
struct Scale {
    geometry: Geometry,
    dictionary: Dictionary,
    /// The first unit of this scale; unit `first + region · atoms + atom`.
    first: usize,
}

/// Buffers of one task.
#[derive(Debug, Default)]
struct Workspace {
    patches: Vec<f32>,
    answers: Vec<f32>,
    scratch: SelectScratch,
    winners: Vec<u32>,
    /// The best answer of each unit.
    best: Vec<f32>,
}

impl Patches {
    /// An encoder of images like `inputs`, with random patches of them as first atoms.
    ///
    /// # Errors
    /// If the inputs are no images, hold NaN or infinity, or a setting is out of range.
    pub fn new<'a>(mut settings: PatchesSettings, inputs: impl Into<Inputs<'a>>) -> Result<Self> {
        let Inputs { rows, image } = inputs.into();
        rows.check_finite("training inputs")?;
        let image = image.ok_or_else(|| {
            let reason = "patches need images: IDX and CIFAR files, image folders and .npy arrays \
                          of three or four dimensions have a shape";
            Error::Unsupported(reason.to_owned())
        })?;
        if settings.epochs == 0 {
            settings.epochs = ENOUGH_SAMPLES.div_ceil(rows.len().max(1)).max(FEWEST_EPOCHS);
        }
        if settings.patch == 0 {
            let side = image.width.min(image.height);
            settings.patch = (side + 2).div_euclid(5).max(3).min(side);
        }
        let parts = (settings.whitening, settings.contrast_floor);
        let atoms = atoms_of(&settings)?;
        let scales = scales_of(&settings, image, |number, geometry| {
            let mut rng = Rng::of_stream(settings.seed, DRAW + number as u64);
            Dictionary::new(geometry, rows, atoms, parts, &mut rng)
        })?;
        Ok(Self {
            k_winners: KWinners::new(settings.units, settings.winners)?,
            image,
            scales,
            balance: Balance::new(settings.units),
            samples: 0,
            steps: 0,
            epoch_samples: rows.len() as u64,
            settings,
        })
    }

    /// The encoder as it was saved.
    pub(crate) fn from_state(settings: PatchesSettings, state: &mut State) -> Result<Self> {
        let [channels, height, width] =
            ["channels", "height", "width"].map(|name| state.take::<usize>(name));
        let image = ImageShape { channels: channels?, height: height?, width: width? };
        if [image.channels, image.height, image.width]
            .iter()
            .any(|side| !(1..=1 << 16).contains(side))
        {
            return Err(Error::shape("images", "sides of 1 to 65,536", format!("{image:?}")));
        }
        let atoms = atoms_of(&settings)?;
        let scales = scales_of(&settings, image, |number, geometry| {
            let suffix = suffix_of(number);
            let length = geometry.patch_len();
            let dictionary = Dictionary::take_from(state, suffix, length, settings.contrast_floor)?;
            match dictionary.atoms() == atoms {
                true => Ok(dictionary),
                false => Err(Error::shape("dictionary", atoms, dictionary.atoms())),
            }
        })?;
        let balance = Balance::from_parts(state.take_array("bias")?, state.take("spread")?)?;
        if balance.bias().len() != settings.units {
            return Err(Error::shape("bias", settings.units, balance.bias().len()));
        }
        Ok(Self {
            k_winners: KWinners::new(settings.units, settings.winners)?,
            image,
            scales,
            balance,
            samples: state.take("samples")?,
            steps: state.take("steps")?,
            epoch_samples: state.take("epoch_samples")?,
            settings,
        })
    }

    /// The settings that the encoder was made with.
    pub fn settings(&self) -> &PatchesSettings {
        &self.settings
    }

    /// The scores of all units for one image, `(n,)`: pooled answers of winners, and `lean` times the
    /// best answer of all.
    fn pool(&self, row: &[f32], work: &mut Workspace, scores: &mut [f32]) -> Result<()> {
        scores.fill(0.0);
        work.best.resize(scores.len(), 0.0);
        work.best.fill(f32::NEG_INFINITY);
        for scale in &self.scales {
            scale.look(row, work);
            let atoms = scale.dictionary.atoms();
            let units = scale.first..scale.first + scale.geometry.regions() * atoms;
            let (scores, best) = (&mut scores[units.clone()], &mut work.best[units]);
            for (place, answers) in work.answers.chunks_exact(atoms).enumerate() {
                self.place_winners(answers, &mut work.scratch, &mut work.winners)?;
                for region in scale.geometry.regions_at(place) {
                    let units = region * atoms..(region + 1) * atoms;
                    for (best, &answer) in best[units.clone()].iter_mut().zip(answers) {
                        *best = if answer > *best { answer } else { *best };
                    }
                    let scores = &mut scores[units];
                    for &atom in &work.winners {
                        let (score, answer) = (&mut scores[atom as usize], answers[atom as usize]);
                        match self.settings.pooling {
                            Pooling::Max => *score = score.max(answer),
                            Pooling::Sum => *score += answer.max(0.0),
                        }
                    }
                }
            }
        }
        for (score, best) in scores.iter_mut().zip(&work.best) {
            *score += self.settings.lean * best;
        }
        Ok(())
    }

    /// Writes the winners among the answers of one place to `winners`.
    fn place_winners(
        &self,
        answers: &[f32],
        scratch: &mut SelectScratch,
        winners: &mut Vec<u32>,
    ) -> Result<()> {
        winners.resize(self.settings.place_winners, 0);
        if let [winner] = &mut winners[..] {
            *winner = dictionary::best_of(answers).0 as u32;
            return Ok(());
        }
        KWinners::new(answers.len(), winners.len())?.pick(0, answers, scratch, winners)
    }

    /// Winners of a block of rows, `(len, k)`.
    fn encode_block(&self, rows: Rows<'_>) -> Result<Vec<u32>> {
        let mut work = Workspace::default();
        let mut scores = vec![0.0; self.settings.units];
        let mut winners = vec![0; rows.len() * self.settings.winners];
        let slots = winners.chunks_exact_mut(self.settings.winners);
        for (number, (row, slots)) in rows.iter().zip(slots).enumerate() {
            self.pool(row, &mut work, &mut scores)?;
            self.balance.apply(&mut scores);
            self.k_winners.pick(number, &scores, &mut work.scratch, slots)?;
        }
        Ok(winners)
    }
}

impl Scale {
    /// Fills the workspace with the patches of `row`, normalised, and the answers to them.
    fn look(&self, row: &[f32], work: &mut Workspace) {
        let length = self.geometry.patch_len();
        work.patches.resize(self.geometry.places() * length, 0.0);
        for (place, patch) in work.patches.chunks_exact_mut(length).enumerate() {
            self.geometry.copy(row, place, patch);
            self.dictionary.normalise(patch);
        }
        self.dictionary.answers(&work.patches, &mut work.answers);
    }
}

impl Encoder for Patches {
    fn input_width(&self) -> usize {
        self.image.channels * self.image.height * self.image.width
    }

    fn units(&self) -> usize {
        self.settings.units
    }

    fn winners(&self) -> usize {
        self.settings.winners
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        super::encode_in_blocks(self, rows, codes, |block| self.encode_block(block))
    }
}

impl Kind for Patches {
    fn learner(&mut self) -> Option<&mut dyn Learner> {
        Some(self)
    }

    fn setting_list(&self) -> Vec<(&'static str, String)> {
        self.settings.list()
    }

    fn schedule(&self) -> Schedule {
        let PatchesSettings { epochs, batch, seed, .. } = self.settings;
        Schedule { epochs, batch, steps: None, seed, balanced: false }
    }

    fn filter(&self, unit: usize) -> Vec<f32> {
        let scale = self.scales.iter().rev().find(|scale| scale.first <= unit);
        let scale = scale.expect("the first scale begins at unit 0");
        let atoms = scale.dictionary.atoms();
        let (region, atom) = ((unit - scale.first) / atoms, (unit - scale.first) % atoms);
        scale.geometry.placed(&scale.dictionary.picture(atom), region)
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.push("channels", self.image.channels);
        state.push("height", self.image.height);
        state.push("width", self.image.width);
        state.push("samples", self.samples);
        state.push("steps", self.steps);
        state.push("epoch_samples", self.epoch_samples);
        state.push("spread", self.balance.spread());
        for (number, scale) in self.scales.iter().enumerate() {
            scale.dictionary.push_to(&mut state, suffix_of(number));
        }
        state.push_array("bias", self.balance.bias());
        state
    }
}

/// What the names of a scale's arrays end in: names are of letters only.
fn suffix_of(scale: usize) -> &'static str {
    ["fine", "coarse"][scale]
}

/// The patch sides of all scales.
fn sides(settings: &PatchesSettings) -> Vec<usize> {
    [settings.patch, settings.second_patch].into_iter().filter(|&side| side > 0).collect()
}

/// Atoms of each scale.
fn atoms_of(settings: &PatchesSettings) -> Result<usize> {
    KWinners::new(settings.units, settings.winners)?;
    let regions = settings.grid * settings.grid * sides(settings).len();
    if regions == 0 || !settings.units.is_multiple_of(regions) {
        let expected = format!("a multiple of {regions}, regions times scales");
        return Err(Error::setting("units", expected, settings.units));
    }
    let atoms = settings.units / regions;
    if !(1..=atoms).contains(&settings.place_winners) {
        let expected = format!("1 to {atoms}, the atoms");
        return Err(Error::setting("place_winners", expected, settings.place_winners));
    }
    if !(0.0..=4.0).contains(&settings.overlap) {
        return Err(Error::setting("overlap", "0 to 4", settings.overlap));
    }
    for (key, value, least) in [
        ("contrast_floor", settings.contrast_floor, f32::MIN_POSITIVE),
        ("whitening", settings.whitening, 0.0),
        ("lean", settings.lean, 0.0),
        ("balance_rate", settings.balance_rate, 0.0),
    ] {
        if value < least {
            return Err(Error::setting(key, "a number of 0 or more; the floor above 0", value));
        }
    }
    for (key, value) in [("batch", settings.batch), ("patches_a_sample", settings.patches_a_sample)]
    {
        if value == 0 {
            return Err(Error::setting(key, "at least 1", 0));
        }
    }
    Ok(atoms)
}

/// The scales of `settings`, each with the dictionary that `make` gives.
fn scales_of(
    settings: &PatchesSettings,
    image: ImageShape,
    mut make: impl FnMut(usize, &Geometry) -> Result<Dictionary>,
) -> Result<Vec<Scale>> {
    let sides = sides(settings);
    let units_a_scale = settings.units / sides.len().max(1);
    let scale = |(number, &side): (usize, &usize)| {
        let pooled = (settings.grid, settings.overlap);
        let geometry = Geometry::new(image, (side, settings.stride), pooled)?;
        let dictionary = make(number, &geometry)?;
        Ok(Scale { geometry, dictionary, first: number * units_a_scale })
    };
    sides.iter().enumerate().map(scale).collect()
}
