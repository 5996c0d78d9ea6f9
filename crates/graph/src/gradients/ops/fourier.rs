//! Fourier transforms.
//!
//! Source: `fft_ops.py`.

use flowkeep_tensor::DType;

use super::super::forward::{Forward, Gradients, all};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{Axes, Scope};
use crate::{Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("FFT", fft),
    ("FFT2D", fft_2d),
    ("FFT3D", fft_3d),
    ("IFFT", ifft),
    ("IFFT2D", ifft_2d),
    ("IFFT3D", ifft_3d),
];

/// The number of elements that one transform takes.
fn size(scope: &mut Scope, x: Output, rank: i32) -> Result<Output, Error> {
    let shape = scope.shape_of(x)?;
    let dims = scope.between(shape, Some(Index::At(-rank)), None)?;
    scope.reduce_prod(dims, Axes::all())
}

/// The gradient of a transform: its inverse, without the factor of that.
fn forwards(scope: &mut Scope, op: &Forward, rank: i32, inverse: &str) -> Gradients {
    let grad = scope.dense(op.grad(0)?, "input")?;
    let size = size(scope, grad, rank)?;
    let size = scope.cast(size, scope.dtype(grad).unwrap_or(DType::Complex64))?;
    let transformed = scope.unary(inverse, grad)?;
    all([scope.times(transformed, size)?])
}

fn backwards(scope: &mut Scope, op: &Forward, rank: i32, transform: &str) -> Gradients {
    let grad = scope.dense(op.grad(0)?, "input")?;
    let dtype = scope.dtype(grad).unwrap_or(DType::Complex64);
    let real = if dtype == DType::Complex128 { DType::F64 } else { DType::F32 };
    let size = size(scope, grad, rank)?;
    let size = scope.cast(size, real)?;
    let one = scope.number_like(1.0, size)?;
    let factor = scope.over(one, size)?;
    let factor = scope.cast(factor, dtype)?;
    let transformed = scope.unary(transform, grad)?;
    all([scope.times(transformed, factor)?])
}

fn fft(scope: &mut Scope, op: &Forward) -> Gradients {
    forwards(scope, op, 1, "IFFT")
}

fn fft_2d(scope: &mut Scope, op: &Forward) -> Gradients {
    forwards(scope, op, 2, "IFFT2D")
}

fn fft_3d(scope: &mut Scope, op: &Forward) -> Gradients {
    forwards(scope, op, 3, "IFFT3D")
}

fn ifft(scope: &mut Scope, op: &Forward) -> Gradients {
    backwards(scope, op, 1, "FFT")
}

fn ifft_2d(scope: &mut Scope, op: &Forward) -> Gradients {
    backwards(scope, op, 2, "FFT2D")
}

fn ifft_3d(scope: &mut Scope, op: &Forward) -> Gradients {
    backwards(scope, op, 3, "FFT3D")
}
