use super::{Gradient, walk};
use crate::builder::{Operand, Scope};
use crate::{Error, Output};

/// How several gradients of one tensor are added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AggregationMethod {
    /// By one node: `AggregationMethod.ADD_N`.
    #[default]
    AddN,
    /// One after the other, by a node each: `EXPERIMENTAL_TREE` and `EXPERIMENTAL_ACCUMULATE_N`.
    Tree,
}

/// What the gradient is of a tensor that the results do not depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnconnectedGradients {
    /// There is none.
    #[default]
    None,
    /// Zeros.
    Zero,
}

/// What `tf.gradients` can be told beside the tensors.
///
/// ```
/// use flowkeep_graph::builder::Scope;
/// use flowkeep_graph::gradients::{GradientOptions, UnconnectedGradients};
/// use flowkeep_tensor::DType;
///
/// let mut scope = Scope::new();
/// let a = scope.placeholder(DType::F32, [Some(2)])?;
/// let b = scope.placeholder(DType::F32, [Some(2)])?;
/// let y = scope.square(a)?;
/// let options = GradientOptions::new().name("g").unconnected_gradients(UnconnectedGradients::Zero);
/// let gradients = scope.gradients_with(&[y], &[a, b], &options)?;
/// assert!(gradients.iter().all(Option::is_some));
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GradientOptions {
    pub(super) grad_ys: Vec<Option<Gradient>>,
    pub(super) name: Option<String>,
    pub(super) colocate_gradients_with_ops: bool,
    pub(super) gate_gradients: bool,
    pub(super) aggregation_method: AggregationMethod,
    pub(super) stop_gradients: Vec<Output>,
    pub(super) unconnected_gradients: UnconnectedGradients,
}

impl GradientOptions {
    /// The defaults of `tf.gradients`.
    pub fn new() -> GradientOptions {
        GradientOptions::default()
    }

    /// The gradients of the results to start with, one for each; `None` stands for ones.
    pub fn grad_ys<G: Into<Gradient>>(
        mut self,
        grad_ys: impl IntoIterator<Item = Option<G>>,
    ) -> GradientOptions {
        self.grad_ys = grad_ys.into_iter().map(|gradient| gradient.map(Into::into)).collect();
        self
    }

    /// The name scope of the new nodes; `gradients` if nothing is said.
    pub fn name(mut self, name: &str) -> GradientOptions {
        self.name = (!name.is_empty()).then(|| name.to_owned());
        self
    }

    /// Puts the nodes of each gradient on the device of the node that it is the gradient of.
    pub fn colocate_gradients_with_ops(mut self, colocate: bool) -> GradientOptions {
        self.colocate_gradients_with_ops = colocate;
        self
    }

    /// Lets no gradient of a node's inputs be used before all of them are there.
    pub fn gate_gradients(mut self, gate: bool) -> GradientOptions {
        self.gate_gradients = gate;
        self
    }

    /// How several gradients of one tensor are added up.
    pub fn aggregation_method(mut self, method: AggregationMethod) -> GradientOptions {
        self.aggregation_method = method;
        self
    }

    /// Tensors that count as constants.
    pub fn stop_gradients(mut self, tensors: impl IntoIterator<Item = Output>) -> GradientOptions {
        self.stop_gradients = tensors.into_iter().collect();
        self
    }

    /// What the gradient is of a tensor that the results do not depend on.
    pub fn unconnected_gradients(mut self, unconnected: UnconnectedGradients) -> GradientOptions {
        self.unconnected_gradients = unconnected;
        self
    }
}

impl Scope {
    /// Adds the nodes that compute the gradients of the sum of `ys` with respect to each of `xs`:
    /// `tf.gradients`.
    ///
    /// There is one for each of `xs`, `None` if the `ys` do not depend on it. Of `xs`, a variable stands
    /// for itself, a tensor that was read from one for this reading.
    ///
    /// Errors: as [`Scope::gradients_with`].
    pub fn gradients<Y: Into<Operand>, X: Into<Operand>>(
        &mut self,
        ys: impl IntoIterator<Item = Y>,
        xs: impl IntoIterator<Item = X>,
    ) -> Result<Vec<Option<Gradient>>, Error> {
        self.gradients_with(ys, xs, &GradientOptions::default())
    }

    /// Adds gradients as the options say. Either all is added, or the scope stays as it was.
    ///
    /// Errors: `NOT_FOUND`, with TensorFlow's text, for an op that has no gradient and lies between
    /// `xs` and `ys`; `UNIMPLEMENTED` for one of which TensorFlow has a gradient and this crate none;
    /// `INVALID_ARGUMENT` for `grad_ys` of another number or type than the `ys`, for complex `ys`
    /// without any, and for shapes that contradict each other.
    pub fn gradients_with<Y: Into<Operand>, X: Into<Operand>>(
        &mut self,
        ys: impl IntoIterator<Item = Y>,
        xs: impl IntoIterator<Item = X>,
        options: &GradientOptions,
    ) -> Result<Vec<Option<Gradient>>, Error> {
        let ys: Vec<Operand> = ys.into_iter().map(Into::into).collect();
        let xs: Vec<Operand> = xs.into_iter().map(Into::into).collect();
        self.all_or_nothing(|scope| walk::gradients(scope, ys, xs, options))
    }
}
