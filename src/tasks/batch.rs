//! Features in a batch, padded to their own longest, on the host and on a device.

use super::feature::{Feature, NO_CLASS, Target};
use crate::data::{Counted, Counts, HostRows, SumOrder, wants_order};
use crate::model::Inputs;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Padded features on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskHostBatch {
    shape: [usize; 2],
    input_ids: Vec<i32>,
    token_type_ids: Option<Vec<i32>>,
    attention_mask: Option<Vec<f32>>,
    targets: HostTargets,
    /// Positions that are asked about, `row * seq + position`.
    positions: Vec<i32>,
    /// For each row the number of its feature, and of the lines of logits that it has: one, or one a position.
    rows: Vec<(usize, usize)>,
    /// Real tokens of each row.
    lengths: Vec<usize>,
    /// Whether gradients are added in a fixed order on GPUs too.
    pub deterministic: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum HostTargets {
    Absent,
    /// Below 0: none that is known.
    Classes(Vec<i32>),
    Values(Vec<f32>),
    Spans(Vec<i32>, Vec<i32>),
}

/// Padded features on a device.
#[derive(Debug, Clone)]
pub struct TaskBatch {
    /// What the encoder reads.
    pub inputs: Inputs,
    /// What the network should say; absent where that is not known.
    pub targets: Targets,
    /// Positions that are asked about, flat, `[positions]`.
    pub positions: Option<Tensor<1, Int>>,
    /// In which order the gradients at these positions are added, where that has to be known beforehand.
    pub positions_order: Option<SumOrder>,
    /// For each row the number of its feature, and of the lines of logits that it has: one, or one a position.
    pub rows: Vec<(usize, usize)>,
    /// What the loss is a mean over, and real tokens.
    pub counts: Counts,
}

/// [`Target`] on a device.
#[derive(Debug, Clone)]
pub enum Targets {
    /// They are not known.
    Absent,
    /// `[rows]` or `[positions]`
    Classes {
        /// The classes, 0 where none is known.
        classes: Tensor<1, Int>,
        /// 1 where one is known, else 0; absent where all are.
        known: Option<Box<Tensor<1>>>,
    },
    /// `[rows, labels]`
    Values(Tensor<2>),
    /// First and last position, `[rows]` each.
    Spans([Box<Tensor<1, Int>>; 2]),
}

impl TaskHostBatch {
    /// The features with numbers `numbers` of `features`, padded with `pad`.
    pub fn new(features: &[Feature], numbers: &[usize], pad: u32) -> Self {
        let of = |&number: &usize| &features[number];
        let seq = numbers.iter().map(|number| of(number).ids.len()).max().unwrap_or(0);
        let mut input_ids = vec![pad as i32; numbers.len() * seq];
        let mut types = vec![0; input_ids.len()];
        let mut mask = vec![0.0; input_ids.len()];
        let (mut positions, mut rows, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for (row, number) in numbers.iter().enumerate() {
            let feature = of(number);
            let length = feature.ids.len();
            let begin = row * seq;
            for (at, &id) in input_ids[begin..].iter_mut().zip(&feature.ids) {
                *at = id as i32;
            }
            types[begin + feature.second.min(length)..begin + length].fill(1);
            mask[begin..begin + length].fill(1.0);
            let asked = feature.positions.iter().flatten();
            positions.extend(asked.map(|&position| (begin + position) as i32));
            rows.push((*number, feature.positions.as_ref().map_or(1, Vec::len)));
            lengths.push(length);
        }
        let paired = types.contains(&1);
        let padded = lengths.iter().sum::<usize>() < mask.len();
        Self {
            shape: [numbers.len(), seq],
            input_ids,
            token_type_ids: paired.then_some(types),
            attention_mask: padded.then_some(mask),
            targets: targets(numbers.iter().map(|number| &of(number).target)),
            positions,
            rows,
            lengths,
            deterministic: false,
        }
    }
}

impl Counted for TaskHostBatch {
    fn counts(&self) -> Counts {
        let picked = match &self.targets {
            HostTargets::Classes(classes) => classes.iter().filter(|class| **class >= 0).count(),
            HostTargets::Values(values) => values.len(),
            HostTargets::Absent | HostTargets::Spans(..) => self.shape[0],
        };
        Counts { picked, tokens: self.lengths.iter().sum() }
    }
}

impl Counted for TaskBatch {
    fn counts(&self) -> Counts {
        self.counts
    }
}

impl HostRows for TaskHostBatch {
    type Batch = TaskBatch;

    fn rows(&self) -> usize {
        self.shape[0]
    }

    fn of_rows(&self, rows: Range<usize>) -> Self {
        let seq = self.shape[1];
        let places = rows.start * seq..rows.end * seq;
        let lines = |rows: &[(usize, usize)]| rows.iter().map(|row| row.1).sum::<usize>();
        let first = lines(&self.rows[..rows.start]);
        let asked = first..first + lines(&self.rows[rows.clone()]);
        let width = |values: &[f32]| values.len() / self.shape[0];
        Self {
            shape: [rows.len(), seq],
            input_ids: self.input_ids[places.clone()].into(),
            token_type_ids: self.token_type_ids.as_ref().map(|ids| ids[places.clone()].into()),
            attention_mask: self.attention_mask.as_ref().map(|mask| mask[places.clone()].into()),
            targets: match &self.targets {
                HostTargets::Absent => HostTargets::Absent,
                HostTargets::Classes(classes) => HostTargets::Classes(classes[asked.clone()].into()),
                HostTargets::Values(values) => {
                    HostTargets::Values(values[rows.start * width(values)..rows.end * width(values)].into())
                }
                HostTargets::Spans(first, last) => {
                    HostTargets::Spans(first[rows.clone()].into(), last[rows.clone()].into())
                }
            },
            positions: match self.positions.is_empty() {
                true => Vec::new(),
                false => self.positions[asked].iter().map(|at| at - places.start as i32).collect(),
            },
            rows: self.rows[rows.clone()].into(),
            lengths: self.lengths[rows].into(),
            deterministic: self.deterministic,
        }
    }

    fn to_device(&self, device: &Device) -> TaskBatch {
        let shape = self.shape;
        let ids = |ids: &Vec<i32>| Tensor::<2, Int>::from_data(TensorData::new(ids.clone(), shape), device);
        let flat = |ids: &Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(ids.clone(), [ids.len()]), device);
        let mask = |mask: &Vec<f32>| Tensor::<2>::from_data(TensorData::new(mask.clone(), shape), device);
        let mut inputs = Inputs::new(ids(&self.input_ids), self.attention_mask.as_ref().map(mask));
        inputs.token_type_ids = self.token_type_ids.as_ref().map(ids);
        let order = |ids: &[i32]| {
            let numbers = ids.iter().map(|&id| id as usize);
            wants_order(device, self.deterministic).then(|| SumOrder::new(numbers, device))
        };
        inputs.order = order(&self.input_ids);
        let targets = match &self.targets {
            HostTargets::Absent => Targets::Absent,
            HostTargets::Classes(classes) => {
                let known = || classes.iter().map(|&class| if class < 0 { 0.0 } else { 1.0 }).collect::<Vec<f32>>();
                let has_unknown = classes.iter().any(|&class| class < 0);
                Targets::Classes {
                    classes: flat(&classes.iter().map(|&class| class.max(0)).collect()),
                    known: has_unknown
                        .then(|| Box::new(Tensor::from_data(TensorData::new(known(), [classes.len()]), device))),
                }
            }
            HostTargets::Values(values) => {
                let shape = [shape[0], values.len() / shape[0].max(1)];
                let values = Tensor::from_data(TensorData::new(values.clone(), shape), device);
                Targets::Values(values)
            }
            HostTargets::Spans(first, last) => Targets::Spans([first, last].map(|ids| Box::new(flat(ids)))),
        };
        TaskBatch {
            inputs,
            targets,
            positions: (!self.positions.is_empty()).then(|| flat(&self.positions)),
            positions_order: if self.positions.is_empty() { None } else { order(&self.positions) },
            rows: self.rows.clone(),
            counts: self.counts(),
        }
    }
}

/// The targets of a batch; absent where one of them is.
fn targets<'a>(all: impl Iterator<Item = &'a Target>) -> HostTargets {
    let mut targets = HostTargets::Absent;
    for (number, target) in all.enumerate() {
        if number == 0 {
            targets = match target {
                Target::Absent => HostTargets::Absent,
                Target::Class(_) | Target::Classes(_) => HostTargets::Classes(Vec::new()),
                Target::Values(_) => HostTargets::Values(Vec::new()),
                Target::Span(..) => HostTargets::Spans(Vec::new(), Vec::new()),
            };
        }
        match (&mut targets, target) {
            (HostTargets::Classes(all), Target::Class(class)) => all.push(signed(*class)),
            (HostTargets::Classes(all), Target::Classes(classes)) => all.extend(classes.iter().map(|&c| signed(c))),
            (HostTargets::Values(all), Target::Values(values)) => all.extend(values),
            (HostTargets::Spans(all_first, all_last), Target::Span(first, last)) => {
                all_first.push(*first as i32);
                all_last.push(*last as i32);
            }
            _ => return HostTargets::Absent,
        }
    }
    targets
}

/// The number of a class, below 0 for none.
fn signed(class: usize) -> i32 {
    if class == NO_CLASS { -1 } else { class as i32 }
}
