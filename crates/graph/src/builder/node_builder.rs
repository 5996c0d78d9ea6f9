use super::create::NewNode;
use super::infer_attrs::{Argument, infer};
use super::{Operand, Scope};
use crate::op_def::{self, OpDef};
use crate::{Attr, AttrsBuilder, Error, NodeId, Output};

/// A node under construction, of any op.
///
/// Inputs are given in the order of the op's arguments. Attributes that inputs determine, such as
/// their types and number, need not be given; those that have defaults neither.
///
/// ```
/// use flowkeep_graph::builder::Scope;
/// use flowkeep_tensor::DType;
///
/// let mut scope = Scope::new();
/// let x = scope.placeholder(DType::F32, [None, Some(3)])?;
/// let node = scope.op("Pad").input(x).input([[0, 1], [0, 1]].concat()).name("padded").build();
/// assert!(node.is_err(), "paddings are a matrix");
/// let node = scope.op("Softplus").input(x).name("positive").build()?;
/// assert_eq!(scope.graph().node(node).attrs().dtype("T")?, DType::F32);
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the node is made by build"]
pub struct NodeBuilder<'a> {
    scope: &'a mut Scope,
    op: String,
    name: Option<String>,
    device: Option<String>,
    arguments: Vec<Argument>,
    control_inputs: Vec<NodeId>,
    attrs: AttrsBuilder,
}

impl Scope {
    /// Starts a node of an op, or of a call of a function of the graph by name.
    pub fn op(&mut self, op: &str) -> NodeBuilder<'_> {
        let name = self.op_name.take();
        NodeBuilder {
            scope: self,
            op: op.to_owned(),
            name,
            device: None,
            arguments: Vec::new(),
            control_inputs: Vec::new(),
            attrs: AttrsBuilder::default(),
        }
    }
}

impl NodeBuilder<'_> {
    /// Feeds the next argument with one tensor. A constant becomes a node that is called like the
    /// argument, `MatMul/a`.
    pub fn input(mut self, operand: impl Into<Operand>) -> Self {
        self.arguments.push(Argument::One(operand.into()));
        self
    }

    /// Feeds the next argument with a list of tensors.
    pub fn input_list<O: Into<Operand>>(mut self, operands: impl IntoIterator<Item = O>) -> Self {
        self.arguments.push(Argument::List(operands.into_iter().map(Into::into).collect()));
        self
    }

    /// Lets the node run after another one.
    pub fn control_input(mut self, node: impl Into<NodeId>) -> Self {
        self.control_inputs.push(node.into());
        self
    }

    /// Sets an attribute.
    pub fn attr(mut self, name: &str, attr: Attr) -> Self {
        self.attrs.set(name, attr);
        self
    }

    /// Sets the name in the current name scope; without, it is the op's.
    pub fn name(mut self, name: &str) -> Self {
        self.name = (!name.is_empty()).then(|| name.to_owned());
        self
    }

    /// Asks for a device, as a device scope around the node would.
    pub fn device(mut self, device: &str) -> Self {
        self.device = Some(device.to_owned());
        self
    }

    /// Makes the node and gives its first output.
    ///
    /// Errors, with TensorFlow's texts: `NOT_FOUND` for an op that is not known; `INVALID_ARGUMENT`
    /// for inputs, attributes and shapes that the op does not take, for malformed and taken names and
    /// devices; `UNIMPLEMENTED` for ops that were removed. The name is taken even so.
    pub fn build_one(self) -> Result<Output, Error> {
        Ok(self.build()?.output(0))
    }

    /// Makes the node.
    ///
    /// Errors: as [`NodeBuilder::build_one`].
    pub fn build(self) -> Result<NodeId, Error> {
        let NodeBuilder { scope, op, name, device, arguments, control_inputs, attrs } = self;
        let name = name.unwrap_or_else(|| op.clone());
        let mut scope = match device {
            None => scope.without_op_name(),
            Some(device) => scope.device(&device)?,
        };
        scope.apply_op(&op, &name, arguments, control_inputs, attrs)
    }
}

impl Scope {
    /// A block in which no name waits for the next op.
    fn without_op_name(&mut self) -> super::Entered<'_> {
        self.with_op_name("")
    }

    fn apply_op(
        &mut self,
        op: &str,
        name: &str,
        arguments: Vec<Argument>,
        control_inputs: Vec<NodeId>,
        mut attrs: AttrsBuilder,
    ) -> Result<NodeId, Error> {
        let library = self.graph.library().clone();
        let def: &OpDef = match op_def::lookup(op) {
            Some(def) => def,
            None => match library.get(op) {
                Some(function) => function.signature(),
                None => return Err(Error::UnknownOp { op: op.to_owned() }),
            },
        };
        // A scope of the node's own, in which its constants are named.
        let mut inner = self.name_scope(name)?;
        let name = inner.current_name_scope();
        let inputs = infer(&mut inner, def, arguments, &mut attrs)?;
        let by_ref = def.inputs.iter().zip(&inputs).filter(|(arg, _)| arg.is_ref);
        let by_ref: Vec<NodeId> = by_ref.map(|(_, input)| input.node).collect();
        let outer = inner.placement.clone();
        for node in by_ref {
            inner.placement.colocate_with(Some(node), false);
        }
        let made = inner.create(NewNode { op, name: &name, inputs, control_inputs, attrs });
        inner.placement = outer;
        made
    }
}
