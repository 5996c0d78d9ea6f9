use flowkeep_tensor::{DType, Tensor};

use crate::builder::{Operand, Scope, Variable, number};
use crate::{Error, Output};

/// A hyper-parameter, such as a learning rate: a number, or what the graph computes.
///
/// A number becomes a constant of type `float`, whatever the type of the variables, as numbers of
/// Python do.
///
/// ```
/// use flowkeep_graph::optimizers::Hyper;
/// use flowkeep_tensor::Tensor;
///
/// assert!(matches!(Hyper::from(0.1), Hyper::Number(_)));
/// assert!(matches!(Hyper::from(Tensor::scalar(0.1f64)), Hyper::Operand(_)));
/// ```
#[derive(Clone, Debug)]
pub enum Hyper {
    /// A number.
    Number(f64),
    /// A tensor, a variable that is read, or a constant of a type of its own.
    Operand(Operand),
}

impl Hyper {
    /// The tensor; a constant gets the name `name` in the current name scope.
    pub(super) fn tensor(&self, scope: &mut Scope, name: &str) -> Result<Output, Error> {
        scope.tensor(self.operand()?, name)
    }

    /// What ops are fed with.
    pub(super) fn operand(&self) -> Result<Operand, Error> {
        match self {
            Hyper::Number(value) => Ok(number(DType::F32, *value)?.into()),
            Hyper::Operand(operand) => Ok(operand.clone()),
        }
    }
}

impl From<f64> for Hyper {
    fn from(value: f64) -> Hyper {
        Hyper::Number(value)
    }
}

impl From<f32> for Hyper {
    fn from(value: f32) -> Hyper {
        Hyper::Number(value.into())
    }
}

impl From<Output> for Hyper {
    fn from(tensor: Output) -> Hyper {
        Hyper::Operand(tensor.into())
    }
}

impl From<&Variable> for Hyper {
    fn from(variable: &Variable) -> Hyper {
        Hyper::Operand(variable.into())
    }
}

impl From<Tensor> for Hyper {
    fn from(value: Tensor) -> Hyper {
        Hyper::Operand(value.into())
    }
}

impl From<Operand> for Hyper {
    fn from(operand: Operand) -> Hyper {
        Hyper::Operand(operand)
    }
}
