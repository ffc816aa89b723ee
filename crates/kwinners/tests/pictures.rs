//! Pictures: the right pixels in the right places, and no panic on wrong shapes.

use kwinners::data::ImageShape;
use kwinners::report::pictures::{
    FilterScale, Picture, beside, code_raster, distance_map, filter_mosaic, strips, tile_lines,
    vector_shape,
};
use kwinners::{Error, Rows, SdrBatch};

const SQUARE: ImageShape = ImageShape { width: 2, height: 2, channels: 1 };

/// How many pixels have exactly this colour.
fn count(picture: &Picture, colour: [u8; 3]) -> usize {
    assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height);
    picture.rgb.chunks(3).filter(|pixel| **pixel == colour).count()
}

fn rows(values: &[f32], width: usize) -> Rows<'_> {
    Rows::new(values, width).unwrap()
}

fn codes(units: usize, codes: &[&[u32]]) -> SdrBatch {
    let mut batch = SdrBatch::new(units).unwrap();
    codes.iter().for_each(|code| batch.push(code).unwrap());
    batch
}

#[test]
fn min_max_filters_span_black_to_white() {
    let weights = [-3.0, 1.0, 1.0, 5.0];
    let picture = filter_mosaic(rows(&weights, 4), SQUARE, FilterScale::MinMax).unwrap();
    let black = count(&picture, [0; 3]);
    assert!(black > 1, "small filters are enlarged");
    assert_eq!(count(&picture, [255; 3]), black);
    assert_eq!(count(&picture, [128; 3]), 2 * black);
}

#[test]
fn images_share_one_scale() {
    let images = [[0.0; 4], [0.5; 4], [1.0; 4]].concat();
    let picture = filter_mosaic(rows(&images, 4), SQUARE, FilterScale::Common).unwrap();
    let black = count(&picture, [0; 3]);
    assert!(black >= 4);
    assert_eq!((count(&picture, [128; 3]), count(&picture, [255; 3])), (black, black));
    // One value far off in a hundred and more does not darken the rest.
    let images = [vec![0.0; 796], vec![1.0; 800], vec![90.0; 4]].concat();
    let picture = filter_mosaic(rows(&images, 4), SQUARE, FilterScale::Common).unwrap();
    assert!(count(&picture, [255; 3]) > count(&picture, [0; 3]));
}

#[test]
fn symmetric_filters_show_the_sign() {
    let weights = [0.0, 0.0, 0.0, -4.0];
    let picture = filter_mosaic(rows(&weights, 4), SQUARE, FilterScale::Symmetric).unwrap();
    let (zero, below) = (count(&picture, [249; 3]), count(&picture, [33, 92, 160]));
    assert_eq!(zero, 3 * below);
}

#[test]
fn a_flat_or_colour_filter_is_fine() {
    let flat = filter_mosaic(rows(&[0.0; 4], 4), SQUARE, FilterScale::MinMax).unwrap();
    assert!(count(&flat, [128; 3]) > 0);
    let shape = ImageShape { width: 1, height: 1, channels: 3 };
    let red = filter_mosaic(rows(&[1.0, 0.0, 0.0], 3), shape, FilterScale::MinMax).unwrap();
    assert!(count(&red, [255, 0, 0]) > 0);
}

#[test]
fn strips_draw_every_active_unit() {
    let inputs = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let batch = codes(9, &[&[0, 4, 8], &[1, 2, 3]]);
    let inputs = rows(&inputs, 4);
    let picture = strips(inputs, &batch, Some(inputs), SQUARE).unwrap();
    let active = |picture: &Picture| count(picture, [52, 60, 130]);
    let dot = active(&picture) / 6;
    assert!(dot > 1 && active(&picture) == 6 * dot);
    let shorter = strips(inputs, &batch, None, SQUARE).unwrap();
    assert_eq!(active(&shorter), 6 * dot);
    assert!(shorter.height < picture.height);
}

#[test]
fn a_raster_is_sorted_by_class() {
    let batch = codes(4, &[&[3], &[0], &[3]]);
    let sorted = code_raster(&codes(4, &[&[0], &[3], &[3]]), Some(&[0, 1, 1])).unwrap();
    assert_eq!(code_raster(&batch, Some(&[1, 0, 1])).unwrap(), sorted);
    assert!(code_raster(&batch, Some(&[1])).is_err());
    assert!(code_raster(&SdrBatch::new(4).unwrap(), None).is_ok());
}

#[test]
fn many_codes_and_units_stay_drawable() {
    let wide = SdrBatch::from_exact(100_000, 1, (0..1_000).collect()).unwrap();
    let picture = code_raster(&wide, None).unwrap();
    assert!(
        picture.width < 2_000 && picture.height < 2_000,
        "{} {}",
        picture.width,
        picture.height
    );
}

#[test]
fn a_map_puts_near_dark_and_far_light() {
    let distances = [0.0, 1.0, 9.0, 1.0, 0.0, 9.0, 9.0, 9.0, 0.0];
    let picture = distance_map(&distances, &[0, 0, 1], "pixels").unwrap();
    let (near, far) = (count(&picture, [68, 1, 84]), count(&picture, [253, 231, 37]));
    let cell = (500 / 3) * (500 / 3);
    assert!(near >= 5 * cell && far >= 4 * cell, "{near} {far} {cell}");
    let two = beside(&[picture.clone(), picture.clone()]);
    assert_eq!(count(&two, [68, 1, 84]), 2 * near);
    // The order of the samples does not matter, only their classes.
    let turned = [0.0, 9.0, 9.0, 9.0, 0.0, 1.0, 9.0, 1.0, 0.0];
    assert_eq!(distance_map(&turned, &[1, 0, 0], "pixels").unwrap(), picture);
}

#[test]
fn wrong_shapes_and_numbers_are_errors() {
    let bad = |result: kwinners::Result<Picture>| result.unwrap_err();
    assert!(matches!(bad(distance_map(&[1.0; 3], &[0, 1], "x")), Error::Shape { .. }));
    assert!(matches!(bad(distance_map(&[], &[], "x")), Error::Shape { .. }));
    let nan = distance_map(&[f32::NAN], &[0], "x");
    assert!(matches!(bad(nan), Error::NotFinite { .. }));
    let narrow = filter_mosaic(rows(&[0.0; 3], 1), SQUARE, FilterScale::MinMax);
    assert!(matches!(bad(narrow), Error::Shape { .. }));
    let two_channels = ImageShape { width: 1, height: 2, channels: 2 };
    let channels = filter_mosaic(rows(&[0.0; 4], 4), two_channels, FilterScale::MinMax);
    assert!(matches!(bad(channels), Error::Shape { .. }));
    let missing = strips(rows(&[0.0; 4], 4), &codes(4, &[]), None, SQUARE);
    assert!(matches!(bad(missing), Error::Shape { .. }));
}

#[test]
fn vectors_get_a_nearly_square_shape_that_holds_them() {
    for width in 1..500 {
        let shape = vector_shape(width);
        let cells = shape.width * shape.height;
        assert!(cells >= width && cells - width < shape.width, "{width}: {shape:?}");
        let values = vec![0.5; width];
        filter_mosaic(rows(&values, width), shape, FilterScale::MinMax).unwrap();
    }
}

#[test]
fn a_png_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.png");
    let picture = distance_map(&[0.0, 2.0, 2.0, 0.0], &[3, 12], "Codes: 50 % (L1)").unwrap();
    picture.save_png(&path).unwrap();
    let read = image::open(&path).unwrap().into_rgb8();
    assert_eq!((read.width() as usize, read.height() as usize), (picture.width, picture.height));
    assert_eq!(read.into_raw(), picture.rgb);
    assert!(matches!(picture.save_png(folder.path()), Err(Error::Io { .. })));
}

#[test]
fn lines_of_tiles_share_the_scale_of_the_first() {
    let (first, second) = ([0.0, 0.0, 0.0, 1.0], [5.0, 1.0, -2.0, 0.0]);
    let picture = tile_lines(&[("a", rows(&first, 4)), ("b", rows(&second, 4))], SQUARE).unwrap();
    // Three black pixels above, two below (one clamped); one and two white ones.
    let (black, white) = (count(&picture, [0; 3]), count(&picture, [255; 3]));
    assert_eq!(3 * black, 5 * white, "{black} black, {white} white");
    let one = tile_lines(&[("a", rows(&first, 4))], SQUARE).unwrap();
    assert!(one.height < picture.height && one.width == picture.width);
    assert!(tile_lines(&[], SQUARE).is_err());
    let shorter = [("a", rows(&first, 4)), ("b", rows(&[], 4))];
    assert!(tile_lines(&shorter, SQUARE).is_err());
    assert!(tile_lines(&[("a", rows(&[f32::NAN; 4], 4))], SQUARE).is_err());
}
