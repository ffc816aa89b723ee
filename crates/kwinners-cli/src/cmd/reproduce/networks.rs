//! Networks with k-winners on images: clean, and under the noise of "How Can We Be So Dense?".

use anyhow::bail;
use kwinners::encoder::Model;
use kwinners::metrics::{Noise, NoiseProtocol, noise_curve};
use kwinners::report::Summary;
use kwinners::train::{Position, StopReason};
use kwinners::{Dataset, Error, Rows};
use serde::Serialize;

use super::Arguments;
use super::experiment::Form;
use crate::args::Shared;
use crate::fitting;
use crate::output::Output;
use crate::selection::{Best, accuracy_of};

/// Seed of the noise: all networks meet the same.
const NOISE_SEED: u64 = 0x006E_6F69_7365;
/// One training row in so many is for validation.
const VALIDATION_SHARE: usize = 12;

/// A table of presets.
#[derive(Debug)]
pub(super) struct Networks {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) rows: &'static [Network],
    /// Below the table.
    pub(super) note: &'static str,
}

/// A row: a preset, what is set besides, and what was published of it.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    preset: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// Test accuracy in percent and noise score, with their standard deviations over ten runs where
    /// there were as many.
    known: Option<Known>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Known {
    accuracy: (f64, Option<f64>),
    score: (f64, Option<f64>),
}

const fn paper(preset: &'static str, accuracy: (f64, f64), score: (f64, f64)) -> Network {
    let known = Known { accuracy: (accuracy.0, Some(accuracy.1)), score: (score.0, Some(score.1)) };
    Network { preset, settings: &[], known: Some(known) }
}

pub(super) const DENSE: Networks = Networks {
    name: "dense",
    title: "\"How Can We Be So Dense?\" on MNIST, and nupic.torch's network",
    rows: &[
        paper("dense-cnn1", (99.14, 0.03), (74_569.0, 3_200.0)),
        paper("dense-cnn2", (99.31, 0.06), (97_040.0, 2_853.0)),
        paper("sparse-cnn1", (98.41, 0.08), (100_306.0, 1_735.0)),
        paper("sparse-cnn2", (99.09, 0.05), (103_764.0, 1_125.0)),
        paper("dense-cnn2-sp3", (99.13, 0.07), (100_318.0, 2_762.0)),
        paper("sparse-cnn2-d3", (98.89, 0.13), (102_328.0, 1_720.0)),
        paper("sparse-cnn2-w1", (98.20, 0.19), (100_322.0, 2_082.0)),
        paper("sparse-cnn2-dsw", (98.92, 0.09), (70_566.0, 2_857.0)),
        Network {
            preset: "mnist-sparse-cnn",
            settings: &[],
            known: Some(Known { accuracy: (99.17, None), score: (103_228.0, None) }),
        },
    ],
    note: "\nKnown: table 1 of the paper, ten runs, and the notebook of nupic.torch, one run after its last\n\
           epoch; both learned from all 60,000 images, as ours that the test chose. Ours that validation chose\n\
           learned from the first 55,000.",
};

pub(super) const NOISE_AWARE: Networks = Networks {
    name: "noise-aware",
    title: "the same network, learning from noisy images and from clean ones",
    rows: &[
        Network { preset: "noise-aware", settings: &[], known: None },
        Network { preset: "noise-aware", settings: &[("noise", "none")], known: None },
    ],
    note: "\nWhile learning, a share of each image's pixels, up to half, takes one value drawn for the image,\n\
           never one near that of the test's noise. Learned from the first 55,000 images.",
};

/// What a network came to after one epoch of a run.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    epoch: usize,
    accuracy: f64,
    score: f64,
    fit_s: f64,
}

/// One seed: learned from all rows and chosen by the test set, as the paper did, where the paper has the row; and
/// learned from a part and chosen by the rest.
#[derive(Clone, Copy, Debug)]
struct Run {
    by_test: Option<Chosen>,
    by_validation: Chosen,
}

#[derive(Serialize)]
struct Figures {
    epoch: Summary,
    accuracy: Summary,
    score: Summary,
    fit_s: Summary,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    network: &'static Network,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_test: Option<Figures>,
    by_validation: Figures,
}

/// Rows to learn from, all and a part, the rest to choose by, those to test on, and the test's noise.
struct Sets {
    all: Dataset,
    train: Dataset,
    validation: Dataset,
    test: Dataset,
    noise: Noise,
}

impl Networks {
    pub(super) fn run(
        &'static self,
        arguments: &Arguments,
        shared: &Shared,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let sets = Sets::load(arguments, shared)?;
        let seeds = arguments.seeds();
        let mut lines = Vec::new();
        let asked = arguments.rows.as_deref().unwrap_or_default();
        for network in self.asked_rows(asked)? {
            let mut runs = Vec::new();
            for &seed in &seeds {
                let run = network.run(seed, &sets, output)?;
                for (by, chosen) in [("test", run.by_test), ("validation", Some(run.by_validation))]
                {
                    let Some(Chosen { epoch, accuracy, score, fit_s }) = chosen else { continue };
                    output.note(format_args!(
                        "{}, seed {seed}, by {by}: {:.2} %, noise score {score:.0} after epoch {epoch}; \
                         {fit_s:.0} s",
                        network.preset,
                        100.0 * accuracy,
                    ));
                }
                runs.push(run);
            }
            lines.push(line(network, &runs));
        }
        self.print(&lines, arguments.data.is_none(), output)?;
        output.object(&serde_json::json!({ "name": self.name, "seeds": seeds, "rows": lines }))
    }

    /// The rows of the presets named in `asked`, between commas; all of them if it is empty.
    fn asked_rows(&self, asked: &str) -> anyhow::Result<Vec<&'static Network>> {
        let names: Vec<&str> = asked.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        let presets: Vec<&str> = self.rows.iter().map(|network| network.preset).collect();
        if let Some(name) = names.iter().find(|name| !presets.contains(name)) {
            return Err(Error::unknown_name("row", name, &presets).into());
        }
        let wanted = |network: &&Network| names.is_empty() || names.contains(&network.preset);
        Ok(self.rows.iter().filter(wanted).collect())
    }

    fn print(&self, lines: &[Line], known: bool, output: &mut Output) -> anyhow::Result<()> {
        output.line(self.title)?;
        let cells = |line: &Line| {
            let (accuracy, score) = line.network.known_texts();
            let mut cells = vec![line.network.label()];
            if known && self.published() {
                cells.extend([accuracy, score]);
            }
            for figures in line.by_test.iter().chain([&line.by_validation]) {
                cells.push(Form::Percent.summary(&figures.accuracy));
                cells.push(Form::Digits(0).summary(&figures.score));
            }
            cells.extend([
                Form::Digits(0).summary(&line.by_validation.epoch),
                Form::Digits(0).summary(&line.by_validation.fit_s),
            ]);
            cells
        };
        let mut headings = vec!["network"];
        let published = self.published();
        if known && published {
            headings.extend(["known %", "noise score"]);
        }
        if published {
            headings.extend(["by test %", "noise score"]);
        }
        headings.extend(["by validation %", "noise score", "epoch", "fit s"]);
        output.table(&headings, &lines.iter().map(cells).collect::<Vec<_>>())?;
        output.line(format_args!(
            "\nmean ± sd over the seeds. By test: after the epoch that told most test images right, as the\n\
             paper chose. By validation: after the epoch that told most validation images right, which is\n\
             how to choose. Noise score: test images told right, summed over 11 levels of noise.{}",
            self.note
        ))
    }

    /// Whether its rows have been published.
    fn published(&self) -> bool {
        self.rows.iter().any(|network| network.known.is_some())
    }
}

impl Network {
    fn label(&self) -> String {
        let settings = self.settings.iter().map(|(key, value)| format!(", {key}={value}"));
        format!("{}{}", self.preset, settings.collect::<String>())
    }

    fn known_texts(&self) -> (String, String) {
        let text = |(mean, sd): (f64, Option<f64>), digits: usize| match sd {
            Some(sd) => format!("{mean:.digits$} ± {sd:.digits$}"),
            None => format!("{mean:.digits$}"),
        };
        let none = || ("-".to_owned(), "-".to_owned());
        self.known.map_or_else(none, |known| (text(known.accuracy, 2), text(known.score, 0)))
    }

    /// Fits with one seed.
    fn run(&self, seed: u64, sets: &Sets, output: &Output) -> anyhow::Result<Run> {
        let by_validation = self.fit(seed, (&sets.train, &sets.validation), sets, output)?;
        let by_test = match self.known {
            Some(_) => Some(self.fit(seed, (&sets.all, &sets.test), sets, output)?),
            None => None,
        };
        Ok(Run { by_test, by_validation })
    }

    /// Fits to `train` and judges the model as it was after the epoch that was best on `choose_by`.
    fn fit(
        &self,
        seed: u64,
        (train, choose_by): (&Dataset, &Dataset),
        sets: &Sets,
        output: &Output,
    ) -> anyhow::Result<Chosen> {
        let own = [("preset", self.preset)].into_iter().chain(self.settings.iter().copied());
        let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings: Vec<_> = own.chain([("seed".to_owned(), seed.to_string())]).collect();
        let mut model = Model::new("classifier", &settings, train.inputs())?;
        let mut best = None;
        let look = &mut |_: &_, model: &Model, position: Position| {
            Best::look(&mut best, model, position, choose_by)?;
            Ok(())
        };
        let every = &mut |_: &_, _: &_, _| Ok(());
        let fitted = fitting::fit(output, &mut model, train, Position::default(), (every, look))?;
        if fitted.reason == StopReason::Asked {
            bail!("stopped before the table was done");
        }
        let Some(best) = best else { bail!("no epoch was done") };
        let line = output.spinner("noise");
        let chosen = sets.judge(&best, fitted.seconds)?;
        line.finish_and_clear();
        Ok(chosen)
    }
}

impl Sets {
    fn load(arguments: &Arguments, shared: &Shared) -> anyhow::Result<Self> {
        let (all, test) = super::sets(arguments, shared, ("mnist:train", "mnist:test"))?;
        let (train, validation) = all.split(all.len() - all.len() / VALIDATION_SHARE)?;
        let noise = Noise::new(NoiseProtocol::S2, all.inputs(), NOISE_SEED)?;
        Ok(Self { all, train, validation, test, noise })
    }

    /// How a model that was fitted in `fit_s` does on the test set, clean and noisy.
    fn judge(&self, best: &Best, fit_s: f64) -> anyhow::Result<Chosen> {
        let Some(classifier) = best.model.classifier() else { bail!("not a classifier") };
        let classify = &mut |rows: Rows<'_>| classifier.classify(rows);
        let labels = self.test.require_labels()?;
        let curve = noise_curve(&self.noise, self.test.rows(), labels, classify)?;
        let accuracy = accuracy_of(&best.model, &self.test)?;
        Ok(Chosen { epoch: best.epoch, accuracy, score: curve.score as f64, fit_s })
    }
}

fn line(network: &'static Network, runs: &[Run]) -> Line {
    let by_validation: Vec<Chosen> = runs.iter().map(|run| run.by_validation).collect();
    let by_test: Option<Vec<Chosen>> = runs.iter().map(|run| run.by_test).collect();
    Line {
        network,
        by_test: by_test.map(|chosen| Figures::of(&chosen)),
        by_validation: Figures::of(&by_validation),
    }
}

impl Figures {
    fn of(chosen: &[Chosen]) -> Self {
        let summary =
            |figure: &dyn Fn(&Chosen) -> f64| Summary::of(chosen.iter().map(figure).collect());
        Self {
            epoch: summary(&|chosen| chosen.epoch as f64),
            accuracy: summary(&|chosen| chosen.accuracy),
            score: summary(&|chosen| chosen.score),
            fit_s: summary(&|chosen| chosen.fit_s),
        }
    }
}
