//! The verdict on a run of pretraining: wherever a run is shown, it says when the discriminator learns nothing.

use crate::common::program::{directory, electra, pretrain, read, succeeds, text};
use std::fmt::Write;
use std::path::Path;

/// A run whose discriminator gains `gains` nats, one validation each.
fn make_run(at: &Path, name: &str, gains: &[f64]) {
    let run = at.join(name);
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("config.toml"), "[training]\nsteps = 500\n").unwrap();
    std::fs::write(run.join("status.json"), "{\"state\": \"finished\"}").unwrap();
    let mut lines = String::new();
    for (at, gain) in gains.iter().enumerate() {
        let record = serde_json::json!({
            "step": 100 * at, "split": "valid", "mlm_loss": 5.0, "mlm_accuracy": 0.2, "disc_loss": 0.42 - gain,
            "disc_entropy": 0.42, "disc_gain": gain, "disc_gain_error": 0.001, "disc_gain_floor": 0.002, "disc_auc": 0.6, "replaced": 0.15,
        });
        writeln!(lines, "{record}").unwrap();
    }
    std::fs::write(run.join("metrics.jsonl"), lines).unwrap();
}

/// What is gained for knowing the special tokens counts for nothing.
const AT_BASE_RATE: [f64; 6] = [-0.25, 0.003, 0.002, 0.0025, 0.0021, 0.0018];
const LEARNING: [f64; 6] = [-0.25, 0.003, 0.004, 0.01, 0.02, 0.03];

#[test]
fn runs_and_reports_say_it() {
    let directory = directory();
    let at = directory.path();
    make_run(at, "runs/base", &AT_BASE_RATE);
    make_run(at, "runs/good", &LEARNING);
    let listed = electra(at, &["runs", "runs"]);
    succeeds(&listed);
    let listed = text(&listed.stdout);
    let (base, good) = (listed.find("runs/base").unwrap(), listed.find("runs/good").unwrap());
    assert!(base < good);
    assert!(listed[base..good].contains("warning: at the base rate"), "{listed}");
    assert!(!listed[good..].contains("warning"), "{listed}");
    let json = electra(at, &["runs", "runs", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (json["runs"][0]["verdict"].as_str(), json["runs"][1]["verdict"].as_str()),
        (Some("at the base rate"), Some("learning"))
    );

    for (name, warns) in [("base", true), ("good", false)] {
        succeeds(&electra(at, &["report", &format!("runs/{name}"), "--output", name]));
        let page = read(at.join(name));
        assert_eq!(page.contains("at the base rate: the discriminator gains"), warns, "{name}");
        assert!(page.contains(if warns { ">at the base rate<" } else { ">learning<" }), "{name}");
    }
}

#[cfg(feature = "web")]
#[test]
fn the_dashboard_says_it() {
    let directory = directory();
    let at = directory.path();
    make_run(at, "base", &AT_BASE_RATE);
    make_run(at, "good", &LEARNING);
    let server = crate::common::server::Server::start("dashboard", &[at.as_os_str()]);
    for (name, words, trouble) in [("base", "at the base rate", true), ("good", "learning", false)] {
        let begun = std::time::Instant::now();
        let details = loop {
            let details = server.json(&format!("/api/details?run={name}"));
            if !details["verdict"].is_null() {
                break details;
            }
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "no verdict: {details}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        };
        assert_eq!(
            (details["verdict"]["words"].as_str(), details["verdict"]["trouble"].as_bool()),
            (Some(words), Some(trouble))
        );
        let noted = details["log"].to_string().contains("at the base rate");
        assert_eq!(noted, trouble, "{}", details["log"]);
    }
}

/// Twenty steps of the micro configuration teach nobody anything, and the run says so at its end and in the model card.
#[test]
fn a_run_says_it_at_its_end() {
    let directory = directory();
    let at = directory.path();
    let output =
        pretrain(at, &["--output", "run", "--set", "training.validate_every=5", "optimizer.learning_rate=0.02"]);
    succeeds(&output);
    let said = text(&output.stdout);
    let end = said.split("20 steps in").nth(1).unwrap();
    let sentence =
        end.lines().find_map(|line| line.strip_prefix("warning: ")).unwrap_or_else(|| panic!("no verdict: {said}"));
    assert!(sentence.contains("the discriminator gains") && sentence.contains("mean of 3 validations"), "{sentence}");
    assert!(read(at.join("run/discriminator/README.md")).contains(&format!("Verdict: {sentence}")));
}
