//! Adding lines by AVX-512: a full adder is two instructions.

use std::arch::x86_64::*;

use super::{Columns, Line};

/// As [`postings::add_lines`]; up to seven planes stay in registers, which is for 127 units.
#[target_feature(enable = "avx512f")]
pub(in super::super) fn add_lines(
    columns: Columns<'_>,
    column: usize,
    units: &[u32],
    least: u32,
    planes: &mut [Line],
) -> Line {
    match planes.len() {
        3 => add_lines_to::<3>(columns, column, units, least, planes),
        4 => add_lines_to::<4>(columns, column, units, least, planes),
        5 => add_lines_to::<5>(columns, column, units, least, planes),
        6 => add_lines_to::<6>(columns, column, units, least, planes),
        7 => add_lines_to::<7>(columns, column, units, least, planes),
        _ => super::add_lines(columns, column, units, least, planes),
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_lines_to<const PLANES: usize>(
    columns: Columns<'_>,
    column: usize,
    units: &[u32],
    least: u32,
    planes: &mut [Line],
) -> Line {
    const SUM: i32 = 0x96;
    const MAJORITY: i32 = 0xE8;
    // Loops, here and below: a closure that is called by another function is not inlined into it
    // across the instruction sets.
    let mut last = 0;
    for &unit in units {
        last = last.max(unit as usize);
    }
    let place = last.checked_mul(columns.width).and_then(|place| place.checked_add(column));
    assert!(place.is_some_and(|place| place < columns.lines.len()), "every unit has a line");
    let line = |unit: u32| {
        // SAFETY: the place of the last unit was just compared with the number of lines.
        let line = unsafe { columns.lines.get_unchecked(unit as usize * columns.width + column) };
        load_words(&line.0)
    };
    let mut sums = [_mm512_setzero_si512(); PLANES];
    for (sum, plane) in sums.iter_mut().zip(&*planes) {
        *sum = load_words(&plane.0);
    }
    let add = |sum: &mut __m512i, b: __m512i, c: __m512i| {
        let carry = _mm512_ternarylogic_epi64::<MAJORITY>(*sum, b, c);
        *sum = _mm512_ternarylogic_epi64::<SUM>(*sum, b, c);
        carry
    };
    let ripple = |sums: &mut [__m512i], mut carry: __m512i| {
        for sum in sums {
            let next = _mm512_and_si512(*sum, carry);
            *sum = _mm512_xor_si512(*sum, carry);
            carry = next;
        }
    };
    let (groups, rest) = units.as_chunks::<8>();
    for group in groups {
        let mut pair = |a: usize| add(&mut sums[0], line(group[a]), line(group[a + 1]));
        let (first, second, third, fourth) = (pair(0), pair(2), pair(4), pair(6));
        let low = add(&mut sums[1], first, second);
        let high = add(&mut sums[1], third, fourth);
        let carry = add(&mut sums[2], low, high);
        ripple(&mut sums[3..], carry);
    }
    for &unit in rest {
        ripple(&mut sums, line(unit));
    }
    for (plane, sum) in planes.iter_mut().zip(sums) {
        store_words(sum, &mut plane.0);
    }
    if least as usize >> PLANES != 0 {
        return Line::default();
    }
    let mut reached = _mm512_set1_epi64(-1);
    for (bit, sum) in sums.into_iter().enumerate() {
        let needed = least >> bit & 1 == 1;
        let (both, any) = (_mm512_and_si512(sum, reached), _mm512_or_si512(sum, reached));
        reached = if needed { both } else { any };
    }
    let mut out = Line::default();
    store_words(reached, &mut out.0);
    out
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_words(words: __m512i, out: &mut [u64; 8]) {
    // SAFETY: the array is 64 bytes long and the store needs no alignment.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), words) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_words(words: &[u64; 8]) -> __m512i {
    // SAFETY: the array is 64 bytes long and the load needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}
