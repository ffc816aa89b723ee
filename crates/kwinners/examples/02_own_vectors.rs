//! Your own vectors, without a data set: random projection, set operations, noise, a saved model.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use kwinners::encoder::{Encoder, Model, RandomProjection, RandomProjectionSettings};
use kwinners::file::{About, SavedModel, load_model, save_model};
use kwinners::sdr::match_probability;
use kwinners::{Rng, Rows};

fn main() -> kwinners::Result<()> {
    // A thousand vectors of 50 numbers; the second is a noisy copy of the first.
    let mut rng = Rng::new(1);
    let mut vectors: Vec<f32> = (0..1000 * 50).map(|_| rng.normal()).collect();
    for place in 0..50 {
        vectors[50 + place] = vectors[place] + 0.2 * rng.normal();
    }
    let rows = Rows::new(&vectors, 50)?;

    // 40 of 2048 units: an untrained projection keeps neighbours.
    let settings = RandomProjectionSettings { units: 2048, winners: 40, ..Default::default() };
    let projection = RandomProjection::new(settings, rows)?;
    let codes = projection.encode(rows)?;
    let (first, copy, other) = (codes.get(0), codes.get(1), codes.get(2));
    println!("noisy copy: {} of 40 bits shared", first.overlap(copy)?);
    println!("other vector: {} of 40 bits shared", first.overlap(other)?);
    assert!(first.overlap(copy)? > 2 * first.overlap(other)?);

    // A union remembers both; half the bits moved are still a sure match.
    let union = first.union(other)?;
    assert_eq!(union.view().overlap(first)?, 40);
    let noisy = first.with_moved(20, &mut rng)?;
    assert_eq!(noisy.view().overlap(first)?, 20);
    println!(
        "a random code matches as well by chance: {:.1e}",
        match_probability(2048, 40, 40, 20)
    );

    // Saved and loaded to the bit, or refused.
    let path = std::env::temp_dir().join(format!("kwinners-example-{}.kw", std::process::id()));
    let model = Model::from(projection);
    save_model(&path, &SavedModel { model, about: About::default(), checkpoint: None })?;
    let loaded = load_model(&path)?.model;
    assert_eq!(loaded.encoder().encode(rows)?, codes);
    std::fs::remove_file(&path).map_err(kwinners::Error::io(&path))?;
    Ok(())
}
