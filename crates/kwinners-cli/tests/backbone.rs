//! `--backbone`: rows through a network of an ONNX file, which is written here byte by byte.
#![cfg(feature = "onnx")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kwinners::data::{self, DataDirs, Spec};
use kwinners::{Rows, file};

/// Pixels of a digit, and what the network makes of them.
const PIXELS: usize = 64;
const UNITS: usize = 10;

/// Field `number` of a protobuf message, of varint type.
fn varint(number: u8, value: u64) -> Vec<u8> {
    let (mut bytes, mut rest) = (vec![number << 3], value);
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Field `number` of a protobuf message, of bytes: a text, or a message.
fn bytes(number: u8, contents: impl AsRef<[u8]>) -> Vec<u8> {
    let contents = contents.as_ref();
    let mut field = varint(number, contents.len() as u64);
    field[0] |= 2;
    field.extend(contents);
    field
}

/// `max(x W, 0)` as an ONNX model, `W` `(inputs, 10)`; fields by their numbers in onnx.proto3.
fn onnx(inputs: usize, weights: &[f32]) -> Vec<u8> {
    let node = |inputs: &[&str], output: &str, kind: &str| {
        let inputs: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name)).collect();
        bytes(1, [inputs, bytes(2, output), bytes(4, kind)].concat())
    };
    let value = |field: u8, name: &str, width: usize| {
        let dimensions = [bytes(1, bytes(2, "rows")), bytes(1, varint(1, width as u64))].concat();
        let tensor = [varint(1, 1), bytes(2, dimensions)].concat();
        bytes(field, [bytes(1, name), bytes(2, bytes(1, tensor))].concat())
    };
    let raw: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let sizes = [varint(1, inputs as u64), varint(1, UNITS as u64)].concat();
    let tensor = [sizes, varint(2, 1), bytes(8, "w"), bytes(9, raw)].concat();
    let graph = [
        node(&["x", "w"], "xw", "MatMul"),
        node(&["xw"], "y", "Relu"),
        bytes(2, "net"),
        bytes(5, tensor),
        value(11, "x", inputs),
        value(12, "y", UNITS),
    ];
    let set = [bytes(1, ""), varint(2, 13)].concat();
    [varint(1, 8), bytes(8, set), bytes(7, graph.concat())].concat()
}

fn weights() -> Vec<f32> {
    (0..PIXELS * UNITS).map(|place| ((place * 37) % 23) as f32 / 11.0 - 1.0).collect()
}

fn kwinners(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
    command.args(arguments).output().expect("the binary runs")
}

/// The message of a call that is refused.
fn refused(arguments: &[&str]) -> String {
    let output = kwinners(arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    message
}

fn written(folder: &Path, name: &str, contents: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, contents).unwrap();
    path
}

#[test]
fn codes_are_of_what_the_network_makes() {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights();
    let net = written(folder.path(), "net.onnx", &onnx(PIXELS, &weights));
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (net, model, codes) = (net.to_str().unwrap(), path("model.kw"), path("codes.kw"));
    let settings =
        ["--set", "layers=", "--set", "units=40", "--set", "winners=6", "--set", "epochs=2"];
    let fit = ["fit", "embedder", "--data", "digits:train", "--backbone", net, "--out", &model];
    let output = kwinners(&[&fit[..], &settings].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let encode = ["encode", &model, "--data", "digits:test", "--out", &codes];
    for threads in ["1", "3"] {
        let output = kwinners(&[&encode[..], &["--backbone", net, "--threads", threads]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let digits =
            data::load(&Spec::parse("digits:test").unwrap(), &DataDirs::default()).unwrap();
        let made: Vec<f32> = digits
            .rows()
            .iter()
            .flat_map(|row| {
                let weights = &weights;
                (0..UNITS).map(move |unit| {
                    let products = row.iter().zip(weights[unit..].iter().step_by(UNITS));
                    products.map(|(pixel, weight)| pixel * weight).sum::<f32>().max(0.0)
                })
            })
            .collect();
        let embedder = file::load_model(Path::new(&model)).unwrap().model;
        let expected = embedder.encoder().encode(Rows::new(&made, UNITS).unwrap()).unwrap();
        let found = file::load_codes(Path::new(&codes)).unwrap();
        // Sums in another order may swap two units that are as good as equal.
        let same = found.iter().zip(expected.iter()).filter(|(found, expected)| found == expected);
        assert!(same.count() + 3 >= expected.len(), "{threads} threads");
    }
    // The model takes what the network makes, not pixels.
    let message = refused(&encode);
    assert!(message.contains("10") && message.contains("64"), "{message}");
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = onnx(PIXELS, &weights());
    let model = folder.path().join("model.kw");
    let message_of = |net: &Path| {
        let net = net.to_str().unwrap();
        let out = model.to_str().unwrap();
        refused(&["fit", "tied", "--data", "digits:test", "--backbone", net, "--out", out])
    };
    let narrow = written(folder.path(), "narrow.onnx", &onnx(63, &weights()[..630]));
    let message = message_of(&narrow);
    assert!(message.contains("(rows, 64)") && message.contains("(rows, 63)"), "{message}");
    let text = written(folder.path(), "text.onnx", b"not a network");
    assert!(message_of(&text).contains("text.onnx: ONNX"));
    for length in [0, 1, 7, whole.len() / 2, whole.len() - 1] {
        let cut = written(folder.path(), "cut.onnx", &whole[..length]);
        assert!(message_of(&cut).contains("cut.onnx: ONNX"), "{length} bytes");
    }
    assert!(message_of(&folder.path().join("nowhere.onnx")).contains("nowhere.onnx"));
    // Weights that are no numbers of the network's shape.
    let short = written(folder.path(), "short.onnx", &onnx(PIXELS, &weights()[..100]));
    assert!(message_of(&short).contains("short.onnx: ONNX"));
    let mut infinite = weights();
    // Of a pixel in the middle, which is not 0 in every digit.
    infinite[36 * UNITS] = f32::INFINITY;
    let infinite = written(folder.path(), "infinite.onnx", &onnx(PIXELS, &infinite));
    assert!(message_of(&infinite).contains("row"), "{}", message_of(&infinite));
    assert!(!model.exists(), "nothing is written");
}
