//! What can be seen of a network while it learns.

use super::Network;
use super::layers::Layer;

/// The weights of a layer, and the slopes of the loss by them that the last step followed.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerView<'a> {
    /// Its kind and its number among those of the kind, from 1: `linear2`.
    pub name: String,
    /// In an order of the layer's own that stays the same; what is held at zero too.
    pub weights: &'a [f32],
    /// `(weights.len(),)`, weight decay included; empty where the learner keeps no slopes.
    pub slopes: &'a [f32],
}

impl Network {
    /// The layers that have weights; no biases, no factors of batch normalisation.
    pub(crate) fn views(&self) -> Vec<LayerView<'_>> {
        let (mut convolutions, mut linears) = (0, 0);
        let mut views = Vec::new();
        for layer in &self.layers {
            let (name, learned) = match layer {
                Layer::Convolve(layer) => {
                    convolutions += 1;
                    (format!("conv{convolutions}"), &layer.weights)
                }
                Layer::Linear(layer) => {
                    linears += 1;
                    (format!("linear{linears}"), &layer.weights)
                }
                _ => continue,
            };
            views.push(LayerView { name, weights: learned.values(), slopes: &learned.gradient });
        }
        views
    }
}
