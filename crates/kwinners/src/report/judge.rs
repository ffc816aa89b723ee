//! Measures a model: from data and codes to a [`Report`].

use super::{DataInfo, ModelInfo, Readout, Report, Separation, Timing};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::metrics::{
    Features, accuracy, centroid_accuracy, code_figures, fit_linear_probe, goodness,
    nearest_by_distance, neighbours_by_overlap, reconstruction,
};
use crate::rows::Rows;
use crate::sdr::SdrBatch;

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
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 5] =
        [Self::Code, Self::Readout, Self::Separation, Self::Reconstruction, Self::Raw];

    /// The name that [`Part::parse_list`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Readout => "readout",
            Self::Separation => "separation",
            Self::Reconstruction => "reconstruction",
            Self::Raw => "raw",
        }
    }

    /// The parts named in `list`, between commas.
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

/// What a model is judged by: the data, and what it made of them.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// The model.
    pub model: ModelInfo,
    /// What the read-outs learn from.
    pub train: &'a Dataset,
    /// What everything is measured on.
    pub test: &'a Dataset,
    /// One code a row of `train`.
    pub train_codes: &'a SdrBatch,
    /// One code a row of `test`.
    pub test_codes: &'a SdrBatch,
    /// The test codes decoded, one row a row of `test`, where there is a decoder.
    pub decoded: Option<Rows<'a>>,
    /// How long it took.
    pub time: Timing,
}

impl Evidence<'_> {
    /// The labels of both sets, if both have them.
    fn labels(&self) -> Option<(&[u32], &[u32])> {
        Some((self.train.labels.as_deref()?, self.test.labels.as_deref()?))
    }

    fn check(&self) -> Result<()> {
        for (data, codes) in [(self.train, self.train_codes), (self.test, self.test_codes)] {
            if data.is_empty() || codes.len() != data.len() {
                let expected = format!("{}, one a row and at least 1", data.len());
                return Err(Error::shape(format!("codes of {}", data.name), expected, codes.len()));
            }
            if codes.units() != self.model.units {
                let expected = format!("{} units", self.model.units);
                return Err(Error::shape(
                    format!("codes of {}", data.name),
                    expected,
                    codes.units(),
                ));
            }
        }
        self.test.rows().check_width("inputs of the test set", self.train.width())
    }
}

/// Measures the `parts` asked for, as far as labels and a decoder allow, and calls `progress` with
/// the name of each measurement before it starts.
///
/// The costly ones are the scans: `test · train` overlaps for the codes, `test · train · width`
/// multiply-adds for the raw inputs.
///
/// # Errors
/// If the codes don't belong to the data or the model, or a set is empty.
pub fn judge(
    evidence: &Evidence<'_>,
    parts: &[Part],
    progress: &mut dyn FnMut(&str),
) -> Result<Report> {
    evidence.check()?;
    let (train, test) = (evidence.train, evidence.test);
    let mut report = Report {
        model: evidence.model.clone(),
        data: DataInfo {
            train: train.name.clone(),
            test: test.name.clone(),
            train_len: train.len(),
            test_len: test.len(),
        },
        code: None,
        readout: None,
        separation: None,
        reconstruction: None,
        time: evidence.time,
    };
    if parts.contains(&Part::Code) {
        progress("code figures");
        let labels = test.labels.as_deref();
        report.code = Some(code_figures(evidence.test_codes, evidence.model.winners, labels)?);
    }
    report.readout = read_out(evidence, parts, progress)?;
    report.separation = separate(evidence, parts, progress)?;
    if let (true, Some(decoded)) = (parts.contains(&Part::Reconstruction), evidence.decoded) {
        progress("reconstruction");
        report.reconstruction = Some(reconstruction(test.rows(), decoded)?);
    }
    Ok(report)
}

fn read_out(
    evidence: &Evidence<'_>,
    parts: &[Part],
    progress: &mut dyn FnMut(&str),
) -> Result<Option<Readout>> {
    let (codes, raw) = (parts.contains(&Part::Readout), parts.contains(&Part::Raw));
    let Some((train_labels, test_labels)) = evidence.labels().filter(|_| codes || raw) else {
        return Ok(None);
    };
    let mut readout = Readout::default();
    if codes {
        let (train, test) = (evidence.train_codes, evidence.test_codes);
        progress("nearest neighbours");
        let found = neighbours_by_overlap(train, test, 5)?;
        readout.knn1_overlap = Some(found.vote_accuracy(1, train_labels, test_labels)?);
        readout.knn5_overlap = Some(found.vote_accuracy(5, train_labels, test_labels)?);
        progress("centroids");
        readout.centroid = Some(centroid_accuracy(train, train_labels, test, test_labels)?);
        progress("linear probe");
        let probe = fit_linear_probe(Features::Codes(train), train_labels)?;
        let predicted = probe.predict(Features::Codes(test))?;
        readout.linear_probe = Some(accuracy(&predicted, test_labels)?);
    }
    if raw {
        let (train, test) = (evidence.train.rows(), evidence.test.rows());
        progress("nearest neighbours of the raw inputs");
        let nearest = nearest_by_distance(train, test)?;
        let predicted: Vec<u32> = nearest.into_iter().map(|id| train_labels[id]).collect();
        readout.raw_knn1 = Some(accuracy(&predicted, test_labels)?);
        progress("linear probe of the raw inputs");
        let probe = fit_linear_probe(Features::Rows(train), train_labels)?;
        let predicted = probe.predict(Features::Rows(test))?;
        readout.raw_linear_probe = Some(accuracy(&predicted, test_labels)?);
    }
    Ok(Some(readout))
}

fn separate(
    evidence: &Evidence<'_>,
    parts: &[Part],
    progress: &mut dyn FnMut(&str),
) -> Result<Option<Separation>> {
    let (codes, raw) = (parts.contains(&Part::Separation), parts.contains(&Part::Raw));
    let Some(labels) = evidence.test.labels.as_deref().filter(|_| codes || raw) else {
        return Ok(None);
    };
    let mut separation = Separation::default();
    if codes {
        progress("separation of the classes");
        let figures = goodness(Features::Codes(evidence.test_codes), labels)?;
        separation.goodness = Some(figures.mean_ratio);
        separation.goodness_script = Some(figures.script);
    }
    if raw {
        progress("separation of the classes in the raw inputs");
        let figures = goodness(Features::Rows(evidence.test.rows()), labels)?;
        separation.raw_goodness = Some(figures.mean_ratio);
        separation.raw_goodness_script = Some(figures.script);
    }
    Ok(Some(separation))
}
