//! What a search keeps while it goes: the best answers so far, or all that are good enough.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering as Access};

use super::score::{Hit, Scorer};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// The so many best.
    Top(usize),
    /// All with this score or a better one.
    Within(f64),
}

/// A hit in a heap whose greatest element is the worst.
#[derive(Clone, Copy, Debug)]
struct Worst(Hit);

impl PartialEq for Worst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Worst {}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.order(&other.0)
    }
}

/// A score that all answers must reach, found by any thread. Scores are not negative, so that their
/// bits are ordered as they are.
#[derive(Debug, Default)]
pub(super) struct Floor(AtomicU64);

impl Floor {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Access::Relaxed))
    }

    fn raise(&self, score: f64) {
        self.0.fetch_max(score.to_bits(), Access::Relaxed);
    }
}

/// The answers to one query among the codes of some blocks.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    goal: Goal,
    scorer: Scorer,
    floor: &'a Floor,
    best: BinaryHeap<Worst>,
    all: Vec<Hit>,
    /// For which floor, least size and ties `needed` was worked out.
    known: Option<(f64, u32, bool)>,
    needed: u32,
}

impl<'a> Collector<'a> {
    pub(super) fn new(goal: Goal, scorer: Scorer, floor: &'a Floor) -> Self {
        let (best, all) = (BinaryHeap::new(), Vec::new());
        Self { goal, scorer, floor, best, all, known: None, needed: 0 }
    }

    /// The overlap that a code of `size` units or more whose id is `first` or higher needs to be an answer.
    pub(super) fn needed(&mut self, size: u32, first: u32) -> u32 {
        let floor = self.floor.get();
        let own = self.worst();
        // Codes with higher ids must be better than our own worst; others' worst may have a higher id
        // than they.
        let ties = own.is_none_or(|own| first < own.id);
        if self.known != Some((floor, size, ties)) {
            self.known = Some((floor, size, ties));
            let beats = |score: f64, own: f64| score > own || (ties && score == own);
            let enough = |score: f64| match self.goal {
                Goal::Within(least) => score >= least,
                Goal::Top(_) => score >= floor && own.is_none_or(|own| beats(score, own.score)),
            };
            self.needed = self.scorer.least_overlap(size, enough);
        }
        self.needed
    }

    /// The worst of the answers, once there are enough.
    fn worst(&self) -> Option<Hit> {
        match self.goal {
            Goal::Top(top) if self.best.len() >= top => self.best.peek().map(|worst| worst.0),
            _ => None,
        }
    }

    /// Takes the code `id` of `size` units if it is an answer.
    pub(super) fn offer(&mut self, id: u32, overlap: u32, size: u32) {
        let hit = Hit { id, score: self.scorer.value(overlap, size) };
        let top = match self.goal {
            Goal::Within(least) => {
                if hit.score >= least {
                    self.all.push(hit);
                }
                return;
            }
            Goal::Top(top) => top,
        };
        if self.worst().is_some_and(|worst| hit.order(&worst) != Ordering::Less) {
            return;
        }
        self.best.push(Worst(hit));
        if self.best.len() > top {
            self.best.pop();
        }
        if let Some(worst) = self.worst() {
            self.floor.raise(worst.score);
            self.known = None;
        }
    }

    pub(super) fn into_hits(self) -> Vec<Hit> {
        self.best.into_iter().map(|worst| worst.0).chain(self.all).collect()
    }
}

/// The answers of all ranges as one: the best first.
pub(super) fn merge(goal: Goal, parts: impl Iterator<Item = Vec<Hit>>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = parts.flatten().collect();
    hits.sort_unstable_by(Hit::order);
    if let Goal::Top(top) = goal {
        hits.truncate(top);
    }
    hits
}
