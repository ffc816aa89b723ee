//! Whether set operations on codes do to classes what they do to sets: union, difference, intersection.
//!
//! Asked as an open question by the README of EmbedderSDR.

use anyhow::Context;
use kwinners::metrics::{Centroids, neighbours_by_overlap};
use kwinners::{Dataset, Error, Model, Rng, Sdr, SdrBatch, SdrRef, file};
use serde::Serialize;

use super::Arguments;
use crate::args::Shared;
use crate::cmd;
use crate::fitting;
use crate::output::Output;

/// Stored codes that are looked at for each union.
const NEIGHBOURS: usize = 10;

const SEED: u64 = 0;

/// One question and its answer.
#[derive(Serialize)]
struct Line {
    /// Its name in the JSON: part of the contract.
    name: &'static str,
    question: &'static str,
    /// Share of the pairs for which the answer is yes.
    share: f64,
    /// What a code of random units would give.
    chance: f64,
    /// Units that are on, on average.
    units_on: f64,
}

/// The answer under `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'static str,
    kind: &'a str,
    data: &'a str,
    test: &'a str,
    pairs: usize,
    winners: usize,
    lines: Vec<Line>,
}

pub(super) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let path = arguments.model.as_deref().context("algebra needs --model")?;
    let model = file::load_model(path)?.model;
    let train = cmd::load(&arguments.data, shared)?;
    let test = cmd::load(&arguments.test, shared)?.with_classes_of(&train.classes)?;
    for data in [&train, &test] {
        cmd::check_fits(data, path, &model)?;
        data.require_labels()?;
    }
    let asked = Asked::new(output, &model, &train, &test)?;
    let lines = asked.lines(arguments.samples.get())?;
    let answer = Answer {
        name: "algebra",
        kind: model.kind(),
        data: &train.name,
        test: &test.name,
        pairs: arguments.samples.get(),
        winners: model.encoder().winners(),
        lines,
    };
    output.line(format_args!(
        "{}: classes known from {}, {} pairs of codes of two classes of {}",
        answer.kind, answer.data, answer.pairs, answer.test
    ))?;
    let row = |line: &Line| {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let on = format!("{:.1}", line.units_on);
        vec![line.question.to_owned(), percent(line.share), percent(line.chance), on]
    };
    let rows: Vec<_> = answer.lines.iter().map(row).collect();
    output.table(&["question", "yes %", "chance %", "units on"], &rows)?;
    output.line("A class ranks by the cosine of the code to its mean code.")?;
    output.object(&answer)
}

/// What is asked.
struct Asked<'a> {
    centroids: Centroids,
    stored: SdrBatch,
    stored_labels: &'a [u32],
    codes: SdrBatch,
    labels: &'a [u32],
}

/// Two codes of two classes, and one more of the second.
struct Pair {
    a: usize,
    b: usize,
    other_b: usize,
    /// One more of the first.
    other_a: usize,
}

/// Counts one question over the pairs.
#[derive(Default)]
struct Count {
    yes: usize,
    on: usize,
}

impl Count {
    fn take(&mut self, yes: bool, code: SdrRef<'_>) {
        self.yes += usize::from(yes);
        self.on += code.count();
    }
}

impl<'a> Asked<'a> {
    fn new(
        output: &Output,
        model: &Model,
        train: &'a Dataset,
        test: &'a Dataset,
    ) -> anyhow::Result<Self> {
        let (stored_labels, labels) = (train.require_labels()?, test.require_labels()?);
        let encoder = model.encoder();
        let stored = fitting::encode(output, "encoding the training set", encoder, train.rows())?;
        let codes = fitting::encode(output, "encoding the test set", encoder, test.rows())?;
        let centroids = Centroids::of(&stored, stored_labels)?;
        Ok(Self { centroids, stored, stored_labels, codes, labels })
    }

    fn lines(&self, pairs: usize) -> kwinners::Result<Vec<Line>> {
        let pairs = self.pairs(pairs)?;
        let mut counts: [Count; 6] = Default::default();
        let mut unions = SdrBatch::new(self.codes.units())?;
        for pair in &pairs {
            let [a, b] = [pair.a, pair.b].map(|place| self.codes.get(place));
            let (first, second) = (self.labels[pair.a], self.labels[pair.b]);
            let ask = |code: SdrRef<'_>| self.ranked(code);
            counts[0].take(ask(a)[0] == first, a);
            let union = a.union(b)?;
            let ranked = ask(union.view());
            let is_top = |label: u32| ranked.iter().take(2).any(|other| *other == label);
            counts[1].take(is_top(first) && is_top(second), union.view());
            unions.push(union.indices())?;
            for (place, gone) in [(2, pair.b), (3, pair.other_b)] {
                let left = union.view().difference(self.codes.get(gone))?;
                counts[place].take(ask(left.view())[0] == first, left.view());
            }
            let left = union.view().difference(self.typical(second)?.view())?;
            counts[4].take(ask(left.view())[0] == first, left.view());
            let shared = a.intersection(self.codes.get(pair.other_a))?;
            counts[5].take(ask(shared.view())[0] == first, shared.view());
        }
        let classes = self.centroids.len() as f64;
        let (one, two) = (1.0 / classes, 2.0 / (classes * (classes - 1.0)));
        let of = |place: usize, name, question, chance| Line {
            name,
            question,
            share: counts[place].yes as f64 / pairs.len() as f64,
            chance,
            units_on: counts[place].on as f64 / pairs.len() as f64,
        };
        let mut lines = vec![
            of(0, "code", "a: is its class first?", one),
            of(1, "union", "a or b: are their classes the first two?", two),
            of(2, "difference", "(a or b) without b: is a's class first?", one),
            of(3, "difference_other", "(a or b) without another of b's class: a's first?", one),
            of(4, "difference_typical", "(a or b) without the typical b: a's first?", one),
            of(5, "intersection", "a and another of its class: is it first?", one),
        ];
        lines.insert(2, self.neighbours(&pairs, &unions)?);
        Ok(lines)
    }

    /// Whether both classes are among the nearest stored codes of a union.
    fn neighbours(&self, pairs: &[Pair], unions: &SdrBatch) -> kwinners::Result<Line> {
        let found = neighbours_by_overlap(&self.stored, unions, NEIGHBOURS)?;
        let both = pairs.iter().enumerate().filter(|(place, pair)| {
            let has = |of: usize| {
                let label = self.labels[of];
                found.of(*place).iter().any(|near| self.stored_labels[near.id as usize] == label)
            };
            has(pair.a) && has(pair.b)
        });
        let miss = |label: u32| {
            let own = self.stored_labels.iter().filter(|other| **other == label).count();
            (1.0 - own as f64 / self.stored_labels.len() as f64).powi(NEIGHBOURS as i32)
        };
        let chance: f64 = pairs
            .iter()
            .map(|pair| (1.0 - miss(self.labels[pair.a])) * (1.0 - miss(self.labels[pair.b])))
            .sum();
        Ok(Line {
            name: "union_neighbours",
            question: "a or b: are both classes among its 10 nearest codes?",
            share: both.count() as f64 / pairs.len() as f64,
            chance: chance / pairs.len() as f64,
            units_on: unions.indices().len() as f64 / pairs.len() as f64,
        })
    }

    /// Pairs drawn with a fixed seed.
    fn pairs(&self, count: usize) -> kwinners::Result<Vec<Pair>> {
        let mut classes: Vec<u32> = self.labels.to_vec();
        classes.sort_unstable();
        let members = |label: u32| -> Vec<usize> {
            (0..self.labels.len()).filter(|&place| self.labels[place] == label).collect()
        };
        classes.dedup();
        let members: Vec<Vec<usize>> =
            classes.into_iter().map(members).filter(|members| members.len() > 1).collect();
        if members.len() < 2 {
            let expected = "two classes of at least two rows";
            return Err(Error::shape("data to draw pairs from", expected, members.len()));
        }
        let mut rng = Rng::new(SEED);
        let draw = |_| {
            let two = rng.distinct(2, members.len());
            // In the order of the classes: which is a is drawn too.
            let swap = rng.below(2);
            let [of_a, of_b] = [two[swap], two[1 - swap]].map(|class| &members[class as usize]);
            let mut of = |members: &Vec<usize>| {
                let two = rng.distinct(2, members.len());
                [members[two[0] as usize], members[two[1] as usize]]
            };
            let ([a, other_a], [b, other_b]) = (of(of_a), of(of_b));
            Pair { a, b, other_b, other_a }
        };
        Ok((0..count).map(draw).collect())
    }

    /// The labels of the classes, nearest first.
    fn ranked(&self, code: SdrRef<'_>) -> Vec<u32> {
        let score = |place: usize| {
            let mean = self.centroids.of_class(place);
            let norm = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
            code.indices().iter().map(|&unit| mean[unit as usize]).sum::<f64>() / norm.max(1e-12)
        };
        let scores: Vec<f64> = (0..self.centroids.len()).map(score).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.into_iter().map(|place| self.centroids.labels()[place]).collect()
    }

    /// The units that the codes of a class have on most often, as many as a code has.
    fn typical(&self, label: u32) -> kwinners::Result<Sdr> {
        let place = self.centroids.labels().iter().position(|other| *other == label);
        match place {
            Some(place) => self.centroids.binary(place),
            None => Sdr::new(self.codes.units(), Vec::new()),
        }
    }
}
