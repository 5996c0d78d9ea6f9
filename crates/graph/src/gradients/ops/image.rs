//! Images in other sizes.
//!
//! Source: `image_grad.py`.

use flowkeep_tensor::{DType, Tensor};

use super::super::forward::{Forward, Gradients, first};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{Operand, Scope};

pub(in super::super) const OPS: &[Entry] = &[
    ("ResizeBicubic", bicubic),
    ("ResizeBilinear", bilinear),
    ("ResizeNearestNeighbor", nearest_neighbor),
    ("ScaleAndTranslate", scale_and_translate),
];

const PLACEMENT: [&str; 2] = ["align_corners", "half_pixel_centers"];

fn bilinear(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("ResizeBilinearGrad").input(op.grad(0)?).input(op.input(0)?);
    first(op.like(node, &PLACEMENT).build_one()?, 2)
}

fn bicubic(scope: &mut Scope, op: &Forward) -> Gradients {
    let image = op.input(0)?;
    if !matches!(scope.dtype(image), Some(DType::F32 | DType::F64)) {
        return op.nothing();
    }
    let node = scope.op("ResizeBicubicGrad").input(op.grad(0)?).input(image);
    first(op.like(node, &PLACEMENT).build_one()?, 2)
}

fn nearest_neighbor(scope: &mut Scope, op: &Forward) -> Gradients {
    let image = op.input(0)?;
    let dims = scope.shape(image).dims().and_then(|dims| dims.get(1..3)).map(<[_]>::to_vec);
    let sizes: Option<Vec<i32>> =
        dims.and_then(|dims| dims.into_iter().map(|dim| i32::try_from(dim?).ok()).collect());
    let size: Operand = match sizes {
        Some(sizes) => Tensor::from_elements(sizes).into(),
        None => {
            let shape = scope.op("Shape").input(image).build_one()?;
            scope.between(shape, Some(Index::At(1)), Some(Index::At(3)))?.into()
        }
    };
    let node = scope.op("ResizeNearestNeighborGrad").input(op.grad(0)?).input(size);
    first(op.like(node, &PLACEMENT).build_one()?, 2)
}

fn scale_and_translate(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("ScaleAndTranslateGrad").input(op.grad(0)?).input(op.input(0)?);
    let node = node.input(op.input(2)?).input(op.input(3)?);
    first(op.like(node, &["kernel_type", "antialias"]).build_one()?, 4)
}
