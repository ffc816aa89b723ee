//! What codes find of the nearest neighbours by cosine.

use kwinners::index::{DecoderScore, LinearDecoder};
use kwinners::metrics::neighbours_by_overlap;
use kwinners::{Dataset, Error, Result, Rows, SdrBatch};
use rayon::prelude::*;

/// Neighbours that are to be found.
pub(super) const TOP: usize = 10;
/// Queries, evenly spread over the test set.
const QUERIES: usize = 1000;

/// Queries, and the stored rows of largest cosine with each.
pub(super) struct CosineNeighbours {
    pub(super) queries: Dataset,
    truth: Vec<Vec<usize>>,
    /// Share found by the signs of the values without their means, a bit each.
    pub(super) sign_bits: f64,
}

impl CosineNeighbours {
    /// Up to 1,000 rows of `test`, and their neighbours among the rows of `base`.
    pub(super) fn of(base: &Dataset, test: &Dataset) -> Result<Self> {
        test.rows().check_width("queries", base.width())?;
        let count = test.len().min(QUERIES);
        let places: Vec<usize> = (0..count).map(|number| number * test.len() / count).collect();
        let queries = test.select(&places);
        let truth = nearest(base.rows(), queries.rows());
        let means = means(base.rows());
        let (stored, asked) = (signs(base.rows(), &means), signs(queries.rows(), &means));
        let (stored, asked) = (Rows::new(&stored, base.width())?, Rows::new(&asked, base.width())?);
        let sign_bits = recall(&truth, &nearest(stored, asked));
        Ok(Self { queries, truth, sign_bits })
    }

    /// The share found where `codes` of the stored rows share most units with those of the queries, `asked`.
    pub(super) fn by_overlap(&self, codes: &SdrBatch, asked: &SdrBatch) -> Result<f64> {
        let found = neighbours_by_overlap(codes, asked, TOP)?;
        let ids = |query| found.of(query).iter().map(|hit| hit.id as usize).collect();
        Ok(recall(&self.truth, &(0..found.len()).map(ids).collect::<Vec<_>>()))
    }

    /// The share found where what `codes` of the stored rows stand for scores highest against the queries.
    pub(super) fn by_decoder(
        &self,
        decoder: &LinearDecoder,
        codes: &SdrBatch,
        score: DecoderScore,
    ) -> Result<f64> {
        let lengths = decoder.lengths(codes)?;
        let ids = |query: &[f32]| -> Result<Vec<usize>> {
            let hits = decoder.top(query, (codes, &lengths), TOP, score)?;
            Ok(hits.into_iter().map(|(id, _)| id).collect())
        };
        let queries: Vec<&[f32]> = self.queries.rows().iter().collect();
        let found: Vec<Vec<usize>> =
            queries.into_par_iter().map(ids).collect::<Result<_, Error>>()?;
        Ok(recall(&self.truth, &found))
    }
}

/// The mean of each column.
fn means(rows: Rows<'_>) -> Vec<f32> {
    let mut sums = vec![0.0f64; rows.width()];
    for row in &rows {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.into_iter().map(|sum| (sum / rows.len().max(1) as f64) as f32).collect()
}

/// 1 for each value above its mean, -1 for the others.
fn signs(rows: Rows<'_>, means: &[f32]) -> Vec<f32> {
    let pairs = rows.values().iter().zip(means.iter().cycle());
    pairs.map(|(value, mean)| if value > mean { 1.0 } else { -1.0 }).collect()
}

/// For each query the ten rows of largest cosine with it.
fn nearest(base: Rows<'_>, queries: Rows<'_>) -> Vec<Vec<usize>> {
    let unit = |row: &[f32]| -> Vec<f32> {
        let length = dot(row, row).sqrt().max(f32::MIN_POSITIVE);
        row.iter().map(|value| value / length).collect()
    };
    let base: Vec<Vec<f32>> = base.iter().map(unit).collect();
    let of_query = |query: &[f32]| {
        let query = unit(query);
        let scores: Vec<f32> = base.iter().map(|row| dot(row, &query)).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        let top = TOP.min(order.len() - 1);
        let rank = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
        order.select_nth_unstable_by(top, rank);
        order.truncate(TOP);
        order
    };
    let queries: Vec<&[f32]> = queries.iter().collect();
    queries.into_par_iter().map(of_query).collect()
}

/// Sixteen sums side by side, added up at the end.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The share of the true neighbours that was found, mean over the queries.
fn recall(truth: &[Vec<usize>], found: &[Vec<usize>]) -> f64 {
    let hits = truth.iter().zip(found).map(|(truth, found)| {
        found.iter().filter(|id| truth.contains(id)).count() as f64 / truth.len() as f64
    });
    hits.sum::<f64>() / truth.len() as f64
}
