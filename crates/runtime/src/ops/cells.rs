//! Elements that are moved, not computed with: any type of tensor, seen as cells of some size.

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor};

use crate::kernel::{KernelContext, Status};

/// One element whose meaning does not matter.
pub(crate) trait Cell: Clone + PartialEq + Send + Sync {}

impl<const N: usize> Cell for [u8; N] {}
impl Cell for Bytes {}

/// A way to fill an output with elements of inputs, the same for all element types.
pub(crate) trait Move {
    /// Fills `to`, which holds zeros (empty strings), from the elements of the inputs.
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status>;
}

/// The tensor of shape `shape` that `job` fills from `inputs`, all of type `dtype`.
///
/// Errors: those of `job`; `RESOURCE_EXHAUSTED` if `shape` is too large; `INVALID_ARGUMENT` for an
/// input of another type; `UNIMPLEMENTED` for resources and variants.
pub(crate) fn fill_from<M: Move>(
    dtype: DType,
    inputs: &[&Tensor],
    shape: impl Into<Shape>,
    job: M,
) -> Result<Tensor, Status> {
    filled(dtype, inputs, shape.into(), job, |shape, fill| {
        Tensor::from_fill(dtype, shape, fill).map_err(|error| error.0)
    })
}

/// As [`fill_from`], in memory of the session.
///
/// Errors: also `RESOURCE_EXHAUSTED` for more than the run may have.
pub(crate) fn fill_in<M: Move>(
    cx: &KernelContext<'_>,
    dtype: DType,
    inputs: &[&Tensor],
    shape: impl Into<Shape>,
    job: M,
) -> Result<Tensor, Status> {
    let shape = shape.into();
    if dtype == DType::String {
        cx.check_room(dtype, shape.dims())?;
    }
    filled(dtype, inputs, shape, job, |shape, fill| cx.fill(dtype, shape, fill))
}

fn filled<M: Move>(
    dtype: DType,
    inputs: &[&Tensor],
    shape: Shape,
    job: M,
    make: impl FnOnce(Shape, &mut Fill<'_>) -> Result<Tensor, Status>,
) -> Result<Tensor, Status> {
    if let Some(other) = inputs.iter().find(|input| input.dtype() != dtype) {
        return Err(
            flowkeep_tensor::Error::DTypeMismatch { expected: dtype, got: other.dtype() }.into()
        );
    }
    if dtype == DType::String {
        let mut out = Tensor::zeros(dtype, shape)?;
        let strings: Vec<&[Bytes]> =
            inputs.iter().map(|input| input.as_strings()).collect::<Result<_, _>>()?;
        job.run(&strings, out.make_mut_strings()?)?;
        return Ok(out);
    }
    let bytes: Vec<&[u8]> =
        inputs.iter().map(|input| input.as_bytes()).collect::<Result<_, _>>()?;
    let mut job = Some(job);
    make(shape, &mut |out| {
        let Some(job) = job.take() else { return Ok(()) };
        match dtype.size_bytes() {
            Some(1) => run_sized::<1, M>(job, &bytes, out),
            Some(2) => run_sized::<2, M>(job, &bytes, out),
            Some(4) => run_sized::<4, M>(job, &bytes, out),
            Some(8) => run_sized::<8, M>(job, &bytes, out),
            _ => run_sized::<16, M>(job, &bytes, out),
        }
    })
}

/// What fills the bytes of a tensor.
type Fill<'a> = dyn FnMut(&mut [u8]) -> Result<(), MoveError> + 'a;

fn run_sized<const N: usize, M: Move>(
    job: M,
    from: &[&[u8]],
    to: &mut [u8],
) -> Result<(), MoveError> {
    let from: Vec<&[[u8; N]]> = from.iter().map(|bytes| bytes.as_chunks().0).collect();
    Ok(job.run(&from, to.as_chunks_mut().0)?)
}

/// A status that tensor errors convert into.
struct MoveError(Status);

impl From<flowkeep_tensor::Error> for MoveError {
    fn from(error: flowkeep_tensor::Error) -> MoveError {
        MoveError(error.into())
    }
}

impl From<Status> for MoveError {
    fn from(status: Status) -> MoveError {
        MoveError(status)
    }
}

impl From<MoveError> for Status {
    fn from(error: MoveError) -> Status {
        error.0
    }
}

/// Fills cells that are zero still.
pub(crate) fn fill_zeroed<C: Cell>(to: &mut [C], value: &C) {
    // Memory that is never touched costs nothing, and zeros are often asked for.
    if to.first().is_some_and(|zero| zero != value) {
        to.fill(value.clone());
    }
}

/// Copies one block of cells; blocks of one cell are common and worth an assignment.
#[inline(always)]
pub(crate) fn copy<C: Cell>(from: &[C], to: &mut [C]) {
    match (from, to) {
        ([from], [to]) => to.clone_from(from),
        (from, to) => to.clone_from_slice(from),
    }
}
