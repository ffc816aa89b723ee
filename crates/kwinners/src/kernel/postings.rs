//! Counting overlaps of one query with many codes: by columns of bits, and along lists.
//!
//! **Columns.** A [`Line`] is one unit over 512 codes, a bit each. The lines of a query's units are
//! added up bit-parallel, 512 sums at once, in a tree of carry-save adders (Harley and Seal; Muła, Kurz
//! and Lemire 2018): bit `c` of plane `i` is bit `i` of the overlap with code `c`. Eight lines cost 14
//! operations and a ripple, so with 2 % of the bits on this is several times faster than touching only
//! the ones, each by a load, an increment and a store.
//!
//! **Lists.** Where units are seldom on, the codes that have a unit are a list of 16-bit places, and
//! counters of a block of [`LIST_BLOCK`] codes stay in the cache.

#[cfg(target_arch = "x86_64")]
pub(super) mod wide;

/// Codes a [`Line`] has.
pub(crate) const LINE: usize = 512;
/// Codes that the counters of one pass along lists are for.
pub(crate) const LIST_BLOCK: usize = 1 << 15;
/// Planes of sums below 8, which a group of eight lines is added to at once.
const LOW_PLANES: usize = 3;

/// One bit for each of 512 codes; bit `c % 64` of word `c / 64` is code `c`'s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u64; 8]);

impl Line {
    /// All bits on.
    pub(crate) const FULL: Self = Self([u64::MAX; 8]);

    /// The first `count` bits on.
    pub(crate) fn first(count: usize) -> Self {
        Self(std::array::from_fn(|word| match count.saturating_sub(word * 64) {
            0 => 0,
            bits @ 1..64 => (1 << bits) - 1,
            _ => u64::MAX,
        }))
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |any, word| any | word) == 0
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    pub(crate) fn get(&self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    pub(crate) fn set(&mut self, place: usize, on: bool) {
        let bit = 1 << (place % 64);
        if on { self.0[place / 64] |= bit } else { self.0[place / 64] &= !bit }
    }

    /// The places of the bits that are on, rising.
    pub(crate) fn places(self) -> impl Iterator<Item = usize> {
        (0..8).flat_map(move |word| {
            let mut left = self.0[word];
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(word * 64 + bit)
            })
        })
    }
}

/// The lines of a block of codes: `(units, width)`, those of one unit side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    pub(crate) lines: &'a [Line],
    pub(crate) width: usize,
}

/// The planes that sums of up to `most` lines need.
pub(crate) fn planes_for(most: usize) -> usize {
    (most.max(1).ilog2() as usize + 1).max(LOW_PLANES)
}

/// The overlap of code `place` that the planes hold.
pub(crate) fn sum_at(planes: &[Line], place: usize) -> u32 {
    planes.iter().enumerate().map(|(bit, plane)| u32::from(plane.get(place)) << bit).sum()
}

/// Adds the lines of `units` in column `column` to the sums in `planes`, and says which of the 512 codes
/// have a sum of `least` or more.
///
/// # Panics
/// If a unit has no line. Sums that need more planes than there are lose their high bits.
pub(crate) type AddLines =
    fn(columns: Columns<'_>, column: usize, units: &[u32], least: u32, planes: &mut [Line]) -> Line;

/// Has the cache fetch `lines`, which are soon to be read. The rows of a query lie apart, so that the CPU
/// can't foresee them.
#[inline]
pub(crate) fn prefetch(lines: &[Line]) {
    #[cfg(target_arch = "x86_64")]
    for line in lines {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: prefetching changes nothing and every x86-64 CPU can.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = lines;
}

#[inline(always)]
fn map2(a: &Line, b: &Line, each: impl Fn(u64, u64) -> u64) -> Line {
    Line(std::array::from_fn(|word| each(a.0[word], b.0[word])))
}

/// A full adder: `a` becomes the sum, the carry is returned.
#[inline(always)]
fn add(a: &mut Line, b: &Line, c: &Line) -> Line {
    let half = map2(a, b, |a, b| a ^ b);
    let carry =
        Line(std::array::from_fn(|word| (a.0[word] & b.0[word]) | (half.0[word] & c.0[word])));
    *a = map2(&half, c, |half, c| half ^ c);
    carry
}

/// Adds `carry` to the number whose lowest bit is the first of `planes`.
#[inline(always)]
fn ripple(planes: &mut [Line], mut carry: Line) {
    for plane in planes {
        let next = map2(plane, &carry, |plane, carry| plane & carry);
        *plane = map2(plane, &carry, |plane, carry| plane ^ carry);
        carry = next;
    }
}

/// [`AddLines`] in plain loops, which every table compiles for its own instructions.
#[inline(always)]
pub(super) fn add_lines(
    columns: Columns<'_>,
    column: usize,
    units: &[u32],
    least: u32,
    planes: &mut [Line],
) -> Line {
    let line = |unit: u32| &columns.lines[unit as usize * columns.width + column];
    let (groups, rest) = units.as_chunks::<8>();
    for group in groups {
        let [ones, twos, fours, upper @ ..] = &mut *planes else { panic!("three planes at least") };
        let mut pair = |a: usize| add(ones, line(group[a]), line(group[a + 1]));
        let (first, second, third, fourth) = (pair(0), pair(2), pair(4), pair(6));
        let low = add(twos, &first, &second);
        let high = add(twos, &third, &fourth);
        let carry = add(fours, &low, &high);
        ripple(upper, carry);
    }
    rest.iter().for_each(|&unit| ripple(planes, *line(unit)));
    at_least(planes, least)
}

/// Which sums are `least` or more: compared from the lowest bit up.
#[inline(always)]
fn at_least(planes: &[Line], least: u32) -> Line {
    if least as usize >> planes.len() != 0 {
        return Line::default();
    }
    planes.iter().enumerate().fold(Line::FULL, |reached, (bit, plane)| {
        let needed = least >> bit & 1 == 1;
        map2(
            plane,
            &reached,
            |plane, reached| {
                if needed { plane & reached } else { plane | reached }
            },
        )
    })
}

/// `counters[place] += 1` for each of `places`.
///
/// # Panics
/// If a place is past the last counter.
pub(crate) fn add_list(places: &[u16], counters: &mut [u16; LIST_BLOCK]) {
    for &place in places {
        let counter = &mut counters[place as usize % LIST_BLOCK];
        *counter = counter.wrapping_add(1);
    }
}

/// Appends the places of all counters of `least` or more, rising.
pub(crate) type CountersAtLeast = fn(counters: &[u16], least: u16, places: &mut Vec<u32>);

/// [`CountersAtLeast`] in plain loops, compiled by every table: whole lines are passed over where
/// none is large enough.
#[inline(always)]
pub(super) fn counters_at_least(counters: &[u16], least: u16, places: &mut Vec<u32>) {
    for (number, group) in counters.chunks(64).enumerate() {
        let largest = group.iter().copied().fold(0, u16::max);
        if largest < least {
            continue;
        }
        let reached = group.iter().enumerate().filter(|(_, count)| **count >= least);
        places.extend(reached.map(|(place, _)| (number * 64 + place) as u32));
    }
}
