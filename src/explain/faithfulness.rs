//! Whether the tokens that attributions name do matter: deletion and insertion curves (Petsiuk, Das and Saenko, "RISE",
//! BMVC 2018, section 4.2), with `[MASK]` in place of what is deleted.
//!
//! Deletion takes tokens away in the order of their attributions, largest first, and a faithful order makes the value fall
//! faster than a random one; insertion gives them back to a text of `[MASK]` in the same order, and the value rises faster.
//! The value is the probability of what the whole text gives, or its score.

use super::output::{self, Output};
use super::{Bounds, Explainer, Options, tokens};
use crate::data::{Purpose, Rng};
use crate::error::{Error, Result};
use crate::tasks::{Feature, Input};
use serde::Serialize;

/// The shares of tokens at which curves are looked at.
pub const SHARES: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Random orders that each text's own is held against.
pub const RANDOM_ORDERS: usize = 5;

/// Of the random orders.
const SEED: u64 = 1;

/// Mean values at [`SHARES`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Curve {
    /// One number a share.
    pub values: [f64; SHARES.len()],
    /// Area under it, by the trapezoidal rule.
    pub area: f64,
}

/// How faithful the attributions for some inputs are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Faithfulness {
    /// Outputs that were explained.
    pub explained: usize,
    /// Inputs without a token, which were left out.
    pub left_out: usize,
    /// The shares of tokens that belong to the values of curves.
    pub shares: [f64; SHARES.len()],
    /// Tokens deleted by attribution.
    pub deletion: Curve,
    /// The same at random.
    pub random_deletion: Curve,
    /// Tokens inserted by attribution.
    pub insertion: Curve,
    /// The same at random.
    pub random_insertion: Curve,
}

impl Curve {
    /// Adds the values of one order.
    fn add(&mut self, values: &[f64]) {
        self.values.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }

    /// The mean of what `count` additions have summed up.
    fn mean(mut self, count: usize) -> Self {
        self.values.iter_mut().for_each(|value| *value /= count as f64);
        let pairs = self.values.windows(2).zip(SHARES.windows(2));
        self.area = pairs.map(|(values, shares)| (values[0] + values[1]) / 2.0 * (shares[1] - shares[0])).sum();
        self
    }
}

impl Explainer {
    /// Explains each of `inputs` as [`explain`](Self::explain) does, texts that are too long cut as for prediction, and
    /// measures how faithful that is.
    ///
    /// # Errors
    /// [`Error::Usage`] where no input has a token; those of `explain`.
    pub fn faithfulness(&self, inputs: &[Input], options: &Options) -> Result<Faithfulness> {
        let [mut deletion, mut random_deletion, mut insertion, mut random_insertion] =
            [(); 4].map(|()| Curve::default());
        let (mut explained, mut left_out) = (0, 0);
        for input in inputs {
            let input = &self.subject.normal(input);
            let features = self.subject.features(input)?;
            if features.iter().all(|feature| tokens::between_special(feature).next().is_none()) {
                left_out += 1;
                continue;
            }
            let lines = self.subject.logits_of(&features)?;
            for output in output::choose(&self.subject, input, &features, &lines, options)? {
                let orders = self.orders(&output, explained as u64, options)?;
                for (number, [deleted, inserted]) in self.values(&output, &orders)?.iter().enumerate() {
                    let (deletion, insertion) = match number {
                        0 => (&mut deletion, &mut insertion),
                        _ => (&mut random_deletion, &mut random_insertion),
                    };
                    deletion.add(deleted);
                    insertion.add(inserted);
                }
                explained += 1;
            }
        }
        if explained == 0 {
            return Err(Error::Usage("no text has a token; there is nothing to explain".into()));
        }
        Ok(Faithfulness {
            explained,
            left_out,
            shares: SHARES,
            deletion: deletion.mean(explained),
            random_deletion: random_deletion.mean(explained * RANDOM_ORDERS),
            insertion: insertion.mean(explained),
            random_insertion: random_insertion.mean(explained * RANDOM_ORDERS),
        })
    }

    /// The places between special tokens: by attribution, largest first, then in random orders.
    fn orders(&self, output: &Output, number: u64, options: &Options) -> Result<Vec<Vec<usize>>> {
        let attributions = self.attribute(output, options, Bounds::default())?.attributions;
        let places: Vec<usize> = tokens::between_special(&output.feature).collect();
        let mut by_attribution = places.clone();
        by_attribution.sort_by(|&a, &b| attributions[b].total_cmp(&attributions[a]));
        let random = (0..RANDOM_ORDERS).map(|order| {
            let mut places = places.clone();
            Rng::new(SEED, Purpose::Order, number, order as u64).shuffle(&mut places);
            places
        });
        Ok(std::iter::once(by_attribution).chain(random).collect())
    }

    /// For each order the values at all shares: of deletion, and of insertion.
    fn values(&self, output: &Output, orders: &[Vec<usize>]) -> Result<Vec<[Vec<f64>; 2]>> {
        let mask = self.subject.tokenizer().special().mask;
        let without = |places: &[usize]| {
            let mut feature = output.feature.clone();
            places.iter().for_each(|&place| feature.ids[place] = mask);
            feature
        };
        let mut rows: Vec<Feature> = Vec::with_capacity(orders.len() * 2 * SHARES.len());
        for order in orders {
            let cuts = SHARES.map(|share| (share * order.len() as f64).round() as usize);
            rows.extend(cuts.iter().map(|&cut| without(&order[..cut])));
            rows.extend(cuts.iter().map(|&cut| without(&order[cut..])));
        }
        let lines = self.subject.logits_of(&rows)?;
        let values: Vec<f64> = lines.iter().map(|line| output.value(line)).collect();
        let of_order = |values: &[f64]| {
            let (deleted, inserted) = values.split_at(SHARES.len());
            [deleted.to_vec(), inserted.to_vec()]
        };
        Ok(values.chunks(2 * SHARES.len()).map(of_order).collect())
    }
}
