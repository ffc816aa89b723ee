//! Networks under attack: what gradients find, and what attacks find that need none.

use kwinners::Dataset;
use kwinners::encoder::Classify;
use kwinners::metrics::{ATTACK_LEVELS, ATTACK_WARNING, Attack, Target};
use kwinners::report::Summary;
use serde::Serialize;

use super::Arguments;
use super::nets::{Net, asked, reader};
use crate::args::Shared;
use crate::output::{Counts, Output};

/// The first is the one that changes are transferred from.
const NETS: [Net; 4] = [
    Net { label: "dense CNN-2", preset: "dense-cnn2" },
    Net { label: "dense CNN-2, dropout", preset: "dropout-cnn2" },
    Net { label: "sparse CNN-2", preset: "sparse-cnn2" },
    Net { label: "noise-aware", preset: "noise-aware" },
];

const ITERATED: Attack = Attack::IteratedFastGradient { steps: 10 };
const ATTACKS: [Attack; 4] = [
    Attack::FastGradient,
    ITERATED,
    Attack::ProjectedGradient { steps: 40, starts: 1 },
    Attack::Decision { queries: 500 },
];
/// The levels of the printed table; the JSON has all.
const SHOWN: [f64; 3] = [0.1, 0.2, 0.3];

/// One network under one attack.
#[derive(Serialize)]
struct Curve {
    attack: &'static str,
    /// At each `ε`, over the seeds.
    accuracy: Vec<Summary>,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    net: Net,
    curves: Vec<Curve>,
}

/// The answer under `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'static str,
    warning: &'static str,
    samples: usize,
    epsilons: [f64; ATTACK_LEVELS.len()],
    seeds: &'a [u64],
    rows: &'a [Line],
}

pub(super) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (train, test) = super::sets(arguments, shared, ("mnist:train", "mnist:test"))?;
    let test = test.slice(0..arguments.samples.get().min(test.len()))?;
    let seeds = arguments.seeds();
    let nets = asked(&NETS, arguments)?;
    // Lists of shares by network, seed and attack.
    let mut found: Vec<Vec<Vec<Vec<f64>>>> = vec![Vec::new(); nets.len()];
    for &seed in &seeds {
        let models =
            nets.iter().map(|number| NETS[*number].fitted(seed, &train, arguments, output));
        let models = models.collect::<anyhow::Result<Vec<_>>>()?;
        let target = target(&train, &test, seed)?;
        for (place, model) in models.iter().enumerate() {
            let source = (place > 0).then(|| reader(&models[0]));
            let what = format!("{}, seed {seed}", NETS[nets[place]].label);
            found[place].push(attacked(&what, (source, reader(model)), &target, output)?);
        }
    }
    let rows: Vec<Line> =
        nets.iter().zip(&found).map(|(number, runs)| line(NETS[*number], runs)).collect();
    print(&rows, test.len(), output)?;
    output.object(&Answer {
        name: "attacks",
        warning: ATTACK_WARNING,
        samples: test.len(),
        epsilons: ATTACK_LEVELS,
        seeds: &seeds,
        rows: &rows,
    })
}

fn target<'a>(train: &Dataset, test: &'a Dataset, seed: u64) -> kwinners::Result<Target<'a>> {
    let values = train.rows().values().iter();
    let range = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| {
        (low.min(value), high.max(value))
    });
    Ok(Target { rows: test.rows(), labels: test.require_labels()?, range, seed })
}

/// The shares that `model` reads rightly: a list an attack, and one more for changes made on `source`.
fn attacked(
    what: &str,
    (source, model): (Option<&dyn Classify>, &dyn Classify),
    target: &Target<'_>,
    output: &Output,
) -> kwinners::Result<Vec<Vec<f64>>> {
    let bar = output.progress(what, ATTACKS.len() as u64, Counts::Runs);
    let mut curves = Vec::new();
    for attack in ATTACKS {
        bar.set_message(attack.name());
        curves.push(attack.accuracies(model, target, &ATTACK_LEVELS)?);
        bar.inc(1);
    }
    if let Some(source) = source {
        let pair = (source, model);
        curves.push(ITERATED.transferred_accuracies(pair, target, &ATTACK_LEVELS)?);
    }
    bar.finish_and_clear();
    Ok(curves)
}

fn line(net: Net, runs: &[Vec<Vec<f64>>]) -> Line {
    let names = ATTACKS.iter().map(|attack| attack.name()).chain(["transfer"]);
    let curve = |(attack, name): (usize, &'static str)| {
        let at = |level: usize| runs.iter().map(|run| run[attack][level]).collect();
        let accuracy = (0..ATTACK_LEVELS.len()).map(|level| Summary::of(at(level))).collect();
        Curve { attack: name, accuracy }
    };
    Line { net, curves: names.enumerate().take(runs[0].len()).map(curve).collect() }
}

fn print(lines: &[Line], samples: usize, output: &mut Output) -> anyhow::Result<()> {
    output.line(format_args!("networks under attack, the first {samples} test images"))?;
    let shown = ["fgsm", "iterated-fgsm", "pgd", "transfer", "decision"];
    let mut headings = vec!["network".to_owned(), "attack".to_owned(), "clean".to_owned()];
    headings.extend(SHOWN.map(|epsilon| format!("ε {epsilon}")));
    let mut rows = Vec::new();
    for line in lines {
        for name in shown {
            let Some(curve) = line.curves.iter().find(|curve| curve.attack == name) else {
                continue;
            };
            let at = |epsilon: f64| {
                let place = ATTACK_LEVELS.iter().position(|level| *level == epsilon);
                super::experiment::Form::Percent
                    .summary(&curve.accuracy[place.expect("one of them")])
            };
            let cells = [0.0].into_iter().chain(SHOWN).map(at);
            rows.push(
                [line.net.label.to_owned(), name.to_owned()].into_iter().chain(cells).collect(),
            );
        }
    }
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    output.table(&headings, &rows)?;
    output.line(NOTE)?;
    output.line(ATTACK_WARNING)
}

const NOTE: &str = "
% read rightly, mean ± sd over the seeds, where every pixel may change by up to ε of 0..1. fgsm, iterated-fgsm
(10 steps) and pgd (40 steps from a random place) follow the network's own gradient; transfer takes the
changes that iterated-fgsm makes on the dense CNN-2 of the same seed; decision (RayS, 500 questions an image)
sees nothing but the classes that the network answers.
";
