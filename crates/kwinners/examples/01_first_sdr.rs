//! From images to codes to neighbours, on real handwritten digits that come with the library.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use kwinners::data::{self, DataDirs, Spec};
use kwinners::encoder::Model;
use kwinners::index::{SdrIndex, Search};
use kwinners::train::{self, Control, Position};

fn main() -> kwinners::Result<()> {
    // 1,415 digits of 8x8 pixels to learn from, 382 of other writers to try.
    let digits = |split: &str| data::load(&Spec::parse(split)?, &DataDirs::default());
    let (train, test) = (digits("digits:train")?, digits("digits:test")?);

    // A tied encoder: 12 of 256 units on, learned by a local rule without labels.
    let settings = [("units", "256"), ("winners", "12")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut model = Model::new("tied", &settings, train.rows())?;
    train::fit(&mut model, &train, Position::default(), &mut |_, _, _| Control::Continue)?;

    // Codes are exactly k, always.
    let codes = model.encoder().encode(train.rows())?;
    assert_eq!(codes.winners(), Some(12));

    // The nearest stored codes of a new digit are mostly of its class.
    let queries = model.encoder().encode(test.rows())?;
    let index = SdrIndex::build(&codes)?;
    let found = index.top(queries.get(7), 5, &Search::default())?;
    let labels = train.require_labels()?;
    let wanted = test.require_labels()?[7];
    let same = found.iter().filter(|hit| labels[hit.id as usize] == wanted);
    assert!(same.count() >= 3);

    // And a code can be read: it decodes to the digit that it stands for.
    let decoded = model.decoder().expect("a tied encoder decodes").decode(&queries)?;
    let shown = &decoded[7 * 64..8 * 64];
    for line in shown.chunks(8) {
        let shade = |&value: &f32| [' ', '.', 'o', '#'][(value * 3.99).clamp(0.0, 3.0) as usize];
        println!("{}", line.iter().map(shade).collect::<String>());
    }
    Ok(())
}
