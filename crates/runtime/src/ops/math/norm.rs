//! `EuclideanNorm`.

use flowkeep_linalg::{Pool, reduce};
use flowkeep_tensor::{Complex, Element, Tensor, bf16, f16};

use super::reduce::build_each;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::Built;
use crate::ops::dispatch::{no_type, with_number};

/// The square root of the sum of the squared magnitudes; of integers truncated, their sums wrap.
///
/// Shapes and errors: as all reductions.  Types: numbers.  Source: OpDef `EuclideanNorm`.
pub(super) fn euclidean_norm(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_number!(
        dtype,
        T => build_each(init, run::<T>),
        else Err(no_type(init, dtype))
    )
}

fn run<T: Squared>(
    pool: &Pool,
    x: &Tensor,
    dims: [usize; 3],
    y: &mut Tensor,
) -> Result<(), Status> {
    let (x, y) = (x.as_slice::<T>()?, y.make_mut::<T>()?);
    reduce::fold(pool, x, dims, y, T::EMPTY, T::add_square, T::merge, T::root);
    Ok(())
}

/// A number with the type that its squares are summed in.
trait Squared: Element {
    type Sum: Copy + Send + Sync;
    const EMPTY: Self::Sum;

    fn add_square(sum: Self::Sum, x: Self) -> Self::Sum;
    fn merge(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    fn root(sum: Self::Sum) -> Self;
}

macro_rules! impl_squared {
    ($($t:ty as $sum:ty: |$x:ident| $square:expr, |$root:ident| $finish:expr;)*) => {$(
        impl Squared for $t {
            type Sum = $sum;
            const EMPTY: $sum = 0.0;

            #[inline(always)]
            fn add_square(sum: $sum, $x: $t) -> $sum {
                sum + $square
            }
            #[inline(always)]
            fn merge(a: $sum, b: $sum) -> $sum {
                a + b
            }
            fn root(sum: $sum) -> $t {
                let $root = sum.sqrt();
                $finish
            }
        }
    )*};
}

impl_squared! {
    f32 as f32: |x| x * x, |root| root;
    f64 as f64: |x| x * x, |root| root;
    f16 as f32: |x| x.to_f32() * x.to_f32(), |root| f16::from_f32(root);
    bf16 as f32: |x| x.to_f32() * x.to_f32(), |root| bf16::from_f32(root);
    Complex<f32> as f32: |x| x.re * x.re + x.im * x.im, |root| Complex { re: root, im: 0.0 };
    Complex<f64> as f64: |x| x.re * x.re + x.im * x.im, |root| Complex { re: root, im: 0.0 };
}

macro_rules! impl_squared_integers {
    ($($t:ty)*) => {$(
        impl Squared for $t {
            type Sum = $t;
            const EMPTY: $t = 0;

            #[inline(always)]
            fn add_square(sum: $t, x: $t) -> $t {
                sum.wrapping_add(x.wrapping_mul(x))
            }
            #[inline(always)]
            fn merge(a: $t, b: $t) -> $t {
                a.wrapping_add(b)
            }
            fn root(sum: $t) -> $t {
                (sum as f64).sqrt() as $t
            }
        }
    )*};
}

impl_squared_integers!(i8 i16 i32 i64 u8 u16 u32 u64);
