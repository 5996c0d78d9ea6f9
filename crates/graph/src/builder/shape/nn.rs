//! Layers of networks that are neither elementwise nor windows over images.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::array::vector;
use super::builtin::ShapeFn;
use super::dims::{Dim, broadcast, merge, merge_dim, with_rank, with_rank_at_least};
use super::values::to_i64;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("BiasAdd", bias_add),
    ("BiasAddV1", bias_add),
    ("BlockLSTM", block_lstm),
    ("BlockLSTMV2", block_lstm),
    ("CTCLoss", ctc_loss),
    ("CTCLossV2", ctc_loss),
    ("FusedBatchNorm", fused_batch_norm),
    ("FusedBatchNormV2", fused_batch_norm),
    ("FusedBatchNormV3", fused_batch_norm),
    ("InTopK", in_top_k),
    ("InTopKV2", in_top_k),
    ("LRN", lrn),
    ("SoftmaxCrossEntropyWithLogits", softmax_cross_entropy),
    ("SparseSoftmaxCrossEntropyWithLogits", sparse_softmax_cross_entropy),
    ("TopKV2", top_k),
];

/// Whether channels come before rows and columns.
pub(super) fn channels_first(cx: &InferenceContext<'_>) -> bool {
    cx.attrs().str("data_format").is_ok_and(|format| format.starts_with(b"NC"))
}

fn bias_add(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let first = channels_first(cx);
    let dims = with_rank_at_least(cx.input(0), if first { 3 } else { 2 })?;
    let bias = with_rank(cx.input(1), 1)?.first().copied().flatten();
    let Some(dims) = dims else { return Ok(()) };
    let mut dims = dims.to_vec();
    let place = if first { 1 } else { dims.len() - 1 };
    if let Some(channels) = dims.get_mut(place) {
        *channels = merge_dim(*channels, bias)?;
    }
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}

/// States and results for each step and each sequence.
fn block_lstm(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let dims = with_rank(cx.input(1), 3)?;
    let biases = with_rank(cx.input(8), 1)?;
    // The biases of four gates.
    let n_cells = biases.first().copied().flatten().map(|n| n / 4);
    let dims: Vec<Dim> = dims.into_iter().take(2).chain([n_cells]).collect();
    for index in 0..cx.n_outputs() {
        cx.set_output(index, PartialShape::new(dims.clone()));
    }
    Ok(())
}

/// A loss for each sequence, and the gradients of what it was computed from.
fn ctc_loss(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let dims = with_rank(cx.input(0), 3)?;
    let lengths = with_rank(cx.input(3), 1)?;
    let batch = dims.get(1).copied().flatten();
    let batch = merge_dim(batch, lengths.first().copied().flatten())?;
    cx.set_output(0, PartialShape::new(vec![batch]));
    cx.set_output(1, PartialShape::new(dims));
    Ok(())
}

fn fused_batch_norm(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let mut dims = with_rank(cx.input(0), 4)?;
    let place = if channels_first(cx) { 1 } else { 3 };
    let mut channels: Dim = dims.get(place).copied().flatten();
    let is_training = cx.attrs().bool("is_training") == Ok(true);
    let has_average = cx.attrs().float("exponential_avg_factor").is_ok_and(|factor| factor != 1.0);
    let n_vectors = if is_training && !has_average { 3 } else { 5 };
    for index in 1..n_vectors {
        let vector = with_rank(cx.input(index), 1)?;
        channels = merge_dim(channels, vector.first().copied().flatten())?;
    }
    if let Some(place) = dims.get_mut(place) {
        *place = channels;
    }
    cx.set_output(0, PartialShape::new(dims));
    for index in 1..5 {
        cx.set_output(index, vector(channels));
    }
    Ok(())
}

fn in_top_k(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let predictions = with_rank(cx.input(0), 2)?;
    let targets = with_rank(cx.input(1), 1)?;
    let n = merge_dim(predictions.first().copied().flatten(), targets.first().copied().flatten())?;
    cx.set_output(0, vector(n));
    Ok(())
}

fn lrn(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let dims = with_rank(cx.input(0), 4)?;
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}

fn softmax_cross_entropy(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let logits = with_rank(cx.input(0), 2).map(PartialShape::new);
    let shape = match logits.and_then(|logits| merge(&logits, cx.input(1))) {
        Ok(shape) => shape,
        Err(_) => {
            let shape = broadcast(cx.input(0), cx.input(1))?;
            match shape.rank() {
                Some(2) => shape,
                Some(rank) => {
                    return Err(format!(
                        "Shape must be broadcasted with rank 2, but is rank {rank}"
                    ));
                }
                None => {
                    return Err(
                        "Shape must be broadcasted with rank 2, but is rank is unknown.".to_owned()
                    );
                }
            }
        }
    };
    let rows = shape.dims().and_then(|dims| dims.first().copied().flatten());
    cx.set_output(0, vector(rows));
    cx.set_output(1, shape);
    Ok(())
}

fn sparse_softmax_cross_entropy(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let mut logits = with_rank(cx.input(0), 2)?;
    let labels = with_rank(cx.input(1), 1)?;
    let rows = merge_dim(logits.first().copied().flatten(), labels.first().copied().flatten())?;
    if let Some(place) = logits.first_mut() {
        *place = rows;
    }
    cx.set_output(0, vector(rows));
    cx.set_output(1, PartialShape::new(logits));
    Ok(())
}

fn top_k(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let dims = with_rank_at_least(cx.input(0), 1)?;
    with_rank(cx.input(1), 0)?;
    let k = cx.constant(1).and_then(|value| to_i64(&value).first().copied());
    let k = k.and_then(|k| u64::try_from(k).ok());
    let Some(dims) = dims else { return Ok(()) };
    if let (Some(Some(size)), Some(k)) = (dims.last(), k)
        && *size < k
    {
        return Err(format!("input must have last dimension >= k = {k} but is {size}"));
    }
    let mut dims = dims.to_vec();
    if let Some(last) = dims.last_mut() {
        *last = k;
    }
    cx.set_output(0, PartialShape::new(dims.clone()));
    cx.set_output(1, PartialShape::new(dims));
    Ok(())
}
