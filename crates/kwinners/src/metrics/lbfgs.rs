//! Limited-memory BFGS, for smooth convex functions.

use std::collections::VecDeque;

/// Steps remembered; more than about ten rarely helps (Nocedal and Wright, section 7.2).
const MEMORY: usize = 10;

/// Share of the decrease that the slope promises which a step must give (Armijo's rule).
const ENOUGH: f64 = 1e-4;

/// Halvings of a step before the point counts as the best that the arithmetic can find.
const HALVINGS: usize = 20;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) max_iterations: usize,
    /// Largest absolute entry of the gradient at which the point counts as the minimum.
    pub(super) gradient: f64,
}

/// One remembered step: the change of the point, that of the gradient, and `1 / (change · change)`.
struct Curvature {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse: f64,
}

/// Moves `point` to the minimum of `function`, which writes the gradient at a point and returns the
/// value there. Returns the iterations made.
///
/// Each iteration goes along the two-loop direction, halving the step until the value falls enough.
/// Cost: about one call an iteration and `4 · 10 · len` multiply-adds; memory: `20 · len` numbers.
///
/// Source: Nocedal and Wright, "Numerical Optimization", 2006, algorithms 7.4 and 7.5.
pub(super) fn minimise(
    function: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    point: &mut Vec<f64>,
    stop: Stop,
) -> usize {
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(point, &mut gradient);
    let mut memory: VecDeque<Curvature> = VecDeque::with_capacity(MEMORY);
    for iteration in 0..stop.max_iterations {
        if gradient.iter().all(|slope| slope.abs() <= stop.gradient) {
            return iteration;
        }
        let direction = direction(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        // The first direction is the bare gradient, whose length says nothing about the distance.
        let mut length = if memory.is_empty() { 1.0 / (1.0 + (-slope).sqrt()) } else { 1.0 };
        let mut next_gradient = vec![0.0; point.len()];
        let mut halvings = 0;
        let (next, next_value) = loop {
            let next: Vec<f64> =
                point.iter().zip(&direction).map(|(p, d)| p + length * d).collect();
            let next_value = function(&next, &mut next_gradient);
            if next_value <= value + ENOUGH * length * slope {
                break (next, next_value);
            }
            if halvings == HALVINGS {
                return iteration;
            }
            (halvings, length) = (halvings + 1, length / 2.0);
        };
        remember(&mut memory, (point, &next), (&gradient, &next_gradient));
        (*point, gradient, value) = (next, next_gradient, next_value);
    }
    stop.max_iterations
}

/// The two-loop recursion: minus the inverse Hessian, as far as it is remembered, times `gradient`.
fn direction(gradient: &[f64], memory: &VecDeque<Curvature>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let share = pair.inverse * dot(&pair.step, &direction);
        add(&mut direction, -share, &pair.change);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for (pair, share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = pair.inverse * dot(&pair.change, &direction);
        add(&mut direction, share - back, &pair.step);
    }
    direction
}

/// Remembers a step if the function curves upwards along it, as it must for a descent direction.
fn remember(
    memory: &mut VecDeque<Curvature>,
    points: (&[f64], &[f64]),
    gradients: (&[f64], &[f64]),
) {
    let difference = |(from, to): (&[f64], &[f64])| -> Vec<f64> {
        to.iter().zip(from).map(|(t, f)| t - f).collect()
    };
    let (step, change) = (difference(points), difference(gradients));
    let curvature = dot(&step, &change);
    if curvature > f64::EPSILON * dot(&change, &change) {
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.push_back(Curvature { step, change, inverse: 1.0 / curvature });
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.into_iter().sum::<f64>() + rest
}

fn add(to: &mut [f64], factor: f64, values: &[f64]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_an_ill_conditioned_quadratic() {
        // f = Σ c_i (x_i - i)² with c from 1 to 1,000; scipy's L-BFGS-B needs 212 iterations.
        let weight = |i: usize| 10f64.powf(3.0 * i as f64 / 19.0);
        let mut function = |x: &[f64], gradient: &mut [f64]| {
            let mut value = 0.0;
            for (i, (&x, slope)) in x.iter().zip(gradient).enumerate() {
                value += weight(i) * (x - i as f64).powi(2);
                *slope = 2.0 * weight(i) * (x - i as f64);
            }
            value
        };
        let mut point = vec![0.0; 20];
        let stop = Stop { max_iterations: 300, gradient: 1e-8 };
        let iterations = minimise(&mut function, &mut point, stop);
        assert!(iterations < 300, "{iterations} iterations");
        for (i, x) in point.iter().enumerate() {
            assert!((x - i as f64).abs() < 1e-8, "{x} for {i}");
        }
    }

    #[test]
    fn stops_at_a_minimum_and_where_nothing_falls() {
        let stop = Stop { max_iterations: 50, gradient: 1e-6 };
        let mut point = vec![0.0];
        let at_minimum = &mut |_: &[f64], gradient: &mut [f64]| {
            gradient[0] = 0.0;
            1.0
        };
        assert_eq!(minimise(at_minimum, &mut point, stop), 0);
        // A gradient that lies: the value falls nowhere, so the point must not move.
        let lying = &mut |_: &[f64], gradient: &mut [f64]| {
            gradient[0] = 1.0;
            1.0
        };
        assert_eq!(minimise(lying, &mut point, stop), 0);
        assert_eq!(point, [0.0]);
    }
}
