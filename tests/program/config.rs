//! Presets and layers of the configuration.

use electra_burn::config::{PRESETS, Source, UNBOUNDED, load};

fn preset(name: &str) -> Source {
    Source { preset: Some(name.into()), ..Source::default() }
}

#[test]
fn every_preset_is_valid_and_survives_being_written() {
    for (name, _) in PRESETS {
        let config = load(&preset(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let again: electra_burn::Config = toml::from_str(&config.to_toml()).unwrap();
        assert_eq!(again, config, "{name}");
    }
}

/// The paper's table 6, and the schedule that it shares.
#[test]
fn presets_are_the_papers() {
    let base = load(&preset("base")).unwrap();
    let sequences = base.data.batch_size * base.training.accumulation;
    assert_eq!((base.optimizer.learning_rate, sequences, base.training.steps), (2e-4, 256, 766_000));
    assert_eq!((base.generator.hidden_size, base.generator.num_attention_heads), (256, 4));
    let large = load(&preset("large")).unwrap();
    assert_eq!((large.data.mask_probability, large.model.num_hidden_layers), (0.25, 24));
    for (name, _) in PRESETS.iter().skip_while(|(name, _)| *name != "small") {
        let config = load(&preset(name)).unwrap();
        assert_eq!(config.schedule.warmup_steps, Some(10_000), "{name}");
        assert_eq!((config.optimizer.epsilon, config.optimizer.weight_decay), (1e-6, 0.01), "{name}");
        assert_eq!(config.objective.discriminator_weight, 50.0, "{name}");
    }
}

#[test]
fn later_layers_win() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    std::fs::write(&file, "seed = 1\n[training]\nsteps = 100\nlog_every = 7\n[data]\nbatch_size = 3\n").unwrap();
    let config = load(&Source {
        file: Some(file),
        preset: Some("tiny".into()),
        environment: vec![
            ("ELECTRA_TRAINING__STEPS".into(), "200".into()),
            ("ELECTRA_DATA__BATCH_SIZE".into(), "4".into()),
            ("ELECTRA_HOME".into(), "/elsewhere".into()),
        ],
        set: vec!["training.steps=300".into()],
        corpus: vec!["a.txt".into()],
        ..Source::default()
    })
    .unwrap();
    assert_eq!(config.seed, 1, "the file over the preset");
    assert_eq!(config.training.log_every, 7, "the file over the preset");
    assert_eq!(config.data.batch_size, 4, "the environment over the file");
    assert_eq!(config.training.steps, 300, "--set over the environment");
    assert_eq!(config.model.vocab_size, 4096, "the preset below all");
    assert_eq!(config.schedule.warmup_steps, Some(30), "a tenth of the steps");
    assert_eq!(config.data.corpus, [std::path::PathBuf::from("a.txt")]);
}

#[test]
fn a_time_budget_takes_the_place_of_the_steps_of_a_preset() {
    let with = |set: &[&str]| {
        let set = set.iter().map(|&set| set.to_owned()).collect();
        load(&Source { preset: Some("tiny".into()), set, ..Source::default() })
    };
    let config = with(&["training.time_budget=1h 30m"]).unwrap();
    assert_eq!((config.training.steps, config.schedule.warmup_steps), (UNBOUNDED, None));
    assert_eq!(config.training.time_budget, Some(std::time::Duration::from_secs(5400)));
    let written = config.to_toml();
    assert!(written.contains("time_budget = \"1h 30m\"") && !written.contains("\nsteps"), "{written}");

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, written).unwrap();
    let again = |set: &[&str]| {
        let set = set.iter().map(|&set| set.to_owned()).collect();
        load(&Source { file: Some(file.clone()), is_written: true, set, ..Source::default() })
    };
    assert_eq!(again(&[]).unwrap(), config);
    let by_steps = again(&["training.time_budget=none", "training.steps=70"]).unwrap();
    assert_eq!((by_steps.training.steps, by_steps.training.time_budget), (70, None));
    assert!(config.check_changes(&by_steps).is_ok(), "a run may get steps in place of its time");
    let endless = again(&["training.time_budget=none"]).unwrap_err().to_string();
    assert!(endless.contains("training.steps: nothing ends the run"), "{endless}");
    assert_eq!(with(&["training.time_budget=none"]).unwrap().training.steps, 10_000, "those of the preset");

    let both = with(&["training.time_budget=2m", "training.steps=7"]).unwrap();
    assert_eq!((both.training.steps, both.training.time_budget.unwrap().as_secs()), (7, 120), "what comes first");

    let variable = |name: &str| {
        let environment = vec![(name.to_owned(), "2m".to_owned())];
        load(&Source { preset: Some("tiny".into()), environment, ..Source::default() }).unwrap().training.steps
    };
    assert_eq!(
        (variable("ELECTRA_TRAINING__TIME_BUDGET"), variable("electra_training__time_budget")),
        (UNBOUNDED, 10_000)
    );

    let refused = |text: &str| with(&[&format!("training.time_budget={text}")]).unwrap_err().to_string();
    assert!(refused("soon").contains("`soon` is no duration"), "{}", refused("soon"));
    assert!(refused("0s").contains("training.time_budget: expected a second or more"), "{}", refused("0s"));
    assert!(refused("30").contains("expected one such as 90s, 30m"), "{}", refused("30"));
    assert!(refused("30M").contains("m stands for minutes"), "{}", refused("30M"));
}

#[test]
fn structured_weights_need_room() {
    let refused = |set: &str| {
        let set = vec!["init.positions=structured".to_owned(), set.to_owned()];
        load(&Source { preset: Some("tiny".into()), set, ..Source::default() }).unwrap_err().to_string()
    };
    let narrow = refused("model.hidden_size=32");
    assert!(
        narrow.contains("init.positions: structured needs a model.hidden_size of at least model.embedding_size, 64"),
        "{narrow}"
    );
    let heads = refused("model.num_attention_heads=64");
    assert!(heads.contains("4 dimensions a head; found 128 and 2"), "{heads}");
}

#[test]
fn an_error_names_the_layer_that_it_came_from() {
    let source = Source { environment: vec![("ELECTRA_TRAINING__STEPS".into(), "soon".into())], ..Source::default() };
    let error = load(&source).unwrap_err();
    assert!(error.to_string().starts_with("ELECTRA_TRAINING__STEPS:"), "{error}");
    assert!(error.is_wrong_input());
}
