//! Every table of this CPU against the scalar one, bit for bit, and selection against a sort.

use proptest::collection::vec;
use proptest::prelude::*;

use super::maps::{RowPair, SparsePattern, Windows};
use super::pools::{
    Adaptation, FULL, Lanes, LocalScratch, Neighbourhoods, OUTSIDE, Synapses, TILE_COLUMNS,
    WordRows,
};
use super::postings::{self, Columns, LINE, Line};
use super::tiles::{BLOCK, BlockedRows, CHUNK, Pair, TILE_UNITS};
use super::vectors::{AdamStep, Moved, Noise, Weighted};
use super::{SelectScratch, Table, available, table};

/// Scores with many ties, infinities and zeros of both signs.
fn scores(len: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<f32>> {
    let score = prop_oneof![
        6 => -100.0f32..100.0,
        3 => (-3i8..4).prop_map(f32::from),
        1 => Just(-0.0),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(f32::MIN_POSITIVE / 2.0),
    ];
    vec(score, len)
}

/// Half the values are zero, so that blocks are skipped.
fn rows_of(width: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let value = prop_oneof![Just(0.0f32), -2.0f32..2.0];
    vec(vec(value, width), 1..10)
}

fn blocked(width: usize, rows: &[Vec<f32>]) -> BlockedRows {
    let mut blocked = BlockedRows::default();
    blocked.clear(width, rows.len());
    rows.iter().for_each(|row| blocked.push(width, |slots| slots.copy_from_slice(row)));
    blocked.group();
    blocked
}

/// Enough for a group of four and a rest.
const TILES: usize = 6;

fn by_sorting(scores: &[f32], k: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|&a, &b| {
        let (x, y) = (scores[a as usize], scores[b as usize]);
        y.partial_cmp(&x).expect("no NaN").then(a.cmp(&b))
    });
    order.truncate(k);
    order.sort_unstable();
    order
}

fn picked(table: &Table, scores: &[f32], k: usize) -> Result<Vec<u32>, usize> {
    let mut out = vec![0; k];
    (table.select)(scores, &mut SelectScratch::default(), &mut out).map(|()| out)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn selection_is_sorting(scores in scores(1..700), share in 0.0f64..1.0) {
        let k = 1 + (share * share * (scores.len() - 1) as f64) as usize;
        let expected = by_sorting(&scores, k);
        for table in available() {
            prop_assert_eq!(picked(table, &scores, k), Ok(expected.clone()), "{}", table.name);
        }
    }

    #[test]
    fn selection_names_the_first_nan(mut scores in scores(1..300), place in 0usize..300) {
        let place = place % scores.len();
        scores[place] = f32::NAN;
        for table in available() {
            prop_assert_eq!(picked(table, &scores, 1), Err(place), "{}", table.name);
        }
    }

    #[test]
    fn overlaps_agree(
        words in 1usize..5,
        seed in vec(any::<u64>(), 40 * 9),
        rows in 0usize..8,
    ) {
        let words = words * 8;
        let (query, stored) = (&seed[..words], &seed[words..words + rows * words]);
        let answers = available().into_iter().map(|table| {
            let mut out = vec![0; rows];
            (table.overlaps)(query, stored, &mut out);
            out
        });
        let answers: Vec<_> = answers.collect();
        prop_assert!(answers.iter().all(|answer| answer == answers.last().unwrap()));
    }

    #[test]
    fn lines_are_added_up(
        words in vec(any::<u64>(), 8 * 40),
        width in 1usize..4,
        units in vec(0u32..10, 0..200),
        stage in 0usize..200,
        least in 0u32..12,
    ) {
        let (lines, _) = words.as_chunks::<8>();
        let lines: Vec<Line> = lines.iter().map(|words| Line(*words)).collect();
        let columns = Columns { lines: &lines, width };
        let (first, second) = units.split_at(stage.min(units.len()));
        for table in available() {
            for column in 0..width {
                let naive = |place: usize| {
                    let on = |unit: &&u32| lines[**unit as usize * width + column].get(place);
                    units.iter().filter(on).count() as u32
                };
                let mut planes = vec![Line::default(); postings::planes_for(units.len())];
                (table.add_lines)(columns, column, first, 0, &mut planes);
                let reached = (table.add_lines)(columns, column, second, least, &mut planes);
                for place in 0..LINE {
                    prop_assert_eq!(postings::sum_at(&planes, place), naive(place), "{}", table.name);
                    prop_assert_eq!(reached.get(place), naive(place) >= least, "{}", table.name);
                }
            }
        }
    }

    #[test]
    fn counters_are_found(counters in vec(0u16..9, 0..700), least in 0u16..10) {
        let expected: Vec<u32> = (0..counters.len() as u32)
            .filter(|&place| counters[place as usize] >= least)
            .collect();
        for table in available() {
            let mut places = Vec::new();
            (table.counters_at_least)(&counters, least, &mut places);
            prop_assert_eq!(&places, &expected, "{}", table.name);
        }
    }

    #[test]
    fn tile_kernels_agree(
        rows in (1usize..40).prop_flat_map(rows_of),
        seed in vec(-1.0f32..1.0, CHUNK * 10 * TILES),
        units in proptest::collection::btree_set(0u32..8, 1..8),
        factors in proptest::array::uniform8(-1.0f32..1.0),
    ) {
        let blocked = blocked(rows[0].len(), &rows);
        let weights = &seed[..blocked.blocks() * CHUNK * TILES];
        let tile = &weights[..blocked.blocks() * CHUNK];
        let pairs: Vec<Pair> = (0..blocked.len() as u32)
            .flat_map(|row| units.iter().map(move |&unit| Pair { row, unit }))
            .collect();
        let answers = available().into_iter().map(|table| {
            let stride = TILES * TILE_UNITS + 3;
            let mut scores = vec![0.0; blocked.len() * stride];
            (table.scores)(weights, &blocked, &mut scores, stride);
            let mut sums = vec![0.5; blocked.len() * blocked.blocks() * BLOCK];
            (table.add_tile_rows)(tile, &pairs, &mut sums);
            let mut tile = tile.to_vec();
            (table.update_tile)(&mut tile, &pairs, &blocked, &factors);
            (bits(&scores), bits(&sums), bits(&tile))
        });
        let answers: Vec<_> = answers.collect();
        prop_assert!(answers.iter().all(|answer| answer == answers.last().unwrap()));
    }

    #[test]
    fn vector_kernels_agree(
        rows in (1usize..400).prop_flat_map(|width| vec(vec(-3.0f32..3.0, width), 1..6)),
        parts in vec((0u32..6, -2.0f32..2.0), 0..20),
        keys in any::<[u32; 3]>(),
    ) {
        let len = rows.len() as u32;
        let flat = rows.concat();
        let which: Vec<u32> = parts.iter().map(|(row, _)| row % len).collect();
        let parts: Vec<Weighted> =
            parts.iter().map(|&(row, factor)| Weighted { row: row % len, factor }).collect();
        let step = AdamStep { beta1: 0.9, beta2: 0.999, rate: 0.01, correction: 1.5, epsilon: 1e-8 };
        let noise = Noise {
            keys: [keys[0], keys[1]],
            deviation: 0.25,
            keep_below: keys[2],
            keep_factor: 1.25,
        };
        let answers = available().into_iter().map(|table| {
            let mut sums = rows[0].clone();
            (table.add_weighted_rows)(&flat, &parts, &mut sums);
            let mut runs = flat[rows.len() - 1..].to_vec();
            (table.add_weighted_runs)(&flat, &parts, &mut runs);
            let mut dots = vec![0.0; which.len()];
            (table.dots)(&flat, &which, &rows[0], &mut dots);
            let (mut values, mut mean, mut square) = (flat.clone(), flat.clone(), vec![0.5; flat.len()]);
            let moved = Moved { values: &mut values, mean: &mut mean, square: &mut square };
            (table.adam)(moved, &flat, &step);
            let (mut near_one, mut noisy) = (flat.clone(), flat.clone());
            near_one.iter_mut().for_each(|value| *value *= 40.0);
            (table.sigmoid)(&mut near_one);
            (table.add_noise)(&mut noisy, keys[0], &noise);
            [sums, runs, dots, values, mean, square, near_one, noisy].map(|values| bits(&values))
        });
        let answers: Vec<_> = answers.collect();
        prop_assert!(answers.iter().all(|answer| answer == answers.last().unwrap()));
    }

    #[test]
    fn map_kernels_agree(
        (height, width, kernel) in (1usize..5, 1usize..9, 1usize..4),
        (channels, outputs) in (1usize..5, 1usize..84),
        seed in vec(-1.0f32..1.0, 4000),
        parts in vec((0u32..9, 0u32..9, -1.0f32..1.0), 0..30),
    ) {
        let input_width = width + kernel - 1;
        let shape = Windows { height, width, input_width, channels, kernel, outputs };
        let input = &seed[..(height + kernel - 1) * input_width * channels];
        let rectified: Vec<f32> = input.iter().map(|value| value.max(0.0)).collect();
        let active = rectified.iter().enumerate().filter(|(_, value)| **value > 0.0);
        let active: Vec<Weighted> =
            active.map(|(row, &factor)| Weighted { row: row as u32, factor }).collect();
        let before = |place: usize| active.partition_point(|part| (part.row as usize) < place) as u32;
        let starts: Vec<u32> = (0..=input.len() / channels).map(|cell| before(cell * channels)).collect();
        let weights: Vec<f32> =
            seed.iter().copied().cycle().take(kernel * kernel * channels * outputs).collect();
        let pairs: Vec<RowPair> =
            parts.iter().map(|&(row, from, _)| RowPair { row, from }).collect();
        let parts: Vec<Weighted> =
            parts.iter().map(|&(row, _, factor)| Weighted { row, factor }).collect();
        let ends = [pairs.len() as u32 / 2, pairs.len() as u32];
        let vectors: Vec<f32> = seed.iter().rev().copied().take(9 * outputs).collect();
        let answers = available().into_iter().map(|table| {
            let mut out = vec![0.0; height * width * outputs];
            (table.convolve)(&shape, input, &weights, &seed[..outputs], &mut out);
            let (mut whole, mut listed) = (out.clone(), out.clone());
            (table.convolve)(&shape, &rectified, &weights, &seed[..outputs], &mut whole);
            let lists = (&active[..], &starts[..]);
            (table.convolve_listed)(&shape, lists, &weights, &seed[..outputs], &mut listed);
            assert_eq!(whole, listed);
            let mut rows = seed[..9 * outputs].to_vec();
            (table.add_outer)(&mut rows, &vectors[..outputs], &parts);
            let mut dots = [0.0; 2];
            (table.sum_dots)((&rows, &vectors, outputs), &pairs, &ends, &mut dots);
            let mut pooled = vec![0.0; height / 2 * (width / 2) * outputs];
            let squares = (2, width);
            (table.max_pool)(&out, (height / 2, width / 2, outputs), squares, &mut pooled);
            [out, listed, rows, dots.to_vec(), pooled].map(|values| bits(&values))
        });
        let answers: Vec<_> = answers.collect();
        prop_assert!(answers.iter().all(|answer| answer == answers.last().unwrap()));
    }

    #[test]
    fn sparse_rows_are_rows_with_zeros(
        (rows, width) in (1usize..6, 1usize..70),
        seed in vec((-1.0f32..1.0, any::<bool>()), 6 * 70),
        parts in vec((0u32..6, -2.0f32..2.0), 0..12),
    ) {
        let kept: Vec<bool> = seed[..rows * width].iter().map(|(_, kept)| *kept).collect();
        let pattern = SparsePattern::new(width, &kept);
        let values: Vec<f32> = (0..pattern.kept()).map(|place| seed[place].0).collect();
        let mut dense = vec![0.0; rows * width];
        for row in 0..rows {
            for (at, column) in pattern.columns_of(row).enumerate() {
                prop_assert!(kept[row * width + column]);
                dense[row * width + column] = values[pattern.start(row) + at];
            }
        }
        let mut vector: Vec<f32> = seed.iter().rev().map(|(value, _)| *value).take(width).collect();
        let exact = vector.clone();
        vector.resize(pattern.padded_width(), 0.0);
        let which: Vec<u32> = parts.iter().map(|(row, _)| row % rows as u32).collect();
        let parts: Vec<Weighted> =
            parts.iter().map(|&(row, factor)| Weighted { row: row % rows as u32, factor }).collect();
        let answers = available().into_iter().map(|table| {
            let mut sums = vector.clone();
            (table.add_sparse_rows)(&pattern, &values, &parts, &mut sums);
            let mut dots = vec![0.0; which.len()];
            (table.sparse_dots)(&pattern, &values, &which, (&vector, &mut dots));
            [sums, dots]
        });
        let answers: Vec<_> = answers.collect();
        let all: Vec<_> = answers.iter().map(|answer| answer.each_ref().map(|v| bits(v))).collect();
        prop_assert!(all.iter().all(|answer| answer == all.last().unwrap()));
        let [mut sums, mut dots] = [exact.clone(), vec![0.0; which.len()]];
        (table().add_weighted_rows)(&dense, &parts, &mut sums);
        (table().dots)(&dense, &which, &exact, &mut dots);
        prop_assert!(sums.iter().zip(&answers[0][0]).all(|(a, b)| (a - b).abs() < 1e-4));
        prop_assert!(dots.iter().zip(&answers[0][1]).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    #[test]
    fn counts_are_selected_as_by_sorting(
        counts in vec(prop_oneof![0u16..6, any::<u16>(), Just(u16::MAX)], 1..500),
        share in 0.0f64..1.0,
    ) {
        let k = 1 + (share * share * (counts.len() - 1) as f64) as usize;
        let scores: Vec<f32> = counts.iter().map(|count| f32::from(*count)).collect();
        let expected = by_sorting(&scores, k);
        for table in available() {
            let mut out = vec![0; k];
            (table.select_counts)(&counts, &mut out);
            prop_assert_eq!(&out, &expected, "{}", table.name);
        }
    }

    #[test]
    fn bits_at_least_agree(values in scores(1..100), limit in -3i8..4) {
        let limit = f32::from(limit);
        for table in available() {
            let mut words = vec![0xFFFF; values.len().div_ceil(16)];
            (table.bits_at_least)(&values, limit, &mut words);
            for place in 0..words.len() * 16 {
                let expected = values.get(place).is_some_and(|value| *value >= limit);
                prop_assert_eq!(words[place / 16] >> (place % 16) & 1 == 1, expected);
            }
        }
    }

    #[test]
    fn pool_overlaps_agree(
        rows in vec(vec(prop_oneof![Just(0u16), any::<u16>()], 9), 1..6),
        lanes in vec(any::<u16>(), 9 * TILE_COLUMNS),
        (first, words) in (0usize..4, 1usize..6),
    ) {
        let tile: Vec<Lanes> = lanes.as_chunks().0[..words].iter().map(|all| Lanes(*all)).collect();
        let mut inputs = WordRows::default();
        inputs.clear(9 * 16 - 3);
        rows.iter().for_each(|row| inputs.push(|words| words.copy_from_slice(row)));
        let stride = TILE_COLUMNS + 5;
        for table in available() {
            let mut out = vec![7; rows.len() * stride];
            (table.pool_overlaps)(&tile, first, &inputs, &mut out, stride);
            for (row, out) in rows.iter().zip(out.chunks(stride)) {
                for (lane, count) in out[..TILE_COLUMNS].iter().enumerate() {
                    let pairs = tile.iter().zip(&row[first..]);
                    let both = pairs.map(|(tile, word)| (tile.0[lane] & word).count_ones());
                    prop_assert_eq!(u32::from(*count), both.sum::<u32>(), "{}", table.name);
                }
            }
        }
    }

    #[test]
    fn adapting_agrees(
        permanences in vec(prop_oneof![3 => 0..=FULL, 1 => Just(OUTSIDE)], 16 * 5),
        inputs in vec(any::<u16>(), 5),
        (increment, decrement) in (0..=FULL, 0..=FULL),
        (trim, connected, lane) in (0..1000u16, 1..=FULL, 0..TILE_COLUMNS),
    ) {
        let rule = Adaptation { increment, decrement, trim, connected };
        let column: Vec<Synapses> =
            permanences.as_chunks().0.iter().map(|all| Synapses(*all)).collect();
        let answers = available().into_iter().map(|table| {
            let (mut column, mut tile) = (column.clone(), vec![Lanes::NONE; 5]);
            let count = (table.adapt)(&mut column, &inputs, &rule, &mut tile, lane);
            (column, tile, count)
        });
        let answers: Vec<_> = answers.collect();
        prop_assert!(answers.iter().all(|answer| answer == answers.last().unwrap()));
        let moved = answers[0].0.iter().flat_map(|synapses| synapses.0);
        for (place, (old, new)) in permanences.iter().zip(moved).enumerate() {
            let (old, on) = (i32::from(*old), inputs[place / 16] >> (place % 16) & 1 == 1);
            let by = if on { i32::from(increment) } else { -i32::from(decrement) };
            let expected = (old + by).clamp(0, i32::from(FULL));
            let expected = if expected < i32::from(trim) { 0 } else { expected };
            let expected = if old == i32::from(OUTSIDE) { old } else { expected };
            prop_assert_eq!(i32::from(new), expected);
        }
    }

    #[test]
    fn local_winners_agree(
        scores in vec(prop_oneof![(0u8..9).prop_map(f32::from), 0.0f32..9.0], 7 * 70),
        (reach, density) in (1usize..30, 0.0f32..0.5),
        least in 0.0f32..3.0,
    ) {
        let taken = |place: usize| -> Vec<usize> {
            let (start, end) = (place.saturating_sub(reach), (place + reach).min(70));
            (start..end).chain(if place.is_multiple_of(3) { end..70 } else { 0..0 }).collect()
        };
        let reached = (0..7).map(|line| vec![line, (line + 1) % 7]);
        let grid = Neighbourhoods::new(70, reached, (0..70).map(taken));
        let answers = available().into_iter().map(|table| {
            let (mut scratch, mut winners) = (LocalScratch::default(), Vec::new());
            (table.local_winners)(&scores, &grid, (density, least), &mut scratch, &mut winners);
            winners
        });
        let answers: Vec<_> = answers.collect();
        let mut won = vec![false; scores.len()];
        for (column, score) in scores.iter().enumerate() {
            let (line, places) = (column / 70, taken(column % 70));
            let ahead = |other: usize| {
                scores[other] > *score || (scores[other] == *score && won[other])
            };
            let lines = [line, (line + 1) % 7].into_iter();
            let near = lines.flat_map(|line| places.iter().map(move |place| line * 70 + place));
            let room = (0.5 + density * (2 * places.len()) as f32) as usize;
            won[column] = *score >= least && near.filter(|other| ahead(*other)).count() < room;
        }
        let expected: Vec<u32> = (0..490).filter(|column| won[*column as usize]).collect();
        prop_assert_eq!(&answers[0], &expected);
        prop_assert!(answers.iter().all(|answer| answer == answers.last().unwrap()));
    }

    #[test]
    fn bits_of_rows_are_counted_and_joined(
        words in vec(any::<u64>(), 24 * 7),
        rows in proptest::sample::select(vec![1usize, 2, 5, 14, 255, 256, 600]),
        lines in 1usize..4,
    ) {
        let rows: Vec<&[u64]> = (0..rows).map(|row| &words[row % 7 * 24..][..8 * lines]).collect();
        let on = |row: &&&[u64], bit: usize| row[bit / 64] >> (bit % 64) & 1 == 1;
        for table in available() {
            let (mut counts, mut common) = (vec![9; 512 * lines], vec![9; 8 * lines]);
            (table.count_bits)(&rows, &mut counts);
            (table.common_bits)(&rows, &mut common);
            for (bit, count) in counts.iter().enumerate() {
                let expected = rows.iter().filter(|row| on(row, bit)).count();
                prop_assert_eq!(usize::from(*count), expected, "{}", table.name);
                let joined = common[bit / 64] >> (bit % 64) & 1 == 1;
                prop_assert_eq!(joined, expected == rows.len(), "{}", table.name);
            }
        }
    }
}
