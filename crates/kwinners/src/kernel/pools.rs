//! Pools of synapses that are connected or not: what a spatial pooler counts, picks and learns.
//!
//! Columns come in tiles of [`TILE_COLUMNS`], inputs in words of [`WORD_INPUTS`] bits. A tile keeps,
//! for each word, the connected bits of all its columns side by side ([`Lanes`]): one vector is met
//! by one word of the input, and 32 columns are counted at once. Permanences are whole numbers,
//! [`FULL`] being 1, and lie column by column ([`Synapses`]): learning touches winners only.
//!
//! The functions here are the meaning of the kernels of the same name. They are written so that the
//! compiler makes vectors of them, once for each instruction set that inlines them.

use super::select::key;

/// Columns a tile.
pub(crate) const TILE_COLUMNS: usize = 32;
/// Inputs a word.
pub(crate) const WORD_INPUTS: usize = 16;
/// The permanence 1; a step is then 0.00002.
pub(crate) const FULL: u16 = 50_000;
/// What stands for an input outside a column's pool: no permanence, never changed.
pub(crate) const OUTSIDE: u16 = u16::MAX;

/// One word of connected bits of each column of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Lanes(pub(crate) [u16; TILE_COLUMNS]);

impl Lanes {
    pub(crate) const NONE: Self = Self([0; TILE_COLUMNS]);
}

/// The permanences of one column for one word of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub(crate) struct Synapses(pub(crate) [u16; WORD_INPUTS]);

impl Synapses {
    pub(crate) const OUTSIDE: Self = Self([OUTSIDE; WORD_INPUTS]);
}

/// How learning moves the permanences of one column, all in parts of [`FULL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adaptation {
    /// Added where the input is on.
    pub(crate) increment: u16,
    /// Taken away where it is off.
    pub(crate) decrement: u16,
    /// Permanences below this become 0; 0 for none.
    pub(crate) trim: u16,
    /// Synapses from this permanence on are connected; at least 1.
    pub(crate) connected: u16,
}

/// A word of an input that is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActiveWord {
    pub(crate) place: u32,
    pub(crate) bits: u16,
}

/// Binary inputs as words of [`WORD_INPUTS`] bits, and for each row the words that are not 0.
#[derive(Debug, Default)]
pub(crate) struct WordRows {
    words_a_row: usize,
    /// `(len, words_a_row)`.
    words: Vec<u16>,
    /// Increasing within a row.
    active: Vec<ActiveWord>,
    /// Active words of row `r` from word `w` on start at `starts[r * (words_a_row + 1) + w]`.
    starts: Vec<u32>,
}

impl WordRows {
    /// Forgets all rows; the next ones have `width` bits.
    pub(crate) fn clear(&mut self, width: usize) {
        self.words_a_row = width.div_ceil(WORD_INPUTS);
        self.words.clear();
        self.active.clear();
        self.starts.clear();
    }

    /// Appends a row, whose words `fill` writes over zeros.
    pub(crate) fn push(&mut self, fill: impl FnOnce(&mut [u16])) {
        let start = self.words.len();
        self.words.resize(start + self.words_a_row, 0);
        fill(&mut self.words[start..]);
        for (place, &bits) in self.words[start..].iter().enumerate() {
            self.starts.push(self.active.len() as u32);
            if bits != 0 {
                self.active.push(ActiveWord { place: place as u32, bits });
            }
        }
        self.starts.push(self.active.len() as u32);
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() / (self.words_a_row + 1)
    }

    /// All words of one row.
    pub(crate) fn words(&self, row: usize) -> &[u16] {
        &self.words[row * self.words_a_row..][..self.words_a_row]
    }

    /// The words of one row that are not 0, of those from `first` on and before `end`.
    pub(crate) fn active(&self, row: usize, first: usize, end: usize) -> &[ActiveWord] {
        let starts = &self.starts[row * (self.words_a_row + 1)..][..=self.words_a_row];
        &self.active[starts[first] as usize..starts[end] as usize]
    }
}

/// See [`super::Table::adapt`].
pub(crate) type Adapt = fn(
    column: &mut [Synapses],
    inputs: &[u16],
    rule: &Adaptation,
    tile: &mut [Lanes],
    lane: usize,
) -> u32;

/// See [`super::Table::local_winners`].
pub(crate) type LocalWinners = fn(
    scores: &[f32],
    grid: &Neighbourhoods,
    bounds: (f32, f32),
    scratch: &mut LocalScratch,
    winners: &mut Vec<u32>,
);

/// See [`super::Table::pool_overlaps`].
#[inline(always)]
pub(super) fn pool_overlaps(
    tile: &[Lanes],
    first: usize,
    rows: &WordRows,
    out: &mut [u16],
    stride: usize,
) {
    for row in 0..rows.len() {
        let mut counts = [0u16; TILE_COLUMNS];
        for word in rows.active(row, first, first + tile.len()) {
            let lanes = &tile[word.place as usize - first].0;
            for (count, connected) in counts.iter_mut().zip(lanes) {
                *count += (connected & word.bits).count_ones() as u16;
            }
        }
        out[row * stride..][..TILE_COLUMNS].copy_from_slice(&counts);
    }
}

/// See [`super::Table::bits_at_least`].
#[inline(always)]
pub(super) fn bits_at_least(values: &[f32], limit: f32, words: &mut [u16]) {
    for (values, word) in values.chunks(WORD_INPUTS).zip(words) {
        let bit = |(place, value): (usize, &f32)| u16::from(*value >= limit) << place;
        *word = values.iter().enumerate().map(bit).fold(0, |word, bit| word | bit);
    }
}

/// See [`super::Table::adapt`].
#[inline(always)]
pub(super) fn adapt(
    column: &mut [Synapses],
    inputs: &[u16],
    rule: &Adaptation,
    tile: &mut [Lanes],
    lane: usize,
) -> u32 {
    let mut count = 0;
    for ((synapses, input), lanes) in column.iter_mut().zip(inputs).zip(tile) {
        let mut bits = 0;
        for (place, permanence) in synapses.0.iter_mut().enumerate() {
            let old = *permanence;
            let raised = old.saturating_add(rule.increment).min(FULL);
            let lowered = old.saturating_sub(rule.decrement);
            let moved = if input >> place & 1 == 1 { raised } else { lowered };
            let moved = if moved >= rule.trim { moved } else { 0 };
            let inside = old <= FULL;
            *permanence = if inside { moved } else { old };
            bits |= u16::from(inside && moved >= rule.connected) << place;
        }
        lanes.0[lane] = bits;
        count += bits.count_ones();
    }
    count
}

/// The threshold that exactly the `k` largest of `counts` reach but for ties: the `k`-th largest.
#[inline(always)]
pub(super) fn kth_count(counts: &[u16], k: usize, at_least: impl Fn(&[u16], u16) -> usize) -> u16 {
    let largest = counts.iter().fold(0, |largest, &count| largest.max(count));
    // `k` counts reach `low`; fewer reach `high`.
    let (mut low, mut high) = (0u32, u32::from(largest) + 1);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if at_least(counts, middle as u16) >= k {
            low = middle;
        } else {
            high = middle;
        }
    }
    low as u16
}

/// How many of `counts` reach `limit`, in 32 lanes.
#[inline(always)]
pub(super) fn count_at_least(counts: &[u16], limit: u16) -> usize {
    let mut total = 0;
    // No lane is counted more often than 65,535 times.
    for counts in counts.chunks(32 * 65_535) {
        let (vectors, rest) = counts.as_chunks::<32>();
        let mut lanes = [0u16; 32];
        for vector in vectors {
            for (lane, count) in lanes.iter_mut().zip(vector) {
                *lane += u16::from(*count >= limit);
            }
        }
        total += lanes.iter().map(|&lane| usize::from(lane)).sum::<usize>();
        total += rest.iter().filter(|count| **count >= limit).count();
    }
    total
}

/// See [`super::Table::select_counts`]; `at_least` says how many of all counts reach a limit,
/// `reaching` which of up to 32.
#[inline(always)]
pub(super) fn select_counts(
    counts: &[u16],
    out: &mut [u32],
    at_least: impl Fn(&[u16], u16) -> usize,
    reaching: impl Fn(&[u16], u16) -> u32,
) {
    let k = out.len();
    assert!(0 < k && k <= counts.len(), "between 1 and n winners");
    let limit = kth_count(counts, k, &at_least);
    let above = if limit == u16::MAX { 0 } else { at_least(counts, limit + 1) };
    let (mut ties, mut slots) = (k - above, out.iter_mut());
    for (group, counts) in counts.chunks(32).enumerate() {
        let mut left = reaching(counts, limit);
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            let tied = counts[place] == limit;
            if tied && ties == 0 {
                continue;
            }
            ties -= usize::from(tied);
            if let Some(slot) = slots.next() {
                *slot = (group * 32 + place) as u32;
            }
        }
    }
}

/// One bit for each of up to 32 counts: whether it reaches `limit`.
#[inline(always)]
pub(super) fn reaching(counts: &[u16], limit: u16) -> u32 {
    let bit = |(place, count): (usize, &u16)| u32::from(*count >= limit) << place;
    counts.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit)
}

/// The columns of a grid that compete in neighbourhoods: hypercubes around each. A line of the grid
/// is kept as `words` words of 64 bits, a bit a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Neighbourhoods {
    /// Columns along the last axis.
    line: usize,
    words: usize,
    /// For each line of the grid, the first words of the lines that its neighbourhoods reach:
    /// `starts[ends[l - 1]..ends[l]]`.
    starts: Vec<u32>,
    ends: Vec<usize>,
    /// For each column of a line, what its neighbourhood takes of a line, `(line, words)`.
    masks: Vec<u64>,
}

impl Neighbourhoods {
    /// Of lines of `line` columns, of which `reached` lists the lines that neighbourhoods in each
    /// reach, and `taken` for each column of a line the columns that its neighbourhood takes of one.
    pub(crate) fn new(
        line: usize,
        reached: impl Iterator<Item = Vec<u32>>,
        taken: impl Iterator<Item = Vec<usize>>,
    ) -> Self {
        let words = line.div_ceil(64);
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for lines in reached {
            starts.extend(lines.into_iter().map(|line| line * words as u32));
            ends.push(starts.len());
        }
        let mut masks = vec![0; line * words];
        for (mask, places) in masks.chunks_exact_mut(words).zip(taken) {
            places.into_iter().for_each(|place| mask[place / 64] |= 1 << (place % 64));
        }
        Self { line, words, starts, ends, masks }
    }

    /// First words of the lines that neighbourhoods in line `line` reach.
    fn starts(&self, line: usize) -> &[u32] {
        let start = if line == 0 { 0 } else { self.ends[line - 1] };
        &self.starts[start..self.ends[line]]
    }

    fn mask(&self, place: usize) -> &[u64] {
        &self.masks[place * self.words..][..self.words]
    }

    /// Word and bit of a column.
    fn bit(&self, column: u32) -> (usize, u64) {
        let (line, place) = (column as usize / self.line, column as usize % self.line);
        (line * self.words + place / 64, 1 << (place % 64))
    }
}

/// Buffers of [`super::Table::local_winners`], kept between calls.
#[derive(Debug, Default)]
pub(crate) struct LocalScratch {
    /// A column's key and number, the key rising as the score falls.
    order: Vec<u64>,
    other: Vec<u64>,
    /// The columns that are above the one looked at, or tied with it and chosen.
    ahead: Vec<u64>,
}

impl LocalScratch {
    /// Sorts the columns: falling scores, equal ones by rising number. Three stable passes over 11
    /// bits of the keys each; a pass that would change nothing is left out.
    fn sort(&mut self, scores: &[f32]) {
        let rank = |score: f32| !(key(score + 0.0) as u32 ^ 0x8000_0000);
        let pairs = scores.iter().enumerate();
        self.order.clear();
        self.order.extend(pairs.map(|(at, score)| u64::from(rank(*score)) << 32 | at as u64));
        self.other.resize(scores.len(), 0);
        for shift in [32, 43, 54] {
            let digit = |pair: u64| (pair >> shift) as usize & 0x7FF;
            let mut places = [0u32; 0x800];
            self.order.iter().for_each(|pair| places[digit(*pair)] += 1);
            if places[digit(self.order[0])] as usize == self.order.len() {
                continue;
            }
            let mut sum = 0;
            for place in &mut places {
                sum += std::mem::replace(place, sum);
            }
            for &pair in &self.order {
                let place = &mut places[digit(pair)];
                self.other[*place as usize] = pair;
                *place += 1;
            }
            std::mem::swap(&mut self.order, &mut self.other);
        }
    }
}

/// See [`super::Table::local_winners`].
///
/// Columns are looked at from the largest score to the smallest. What is ahead of a column is then
/// a map of bits, and counting it in a neighbourhood is a popcount a line, which ends as soon as
/// there is no room left.
#[inline(always)]
pub(super) fn local_winners(
    scores: &[f32],
    grid: &Neighbourhoods,
    (density, least): (f32, f32),
    scratch: &mut LocalScratch,
    winners: &mut Vec<u32>,
) {
    if scores.is_empty() {
        return;
    }
    scratch.sort(scores);
    let LocalScratch { order, ahead, .. } = scratch;
    ahead.clear();
    ahead.resize(grid.ends.len() * grid.words, 0);
    let same_score = |a: &u64, b: &u64| a >> 32 == b >> 32;
    for tied in order.chunk_by(same_score) {
        if scores[tied[0] as u32 as usize] < least {
            break;
        }
        for &pair in tied {
            let column = pair as u32;
            let (line, place) = (column as usize / grid.line, column as usize % grid.line);
            let (starts, mask) = (grid.starts(line), grid.mask(place));
            let width: u32 = mask.iter().map(|word| word.count_ones()).sum();
            let room = (0.5 + density * (starts.len() as u32 * width) as f32) as u32;
            if is_chosen(ahead, starts, mask, room) {
                winners.push(column);
                let (word, bit) = grid.bit(column);
                ahead[word] |= bit;
            }
        }
        for &pair in tied {
            let (word, bit) = grid.bit(pair as u32);
            ahead[word] |= bit;
        }
    }
    winners.sort_unstable();
}

/// Whether fewer than `room` columns of a neighbourhood are ahead.
#[inline(always)]
fn is_chosen(ahead: &[u64], starts: &[u32], mask: &[u64], room: u32) -> bool {
    let mut count = 0;
    for &start in starts {
        let line = &ahead[start as usize..][..mask.len()];
        count += line.iter().zip(mask).map(|(bits, mask)| (bits & mask).count_ones()).sum::<u32>();
        if count >= room {
            return false;
        }
    }
    count < room
}
