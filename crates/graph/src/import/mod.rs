//! Messages to checked graphs.
//!
//! Steps, in this order: versions; the scope; names; edges; library; order; then, for each node in
//! that order, its colocation, its sources, its attributes, and its inputs against them; edges back;
//! what is to be returned. Which of several errors is told depends on it.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_proto::pb;

use crate::graph::{GraphExtra, node_id};
use crate::{Error, Function, Graph, Library, Node, NodeId};

mod assemble;
mod build;
mod draft;
mod edges;
mod input_map;
mod inputs;
mod link;
mod naming;
mod options;
mod order;
mod producer;
mod returned;
mod shapes;
mod versions;

pub(crate) use assemble::assemble;
pub(crate) use draft::{Draft, Drafting, NodeParts};
pub(crate) use edges::Edges;
pub(crate) use inputs::{Source, check_outputs, check_types};
pub use options::ImportOptions;
pub(crate) use order::topological;
pub use returned::Imported;
pub(crate) use versions::FUNCTIONS_SINCE;
pub use versions::GRAPH_DEF_VERSION;

use build::Build;
use input_map::InputMap;
use naming::Naming;
use returned::{Built, Wanted};

impl Graph {
    /// Checks a graph and links its nodes.
    ///
    /// Takes the message, so that constants are shared and not copied. Unknown ops are let through:
    /// they are errors when they are executed. So are functions that do not exist. All that is stored
    /// is kept for the way back.
    ///
    /// Errors: `INVALID_ARGUMENT`, or `UNIMPLEMENTED` for ops that were removed, with TensorFlow's
    /// texts.
    pub fn import(def: pb::GraphDef, options: &ImportOptions) -> Result<Graph, Error> {
        Graph::import_with_functions(def, Vec::new(), options)
    }

    /// As [`Graph::import`], of a message without the functions of its library, which come apart from
    /// it, as [`flowkeep_proto::stored`] gives them.
    ///
    /// Errors: as [`Graph::import`].
    pub fn import_with_functions(
        mut def: pb::GraphDef,
        functions: Vec<Function>,
        options: &ImportOptions,
    ) -> Result<Graph, Error> {
        let extra = GraphExtra {
            version: version(&def),
            debug_info: def.debug_info.take().map(Box::new),
            has_library: def.library.is_some(),
        };
        let versions = def.versions.clone();
        let mut graph = Graph::default();
        let message = Message { def, functions, options, drops_shapes: false };
        let addition = addition(&graph, message)?;
        graph.add(addition);
        graph.versions = versions;
        graph.extra = extra;
        Ok(graph)
    }

    /// Adds a graph to this one, as `tf.import_graph_def` does with [`ImportOptions::under`] a name.
    ///
    /// Nodes are added in topological order behind those that are there, and functions to the
    /// library. The graph's versions become the lower writer and the higher reader. The shapes that
    /// an exporter has stored as `_output_shapes` are dropped, and so is debug information. Either all
    /// is added, or the graph stays as it was.
    ///
    /// ```
    /// use flowkeep_graph::{Graph, ImportOptions};
    /// use flowkeep_proto::text;
    ///
    /// let mut graph = Graph::new();
    /// let def = |op: &str| {
    ///     text::parse_message(&format!(
    ///         "node {{ name: 'x' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }} }}
    ///          node {{ name: 'y' op: '{op}' input: 'x' attr {{ key: 'T' value {{ type: DT_FLOAT }} }} }}"
    ///     ))
    /// };
    /// graph.import_into(def("Exp")?, &ImportOptions::under(""))?;
    /// let mut options = ImportOptions::under("import");
    /// options.input_map.insert("x:0".into(), graph.output("y:0")?);
    /// options.return_elements.push("y:0".into());
    /// let imported = graph.import_into(def("Log")?, &options)?;
    /// let log = imported.elements[0].output().unwrap();
    /// assert_eq!(graph.tensor_name(log).to_string(), "import/y:0");
    /// assert_eq!(graph.node(log.node).inputs(), [graph.output("y:0")?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Errors: as [`Graph::import`]; `INVALID_ARGUMENT` for names that are in use, for keys of the
    /// input map and elements to return that are malformed or name nothing.
    pub fn import_into(
        &mut self,
        def: pb::GraphDef,
        options: &ImportOptions,
    ) -> Result<Imported, Error> {
        let imported_versions = def.versions.clone().unwrap_or_default();
        let has_functions =
            def.library.as_ref().is_some_and(|library| !library.function.is_empty());
        let message = Message { def, functions: Vec::new(), options, drops_shapes: true };
        let addition = addition(self, message)?;
        let own = match &self.versions {
            None if self.is_empty() => Graph::new().versions,
            versions => versions.clone(),
        };
        let mut merged = versions::merged(&own.unwrap_or_default(), &imported_versions);
        if has_functions {
            merged.min_consumer = merged.min_consumer.max(FUNCTIONS_SINCE);
        }
        self.versions = Some(merged);
        self.extra.has_library |= has_functions;
        Ok(self.add(addition))
    }

    fn add(&mut self, addition: Addition) -> Imported {
        let Addition { nodes, by_name, library, imported } = addition;
        match by_name {
            Some(by_name) => self.by_name = by_name,
            None => {
                let names = nodes.iter().map(|node| node.name.clone());
                self.by_name.extend(names.zip((self.nodes.len()..).map(node_id)));
            }
        }
        if self.nodes.is_empty() {
            self.nodes = nodes;
        } else {
            self.nodes.extend(nodes);
        }
        self.library = library;
        imported
    }
}

/// What an import adds to a graph.
struct Addition {
    nodes: Vec<Node>,
    /// Where the nodes are, when the graph had none and they keep their names.
    by_name: Option<HashMap<Arc<str>, NodeId>>,
    library: Arc<Library>,
    imported: Imported,
}

/// What is imported, and how.
struct Message<'a> {
    def: pb::GraphDef,
    /// Functions of the library that are not in the message.
    functions: Vec<Function>,
    options: &'a ImportOptions,
    /// Whether the shapes that are stored of outputs are dropped.
    drops_shapes: bool,
}

fn addition(graph: &Graph, message: Message<'_>) -> Result<Addition, Error> {
    let options = message.options;
    let versions = message.def.versions.clone().unwrap_or_default();
    let input_map = InputMap::new(options, graph.len())?;
    let wanted = returned::parse(&options.return_elements)?;
    versions::check(&versions)?;
    let addition = add_nodes(graph, message, &input_map, &wanted, versions.producer);
    let (addition, missing) = addition.map_err(|error| versions::explain(error, &versions))?;
    missing.map(|()| addition)
}

/// The nodes, and whether all keys of the input map have been found.
fn add_nodes(
    graph: &Graph,
    message: Message<'_>,
    input_map: &InputMap,
    wanted: &[Wanted<'_>],
    producer: i32,
) -> Result<(Addition, Result<(), Error>), Error> {
    let Message { mut def, functions, options, drops_shapes } = message;
    let mut naming = Naming::new(def.node.iter().map(|node| node.name.as_str()), graph, options)?;
    let linked = link::link(&mut def.node, input_map)?;
    naming.number(&linked.by_name, graph, options);
    let mut library = graph.library.clone();
    for op in &options.op_defs {
        Arc::make_mut(&mut library).define(op.clone())?;
    }
    for function in functions {
        Arc::make_mut(&mut library).add(function)?;
    }
    if let Some(more) = def.library {
        Arc::make_mut(&mut library).merge(more)?;
    }
    let op = |idx: usize| def.node.get(idx).map_or("", |node| node.op.as_str());
    let order = order::partial(&linked.edges, op);
    let behind = node_id(graph.len().saturating_add(def.node.len()));
    let mut positions = vec![behind; def.node.len()];
    for (idx, id) in order.iter().enumerate() {
        if let Some(position) = positions.get_mut(id.index()) {
            *position = node_id(graph.len() + idx);
        }
    }
    let build = Build {
        graph,
        linked: &linked,
        naming: &naming,
        library: &library,
        options,
        producer,
        drops_shapes,
    };
    let nodes = build.nodes(def.node, &order, &positions)?;
    let built =
        Built { linked: &linked, positions: &positions, n_before: graph.len(), nodes: &nodes };
    let elements = built.find(wanted, input_map)?;
    let missing = input_map.check_all_found(|name, slot| built.has(name, slot));
    let by_name = (graph.is_empty() && naming.is_identity()).then(|| {
        let mut by_name = linked.by_name;
        for id in by_name.values_mut() {
            *id = positions.get(id.index()).copied().unwrap_or(*id);
        }
        by_name
    });
    let imported = Imported::new(graph.len(), nodes.len(), naming, elements);
    Ok((Addition { nodes, by_name, library, imported }, missing))
}

#[expect(deprecated, reason = "field 3 of GraphDef is kept as it was read")]
fn version(def: &pb::GraphDef) -> i32 {
    def.version
}
