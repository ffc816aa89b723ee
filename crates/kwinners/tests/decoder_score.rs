//! Codes read through a decoder: scores are products with what is decoded, codes stay exact.

mod common;

use common::{images, settings};
use kwinners::encoder::{Decoder, Encoder, Learner, Model, Pursuit, PursuitSettings};
use kwinners::index::{DecoderScore, Hit, LinearDecoder, SdrIndex, Search};
use kwinners::metrics::reconstruction;
use kwinners::train::{Control, Position, fit};
use kwinners::{Rng, Rows, SdrBatch};

const WIDTH: usize = 24;

/// Sums of 5 of 60 directions, with a little noise, around a mean.
fn inputs(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(7);
    let directions: Vec<f32> = (0..60 * WIDTH).map(|_| rng.normal()).collect();
    let mut rng = Rng::new(seed);
    let mut values = vec![0.3; len * WIDTH];
    for row in values.chunks_exact_mut(WIDTH) {
        for direction in rng.distinct(5, 60) {
            let from = &directions[direction as usize * WIDTH..];
            row.iter_mut().zip(from).for_each(|(sum, value)| *sum += value);
        }
        row.iter_mut().for_each(|value| *value += 0.05 * rng.normal());
    }
    values
}

/// An encoder that has had `turns` turns with `rows`, and its rows.
fn learned(
    rows: Rows<'_>,
    (units, winners): (usize, usize),
    turns: usize,
) -> (Pursuit, LinearDecoder) {
    let settings = PursuitSettings { units, winners, ..Default::default() };
    let mut encoder = Pursuit::new(settings, rows).unwrap();
    for _ in 0..turns {
        encoder.learn(rows, None).unwrap();
    }
    let decoder = LinearDecoder::of(&encoder, units).unwrap();
    (encoder, decoder)
}

fn errors(inputs: Rows<'_>, decoded: &[f32]) -> Vec<f64> {
    let squares = |(input, decoded): (&[f32], &[f32])| {
        let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        input.iter().zip(decoded).map(square).sum()
    };
    inputs.iter().zip(decoded.chunks_exact(inputs.width())).map(squares).collect()
}

/// A decoder learned from the codes of any encoder is where the squared error and what holds its rows small are in
/// balance: for each unit the errors of its codes add up to its row.
#[test]
fn decoders_of_other_codes_are_least_squares() {
    let values = inputs(900, 3);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let numbers = settings(&[("units", "80"), ("winners", "7")]);
    let projection = Model::new("random-projection", &numbers, rows).unwrap();
    let codes = projection.encoder().encode(rows).unwrap();
    let decoder = LinearDecoder::learn(&codes, rows).unwrap();
    let decoded = decoder.decode(&codes).unwrap();
    let decoded = Rows::new(&decoded, WIDTH).unwrap();
    for unit in 0..80 {
        let mut sum = [0.0f64; WIDTH];
        for (number, _) in codes.iter().enumerate().filter(|(_, code)| code.contains(unit)) {
            let pairs = rows.row(number).iter().zip(decoded.row(number));
            sum.iter_mut().zip(pairs).for_each(|(sum, (x, found))| *sum += f64::from(x - found));
        }
        for (sum, row) in sum.iter().zip(decoder.row(unit)) {
            assert!((sum - f64::from(*row)).abs() < 0.01, "unit {unit}: {sum} for {row}");
        }
    }
    assert!(reconstruction(rows, decoded).unwrap().fvu < 0.8);
    assert!(LinearDecoder::learn(&codes, rows.slice(1..900)).is_err());
    assert!(LinearDecoder::learn(&SdrBatch::new(80).unwrap(), rows.slice(0..0)).is_err());
}

#[test]
fn learned_codes_stand_for_their_inputs() {
    let values = inputs(1500, 1);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let (encoder, decoder) = learned(rows, (96, 6), 8);
    assert_eq!((decoder.units(), decoder.width()), (96, WIDTH));
    let fresh = inputs(300, 2);
    let fresh = Rows::new(&fresh, WIDTH).unwrap();
    let codes = encoder.encode(fresh).unwrap();
    assert_eq!((codes.len(), codes.winners()), (300, Some(6)));
    let decoded = decoder.decode(&codes).unwrap();
    let fvu = reconstruction(fresh, Rows::new(&decoded, WIDTH).unwrap()).unwrap().fvu;
    assert!(fvu < 0.35, "{fvu} of the variance is not in the codes");
    let (first, _) = learned(rows, (96, 6), 0);
    let before = first.decode(&first.encode(fresh).unwrap()).unwrap();
    let before = reconstruction(fresh, Rows::new(&before, WIDTH).unwrap()).unwrap().fvu;
    assert!(fvu < 0.8 * before, "learning lowers {before} to {fvu}");
}

#[test]
fn swaps_keep_the_size_and_never_raise_the_error() {
    let values = inputs(200, 3);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let (_, decoder) = learned(rows, (80, 6), 2);
    let mut rng = Rng::new(4);
    let mut codes = SdrBatch::new(80).unwrap();
    (0..200).for_each(|row| codes.push(&rng.distinct(1 + row % 9, 80)).unwrap());
    let refined = decoder.refine(rows, &codes).unwrap();
    let before = errors(rows, &decoder.decode(&codes).unwrap());
    let after = errors(rows, &decoder.decode(&refined).unwrap());
    for (number, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(refined.get(number).count(), codes.get(number).count());
        assert!(*after <= before + 1e-3, "code {number}: {before} to {after}");
    }
    assert!(after.iter().sum::<f64>() < 0.6 * before.iter().sum::<f64>());
    let again = decoder.refine(rows, &refined).unwrap();
    let settled = refined.iter().zip(again.iter()).filter(|(a, b)| a == b).count();
    assert!(settled > 180, "{settled} of 200 have settled");
}

/// Scores are products with the decoded inputs, and the top is that of all.
#[test]
fn scores_are_products_with_what_is_decoded() {
    let values = inputs(400, 5);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let (encoder, decoder) = learned(rows, (64, 5), 2);
    let codes = encoder.encode(rows).unwrap();
    let (decoded, lengths) = (decoder.decode(&codes).unwrap(), decoder.lengths(&codes).unwrap());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    for query in rows.iter().take(20) {
        let products = decoder.products(query).unwrap();
        let exact: Vec<f64> = decoded.chunks_exact(WIDTH).map(|row| dot(query, row)).collect();
        for (code, exact) in codes.iter().zip(&exact) {
            assert!((f64::from(products.score(code)) - exact).abs() < 1e-3);
        }
        for (score, cosine) in [(DecoderScore::Product, false), (DecoderScore::Cosine, true)] {
            let value = |id: usize| {
                if cosine { exact[id] / f64::from(lengths[id]) } else { exact[id] }
            };
            let top = decoder.top(query, (&codes, &lengths), 7, score).unwrap();
            assert_eq!(top.len(), 7);
            let worst = value(top[6].0);
            let better = (0..400).filter(|&id| value(id) > worst + 1e-4).count();
            assert!(better <= 6 && top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        }
        assert_eq!(
            decoder.top(query, (&codes, &lengths), 1000, DecoderScore::Cosine).unwrap().len(),
            400
        );
    }
}

/// The rows of a model's own decoder add up to what it decodes.
#[test]
fn a_models_decoder_is_read_as_rows() {
    let data = images(300, 36, 6);
    for selection in ["binary", "topk"] {
        let pairs = settings(&[
            ("units", "48"),
            ("winners", "6"),
            ("epochs", "2"),
            ("selection", selection),
        ]);
        let mut model = Model::new("autoencoder", &pairs, data.rows()).unwrap();
        fit(&mut model, &data, Position::default(), &mut |_, _, _| Control::Continue).unwrap();
        let codes = model.encoder().encode(data.rows()).unwrap();
        let decoder = LinearDecoder::of(model.decoder().unwrap(), 48).unwrap();
        let (ours, its) =
            (decoder.decode(&codes).unwrap(), model.decoder().unwrap().decode(&codes).unwrap());
        assert!(ours.iter().zip(&its).all(|(a, b)| (a - b).abs() < 1e-4), "{selection}");
    }
}

#[test]
fn bad_input_is_refused() {
    let values = inputs(50, 9);
    let rows = Rows::new(&values, WIDTH).unwrap();
    for (units, winners) in [(0, 1), (1 << 15, 3), (20, 21), (20, 0)] {
        let settings = PursuitSettings { units, winners, ..Default::default() };
        assert!(Pursuit::new(settings, rows).is_err(), "{units}/{winners}");
    }
    let (encoder, decoder) = learned(rows, (20, 3), 1);
    let codes = encoder.encode(rows).unwrap();
    let lengths = decoder.lengths(&codes).unwrap();
    assert!(decoder.refine(rows.slice(0..9), &codes).is_err());
    assert!(decoder.decode(&SdrBatch::new(21).unwrap()).is_err());
    assert!(decoder.products(&values[..5]).is_err() && decoder.products(&[]).is_err());
    let few = (&codes, &lengths[..5]);
    assert!(decoder.top(rows.row(0), few, 3, DecoderScore::Cosine).is_err());
}

/// What an index finds by the decoder is what all codes one by one give, also of allowed ones only, and what
/// a list of hits becomes that has them all.
#[test]
fn an_index_is_searched_by_the_decoder() {
    let values = inputs(300, 6);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let (encoder, decoder) = learned(rows, (64, 5), 2);
    let codes = encoder.encode(rows).unwrap();
    let mut index = SdrIndex::new(64).unwrap();
    for part in [0..100, 100..130, 130..300] {
        index.add(&codes.select(&part.collect::<Vec<_>>())).unwrap();
    }
    let deleted = 17;
    assert!(index.delete(deleted));
    let lengths = decoder.lengths(&codes).unwrap();
    let queries = rows.slice(0..20);
    let odd = (0..300).filter(|id| id % 2 == 1).collect();
    for allowed in [None, Some(&odd)] {
        let search = Search { allowed, ..Search::default() };
        let found = index.top_decoded(&decoder, queries, 9, &search).unwrap();
        for (query, found) in queries.iter().zip(&found) {
            let all = decoder.top(query, (&codes, &lengths), 300, DecoderScore::Cosine).unwrap();
            let ids = all.iter().map(|(id, _)| *id as u32).filter(|&id| id != deleted);
            let ids: Vec<u32> =
                ids.filter(|&id| allowed.is_none_or(|ids| ids.contains(id))).collect();
            assert_eq!(found.iter().map(|hit| hit.id).collect::<Vec<_>>(), ids[..9]);
            assert!(found.iter().all(|hit| hit.score.abs() < 1.0 + 1e-3));
            let hits: Vec<Hit> = ids.iter().rev().map(|&id| Hit { id, score: 0.0 }).collect();
            assert_eq!(index.rerank(&decoder, query, &hits).unwrap()[..9], found[..]);
        }
    }
    let gone = [Hit { id: deleted, score: 0.0 }];
    assert!(index.rerank(&decoder, queries.row(0), &gone).is_err());
    assert!(
        index.top_decoded(&decoder, Rows::new(&values, 8).unwrap(), 1, &Search::default()).is_err()
    );
    let other = SdrIndex::new(65).unwrap();
    assert!(other.top_decoded(&decoder, queries, 1, &Search::default()).is_err());
}
