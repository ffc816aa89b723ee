//! Figures that others have published, for the same read-out on the same test set.

/// A published figure, with the name that ours has in the report.
pub(crate) struct Published {
    /// Name of the test set.
    data: &'static str,
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    /// In the report's unit: shares from 0 to 1, scores as they are.
    pub(crate) value: f64,
    /// Who had it, with what.
    pub(crate) whose: &'static str,
}

/// Read-outs that learn from the codes of all training images and answer for the 10,000 test images.
const FIGURES: &[Published] = &[
    figure(
        "mnist:test",
        "readout",
        "linear_probe",
        0.9711,
        "htm.core's spatial pooler, 12,544 columns",
    ),
    figure(
        "mnist:test",
        "readout",
        "linear_svm",
        0.9880,
        "winner-take-all autoencoder (Makhzani and Frey 2015)",
    ),
    figure("mnist:test", "readout", "knn1_overlap", 0.945, "the forum's tied encoder, re-run"),
    figure(
        "mnist:test",
        "readout",
        "classifier",
        0.9909,
        "sparse CNN-2, with labels (Ahmad and Scheinkman 2019)",
    ),
    figure(
        "mnist:test",
        "noise",
        "score",
        103_764.0,
        "sparse CNN-2, with labels (Ahmad and Scheinkman 2019)",
    ),
    figure("mnist:test", "separation", "goodness_script", 1.190, "Universal Sparse Encoder"),
    figure("fashion-mnist:test", "readout", "linear_probe", 0.83, "htm.core's spatial pooler"),
];

const fn figure(
    data: &'static str,
    section: &'static str,
    name: &'static str,
    value: f64,
    whose: &'static str,
) -> Published {
    Published { data, section, name, value, whose }
}

/// The published figure beside `section.name` on the test set `data`.
pub(crate) fn find(data: &str, section: &str, name: &str) -> Option<&'static Published> {
    FIGURES
        .iter()
        .find(|figure| (figure.data, figure.section, figure.name) == (data, section, name))
}
