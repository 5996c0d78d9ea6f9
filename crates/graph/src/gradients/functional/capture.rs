//! Values that the gradient of a function takes from the function, and from the graph around both.
//!
//! A gradient is made in the scope of its function, whose nodes have names of their own. What a new node
//! takes from outside of the gradient comes through an argument instead, as in TensorFlow:
//! arguments and results of the function, and tensors of the graph around, are handed over as they are;
//! constants are made again; all else a branch wraps in an optional, one more of its results, since it
//! has a value only if the branch is taken. The body of a loop has a value for each iteration, and pushes
//! them to lists (`lists`). Source: `cond_v2.py`, `_CondGradFuncGraph`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape};

use super::lists::Lists;
use crate::builder::{FunctionRoot, HandleShape, Scope};
use crate::graph::node_id;
use crate::{Attr, AttrList, Error, NodeId, Output};

/// A gradient that is being made in the scope of its function.
#[derive(Debug)]
pub(crate) struct Capturing {
    /// What the names of the gradient's nodes begin with in this scope, unlike those of the function.
    pub(crate) prefix: String,
    /// The nodes of the function.
    forward: HashSet<NodeId>,
    /// The arguments and the results of the function.
    pub(super) args: Vec<Output>,
    pub(super) rets: Vec<Output>,
    /// Stand-ins for tensors of the graph around, with those and the names of their nodes.
    outer: HashMap<Output, (Output, String)>,
    /// What comes through arguments of the gradient, and these, in order.
    pub(super) captures: Vec<(Output, Output)>,
    /// The arguments by what comes through them.
    arguments: HashMap<Output, Output>,
    /// What the gradient has instead of other tensors of the function.
    pub(super) replaced: HashMap<Output, Output>,
    /// Tensors of the function and the optionals that wrap them, in order.
    pub(super) wrapped: Vec<(Output, Output)>,
    /// The values of the iterations, if the function is the body of a loop.
    pub(super) lists: Option<Lists>,
    /// Whether the function must have more results.
    pub(super) is_rewritten: bool,
    /// Nodes that are of neither: stand-ins.
    aside: HashSet<NodeId>,
    /// Where new nodes of the function are.
    root: FunctionRoot,
    /// The functions around this one, and itself.
    functions: Vec<Arc<str>>,
    /// How many functions there were before any gradient was made.
    n_functions: usize,
}

/// Branches within branches of which gradients are made, at most.
const MAX_DEPTH: usize = 32;
/// Functions that the gradient of one node adds, at most: functions that run others twice at every level
/// grow without end.
const MAX_FUNCTIONS: usize = 1 << 10;

impl Capturing {
    /// For a function that is all of a scope.
    ///
    /// Errors: `UNIMPLEMENTED` for functions that lead back to themselves, or nest too deep.
    pub(super) fn new(
        outer: &Scope,
        scope: &mut Scope,
        function: &Arc<str>,
        args: Vec<Output>,
        rets: Vec<Output>,
    ) -> Result<Capturing, Error> {
        let around = outer.capturing.as_deref();
        let mut functions = around.map(|around| around.functions.clone()).unwrap_or_default();
        let n_now = outer.graph().library().functions().len();
        let n_functions = around.map_or(n_now, |around| around.n_functions);
        let is_endless = functions.contains(function)
            || functions.len() >= MAX_DEPTH
            || n_now.saturating_sub(n_functions) > MAX_FUNCTIONS;
        if is_endless {
            return Err(Error::Unsupported(format!(
                "the gradient of function '{function}' is not supported: it runs itself, or the functions nest too deep"
            )));
        }
        functions.push(function.clone());
        let forward = scope.graph().iter().map(|(id, _)| id).collect();
        let aside = scope.colocate_like(outer)?.into_iter().collect();
        let names = scope.graph().nodes().iter().map(|node| node.name());
        let taken: HashSet<&str> =
            names.filter_map(|name| Some(name.strip_prefix("0>")?.split_once('>')?.0)).collect();
        let mut prefixes = (0u64..).map(|number| number.to_string());
        let prefix = prefixes.find(|prefix| !taken.contains(&**prefix)).unwrap_or_default();
        Ok(Capturing {
            prefix: format!("0>{prefix}>"),
            forward,
            args,
            rets,
            outer: HashMap::new(),
            captures: Vec::new(),
            arguments: HashMap::new(),
            replaced: HashMap::new(),
            wrapped: Vec::new(),
            lists: None,
            is_rewritten: false,
            aside,
            root: FunctionRoot::of(scope),
            functions,
            n_functions,
        })
    }

    /// Whether a node is one of the function's.
    pub(super) fn is_forward(&self, id: NodeId) -> bool {
        self.forward.contains(&id)
    }

    /// Whether a node is one of the gradient's.
    pub(crate) fn is_gradient(&self, id: NodeId) -> bool {
        !self.is_forward(id) && !self.aside.contains(&id)
    }

    /// The tensor of the graph around that a stand-in stands for.
    pub(super) fn outer(&self, stand_in: Output) -> Option<Output> {
        self.outer.get(&stand_in).map(|(tensor, _)| *tensor)
    }

    pub(super) fn arg_position(&self, tensor: Output) -> Option<usize> {
        self.args.iter().position(|arg| *arg == tensor)
    }
}

/// What is known of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) dtype: DType,
    pub(super) shape: PartialShape,
    pub(super) handle: Option<HandleShape>,
}

impl Described {
    pub(super) fn of(scope: &Scope, tensor: Output) -> Described {
        Described {
            dtype: scope.dtype(tensor).unwrap_or(DType::F32),
            shape: scope.shape(tensor).clone(),
            handle: scope.handle(tensor).cloned(),
        }
    }
}

impl Scope {
    /// A node that stands for a tensor of the graph around the function.
    pub(super) fn stand_in_for(&mut self, outer: &Scope, tensor: Output) -> Result<Output, Error> {
        let known = self.capturing.as_deref().and_then(|capturing| {
            let mut outer = capturing.outer.iter();
            outer.find(|(_, (known, _))| *known == tensor).map(|(stand_in, _)| *stand_in)
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let name = outer.own_name(tensor.node);
        let number = self.graph().len();
        let dtype = outer.dtype(tensor).unwrap_or(DType::F32);
        let shape = outer.shape(tensor).clone();
        let stand_in = self.function_node(
            &format!("outer_{number}"),
            "Placeholder",
            [("dtype", Attr::Type(dtype)), ("shape", Attr::Shape(shape))],
        )?;
        if let Some(capturing) = self.capturing.as_deref_mut() {
            capturing.aside.insert(stand_in.node);
            capturing.outer.insert(stand_in, (tensor, name));
        }
        Ok(stand_in)
    }

    /// The name of a node in the graph that it belongs to.
    pub(super) fn own_name(&self, id: NodeId) -> String {
        let name = self.graph().get(id).map_or("", |node| node.name());
        let prefix = self.capturing.as_deref().map(|capturing| capturing.prefix.as_str());
        prefix.and_then(|prefix| name.strip_prefix(prefix)).unwrap_or(name).to_owned()
    }

    /// What a new node takes instead of these tensors.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build); `INVALID_ARGUMENT` for a
    /// resource that the function has made.
    pub(crate) fn captured(&mut self, inputs: Vec<Output>) -> Result<Vec<Output>, Error> {
        if self.capturing.is_none() {
            return Ok(inputs);
        }
        inputs.into_iter().map(|input| self.capture(input)).collect()
    }

    fn capture(&mut self, tensor: Output) -> Result<Output, Error> {
        let Some(capturing) = self.capturing.as_deref() else { return Ok(tensor) };
        if capturing.is_gradient(tensor.node) {
            return Ok(tensor);
        }
        if capturing.lists.is_some() {
            return self.capture_of_body(tensor);
        }
        let is_handed_over = capturing.outer.contains_key(&tensor)
            || capturing.args.contains(&tensor)
            || capturing.rets.contains(&tensor);
        if is_handed_over {
            return self.argument_for(tensor, tensor);
        }
        if let Some(known) = capturing.replaced.get(&tensor) {
            return Ok(*known);
        }
        let node = self.graph().get(tensor.node);
        let constant = node.filter(|node| node.op() == "Const").map(|node| node.attrs().clone());
        let made = match constant {
            Some(attrs) => self.constant(attrs.tensor("value")?)?,
            None if self.dtype(tensor) == Some(DType::Resource) => {
                let arg = self.argument_of_resource(tensor)?;
                self.argument_for(arg, tensor)?
            }
            None => self.unwrapped(tensor)?,
        };
        if let Some(capturing) = self.capturing.as_deref_mut() {
            capturing.replaced.insert(tensor, made);
        }
        Ok(made)
    }

    /// The argument through which a tensor comes, called like the node of `named`.
    pub(super) fn argument_for(&mut self, tensor: Output, named: Output) -> Result<Output, Error> {
        let Some(capturing) = self.capturing.as_deref() else { return Ok(tensor) };
        if let Some(argument) = capturing.arguments.get(&tensor) {
            return Ok(*argument);
        }
        let name = match capturing.outer.get(&tensor) {
            Some((_, name)) => name.clone(),
            None => self.own_name(named.node),
        };
        let argument = self.argument_like(tensor, Some(&name))?;
        if let Some(capturing) = self.capturing.as_deref_mut() {
            capturing.captures.push((tensor, argument));
            capturing.arguments.insert(tensor, argument);
        }
        Ok(argument)
    }

    /// One more argument, for tensors of this type and shape.
    pub(super) fn argument_like(
        &mut self,
        tensor: Output,
        name: Option<&str>,
    ) -> Result<Output, Error> {
        let like = Described::of(self, tensor);
        self.argument(like, name)
    }

    /// One more argument, for such tensors.
    pub(super) fn argument(
        &mut self,
        Described { dtype, shape, handle }: Described,
        name: Option<&str>,
    ) -> Result<Output, Error> {
        let mut free = self.without_control_dependencies();
        let mut node = free
            .op("Placeholder")
            .attr("dtype", Attr::Type(dtype))
            .attr("shape", Attr::Shape(shape));
        if let Some(name) = name {
            let given = Attr::Str(name.to_owned().into_bytes().into());
            node = node.attr("_user_specified_name", given).name(name);
        }
        let argument = node.build_one()?;
        if let Some(handle) = handle {
            free.set_handle(argument, handle);
        }
        Ok(argument)
    }

    /// A tensor that the function has on the way, out of the optional that wraps it there.
    fn unwrapped(&mut self, tensor: Output) -> Result<Output, Error> {
        let known = self.capturing.as_deref().and_then(|capturing| {
            capturing.wrapped.iter().find(|(wrapped, _)| *wrapped == tensor).map(|pair| pair.1)
        });
        let optional = match known {
            Some(optional) => optional,
            None => {
                let optional = match self.result_that_wraps(tensor) {
                    Some(optional) => optional,
                    None => self.in_function(|scope| {
                        let made = scope.op("OptionalFromValue").input_list([tensor]).build_one();
                        made.map(|optional| (optional, true))
                    })?,
                };
                if let Some(capturing) = self.capturing.as_deref_mut() {
                    capturing.wrapped.push((tensor, optional));
                }
                optional
            }
        };
        let argument = self.argument_for(optional, tensor)?;
        let dtype = self.dtype(tensor).unwrap_or(DType::F32);
        let shape = self.shape(tensor).clone();
        self.op("OptionalGetValue")
            .input(argument)
            .attr("output_types", Attr::List(AttrList::Type([dtype].into())))
            .attr("output_shapes", Attr::List(AttrList::Shape([shape].into())))
            .build_one()
    }

    /// The result of the function that wraps a tensor already, from gradients that were made before.
    fn result_that_wraps(&self, tensor: Output) -> Option<Output> {
        let capturing = self.capturing.as_deref()?;
        let mut nodes = self.graph().iter().filter(|(_, node)| node.inputs().contains(&tensor));
        nodes.find_map(|(id, node)| {
            let optional = id.output(0);
            (node.op() == "OptionalFromValue" && capturing.rets.contains(&optional))
                .then_some(optional)
        })
    }

    /// Makes nodes of the function, the last of which may be among its results.
    pub(crate) fn in_function(
        &mut self,
        make: impl FnOnce(&mut Scope) -> Result<(Output, bool), Error>,
    ) -> Result<Output, Error> {
        let Some(mut capturing) = self.capturing.take() else {
            return Err(Error::Gradient("there is no function to add a node to".to_owned()));
        };
        let start = self.graph().len();
        let made = self.at_root(&mut capturing.root, make);
        capturing.forward.extend((start..self.graph().len()).map(node_id));
        if let Ok((_, is_new_result)) = &made {
            capturing.is_rewritten |= *is_new_result;
        }
        self.capturing = Some(capturing);
        made.map(|(made, _)| made)
    }

    /// The argument of the function that a resource of it is.
    pub(super) fn argument_of_resource(&self, tensor: Output) -> Result<Output, Error> {
        let mut at = tensor;
        loop {
            let Some(capturing) = self.capturing.as_deref() else { return Ok(at) };
            if capturing.args.contains(&at) {
                return Ok(at);
            }
            let node = self.graph().get(at.node);
            let op = node.map_or("", |node| node.op());
            let index = usize::try_from(at.index).unwrap_or(usize::MAX);
            let place = match op {
                "Identity" | "While" | "StatelessWhile" => Some(index),
                "PartitionedCall" | "StatefulPartitionedCall" => node
                    .and_then(|node| self.argument_of_result(node.attrs().func("f").ok()?, index)),
                "If" | "StatelessIf" => node.and_then(|node| {
                    let attrs = node.attrs();
                    let [taken, other] = ["then_branch", "else_branch"]
                        .map(|branch| self.argument_of_result(attrs.func(branch).ok()?, index));
                    taken.filter(|_| taken == other).map(|place| place + 1)
                }),
                _ => None,
            };
            let input = place.and_then(|place| node?.inputs().get(place).copied());
            at = input.ok_or_else(|| {
                let name = node.map_or("", |node| node.name());
                Error::Gradient(format!(
                    "Taking gradient of a while loop which creates a resource in its body is not supported: {name} ({op})"
                ))
            })?;
        }
    }

    /// The argument of a function that one of its results is.
    fn argument_of_result(&self, function: &crate::FuncRef, result: usize) -> Option<usize> {
        let library = self.graph().library();
        let body = library.get(&function.name)?.instantiate(&function.attrs, library).ok()?;
        let mut at = *body.rets.get(result)?;
        loop {
            if let Some(place) = body.args.iter().position(|arg| *arg == at.node) {
                return Some(place);
            }
            let node = body.graph.get(at.node).filter(|node| node.op() == "Identity")?;
            at = *node.inputs().first()?;
        }
    }
}
