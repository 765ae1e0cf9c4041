//! A real trained encoder against `transformers`; runs where `ELECTRA_TEST_ENCODER` names what
//! `scripts/hidden_reference.py` and `electra import` have made of it.

use crate::common::backends::{CPU, skip};

use std::path::PathBuf;

#[test]
fn hidden_states_agree_with_transformers() {
    let Some(directory) = std::env::var_os("ELECTRA_TEST_ENCODER").map(PathBuf::from) else {
        return skip("encoder", "ELECTRA_TEST_ENCODER is not set");
    };
    let text = std::fs::read_to_string(directory.join("reference.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
    let device = crate::common::device(CPU);
    let encoder = electra_burn::predict::TextEncoder::open(&directory.join("imported"), &device).unwrap();
    let mut worst = 0.0f64;
    for (text, expected) in
        reference["texts"].as_array().unwrap().iter().zip(reference["last_hidden_state"].as_array().unwrap())
    {
        let expected: Vec<Vec<f64>> = serde_json::from_value(expected.clone()).unwrap();
        let found = encoder.encode(text.as_str().unwrap()).unwrap();
        assert_eq!(found.len(), expected.len(), "tokens of {text}");
        for (f, e) in found.iter().flatten().zip(expected.iter().flatten()) {
            worst = worst.max((f64::from(*f) - e).abs());
        }
    }
    println!("largest difference {worst:.1e}");
    assert!(worst <= 1e-4, "{worst}");
}
