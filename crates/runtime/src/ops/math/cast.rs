//! `Cast`: numbers of one type as another.

use flowkeep_tensor::{Complex, DType, Tensor, bf16, f16};

use crate::kernel::KernelInit;
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_number, with_type};

/// Elements per task.
const GRAIN: usize = 32 << 10;

/// Converts elements to another type.
///
/// Shapes: `x [D..]` → `[D..]`.  Types: numbers and bool, to any of them.
/// Integers wrap; floats are rounded to the nearest, towards zero with `Truncate`. A float becomes an
/// integer as on x86: its fraction is dropped, and what is out of range gives the smallest `int32` or
/// `int64`, narrower types the low bits of the `int32`. What is not 0, NaN too, becomes `true`. The
/// imaginary part is dropped.  Source: OpDef `Cast`; values as on the reference CPU kernel.
pub(super) fn cast(init: &KernelInit<'_>) -> Built {
    let (from, to) = (init.attr_type("SrcT")?, init.attr_type("DstT")?);
    let truncate = init.attr_bool("Truncate")?;
    if from == to {
        return kernel(|cx| {
            let tensor = cx.take_input(0)?;
            cx.set_output(0, tensor)
        });
    }
    let convert = converter(from, to).ok_or_else(|| no_type(init, to))?;
    let dropped = if truncate { dropped_bits(from, to) } else { 0 };
    kernel(move |cx| {
        let pool = cx.pool();
        let mut tensor = cx.take_input(0)?;
        match from {
            _ if dropped == 0 => {}
            DType::F32 => tensor.make_mut::<f32>()?.iter_mut().for_each(|x| {
                if !x.is_nan() {
                    *x = f32::from_bits(x.to_bits() >> dropped << dropped);
                }
            }),
            _ => tensor.make_mut::<f64>()?.iter_mut().for_each(|x| {
                if !x.is_nan() {
                    *x = f64::from_bits(x.to_bits() >> dropped << dropped);
                }
            }),
        }
        let bytes = tensor.as_bytes()?;
        let output = Tensor::from_fill(to, tensor.shape(), |out| {
            let (from_size, to_size) = (size_of_type(from), size_of_type(to));
            pool.parallel_chunks(out, GRAIN * to_size, |idx, out| {
                let n = out.len() / to_size;
                convert(&bytes[idx * GRAIN * from_size..][..n * from_size], out);
            });
            Ok::<(), flowkeep_tensor::Error>(())
        })?;
        cx.set_output(0, output)
    })
}

fn size_of_type(dtype: DType) -> usize {
    dtype.size_bytes().unwrap_or(1)
}

/// How many more bits the mantissa of the first type has. From `double` to `bfloat16` TensorFlow
/// rounds all the same.
fn dropped_bits(from: DType, to: DType) -> u32 {
    let bits = |dtype| match dtype {
        DType::F64 => Some(52u32),
        DType::F32 => Some(23),
        DType::F16 => Some(10),
        DType::BF16 if from == DType::F32 => Some(7),
        _ => None,
    };
    match (from, bits(from), bits(to)) {
        (DType::F32 | DType::F64, Some(from), Some(to)) => from.saturating_sub(to),
        _ => 0,
    }
}

/// Casts elements, given and written as their bytes: of so many pairs of types, only the innermost
/// loop is compiled for each.
type Convert = fn(&[u8], &mut [u8]);

fn converter(from: DType, to: DType) -> Option<Convert> {
    macro_rules! with_castable {
        ($dtype:expr, $T:ident => $body:expr) => {
            with_number!(
                $dtype,
                $T => $body,
                else with_type!($dtype, $T in [Bool => bool] => $body, else None)
            )
        };
    }
    with_castable!(from, S => with_castable!(to, D => Some(convert::<S, D, _, _> as Convert)))
}

fn convert<S, D, const N: usize, const M: usize>(from: &[u8], to: &mut [u8])
where
    S: Bytes<N>,
    D: Bytes<M> + CastFrom<S>,
{
    for (to, from) in to.as_chunks_mut().0.iter_mut().zip(from.as_chunks().0) {
        *to = D::cast_from(S::from_bytes(*from)).into_bytes();
    }
}

/// A type whose values lie in memory as `N` bytes.
trait Bytes<const N: usize>: Copy {
    fn from_bytes(bytes: [u8; N]) -> Self;
    fn into_bytes(self) -> [u8; N];
}

macro_rules! impl_bytes {
    ($($t:ident: $n:literal)*) => {$(
        impl Bytes<$n> for $t {
            #[inline(always)]
            fn from_bytes(bytes: [u8; $n]) -> $t {
                <$t>::from_ne_bytes(bytes)
            }
            #[inline(always)]
            fn into_bytes(self) -> [u8; $n] {
                self.to_ne_bytes()
            }
        }
    )*};
}

impl_bytes! { i8: 1 i16: 2 i32: 4 i64: 8 u8: 1 u16: 2 u32: 4 u64: 8 f32: 4 f64: 8 f16: 2 bf16: 2 }

impl Bytes<1> for bool {
    #[inline(always)]
    fn from_bytes([byte]: [u8; 1]) -> bool {
        byte != 0
    }
    #[inline(always)]
    fn into_bytes(self) -> [u8; 1] {
        [self.into()]
    }
}

macro_rules! impl_complex_bytes {
    ($($part:ident: $n:literal, $half:literal;)*) => {$(
        impl Bytes<$n> for Complex<$part> {
            #[inline(always)]
            fn from_bytes(bytes: [u8; $n]) -> Self {
                let (mut re, mut im) = ([0; $half], [0; $half]);
                re.copy_from_slice(&bytes[..$half]);
                im.copy_from_slice(&bytes[$half..]);
                Complex { re: <$part>::from_ne_bytes(re), im: <$part>::from_ne_bytes(im) }
            }
            #[inline(always)]
            fn into_bytes(self) -> [u8; $n] {
                let mut bytes = [0; $n];
                bytes[..$half].copy_from_slice(&self.re.to_ne_bytes());
                bytes[$half..].copy_from_slice(&self.im.to_ne_bytes());
                bytes
            }
        }
    )*};
}

impl_complex_bytes! { f32: 8, 4; f64: 16, 8; }

/// A type that elements of type `S` can be cast to.
trait CastFrom<S> {
    fn cast_from(x: S) -> Self;
}

/// Casts from and to the primitive types, `$from as $to` but for floats to integers.
macro_rules! impl_casts {
    ($($from:ident => $($to:ident)*;)*) => {$($(
        impl CastFrom<$from> for $to {
            #[inline(always)]
            fn cast_from(x: $from) -> $to {
                x as $to
            }
        }
    )*)*};
}

impl_casts! {
    i8 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    i16 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    i32 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    i64 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    u8 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    u16 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    u32 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    u64 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    f32 => f32 f64;
    f64 => f32 f64;
}

macro_rules! impl_float_to_integer {
    ($($float:ident)*) => {$(
        impl CastFrom<$float> for i32 {
            #[inline(always)]
            fn cast_from(x: $float) -> i32 {
                // Exact in both types: the bounds of i32.
                if (-2_147_483_648.0..2_147_483_648.0).contains(&x) { x as i32 } else { i32::MIN }
            }
        }
        impl CastFrom<$float> for i64 {
            #[inline(always)]
            fn cast_from(x: $float) -> i64 {
                const BOUND: $float = 9_223_372_036_854_775_808.0;
                if (-BOUND..BOUND).contains(&x) { x as i64 } else { i64::MIN }
            }
        }
        impl CastFrom<$float> for u64 {
            #[inline(always)]
            fn cast_from(x: $float) -> u64 {
                const BOUND: $float = 9_223_372_036_854_775_808.0;
                if x >= BOUND {
                    (i64::cast_from(x - BOUND) as u64) ^ (1 << 63)
                } else {
                    i64::cast_from(x) as u64
                }
            }
        }
        impl CastFrom<$float> for u32 {
            #[inline(always)]
            fn cast_from(x: $float) -> u32 {
                i64::cast_from(x) as u32
            }
        }
        impl_float_to_integer! { @narrow $float i8 i16 u8 u16 }
    )*};
    (@narrow $float:ident $($to:ident)*) => {$(
        impl CastFrom<$float> for $to {
            #[inline(always)]
            fn cast_from(x: $float) -> $to {
                i32::cast_from(x) as $to
            }
        }
    )*};
}

impl_float_to_integer! { f32 f64 }

/// Casts between narrow floats and the primitive types, by way of `f32`.
macro_rules! impl_narrow_floats {
    ($($narrow:ident: $($prim:ident)*;)*) => {$($(
        impl CastFrom<$narrow> for $prim {
            #[inline(always)]
            fn cast_from(x: $narrow) -> $prim {
                <$prim>::cast_from(x.to_f32())
            }
        }
        impl CastFrom<$prim> for $narrow {
            #[inline(always)]
            fn cast_from(x: $prim) -> $narrow {
                <$narrow>::from_f32(f32::cast_from(x))
            }
        }
    )*)*};
}

impl_narrow_floats! {
    f16: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    bf16: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
}

macro_rules! impl_between_narrow_floats {
    ($($from:ident => $to:ident)*) => {$(
        impl CastFrom<$from> for $to {
            #[inline(always)]
            fn cast_from(x: $from) -> $to {
                <$to>::from_f32(x.to_f32())
            }
        }
    )*};
}

impl_between_narrow_floats! { f16 => f16 f16 => bf16 bf16 => f16 bf16 => bf16 }

/// Casts from and to bool, and from and to complex numbers.
macro_rules! impl_bool_and_complex {
    ($($t:ident)*) => {$(
        impl CastFrom<bool> for $t {
            #[inline(always)]
            fn cast_from(x: bool) -> $t {
                <$t>::cast_from(u8::from(x))
            }
        }
        impl CastFrom<$t> for bool {
            #[inline(always)]
            fn cast_from(x: $t) -> bool {
                x != <$t>::default()
            }
        }
        impl_bool_and_complex! { @complex $t: f32 f64 }
    )*};
    (@complex $t:ident: $($part:ident)*) => {$(
        impl CastFrom<Complex<$part>> for $t {
            #[inline(always)]
            fn cast_from(x: Complex<$part>) -> $t {
                <$t>::cast_from(x.re)
            }
        }
        impl CastFrom<$t> for Complex<$part> {
            #[inline(always)]
            fn cast_from(x: $t) -> Complex<$part> {
                Complex { re: <$part>::cast_from(x), im: 0.0 }
            }
        }
    )*};
}

impl_bool_and_complex! { i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 f16 bf16 }

impl CastFrom<bool> for bool {
    fn cast_from(x: bool) -> bool {
        x
    }
}

macro_rules! impl_complex {
    ($($part:ident => $to:ident)*) => {$(
        impl CastFrom<Complex<$part>> for Complex<$to> {
            #[inline(always)]
            fn cast_from(x: Complex<$part>) -> Complex<$to> {
                Complex { re: x.re as $to, im: x.im as $to }
            }
        }
    )*};
    (@bool $($part:ident)*) => {$(
        impl CastFrom<Complex<$part>> for bool {
            #[inline(always)]
            fn cast_from(x: Complex<$part>) -> bool {
                x.re != 0.0
            }
        }
        impl CastFrom<bool> for Complex<$part> {
            #[inline(always)]
            fn cast_from(x: bool) -> Complex<$part> {
                Complex { re: u8::from(x).into(), im: 0.0 }
            }
        }
    )*};
}

impl_complex! { f32 => f32 f32 => f64 f64 => f32 f64 => f64 }
impl_complex! { @bool f32 f64 }
