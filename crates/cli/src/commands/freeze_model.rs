//! `flowkeep freeze_model`: a signature as a frozen graph, with the configuration that a compiler takes, as
//! `saved_model_cli freeze_model` writes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use flowkeep_graph::file::{Form, GraphFile, GraphMessage, write_atomically};
use flowkeep_graph::transform::extract_sub_graph;
use flowkeep_graph::{Graph, ImportOptions, InputRef, MetaGraph, Signature, TensorInfo};
use flowkeep_tensor::{Code, PartialShape};

use super::freeze::{Wanted, frozen};
use super::{no_tags, tags_of};
use crate::args::Flags;
use crate::error::Error;
use crate::python::str_repr;

/// Writes `original_graph.pb`, `frozen_graph.pb` and `config.pbtxt` into the folder `--output_prefix`.
///
/// Errors: with TensorFlow's texts, signatures that are not there, inputs whose shapes are not known, variables that
/// are not there; those of freezing and of files.
pub(crate) fn run(flags: &Flags) -> Result<(), Error> {
    let tags = match tags_of(flags.tag_set.as_deref().unwrap_or_default()) {
        tags if tags.is_empty() => return Err(no_tags()),
        tags => tags.into_iter().map(str::to_owned).collect::<Vec<_>>(),
    };
    let key = &flags.signature_def_key;
    let file = GraphFile::open(&flags.dir)?;
    let (def, _) = file.clone().into_meta_graph_def(Some(&tags))?;
    let out = &flags.output_prefix;
    fs::create_dir_all(out).map_err(|source| Error::Io { path: out.clone(), source })?;
    let save = |name: &str, bytes: &[u8]| write_atomically(&out.join(name), bytes, true);
    let original = GraphMessage::GraphDef(Box::new(def.graph_def.clone().unwrap_or_default()));
    save("original_graph.pb", &original.to_bytes(Form::Binary)?)?;

    let meta_graph = MetaGraph::import(def, &ImportOptions::default())?;
    let Some(signature) = meta_graph.signatures.get(key) else {
        let keys: Vec<String> = meta_graph.signatures.keys().map(|key| str_repr(key)).collect();
        return Err(Error::invalid(format!(
            "Unable to find signature_def_key '{key}' in signature def map of `meta_graph_def`. Available keys: [{}]",
            keys.join(", ")
        )));
    };
    for (key, info) in &signature.inputs {
        if info.shape.to_shape().is_none() {
            return Err(Error::invalid(format!(
                "Expected fully defined input shape for signature_def '{key}', tensor name: '{}'; but shape is: {}.",
                node_of(info),
                python_shape(&info.shape)
            )));
        }
    }
    let outputs: Vec<String> = signature.outputs.values().map(node_of).collect();
    let (graph, _) = extract_sub_graph(Graph::clone(&meta_graph.graph), &outputs)?;
    let variables = variables(&graph);
    let fed = fed(&flags.variables_to_feed, &variables)?;

    let wanted = Wanted {
        tags: Some(&tags),
        signature: Some(key),
        checkpoint: flags.checkpoint_path.as_deref(),
        outputs: &[],
        only: &[],
        keep: &fed,
        initializers: &[],
        keep_devices: true,
        keep_functions: false,
    };
    let frozen = frozen(&file, &wanted)?;
    let message = GraphMessage::GraphDef(Box::new(frozen.graph.to_graph_def()));
    save("frozen_graph.pb", &message.to_bytes(Form::Binary)?)?;
    save("config.pbtxt", config(signature, &graph, &fed)?.as_bytes())?;
    Ok(())
}

/// The names of the variables of a graph, sorted.
fn variables(graph: &Graph) -> BTreeSet<String> {
    let ops = ["VarHandleOp", "Variable", "VariableV2"];
    let nodes = graph.nodes().iter().filter(|node| ops.contains(&node.op()));
    nodes.map(|node| node.name().to_owned()).collect()
}

/// The variables of `--variables_to_feed`.
///
/// Errors: `INVALID_ARGUMENT` for those that are not there.
fn fed(flag: &str, variables: &BTreeSet<String>) -> Result<Vec<String>, Error> {
    if flag.eq_ignore_ascii_case("all") {
        return Ok(variables.iter().cloned().collect());
    }
    let named: Vec<String> =
        flag.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let missing: Vec<String> =
        named.iter().filter(|name| !variables.contains(*name)).map(|name| str_repr(name)).collect();
    if missing.is_empty() {
        return Ok(named);
    }
    let there: Vec<String> = variables.iter().map(|name| str_repr(name)).collect();
    Err(Error::invalid(format!(
        "Asked to feed variables that were not found in graph: {{{}}}. Variables contained in the graph: [{}]",
        missing.join(", "),
        there.join(", ")
    )))
}

/// The node of a tensor, or of nothing.
fn node_of(info: &TensorInfo) -> String {
    info.name().map(|name| InputRef::parse(name).node().to_owned()).unwrap_or_default()
}

fn python_shape(shape: &PartialShape) -> String {
    let Some(dims) = shape.dims() else { return "<unknown>".into() };
    let dim = |dim: &Option<u64>| dim.map_or("None".to_owned(), |dim| dim.to_string());
    match dims {
        [only] => format!("({},)", dim(only)),
        dims => format!("({})", dims.iter().map(dim).collect::<Vec<_>>().join(", ")),
    }
}

/// The message `tensorflow.tf2xla.Config` of the signature, as text.
fn config(signature: &Signature, graph: &Graph, fed: &[String]) -> Result<String, Error> {
    let mut text = String::new();
    for (key, info) in &signature.inputs {
        text += &entry(
            "feed",
            &id(info),
            &shape_text(&info.shape),
            &format!("feed_{}", plain(key)),
            info,
        )?;
    }
    for (key, info) in &signature.outputs {
        text += &entry(
            "fetch",
            &id(info),
            &shape_text(&info.shape),
            &format!("fetch_{}", plain(key)),
            info,
        )?;
    }
    for name in fed {
        let Some(node) = graph.node_by_name(name).map(|id| graph.node(id)) else { continue };
        let shape = node.attrs().shape("shape")?;
        let dtype = node.attrs().dtype("dtype")?;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "variable {{\n  node_name: \"{name}\"\n  name: \"param_{}\"\n{}  type: {}\n  readonly: true\n}}\n",
            plain(name),
            shape_text(&shape),
            dtype.proto_name()
        );
    }
    Ok(text)
}

/// A feed or fetch; in the one the shape comes before the name, in the other behind it.
fn entry(
    role: &str,
    id: &str,
    shape: &str,
    name: &str,
    info: &TensorInfo,
) -> Result<String, Error> {
    let Some(port) = info.dtype else {
        let message = format!("{name} is an operation, not a tensor");
        return Err(Error::Failed { code: Code::InvalidArgument, message });
    };
    let dtype = port.dtype.proto_name();
    let name = format!("  name: \"{name}\"\n");
    let (first, second) = if role == "feed" { (shape, &*name) } else { (&*name, shape) };
    Ok(format!("{role} {{\n  id {{\n{id}  }}\n{first}{second}  type: {dtype}\n}}\n"))
}

fn id(info: &TensorInfo) -> String {
    let name = info.name().unwrap_or_default();
    let index = name.rsplit_once(':').and_then(|(_, index)| index.parse::<u32>().ok());
    let index = index.filter(|index| *index > 0);
    let index = index.map(|index| format!("    output_index: {index}\n")).unwrap_or_default();
    format!("    node_name: \"{}\"\n{index}", node_of(info))
}

fn shape_text(shape: &PartialShape) -> String {
    let Some(dims) = shape.dims() else { return "  shape {\n    unknown_rank: true\n  }\n".into() };
    let dims = dims.iter().map(|dim| match dim {
        Some(0) => "    dim {\n    }\n".to_owned(),
        Some(size) => format!("    dim {{\n      size: {size}\n    }}\n"),
        None => "    dim {\n      size: -1\n    }\n".to_owned(),
    });
    format!("  shape {{\n{}  }}\n", dims.collect::<String>())
}

/// A key or name as part of a name in the configuration.
fn plain(name: &str) -> String {
    name.replace('/', "_")
}
