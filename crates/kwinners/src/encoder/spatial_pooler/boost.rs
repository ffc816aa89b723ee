//! Boost factors from duty cycles, by polynomials of our own: the same bytes on every machine.

/// Boost factors don't leave `e^±this`: times any overlap they are numbers.
const LARGEST_EXPONENT: f32 = 60.0;
/// Smaller duty cycles count as this where a logarithm is taken.
const SMALLEST_DUTY: f32 = 1e-6;

/// `exp(strength · (target - duty))` of each column; `targets` are one for all, or one a column.
pub(super) fn exponential(strength: f32, targets: &[f32], duties: &[f32], boost: &mut [f32]) {
    let raise = |(boost, (target, duty)): (&mut f32, (&f32, &f32))| {
        *boost = exp(strength * (target - duty));
    };
    match targets {
        [target] => {
            let pairs = std::iter::repeat(target).zip(duties);
            boost.iter_mut().zip(pairs).for_each(raise);
        }
        _ => boost.iter_mut().zip(targets.iter().zip(duties)).for_each(raise),
    }
}

/// `ln(duty) / ln(target)` of each column: 1 at the target, more below it. Source: the HTM forum,
/// ctrl-z-9000-times.
pub(super) fn logarithmic(target: f32, duties: &[f32], boost: &mut [f32]) {
    let scale = 1.0 / ln(target.clamp(SMALLEST_DUTY, 0.5));
    for (boost, duty) in boost.iter_mut().zip(duties) {
        *boost = ln(duty.clamp(SMALLEST_DUTY, 1.0)) * scale;
    }
}

/// `e^x` for `|x| <= 60`, beyond cut off there; relative error below 3e-7.
///
/// `e^x = 2^n · e^r` with `n` the whole number nearest to `x / ln 2` and `|r| <= ln 2 / 2`, the second
/// factor by its Taylor polynomial.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT);
    // Adding 1.5 · 2^23 rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // ln 2 in two parts, so that little is lost in `x - n ln 2`.
    let r = (x - whole * 0.693_359_4) + whole * 2.121_944_4e-4;
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    let power = (shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits());
    p * f32::from_bits(power)
}

/// `ln x` for normal positive `x`; error below 3e-7 of what is larger of 1 and the logarithm.
///
/// `ln x = n ln 2 + ln m` with `m` from `√½` to `√2`, the second part as `2 artanh((m - 1) / (m + 1))`.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const HALF_ROOT: u32 = 0x3F35_04F3;
    let shifted = x.to_bits().wrapping_sub(HALF_ROOT);
    let whole = (shifted as i32 >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007F_FFFF) + HALF_ROOT);
    let t = (m - 1.0) / (m + 1.0);
    let square = t * t;
    let p = 2.0 / 9.0;
    let p = p * square + 2.0 / 7.0;
    let p = p * square + 2.0 / 5.0;
    let p = p * square + 2.0 / 3.0;
    let p = p * square + 2.0;
    whole * std::f32::consts::LN_2 + p * t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomials_are_near() {
        for step in -6000..=6000 {
            let x = step as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "{x}");
        }
        for step in 1..10_000 {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).ln();
            assert!((f64::from(ln(x)) - exact).abs() < 3e-7 * exact.abs().max(1.0), "{x}");
        }
        assert_eq!((exp(0.0), ln(1.0)), (1.0, 0.0));
        assert!(exp(f32::MAX).is_finite() && exp(f32::MIN) > 0.0);
    }
}
