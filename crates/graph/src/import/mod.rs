//! Messages to checked graphs.
//!
//! Steps, in this order: versions; names; edges; library; order; then, for each node, attributes,
//! the types of its ports, and its inputs against them.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_proto::pb;

use crate::graph::{GraphExtra, node_id};
use crate::names::is_valid_node_name;
use crate::node::{Extra, Node};
use crate::{Attr, Error, Graph, InputRef, Library, NodeId, Output};

mod draft;
mod edges;
mod inputs;
mod order;
mod versions;

pub(crate) use draft::{Draft, NodeParts, PortBudget};
pub(crate) use edges::Edges;
pub(crate) use inputs::{Source, check_inputs};
pub(crate) use order::topological;
pub use versions::GRAPH_DEF_VERSION;

/// How to import a graph.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Whether to forget the devices that nodes ask for.
    pub clear_devices: bool,
}

impl Graph {
    /// Checks a graph and links its nodes.
    ///
    /// Takes the message, so that constants are shared and not copied. Unknown ops are let through:
    /// they are errors when they are executed. So are functions that do not exist.
    ///
    /// Errors: `INVALID_ARGUMENT`, or `UNIMPLEMENTED` for ops that were removed, with TensorFlow's
    /// texts.
    pub fn import(def: pb::GraphDef, options: &ImportOptions) -> Result<Graph, Error> {
        let versions = def.versions.clone().unwrap_or_default();
        versions::check(&versions)?;
        import(def, options).map_err(|error| versions::explain(error, &versions))
    }
}

fn import(def: pb::GraphDef, options: &ImportOptions) -> Result<Graph, Error> {
    let version = version(&def);
    let producer = def.versions.as_ref().map_or(0, |versions| versions.producer);
    let edges = link(&def.node)?;
    let has_library = def.library.is_some();
    let library = Arc::new(Library::from_proto(def.library.unwrap_or_default())?);
    let order = topological(&edges, |idx| def.node.get(idx).map_or("", |node| node.op.as_str()))?;

    let mut drafts = Vec::with_capacity(def.node.len());
    let mut last_device: Arc<str> = "".into();
    let mut budget = PortBudget::default();
    for mut node in def.node {
        if options.clear_devices {
            node.device.clear();
        }
        if *last_device != *node.device {
            last_device = node.device.as_str().into();
        }
        let attrs = std::mem::take(&mut node.attr)
            .into_iter()
            .map(|(name, value)| (name, Attr::from_proto(value)));
        let parts = NodeParts {
            name: node.name.into(),
            op: &node.op,
            device: last_device.clone(),
            extra: Extra::new(node.experimental_debug_info, node.experimental_type),
        };
        drafts.push(Draft::new(parts, attrs, &library, Some(producer), &mut budget)?);
    }
    let mut graph = assemble(drafts, &edges, &order)?;
    check_colocation(&graph)?;
    graph.library = library;
    graph.versions = def.versions;
    graph.extra = GraphExtra { version, debug_info: def.debug_info.map(Box::new), has_library };
    Ok(graph)
}

#[expect(deprecated, reason = "field 3 of GraphDef is kept as it was read")]
fn version(def: &pb::GraphDef) -> i32 {
    def.version
}

/// Checks names and finds the node of each input.
fn link(nodes: &[pb::NodeDef]) -> Result<Edges, Error> {
    let mut by_name = HashMap::with_capacity(nodes.len());
    for (idx, node) in nodes.iter().enumerate() {
        let name = || node.name.clone();
        if !is_valid_node_name(&node.name) {
            return Err(Error::NodeName { node: name() });
        }
        if by_name.insert(node.name.as_str(), node_id(idx)).is_some() {
            return Err(Error::DuplicateNode { node: name() });
        }
        if node.op.is_empty() {
            return Err(Error::NoOpType { node: name() });
        }
        let mut inputs = node.input.iter().skip_while(|input| !input.starts_with('^'));
        if inputs.any(|input| !input.starts_with('^')) {
            return Err(Error::ControlOrder { node: name() });
        }
    }
    let mut edges = Edges::with_capacity(nodes.len());
    for node in nodes {
        for input in &node.input {
            let reference = InputRef::parse(input);
            let source = by_name.get(reference.node()).copied();
            let source = source.ok_or_else(|| Error::UnknownInput {
                node: node.name.clone(),
                input: input.clone(),
            })?;
            match reference {
                InputRef::Data { index, .. } => edges.push_data(Output { node: source, index }),
                InputRef::Control(_) => edges.push_control(source),
            }
        }
        edges.finish_node();
    }
    Ok(edges)
}

/// Puts drafts into `order`, renumbers their edges, and checks what each node is fed.
pub(crate) fn assemble(
    drafts: Vec<Draft<'_>>,
    edges: &Edges,
    order: &[NodeId],
) -> Result<Graph, Error> {
    let mut position = vec![NodeId(0); drafts.len()];
    for (idx, id) in order.iter().enumerate() {
        if let Some(position) = position.get_mut(id.index()) {
            *position = node_id(idx);
        }
    }
    let renumbered = |id: NodeId| position.get(id.index()).copied().unwrap_or(id);

    for (idx, draft) in drafts.iter().enumerate() {
        draft.check_inputs(edges.data(idx), |id| drafts.get(id.index()).map(Source::from))?;
    }
    let mut drafts: Vec<Option<Draft<'_>>> = drafts.into_iter().map(Some).collect();
    let mut graph = Graph {
        nodes: Vec::with_capacity(order.len()),
        by_name: HashMap::with_capacity(order.len()),
        ..Default::default()
    };
    for id in order {
        let Some(draft) = drafts.get_mut(id.index()).and_then(Option::take) else { continue };
        let data = edges.data(id.index()).iter();
        let inputs =
            data.map(|output| Output { node: renumbered(output.node), ..*output }).collect();
        let mut control_inputs: Vec<NodeId> = Vec::new();
        for source in edges.control(id.index()) {
            control_inputs.push(renumbered(*source));
        }
        control_inputs.sort_unstable();
        control_inputs.dedup();
        let node: Node = draft.finish(inputs, control_inputs.into());
        graph.by_name.insert(node.name.clone(), node_id(graph.nodes.len()));
        graph.nodes.push(node);
    }
    Ok(graph)
}

/// Checks that `_class` names nodes that exist.
fn check_colocation(graph: &Graph) -> Result<(), Error> {
    for node in graph.nodes() {
        for target in node.colocation() {
            if graph.node_by_name(target).is_none() {
                return Err(Error::UnknownColocation {
                    node: node.name().to_owned(),
                    target: target.to_owned(),
                });
            }
        }
    }
    Ok(())
}
