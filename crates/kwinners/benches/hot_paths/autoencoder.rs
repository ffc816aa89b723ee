//! Autoencoders at the sizes of the peers.

use std::hint::black_box;

use kwinners::encoder::{Autoencoder, AutoencoderSettings, Learner};
use kwinners::{Dataset, Rng, Rows};

use super::Task;

/// Both on one pool of threads.
pub(crate) fn run(images: &Dataset, threads: usize) {
    topk(threads);
    universal(images, threads);
}

fn settings(selection: &str, batch: usize) -> AutoencoderSettings {
    let pairs = [("selection", selection.to_owned()), ("batch", batch.to_string())];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value));
    AutoencoderSettings::of_pairs(&pairs).expect("known settings")
}

/// Times steps over the batches of `rows`, after asserting that they lower the loss.
fn time(task: &Task, metric: &str, rows: Rows<'_>, settings: AutoencoderSettings) {
    let batch = settings.batch;
    let mut model = Autoencoder::new(settings, rows).expect("the recipe is right");
    let mut batches = rows.blocks(batch).filter(|rows| rows.len() == batch).collect::<Vec<_>>();
    let mut learn = || {
        batches.rotate_left(1);
        model.learn(batches[0], None).expect("finite inputs").loss
    };
    let first = learn();
    let last = (0..20).map(|_| learn()).last().unwrap_or(first);
    assert!(last < first, "learning lowers the loss: {first} to {last}");
    task.rate(metric, batch, || {
        black_box(learn());
    });
}

/// Sums of about 20 of 8,192 directions, some often and some seldom, with noise.
fn topk(threads: usize) {
    const WIDTH: usize = 384;
    let mut rng = Rng::new(1);
    let scale = (WIDTH as f32).sqrt().recip();
    let directions: Vec<f32> = (0..8192 * WIDTH).map(|_| scale * rng.normal()).collect();
    let mut values = vec![0.0f32; 4 * 4096 * WIDTH];
    for row in values.chunks_exact_mut(WIDTH) {
        for _ in 0..20 {
            let share = rng.uniform();
            let (place, weight) = ((share * share * 8192.0) as usize, rng.normal().abs());
            let direction = &directions[place * WIDTH..][..WIDTH];
            row.iter_mut().zip(direction).for_each(|(sum, value)| *sum += weight * value);
        }
        row.iter_mut().for_each(|value| *value += 0.05 * rng.between(-1.7, 1.7));
    }
    let rows = Rows::new(&values, WIDTH).expect("whole rows");
    let n = "384->4096 k=32 b4096".to_owned();
    let task = Task { task: "TopK SAE training", n, threads };
    time(&task, "tokens/s", rows, settings("topk", 4096));
}

fn universal(images: &Dataset, threads: usize) {
    let name = if images.name.starts_with("mnist") { "MNIST" } else { "random" };
    let task = Task { task: "train batch 100", n: format!("784-500 b100 {name}"), threads };
    time(&task, "samples/s", images.rows(), settings("universal", 100));
}
