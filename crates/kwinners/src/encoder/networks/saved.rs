//! The layers of a network in the [`State`] of a model.

use crate::encoder::State;
use crate::error::Result;
use crate::net::{Layer, LayerState, Network, Optimiser};

/// Puts what a file has to keep of each layer in.
pub(in crate::encoder) fn save(network: &Network, state: &mut State) {
    for (number, layer) in network.layers.iter().enumerate() {
        let saved = layer.save();
        if counts_samples(layer) {
            state.push(&layer_name(number, "samples"), saved.samples);
        }
        let mut floats = saved.floats.iter();
        for (name, slot) in layer_arrays(number, layer) {
            match slot {
                Slot::Floats => state.push_array(&name, floats.next().expect("as many")),
                Slot::Masks => state.push_array(&name, &saved.masks),
            }
        }
    }
}

/// Makes each layer of a network what it was when it was saved.
pub(in crate::encoder) fn restore(
    network: &mut Network,
    state: &mut State,
    optimiser: &Optimiser,
) -> Result<()> {
    for (number, layer) in network.layers.iter_mut().enumerate() {
        let mut saved = LayerState::default();
        if counts_samples(layer) {
            saved.samples = state.take(&layer_name(number, "samples"))?;
        }
        for (name, slot) in layer_arrays(number, layer) {
            match slot {
                Slot::Floats => saved.floats.push(state.take_array(&name)?),
                Slot::Masks => saved.masks = state.take_array(&name)?,
            }
        }
        layer.restore(saved, optimiser)?;
    }
    Ok(())
}

fn counts_samples(layer: &Layer) -> bool {
    matches!(layer, Layer::KWinners(_) | Layer::KStep(_))
}

/// What one array of a layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Floats,
    Masks,
}

/// The arrays that a layer is saved in, by their names.
fn layer_arrays(number: usize, layer: &Layer) -> Vec<(String, Slot)> {
    let learned = ["weights", "wfirst", "wsecond", "wpeak", "bias", "bfirst", "bsecond", "bpeak"];
    let floats = |names: &[&str]| -> Vec<(String, Slot)> {
        names.iter().map(|name| (layer_name(number, name), Slot::Floats)).collect()
    };
    let masks = (layer_name(number, "masks"), Slot::Masks);
    match layer {
        Layer::Convolve(_) | Layer::Linear(_) => [floats(&learned), vec![masks]].concat(),
        Layer::BatchNorm(norm) => {
            let affine = if norm.is_affine() { &learned[..] } else { &[] };
            [floats(&["normmean", "normvariance"]), floats(affine)].concat()
        }
        Layer::KWinners(_) => floats(&["duty"]),
        Layer::KStep(step) => {
            let thresholds = if step.learned.is_some() { &learned[..4] } else { &[] };
            [floats(&["balance", "spread", "activity"]), floats(thresholds)].concat()
        }
        _ => Vec::new(),
    }
}

/// A name of lower-case letters, at most 16, for something of layer `number`.
fn layer_name(number: usize, what: &str) -> String {
    let letter = |digit: usize| char::from(b'a' + (digit % 26) as u8);
    format!("{}{}{what}", letter(number / 26), letter(number))
}
