//! WAV files as clips: one second at 16 kHz.

use std::io::Cursor;
use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec};

use super::input::Input;
use super::resample::resample;
use crate::error::{Error, Result};
use crate::speech::SAMPLE_RATE;

/// A sound file holds at most this many bytes: five minutes in the best quality that is usual.
pub(crate) const WAV_LIMIT_BYTES: u64 = 64 << 20;

/// Sample rates that are believed.
const RATES: std::ops::RangeInclusive<u32> = 1000..=384_000;

/// All bytes of a WAV file, perhaps packed with gzip.
pub(crate) fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    let mut input = Input::open(path, "WAV")?;
    input.rest_up_to(WAV_LIMIT_BYTES)
}

/// Reads a WAV file, `bytes`, into `clip`: the first second, the channels' mean, at 16 kHz, cut to
/// `-1..=1`; where it is shorter, zeros follow. `path` names it in errors.
///
/// Integers of 8, 16, 24 and 32 bits and floats of 32 are read.
pub(crate) fn read(path: &Path, bytes: &[u8], clip: &mut [f32]) -> Result<()> {
    let mut cursor = Cursor::new(bytes);
    let expected = "a WAV file of integers or 32-bit floats";
    let mut reader =
        WavReader::new(&mut cursor).map_err(|error| refused(path, expected, error.to_string()))?;
    let (spec, len) = (reader.spec(), reader.len());
    check_header(path, spec, len)?;
    let samples = first_samples(&mut reader)
        .map_err(|error| refused(path, &promise(len), error.to_string()))?;
    let rest = (u64::from(len) - samples.len() as u64) * u64::from(spec.bits_per_sample / 8);
    let left = (bytes.len() as u64).saturating_sub(cursor.position());
    if left < rest {
        let got = format!("a file that ends {} bytes too soon", rest - left);
        return Err(refused(path, &promise(len), got));
    }
    if let Some(value) = samples.iter().find(|sample| !sample.is_finite()) {
        return Err(refused(path, "finite samples", value));
    }
    let mono: Vec<f32> = match usize::from(spec.channels) {
        1 => samples,
        channels => samples.chunks_exact(channels).map(mean).collect(),
    };
    resample(&mono, spec.sample_rate, SAMPLE_RATE as u32, clip);
    clip.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
    Ok(())
}

fn refused(path: &Path, expected: &str, got: impl std::fmt::Display) -> Error {
    Error::format(path, "WAV", expected, got)
}

fn promise(len: u32) -> String {
    format!("{len} samples, as its header says")
}

fn check_header(path: &Path, spec: WavSpec, len: u32) -> Result<()> {
    if !RATES.contains(&spec.sample_rate) {
        let got = format!("{} a second", spec.sample_rate);
        return Err(refused(path, "1,000 to 384,000 samples a second", got));
    }
    if len == 0 {
        return Err(refused(path, "at least one sample", "none"));
    }
    Ok(())
}

/// A little more than the first second, which the filter of the new rate looks ahead to; channels
/// interleaved. The memory grows with what is read.
fn first_samples(reader: &mut WavReader<&mut Cursor<&[u8]>>) -> hound::Result<Vec<f32>> {
    let spec = reader.spec();
    let frames = spec.sample_rate as usize + spec.sample_rate as usize / 64 + 128;
    let wanted = frames.saturating_mul(usize::from(spec.channels));
    match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().take(wanted).collect(),
        SampleFormat::Int => {
            let scale = 0.5f32.powi(i32::from(spec.bits_per_sample) - 1);
            let samples = reader.samples::<i32>().take(wanted);
            samples.map(|sample| Ok(sample? as f32 * scale)).collect()
        }
    }
}

fn mean(frame: &[f32]) -> f32 {
    frame.iter().map(|&sample| f64::from(sample)).sum::<f64>() as f32 / frame.len() as f32
}
