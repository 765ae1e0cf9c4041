//! Bytes as the `config.json` of a model whose weights are whole: the model answers, or is refused.

#![no_main]

mod base;

use electra_burn::device::select;
use electra_burn::hub;
use electra_burn::predict::Detector;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tempfile::TempDir;

static MODEL: LazyLock<TempDir> = LazyLock::new(base::discriminator);

fuzz_target!(|bytes: &[u8]| {
    let directory = MODEL.path();
    std::fs::write(directory.join("config.json"), bytes).expect("it can be written");
    if hub::read_config(directory).is_ok() {
        let device = select("flex").expect("flex is compiled in").device;
        if let Ok(detector) = Detector::open(directory, &device) {
            detector.detect("the water of the stone").expect("what was opened answers");
        }
    }
});
