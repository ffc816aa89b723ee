//! Settings of an encoder kind, as names and texts: from a TOML file, `--set` and `--seed`.
//!
//! Which names and values are right is the library's to say; here they are only brought together.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use crate::status::BadInput;

/// Options of commands that make an encoder.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SettingsArguments {
    /// Read settings from a TOML file of `key = value` lines; `-` is standard input
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Set one setting, over what the file says; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Setting>,
    /// Seed of everything random: the same seed gives the same bytes
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// One `key=value`.
#[derive(Clone, Debug)]
struct Setting {
    key: String,
    value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err("expected KEY=VALUE, such as units=2048".to_owned()),
        }
    }
}

impl SettingsArguments {
    /// All settings: the file's, then each `--set`, then `--seed`; the later one counts.
    pub(crate) fn read(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut settings = match &self.config {
            Some(path) => read_file(path)?,
            None => BTreeMap::new(),
        };
        let set = self.set.iter().map(|setting| (setting.key.clone(), setting.value.clone()));
        settings.extend(set);
        settings.extend(self.seed.map(|seed| ("seed".to_owned(), seed.to_string())));
        Ok(settings)
    }
}

fn read_file(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(kwinners::Error::io(path))?;
    parse(&text).map_err(|reason| BadInput(format!("{}: {reason}", path.display())).into())
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    table
        .into_iter()
        .map(|(key, value)| {
            let text = text_of(&key, value)?;
            Ok((key, text))
        })
        .collect()
}

/// The text that `--set` would have.
fn text_of(key: &str, value: toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(answer) => Ok(answer.to_string()),
        other => {
            let expected = "a number, a text, true or false";
            Err(format!("`{key}`: expected {expected}, got {}", with_article(other.type_str())))
        }
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        text: &str,
        sets: &[&str],
        seed: Option<u64>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, text).unwrap();
        let set = sets.iter().map(|set| set.parse().unwrap()).collect();
        SettingsArguments { config: Some(path), set, seed }.read()
    }

    #[test]
    fn later_settings_count() {
        let text =
            "units = 2048\nlearning_rate = 0.01\nboosting = \"balance\"\nnonnegative = true\n";
        let settings = read(text, &["units=512", "units = 256"], Some(7)).unwrap();
        let pairs: Vec<(&str, &str)> =
            settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let expected = [
            ("boosting", "balance"),
            ("learning_rate", "0.01"),
            ("nonnegative", "true"),
            ("seed", "7"),
            ("units", "256"),
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn mistakes_name_the_place() {
        let refused = |text: &str| read(text, &[], None).unwrap_err().to_string();
        let syntax = refused("units = 3\nwinners = = 4");
        assert!(syntax.contains("settings.toml") && syntax.contains("line 2"), "{syntax}");
        let nested = refused("[tied]\nunits = 3");
        assert!(nested.contains("`tied`") && nested.contains("a table"), "{nested}");
        assert!(refused("units = [1, 2]").contains("an array"));
        assert!("units".parse::<Setting>().is_err() && "=3".parse::<Setting>().is_err());
    }

    #[test]
    fn a_missing_file_is_bad_input() {
        let config = Some(PathBuf::from("there/is/no/such.toml"));
        let error = SettingsArguments { config, ..Default::default() }.read().unwrap_err();
        assert!(error.is::<kwinners::Error>(), "{error}");
    }
}
