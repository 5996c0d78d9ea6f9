//! Conditions and loops of TensorFlow 2, whose parts are functions: `If`, `Case` and `While`.
//!
//! The gradient of a condition is a node of the same kind, whose branches are the gradients of the branches. What they
//! need of the branches' values on the way becomes more outputs of the node itself. Source: `cond_v2.py`.
//!
//! In reading order: here, the nodes; `branch`, a branch and its gradient; `capture`, what the gradient
//! takes from it; `store`, functions out of graphs; `body`, the body of a loop and its gradient; `lists`, the
//! values of its iterations; `while_loop`, the nodes of loops.

mod body;
mod branch;
mod capture;
mod lists;
mod store;
mod while_loop;

use std::collections::HashSet;
use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape};

use super::forward::{Forward, Gradients};
use super::table::Entry;
use super::{Gradient, IndexedSlices};
use crate::builder::Scope;
use crate::{Attr, AttrList, Attrs, Error, FuncRef, Function, NodeId, Output};

use branch::Branch;
pub(crate) use capture::Capturing;

pub(super) const OPS: &[Entry] = &[
    ("Case", case_grad),
    ("If", if_grad),
    ("OptionalFromValue", optional_from_value_grad),
    ("OptionalGetValue", optional_get_value_grad),
    ("StatelessCase", case_grad),
    ("StatelessIf", if_grad),
    ("StatelessWhile", while_loop::while_grad),
    ("While", while_loop::while_grad),
];

fn if_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let functions = ["then_branch", "else_branch"].map(|name| op.attrs.func(name).cloned());
    let functions = functions.into_iter().collect::<Result<Vec<_>, _>>()?;
    let attrs = |names: &[Arc<str>]| {
        let named = ["then_branch", "else_branch"].into_iter().zip(names);
        let named = named.map(|(attr, name)| (attr, Attr::Func(Arc::new(func_ref(name)))));
        named.collect()
    };
    conditional_grad(scope, op, &Kind { op: "If", name: None }, &functions, attrs)
}

fn case_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let functions = op.attrs.funcs("branches")?.to_vec();
    let attrs = |names: &[Arc<str>]| {
        let functions = names.iter().map(func_ref).collect();
        vec![("branches", Attr::List(AttrList::Func(functions)))]
    };
    conditional_grad(scope, op, &Kind { op: "Case", name: Some("gradient") }, &functions, attrs)
}

fn optional_from_value_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.summed_up(op.grad(0)?)?;
    let types = op.inputs.iter().map(|input| scope.dtype(*input).unwrap_or(DType::F32)).collect();
    let shapes = op.inputs.iter().map(|input| scope.shape(*input).clone()).collect();
    let node = scope.op("OptionalGetValue").input(grad);
    let node = node.attr("output_types", Attr::List(AttrList::Type(types)));
    let node = node.attr("output_shapes", Attr::List(AttrList::Shape(shapes))).build()?;
    Ok((0..).map(|index| Some(node.output(index).into())).take(op.inputs.len()).collect())
}

fn optional_get_value_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let mut grads = Vec::with_capacity(op.grads.len());
    for index in 0..op.grads.len() {
        grads.push(scope.summed_up(op.grad(index)?)?);
    }
    let optional = scope.op("OptionalFromValue").input_list(grads).build_one()?;
    Ok(vec![Some(optional.into())])
}

fn func_ref(name: &Arc<str>) -> FuncRef {
    FuncRef { name: name.clone(), attrs: Attrs::default() }
}

/// An op that runs one of several functions.
struct Kind {
    /// Its name if it has effects; that without has `Stateless` before it.
    op: &'static str,
    /// What nodes of gradients are called, if not like the op.
    name: Option<&'static str>,
}

fn conditional_grad(
    scope: &mut Scope,
    op: &Forward,
    kind: &Kind,
    functions: &[FuncRef],
    attrs: impl Fn(&[Arc<str>]) -> Vec<(&'static str, Attr)>,
) -> Gradients {
    let Some((predicate, args)) = op.inputs.split_first() else { return op.nothing() };
    if scope.current_context().is_some() {
        let name = scope.own_name(op.output(0).node);
        return Err(Error::Unsupported(format!(
            "the gradient of op '{}' is not supported within a loop of TensorFlow 1 (node '{name}')",
            kind.op
        )));
    }
    let mut branches = Vec::with_capacity(functions.len());
    for function in functions {
        branches.push(Branch::new(scope, function, op.output(0).node, args, &op.grads)?);
    }
    for index in 0..args.len() {
        let dtype = branches.iter().find_map(|branch| branch.result_dtype(index));
        if let Some(dtype) = dtype {
            branches.iter_mut().try_for_each(|branch| branch.fill_zeros(index, dtype))?;
        }
    }
    if branches.iter().any(Branch::is_rewritten) {
        rewrite(scope, op.output(0).node, &mut branches, &attrs)?;
    }
    let inputs: Vec<Vec<Output>> = branches
        .iter()
        .map(|branch| branch.captured_from(op.output(0).node, args))
        .collect::<Result<_, _>>()?;
    for index in 0..args.len() {
        let is_sparse = |branch: &Branch| matches!(branch.result(index), Some(Gradient::Sparse(_)));
        if branches.iter().any(is_sparse) {
            branches.iter_mut().try_for_each(|branch| branch.make_sparse(index))?;
            match_indices(&mut branches, index)?;
        }
    }
    // Arguments are the same for all branches.
    let mut seen = HashSet::new();
    let all: Vec<Output> =
        inputs.iter().flatten().copied().filter(|input| seen.insert(*input)).collect();
    for (branch, inputs) in branches.iter_mut().zip(&inputs) {
        branch.match_args(scope, inputs, &all)?;
    }
    let results = results_of(&branches)?;
    let (mut names, mut is_stateful) = (Vec::with_capacity(branches.len()), false);
    for branch in &branches {
        is_stateful |= branch.is_stateful();
        let function = branch.gradient_function(scope)?;
        names.push(function.shared_name().clone());
        scope.add_function(function)?;
    }
    let lowering = match kind.op {
        "Case" => op.attrs.get("_lower_using_switch_merge").cloned(),
        _ => None,
    };
    let mut others = Vec::new();
    let n_results = results.0.len();
    if n_results > 0 || is_stateful {
        others.push(("_lower_using_switch_merge", lowering.unwrap_or(Attr::Bool(true))));
        let read_only = (1i64..).zip(0..all.len());
        let read_only =
            read_only.filter(|(_, index)| branches.iter().all(|b| b.only_reads(*index)));
        let read_only: Arc<[i64]> = read_only.map(|(place, _)| place).collect();
        let list = if read_only.is_empty() { AttrList::Empty } else { AttrList::Int(read_only) };
        others.push(("_read_only_resource_inputs", Attr::List(list)));
    }
    let stateless = format!("Stateless{}", kind.op);
    let op_name = if is_stateful { kind.op } else { &stateless };
    let inputs = (*predicate, all);
    let node = scope.run_one_of(op_name, kind.name, attrs(&names), inputs, results, others)?;
    let mut outputs = Vec::with_capacity(n_results);
    for index in (0..).take(n_results) {
        outputs.push(scope.identity(node.output(index))?);
    }
    Ok(packed(&branches, args.len(), outputs))
}

/// Lets the node output what the gradients of its branches need.
fn rewrite(
    scope: &mut Scope,
    id: NodeId,
    branches: &mut [Branch],
    attrs: &impl Fn(&[Arc<str>]) -> Vec<(&'static str, Attr)>,
) -> Result<(), Error> {
    let n_more = branches.iter().map(Branch::n_wrapped).max().unwrap_or(0);
    let mut names = Vec::with_capacity(branches.len());
    for branch in branches.iter_mut() {
        branch.extend_results(n_more)?;
        names.push(add_rewritten(scope, &branch.name, |name| branch.forward_function(name))?);
    }
    let mut attrs = attrs(&names);
    if let Some(first) = branches.first() {
        let (types, shapes) = first.forward_results();
        let more = shapes.len().saturating_sub(n_more);
        let more = shapes.get(more..).unwrap_or_default().to_vec();
        attrs.push(("Tout", Attr::List(AttrList::Type(types.into()))));
        attrs.push(("output_shapes", Attr::List(AttrList::Shape(shapes.into()))));
        scope.extend_outputs(id, attrs, &more)?;
    }
    Ok(())
}

/// Adds a function that returns more than the one of this name, if it is not there yet.
fn add_rewritten(
    scope: &mut Scope,
    old: &str,
    rewritten: impl Fn(&str) -> Result<Function, Error>,
) -> Result<Arc<str>, Error> {
    let mut name = format!("{old}_rewritten");
    let mut number = 0u64;
    loop {
        let function = rewritten(&name)?;
        match scope.graph().library().get(&name) {
            Some(other) if !other.is_same(&function) => {
                number += 1;
                name = format!("{old}_rewritten_{number}");
            }
            _ => {
                scope.add_function(function)?;
                return Ok(name.into());
            }
        }
    }
}

/// Gives the indices of rows one type.
fn match_indices(branches: &mut [Branch], index: usize) -> Result<(), Error> {
    let dtypes: HashSet<Option<DType>> =
        branches.iter().map(|branch| branch.index_dtype(index)).collect();
    if dtypes.len() > 1 {
        branches.iter_mut().try_for_each(|branch| branch.widen_indices(index))?;
    }
    Ok(())
}

/// The types and the shapes of the results, which are those of all branches.
fn results_of(branches: &[Branch]) -> Result<(Vec<DType>, Vec<PartialShape>), Error> {
    let Some((first, others)) = branches.split_first() else { return Ok(Default::default()) };
    let (types, mut shapes) = first.result_types();
    for branch in others {
        let (other_types, other_shapes) = branch.result_types();
        if types != other_types {
            let (name, other) = (&first.name, &branch.name);
            return Err(Error::Gradient(format!(
                "the gradients of functions '{name}' and '{other}' have results of types {types:?} and {other_types:?}"
            )));
        }
        for (shape, other) in shapes.iter_mut().zip(&other_shapes) {
            *shape = in_common(shape, other);
        }
    }
    Ok((types, shapes))
}

/// What two shapes have in common.
fn in_common(a: &PartialShape, b: &PartialShape) -> PartialShape {
    match (a.dims(), b.dims()) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            let dims = a.iter().zip(b).map(|(a, b)| a.filter(|size| *b == Some(*size)));
            PartialShape::new(dims.collect::<Vec<_>>())
        }
        _ => PartialShape::unknown(),
    }
}

/// A gradient for each input, from the results of the node: none for what decides.
fn packed(branches: &[Branch], n_args: usize, outputs: Vec<Output>) -> Vec<Option<Gradient>> {
    let mut outputs = outputs.into_iter();
    let mut gradients = vec![None];
    for index in 0..n_args {
        let like = branches.first().and_then(|branch| branch.result(index));
        gradients.push(like.and_then(|like| match like {
            Gradient::Dense(_) => outputs.next().map(Gradient::Dense),
            Gradient::Sparse(slices) => {
                let (values, indices) = (outputs.next()?, outputs.next()?);
                let dense_shape = slices.dense_shape.and_then(|_| outputs.next());
                Some(IndexedSlices { values, indices, dense_shape }.into())
            }
        }));
    }
    gradients
}
