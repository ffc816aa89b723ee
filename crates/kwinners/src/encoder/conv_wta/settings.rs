//! Settings of the convolutional winner-take-all autoencoder, and the shapes that follow from them.

use super::super::OptimiserKind;
use super::super::scaling::InputScaling;
use super::super::settings::{Value, check_below_1, check_counts, check_positive, settings};
use crate::error::{Error, Result};
use crate::net::{Convolution, Optimiser};
use crate::rows::ImageShape;

/// Most maps of a layer, most places of a side of a kernel: what is above is a slip.
const MOST_MAPS: usize = 1 << 14;
const LARGEST_KERNEL: usize = 63;

/// Maps of each layer of each stage, as text: layers joined by `-`, stages by `/`, bottom first.
///
/// ```
/// use kwinners::encoder::ConvWtaSettings;
/// let mut settings = ConvWtaSettings::default();
/// settings.set("channels", "32-64/128")?;
/// assert_eq!(settings.channels.stages(), [vec![32, 64], vec![128]]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels(Vec<Vec<usize>>);

impl Channels {
    /// Maps of each layer, stage after stage.
    pub fn stages(&self) -> &[Vec<usize>] {
        &self.0
    }
}

impl Value for Channels {
    const EXPECTED: &'static str = "maps of each layer such as 64-64, stages joined by /";

    fn parse(text: &str) -> Option<Self> {
        let maps = |text: &str| text.trim().parse().ok().filter(|n| (1..=MOST_MAPS).contains(n));
        let stage = |text: &str| text.split('-').map(maps).collect::<Option<Vec<usize>>>();
        text.split('/').map(stage).collect::<Option<_>>().map(Self)
    }

    fn print(&self) -> String {
        let stage =
            |maps: &Vec<usize>| maps.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
        self.0.iter().map(stage).collect::<Vec<_>>().join("/")
    }
}

settings! {
    /// Settings of a [`ConvWta`](super::ConvWta); its units are maps times pooled places.
    ConvWtaSettings {
        /// Maps of each convolution, joined by -; / begins a further stage, trained on the codes of the one below.
        channels: Channels = Channels(vec![vec![32, 64]]),
        /// Active units of every code, `k`.
        winners: usize = 150,
        /// Places of a side of each filter of the encoder, odd.
        kernel: usize = 5,
        /// Places of a side of each filter of the decoder, odd.
        decoder_kernel: usize = 11,
        /// Places of a side of the squares whose largest activation is a unit.
        pool: usize = 5,
        /// Places from one such square to the next, at most as many as a side has.
        stride: usize = 4,
        /// Samples of a batch in which a map keeps its winner, per cent.
        lifetime_percent: f32 = 10.0,
        /// Passes over the training data; 0 means as many as show 300,000 samples a stage.
        epochs: usize = 0,
        /// Samples a step.
        batch: usize = 100,
        /// How far the weights move a step.
        learning_rate: f32 = 0.001,
        /// Seed of the first weights and of the order of the samples.
        seed: u64 = 0,
        /// How the weights follow their gradient: adam or sgd.
        optimiser: OptimiserKind = OptimiserKind::Adam,
        /// Share of the last step that sgd takes again.
        momentum: f32 = 0.9,
        /// Rate of the balance of the codes, in standard deviations of a sample's scores, a sample.
        balance_rate: f32 = 0.003,
        /// What is done to inputs: raw, centred or standardised.
        input: InputScaling = InputScaling::Raw,
    }
}

impl ConvWtaSettings {
    /// Refuses values out of range.
    pub(super) fn check(&self) -> Result<()> {
        for (key, value) in [("kernel", self.kernel), ("decoder_kernel", self.decoder_kernel)] {
            if value % 2 == 0 || value > LARGEST_KERNEL {
                let expected = format!("an odd number up to {LARGEST_KERNEL}");
                return Err(Error::setting(key, expected, value));
            }
        }
        if self.pool == 0 || self.pool > LARGEST_KERNEL {
            return Err(Error::setting("pool", format!("1 to {LARGEST_KERNEL}"), self.pool));
        }
        if self.stride == 0 || self.stride > self.pool {
            return Err(Error::setting(
                "stride",
                format!("1 to {} (pool)", self.pool),
                self.stride,
            ));
        }
        if !(self.lifetime_percent > 0.0 && self.lifetime_percent <= 100.0) {
            let expected = "a percentage above 0";
            return Err(Error::setting("lifetime_percent", expected, self.lifetime_percent));
        }
        check_positive(&[
            ("learning_rate", self.learning_rate),
            ("balance_rate", self.balance_rate),
        ])?;
        check_below_1(&[("momentum", self.momentum)])?;
        check_counts(&[("batch", self.batch)])
    }

    pub(super) fn rule(&self) -> Optimiser {
        match self.optimiser {
            OptimiserKind::Adam => Optimiser::ADAM,
            OptimiserKind::Sgd => Optimiser::Sgd { momentum: self.momentum },
        }
    }

    /// The shapes of all stages over images of `image`, bottom first.
    pub(super) fn plans(&self, image: ImageShape) -> Vec<Plan> {
        let (mut width, mut height, mut inputs) = (image.width, image.height, image.channels);
        let stages = self.channels.stages().iter();
        let plan = stages.map(|maps| {
            let shape =
                |inputs, outputs, kernel| Convolution { width, height, inputs, outputs, kernel };
            let below = std::iter::once(&inputs).chain(maps);
            let layers = below.zip(maps).map(|(&below, &maps)| shape(below, maps, self.kernel));
            let (layers, maps) = (layers.collect(), *maps.last().expect("a stage has a layer"));
            let decoder = shape(inputs, maps, self.decoder_kernel);
            let pooling = Pooling::new(width, height, self.pool, self.stride);
            (width, height, inputs) = (pooling.columns, pooling.rows, maps);
            Plan { layers, decoder, pooling, maps }
        });
        plan.collect()
    }
}

/// The shapes of one stage.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) layers: Vec<Convolution>,
    /// From the inputs of the stage, of which `dot_window` and its kin see windows around a place of a map.
    pub(super) decoder: Convolution,
    pub(super) pooling: Pooling,
    pub(super) maps: usize,
}

impl Plan {
    /// Units: maps times pooled places.
    pub(super) fn units(&self) -> usize {
        self.maps * self.pooling.rows * self.pooling.columns
    }
}

/// Which places are pooled: squares of `side`, `stride` apart, cut off at the right and at the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pooling {
    pub(super) rows: usize,
    pub(super) columns: usize,
    width: usize,
    height: usize,
    side: usize,
    stride: usize,
}

impl Pooling {
    fn new(width: usize, height: usize, side: usize, stride: usize) -> Self {
        let count = |length: usize| 1 + length.saturating_sub(side).div_ceil(stride);
        Self { rows: count(height), columns: count(width), width, height, side, stride }
    }

    /// Rows and columns of places that pooled row `row` and column `column` span.
    pub(super) fn spans(&self, row: usize, column: usize) -> [std::ops::Range<usize>; 2] {
        let span =
            |at: usize, length: usize| at * self.stride..(at * self.stride + self.side).min(length);
        [span(row, self.height), span(column, self.width)]
    }

    /// The pooled rows, or columns, whose squares hold the row or column `at`, of `count`.
    fn holding(&self, at: usize, count: usize) -> std::ops::Range<usize> {
        let first = (at + 1).saturating_sub(self.side).div_ceil(self.stride);
        first..(at / self.stride + 1).min(count)
    }

    /// The pooled places whose squares hold `place`.
    pub(super) fn of_place(&self, place: usize) -> impl Iterator<Item = usize> + use<> {
        let (rows, columns) = (
            self.holding(place / self.width, self.rows),
            self.holding(place % self.width, self.columns),
        );
        let width = self.columns;
        rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place lies in a square, and squares know their places as places know their squares.
    #[test]
    fn squares_cover_all_places() {
        for (width, height, side, stride) in
            [(28, 28, 5, 4), (7, 7, 5, 4), (3, 9, 5, 5), (8, 6, 3, 2), (5, 5, 1, 1)]
        {
            let pooling = Pooling::new(width, height, side, stride);
            let mut holders = vec![Vec::new(); width * height];
            for square in 0..pooling.rows * pooling.columns {
                let [rows, columns] =
                    pooling.spans(square / pooling.columns, square % pooling.columns);
                assert!(!rows.is_empty() && !columns.is_empty(), "{pooling:?}");
                for (row, column) in
                    rows.flat_map(|row| columns.clone().map(move |column| (row, column)))
                {
                    holders[row * width + column].push(square);
                }
            }
            for (place, holders) in holders.iter().enumerate() {
                assert!(!holders.is_empty(), "{pooling:?}, place {place}");
                assert_eq!(&pooling.of_place(place).collect::<Vec<_>>(), holders, "{pooling:?}");
            }
        }
    }

    #[test]
    fn channels_go_round_as_text() {
        for text in ["16", "64-64", "128-128-128/2048", "8/8-9/7"] {
            assert_eq!(
                Channels::parse(text).map(|channels| channels.print()),
                Some(text.to_owned())
            );
        }
        for text in ["", "0", "64-", "/8", "-1", "a", "99999999999"] {
            assert_eq!(Channels::parse(text), None, "{text}");
        }
    }
}
