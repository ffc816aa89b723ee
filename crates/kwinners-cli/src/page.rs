//! The report page of a judged model or of judged codes.

use std::path::{Path, PathBuf};

use kwinners::encoder::Model;
use kwinners::report::{Report, ReportSummary};
use kwinners::{Dataset, Error, Rows, SdrBatch};
use kwinners_dashboard::{CurvePoint, Page, Provenance, read_curve, report_page};

/// What the page is made of.
#[derive(Clone, Copy)]
pub(crate) struct Material<'a> {
    pub(crate) report: &'a Report,
    pub(crate) seeds: Option<&'a ReportSummary>,
    pub(crate) model: Option<&'a Model>,
    /// Training and test set, and their codes.
    pub(crate) sets: (&'a Dataset, &'a Dataset),
    pub(crate) codes: (&'a SdrBatch, &'a SdrBatch),
    /// The test codes decoded, `(len, width)`.
    pub(crate) decoded: Option<&'a [f32]>,
    /// The log of the fit, where there is one.
    pub(crate) log: Option<&'a Path>,
}

/// Writes the page to `path`.
pub(crate) fn write(path: &Path, material: Material<'_>) -> anyhow::Result<()> {
    let Material { report, seeds, model, sets: (train, test), codes, decoded, log } = material;
    let decoded = decoded.map(|values| Rows::new(values, test.width())).transpose()?;
    let curve: Vec<CurvePoint> = log.map(read_curve).transpose()?.unwrap_or_default();
    let page = Page {
        report,
        seeds,
        model,
        train,
        test,
        train_codes: codes.0,
        test_codes: codes.1,
        decoded,
        curve: &curve,
        provenance: &provenance(),
    };
    Ok(std::fs::write(path, report_page(&page)?).map_err(Error::io(path))?)
}

/// The log that lies beside `file` under its name, if one does.
pub(crate) fn log_beside(file: &Path) -> Option<PathBuf> {
    let log = file.with_extension("jsonl");
    log.is_file().then_some(log)
}

/// The command that runs just now, and what it runs on.
pub(crate) fn provenance() -> Provenance {
    let arguments = std::env::args().skip(1).map(|argument| quoted(&argument));
    let command = std::iter::once("kwinners".to_owned()).chain(arguments);
    let fact = |name: &str, what: String| (name.to_owned(), what);
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    Provenance {
        commands: vec![command.collect::<Vec<_>>().join(" ")],
        facts: vec![
            fact("kwinners", env!("CARGO_PKG_VERSION").to_owned()),
            fact("machine", format!("{system}, {processor}, {}", kwinners::instruction_set())),
        ],
    }
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn arguments_are_quoted_where_a_shell_would_read_them() {
        assert_eq!(quoted("mnist:train"), "mnist:train");
        assert_eq!(quoted("mnist[..10]"), "'mnist[..10]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
