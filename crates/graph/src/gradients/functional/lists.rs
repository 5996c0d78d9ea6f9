//! The values of all iterations of a loop, in lists, from which the gradient of its body takes them back.
//!
//! The body pushes a value to a list in each iteration. The list is one more variable of the loop, which
//! starts empty; the loop of the gradient, which begins with the last iteration, pops the values. What is the
//! same in all iterations needs no list. Source: `while_v2.py`, `_WhileBodyGradFuncGraph`.

use std::collections::HashMap;

use flowkeep_tensor::{DType, PartialShape};

use super::super::walk::has_gradients;
use super::capture::Described;
use crate::builder::{Operand, Scope};
use crate::graph::node_id;
use crate::{Attr, Error, Output};

/// Ops whose results take less memory than what they are computed from: the body computes them.
const COMPUTED_BY_BODY: &[&str] =
    &["Rank", "Shape", "Size", "TensorListElementShape", "TensorListLength"];

/// The lists of a loop whose gradient is being made.
#[derive(Debug)]
pub(super) struct Lists {
    /// The graph around, which has the loop.
    around: Box<Scope>,
    inputs: Vec<Output>,
    /// The empty lists that the loop takes beside its inputs, in order.
    pub(super) empty: Vec<Output>,
    /// The results of the gradient by the arguments that they are in the next iteration; others stay.
    carried: HashMap<Output, Output>,
}

impl Lists {
    /// For a loop with these inputs, of which the second is the number of iterations at most.
    pub(super) fn new(around: Box<Scope>, inputs: Vec<Output>) -> Lists {
        Lists { around, inputs, empty: Vec::new(), carried: HashMap::new() }
    }

    /// The graph around, and the empty lists.
    pub(super) fn finish(self) -> (Box<Scope>, Vec<Output>, HashMap<Output, Output>) {
        (self.around, self.empty, self.carried)
    }
}

impl Scope {
    /// What the gradient of a loop's body takes instead of a tensor of the body.
    pub(super) fn capture_of_body(&mut self, tensor: Output) -> Result<Output, Error> {
        let mut at = tensor;
        while let Some(node) = self.graph().get(at.node).filter(|node| node.op() == "Identity") {
            let Some(input) = node.inputs().first() else { break };
            at = *input;
        }
        let Some(capturing) = self.capturing.as_deref() else { return Ok(tensor) };
        let is_same_in_all = capturing.args.contains(&at) && capturing.rets.contains(&at);
        if capturing.outer(at).is_some() || is_same_in_all {
            return self.argument_for(at, tensor);
        }
        if let Some(known) = capturing.replaced.get(&at) {
            return Ok(*known);
        }
        let node = self.graph().get(at.node);
        let constant = node.filter(|node| node.op() == "Const").map(|node| node.attrs().clone());
        let made = match constant {
            Some(attrs) => self.constant(attrs.tensor("value")?)?,
            None if self.dtype(at) == Some(DType::Resource) => {
                let outer = self.resource_around(at)?;
                self.argument_for(outer, outer)?
            }
            None => self.popped(at, tensor)?,
        };
        if let Some(capturing) = self.capturing.as_deref_mut() {
            capturing.replaced.insert(at, made);
        }
        Ok(made)
    }

    /// A stand-in for the resource of the graph around that a resource of the body is.
    fn resource_around(&mut self, tensor: Output) -> Result<Output, Error> {
        let arg = self.argument_of_resource(tensor)?;
        let lists = self.capturing.as_deref_mut().and_then(|capturing| {
            let place = capturing.arg_position(arg)?;
            let lists = capturing.lists.take()?;
            Some((*lists.inputs.get(place)?, lists))
        });
        let Some((outer, lists)) = lists else {
            return Err(Error::Gradient("a resource of a loop is from nowhere".to_owned()));
        };
        let stand_in = self.stand_in_for(&lists.around, outer);
        if let Some(capturing) = self.capturing.as_deref_mut() {
            capturing.lists = Some(lists);
        }
        stand_in
    }

    /// The value of a tensor in the iteration whose gradient is computed; the argument is called like the node
    /// of `named`.
    fn popped(&mut self, tensor: Output, named: Output) -> Result<Output, Error> {
        let list = match self.list_of(tensor) {
            Some(list) => list,
            None => self.pushed(tensor)?,
        };
        let argument = self.argument_for(list, named)?;
        let dtype = self.dtype(tensor).unwrap_or(DType::F32);
        let node = self.op("TensorListPopBack").input(argument).input(-1i32);
        let node = node.attr("element_dtype", Attr::Type(dtype)).build()?;
        if let Some(lists) = self.capturing.as_deref_mut().and_then(|it| it.lists.as_mut()) {
            lists.carried.insert(argument, node.output(0));
        }
        Ok(node.output(1))
    }

    /// The result of the body that is a list with the values of a tensor, if there is one.
    fn list_of(&self, tensor: Output) -> Option<Output> {
        let capturing = self.capturing.as_deref()?;
        let takes = |tensor: Output| {
            let nodes = (0..).map(node_id).zip(self.graph().nodes());
            nodes.filter(move |(id, node)| {
                capturing.is_forward(*id) && node.inputs().contains(&tensor)
            })
        };
        takes(tensor).filter(|(_, node)| node.op() == "TensorListPushBack").find_map(
            |(id, node)| {
                let place = capturing.arg_position(*node.inputs().first()?)?;
                let mut list = id.output(0);
                if !capturing.rets.contains(&list) {
                    let (id, _) = takes(list).next().filter(|(_, node)| node.op() == "Identity")?;
                    list = id.output(0);
                }
                let ret = capturing.rets.iter().position(|ret| *ret == list)?;
                (ret == place).then_some(list)
            },
        )
    }

    /// Lets the body push the values of a tensor to a list of its own, which is then one more result of it.
    fn pushed(&mut self, tensor: Output) -> Result<Output, Error> {
        let name = format!("{}_{}/accumulator", self.own_name(tensor.node), tensor.index);
        let dtype = self.dtype(tensor).unwrap_or(DType::F32);
        let shape = self.shape(tensor).clone();
        let lists = self.capturing.as_deref_mut().and_then(|it| it.lists.as_mut());
        let Some(lists) = lists else {
            return Err(Error::Gradient("there is no loop to give lists to".to_owned()));
        };
        let most = lists.inputs.get(1).copied();
        let empty = lists.around.empty_list(&name, dtype, &shape, most)?;
        lists.empty.push(empty);
        let name = lists.around.own_name(empty.node);
        let like = Described::of(&lists.around, empty);
        let mut argument = None;
        let list = self.in_function(|scope| {
            let mut inner = scope.name_scope("TensorListPushBack")?;
            let place = inner.current_name_scope();
            let list = inner.argument(like, Some(&name))?;
            argument = Some(list);
            let node = inner.op("TensorListPushBack").input(list).input(tensor);
            let node = node.attr("element_dtype", Attr::Type(dtype)).name(&place);
            Ok((node.build_one()?, true))
        })?;
        if let Some((capturing, argument)) = self.capturing.as_deref_mut().zip(argument) {
            capturing.args.push(argument);
            capturing.rets.push(list);
        }
        Ok(list)
    }

    /// A list without elements, in the graph that has the loop.
    fn empty_list(
        &mut self,
        name: &str,
        dtype: DType,
        shape: &PartialShape,
        most: Option<Output>,
    ) -> Result<Output, Error> {
        let make = |scope: &mut Scope| {
            // The loop itself waits for the list.
            let mut free = scope.without_control_dependencies();
            let shape = free.element_shape(shape)?;
            let most = most.map_or(Operand::from(-1i32), Operand::from);
            let node = free.op("EmptyTensorList").input(shape).input(most);
            node.attr("element_dtype", Attr::Type(dtype)).name(name).build_one()
        };
        match self.capturing {
            Some(_) => self.in_function(|scope| Ok((make(scope)?, false))),
            None => make(self),
        }
    }

    /// Whether a node of a gradient belongs into the body of the loop, which then has its result in a list,
    /// not what it is computed from.
    pub(crate) fn is_computed_by_body(&self, op: &str, inputs: &[Output]) -> bool {
        COMPUTED_BY_BODY.contains(&op)
            && self.capturing.as_deref().is_some_and(|capturing| {
                capturing.lists.is_some()
                    && inputs.iter().all(|input| capturing.is_forward(input.node))
            })
            && inputs.iter().all(|input| self.list_of(*input).is_none())
    }
}

/// Whether a tensor is what a list is after its last element, of a kind that has no gradients, was popped.
pub(super) fn is_list_without_gradients(scope: &Scope, tensor: Output) -> bool {
    let node = scope.graph().get(tensor.node).filter(|node| node.op() == "TensorListPopBack");
    let dtype = node.and_then(|node| node.attrs().dtype("element_dtype").ok());
    tensor.index == 0 && dtype.is_some_and(|dtype| !has_gradients(dtype))
}
