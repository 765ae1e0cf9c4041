//! The embedding block: `dropout(norm(words + positions + token types))`.
//!
//! Fused: one pass forwards; back, one pass and sparse additions to the tables' gradients.

use super::context::StepContext;
use super::dropout::Dropout;
use super::lookup::lookup;
use super::residual_norm::layer_norm;
use crate::data::SumOrder;
use burn::nn::{Embedding, LayerNorm};
use burn::tensor::{Int, Tensor};

/// The weights of the block.
#[derive(Clone, Copy)]
pub struct Tables<'a> {
    /// `[vocab_size, width]`
    pub words: &'a Embedding,
    /// `[max_position_embeddings, width]`
    pub positions: &'a Embedding,
    /// `[type_vocab_size, width]`
    pub token_types: &'a Embedding,
    /// Over `width`.
    pub layer_norm: &'a LayerNorm,
    /// That of `layer_norm`.
    pub layer_norm_eps: f64,
}

/// `input_ids` `[batch, seq]`, `token_type_ids` alike or all 0, `attention_mask` 1 for real tokens -> `[batch, seq,
/// width]`. Padding adds nothing to the gradient of the word table, whose sums have the `order` of `input_ids` if it is given.
///
/// Ids must be below the sizes of their tables, and `seq` at most that of `positions`.
pub fn embed(
    tables: Tables,
    dropout: &Dropout,
    input_ids: &Tensor<2, Int>,
    token_type_ids: Option<&Tensor<2, Int>>,
    attention_mask: Option<&Tensor<2>>,
    order: Option<&SumOrder>,
    context: &StepContext,
) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(output) = fused::embed(tables, (dropout, context), input_ids, token_type_ids, attention_mask)
    {
        return output;
    }
    let [batch, seq] = input_ids.dims();
    let table = tables.words.weight.val();
    let [_, width] = table.dims();
    let words = lookup(table, input_ids.clone().reshape([batch * seq]), order).reshape([batch, seq, width]);
    let words = match attention_mask {
        Some(mask) => {
            let padding = mask.clone().equal_elem(0.0).unsqueeze_dim::<3>(2).expand([batch, seq, width]);
            words.clone().mask_where(padding, words.detach())
        }
        None => words,
    };
    embed_words(tables, dropout, words, token_type_ids, context)
}

/// [`embed`] with rows of the word table, or what lies between such rows, in place of ids: `words` `[batch, seq, width]`.
pub fn embed_words(
    tables: Tables,
    dropout: &Dropout,
    words: Tensor<3>,
    token_type_ids: Option<&Tensor<2, Int>>,
    context: &StepContext,
) -> Tensor<3> {
    let [_, seq, _] = words.dims();
    // One row of positions for the whole batch: its gradient is a plain sum. The same for a single token type.
    let positions = tables.positions.weight.val().narrow(0, 0, seq).unsqueeze::<3>();
    let token_types = token_types(tables.token_types.weight.val(), token_type_ids);
    let sum = words + (positions + token_types);
    dropout.forward(layer_norm(tables.layer_norm, tables.layer_norm_eps, sum, context), context)
}

/// Rows of a table of few rows: sums over all of its rows of which all but one are zeros, so that its gradient is a plain
/// sum over tokens.
fn token_types(table: Tensor<2>, ids: Option<&Tensor<2, Int>>) -> Tensor<3> {
    let [rows, _] = table.dims();
    let row = |number: usize| table.clone().narrow(0, number, 1).unsqueeze::<3>();
    let Some(ids) = ids else { return row(0) };
    let ids = ids.clone().unsqueeze_dim::<3>(2);
    let all = (0..rows).map(|number| ids.clone().equal_elem(number as i64).float() * row(number));
    all.reduce(|sum, next| sum + next).unwrap_or_else(|| unreachable!("a table has a row"))
}

#[cfg(feature = "flex")]
mod fused {
    use super::Tables;
    use crate::kernels::context::StepContext;
    use crate::kernels::dropout::{Dropout, Mask};
    use crate::kernels::host::{Gradient, Operand, Place, Values, integers, record};
    use crate::kernels::normalize::Normalized;
    use burn::tensor::{Int, Tensor};

    pub(super) fn embed(
        tables: Tables,
        (dropout, context): (&Dropout, &StepContext),
        input_ids: &Tensor<2, Int>,
        token_type_ids: Option<&Tensor<2, Int>>,
        attention_mask: Option<&Tensor<2>>,
    ) -> Option<Tensor<3>> {
        let [batch, seq] = input_ids.dims();
        let beta = tables.layer_norm.beta.as_ref()?.val();
        let table = tables.words.weight.val();
        let device = table.device();
        let operands = super::super::operands!(
            table,
            tables.positions.weight.val(),
            tables.token_types.weight.val(),
            tables.layer_norm.gamma.val(),
            beta,
        );
        let ids = Ids {
            seq,
            words: integers(input_ids.clone()),
            token_types: token_type_ids.map(|ids| integers(ids.clone())),
            real: match attention_mask {
                Some(mask) => Some(Operand::of(mask.clone())?.values),
                None => None,
            },
        };
        let mask = dropout.mask(&device, context);
        let ([words, positions, token_types, gamma, beta], place) = Place::of(operands);
        let width = gamma.len();
        let fill = |at: usize, rows: &mut [f32]| {
            for (token, values) in (at / width..).zip(rows.chunks_exact_mut(width)) {
                let [word, position, token_type] = ids.of(token).map(|at| at * width..(at + 1) * width);
                let others = positions[position].iter().zip(&token_types[token_type]);
                for ((value, word), (position, token_type)) in values.iter_mut().zip(&words[word]).zip(others) {
                    *value = word + (position + token_type);
                }
            }
        };
        let drop = |at: usize, rows: &mut [f32]| mask.iter().for_each(|mask| mask.scale(rows, at));
        let epsilon = tables.layer_norm_eps;
        let (output, rows) = Normalized::forward(batch * seq, &gamma, &beta, epsilon, fill, drop);
        let sizes = [words, positions, token_types].map(|table| table.len() / width);
        let output = Values::new(output, [batch, seq, width]);
        Some(record(place, output, Embed { ids, rows, mask, sizes }))
    }

    /// Which rows of the tables a token has.
    #[derive(Clone, Debug)]
    struct Ids {
        seq: usize,
        words: Vec<usize>,
        token_types: Option<Vec<usize>>,
        /// 1 for real tokens.
        real: Option<Values>,
    }

    impl Ids {
        /// Word, position and token type of a token.
        fn of(&self, token: usize) -> [usize; 3] {
            [self.words[token], token % self.seq, self.token_types.as_ref().map_or(0, |ids| ids[token])]
        }

        fn is_real(&self, token: usize) -> bool {
            self.real.as_ref().is_none_or(|real| real[token] != 0.0)
        }
    }

    #[derive(Clone, Debug)]
    struct Embed {
        ids: Ids,
        rows: Normalized,
        mask: Option<Mask>,
        /// Rows of the tables.
        sizes: [usize; 3],
    }

    impl Gradient<5> for Embed {
        fn backward(self, output: Values, wanted: [bool; 5]) -> [Option<Values>; 5] {
            let Self { ids, rows, mask, sizes } = self;
            let width = output.width();
            let drop = |at: usize, rows: &mut [f32]| mask.iter().for_each(|mask| mask.scale(rows, at));
            let [output, gamma, beta] = rows.back(output, drop);
            let table = |number: usize| {
                wanted[number].then(|| {
                    let mut table = vec![0.0; sizes[number] * width];
                    for (token, row) in output.chunks_exact(width).enumerate() {
                        if number > 0 || ids.is_real(token) {
                            let at = ids.of(token)[number] * width;
                            table[at..at + width].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                        }
                    }
                    Values::new(table, [sizes[number], width])
                })
            };
            [table(0), table(1), table(2), Some(gamma), Some(beta)]
        }
    }
}
