//! Where a search may stop counting: after the first units of a query, few codes can still reach what
//! the answers need.

/// The order in which the units of a query are counted, and how likely a code has each on.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The units of the query, in the order in which they are counted.
    pub(super) units: Vec<u32>,
    /// `expected[m]`: the mean overlap of a stored code with the first `m` units.
    expected: Vec<f64>,
    /// `ln m!` for `m` up to the number of units; empty for an exact search.
    ln_factorials: Vec<f64>,
    /// The recall to keep; 1 for an exact search.
    recall: f64,
}

/// After `units` units, only codes with `least` of them need to be looked at any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) units: usize,
    pub(super) least: u32,
}

/// What counting costs in a layout, in any unit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Costs {
    /// A line a unit; if one code of 512 is left, the line is counted to its end.
    Columns,
    /// A step for each code that has a unit on; what is left of so many codes is looked up in the lists
    /// one by one.
    Lists { codes: usize },
}

/// Points at which stopping is thought of.
const STOPS: usize = 16;
/// Steps for a look into one list.
const LOOK_UP: f64 = 12.0;
/// What looking at a line costs beside adding one, in lines.
const CHECK: f64 = 1.5;

impl Plan {
    /// Exact searches count the rarest units first, which leaves the fewest codes. Others count in an
    /// order that has nothing to do with the codes (by a hash of the unit), as the bound of
    /// [`Plan::stage`] asks for.
    pub(super) fn new(units: &[u32], duty: impl Fn(u32) -> f32, recall: f64) -> Self {
        let mut units: Vec<(u32, f32)> = units.iter().map(|&unit| (unit, duty(unit))).collect();
        if recall < 1.0 {
            units.sort_by_key(|(unit, _)| (unit.wrapping_mul(0x9E37_79B9).reverse_bits(), *unit));
        } else {
            units.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        }
        let mut expected = vec![0.0];
        let mut sum = 0.0;
        for (_, share) in &units {
            sum += f64::from(*share);
            expected.push(sum);
        }
        let units: Vec<u32> = units.into_iter().map(|(unit, _)| unit).collect();
        let mut ln_factorials = Vec::new();
        if recall < 1.0 {
            let mut sum = 0.0;
            ln_factorials.push(sum);
            ln_factorials.extend((1..=units.len()).map(|m| {
                sum += (m as f64).ln();
                sum
            }));
        }
        Self { units, expected, ln_factorials, recall }
    }

    /// Where to stop so that codes with an overlap of `needed` or more are found at the least cost: all
    /// of them, or, where a recall below 1 is enough, at least this share.
    ///
    /// A code of overlap `needed` has `h` of the first `m` of the query's `q` units, where `h` is
    /// hypergeometric if the order of the units is random, and never below `needed - (q - m)`.
    pub(super) fn stage(&self, needed: u32, costs: Costs) -> Stage {
        let all = self.units.len();
        let mut last = 0;
        let mut best = (self.cost(all, 0, costs), Stage { units: all, least: needed });
        for stop in 1..STOPS {
            let mut units = all * stop / STOPS;
            if matches!(costs, Costs::Columns) {
                units = units.next_multiple_of(8);
            }
            if units <= last || units >= all {
                continue;
            }
            last = units;
            let least = self.least_after(units, needed);
            let cost = self.cost(units, least, costs);
            if least > 0 && cost < best.0 {
                best = (cost, Stage { units, least });
            }
        }
        best.1
    }

    /// The overlap with the first `units` units below which a code may be given up.
    fn least_after(&self, units: usize, needed: u32) -> u32 {
        let all = self.units.len();
        let certain = (needed as usize).saturating_sub(all - units) as u32;
        if self.recall >= 1.0 || needed as usize > all {
            return certain;
        }
        let mut lost = 0.0;
        for least in 0..=needed.min(units as u32) {
            lost += self.hypergeometric(needed as usize, units, least as usize);
            if lost > 1.0 - self.recall {
                return certain.max(least);
            }
        }
        certain.max(needed.min(units as u32))
    }

    /// `P(h)` of drawing `h` marked units when `drawn` of the query's are drawn, `marked` of which are
    /// marked.
    fn hypergeometric(&self, marked: usize, drawn: usize, h: usize) -> f64 {
        let all = self.units.len();
        if h > marked || h > drawn || drawn - h > all - marked {
            return 0.0;
        }
        let ln = |n: usize, k: usize| {
            self.ln_factorials[n] - self.ln_factorials[k] - self.ln_factorials[n - k]
        };
        (ln(marked, h) + ln(all - marked, drawn - h) - ln(all, drawn)).exp()
    }

    /// The cost of counting `units` units of all codes and then the other units of those with `least`.
    fn cost(&self, units: usize, least: u32, costs: Costs) -> f64 {
        let rest = (self.units.len() - units) as f64;
        let left = if rest > 0.0 { poisson_tail(self.expected[units], least) } else { 0.0 };
        match costs {
            Costs::Columns if rest == 0.0 => units as f64,
            Costs::Columns => units as f64 + CHECK + rest * (512.0 * left).min(1.0),
            Costs::Lists { codes } => codes as f64 * (self.expected[units] + left * rest * LOOK_UP),
        }
    }
}

/// `P(X >= least)` for a Poisson variable of mean `mean`.
fn poisson_tail(mean: f64, least: u32) -> f64 {
    let mut term = (-mean).exp();
    let mut below = 0.0;
    for count in 0..least {
        below += term;
        term *= mean / f64::from(count + 1);
    }
    // What rounding leaves of 1 - below may be negative; the first term of the tail is a lower bound.
    (1.0 - below).max(term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_right() {
        assert!((poisson_tail(1.0, 1) - (1.0 - (-1f64).exp())).abs() < 1e-12);
        assert_eq!(poisson_tail(0.7, 0), 1.0);
        let plan = Plan::new(&(0..20).collect::<Vec<_>>(), |_| 0.1, 0.9);
        let sum: f64 = (0..=5).map(|h| plan.hypergeometric(8, 5, h)).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        // 8·7/(20·19) for two of two.
        assert!((plan.hypergeometric(8, 2, 2) - 56.0 / 380.0).abs() < 1e-12);
    }

    #[test]
    fn an_exact_stage_loses_nothing() {
        let units: Vec<u32> = (0..40).collect();
        let plan = Plan::new(&units, |_| 0.02, 1.0);
        for needed in 0..=41 {
            for costs in [Costs::Columns, Costs::Lists { codes: 30_000 }] {
                let Stage { units, least } = plan.stage(needed, costs);
                assert!(units == 40 || least as usize + (40 - units) == needed as usize);
            }
        }
        assert!(plan.stage(24, Costs::Columns).units < 40, "strong answers stop early");
        assert_eq!(plan.stage(3, Costs::Columns).units, 40, "weak ones can't");
    }
}
