//! A growing matrix of bits whose rows are lists while they are nearly empty.

use crate::kernel::{self, bit_rows::LINE};

/// Bits that are only ever switched on, with how many are on in each row and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BitMatrix {
    columns: usize,
    rows: Vec<Row>,
    row_loads: Vec<u32>,
    column_loads: Vec<u32>,
}

/// One row: whichever of the two forms is smaller, so that equal matrices are equal to the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// The columns that are on, strictly increasing.
    List(Vec<u32>),
    /// Packed bits, whole cache lines.
    Bits(Vec<u64>),
}

/// Room that recalls need, kept between them.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) counts: Vec<u16>,
    words: Vec<u64>,
}

/// Words of a row of `columns` bits.
pub(crate) fn words_a_row(columns: usize) -> usize {
    columns.div_ceil(64).next_multiple_of(LINE)
}

/// The longest list that is not larger than the row's bits.
pub(crate) fn longest_list(columns: usize) -> usize {
    2 * words_a_row(columns)
}

impl BitMatrix {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            rows: vec![Row::List(Vec::new()); rows],
            row_loads: vec![0; rows],
            column_loads: vec![0; columns],
        }
    }

    /// The matrix of these rows, each in its right form, and loads that have been counted.
    pub(super) fn from_rows(columns: usize, rows: Vec<Row>, loads: (Vec<u32>, Vec<u32>)) -> Self {
        Self { columns, rows, row_loads: loads.0, column_loads: loads.1 }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Bits on in each row.
    pub(crate) fn row_loads(&self) -> &[u32] {
        &self.row_loads
    }

    /// Bits on in each column.
    pub(crate) fn column_loads(&self) -> &[u32] {
        &self.column_loads
    }

    /// Memory of the bits, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let loads = 4 * (self.row_loads.len() + self.column_loads.len());
        let row = |row: &Row| match row {
            Row::List(list) => 4 * list.capacity(),
            Row::Bits(words) => 8 * words.len(),
        };
        loads + self.rows.iter().map(|own| size_of::<Row>() + row(own)).sum::<usize>()
    }

    /// Switches on all `columns`, strictly increasing, of one row.
    pub(super) fn switch_on(&mut self, row: usize, columns: &[u32]) {
        let load = &mut self.row_loads[row];
        let longest = longest_list(self.columns);
        for &column in columns {
            if self.rows[row].switch_on(column) {
                *load += 1;
                self.column_loads[column as usize] += 1;
            }
        }
        if let Row::List(list) = &self.rows[row]
            && list.len() > longest
        {
            self.rows[row] = Row::Bits(packed(list, self.columns));
        }
    }

    /// How many of the rows `which` have each column on, into `scratch.counts`.
    pub(super) fn count(&self, which: &[u32], scratch: &mut Scratch) {
        let mut bits = Vec::with_capacity(which.len());
        scratch.counts.resize(words_a_row(self.columns) * 64, 0);
        for &row in which {
            if let Row::Bits(words) = &self.rows[row as usize] {
                bits.push(words.as_slice());
            }
        }
        (kernel::table().count_bits)(&bits, &mut scratch.counts);
        for &row in which {
            if let Row::List(list) = &self.rows[row as usize] {
                list.iter().for_each(|&column| scratch.counts[column as usize] += 1);
            }
        }
        scratch.counts.truncate(self.columns);
    }

    /// The columns that all of the rows `which`, at least one, have on.
    pub(super) fn common(&self, which: &[u32], scratch: &mut Scratch) -> Vec<u32> {
        let rows = which.iter().map(|&row| &self.rows[row as usize]);
        let (mut bits, mut shortest): (Vec<&[u64]>, Option<&Vec<u32>>) = (Vec::new(), None);
        for row in rows.clone() {
            match row {
                Row::Bits(words) => bits.push(words),
                Row::List(list) if shortest.is_none_or(|other| list.len() < other.len()) => {
                    shortest = Some(list);
                }
                Row::List(_) => {}
            }
        }
        if let Some(list) = shortest {
            let in_all = |column: &u32| rows.clone().all(|row| row.contains(*column));
            return list.iter().copied().filter(in_all).collect();
        }
        scratch.words.resize(words_a_row(self.columns), 0);
        (kernel::table().common_bits)(&bits, &mut scratch.words);
        ones(&scratch.words)
    }

    /// How many of `columns` each row has on.
    pub(super) fn count_rows(&self, columns: &[u32]) -> Vec<u16> {
        let asked = packed(columns, self.columns);
        let overlaps = kernel::table().overlaps;
        let count = |row: &Row| match row {
            Row::List(list) => list.iter().filter(|&&column| is_on(&asked, column)).count() as u16,
            Row::Bits(words) => {
                let mut count = [0];
                overlaps(&asked, words, &mut count);
                count[0] as u16
            }
        };
        self.rows.iter().map(count).collect()
    }
}

impl Row {
    /// Switches on one column; whether it was off.
    fn switch_on(&mut self, column: u32) -> bool {
        match self {
            Self::List(list) => match list.binary_search(&column) {
                Ok(_) => false,
                Err(place) => {
                    list.insert(place, column);
                    true
                }
            },
            Self::Bits(words) => {
                let (word, bit) = (&mut words[column as usize / 64], 1 << (column % 64));
                let was_off = *word & bit == 0;
                *word |= bit;
                was_off
            }
        }
    }

    fn contains(&self, column: u32) -> bool {
        match self {
            Self::List(list) => list.binary_search(&column).is_ok(),
            Self::Bits(words) => is_on(words, column),
        }
    }

    /// Whether a matrix of `columns` columns can hold this row, in this form.
    pub(super) fn is_proper(&self, columns: usize) -> bool {
        let ones = self.ones();
        let longest = longest_list(columns);
        ones.windows(2).all(|pair| pair[0] < pair[1])
            && ones.last().is_none_or(|&last| (last as usize) < columns)
            && match self {
                Self::List(list) => list.len() <= longest,
                Self::Bits(words) => words.len() == words_a_row(columns) && ones.len() > longest,
            }
    }

    /// The columns that are on, strictly increasing.
    pub(crate) fn ones(&self) -> Vec<u32> {
        match self {
            Self::List(list) => list.clone(),
            Self::Bits(words) => ones(words),
        }
    }
}

fn is_on(words: &[u64], column: u32) -> bool {
    words[column as usize / 64] >> (column % 64) & 1 == 1
}

/// The columns of `list` as a row of `columns` bits.
fn packed(list: &[u32], columns: usize) -> Vec<u64> {
    let mut words = vec![0; words_a_row(columns)];
    list.iter().for_each(|&column| words[column as usize / 64] |= 1 << (column % 64));
    words
}

/// The places of the bits that are on.
fn ones(words: &[u64]) -> Vec<u32> {
    let mut places = Vec::new();
    for (number, &word) in words.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            places.push((number * 64) as u32 + left.trailing_zeros());
            left &= left - 1;
        }
    }
    places
}
