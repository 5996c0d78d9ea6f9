//! From random words to numbers: TensorFlow's own ways, so that its numbers come out.

use flowkeep_linalg::Pool;
use flowkeep_tensor::{Element, bf16, f16};

use super::philox::Philox;

/// A way to make numbers from words, a group at a time.
pub(super) trait Distribution<T>: Send + Sync {
    /// The numbers of a group.
    const GROUP: usize;

    /// The blocks that belong to a group, whether it needs them or not.
    const BLOCKS: u64 = 1;

    /// Makes the numbers of the group that `stream` stands at; `out` may want fewer of them.
    fn group(&self, stream: &mut Philox, out: &mut [T]);
}

/// Fills `out` from the blocks of `stream`.
pub(super) fn fill<T: Element, D: Distribution<T>>(
    pool: &Pool,
    stream: Philox,
    distribution: &D,
    out: &mut [T],
) {
    /// Groups per task.
    const GRAIN: usize = 1024;
    pool.parallel_chunks(out, GRAIN * D::GROUP, |i, out| {
        let mut first = stream.skip((i * GRAIN) as u64 * D::BLOCKS);
        for out in out.chunks_mut(D::GROUP) {
            distribution.group(&mut first.clone(), out);
            first = first.skip(D::BLOCKS);
        }
    });
}

/// A float made of random words.
pub(super) trait RandomFloat: Element {
    /// The numbers that a block makes.
    const PER_BLOCK: usize;

    /// Number `n` of a block, uniform in `[0, 1)`: random bits as the mantissa of a number in
    /// `[1, 2)`, minus 1.
    fn uniform(block: [u32; 4], n: usize) -> Self;

    /// Two normal numbers of a block, `n` and `n + 1`, with `n` even.
    fn normal(block: [u32; 4], n: usize) -> [Self; 2];

    /// Two normal numbers of the next words, and whether each is within two standard deviations.
    fn normal_in_range(words: &mut impl FnMut() -> u32) -> [(Self, bool); 2];
}

#[inline]
fn uniform_f32(word: u32) -> f32 {
    f32::from_bits(127 << 23 | word & 0x7f_ffff) - 1.0
}

#[inline]
fn uniform_f64(high: u32, low: u32) -> f64 {
    f64::from_bits(1023 << 52 | u64::from(high & 0xf_ffff) << 32 | u64::from(low)) - 1.0
}

/// The transform of Box and Muller; the number made with the sine comes first.
#[inline]
fn box_muller_f32(a: u32, b: u32) -> [f32; 2] {
    let u = uniform_f32(a).max(1e-7);
    let angle = (std::f64::consts::TAU * f64::from(uniform_f32(b))) as f32;
    let radius = (-2.0 * u.ln()).sqrt();
    [angle.sin() * radius, angle.cos() * radius]
}

#[inline]
fn box_muller_f64(words: [u32; 4]) -> [f64; 2] {
    let u = uniform_f64(words[0], words[1]).max(1e-7);
    let angle = std::f64::consts::TAU * uniform_f64(words[2], words[3]);
    let radius = (-2.0 * u.ln()).sqrt();
    [angle.sin() * radius, angle.cos() * radius]
}

/// The bound of truncated normal numbers, in standard deviations.
const BOUND: f32 = 2.0;

macro_rules! of_one_word {
    ($($t:ty, $uniform:expr, $narrow:expr;)*) => {$(
        impl RandomFloat for $t {
            const PER_BLOCK: usize = 4;

            #[inline]
            fn uniform(block: [u32; 4], n: usize) -> $t {
                $uniform(block[n % 4])
            }

            #[inline]
            fn normal(block: [u32; 4], n: usize) -> [$t; 2] {
                box_muller_f32(block[n % 4], block[(n + 1) % 4]).map($narrow)
            }

            #[inline]
            fn normal_in_range(words: &mut impl FnMut() -> u32) -> [($t, bool); 2] {
                let (a, b) = (words(), words());
                box_muller_f32(a, b).map(|x| ($narrow(x), x.abs() < BOUND))
            }
        }
    )*};
}

of_one_word! {
    f32, uniform_f32, |x: f32| x;
    f16, |word: u32| f16::from_f32(f16::from_bits(15 << 10 | word as u16 & 0x3ff).to_f32() - 1.0),
        f16::from_f32;
    bf16, |word: u32| bf16::from_f32(bf16::from_bits(127 << 7 | word as u16 & 0x7f).to_f32() - 1.0),
        bf16::from_f32;
}

impl RandomFloat for f64 {
    const PER_BLOCK: usize = 2;

    #[inline]
    fn uniform(block: [u32; 4], n: usize) -> f64 {
        let at = n % 2 * 2;
        uniform_f64(block[at], block[at + 1])
    }

    #[inline]
    fn normal(block: [u32; 4], _: usize) -> [f64; 2] {
        box_muller_f64(block)
    }

    #[inline]
    fn normal_in_range(words: &mut impl FnMut() -> u32) -> [(f64, bool); 2] {
        let block = [words(), words(), words(), words()];
        box_muller_f64(block).map(|x| (x, x.abs() < BOUND.into()))
    }
}

/// Uniform in `[0, 1)`.
pub(super) struct Uniform;

impl<T: RandomFloat> Distribution<T> for Uniform {
    const GROUP: usize = T::PER_BLOCK;

    #[inline]
    fn group(&self, stream: &mut Philox, out: &mut [T]) {
        let block = stream.next();
        for (n, out) in out.iter_mut().enumerate() {
            *out = T::uniform(block, n);
        }
    }
}

/// Normal, of mean 0 and standard deviation 1.
pub(super) struct Normal;

impl<T: RandomFloat> Distribution<T> for Normal {
    const GROUP: usize = T::PER_BLOCK;

    #[inline]
    fn group(&self, stream: &mut Philox, out: &mut [T]) {
        let block = stream.next();
        for (n, out) in out.chunks_mut(2).enumerate() {
            out.iter_mut().zip(T::normal(block, 2 * n)).for_each(|(out, x)| *out = x);
        }
    }
}

/// Normal, drawn again where more than two standard deviations from the mean.
pub(super) struct TruncatedNormal;

impl<T: RandomFloat> Distribution<T> for TruncatedNormal {
    const GROUP: usize = T::PER_BLOCK;
    /// 256 words for each number.
    const BLOCKS: u64 = 256 * T::PER_BLOCK as u64 / 4;

    fn group(&self, stream: &mut Philox, out: &mut [T]) {
        let mut words = stream.words();
        let mut n = 0;
        while n < out.len() {
            for (x, in_range) in T::normal_in_range(&mut words) {
                if let (true, Some(out)) = (in_range, out.get_mut(n)) {
                    *out = x;
                    n += 1;
                }
            }
        }
    }
}

/// An integer made of random words.
pub(super) trait RandomInt: Element {
    /// The numbers that a block makes.
    const PER_BLOCK: usize;

    /// Number `n` of a block, uniform over all values.
    fn full(block: [u32; 4], n: usize) -> Self;

    /// `low + self mod (high - low)`, of unsigned numbers.
    fn in_range(self, low: Self, high: Self) -> Self;
}

macro_rules! random_ints {
    ($($t:ty, $unsigned:ty, $per_block:expr;)*) => {$(
        impl RandomInt for $t {
            const PER_BLOCK: usize = $per_block;

            #[inline]
            fn full(block: [u32; 4], n: usize) -> $t {
                match Self::PER_BLOCK {
                    4 => block[n % 4] as $t,
                    // Two words, the lower one first.
                    _ => {
                        let at = n % 2 * 2;
                        (u64::from(block[at]) | u64::from(block[at + 1]) << 32) as $t
                    }
                }
            }

            #[inline]
            fn in_range(self, low: $t, high: $t) -> $t {
                let range = (high as $unsigned).wrapping_sub(low as $unsigned);
                low.wrapping_add((self as $unsigned).checked_rem(range).unwrap_or(0) as $t)
            }
        }
    )*};
}

random_ints! {
    i32, u32, 4;
    u32, u32, 4;
    i64, u64, 2;
    u64, u64, 2;
}

/// Integers from `low` up to, not including, `high`.
pub(super) struct UniformInt<T> {
    pub(super) low: T,
    pub(super) high: T,
}

impl<T: RandomInt> Distribution<T> for UniformInt<T> {
    const GROUP: usize = T::PER_BLOCK;

    #[inline]
    fn group(&self, stream: &mut Philox, out: &mut [T]) {
        let block = stream.next();
        for (n, out) in out.iter_mut().enumerate() {
            *out = T::full(block, n).in_range(self.low, self.high);
        }
    }
}

/// Integers of any value.
pub(super) struct FullInt;

impl<T: RandomInt> Distribution<T> for FullInt {
    const GROUP: usize = T::PER_BLOCK;

    #[inline]
    fn group(&self, stream: &mut Philox, out: &mut [T]) {
        let block = stream.next();
        for (n, out) in out.iter_mut().enumerate() {
            *out = T::full(block, n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_depend_on_the_number_of_threads() {
        let draw = |threads| {
            let mut out = vec![0.0f32; 9001];
            fill(&Pool::new(threads), Philox::new(1, 0, 2), &TruncatedNormal, &mut out);
            out
        };
        let out = draw(1);
        assert_eq!(out, draw(3));
        assert!(out.iter().all(|x| x.abs() < BOUND));
    }

    #[test]
    fn integers_stay_in_their_range() {
        assert_eq!(0xffff_ffffu32.in_range(0, 10), 4294967295 % 10);
        assert_eq!((-1i32).in_range(i32::MIN, i32::MAX), i32::MIN);
        assert_eq!(17i64.in_range(-3, 7), 4);
        assert_eq!(5i32.in_range(3, 3), 3);
    }
}
