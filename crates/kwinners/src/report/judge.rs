//! Measures a model: from data and codes to a [`Report`].

use std::fmt;

use super::{
    AttackFigures, ClassFigures, DataInfo, InformationFigures, LatentFigures, ModelInfo,
    NoiseFigures, NoiseSetup, Part, Readout, Report, Separation, Timing,
};
use crate::data::Dataset;
use crate::encoder::{Classify, Decoder, Encoder, Latents};
use crate::error::{Error, Result};
use crate::metrics::{
    CodeFigures, Features, LogisticRegression, NOISE_LEVELS, Noise, NoiseCurve, NoiseProtocol,
    PixelFigures, Reconstruction, accuracy, centroid_accuracy, code_figures, fit_linear_probe,
    fit_linear_svm, goodness, nearest_by_distance, neighbours_by_overlap, noise_curve,
    pixel_figures, reconstruction,
};
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Seed of the noise: one for all reports, so that all models meet the same noise.
const NOISE_SEED: u64 = 0x006E_6F69_7365;

/// What a model is judged by: the data, and what it made of them.
#[derive(Clone)]
pub struct Evidence<'a> {
    /// The model.
    pub model: ModelInfo,
    /// What makes codes of noisy inputs, where it is at hand.
    pub encoder: Option<&'a dyn Encoder>,
    /// What tells classes by itself, where the kind does.
    pub classifier: Option<&'a dyn Classify>,
    /// What gives the latents behind the codes, where the kind has them.
    pub latents: Option<&'a dyn Latents>,
    /// What leads codes back to inputs, where the kind does.
    pub decoder: Option<&'a dyn Decoder>,
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
    /// An earlier report on the same data: what it says of the raw inputs is not measured again.
    pub controls: Option<&'a Report>,
    /// How long it took.
    pub time: Timing,
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("model", &self.model)
            .field("data", &self.data())
            .finish_non_exhaustive()
    }
}

impl Evidence<'_> {
    /// The labels of both sets, if both have them.
    fn labels(&self) -> Option<(&[u32], &[u32])> {
        Some((self.train.labels.as_deref()?, self.test.labels.as_deref()?))
    }

    fn data(&self) -> DataInfo {
        DataInfo {
            train: self.train.name.clone(),
            test: self.test.name.clone(),
            train_len: self.train.len(),
            test_len: self.test.len(),
        }
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
        if self.controls.is_some_and(|report| report.data != self.data()) {
            let reason = "a report on other data says nothing of these raw inputs";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        self.test.rows().check_width("inputs of the test set", self.train.width())
    }
}

/// Measures the `parts` asked for, as far as labels, a decoder and the encoder allow, and calls
/// `progress` with the name of each measurement before it starts.
///
/// The costly ones are the scans: `test · train` overlaps for the codes, `test · train · width`
/// multiply-adds for the raw inputs.
///
/// # Errors
/// If the codes don't belong to the data or the model, the controls are those of other data, or a set
/// is empty.
pub fn judge(
    evidence: &Evidence<'_>,
    parts: &[Part],
    progress: &mut dyn FnMut(&str),
) -> Result<Report> {
    evidence.check()?;
    let mut judge = Judge { evidence, parts, progress, probe: None, raw_probe: None };
    Ok(Report {
        model: evidence.model.clone(),
        data: evidence.data(),
        code: judge.code()?,
        readout: judge.read_out()?,
        separation: judge.separate()?,
        reconstruction: judge.reconstruct()?,
        latents: judge.latents()?,
        noise: judge.noise()?,
        classes: judge.classes()?,
        pixels: judge.pixels()?,
        information: judge.information()?,
        attacks: judge.attacks()?,
        time: evidence.time,
    })
}

/// The measuring under way, with the probes that have been fitted.
struct Judge<'a> {
    evidence: &'a Evidence<'a>,
    parts: &'a [Part],
    progress: &'a mut dyn FnMut(&str),
    probe: Option<LogisticRegression>,
    raw_probe: Option<LogisticRegression>,
}

impl<'a> Judge<'a> {
    fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// What the earlier report says, or else what `measure` finds.
    fn control<T>(
        &mut self,
        known: impl Fn(&Report) -> Option<T>,
        measure: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.evidence.controls.and_then(known).map_or_else(|| measure(self), Ok)
    }

    fn code(&mut self) -> Result<Option<CodeFigures>> {
        if !self.wants(Part::Code) {
            return Ok(None);
        }
        (self.progress)("code figures");
        let Evidence { model, test, test_codes, .. } = self.evidence;
        code_figures(test_codes, model.winners, test.labels.as_deref()).map(Some)
    }

    fn read_out(&mut self) -> Result<Option<Readout>> {
        let asked = [Part::Readout, Part::Svm, Part::Raw].map(|part| self.wants(part));
        let Some(labels) = self.evidence.labels().filter(|_| asked.contains(&true)) else {
            return Ok(None);
        };
        let mut readout = Readout::default();
        if self.wants(Part::Readout) {
            self.read_codes(labels, &mut readout)?;
        }
        if self.wants(Part::Svm) {
            readout.linear_svm = Some(self.svm("of the codes", self.codes(), labels)?);
            let known = |report: &Report| report.readout?.raw_linear_svm;
            let raw = self.raw();
            let fit = |judge: &mut Self| judge.svm("of the raw inputs", raw, labels);
            readout.raw_linear_svm = Some(self.control(known, fit)?);
        }
        if self.wants(Part::Raw) {
            let known = |report: &Report| report.readout?.raw_knn1;
            readout.raw_knn1 = Some(self.control(known, |judge| judge.raw_neighbours(labels))?);
            let known = |report: &Report| report.readout?.raw_linear_probe;
            let fit = |judge: &mut Self| {
                let test = Features::Rows(judge.evidence.test.rows());
                accuracy(&judge.raw_probe(labels.0)?.predict(test)?, labels.1)
            };
            readout.raw_linear_probe = Some(self.control(known, fit)?);
        }
        Ok(Some(readout))
    }

    fn read_codes(&mut self, labels: (&[u32], &[u32]), readout: &mut Readout) -> Result<()> {
        let (train, test) = (self.evidence.train_codes, self.evidence.test_codes);
        (self.progress)("nearest neighbours");
        let found = neighbours_by_overlap(train, test, 5)?;
        readout.knn1_overlap = Some(found.vote_accuracy(1, labels.0, labels.1)?);
        readout.knn5_overlap = Some(found.vote_accuracy(5, labels.0, labels.1)?);
        (self.progress)("centroids");
        readout.centroid = Some(centroid_accuracy(train, labels.0, test, labels.1)?);
        if let Some(classifier) = self.evidence.classifier {
            (self.progress)("the model's own answers");
            let predicted = classifier.classify(self.evidence.test.rows())?;
            readout.classifier = Some(accuracy(&predicted, labels.1)?);
        }
        let predicted = self.probe(labels.0)?.predict(Features::Codes(test))?;
        readout.linear_probe = Some(accuracy(&predicted, labels.1)?);
        Ok(())
    }

    /// The codes of both sets.
    fn codes(&self) -> (Features<'a>, Features<'a>) {
        let Evidence { train_codes, test_codes, .. } = self.evidence;
        (Features::Codes(train_codes), Features::Codes(test_codes))
    }

    /// The raw inputs of both sets.
    fn raw(&self) -> (Features<'a>, Features<'a>) {
        let Evidence { train, test, .. } = self.evidence;
        (Features::Rows(train.rows()), Features::Rows(test.rows()))
    }

    /// The linear probe of the codes, fitted when it is first needed.
    fn probe(&mut self, labels: &[u32]) -> Result<&LogisticRegression> {
        if self.probe.is_none() {
            (self.progress)("linear probe");
            self.probe = Some(fit_linear_probe(self.codes().0, labels)?);
        }
        Ok(self.probe.as_ref().expect("it was just fitted"))
    }

    /// The linear probe of the raw inputs, fitted when it is first needed.
    fn raw_probe(&mut self, labels: &[u32]) -> Result<&LogisticRegression> {
        if self.raw_probe.is_none() {
            (self.progress)("linear probe of the raw inputs");
            self.raw_probe = Some(fit_linear_probe(self.raw().0, labels)?);
        }
        Ok(self.raw_probe.as_ref().expect("it was just fitted"))
    }

    fn svm(
        &mut self,
        what: &str,
        (train, test): (Features<'_>, Features<'_>),
        labels: (&[u32], &[u32]),
    ) -> Result<f64> {
        (self.progress)(&format!("linear support vector machines {what}"));
        accuracy(&fit_linear_svm(train, labels.0)?.predict(test)?, labels.1)
    }

    fn raw_neighbours(&mut self, labels: (&[u32], &[u32])) -> Result<f64> {
        (self.progress)("nearest neighbours of the raw inputs");
        let nearest = nearest_by_distance(self.evidence.train.rows(), self.evidence.test.rows())?;
        let predicted: Vec<u32> = nearest.into_iter().map(|id| labels.0[id]).collect();
        accuracy(&predicted, labels.1)
    }

    fn separate(&mut self) -> Result<Option<Separation>> {
        let (codes, raw) = (self.wants(Part::Separation), self.wants(Part::Raw));
        let Some(labels) = self.evidence.test.labels.as_deref().filter(|_| codes || raw) else {
            return Ok(None);
        };
        let mut separation = Separation::default();
        if codes {
            (self.progress)("separation of the classes");
            let figures = goodness(self.codes().1, labels)?;
            separation.goodness = Some(figures.mean_ratio);
            separation.goodness_script = Some(figures.script);
        }
        if raw {
            let known = |report: &Report| {
                let separation = report.separation?;
                Some((separation.raw_goodness?, separation.raw_goodness_script?))
            };
            let (mean_ratio, script) = self.control(known, |judge| {
                (judge.progress)("separation of the classes in the raw inputs");
                let figures = goodness(judge.raw().1, labels)?;
                Ok((figures.mean_ratio, figures.script))
            })?;
            separation.raw_goodness = Some(mean_ratio);
            separation.raw_goodness_script = Some(script);
        }
        Ok(Some(separation))
    }

    fn reconstruct(&mut self) -> Result<Option<Reconstruction>> {
        let Some(decoded) = self.evidence.decoded.filter(|_| self.wants(Part::Reconstruction))
        else {
            return Ok(None);
        };
        (self.progress)("reconstruction");
        reconstruction(self.evidence.test.rows(), decoded).map(Some)
    }

    fn latents(&mut self) -> Result<Option<LatentFigures>> {
        let evidence = self.evidence;
        let Some(source) = evidence.latents.filter(|_| self.wants(Part::Latents)) else {
            return Ok(None);
        };
        (self.progress)("latents");
        let test = source.latents(evidence.test.rows())?;
        let test = Rows::new(&test, evidence.model.units)?;
        let decoded = source.reconstruct(test)?;
        let decoded = Rows::new(&decoded, evidence.test.width())?;
        let Reconstruction { mse, fvu, .. } = reconstruction(evidence.test.rows(), decoded)?;
        let (mut linear_probe, mut linear_svm) = (None, None);
        if let Some(labels) = evidence.labels() {
            let train = source.latents(evidence.train.rows())?;
            let train = Features::Rows(Rows::new(&train, evidence.model.units)?);
            let test = Features::Rows(test);
            (self.progress)("linear probe of the latents");
            let probe = fit_linear_probe(train, labels.0)?;
            linear_probe = Some(accuracy(&probe.predict(test)?, labels.1)?);
            linear_svm = Some(self.svm("of the latents", (train, test), labels)?);
        }
        Ok(Some(LatentFigures { linear_probe, linear_svm, mse, fvu }))
    }

    fn classes(&mut self) -> Result<Option<ClassFigures>> {
        let Some(labels) = self.evidence.labels().filter(|_| self.wants(Part::Classes)) else {
            return Ok(None);
        };
        (self.progress)("classes");
        ClassFigures::measure(self.evidence, labels).map(Some)
    }

    fn pixels(&mut self) -> Result<Option<PixelFigures>> {
        let evidence = self.evidence;
        let asked = evidence.decoder.zip(evidence.decoded).filter(|_| self.wants(Part::Pixels));
        let Some((decoder, decoded)) = asked else { return Ok(None) };
        (self.progress)("decoded pixels");
        let train = decoder.decode(evidence.train_codes)?;
        let train = (evidence.train.rows(), Rows::new(&train, evidence.train.width())?);
        pixel_figures(train, (evidence.test.rows(), decoded)).map(Some)
    }

    fn information(&mut self) -> Result<Option<InformationFigures>> {
        let labels = self.evidence.test.labels.as_deref();
        let Some(labels) = labels.filter(|_| self.wants(Part::Information)) else {
            return Ok(None);
        };
        (self.progress)("mutual information");
        InformationFigures::measure(self.evidence, labels).map(Some)
    }

    fn attacks(&mut self) -> Result<Option<AttackFigures>> {
        let labels = self.evidence.test.labels.as_deref();
        match labels.filter(|_| self.wants(Part::Attacks)) {
            Some(labels) => AttackFigures::measure(self.evidence, labels, self.progress),
            None => Ok(None),
        }
    }

    fn noise(&mut self) -> Result<Option<NoiseFigures>> {
        let asked = self.parts.iter().find_map(|part| match part {
            Part::Noise(protocol) => Some(*protocol),
            _ => None,
        });
        let evidence = self.evidence;
        let (Some(protocol), Some(encoder), Some(labels)) =
            (asked, evidence.encoder, evidence.labels())
        else {
            return Ok(None);
        };
        let noise = Noise::new(protocol, evidence.train.inputs(), NOISE_SEED)?;
        let (readout, codes) = match evidence.classifier {
            None => ("linear_probe", self.noise_on_codes(&noise, encoder, labels)?),
            Some(classifier) => {
                (self.progress)("the model's own answers to noisy inputs");
                let classify = &mut |rows: Rows<'_>| classifier.classify(rows);
                ("classifier", noise_curve(&noise, evidence.test.rows(), labels.1, classify)?)
            }
        };
        let raw = self.control(
            |report| known_noise(report, protocol),
            |judge| judge.noise_on_raw(&noise, labels),
        )?;
        Ok(Some(NoiseFigures {
            setup: NoiseSetup { protocol, readout, levels: NOISE_LEVELS.to_vec() },
            accuracy: codes.accuracy,
            score: codes.score,
            raw_accuracy: raw.accuracy,
            raw_score: raw.score,
        }))
    }

    fn noise_on_codes(
        &mut self,
        noise: &Noise,
        encoder: &dyn Encoder,
        labels: (&[u32], &[u32]),
    ) -> Result<NoiseCurve> {
        let test = self.evidence.test.rows();
        self.probe(labels.0)?;
        (self.progress)("codes of noisy inputs");
        let probe = self.probe(labels.0)?;
        noise_curve(noise, test, labels.1, &mut |rows| {
            probe.predict(Features::Codes(&encoder.encode(rows)?))
        })
    }

    fn noise_on_raw(&mut self, noise: &Noise, labels: (&[u32], &[u32])) -> Result<NoiseCurve> {
        let test = self.evidence.test.rows();
        self.raw_probe(labels.0)?;
        (self.progress)("noisy raw inputs");
        let probe = self.raw_probe(labels.0)?;
        noise_curve(noise, test, labels.1, &mut |rows| probe.predict(Features::Rows(rows)))
    }
}

/// What an earlier report says of the raw inputs under the same noise.
fn known_noise(report: &Report, protocol: NoiseProtocol) -> Option<NoiseCurve> {
    let noise = report.noise.as_ref().filter(|noise| noise.setup.protocol == protocol)?;
    Some(NoiseCurve { accuracy: noise.raw_accuracy.clone(), score: noise.raw_score })
}
