//! nupic.torch's sparse network for MNIST, learning and answering.

use std::hint::black_box;

use kwinners::data::ImageShape;
use kwinners::encoder::{Classifier, ClassifierSettings, Classify, Inputs, Learner};
use kwinners::{Dataset, Rows};

use super::Task;

/// The paper's kind of network at the batches of the peers.
pub(crate) fn run(images: &Dataset, threads: usize) {
    let name = if images.name.starts_with("mnist") { "MNIST" } else { "random" };
    let task = |task| Task { task, n: name.to_owned(), threads };
    let labels = images.labels.clone().unwrap_or_else(|| vec![0; images.len()]);
    let image = Some(ImageShape { width: 28, height: 28, channels: 1 });
    let inputs = Inputs { rows: images.rows(), image, classes: 10 };
    let pairs = [("preset".to_owned(), "mnist-sparse-cnn".to_owned())];
    let settings = ClassifierSettings::of_pairs(&pairs).expect("a known preset");
    let mut model = Classifier::new(settings, inputs).expect("images of 28x28");
    for (batch, what) in [(4, "train batch 4"), (64, "train batch 64"), (256, "train batch 256")] {
        let batches = images.rows().blocks(batch).zip(labels.chunks(batch));
        let mut batches: Vec<(Rows<'_>, &[u32])> = batches.collect();
        let mut learn = || {
            batches.rotate_left(1);
            model.learn(batches[0].0, Some(batches[0].1)).expect("finite images").loss
        };
        let first: f64 = (0..4).map(|_| learn()).sum();
        let last: f64 = (0..60).map(|_| learn()).skip(56).sum();
        assert!(last < first || first < 1.0, "learning lowers the loss: {first} to {last}");
        task(what).rate("samples/s", batch, || {
            black_box(learn());
        });
    }
    for (batch, what) in
        [(1, "inference batch 1"), (64, "inference batch 64"), (1024, "inference batch 1024")]
    {
        let rows = images.rows().slice(0..batch);
        let scores = model.scores(rows).expect("finite images");
        assert!(scores.len() == batch * 10 && scores.iter().all(|score| score.is_finite()));
        task(what).rate("samples/s", batch, || {
            drop(black_box(model.scores(rows).expect("finite images")));
        });
    }
}
