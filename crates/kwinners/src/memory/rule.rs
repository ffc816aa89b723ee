//! Which units answer a cue.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::kernel;

/// Which units are recalled, given how many of the cue's units reach each.
///
/// Where some of equally reached units have to go, those are kept that have the fewest synapses, as
/// they are the least likely to be reached by chance; then the lowest.
///
/// As text: `all`, `at-least=7`, `percent=50`, `maximum`, `winners=14`, `blocks=14`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecallRule {
    /// Those that all of the cue reaches: Willshaw's. Right for cues with missing bits, not wrong ones.
    All,
    /// Those that at least so many of the cue's units reach.
    AtLeast(usize),
    /// Those that at least so many percent of the cue's units reach.
    Percent(usize),
    /// Those that are reached by most, however many these are.
    Maximum,
    /// Exactly so many: those reached by most. Right for cues with wrong bits.
    Winners(usize),
    /// One in each of so many blocks of units, the one reached by most; block `b` of `k` begins at unit
    /// `⌈b · units / k⌉`.
    Blocks(usize),
}

impl RecallRule {
    /// Refuses rules that no code of `units` units can follow.
    pub(super) fn check(self, units: usize) -> Result<()> {
        let (key, range, value) = match self {
            Self::Winners(winners) => ("winners", 1..=units, winners),
            Self::Blocks(blocks) => ("blocks", 1..=units, blocks),
            Self::Percent(percent) => ("percent", 1..=100, percent),
            Self::AtLeast(least) => ("at-least", 1..=usize::from(u16::MAX), least),
            Self::All | Self::Maximum => return Ok(()),
        };
        if range.contains(&value) {
            return Ok(());
        }
        Err(Error::setting(key, format!("{} to {}", range.start(), range.end()), value))
    }

    /// The units that answer a cue of `shown` units, increasing. Unit `i` is reached by `counts[i]` of
    /// these, and has `loads[i]` synapses.
    pub(super) fn pick(self, counts: &[u16], loads: &[u32], shown: usize) -> Vec<u32> {
        match self {
            Self::All => reached(counts, shown),
            Self::AtLeast(least) => reached(counts, least),
            Self::Percent(percent) => reached(counts, (percent * shown).div_ceil(100)),
            Self::Maximum => reached(counts, most(counts).max(1)),
            Self::Winners(winners) => {
                let mut places = vec![0; winners];
                (kernel::table().select_counts)(counts, &mut places);
                let limit = places.iter().map(|&unit| counts[unit as usize]).min().unwrap_or(0);
                let units = reached(counts, usize::from(limit));
                if units.len() == winners {
                    return units;
                }
                let (tied, mut kept): (Vec<u32>, Vec<u32>) =
                    units.iter().partition(|&&unit| counts[unit as usize] == limit);
                kept.extend(emptiest(tied, loads, winners - kept.len()));
                kept.sort_unstable();
                kept
            }
            Self::Blocks(blocks) => {
                let start = |block: usize| (block * counts.len()).div_ceil(blocks);
                let winner = |block: usize| {
                    let units = start(block)..start(block + 1);
                    let rank = |unit: &usize| (u16::MAX - counts[*unit], loads[*unit]);
                    units.min_by_key(rank).map(|unit| unit as u32)
                };
                (0..blocks).filter_map(winner).collect()
            }
        }
    }
}

fn most(counts: &[u16]) -> usize {
    usize::from(counts.iter().copied().max().unwrap_or(0))
}

/// The units with a count of at least `least`.
fn reached(counts: &[u16], least: usize) -> Vec<u32> {
    const GROUP: usize = 64;
    let Ok(least) = u16::try_from(least) else { return Vec::new() };
    let mut units = Vec::new();
    for (group, counts) in counts.chunks(GROUP).enumerate() {
        // Most groups have none: their largest count, without a branch, says so.
        if counts.iter().fold(0, |most, &count| most.max(count)) >= least {
            let on = counts.iter().enumerate().filter(|(_, count)| **count >= least);
            units.extend(on.map(|(place, _)| (group * GROUP + place) as u32));
        }
    }
    units
}

/// The `kept` of `units` with the fewest synapses, equal ones from the lowest; increasing.
pub(super) fn emptiest(mut units: Vec<u32>, loads: &[u32], kept: usize) -> Vec<u32> {
    if units.len() > kept {
        units.select_nth_unstable_by_key(kept, |&unit| (loads[unit as usize], unit));
        units.truncate(kept);
        units.sort_unstable();
    }
    units
}

impl Display for RecallRule {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => out.write_str("all"),
            Self::AtLeast(least) => write!(out, "at-least={least}"),
            Self::Percent(percent) => write!(out, "percent={percent}"),
            Self::Maximum => out.write_str("maximum"),
            Self::Winners(winners) => write!(out, "winners={winners}"),
            Self::Blocks(blocks) => write!(out, "blocks={blocks}"),
        }
    }
}

impl FromStr for RecallRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = ["all", "maximum", "winners=K", "blocks=K", "percent=P", "at-least=N"];
        let unknown = || Error::unknown_name("recall rule", text, &known);
        let Some((name, number)) = text.split_once('=') else {
            return match text {
                "all" => Ok(Self::All),
                "maximum" => Ok(Self::Maximum),
                _ => Err(unknown()),
            };
        };
        let rule = match name {
            "winners" => Self::Winners,
            "blocks" => Self::Blocks,
            "percent" => Self::Percent,
            "at-least" => Self::AtLeast,
            _ => return Err(unknown()),
        };
        let number = number.parse().map_err(|_| Error::setting(name, "a whole number", number))?;
        Ok(rule(number))
    }
}
