//! The seeded generator that every random choice of this library goes through.
//!
//! Ours, so that a seed gives the same bytes in every release: golden tests hang on it.

/// Value-stable pseudo-random generator: xoshiro256++ seeded by SplitMix64.
///
/// Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021.
/// Not for secrets.
///
/// ```
/// use kwinners::Rng;
/// let mut a = Rng::new(7);
/// let mut b = Rng::new(7);
/// assert_eq!(a.next_u64(), b.next_u64());
/// assert!(a.below(10) < 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut splitmix = seed;
        let state = [(); 4].map(|()| {
            splitmix = splitmix.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = splitmix;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        });
        Self { state }
    }

    /// An independent generator for part `stream` of the work of `seed`: an epoch, a row, a unit.
    ///
    /// What part 3 draws does not depend on whether part 2 was drawn, so work can be cut in any way
    /// and a resumed run draws what an unbroken one would.
    pub fn of_stream(seed: u64, stream: u64) -> Self {
        let mut mixer = Self::new(stream ^ 0x6B77_696E_6E65_7273);
        Self::new(seed ^ mixer.next_u64())
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// Uniform in `[0, 1)`, 24 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / (1u64 << 24) as f32)
    }

    /// Uniform in `[low, high)`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Standard normal, by the polar method of Marsaglia and Bray (1964); the second value is dropped
    /// so that the state says everything.
    pub fn normal(&mut self) -> f32 {
        loop {
            let (u, v) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = u * u + v * v;
            if square > 0.0 && square < 1.0 {
                let square = f64::from(square);
                return u * (-2.0 * square.ln() / square).sqrt() as f32;
            }
        }
    }

    /// Uniform in `0..bound`, without bias (Lemire 2019).
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "Rng::below needs a bound of at least 1");
        let bound = bound as u64;
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// Shuffles in place: Fisher and Yates, `O(len)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// `count` different numbers below `bound`, in increasing order. Cost: `O(count log count)`
    /// time (Floyd's algorithm, in Bentley 1987), memory only for the answer.
    ///
    /// # Panics
    /// If `count > bound`.
    pub fn distinct(&mut self, count: usize, bound: usize) -> Vec<u32> {
        assert!(count <= bound, "Rng::distinct: {count} different numbers below {bound}");
        let mut chosen = std::collections::BTreeSet::new();
        for candidate in bound - count..bound {
            let drawn = self.below(candidate + 1) as u32;
            if !chosen.insert(drawn) {
                chosen.insert(candidate as u32);
            }
        }
        chosen.into_iter().collect()
    }
}
