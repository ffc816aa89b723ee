//! Settings of an encoder kind by name: what `--set key=value`, TOML files and `.kw` files speak.

use std::fmt::{Debug, Display};

use crate::error::{Error, Result};

/// A value that a setting can have, as text and back; the text of a number is its shortest exact form.
pub(crate) trait Value: Sized + PartialEq + Debug {
    /// What the text has to be, for errors: "a whole number".
    const EXPECTED: &'static str;
    fn parse(text: &str) -> Option<Self>;
    fn print(&self) -> String;
    /// What is wrong with a text that does not parse, where more can be said than what was expected.
    fn explain(_text: &str) -> Option<Error> {
        None
    }
}

macro_rules! number {
    ($kind:ty, $expected:literal, $valid:expr) => {
        impl Value for $kind {
            const EXPECTED: &'static str = $expected;
            fn parse(text: &str) -> Option<Self> {
                text.trim().parse().ok().filter($valid)
            }
            fn print(&self) -> String {
                format!("{self:?}")
            }
        }
    };
}
number!(usize, "a whole number", |_| true);
number!(u64, "a whole number", |_| true);
number!(f32, "a finite number", |number: &f32| number.is_finite());
number!(bool, "true or false", |_| true);

/// Declares a closed choice: an enum, each variant with its name in settings.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl crate::encoder::settings::Value for $name {
            const EXPECTED: &'static str = concat!("one of" $(, " ", $text)*);
            fn parse(text: &str) -> Option<Self> {
                match text.trim() {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
            fn print(&self) -> String {
                match self {
                    $(Self::$variant => $text.to_owned(),)*
                }
            }
        }
    };
}

/// Declares the settings of a kind: a struct of public fields with defaults, readable and settable
/// by name. Where a kind comes in `recipes`, the first field is a [`choice!`], and setting it gives
/// all other fields the values of `Self::recipe(choice)`, which the kind writes by hand.
macro_rules! settings {
    ($(#[$doc:meta])* $name:ident $(recipes $recipe:ident)? { $($(#[doc = $about:literal])+ $key:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $about])+ pub $key: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $name {
            /// Sets one setting by name.
            ///
            /// # Errors
            /// If the name is not known (the nearest known one is offered) or the text is not a
            /// value of the setting.
            pub fn set(&mut self, key: &str, text: &str) -> crate::Result<()> {
                match key {
                    $(stringify!($recipe) => {
                        self.$recipe = crate::encoder::settings::parse(key, text)?;
                        *self = Self::recipe(self.$recipe);
                    })?
                    $(stringify!($key) => {
                        self.$key = crate::encoder::settings::parse(key, text)?;
                    })*
                    _ => {
                        let known = [$(stringify!($key)),*];
                        return Err(crate::Error::unknown_name("setting", key, &known));
                    }
                }
                Ok(())
            }

            /// The defaults but for `pairs` of names and texts, in any order; a recipe comes first.
            ///
            /// # Errors
            /// As [`Self::set`].
            pub fn of_pairs(pairs: &[(String, String)]) -> crate::Result<Self> {
                let recipes: &[&str] = &[$(stringify!($recipe))?];
                let (first, rest): (Vec<_>, Vec<_>) =
                    pairs.iter().partition(|(key, _)| recipes.contains(&key.as_str()));
                let mut settings = Self::default();
                for (key, text) in first.into_iter().chain(rest) {
                    settings.set(key, text)?;
                }
                Ok(settings)
            }

            /// All settings as names and texts; [`Self::set`] of each gives the same settings.
            pub fn list(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($key), crate::encoder::settings::Value::print(&self.$key)),)*]
            }

            /// Name, default and meaning of every setting.
            pub fn help() -> Vec<(&'static str, String, &'static str)> {
                let default = Self::default();
                vec![$((
                    stringify!($key),
                    crate::encoder::settings::Value::print(&default.$key),
                    concat!($($about),+).trim_ascii(),
                ),)*]
            }
        }
    };
}

pub(crate) use {choice, settings};

/// Refuses settings that are not above 0.
pub(crate) fn check_positive(settings: &[(&str, f32)]) -> Result<()> {
    check_all(settings, "a number above 0", |value| value > 0.0)
}

/// Refuses settings below 0.
pub(crate) fn check_from_0(settings: &[(&str, f32)]) -> Result<()> {
    check_all(settings, "a number of 0 or more", |value| value >= 0.0)
}

/// Refuses settings that are not from 0 to below 1.
pub(crate) fn check_below_1(settings: &[(&str, f32)]) -> Result<()> {
    check_all(settings, "a number from 0 to below 1", |value| (0.0..1.0).contains(&value))
}

/// Refuses counts of 0.
pub(crate) fn check_counts(settings: &[(&str, usize)]) -> Result<()> {
    check_all(settings, "at least 1", |count| count > 0)
}

fn check_all<V: Copy + Display>(
    settings: &[(&str, V)],
    expected: &str,
    allowed: impl Fn(V) -> bool,
) -> Result<()> {
    match settings.iter().find(|(_, value)| !allowed(*value)) {
        None => Ok(()),
        Some((key, value)) => Err(Error::setting(*key, expected, value)),
    }
}

/// The value of setting `key` from its text.
pub(crate) fn parse<V: Value>(key: &str, text: &str) -> Result<V> {
    V::parse(text).ok_or_else(|| {
        V::explain(text).unwrap_or_else(|| Error::setting(key, V::EXPECTED, format!("`{text}`")))
    })
}
