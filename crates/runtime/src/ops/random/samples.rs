//! Numbers that take as many words as it takes: each has blocks of its own, which nobody else uses.

use std::sync::atomic::{AtomicBool, Ordering};

use flowkeep_linalg::Pool;
use flowkeep_tensor::{DType, Element, Shape, Tensor, f16};

use super::distribution::RandomFloat;
use super::philox::Philox;
use crate::kernel::Status;

/// How often a number is drawn again. Distributions that exist take at least a quarter of the tries.
pub(super) const MAX_TRIES: usize = 1 << 14;

/// The blocks that belong to a number.
pub(super) const BLOCKS: u64 = 256;

/// Draws numbers of one distribution with its parameters.
pub(super) trait Sampler: Sync {
    /// The blocks between the starts of two numbers.
    fn blocks(&self) -> u64 {
        BLOCKS
    }

    /// The number that `stream` makes; none if no try of [`MAX_TRIES`] gives one.
    fn draw(&self, stream: Philox) -> Option<f64>;
}

/// Fills `out`, of shape `[S.., P..]`, with numbers of `samplers`, of shape `[P..]`.
///
/// The numbers of a sampler have their blocks one after another, then come those of the next.
/// Errors: `INVALID_ARGUMENT` where a sampler finds no number.
pub(super) fn sample<S: Sampler, T: Sampled>(
    pool: &Pool,
    stream: Philox,
    samplers: &[S],
    out: &mut [T],
) -> Result<(), Status> {
    /// Numbers per task.
    const GRAIN: usize = 256;
    let n_samplers = samplers.len().max(1);
    let n_each = out.len() / n_samplers;
    let failed = AtomicBool::new(false);
    pool.parallel_chunks(out, GRAIN, |chunk, out| {
        if failed.load(Ordering::Relaxed) {
            return;
        }
        for (i, out) in out.iter_mut().enumerate() {
            let at = chunk * GRAIN + i;
            let (sample, which) = (at / n_samplers, at % n_samplers);
            let Some(sampler) = samplers.get(which) else { return };
            let number = (which * n_each + sample) as u64;
            match sampler.draw(stream.skip(number.wrapping_mul(sampler.blocks()))) {
                Some(x) => *out = T::from_double(x),
                None => return failed.store(true, Ordering::Relaxed),
            }
        }
    });
    match failed.into_inner() {
        false => Ok(()),
        true => Err(Status::invalid_argument(format!(
            "no number of type {} was found in {MAX_TRIES} tries for one of the parameters",
            T::DTYPE
        ))),
    }
}

/// The elements of a tensor of parameters.
///
/// Errors: `INVALID_ARGUMENT` for a type that is no parameter.
pub(super) fn parameters(tensor: &Tensor) -> Result<Vec<f64>, Status> {
    Ok(match tensor.dtype() {
        DType::F16 => tensor.as_slice::<f16>()?.iter().map(|x| x.to_f64()).collect(),
        DType::F32 => tensor.as_slice::<f32>()?.iter().map(|x| f64::from(*x)).collect(),
        DType::I32 => tensor.as_slice::<i32>()?.iter().map(|x| f64::from(*x)).collect(),
        DType::I64 => tensor.as_slice::<i64>()?.iter().map(|x| *x as f64).collect(),
        _ => tensor.as_slice::<f64>()?.to_vec(),
    })
}

/// Checks that numbers of shape `shape` can be made for parameters of shape `parameters`.
///
/// Errors: `INVALID_ARGUMENT` if the one does not end with the other.
pub(super) fn check_end(shape: &Shape, parameters: &Shape) -> Result<(), Status> {
    match shape.dims().ends_with(parameters.dims()) {
        true => Ok(()),
        false => Err(Status::invalid_argument("Shape passed in must end with broadcasted shape.")),
    }
}

/// What numbers are stored as.
pub(super) trait Sampled: Element {
    /// The largest value.
    const HIGHEST: f64;

    /// The nearest value; towards zero for an integer, and the lowest one for what it cannot hold.
    fn from_double(x: f64) -> Self;
}

impl Sampled for f64 {
    const HIGHEST: f64 = f64::MAX;

    fn from_double(x: f64) -> f64 {
        x
    }
}

impl Sampled for f32 {
    const HIGHEST: f64 = f32::MAX as f64;

    fn from_double(x: f64) -> f32 {
        x as f32
    }
}

impl Sampled for f16 {
    const HIGHEST: f64 = 65504.0;

    fn from_double(x: f64) -> f16 {
        f16::from_f32(x as f32)
    }
}

impl Sampled for i32 {
    const HIGHEST: f64 = i32::MAX as f64;

    fn from_double(x: f64) -> i32 {
        // Towards zero, as the bounds are.
        if x > -2_147_483_649.0 && x < 2_147_483_648.0 { x as i32 } else { i32::MIN }
    }
}

impl Sampled for i64 {
    const HIGHEST: f64 = i64::MAX as f64;

    fn from_double(x: f64) -> i64 {
        if (-Self::HIGHEST..Self::HIGHEST).contains(&x) { x as i64 } else { i64::MIN }
    }
}

/// Two numbers that are made of one block, and of which the second is taken first.
#[derive(Default)]
pub(super) struct Pair {
    numbers: [f64; 2],
    n_left: usize,
}

impl Pair {
    /// The next uniform number of `stream`.
    #[inline]
    pub(super) fn uniform(&mut self, stream: &mut Philox) -> f64 {
        self.take(|| {
            let block = stream.next();
            [f64::uniform(block, 0), f64::uniform(block, 1)]
        })
    }

    /// The next normal number of `stream`.
    #[inline]
    pub(super) fn normal(&mut self, stream: &mut Philox) -> f64 {
        self.take(|| f64::normal(stream.next(), 0))
    }

    #[inline]
    fn take(&mut self, make: impl FnOnce() -> [f64; 2]) -> f64 {
        if self.n_left == 0 {
            self.numbers = make();
            self.n_left = 2;
        }
        self.n_left -= 1;
        self.numbers[self.n_left]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says which stream it got.
    struct Place(u64);

    impl Sampler for Place {
        fn draw(&self, stream: Philox) -> Option<f64> {
            let (_, [low, _]) = stream.key_and_counter();
            (self.0 > 0).then_some(low as f64 / BLOCKS as f64)
        }
    }

    #[test]
    fn the_numbers_of_a_parameter_have_their_blocks_together() {
        for threads in [1, 3] {
            let mut out = vec![0.0f32; 6];
            let samplers = [Place(1), Place(1)];
            let stream = Philox::new(1, 0, 2);
            sample(&Pool::new(threads), stream, &samplers, &mut out).unwrap();
            assert_eq!(out, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error_not_a_hang() {
        let mut out = vec![0i64; 600];
        let done = sample(&Pool::new(2), Philox::new(1, 0, 2), &[Place(0)], &mut out);
        assert!(done.unwrap_err().to_string().contains("no number of type int64 was found"));
        assert!(sample::<Place, f32>(&Pool::new(2), Philox::new(1, 0, 2), &[], &mut []).is_ok());
    }

    #[test]
    fn integers_take_what_they_can_hold() {
        assert_eq!(i32::from_double(2_147_483_647.9), i32::MAX);
        assert_eq!(i32::from_double(2_147_483_648.0), i32::MIN);
        assert_eq!(i64::from_double(9.3e18), i64::MIN);
        assert_eq!(i64::from_double(-2.7), -2);
        assert_eq!(i32::from_double(f64::NAN), i32::MIN);
    }
}
