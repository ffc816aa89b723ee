//! The hot loops, behind one table chosen once for the CPU at hand.

mod scalar;

/// Bit-parallel overlap: `out[i] = popcount(query & rows[i])`, rows as long as `query`.
pub(crate) type Overlaps = fn(query: &[u64], rows: &[u64], out: &mut [u32]);

/// One implementation of every hot loop.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) overlaps: Overlaps,
}

/// The best table for this CPU.
pub(crate) fn table() -> &'static Table {
    &scalar::TABLE
}
