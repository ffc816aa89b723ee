//! What comes before the network: nothing, or the log-mel image of a clip.

use super::super::settings::choice;
use super::ClassifierSettings;
use crate::encoder::networks::shape_of;
use crate::error::{Error, Result};
use crate::net::MapShape;
use crate::rng::Rng;
use crate::rows::{ImageShape, Rows};
use crate::speech::{BANDS, CLIP_SAMPLES, FRAMES, LogMel};

choice! {
    /// What a classifier makes of a row before its network sees it.
    ClassifierFront {
        /// Nothing: rows are what the network takes.
        None = "none",
        /// A clip of one second, 16,000 samples at 16 kHz, becomes its 32 x 32 log-mel image.
        LogMel = "log-mel",
    }
}

/// How a log-mel image is laid out.
const IMAGE: ImageShape = ImageShape { width: FRAMES, height: BANDS, channels: 1 };

/// What stands between rows and network.
#[derive(Clone, Debug)]
pub(super) struct Front {
    /// Absent where rows are taken as they are.
    mel: Option<LogMel>,
    augment: bool,
    /// The image that comes out, where it is one.
    pub(super) image: Option<ImageShape>,
    /// Values that come out.
    pub(super) width: usize,
}

impl Front {
    /// The front of the settings for rows of `width`, laid out as `image`.
    pub(super) fn new(
        settings: &ClassifierSettings,
        width: usize,
        image: Option<ImageShape>,
    ) -> Result<Self> {
        let augment = settings.augment;
        match settings.front {
            ClassifierFront::None => Ok(Self { mel: None, augment, image, width }),
            ClassifierFront::LogMel if width == CLIP_SAMPLES => {
                let mel = Some(LogMel::new());
                Ok(Self { mel, augment, image: Some(IMAGE), width: BANDS * FRAMES })
            }
            ClassifierFront::LogMel => {
                let expected = format!(
                    "{CLIP_SAMPLES} samples, one second at 16 kHz (other rows, and log-mel images \
                     themselves, go with front=none)"
                );
                Err(Error::shape("rows for front=log-mel", expected, format!("{width} values")))
            }
        }
    }

    /// Whether rows are changed at all.
    pub(super) fn is_some(&self) -> bool {
        self.mel.is_some()
    }

    /// The shape of the maps that the network begins with.
    pub(super) fn shape(&self) -> MapShape {
        shape_of(self.width, self.image)
    }

    /// What comes out of all `rows`, `(len, width)`; nothing where that is the rows themselves.
    pub(super) fn images(&self, rows: Rows<'_>) -> Result<Option<Vec<f32>>> {
        self.mel.as_ref().map(|mel| mel.images(rows)).transpose()
    }

    /// Writes what comes out of `row` to `to`, `(width,)`.
    pub(super) fn apply(&self, row: &[f32], to: &mut [f32]) {
        match &self.mel {
            Some(mel) => mel.image_into(row, to),
            None => to.copy_from_slice(row),
        }
    }

    /// [`Front::apply`] while learning: the clip augmented, if that is asked for.
    pub(super) fn apply_learning(&self, row: &[f32], rng: &mut Rng, to: &mut [f32]) {
        match &self.mel {
            Some(mel) if self.augment => mel.augmented_into(row, rng, to),
            _ => self.apply(row, to),
        }
    }
}
