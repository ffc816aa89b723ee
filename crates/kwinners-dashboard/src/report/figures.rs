//! The figures of a report that are charts.

use std::fmt::Write as _;

use kwinners::Result;
use kwinners::metrics::{Information, sample_of_each_class};
use kwinners::report::{neighbour_map as place_codes, overlap_histogram};
use kwinners::train::PlaneFigures;

use super::{Figure, Page};
use crate::charts::{Chart, Series, escape, grouped, number};

/// Bars of the histogram of use.
const DUTY_BARS: usize = 30;
/// Most codes on the map.
const MOST_PLACED: usize = 600;
/// Most classes whose confusions are a table.
const MOST_CLASSES: usize = 30;
/// Seed of the samples that are shown.
const SEED: u64 = 0;

/// Loss, and accuracy where classes are learned, by samples seen.
pub(super) fn curve(page: &Page<'_>) -> Option<Figure> {
    let last = page.curve.last()?;
    let points = |value: &dyn Fn(usize) -> Option<f64>| -> Vec<(f64, f64)> {
        let all = page.curve.iter().enumerate();
        all.filter_map(|(place, point)| Some((point.samples as f64, value(place)?))).collect()
    };
    let chart = |name: &str, y: &str, points| {
        Chart {
            describes: format!(
                "{name} by samples seen, {} to the end",
                grouped(last.samples as f64)
            ),
            x: "samples seen".to_owned(),
            y: y.to_owned(),
            series: vec![Series::line(name, points)],
            ..Chart::default()
        }
        .html()
    };
    let mut body =
        chart("loss", "mean loss of a sample", points(&|place| Some(page.curve[place].loss)));
    let told = points(&|place| page.curve[place].accuracy);
    if !told.is_empty() {
        body += &chart("told right", "share of training samples told right", told);
    }
    let how = format!(
        "Each point is the mean over the samples since the point before. The curve should fall and level out; it ends at \
         {} after {} samples.",
        number(last.loss),
        grouped(last.samples as f64)
    );
    Some(Figure { id: "curve", title: "Learning".to_owned(), body, how, wide: false })
}

/// How many units are on how often.
pub(super) fn duty(page: &Page<'_>) -> Option<Figure> {
    let codes = page.test_codes;
    if codes.is_empty() {
        return None;
    }
    let counts = codes.unit_counts();
    let share = |count: u32| f64::from(count) / codes.len() as f64;
    let fair = codes.indices().len() as f64 / codes.len() as f64 / codes.units() as f64;
    let most = counts.iter().copied().max().map_or(0.0, share).max(2.0 * fair);
    let mut bars = vec![0_u64; DUTY_BARS];
    for &count in &counts {
        bars[((share(count) / most * DUTY_BARS as f64) as usize).min(DUTY_BARS - 1)] += 1;
    }
    let middle = |bar: usize| (bar as f64 + 0.5) * most / DUTY_BARS as f64 * 100.0;
    let points = bars.iter().enumerate().map(|(bar, &units)| (middle(bar), units as f64));
    let dead = counts.iter().filter(|&&count| count == 0).count();
    let body = Chart {
        describes: format!("histogram of how often units are on; {dead} units are never on"),
        x: "test codes that have the unit on, %".to_owned(),
        y: "units".to_owned(),
        series: vec![Series::bars("units", points.collect())],
        marks: vec![(100.0 * fair, "even use".to_owned())],
        from_zero: true,
    }
    .html();
    let how = format!(
        "Every unit is counted once, at the share of the test codes that have it on. Were all used alike, they would stand \
         at the dashed line, k / n = {:.2} %. {}",
        100.0 * fair,
        match dead {
            0 => "Every unit is on in some code.".to_owned(),
            1 => "One unit is dead: never on.".to_owned(),
            _ => format!("{dead} units are dead: never on."),
        }
    );
    Some(Figure {
        id: "duty",
        title: "How evenly units are used".to_owned(),
        body,
        how,
        wide: false,
    })
}

/// Shared units of pairs, within and between classes, and of random codes.
pub(super) fn overlaps(page: &Page<'_>) -> Result<Option<Figure>> {
    if page.test_codes.len() < 2 {
        return Ok(None);
    }
    let shared = overlap_histogram(page.test_codes, page.test.labels())?;
    let points = |shares: &[f64]| -> Vec<(f64, f64)> {
        shares.iter().enumerate().map(|(place, share)| (place as f64, 100.0 * share)).collect()
    };
    let mut series = vec![Series::line("pairs of different classes", points(&shared.between))];
    if let Some(within) = &shared.within {
        series.push(Series::line("pairs of one class", points(within)));
    }
    series.push(Series::line("random codes, theory", points(&shared.random)));
    let mean = |shares: &[f64]| -> f64 {
        shares.iter().enumerate().map(|(place, share)| place as f64 * share).sum()
    };
    let within = shared.within.as_deref().map(|within| {
        format!("Two codes of one class share {:.1} units on average, ", mean(within))
    });
    let how = format!(
        "{}two of different classes {:.1}, two random codes {:.2}. The farther the curves lie apart, the better neighbours \
         by shared units tell classes; the theory is the hypergeometric distribution.",
        within.unwrap_or_default(),
        mean(&shared.between),
        mean(&shared.random)
    );
    let body = Chart {
        describes: "share of pairs of codes by the number of units that they share".to_owned(),
        x: format!("units shared by two codes, of {}", shared.between.len() - 1),
        y: "pairs, %".to_owned(),
        series,
        from_zero: true,
        ..Chart::default()
    }
    .html();
    let title = "Units that two codes share".to_owned();
    Ok(Some(Figure { id: "overlaps", title, body, how, wide: false }))
}

/// Read-outs by level of noise.
pub(super) fn noise(page: &Page<'_>) -> Option<Figure> {
    let noise = page.report.noise.as_ref()?;
    let points = |shares: &[f64]| -> Vec<(f64, f64)> {
        noise
            .setup
            .levels
            .iter()
            .zip(shares)
            .map(|(level, share)| (*level, 100.0 * share))
            .collect()
    };
    let body = Chart {
        describes: "test samples labelled rightly by level of noise, codes and raw inputs"
            .to_owned(),
        x: format!("level of noise, {}", noise.setup.protocol),
        y: "labelled rightly, %".to_owned(),
        series: vec![
            Series::line("codes", points(&noise.accuracy)),
            Series::line("raw inputs", points(&noise.raw_accuracy)),
        ],
        ..Chart::default()
    }
    .html();
    let how = format!(
        "A linear probe learned from clean training samples answers for test samples with noise on the inputs. The score, \
         answers right over all levels, is {} for codes and {} for raw inputs. Noise is no attack: this says nothing of \
         adversarial robustness.",
        grouped(noise.score as f64),
        grouped(noise.raw_score as f64)
    );
    Some(Figure { id: "noise", title: "Under noise".to_owned(), body, how, wide: false })
}

/// Test codes as points, by t-SNE.
pub(super) fn neighbour_map(page: &Page<'_>) -> Option<Figure> {
    let places = match page.test.labels() {
        Some(labels) => {
            let classes = page.test.classes.len().max(1);
            let mut places = sample_of_each_class(labels, (MOST_PLACED / classes).max(1), SEED);
            places.truncate(MOST_PLACED);
            places
        }
        None => {
            let count = page.test_codes.len().min(MOST_PLACED);
            (0..count).map(|place| place * page.test_codes.len() / count).collect()
        }
    };
    if places.len() < 10 {
        return None;
    }
    let points = place_codes(&page.test_codes.select(&places));
    let classes: Vec<usize> = match page.test.labels() {
        Some(labels) => places.iter().map(|&place| labels[place] as usize).collect(),
        None => vec![0; places.len()],
    };
    let body = scatter(&points, &classes, &page.test.classes);
    let how = format!(
        "{} test codes, placed by t-SNE so that codes that share many units lie near each other; names stand in the middle \
         of their class. Islands of one colour are good. Distances between islands and their sizes mean nothing.",
        places.len()
    );
    Some(Figure { id: "map", title: "A map of the codes".to_owned(), body, how, wide: false })
}

fn scatter(points: &[[f64; 2]], classes: &[usize], names: &[String]) -> String {
    let side = 420.0;
    let bound = |axis: usize, pick: fn(f64, f64) -> f64, start: f64| {
        points.iter().map(|point| point[axis]).fold(start, pick)
    };
    let low = [0, 1].map(|axis| bound(axis, f64::min, f64::INFINITY));
    let high = [0, 1].map(|axis| bound(axis, f64::max, f64::NEG_INFINITY));
    let span = (high[0] - low[0]).max(high[1] - low[1]).max(1e-9);
    let place = |point: &[f64; 2]| {
        [0, 1].map(|axis| 14.0 + (point[axis] - low[axis]) / span * (side - 28.0))
    };
    let height = 28.0 + (high[1] - low[1]) / span * (side - 28.0);
    let mut svg = format!(
        "<svg class=chart viewBox=\"0 0 {side} {height:.0}\" role=img aria-label=\"map of test codes, near where they \
         share units\">"
    );
    for (point, class) in points.iter().zip(classes) {
        let [x, y] = place(point);
        let _ = write!(svg, "<circle class=c{} cx={x:.0} cy={y:.0} r=3 />", class % 10);
    }
    if (2..=20).contains(&names.len()) {
        for (class, name) in names.iter().enumerate() {
            let own = points.iter().zip(classes).filter(|(_, of)| **of == class);
            let Some([x, y]) = middle(own.map(|(point, _)| place(point)).collect()) else {
                continue;
            };
            let _ = write!(
                svg,
                "<text class=label x={x:.0} y={:.0} text-anchor=middle>{}</text>",
                y + 5.0,
                escape(name)
            );
        }
    }
    svg + "</svg>"
}

/// The one of `points` that is nearest to their median: a class of two islands is named on one of them.
fn middle(mut points: Vec<[f64; 2]>) -> Option<[f64; 2]> {
    let mut median = |axis: usize| {
        points.sort_by(|a, b| a[axis].total_cmp(&b[axis]));
        points.get(points.len() / 2).map(|point| point[axis])
    };
    let (x, y) = (median(0)?, median(1)?);
    let far = |point: &[f64; 2]| (point[0] - x).hypot(point[1] - y);
    points.into_iter().min_by(|a, b| far(a).total_cmp(&far(b)))
}

/// What codes tell of inputs and of labels: by each estimator as the model is, and on the way there, where the log
/// of the fit has it.
pub(super) fn information(page: &Page<'_>) -> Option<Figure> {
    let way = |pick: fn(&PlaneFigures) -> Information| -> Vec<(f64, f64)> {
        let seen = page.curve.iter().filter_map(|point| point.monitor?.information);
        seen.map(|plane| pick(&plane)).map(|bits| (bits.x_t, bits.t_y)).collect()
    };
    let mut series = vec![
        Series::line("k-means, while learning", way(|plane| plane.k_means)),
        Series::line("Kraskov, while learning", way(|plane| plane.kraskov)),
    ];
    series.retain(|series| !series.points.is_empty());
    let mut beyond = String::new();
    if let Some(now) = &page.report.information {
        let most = (page.test.len() as f64).log2();
        let mut point = |name, x_t: f64, t_y: f64| {
            if x_t <= most {
                series.push(Series::line(name, vec![(x_t, t_y)]));
            } else {
                let _ = write!(
                    beyond,
                    " Not drawn: {name}, {x_t:.1} and {t_y:.2} bits, as {} samples can show no more than {most:.1}.",
                    page.test.len()
                );
            }
        };
        point("k-means", now.k_means_x_t, now.k_means_t_y);
        point("Kraskov", now.kraskov_x_t, now.kraskov_t_y);
        point("copula", now.copula_x_t, now.copula_t_y);
        point("MINE", now.mine_x_t, now.mine_t_y);
        if let (Some(x_t), Some(t_y)) = (now.exact_x_t, now.exact_t_y) {
            point("counted", x_t, t_y);
        }
    }
    if series.is_empty() {
        return None;
    }
    let body = Chart {
        describes: "what codes tell of labels by what they tell of inputs, a point an estimator"
            .to_owned(),
        x: "information of code and input, bits".to_owned(),
        y: "information of code and label, bits".to_owned(),
        series,
        from_zero: true,
        ..Chart::default()
    }
    .html();
    let how = "Up is more about the class, left is less about everything else; a line is the way of a fit. Estimators \
               differ: only points of the same one compare."
        .to_owned()
        + &beyond;
    let title = "Information plane".to_owned();
    Some(Figure { id: "plane", title, body, how, wide: false })
}

/// Precision by recall of "two codes that share at least so many units are of one class".
pub(super) fn pairs(page: &Page<'_>) -> Option<Figure> {
    let classes = page.report.classes.as_ref()?;
    let pairs = &classes.pairs;
    let percent = |(recall, precision): (&f64, &f64)| (100.0 * recall, 100.0 * precision);
    let points = pairs.recall.iter().zip(&pairs.precision).map(percent).collect();
    let chance = 100.0 * classes.pair_base;
    let body = Chart {
        describes: "precision by recall of pairs of codes told to be of one class by shared units"
            .to_owned(),
        x: "pairs of one class that are found, %".to_owned(),
        y: "found pairs that are of one class, %".to_owned(),
        series: vec![
            Series::line("codes", points),
            Series::line("chance", vec![(0.0, chance), (100.0, chance)]),
        ],
        from_zero: true,
        ..Chart::default()
    }
    .html();
    let how = format!(
        "Two codes are said to be of one class if they share enough units; each point is one threshold, the strictest on \
         the left. The mean precision over all recalls is {:.3}, that of chance {:.3}.",
        classes.pair_average_precision, classes.pair_base
    );
    let title = "Are similar codes of one class?".to_owned();
    Some(Figure { id: "pairs", title, body, how, wide: false })
}

/// Which classes are taken for which.
pub(super) fn confusion(page: &Page<'_>) -> Option<Figure> {
    let confusion = &page.report.classes.as_ref()?.confusion;
    let names = confusion.labels.iter().map(|&label| page.test.classes.get(label as usize));
    let names: Vec<&String> = names.collect::<Option<_>>()?;
    if names.is_empty() || names.len() > MOST_CLASSES {
        return None;
    }
    let mut body = "<div class=scroll tabindex=0 role=region aria-label=\"confusions\"><table class=counts><thead><tr>\
                    <th scope=col>is \\ told</th>"
        .to_owned();
    body.extend(names.iter().map(|name| format!("<th scope=col>{}</th>", escape(name))));
    body.push_str("</tr></thead><tbody>");
    for (row, name) in confusion.counts.iter().zip(&names) {
        let _ = write!(body, "<tr><th scope=row>{}</th>", escape(name));
        body.extend(row.iter().map(|count| format!("<td>{count}</td>")));
        body.push_str("</tr>");
    }
    body.push_str("</tbody></table></div>");
    let how =
        "Rows are true classes, columns the answers: everything off the diagonal is a mistake.";
    Some(Figure {
        id: "confusion",
        title: "Mistakes".to_owned(),
        body,
        how: how.to_owned(),
        wide: true,
    })
}
