//! A line as `config.json` and the rest as the header of `model.safetensors`, before 64 KiB of zeros: opened or refused, and
//! what was opened answers.

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
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (config, header) = (&bytes[..end], &bytes[bytes.len().min(end + 1)..]);
    let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 1 << 16]].concat();
    for (name, bytes) in [("config.json", config), ("model.safetensors", &file)] {
        std::fs::write(directory.join(name), bytes).expect("it can be written");
    }
    // Either may refuse it.
    _ = hub::inspect(directory);
    let device = select("flex").expect("flex is compiled in").device;
    if let Ok(detector) = Detector::open(directory, &device) {
        detector.detect("the water of the stone").expect("what was opened answers");
    }
});
