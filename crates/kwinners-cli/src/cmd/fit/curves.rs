//! Curves of a fit as pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kwinners::Result;
use kwinners::report::pictures::{ChartLine, line_chart};

use super::log::make_folder;

/// The plane is drawn from these; see [`kwinners::train::PlaneFigures`].
const PLANE: &str = "monitor/information/";

/// The numbers of all lines so far.
#[derive(Debug)]
pub(super) struct Curves {
    folder: PathBuf,
    /// By path, with the samples that had been seen.
    points: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Curves {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        make_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), points: BTreeMap::new() })
    }

    pub(super) fn take(&mut self, samples: u64, numbers: &[(String, f64)]) {
        for (path, number) in numbers {
            let points = self.points.entry(path.clone()).or_default();
            points.push((samples as f64, *number));
        }
    }

    /// A picture for each name, over the samples, with a line for each layer that has it; and
    /// `information.png`, the information plane. Says which files it wrote.
    pub(super) fn draw(&self) -> Result<Vec<PathBuf>> {
        let mut charts: BTreeMap<&str, Vec<ChartLine>> = BTreeMap::new();
        for (path, points) in self.points.iter().filter(|(path, _)| !path.starts_with(PLANE)) {
            let mut parts = path.rsplit('/');
            let (name, of) = (parts.next().unwrap_or(path), parts.next().unwrap_or(""));
            let of = if of == "units" { "" } else { of };
            let line = ChartLine { name: of.to_owned(), points: points.clone() };
            charts.entry(name).or_default().push(line);
        }
        let mut written = Vec::new();
        for (name, lines) in charts {
            let picture = line_chart(&lines, &name.replace('_', " "), ("samples", ""))?;
            written.push(self.folder.join(format!("{name}.png")));
            picture.save_png(written.last().expect("just pushed"))?;
        }
        let plane = self.plane();
        if !plane.is_empty() {
            let axes = ("I(X;T), bits", "I(T;Y), bits");
            written.push(self.folder.join("information.png"));
            let picture = line_chart(&plane, "information plane", axes)?;
            picture.save_png(written.last().expect("just pushed"))?;
        }
        Ok(written)
    }

    /// A line an estimator, from the first observation to the last.
    fn plane(&self) -> Vec<ChartLine> {
        let estimator = |(path, x): (&String, &Vec<(f64, f64)>)| {
            let name = path.strip_prefix(PLANE)?.strip_suffix("/x_t")?;
            let y = self.points.get(&format!("{PLANE}{name}/t_y"))?;
            let points = x.iter().zip(y).map(|(x, y)| (x.1, y.1)).collect();
            Some(ChartLine { name: name.replace('_', " "), points })
        };
        self.points.iter().filter_map(estimator).collect()
    }
}
