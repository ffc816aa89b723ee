//! Codes read through a decoder: a query stays a vector, and a stored code is what its units stand for.

use rayon::prelude::*;

use super::{Hit, SdrIndex, Search};
use crate::encoder::{Decoder, pursuit};
use crate::error::{Error, Result};
use crate::kernel::product::product_transposed;
use crate::rows::Rows;
use crate::sdr::{Sdr, SdrBatch, SdrRef};

/// What each unit of a code adds to what it stands for: `x̂ = mean + Σ w_i` over the active units `i`.
///
/// The rows come from a model that decodes linearly; [`crate::encoder::Pursuit`] makes the codes that are
/// read best. Against a query `q` a code scores
/// `q·x̂ = q·mean + Σ q·w_i`: the products of the query with all rows are made once, and then a stored
/// code costs `k` additions ([`LinearDecoder::products`], [`LinearDecoder::top`]). A product quantiser
/// reads its codes the same way; here the parts may overlap, and each has a unit's name.
#[derive(Clone, Debug)]
pub struct LinearDecoder {
    /// `(width,)`.
    mean: Vec<f32>,
    /// `(n, width)`.
    weights: Vec<f32>,
}

/// What [`LinearDecoder::top`] ranks by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecoderScore {
    /// `q·x̂`.
    Product,
    /// `q·x̂ / |x̂|`: the order of the cosines of one query.
    #[default]
    Cosine,
}

/// The products of one query with the mean and the rows of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitProducts {
    mean: f32,
    units: Vec<f32>,
}

impl UnitProducts {
    /// `q·x̂` of a code. Cost: `O(k)`.
    ///
    /// # Panics
    /// If the code has other units than the decoder.
    pub fn score(&self, code: SdrRef<'_>) -> f32 {
        assert_eq!(code.units(), self.units.len(), "a code of the decoder's units");
        code.indices().iter().fold(self.mean, |sum, &unit| sum + self.units[unit as usize])
    }

    /// What one unit adds to the score of a code that has it on.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn of_unit(&self, unit: u32) -> f32 {
        self.units[unit as usize]
    }
}

impl LinearDecoder {
    /// The rows of a model's decoder: what it makes of each unit alone, without what it makes of none.
    ///
    /// # Errors
    /// If it does not decode the sum of units as the sum of what they stand for, or has no unit.
    pub fn of(decoder: &dyn Decoder, units: usize) -> Result<Self> {
        let mut codes = SdrBatch::new(units)?;
        codes.push(&[])?;
        (0..units as u32).try_for_each(|unit| codes.push(&[unit]))?;
        let decoded = decoder.decode(&codes)?;
        let width = decoded.len() / codes.len();
        let (mean, weights) = decoded.split_at(width);
        let mut weights = weights.to_vec();
        for row in weights.chunks_exact_mut(width) {
            row.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
        }
        let linear = Self { mean: mean.to_vec(), weights };
        linear.check_against(decoder)?;
        Ok(linear)
    }

    /// The decoder that leads from `codes` of any encoder back to `inputs`, one a code, with the least squared error: the
    /// mean is that of the inputs, the rows follow by forty steps of conjugate gradients on `Σ |x - x̂|² + Σ |w_i|²`. Cost:
    /// a step adds up all active units' rows twice.
    ///
    /// ```
    /// use kwinners::encoder::Decoder;
    /// use kwinners::index::LinearDecoder;
    /// use kwinners::{Rows, SdrBatch};
    /// // Unit 0 stands for the first value, unit 1 for the second; each input comes fifty times.
    /// let mut codes = SdrBatch::new(3)?;
    /// let mut inputs = Vec::new();
    /// for row in 0..100 {
    ///     codes.push(&[row % 2])?;
    ///     inputs.extend([1.0 - (row % 2) as f32, (row % 2) as f32]);
    /// }
    /// let decoder = LinearDecoder::learn(&codes, Rows::new(&inputs, 2)?)?;
    /// let decoded = decoder.decode(&codes)?;
    /// assert!(decoded.iter().zip(&inputs).all(|(a, b)| (a - b).abs() < 0.02));
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not one input a code, none at all, or an input holds NaN or infinity.
    pub fn learn(codes: &SdrBatch, inputs: Rows<'_>) -> Result<Self> {
        inputs.check_finite("inputs of codes")?;
        if inputs.len() != codes.len() || inputs.is_empty() {
            let expected = format!("{}, one a code, at least 1", codes.len());
            return Err(Error::shape("inputs of codes", expected, inputs.len()));
        }
        let (mean, weights) = pursuit::learn_rows(codes, inputs)?;
        Ok(Self { mean, weights })
    }

    /// Number of units, `n`.
    pub fn units(&self) -> usize {
        self.weights.len() / self.width()
    }

    /// Values of an input.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// What one unit adds, `(width,)`.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn row(&self, unit: u32) -> &[f32] {
        &self.weights[unit as usize * self.width()..][..self.width()]
    }

    /// `codes` with units swapped, one for one, while that lowers the error of what they decode to
    /// against `inputs`, a row each. Every code keeps its number of units, and no error rises.
    ///
    /// # Errors
    /// If the inputs have another width, NaN or infinity, the codes have other units or are not one an
    /// input, or there are more than 2¹⁴ units.
    pub fn refine(&self, inputs: Rows<'_>, codes: &SdrBatch) -> Result<SdrBatch> {
        inputs.check_width("inputs", self.width())?;
        inputs.check_finite("inputs")?;
        self.check_codes(codes)?;
        if codes.len() != inputs.len() {
            let expected = format!("{}, one an input", inputs.len());
            return Err(Error::shape("codes to refine", expected, codes.len()));
        }
        pursuit::refine(codes, inputs, (&self.mean, Rows::new(&self.weights, self.width())?))
    }

    /// What the codes' decoded inputs are long, `|x̂|`: `(len,)`. Cost: `O(k · width)` a code.
    ///
    /// # Errors
    /// If the codes have other units.
    pub fn lengths(&self, codes: &SdrBatch) -> Result<Vec<f32>> {
        self.check_codes(codes)?;
        Ok(self.lengths_of(codes))
    }

    fn lengths_of(&self, codes: &SdrBatch) -> Vec<f32> {
        let decoded = pursuit::add_up(codes, &self.mean, &self.weights);
        decoded.chunks_exact(self.width()).map(length).collect()
    }

    /// The products of `query` with all rows. Cost: `n · width` multiply-adds.
    ///
    /// # Errors
    /// If the query has another width.
    pub fn products(&self, query: &[f32]) -> Result<UnitProducts> {
        let query = Rows::new(query, query.len().max(1))?;
        query.check_width("query", self.width())?;
        let mut mean = [0.0];
        product_transposed(query, Rows::new(&self.mean, self.width())?, &mut mean);
        let mut units = vec![0.0; self.units()];
        product_transposed(query, Rows::new(&self.weights, self.width())?, &mut units);
        Ok(UnitProducts { mean: mean[0], units })
    }

    /// The `top` codes that score highest against `query`, best first, equal ones by their number, with
    /// their scores; `lengths` are those of [`LinearDecoder::lengths`]. Exact: every code is scored.
    /// Cost: `k` additions a code.
    ///
    /// # Errors
    /// If the query has another width, the codes have other units, or there is not one length a code.
    pub fn top(
        &self,
        query: &[f32],
        (codes, lengths): (&SdrBatch, &[f32]),
        top: usize,
        score: DecoderScore,
    ) -> Result<Vec<(usize, f32)>> {
        self.check_codes(codes)?;
        if lengths.len() != codes.len() {
            let expected = format!("{}, one a code", codes.len());
            return Err(Error::shape("lengths", expected, lengths.len()));
        }
        let products = self.products(query)?;
        let scored = codes.iter().zip(lengths).enumerate().map(|(number, (code, &length))| {
            let product = products.score(code);
            match score {
                DecoderScore::Product => (number, product),
                DecoderScore::Cosine => (number, product / length.max(f32::MIN_POSITIVE)),
            }
        });
        Ok(best(scored.collect(), top))
    }

    fn check_codes(&self, codes: &SdrBatch) -> Result<()> {
        if codes.units() == self.units() {
            return Ok(());
        }
        Err(Error::shape("codes", format!("codes of {} units", self.units()), codes.units()))
    }

    /// Refuses decoders that are more than a sum: tried with a code of every tenth unit or so.
    fn check_against(&self, decoder: &dyn Decoder) -> Result<()> {
        let some: Vec<u32> = (0..self.units() as u32).step_by(self.units() / 10 + 1).collect();
        let mut codes = SdrBatch::new(self.units())?;
        codes.push(Sdr::new(self.units(), some)?.indices())?;
        let (sum, whole) = (self.decode(&codes)?, decoder.decode(&codes)?);
        let largest = sum.iter().fold(1e-6f32, |most, value| most.max(value.abs()));
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * largest;
        if sum.iter().zip(&whole).all(near) {
            return Ok(());
        }
        let reason = "this decoder is more than a sum of what single units stand for";
        Err(Error::Unsupported(reason.to_owned()))
    }
}

impl Decoder for LinearDecoder {
    fn decode(&self, codes: &SdrBatch) -> Result<Vec<f32>> {
        self.check_codes(codes)?;
        Ok(pursuit::add_up(codes, &self.mean, &self.weights))
    }
}

impl SdrIndex {
    /// The `top` codes whose decoded inputs have the largest cosine with each of `queries`, `(len, width)`,
    /// best first, equal ones by rising id. Of `search` only [`Search::allowed`] is looked at. Every allowed
    /// code is decoded once, `k · width` additions, and scored for each query, `k` additions.
    ///
    /// # Errors
    /// If the decoder has other units, the queries have another width, NaN or infinity, or a block of a
    /// mapped file is damaged.
    pub fn top_decoded(
        &self,
        decoder: &LinearDecoder,
        queries: Rows<'_>,
        top: usize,
        search: &Search<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        let asked = self.ask(decoder, queries)?;
        let mut found = vec![Vec::new(); queries.len()];
        self.for_each_block(|ids, codes| {
            let allowed = |id: u32| search.allowed.is_none_or(|allowed| allowed.contains(id));
            let places: Vec<usize> = (0..ids.len()).filter(|&at| allowed(ids[at])).collect();
            let codes = codes.select(&places);
            let lengths = decoder.lengths_of(&codes);
            found.par_iter_mut().zip(&asked).for_each(|(found, query)| {
                let hits = places.iter().zip(codes.iter()).zip(&lengths);
                let hits = hits.map(|((&at, code), &length)| query.hit(ids[at], code, length));
                keep_best(found, hits, top);
            });
        })?;
        Ok(found)
    }

    /// `hits`, which another score has found for `query`, by the cosines of their decoded inputs with it.
    /// Cost: `O(n + k · width)` a hit.
    ///
    /// # Errors
    /// As [`SdrIndex::top_decoded`], and if a hit is not in the index.
    pub fn rerank(&self, decoder: &LinearDecoder, query: &[f32], hits: &[Hit]) -> Result<Vec<Hit>> {
        let asked = self.ask(decoder, Rows::new(query, query.len().max(1))?)?;
        let (mut codes, mut found) = (SdrBatch::new(self.units())?, Vec::new());
        for hit in hits {
            let code = self.get(hit.id)?;
            let code = code.ok_or_else(|| Error::shape("hits", "codes of the index", hit.id))?;
            codes.push(code.indices())?;
        }
        let lengths = decoder.lengths_of(&codes);
        let scored = hits.iter().zip(codes.iter()).zip(&lengths);
        let scored = scored.map(|((hit, code), &length)| asked[0].hit(hit.id, code, length));
        keep_best(&mut found, scored, hits.len());
        Ok(found)
    }

    fn ask(&self, decoder: &LinearDecoder, queries: Rows<'_>) -> Result<Vec<Asked>> {
        if decoder.units() != self.units() {
            let expected = format!("{}, as in the index", self.units());
            return Err(Error::shape("units of the decoder", expected, decoder.units()));
        }
        queries.check_width("queries", decoder.width())?;
        queries.check_finite("queries")?;
        let rows: Vec<&[f32]> = queries.iter().collect();
        let asked = rows
            .par_iter()
            .map(|query| Ok(Asked { products: decoder.products(query)?, length: length(query) }));
        asked.collect()
    }
}

/// A query, ready to be compared with codes.
struct Asked {
    products: UnitProducts,
    length: f32,
}

impl Asked {
    /// A code whose decoded input is `length` long.
    fn hit(&self, id: u32, code: SdrRef<'_>, length: f32) -> Hit {
        let lengths = (self.length * length).max(f32::MIN_POSITIVE);
        Hit { id, score: f64::from(self.products.score(code) / lengths) }
    }
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|value| value * value).sum::<f32>().sqrt()
}

/// Makes `found`, which is in order, the best `top` of itself and `hits`.
fn keep_best(found: &mut Vec<Hit>, hits: impl Iterator<Item = Hit>, top: usize) {
    let floor = match found.len() < top {
        true => f64::NEG_INFINITY,
        false => found.last().map_or(f64::INFINITY, |hit| hit.score),
    };
    found.extend(hits.filter(|hit| hit.score >= floor));
    found.sort_unstable_by(Hit::order);
    found.truncate(top);
}

/// The best `top` of all, higher scores first, then lower numbers.
fn best(mut scored: Vec<(usize, f32)>, top: usize) -> Vec<(usize, f32)> {
    let order = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if top < scored.len() {
        scored.select_nth_unstable_by(top, order);
        scored.truncate(top);
    }
    scored.sort_unstable_by(order);
    scored
}
