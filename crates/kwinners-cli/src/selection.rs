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
    /// Puts `model` in `kept` if an epoch has just ended and it does better than the one there; says how
    /// it does, if an epoch has.
    pub(crate) fn look(
        kept: &mut Option<Self>,
        model: &Model,
        position: Position,
        validation: &Dataset,
    ) -> Result<Option<f64>> {
        if position.sample != 0 || position.epoch == 0 {
            return Ok(None);
        }
        let accuracy = accuracy_of(model, validation)?;
        if kept.as_ref().is_none_or(|best| accuracy > best.accuracy) {
            *kept = Some(Self { epoch: position.epoch, accuracy, model: model.clone() });
        }
        Ok(Some(accuracy))
    }
}

/// Share of the rows of `data` whose class `model` tells right.
pub(crate) fn accuracy_of(model: &Model, data: &Dataset) -> Result<f64> {
    let Some(classifier) = model.classifier() else {
        let reason = format!("a model of kind {} tells no classes", model.kind());
        return Err(Error::Unsupported(reason));
    };
    accuracy(&classifier.classify(data.rows())?, data.require_labels()?)
}
