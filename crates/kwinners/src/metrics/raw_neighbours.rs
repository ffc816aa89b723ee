//! The raw control: the nearest neighbour among the inputs themselves.

use rayon::prelude::*;

use super::square_norm;
use crate::error::Result;
use crate::kernel::product::product_transposed;
use crate::rows::Rows;

/// Queries in one product.
const QUERY_BLOCK: usize = 128;

/// Rows searched in one product.
const ROW_BLOCK: usize = 512;

/// Candidates kept by their `f32` distance and ranked again exactly.
const CANDIDATES: usize = 4;

/// A row and its squared distance to the query, less the query's own square.
type Candidate = (f32, usize);

/// For each query the row with the smallest Euclidean distance, ties to the lower id: `(queries,)`.
///
/// `|a - b|² = |a|² + |b|² - 2 a·b`: the products come first, block by block in `f32`; the four nearest
/// rows of each query are then compared by their distance summed in `f64`.
/// Cost: `queries · rows · width` multiply-adds, over all cores; memory: one block of products a core.
///
/// ```
/// use kwinners::{Rows, metrics::nearest_by_distance};
/// let rows = Rows::new(&[0.0, 0.0, 1.0, 1.0, 5.0, 5.0], 2)?;
/// assert_eq!(nearest_by_distance(rows, Rows::new(&[4.0, 3.0], 2)?)?, [2]);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the queries have another width, either side holds NaN or infinity, or there is no row.
pub fn nearest_by_distance(rows: Rows<'_>, queries: Rows<'_>) -> Result<Vec<usize>> {
    queries.check_width("queries", rows.width())?;
    queries.check_finite("queries")?;
    rows.check_finite("rows to search")?;
    if rows.is_empty() {
        return Err(crate::Error::shape("rows to search", "at least 1", 0));
    }
    let squares: Vec<f32> = rows.iter().map(|row| square_norm(row) as f32).collect();
    let blocks: Vec<Rows<'_>> = queries.blocks(QUERY_BLOCK).collect();
    let found: Vec<Vec<usize>> =
        blocks.into_par_iter().map(|block| nearest_of_block(rows, &squares, block)).collect();
    Ok(found.concat())
}

fn nearest_of_block(rows: Rows<'_>, squares: &[f32], queries: Rows<'_>) -> Vec<usize> {
    let mut lists = vec![[(f32::INFINITY, usize::MAX); CANDIDATES]; queries.len()];
    let mut products = vec![0.0; queries.len() * ROW_BLOCK.min(rows.len())];
    for (block, (targets, squares)) in
        rows.blocks(ROW_BLOCK).zip(squares.chunks(ROW_BLOCK)).enumerate()
    {
        let products = &mut products[..queries.len() * targets.len()];
        product_transposed(queries, targets, products);
        for (list, products) in lists.iter_mut().zip(products.chunks_exact(targets.len())) {
            keep_nearest(list, block * ROW_BLOCK, products, squares);
        }
    }
    lists.iter().zip(queries.iter()).map(|(list, query)| exact_nearest(rows, query, list)).collect()
}

/// Takes rows `first_id..` into the sorted list, an earlier row before a later one of equal distance.
fn keep_nearest(
    list: &mut [Candidate; CANDIDATES],
    first_id: usize,
    products: &[f32],
    squares: &[f32],
) {
    for (offset, (product, square)) in products.iter().zip(squares).enumerate() {
        let distance = square - 2.0 * product;
        if distance < list[CANDIDATES - 1].0 {
            let place = list.partition_point(|candidate| candidate.0 <= distance);
            list[place..].rotate_right(1);
            list[place] = (distance, first_id + offset);
        }
    }
}

fn exact_nearest(rows: Rows<'_>, query: &[f32], list: &[Candidate; CANDIDATES]) -> usize {
    let distance = |id: usize| -> f64 {
        let pairs = rows.row(id).iter().zip(query);
        pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
    };
    let known = list.iter().filter(|candidate| candidate.1 < rows.len());
    let ranked = known.map(|&(_, id)| (distance(id), id));
    ranked.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map_or(0, |(_, id)| id)
}
