//! The files of the page, inside the program.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Refusal;

/// Name, type, contents. `uplot.js` and `uplot.css` are uPlot 1.6.32 (MIT, `assets/uplot-LICENSE.txt`).
const FILES: &[(&str, &str, &str)] = &[
    ("index.html", HTML, include_str!("../../assets/index.html")),
    ("style.css", CSS, include_str!("../../assets/style.css")),
    ("page.css", CSS, include_str!("../../assets/page.css")),
    ("app.js", SCRIPT, include_str!("../../assets/app.js")),
    ("common.js", SCRIPT, include_str!("../../assets/common.js")),
    ("curves.js", SCRIPT, include_str!("../../assets/curves.js")),
    ("explore.js", SCRIPT, include_str!("../../assets/explore.js")),
    ("uplot.js", SCRIPT, include_str!("../../assets/uplot.js")),
    ("uplot.css", CSS, include_str!("../../assets/uplot.css")),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// One of our files.
pub(super) async fn serve(name: &str) -> Response {
    match FILES.iter().find(|file| file.0 == name) {
        Some(&(_, kind, text)) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
        }
        None => Refusal::new(StatusCode::NOT_FOUND, "there is nothing here").into_response(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn scripts_are_light() {
        let scripts = super::FILES.iter().filter(|file| file.0.ends_with(".js"));
        let bytes: usize = scripts.map(|file| file.2.len()).sum();
        assert!(bytes <= 200_000, "{bytes} bytes of scripts");
    }
}
