//! Rows of packed bits: how many of some rows have each bit on, and which bits all of them have.
//!
//! A row is a whole number of [`LINE`]s, 64 bytes each. The functions here are the meaning of the
//! kernels of the same name.

/// Words of a cache line.
pub(crate) const LINE: usize = 8;
/// Bits of a cache line.
const LINE_BITS: usize = LINE * 64;
/// Rows that counts of 8 bits can take.
const ROWS_A_BYTE: usize = 255;

/// See [`super::Table::count_bits`].
pub(super) fn count_bits(rows: &[&[u64]], counts: &mut [u16]) {
    counts.fill(0);
    for row in rows {
        for (word, counts) in row.iter().zip(counts.as_chunks_mut::<64>().0) {
            let mut left = *word;
            while left != 0 {
                counts[left.trailing_zeros() as usize] += 1;
                left &= left - 1;
            }
        }
    }
}

/// See [`super::Table::common_bits`].
#[inline(always)]
pub(super) fn common_bits(rows: &[&[u64]], out: &mut [u64]) {
    let (first, others) = rows.split_first().expect("at least one row");
    for (number, out) in out.as_chunks_mut::<LINE>().0.iter_mut().enumerate() {
        let line = |row: &[u64]| row.as_chunks::<LINE>().0[number];
        let mut common = line(first);
        for row in others {
            for (common, word) in common.iter_mut().zip(line(row)) {
                *common &= word;
            }
        }
        *out = common;
    }
}

/// One bit a byte, 32 of them a vector.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use std::arch::x86_64::*;

    use super::ROWS_A_BYTE;

    #[target_feature(enable = "avx2")]
    pub(crate) fn count_bits(rows: &[&[u64]], counts: &mut [u16]) {
        for (number, counts) in counts.as_chunks_mut::<64>().0.iter_mut().enumerate() {
            counts.fill(0);
            for rows in rows.chunks(ROWS_A_BYTE) {
                let mut halves = [_mm256_setzero_si256(); 2];
                for row in rows {
                    let word = row[number];
                    halves[0] = _mm256_sub_epi8(halves[0], spread(word as u32));
                    halves[1] = _mm256_sub_epi8(halves[1], spread((word >> 32) as u32));
                }
                for (half, counts) in halves.into_iter().zip(counts.as_chunks_mut::<32>().0) {
                    let (low, high) = counts.split_at_mut(16);
                    add(low, _mm256_castsi256_si128(half));
                    add(high, _mm256_extracti128_si256::<1>(half));
                }
            }
        }
    }

    /// Byte `i` is -1 if bit `i` is on, else 0.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn spread(bits: u32) -> __m256i {
        let byte_of_lane = _mm256_setr_epi64x(
            0,
            0x0101_0101_0101_0101,
            0x0202_0202_0202_0202,
            0x0303_0303_0303_0303,
        );
        let bit_of_lane = _mm256_set1_epi64x(0x8040_2010_0804_0201u64 as i64);
        let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits as i32), byte_of_lane);
        _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of_lane), bit_of_lane)
    }

    /// Adds sixteen bytes to sixteen counts.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn add(counts: &mut [u16], bytes: __m128i) {
        let counts: &mut [u16; 16] = counts.try_into().expect("sixteen counts");
        // SAFETY: sixteen counts of 2 bytes are read and written; neither needs an alignment.
        unsafe {
            let old = _mm256_loadu_si256(counts.as_ptr().cast());
            let new = _mm256_add_epi16(old, _mm256_cvtepu8_epi16(bytes));
            _mm256_storeu_si256(counts.as_mut_ptr().cast(), new);
        }
    }
}

/// A word of a row is a mask: one instruction adds it to 64 counts.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    use std::arch::x86_64::*;

    use super::{LINE, LINE_BITS, ROWS_A_BYTE};

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(crate) fn count_bits(rows: &[&[u64]], counts: &mut [u16]) {
        let one = _mm512_set1_epi8(1);
        for (number, counts) in counts.as_chunks_mut::<LINE_BITS>().0.iter_mut().enumerate() {
            counts.fill(0);
            for rows in rows.chunks(ROWS_A_BYTE) {
                let mut bytes = [_mm512_setzero_si512(); LINE];
                for row in rows {
                    let line = &row.as_chunks::<LINE>().0[number];
                    for (bytes, mask) in bytes.iter_mut().zip(line) {
                        *bytes = _mm512_mask_add_epi8(*bytes, *mask, *bytes, one);
                    }
                }
                for (bytes, counts) in bytes.into_iter().zip(counts.as_chunks_mut::<64>().0) {
                    let (low, high) = counts.split_at_mut(32);
                    add(low, _mm512_castsi512_si256(bytes));
                    add(high, _mm512_extracti64x4_epi64::<1>(bytes));
                }
            }
        }
    }

    /// Adds 32 bytes to 32 counts.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn add(counts: &mut [u16], bytes: __m256i) {
        let counts: &mut [u16; 32] = counts.try_into().expect("32 counts");
        // SAFETY: 32 counts of 2 bytes are read and written; neither needs an alignment.
        unsafe {
            let old = _mm512_loadu_si512(counts.as_ptr().cast());
            let new = _mm512_add_epi16(old, _mm512_cvtepu8_epi16(bytes));
            _mm512_storeu_si512(counts.as_mut_ptr().cast(), new);
        }
    }
}
