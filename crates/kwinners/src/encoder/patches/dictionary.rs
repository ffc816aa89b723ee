//! A dictionary of patches: whitening and spherical k-means, learned online.

use super::geometry::Geometry;
use crate::encoder::State;
use crate::error::{Error, Result};
use crate::kernel::product;
use crate::rng::Rng;
use crate::rows::Rows;

/// Patches that the whitening is learned from.
const WHITENING_PATCHES: usize = 50_000;

/// Whitened atoms of unit length, and the same folded into filters over patches as they are.
///
/// A patch `p` is first made comparable, `q = (p - mean(p)) / √(var(p) + floor)`, then whitened,
/// `w = L⁻¹ (q - m)` with `L Lᵀ = C + ε · mean(diag C) · I`, `C` the covariance of such patches. Any
/// square root of the inverse would do: products of whitened patches are the same for all. An atom
/// `a` answers `a · w = f · q - f · m` with `f = L⁻ᵀ a`.
#[derive(Clone, Debug)]
pub(super) struct Dictionary {
    length: usize,
    floor: f32,
    /// `m`, `(length,)`.
    mean: Vec<f32>,
    /// `L`, `(length, length)`, lower; the unit matrix without whitening.
    root: Vec<f32>,
    /// `Σ answer · w` over the patches that each atom won, `(atoms, length)`.
    sums: Vec<f32>,
    /// `f` of each atom, `(atoms, length)`.
    filters: Vec<f32>,
    /// `f · m` of each atom.
    offsets: Vec<f32>,
}

impl Dictionary {
    /// The whitening of patches of `rows`, and `atoms` whitened patches as first atoms.
    pub(super) fn new(
        geometry: &Geometry,
        rows: Rows<'_>,
        atoms: usize,
        (whitening, floor): (f32, f32),
        rng: &mut Rng,
    ) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::shape("rows to learn patches from", "at least 1 row", 0));
        }
        let length = geometry.patch_len();
        let patches = random_patches(geometry, rows, WHITENING_PATCHES.max(atoms), floor, rng);
        let (mean, root) = match whitening > 0.0 {
            true => square_root(&patches, length, whitening),
            false => (vec![0.0; length], unit_matrix(length)),
        };
        let mut dictionary = Self {
            length,
            floor,
            mean,
            root,
            sums: Vec::with_capacity(atoms * length),
            filters: Vec::new(),
            offsets: Vec::new(),
        };
        for patch in patches.chunks_exact(length).take(atoms) {
            let mut atom = patch.to_vec();
            dictionary.whiten(&mut atom);
            // A patch of one colour has no direction: any will do.
            if square_norm(&atom) < 1e-6 {
                atom.iter_mut().for_each(|value| *value = rng.normal());
            }
            scale_to_unit(&mut atom);
            dictionary.sums.extend(atom);
        }
        dictionary.fold();
        Ok(dictionary)
    }

    /// The dictionary as it was saved under names that end in `suffix`.
    pub(super) fn take_from(
        state: &mut State,
        suffix: &str,
        length: usize,
        floor: f32,
    ) -> Result<Self> {
        let mut take = |name: &str| state.take_array::<f32>(&format!("{name}{suffix}"));
        let (mean, root, sums) = (take("mean")?, take("root")?, take("sums")?);
        let sound = mean.len() == length
            && root.len() == length * length
            && !sums.is_empty()
            && sums.len().is_multiple_of(length)
            && (0..length).all(|place| root[place * length + place] > 0.0)
            && [&mean, &root, &sums].iter().all(|array| array.iter().all(|v| v.is_finite()));
        if !sound {
            let expected = format!("finite numbers over patches of {length} values");
            return Err(Error::shape("dictionary", expected, "something else"));
        }
        let (filters, offsets) = (Vec::new(), Vec::new());
        let mut dictionary = Self { length, floor, mean, root, sums, filters, offsets };
        dictionary.fold();
        Ok(dictionary)
    }

    /// What a file has to keep, under names that end in `suffix`.
    pub(super) fn push_to(&self, state: &mut State, suffix: &str) {
        for (name, values) in [("mean", &self.mean), ("root", &self.root), ("sums", &self.sums)] {
            state.push_array(&format!("{name}{suffix}"), values);
        }
    }

    pub(super) fn atoms(&self) -> usize {
        self.sums.len() / self.length
    }

    /// The patch that an atom stands for, `L a`, `(length,)`.
    pub(super) fn picture(&self, atom: usize) -> Vec<f32> {
        let mut atom = self.sums[atom * self.length..][..self.length].to_vec();
        scale_to_unit(&mut atom);
        let line = |row: &[f32]| row.iter().zip(&atom).map(|(root, value)| root * value).sum();
        self.root.chunks_exact(self.length).map(line).collect()
    }

    /// Makes a patch comparable: mean 0, variance about 1 unless there is next to nothing in it.
    pub(super) fn normalise(&self, patch: &mut [f32]) {
        normalise(patch, self.floor);
    }

    /// The answers of all atoms to `patches`, `(len, length)`, normalised: `(len, atoms)`.
    pub(super) fn answers(&self, patches: &[f32], out: &mut Vec<f32>) {
        let atoms = self.atoms();
        let patches = Rows::new(patches, self.length).expect("whole patches");
        let filters = Rows::new(&self.filters, self.length).expect("whole filters");
        out.resize(patches.len() * atoms, 0.0);
        product::product_transposed(patches, filters, out);
        for answers in out.chunks_exact_mut(atoms) {
            for (answer, offset) in answers.iter_mut().zip(&self.offsets) {
                *answer -= offset;
            }
        }
    }

    /// One step of spherical k-means: each of `patches`, normalised, goes to the atom that answers it
    /// best, which turns towards it. Returns the sum of `1 - cosine` to the best atom.
    ///
    /// Source: Coates and Ng, "Learning feature representations with k-means", 2012, here with
    /// running sums in place of passes over all patches.
    pub(super) fn learn(&mut self, patches: &[f32]) -> f64 {
        let (mut answers, atoms, length) = (Vec::new(), self.atoms(), self.length);
        self.answers(patches, &mut answers);
        let mut loss = 0.0;
        for (patch, answers) in patches.chunks_exact(length).zip(answers.chunks_exact(atoms)) {
            let (best, answer) = best_of(answers);
            let mut white = patch.to_vec();
            self.whiten(&mut white);
            let norm = square_norm(&white).sqrt();
            loss += 1.0 - f64::from(answer / norm.max(1e-6)).clamp(-1.0, 1.0);
            let sum = &mut self.sums[best * length..][..length];
            for (sum, value) in sum.iter_mut().zip(&white) {
                *sum += answer * value;
            }
        }
        self.fold();
        loss
    }

    /// `w = L⁻¹ (q - m)`, in place.
    fn whiten(&self, patch: &mut [f32]) {
        for (value, mean) in patch.iter_mut().zip(&self.mean) {
            *value -= mean;
        }
        for place in 0..self.length {
            let row = &self.root[place * self.length..][..=place];
            let known: f32 = row[..place].iter().zip(&*patch).map(|(root, w)| root * w).sum();
            patch[place] = (patch[place] - known) / row[place];
        }
    }

    /// Brings filters and offsets in step with the atoms: `f = L⁻ᵀ a`.
    fn fold(&mut self) {
        let length = self.length;
        self.filters.clone_from(&self.sums);
        for filter in self.filters.chunks_exact_mut(length) {
            scale_to_unit(filter);
            for place in (0..length).rev() {
                filter[place] /= self.root[place * length + place];
                let value = filter[place];
                let row = &self.root[place * length..][..place];
                for (above, root) in filter[..place].iter_mut().zip(row) {
                    *above -= root * value;
                }
            }
        }
        let offset = |filter: &[f32]| filter.iter().zip(&self.mean).map(|(f, m)| f * m).sum();
        self.offsets = self.filters.chunks_exact(length).map(offset).collect();
    }
}

/// The largest of `answers` and its place, the first of equals: the value in lanes, then its place.
pub(super) fn best_of(answers: &[f32]) -> (usize, f32) {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = answers.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for lane in 0..16 {
            lanes[lane] = larger(lanes[lane], chunk[lane]);
        }
    }
    let best = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| larger(a, b));
    // Nothing equals a NaN, which only answers that overflowed can hold.
    (answers.iter().position(|&answer| answer == best).unwrap_or(0), best)
}

/// `count` patches of random places of random rows, normalised, `(count, patch_len)`.
pub(super) fn random_patches(
    geometry: &Geometry,
    rows: Rows<'_>,
    count: usize,
    floor: f32,
    rng: &mut Rng,
) -> Vec<f32> {
    let mut patches = vec![0.0; count * geometry.patch_len()];
    for patch in patches.chunks_exact_mut(geometry.patch_len()) {
        // Patches with nothing in them teach nothing: a few tries for a better one.
        for _ in 0..4 {
            let (row, place) = (rng.below(rows.len()), rng.below(geometry.places()));
            geometry.copy(rows.row(row), place, patch);
            if patch.iter().any(|value| (value - patch[0]).abs() > 0.1) {
                break;
            }
        }
        normalise(patch, floor);
    }
    patches
}

fn normalise(patch: &mut [f32], floor: f32) {
    let mean = patch.iter().sum::<f32>() / patch.len() as f32;
    patch.iter_mut().for_each(|value| *value -= mean);
    let factor = (square_norm(patch) / patch.len() as f32 + floor).sqrt().recip();
    patch.iter_mut().for_each(|value| *value *= factor);
}

/// Mean of the patches, and `L` with `L Lᵀ = C + whitening · mean(diag C) · I`: Cholesky, row by row.
fn square_root(patches: &[f32], length: usize, whitening: f32) -> (Vec<f32>, Vec<f32>) {
    let count = (patches.len() / length) as f32;
    let mut mean = vec![0.0f32; length];
    for patch in patches.chunks_exact(length) {
        mean.iter_mut().zip(patch).for_each(|(mean, value)| *mean += value / count);
    }
    let centred: Vec<f32> = patches
        .chunks_exact(length)
        .flat_map(|p| p.iter().zip(&mean).map(|(p, m)| p - m))
        .collect();
    let centred = Rows::new(&centred, length).expect("whole patches");
    let mut root = vec![0.0; length * length];
    product::add_product_of_transposed(centred, centred, &mut root);
    root.iter_mut().for_each(|value| *value /= count);
    let trace: f32 = (0..length).map(|place| root[place * length + place]).sum();
    let ridge = (whitening * trace / length as f32).max(1e-6);
    for row in 0..length {
        root[row * length + row] += ridge;
        for column in 0..=row {
            let (before, rest) = root.split_at(row * length);
            let own = &rest[..length];
            let other = if column == row { own } else { &before[column * length..][..length] };
            let known: f32 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            let value = own[column] - known;
            let value =
                if column == row { value.max(ridge * 1e-3).sqrt() } else { value / other[column] };
            root[row * length + column] = value;
        }
        root[row * length + row + 1..(row + 1) * length].fill(0.0);
    }
    (mean, root)
}

fn unit_matrix(length: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; length * length];
    (0..length).for_each(|place| matrix[place * length + place] = 1.0);
    matrix
}

fn square_norm(values: &[f32]) -> f32 {
    values.iter().map(|value| value * value).sum()
}

fn scale_to_unit(values: &mut [f32]) {
    let factor = square_norm(values).sqrt().max(1e-12).recip();
    values.iter_mut().for_each(|value| *value *= factor);
}
