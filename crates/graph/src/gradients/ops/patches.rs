//! Parts of images: crops and patches.
//!
//! Source: `image_grad.py`, `array_grad.py`.

use flowkeep_tensor::DType;

use super::super::forward::{Forward, Gradients, all};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{Operand, Scope, shape_operand};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("CropAndResize", crop_and_resize),
    ("Dilation2D", dilation),
    ("ExtractImagePatches", extract_image_patches),
];

fn crop_and_resize(scope: &mut Scope, op: &Forward) -> Gradients {
    let (image, boxes, places) = (op.input(0)?, op.input(1)?, op.input(2)?);
    let size: Operand = match scope.shape(image).to_shape() {
        Some(shape) => shape_operand(&shape)?,
        None => scope.shape_of(image)?.into(),
    };
    let of_image = match scope.dtype(image) {
        Some(dtype @ (DType::F16 | DType::F32 | DType::F64)) => {
            let node = scope.op("CropAndResizeGradImage").input(op.grad(0)?);
            let node = node.input(boxes).input(places).input(size).attr("T", Attr::Type(dtype));
            Some(op.like(node, &["method"]).build_one()?.into())
        }
        _ => None,
    };
    let node = scope.op("CropAndResizeGradBoxes").input(op.grad(0)?).input(image);
    let of_boxes = node.input(boxes).input(places).build_one()?;
    Ok(vec![of_image, Some(of_boxes.into()), None, None])
}

fn dilation(scope: &mut Scope, op: &Forward) -> Gradients {
    let mut made = |gradient: &str| {
        let node = scope.op(gradient).input(op.input(0)?).input(op.input(1)?).input(op.grad(0)?);
        op.like(node, &["strides", "rates", "padding"]).build_one()
    };
    all([made("Dilation2DBackpropInput")?, made("Dilation2DBackpropFilter")?])
}

/// The gradient of patches: each element is the sum of where it went, which patches of the numbers of the
/// elements tell, that are 0 where a patch lies beyond the image.
fn extract_image_patches(scope: &mut Scope, op: &Forward) -> Gradients {
    const ATTRS: &[&str] = &["ksizes", "strides", "rates", "padding"];
    let shape = scope.shape_in(op.input(0)?, DType::I64)?;
    let [batch, rows, columns, channels] = unstacked(scope, shape)?;
    let shape = scope.shape_in(op.output(0), DType::I64)?;
    let size = scope.between(shape, Some(Index::At(1)), Some(Index::At(3)))?;
    let [rows_out, columns_out] = unstacked(scope, size)?;
    let sizes = op.attrs.ints("ksizes")?;
    let [_, patch_rows, patch_columns, _] = *sizes else {
        return Err(Error::Gradient(format!("patches of sizes {sizes:?}")));
    };
    let n = scope.times(rows, columns)?;
    let end = scope.plus(n, 1i64)?;
    let numbers = scope.scoped("range", |scope, name| {
        let start = scope.tensor(1.0f32, "start")?;
        let delta = scope.tensor(1.0f32, "delta")?;
        let limit = scope.cast(end, DType::F32)?;
        scope.op("Range").input(start).input(limit).input(delta).name(name).build_one()
    })?;
    let dims = [1i64.into(), rows.into(), columns.into(), 1i64.into()];
    let numbers = scope.reshape(numbers, Operand::packed(dims))?;
    let node = op.like(scope.op("ExtractImagePatches").input(numbers), ATTRS);
    let numbers = node.build_one()?;
    let numbers = scope.cast(numbers, DType::I64)?;
    let grad = scope.summed_up(op.grad(0)?)?;
    let dims = [batch, rows_out, columns_out].map(Operand::from).into_iter();
    let dims = dims.chain([patch_rows.into(), patch_columns.into(), channels.into()]);
    let grad = scope.reshape(grad, Operand::packed(dims))?;
    let grad = scope.transpose(grad, [1i32, 2, 3, 4, 0, 5])?;
    let n_values = scope.times(batch, channels)?;
    let grad = scope.reshape(grad, Operand::packed([Operand::from(-1i64), n_values.into()]))?;
    let places = scope.reshape(numbers, [-1])?;
    let places = scope.minus(places, 1i64)?;
    let node = scope.op("UnsortedSegmentSum").input(grad).input(places).input(n);
    let sum = node.build_one()?;
    let dims = [rows, columns, batch, channels].map(Operand::from);
    let sum = scope.reshape(sum, Operand::packed(dims))?;
    all([scope.transpose(sum, [2i32, 0, 1, 3])?])
}

/// The elements of a vector: `tf.unstack`.
fn unstacked<const N: usize>(scope: &mut Scope, vector: Output) -> Result<[Output; N], Error> {
    let n = i64::try_from(N).unwrap_or(i64::MAX);
    let node =
        scope.op("Unpack").input(vector).attr("num", Attr::Int(n)).name("unstack").build()?;
    let mut index = 0u32;
    Ok([(); N].map(|()| {
        index += 1;
        node.output(index - 1)
    }))
}
