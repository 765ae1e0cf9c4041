//! Why a model says what it says: attributions of an output to tokens, attention rollout, and how faithful they are.
//!
//! An [`Explainer`] holds a discriminator or a fine-tuned model. What it explains is one number, the output: a logit, a
//! score, the sum of two logits. [`integrated_gradients`] share it out among the tokens, so that the shares add up to what
//! the text adds to a text of `[MASK]`; [`rollout`] follows attention through the layers; [`Faithfulness`] measures whether
//! the tokens that are said to matter do. The price is a pass forwards and back for each point of a path, 32 or more.

mod faithfulness;
mod gradients;
mod html;
mod output;
mod quadrature;
mod rollout;
mod subject;
mod tokens;

pub use faithfulness::{Curve, Faithfulness, RANDOM_ORDERS, SHARES};
pub use gradients::{Ends, Integral, MAX_STEPS, TOLERANCE, integrated_gradients};
pub use html::page;
pub use output::Explained;
pub use rollout::{Maps, rollout};
pub use tokens::{AttributedToken, Place, Run};

use crate::data::HostRows;
use crate::error::{Error, Result};
use crate::kernels::StepContext;
use crate::tasks::read::{Loaded, Need, Reading};
use crate::tasks::{Example, Input, Kind, Predictor, TaskHostBatch};
use burn::tensor::Device;
use gradients::passes;
use output::Output;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use subject::Subject;

/// What the path of integrated gradients begins at: this token between `[CLS]` and `[SEP]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Baseline {
    /// `[MASK]`, which pretraining has shown to say nothing.
    #[default]
    Mask,
    /// `[PAD]`, attended to like any other token.
    Pad,
}

impl std::str::FromStr for Baseline {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "mask" => Ok(Self::Mask),
            "pad" => Ok(Self::Pad),
            _ => Err("expected mask or pad".into()),
        }
    }
}

/// What is explained, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Number of the token, from 1, whose replacement is explained, or of the word whose tag is; by default the most
    /// suspicious token, or each word that is an entity.
    pub token: Option<usize>,
    /// Name of the label that is explained, by default the predicted one.
    pub label: Option<String>,
    /// Where the path begins.
    pub baseline: Baseline,
    /// Points of the path, doubled up to [`MAX_STEPS`] until attributions add up.
    pub steps: usize,
    /// Whether attention weights are handed out.
    pub attention: bool,
}

/// Whether work of about this length may still be done.
pub type GoOn<'a> = &'a dyn Fn(Duration) -> Result<()>;

/// What the explanations of one input may take, where a stranger asks for them.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// How many they may be.
    pub explanations: usize,
    /// How many numbers of attention they may hold together.
    pub attention: usize,
    /// Asked before the passes of every step, with the time that they will take; its error ends the work.
    pub go_on: GoOn<'a>,
}

impl Default for Bounds<'_> {
    /// None.
    fn default() -> Self {
        Self { explanations: usize::MAX, attention: usize::MAX, go_on: &|_| Ok(()) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { token: None, label: None, baseline: Baseline::Mask, steps: 32, attention: false }
    }
}

/// Why a model says one thing about a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The text, or both of a pair.
    pub texts: Vec<String>,
    /// What is explained.
    pub explained: Explained,
    /// The places in `tokens` that the output is about.
    pub positions: Vec<usize>,
    /// The output: a logit, a score, the sum of two logits.
    pub output: f64,
    /// The probability that the network gives it; absent for scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The output for the baseline.
    pub baseline_output: f64,
    /// Points of the path.
    pub steps: usize,
    /// Sum of the attributions.
    pub attributed: f64,
    /// How far that is from the difference of the two outputs, as a share of it.
    pub completeness_error: f64,
    /// All tokens with special ones.
    pub tokens: Vec<AttributedToken>,
    /// Attention weights by layer, head, query and key, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Maps>,
}

/// A model that can be asked for reasons.
///
/// ```no_run
/// use electra_burn::explain::{Explainer, Options};
/// use electra_burn::tasks::Input;
///
/// let device = electra_burn::device::select("flex")?.device;
/// let explainer = Explainer::open("runs/intent/model".as_ref(), &device)?;
/// let text = Input::Text("Where is my card?".into());
/// for explanation in explainer.explain(&text, &Options::default())? {
///     println!("{}: {:.3}", explanation.explained, explanation.output);
///     for token in &explanation.tokens {
///         println!("{:<12} {:+.3}", token.token, token.attribution);
///     }
/// }
/// # Ok::<(), electra_burn::Error>(())
/// ```
pub struct Explainer {
    subject: Subject,
}

impl Explainer {
    /// Opens a directory in Hugging Face's layout that holds a discriminator, or a model that was fine-tuned for a task.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged, and for another kind of model.
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        Self::open_as(directory, None, device)
    }

    /// [`open`](Self::open) of a model that another program has fine-tuned for the task `kind`.
    ///
    /// # Errors
    /// Those of [`open`](Self::open) and [`Predictor::open_as`].
    pub fn open_as(directory: &Path, kind: Option<Kind>, device: &Device) -> Result<Self> {
        Ok(Self { subject: Subject::open(directory, kind, &device.clone().autodiff())? })
    }

    /// Asks `predictor`, which must have been opened on a device that records gradients (`Device::autodiff`).
    pub fn of(predictor: Arc<Predictor>) -> Self {
        Self { subject: Subject::Task(predictor) }
    }

    /// What was taken for its task, where no file names one.
    pub fn note(&self) -> Option<&str> {
        match &self.subject {
            Subject::Discriminator(_) => None,
            Subject::Task(predictor) => predictor.note.as_deref(),
        }
    }

    /// The task that the model was fine-tuned for; absent for a discriminator.
    pub fn kind(&self) -> Option<Kind> {
        match &self.subject {
            Subject::Discriminator(_) => None,
            Subject::Task(predictor) => Some(predictor.task.kind()),
        }
    }

    /// The examples of a labelled file, as the task reads them.
    ///
    /// # Errors
    /// A file or row that cannot be used; [`Error::Usage`] for a discriminator, which has no labels.
    pub fn read(&self, path: &Path, reading: &Reading) -> Result<Loaded<Example>> {
        match &self.subject {
            Subject::Discriminator(_) => Err(Error::Usage("a discriminator has no labelled data".into())),
            Subject::Task(predictor) => predictor.task.read(path, Need::Ignored, reading),
        }
    }

    /// Why the model says what it says about `input`: one explanation, or one a word for the tags of several words.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text without tokens or longer than the model, a token or label that is not there, and one that
    /// the model knows nothing of; the device's.
    pub fn explain(&self, input: &Input, options: &Options) -> Result<Vec<Explanation>> {
        self.explain_within(input, options, Bounds::default())
    }

    /// [`explain`](Self::explain), within `bounds`.
    ///
    /// # Errors
    /// Those of [`explain`](Self::explain); [`Error::Usage`] where the explanations would take more.
    pub fn explain_within(&self, input: &Input, options: &Options, bounds: Bounds) -> Result<Vec<Explanation>> {
        let input = &self.subject.normal(input);
        let features = self.subject.features(input)?;
        if features.iter().all(|feature| tokens::between_special(feature).next().is_none()) {
            return Err(Error::Usage("the text has no tokens; there is nothing to explain".into()));
        }
        tokens::require_whole(&self.subject, input, &features)?;
        // The first pass is short beside all that follow, and says how long they will take.
        let begun = Instant::now();
        let mut lines = self.subject.logits_of(&features[..1])?;
        let pass = begun.elapsed();
        (bounds.go_on)(pass * (features.len() - 1) as u32)?;
        lines.extend(self.subject.logits_of(&features[1..])?);
        let outputs = output::choose(&self.subject, input, &features, &lines, options)?;
        self.check(&outputs, bounds, options.attention)?;
        let explanation = |output: &Output| {
            // Both ends of the path, the line of logits and the attention, and the points between.
            (bounds.go_on)(pass * (4 + passes(options.steps, output.feature.ids.len())))?;
            self.explanation(input, output, options, bounds)
        };
        outputs.iter().map(explanation).collect()
    }

    fn check(&self, outputs: &[Output], bounds: Bounds, attention: bool) -> Result<()> {
        let (count, most) = (outputs.len(), bounds.explanations);
        if count > most {
            let message =
                format!("{count} words would be explained; expected at most {most}, or \"token\", which chooses one");
            return Err(Error::Usage(message));
        }
        let maps = self.subject.electra().attention_maps();
        let numbers: usize = outputs.iter().map(|output| maps * output.feature.ids.len().pow(2)).sum();
        if attention && numbers > bounds.attention {
            let message = format!(
                "\"attention\" would have {numbers} numbers; expected at most {}, of a shorter text",
                bounds.attention
            );
            return Err(Error::Usage(message));
        }
        Ok(())
    }

    fn explanation(&self, input: &Input, output: &Output, options: &Options, bounds: Bounds) -> Result<Explanation> {
        let integral = self.attribute(output, options, bounds)?;
        let line = self.subject.logits_of(std::slice::from_ref(&output.feature))?.swap_remove(0);
        let maps = self.attention(output)?;
        let rows: Vec<Vec<f64>> = output.positions.iter().map(|&position| rollout(&maps, position)).collect();
        let mut tokens = tokens::tokens(&self.subject, input, &output.feature)?;
        for (at, token) in tokens.iter_mut().enumerate() {
            token.attribution = integral.attributions[at];
            token.rollout = rows.iter().map(|row| row[at]).sum::<f64>() / rows.len().max(1) as f64;
        }
        Ok(Explanation {
            texts: tokens::texts(input),
            explained: output.explained.clone(),
            positions: output.positions.clone(),
            output: integral.output,
            probability: output.probability(&line),
            baseline_output: integral.baseline_output,
            steps: integral.steps,
            attributed: integral.attributed(),
            completeness_error: integral.completeness_error(),
            tokens,
            attention: options.attention.then_some(maps),
        })
    }

    /// Shares an output out among the tokens of its feature.
    fn attribute(&self, output: &Output, options: &Options, bounds: Bounds) -> Result<Integral> {
        let subject = &self.subject;
        let special = subject.tokenizer().special();
        let blank = match options.baseline {
            Baseline::Mask => special.mask,
            Baseline::Pad => special.pad,
        };
        let feature = &output.feature;
        let mut baseline = feature.clone();
        tokens::between_special(feature).for_each(|at| baseline.ids[at] = blank);
        let ends = Ends { from: subject.words(&baseline)?, to: subject.words(feature)?, tokens: feature.ids.len() };
        integrated_gradients(&ends, options.steps, subject.device(), bounds.go_on, |words| {
            let points = words.dims()[0];
            let rows = TaskHostBatch::new(std::slice::from_ref(feature), &vec![0; points], special.pad);
            let mut batch = rows.to_device(subject.device());
            batch.inputs.words = Some(words);
            let logits = subject.logits(&batch);
            let columns = output.columns.iter().map(|&column| logits.clone().narrow(1, column, 1));
            columns.reduce(|sum, column| sum + column).unwrap_or(logits).reshape([points as i32])
        })
    }

    fn attention(&self, output: &Output) -> Result<Maps> {
        let rows =
            TaskHostBatch::new(std::slice::from_ref(&output.feature), &[0], self.subject.tokenizer().special().pad);
        let layers =
            self.subject.electra().attentions(rows.to_device(self.subject.device()).inputs, &StepContext::default());
        layers.into_iter().map(rollout::map).collect()
    }
}
