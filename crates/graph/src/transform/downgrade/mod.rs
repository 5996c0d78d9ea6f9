use flowkeep_proto::pb;

use super::default_attrs::{RemovedAttr, function_names};
use crate::Graph;

mod check;
mod consumer;
mod history;
mod nodes;
mod shapes;
mod swap;

pub use consumer::Consumer;
use nodes::Nodes;

/// The first GraphDef version whose functions have control results.
const CONTROL_RETS_SINCE: i32 = 38;

/// How [`downgrade`] goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DowngradeOptions {
    /// Who is to read the graph.
    pub consumer: Consumer,
    /// Whether products of batches and choices whose shapes are not known do without broadcasting. An
    /// older op then takes their place; if that is not so, it fails when it is run.
    pub assume_no_broadcast: bool,
}

impl DowngradeOptions {
    /// Options for this consumer, that assume nothing.
    pub fn new(consumer: Consumer) -> DowngradeOptions {
        DowngradeOptions { consumer, assume_no_broadcast: false }
    }
}

/// What [`downgrade`] did, and could not do.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DowngradeReport {
    /// Attributes that the consumer does not know and can do without.
    pub removed_attrs: Vec<RemovedAttr>,
    /// Nodes that are of an older op now.
    pub changed_ops: Vec<ChangedOp>,
    /// What the consumer will not take, or may not.
    pub problems: Vec<Problem>,
    /// Ops of which nothing is known, since TensorFlow 2.21 does not have them either; each once.
    pub unknown_ops: Vec<String>,
    /// The versions that the graph had.
    pub old_versions: Option<pb::VersionDef>,
}

/// A node that is of another op now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedOp {
    /// The function whose body the node is in; `None` for nodes of the graph.
    pub function: Option<String>,
    /// The node.
    pub node: String,
    /// The op that it was.
    pub from: String,
    /// The op that it is.
    pub to: String,
}

/// Something that keeps the consumer from taking a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The function whose body the node is in; `None` for nodes of the graph.
    pub function: Option<String>,
    /// The node; `None` for what concerns a function or the graph as a whole.
    pub node: Option<String>,
    /// Its op.
    pub op: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// Makes of a graph what an older TensorFlow takes, as far as that is possible.
///
/// * Attributes that the consumer does not know go where they have the default value, or tell only what
///   does not change results (`debug_name`, `config_proto`, `metadata`, what gradients left).
/// * Ops that it does not know become older ones where that is safe: AddV2 Add, BatchMatMulV3
///   BatchMatMulV2 and that BatchMatMul and SelectV2 Select where nothing is broadcast, FusedBatchNormV3
///   and its gradient V2, StatelessIf, StatelessWhile and StatelessCase If, While and Case,
///   DisableCopyOnRead NoOp.
/// * `producer` becomes the consumer's version if it is newer, and so does `min_consumer`.
///
/// What is left that the consumer will not take is reported: ops, attributes, values and types that are
/// newer, and control results of functions for those before 1.14. The message that comes back is of
/// use only if nothing is. It is a message, since a [`Graph`] always has all its attributes.
///
/// Facts about releases are those of the ops that they register (`fixtures/op_history.py`); whether they
/// have a kernel for a type is not known.
///
/// ```
/// use flowkeep_graph::transform::{DowngradeOptions, downgrade};
/// use flowkeep_graph::{Graph, ImportOptions};
/// use flowkeep_proto::text;
///
/// let graph = Graph::import(
///     text::parse_message(
///         "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
///          node { name: 'y' op: 'AddV2' input: ['x', 'x'] attr { key: 'T' value { type: DT_FLOAT } } }
///          node { name: 'z' op: 'Erfinv' input: 'y' attr { key: 'T' value { type: DT_FLOAT } } }
///          versions { producer: 2474 }",
///     )?,
///     &ImportOptions::default(),
/// )?;
/// let (def, report) = downgrade(&graph, &DowngradeOptions::new("1.4".parse()?));
/// assert_eq!((def.node[1].op.as_str(), def.versions.unwrap().producer), ("Add", 24));
/// assert_eq!(report.problems[0].what, "op Erfinv is in TensorFlow from 2.1 on");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn downgrade(graph: &Graph, options: &DowngradeOptions) -> (pb::GraphDef, DowngradeReport) {
    let mut def = graph.to_graph_def();
    let mut report = DowngradeReport { old_versions: def.versions.clone(), ..Default::default() };
    let functions = function_names(&def);
    set_versions(&mut def, options.consumer, &mut report);
    Nodes::of_graph(&mut def, &functions).downgrade(options, &mut report);
    for function in def.library.iter_mut().flat_map(|library| &mut library.function) {
        check_function(function, options.consumer, &mut report);
        Nodes::of_function(function, &functions).downgrade(options, &mut report);
    }
    (def, report)
}

fn set_versions(def: &mut pb::GraphDef, consumer: Consumer, report: &mut DowngradeReport) {
    let Some(versions) = &mut def.versions else { return };
    versions.producer = versions.producer.min(consumer.version());
    versions.min_consumer = versions.min_consumer.min(consumer.version());
    if versions.bad_consumers.contains(&consumer.version()) {
        let what = format!("the graph disallows GraphDef version {}", consumer.version());
        report.problems.push(Problem { function: None, node: None, op: None, what });
    }
}

fn check_function(function: &pb::FunctionDef, consumer: Consumer, report: &mut DowngradeReport) {
    let name = function.signature.as_ref().map(|signature| signature.name.clone());
    let mut problem = |what: String| {
        report.problems.push(Problem { function: name.clone(), node: None, op: None, what });
    };
    if !function.control_ret.is_empty() && consumer.version() < CONTROL_RETS_SINCE {
        problem("control results of functions are in TensorFlow from 1.14 on".to_owned());
    }
    let signature = function.signature.as_ref();
    let args = signature.into_iter().flat_map(|def| def.input_arg.iter().chain(&def.output_arg));
    for arg in args {
        if let Some(what) = check::newer_type(arg.r#type, consumer) {
            problem(format!("argument or result {}: {what}", arg.name));
        }
    }
}
