//! EmbedderSDR's network for MNIST, learning from triplets and encoding.

use std::hint::black_box;

use kwinners::encoder::{Embedder, EmbedderSettings, Encoder, Learner};
use kwinners::{Dataset, Rows};

use super::Task;

/// The published network and its ways of learning, at the peers' batches.
pub(crate) fn run(images: &Dataset, threads: usize) {
    let name = if images.name.starts_with("mnist") { "MNIST" } else { "random" };
    let task = |task| Task { task, n: format!("784-64-512 b256 {name}"), threads };
    let labels: Vec<u32> = match &images.labels {
        Some(labels) => labels.clone(),
        None => (0..images.len() as u32).map(|row| row % 10).collect(),
    };
    let embedder = |pairs: &[(&str, &str)]| {
        let mut settings = EmbedderSettings::default();
        settings.set("preset", "published-mlp").expect("a known preset");
        pairs.iter().for_each(|(key, text)| settings.set(key, text).expect("a known setting"));
        Embedder::new(settings, images.inputs()).expect("finite images")
    };
    let ways: [(&str, &[(&str, &str)]); 3] = [
        ("train random triplets, soft kWTA", &[]),
        ("train random triplets, hard kWTA", &[("step", "hard")]),
        ("train batch-all triplets, soft kWTA", &[("miner", "all")]),
    ];
    for (what, settings) in ways {
        let mut embedder = embedder(settings);
        let batches = images.rows().blocks(256).zip(labels.chunks(256));
        let mut batches: Vec<(Rows<'_>, &[u32])> = batches.collect();
        let mut learn = || {
            batches.rotate_left(1);
            embedder.learn(batches[0].0, Some(batches[0].1)).expect("finite images").loss
        };
        let first: f64 = (0..8).map(|_| learn()).sum();
        let last: f64 = (0..48).map(|_| learn()).skip(40).sum();
        let random = images.labels.is_none();
        assert!(last < first || random, "learning lowers the loss: {first} to {last}");
        task(what).rate("samples/s", 256, || {
            black_box(learn());
        });
    }
    let embedder = embedder(&[]);
    for (batch, what) in
        [(1, "encode batch 1"), (256, "encode batch 256"), (1024, "encode batch 1024")]
    {
        let rows = images.rows().slice(0..batch);
        assert_eq!(embedder.encode(rows).expect("finite images").winners(), Some(26));
        task(what).rate("samples/s", batch, || {
            drop(black_box(embedder.encode(rows).expect("finite images")));
        });
    }
}
