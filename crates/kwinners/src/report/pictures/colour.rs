//! Colours: maps from numbers to colours and a palette for classes.

/// Red, green, blue.
pub type Rgb = [u8; 3];

pub(super) const BACKGROUND: Rgb = [250, 250, 247];
pub(super) const PAPER: Rgb = [255, 255, 255];
pub(super) const INK: Rgb = [45, 45, 55];
pub(super) const FAINT: Rgb = [230, 230, 228];
/// A unit that is on.
pub(super) const ACTIVE: Rgb = [52, 60, 130];

/// Ten equidistant colours of "viridis" (Smith and van der Walt 2015): perceptually even, readable in
/// grey and by colour-blind people.
const VIRIDIS: [Rgb; 10] = [
    [68, 1, 84],
    [72, 40, 120],
    [62, 73, 137],
    [49, 104, 142],
    [38, 130, 142],
    [31, 158, 137],
    [53, 183, 121],
    [110, 206, 88],
    [181, 222, 43],
    [253, 231, 37],
];

/// Blue for below zero, white for zero, red for above.
const BLUE_WHITE_RED: [Rgb; 5] =
    [[33, 92, 160], [130, 184, 218], [249, 249, 249], [240, 150, 118], [174, 28, 44]];

/// Classes; the palette starts again after the tenth.
const CLASSES: [Rgb; 10] = [
    [45, 90, 165],
    [214, 105, 30],
    [40, 130, 80],
    [180, 40, 60],
    [115, 80, 160],
    [130, 85, 60],
    [200, 75, 145],
    [90, 95, 100],
    [140, 135, 20],
    [20, 145, 165],
];

/// `share` in `0..=1`, clamped, from dark blue to yellow: perceptually even, readable in grey and by colour-blind
/// people.
pub fn viridis(share: f32) -> Rgb {
    interpolate(&VIRIDIS, share)
}

/// `share` in `-1..=1`, clamped: blue below zero, white at zero, red above.
pub fn diverging(share: f32) -> Rgb {
    interpolate(&BLUE_WHITE_RED, (share + 1.0) / 2.0)
}

/// `share` in `0..=1`, from black to white.
pub(super) fn grey(share: f32) -> Rgb {
    [to_byte(share); 3]
}

/// The colour of a class; after the tenth they start again.
pub fn of_class(class: usize) -> Rgb {
    CLASSES[class % CLASSES.len()]
}

pub(super) fn to_byte(share: f32) -> u8 {
    (share.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn interpolate(stops: &[Rgb], share: f32) -> Rgb {
    let place = share.clamp(0.0, 1.0) * (stops.len() - 1) as f32;
    let low = (place as usize).min(stops.len() - 2);
    let part = place - low as f32;
    std::array::from_fn(|channel| {
        let (from, to) = (f32::from(stops[low][channel]), f32::from(stops[low + 1][channel]));
        (from + part * (to - from)).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_meet_their_ends_and_clamp() {
        assert_eq!(viridis(0.0), VIRIDIS[0]);
        assert_eq!(viridis(1.0), VIRIDIS[9]);
        assert_eq!(viridis(7.0), VIRIDIS[9]);
        assert_eq!(diverging(0.0), BLUE_WHITE_RED[2]);
        assert_eq!(diverging(-1.0), BLUE_WHITE_RED[0]);
        assert_eq!(grey(0.5), [128; 3]);
    }

    #[test]
    fn viridis_grows_lighter() {
        let light =
            |c: Rgb| 0.2126 * f32::from(c[0]) + 0.7152 * f32::from(c[1]) + 0.0722 * f32::from(c[2]);
        let lights: Vec<f32> = (0..=20).map(|step| light(viridis(step as f32 / 20.0))).collect();
        assert!(lights.windows(2).all(|pair| pair[0] < pair[1]), "{lights:?}");
    }
}
