//! Laws that every kind of encoder obeys: a new kind is one line of `CASES`.

mod common;

use common::{saved_bytes, settings, with_threads};
use kwinners::data::ImageShape;
use kwinners::encoder::{Inputs, Model};
use kwinners::file::{self, About, Checkpoint, SavedModel};
use kwinners::train::{Control, Position, StopReason, fit};
use kwinners::{Dataset, Error, Rng, Rows};

/// A kind with settings that make it small and quick, for images of 8x8.
struct Case {
    kind: &'static str,
    settings: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        kind: "conv-wta",
        settings: &[
            ("channels", "6"),
            ("winners", "4"),
            ("epochs", "3"),
            ("batch", "50"),
            ("optimiser", "sgd"),
            ("input", "standardised"),
        ],
    },
    Case {
        kind: "conv-wta",
        settings: &[
            ("channels", "3-4-5/6-4"),
            ("winners", "3"),
            ("epochs", "4"),
            ("batch", "40"),
            ("pool", "3"),
            ("stride", "2"),
        ],
    },
    Case {
        kind: "pursuit",
        settings: &[("units", "70"), ("winners", "6"), ("epochs", "3"), ("batch", "90")],
    },
    Case { kind: "random-projection", settings: &[("units", "70"), ("winners", "6")] },
    Case {
        kind: "random-projection",
        settings: &[("units", "70"), ("winners", "7"), ("projection", "gaussian")],
    },
    // Global and local inhibition, two axes and one, boosted and not.
    Case {
        kind: "spatial-pooler",
        settings: &[
            ("column_dimensions", "9x10"),
            ("potential_pct", "0.5"),
            ("num_active_columns_per_inh_area", "6"),
            ("epochs", "2"),
        ],
    },
    Case {
        kind: "spatial-pooler",
        settings: &[
            ("preset", "paper-topology-cross"),
            ("column_dimensions", "12x11"),
            ("potential_radius", "2"),
            ("duty_cycle_period", "100"),
            ("epochs", "2"),
        ],
    },
    Case {
        kind: "spatial-pooler",
        settings: &[
            ("column_dimensions", "70"),
            ("potential_radius", "9"),
            ("potential_pct", "0.8"),
            ("wrap_around", "false"),
            ("global_inhibition", "false"),
            ("num_active_columns_per_inh_area", "2"),
            ("boost_strength", "5"),
            ("min_pct_overlap_duty_cycle", "0.5"),
            ("binarise", "above-mean"),
        ],
    },
    Case {
        kind: "spatial-pooler",
        settings: &[
            ("preset", "paper-boosted"),
            ("column_dimensions", "70"),
            ("boost_rule", "logarithmic"),
            ("trim", "true"),
            ("stimulus_threshold", "0"),
            ("exactly_k", "false"),
        ],
    },
    Case {
        kind: "tied",
        settings: &[("units", "70"), ("winners", "6"), ("epochs", "2"), ("batch", "1")],
    },
    Case {
        kind: "tied",
        settings: &[("units", "70"), ("winners", "6"), ("epochs", "3"), ("batch", "90")],
    },
    Case {
        kind: "patches",
        settings: &[
            ("units", "64"),
            ("winners", "5"),
            ("patch", "3"),
            ("grid", "2"),
            ("epochs", "2"),
            ("batch", "64"),
        ],
    },
    Case {
        kind: "patches",
        settings: &[
            ("units", "72"),
            ("winners", "5"),
            ("patch", "3"),
            ("second_patch", "5"),
            ("grid", "2"),
            ("overlap", "1"),
            ("place_winners", "2"),
            ("epochs", "3"),
            ("pooling", "max"),
            ("whitening", "0.1"),
            ("lean", "0"),
            ("batch", "90"),
        ],
    },
    Case {
        kind: "autoencoder",
        settings: &[
            ("selection", "topk"),
            ("units", "150"),
            ("winners", "6"),
            ("epochs", "3"),
            ("batch", "90"),
            ("dead_after", "90"),
            ("aux_winners", "9"),
        ],
    },
    Case {
        kind: "autoencoder",
        settings: &[
            ("selection", "batch-topk"),
            ("units", "70"),
            ("winners", "6"),
            ("epochs", "2"),
            ("batch", "40"),
            ("input", "standardised"),
        ],
    },
    Case {
        kind: "autoencoder",
        settings: &[
            ("selection", "matryoshka"),
            ("units", "70"),
            ("winners", "6"),
            ("epochs", "2"),
            ("batch", "40"),
            ("prefixes", "3"),
            ("schedule", "cosine"),
            ("dead_after", "50"),
        ],
    },
    Case {
        kind: "autoencoder",
        settings: &[
            ("selection", "k-sparse"),
            ("units", "70"),
            ("winners", "6"),
            ("epochs", "2"),
            ("batch", "40"),
            ("anneal_from", "20"),
            ("boosting", "additive"),
        ],
    },
    Case {
        kind: "autoencoder",
        settings: &[
            ("selection", "wta"),
            ("units", "140"),
            ("winners", "6"),
            ("epochs", "2"),
            ("batch", "40"),
            ("optimiser", "sgd"),
            ("occlusion", "3"),
        ],
    },
    Case {
        kind: "autoencoder",
        settings: &[
            ("selection", "universal"),
            ("units", "150"),
            ("winners", "6"),
            ("steps", "17"),
            ("batch", "70"),
            ("contractive", "0.01"),
        ],
    },
    Case {
        kind: "autoencoder",
        settings: &[
            ("selection", "binary"),
            ("units", "70"),
            ("winners", "6"),
            ("epochs", "2"),
            ("batch", "40"),
            ("loss", "bce"),
            ("input_dropout", "0.3"),
            ("hidden_dropout", "0.1"),
        ],
    },
    Case {
        kind: "classifier",
        settings: &[("layers", "linear 40 density=0.4, k-winners 6"), ("epochs", "3")],
    },
    Case {
        kind: "classifier",
        settings: &[
            (
                "layers",
                "conv 6 3 density=0.5, pool 2, k-winners 12 inference=18, conv 9 2, batch-norm affine, \
                 relu, linear 30 density=0.6, dropout 0.2, k-winners 5",
            ),
            ("optimiser", "amsgrad"),
            ("epochs", "3"),
            ("first_batch", "4"),
            ("batch", "25"),
            ("schedule", "plateau"),
            ("rate_every", "1"),
            ("weight_decay", "0.001"),
            ("noise", "random-value"),
            ("shift", "1"),
        ],
    },
    Case {
        kind: "classifier",
        settings: &[
            ("layers", "pad 1, conv 5 3, tanh, pool 2, linear 20 drop-connect=0.3, relu"),
            ("winners", "4"),
            ("optimiser", "nesterov"),
            ("momentum", "0.9"),
            ("loss", "bce"),
            ("schedule", "step"),
            ("epochs", "2"),
            ("batch", "40"),
            ("noise", "random-values"),
        ],
    },
    Case {
        kind: "embedder",
        settings: &[("units", "70"), ("winners", "6"), ("epochs", "3"), ("batch", "40")],
    },
    Case {
        kind: "embedder",
        settings: &[
            ("preset", "published-mlp"),
            ("layers", "linear 20 density=0.5, k-winners 6"),
            ("units", "60"),
            ("winners", "5"),
            ("first_winners", "9"),
            ("anneal_every", "1"),
            ("scaling", "1"),
            ("step", "surrogate"),
            ("epochs", "3"),
            ("batch", "50"),
        ],
    },
    Case {
        kind: "embedder",
        settings: &[
            ("layers", "conv 5 3, batch-norm affine, relu, pool 2, dropout 0.2"),
            ("pairs", "views"),
            ("loss", "pair"),
            ("metric", "l2"),
            ("hardest", "0.3"),
            ("units", "50"),
            ("winners", "4"),
            ("step", "relu6"),
            ("normalise", "true"),
            ("noise", "gaussian"),
            ("shift", "1"),
            ("mirror", "true"),
            ("schedule", "plateau"),
            ("rate_every", "1"),
            ("epochs", "3"),
            ("batch", "30"),
        ],
    },
    Case {
        kind: "embedder",
        settings: &[
            (
                "layers",
                "linear 30, k-step 5 learned scaling=1, linear 25, k-step 6 predicted least=2",
            ),
            ("threshold", "learned"),
            ("units", "60"),
            ("winners", "6"),
            ("optimiser", "amsgrad"),
            ("epochs", "3"),
            ("batch", "40"),
        ],
    },
    Case {
        kind: "embedder",
        settings: &[
            ("layers", "linear 30, relu"),
            ("threshold", "predicted"),
            ("least_winners", "2"),
            ("step", "surrogate"),
            ("units", "60"),
            ("winners", "6"),
            ("first_winners", "12"),
            ("epochs", "3"),
            ("batch", "40"),
        ],
    },
    Case {
        kind: "classifier",
        settings: &[
            ("layers", "linear 40, k-step 8 predicted relu6, linear 20, k-step 5 learned hard"),
            ("winners", "4"),
            ("epochs", "3"),
            ("batch", "40"),
        ],
    },
    Case {
        kind: "embedder",
        settings: &[
            ("preset", "autoencoder"),
            ("units", "60"),
            ("winners", "6"),
            ("step", "relu6"),
            ("latent_penalty", "0.5"),
            ("decoder", "dropout 0.25, penalty 0.1 power=2"),
            ("balance", "0.01"),
            ("epochs", "3"),
            ("batch", "40"),
        ],
    },
];

const IMAGE: ImageShape = ImageShape { width: 8, height: 8, channels: 1 };

/// Images of the shape that the cases are for, of ten classes.
fn images(len: usize, seed: u64) -> Dataset {
    let images = common::images(len, 64, seed).with_image(IMAGE).unwrap();
    let classes = (0..10).map(|class| class.to_string()).collect();
    images.with_labels((0..len as u32).map(|row| row % 10).collect(), classes).unwrap()
}

impl Case {
    fn new_model(&self, data: &Dataset) -> Model {
        Model::new(self.kind, &settings(self.settings), data.inputs()).unwrap()
    }

    fn fitted(&self, data: &Dataset) -> Model {
        let mut model = self.new_model(data);
        fit(&mut model, data, Position::default(), &mut |_, _, _| Control::Continue).unwrap();
        model
    }
}

#[test]
fn every_kind_has_a_case() {
    for kind in Model::KINDS {
        assert!(CASES.iter().any(|case| case.kind == *kind), "{kind} is not tested");
    }
}

#[test]
fn one_thread_or_three_give_the_same_bytes() {
    let data = images(400, 4);
    for case in CASES {
        let fitted = |threads| {
            with_threads(threads, || {
                let model = case.fitted(&data);
                let codes = model.encoder().encode(data.rows()).unwrap();
                (saved_bytes(model, &data), codes)
            })
        };
        assert!(fitted(1) == fitted(3), "{} {:?}", case.kind, case.settings);
    }
}

#[test]
fn a_stopped_run_ends_in_the_bytes_of_an_unbroken_one() {
    let data = images(300, 6);
    let mut go_on = |_: &_, _: &Model, _: Position| Control::Continue;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.kw");
    let mut rng = Rng::new(9);
    for case in CASES {
        let mut steps = 0;
        let mut unbroken = case.new_model(&data);
        if unbroken.learner().is_none() {
            continue;
        }
        fit(&mut unbroken, &data, Position::default(), &mut |step, _, _| {
            steps = step.step;
            Control::Continue
        })
        .unwrap();
        let unbroken = saved_bytes(unbroken, &data);
        for _ in 0..2 {
            let stop_after = 1 + rng.below(steps as usize - 1) as u64;
            let mut model = case.new_model(&data);
            let mut stop = |step: &kwinners::Step, _: &Model, _: Position| {
                if step.step == stop_after { Control::Stop } else { Control::Continue }
            };
            let (reason, position) =
                fit(&mut model, &data, Position::default(), &mut stop).unwrap();
            assert_eq!(reason, StopReason::Asked);
            let checkpoint = Some(Checkpoint::new(position, &data));
            let saved = SavedModel { model, about: About::of(&data), checkpoint };
            file::save_model(&path, &saved).unwrap();
            let mut taken_up = file::load_model(&path).unwrap();
            let position = taken_up.checkpoint.unwrap().position;
            fit(&mut taken_up.model, &data, position, &mut go_on).unwrap();
            let same = saved_bytes(taken_up.model, &data) == unbroken;
            assert!(same, "{} {:?} stopped after {stop_after}", case.kind, case.settings);
        }
    }
}

/// Codes are exactly k where the kind says so, a row's code does not depend on its neighbours, and
/// a saved model gives the same codes.
#[test]
fn encoders_are_pure_and_come_back() {
    let data = images(150, 8);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.kw");
    for case in CASES {
        let model = case.fitted(&data);
        let codes = model.encoder().encode(data.rows()).unwrap();
        assert_eq!(codes.len(), 150);
        assert_eq!(codes.winners(), Some(model.encoder().winners()), "{:?}", case.settings);
        let alone = model.encoder().encode(data.rows().slice(149..150)).unwrap();
        assert_eq!(alone.get(0), codes.get(149));
        let decoded = model.decoder().map(|decoder| decoder.decode(&codes).unwrap());
        let bytes = saved_bytes(model, &data);
        std::fs::write(&path, &bytes).unwrap();
        let loaded = file::load_model(&path).unwrap().model;
        assert_eq!(loaded.encoder().encode(data.rows()).unwrap(), codes);
        assert_eq!(loaded.decoder().map(|decoder| decoder.decode(&codes).unwrap()), decoded);
        assert_eq!(saved_bytes(loaded, &data), bytes, "{}", case.kind);
    }
}

#[test]
fn bad_input_is_an_error_and_changes_nothing() {
    let data = images(60, 3);
    let mut bad = data.rows().slice(0..20).values().to_vec();
    bad[64 + 13] = f32::NAN;
    let (bad, narrow) = (Rows::new(&bad, 64).unwrap(), data.rows().values());
    let narrow = Rows::new(&narrow[..40], 4).unwrap();
    for case in CASES {
        let mut model = case.fitted(&data);
        let before = saved_bytes(model.clone(), &data);
        let message = model.encoder().encode(bad).unwrap_err().to_string();
        assert!(message.contains("row 1, column 13"), "{message}");
        assert!(matches!(model.encoder().encode(narrow), Err(Error::Shape { .. })));
        if let Some(learner) = model.learner() {
            assert!(matches!(learner.learn(bad, None), Err(Error::NotFinite { .. })));
            assert!(matches!(learner.learn(narrow, None), Err(Error::Shape { .. })));
        }
        if let Some(decoder) = model.decoder() {
            let other = kwinners::SdrBatch::new(model.encoder().units() + 1).unwrap();
            assert!(decoder.decode(&other).is_err());
        }
        assert!(saved_bytes(model, &data) == before, "{}", case.kind);
    }
}

#[test]
fn settings_go_round_by_name() {
    let data = images(60, 5);
    for case in CASES {
        let model = case.new_model(&data);
        let list: Vec<(String, String)> =
            model.settings().into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
        let again = Model::new(case.kind, &list, data.inputs()).unwrap();
        assert_eq!(again.settings(), model.settings());
        let names = Model::settings_of(case.kind).unwrap();
        assert!(names.iter().map(|(name, _, _)| *name).eq(model.settings().iter().map(|s| s.0)));
        assert!(names.iter().all(|(name, _, meaning)| !name.is_empty() && meaning.len() > 5));
    }
}

/// Damaged files are refused, and forged ones, whose checksums are right but whose arrays are cut
/// short, emptied or full of NaN, are refused or harmless: never a panic.
#[test]
fn damaged_and_forged_files_do_no_harm() {
    let data = images(60, 7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.kw");
    for case in CASES {
        let whole = saved_bytes(case.fitted(&data), &data);
        for bit in (0..whole.len() * 8).step_by(whole.len() / 25 + 1) {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, damaged).unwrap();
            let error = file::load_model(&path).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{}, bit {bit}: {error}", case.kind);
        }
        let sections = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
        for section in 2..sections {
            let changes: [fn(&mut Vec<u8>); 4] = [
                Vec::clear,
                |bytes| bytes.truncate(bytes.len().saturating_sub(4)),
                |bytes| bytes.extend([0; 4]),
                |bytes| bytes.fill(0xff),
            ];
            for change in changes {
                std::fs::write(&path, forged(&whole, section, change)).unwrap();
                if let Ok(loaded) = file::load_model(&path) {
                    let _ = harmless(&loaded.model, &data);
                }
            }
        }
    }
}

/// Images that the inputs can't be are refused, in files and when a model is made.
#[test]
fn images_of_another_size_are_refused() {
    let data = images(60, 7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forged.kw");
    let mut tested = 0;
    for case in CASES {
        let whole = saved_bytes(case.fitted(&data), &data);
        let line = b"image_height = 8\n";
        if !whole.windows(line.len()).any(|bytes| bytes == line) {
            continue;
        }
        tested += 1;
        for height in ["0", "9", "2305843009213693952", "-8", "", "8\nimage_width = 8"] {
            let about = forged(&whole, 0, |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                let other = format!("image_height = {height}\n");
                *bytes = text.replace("image_height = 8\n", &other).into_bytes();
            });
            std::fs::write(&path, about).unwrap();
            assert!(file::load_model(&path).is_err(), "{}: height {height}", case.kind);
        }
        for height in [0, 9, 1 << 61] {
            let image = Some(ImageShape { height, ..IMAGE });
            let inputs = Inputs { rows: data.rows(), image, classes: 10 };
            assert!(
                Model::new(case.kind, &settings(case.settings), inputs).is_err(),
                "{}",
                case.kind
            );
        }
    }
    assert!(tested > 0);
}

fn harmless(model: &Model, data: &Dataset) -> kwinners::Result<()> {
    let codes = model.encoder().encode(data.rows())?;
    if let Some(decoder) = model.decoder() {
        decoder.decode(&codes)?;
    }
    Ok(())
}

/// The file with one section changed and all checksums right; see the container's own doc.
fn forged(whole: &[u8], section: usize, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let u32_at = |at: usize| u32::from_le_bytes(whole[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap()) as usize;
    let sections = u32_at(12) as usize;
    let (mut head, mut body) = (whole[..24 + sections * 40].to_vec(), Vec::new());
    let start = head.len() + 4;
    for number in 0..sections {
        let entry = 24 + number * 40;
        let (offset, length) = (u64_at(entry + 16), u64_at(entry + 24));
        let mut contents = whole[offset..offset + length].to_vec();
        if number == section {
            change(&mut contents);
        }
        body.resize((start + body.len()).next_multiple_of(64) - start, 0);
        let at = (start + body.len()) as u64;
        head[entry + 16..entry + 24].copy_from_slice(&at.to_le_bytes());
        head[entry + 24..entry + 32].copy_from_slice(&(contents.len() as u64).to_le_bytes());
        head[entry + 32..entry + 36].copy_from_slice(&crc32fast::hash(&contents).to_le_bytes());
        body.extend(contents);
    }
    let end = (start + body.len()) as u64;
    head[16..24].copy_from_slice(&end.to_le_bytes());
    let sum = crc32fast::hash(&head).to_le_bytes();
    [head, sum.to_vec(), body].concat()
}

/// The forger forges nothing where nothing is changed.
#[test]
fn the_forger_knows_the_container() {
    let data = images(60, 7);
    let whole = saved_bytes(CASES[0].fitted(&data), &data);
    assert_eq!(forged(&whole, 0, |_| {}), whole);
}
