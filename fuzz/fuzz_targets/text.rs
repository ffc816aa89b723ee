//! Texts: SPECs, recall rules, networks, settings.
#![no_main]

use kwinners::data::Spec;
use kwinners::encoder::{
    AutoencoderSettings, ClassifierSettings, EmbedderSettings, PatchesSettings, TiedSettings,
};
use kwinners::memory::RecallRule;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Spec::parse(text);
    let _ = text.parse::<RecallRule>();
    let _ = ClassifierSettings::default().set("layers", text);
    let Some((key, value)) = text.split_once('=') else { return };
    let _ = ClassifierSettings::default().set(key, value);
    let _ = AutoencoderSettings::default().set(key, value);
    let _ = EmbedderSettings::default().set(key, value);
    let _ = PatchesSettings::default().set(key, value);
    let _ = TiedSettings::default().set(key, value);
});
