use bytes::Bytes;
use flowkeep_tensor::{Complex, DType, Element, Tensor, bf16, f16};

use super::constant::constant_attr;
use super::create::NewNode;
use super::{Scope, Variable};
use crate::gradients::{Gradient, IndexedSlices};
use crate::{Attr, AttrsBuilder, Error, NodeId, Output};

/// What an op may be fed with: a tensor of the graph, a constant that becomes one, or a variable that
/// is read.
#[derive(Clone, Debug)]
pub enum Operand {
    /// An output of a node.
    Output(Output),
    /// A value, which becomes a node of op `Const`.
    Constant(Tensor),
    /// The value of a variable.
    Variable(Variable),
    /// Tensors of one shape, which become one along a new first axis: `[n, 3]` in Python, where `n` is
    /// a tensor.
    Packed(Vec<Operand>),
    /// Rows of a tensor, the sum of which is put into a whole one.
    Slices(IndexedSlices),
}

impl Operand {
    /// Tensors and constants of one shape along a new first axis.
    ///
    /// ```
    /// use flowkeep_graph::builder::{Operand, Scope};
    /// use flowkeep_tensor::DType;
    ///
    /// let mut scope = Scope::new();
    /// let x = scope.placeholder(DType::F32, [None, Some(4)])?;
    /// let n = scope.placeholder(DType::I32, [])?;
    /// let y = scope.reshape(x, Operand::packed([n.into(), Operand::from(2i32)]))?;
    /// assert_eq!(scope.shape(y).to_string(), "[?,2]");
    /// # Ok::<(), flowkeep_graph::Error>(())
    /// ```
    pub fn packed(operands: impl IntoIterator<Item = Operand>) -> Operand {
        Operand::Packed(operands.into_iter().collect())
    }
}

impl Scope {
    /// The tensor of an operand; a constant gets the name `name` in the current name scope.
    pub(crate) fn tensor(
        &mut self,
        operand: impl Into<Operand>,
        name: &str,
    ) -> Result<Output, Error> {
        match operand.into() {
            Operand::Output(output) => Ok(output),
            Operand::Constant(value) => self.constant_named(&value, name),
            Operand::Variable(variable) => self.read(&variable),
            Operand::Packed(operands) => self.packed(operands, name),
            Operand::Slices(slices) => self.whole_of(&slices, name),
        }
    }

    /// The type of what an operand becomes; `None` of an unknown op.
    pub(crate) fn operand_dtype(&self, operand: &Operand) -> Option<DType> {
        match operand {
            Operand::Output(output) => self.dtype(*output),
            Operand::Constant(value) => Some(value.dtype()),
            Operand::Variable(variable) => Some(variable.dtype()),
            Operand::Slices(slices) => self.dtype(slices.values),
            Operand::Packed(operands) => operands.iter().find_map(|x| self.operand_dtype(x)),
        }
    }

    fn packed(&mut self, operands: Vec<Operand>, name: &str) -> Result<Output, Error> {
        let mut inner = self.name_scope(name)?;
        let name = inner.current_name_scope();
        let mut tensors = Vec::with_capacity(operands.len());
        for (idx, operand) in operands.into_iter().enumerate() {
            tensors.push(inner.tensor(operand, &idx.to_string())?);
        }
        inner.op("Pack").input_list(tensors).name(&name).build_one()
    }

    /// A node of op `Const`, with a name in the current name scope or one that ends with a slash.
    pub(crate) fn constant_named(&mut self, value: &Tensor, name: &str) -> Result<Output, Error> {
        let mut attrs = AttrsBuilder::default();
        attrs.set("dtype", Attr::Type(value.dtype()));
        attrs.set("value", constant_attr(value));
        self.create_constant(name, attrs)
    }

    pub(super) fn create_constant(
        &mut self,
        name: &str,
        attrs: AttrsBuilder,
    ) -> Result<Output, Error> {
        let new =
            NewNode { op: "Const", name, inputs: Vec::new(), control_inputs: Vec::new(), attrs };
        Ok(self.create(new)?.output(0))
    }
}

impl From<Output> for Operand {
    fn from(output: Output) -> Operand {
        Operand::Output(output)
    }
}

impl From<&Output> for Operand {
    fn from(output: &Output) -> Operand {
        Operand::Output(*output)
    }
}

impl From<Variable> for Operand {
    fn from(variable: Variable) -> Operand {
        Operand::Variable(variable)
    }
}

impl From<&Variable> for Operand {
    fn from(variable: &Variable) -> Operand {
        Operand::Variable(variable.clone())
    }
}

impl From<IndexedSlices> for Operand {
    fn from(slices: IndexedSlices) -> Operand {
        Operand::Slices(slices)
    }
}

impl From<Gradient> for Operand {
    fn from(gradient: Gradient) -> Operand {
        match gradient {
            Gradient::Dense(output) => Operand::Output(output),
            Gradient::Sparse(slices) => Operand::Slices(slices),
        }
    }
}

impl From<&Gradient> for Operand {
    fn from(gradient: &Gradient) -> Operand {
        Operand::from(*gradient)
    }
}

impl From<Tensor> for Operand {
    fn from(value: Tensor) -> Operand {
        Operand::Constant(value)
    }
}

impl From<&Tensor> for Operand {
    fn from(value: &Tensor) -> Operand {
        Operand::Constant(value.clone())
    }
}

impl From<&str> for Operand {
    fn from(value: &str) -> Operand {
        Operand::Constant(Tensor::scalar_string(Bytes::copy_from_slice(value.as_bytes())))
    }
}

macro_rules! elements {
    ($($ty:ty),*) => {
        $(
            /// A scalar.
            impl From<$ty> for Operand {
                fn from(value: $ty) -> Operand {
                    Operand::Constant(Tensor::scalar(value))
                }
            }
        )*
    };
}

elements!(f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, bool);
elements!(Complex<f32>, Complex<f64>);

/// A vector.
impl<T: Element, const N: usize> From<[T; N]> for Operand {
    fn from(values: [T; N]) -> Operand {
        Operand::Constant(Tensor::from_elements(values.to_vec()))
    }
}

/// A vector.
impl<T: Element> From<Vec<T>> for Operand {
    fn from(values: Vec<T>) -> Operand {
        Operand::Constant(Tensor::from_elements(values))
    }
}

/// The node that a tensor comes from.
impl From<Output> for NodeId {
    fn from(output: Output) -> NodeId {
        output.node
    }
}

/// The node that is the variable.
impl From<&Variable> for NodeId {
    fn from(variable: &Variable) -> NodeId {
        variable.op()
    }
}
