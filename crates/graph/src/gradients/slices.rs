use super::operators::Index;
use crate::builder::{Operand, Scope};
use crate::{Error, NodeId, Output};

/// A gradient: a tensor, or rows of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradient {
    /// The gradient as a whole.
    Dense(Output),
    /// The rows of it that are not zero, as gathers have them.
    Sparse(IndexedSlices),
}

/// Rows of a tensor all other rows of which are zero: `tf.IndexedSlices`.
///
/// Row `i` of `values` belongs to row `indices[i]` of the tensor; rows that belong to one are added up.
/// As an operand of an op it becomes the whole tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedSlices {
    /// The rows: `[n, D1, ..]`.
    pub values: Output,
    /// Where they belong: `[n]`, of type i32 or i64.
    pub indices: Output,
    /// The shape of the whole tensor, a vector; `None` if nobody knows it.
    pub dense_shape: Option<Output>,
}

impl Gradient {
    /// The tensor, of a gradient that is one as a whole.
    pub fn as_dense(&self) -> Option<Output> {
        match self {
            Gradient::Dense(output) => Some(*output),
            Gradient::Sparse(_) => None,
        }
    }

    /// The node that computes the tensor, or the values of the rows.
    pub fn node(&self) -> NodeId {
        self.values().node
    }

    /// The tensor, or the values of the rows.
    pub fn values(&self) -> Output {
        match self {
            Gradient::Dense(output) => *output,
            Gradient::Sparse(slices) => slices.values,
        }
    }
}

impl From<Output> for Gradient {
    fn from(output: Output) -> Gradient {
        Gradient::Dense(output)
    }
}

impl From<IndexedSlices> for Gradient {
    fn from(slices: IndexedSlices) -> Gradient {
        Gradient::Sparse(slices)
    }
}

/// The node that computes the tensor, or the values of the rows.
impl From<Gradient> for NodeId {
    fn from(gradient: Gradient) -> NodeId {
        gradient.node()
    }
}

impl Scope {
    /// The whole tensor that rows belong to.
    ///
    /// Errors: `INVALID_ARGUMENT` for rows of a tensor of unknown shape; as the ops.
    pub(crate) fn whole_of(&mut self, slices: &IndexedSlices, name: &str) -> Result<Output, Error> {
        let n_rows = self.n_rows(slices)?;
        let op = self.op("UnsortedSegmentSum").input(slices.values).input(slices.indices);
        op.input(n_rows).name(name).build_one()
    }

    /// How many rows there are in all.
    fn n_rows(&mut self, slices: &IndexedSlices) -> Result<Output, Error> {
        let shape = slices.dense_shape.ok_or_else(|| {
            let text = self.python_tensor(slices.values);
            let what = "Tensor conversion requested for IndexedSlices without dense_shape";
            Error::Gradient(format!("{what}: IndexedSlices(values={text})"))
        })?;
        self.item(shape, Index::At(0))
    }

    /// The whole tensor, as gradient functions ask for it.
    pub(super) fn summed_up(&mut self, gradient: Gradient) -> Result<Output, Error> {
        match gradient {
            Gradient::Dense(output) => Ok(output),
            Gradient::Sparse(slices) => self.whole_of(&slices, "UnsortedSegmentSum"),
        }
    }

    /// A tensor of a gradient, as an op that takes a tensor called `name` gets it.
    pub(super) fn dense(&mut self, gradient: Gradient, name: &str) -> Result<Output, Error> {
        self.tensor(Operand::from(gradient), name)
    }
}
