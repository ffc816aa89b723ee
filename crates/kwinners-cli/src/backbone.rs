//! Rows through a frozen network from an ONNX file: what it makes of them is what is learned from.

use std::fs::File;
use std::path::{Path, PathBuf};

use kwinners::{Dataset, Error, Result};
use rten::{Dimension, Model, Value};
use rten_tensor::prelude::*;

/// Rows that pass the network at once, where it leaves that open; fixed, so that results don't depend on threads.
const ROWS_A_RUN: usize = 64;

/// A network with one input of rows, and one output or more of which the first counts.
struct Backbone {
    path: PathBuf,
    model: Model,
    /// Rows at once, and the shape of one row: what the network says of its input, filled in by the data.
    rows: usize,
    row: Vec<usize>,
}

/// `data` with what the network at `path` makes of each row in its place; labels and texts stay. Rows go in as the
/// network wants them: `(rows, values)`, or `(rows, channels, height, width)` for images.
pub(crate) fn pass(path: &Path, data: Dataset) -> Result<Dataset> {
    let backbone = Backbone::load(path, &data)?;
    let (mut outputs, mut width) = (Vec::new(), 0);
    for rows in data.rows().blocks(backbone.rows) {
        let made = backbone.run(rows.values(), rows.len())?;
        width = made.len() / rows.len();
        outputs.extend(made);
    }
    if width == 0 {
        let expected = "at least 1 row and 1 value of each";
        return Err(backbone.refused(expected, format!("{} rows", data.len())));
    }
    let name = format!("{} through {}", data.name, path.display());
    let mut made = Dataset::new(name, outputs, width)?;
    if let Some(labels) = data.labels {
        made = made.with_labels(labels, data.classes)?;
    }
    match data.texts {
        Some(texts) => made.with_texts(texts),
        None => Ok(made),
    }
}

impl Backbone {
    fn load(path: &Path, data: &Dataset) -> Result<Self> {
        File::open(path).map_err(Error::io(path))?;
        let refused = |expected: &str, got: String| refused(path, expected, got);
        let model = Model::load_file(path)
            .map_err(|reason| refused("a network that can be run", reason.to_string()))?;
        let (inputs, outputs) = (model.input_ids().len(), model.output_ids().len());
        if inputs != 1 || outputs == 0 {
            let got = format!("{inputs} inputs, {outputs} outputs");
            return Err(refused("1 input, at least 1 output", got));
        }
        let shape = model.input_shape(0);
        let (rows, row) = fill(shape.as_deref(), data)
            .ok_or_else(|| refused(&wanted(data), shape_text(shape.as_deref())))?;
        Ok(Self { path: path.to_owned(), model, rows, row })
    }

    /// The first output for `len` rows, `(len, width)`; fewer rows than the network takes at once are filled up.
    fn run(&self, values: &[f32], len: usize) -> Result<Vec<f32>> {
        let mut values = values.to_vec();
        let fixed = self.is_fixed();
        let rows = if fixed { self.rows } else { len };
        values.resize(rows * self.row.iter().product::<usize>(), 0.0);
        let shape = [&[rows], &self.row[..]].concat();
        let failed = |reason: String| self.refused("a network that takes these rows", reason);
        let input =
            Value::from_shape(&shape, values).map_err(|reason| failed(reason.to_string()))?;
        let output =
            self.model.run_one(input.into(), None).map_err(|reason| failed(reason.to_string()))?;
        let kind = format!("{}", output.dtype());
        let tensor = output.into_tensor::<f32>();
        let tensor = tensor.ok_or_else(|| self.refused("an output of f32", kind))?;
        let shape = tensor.shape().to_vec();
        if shape.first() != Some(&rows) {
            return Err(
                self.refused(&format!("an output for each of {rows} rows"), format!("{shape:?}"))
            );
        }
        let mut made = tensor.into_data();
        made.truncate(made.len() / rows * len);
        Ok(made)
    }

    /// Whether the network says how many rows it takes at once.
    fn is_fixed(&self) -> bool {
        let shape = self.model.input_shape(0).unwrap_or_default();
        matches!(shape.first(), Some(Dimension::Fixed(_)))
    }

    fn refused(&self, expected: &str, got: String) -> Error {
        refused(&self.path, expected, got)
    }
}

fn refused(path: &Path, expected: &str, got: String) -> Error {
    Error::Format { path: path.to_owned(), format: "ONNX", expected: expected.to_owned(), got }
}

/// Rows at once and the shape of a row, from what the network says of its input and the data's own shape; `None` if the
/// two don't fit.
fn fill(shape: Option<&[Dimension]>, data: &Dataset) -> Option<(usize, Vec<usize>)> {
    let Some(shape) = shape else { return Some((ROWS_A_RUN, vec![data.width()])) };
    let (first, rest) = shape.split_first()?;
    let rows = match first {
        Dimension::Fixed(rows) => *rows,
        Dimension::Symbolic(_) => ROWS_A_RUN,
    };
    let own = match (rest.len(), data.image) {
        (3, Some(image)) => vec![image.channels, image.height, image.width],
        (1, _) => vec![data.width()],
        _ => return None,
    };
    let fits = rest.iter().zip(&own).all(|(wanted, own)| match wanted {
        Dimension::Fixed(size) => size == own,
        Dimension::Symbolic(_) => true,
    });
    (fits && rows > 0).then_some((rows, own))
}

/// What an input has to be for `data`.
fn wanted(data: &Dataset) -> String {
    let image = data.image.map_or(String::new(), |image| {
        format!(", or (rows, {}, {}, {}) for images", image.channels, image.height, image.width)
    });
    format!("an input of (rows, {}){image}", data.width())
}

fn shape_text(shape: Option<&[Dimension]>) -> String {
    let one = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => size.to_string(),
        Dimension::Symbolic(name) => name.clone(),
    };
    let sizes: Vec<String> = shape.unwrap_or_default().iter().map(one).collect();
    format!("({})", sizes.join(", "))
}
