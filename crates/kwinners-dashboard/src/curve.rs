//! Learning curves from the log of a fit.

use std::io::{BufRead, BufReader};
use std::path::Path;

use kwinners::train::PlaneFigures;
use kwinners::{Error, Result};
use serde::Deserialize;

/// One line of a log: means since the line before.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
#[non_exhaustive]
pub struct CurvePoint {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Samples seen so far.
    pub samples: u64,
    /// Mean loss.
    pub loss: f64,
    /// Share of the samples whose class was told right, where classes are learned.
    pub accuracy: Option<f64>,
    /// Units that have not won lately, where the learner keeps count.
    pub dead_units: Option<u64>,
    /// What `fit --monitor` saw besides, where it looked.
    pub monitor: Option<Monitored>,
}

/// What is drawn of [`kwinners::train::Observation`].
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
#[non_exhaustive]
pub struct Monitored {
    /// A point of the information plane.
    pub information: Option<PlaneFigures>,
}

impl Monitored {
    fn is_any(&self) -> bool {
        self.information.is_some()
    }
}

/// Points that a curve keeps: more than a screen has columns for.
const MOST_POINTS: usize = 600;

/// The curve that the last fit in the log at `path` drew, with at most 600 points, each the mean of
/// the lines that it stands for. A line cut short at the end is left out.
///
/// # Errors
/// If the file can't be read, or a line is no line of a log.
pub fn read_curve(path: &Path) -> Result<Vec<CurvePoint>> {
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    let mut points: Vec<CurvePoint> = Vec::new();
    let mut lines = BufReader::new(file).lines().enumerate().peekable();
    while let Some((place, line)) = lines.next() {
        let line = line.map_err(Error::io(path))?;
        let point = match parse(&line) {
            Some(point) => point,
            None if lines.peek().is_none() => break,
            None => {
                let got = format!("line {}", place + 1);
                return Err(Error::format(path, "log of a fit", "a JSON object a line", got));
            }
        };
        // A log is appended to: a later fit starts again.
        if points.last().is_some_and(|last| point.samples <= last.samples) {
            points.clear();
        }
        points.push(point);
    }
    Ok(thinned(&points, MOST_POINTS))
}

/// The point that a line holds, if it is one.
pub(crate) fn parse(line: &str) -> Option<CurvePoint> {
    serde_json::from_str(line).ok()
}

/// At most `most` points, each the mean of neighbours that it stands for, at the place of the last.
pub(crate) fn thinned(points: &[CurvePoint], most: usize) -> Vec<CurvePoint> {
    if points.len() <= most {
        return points.to_vec();
    }
    let bucket = |number: usize| {
        let points = &points[number * points.len() / most..(number + 1) * points.len() / most];
        let last = points[points.len() - 1];
        let loss = points.iter().map(|point| point.loss).sum::<f64>() / points.len() as f64;
        let told: Vec<f64> = points.iter().filter_map(|point| point.accuracy).collect();
        let accuracy = (!told.is_empty()).then(|| told.iter().sum::<f64>() / told.len() as f64);
        // Points of the plane are few, and none stands for another.
        let monitor = points.iter().rev().find_map(|point| point.monitor.filter(Monitored::is_any));
        CurvePoint { loss, accuracy, monitor, ..last }
    };
    (0..most).map(bucket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Vec<CurvePoint>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, text).unwrap();
        read_curve(&path)
    }

    #[test]
    fn the_last_fit_counts_and_a_cut_line_does_not() {
        let text = "{\"samples\":10,\"loss\":3}\n{\"samples\":20,\"loss\":2}\n{\"samples\":10,\"loss\":1}\n{\"sam";
        let curve = written(text).unwrap();
        assert_eq!(curve.iter().map(|point| point.loss).collect::<Vec<_>>(), [1.0]);
        assert!(written("nonsense\n{\"samples\":1}\n").is_err());
    }

    #[test]
    fn thinning_keeps_mean_and_end() {
        let point =
            |samples: u64| CurvePoint { samples, loss: samples as f64, ..Default::default() };
        let points: Vec<CurvePoint> = (1..=1000).map(point).collect();
        let thin = thinned(&points, 50);
        assert_eq!((thin.len(), thin[49].samples), (50, 1000));
        let mut points = points;
        points[7].monitor = serde_json::from_str(
            "{\"information\":{\"k_means\":{\"x_t\":1,\"t_y\":2},\"kraskov\":{\"x_t\":3,\"t_y\":4}}}",
        )
        .unwrap();
        assert_eq!(thinned(&points, 50)[0].monitor, points[7].monitor);
        let mean = thin.iter().map(|point| point.loss).sum::<f64>() / 50.0;
        assert!((mean - 500.5).abs() < 1e-9);
    }
}
