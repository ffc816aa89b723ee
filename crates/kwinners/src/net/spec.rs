//! Networks as a user writes them: layers by name, one after another.

use std::fmt;
use std::str::FromStr;

use super::MapShape;
use crate::error::{Error, Result};

/// Most units or maps of a layer, most places of a side of a kernel: what is above is a slip.
const MOST_UNITS: usize = 1 << 20;
/// 4 GiB of them, and as much again for each of slopes and momenta: more is a slip of the finger.
const MOST_WEIGHTS: u128 = 1 << 30;
const LARGEST_KERNEL: usize = 63;
/// Most values between two layers.
const MOST_VALUES: usize = 1 << 28;
/// Most layers of a network.
const MOST_LAYERS: usize = 1000;

/// One layer of a network.
///
/// Its text is a name, its size, and what else differs from the ordinary: `conv 64 5 density=0.45`,
/// `k-winners 400 inference=600`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum LayerSpec {
    /// `conv MAPS KERNEL [density=D]`: filters of `KERNEL` by `KERNEL` places, moved place by place, no
    /// margin; of each filter's weights the share `D` is kept.
    Convolution {
        /// Filters, and so maps of the output.
        maps: usize,
        /// Places of a side of a filter.
        kernel: usize,
        /// Share of each filter's weights that is not held at zero.
        density: f32,
    },
    /// `pad MARGIN`: zeros around every map.
    Pad {
        /// Places on each side.
        margin: usize,
    },
    /// `pool SIZE`: the largest value of each square; places left over at the edge are dropped.
    MaxPool {
        /// Places of a side of a square.
        size: usize,
    },
    /// `batch-norm [affine]`: every map gets mean 0 and variance 1 over the batch, or as a running average has
    /// them; `affine` learns a factor and a term for each map.
    ///
    /// Source: Ioffe and Szegedy, "Batch normalization", 2015, algorithms 1 and 2.
    BatchNorm {
        /// Whether a factor and a term are learned.
        affine: bool,
    },
    /// `relu`: `max(x, 0)`.
    Relu,
    /// `tanh`.
    Tanh,
    /// `dropout RATE`: while learning, values become 0 with this probability and the others are divided by
    /// its complement.
    Dropout {
        /// Probability of a value to be dropped.
        rate: f32,
    },
    /// `k-winners K [inference=K] [local] [relu] [ties] [straight]`: see [`KWinnersSpec`].
    KWinners(KWinnersSpec),
    /// `soft-k-winners K [hardness=H]`: `x / (1 + e^(-H (x - t)))` with `t` half way between the `K`-th and
    /// the next value, a soft step that hardens with `H`.
    SoftKWinners {
        /// Units above the threshold.
        winners: usize,
        /// Steepness of the step.
        hardness: f32,
    },
    /// `k-step K [learned|predicted] [least=L] [relu6|hard|surrogate] [hardness=H] [balance=RATE] [scaling=B]`: see
    /// [`KStepSpec`].
    KStep(KStepSpec),
    /// `penalty WEIGHT [power=P]`: values pass, and `WEIGHT · mean ‖z‖_P / n` of them is added to the loss, the mean
    /// over the samples.
    ///
    /// Source: the latent penalty of pytorch-mighty.
    Penalty {
        /// What the mean size of a value counts.
        weight: f32,
        /// `P`, 1 unless said, not below.
        power: f32,
    },
    /// `linear UNITS [density=D] [drop-connect=P]`: every unit sees all inputs, or the share `D` of them, drawn once
    /// and for ever; with `P`, weights are left out at random while learning.
    Linear {
        /// Units.
        units: usize,
        /// Share of each unit's weights that is not held at zero.
        density: f32,
        /// Probability of a weight to be left out of a step.
        drop_connect: f32,
    },
}

/// The step of a k-step layer while it learns; a trained one's is hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `1 / (1 + e^-z)` with `z = H (x - t)`.
    Sigmoid,
    /// `min(max(z + 3, 0), 6) / 6`.
    Relu6,
    /// 1 for the winners, 0 for the others; slopes pass as if it were the identity, losers' too.
    Hard,
    /// As hard, but slopes pass as if it were the sigmoid.
    Surrogate,
}

/// Where the step of a k-step layer of `n` units lies, `t` in [`Step`].
///
/// Source: the k-winners-take-all layers, learned thresholds and sparsity predictor of EmbedderSDR. There the step of a
/// trained layer lies where that of a learning one does, so that nothing holds the number of ones; here the number is
/// taken from it, and that many of the largest values win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// Half way between the `K`-th and the next value.
    Between,
    /// At a number of each unit's own, which is learned from `±1/√n` on. While learning all units above theirs are
    /// on, however many; of a trained layer the `K` that are above by most.
    Learned,
    /// Where of normal values with the mean `μ` and the deviation `σ` of the sample as many lie above as are predicted:
    /// `t = μ + σ Φ⁻¹(1 - k(x)/n)`, `k(x) = max(K / (1 + e^(-w·x)), L)` with `w` learned. Of a trained layer the `k(x)`
    /// largest win, rounded.
    ///
    /// Published is a least share of 0.001, which is less than one of 512 units; `L` is a number.
    Predicted {
        /// `L`, at least 1 and at most `K`.
        least: usize,
    },
}

/// The settings of a k-step layer: 1 for the winners, 0 for the others.
///
/// Source: the k-winners-take-all layers of EmbedderSDR.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KStepSpec {
    /// Winners `K`, fewer than there are units; the most of them where their number is predicted.
    pub winners: usize,
    /// Where the step lies.
    pub threshold: Threshold,
    /// The step while learning.
    pub step: Step,
    /// Steepness `H` of a soft step.
    pub hardness: f32,
    /// Rate of the [`Balance`](crate::kwta::Balance) that keeps all units in use; 0 for none.
    pub balance: f32,
    /// Strength `B` of synaptic scaling: while learning, values are multiplied by `e^(-B f)`, `f` the unit's mean
    /// output so far; 0 for none.
    pub scaling: f32,
}

impl KStepSpec {
    /// `winners` by a sigmoid of steepness 2, as EmbedderSDR begins with.
    pub fn new(winners: usize) -> Self {
        let (threshold, step) = (Threshold::Between, Step::Sigmoid);
        Self { winners, threshold, step, hardness: 2.0, balance: 0.0, scaling: 0.0 }
    }
}

/// The settings of a k-winners layer. With `K` of all its units or more the layer is a `relu`.
///
/// Source: Ahmad and Scheinkman, "How Can We Be So Dense?", 2019, section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KWinnersSpec {
    /// Winners while learning; of all maps together, or of each place if `local`.
    pub winners: usize,
    /// Winners of a trained network.
    pub inference: usize,
    /// Whether maps compete at every place for themselves, not all places together.
    pub local: bool,
    /// Whether winners below zero give zero.
    pub relu: bool,
    /// Whether all values that equal the last winner's win too.
    pub ties: bool,
    /// Whether the gradient passes losers as if they had won.
    pub straight: bool,
}

impl KWinnersSpec {
    /// `winners` at all times, globally.
    pub fn new(winners: usize) -> Self {
        let (local, relu, ties, straight) = (false, false, false, false);
        Self { winners, inference: winners, local, relu, ties, straight }
    }
}

/// A network as a list of layers; as text, layers are joined by commas.
///
/// ```
/// use kwinners::net::NetworkSpec;
/// let spec: NetworkSpec = "conv 30 5, pool 2, k-winners 400, linear 150 density=0.3, k-winners 50".parse()?;
/// assert_eq!(spec.layers().len(), 5);
/// assert_eq!(spec.to_string().parse::<NetworkSpec>()?, spec);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkSpec(Vec<LayerSpec>);

impl NetworkSpec {
    /// A network of `layers`, first to last.
    pub fn new(layers: impl Into<Vec<LayerSpec>>) -> Self {
        Self(layers.into())
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[LayerSpec] {
        &self.0
    }

    /// The shape of a sample before each layer and after the last.
    pub(crate) fn shapes(&self, input: MapShape) -> Result<Vec<MapShape>> {
        let mut shapes = vec![input];
        for (number, layer) in self.0.iter().enumerate() {
            let shape = layer.shape_after(shapes[number]).map_err(|reason| {
                let MapShape { height, width, channels } = shapes[number];
                let given = format!("{height}x{width} places of {channels}");
                let text = format!("layer {} (`{layer}`) gets {given}", number + 1);
                Error::setting("layers", reason, text)
            })?;
            let size = shape.places().checked_mul(shape.channels);
            if size.is_none_or(|size| size > MOST_VALUES) {
                let expected = format!("at most {MOST_VALUES} values a sample");
                return Err(Error::setting("layers", expected, format!("more after `{layer}`")));
            }
            if layer.weights(shapes[number]) > MOST_WEIGHTS {
                let expected = format!("at most {MOST_WEIGHTS} weights a layer");
                return Err(Error::setting("layers", expected, format!("more in `{layer}`")));
            }
            shapes.push(shape);
        }
        Ok(shapes)
    }
}

impl LayerSpec {
    /// How many weights the layer has for `shape`, those that are held at zero included.
    fn weights(&self, shape: MapShape) -> u128 {
        match *self {
            Self::Convolution { maps, kernel, .. } => {
                (maps as u128) * (kernel as u128).pow(2) * shape.channels as u128
            }
            Self::Linear { units, .. } => units as u128 * shape.size() as u128,
            _ => 0,
        }
    }

    /// The shape that the layer makes of `shape`, or what it expected.
    fn shape_after(&self, shape: MapShape) -> Result<MapShape, String> {
        let MapShape { height, width, channels } = shape;
        let side = height.min(width);
        match *self {
            Self::Convolution { kernel, .. } if kernel > side => {
                Err(format!("maps of at least {kernel}x{kernel}"))
            }
            Self::Convolution { maps, kernel, .. } => {
                let (height, width) = (height + 1 - kernel, width + 1 - kernel);
                Ok(MapShape { height, width, channels: maps })
            }
            Self::Pad { margin } => {
                let (height, width) = (height + 2 * margin, width + 2 * margin);
                Ok(MapShape { height, width, channels })
            }
            Self::MaxPool { size } if size > side => Err(format!("maps of at least {size}x{size}")),
            Self::MaxPool { size } => {
                Ok(MapShape { height: height / size, width: width / size, channels })
            }
            Self::SoftKWinners { winners, .. } | Self::KStep(KStepSpec { winners, .. })
                if winners >= shape.size() =>
            {
                Err(format!("more than {winners} units"))
            }
            Self::Linear { units, .. } => Ok(MapShape::flat(units)),
            _ => Ok(shape),
        }
    }
}

impl fmt::Display for LayerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        match self {
            Self::Convolution { maps, kernel, density } => {
                words.push(format!("conv {maps} {kernel}"));
                words.extend((*density < 1.0).then(|| format!("density={density}")));
            }
            Self::Pad { margin } => words.push(format!("pad {margin}")),
            Self::MaxPool { size } => words.push(format!("pool {size}")),
            Self::BatchNorm { affine } => {
                words.push("batch-norm".to_owned());
                words.extend(affine.then(|| "affine".to_owned()));
            }
            Self::Relu => words.push("relu".to_owned()),
            Self::Tanh => words.push("tanh".to_owned()),
            Self::Dropout { rate } => words.push(format!("dropout {rate}")),
            Self::KWinners(spec) => {
                words.push(format!("k-winners {}", spec.winners));
                let other = spec.inference != spec.winners;
                words.extend(other.then(|| format!("inference={}", spec.inference)));
                let flags = [
                    (spec.local, "local"),
                    (spec.relu, "relu"),
                    (spec.ties, "ties"),
                    (spec.straight, "straight"),
                ];
                words.extend(flags.iter().filter(|flag| flag.0).map(|flag| flag.1.to_owned()));
            }
            Self::SoftKWinners { winners, hardness } => {
                words.push(format!("soft-k-winners {winners} hardness={hardness}"));
            }
            Self::KStep(spec) => {
                words.push(format!("k-step {}", spec.winners));
                match spec.threshold {
                    Threshold::Between => {}
                    Threshold::Learned => words.push("learned".to_owned()),
                    Threshold::Predicted { least } => {
                        words.push("predicted".to_owned());
                        words.extend((least > 1).then(|| format!("least={least}")));
                    }
                }
                words.extend(match spec.step {
                    Step::Sigmoid => None,
                    Step::Relu6 => Some("relu6".to_owned()),
                    Step::Hard => Some("hard".to_owned()),
                    Step::Surrogate => Some("surrogate".to_owned()),
                });
                let plain = KStepSpec::new(spec.winners);
                let numbers = [
                    ("hardness", spec.hardness, plain.hardness),
                    ("balance", spec.balance, plain.balance),
                    ("scaling", spec.scaling, plain.scaling),
                ];
                let other = numbers.iter().filter(|(_, value, plain)| value != plain);
                words.extend(other.map(|(name, value, _)| format!("{name}={value}")));
            }
            Self::Penalty { weight, power } => {
                words.push(format!("penalty {weight}"));
                words.extend((*power != 1.0).then(|| format!("power={power}")));
            }
            Self::Linear { units, density, drop_connect } => {
                words.push(format!("linear {units}"));
                words.extend((*density < 1.0).then(|| format!("density={density}")));
                words.extend((*drop_connect > 0.0).then(|| format!("drop-connect={drop_connect}")));
            }
        }
        f.write_str(&words.join(" "))
    }
}

impl fmt::Display for NetworkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<String> = self.0.iter().map(LayerSpec::to_string).collect();
        f.write_str(&layers.join(", "))
    }
}

impl FromStr for NetworkSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let layers = text.split(',').map(str::parse).collect::<Result<Vec<LayerSpec>>>()?;
        match layers.len() {
            0..=MOST_LAYERS => Ok(Self(layers)),
            len => Err(Error::setting("layers", format!("at most {MOST_LAYERS} layers"), len)),
        }
    }
}

impl FromStr for LayerSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = Words::new(text);
        let layer = match words.name.as_str() {
            "conv" => Self::Convolution {
                maps: words.size(1..=MOST_UNITS)?,
                kernel: words.size(1..=LARGEST_KERNEL)?,
                density: words.share("density", 1.0)?,
            },
            "pad" => Self::Pad { margin: words.size(1..=LARGEST_KERNEL)? },
            "pool" => Self::MaxPool { size: words.size(1..=LARGEST_KERNEL)? },
            "batch-norm" => Self::BatchNorm { affine: words.flag("affine") },
            "relu" => Self::Relu,
            "tanh" => Self::Tanh,
            "dropout" => Self::Dropout { rate: words.rate()? },
            "k-winners" => Self::KWinners(k_winners(&mut words)?),
            "soft-k-winners" => Self::SoftKWinners {
                winners: words.size(1..=MOST_UNITS)?,
                hardness: words.number("hardness", 10.0, |h| h > 0.0, "a number above 0")?,
            },
            "k-step" => Self::KStep(k_step(&mut words)?),
            "penalty" => Self::Penalty {
                weight: words.positive()?,
                power: words.number("power", 1.0, |p| p >= 1.0, "a number of 1 or more")?,
            },
            "linear" => Self::Linear {
                units: words.size(1..=MOST_UNITS)?,
                density: words.share("density", 1.0)?,
                drop_connect: {
                    let below = |p: f32| (0.0..1.0).contains(&p);
                    words.number("drop-connect", 0.0, below, "0 or more, below 1")?
                },
            },
            name => return Err(Error::unknown_name("layer", name, &NAMES)),
        };
        words.finish().map(|()| layer)
    }
}

const NAMES: [&str; 12] = [
    "conv",
    "pad",
    "pool",
    "batch-norm",
    "relu",
    "tanh",
    "dropout",
    "k-winners",
    "soft-k-winners",
    "k-step",
    "penalty",
    "linear",
];

fn k_winners(words: &mut Words<'_>) -> Result<KWinnersSpec> {
    let winners = words.size(1..=MOST_UNITS)?;
    let inference = words.take("inference").map_or(Ok(winners), |text| {
        let parsed = text.parse().ok().filter(|k| (1..=MOST_UNITS).contains(k));
        parsed.ok_or_else(|| words.error("inference= and a whole number", text))
    })?;
    Ok(KWinnersSpec {
        winners,
        inference,
        local: words.flag("local"),
        relu: words.flag("relu"),
        ties: words.flag("ties"),
        straight: words.flag("straight"),
    })
}

fn k_step(words: &mut Words<'_>) -> Result<KStepSpec> {
    let plain = KStepSpec::new(words.size(1..=MOST_UNITS)?);
    let steps = [("relu6", Step::Relu6), ("hard", Step::Hard), ("surrogate", Step::Surrogate)];
    let step = steps.into_iter().find(|(name, _)| words.flag(name));
    let from_0 = |number: f32| number >= 0.0;
    Ok(KStepSpec {
        threshold: threshold(words, plain.winners)?,
        step: step.map_or(Step::Sigmoid, |(_, step)| step),
        hardness: words.number("hardness", plain.hardness, |h| h > 0.0, "a number above 0")?,
        balance: words.number("balance", plain.balance, from_0, "a number of 0 or more")?,
        scaling: words.number("scaling", plain.scaling, from_0, "a number of 0 or more")?,
        ..plain
    })
}

fn threshold(words: &mut Words<'_>, winners: usize) -> Result<Threshold> {
    if words.flag("learned") {
        return Ok(Threshold::Learned);
    }
    if !words.flag("predicted") {
        return Ok(Threshold::Between);
    }
    let Some(text) = words.take("least") else { return Ok(Threshold::Predicted { least: 1 }) };
    let least = text.parse().ok().filter(|least| (1..=winners).contains(least));
    let expected = || format!("least= and a whole number from 1 to {winners}");
    let least = least.ok_or_else(|| words.error(expected(), text))?;
    Ok(Threshold::Predicted { least })
}

/// The words of one layer, taken one by one.
struct Words<'a> {
    text: &'a str,
    name: String,
    left: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        let mut left: Vec<&str> = text.split_whitespace().collect();
        let name = if left.is_empty() { String::new() } else { left.remove(0).to_owned() };
        Self { text: text.trim(), name, left }
    }

    fn error(&self, expected: impl std::fmt::Display, got: &str) -> Error {
        let got = if got.is_empty() { "nothing" } else { got };
        Error::setting("layers", expected, format!("{got} in `{}`", self.text))
    }

    /// The next word, a whole number.
    fn size(&mut self, range: std::ops::RangeInclusive<usize>) -> Result<usize> {
        let word = if self.left.is_empty() { "" } else { self.left.remove(0) };
        let number = word.parse().ok().filter(|number| range.contains(number));
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        number.ok_or_else(|| self.error(expected(), word))
    }

    /// The next word, a probability below 1.
    fn rate(&mut self) -> Result<f32> {
        let word = if self.left.is_empty() { "" } else { self.left.remove(0) };
        let number = word.parse().ok().filter(|number| (0.0..1.0).contains(number));
        number.ok_or_else(|| self.error("a number from 0, below 1", word))
    }

    /// The next word, a number above 0.
    fn positive(&mut self) -> Result<f32> {
        let word = if self.left.is_empty() { "" } else { self.left.remove(0) };
        let number = word.parse().ok().filter(|number: &f32| number.is_finite() && *number > 0.0);
        number.ok_or_else(|| self.error("a number above 0", word))
    }

    /// The text after `key=`.
    fn take(&mut self, key: &str) -> Option<&'a str> {
        let value_of = |word: &&'a str| word.strip_prefix(key)?.strip_prefix('=');
        let place = self.left.iter().position(|word| value_of(word).is_some())?;
        value_of(&self.left.remove(place))
    }

    fn number(
        &mut self,
        key: &str,
        default: f32,
        valid: impl Fn(f32) -> bool,
        expected: &str,
    ) -> Result<f32> {
        let Some(text) = self.take(key) else { return Ok(default) };
        let number = text.parse().ok().filter(|number: &f32| number.is_finite() && valid(*number));
        number.ok_or_else(|| self.error(format!("{key}= and {expected}"), text))
    }

    /// A share above 0, up to 1.
    fn share(&mut self, key: &str, default: f32) -> Result<f32> {
        self.number(key, default, |d| d > 0.0 && d <= 1.0, "a share above 0, at most 1")
    }

    fn flag(&mut self, name: &str) -> bool {
        let place = self.left.iter().position(|word| *word == name);
        place.map(|place| self.left.remove(place)).is_some()
    }

    fn finish(&self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some(word) => Err(self.error(format!("nothing more after `{}`", self.name), word)),
        }
    }
}
