//! Learning: the dictionary first, then the balance.

use rayon::prelude::*;

use super::super::{Learner, Step};
use super::{DRAW, Patches, Workspace, dictionary};
use crate::error::Result;
use crate::kwta::Balance;
use crate::rng::Rng;
use crate::rows::Rows;

/// Rows that one task looks at.
const ROWS_A_TASK: usize = 16;

/// What a task found out about its rows.
struct Looked {
    winners: Vec<u32>,
    spread: f32,
}

impl Learner for Patches {
    fn learn(&mut self, rows: Rows<'_>, _labels: Option<&[u32]>) -> Result<Step> {
        use super::Encoder;
        rows.check_width("training inputs", self.input_width())?;
        rows.check_finite("training inputs")?;
        let loss = match self.samples < self.epoch_samples {
            true => self.turn_atoms(rows),
            false => self.balance_units(rows)?,
        };
        self.samples += rows.len() as u64;
        self.steps += 1;
        Ok(Step { step: self.steps, samples: self.samples, loss, ..Step::default() })
    }
}

impl Patches {
    /// One step of the dictionaries; the mean of `1 - cosine` between a patch and its best atom.
    fn turn_atoms(&mut self, rows: Rows<'_>) -> f64 {
        if rows.is_empty() {
            return 0.0;
        }
        let (floor, count) =
            (self.settings.contrast_floor, rows.len() * self.settings.patches_a_sample);
        let (seed, step) = (self.settings.seed, self.steps);
        let losses: Vec<f64> = self
            .scales
            .par_iter_mut()
            .enumerate()
            .map(|(number, scale)| {
                let stream = DRAW + 2 + step * 2 + number as u64;
                let mut rng = Rng::of_stream(seed, stream);
                let patches =
                    dictionary::random_patches(&scale.geometry, rows, count, floor, &mut rng);
                scale.dictionary.learn(&patches) / count as f64
            })
            .collect();
        losses.iter().sum::<f64>() / losses.len() as f64
    }

    /// One step of the balance; how far the units are from winning alike: the mean over units of
    /// `(wins / samples - k/n)²`, as a share of what it is when always the same `k` win.
    fn balance_units(&mut self, rows: Rows<'_>) -> Result<f64> {
        if rows.is_empty() {
            return Ok(0.0);
        }
        let blocks: Vec<Rows<'_>> = rows.blocks(ROWS_A_TASK).collect();
        let looked: Vec<Looked> =
            blocks.par_iter().map(|rows| self.look(*rows)).collect::<Result<_>>()?;
        let mut wins = vec![0u32; self.settings.units];
        for found in &looked {
            found.winners.iter().for_each(|&winner| wins[winner as usize] += 1);
        }
        let spread: f32 = looked.iter().map(|found| found.spread).sum();
        let winners: Vec<u32> = looked.into_iter().flat_map(|found| found.winners).collect();
        self.balance.observe_spread(spread / rows.len() as f32);
        self.balance.update(&winners, self.settings.balance_rate * self.left());
        let (n, k) = (self.settings.units as f64, self.settings.winners as f64);
        let off = |wins: &u32| (f64::from(*wins) / rows.len() as f64 - k / n).powi(2);
        Ok(wins.iter().map(off).sum::<f64>() / n / (k / n * (1.0 - k / n)).max(1e-12))
    }

    /// The share of the balance's part of the fit that is still to come. A unit whose atom never
    /// answers in its region has its bias for a score, the same for every image: at a constant rate
    /// it would win everywhere for a while and then nowhere, and the fit could end in either.
    fn left(&self) -> f32 {
        let epochs = (self.settings.epochs as u64).saturating_sub(1).max(1);
        let all = (epochs * self.epoch_samples).max(1) as f32;
        let done = self.samples.saturating_sub(self.epoch_samples) as f32;
        (1.0 - done / all).max(0.01)
    }

    fn look(&self, rows: Rows<'_>) -> Result<Looked> {
        let (n, k) = (self.settings.units, self.settings.winners);
        let mut work = Workspace::default();
        let mut scores = vec![0.0; n];
        let mut found = Looked { winners: vec![0; rows.len() * k], spread: 0.0 };
        for (number, (row, slots)) in rows.iter().zip(found.winners.chunks_exact_mut(k)).enumerate()
        {
            self.pool(row, &mut work, &mut scores)?;
            found.spread += Balance::spread_of(&scores);
            self.balance.apply(&mut scores);
            self.k_winners.pick(number, &scores, &mut work.scratch, slots)?;
        }
        Ok(found)
    }
}
