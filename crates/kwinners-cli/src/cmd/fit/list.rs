//! `kwinners fit --list`: the kinds and their settings.

use kwinners::encoder::Model;
use serde_json::{Map, json};

use crate::output::Output;

/// Shows `kind`, or all kinds.
pub(super) fn show(kind: Option<&str>, output: &mut Output) -> anyhow::Result<()> {
    let kinds = kind.map_or_else(|| Model::KINDS.to_vec(), |kind| vec![kind]);
    let mut all = Map::new();
    for (place, kind) in kinds.into_iter().enumerate() {
        let settings = Model::settings_of(kind)?;
        let row = |(name, default, meaning): &(&str, String, &str)| {
            vec![(*name).to_owned(), default.clone(), (*meaning).to_owned()]
        };
        let rows: Vec<Vec<String>> = settings.iter().map(row).collect();
        output.line(format_args!("{}{kind}\n", if place > 0 { "\n" } else { "" }))?;
        output.table(&["setting", "default", "meaning"], &rows)?;
        let named = settings.into_iter().map(|(name, default, meaning)| {
            (name.to_owned(), json!({ "default": default, "meaning": meaning }))
        });
        all.insert(kind.to_owned(), named.collect::<Map<_, _>>().into());
    }
    output.object(&json!({ "kinds": all }))
}
