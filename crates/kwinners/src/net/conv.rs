//! Convolutions over maps that lie channels last, in a margin of zeros: a row of a window is then one
//! run of memory, and all windows that begin in one row of places are one strided matrix.

use crate::kernel::product::{add_product, add_product_of_transposed, add_product_of_windows};
use crate::rows::Rows;

/// Places whose windows are copied out at once on the way back.
const PLACES_A_BLOCK: usize = 128;

/// The geometry of a convolution that keeps width and height: `outputs` filters of `kernel` by
/// `kernel` places over `inputs` maps of `height` by `width`.
///
/// - A place is `y · width + x`.
/// - Inputs lie in `(height + kernel - 1, width + kernel - 1, inputs)`, zeros around.
/// - Filters are `(outputs, taps)`, taps being `(kernel, kernel, inputs)`.
/// - Outputs are `(height, width + kernel - 1, outputs)`; past the width there is rubbish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Convolution {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Odd.
    pub(crate) kernel: usize,
}

impl Convolution {
    /// Places.
    pub(crate) fn places(&self) -> usize {
        self.width * self.height
    }

    /// Places from one row to the next, margins included.
    fn pitch(&self) -> usize {
        self.width + self.kernel - 1
    }

    /// Values of the inputs, margins included.
    pub(crate) fn input_len(&self) -> usize {
        (self.height + self.kernel - 1) * self.pitch() * self.inputs
    }

    /// Values of the outputs, rubbish included.
    pub(crate) fn output_len(&self) -> usize {
        self.height * self.pitch() * self.outputs
    }

    /// Weights of one filter.
    pub(crate) fn taps(&self) -> usize {
        self.kernel * self.kernel * self.inputs
    }

    /// Where row `y` of the inputs lies, `(width, inputs)`, without margins.
    pub(crate) fn input_row(&self, y: usize) -> std::ops::Range<usize> {
        let reach = self.kernel / 2;
        let start = ((y + reach) * self.pitch() + reach) * self.inputs;
        start..start + self.width * self.inputs
    }

    /// Where row `y` of the outputs lies, `(width, outputs)`, without rubbish.
    pub(crate) fn output_row(&self, y: usize) -> std::ops::Range<usize> {
        let start = y * self.pitch() * self.outputs;
        start..start + self.width * self.outputs
    }

    /// Where the rows of the window around `place` lie in the inputs, `(kernel, inputs)` each.
    fn window_rows(&self, place: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (y, x) = (place / self.width, place % self.width);
        let (length, step) = (self.kernel * self.inputs, self.pitch() * self.inputs);
        let first = y * step + x * self.inputs;
        (0..self.kernel).map(move |row| first + row * step..first + row * step + length)
    }

    /// The filters as [`Convolution::forward`] reads them, `(taps, outputs)`.
    pub(crate) fn across(&self, filters: &[f32], across: &mut Vec<f32>) {
        across.resize(filters.len(), 0.0);
        for (output, filter) in filters.chunks_exact(self.taps()).enumerate() {
            for (row, weight) in across.chunks_exact_mut(self.outputs).zip(filter) {
                row[output] = *weight;
            }
        }
    }

    /// `out = filters * input + bias`. Cost: `places · taps · outputs` multiply-adds, no window copied.
    pub(crate) fn forward(&self, input: &[f32], across: &[f32], bias: &[f32], out: &mut Vec<f32>) {
        assert_eq!(input.len(), self.input_len(), "inputs with their margins");
        out.clear();
        while out.len() < self.output_len() {
            out.extend_from_slice(bias);
        }
        // The windows of the last row end where its margin does.
        let whole = (self.output_len() / self.outputs + 1 - self.kernel) * self.outputs;
        let rows = across.chunks_exact(self.kernel * self.inputs * self.outputs);
        for (row, weights) in rows.enumerate() {
            let weights = Rows::new(weights, self.outputs).expect("whole rows of weights");
            let from = &input[row * self.pitch() * self.inputs..];
            add_product_of_windows(from, self.inputs, weights, &mut out[..whole]);
        }
    }

    /// `sum += factor · window(place)`, `(taps,)`.
    pub(crate) fn add_window(&self, input: &[f32], place: usize, factor: f32, sum: &mut [f32]) {
        let sums = sum.chunks_exact_mut(self.kernel * self.inputs);
        for (sum, row) in sums.zip(self.window_rows(place)) {
            sum.iter_mut().zip(&input[row]).for_each(|(sum, value)| *sum += factor * value);
        }
    }

    /// `window(place) += factor · filter`: what one value at `place` of an output stands for.
    pub(crate) fn add_to_window(
        &self,
        input: &mut [f32],
        place: usize,
        factor: f32,
        filter: &[f32],
    ) {
        let filter = filter.chunks_exact(self.kernel * self.inputs);
        for (weights, row) in filter.zip(self.window_rows(place)) {
            input[row].iter_mut().zip(weights).for_each(|(sum, weight)| *sum += factor * weight);
        }
    }

    /// `Σ window(place) · filter`, summed in sixteen lanes.
    pub(crate) fn dot_window(&self, input: &[f32], place: usize, filter: &[f32]) -> f32 {
        let (mut lanes, mut rest) = ([0.0f32; 16], 0.0);
        let filter = filter.chunks_exact(self.kernel * self.inputs);
        for (weights, row) in filter.zip(self.window_rows(place)) {
            let (values, last_values) = input[row].as_chunks::<16>();
            let (weights, last_weights) = weights.as_chunks::<16>();
            for (values, weights) in values.iter().zip(weights) {
                for lane in 0..16 {
                    lanes[lane] += values[lane] * weights[lane];
                }
            }
            rest += last_values.iter().zip(last_weights).map(|(v, w)| v * w).sum::<f32>();
        }
        lanes.iter().sum::<f32>() + rest
    }

    /// `gradient += Σ slopes(place) ⊗ window(place)`, `(outputs, taps)`, over the listed `places`;
    /// `slopes` are `(places, outputs)`. Cost: `places · outputs · taps`.
    pub(crate) fn add_filter_gradient(
        &self,
        input: &[f32],
        places: &[u32],
        slopes: &[f32],
        gradient: &mut [f32],
    ) {
        let slopes = slopes.chunks(PLACES_A_BLOCK * self.outputs);
        let mut windows = Vec::new();
        for (places, slopes) in places.chunks(PLACES_A_BLOCK).zip(slopes) {
            windows.clear();
            for &place in places {
                for row in self.window_rows(place as usize) {
                    windows.extend_from_slice(&input[row]);
                }
            }
            let slopes = Rows::new(slopes, self.outputs).expect("whole rows of slopes");
            let windows = Rows::new(&windows, self.taps()).expect("whole windows");
            add_product_of_transposed(slopes, windows, gradient);
        }
    }

    /// `window(place) += slopes(place) · filters` for each of the listed `places`, in order: the slopes of
    /// the inputs. Cost: `places · outputs · taps`.
    pub(crate) fn add_input_gradient(
        &self,
        filters: &[f32],
        places: &[u32],
        slopes: &[f32],
        gradient: &mut [f32],
    ) {
        let filters = Rows::new(filters, self.taps()).expect("whole filters");
        let slopes = slopes.chunks(PLACES_A_BLOCK * self.outputs);
        let mut windows = Vec::new();
        for (places, slopes) in places.chunks(PLACES_A_BLOCK).zip(slopes) {
            windows.clear();
            windows.resize(places.len() * self.taps(), 0.0);
            let slopes = Rows::new(slopes, self.outputs).expect("whole rows of slopes");
            add_product(slopes, filters, &mut windows);
            for (&place, window) in places.iter().zip(windows.chunks_exact(self.taps())) {
                self.add_to_window(gradient, place as usize, 1.0, window);
            }
        }
    }

    /// Marks the places that lie in the window around `place`.
    pub(crate) fn mark_window(&self, place: usize, marks: &mut [bool]) {
        let (y, x, reach) = (place / self.width, place % self.width, self.kernel / 2);
        for row in y.saturating_sub(reach)..(y + reach + 1).min(self.height) {
            let (left, right) = (x.saturating_sub(reach), (x + reach + 1).min(self.width));
            marks[row * self.width + left..row * self.width + right].fill(true);
        }
    }

    /// Sets the margins to 0.
    pub(crate) fn clear_margins(&self, input: &mut [f32]) {
        let mut end = 0;
        for y in 0..self.height {
            let row = self.input_row(y);
            input[end..row.start].fill(0.0);
            end = row.end;
        }
        input[end..].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const SHAPES: [Convolution; 4] = [
        Convolution { width: 1, height: 1, inputs: 1, outputs: 1, kernel: 1 },
        Convolution { width: 7, height: 5, inputs: 1, outputs: 3, kernel: 5 },
        Convolution { width: 4, height: 6, inputs: 3, outputs: 2, kernel: 3 },
        Convolution { width: 13, height: 12, inputs: 2, outputs: 17, kernel: 5 },
    ];

    fn random(len: usize, rng: &mut Rng) -> Vec<f32> {
        (0..len).map(|_| rng.between(-1.0, 1.0)).collect()
    }

    fn random_input(shape: &Convolution, rng: &mut Rng) -> Vec<f32> {
        let mut input = random(shape.input_len(), rng);
        shape.clear_margins(&mut input);
        input
    }

    /// Output `output` at `(y, x)` by the definition, margins left out by their coordinates.
    fn naive(shape: &Convolution, input: &[f32], filter: &[f32], (y, x): (usize, usize)) -> f64 {
        let (reach, mut sum) = (shape.kernel / 2, 0.0);
        for dy in 0..shape.kernel {
            for dx in 0..shape.kernel {
                let (row, column) = (y + dy, x + dx);
                let inside = (reach..shape.height + reach).contains(&row)
                    && (reach..shape.width + reach).contains(&column);
                for channel in 0..shape.inputs {
                    let tap = (dy * shape.kernel + dx) * shape.inputs + channel;
                    let at = shape.input_row(row.saturating_sub(reach)).start
                        + column.saturating_sub(reach) * shape.inputs
                        + channel;
                    if inside {
                        sum += f64::from(input[at]) * f64::from(filter[tap]);
                    }
                }
            }
        }
        sum
    }

    fn forward(shape: &Convolution, input: &[f32], filters: &[f32], bias: &[f32]) -> Vec<f32> {
        let (mut across, mut out, mut dense) = (Vec::new(), Vec::new(), Vec::new());
        shape.across(filters, &mut across);
        shape.forward(input, &across, bias, &mut out);
        (0..shape.height).for_each(|y| dense.extend_from_slice(&out[shape.output_row(y)]));
        dense
    }

    #[test]
    fn forward_is_the_naive_convolution() {
        let mut rng = Rng::new(1);
        for shape in SHAPES {
            let input = random_input(&shape, &mut rng);
            let filters = random(shape.outputs * shape.taps(), &mut rng);
            let bias = random(shape.outputs, &mut rng);
            let out = forward(&shape, &input, &filters, &bias);
            for (place, values) in out.chunks_exact(shape.outputs).enumerate() {
                for (output, value) in values.iter().enumerate() {
                    let filter = &filters[output * shape.taps()..][..shape.taps()];
                    let at = (place / shape.width, place % shape.width);
                    let expected = naive(&shape, &input, filter, at) + f64::from(bias[output]);
                    assert!((f64::from(*value) - expected).abs() < 1e-4, "{shape:?}");
                    let dot = shape.dot_window(&input, place, filter) + bias[output];
                    assert!((dot - value).abs() < 1e-4, "{shape:?}");
                }
            }
        }
    }

    /// The loss is `Σ target · output`, which is linear in filters and in inputs, so that differences
    /// over a step of 1 are its slopes, but for rounding.
    #[test]
    fn gradients_are_differences() {
        let mut rng = Rng::new(2);
        for shape in SHAPES {
            let input = random_input(&shape, &mut rng);
            let filters = random(shape.outputs * shape.taps(), &mut rng);
            let bias = vec![0.0; shape.outputs];
            let places: Vec<u32> = (0..shape.places() as u32).collect();
            let target = random(shape.places() * shape.outputs, &mut rng);
            let loss = |input: &[f32], filters: &[f32]| -> f64 {
                let out = forward(&shape, input, filters, &bias);
                out.iter().zip(&target).map(|(o, t)| f64::from(*o) * f64::from(*t)).sum()
            };
            let before = loss(&input, &filters);
            let mut of_filters = vec![0.0; filters.len()];
            shape.add_filter_gradient(&input, &places, &target, &mut of_filters);
            let mut of_input = vec![0.0; input.len()];
            shape.add_input_gradient(&filters, &places, &target, &mut of_input);
            for _ in 0..20 {
                let mut moved = filters.clone();
                let weight = rng.below(moved.len());
                moved[weight] += 1.0;
                let difference = loss(&input, &moved) - before;
                assert!((difference - f64::from(of_filters[weight])).abs() < 1e-3, "{shape:?}");
                let row = shape.input_row(rng.below(shape.height));
                let mut moved = input.clone();
                let value = row.start + rng.below(row.len());
                moved[value] += 1.0;
                let difference = loss(&moved, &filters) - before;
                assert!((difference - f64::from(of_input[value])).abs() < 1e-3, "{shape:?}");
            }
        }
    }

    /// One place at a time gives the same gradients as all at once.
    #[test]
    fn single_windows_add_up() {
        let mut rng = Rng::new(3);
        for shape in SHAPES {
            let (taps, input) = (shape.taps(), random_input(&shape, &mut rng));
            let filters = random(shape.outputs * taps, &mut rng);
            let place = rng.below(shape.places());
            let mut slopes = vec![0.0; shape.outputs];
            let output = rng.below(shape.outputs);
            slopes[output] = 0.7;
            let mut expected = vec![0.0; filters.len()];
            shape.add_filter_gradient(&input, &[place as u32], &slopes, &mut expected);
            let mut got = vec![0.0; filters.len()];
            shape.add_window(&input, place, 0.7, &mut got[output * taps..][..taps]);
            assert!(got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{shape:?}");
            let mut expected = vec![0.0; input.len()];
            shape.add_input_gradient(&filters, &[place as u32], &slopes, &mut expected);
            let mut got = vec![0.0; input.len()];
            shape.add_to_window(&mut got, place, 0.7, &filters[output * taps..][..taps]);
            assert!(got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{shape:?}");
            let mut marks = vec![false; shape.places()];
            shape.mark_window(place, &mut marks);
            let mut ones = vec![0.0; input.len()];
            shape.add_to_window(&mut ones, place, 1.0, &vec![1.0; taps]);
            for (at, mark) in marks.iter().enumerate() {
                let value =
                    ones[shape.input_row(at / shape.width)][at % shape.width * shape.inputs];
                assert_eq!(*mark, value > 0.0, "{shape:?}");
            }
        }
    }
}
