//! The reference: plain loops, the meaning of every kernel.

use super::Table;

pub(super) static TABLE: Table = Table { overlaps };

fn overlaps(query: &[u64], rows: &[u64], out: &mut [u32]) {
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        *out = row.iter().zip(query).map(|(a, b)| (a & b).count_ones()).sum();
    }
}
