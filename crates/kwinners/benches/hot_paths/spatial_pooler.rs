//! The spatial pooler by the parameters that its peer is timed with, and local against global
//! inhibition.

use std::hint::black_box;

use kwinners::encoder::{
    Binarise, Dimensions, Encoder, Learner, PoolerPreset, SpatialPooler, SpatialPoolerSettings,
};
use kwinners::{Dataset, Rows};

use super::Task;

/// The forum thread's set, without and with permanence changes, and htm.core's own example.
pub(super) fn all(images: &Dataset) {
    let seed = SpatialPoolerSettings {
        learn: true,
        input_dimensions: Dimensions::new(&[28, 28]),
        ..SpatialPoolerSettings::recipe(PoolerPreset::Seed)
    };
    time("784->4096 seed", &seed, images);
    let learning = SpatialPoolerSettings {
        syn_perm_inactive_dec: 0.008,
        syn_perm_active_inc: 0.05,
        syn_perm_connected: 0.1,
        duty_cycle_period: 1000,
        ..seed.clone()
    };
    time("784->4096 learn", &learning, images);
    let example = SpatialPoolerSettings {
        binarise: Binarise::Threshold,
        input_dimensions: Dimensions::new(&[28, 28]),
        ..SpatialPoolerSettings::recipe(PoolerPreset::HtmCoreMnistPython)
    };
    time("784->6241 example", &example, images);
    let topology = SpatialPoolerSettings {
        potential_radius: 5,
        local_area_density: 0.06,
        num_active_columns_per_inh_area: 0,
        ..learning
    };
    time("784->4096 topology, global", &topology, images);
    let local = SpatialPoolerSettings { global_inhibition: false, ..topology };
    time("784->4096 topology, local", &local, images);
}

fn time(what: &str, settings: &SpatialPoolerSettings, images: &Dataset) {
    let name = if images.name.starts_with("mnist") { "MNIST" } else { "random" };
    let task = |task| Task { task, n: format!("{what}, {name}"), threads: 1 };
    let rows = images.rows();
    let mut pooler = SpatialPooler::new(settings.clone(), rows).expect("the settings are right");
    let some = rows.slice(0..1024);
    let codes = pooler.encode(some).expect("finite images");
    assert_eq!(codes.winners(), Some(pooler.winners()), "codes are exact");
    task("inference (learning off)").rate("iterations/s", some.len(), || {
        drop(black_box(pooler.encode(some).expect("finite images")));
    });
    let batches: Vec<Rows<'_>> = rows.blocks(64).collect();
    let mut batches = batches.into_iter().cycle();
    task("learning on").rate("iterations/s", 64, || {
        let batch = batches.next().expect("there are images");
        black_box(pooler.learn(batch, None).expect("finite images").loss);
    });
    assert_connected(&pooler, settings.syn_perm_connected);
}

/// Whatever was learned, connected are those of enough permanence, in the pool and nowhere else.
fn assert_connected(pooler: &SpatialPooler, least: f32) {
    for unit in (0..pooler.units()).step_by(97) {
        let permanences = pooler.permanences(unit);
        let enough = |input: &u32| permanences[*input as usize] >= least - 1e-6;
        let expected: Vec<u32> = pooler.pool(unit).into_iter().filter(enough).collect();
        assert_eq!(pooler.connected(unit), expected, "unit {unit}");
    }
}
