//! A decoder for each class: what a code stands for depends on what it is a code of.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kernel::{self, vectors::Weighted};
use crate::rng::Rng;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Passes over the codes.
const EPOCHS: usize = 6;
/// Share of a code's error that a step takes away, at first; it falls to nothing.
const RATE: f32 = 0.3;

/// Linear decoders from codes to inputs, one a class, learned from codes of any encoder.
///
/// `x̂ = b_c + Σ W_c[i]` over the active units `i`, with the class `c` of a code told by whoever asks:
/// a label, or a linear classifier of codes. `b_c` begins as the class's mean input, `W_c` as 0. Each
/// step takes `ΔW_c[i] = rate · (x - x̂) / (k + 1)` for every active unit, and the same for `b_c`
/// (normalised least mean squares). One decoder for all is that of one class.
///
/// Memory: `classes · n · width` numbers. Source: the replies to the "Lossy MNIST encoder" of the HTM
/// forum ask for decoders by class, gated by a linear classifier of the code.
#[derive(Clone, Debug)]
pub struct ClassDecoders {
    units: usize,
    width: usize,
    decoders: Vec<ClassDecoder>,
}

#[derive(Clone, Debug)]
struct ClassDecoder {
    /// `(n, width)`.
    weights: Vec<f32>,
    /// `(width,)`.
    mean: Vec<f32>,
}

impl ClassDecoders {
    /// Learns from codes, the inputs that they are codes of and their classes, a row each; in six
    /// passes, the classes on all cores. Cost: `O(k · width)` a code and pass.
    ///
    /// # Errors
    /// If the numbers of codes, inputs and labels differ, or an input is NaN or infinite.
    pub fn learn(codes: &SdrBatch, inputs: Rows<'_>, labels: &[u32], seed: u64) -> Result<Self> {
        inputs.check_finite("inputs of codes")?;
        for (what, len) in [("inputs", inputs.len()), ("labels", labels.len())] {
            if len != codes.len() {
                return Err(Error::shape(what, format!("{}, one a code", codes.len()), len));
            }
        }
        let classes = labels.iter().max().map_or(1, |&most| most as usize + 1);
        let mut members = vec![Vec::new(); classes];
        labels.iter().enumerate().for_each(|(row, &label)| members[label as usize].push(row));
        let decoders = members
            .into_par_iter()
            .enumerate()
            .map(|(class, members)| {
                let rng = Rng::of_stream(seed, class as u64);
                ClassDecoder::learn(codes, inputs, members, rng)
            })
            .collect();
        Ok(Self { units: codes.units(), width: inputs.width(), decoders })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.decoders.len()
    }

    /// What `codes` stand for if they are of the classes `labels`: `(len, width)` row-major.
    ///
    /// # Errors
    /// If the codes have other units, or there is not one label a code, each below the number of
    /// classes.
    pub fn decode(&self, codes: &SdrBatch, labels: &[u32]) -> Result<Vec<f32>> {
        if codes.units() != self.units {
            let expected = format!("codes of {} units", self.units);
            return Err(Error::shape("codes to decode", expected, codes.units()));
        }
        let known = labels.iter().all(|&label| (label as usize) < self.classes());
        if labels.len() != codes.len() || !known {
            let expected = format!("{} labels below {}", codes.len(), self.classes());
            return Err(Error::shape("labels", expected, format!("{} labels", labels.len())));
        }
        let mut decoded = vec![0.0; codes.len() * self.width];
        decoded.par_chunks_exact_mut(self.width).enumerate().for_each(|(row, out)| {
            self.decoders[labels[row] as usize].decode(codes.get(row).indices(), out);
        });
        Ok(decoded)
    }
}

impl ClassDecoder {
    fn learn(codes: &SdrBatch, inputs: Rows<'_>, mut members: Vec<usize>, mut rng: Rng) -> Self {
        let width = inputs.width();
        let mut sums = vec![0.0f64; width];
        for &row in &members {
            sums.iter_mut().zip(inputs.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let count = members.len().max(1) as f64;
        let mean = sums.iter().map(|sum| (sum / count) as f32).collect();
        let mut decoder = Self { weights: vec![0.0; codes.units() * width], mean };
        let steps = EPOCHS * members.len();
        let (mut decoded, mut parts) = (vec![0.0; width], Vec::new());
        for step in 0..steps {
            if step % members.len() == 0 {
                rng.shuffle(&mut members);
            }
            let row = members[step % members.len()];
            let units = codes.get(row).indices();
            decoder.decode(units, &mut decoded);
            let left = 1.0 - step as f32 / steps as f32;
            let factor = RATE * left / (units.len() + 1) as f32;
            let error = &mut decoded;
            error.iter_mut().zip(inputs.row(row)).for_each(|(value, x)| *value = x - *value);
            parts.clear();
            parts.extend(units.iter().map(|&row| Weighted { row, factor }));
            (kernel::table().add_outer)(&mut decoder.weights, error, &parts);
            let bias = [Weighted { row: 0, factor }];
            (kernel::table().add_outer)(&mut decoder.mean, error, &bias);
        }
        decoder
    }

    fn decode(&self, units: &[u32], out: &mut [f32]) {
        out.copy_from_slice(&self.mean);
        let parts: Vec<Weighted> = units.iter().map(|&row| Weighted { row, factor: 1.0 }).collect();
        (kernel::table().add_weighted_rows)(&self.weights, &parts, out);
    }
}
