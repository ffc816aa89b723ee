//! Folders of images: a folder a class, or images alone.

use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageReader};

use super::array::to_planes;
use super::dataset::Dataset;
use super::input::extension;
use super::spec::RowRange;
use crate::error::{Error, Result};
use crate::rows::ImageShape;

/// An image must fit into this many bytes when unpacked.
const IMAGE_LIMIT_BYTES: u64 = 256 << 20;

/// Reads the PNG and JPEG images of `folder`, sorted by name.
///
/// Sub-folders are the classes, in sorted order; images that lie in `folder` itself have no labels.
/// The first image says whether all are grey or red, green, blue, and how large they are. Files of
/// other kinds, and names that begin with a dot, are left out.
pub(crate) fn read(folder: &Path, name: &str, range: RowRange) -> Result<Dataset> {
    let (classes, images) = list(folder)?;
    let chosen = range.of(images.len(), name)?;
    let (mut inputs, mut labels, mut shape) = (Vec::new(), Vec::new(), None);
    for (path, label) in &images[chosen] {
        let (mut pixels, found) = read_image(path, shape)?;
        to_planes(&mut pixels, found.channels);
        inputs.append(&mut pixels);
        labels.push(*label);
        shape = Some(found);
    }
    let Some(shape) = shape else {
        return Err(Error::format(folder, "image folder", "PNG or JPEG images", "none"));
    };
    let width = shape.width * shape.height * shape.channels;
    let dataset = Dataset::new(name, inputs, width)?.with_image(shape)?;
    if classes.is_empty() { Ok(dataset) } else { dataset.with_labels(labels, classes) }
}

/// Names of the classes, and each image with its label (0 where there are no classes).
type Listing = (Vec<String>, Vec<(PathBuf, u32)>);

fn list(folder: &Path) -> Result<Listing> {
    let own = images_in(folder)?;
    let folders = folders_in(folder)?;
    if !own.is_empty() && !folders.is_empty() {
        let expected = "images, or a folder a class";
        return Err(Error::format(folder, "image folder", expected, "both"));
    }
    let mut images: Vec<_> = own.into_iter().map(|path| (path, 0)).collect();
    let mut classes = Vec::new();
    for class in folders {
        let label = classes.len() as u32;
        images.extend(images_in(&class)?.into_iter().map(|path| (path, label)));
        classes.push(class.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    Ok((classes, images))
}

pub(super) fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = entries(folder)?;
    entries.retain(|path| path.is_dir());
    Ok(entries)
}

fn images_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = entries(folder)?;
    entries.retain(|path| matches!(extension(path).as_str(), "png" | "jpg" | "jpeg"));
    entries.retain(|path| path.is_file());
    Ok(entries)
}

/// Everything in `folder` whose name does not begin with a dot, sorted.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

/// One image, `(height, width, channels)` in `0..=1`, which must look like `expected`.
fn read_image(path: &Path, expected: Option<ImageShape>) -> Result<(Vec<f32>, ImageShape)> {
    let refuse = |expected: &str, got: String| Error::format(path, "image", expected, got);
    let mut reader = ImageReader::open(path).map_err(Error::io(path))?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(IMAGE_LIMIT_BYTES);
    reader.limits(limits);
    let reader = reader.with_guessed_format().map_err(Error::io(path))?;
    let image =
        reader.decode().map_err(|error| refuse("a PNG or JPEG image", error.to_string()))?;
    let (found, bytes) = samples(image);
    if let Some(expected) = expected.filter(|&expected| expected != found) {
        return Err(refuse(&describe(expected), describe(found)));
    }
    Ok((bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect(), found))
}

/// Grey images keep one channel, all others get three; transparency is dropped.
fn samples(image: DynamicImage) -> (ImageShape, Vec<u8>) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    match image.color().has_color() {
        true => (ImageShape { width, height, channels: 3 }, image.into_rgb8().into_raw()),
        false => (ImageShape { width, height, channels: 1 }, image.into_luma8().into_raw()),
    }
}

fn describe(shape: ImageShape) -> String {
    let colour = if shape.channels == 1 { "grey" } else { "colour" };
    format!("{} x {} {colour}, as all images of a set", shape.width, shape.height)
}
