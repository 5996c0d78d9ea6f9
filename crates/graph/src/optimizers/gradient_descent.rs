use super::Hyper;
use super::rule::{Arg, Prepared, Rows, Rule, Update};
use crate::builder::Scope;
use crate::gradients::{Gradient, IndexedSlices};
use crate::{Attr, Error, NodeId};

/// Gradient descent: `tf.compat.v1.train.GradientDescentOptimizer`.
///
/// Rows of a gradient that belong to one are subtracted one after the other.
#[derive(Clone, Debug)]
pub struct GradientDescent {
    /// The learning rate.
    pub learning_rate: Hyper,
}

impl GradientDescent {
    /// With this learning rate.
    pub fn new(learning_rate: impl Into<Hyper>) -> GradientDescent {
        GradientDescent { learning_rate: learning_rate.into() }
    }
}

impl Rule for GradientDescent {
    fn default_name(&self) -> &'static str {
        "GradientDescent"
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        Prepared::new(scope, [("learning_rate", &self.learning_rate)])
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        match cx.gradient {
            Gradient::Dense(values) => {
                let args = [Arg::Hyper("learning_rate"), Arg::Gradient];
                cx.apply("GradientDescent", Rows { values, indices: None }, &args, &[])
            }
            Gradient::Sparse(rows) => scatter(cx, rows),
        }
    }
}

/// Subtracts rows from those of the variable.
fn scatter(cx: &mut Update<'_>, rows: IndexedSlices) -> Result<NodeId, Error> {
    let handle = cx.variable.handle();
    if cx.variable.is_resource() {
        let negative = cx.scope.neg(rows.values)?;
        let rate = cx.hyper("learning_rate")?;
        let delta = cx.scope.times(negative, rate)?;
        let op = cx.scope.op("ResourceScatterAdd").input(handle).input(rows.indices);
        return op.input(delta).build();
    }
    let rate = cx.hyper("learning_rate")?;
    let delta = cx.scope.times(rows.values, rate)?;
    let op = cx.scope.op("ScatterSub").input(handle).input(rows.indices).input(delta);
    op.attr("use_locking", Attr::Bool(cx.use_locking)).build()
}
