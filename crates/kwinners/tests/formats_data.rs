//! Data sets and codes from files: what is right is read right, what is wrong is refused.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use kwinners::data::{self, CodeFormat, DataDirs, Spec};
use kwinners::{Dataset, Error, Result, Rng, SdrBatch};
use proptest::prelude::*;
use tempfile::TempDir;

fn load(text: &str) -> Result<Dataset> {
    data::load(&Spec::parse(text)?, &DataDirs::default())
}

/// Writes a file and gives its path as text.
fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The error's text must hold all of `parts`.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, parts: &[&str]) {
    let text = result.expect_err("must be refused").to_string();
    for part in parts {
        assert!(text.contains(part), "`{text}` does not say `{part}`");
    }
}

fn idx(kind: u8, axes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, kind, axes.len() as u8];
    axes.iter().for_each(|axis| file.extend(axis.to_be_bytes()));
    file.extend(bytes);
    file
}

fn npy(descr: &str, fortran: bool, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let truth = if fortran { "True" } else { "False" };
    let dict = format!("{{'descr': '{descr}', 'fortran_order': {truth}, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((dict.len() as u16).to_le_bytes());
    file.extend(dict.as_bytes());
    file.extend(bytes);
    file
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn histogram(set: &Dataset) -> Vec<usize> {
    let mut counts = vec![0; set.classes.len()];
    set.labels().unwrap().iter().for_each(|&label| counts[label as usize] += 1);
    counts
}

/// `zlib.crc32(load_digits().data.astype('u1').tobytes())` in Python.
const DIGITS_CRC: u32 = 0xF3A2_533C;

#[test]
fn digits_are_those_of_scikit_learn() {
    let all = load("digits").unwrap();
    assert_eq!((all.len(), all.width(), all.name.as_str()), (1797, 64, "digits"));
    assert_eq!(histogram(&all), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    let bytes: Vec<u8> = all.rows().values().iter().map(|value| (value * 16.0) as u8).collect();
    assert_eq!(crc32fast::hash(&bytes), DIGITS_CRC);
    assert_eq!(bytes[..16], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]);
    assert_eq!(bytes.iter().max(), Some(&16));
}

#[test]
fn digits_split_at_the_sheet_of_another_person() {
    let (all, train, test) =
        (load("digits").unwrap(), load("digits:train").unwrap(), load("digits:test").unwrap());
    assert_eq!((train.len(), test.len()), (1415, 382));
    assert_eq!(test.rows().row(7), all.rows().row(1422));
    let sheet: Vec<u32> = (0..30).map(|place| place % 10).collect();
    assert_eq!(test.labels().unwrap()[..30], sheet);
    assert_eq!(histogram(&test), [38, 39, 37, 39, 39, 39, 39, 38, 35, 39]);
    assert_eq!(load("digits:test[5..9]").unwrap().rows().values(), &test.rows().values()[320..576]);
    refused(load("digits:test[0..383]"), &["0..382", "[0..383]"]);
    refused(load("digits:tset"), &["split of digits", "`test`"]);
}

#[test]
fn idx_with_and_without_gzip() {
    let folder = TempDir::new().unwrap();
    let pixels: Vec<u8> = (0..24).map(|place| place * 10).collect();
    let images = idx(0x08, &[4, 2, 3], &pixels);
    let plain = put(&folder, "some-images-idx3-ubyte", &images);
    let packed = put(&folder, "some-images-idx3-ubyte.gz", &gzip(&images));
    let labels = put(&folder, "some-labels-idx1-ubyte", &idx(0x08, &[4], &[1, 0, 2, 1]));
    let set = load(&format!("{packed}[1..3],{labels}")).unwrap();
    assert_eq!((set.len(), set.width()), (2, 6));
    assert_eq!(set.rows().row(0)[1], 70.0 / 255.0);
    assert_eq!((set.labels(), set.classes.len()), (Some(&[0, 2][..]), 3));
    let image = set.image.unwrap();
    assert_eq!((image.width, image.height, image.channels), (3, 2, 1));
    assert_eq!(load(&plain).unwrap().rows(), load(&packed).unwrap().rows());

    let floats: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|value| value.to_be_bytes()).collect();
    let set = load(&put(&folder, "x.idx", &idx(0x0D, &[1, 2], &floats))).unwrap();
    assert_eq!(set.rows().values(), [1.5, -2.0]);
}

#[test]
fn idx_that_is_not_what_it_says() {
    let folder = TempDir::new().unwrap();
    let images = idx(0x08, &[2, 2, 2], &[7; 8]);
    let path = |name: &str, bytes: &[u8]| put(&folder, name, bytes);
    refused(load(&path("magic.idx", b"\0\0\x09\x07more")), &["IDX", "0x00000803", "0x00000907"]);
    refused(load(&path("short.idx", &images[..19])), &["8 bytes", "3 bytes"]);
    refused(load(&path("empty.idx", b"")), &["magic", "0 bytes"]);
    refused(load(&path("long.idx", &[&images[..], b"x"].concat())), &["8 bytes", "more"]);
    let packed = [&gzip(&images)[..], b"x"].concat();
    assert!(load(&path("trailing.gz", &packed)).is_err());
    assert!(load(&path("cut.gz", &gzip(&images)[..25])).is_err());
    let bomb = gzip(&[&images[..], &vec![0; 50_000_000]].concat());
    refused(load(&path("bomb.gz", &bomb)), &["8 bytes", "more"]);
    let empty = idx(0x08, &[u32::MAX, 0, 7], &[]);
    refused(load(&path("rows_of_nothing.idx", &empty)), &["at least one row", "4294967295, 0, 7"]);
    let promise = idx(0x08, &[u32::MAX, u32::MAX, 1], &[1; 8]);
    refused(load(&path("promise.idx", &promise)), &["after the header", "8 bytes"]);
    refused(load(&path("huge.idx", &idx(0x0E, &[u32::MAX; 4], &[1]))), &["axes"]);
    refused(load(&path("none.idx", &idx(0x08, &[0, 2, 2], &[]))), &["at least one row"]);
    refused(load(&path("flat.idx", &idx(0x08, &[4, 0, 2], &[]))), &["at least one row"]);
    refused(load(&path("labels.idx", &idx(0x08, &[4], &[0; 4]))), &["shape [4]"]);
    let labels = path("three.idx", &idx(0x08, &[3], &[0; 3]));
    refused(load(&format!("{},{labels}", path("ok.idx", &images))), &["labels", "2", "3"]);
    refused(load("/nowhere/x.npy"), &["/nowhere/x.npy"]);
}

/// What NumPy calls a type, the bytes of the numbers 1, 2, 3, 4 in it, and what 1 becomes.
fn numbers() -> Vec<(&'static str, Vec<u8>, f32)> {
    fn bytes<const N: usize>(number: impl Fn(u8) -> [u8; N]) -> Vec<u8> {
        (1..5).flat_map(number).collect()
    }
    vec![
        ("|u1", bytes(|n| [n]), 1.0 / 255.0),
        ("|i1", bytes(|n| [n]), 1.0),
        ("<u2", bytes(|n| u16::from(n).to_le_bytes()), 1.0),
        (">i2", bytes(|n| i16::from(n).to_be_bytes()), 1.0),
        ("<i4", bytes(|n| i32::from(n).to_le_bytes()), 1.0),
        (">u4", bytes(|n| u32::from(n).to_be_bytes()), 1.0),
        ("<i8", bytes(|n| i64::from(n).to_le_bytes()), 1.0),
        ("<u8", bytes(|n| u64::from(n).to_le_bytes()), 1.0),
        ("<f2", bytes(|n| half::f16::from(n).to_le_bytes()), 1.0),
        (">f4", bytes(|n| f32::from(n).to_be_bytes()), 1.0),
        ("<f8", bytes(|n| f64::from(n).to_le_bytes()), 1.0),
    ]
}

#[test]
fn npy_of_every_type_as_inputs_and_labels() {
    let folder = TempDir::new().unwrap();
    for (descr, bytes, one) in numbers() {
        let scaled = |numbers: [f32; 4]| numbers.map(|n| if one < 1.0 { n / 255.0 } else { n });
        let inputs = put(&folder, "x.npy", &npy(descr, false, "(2, 2)", &bytes));
        let set = load(&inputs).unwrap();
        assert_eq!(set.rows().values(), scaled([1.0, 2.0, 3.0, 4.0]), "{descr}");
        let column_first = put(&folder, "f.npy", &npy(descr, true, "(2, 2)", &bytes));
        let set = load(&column_first).unwrap();
        assert_eq!(set.rows().values(), scaled([1.0, 3.0, 2.0, 4.0]), "{descr}");

        let many = put(&folder, "many.npy", &npy("|u1", false, "(4, 1)", &[0; 4]));
        let labels = put(&folder, "y.npy", &npy(descr, false, "(4,)", &bytes));
        let set = load(&format!("{many}[1..],{labels}"));
        match descr.contains('f') {
            true => refused(set, &["integers"]),
            false => assert_eq!(set.unwrap().labels(), Some(&[2, 3, 4][..])),
        }
    }
}

#[test]
fn npy_images_become_planes() {
    let folder = TempDir::new().unwrap();
    let pixels: Vec<u8> = (0..12).collect();
    let path = put(&folder, "x.npy", &npy("|u1", false, "(1, 2, 2, 3)", &pixels));
    let set = load(&path).unwrap();
    let planes = [0u8, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11].map(|n| f32::from(n) / 255.0);
    assert_eq!(set.rows().values(), planes);
    assert_eq!(set.image.map(|image| image.channels), Some(3));
    let three = npy("<i2", true, "(2, 1, 2)", &[0, 0, 1, 0, 2, 0, 3, 0]);
    assert_eq!(load(&put(&folder, "f.npy", &three)).unwrap().rows().values(), [0., 2., 1., 3.]);
    let wide = npy("|u1", false, "(1, 2, 1, 6)", &pixels);
    refused(load(&put(&folder, "wide.npy", &wide)), &["at most 4 channels", "[1, 2, 1, 6]"]);
}

#[test]
fn npy_that_is_not_what_it_says() {
    let folder = TempDir::new().unwrap();
    let path = |bytes: &[u8]| put(&folder, "x.npy", bytes);
    let floats = |values: &[f32]| -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    let nan = npy("<f4", false, "(3, 2)", &floats(&[0.0, 1.0, 2.0, 3.0, 4.0, f32::NAN]));
    refused(load(&path(&nan)), &["row 2", "column 1", "NaN"]);
    refused(load(&format!("{}[1..]", path(&nan))), &["row 2", "column 1"]);
    assert!(load(&format!("{}[..2]", path(&nan))).is_ok());
    let large = npy("<f8", false, "(1, 1)", &1e300f64.to_le_bytes());
    refused(load(&path(&large)), &["row 0", "inf"]);
    refused(load(&path(b"\x93NUMPX\x01\x00")), &["magic"]);
    refused(load(&path(&npy("<c8", false, "(1, 1)", &[0; 8]))), &["`<c8`"]);
    refused(load(&path(&npy("<f4", false, "(2, 2)", &[0; 15]))), &["16 bytes", "15 bytes"]);
    refused(load(&path(&npy("<f4", false, "(2, 2)", &[0; 17]))), &["16 bytes", "more"]);
    refused(load(&path(&npy("<f4", false, "(2, 2", &[0; 16]))), &["shape"]);
    refused(load(&path(&npy("<f4", false, "(4,)", &[0; 16]))), &["[4]"]);
    refused(load(&path(&npy("<f4", false, "()", &[0; 4]))), &["[]"]);
    let axis = u64::MAX.to_string();
    refused(load(&path(&npy("<f4", false, &format!("({axis}, {axis})"), &[]))), &["shape"]);
    refused(load(&path(&npy("<f4", false, &format!("(0, {axis})"), &[]))), &["at least one row"]);
    refused(load(&path(&npy("<f4", false, "(9000000000, 100)", &[1; 64]))), &["64 bytes"]);
    let mut header = b"\x93NUMPY\x02\x00".to_vec();
    header.extend(u32::MAX.to_le_bytes());
    refused(load(&path(&header)), &["header of at most"]);
}

#[test]
fn npz_of_inputs_and_labels() {
    let folder = TempDir::new().unwrap();
    let x = npy("|u1", false, "(2, 1)", &[0, 255]);
    let y = npy("<i8", false, "(2,)", &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    for names in [["x", "y"], ["data", "labels"], ["any", ""]] {
        let arrays = [(names[0], x.clone()), (names[1], y.clone())];
        let taken = if names[1].is_empty() { &arrays[..1] } else { &arrays[..] };
        let set = load(&put(&folder, "set.npz", &npz(taken))).unwrap();
        assert_eq!(set.rows().values(), [0.0, 1.0]);
        assert_eq!(set.labels(), (taken.len() == 2).then_some(&[0, 1][..]));
    }
    let other = npz(&[("a", x.clone()), ("b", x.clone())]);
    refused(load(&put(&folder, "set.npz", &other)), &["`x` or `data`", "a, b"]);
    refused(load(&put(&folder, "set.npz", b"PK nothing")), &["npz"]);
    let longer = npz(&[("x", [&x[..], b"!"].concat())]);
    refused(load(&put(&folder, "set.npz", &longer)), &["2 bytes", "more"]);
}

#[test]
fn csv_with_and_without_header_and_labels() {
    let folder = TempDir::new().unwrap();
    let path = |text: &str| put(&folder, "x.csv", text.as_bytes());
    let set = load(&path("1, 2.5\n-3e1,4\n")).unwrap();
    assert_eq!((set.rows().values(), set.labels()), (&[1.0, 2.5, -30.0, 4.0][..], None));
    let set = load(&path("a,label,0\n1,7,2\n3,0,4\n")).unwrap();
    assert_eq!(set.rows().values(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!((set.labels(), set.classes.len()), (Some(&[7, 0][..]), 8));
    let flowers = "5.1,3.5,setosa\n6.2,2.2,virginica\n5.9,3.0,setosa\n";
    for column in ["@last", "@2"] {
        let set = load(&format!("{}[1..],{column}", path(flowers))).unwrap();
        assert_eq!((set.labels(), set.len()), (Some(&[1, 0][..]), 2));
        assert_eq!(set.classes, ["setosa", "virginica"]);
    }
    let set = load(&format!("{},@Kind", path("kind,size\n3,0.5\n"))).unwrap();
    assert_eq!((set.labels(), set.rows().values()), (Some(&[3][..]), &[0.5][..]));
}

#[test]
fn csv_that_is_wrong() {
    let folder = TempDir::new().unwrap();
    let path = |text: &str| put(&folder, "x.csv", text.as_bytes());
    refused(load(&path("5.1,3.5,setosa\n")), &["`setosa` in line 1, column 2"]);
    refused(load(&path("1,2\n3\n")), &["2 fields", "line 2"]);
    refused(load(&path("1,2\n3,nan\n")), &["row 1", "column 1"]);
    refused(load(&path("1,2\n3,1e99\n")), &["row 1", "column 1", "inf"]);
    refused(load(&path("1,2\n3,\n")), &["`` in line 2, column 1"]);
    refused(load(&path("")), &["at least one row"]);
    refused(load(&path("a,b\n")), &["at least one row"]);
    refused(load(&path("label\n1\n")), &["at least one row"]);
    refused(load(&path("label,x\n-1,0\n")), &["labels from 0 to", "-1"]);
    refused(load(&format!("{},@sort", path("size,sorts\n1,2\n"))), &["column", "`sorts`"]);
    refused(load(&put(&folder, "x.csv", b"1,\xff\n")), &["UTF-8"]);
}

#[test]
fn cifar_records() {
    let folder = TempDir::new().unwrap();
    let record = |label: u8| {
        let mut record = vec![label];
        record.extend((0..3072).map(|place| (place / 1024) as u8 * 100));
        record
    };
    let two = [record(3), record(9)].concat();
    for bytes in [two.clone(), gzip(&two)] {
        let set = load(&put(&folder, "batch.bin", &bytes)).unwrap();
        assert_eq!((set.len(), set.width(), set.labels()), (2, 3072, Some(&[3, 9][..])));
        assert_eq!([0, 1024, 3071].map(|at| set.rows().row(1)[at]), [0., 100. / 255., 200. / 255.]);
        assert_eq!((set.classes[9].as_str(), set.image.unwrap().channels), ("truck", 3));
    }
    refused(load(&put(&folder, "a.bin", &two[..4000])), &["3073", "927 bytes in record 1"]);
    refused(load(&put(&folder, "a.bin", &record(10))), &["0 to 9", "10 in record 0"]);
    refused(load(&put(&folder, "a.bin", b"")), &["3073", "0 bytes"]);
}

#[test]
fn bvecs_records() {
    let folder = TempDir::new().unwrap();
    let good = [2, 0, 0, 0, 51, 255, 2, 0, 0, 0, 0, 102];
    let set = load(&put(&folder, "x.bvecs", &good)).unwrap();
    assert_eq!(set.rows().values(), [0.2, 1.0, 0.0, 0.4]);
    refused(load(&put(&folder, "x.bvecs", &good[..11])), &["1 bytes in row 1"]);
    refused(load(&put(&folder, "x.bvecs", &good[..8])), &["2 bytes in row 1"]);
    let longer = [&good[..6], &[3, 0, 0, 0, 1, 2, 3]].concat();
    refused(load(&put(&folder, "x.bvecs", &longer)), &["same length", "3 in row 1"]);
    refused(load(&put(&folder, "x.bvecs", &[255; 8])), &["-1 in row 0"]);
    assert!(load(&put(&folder, "x.bvecs", b"")).is_err());
}

fn picture(folder: &Path, name: &str, image: impl Into<image::DynamicImage>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}

#[test]
fn folder_of_pictures_a_folder_a_class() {
    let folder = TempDir::new().unwrap();
    let grey = |value: u8| image::GrayImage::from_pixel(3, 2, image::Luma([value]));
    picture(folder.path(), "zebra/1.png", grey(255));
    picture(folder.path(), "ape/b.PNG", grey(51));
    picture(folder.path(), "ape/a.jpg", grey(0));
    fs::write(folder.path().join("ape/notes.txt"), "left out").unwrap();
    fs::create_dir(folder.path().join(".hidden")).unwrap();
    let spec = folder.path().to_str().unwrap();
    let set = load(spec).unwrap();
    assert_eq!((set.len(), set.width()), (3, 6));
    assert_eq!((set.labels(), set.classes.join(" ")), (Some(&[0, 0, 1][..]), "ape zebra".into()));
    assert_eq!([0, 1, 2].map(|row| set.rows().row(row)[5]), [0.0, 0.2, 1.0]);
    assert_eq!(load(&format!("{spec}[2..]")).unwrap().labels(), Some(&[1][..]));
    let alone = load(&format!("{spec}/ape")).unwrap();
    assert_eq!((alone.len(), alone.labels()), (2, None));

    picture(folder.path(), "zebra/2.png", image::RgbImage::new(3, 2));
    refused(load(spec), &["2.png", "3 x 2 grey", "3 x 2 colour"]);
    picture(folder.path(), "zebra/2.png", image::GrayImage::new(2, 2));
    refused(load(spec), &["2.png", "3 x 2 grey", "2 x 2 grey"]);
    fs::write(folder.path().join("zebra/2.png"), "no picture").unwrap();
    refused(load(spec), &["2.png", "PNG or JPEG"]);
    picture(folder.path(), "stray.png", image::GrayImage::new(3, 2));
    refused(load(spec), &["both"]);
    refused(load(TempDir::new().unwrap().path().to_str().unwrap()), &["none"]);
}

#[test]
fn colour_pictures_become_planes() {
    let folder = TempDir::new().unwrap();
    let image = image::RgbaImage::from_raw(2, 1, vec![255, 0, 51, 9, 0, 255, 102, 9]).unwrap();
    picture(folder.path(), "a/1.png", image);
    let set = load(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(set.rows().values(), [1.0, 0.0, 0.0, 1.0, 0.2, 0.4]);
}

#[test]
fn label_files() {
    let folder = TempDir::new().unwrap();
    let inputs = put(&folder, "x.npy", &npy("|u1", false, "(3, 1)", &[1, 2, 3]));
    let with = |name: &str, bytes: &[u8]| load(&format!("{inputs},{}", put(&folder, name, bytes)));
    assert_eq!(with("y.txt", b"2\n0\n1\n").unwrap().labels(), Some(&[2, 0, 1][..]));
    let named = with("y.txt", b"owl\r\nbee\r\nowl").unwrap();
    assert_eq!((named.labels(), named.classes.join(" ")), (Some(&[1, 0, 1][..]), "bee owl".into()));
    assert_eq!(with("y.idx", &idx(8, &[3], &[1, 1, 0])).unwrap().labels(), Some(&[1, 1, 0][..]));
    refused(with("y.txt", b"1\n2\n"), &["labels", "3", "2"]);
    refused(with("y.txt", b"1\n\n2\n"), &["nothing in row 1"]);
    refused(with("y.txt", b"1\n70000\n2\n"), &["0 to 65535", "70000"]);
    refused(with("y.npy", &npy("|i1", false, "(3,)", &[0, 255, 1])), &["-1"]);
    refused(with("y.npy", &npy("|u1", false, "(3, 2)", &[0; 6])), &["one label a row"]);
    refused(with("y.npy", &npy("<u8", false, "(1,)", &[255; 8])), &["below 2^63"]);
    refused(load(&format!("{inputs},@last")), &["only a .csv"]);
}

#[test]
fn dataset_helpers() {
    let classes = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let set = Dataset::new("toy", vec![1.0, 2.0, 3.0], 1).unwrap();
    refused(set.require_labels(), &["toy has no labels"]);
    refused(set.clone().with_texts(classes("a b")), &["3 texts", "2"]);
    refused(set.clone().with_labels(vec![0, 1, 2], classes("a b")), &["below 2"]);
    let set = set.with_labels(vec![1, 0, 1], classes("bee owl")).unwrap();
    let set = set.with_texts(classes("x y z")).unwrap();
    let last = set.slice(1..3).unwrap();
    assert_eq!((last.labels(), last.texts.clone()), (Some(&[0, 1][..]), Some(classes("y z"))));
    let (first, rest) = set.split(1).unwrap();
    assert_eq!((first.rows().values(), rest.rows().values()), (&[1.0][..], &[2.0, 3.0][..]));
    refused(set.split(4), &["0..3"]);
    let aligned = last.clone().with_classes_of(&classes("ant bee cow owl")).unwrap();
    assert_eq!((aligned.labels(), aligned.classes.len()), (Some(&[1, 3][..]), 4));
    refused(last.with_classes_of(&classes("ant bee")), &["class", "owl"]);
}

#[test]
fn specs_that_are_right() {
    for (text, shown) in [
        ("digits", "digits"),
        ("digits:all[3..]", "digits[3..]"),
        ("mnist", "mnist:train"),
        ("mnist:test[..10]", "mnist:test[0..10]"),
        ("clinc150:val[0..]", "clinc150:val"),
        ("glove", "glove"),
        ("./x", "./x"),
        ("a/b.npy[5..7],c", "a/b.npy[5..7],c"),
        ("x[1].npy,y.npy", "x[1].npy,y.npy"),
        ("x.csv[..9],@last", "x.csv[0..9],@last"),
        ("C:\\x.npy", "C:\\x.npy"),
    ] {
        assert_eq!(Spec::parse(text).unwrap().to_string(), shown);
    }
}

#[test]
fn specs_that_are_wrong() {
    refused(Spec::parse("mnits:train"), &["data set", "`mnits`", "did you mean `mnist`"]);
    refused(Spec::parse("fashion_mnist"), &["did you mean `fashion-mnist`"]);
    refused(Spec::parse("mnist:val"), &["split of mnist", "known: train, test"]);
    refused(Spec::parse("mnist,y.npy"), &["no labels after `mnist`"]);
    refused(Spec::parse(""), &["unknown data set"]);
    for text in ["mnist[5..5]", "mnist[7..5]", "mnist[a..5]", "x.npy[0..1][2..3]", "mnist[-1..5]"] {
        refused(Spec::parse(text), &["a range such as"]);
    }
    for text in ["x.npy,", "x.csv,@", "x.npy,a,b"] {
        refused(Spec::parse(text), &["after the comma"]);
    }
}

#[test]
fn missing_sets_say_where_they_were_looked_for() {
    let dirs = DataDirs { folders: vec![PathBuf::from("/none/here"), PathBuf::from("/nor/there")] };
    let load = |text: &str| data::load(&Spec::parse(text).unwrap(), &dirs);
    refused(load("mnist"), &["/none/here, /nor/there", "`kwinners data get mnist`", "--data-dir"]);
    refused(load("banking77"), &["put there embeddings/banking77", "KWINNERS_DATA"]);
    for set in data::known().iter().filter(|set| !set.files.is_empty()) {
        for split in set.splits {
            let error = load(&format!("{}:{split}", set.name)).unwrap_err();
            assert!(matches!(error, Error::MissingData { .. }), "{error}");
        }
    }
}

#[test]
fn known_sets_are_found_in_the_first_folder_that_has_them() {
    let (empty, full) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::create_dir(full.path().join("mnist")).unwrap();
    let pixels = idx(0x08, &[2, 28, 28], &[255; 2 * 784]);
    put(&full, "mnist/t10k-images-idx3-ubyte.gz", &gzip(&pixels));
    let dirs = DataDirs { folders: vec![empty.path().into(), full.path().into()] };
    let spec = Spec::parse("mnist:test").unwrap();
    refused(data::load(&spec, &dirs), &["mnist/t10k-labels-idx1-ubyte"]);
    put(&full, "mnist/t10k-labels-idx1-ubyte", &idx(0x08, &[2], &[3, 4]));
    let set = data::load(&spec, &dirs).unwrap();
    assert_eq!((set.labels(), set.classes.len()), (Some(&[3, 4][..]), 10));
    put(&full, "mnist/t10k-labels-idx1-ubyte", &idx(0x08, &[2], &[3, 10]));
    refused(data::load(&spec, &dirs), &["labels below 10"]);
}

proptest! {
    #[test]
    fn a_spec_shown_is_the_spec_read(
        front in "mnist|digits|glove|[a-z./]{1,4}|\\PC{0,6}",
        split in "(:train|:test|:all)?",
        range in "(\\[[0-9]{0,2}\\.\\.[0-9]{0,2}\\])?(\\[[0-9]?(\\.\\.)?\\])?",
        labels in "(,[@a-z.]{0,4})?",
    ) {
        if let Ok(spec) = Spec::parse(&format!("{front}{split}{range}{labels}")) {
            prop_assert_eq!(Spec::parse(&spec.to_string()).unwrap(), spec);
        }
    }
}

/// Codes of any number of winners, also none.
fn any_codes() -> impl Strategy<Value = SdrBatch> {
    (1usize..70, 0usize..6, any::<u64>(), any::<bool>()).prop_map(|(units, len, seed, exact)| {
        let mut rng = Rng::new(seed);
        let mut codes = SdrBatch::new(units).unwrap();
        let winners = 1 + rng.below(units);
        for _ in 0..len {
            let count = if exact { winners } else { rng.below(units + 1) };
            codes.push(&rng.distinct(count, units)).unwrap();
        }
        codes
    })
}

proptest! {
    #[test]
    fn codes_come_back(codes in any_codes()) {
        let folder = TempDir::new().unwrap();
        for format in CodeFormat::ALL {
            let ending = match format {
                CodeFormat::CsrNpz => "npz",
                CodeFormat::Parquet => "parquet",
                _ => "npy",
            };
            let path = folder.path().join("codes").with_extension(ending);
            let even = codes.is_empty() || codes.winners().is_some_and(|winners| winners > 0);
            if format == CodeFormat::IndexNpy && !even {
                continue;
            }
            data::write_codes(&path, &codes, format).unwrap();
            prop_assert_eq!(&data::read_codes(&path, Some(codes.units())).unwrap(), &codes);
            if ending != "npy" {
                prop_assert_eq!(&data::read_codes(&path, None).unwrap(), &codes);
                prop_assert!(data::read_codes(&path, Some(codes.units() + 1)).is_err());
            }
        }
        // Nothing but the three files is left in the folder.
        prop_assert!(fs::read_dir(folder.path()).unwrap().count() <= 3);
    }
}

#[test]
fn packed_bits_are_those_of_numpy() {
    let folder = TempDir::new().unwrap();
    let mut codes = SdrBatch::new(10).unwrap();
    codes.push(&[0, 7, 9]).unwrap();
    let path = folder.path().join("codes.npy");
    assert_eq!(CodeFormat::of_path(&path).unwrap(), CodeFormat::PackedNpy);
    data::write_codes(&path, &codes, CodeFormat::PackedNpy).unwrap();
    // numpy.packbits([1, 0, 0, 0, 0, 0, 0, 1, 0, 1])
    assert!(fs::read(&path).unwrap().ends_with(&[b'\n', 0x81, 0x40]));
    assert_eq!(data::read_codes(&path, None).unwrap().units(), 16);
    refused(data::read_codes(&path, Some(9)), &["row 0", "past the 9 units"]);
    refused(data::read_codes(&path, Some(17)), &["3 bytes for 17 units", "2 bytes"]);
}

fn csr(shape: [i64; 2], indices: &[i32], offsets: &[i32], ones: &[u8]) -> Vec<u8> {
    let bytes = |values: &[i32]| -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    let long = shape.iter().flat_map(|axis| axis.to_le_bytes()).collect::<Vec<_>>();
    let len = |len: usize| format!("({len},)");
    npz(&[
        ("indices", npy("<i4", false, &len(indices.len()), &bytes(indices))),
        ("indptr", npy("<i4", false, &len(offsets.len()), &bytes(offsets))),
        ("format", npy("|S3", false, "()", b"csr")),
        ("shape", npy("<i8", false, "(2,)", &long)),
        ("data", npy("|u1", false, &len(ones.len()), ones)),
    ])
}

#[test]
fn csr_that_scipy_may_write() {
    let folder = TempDir::new().unwrap();
    let read =
        |bytes: Vec<u8>| data::read_codes(Path::new(&put(&folder, "codes.npz", &bytes)), None);
    let codes = read(csr([3, 8], &[5, 2, 7], &[0, 2, 2, 3], &[1; 3])).unwrap();
    let rows: Vec<&[u32]> = codes.iter().map(|code| code.indices()).collect();
    assert_eq!((codes.units(), rows), (8, vec![&[2, 5][..], &[], &[7]]));
    refused(read(csr([1, 8], &[5, 5], &[0, 2], &[1; 2])), &["row 0", "5 stands after 5"]);
    refused(read(csr([1, 8], &[5, 8], &[0, 2], &[1; 2])), &["row 0", "unit 8"]);
    refused(read(csr([1, 8], &[-1, 3], &[0, 2], &[1; 2])), &["row 0", "negative"]);
    refused(read(csr([1, 8], &[1, 3], &[0, 2], &[1, 2])), &["only ones", "2"]);
    for offsets in [&[0, 3][..], &[1, 2], &[0], &[], &[0, 1, 2], &[0, -1]] {
        refused(read(csr([1, 8], &[1, 3], offsets, &[1; 2])), &["offsets"]);
    }
    refused(read(csr([2, 8], &[1, 3], &[0, 3, 2], &[1; 2])), &["offsets"]);
    refused(read(csr([1, 8], &[1, 3], &[0, 2], &[1; 3])), &["offsets"]);
    for units in [0, -5, i64::MAX] {
        assert!(read(csr([1, units], &[1], &[0, 1], &[1])).is_err());
    }
    refused(read(npz(&[("x", vec![])])), &["an array `format`"]);
}

#[test]
fn index_matrices() {
    let folder = TempDir::new().unwrap();
    let long: Vec<u8> = [4i64, 1, 0, 9].iter().flat_map(|index| index.to_le_bytes()).collect();
    let path = put(&folder, "codes.npy", &npy("<i8", false, "(2, 2)", &long));
    let codes = data::read_codes(Path::new(&path), Some(10)).unwrap();
    assert_eq!(codes.indices(), [1, 4, 0, 9]);
    refused(data::read_codes(Path::new(&path), None), &["how many units"]);
    refused(data::read_codes(Path::new(&path), Some(9)), &["row 1", "below 9"]);
    let mut uneven = codes.clone();
    uneven.push(&[3]).unwrap();
    let written = data::write_codes(Path::new(&path), &uneven, CodeFormat::IndexNpy);
    refused(written, &["same number of winners"]);
    assert_eq!(data::read_codes(Path::new(&path), Some(10)).unwrap(), codes, "the old file stays");
    refused(CodeFormat::of_path(Path::new("codes.txt")), &[".npz"]);
}

#[test]
fn written_arrays_come_back() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.npy");
    data::write_npy(&path, &[1.0, -2.5, 3.0, 0.0], &[2, 2]).unwrap();
    let back = load(path.to_str().unwrap()).unwrap();
    assert_eq!((back.width(), back.rows().values()), (2, &[1.0, -2.5, 3.0, 0.0][..]));
    assert_eq!(fs::read(&path).unwrap().len(), 128 + 16, "numbers begin at a multiple of 64");
    refused(data::write_npy(&path, &[1.0], &[2, 2]), &["4 values", "1"]);
    assert!(data::write_npy(Path::new("/nowhere/x.npy"), &[1.0], &[1]).is_err());
}

/// Small good files of every format.
fn good_files() -> Vec<(&'static str, Vec<u8>)> {
    let pixels: Vec<u8> = (0..12).map(|place| place * 20).collect();
    let x = npy("<f4", false, "(3, 2)", &[0x3f; 24]);
    let y = npy("|u1", false, "(3,)", &[0, 1, 2]);
    let mut png = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(3, 2).write_to(&mut png, image::ImageFormat::Png).unwrap();
    vec![
        ("x.idx", idx(0x08, &[2, 2, 3], &pixels)),
        ("x.idx.gz", gzip(&idx(0x08, &[2, 2, 3], &pixels))),
        ("x.npy", npy("<f4", true, "(3, 2)", &[0x3f; 24])),
        ("x.npz", npz(&[("x", x), ("y", y)])),
        ("codes.npz", csr([2, 8], &[5, 2, 7], &[0, 2, 3], &[1; 3])),
        ("codes.npy", npy("|u1", false, "(2, 2)", &[3, 4, 5, 6])),
        ("x.csv", b"a,label\n1.5,0\n2.5,1\n".to_vec()),
        ("x.bin", [vec![1; 3073], vec![2; 3073]].concat()),
        ("x.bvecs", vec![2, 0, 0, 0, 51, 255, 2, 0, 0, 0, 0, 102]),
        ("pictures/1.png", png.into_inner()),
    ]
}

#[test]
fn damaged_files_are_refused_or_read_but_never_crash() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("pictures")).unwrap();
    let mut rng = Rng::new(1);
    for (name, good) in good_files() {
        assert!(try_all(&folder, name, &good), "{name} is good");
        for round in 0..400 {
            let mut bytes = good.clone();
            match round % 4 {
                0 => bytes.truncate(rng.below(good.len())),
                1 => bytes.insert(rng.below(good.len()), rng.next_u64() as u8),
                _ => {
                    for _ in 0..1 + rng.below(3) {
                        let (place, bit) = (rng.below(bytes.len()), rng.below(8));
                        bytes[place] ^= 1 << bit;
                    }
                }
            }
            try_all(&folder, name, &bytes);
        }
    }
}

/// Reads the file in every way there is, and says whether one of them took it.
fn try_all(folder: &TempDir, name: &str, bytes: &[u8]) -> bool {
    let path = put(folder, name, bytes);
    let spec = path.strip_suffix("/1.png").unwrap_or(&path);
    let set = load(spec);
    if let Ok(set) = &set {
        assert!(set.rows().values().iter().all(|value| value.is_finite()));
        assert!(set.labels().is_none_or(|labels| labels.len() == set.len()));
    }
    let codes = data::read_codes(Path::new(&path), None);
    if let Ok(codes) = &codes {
        assert!(codes.iter().all(|code| code.count() <= codes.units()));
    }
    set.is_ok() || codes.is_ok()
}

/// The folder of real data sets, if the caller has one.
#[expect(clippy::print_stdout, reason = "whoever reads the log should see what was not tested")]
fn real_data() -> Option<DataDirs> {
    let folder = std::env::var_os("KWINNERS_DATA");
    if folder.is_none() {
        println!("skipped: KWINNERS_DATA is not set");
    }
    folder.map(|folder| DataDirs { folders: vec![folder.into()] })
}

#[test]
fn real_sets_have_their_rows_and_classes() {
    let Some(dirs) = real_data() else { return };
    for (text, len, width, classes) in [
        ("mnist", 60_000, 784, 10),
        ("mnist:test", 10_000, 784, 10),
        ("mnist:train[59000..]", 1_000, 784, 10),
        ("fashion-mnist:train", 60_000, 784, 10),
        ("fashion-mnist:test", 10_000, 784, 10),
        ("cifar-10:train", 10_000, 3072, 10),
        ("cifar-10:test", 2_000, 3072, 10),
        ("speech-commands:train", 6_000, 1024, 12),
        ("speech-commands:test", 600, 1024, 12),
        ("clinc150:train", 15_000, 384, 150),
        ("clinc150:val", 3_000, 384, 150),
        ("clinc150:test", 4_500, 384, 150),
        ("banking77:train", 10_003, 384, 77),
        ("banking77:test", 3_080, 384, 77),
        ("glove", 30_000, 100, 0),
    ] {
        let set = data::load(&Spec::parse(text).unwrap(), &dirs).unwrap();
        assert_eq!((set.len(), set.width(), set.classes.len()), (len, width, classes), "{text}");
        let texts = set.texts.map(|texts| texts.len());
        let has_texts =
            ["clinc150", "banking77", "glove"].iter().any(|name| text.starts_with(name));
        assert_eq!(texts, has_texts.then_some(len), "{text}");
    }
}

#[test]
fn real_sets_have_their_labels() {
    let Some(dirs) = real_data() else { return };
    let load = |text: &str| data::load(&Spec::parse(text).unwrap(), &dirs).unwrap();
    let train = load("mnist:train");
    assert_eq!(histogram(&train), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    let sum: f64 = train.rows().values().iter().map(|&value| f64::from(value)).sum();
    assert!((sum / train.rows().values().len() as f64 - 0.1307).abs() < 5e-5);
    let test = histogram(&load("mnist:test"));
    assert_eq!(test, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    assert_eq!(histogram(&load("fashion-mnist:test")), [1000; 10]);
    let photos = histogram(&load("cifar-10:train"));
    assert_eq!(photos, [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]);
    assert_eq!(histogram(&load("speech-commands:test")), [50; 12]);
    assert_eq!(histogram(&load("clinc150:test")), [30; 150]);
    let bank = load("banking77:train[0..1]");
    assert_eq!(bank.texts.unwrap()[0], "I am still waiting on my card?");
    assert_eq!(bank.classes[bank.labels.unwrap()[0] as usize], "card_arrival");
    assert_eq!(load("glove[0..1]").texts.unwrap(), ["the"]);
}
