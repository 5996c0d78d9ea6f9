//! Where a MetaGraph has ops of a kind, and who would run them.
//!
//! All nodes are looked at: those of the graph, of every function of its library, whoever calls it or does not,
//! and of graphs that are serialized in strings of constants and attributes, as pipelines of data have them.
//! Nothing is imported, so that models that cannot run here can be judged.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use prost::Message;

use crate::constants::{INIT_OP_SIGNATURE_KEY, LEGACY_INIT_OP_KEY, MAIN_OP_KEY};

/// The collection and the signature that name what a training runs.
const TRAIN_OP_KEY: &str = "saved_model_train_op";
const TRAIN_OP_SIGNATURE_KEY: &str = "__saved_model_train_op";

/// Graphs in strings of graphs in strings, at most.
const MAX_DEPTH: usize = 8;

/// The strings shorter than this are no graphs.
const MIN_GRAPH_BYTES: usize = 8;

/// A node that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Place {
    /// The node's op.
    pub op: String,
    /// The node's name, in its graph or function.
    pub node: String,
    /// The function that it is in, if it is not in the graph itself.
    pub function: Option<String>,
    /// The nodes whose strings hold the graph that it is in, outermost first.
    pub inside: Vec<String>,
    /// What runs it: keys of signatures, and `__saved_model_init_op` and its like for the rest of what a
    /// loader may run. Empty if only a caller of functions, or of nodes by name, does.
    pub run_by: Vec<String>,
}

/// The nodes of a MetaGraph whose op is one of `ops`, sorted.
pub fn find_ops(def: &pb::MetaGraphDef, ops: &BTreeSet<String>) -> Vec<Place> {
    let Some(graph) = &def.graph_def else { return Vec::new() };
    let mut scan = Scan { ops, found: Vec::new() };
    let unit = Unit::new(graph);
    let mut run_by: HashMap<NodeKey<'_>, Vec<&str>> = HashMap::new();
    for (root, names) in roots(def) {
        for node in unit.reachable(&names) {
            run_by.entry(node).or_default().push(root);
        }
    }
    let owned = |node: NodeKey<'_>| {
        let roots = run_by.get(&node);
        roots.into_iter().flatten().map(|root| (*root).to_owned()).collect::<Vec<_>>()
    };
    scan.unit(graph, &[], &owned);
    scan.found.sort();
    scan.found
}

/// What loaders and callers run: the keys of signatures and of what a loader runs by itself, with the nodes that
/// they name.
fn roots(def: &pb::MetaGraphDef) -> Vec<(&str, Vec<&str>)> {
    let mut roots: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, signature) in &def.signature_def {
        let names = signature.outputs.values().flat_map(tensor_names);
        roots.entry(key).or_default().extend(names);
    }
    for (collection, key) in [
        (MAIN_OP_KEY, INIT_OP_SIGNATURE_KEY),
        (LEGACY_INIT_OP_KEY, INIT_OP_SIGNATURE_KEY),
        (TRAIN_OP_KEY, TRAIN_OP_SIGNATURE_KEY),
    ] {
        let kind = def.collection_def.get(collection).and_then(|def| def.kind.as_ref());
        if let Some(pb::collection_def::Kind::NodeList(list)) = kind {
            roots.entry(key).or_default().extend(list.value.iter().map(String::as_str));
        }
    }
    if let Some(saver) = &def.saver_def {
        roots.entry("restore").or_default().push(&saver.restore_op_name);
        roots.entry("save").or_default().push(&saver.save_tensor_name);
    }
    roots.into_iter().collect()
}

/// The names of all tensors of a signature's output.
fn tensor_names(info: &pb::TensorInfo) -> Vec<&str> {
    match &info.encoding {
        Some(pb::tensor_info::Encoding::Name(name)) => vec![name],
        Some(pb::tensor_info::Encoding::CooSparse(sparse)) => vec![
            &sparse.values_tensor_name,
            &sparse.indices_tensor_name,
            &sparse.dense_shape_tensor_name,
        ],
        Some(pb::tensor_info::Encoding::CompositeTensor(composite)) => {
            let named = composite.components.iter().filter_map(|info| match &info.encoding {
                Some(pb::tensor_info::Encoding::Name(name)) => Some(name.as_str()),
                _ => None,
            });
            named.collect()
        }
        None => Vec::new(),
    }
}

/// A graph and its functions, by name.
struct Unit<'a> {
    nodes: HashMap<&'a str, &'a pb::NodeDef>,
    functions: HashMap<&'a str, &'a pb::FunctionDef>,
}

impl<'a> Unit<'a> {
    fn new(graph: &'a pb::GraphDef) -> Unit<'a> {
        let library = graph.library.iter().flat_map(|library| &library.function);
        Unit {
            nodes: graph.node.iter().map(|node| (&*node.name, node)).collect(),
            functions: library.map(|function| (name_of(function), function)).collect(),
        }
    }

    /// The nodes that those named need, and all nodes of the functions that these call, in whatever way.
    fn reachable(&self, names: &[&'a str]) -> HashSet<NodeKey<'a>> {
        let mut seen = HashSet::new();
        let mut calls: Vec<&str> = Vec::new();
        let named = |name: &str| self.nodes.get(node_of(name)).copied();
        let mut pending: Vec<&pb::NodeDef> = names.iter().filter_map(|name| named(name)).collect();
        while let Some(node) = pending.pop() {
            if seen.insert(("", &*node.name)) {
                pending.extend(node.input.iter().filter_map(|name| named(name)));
                called(node, &mut calls);
            }
        }
        let mut functions = HashSet::new();
        while let Some(name) = calls.pop() {
            let function = self.functions.get(name).filter(|_| functions.insert(name));
            for node in function.into_iter().flat_map(|function| &function.node_def) {
                seen.insert((name, &*node.name));
                called(node, &mut calls);
            }
        }
        seen
    }
}

/// A function, or nothing for the graph itself, and a node in it.
type NodeKey<'a> = (&'a str, &'a str);

/// Adds the functions that a node may call: its op, and those that its attributes name.
fn called<'a>(node: &'a pb::NodeDef, names: &mut Vec<&'a str>) {
    names.push(&node.op);
    node.attr.values().for_each(|attr| function_names(attr, names));
}

fn name_of(function: &pb::FunctionDef) -> &str {
    function.signature.as_ref().map_or("", |signature| &signature.name)
}

/// The node of `^name`, `name` or `name:0`.
fn node_of(name: &str) -> &str {
    let name = name.strip_prefix('^').unwrap_or(name);
    name.split(':').next().unwrap_or(name)
}

/// The functions that an attribute names, and those that their own attributes name.
fn function_names<'a>(attr: &'a pb::AttrValue, names: &mut Vec<&'a str>) {
    let functions = match &attr.value {
        Some(Value::Func(function)) => std::slice::from_ref(function),
        Some(Value::List(list)) => &list.func[..],
        _ => return,
    };
    // Nesting of messages is limited by who decodes them.
    for function in functions {
        names.push(&function.name);
        function.attr.values().for_each(|attr| function_names(attr, names));
    }
}

struct Scan<'a> {
    ops: &'a BTreeSet<String>,
    found: Vec<Place>,
}

impl Scan<'_> {
    /// Looks at all nodes of a graph; `inside` says which strings it lies in, and `run_by` who runs a node.
    fn unit(
        &mut self,
        graph: &pb::GraphDef,
        inside: &[String],
        run_by: &dyn Fn(NodeKey<'_>) -> Vec<String>,
    ) {
        for node in &graph.node {
            self.node(node, None, inside, run_by(("", &node.name)));
        }
        for function in graph.library.iter().flat_map(|library| &library.function) {
            let name = name_of(function);
            for node in &function.node_def {
                self.node(node, Some(name), inside, run_by((name, &node.name)));
            }
        }
    }

    fn node(
        &mut self,
        node: &pb::NodeDef,
        function: Option<&str>,
        inside: &[String],
        run_by: Vec<String>,
    ) {
        if inside.len() < MAX_DEPTH {
            for graph in node.attr.values().flat_map(strings).filter_map(graph_in) {
                let mut path = inside.to_vec();
                path.push(match function {
                    Some(function) => format!("{function}/{}", node.name),
                    None => node.name.clone(),
                });
                self.unit(&graph, &path, &|_| run_by.clone());
            }
        }
        if self.ops.contains(&node.op) {
            self.found.push(Place {
                op: node.op.clone(),
                node: node.name.clone(),
                function: function.map(str::to_owned),
                inside: inside.to_vec(),
                run_by,
            });
        }
    }
}

/// The strings of an attribute: its own, and those of tensors.
fn strings(attr: &pb::AttrValue) -> Vec<&[u8]> {
    match &attr.value {
        Some(Value::S(value)) => vec![value],
        Some(Value::Tensor(tensor)) => tensor.string_val.iter().map(|value| &value[..]).collect(),
        Some(Value::List(list)) => {
            let tensors = list.tensor.iter().flat_map(|tensor| &tensor.string_val);
            list.s.iter().map(|value| &value[..]).chain(tensors.map(|value| &value[..])).collect()
        }
        _ => Vec::new(),
    }
}

/// The graph that a string holds, if it is one beyond doubt: it has nodes, and all have names and ops.
fn graph_in(bytes: &[u8]) -> Option<pb::GraphDef> {
    // The first field of a graph is its first node, whose first field is its name.
    if bytes.len() < MIN_GRAPH_BYTES || bytes.first() != Some(&0x0a) {
        return None;
    }
    let graph = pb::GraphDef::decode(bytes).ok()?;
    let is_node = |node: &pb::NodeDef| {
        let starts = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
        };
        let is_word =
            |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_>./-\\".contains(c));
        [&node.name, &node.op].into_iter().all(|text| starts(text) && is_word(text))
    };
    (!graph.node.is_empty() && graph.node.iter().all(is_node)).then_some(graph)
}

#[cfg(test)]
mod tests {
    use flowkeep_proto::text::parse_message;

    use super::*;

    fn meta_graph(graph: &str, rest: &str) -> pb::MetaGraphDef {
        parse_message(format!("graph_def {{ {graph} }} {rest}")).unwrap()
    }

    /// Op, place and who runs it, a line for each.
    fn found(def: &pb::MetaGraphDef) -> Vec<String> {
        let ops = ["ReadFile", "WriteFile"].map(str::to_owned).into();
        let line = |place: Place| {
            let Place { op, node, function, inside, run_by } = place;
            let function = function.map(|name| format!("{name}/")).unwrap_or_default();
            let inside: String = inside.iter().map(|node| format!("{node}>")).collect();
            format!("{op} {inside}{function}{node} [{}]", run_by.join(","))
        };
        find_ops(def, &ops).into_iter().map(line).collect()
    }

    const SIGNATURE: &str =
        "signature_def { key: 's' value { outputs { key: 'y' value { name: 'y:0' } } } }";

    #[test]
    fn branches_of_functions_are_looked_into() {
        let def = meta_graph(
            "node { name: 'y' op: 'If' input: 'c' attr { key: 'then_branch' value { func { name: 'then' } } } }
             node { name: 'c' op: 'Const' }
             node { name: 'alone' op: 'WriteFile' }
             library {
               function { signature { name: 'then' } node_def { name: 'call' op: 'PartitionedCall'
                 attr { key: 'f' value { func { name: 'deep' attr { key: 'g' value { func { name: 'given' } } } } } } } }
               function { signature { name: 'deep' } node_def { name: 'w' op: 'WriteFile' } }
               function { signature { name: 'given' } node_def { name: 'r' op: 'ReadFile' } }
               function { signature { name: 'other' } node_def { name: 'r' op: 'ReadFile' } } }",
            SIGNATURE,
        );
        assert_eq!(
            found(&def),
            [
                "ReadFile given/r [s]",
                "ReadFile other/r []",
                "WriteFile alone []",
                "WriteFile deep/w [s]"
            ]
        );
    }

    #[test]
    fn control_inputs_and_what_loading_runs_count() {
        let def = meta_graph(
            "node { name: 'y' op: 'Const' input: '^w' } node { name: 'w' op: 'WriteFile' input: 'x:0' }
             node { name: 'init' op: 'NoOp' input: '^r' } node { name: 'r' op: 'ReadFile' }",
            &format!(
                "{SIGNATURE} collection_def {{ key: 'legacy_init_op' value {{ node_list {{ value: 'init' }} }} }}"
            ),
        );
        assert_eq!(found(&def), ["ReadFile r [__saved_model_init_op]", "WriteFile w [s]"]);
    }

    #[test]
    fn graphs_in_strings_are_looked_into() {
        let inner: pb::GraphDef = parse_message(
            "node { name: 'i' op: 'ReadFile' } library { function { signature { name: 'f' }
             node_def { name: 'w' op: 'WriteFile' } } }",
        )
        .unwrap();
        let holder = |graph: &pb::GraphDef| {
            let mut holder: pb::GraphDef = parse_message(
                "node { name: 'y' op: 'Const' attr { key: 'value' value { tensor { dtype: DT_STRING } } } }",
            )
            .unwrap();
            let attr = holder.node[0].attr.get_mut("value").unwrap();
            if let Some(Value::Tensor(tensor)) = &mut attr.value {
                tensor.string_val = vec![b"some text"[..].into(), graph.encode_to_vec().into()];
            }
            holder
        };
        let mut def = meta_graph("", SIGNATURE);
        def.graph_def = Some(holder(&inner));
        assert_eq!(found(&def), ["ReadFile y>i [s]", "WriteFile y>f/w [s]"]);
        def.graph_def = Some(holder(&holder(&inner)));
        assert_eq!(found(&def), ["ReadFile y>y>i [s]", "WriteFile y>y>f/w [s]"]);
    }

    #[test]
    fn cycles_of_calls_and_of_nodes_end() {
        let def = meta_graph(
            "node { name: 'y' op: 'f' input: 'y' } library {
               function { signature { name: 'f' } node_def { name: 'again' op: 'f' } node_def { name: 'r' op: 'ReadFile' } } }",
            SIGNATURE,
        );
        assert_eq!(found(&def), ["ReadFile f/r [s]"]);
        assert!(find_ops(&pb::MetaGraphDef::default(), &BTreeSet::new()).is_empty());
    }
}
