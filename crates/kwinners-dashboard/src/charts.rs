//! Charts as SVG: lines, bars and dots whose colours come from the style of the page, so that one file is
//! right by day, by night and on paper.

use std::fmt::Write as _;

/// Text that may stand in HTML and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Line,
    Bars,
}

/// Numbers of one name.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// By rising `x`; a place that is not finite breaks the line.
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) look: Look,
}

impl Series {
    pub(crate) fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, look: Look::Line }
    }

    pub(crate) fn bars(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, look: Look::Bars }
    }
}

/// A chart of one or more series over common axes. Series differ in colour and in dashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chart {
    /// What it shows, for those who can't see it.
    pub(crate) describes: String,
    /// Name and unit of each axis.
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) series: Vec<Series>,
    /// Upright lines with their names.
    pub(crate) marks: Vec<(f64, String)>,
    /// Whether the upright axis starts at 0 whatever the values.
    pub(crate) from_zero: bool,
}

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 48.0;

/// From values to places on the picture.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.from + share * (self.to - self.from)
    }
}

impl Chart {
    /// The chart with its legend, as HTML.
    pub(crate) fn html(&self) -> String {
        let (x, y) = self.scales();
        let mut svg = format!(
            "<svg class=chart viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{}\">",
            escape(&self.describes)
        );
        self.draw_axes(&mut svg, &x, &y);
        for (place, series) in self.series.iter().enumerate() {
            match series.look {
                Look::Line => draw_line(&mut svg, series, place, (&x, &y)),
                Look::Bars => self.draw_bars(&mut svg, series, place, (&x, &y)),
            }
        }
        for (value, name) in &self.marks {
            let (at, bottom) = (x.at(*value), HEIGHT - BOTTOM);
            let turn = if at > WIDTH * 0.65 { ("end", -5.0) } else { ("start", 5.0) };
            let _ = write!(
                svg,
                "<line class=mark x1={at:.1} x2={at:.1} y1={TOP} y2={bottom} /><text class=note x={:.1} y={:.1} \
                 text-anchor={}>{}</text>",
                at + turn.1,
                TOP + 11.0,
                turn.0,
                escape(name)
            );
        }
        svg.push_str("</svg>");
        svg + &self.legend()
    }

    fn legend(&self) -> String {
        if self.series.len() < 2 {
            return String::new();
        }
        let entry = |(place, series): (usize, &Series)| {
            let sign = match series.look {
                Look::Line => {
                    format!("<line class=\"line s{0}\" x1=1 x2=27 y1=6 y2=6 />", place % 6)
                }
                Look::Bars => {
                    format!("<rect class=\"bar s{}\" x=4 y=1 width=20 height=10 />", place % 6)
                }
            };
            let sign = format!("<svg viewBox=\"0 0 28 12\" aria-hidden=true>{sign}</svg>");
            format!("<li>{sign}{}</li>", escape(&series.name))
        };
        let entries: String = self.series.iter().enumerate().map(entry).collect();
        format!("<ul class=legend>{entries}</ul>")
    }

    fn scales(&self) -> (Scale, Scale) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let xs = points().map(|point| point.0).chain(self.marks.iter().map(|mark| mark.0));
        let ys = points().map(|point| point.1);
        let (mut left, mut right) = range(xs);
        if self.series.iter().any(|series| series.look == Look::Bars) {
            let step = self.bar_step();
            (left, right) = (left - step / 2.0, right + step / 2.0);
        }
        let (low, high) = range(ys);
        let low = if self.from_zero { low.min(0.0) } else { low - 0.05 * (high - low) };
        let high = high + 0.06 * (high - low);
        let x = Scale { low: left, high: right, from: LEFT, to: WIDTH - RIGHT };
        (x, Scale { low, high, from: HEIGHT - BOTTOM, to: TOP })
    }

    /// The distance of two bars.
    fn bar_step(&self) -> f64 {
        let bars = self.series.iter().find(|series| series.look == Look::Bars);
        let points = bars.map_or(&[][..], |series| &series.points);
        points.get(1).map_or(1.0, |second| second.0 - points[0].0)
    }

    fn draw_axes(&self, svg: &mut String, x: &Scale, y: &Scale) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for value in ticks(y.low, y.high, 5) {
            let at = y.at(value);
            let _ = write!(
                svg,
                "<line class=grid x1={LEFT} x2={right} y1={at:.1} y2={at:.1} /><text x={:.1} y={:.1} \
                 text-anchor=end>{}</text>",
                LEFT - 7.0,
                at + 4.5,
                number(value)
            );
        }
        for value in ticks(x.low, x.high, 6) {
            let at = x.at(value);
            let _ = write!(
                svg,
                "<line class=axis x1={at:.1} x2={at:.1} y1={bottom} y2={:.1} /><text x={at:.1} y={:.1} \
                 text-anchor=middle>{}</text>",
                bottom + 4.0,
                bottom + 18.0,
                number(value)
            );
        }
        let _ = write!(
            svg,
            "<line class=axis x1={LEFT} x2={right} y1={bottom} y2={bottom} /><text class=name x={:.1} y={:.1} \
             text-anchor=middle>{}</text><text class=name x={:.1} y=14 text-anchor=middle \
             transform=\"rotate(-90)\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 8.0,
            escape(&self.x),
            -f64::midpoint(TOP, bottom),
            escape(&self.y)
        );
    }

    fn draw_bars(&self, svg: &mut String, series: &Series, place: usize, (x, y): (&Scale, &Scale)) {
        let step = self.bar_step();
        for &(at, value) in &series.points {
            let (left, right) = (x.at(at - step / 2.0), x.at(at + step / 2.0));
            let (top, bottom) = (y.at(value), y.at(y.low.max(0.0)));
            let _ = write!(
                svg,
                "<rect class=\"bar s{}\" x={:.1} y={top:.1} width={:.1} height={:.1}><title>{}: {}</title></rect>",
                place % 6,
                left + 0.5,
                (right - left - 1.0).max(0.5),
                (bottom - top).max(0.0),
                number(at),
                number(value)
            );
        }
    }
}

fn draw_line(svg: &mut String, series: &Series, place: usize, (x, y): (&Scale, &Scale)) {
    let mut path = String::new();
    let mut pen_down = false;
    for &(at, value) in &series.points {
        if at.is_finite() && value.is_finite() {
            let verb = if pen_down { 'L' } else { 'M' };
            let _ = write!(path, "{verb}{:.1} {:.1}", x.at(at), y.at(value));
        }
        pen_down = at.is_finite() && value.is_finite();
    }
    let _ = write!(svg, "<path class=\"line s{}\" d=\"{path}\" />", place % 6);
    // A few points are measurements that one may want to read; many are a curve.
    if series.points.len() <= 24 {
        for &(at, value) in series.points.iter().filter(|point| point.1.is_finite()) {
            let _ = write!(
                svg,
                "<circle class=\"dot s{}\" cx={:.1} cy={:.1} r=3.2><title>{}, {}: {}</title></circle>",
                place % 6,
                x.at(at),
                y.at(value),
                escape(&series.name),
                number(at),
                number(value)
            );
        }
    }
}

/// The smallest and the largest finite value, never equal.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    match (low.is_finite(), high > low) {
        (true, true) => (low, high),
        (true, false) => (low - 0.5, high + 0.5),
        (false, _) => (0.0, 1.0),
    }
}

/// Round numbers within a range, about `count` of them: steps of 1, 2 or 5 times a power of ten.
fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter();
    let step = step.filter(|&step| step >= rough * 0.999).fold(f64::INFINITY, f64::min);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|place| place as f64 * step).collect()
}

/// A number as people write it: `0.05`, `12`, `1,500`, `2.5 M`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "–".to_owned(),
        _ if size >= 1e6 => format!("{} M", trimmed(value / 1e6, 2)),
        _ if size >= 1e4 && size.fract() == 0.0 && (size as u64).is_multiple_of(1000) => {
            format!("{} k", trimmed(value / 1e3, 2))
        }
        _ if size >= 1000.0 => grouped(value),
        _ if size >= 100.0 => trimmed(value, 1),
        _ if size >= 1.0 => trimmed(value, 3),
        _ if size >= 1e-3 || size == 0.0 => trimmed(value, 4),
        _ => format!("{value:.1e}"),
    }
}

fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A whole number with commas between thousands.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let places = digits.char_indices();
    let text: String = places
        .flat_map(|(place, digit)| {
            let comma = place > 0 && (digits.len() - place).is_multiple_of(3);
            comma.then_some(',').into_iter().chain([digit])
        })
        .collect();
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks(3.0, 61_000.0, 6), [20_000.0, 40_000.0, 60_000.0]);
        for (low, high) in [(0.0, 1e-7), (-4.0, 9.0), (99.0, 99.1)] {
            let found = ticks(low, high, 5);
            assert!((2..=7).contains(&found.len()), "{found:?}");
            assert!(found.iter().all(|tick| (low..=high * 1.0001).contains(tick)), "{found:?}");
        }
    }

    #[test]
    fn numbers_read_well() {
        let cases = [
            (0.0, "0"),
            (0.05, "0.05"),
            (0.6000000000000001, "0.6"),
            (12.0, "12"),
            (1234.0, "1,234"),
            (20_000.0, "20 k"),
            (103_764.0, "103,764"),
            (2_500_000.0, "2.5 M"),
            (1.2e-5, "1.2e-5"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_chart_of_nothing_is_still_a_chart() {
        let chart = Chart { series: vec![Series::line("<x>", Vec::new())], ..Chart::default() };
        let html = chart.html();
        assert!(html.contains("</svg>") && !html.contains("NaN"));
    }

    #[test]
    fn names_are_escaped() {
        let series = vec![Series::line("<b>", vec![(0.0, 1.0)]), Series::line("&", vec![])];
        let html = Chart { series, x: "\"".to_owned(), ..Chart::default() }.html();
        assert!(html.contains("&lt;b&gt;") && html.contains("&amp;") && !html.contains("<b>"));
    }
}
