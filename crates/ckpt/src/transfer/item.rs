use flowkeep_bundle::Key;
use flowkeep_tensor::{DType, Shape, Tensor, TensorSlice};

use crate::{Checkpoint, Error, TensorInfo};

/// A tensor to be written.
pub(crate) struct Item<'a> {
    /// The name that it gets.
    pub(crate) name: Key,
    pub(crate) dtype: DType,
    /// The full shape.
    pub(crate) shape: Shape,
    /// The bytes of its elements, as far as they are known before it is read.
    pub(crate) len_bytes: u64,
    pub(crate) content: Content<'a>,
}

/// Where the elements of an item come from.
pub(crate) enum Content<'a> {
    /// A tensor that is copied as it is, in slices if it is stored so.
    Copy { from: &'a Checkpoint, name: Key },
    /// A tensor that is computed, stretch by stretch.
    Compute(Open<'a>),
    /// A slice of a tensor whose elements are computed, to be stored as such.
    Part(TensorSlice, Open<'a>),
    /// A tensor in memory.
    Value(Tensor),
}

/// Gets ready to compute elements.
pub(crate) type Open<'a> = Box<dyn FnOnce() -> Result<Box<dyn Compute + 'a>, Error> + Send + 'a>;

/// Plain elements that are computed.
pub(crate) trait Compute: Send + Sync {
    /// Fills `out` with the elements from byte `at` on, in the machine's order. Both are multiples of
    /// the element's size. May be called by several threads at once.
    fn fill(&self, at: u64, out: &mut [u8]) -> Result<(), Error>;

    /// Compares the checksums of what was read, after everything was filled once.
    fn finish(&self) -> Result<(), Error>;
}

impl<'a> Item<'a> {
    /// The tensor `info` of `from`, copied under the name `name`.
    ///
    /// Errors: `UNIMPLEMENTED` if its type is unknown.
    pub(crate) fn copy(
        from: &'a Checkpoint,
        info: &TensorInfo,
        name: Key,
    ) -> Result<Item<'a>, Error> {
        Ok(Item {
            name,
            dtype: known_type(info)?,
            shape: info.shape.clone(),
            len_bytes: info.len_bytes.unwrap_or_default(),
            content: Content::Copy { from, name: info.name.clone() },
        })
    }

    /// A tensor in memory.
    pub(crate) fn value(name: Key, tensor: Tensor) -> Item<'a> {
        Item {
            name,
            dtype: tensor.dtype(),
            shape: tensor.shape().clone(),
            len_bytes: tensor.len_bytes() as u64,
            content: Content::Value(tensor),
        }
    }

    /// The tensor, in memory.
    ///
    /// Errors: those of reading and computing it.
    pub(crate) fn into_tensor(self) -> Result<Tensor, Error> {
        match self.content {
            Content::Copy { from, name } => from.tensor(name),
            Content::Value(tensor) => Ok(tensor),
            Content::Compute(open) => computed(self.dtype, &self.shape, open),
            Content::Part(slice, open) => computed(self.dtype, &slice.shape_in(&self.shape)?, open),
        }
    }
}

fn computed(dtype: DType, shape: &Shape, open: Open<'_>) -> Result<Tensor, Error> {
    let compute = open()?;
    let tensor = Tensor::from_fill(dtype, shape, |out| compute.fill(0, out))?;
    compute.finish()?;
    Ok(tensor)
}

/// The type of a tensor's elements.
///
/// Errors: `UNIMPLEMENTED`, naming type and tensor, if no tensor has such elements.
pub(crate) fn known_type(info: &TensorInfo) -> Result<DType, Error> {
    info.dtype.ok_or_else(|| {
        Error::Unsupported(format!(
            "tensor {} has elements of type {}, which cannot be read",
            info.name, info.stored_type
        ))
    })
}
