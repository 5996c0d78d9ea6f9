//! The functions of a model's root object, with the arguments of each trace.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flowkeep_proto::pb;
use pb::saved_object::Kind;
use pb::structured_value::Kind as Structured;
use serde::Serialize;

use super::structured;

/// The functions of the root object, if they can be listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Functions {
    Listed(Vec<Function>),
    /// Why they cannot be listed.
    NotAvailable(&'static str),
}

/// A function and its traces.
#[derive(Debug, Serialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) options: Vec<TraceOption>,
}

/// The arguments that one trace was made for.
#[derive(Debug, Default, Serialize)]
pub(crate) struct TraceOption {
    pub(crate) arguments: Vec<Argument>,
    pub(crate) keyword_arguments: Vec<String>,
}

/// A positional argument.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Argument {
    Tensor { name: Option<String>, spec: String },
    Text { text: String },
    Items { r#type: String, items: Vec<String> },
    Entries { r#type: String, entries: Vec<(String, String)> },
    Value { r#type: String, value: String },
}

impl Functions {
    /// The functions of a model; `None` for a model without object graph.
    pub(crate) fn new(model: &pb::SavedModel) -> Option<Functions> {
        if !model.meta_graphs.iter().any(|meta_graph| meta_graph.object_graph_def.is_some()) {
            return None;
        }
        // TensorFlow loads the model to list them, which takes exactly one MetaGraph.
        let [meta_graph] = &model.meta_graphs[..] else {
            return Some(Functions::NotAvailable("unknown reasons"));
        };
        if has_custom_ops(meta_graph) {
            return Some(Functions::NotAvailable("the existence of custom ops in the SavedModel"));
        }
        Some(match list(meta_graph) {
            Some(functions) => Functions::Listed(functions),
            None => Functions::NotAvailable("unknown reasons"),
        })
    }
}

fn has_custom_ops(meta_graph: &pb::MetaGraphDef) -> bool {
    let Some(graph) = &meta_graph.graph_def else { return false };
    let library = library(meta_graph);
    let functions: BTreeSet<&str> = library.iter().filter_map(name_of).collect();
    let nodes = graph.node.iter().chain(library.iter().flat_map(|def| &def.node_def));
    let ops: BTreeSet<&str> = nodes.map(|node| node.op.as_str()).collect();
    ops.into_iter().any(|op| !functions.contains(op) && !flowkeep_graph::op_def::is_known(op))
}

/// `None` if the object graph contradicts itself.
fn list(meta_graph: &pb::MetaGraphDef) -> Option<Vec<Function>> {
    let objects = meta_graph.object_graph_def.as_ref()?;
    let order = trace_order(library(meta_graph))?;
    let mut functions = Vec::new();
    for child in &objects.nodes.first()?.children {
        let object = objects.nodes.get(usize::try_from(child.node_id).ok()?)?;
        let mut traces: Vec<&str> = match &object.kind {
            Some(Kind::Function(function)) => {
                function.concrete_functions.iter().map(String::as_str).collect()
            }
            Some(Kind::BareConcreteFunction(function)) => vec![&function.concrete_function_name],
            _ => continue,
        };
        traces.sort_by_key(|name| (original_name(name), order.get(name)));
        let options = traces
            .into_iter()
            .map(|name| objects.concrete_functions.get(name).map(trace_option))
            .collect::<Option<Vec<_>>>()?;
        functions.push(Function { name: child.local_name.clone(), options });
    }
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    Some(functions)
}

fn library(meta_graph: &pb::MetaGraphDef) -> &[pb::FunctionDef] {
    let library = meta_graph.graph_def.as_ref().and_then(|graph| graph.library.as_ref());
    library.map(|library| &library.function[..]).unwrap_or_default()
}

fn name_of(def: &pb::FunctionDef) -> Option<&str> {
    def.signature.as_ref().map(|signature| signature.name.as_str())
}

/// The name that a function had in Python: `f` of `__inference_f_12`.
fn original_name(name: &str) -> &str {
    let Some((original, number)) =
        name.strip_prefix("__inference_").and_then(|name| name.rsplit_once('_'))
    else {
        return name;
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { original } else { name }
}

/// The order in which TensorFlow loads the functions, which numbers them anew: callees first.
///
/// `None` when functions call each other in a circle.
fn trace_order(library: &[pb::FunctionDef]) -> Option<HashMap<&str, usize>> {
    let names: Vec<&str> = library.iter().filter_map(name_of).collect();
    let known: BTreeSet<&str> = names.iter().copied().collect();
    let mut callers: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut n_callees: BTreeMap<&str, usize> = BTreeMap::new();
    for def in library {
        let caller = name_of(def)?;
        let callees = callees(def, &known);
        n_callees.insert(caller, callees.len());
        for callee in callees {
            callers.entry(callee).or_default().push(caller);
        }
    }
    let mut ready: Vec<&str> =
        names.iter().copied().filter(|name| n_callees.get(name) == Some(&0)).collect();
    let mut order = HashMap::new();
    while let Some(name) = ready.pop() {
        order.insert(name, order.len());
        for caller in callers.remove(name).unwrap_or_default() {
            if let Some(n) = n_callees.get_mut(caller) {
                *n -= 1;
                if *n == 0 {
                    ready.push(caller);
                }
            }
        }
    }
    (order.len() == n_callees.len()).then_some(order)
}

/// The functions that a function's nodes are or refer to.
fn callees<'a>(def: &'a pb::FunctionDef, known: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    use pb::attr_value::Value;
    let mut callees = BTreeSet::new();
    for node in &def.node_def {
        if known.contains(node.op.as_str()) {
            callees.insert(node.op.as_str());
            continue;
        }
        for attr in node.attr.values() {
            match &attr.value {
                Some(Value::Func(function)) => {
                    callees.insert(function.name.as_str());
                }
                Some(Value::List(list)) => {
                    callees.extend(list.func.iter().map(|f| f.name.as_str()))
                }
                _ => {}
            }
        }
    }
    callees.retain(|name| known.contains(name));
    callees
}

/// The arguments of a trace: a tuple of positional ones and a dict of those by keyword.
fn trace_option(function: &pb::SavedConcreteFunction) -> TraceOption {
    let signature =
        function.canonicalized_input_signature.as_ref().and_then(|value| value.kind.as_ref());
    let Some(Structured::TupleValue(signature)) = signature else { return TraceOption::default() };
    let mut option = TraceOption::default();
    if let Some(Structured::TupleValue(arguments)) =
        signature.values.first().and_then(|value| value.kind.as_ref())
    {
        option.arguments = arguments.values.iter().map(argument).collect();
    }
    if let Some(Structured::DictValue(arguments)) =
        signature.values.get(1).and_then(|value| value.kind.as_ref())
    {
        option.keyword_arguments = arguments.fields.keys().cloned().collect();
    }
    option
}

fn argument(value: &pb::StructuredValue) -> Argument {
    let r#type = structured::type_name(value);
    match &value.kind {
        Some(Structured::StringValue(text)) => Argument::Text { text: text.clone() },
        Some(Structured::TensorSpecValue(spec)) => {
            Argument::Tensor { name: non_empty(&spec.name), spec: structured::repr(value) }
        }
        Some(Structured::BoundedTensorSpecValue(spec)) => {
            Argument::Tensor { name: non_empty(&spec.name), spec: structured::repr(value) }
        }
        Some(Structured::DictValue(dict)) => {
            let entries =
                dict.fields.iter().map(|(key, value)| (key.clone(), structured::quoted(value)));
            Argument::Entries { r#type, entries: entries.collect() }
        }
        _ => match structured::items(value) {
            Some(items) => Argument::Items { r#type, items },
            None => Argument::Value { r#type, value: structured::str(value) },
        },
    }
}

fn non_empty(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}
