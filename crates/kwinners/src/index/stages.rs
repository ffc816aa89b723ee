//! Where a search may stop counting: after the first units of a query, few codes can still reach what
//! the answers need.

/// The order in which the units of a query are counted, and how likely a code has each on.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The units of the query, in the order in which they are counted.
    pub(super) units: Vec<u32>,
    /// `expected[m]`: the mean overlap of a stored code with the first `m` units.
    expected: Vec<f64>,
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
    /// The rarest units are counted first, which leaves the fewest codes.
    pub(super) fn new(units: &[u32], duty: impl Fn(u32) -> f32) -> Self {
        let mut units: Vec<(u32, f32)> = units.iter().map(|&unit| (unit, duty(unit))).collect();
        units.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let mut expected = vec![0.0];
        let mut sum = 0.0;
        for (_, share) in &units {
            sum += f64::from(*share);
            expected.push(sum);
        }
        let units: Vec<u32> = units.into_iter().map(|(unit, _)| unit).collect();
        Self { units, expected }
    }

    /// Where to stop so that all codes with an overlap of `needed` or more are found at the least cost.
    ///
    /// A code of overlap `needed` has at least `needed - (q - m)` of the first `m` of the query's `q` units.
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
            let least = (needed as usize).saturating_sub(all - units) as u32;
            let cost = self.cost(units, least, costs);
            if least > 0 && cost < best.0 {
                best = (cost, Stage { units, least });
            }
        }
        best.1
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
    }

    #[test]
    fn an_exact_stage_loses_nothing() {
        let units: Vec<u32> = (0..40).collect();
        let plan = Plan::new(&units, |_| 0.02);
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
