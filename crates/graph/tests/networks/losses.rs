//! Losses, and dropout.

use flowkeep_graph::Error;
use flowkeep_graph::builder::Scope;
use flowkeep_tensor::DType;

pub(crate) fn losses(scope: &mut Scope) -> Result<(), Error> {
    let matrix = [Some(8), Some(5)];
    let logits = scope.with_op_name("logits").placeholder(DType::F32, matrix)?;
    let labels = scope.with_op_name("labels").placeholder(DType::F32, matrix)?;
    let classes = scope.with_op_name("classes").placeholder(DType::I32, [Some(8)])?;
    let deep = scope.with_op_name("deep").placeholder(DType::F32, [Some(2), None, Some(5)])?;
    let short = scope.with_op_name("short").placeholder(DType::F16, [None, Some(5)])?;
    scope.softmax_cross_entropy_with_logits_v2(labels, logits)?;
    scope.with_op_name("each").softmax_cross_entropy_with_logits_v2(deep, deep)?;
    scope.softmax_cross_entropy_with_logits(short, short)?;
    scope.sparse_softmax_cross_entropy_with_logits(classes, logits)?;
    let many = scope.placeholder(DType::I64, [None])?;
    scope.with_op_name("sparse").sparse_softmax_cross_entropy_with_logits(many, short)?;
    scope.sigmoid_cross_entropy_with_logits(labels, logits)?;
    scope.with_op_name("sigmoid").sigmoid_cross_entropy_with_logits(short, short)?;
    scope.dropout(logits, 0.25, Some(5))?;
    scope.with_op_name("half").dropout(short, 0.5, None)?;
    scope.dropout(logits, 0.0, None)?;
    Ok(())
}
