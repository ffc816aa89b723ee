//! Sound as pictures: log-mel images of one-second clips, and the augmentation of clips.
//!
//! A clip is 16,000 samples at 16 kHz in `-1..=1`, as the data room reads sound files. [`LogMel`]
//! makes a 32 x 32 image of it, as the known set `speech-commands` has them.
//!
//! Source: the speech experiments of Ahmad and Scheinkman, "How Can We Be So Dense?", 2019, and the
//! defaults of librosa (McFee et al. 2015).

mod augment;
mod filterbank;
mod log_mel;

pub use log_mel::LogMel;

/// Samples a second of a clip.
pub const SAMPLE_RATE: usize = 16_000;

/// Samples of a clip: one second.
pub const CLIP_SAMPLES: usize = 16_000;

/// Mel bands of an image: its rows, the lowest first.
pub const BANDS: usize = 32;

/// Frames of an image: its columns, from the first to the last.
pub const FRAMES: usize = 1 + CLIP_SAMPLES / HOP;

/// Decibels from the loudest pixel of an image, which is 1, down to 0.
pub const DECIBELS: f32 = 80.0;

/// Samples a spectrum is taken of.
const WINDOW: usize = 2048;

/// Samples from one frame to the next.
const HOP: usize = 512;

/// Frequencies of a spectrum, 0 to half the sample rate.
const BINS: usize = WINDOW / 2 + 1;

/// Sum of the products of two equally long vectors, in eight fixed lanes.
pub(crate) fn sum_of_products(a: &[f32], b: &[f32]) -> f32 {
    let (a, rest_of_a) = a.as_chunks::<8>();
    let (b, rest_of_b) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    let rest: f32 = rest_of_a.iter().zip(rest_of_b).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}
