//! What can be asked for.

use crate::error::{Error, Result};
use crate::metrics::NoiseProtocol;

/// A part of a report that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The codes by themselves.
    Code,
    /// Neighbours, probe and centroids of the codes.
    Readout,
    /// How far the codes of different classes lie apart.
    Separation,
    /// What the decoder gives back.
    Reconstruction,
    /// Controls: neighbours, probe and separation of the raw inputs.
    Raw,
    /// Linear support vector machines on the codes and, as a control, on the raw inputs.
    Svm,
    /// What the real-valued latents give, where the kind has them: read-outs and reconstruction.
    Latents,
    /// The linear probes of codes and raw inputs under noise on the inputs; the codes are made anew.
    Noise(NoiseProtocol),
    /// Centroids by several distances, confusion matrix, precision and recall of pairs, separability and
    /// firing rates of the codes.
    Classes,
    /// What the decoder gives back where pixels are only on or off.
    Pixels,
    /// What codes tell of inputs and classes, in bits.
    Information,
    /// Accuracy of a classifier under attack.
    Attacks,
}

impl Part {
    /// All parts, the noise that of `s2`.
    pub const ALL: [Self; 12] = [
        Self::Code,
        Self::Readout,
        Self::Separation,
        Self::Reconstruction,
        Self::Raw,
        Self::Svm,
        Self::Latents,
        Self::Noise(NoiseProtocol::S2),
        Self::Classes,
        Self::Pixels,
        Self::Information,
        Self::Attacks,
    ];

    /// The parts that are measured unless others are asked for: those that tell most for their time.
    pub const DEFAULT: [Self; 5] =
        [Self::Code, Self::Readout, Self::Separation, Self::Reconstruction, Self::Raw];

    /// The name that [`Part::parse_list`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Readout => "readout",
            Self::Separation => "separation",
            Self::Reconstruction => "reconstruction",
            Self::Raw => "raw",
            Self::Svm => "svm",
            Self::Latents => "latents",
            Self::Noise(_) => "noise",
            Self::Classes => "classes",
            Self::Pixels => "pixels",
            Self::Information => "information",
            Self::Attacks => "attacks",
        }
    }

    /// The parts named in `list`, between commas; `noise` is that of `s2`.
    ///
    /// ```
    /// use kwinners::report::Part;
    /// assert_eq!(Part::parse_list("code, raw")?, [Part::Code, Part::Raw]);
    /// assert!(Part::parse_list("code,row").unwrap_err().to_string().contains("did you mean `raw`"));
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownName`] if a name is no part.
    pub fn parse_list(list: &str) -> Result<Vec<Self>> {
        let parse = |name: &str| {
            let unknown = || Error::unknown_name("metric", name, &Self::ALL.map(Self::name));
            Self::ALL.into_iter().find(|part| part.name() == name).ok_or_else(unknown)
        };
        list.split(',').map(str::trim).map(parse).collect()
    }
}
