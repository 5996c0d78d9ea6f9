//! Batch normalization.

use std::marker::PhantomData;

use flowkeep_linalg::Pool;
use flowkeep_linalg::norm::{BatchNorm, batch_norm, batch_norm_in_place};
use flowkeep_tensor::{DType, Tensor};

use super::layout::DataFormat;
use super::real::{Real, zeros};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::product;
use crate::ops::dispatch::{no_type, with_type};

/// Normalizes each channel: `y = (x - mean) * scale / sqrt(variance + epsilon) + offset`.
///
/// Shapes: `x [N, .., C]` of rank 4 or 5, or channels first; `scale`, `offset`, `mean`, `variance`
/// `[C]`, the last two empty in training unless averages are kept → `y` as `x`, `batch_mean [C]`,
/// `batch_variance [C]`, and what the gradient needs: mean and variance again, for V3 an empty
/// scalar.  Types: `x` float or of 16 bits, the others float.
/// In training the statistics are those of `x`; `batch_variance` is the unbiased one, and both
/// are blended with `mean` and `variance` when `exponential_avg_factor` is not 1. Else the statistics
/// are given, and the outputs repeat them.
/// Errors: `INVALID_ARGUMENT` for other ranks and lengths.
/// Source: OpDefs `FusedBatchNorm`, `FusedBatchNormV2`, `FusedBatchNormV3`.
struct FusedBatchNorm<T> {
    format: DataFormat,
    epsilon: f32,
    is_training: bool,
    /// The weight of this batch in the averages.
    factor: f32,
    has_reserve_space_3: bool,
    dtype: PhantomData<T>,
}

pub(super) fn fused_batch_norm(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let factor = match init.attr("exponential_avg_factor") {
        Some(_) => init.attr_float("exponential_avg_factor")?,
        None => 1.0,
    };
    let (format, dtype) = (DataFormat::new(init)?, init.attr_type("T")?);
    let epsilon = init.attr_float("epsilon")?;
    let is_training = init.attr_bool("is_training")?;
    let has_reserve_space_3 = init.n_outputs() > 5;
    with_type!(
        dtype,
        T in [F16 => flowkeep_tensor::f16, BF16 => flowkeep_tensor::bf16, F32 => f32] => {
            let dtype = PhantomData::<T>;
            Ok(Box::new(FusedBatchNorm {
                format, epsilon, is_training, factor, has_reserve_space_3, dtype,
            }))
        },
        else Err(no_type(init, dtype))
    )
}

impl<T: Real<Wide = f32>> OpKernel for FusedBatchNorm<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let x = cx.take_input(0)?;
        let dims = self.dims(&x)?;
        let parameters = self.parameters(cx)?;
        self.check(dims[1], parameters)?;
        let [scale, offset] = [parameters[0].as_slice()?, parameters[1].as_slice()?];
        let (mean, variance) = (parameters[2].clone(), parameters[3].clone());
        let (old_mean, old_variance) = (mean.as_slice::<f32>()?, variance.as_slice::<f32>()?);
        let (pool, epsilon) = (cx.pool(), self.epsilon);
        let normalize = |x: Tensor, mean: &[f32], variance: &[f32]| {
            let params = BatchNorm { scale, offset, mean, variance, epsilon };
            normalize::<T>(cx, x, dims, &params)
        };
        let (y, statistics) = if self.is_training {
            let stats = Statistics::of(pool, &T::widen_all(pool, x.as_slice::<T>()?)?, dims)?;
            let y = normalize(x, &stats.mean, &stats.variance)?;
            let averages = self.averages(&stats, old_mean, old_variance);
            let [batch_mean, batch_variance] = averages.map(Tensor::from_elements);
            let reserve = [stats.mean, stats.variance].map(Tensor::from_elements);
            let [reserve_mean, reserve_variance] = reserve;
            (y, [batch_mean, batch_variance, reserve_mean, reserve_variance])
        } else {
            let is_empty = x.n_elements() == 0;
            let y = normalize(x, old_mean, old_variance)?;
            // TensorFlow gives no statistics of nothing, even if it was told some.
            let nan = || Tensor::from_elements(vec![f32::NAN; dims[1]]);
            match is_empty {
                true => (y, [nan(), nan(), mean, variance]),
                false => (y, [mean.clone(), variance.clone(), mean, variance]),
            }
        };
        cx.set_output(0, y)?;
        for (idx, tensor) in statistics.into_iter().enumerate() {
            cx.set_output(idx + 1, tensor)?;
        }
        if self.has_reserve_space_3 {
            cx.set_output(5, Tensor::scalar(0.0f32))?;
        }
        Ok(())
    }
}

/// The normalized tensor, in the memory of `x` where nobody else needs it.
fn normalize<T: Real<Wide = f32>>(
    cx: &KernelContext<'_>,
    mut x: Tensor,
    dims: [usize; 3],
    params: &BatchNorm<'_, f32>,
) -> Result<Tensor, Status> {
    let pool = cx.pool();
    if T::DTYPE == DType::F32 && x.is_unique() {
        batch_norm_in_place(pool, x.make_mut::<f32>()?, dims, params);
        return Ok(x);
    }
    let mut y = cx.allocate(T::DTYPE, x.shape())?;
    let wide = T::widen_all(pool, x.as_slice::<T>()?)?;
    T::write(pool, y.make_mut::<T>()?, |y| batch_norm(pool, &wide, dims, params, y))?;
    Ok(y)
}

impl<T: Real> FusedBatchNorm<T> {
    /// Scale, offset, mean and variance, which must be vectors.
    fn parameters<'a>(&self, cx: &'a KernelContext<'_>) -> Result<[&'a Tensor; 4], Status> {
        let names = ["scale", "offset", "estimated_mean", "estimated_variance"];
        for (idx, name) in (1..).zip(names) {
            let shape = cx.input(idx)?.shape();
            if shape.rank() != 1 {
                let message = format!("{name} must be 1-dimensional{shape}");
                return Err(Status::invalid_argument(message));
            }
        }
        Ok([cx.input(1)?, cx.input(2)?, cx.input(3)?, cx.input(4)?])
    }

    /// The elements before, along and after the channels.
    fn dims(&self, x: &Tensor) -> Result<[usize; 3], Status> {
        let dims = x.dims();
        if dims.len() != 4 && dims.len() != 5 {
            return Err(Status::invalid_argument(format!(
                "input must be 4 or 5-dimensional{}",
                x.shape()
            )));
        }
        let axis = match self.format {
            DataFormat::ChannelsLast => dims.len() - 1,
            DataFormat::ChannelsFirst => 1,
        };
        match x.n_elements() {
            // The products of the other dimensions need not be numbers.
            0 => Ok([0, dims[axis], 1]),
            _ => Ok([product(&dims[..axis]), dims[axis], product(&dims[axis + 1..])]),
        }
    }

    fn check(&self, channels: usize, parameters: [&Tensor; 4]) -> Result<(), Status> {
        let condition = match (self.is_training, self.factor == 1.0) {
            (false, _) => "When is_training=false, ",
            (true, false) => "When exponential_avg_factor != 1, ",
            (true, true) => "",
        };
        let names = ["scale", "offset", "mean", "variance"];
        for (idx, (tensor, name)) in parameters.into_iter().zip(names).enumerate() {
            // The statistics of a pure training step are not read.
            if idx >= 2 && condition.is_empty() {
                continue;
            }
            let got = tensor.n_elements();
            if got != channels {
                let condition = if idx < 2 { "" } else { condition };
                return Err(Status::invalid_argument(format!(
                    "{condition}{name} must have the same number of elements as the channels of x, \
                     got {got} and {channels}"
                )));
            }
            if tensor.dtype() != DType::F32 {
                let got = tensor.dtype();
                let error = flowkeep_tensor::Error::DTypeMismatch { expected: DType::F32, got };
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Mean and unbiased variance, blended with the old averages.
    fn averages(&self, stats: &Statistics, mean: &[f32], variance: &[f32]) -> [Vec<f32>; 2] {
        let n = stats.n_per_channel as f32;
        let unbiased = stats.variance.iter().map(|v| v * (n / (n - 1.0).max(1.0))).collect();
        let blend = |new: Vec<f32>, old: &[f32]| {
            if self.factor == 1.0 {
                return new;
            }
            let blended =
                new.iter().zip(old).map(|(new, old)| (1.0 - self.factor) * old + self.factor * new);
            blended.collect()
        };
        [blend(stats.mean.clone(), mean), blend(unbiased, variance)]
    }
}

/// Mean and biased variance of each channel; NaN where there is no element.
struct Statistics {
    mean: Vec<f32>,
    variance: Vec<f32>,
    n_per_channel: usize,
}

impl Statistics {
    fn of(pool: &Pool, x: &[f32], dims: [usize; 3]) -> Result<Statistics, Status> {
        let n = dims[0].saturating_mul(dims[2]);
        let over_n =
            |sums: Vec<f64>| sums.into_iter().map(|sum| sum / n as f64).collect::<Vec<_>>();
        let mean = over_n(sums(pool, x, dims, |x, _| x)?);
        let squared_distance = |x: f64, c: usize| (x - mean[c]) * (x - mean[c]);
        let variance = over_n(sums(pool, x, dims, squared_distance)?);
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Ok(Statistics { variance: narrow(variance), mean: narrow(mean), n_per_channel: n })
    }
}

/// The sum of `f(element, channel)` over each channel. It does not depend on the number of threads.
fn sums(
    pool: &Pool,
    x: &[f32],
    [outer, channels, inner]: [usize; 3],
    f: impl Fn(f64, usize) -> f64 + Sync,
) -> Result<Vec<f64>, Status> {
    /// Elements per task.
    const GRAIN: usize = 32 << 10;
    let mut totals = zeros::<f64>(channels)?;
    if x.is_empty() {
        return Ok(totals);
    }
    let row_len = channels * inner;
    let rows_per_part = (GRAIN / row_len).max(1);
    let mut parts = zeros::<f64>(outer.div_ceil(rows_per_part) * channels)?;
    pool.parallel_chunks(&mut parts, channels, |i, part| {
        let rows = x[i * rows_per_part * row_len..].chunks(row_len).take(rows_per_part);
        for row in rows {
            for (c, (sum, plane)) in part.iter_mut().zip(row.chunks(inner)).enumerate() {
                *sum += plane.iter().map(|x| f(f64::from(*x), c)).sum::<f64>();
            }
        }
    });
    for part in parts.chunks(channels) {
        totals.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of TensorFlow 2.21 for the images 0, 1, .. 7 of two channels.
    #[test]
    fn statistics_are_those_of_the_reference() {
        let x: Vec<f32> = (0..8).map(|x| x as f32).collect();
        let stats = Statistics::of(&Pool::new(1), &x, [4, 2, 1]).unwrap();
        assert_eq!((stats.mean, stats.variance), (vec![3.0, 4.0], vec![5.0, 5.0]));
        let stats = Statistics::of(&Pool::new(1), &x, [2, 2, 2]).unwrap();
        assert_eq!((stats.mean, stats.variance), (vec![2.5, 4.5], vec![4.25, 4.25]));
        let empty = Statistics::of(&Pool::new(1), &[], [0, 2, 1]).unwrap();
        assert!(empty.mean.iter().chain(&empty.variance).all(|value| value.is_nan()));
    }

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let x: Vec<f32> = (0..300_000).map(|x| (x as f32).sin()).collect();
        let sum = |threads| sums(&Pool::new(threads), &x, [100_000, 3, 1], |x, _| x * x).unwrap();
        assert_eq!(sum(1), sum(4));
    }
}
