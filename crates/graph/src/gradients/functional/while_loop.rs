//! The gradient of a loop whose condition and body are functions: a loop of as many iterations, the last
//! one first.
//!
//! Its variables are a counter, two numbers of iterations, the gradients of the loop's variables, and what the
//! gradient of the body takes from the body. The loop itself gets lists for that, as more variables. Source:
//! `while_v2.py`.

use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape, Tensor};

use super::super::Gradient;
use super::super::forward::{Forward, Gradients};
use super::add_rewritten;
use super::body::{self, Body, N_COUNTERS, func_attr};
use super::capture::Described;
use crate::builder::{HandleShape, Scope};
use crate::{Attr, AttrList, Error, NodeId, Output};

pub(super) fn while_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let id = op.output(0).node;
    let name = scope.own_name(id);
    if scope.current_context().is_some() {
        return Err(Error::Unsupported(format!(
            "the gradient of op 'While' is not supported within a loop of TensorFlow 1 (node '{name}')"
        )));
    }
    let [cond, body] = ["cond", "body"].map(|attr| op.attrs.func(attr).cloned());
    let (cond, body) = (cond?, body?);
    let n_iterations = op.output(0);
    let Some(most) = op.inputs.get(1).copied().filter(|most| {
        [n_iterations, *most].iter().all(|tensor| scope.dtype(*tensor) == Some(DType::I32))
    }) else {
        return Err(Error::Unsupported(format!(
            "the gradient of op 'While' is not supported for a loop that does not count its iterations (node '{name}')"
        )));
    };
    let shapes = op.attrs.shapes("output_shapes").unwrap_or_default();
    let mut body = Body::new(scope, &body, &shapes, id, &op.inputs)?;
    let grads = incoming(scope, op, &body)?;
    let counter = scope.with_op_name("grad_counter").constant(Tensor::scalar(0i32))?;
    let mut loop_vars = vec![counter, most, n_iterations];
    loop_vars.extend(grads.iter().flatten());
    body.make_gradient(scope, &op.inputs, &grads, &loop_vars)?;
    let cond_name = match body.empty_lists.is_empty() {
        true => cond.name.clone(),
        false => {
            let lists = body.empty_lists.clone();
            let cond_with = body::condition_with(scope, &cond, &shapes, op.inputs.len(), &lists)?;
            let cond = add_rewritten(scope, &cond.name, cond_with)?;
            rewrite(scope, id, &cond, &body)?;
            cond
        }
    };
    let n_outputs = scope.graph().get(id).and_then(|node| node.n_outputs()).unwrap_or(0);
    scope.extend_node(id, &[], vec![("_num_original_outputs", int_attr(n_outputs))], &[])?;
    loop_vars.extend(body.captured_from(id)?);
    densify(&mut body)?;
    let outputs = build(scope, op, &name, &cond_name, &body, loop_vars)?;
    // A gradient for each input that had one of its result.
    let mut outputs = outputs.into_iter().skip(N_COUNTERS);
    Ok(grads.iter().map(|grad| grad.and_then(|_| outputs.next().map(Gradient::Dense))).collect())
}

fn int_attr(n: usize) -> Attr {
    Attr::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The gradients of the loop's results that its gradient begins with.
fn incoming(scope: &mut Scope, op: &Forward, body: &Body) -> Result<Vec<Option<Output>>, Error> {
    let n_original = op.attrs.int("_num_original_outputs").ok();
    let n_original = n_original.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    let mut grads = Vec::with_capacity(op.inputs.len());
    for (index, input) in op.inputs.iter().enumerate() {
        let output = op.output(u32::try_from(index).unwrap_or(u32::MAX));
        let grad = op.grads.get(index).copied().flatten();
        grads.push(match grad {
            _ if index >= n_original || !body.is_trainable(index) => None,
            Some(grad) => Some(scope.summed_up(grad)?),
            None => match (scope.dtype(output), scope.handle_dtype(*input)) {
                (Some(DType::Resource), Some(dtype)) => {
                    let shape = scope.op("VariableShape").input(output).build_one()?;
                    Some(scope.zeros_of(shape, dtype, "zeros")?)
                }
                (Some(DType::Variant), _) => Some(scope.zeros_like(output)?),
                _ => None,
            },
        });
    }
    Ok(grads)
}

/// Lets the loop have the lists that its gradient needs.
fn rewrite(scope: &mut Scope, id: NodeId, cond: &Arc<str>, body: &Body) -> Result<(), Error> {
    let name = body.name().clone();
    let body_name = add_rewritten(scope, &name, |name| body.forward_function(name))?;
    let (types, shapes, handles) = split(body.described()?);
    let n_old = scope.graph().get(id).map_or(0, |node| node.inputs().len());
    let attrs = vec![
        ("cond", func_attr(cond)),
        ("body", func_attr(&body_name)),
        ("T", Attr::List(AttrList::Type(types.into()))),
        ("output_shapes", Attr::List(AttrList::Shape(shapes.clone().into()))),
    ];
    let more = shapes.get(n_old..).unwrap_or_default();
    scope.extend_node(id, &body.empty_lists, attrs, more)?;
    set_handles(scope, id, handles.into_iter().enumerate().skip(n_old));
    Ok(())
}

/// What is known of tensors: their types, their shapes, and what they refer to.
type Split = (Vec<DType>, Vec<PartialShape>, Vec<Option<HandleShape>>);

fn split(tensors: Vec<Described>) -> Split {
    let mut split = Split::default();
    for tensor in tensors {
        split.0.push(tensor.dtype);
        split.1.push(tensor.shape);
        split.2.push(tensor.handle);
    }
    split
}

fn set_handles(
    scope: &mut Scope,
    id: NodeId,
    handles: impl Iterator<Item = (usize, Option<HandleShape>)>,
) {
    for (index, handle) in handles {
        if let Some((handle, index)) = handle.zip(u32::try_from(index).ok()) {
            scope.set_handle(id.output(index), handle);
        }
    }
}

/// Makes tensors of gradients of rows.
fn densify(body: &mut Body) -> Result<(), Error> {
    for index in 0..body.results.len() {
        if matches!(body.results.get(index), Some(Gradient::Sparse(_))) {
            body.sum_up(index)?;
        }
    }
    Ok(())
}

/// Makes the loop of the gradient.
fn build(
    scope: &mut Scope,
    op: &Forward,
    name: &str,
    cond_name: &str,
    body: &Body,
    loop_vars: Vec<Output>,
) -> Result<Vec<Output>, Error> {
    let cond = body::gradient_condition(scope, cond_name, &loop_vars)?;
    let cond_name = cond.shared_name().clone();
    scope.add_function(cond)?;
    let function = body.gradient_function(scope)?;
    let body_name = function.shared_name().clone();
    scope.add_function(function)?;
    let (_, shapes, handles) = split(body.gradient_described());
    let n_outputs = loop_vars.len();
    let read_only = body.only_read()?;
    let read_only = match read_only.is_empty() {
        true => AttrList::Empty,
        false => AttrList::Int(read_only.into()),
    };
    let op_name = if body.has_effects() { "While" } else { "StatelessWhile" };
    let node = scope.op(op_name).input_list(loop_vars).name(&format!("{name}_grad"));
    let node = op.like(node, &["parallel_iterations"]);
    let node = node
        .attr("cond", func_attr(&cond_name))
        .attr("body", func_attr(&body_name))
        .attr("output_shapes", Attr::List(AttrList::Shape(shapes.into())))
        .attr("_lower_using_switch_merge", Attr::Bool(true))
        .attr("_read_only_resource_inputs", Attr::List(read_only))
        .attr("_num_original_outputs", int_attr(n_outputs))
        .build()?;
    set_handles(scope, node, handles.into_iter().enumerate());
    let outputs = (0u32..).take(n_outputs);
    outputs.map(|index| scope.identity(node.output(index))).collect()
}
