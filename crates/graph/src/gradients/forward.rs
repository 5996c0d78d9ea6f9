use super::Gradient;
use super::contexts::{Branch, Contexts};
use crate::builder::{NodeBuilder, Scope};
use crate::{Attrs, Error, Graph, NodeId, Output};

/// What a gradient function gives: a gradient for each input, as far as there is one.
pub(super) type Gradients = Result<Vec<Option<Gradient>>, Error>;

/// Makes the nodes of the gradients of a node's inputs, in the name scope that they belong to.
pub(super) type GradientFn = fn(&mut Scope, &Forward) -> Gradients;

/// A node that gradients are made for, and the gradients of its outputs.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    id: NodeId,
    name: String,
    pub(super) inputs: Vec<Output>,
    pub(super) attrs: Attrs,
    pub(super) grads: Vec<Option<Gradient>>,
    /// The branches of conditionals that the node is in, and that its first input comes from.
    branches: [Option<Branch>; 2],
}

impl Forward {
    pub(super) fn new(
        graph: &Graph,
        id: NodeId,
        grads: Vec<Option<Gradient>>,
        contexts: &Contexts,
    ) -> Forward {
        let node = graph.get(id);
        let first = node.and_then(|node| node.inputs().first());
        let branches = [contexts.branch(id), first.and_then(|first| contexts.branch(first.node))];
        Forward {
            id,
            name: node.map_or("", |node| node.name()).to_owned(),
            inputs: node.map(|node| node.inputs().to_vec()).unwrap_or_default(),
            attrs: node.map(|node| node.attrs().clone()).unwrap_or_default(),
            grads,
            branches,
        }
    }

    /// The branch of a conditional that the node is in.
    pub(super) fn branch(&self) -> Option<Branch> {
        self.branches[0]
    }

    /// The branch of a conditional that the first input comes from.
    pub(super) fn branch_of_first_input(&self) -> Option<Branch> {
        self.branches[1]
    }

    /// An input of the node.
    ///
    /// Errors: `INVALID_ARGUMENT` if there is none of this number, as only with an op that the table of
    /// ops does not know in this form.
    pub(super) fn input(&self, index: usize) -> Result<Output, Error> {
        let input = self.inputs.get(index).copied();
        input.ok_or_else(|| Error::Gradient(format!("node '{}' has no input {index}", self.name)))
    }

    /// An output of the node.
    pub(super) fn output(&self, index: u32) -> Output {
        self.id.output(index)
    }

    /// The gradient of an output.
    ///
    /// Errors: `INVALID_ARGUMENT` if there is none.
    pub(super) fn grad(&self, index: usize) -> Result<Gradient, Error> {
        let grad = self.grads.get(index).copied().flatten();
        let name = &self.name;
        grad.ok_or_else(|| Error::Gradient(format!("output {index} of '{name}' has no gradient")))
    }

    /// `None` for each input.
    pub(super) fn nothing(&self) -> Gradients {
        Ok(vec![None; self.inputs.len()])
    }

    /// A node that has some attributes in common with this one.
    pub(super) fn like<'a>(&self, mut node: NodeBuilder<'a>, attrs: &[&str]) -> NodeBuilder<'a> {
        for name in attrs {
            if let Some(attr) = self.attrs.get(name) {
                node = node.attr(name, attr.clone());
            }
        }
        node
    }
}

/// The gradients of all inputs.
pub(super) fn all<const N: usize>(gradients: [Output; N]) -> Gradients {
    Ok(gradients.into_iter().map(|gradient| Some(gradient.into())).collect())
}

/// The gradient of the first input, of `n`.
pub(super) fn first(gradient: impl Into<Gradient>, n: usize) -> Gradients {
    let mut gradients = vec![None; n];
    if let Some(first) = gradients.first_mut() {
        *first = Some(gradient.into());
    }
    Ok(gradients)
}
