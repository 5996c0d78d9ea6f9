//! What most kernels need to read their arguments: integer inputs, axes, shapes, small kernels.

use flowkeep_tensor::{DType, Shape, Tensor};

use crate::kernel::{KernelContext, OpKernel, Status};

/// What a builder returns.
pub(crate) type Built = Result<Box<dyn OpKernel>, Status>;

/// The kernel whose computation is `f`.
pub(crate) fn kernel<F>(f: F) -> Built
where
    F: Fn(&mut KernelContext<'_>) -> Result<(), Status> + Send + Sync + 'static,
{
    Ok(Box::new(FnKernel(f)))
}

struct FnKernel<F>(F);

impl<F> OpKernel for FnKernel<F>
where
    F: Fn(&mut KernelContext<'_>) -> Result<(), Status> + Send + Sync,
{
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        (self.0)(cx)
    }
}

/// The index of element number `at` of a tensor, as in `[1,2]`; nothing for a scalar.
pub(crate) fn index_text(at: usize, dims: &[usize]) -> String {
    let mut rest = at;
    let mut index: Vec<String> = Vec::new();
    for dim in dims.iter().rev() {
        index.push((rest % dim.max(&1)).to_string());
        rest /= dim.max(&1);
    }
    index.reverse();
    if index.is_empty() { String::new() } else { format!("[{}]", index.join(",")) }
}

/// The elements of an `int32` or `int64` tensor (or a narrower one) of any shape.
///
/// Errors: `INVALID_ARGUMENT` for other types.
pub(crate) fn ints(tensor: &Tensor) -> Result<Vec<i64>, Status> {
    Ok(match tensor.dtype() {
        DType::I64 => tensor.as_slice::<i64>()?.to_vec(),
        DType::I16 => tensor.as_slice::<i16>()?.iter().map(|&x| x.into()).collect(),
        DType::I8 => tensor.as_slice::<i8>()?.iter().map(|&x| x.into()).collect(),
        DType::U8 => tensor.as_slice::<u8>()?.iter().map(|&x| x.into()).collect(),
        _ => tensor.as_slice::<i32>()?.iter().map(|&x| x.into()).collect(),
    })
}

/// The value of an integer tensor of one element.
///
/// Errors: `INVALID_ARGUMENT` for more or fewer elements, saying what `name` should be.
pub(crate) fn int(tensor: &Tensor, name: &str) -> Result<i64, Status> {
    match ints(tensor)?[..] {
        [value] => Ok(value),
        _ => Err(Status::invalid_argument(format!(
            "{name} must be a scalar, got shape {}",
            tensor.shape()
        ))),
    }
}

/// The elements of an integer vector.
///
/// Errors: `INVALID_ARGUMENT` for another rank, saying what `name` should be.
pub(crate) fn int_vector(tensor: &Tensor, name: &str) -> Result<Vec<i64>, Status> {
    if tensor.shape().rank() != 1 {
        let message = format!("{name} must be 1-D, not {}", tensor.shape());
        return Err(Status::invalid_argument(message));
    }
    ints(tensor)
}

/// The axis `axis` of a tensor of rank `rank`, where negative ones count from the end.
pub(crate) fn axis(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let from_start = if axis < 0 { axis.checked_add(rank)? } else { axis };
    usize::try_from(from_start).ok().filter(|_| from_start < rank)
}

/// The shape with these dimensions.
///
/// Errors: `INVALID_ARGUMENT` for a negative dimension, too many of them, or too many elements.
pub(crate) fn shape(dims: &[i64]) -> Result<Shape, Status> {
    let dim = |dim: &i64| {
        let message = || format!("Dimension {dim} must be >= 0");
        usize::try_from(*dim).map_err(|_| Status::invalid_argument(message()))
    };
    let dims: Vec<usize> = dims.iter().map(dim).collect::<Result<_, _>>()?;
    if dims.len() > flowkeep_tensor::MAX_RANK {
        return Err(Status::invalid_argument(format!("{} dimensions are too many", dims.len())));
    }
    let shape = Shape::from(dims);
    if shape.checked_n_elements().is_none() {
        let message = format!("Shape {shape} would have more than 2**63 - 1 elements");
        return Err(Status::invalid_argument(message));
    }
    Ok(shape)
}

/// `dims` as the elements of an `int32` or `int64` vector.
///
/// Errors: `INVALID_ARGUMENT` if a dimension does not fit the type.
pub(crate) fn dims_tensor(dims: &[usize], dtype: DType) -> Result<Tensor, Status> {
    if dtype == DType::I64 {
        return Ok(Tensor::from_elements(dims.iter().map(|dim| *dim as i64).collect()));
    }
    let dim = |dim: &usize| {
        i32::try_from(*dim).map_err(|_| {
            Status::invalid_argument(format!("a dimension of {dim} does not fit int32"))
        })
    };
    Ok(Tensor::from_elements(dims.iter().map(dim).collect::<Result<Vec<i32>, _>>()?))
}

/// The product of `dims`, which belong to a tensor that exists.
pub(crate) fn product(dims: &[usize]) -> usize {
    // Saturating, since the shape of an empty tensor may have huge dimensions beside the 0.
    dims.iter().fold(1, |n: usize, dim| n.saturating_mul(*dim))
}
