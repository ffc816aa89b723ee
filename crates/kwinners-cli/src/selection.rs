//! The best model of a fit: the one after the epoch that told most validation rows right.

use kwinners::encoder::Model;
use kwinners::metrics::accuracy;
use kwinners::train::Position;
use kwinners::{Dataset, Error, Result};

/// A model as it was after one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    /// Epochs done, from 1.
    pub(crate) epoch: usize,
    /// Share of the validation rows told right.
    pub(crate) accuracy: f64,
    pub(crate) model: Model,
}

impl Best {
    /// Puts `model` in `kept` if an epoch has just ended and it does better than the one there.
    pub(crate) fn look(
        kept: &mut Option<Self>,
        model: &Model,
        position: Position,
        validation: &Dataset,
    ) -> Result<Looked> {
        if position.sample != 0 || position.epoch == 0 {
            return Ok(Looked::NotBetter);
        }
        let accuracy = accuracy_of(model, validation)?;
        if kept.as_ref().is_some_and(|best| accuracy <= best.accuracy) {
            return Ok(Looked::NotBetter);
        }
        *kept = Some(Self { epoch: position.epoch, accuracy, model: model.clone() });
        Ok(Looked::Better)
    }
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The model was kept.
    Better,
    /// It was not, or no epoch has ended.
    NotBetter,
}

/// Refuses validation data that `model`, which learns from `train`, can't be chosen by: before it learns.
pub(crate) fn check(model: &Model, train: &Dataset, validation: &Dataset) -> Result<()> {
    if validation.classes != train.classes {
        let expected = format!("the classes of {}: {}", train.name, train.classes.join(" "));
        let what = format!("classes of {}", validation.name);
        return Err(Error::shape(what, expected, validation.classes.join(" ")));
    }
    accuracy_of(model, &validation.slice(0..validation.len().min(1))?).map(|_| ())
}

/// Share of the rows of `data` whose class `model` tells right.
pub(crate) fn accuracy_of(model: &Model, data: &Dataset) -> Result<f64> {
    let Some(classifier) = model.classifier() else {
        let reason = format!("a model of kind {} tells no classes", model.kind());
        return Err(Error::Unsupported(reason));
    };
    accuracy(&classifier.classify(data.rows())?, data.require_labels()?)
}
