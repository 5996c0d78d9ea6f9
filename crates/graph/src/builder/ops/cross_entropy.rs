//! Losses of classifiers.

use flowkeep_tensor::{DType, PartialShape};

use super::super::text::python_shape;
use super::super::{Operand, Scope};
use crate::{Error, Output};

impl Scope {
    /// The cross entropy of logits against the probabilities that labels say, for each row:
    /// `tf.nn.softmax_cross_entropy_with_logits`.
    ///
    /// Shapes: `labels [.., K]`, `logits [.., K]` → `[..]`.
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn softmax_cross_entropy_with_logits_v2(
        &mut self,
        labels: impl Into<Operand>,
        logits: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.scoped("softmax_cross_entropy_with_logits", |scope, name| {
            let logits = scope.tensor(logits, "logits")?;
            let labels = scope.tensor(labels, "labels")?;
            let dtype = scope.dtype(logits).unwrap_or(DType::F32);
            let is_short = matches!(dtype, DType::F16 | DType::BF16);
            let precise = if is_short { scope.cast(logits, DType::F32)? } else { logits };
            let precise_dtype = if is_short { DType::F32 } else { dtype };
            let labels = scope.cast(labels, precise_dtype)?;
            let rank = scope.rank(precise)?;
            let shape = scope.shape(logits).clone();
            let input_shape = scope.shape_of(precise)?;
            let precise = scope.flatten_outer_dims(precise)?;
            let labels = scope.flatten_outer_dims(labels)?;
            let op = scope.op("SoftmaxCrossEntropyWithLogits").input(precise).input(labels);
            let cost = op.name(name).build_one()?;
            let n_outer = scope.sub(rank, 1i32)?;
            let size = Operand::packed([n_outer.into()]);
            let outer_shape = scope.slice(input_shape, [0i32], size)?;
            let cost = scope.reshape(cost, outer_shape)?;
            if let Some(dims) = shape.dims() {
                let outer = dims.split_last().map(|(_, outer)| outer).unwrap_or_default();
                scope.refine_shape(cost, &PartialShape::new(outer.to_vec()))?;
            }
            if is_short { scope.cast(cost, dtype) } else { Ok(cost) }
        })
    }

    /// As [`Scope::softmax_cross_entropy_with_logits_v2`], but gradients do not pass the labels:
    /// `tf.compat.v1.nn.softmax_cross_entropy_with_logits`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn softmax_cross_entropy_with_logits(
        &mut self,
        labels: impl Into<Operand>,
        logits: impl Into<Operand>,
    ) -> Result<Output, Error> {
        let (labels, name) =
            self.scoped("softmax_cross_entropy_with_logits_sg", |scope, name| {
                let labels = scope.with_op_name("labels_stop_gradient").stop_gradient(labels)?;
                Ok((labels, name.to_owned()))
            })?;
        self.with_op_name(&name).softmax_cross_entropy_with_logits_v2(labels, logits)
    }

    /// The cross entropy of logits against labels that are numbers of classes, for each row of a matrix:
    /// `tf.nn.sparse_softmax_cross_entropy_with_logits`.
    ///
    /// Shapes: `labels [N]`, `logits [N, K]` → `[N]`.
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build); `UNIMPLEMENTED` for
    /// logits that are no matrix.
    pub fn sparse_softmax_cross_entropy_with_logits(
        &mut self,
        labels: impl Into<Operand>,
        logits: impl Into<Operand>,
    ) -> Result<Output, Error> {
        const OP: &str = "SparseSoftmaxCrossEntropyWithLogits";
        // The node is called like the scope, and lies within it.
        let own_name = self.op_name.clone().unwrap_or_default();
        self.scoped(OP, |scope, _| {
            let labels = scope.tensor(labels, "Const")?;
            let logits = scope.tensor(logits, "Const")?;
            let is_half = scope.dtype(logits) == Some(DType::F16);
            let precise = if is_half { scope.cast(logits, DType::F32)? } else { logits };
            scope.shape_of(labels)?;
            let (label_dims, dims) = (scope.shape(labels).dims(), scope.shape(logits).dims());
            let refused = |message| Error::Inputs { op: OP.to_owned(), message };
            if let (Some(label_dims), Some(dims)) = (label_dims, dims)
                && label_dims.len() + 1 != dims.len()
            {
                return Err(refused(format!(
                    "`labels.shape.rank` must equal `logits.shape.rank - 1`. Received: labels.shape={} of rank {} and \
                     logits.shape={} of rank {}",
                    python_shape(scope.shape(labels)),
                    label_dims.len(),
                    python_shape(scope.shape(logits)),
                    dims.len()
                )));
            }
            if let (Some(label_shape), Some([outer @ .., _])) =
                (scope.shape(labels).to_shape(), dims)
                && let Some(outer_shape) = PartialShape::new(outer.to_vec()).to_shape()
                && outer_shape != label_shape
            {
                return Err(refused(format!(
                    "`labels.shape` must equal `logits.shape` except for the last dimension. Received: \
                     labels.shape={} and logits.shape={}",
                    python_shape(scope.shape(labels)),
                    python_shape(scope.shape(logits))
                )));
            }
            if scope.shape(logits).rank() != Some(2) {
                return Err(Error::Unsupported(format!("{OP} of logits that are no matrix")));
            }
            let cost = scope.op(OP).input(precise).input(labels).name(&own_name).build_one()?;
            if is_half { scope.cast(cost, DType::F16) } else { Ok(cost) }
        })
    }

    /// The cross entropy of logits against probabilities, each element by itself:
    /// `tf.nn.sigmoid_cross_entropy_with_logits`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn sigmoid_cross_entropy_with_logits(
        &mut self,
        labels: impl Into<Operand>,
        logits: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.scoped("logistic_loss", |scope, name| {
            let logits = scope.tensor(logits, "logits")?;
            let labels = scope.tensor(labels, "labels")?;
            let zeros = scope.zeros_like(logits)?;
            let is_positive = scope.greater_equal(logits, zeros)?;
            let positive = scope.select(is_positive, logits, zeros)?;
            let opposite = scope.neg(logits)?;
            let negative = scope.select(is_positive, opposite, logits)?;
            let product = scope.with_op_name("mul").mul(logits, labels)?;
            let first = scope.with_op_name("sub").sub(positive, product)?;
            let exp = scope.exp(negative)?;
            let second = scope.log1p(exp)?;
            scope.with_op_name(name).add(first, second)
        })
    }

    /// A tensor as a matrix of the rows of its last dimension.
    fn flatten_outer_dims(&mut self, logits: Output) -> Result<Output, Error> {
        let rank = self.rank(logits)?;
        let shape = self.shape_of(logits)?;
        let last = self.sub(rank, 1i32)?;
        let n_last = self.slice(shape, Operand::packed([last.into()]), [1i32])?;
        let wanted = self.concat([Operand::from([-1i32]), n_last.into()], 0)?;
        let output = self.reshape(logits, wanted)?;
        if let Some((last, outer)) = self.shape(logits).dims().and_then(|dims| dims.split_last()) {
            let n_outer = outer.iter().try_fold(1u64, |n, dim| n.checked_mul((*dim)?));
            if n_outer.is_some() {
                let flat = PartialShape::new(vec![n_outer, *last]);
                self.refine_shape(output, &flat)?;
            }
        }
        Ok(output)
    }
}
