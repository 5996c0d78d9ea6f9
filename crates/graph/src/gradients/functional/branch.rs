//! A branch of a condition, and its gradient.

use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape};

use super::super::operators::Index;
use super::super::walk::{self, is_trainable};
use super::super::{Gradient, GradientOptions, IndexedSlices};
use super::capture::Capturing;
use super::store::Part;
use crate::builder::{Operand, Scope};
use crate::{Error, FuncRef, Function, NodeId, Output};

/// Ops that do nothing to the resources that they take.
const ONLY_READ: &[&str] =
    &["ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "_ReadVariablesOp"];

/// A branch, and its gradient in the same scope.
pub(super) struct Branch {
    /// The function's name.
    pub(super) name: Arc<str>,
    /// The gradient of each argument.
    results: Vec<Option<Gradient>>,
    scope: Scope,
    args: Vec<NodeId>,
    control_rets: Vec<NodeId>,
    /// The arguments of the gradient, once they are the same for all branches.
    gradient_args: Vec<NodeId>,
    /// Nodes of the gradient that run in any case.
    must_run: Vec<NodeId>,
    /// Nodes that others stand for.
    unused: Vec<NodeId>,
}

impl Branch {
    /// Makes the gradient of a function that a node of `outer` runs on these inputs, from those of its
    /// results.
    pub(super) fn new(
        outer: &mut Scope,
        function: &FuncRef,
        node: NodeId,
        inputs: &[Output],
        grads: &[Option<Gradient>],
    ) -> Result<Branch, Error> {
        let library = outer.graph().library().clone();
        let name = &function.name;
        let found = library.get(name).ok_or_else(|| {
            Error::Gradient(format!("function '{name}' is not found in the graph"))
        })?;
        let body = found.instantiate(&function.attrs, &library)?;
        if body.args.len() != inputs.len() || body.rets.len() != grads.len() {
            return Err(Error::Gradient(format!(
                "function '{name}' has {} arguments and {} results, not {} and {}",
                body.args.len(),
                body.rets.len(),
                inputs.len(),
                grads.len()
            )));
        }
        let shape = |arg: usize| inputs.get(arg).map(|input| outer.shape(*input).clone());
        let mut scope = outer.of_function(&body, |arg| shape(arg).unwrap_or_default());
        let xs: Vec<Output> = body.args.iter().map(|id| id.output(0)).collect();
        for (arg, input) in xs.iter().zip(inputs) {
            let is_resource = scope.dtype(*arg) == Some(DType::Resource);
            if let Some(handle) = outer.handle(*input).filter(|_| is_resource) {
                scope.set_handle(*arg, handle.clone());
            }
        }
        let capturing = Capturing::new(outer, &mut scope, name, xs.clone(), body.rets.clone())?;
        scope.capturing = Some(Box::new(capturing));
        let (mut ys, mut grad_ys) = (Vec::new(), Vec::new());
        for (ret, grad) in body.rets.iter().zip(grads) {
            if let Some(grad) = grad.filter(|_| is_trainable(&scope, *ret)) {
                ys.push(*ret);
                grad_ys.push(Some(stand_in(&mut scope, outer, grad)?));
            }
        }
        let is_like = |inner: Output, outer_dtype: Option<DType>| scope.dtype(inner) == outer_dtype;
        let args = xs.iter().zip(inputs).all(|(arg, input)| is_like(*arg, outer.dtype(*input)));
        if !args
            || !(0u32..)
                .zip(&body.rets)
                .all(|(index, ret)| is_like(*ret, outer.dtype(node.output(index))))
        {
            return Err(Error::Gradient(format!(
                "function '{name}' has arguments or results of other types than its node"
            )));
        }
        let options = GradientOptions::new().grad_ys(grad_ys);
        let operands = |tensors: &[Output]| tensors.iter().copied().map(Operand::from).collect();
        let made = walk::gradients(&mut scope, operands(&ys), operands(&xs), &options)?;
        let mut results = Vec::with_capacity(made.len());
        for gradient in made {
            results.push(gradient.map(|gradient| copied(&mut scope, gradient)).transpose()?);
        }
        let must_run = keep_effects(&mut scope, &flat(&results))?;
        outer.take_functions(scope.graph());
        Ok(Branch {
            name: name.clone(),
            results,
            scope,
            args: body.args.clone(),
            control_rets: body.control_rets.clone(),
            gradient_args: Vec::new(),
            must_run,
            unused: Vec::new(),
        })
    }

    fn capturing(&self) -> Result<&Capturing, Error> {
        let capturing = self.scope.capturing.as_deref();
        capturing.ok_or_else(|| Error::Gradient("no gradient is being made".to_owned()))
    }

    /// Zeros for an argument that the results of this branch do not depend on, of this type.
    pub(super) fn fill_zeros(&mut self, index: usize, dtype: DType) -> Result<(), Error> {
        let place = self.results.get_mut(index).filter(|result| result.is_none());
        let (Some(place), Some(arg)) = (place, self.args.get(index)) else { return Ok(()) };
        let (scope, arg) = (&mut self.scope, arg.output(0));
        let known = scope.handle(arg).and_then(|handle| handle.shape.to_shape());
        *place = Some(match (known, scope.dtype(arg)) {
            (Some(shape), _) => scope.zeros(&shape, dtype)?.into(),
            (None, Some(DType::Resource)) => {
                let shape = scope.op("VariableShape").input(arg).build_one()?;
                scope.zeros_of(shape, dtype, "zeros")?.into()
            }
            (None, _) => scope.zeros_like(arg)?.into(),
        });
        Ok(())
    }

    /// The gradient of an argument, if it has one.
    pub(super) fn result(&self, index: usize) -> Option<Gradient> {
        self.results.get(index).copied().flatten()
    }

    /// The type of the gradient of an argument, if it has one.
    pub(super) fn result_dtype(&self, index: usize) -> Option<DType> {
        self.scope.dtype(self.result(index)?.values())
    }

    /// Makes a gradient one of rows.
    pub(super) fn make_sparse(&mut self, index: usize) -> Result<(), Error> {
        if let Some(Some(place)) = self.results.get_mut(index)
            && let Gradient::Dense(values) = *place
        {
            let scope = &mut self.scope;
            let shape = scope.shape_as_tensor(values)?;
            let n_rows = scope.item(shape, Index::At(0))?;
            let indices = scope.range(0i32, Operand::from(n_rows), 1i32)?;
            *place = IndexedSlices { values, indices, dense_shape: Some(shape) }.into();
        }
        Ok(())
    }

    /// The type of the indices of a gradient of rows.
    pub(super) fn index_dtype(&self, index: usize) -> Option<DType> {
        match self.result(index)? {
            Gradient::Sparse(slices) => self.scope.dtype(slices.indices),
            Gradient::Dense(_) => None,
        }
    }

    pub(super) fn widen_indices(&mut self, index: usize) -> Result<(), Error> {
        if let Some(Some(Gradient::Sparse(slices))) = self.results.get_mut(index)
            && self.scope.dtype(slices.indices) == Some(DType::I32)
        {
            slices.indices = self.scope.cast(slices.indices, DType::I64)?;
        }
        Ok(())
    }

    /// Whether the gradient takes values that the function does not return.
    pub(super) fn is_rewritten(&self) -> bool {
        self.scope.capturing.as_deref().is_some_and(|capturing| capturing.is_rewritten)
    }

    /// How many values of the function are wrapped for the gradient.
    pub(super) fn n_wrapped(&self) -> usize {
        self.scope.capturing.as_deref().map_or(0, |capturing| capturing.wrapped.len())
    }

    /// Returns what is wrapped too, and optionals without a value up to `n` in all.
    pub(super) fn extend_results(&mut self, n: usize) -> Result<(), Error> {
        let wrapped = &self.capturing()?.wrapped;
        let mut more: Vec<Output> = wrapped.iter().map(|(_, optional)| *optional).collect();
        while more.len() < n {
            more.push(
                self.scope
                    .in_function(|scope| Ok((scope.op("OptionalNone").build_one()?, false)))?,
            );
        }
        if let Some(capturing) = self.scope.capturing.as_deref_mut() {
            capturing.rets.extend(more);
        }
        Ok(())
    }

    /// The types and the shapes of the function's results.
    pub(super) fn forward_results(&self) -> (Vec<DType>, Vec<PartialShape>) {
        let rets = self.scope.capturing.as_deref().map_or(&[][..], |capturing| &capturing.rets);
        self.described(rets.iter().copied())
    }

    fn described(&self, tensors: impl Iterator<Item = Output>) -> (Vec<DType>, Vec<PartialShape>) {
        let scope = &self.scope;
        tensors
            .map(|tensor| (scope.dtype(tensor).unwrap_or(DType::F32), scope.shape(tensor).clone()))
            .unzip()
    }

    /// The function as it is now.
    pub(super) fn forward_function(&self, name: &str) -> Result<Function, Error> {
        let capturing = self.capturing()?;
        let part = Part {
            scope: &self.scope,
            args: &self.args,
            rets: &capturing.rets,
            control_rets: &self.control_rets,
        };
        part.function(name, |id| capturing.is_forward(id))
    }

    /// What the gradient takes, as tensors of the graph that has the node.
    pub(super) fn captured_from(
        &self,
        node: NodeId,
        inputs: &[Output],
    ) -> Result<Vec<Output>, Error> {
        let capturing = self.capturing()?;
        let outer = |tensor: Output| {
            if let Some(outer) = capturing.outer(tensor) {
                return Some(outer);
            }
            if let Some(ret) = capturing.rets.iter().position(|ret| *ret == tensor) {
                return Some(node.output(u32::try_from(ret).ok()?));
            }
            inputs.get(capturing.arg_position(tensor)?).copied()
        };
        let captures = capturing.captures.iter();
        let captures = captures.map(|(tensor, _)| outer(*tensor)).collect::<Option<_>>();
        captures.ok_or_else(|| Error::Gradient("a value is from nowhere".to_owned()))
    }

    /// Gives the gradient arguments for all of `all`, of which it uses `inputs`.
    pub(super) fn match_args(
        &mut self,
        outer: &Scope,
        inputs: &[Output],
        all: &[Output],
    ) -> Result<(), Error> {
        let mut args = Vec::with_capacity(all.len());
        for input in all {
            let arguments = inputs.iter().zip(&self.capturing()?.captures);
            let of_input = arguments.filter(|(other, _)| *other == input);
            let of_input: Vec<Output> = of_input.map(|(_, (_, argument))| *argument).collect();
            let argument = match of_input.split_first() {
                Some((argument, same)) => {
                    // Two arguments of the function get one tensor.
                    for other in same {
                        self.scope.redirect(*other, *argument);
                        self.unused.push(other.node);
                    }
                    *argument
                }
                None => {
                    let like = self.scope.stand_in_for(outer, *input)?;
                    self.scope.argument_like(like, None)?
                }
            };
            args.push(argument.node);
        }
        self.gradient_args = args;
        Ok(())
    }

    pub(super) fn result_types(&self) -> (Vec<DType>, Vec<PartialShape>) {
        self.described(flat(&self.results).into_iter())
    }

    /// Whether the gradient has effects.
    pub(super) fn is_stateful(&self) -> bool {
        has_effects(&self.scope)
    }

    /// Whether the gradient does nothing to the resource that an argument is.
    pub(super) fn only_reads(&self, arg: usize) -> bool {
        self.gradient_args.get(arg).is_some_and(|id| only_reads(&self.scope, id.output(0)))
    }

    /// The gradient as a function, whose number makes it one of its own.
    pub(super) fn gradient_function(&self, outer: &Scope) -> Result<Function, Error> {
        let capturing = self.capturing()?;
        let name = gradient_name(outer, &self.name);
        let part = Part {
            scope: &self.scope,
            args: &self.gradient_args,
            rets: &flat(&self.results),
            control_rets: &self.must_run,
        };
        part.function(&name, |id| capturing.is_gradient(id) && !self.unused.contains(&id))
    }
}

/// The name of the gradient of a function, whose number makes it one of its own.
pub(super) fn gradient_name(outer: &Scope, function: &str) -> String {
    let mut names = (0u64..).map(|number| format!("{function}_grad_{number}"));
    names.find(|name| outer.graph().library().get(name).is_none()).unwrap_or_default()
}

/// Whether the gradient that is being made has effects.
pub(super) fn has_effects(scope: &Scope) -> bool {
    let capturing = scope.capturing.as_deref();
    let mut nodes = scope.graph().iter();
    nodes.any(|(id, node)| {
        capturing.is_some_and(|capturing| capturing.is_gradient(id)) && node.is_stateful()
    })
}

/// Whether nothing is done to a resource but that it is read.
pub(super) fn only_reads(scope: &Scope, resource: Output) -> bool {
    let reads = |node: &crate::Node| {
        let told = node.attrs().ints("_read_only_resource_inputs").unwrap_or_default();
        let mut inputs = (0i64..).zip(node.inputs()).filter(|(_, input)| **input == resource);
        ONLY_READ.contains(&node.op()) || inputs.all(|(place, _)| told.contains(&place))
    };
    scope.dtype(resource) == Some(DType::Resource) && scope.graph().nodes().iter().all(reads)
}

fn stand_in(scope: &mut Scope, outer: &Scope, gradient: Gradient) -> Result<Gradient, Error> {
    Ok(match gradient {
        Gradient::Dense(tensor) => scope.stand_in_for(outer, tensor)?.into(),
        Gradient::Sparse(slices) => {
            let values = scope.stand_in_for(outer, slices.values)?;
            let indices = scope.stand_in_for(outer, slices.indices)?;
            let shape = slices.dense_shape;
            let dense_shape = shape.map(|shape| scope.stand_in_for(outer, shape)).transpose()?;
            IndexedSlices { values, indices, dense_shape }.into()
        }
    })
}

/// Each result is a node of its own.
pub(super) fn copied(scope: &mut Scope, gradient: Gradient) -> Result<Gradient, Error> {
    Ok(match gradient {
        Gradient::Dense(tensor) => scope.identity(tensor)?.into(),
        Gradient::Sparse(slices) => {
            let (values, indices) =
                (scope.identity(slices.values)?, scope.identity(slices.indices)?);
            let dense_shape = slices.dense_shape.map(|shape| scope.identity(shape)).transpose()?;
            IndexedSlices { values, indices, dense_shape }.into()
        }
    })
}

/// Tensors, and parts of rows.
pub(super) fn flat(results: &[Option<Gradient>]) -> Vec<Output> {
    let mut flat = Vec::with_capacity(results.len());
    for result in results.iter().flatten() {
        match result {
            Gradient::Dense(tensor) => flat.push(*tensor),
            Gradient::Sparse(slices) => {
                flat.extend([slices.values, slices.indices]);
                flat.extend(slices.dense_shape);
            }
        }
    }
    flat
}

/// Lets the results be there after all nodes that have effects, which are given: `AutomaticControlDependencies`.
///
/// No gradient writes to a resource, so that they may run in any order.
pub(super) fn keep_effects(scope: &mut Scope, results: &[Output]) -> Result<Vec<NodeId>, Error> {
    let graph = scope.graph();
    let feeds = |id: NodeId| {
        graph.nodes().iter().any(|node| node.inputs().iter().any(|input| input.node == id))
    };
    let must_run = |id: NodeId, node: &crate::Node| {
        node.is_stateful() && (!ONLY_READ.contains(&node.op()) || feeds(id))
    };
    let capturing = scope.capturing.as_deref();
    let nodes = graph.iter().filter(|(id, node)| {
        capturing.is_some_and(|capturing| capturing.is_gradient(*id)) && must_run(*id, node)
    });
    let nodes: Vec<NodeId> = nodes.map(|(id, _)| id).collect();
    if nodes.is_empty() || results.is_empty() {
        return Ok(nodes);
    }
    let mut last = scope.op("NoOp");
    for id in &nodes {
        last = last.control_input(*id);
    }
    let last = last.build()?;
    for result in results {
        scope.run_after(result.node, last);
    }
    Ok(nodes)
}
