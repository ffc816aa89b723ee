//! temp
use kwinners::*;
use std::time::Instant;
fn main() {
    let mut rng = Rng::new(1);
    for (rows, n, k) in [
        (256, 1000, 30),
        (256, 512, 26),
        (256, 4096, 32),
        (256, 4096, 240),
        (1024, 65536, 64),
        (1024, 65536, 1311),
    ] {
        let x: Vec<f32> = (0..rows * n).map(|_| rng.normal()).collect();
        let kw = KWinners::new(n, k).unwrap();
        let mut best = f64::MAX;
        let only = std::env::var("ONLY").is_ok();
        if only && n != 1000 {
            continue;
        }
        let reps = (if only { 3_000_000_000usize } else { 20_000_000 }) / (rows * n) + 3;
        for _ in 0..reps {
            let mut codes = SdrBatch::new(n).unwrap();
            let t = Instant::now();
            kw.winners_of_rows(Rows::new(&x, n).unwrap(), &mut codes).unwrap();
            best = best.min(t.elapsed().as_secs_f64());
            assert_eq!(codes.len(), rows);
        }
        println!("{rows}x{n} k={k}: {:.1} ns/row", best * 1e9 / rows as f64);
    }
}
