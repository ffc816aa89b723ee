//! How likely random codes match: the mathematics behind "a false match is almost impossible".

/// Probability that two random codes of `units` units, one with `a` and one with `b` bits on,
/// overlap in at least `threshold` bits.
///
/// `P = Σ_{o = threshold}^{min(a, b)} C(b, o) · C(n - b, a - o) / C(n, a)`: the exact
/// hypergeometric tail. Cost: `O(min(a, b))`.
///
/// Source: Ahmad and Scheinkman, "How Can We Be So Dense?", 2019, section 3.
///
/// ```
/// use kwinners::sdr::match_probability;
/// let probability = match_probability(500, 64, 24, 12);
/// assert!((probability / 5.6957e-6 - 1.0).abs() < 1e-4);
/// ```
///
/// # Panics
/// If `a` or `b` exceeds `units`.
pub fn match_probability(units: usize, a: usize, b: usize, threshold: usize) -> f64 {
    assert!(a <= units && b <= units, "no more bits than units: {a} and {b} of {units}");
    let all = ln_choose(units, a);
    let tail: f64 = (threshold..=a.min(b))
        .filter(|&shared| a - shared <= units - b)
        .map(|shared| (ln_choose(b, shared) + ln_choose(units - b, a - shared) - all).exp())
        .sum();
    tail.min(1.0)
}

/// Probability that a random code of `winners` of `units` bits overlaps the union of `codes`
/// random codes of the same kind in at least `threshold` bits.
///
/// Exact: the size of the union is followed code by code through the hypergeometric distribution of
/// its new bits, then each size is matched. Cost: `O(codes · n · winners)` time, `O(n)` memory.
///
/// ```
/// use kwinners::sdr::{match_probability, union_match_probability};
/// let one = union_match_probability(500, 20, 1, 10);
/// assert!((one / match_probability(500, 20, 20, 10) - 1.0).abs() < 1e-9);
/// ```
///
/// # Panics
/// If `winners` exceeds `units`.
pub fn union_match_probability(
    units: usize,
    winners: usize,
    codes: usize,
    threshold: usize,
) -> f64 {
    assert!(winners <= units, "no more winners than units: {winners} of {units}");
    let ln_factorials = ln_factorials(units);
    let choose = |n: usize, k: usize| ln_factorials[n] - ln_factorials[k] - ln_factorials[n - k];
    let mut size_probability = vec![0.0; units + 1];
    size_probability[0] = 1.0;
    for _ in 0..codes {
        let mut next = vec![0.0; units + 1];
        for size in (0..=units).filter(|&size| size_probability[size] > 0.0) {
            let most = winners.min(units - size);
            for fresh in winners.saturating_sub(size)..=most {
                let ln_share = choose(units - size, fresh) + choose(size, winners - fresh)
                    - choose(units, winners);
                next[size + fresh] += size_probability[size] * ln_share.exp();
            }
        }
        size_probability = next;
    }
    let matched = |size: usize| match_probability(units, winners, size, threshold);
    size_probability
        .iter()
        .enumerate()
        .filter(|(_, probability)| **probability > 0.0)
        .map(|(size, probability)| probability * matched(size))
        .sum()
}

/// `log2 C(n, k)`: the bits that any exactly-`k` code of `n` units needs at least.
///
/// ```
/// // C(4, 2) = 6
/// assert!((kwinners::sdr::code_bits(4, 2) - 6f64.log2()).abs() < 1e-12);
/// ```
///
/// # Panics
/// If `winners` exceeds `units`.
pub fn code_bits(units: usize, winners: usize) -> f64 {
    assert!(winners <= units, "no more winners than units: {winners} of {units}");
    ln_choose(units, winners) / std::f64::consts::LN_2
}

fn ln_choose(n: usize, k: usize) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// `ln 0!` to `ln n!`.
fn ln_factorials(n: usize) -> Vec<f64> {
    (0..=n).map(ln_factorial).collect()
}

/// `ln n!`: the product below 20, else Stirling's series, whose next term is below 1e-15 there.
pub(crate) fn ln_factorial(n: usize) -> f64 {
    if n < 20 {
        return (2..=n).map(|factor| factor as f64).product::<f64>().ln();
    }
    let x = n as f64;
    let x2 = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / x2) / x2) / x2) / x;
    x * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI * x).ln() + series
}
