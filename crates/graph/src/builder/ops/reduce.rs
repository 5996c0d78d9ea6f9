//! Reductions: sums, means, extremes along axes.

use flowkeep_tensor::PartialShape;

use super::super::{Operand, Scope};
use crate::{Attr, Error, Output};

/// The axes that a reduction goes along.
///
/// ```
/// use flowkeep_graph::builder::{Axes, Scope};
/// use flowkeep_tensor::DType;
///
/// let mut scope = Scope::new();
/// let x = scope.placeholder(DType::F32, [None, Some(3)])?;
/// let mean = scope.reduce_mean(x, Axes::all())?;
/// let rows = scope.reduce_sum(x, 1)?;
/// let kept = scope.reduce_max(x, Axes::of([-1]).keep_dims())?;
/// assert_eq!([mean, rows, kept].map(|x| scope.shape(x).to_string()), ["[]", "[?]", "[?,1]"]);
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    which: Which,
    keep_dims: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    All,
    One(i32),
    Several(Vec<i32>),
}

impl Axes {
    /// All of them, which leaves a scalar.
    pub fn all() -> Axes {
        Axes { which: Which::All, keep_dims: false }
    }

    /// These; negative ones count from the end.
    pub fn of(axes: impl Into<Vec<i32>>) -> Axes {
        Axes { which: Which::Several(axes.into()), keep_dims: false }
    }

    /// Leaves dimensions of size 1 where it goes along.
    pub fn keep_dims(mut self) -> Axes {
        self.keep_dims = true;
        self
    }
}

impl From<i32> for Axes {
    fn from(axis: i32) -> Axes {
        Axes { which: Which::One(axis), keep_dims: false }
    }
}

impl<const N: usize> From<[i32; N]> for Axes {
    fn from(axes: [i32; N]) -> Axes {
        Axes::of(axes)
    }
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $method:ident => $op:literal;)*) => {
        impl Scope {
            $(
                $(#[$doc])*
                ///
                /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
                pub fn $method(
                    &mut self,
                    input: impl Into<Operand>,
                    axes: impl Into<Axes>,
                ) -> Result<Output, Error> {
                    self.reduce($op, input.into(), axes.into())
                }
            )*
        }
    };
}

reductions! {
    /// Whether all elements along axes are true.
    reduce_all => "All";
    /// Whether any element along axes is true.
    reduce_any => "Any";
    /// The greatest element along axes.
    reduce_max => "Max";
    /// The mean along axes.
    reduce_mean => "Mean";
    /// The least element along axes.
    reduce_min => "Min";
    /// The product along axes.
    reduce_prod => "Prod";
    /// The sum along axes.
    reduce_sum => "Sum";
}

impl Scope {
    fn reduce(&mut self, op: &str, input: Operand, axes: Axes) -> Result<Output, Error> {
        let name = self.op_name.take().unwrap_or_default();
        let is_all = axes.which == Which::All;
        let indices = match axes.which {
            Which::One(axis) => Operand::from(axis),
            Which::Several(axes) => Operand::from(axes),
            Which::All => self.all_axes(&input)?.into(),
        };
        let keep_dims = Attr::Bool(axes.keep_dims);
        let reduced = self.op(op).input(input).input(indices).attr("keep_dims", keep_dims);
        let reduced = reduced.name(&name).build_one()?;
        if is_all && !axes.keep_dims && self.shape(reduced).to_shape().is_none() {
            self.shapes.set(reduced, PartialShape::new(Vec::new()));
        }
        Ok(reduced)
    }

    /// All axes of a tensor: a constant if its rank is known, which that of a value is not taken to be.
    fn all_axes(&mut self, input: &Operand) -> Result<Output, Error> {
        let rank = match input {
            Operand::Output(output) => self.shape(*output).rank(),
            Operand::Variable(variable) => variable.shape().rank(),
            Operand::Constant(_) | Operand::Packed(_) | Operand::Slices(_) => None,
        };
        match rank.map(i32::try_from) {
            Some(Ok(rank)) if rank > 0 => {
                let axes: Vec<i32> = (0..rank).collect();
                self.tensor(axes, "Const")
            }
            _ => {
                let rank = self.rank(input.clone())?;
                self.range(0i32, rank, 1i32)
            }
        }
    }
}
