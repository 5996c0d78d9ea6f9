//! What differs between two graphs, whatever the order of their nodes and whatever nodes are called.
//!
//! Modules in reading order: `matching` (which nodes are the same), with `hashes` (what nodes compute
//! from, and for whom) and `suffix` (what names have in common); `compare` (what of a node has changed);
//! `functions`; `parts` (what a MetaGraph has beside its graph).

use crate::{Attr, Graph, MetaGraph};

mod compare;
mod functions;
mod hashes;
mod matching;
mod parts;
mod suffix;

use compare::Pairs;
use functions::FunctionNames;
pub use parts::{PartChange, PartDiff};

/// What counts as a difference.
#[derive(Clone, Debug, Default)]
pub struct DiffOptions {
    /// Whether versions may differ.
    pub ignore_versions: bool,
    /// Whether devices may differ.
    pub ignore_devices: bool,
    /// Whether nodes and functions that are the same but for their names count as the same.
    pub ignore_names: bool,
    /// The names of attributes that may differ.
    pub ignore_attrs: Vec<String>,
}

/// What differs between two graphs: what has to happen to the first to become the second.
///
/// Nodes are the same if they have the same name and op. Others are found by their structure: by op,
/// attributes, and what they are fed by and feed, if that is told of one node only on each side.
/// Defaults count as set. `_class` is compared by the nodes that it means, and shapes that were inferred
/// (`_output_shapes`, `_input_shapes`) only where both have them.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphDiff {
    /// How many nodes are the same in all.
    pub n_same: usize,
    /// The nodes that are not, by name.
    pub nodes: Vec<NodeDiff>,
    /// How many functions are the same in all.
    pub n_same_functions: usize,
    /// The functions that are not, by name.
    pub functions: Vec<FunctionDiff>,
    /// What differs in versions: which one, and its values.
    pub versions: Vec<(&'static str, String, String)>,
}

/// A node that differs.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeDiff {
    /// Only the first graph has it.
    Removed {
        /// Its name.
        name: String,
        /// Its op.
        op: String,
    },
    /// Only the second graph has it.
    Added {
        /// Its name.
        name: String,
        /// Its op.
        op: String,
    },
    /// Both have it.
    Changed {
        /// Its name in the second graph.
        name: String,
        /// Its name in the first graph, if that is another one.
        old_name: Option<String>,
        /// Its op in the second graph.
        op: String,
        /// What else differs.
        changes: Vec<Change>,
    },
}

impl NodeDiff {
    /// The node's name, in the second graph if it is in both.
    pub fn name(&self) -> &str {
        match self {
            NodeDiff::Removed { name, .. }
            | NodeDiff::Added { name, .. }
            | NodeDiff::Changed { name, .. } => name,
        }
    }
}

/// What differs in a node or a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The op, or the function that is called.
    Op {
        /// That of the first.
        old: String,
        /// That of the second.
        new: String,
    },
    /// A data input.
    Input {
        /// Its place.
        index: usize,
        /// The tensor, if the first has the input.
        old: Option<String>,
        /// The tensor, if the second has the input.
        new: Option<String>,
    },
    /// The nodes that must have run before.
    ControlInputs {
        /// Those that only the first waits for.
        removed: Vec<String>,
        /// Those that only the second waits for.
        added: Vec<String>,
    },
    /// An attribute.
    Attr {
        /// Its name.
        name: String,
        /// Its value in the first, if there is one.
        old: Option<Attr>,
        /// Its value in the second, if there is one.
        new: Option<Attr>,
    },
    /// The device that is asked for; empty for none.
    Device {
        /// That of the first.
        old: String,
        /// That of the second.
        new: String,
    },
    /// Of a function: its arguments and results with their types.
    Signature {
        /// That of the first.
        old: String,
        /// That of the second.
        new: String,
    },
    /// Of a function: the tensor that a result is, or the node of a control result.
    Result {
        /// The result's name.
        name: String,
        /// That of the first.
        old: Option<String>,
        /// That of the second.
        new: Option<String>,
    },
    /// Of a function: the function that computes its gradient.
    Gradient {
        /// That of the first.
        old: Option<String>,
        /// That of the second.
        new: Option<String>,
    },
    /// Of a function: its body, which cannot be looked into without the attributes of a call, or is
    /// damaged.
    Body,
}

/// A function that differs.
#[derive(Clone, Debug, PartialEq)]
pub enum FunctionDiff {
    /// Only the first graph has it.
    Removed {
        /// Its name.
        name: String,
    },
    /// Only the second graph has it.
    Added {
        /// Its name.
        name: String,
    },
    /// Both have it.
    Changed {
        /// Its name in the second graph.
        name: String,
        /// Its name in the first graph, if that is another one.
        old_name: Option<String>,
        /// What differs beside the nodes of its body.
        changes: Vec<Change>,
        /// The nodes of its body that differ.
        nodes: Vec<NodeDiff>,
    },
}

impl FunctionDiff {
    /// The function's name, in the second graph if it is in both.
    pub fn name(&self) -> &str {
        match self {
            FunctionDiff::Removed { name }
            | FunctionDiff::Added { name }
            | FunctionDiff::Changed { name, .. } => name,
        }
    }
}

/// What differs between two MetaGraphs.
#[derive(Clone, Debug, PartialEq)]
pub struct MetaGraphDiff {
    /// What differs between the graphs.
    pub graph: GraphDiff,
    /// What else differs.
    pub parts: Vec<PartDiff>,
}

impl MetaGraphDiff {
    /// Compares two MetaGraphs; those that only have a graph count as nothing but that.
    pub fn new(a: &MetaGraph, b: &MetaGraph, options: &DiffOptions) -> MetaGraphDiff {
        MetaGraphDiff {
            graph: GraphDiff::new(&a.graph, &b.graph, options),
            parts: parts::parts(a, b),
        }
    }

    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.graph.is_same() && self.parts.is_empty()
    }
}

impl GraphDiff {
    /// Compares two graphs, their functions and their versions.
    pub fn new(a: &Graph, b: &Graph, options: &DiffOptions) -> GraphDiff {
        let names = FunctionNames::of(a, b);
        let (n_same, nodes) = Pairs::new(a, b, &names).diff(options);
        let (n_same_functions, functions) = functions::diff(a, b, &names, options);
        let versions = if options.ignore_versions { Vec::new() } else { versions(a, b) };
        GraphDiff { n_same, nodes, n_same_functions, functions, versions }
    }

    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.nodes.is_empty() && self.functions.is_empty() && self.versions.is_empty()
    }
}

fn versions(a: &Graph, b: &Graph) -> Vec<(&'static str, String, String)> {
    let [a, b] = [a, b].map(|graph| graph.versions().cloned().unwrap_or_default());
    let all = [
        ("producer", a.producer.to_string(), b.producer.to_string()),
        ("min_consumer", a.min_consumer.to_string(), b.min_consumer.to_string()),
        ("bad_consumers", format!("{:?}", a.bad_consumers), format!("{:?}", b.bad_consumers)),
    ];
    all.into_iter().filter(|(_, a, b)| a != b).collect()
}
