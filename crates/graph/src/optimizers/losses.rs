//! Losses that are means over what they are told to count: those of `tf.compat.v1.losses` that tutorials
//! use.
//!
//! Each weighs all examples alike and divides by the number of those whose weight is not zero
//! (`Reduction.SUM_BY_NONZERO_WEIGHTS`). The loss is put into the collection `losses`. A name, as in
//! `scope.with_op_name("error").mean_squared_error(…)`, is that of the name scope.

use flowkeep_tensor::DType;

use crate::builder::{Axes, Operand, Scope, number};
use crate::{Error, Output, collection_keys};

impl Scope {
    /// The mean of squared differences: `tf.compat.v1.losses.mean_squared_error`.
    ///
    /// Errors: `UNIMPLEMENTED` for tensors of unknown rank; as the ops.
    pub fn mean_squared_error(
        &mut self,
        labels: impl Into<Operand>,
        predictions: impl Into<Operand>,
        weight: f64,
    ) -> Result<Output, Error> {
        let (labels, predictions) = (labels.into(), predictions.into());
        self.scoped("mean_squared_error", |scope, _| {
            let predictions = scope.cast(predictions, DType::F32)?;
            let labels = scope.cast(labels, DType::F32)?;
            let losses = scope.op("SquaredDifference").input(predictions).input(labels);
            let losses = losses.build_one()?;
            scope.weighted_loss(losses, number(DType::F32, weight)?.into())
        })
    }

    /// The mean of differences without their signs: `tf.compat.v1.losses.absolute_difference`.
    ///
    /// Errors: as [`Scope::mean_squared_error`].
    pub fn absolute_difference(
        &mut self,
        labels: impl Into<Operand>,
        predictions: impl Into<Operand>,
        weight: f64,
    ) -> Result<Output, Error> {
        let (labels, predictions) = (labels.into(), predictions.into());
        self.scoped("absolute_difference", |scope, _| {
            let predictions = scope.cast(predictions, DType::F32)?;
            let labels = scope.cast(labels, DType::F32)?;
            let difference = scope.sub(predictions, labels)?;
            let losses = scope.abs(difference)?;
            scope.weighted_loss(losses, number(DType::F32, weight)?.into())
        })
    }

    /// The mean of cross entropies with classes that are given by number:
    /// `tf.compat.v1.losses.sparse_softmax_cross_entropy`.
    ///
    /// Shapes: labels `[n]`, logits `[n, classes]`.
    /// Errors: `UNIMPLEMENTED` for labels of another rank than one less than that of logits; as the ops.
    pub fn sparse_softmax_cross_entropy(
        &mut self,
        labels: Output,
        logits: Output,
        weight: f64,
    ) -> Result<Output, Error> {
        self.scoped("sparse_softmax_cross_entropy_loss", |scope, _| {
            let ranks = [labels, logits].map(|tensor| scope.shape(tensor).rank());
            if !matches!(ranks, [Some(of_labels), Some(of_logits)] if of_labels + 1 == of_logits) {
                return Err(Error::Unsupported(
                    "labels of another rank than one less than that of logits".to_owned(),
                ));
            }
            // What may take dimensions of one away has nothing to do, but a name.
            drop(scope.name_scope("remove_squeezable_dimensions")?);
            let weight = scope.constant(number(DType::F32, weight)?)?;
            let mut named = scope.with_op_name("xentropy");
            let losses = named.sparse_softmax_cross_entropy_with_logits(labels, logits)?;
            drop(named);
            scope.weighted_loss(losses, weight.into())
        })
    }

    /// The sum of all losses, those that regularize too:
    /// `tf.compat.v1.losses.get_total_loss`.
    ///
    /// Errors: `INVALID_ARGUMENT` if there are none; as the op.
    pub fn total_loss(&mut self) -> Result<Output, Error> {
        let names = [collection_keys::LOSSES, collection_keys::REGULARIZATION_LOSSES];
        let mut losses = Vec::new();
        for item in names.into_iter().flat_map(|name| self.get_collection(name, None)) {
            if let crate::CollectionItem::Tensor(loss) = item {
                losses.push(loss);
            }
        }
        let name = self.take_op_name("total_loss");
        self.with_op_name(&name).add_n(losses)
    }

    /// The mean of losses whose weight is not zero: `compute_weighted_loss`.
    fn weighted_loss(&mut self, losses: Output, weight: Operand) -> Result<Output, Error> {
        let checked = self.check_broadcast(weight.clone(), losses)?;
        let loss = {
            let mut after = self.control_dependencies([checked])?;
            let dtype = after.dtype(losses).unwrap_or(DType::F32);
            let losses = after.cast(losses, DType::F32)?;
            let weight = after.cast(weight, DType::F32)?;
            let weighted = after.mul(losses, weight)?;
            let sum = after.reduce_sum(weighted, Axes::all())?;
            let counted = after.scoped("num_present", |scope, name| {
                let present = scope.present(losses, weight)?;
                scope.with_op_name(name).reduce_sum(present, Axes::all())
            })?;
            let total = after.reduce_sum(sum, Axes::all())?;
            let mean = after.op("DivNoNan").input(total).input(counted).name("value");
            let mean = mean.build_one()?;
            after.cast(mean, dtype)?
        };
        self.add_to_collection(collection_keys::LOSSES, loss);
        Ok(loss)
    }

    /// Ones for losses that count, and zeros for others.
    fn present(&mut self, losses: Output, weight: Output) -> Result<Output, Error> {
        let is_zero = self.equal(weight, 0f32)?;
        let zeros = self.zeros_like(weight)?;
        let ones = self.ones_like_static(weight)?;
        let present = self.select(is_zero, zeros, ones)?;
        self.scoped("broadcast_weights", |scope, name| {
            if scope.shape(losses).rank() == Some(0) {
                return Ok(present);
            }
            let checked = scope.check_broadcast(present.into(), losses)?;
            let mut after = scope.control_dependencies([checked])?;
            let ones = after.ones_like_static(losses)?;
            after.with_op_name(name).mul(present, ones)
        })
    }

    /// The node that stands for the check that a scalar weight fits: `assert_broadcastable`.
    fn check_broadcast(&mut self, weight: Operand, losses: Output) -> Result<crate::NodeId, Error> {
        if self.shape(losses).rank().is_none() {
            return Err(Error::Unsupported("losses of unknown rank".to_owned()));
        }
        let mut inner = self.name_scope("assert_broadcastable")?;
        {
            let mut scope = inner.name_scope("weights")?;
            let name = scope.current_name_scope();
            let weight = scope.tensor(weight, &name)?;
            scope.with_op_name("shape").shape_of(weight)?;
            scope.with_op_name("rank").rank(weight)?;
        }
        {
            let mut scope = inner.name_scope("values")?;
            scope.with_op_name("shape").shape_of(losses)?;
            scope.with_op_name("rank").rank(losses)?;
        }
        inner.with_op_name("static_scalar_check_success").no_op()
    }
}
