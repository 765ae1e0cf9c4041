//! The device or devices of a command.

use electra_burn::config::Precision;
use electra_burn::device::{Adapter, Adapters, precision_on, select};
use electra_burn::tasks::{Input, Predictor};
use electra_burn::{Error, Result};
use std::path::PathBuf;

/// Where to train.
#[derive(clap::Args)]
pub struct Devices {
    /// auto, names that `electra devices` lists, or remote:HOST:PORT for those of an `electra worker`; several, with commas
    /// between them, each train on their share of every batch
    #[arg(long = "device", default_value = "auto", value_name = "NAME[,NAME..]")]
    names: String,
    /// File with the token that the workers of --device remote:.. have too
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Devices {
    /// Opens them.
    pub fn open(&self) -> Result<Adapters> {
        Adapters::select(&self.names, self.token_file.as_deref())
    }
}

/// Where a fine-tuned model answers, and in which format.
#[derive(clap::Args)]
pub struct Answering {
    /// auto, or a name that `electra devices` lists
    #[arg(long, default_value = "auto", value_name = "NAME[:INDEX]")]
    device: String,
    /// Format of the operands of matrix products: f32, tf32, f16 or bf16 [default: auto, the widest that the device has]
    #[arg(long, value_name = "FORMAT")]
    precision: Option<Precision>,
}

/// Inputs that are answered in the widest format too, where another is asked for.
const COMPARED: usize = 64;

impl Answering {
    /// The device, and the format that is asked for there.
    pub fn open(&self) -> Result<(Adapter, Precision)> {
        let adapter = select(&self.device)?;
        let asked = self.precision.unwrap_or_default();
        if asked == Precision::Auto {
            return Ok((adapter, asked));
        }
        let found = precision_on(&adapter, asked).map_err(|message| Error::Usage(format!("--precision {message}")))?;
        Ok((adapter, found))
    }

    /// What the format does to the answers to the first of `inputs`, where it was asked for.
    pub fn remark(&self, predictor: &Predictor, inputs: &[Input]) -> Result<Option<String>> {
        let Some(asked) = self.precision else { return Ok(None) };
        let precision = predictor.precision;
        if asked == Precision::BF16 && precision == Precision::F32 {
            return Ok(Some("this processor has no products in bf16 (AVX-512 BF16); they are in f32".into()));
        }
        if precision != Precision::BF16 && precision != Precision::F16 {
            return Ok(None);
        }
        let compared = &inputs[..inputs.len().min(COMPARED)];
        let count = compared.len();
        if count == 0 {
            return Ok(None);
        }
        let most = predictor.rounding(compared)?;
        if most.is_nan() {
            let message =
                format!("warning: products in {precision}: answers to the first {count} inputs are no numbers");
            return Ok(Some(message));
        }
        let which = match count {
            1 => "the first input".to_owned(),
            count => format!("the first {count} inputs"),
        };
        Ok(Some(format!(
            "products in {precision}: probabilities or scores of {which} differ by at most {most:.1e} from those in single precision"
        )))
    }
}
