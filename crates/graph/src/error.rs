use flowkeep_tensor::Code;

use crate::PortType;

/// What can be wrong with a graph, a function, an attribute or a name.
///
/// Where TensorFlow reports the same situation the text is TensorFlow's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A node's name does not follow the rules of names.
    #[error("Node '{node}': Node name contains invalid characters")]
    NodeName {
        /// The name.
        node: String,
    },
    /// Two nodes have the same name.
    #[error("Node '{node}' is not unique")]
    DuplicateNode {
        /// The name.
        node: String,
    },
    /// A node is imported that has the name of one that is there.
    #[error("Node name '{node}' already exists in the Graph")]
    NameExists {
        /// The name.
        node: String,
    },
    /// A node that is added has the name of one that is there.
    #[error("Duplicate node name in graph: '{node}'")]
    NameInGraph {
        /// The name.
        node: String,
    },
    /// A node names no op.
    #[error("Node '{node}' does not specify an operation")]
    NoOpType {
        /// The node.
        node: String,
    },
    /// A data input stands after a control input.
    #[error("Node '{node}': Control dependencies must come after regular dependencies")]
    ControlOrder {
        /// The node.
        node: String,
    },
    /// An input names no node of the graph.
    #[error("Node '{node}': Unknown input node '{input}'")]
    UnknownInput {
        /// The node that has the input.
        node: String,
        /// The input as it is written.
        input: String,
    },
    /// An input names an output that its node does not have.
    #[error(
        "Node '{node}': Connecting to invalid output {index} of source node {source_node} which has {n_outputs} outputs.{hint}"
    )]
    InvalidOutput {
        /// The node that has the input.
        node: String,
        /// The node that is named.
        source_node: String,
        /// The output that is named.
        index: u32,
        /// How many outputs the source has.
        n_outputs: usize,
        /// What may help, or nothing.
        hint: &'static str,
    },
    /// An input has another type than the op wants.
    #[error(
        "Input {index} of node {node} was passed {got} from {source_node}:{source_index} incompatible with expected {expected}."
    )]
    InputType {
        /// The node that has the input.
        node: String,
        /// Position of the input.
        index: usize,
        /// What is passed.
        got: PortType,
        /// The node it comes from.
        source_node: String,
        /// The output it comes from.
        source_index: u32,
        /// What the op wants.
        expected: PortType,
    },
    /// What is to close a loop names an output that its node does not have.
    #[error(
        "Output {index} of node {source_node} does not exist. Node only has {n_outputs} outputs."
    )]
    NoBackOutput {
        /// The node that is named.
        source_node: String,
        /// The output that is named.
        index: u32,
        /// How many outputs it has.
        n_outputs: usize,
    },
    /// An argument of an import is wrong: a name, a key of the input map, an element to return.
    #[error("{0}")]
    Import(String),
    /// Edges other than those from NextIteration to Merge close a cycle.
    #[error("{n_nodes} nodes in a cycle")]
    Cycle {
        /// How many nodes are on it or behind it.
        n_nodes: usize,
    },
    /// A node is an input of itself, or of a node before it, without being part of a loop.
    #[error("Node '{node}' had a back edge, but only Merge nodes can have back edges.")]
    BackEdge {
        /// The node.
        node: String,
    },
    /// A node contradicts the definition of its op: attributes, or the number of inputs.
    #[error("{message}")]
    NodeDef {
        /// The node.
        node: String,
        /// TensorFlow's sentence.
        message: String,
    },
    /// Attributes do not give the number or the types of the inputs or outputs.
    #[error("{0}")]
    Arguments(String),
    /// `_class` names a node that does not exist.
    #[error("Node '{node}' expects to be colocated with unknown node '{target}'")]
    UnknownColocation {
        /// The node.
        node: String,
        /// The node it names.
        target: String,
    },
    /// The op was removed before the graph was written.
    #[error(
        "Op {op} is not available in GraphDef version {producer}. It has been removed in version {version}. {explanation}."
    )]
    DeprecatedOp {
        /// The op.
        op: String,
        /// The graph's producer version.
        producer: i32,
        /// The version that removed the op.
        version: i32,
        /// What to use instead.
        explanation: String,
    },
    /// The versions of a graph do not fit this reader.
    #[error("{0}")]
    Version(String),
    /// The graph could not be imported and comes from a much newer writer.
    #[error(
        "Converting GraphDef to Graph has failed with an error: '{source}' The binary trying to import the GraphDef was built when GraphDef version was {consumer}. The GraphDef was produced by a binary built when GraphDef version was {producer}. The difference between these versions is larger than TensorFlow's forward compatibility guarantee, and might be the root cause for failing to import the GraphDef."
    )]
    ForwardCompatibility {
        /// What failed.
        source: Box<Error>,
        /// The version of this reader.
        consumer: i32,
        /// The version of the writer.
        producer: i32,
    },
    /// A tensor's or an op's name was looked up and is malformed, or of the other kind.
    #[error("{0}")]
    BadName(String),
    /// A name that was looked up names nothing in the graph.
    #[error("{0}")]
    NoSuchElement(String),
    /// A node or function has no attribute of this name.
    #[error("No attr named '{attr}' in NodeDef:")]
    NoSuchAttr {
        /// The attribute.
        attr: String,
    },
    /// An attribute has a value of another kind.
    #[error(
        "AttrValue had value with type '{got}' when '{expected}' expected\n\t for attr '{attr}'"
    )]
    AttrKind {
        /// The attribute.
        attr: String,
        /// The kind asked for.
        expected: &'static str,
        /// The kind it has.
        got: &'static str,
    },
    /// An attribute's value cannot be used: a shape or tensor that contradicts itself.
    #[error("attribute '{attr}': {message}")]
    AttrValue {
        /// The attribute.
        attr: String,
        /// What is wrong.
        message: String,
        /// The canonical code of that.
        code: Code,
    },
    /// A function contradicts itself, or a call of it does.
    #[error("{message}")]
    Function {
        /// The function.
        function: String,
        /// What is wrong.
        message: String,
    },
    /// Two different functions have the same name.
    #[error(
        "Cannot add function '{0}' because a different function with the same name already exists."
    )]
    DuplicateFunction(String),
    /// An op is defined that exists, or whose name is that of a function.
    #[error("cannot define op '{0}' because a different op or a function has this name")]
    DuplicateOp(String),
    /// A function is given a second gradient.
    #[error(
        "Cannot assign gradient function '{gradient}' to '{function}' because it already has gradient function '{present}'"
    )]
    DuplicateGradient {
        /// The function.
        function: String,
        /// The gradient that is given.
        gradient: String,
        /// The gradient that it has.
        present: String,
    },
    /// Something that was asked for from outside of the graph failed, or cannot be had.
    #[error("{message}")]
    Outside {
        /// The canonical code.
        code: Code,
        /// What is wrong.
        message: String,
    },
    /// A string names no device.
    #[error("{0}")]
    Device(String),
    /// A node is asked for with inputs that its op does not take.
    #[error("{message}")]
    Inputs {
        /// The op.
        op: String,
        /// TensorFlow's sentence.
        message: String,
    },
    /// The shapes of a node's inputs contradict each other, or the op.
    #[error("{message}")]
    Shape {
        /// The node.
        node: String,
        /// TensorFlow's sentence.
        message: String,
    },
    /// A variable is asked for that cannot be had.
    #[error("{message}")]
    Variable {
        /// The variable.
        name: String,
        /// TensorFlow's sentence.
        message: String,
    },
    /// An op is reached that TensorFlow has no gradient of.
    #[error(
        "No gradient defined for operation'{node}' (op type: {op}). In general every operation must have an associated `@tf.RegisterGradient` for correct autodiff, which this op is lacking. If you want to pretend this operation is a constant in your program, you may insert `tf.stop_gradient`. This can be useful to silence the error in cases where you know gradients are not needed, e.g. the forward pass of tf.custom_gradient. Please see more details in https://www.tensorflow.org/api_docs/python/tf/custom_gradient."
    )]
    NoGradient {
        /// The node.
        node: String,
        /// Its op.
        op: String,
    },
    /// A gradient is asked for that cannot be.
    #[error("{0}")]
    Gradient(String),
    /// An op is asked for that is neither in the table nor a function of the graph.
    #[error("Op type not registered '{op}'")]
    UnknownOp {
        /// The op.
        op: String,
    },
    /// Something is asked for that TensorFlow can do and this crate cannot.
    #[error("{0}")]
    Unsupported(String),
    /// A part of a MetaGraph is malformed.
    #[error("{0}")]
    MetaGraph(String),
}

impl Error {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::DeprecatedOp { .. } | Error::Unsupported(_) => Code::Unimplemented,
            Error::NoSuchElement(_)
            | Error::NoSuchAttr { .. }
            | Error::NoGradient { .. }
            | Error::UnknownOp { .. } => Code::NotFound,
            Error::AttrValue { code, .. } | Error::Outside { code, .. } => *code,
            Error::ForwardCompatibility { source, .. } => source.code(),
            _ => Code::InvalidArgument,
        }
    }
}
