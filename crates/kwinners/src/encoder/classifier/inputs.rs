//! From rows to the maps that a network takes: scaling, layout, and noise while learning.

use super::Classifier;
use crate::encoder::networks::{in_planes, lay_out};
use crate::net::Trace;
use crate::rng::Rng;
use crate::rows::Rows;

/// Stream of the seed that noise on inputs comes from.
const NOISE: u64 = 0x6E6F_6973_6500_0000;
impl Classifier {
    /// Makes `rows` the input of a trace.
    pub(super) fn fill(&self, rows: Rows<'_>, trace: &mut Trace) {
        let signal = trace.input(rows.len(), self.front.width);
        for (sample, row) in rows.iter().enumerate() {
            let to = signal.sample_mut(sample);
            self.front.apply(row, to);
            self.lay_out(to, &mut Vec::new());
        }
    }

    /// Scales a row, and lays the channels of an image side by side.
    fn lay_out(&self, row: &mut [f32], buffer: &mut Vec<f32>) {
        self.scaling.apply(row);
        lay_out(row, self.front.shape(), buffer);
    }

    /// The slopes by the rows of a trace that has slopes by its inputs.
    pub(super) fn slopes_of_rows(&self, trace: &Trace) -> Vec<f32> {
        let (maps, mut slopes) = (&trace.slopes[0], Vec::new());
        for sample in 0..trace.len() {
            let first = slopes.len();
            slopes.extend(in_planes(maps.sample(sample), self.front.shape()));
            self.scaling.apply_to_slopes(&mut slopes[first..]);
        }
        slopes
    }

    /// [`Classifier::fill`] while learning: augmented, shifted and made noisy, each sample by its number in the whole
    /// fit.
    pub(super) fn fill_noisy(&self, rows: Rows<'_>, first: u64, trace: &mut Trace) {
        let settings = &self.settings;
        let (noise_level, moves) = (settings.noise_level, settings.moves());
        let (mut buffer, mut clip) = (Vec::new(), Vec::new());
        let signal = trace.input(rows.len(), self.front.width);
        for (sample, row) in rows.iter().enumerate() {
            let to = signal.sample_mut(sample);
            let mut rng = Rng::of_stream(settings.seed ^ NOISE, first + sample as u64);
            if self.front.is_some() {
                // Noise is of the clip; the image, which is moved, is made of that.
                clip.clear();
                clip.extend_from_slice(row);
                settings.noise.add(noise_level, self.range, (&mut clip, &mut rng));
                self.front.apply_learning(&clip, &mut rng, to);
                buffer.clear();
                buffer.extend_from_slice(to);
                moves.apply(&buffer, self.front.image, (&mut rng, &mut *to));
            } else {
                moves.apply(row, self.front.image, (&mut rng, &mut *to));
                settings.noise.add(noise_level, self.range, (&mut *to, &mut rng));
            }
            self.lay_out(to, &mut buffer);
        }
    }
}
