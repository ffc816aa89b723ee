//! Pages of kwinners: what a run leaves for people to look at, and the live page.
//!
//! - [`report_page`] makes one self-contained HTML file of a judged model: headline, curves, pictures,
//!   neighbours, every figure, and how to do it again. No script, no network.
//! - [`compare_page`] puts several reports side by side.
//! - [`live::Server`] serves a folder of runs to browsers: curves as they grow, an explorer of codes, and
//!   the same as JSON. Nothing that a browser does can slow a fit: the page reads what the fit writes.
//!
//! The arrow of the house is `kwinners-cli -> kwinners-dashboard -> kwinners`.

mod charts;
mod curve;
pub mod live;
mod raster;
mod report;

pub use curve::{CurvePoint, read_curve};
pub use report::{Page, Provenance, Side, compare_page, compare_rows, report_page};
