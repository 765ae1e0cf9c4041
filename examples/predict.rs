//! Asks a fine-tuned classifier: `cargo run --example predict -- MODEL TEXT..`.

use electra_burn::prelude::*;
use std::path::PathBuf;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = PathBuf::from(arguments.next().unwrap_or_else(|| "runs/weather/model".into()));
    let texts: Vec<Input> = arguments.map(|text| text.as_str().into()).collect();
    let adapters = Adapters::select("auto", None)?;
    let model = Predictor::open(&model, &adapters.main().device)?;
    for (text, prediction) in texts.iter().zip(model.predict(&texts)?) {
        let label = prediction.class().map_or("-", |class| &model.task.labels()[class]);
        println!("{label}\t{}", text.texts().join("\t"));
    }
    Ok(())
}
