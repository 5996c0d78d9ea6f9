//! Where indices come to stand in a random order, one by one.

use std::fmt::Display;

use flowkeep_tensor::{DType, Element, Shape, Tensor};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_type};

/// A permutation of the numbers of some bits: the Simon block cipher with a key of three words and few
/// rounds.
///
/// Beaulieu and others: "The Simon and Speck families of lightweight block ciphers" (2013).
struct Cipher {
    /// The bits of half a block.
    n_bits: u32,
    round_keys: Vec<u64>,
}

impl Cipher {
    /// A cipher of blocks that hold `max_index`, and at least 16 bits.
    fn new(key: [u32; 3], max_index: u64, n_rounds: usize) -> Cipher {
        let needed = (max_index as f64).log2().ceil() as u32;
        let n_bits = needed.div_ceil(2).clamp(8, 32);
        let mut cipher = Cipher { n_bits, round_keys: Vec::with_capacity(n_rounds) };
        let mut z = cipher.half(0x7369_f885_192c_0ef5);
        for round in 0..n_rounds {
            let round_key = match (key.get(round), cipher.round_keys.as_slice()) {
                (Some(word), _) => cipher.half(u64::from(*word)),
                (None, [.., third_last, _, last]) => {
                    let last = cipher.rotate_right(*last, 3) ^ cipher.rotate_right(*last, 4);
                    let constant = cipher.half(0xffff_fffc) ^ z & 1;
                    z >>= 1;
                    constant ^ third_last ^ last
                }
                (None, _) => 0,
            };
            cipher.round_keys.push(round_key);
        }
        cipher
    }

    fn half(&self, x: u64) -> u64 {
        x & ((1 << self.n_bits) - 1)
    }

    fn rotate_left(&self, x: u64, n: u32) -> u64 {
        self.half(x << n) | x >> (self.n_bits - n)
    }

    fn rotate_right(&self, x: u64, n: u32) -> u64 {
        x >> n | self.half(x << (self.n_bits - n))
    }

    fn encrypt(&self, block: u64) -> u64 {
        let (mut left, mut right) = (self.half(block >> self.n_bits), self.half(block));
        for round_key in &self.round_keys {
            let mixed = self.rotate_left(right, 1) & self.rotate_left(right, 8);
            left ^= mixed ^ self.rotate_left(right, 2) ^ round_key;
            (left, right) = (right, left);
        }
        left << self.n_bits | right
    }
}

/// The place of `index` in a random order of the numbers up to `max_index`.
///
/// Encrypts again until the result is one of them: Black, Rogaway: "Ciphers with arbitrary finite
/// domains" (2002).
fn place(index: u64, key: [u32; 3], max_index: u64, n_rounds: usize) -> u64 {
    if max_index == 0 {
        return 0;
    }
    let cipher = Cipher::new(key, max_index, n_rounds);
    let mut place = cipher.encrypt(index);
    while place > max_index {
        place = cipher.encrypt(place);
    }
    place
}

/// Gives the places of indices in a random order of the numbers from 0 to `max_index`.
///
/// Shapes: `index []` or `[N]`, `seed [3]` or `[N, 3]`, `max_index []` or `[N]` → `[N]`, or a scalar if all are
/// of the lower rank.  Types: `dtype` and `Tseed` i32, i64, u32 or u64.
/// Errors: `INVALID_ARGUMENT` for other shapes, negative numbers, an index beyond `max_index`, and rounds
/// that are odd or fewer than 4.
/// Source: OpDef `RandomIndexShuffle`.
pub(super) fn random_index_shuffle(init: &KernelInit<'_>) -> Built {
    let (dtype, rounds) = (init.attr_type("dtype")?, init.attr_int("rounds")?);
    /// More than any cipher of its kind has.
    const MAX_ROUNDS: usize = 1 << 10;
    let n_rounds = usize::try_from(rounds).ok().filter(|n| (4..=MAX_ROUNDS).contains(n));
    let Some(n_rounds) = n_rounds.filter(|n| n % 2 == 0) else {
        return Err(Status::invalid_argument(format!(
            "rounds must be even, at least 4 and at most {MAX_ROUNDS}, not {rounds}"
        )));
    };
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64, U32 => u32, U64 => u64] => kernel(move |cx| {
            let places = places::<T>(cx, n_rounds)?;
            cx.set_output(0, places)
        }),
        else Err(no_type(init, dtype))
    )
}

fn places<T: Index>(cx: &KernelContext<'_>, n_rounds: usize) -> Result<Tensor, Status> {
    let invalid = |message: String| Err(Status::invalid_argument(message));
    let (index, seed, max_index) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let n = index.n_elements().max(max_index.n_elements()).max(seed.n_elements() / 3);
    if !index.shape().is_scalar() && index.dims() != [n] {
        // The reference's spelling.
        return invalid("Index bust be a scalar or vector.".to_owned());
    }
    if seed.dims() != [3] && seed.dims() != [n, 3] {
        let shape = seed.shape();
        return invalid(format!(
            "Seed must be a vector of size [3] or a matrix of size [{n}, 3] but got {shape}."
        ));
    }
    if !max_index.shape().is_scalar() && max_index.dims() != [n] {
        let shape = max_index.shape();
        return invalid(format!(
            "Maxval must be a scalar or a vector of the same size as index but got {shape}"
        ));
    }
    let lowest =
        index.shape().is_scalar() && seed.shape().rank() == 1 && max_index.shape().is_scalar();
    let shape = if lowest { Shape::SCALAR } else { Shape::from([n]) };
    let seeds = words(seed)?;
    let (indices, max_indices) = (index.as_slice::<T>()?, max_index.as_slice::<T>()?);
    let at = |values: &[T], i: usize| values[if values.len() == 1 { 0 } else { i }];
    let mut places = Vec::with_capacity(n);
    for i in 0..n {
        let (index, max_index) = (at(indices, i), at(max_indices, i));
        let zero = T::default();
        if index < zero {
            return invalid(format!("index must be >= 0 but was {index}"));
        } else if max_index < zero {
            return invalid(format!("max_index must be >= 0 but was {max_index}"));
        } else if max_index < index {
            return invalid(format!("max_index must be >= index, but {max_index} < {index}"));
        }
        let row = if seed.shape().rank() == 1 { 0 } else { i };
        let key = [seeds[3 * row], seeds[3 * row + 1], seeds[3 * row + 2]];
        places.push(T::of(place(index.wide(), key, max_index.wide(), n_rounds)));
    }
    Ok(Tensor::from_vec(shape, places)?)
}

/// The lower words of seeds.
fn words(seeds: &Tensor) -> Result<Vec<u32>, Status> {
    Ok(match seeds.dtype() {
        DType::I32 => seeds.as_slice::<i32>()?.iter().map(|seed| *seed as u32).collect(),
        DType::I64 => seeds.as_slice::<i64>()?.iter().map(|seed| *seed as u32).collect(),
        DType::U64 => seeds.as_slice::<u64>()?.iter().map(|seed| *seed as u32).collect(),
        _ => seeds.as_slice::<u32>()?.to_vec(),
    })
}

/// A type of indices.
trait Index: Element + PartialOrd + Display {
    fn wide(self) -> u64;
    fn of(wide: u64) -> Self;
}

macro_rules! indices {
    ($($t:ty)*) => {$(
        impl Index for $t {
            fn wide(self) -> u64 {
                self as u64
            }

            fn of(wide: u64) -> $t {
                wide as $t
            }
        }
    )*};
}

indices! { i32 i64 u32 u64 }

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of TensorFlow 2.21.
    #[test]
    fn places_are_those_of_the_reference() {
        let places: Vec<u64> = (0..10).map(|index| place(index, [1, 2, 3], 9, 4)).collect();
        assert_eq!(places, [2, 0, 6, 4, 8, 1, 7, 9, 5, 3]);
        assert_eq!(place(1, [1, 2, 3], 9, 6), 6);
        assert_eq!(place(5, [1, 2, 3], u64::MAX, 4), 1_489_011_472_583);
        assert_eq!(place(5, [1, 2, 3], (1 << 62) + 1, 4), 744_505_735_367);
    }

    #[test]
    fn every_place_is_taken_once() {
        for max_index in [1, 9, 300, 70_000] {
            let mut places: Vec<u64> =
                (0..=max_index).map(|index| place(index, [1, 2, 3], max_index, 4)).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..=max_index));
        }
    }
}
