//! The body of a loop, and its gradient.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape};

use super::super::walk;
use super::super::{Gradient, GradientOptions, UnconnectedGradients};
use super::branch::{copied, flat, gradient_name, has_effects, keep_effects, only_reads};
use super::capture::{Capturing, Described};
use super::lists::Lists;
use super::store::Part;
use crate::builder::{HandleShape, Operand, Scope};
use crate::{Attr, Error, FuncRef, Function, FunctionBody, NodeId, Output};

/// What the gradient of a loop takes before its variables: a counter, the number of iterations at most, and
/// that of the loop itself.
pub(super) const N_COUNTERS: usize = 3;

/// The body of a loop, with its gradient in the same scope once it is made.
pub(super) struct Body {
    /// The function's name.
    name: Arc<str>,
    scope: Scope,
    args: Vec<NodeId>,
    rets: Vec<Output>,
    control_rets: Vec<NodeId>,
    /// The arguments and the results of the gradient.
    gradient_args: Vec<Output>,
    counters: Vec<Output>,
    pub(super) results: Vec<Gradient>,
    /// Results for what is captured, in order.
    carried: Vec<Output>,
    must_run: Vec<NodeId>,
    /// The empty lists that the loop takes beside its inputs.
    pub(super) empty_lists: Vec<Output>,
}

/// The body of a function of a loop, with what is known of its arguments.
pub(super) fn instantiated(
    outer: &Scope,
    function: &FuncRef,
    shapes: &[PartialShape],
    n_inputs: usize,
) -> Result<(Arc<FunctionBody>, Scope), Error> {
    let library = outer.graph().library().clone();
    let name = &function.name;
    let found = library.get(name);
    let found = found
        .ok_or_else(|| Error::Gradient(format!("function '{name}' is not found in the graph")))?;
    let body = found.instantiate(&function.attrs, &library)?;
    if body.args.len() != n_inputs {
        return Err(Error::Gradient(format!(
            "function '{name}' has {} arguments, not {n_inputs}",
            body.args.len()
        )));
    }
    let scope = outer.of_function(&body, |arg| shapes.get(arg).cloned().unwrap_or_default());
    Ok((body, scope))
}

impl Body {
    /// The body that a loop of `outer` runs on these inputs.
    pub(super) fn new(
        outer: &Scope,
        function: &FuncRef,
        shapes: &[PartialShape],
        node: NodeId,
        inputs: &[Output],
    ) -> Result<Body, Error> {
        let (body, mut scope) = instantiated(outer, function, shapes, inputs.len())?;
        let name = &function.name;
        let is_like = |inner: Output, tensor: Output| scope.dtype(inner) == outer.dtype(tensor);
        let args: Vec<Output> = body.args.iter().map(|id| id.output(0)).collect();
        let fits = body.rets.len() == inputs.len()
            && args.iter().zip(inputs).all(|(arg, input)| is_like(*arg, *input))
            && (0u32..).zip(&body.rets).all(|(index, ret)| is_like(*ret, node.output(index)));
        if !fits {
            return Err(Error::Gradient(format!(
                "function '{name}' has arguments or results of other types than its node"
            )));
        }
        for (arg, input) in args.iter().zip(inputs) {
            let is_resource = scope.dtype(*arg) == Some(DType::Resource);
            // TensorFlow knows nothing of variables here, nor their types: gradients that it lacks for that are made.
            if let Some(dtype) = outer.handle_dtype(*input).filter(|_| is_resource) {
                scope.set_handle(*arg, HandleShape { dtype, shape: PartialShape::unknown() });
            }
        }
        let capturing = Capturing::new(outer, &mut scope, name, args, body.rets.clone())?;
        scope.capturing = Some(Box::new(capturing));
        Ok(Body {
            name: name.clone(),
            scope,
            args: body.args.clone(),
            rets: body.rets.clone(),
            control_rets: body.control_rets.clone(),
            gradient_args: Vec::new(),
            counters: Vec::new(),
            results: Vec::new(),
            carried: Vec::new(),
            must_run: Vec::new(),
            empty_lists: Vec::new(),
        })
    }

    /// The function's name.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether a result of the body has a gradient.
    pub(super) fn is_trainable(&self, ret: usize) -> bool {
        self.rets.get(ret).is_some_and(|ret| {
            walk::is_trainable(&self.scope, *ret)
                && !super::lists::is_list_without_gradients(&self.scope, *ret)
        })
    }

    /// Makes the gradient of the body, which a loop runs on `loop_vars` first: the counters, and the gradients
    /// of those results that `grads` has one of.
    pub(super) fn make_gradient(
        &mut self,
        outer: &mut Scope,
        inputs: &[Output],
        grads: &[Option<Output>],
        loop_vars: &[Output],
    ) -> Result<(), Error> {
        let like: Vec<Described> =
            loop_vars.iter().map(|tensor| Described::of(outer, *tensor)).collect();
        // The graph around gets lists while the gradient is made.
        let around = std::mem::take(outer);
        if let Some(capturing) = self.scope.capturing.as_deref_mut() {
            capturing.lists = Some(Lists::new(Box::new(around), inputs.to_vec()));
        }
        let made = self.gradient(grads, like);
        let lists = self.scope.capturing.as_deref_mut().and_then(|it| it.lists.take());
        let carried = match lists {
            Some(lists) => {
                let (around, empty_lists, carried) = lists.finish();
                *outer = *around;
                self.empty_lists = empty_lists;
                carried
            }
            None => HashMap::new(),
        };
        made?;
        outer.take_functions(self.scope.graph());
        let captures = self.capturing()?.captures.iter();
        self.carried = captures
            .map(|(_, argument)| carried.get(argument).copied().unwrap_or(*argument))
            .collect();
        Ok(())
    }

    fn gradient(&mut self, grads: &[Option<Output>], like: Vec<Described>) -> Result<(), Error> {
        let (mut ys, mut xs) = (Vec::new(), Vec::new());
        for ((ret, arg), grad) in self.rets.iter().zip(&self.args).zip(grads) {
            if grad.is_some() {
                ys.push(*ret);
                xs.push(arg.output(0));
            }
        }
        let scope = &mut self.scope;
        let mut args = Vec::with_capacity(like.len());
        for like in like {
            args.push(scope.argument(like, None)?);
        }
        let (counters, grad_ys) = args.split_at(args.len().min(N_COUNTERS));
        let options = GradientOptions::new()
            .grad_ys(grad_ys.iter().copied().map(Some))
            .unconnected_gradients(UnconnectedGradients::Zero);
        let operands = |tensors: &[Output]| tensors.iter().copied().map(Operand::from).collect();
        let made = walk::gradients(scope, operands(&ys), operands(&xs), &options)?;
        let Some((counter, others)) = counters.split_first() else {
            return Err(Error::Gradient("a loop has no counter".to_owned()));
        };
        let next = scope.plus(*counter, 1i32)?;
        for counter in std::iter::once(&next).chain(others) {
            self.counters.push(scope.identity(*counter)?);
        }
        for gradient in made {
            let gradient = gradient.ok_or_else(|| {
                Error::Gradient("a variable of a loop has an unknown type".to_owned())
            })?;
            self.results.push(copied(scope, gradient)?);
        }
        let mut results = self.counters.clone();
        results.extend(flat(&self.results.iter().copied().map(Some).collect::<Vec<_>>()));
        self.must_run = keep_effects(scope, &results)?;
        self.gradient_args = args;
        Ok(())
    }

    fn capturing(&self) -> Result<&Capturing, Error> {
        let capturing = self.scope.capturing.as_deref();
        capturing.ok_or_else(|| Error::Gradient("no gradient is being made".to_owned()))
    }

    /// What the gradient takes from the loop, as tensors of the graph that has it.
    pub(super) fn captured_from(&self, node: NodeId) -> Result<Vec<Output>, Error> {
        let capturing = self.capturing()?;
        let outer = |tensor: Output| {
            if let Some(outer) = capturing.outer(tensor) {
                return Some(outer);
            }
            let ret = capturing.rets.iter().position(|ret| *ret == tensor)?;
            Some(node.output(u32::try_from(ret).ok()?))
        };
        let captured = capturing.captures.iter().map(|(tensor, _)| outer(*tensor));
        let captured: Option<Vec<_>> = captured.collect();
        captured.ok_or_else(|| Error::Gradient("a value is from nowhere".to_owned()))
    }

    /// Adds up the rows of a gradient.
    pub(super) fn sum_up(&mut self, index: usize) -> Result<(), Error> {
        if let Some(place) = self.results.get_mut(index) {
            *place = self.scope.summed_up(*place)?.into();
        }
        Ok(())
    }

    /// The results of the body, with what is known of them.
    pub(super) fn described(&self) -> Result<Vec<Described>, Error> {
        let rets = self.capturing()?.rets.iter();
        Ok(rets.map(|ret| Described::of(&self.scope, *ret)).collect())
    }

    /// The results of the gradient.
    fn all_results(&self) -> Vec<Output> {
        let mut all = self.counters.clone();
        all.extend(flat(&self.results.iter().copied().map(Some).collect::<Vec<_>>()));
        all.extend(&self.carried);
        all
    }

    /// The results of the gradient, with what is known of them.
    pub(super) fn gradient_described(&self) -> Vec<Described> {
        self.all_results().into_iter().map(|ret| Described::of(&self.scope, ret)).collect()
    }

    /// Whether the gradient has effects.
    pub(super) fn has_effects(&self) -> bool {
        has_effects(&self.scope)
    }

    fn all_args(&self) -> Result<Vec<Output>, Error> {
        let captures = self.capturing()?.captures.iter().map(|(_, argument)| *argument);
        Ok(self.gradient_args.iter().copied().chain(captures).collect())
    }

    /// The places of the resources among the arguments of the gradient, which it does nothing to.
    pub(super) fn only_read(&self) -> Result<Vec<i64>, Error> {
        let args = self.all_args()?;
        let read = (0i64..).zip(args).filter(|(_, arg)| only_reads(&self.scope, *arg));
        Ok(read.map(|(place, _)| place).collect())
    }

    /// The body as it is now.
    pub(super) fn forward_function(&self, name: &str) -> Result<Function, Error> {
        let capturing = self.capturing()?;
        let args: Vec<NodeId> = capturing.args.iter().map(|arg| arg.node).collect();
        let (rets, control_rets) = (&capturing.rets, &self.control_rets);
        let part = Part { scope: &self.scope, args: &args, rets, control_rets };
        part.function(name, |id| capturing.is_forward(id))
    }

    /// The gradient as a function, under a name of its own.
    pub(super) fn gradient_function(&self, outer: &Scope) -> Result<Function, Error> {
        let capturing = self.capturing()?;
        let args: Vec<NodeId> = self.all_args()?.iter().map(|arg| arg.node).collect();
        let rets = self.all_results();
        let control_rets = &self.must_run;
        let part = Part { scope: &self.scope, args: &args, rets: &rets, control_rets };
        part.function(&gradient_name(outer, &self.name), |id| capturing.is_gradient(id))
    }
}

/// The function that says whether a loop goes on, when the loop has these empty lists too.
pub(super) fn condition_with(
    outer: &Scope,
    function: &FuncRef,
    shapes: &[PartialShape],
    n_inputs: usize,
    lists: &[Output],
) -> Result<impl Fn(&str) -> Result<Function, Error> + use<>, Error> {
    let (body, mut scope) = instantiated(outer, function, shapes, n_inputs)?;
    let mut root = crate::builder::FunctionRoot::of(&scope);
    let mut args = body.args.clone();
    for list in lists {
        let like = Described::of(outer, *list);
        let name = outer.own_name(list.node);
        let arg = scope.at_root(&mut root, |scope| scope.argument(like, Some(&name)))?;
        args.push(arg.node);
    }
    Ok(move |name: &str| {
        let (rets, control_rets) = (&body.rets, &body.control_rets);
        let part = Part { scope: &scope, args: &args, rets, control_rets };
        part.function(name, |_| true)
    })
}

/// The function that says whether the loop of a gradient goes on: as often as the loop itself.
pub(super) fn gradient_condition(
    outer: &Scope,
    name: &str,
    loop_vars: &[Output],
) -> Result<Function, Error> {
    let mut scope = outer.of_new_function();
    let aside = scope.colocate_like(outer)?;
    let mut args = Vec::with_capacity(loop_vars.len());
    for tensor in loop_vars {
        args.push(scope.argument(Described::of(outer, *tensor), None)?);
    }
    let [Some(counter), Some(n)] = [0, N_COUNTERS - 1].map(|place| args.get(place).copied()) else {
        return Err(Error::Gradient("a loop has no counter".to_owned()));
    };
    let goes_on = scope.op("Less").input(counter).input(n).build_one()?;
    let rets = [scope.identity(goes_on)?];
    let args: Vec<NodeId> = args.iter().map(|arg| arg.node).collect();
    let part = Part { scope: &scope, args: &args, rets: &rets, control_rets: &[] };
    part.function(&gradient_name(outer, name), |id| !aside.contains(&id))
}

/// An attribute that names a function.
pub(super) fn func_attr(name: &Arc<str>) -> Attr {
    Attr::Func(Arc::new(super::func_ref(name)))
}
