//! A saver that restores the variables that signatures read, where the model's own does not.

use std::collections::HashSet;
use std::path::Path;

use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::{ListValue, Value};
use flowkeep_tensor::Code;

use crate::{Error, object_restore};

/// What the nodes of the new saver begin with.
const SCOPE: &str = "save_captured";
/// The version of Savers whose checkpoints are tensor bundles.
const V2: i32 = 2;
const DT_STRING: i32 = 7;

/// Gives a MetaGraph a saver for the variables that its signatures capture, if its own restores others;
/// tells how many they are.
///
/// Models of Keras 3 that `tf.saved_model.save` writes hold each variable as two nodes, and their restore op
/// assigns those that no signature reads: only loaders of objects can use them. The new saver restores the others, by
/// the keys that their objects have in the checkpoint `prefix`, from which the model can go without its objects.
/// Where objects other than variables have state, the old restore op runs as well.
///
/// Errors: those of importing the graph; `DATA_LOSS` for a damaged checkpoint; `NOT_FOUND` for a variable that it
/// does not have.
pub fn restore_captured_variables(
    def: &mut pb::MetaGraphDef,
    prefix: &Path,
) -> Result<usize, Error> {
    let Some(saver) = def.saver_def.clone().filter(|saver| !saver.restore_op_name.is_empty())
    else {
        return Ok(0);
    };
    let meta_graph = MetaGraph::import(def.clone(), &ImportOptions::default())?;
    let missed = object_restore::missed_by_restore_op(&meta_graph, &saver.restore_op_name);
    if missed.is_empty() {
        return Ok(0);
    }
    let keys = object_restore::keys(&meta_graph, &missed, prefix)?;
    let mut variables = Vec::with_capacity(keys.len());
    for (id, key) in keys {
        let node = meta_graph.graph.node(id);
        let dtype = node.attrs().dtype("dtype").map_err(|status| Error::Model {
            code: Code::InvalidArgument,
            message: format!("variable {}: {status}", node.name()),
        })?;
        variables.push(Captured { node: node.name().to_owned(), dtype: dtype.number(), key });
    }
    variables.sort_by(|a, b| a.key.cmp(&b.key));
    let others = object_restore::has_other_state(&meta_graph).then_some(&saver);
    let graph = def.graph_def.get_or_insert_default();
    let taken: HashSet<&str> = graph.node.iter().map(|node| node.name.as_str()).collect();
    let mut scope = SCOPE.to_owned();
    while taken.iter().any(|name| name.starts_with(&scope)) {
        scope.push('_');
    }
    let (nodes, saver_def) = nodes(&scope, &variables, others);
    graph.node.extend(nodes);
    def.saver_def = Some(saver_def);
    Ok(variables.len())
}

struct Captured {
    node: String,
    dtype: i32,
    key: String,
}

/// The nodes of a Saver, and what tells their names.
fn nodes(
    scope: &str,
    variables: &[Captured],
    others: Option<&pb::SaverDef>,
) -> (Vec<pb::NodeDef>, pb::SaverDef) {
    let name = |name: &str| format!("{scope}/{name}");
    let dtypes = Value::List(Box::new(ListValue {
        r#type: variables.iter().map(|variable| variable.dtype).collect(),
        ..ListValue::default()
    }));
    let mut nodes = Vec::with_capacity(2 * variables.len() + 7);
    // Who restores feeds one tensor: where the old op runs as well, that is its own.
    let filename = match others {
        Some(saver) => saver.filename_tensor_name.clone(),
        None => {
            let shape = Value::Shape(pb::TensorShapeProto::default());
            let attrs = [("dtype", Value::Type(DT_STRING)), ("shape", shape)];
            nodes.push(node(name("filename"), "Placeholder", vec![], attrs));
            format!("{}:0", name("filename"))
        }
    };
    let keys = variables.iter().map(|variable| variable.key.as_str());
    nodes.push(strings(name("tensor_names"), keys));
    nodes.push(strings(name("shape_and_slices"), variables.iter().map(|_| "")));
    let names = [filename.clone(), name("tensor_names"), name("shape_and_slices")];

    let mut saved = names.to_vec();
    for (idx, variable) in variables.iter().enumerate() {
        let read = name(&format!("ReadVariableOp_{idx}"));
        let attrs = [("dtype", Value::Type(variable.dtype))];
        nodes.push(node(read.clone(), "ReadVariableOp", vec![variable.node.clone()], attrs));
        saved.push(read);
    }
    nodes.push(node(name("SaveV2"), "SaveV2", saved, [("dtypes", dtypes.clone())]));
    let done = vec![filename.clone(), format!("^{}", name("SaveV2"))];
    let attrs = [("T", Value::Type(DT_STRING))];
    nodes.push(node(name("control_dependency"), "Identity", done, attrs));

    nodes.push(node(name("RestoreV2"), "RestoreV2", names.to_vec(), [("dtypes", dtypes)]));
    let mut restored = Vec::with_capacity(variables.len() + 1);
    for (idx, variable) in variables.iter().enumerate() {
        let assign = name(&format!("AssignVariableOp_{idx}"));
        let inputs = vec![variable.node.clone(), format!("{}:{idx}", name("RestoreV2"))];
        let attrs = [("dtype", Value::Type(variable.dtype))];
        nodes.push(node(assign.clone(), "AssignVariableOp", inputs, attrs));
        restored.push(format!("^{assign}"));
    }
    restored.extend(others.map(|saver| format!("^{}", saver.restore_op_name)));
    nodes.push(node(name("restore_all"), "NoOp", restored, []));
    let saver = pb::SaverDef {
        filename_tensor_name: filename,
        save_tensor_name: format!("{}:0", name("control_dependency")),
        restore_op_name: name("restore_all"),
        version: V2,
        ..pb::SaverDef::default()
    };
    (nodes, saver)
}

fn node<const N: usize>(
    name: String,
    op: &str,
    input: Vec<String>,
    attrs: [(&str, Value); N],
) -> pb::NodeDef {
    let attr = attrs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), pb::AttrValue { value: Some(value) }))
        .collect();
    pb::NodeDef { name, op: op.to_owned(), input, attr, ..pb::NodeDef::default() }
}

/// A constant vector of strings.
fn strings<'a>(name: String, values: impl ExactSizeIterator<Item = &'a str>) -> pb::NodeDef {
    let size = i64::try_from(values.len()).unwrap_or_default();
    let dim = pb::tensor_shape_proto::Dim { size, ..Default::default() };
    let tensor = pb::TensorProto {
        dtype: DT_STRING,
        tensor_shape: Some(pb::TensorShapeProto { dim: vec![dim], ..Default::default() }),
        string_val: values.map(|value| value.to_owned().into()).collect(),
        ..Default::default()
    };
    let attrs = [("dtype", Value::Type(DT_STRING)), ("value", Value::Tensor(Box::new(tensor)))];
    node(name, "Const", vec![], attrs)
}
