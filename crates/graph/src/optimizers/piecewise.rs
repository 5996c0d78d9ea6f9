//! Learning rates that jump.

use flowkeep_tensor::{DType, Tensor};

use crate::builder::{Made, Operand, Scope, number};
use crate::{Error, NodeId, Output};

impl Scope {
    /// The first of `values` while the step is at most the first of `boundaries`, and so on; the last one
    /// beyond all of them: `tf.compat.v1.train.piecewise_constant`.
    ///
    /// The step is an `int32` or `int64`. Conditionals are built of `Switch` and `Merge`.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's text, if there is not one value more than there are
    /// boundaries; for a step of another type.
    pub fn piecewise_constant(
        &mut self,
        step: impl Into<Operand>,
        boundaries: &[i32],
        values: &[f64],
    ) -> Result<Output, Error> {
        let refused =
            |message: String| Error::Inputs { op: "PiecewiseConstant".to_owned(), message };
        let (Some((first, between)), true) =
            (values.split_first(), boundaries.len() + 1 == values.len())
        else {
            let message = "The length of boundaries should be 1 less than the length of values";
            return Err(refused(message.to_owned()));
        };
        let name = self.take_op_name("PiecewiseConstant");
        let step = step.into();
        let mut bounds = Vec::with_capacity(boundaries.len());
        for boundary in boundaries {
            bounds.push(self.tensor(*boundary, "Const")?);
        }
        let first = self.tensor(number(DType::F32, *first)?, "Const")?;
        let mut rates = Vec::with_capacity(between.len());
        for value in between {
            rates.push(self.tensor(number(DType::F32, *value)?, "Const")?);
        }
        let dtype = {
            let step = self.tensor(step.clone(), "Const")?;
            self.dtype(step)
        };
        for bound in &mut bounds {
            *bound = match dtype {
                Some(dtype @ (DType::I32 | DType::I64)) => self.cast(*bound, dtype)?,
                _ => {
                    let dtype = dtype.map_or("unknown", |dtype| dtype.python_name());
                    return Err(refused(format!(
                        "Boundaries (<dtype: 'int32'>) must have the same dtype as x (<dtype: '{dtype}'>)."
                    )));
                }
            };
        }
        let mut inner = self.name_scope(&name)?;
        let step = inner.tensor(step, "Const")?;
        let mut cases = Vec::with_capacity(values.len());
        let (Some(lowest), Some(highest)) = (bounds.first(), bounds.last()) else {
            return Ok(first);
        };
        cases.push((inner.less_equal(step, lowest)?, first));
        if let Some(last) = rates.last() {
            cases.push((inner.greater(step, highest)?, *last));
        }
        let pairs = bounds.iter().zip(bounds.iter().skip(1));
        for ((low, high), rate) in pairs.zip(&rates) {
            let above = inner.greater(step, low)?;
            let below = inner.less_equal(step, high)?;
            cases.push((inner.with_op_name("and").logical_and(above, below)?, *rate));
        }
        inner.scoped("case", |scope, _| {
            let checked = scope.at_most_one(&cases)?;
            scope.control_dependencies([checked])?.case(&cases, first)
        })
    }

    /// The tensor of the first case whose predicate holds.
    fn case(&mut self, cases: &[(Output, Output)], otherwise: Output) -> Result<Output, Error> {
        match cases.split_first() {
            None => Ok(otherwise),
            Some(((predicate, value), rest)) => {
                self.cond(*predicate, |_| Ok(*value), |scope| scope.case(rest, otherwise))
            }
        }
    }

    /// The node that fails if more than one predicate holds.
    fn at_most_one(&mut self, cases: &[(Output, Output)]) -> Result<NodeId, Error> {
        let predicates: Vec<Output> = cases.iter().map(|(predicate, _)| *predicate).collect();
        let names: Vec<String> = predicates
            .iter()
            .map(|predicate| self.graph().tensor_name(*predicate).to_string())
            .collect();
        let message = format!(
            "Input error: exclusive=True: more than 1 conditions ({}) evaluated as True:",
            names.join(", ")
        );
        let all = self.with_op_name("preds_c").stack(predicates, 0)?;
        let counted = self.cast(all, DType::I32)?;
        let n_true =
            self.with_op_name("num_true_conds").reduce_sum(counted, crate::builder::Axes::all())?;
        let most = self.tensor(1i32, "n_true_conds")?;
        let holds = self.less_equal(n_true, most)?;
        let summarize = i64::try_from(cases.len()).unwrap_or(i64::MAX);
        self.assert_that(holds, Tensor::scalar_string(message), all, summarize)
    }

    /// The node that fails, with a message and a tensor, if a truth value is false:
    /// `tf.debugging.Assert`.
    fn assert_that(
        &mut self,
        condition: Output,
        message: Tensor,
        told: Output,
        summarize: i64,
    ) -> Result<NodeId, Error> {
        self.scoped("Assert", |scope, _| {
            scope.tensor(message.clone(), "Const")?;
            let mut guard = scope.with_op_name("AssertGuard");
            let merged = guard.cond_of(
                condition,
                |scope| scope.no_op().map(Made::Node),
                |scope| {
                    let data: [Operand; 2] = [message.into(), told.into()];
                    let op = scope.op("Assert").input(condition).input_list(data);
                    let op = op.attr("summarize", crate::Attr::Int(summarize));
                    op.build().map(Made::Node)
                },
            )?;
            Ok(merged.node)
        })
    }
}
