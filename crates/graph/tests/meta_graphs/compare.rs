//! How MetaGraphs differ that should be equal.

use std::collections::{BTreeMap, BTreeSet};

use flowkeep_graph::{InputRef, op_def};
use flowkeep_proto::pb;
use prost::Message;

/// A node in the one of several equal forms that a writer uses.
fn normal(mut node: pb::NodeDef, fill: bool) -> pb::NodeDef {
    node.experimental_type = None;
    let n_data = node.input.iter().take_while(|input| !input.starts_with('^')).count();
    node.input[n_data..].sort();
    for input in &mut node.input {
        *input = InputRef::parse(input).to_string();
    }
    for attr in op_def::lookup(&node.op).iter().flat_map(|op| &op.attrs) {
        if let Some(default) = attr.default.as_ref().filter(|_| fill) {
            node.attr.entry(attr.name.to_string()).or_insert_with(|| default.to_proto());
        }
    }
    node
}

fn difference(got: &pb::NodeDef, want: &pb::NodeDef) -> String {
    let head = |node: &pb::NodeDef| {
        format!("{} = {}({:?}) on {:?}", node.name, node.op, node.input, node.device)
    };
    let attrs: Vec<String> = got
        .attr
        .keys()
        .chain(want.attr.keys())
        .filter(|key| got.attr.get(*key) != want.attr.get(*key))
        .map(|key| format!("{key}: {:?}\n  instead {:?}", got.attr.get(key), want.attr.get(key)))
        .collect();
    format!("{}\n  instead {}\n  {}", head(got), head(want), attrs.join("\n  "))
}

/// The collections, with messages in the one of several equal forms.
fn collections(def: &pb::MetaGraphDef) -> BTreeMap<String, Vec<String>> {
    use pb::collection_def::Kind;
    let entries = def.collection_def.iter().map(|(key, collection)| {
        let items = match &collection.kind {
            None => vec!["of no kind".to_owned()],
            Some(Kind::BytesList(list)) => {
                list.value.iter().map(|bytes| item_text(key, bytes)).collect()
            }
            Some(other) => vec![format!("{other:?}")],
        };
        (key.clone(), items)
    });
    entries.collect()
}

fn item_text(key: &str, bytes: &[u8]) -> String {
    fn text<M: Message + Default + std::fmt::Debug>(bytes: &[u8]) -> String {
        format!("{:?}", M::decode(bytes).unwrap())
    }
    match key {
        "cond_context" => text::<pb::CondContextDef>(bytes),
        "while_context" => text::<pb::WhileContextDef>(bytes),
        "queue_runners" => text::<pb::QueueRunnerDef>(bytes),
        "savers" => text::<pb::SaverDef>(bytes),
        // An input that was mapped keeps the `:0` that it was mapped with.
        "unbound_inputs" => String::from_utf8_lossy(bytes).trim_end_matches(":0").to_owned(),
        key if key.ends_with("variables") || key == "global_step" => text::<pb::VariableDef>(bytes),
        _ => format!("{:?}", String::from_utf8_lossy(bytes)),
    }
}

/// How two MetaGraphs differ.
pub(crate) fn compare(
    got: &pb::MetaGraphDef,
    want: &pb::MetaGraphDef,
    stripped: bool,
) -> Result<(), String> {
    let (got_collections, want_collections) = (collections(got), collections(want));
    if got_collections != want_collections {
        let keys: BTreeSet<_> = got_collections.keys().chain(want_collections.keys()).collect();
        let different = keys.into_iter().filter_map(|key| {
            let (got, want) = (got_collections.get(key), want_collections.get(key));
            (got != want).then(|| format!("{key}: {got:#?}\n  instead {want:#?}"))
        });
        return Err(format!("collections {}", different.collect::<Vec<_>>().join("\n")));
    }
    let (got_graph, want_graph) =
        (got.graph_def.clone().unwrap_or_default(), want.graph_def.clone().unwrap_or_default());
    let names = |def: &pb::GraphDef| -> Vec<String> {
        def.node.iter().map(|node| node.name.clone()).collect()
    };
    if names(&got_graph) != names(&want_graph) {
        return Err(format!("nodes {:?}\n  instead {:?}", names(&got_graph), names(&want_graph)));
    }
    for (got, want) in got_graph.node.into_iter().zip(want_graph.node) {
        let (got, want) = (normal(got, !stripped), normal(want, !stripped));
        if got != want {
            return Err(difference(&got, &want));
        }
    }
    if got_graph.versions != want_graph.versions {
        return Err(format!("versions {:?} instead {:?}", got_graph.versions, want_graph.versions));
    }
    let functions = |library: Option<pb::FunctionDefLibrary>| -> BTreeSet<String> {
        let functions = library.unwrap_or_default().function.into_iter();
        functions.map(|function| function.signature.unwrap_or_default().name).collect()
    };
    let (got_functions, want_functions) =
        (functions(got_graph.library), functions(want_graph.library));
    if got_functions != want_functions {
        return Err(format!("functions {got_functions:?} instead {want_functions:?}"));
    }
    if got.saver_def != want.saver_def {
        return Err(format!("saver {:?} instead {:?}", got.saver_def, want.saver_def));
    }
    let info = |def: &pb::MetaGraphDef| {
        let mut info = def.meta_info_def.clone().unwrap_or_default();
        info.tensorflow_git_version.clear();
        info
    };
    let (mut got, mut want) = (info(got), info(want));
    let ops = |info: &mut pb::meta_graph_def::MetaInfoDef| {
        info.stripped_op_list.take().unwrap_or_default().op
    };
    for (got, want) in ops(&mut got).into_iter().zip(ops(&mut want)) {
        if got != want {
            return Err(format!("op {got:?}\n  instead {want:?}"));
        }
    }
    if got != want { Err(format!("{got:?}\n  instead {want:?}")) } else { Ok(()) }
}
