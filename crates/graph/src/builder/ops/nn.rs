//! Layers of networks.

use flowkeep_tensor::DType;

use super::super::random::number;
use super::super::{Operand, Scope};
use crate::{Attr, Error, Output};

impl Scope {
    /// The sum of a tensor and a vector along its channels, the last dimension.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn bias_add(
        &mut self,
        value: impl Into<Operand>,
        bias: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.scoped("BiasAdd", |scope, name| {
            let value = scope.tensor(value, "input")?;
            let bias = scope.tensor(bias, "bias")?;
            scope.op("BiasAdd").input(value).input(bias).name(name).build_one()
        })
    }

    /// Numbers that are exponentials of logits and add up to 1 along the last dimension.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn softmax(&mut self, logits: impl Into<Operand>) -> Result<Output, Error> {
        self.of_logits("Softmax", logits.into())
    }

    /// The logarithm of [`Scope::softmax`].
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn log_softmax(&mut self, logits: impl Into<Operand>) -> Result<Output, Error> {
        self.of_logits("LogSoftmax", logits.into())
    }

    fn of_logits(&mut self, op: &str, logits: Operand) -> Result<Output, Error> {
        let name = self.op_name.take().unwrap_or_default();
        let logits = self.tensor(logits, "Const")?;
        self.op(op).input(logits).name(&name).build_one()
    }

    /// Half the sum of squares.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn l2_loss(&mut self, t: impl Into<Operand>) -> Result<Output, Error> {
        self.op("L2Loss").input(t).build_one()
    }

    /// Whether the target is among the `k` greatest predictions, for each row.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn in_top_k(
        &mut self,
        predictions: impl Into<Operand>,
        targets: impl Into<Operand>,
        k: i32,
    ) -> Result<Output, Error> {
        // The node is called like the scope, and lies within it.
        let own_name = self.op_name.clone().unwrap_or_default();
        self.scoped("in_top_k", |scope, _| {
            let op = scope.op("InTopKV2").input(predictions).input(targets).input(k);
            op.name(&own_name).build_one()
        })
    }

    /// `x` where it is positive, else `alpha` times `x`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn leaky_relu(
        &mut self,
        features: impl Into<Operand>,
        alpha: f32,
    ) -> Result<Output, Error> {
        self.scoped("LeakyRelu", |scope, name| {
            let features = scope.tensor(features, "features")?;
            let op = scope.op("LeakyRelu").input(features).attr("alpha", Attr::Float(alpha));
            op.name(name).build_one()
        })
    }

    /// The tensor with elements set to zero at random, each with the probability `rate`, and the others
    /// made larger so that the mean stays.
    ///
    /// Errors: `INVALID_ARGUMENT` for a rate outside of `[0, 1)` and for a tensor that is not of floats.
    pub fn dropout(
        &mut self,
        x: impl Into<Operand>,
        rate: f64,
        seed: Option<i64>,
    ) -> Result<Output, Error> {
        let refused = |message| Error::Inputs { op: "dropout".to_owned(), message };
        self.scoped("dropout", |scope, _| {
            if !(0.0..1.0).contains(&rate) {
                return Err(refused(format!(
                    "`rate` must be a scalar tensor or a float in the range [0, 1). Received: rate={rate}"
                )));
            }
            let x = scope.tensor(x, "x")?;
            let dtype = scope.dtype(x).filter(|dtype| dtype.is_floating());
            let Some(dtype) = dtype else {
                return Err(refused(
                    "`x.dtype` must be a floating point tensor as `x` will be scaled.".to_owned(),
                ));
            };
            if rate == 0.0 {
                scope.skip_seed(seed);
                return Ok(x);
            }
            let scale = scope.constant(number(dtype, 1.0 / (1.0 - rate))?)?;
            let scaled = scope.mul(x, scale)?;
            let shape = scope.shape_of(x)?;
            let drawn = scope.unit_uniform(shape, dtype, seed)?;
            let kept = scope.greater_equal(drawn, number(dtype, rate)?)?;
            let zero = scope.constant(number(dtype, 0.0)?)?;
            let dropped = scope.select_v2(kept, scaled, zero)?;
            let shape = scope.shape(x).clone();
            scope.refine_shape(dropped, &shape)?;
            Ok(dropped)
        })
    }

    /// The type of a tensor; `None` of an unknown op.
    pub(crate) fn dtype(&self, tensor: Output) -> Option<DType> {
        self.graph.get(tensor.node)?.output_dtype(tensor.index)
    }

    /// Does what makes an op in a name scope of its own, and gives it the name for its last node.
    pub(crate) fn scoped<T>(
        &mut self,
        default_name: &str,
        make: impl FnOnce(&mut Scope, &str) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let name = self.take_op_name(default_name);
        let mut inner = self.name_scope(&name)?;
        let name = inner.current_name_scope();
        make(&mut inner, &name)
    }
}
