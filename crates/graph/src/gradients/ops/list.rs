//! Lists of tensors. The gradient of one is another one, of the gradients of its elements.
//!
//! Source: `list_ops.py`.

use flowkeep_tensor::{DType, PartialShape, Tensor};

use super::super::forward::{Forward, Gradients, first};
use super::super::table::Entry;
use crate::builder::{Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("TensorListConcat", concat_grad),
    ("TensorListConcatV2", concat_grad),
    ("TensorListFromTensor", from_tensor_grad),
    ("TensorListGather", gather_grad),
    ("TensorListGetItem", get_item_grad),
    ("TensorListPopBack", pop_back_grad),
    ("TensorListPushBack", push_back_grad),
    ("TensorListResize", resize_grad),
    ("TensorListScatter", scatter_grad),
    ("TensorListScatterIntoExistingList", scatter_into_grad),
    ("TensorListScatterV2", scatter_grad),
    ("TensorListSetItem", set_item_grad),
    ("TensorListSplit", split_grad),
    ("TensorListStack", stack_grad),
];

fn push_back_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let shape = scope.shape_of(op.input(1)?)?;
    let node = scope.op("TensorListPopBack").input(grad).input(shape);
    let node = op.like(node, &["element_dtype"]).build()?;
    Ok(vec![Some(node.output(0).into()), Some(node.output(1).into())])
}

fn pop_back_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let [list, element] = [0, 1].map(|index| op.grads.get(index).copied().flatten());
    let dtype = op.attrs.dtype("element_dtype")?;
    let list = match list {
        Some(list) => scope.summed_up(list)?,
        None => scope.empty_list_like(op.output(0), dtype)?,
    };
    let element = match element {
        Some(element) => scope.summed_up(element)?,
        None => scope.zeros_like(op.output(1))?,
    };
    let list = scope.op("TensorListPushBack").input(list).input(element).build_one()?;
    Ok(vec![Some(list.into()), None])
}

fn stack_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let shape = match scope.shape(grad).dims() {
        Some([_, rest @ ..]) => PartialShape::new(rest.to_vec()),
        _ => PartialShape::unknown(),
    };
    let shape = scope.element_shape(&shape)?;
    let list = scope.op("TensorListFromTensor").input(grad).input(shape).build_one()?;
    Ok(vec![Some(list.into()), None])
}

fn concat_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let shape = scope.shape_of_elements(op.input(0)?)?;
    let node = scope.op("TensorListSplit").input(grad).input(shape).input(op.output(1));
    let list = node.build_one()?;
    first(list, op.inputs.len())
}

fn split_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let (tensor, lengths) = (op.input(0)?, op.input(2)?);
    let below = scope.sizes_below_first(tensor)?;
    let shape = scope.concat_at(vec![vec![-1i32].into(), below.into()], 0i32)?;
    let node = scope.op("TensorListConcatV2").input(grad).input(shape).input(lengths);
    let tensor = with_dtype(node, op)?.build_one()?;
    first(tensor, op.inputs.len())
}

fn from_tensor_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let tensor = op.input(0)?;
    let n = match scope.shape(tensor).dims() {
        Some([Some(n), ..]) => i64::try_from(*n).unwrap_or(-1),
        _ => -1,
    };
    let dtype = op.attrs.dtype("element_dtype")?;
    let list = match op.grads.first().copied().flatten() {
        Some(list) => scope.summed_up(list)?,
        None => scope.empty_list_like(op.output(0), dtype)?,
    };
    let shape = scope.sizes_below_first(tensor)?;
    let node = scope.op("TensorListStack").input(list).input(shape);
    let grad = with_dtype(node, op)?.attr("num_elements", Attr::Int(n)).build_one()?;
    Ok(vec![Some(grad.into()), None])
}

fn get_item_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let (list, index) = (op.input(0)?, op.input(1)?);
    let n = scope.unary("TensorListLength", list)?;
    let shape = scope.shape_of_elements(list)?;
    let node = scope.op("TensorListReserve").input(shape).input(n);
    let zeros = with_dtype(node, op)?.build_one()?;
    let node = scope.op("TensorListSetItem").input(zeros).input(index).input(grad);
    let list = node.build_one()?;
    Ok(vec![Some(list.into()), None, None])
}

fn set_item_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let (index, item) = (op.input(1)?, op.input(2)?);
    let zeros = scope.zeros_like(item)?;
    let node = scope.op("TensorListSetItem").input(grad).input(index).input(zeros);
    let mut list = node.build_one()?;
    let shape = scope.shape_of(item)?;
    let node = scope.op("TensorListGetItem").input(grad).input(index).input(shape);
    let item = with_dtype(node, op)?.build_one()?;
    if op.attrs.bool("resize_if_index_out_of_bounds") == Ok(true) {
        list = scope.as_long_as(list, op.input(0)?)?;
    }
    Ok(vec![Some(list.into()), None, Some(item.into())])
}

fn resize_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let list = scope.as_long_as(grad, op.input(0)?)?;
    Ok(vec![Some(list.into()), None])
}

fn gather_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let (list, indices) = (op.input(0)?, op.input(1)?);
    let shape = scope.shape_of_elements(list)?;
    let n = scope.unary("TensorListLength", list)?;
    let node = scope.op("TensorListReserve").input(shape).input(n);
    let zeros = with_dtype(node, op)?.build_one()?;
    let node = scope.op("TensorListScatterIntoExistingList").input(zeros).input(grad);
    let list = node.input(indices).build_one()?;
    Ok(vec![Some(list.into()), None, None])
}

fn scatter_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let tensor = scope.gathered_like(grad, op.input(0)?, op.input(1)?, op)?;
    first(tensor, op.inputs.len())
}

fn scatter_into_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let (tensor, indices) = (op.input(1)?, op.input(2)?);
    let of_tensor = scope.gathered_like(grad, tensor, indices, op)?;
    let zeros = scope.zeros_like(tensor)?;
    let node = scope.op("TensorListScatterIntoExistingList").input(grad).input(zeros);
    let list = node.input(indices).build_one()?;
    Ok(vec![Some(list.into()), Some(of_tensor.into()), None])
}

/// A node whose list has elements of the same type.
fn with_dtype<'a>(
    node: crate::builder::NodeBuilder<'a>,
    op: &Forward,
) -> Result<crate::builder::NodeBuilder<'a>, Error> {
    Ok(node.attr("element_dtype", Attr::Type(op.attrs.dtype("element_dtype")?)))
}

impl Scope {
    /// What ops that make lists are told of the shapes of elements.
    pub(in super::super) fn element_shape(
        &mut self,
        shape: &PartialShape,
    ) -> Result<Operand, Error> {
        let Some(dims) = shape.dims() else { return Ok((-1i32).into()) };
        if dims.is_empty() {
            return Ok(self.constant(Tensor::from_elements(Vec::<i32>::new()))?.into());
        }
        let size = |size: &Option<u64>| size.map_or(Ok(-1), i32::try_from);
        let sizes = dims.iter().map(size).collect::<Result<Vec<i32>, _>>();
        let sizes = sizes.map_err(|_| {
            Error::Gradient(format!("elements of shape {shape} are too large for a list"))
        })?;
        Ok(sizes.into())
    }

    /// The shape of a list's elements.
    fn shape_of_elements(&mut self, list: Output) -> Result<Output, Error> {
        let node = self.op("TensorListElementShape").input(list);
        node.attr("shape_type", Attr::Type(DType::I32)).build_one()
    }

    /// A list without elements, which are like those of another one.
    fn empty_list_like(&mut self, list: Output, dtype: DType) -> Result<Output, Error> {
        let shape = self.shape_of_elements(list)?;
        let node = self.op("EmptyTensorList").input(shape).input(-1i32);
        node.attr("element_dtype", Attr::Type(dtype)).build_one()
    }

    /// The sizes of a tensor but for the first.
    fn sizes_below_first(&mut self, tensor: Output) -> Result<Output, Error> {
        let shape = self.shape_of(tensor)?;
        self.op("Slice").input(shape).input(vec![1i32]).input(vec![-1i32]).build_one()
    }

    /// A list with as many elements as another one.
    fn as_long_as(&mut self, list: Output, other: Output) -> Result<Output, Error> {
        let n = self.unary("TensorListLength", other)?;
        self.op("TensorListResize").input(list).input(n).build_one()
    }

    /// Elements of a list as a tensor like one that was scattered into such a list.
    fn gathered_like(
        &mut self,
        list: Output,
        tensor: Output,
        indices: Output,
        op: &Forward,
    ) -> Result<Output, Error> {
        let shape = self.sizes_below_first(tensor)?;
        let node = self.op("TensorListGather").input(list).input(indices).input(shape);
        with_dtype(node, op)?.build_one()
    }
}
