use flowkeep_tensor::PartialShape;

use super::calls::named_by;
use super::links::Links;
use super::shapes::OUTPUT_SHAPES;
use super::{Flops, OpKind, Shapes};
use crate::op_def::{ArgDef, OpDef, Ports};
use crate::{Attr, Error, Graph, Node, NodeId, Output, PortType, TensorAttr};

/// A node and its neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// The node's name.
    pub name: String,
    /// The op, or the function that is called.
    pub op: String,
    /// What the op is.
    pub kind: OpKind,
    /// The device that is asked for; empty for none.
    pub device: String,
    /// The nodes that must be on the same device.
    pub colocation: Vec<String>,
    /// Whether two runs may differ, or have effects.
    pub is_stateful: bool,
    /// Data inputs in order.
    pub inputs: Vec<InputView>,
    /// The nodes that must have run before.
    pub control_inputs: Vec<String>,
    /// Outputs in order; of an unknown op, those that are consumed.
    pub outputs: Vec<OutputView>,
    /// The nodes that wait for it.
    pub control_consumers: Vec<String>,
    /// Attributes by name, defaults included, without stored shapes.
    pub attrs: Vec<AttrView>,
    /// The functions of the library that it names.
    pub functions: Vec<String>,
    /// What it computes.
    pub flops: Flops,
    /// The value of a constant, as it is stored.
    pub constant: Option<TensorAttr>,
}

/// A data input of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct InputView {
    /// Its name in the op's definition, numbered in lists: `x`, `values[2]`. `None` for unknown ops.
    pub arg: Option<String>,
    /// The tensor, such as `x:0`.
    pub tensor: String,
    /// The op of the tensor's node.
    pub op: String,
    /// The tensor's type; `None` if its op is unknown.
    pub dtype: Option<PortType>,
    /// The tensor's shape, as far as it is known.
    pub shape: PartialShape,
    /// Whether it closes a loop.
    pub is_back_edge: bool,
}

/// An output of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputView {
    /// Its name in the op's definition, numbered in lists. `None` for unknown ops.
    pub arg: Option<String>,
    /// The tensor, such as `x:0`.
    pub tensor: String,
    /// Its type; `None` if the op is unknown.
    pub dtype: Option<PortType>,
    /// Its shape, as far as it is known.
    pub shape: PartialShape,
    /// Who takes it.
    pub consumers: Vec<ConsumerView>,
}

/// A node that takes an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerView {
    /// The node's name.
    pub node: String,
    /// Its op.
    pub op: String,
    /// Which of its inputs it is.
    pub input: usize,
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct AttrView {
    /// Its name.
    pub name: String,
    /// The kind of its value, such as `list(int)`.
    pub kind: &'static str,
    /// The value.
    pub value: Attr,
    /// Whether that is the default of the op.
    pub is_default: bool,
}

impl NodeView {
    /// The node of a name; `shapes` are those of the graph.
    ///
    /// Errors: as [`Graph::get_operation_by_name`]; the name of a tensor means its node.
    pub fn find(graph: &Graph, name: &str, shapes: &Shapes) -> Result<NodeView, Error> {
        let id = match graph.node_by_name(name) {
            Some(id) => id,
            None if name.contains(':') => graph.output(name)?.node,
            None => graph.get_operation_by_name(name)?,
        };
        Ok(NodeView::new(graph, id, shapes))
    }

    /// The node of an id of this graph.
    pub fn new(graph: &Graph, id: NodeId, shapes: &Shapes) -> NodeView {
        let node = graph.node(id);
        let links = Links::new(graph);
        let name = |id: NodeId| graph.get(id).map_or("", Node::name).to_owned();
        let signature = match node.def() {
            Some(def) => Some(def),
            None => graph.library().get(node.op()).map(|function| function.signature()),
        };
        let functions = named_by(node).into_iter();
        let functions = functions.filter(|name| graph.library().get(name).is_some());
        let attrs = node.attrs().iter().filter(|(name, _)| *name != OUTPUT_SHAPES);
        NodeView {
            name: node.name().to_owned(),
            op: node.op().to_owned(),
            kind: OpKind::of(graph, node),
            device: node.device().to_owned(),
            colocation: node.colocation().map(str::to_owned).collect(),
            is_stateful: signature.is_some_and(|signature| signature.is_stateful),
            inputs: inputs(graph, id, node, signature, shapes),
            control_inputs: node.control_inputs().iter().map(|source| name(*source)).collect(),
            outputs: outputs(graph, id, node, signature, &links, shapes),
            control_consumers: links.control(id).iter().map(|id| name(*id)).collect(),
            attrs: attrs.map(|(name, attr)| attr_view(signature, name, attr)).collect(),
            functions: functions.map(str::to_owned).collect(),
            flops: Flops::of(node, id, shapes),
            constant: match node.op() {
                "Const" => node.attr("value").and_then(Attr::as_tensor).cloned(),
                _ => None,
            },
        }
    }
}

fn attr_view(signature: Option<&OpDef>, name: &str, attr: &Attr) -> AttrView {
    let default = signature.and_then(|def| def.attr(name)).and_then(|def| def.default.as_ref());
    AttrView {
        name: name.to_owned(),
        kind: attr.kind_name(),
        value: attr.clone(),
        is_default: default == Some(attr),
    }
}

fn inputs(
    graph: &Graph,
    id: NodeId,
    node: &Node,
    signature: Option<&OpDef>,
    shapes: &Shapes,
) -> Vec<InputView> {
    let ports = signature.and_then(|def| def.input_ports(node.attrs()).ok());
    let names = signature.zip(ports).map(|(def, ports)| arg_names(&def.inputs, &ports));
    let names = names.unwrap_or_default();
    let input = |(idx, input): (usize, &Output)| {
        let source = graph.get(input.node);
        InputView {
            arg: names.get(idx).cloned(),
            tensor: graph.tensor_name(*input).to_string(),
            op: source.map_or("", Node::op).to_owned(),
            dtype: source.and_then(|source| port(source.output_types()?, input.index)),
            shape: shapes.get(*input),
            is_back_edge: node.is_merge() && input.node >= id,
        }
    };
    node.inputs().iter().enumerate().map(input).collect()
}

fn outputs(
    graph: &Graph,
    id: NodeId,
    node: &Node,
    signature: Option<&OpDef>,
    links: &Links,
    shapes: &Shapes,
) -> Vec<OutputView> {
    let ports = signature.and_then(|def| def.output_ports(node.attrs()).ok());
    let names = signature.zip(ports).map(|(def, ports)| arg_names(&def.outputs, &ports));
    let names = names.unwrap_or_default();
    let n_outputs = node.n_outputs().and_then(|n| u32::try_from(n).ok()).unwrap_or_else(|| {
        let last = links.data(id).iter().map(|link| link.output).max();
        last.map_or(0, |last| last.saturating_add(1).min(MAX_UNKNOWN_OUTPUTS))
    });
    let mut outputs: Vec<OutputView> = (0..n_outputs)
        .map(|index| OutputView {
            arg: usize::try_from(index).ok().and_then(|idx| names.get(idx).cloned()),
            tensor: graph.tensor_name(id.output(index)).to_string(),
            dtype: node.output_types().and_then(|types| port(types, index)),
            shape: shapes.get(id.output(index)),
            consumers: Vec::new(),
        })
        .collect();
    for link in links.data(id) {
        let (Some(consumer), Ok(output)) = (graph.get(link.consumer), usize::try_from(link.output))
        else {
            continue;
        };
        if let Some(output) = outputs.get_mut(output) {
            let (node, op) = (consumer.name().to_owned(), consumer.op().to_owned());
            output.consumers.push(ConsumerView { node, op, input: link.input });
        }
    }
    outputs
}

/// Of an unknown op no output behind this one is shown.
const MAX_UNKNOWN_OUTPUTS: u32 = 1024;

fn port(types: &[PortType], index: u32) -> Option<PortType> {
    types.get(usize::try_from(index).ok()?).copied()
}

/// A name for each tensor that arguments stand for.
fn arg_names(args: &[ArgDef], ports: &Ports) -> Vec<String> {
    let mut names = Vec::with_capacity(ports.types().len());
    for (idx, arg) in args.iter().enumerate() {
        let n = ports.range(idx).map_or(0, |range| range.len());
        match arg.is_list() {
            true => names.extend((0..n).map(|element| format!("{}[{element}]", arg.name))),
            false => names.push(arg.name.to_string()),
        }
    }
    names
}
