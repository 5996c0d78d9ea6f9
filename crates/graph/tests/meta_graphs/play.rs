//! The steps of cases, played on a scope.

use std::collections::BTreeMap;

use base64::Engine;
use flowkeep_graph::builder::{Reuse, Scope, VariableOptions, VariableScopeOptions};
use flowkeep_graph::{
    CollectionItem, CollectionWarning, Element, Error, ExportOptions, ImportMetaGraphOptions,
};
use flowkeep_proto::pb;
use flowkeep_tensor::DType;
use prost::Message;
use serde_json::{Value, json};

use super::{meta_graph, strings};

/// What was said to a step, in the form of the fixture.
pub(crate) struct Said {
    pub(crate) ok: Value,
    pub(crate) exported: Option<pb::MetaGraphDef>,
    pub(crate) warnings: Vec<CollectionWarning>,
}

fn said(ok: Value) -> Result<Said, Error> {
    Ok(Said { ok, exported: None, warnings: Vec::new() })
}

fn import(scope: &mut Scope, step: &Value, sources: &Value) -> Result<Said, Error> {
    let def = meta_graph(&sources[step["source"].as_str().unwrap()]);
    let mut options = ImportMetaGraphOptions::under(step["import_scope"].as_str().unwrap_or(""));
    options.clear_devices = step["clear_devices"] == true;
    if let Some(name) = step.get("unbound_inputs_col_name") {
        options.unbound_inputs_col_name = name.as_str().map(str::to_owned);
    }
    for (key, name) in step["input_map"].as_object().into_iter().flatten() {
        let output = scope.graph().output(name.as_str().unwrap())?;
        options.input_map.insert(key.clone(), output);
    }
    if step.get("restore").is_some() {
        let keys = strings(&step["restore"]);
        options = options.restore_collections(move |key| keys.iter().any(|other| other == key));
    }
    options.return_elements = strings(&step["return_elements"]);
    let imported = {
        let mut inner = match step["within"].as_str() {
            Some(name) => scope.name_scope(name)?,
            None => scope.with_op_name(""),
        };
        let mut inner = match step["device"].as_str() {
            Some(device) => inner.device(device)?,
            None => inner.with_op_name(""),
        };
        let after = step["after"].as_str().map(|name| inner.graph().output(name)).transpose()?;
        let mut inner = inner.control_dependencies(after.map(|tensor| tensor.node))?;
        inner.import_meta_graph(def, &options)?
    };
    let graph = scope.graph();
    let variables: BTreeMap<&String, String> =
        imported.variables.iter().map(|(name, variable)| (name, variable.name(graph))).collect();
    let trainable: Vec<&String> =
        imported.variables.iter().filter(|(_, v)| v.trainable()).map(|(name, _)| name).collect();
    let elements: Vec<String> = imported
        .elements
        .iter()
        .map(|element| match element {
            Element::Output(output) => graph.tensor_name(*output).to_string(),
            Element::Node(id) => graph.node(*id).name().to_owned(),
        })
        .collect();
    let saver = imported.saver_def.map(|def| def.encode_to_vec());
    let saver = saver.map(|def| base64::engine::general_purpose::STANDARD.encode(def));
    let ok = json!({"variables": variables, "trainable": trainable, "elements": elements, "saver": saver});
    Ok(Said { ok, exported: None, warnings: imported.warnings })
}

fn item(scope: &Scope, kind: &str, value: &Value) -> CollectionItem {
    let text = || value.as_str().unwrap().to_owned();
    let graph = scope.graph();
    match kind {
        "node" => graph.get_operation_by_name(&text()).unwrap().into(),
        "tensor" => graph.output(&text()).unwrap().into(),
        "variable" => {
            let mut all = scope.collections().variables("variables");
            all.find(|variable| variable.name(graph) == text()).unwrap().clone().into()
        }
        "str" => CollectionItem::Str(text()),
        "bytes" => CollectionItem::Bytes(text().into()),
        "int" => CollectionItem::Int(value.as_i64().unwrap()),
        "float" => CollectionItem::Float(value.as_f64().unwrap() as f32),
        "any" => CollectionItem::Any(prost_types::Any { type_url: text(), value: b"x".to_vec() }),
        "saver" => CollectionItem::Saver(Box::new(pb::SaverDef {
            filename_tensor_name: text(),
            save_tensor_name: text(),
            restore_op_name: text(),
            ..Default::default()
        })),
        kind => panic!("{kind}"),
    }
}

fn export(scope: &Scope, step: &Value, sources: &Value) -> Result<Said, Error> {
    let mut options = ExportOptions::of_scope(step["export_scope"].as_str().unwrap_or(""));
    if let Some(name) = step.get("unbound_inputs_col_name") {
        options.unbound_inputs_col_name = name.as_str().map(str::to_owned);
    }
    options.clear_devices = step["clear_devices"] == true;
    options.clear_extraneous_savers = step["clear_extraneous_savers"] == true;
    options.strip_default_attrs = step["strip_default_attrs"] == true;
    options.collection_list = step.get("collection_list").map(strings);
    if let Some(source) = step["saver_of"].as_str() {
        options.saver_def = Some(meta_graph(&sources[source]).saver_def.unwrap_or_default());
    }
    if let Some(info) = step.get("meta_info") {
        options.meta_info_def = Some(pb::meta_graph_def::MetaInfoDef {
            meta_graph_version: info["meta_graph_version"].as_str().unwrap().to_owned(),
            tags: strings(&info["tags"]),
            tensorflow_version: info["tensorflow_version"].as_str().unwrap().to_owned(),
            ..Default::default()
        });
    }
    if step["with_graph_def"] == true {
        options.graph_def = Some(scope.to_graph_def_with_shapes());
    }
    let exported = scope.export_meta_graph(&options)?;
    let variables: BTreeMap<&String, String> = exported
        .variables
        .iter()
        .map(|(name, variable)| (name, variable.name(scope.graph())))
        .collect();
    let ok = json!({ "variables": variables });
    Ok(Said { ok, exported: Some(exported.meta_graph_def), warnings: exported.warnings })
}

pub(crate) fn play(scope: &mut Scope, step: &Value, sources: &Value) -> Result<Said, Error> {
    match step["do"].as_str().unwrap() {
        "import" => import(scope, step, sources),
        "placeholder" => {
            let shape: Vec<Option<u64>> =
                step["shape"].as_array().unwrap().iter().map(Value::as_u64).collect();
            let mut named = scope.with_op_name(step["name"].as_str().unwrap());
            let made = named.placeholder(DType::F32, shape)?;
            drop(named);
            said(scope.graph().tensor_name(made).to_string().into())
        }
        "variable" => {
            let reuse = (step["reuse"] == true).then_some(Reuse::Yes);
            let options = VariableScopeOptions { reuse, ..Default::default() };
            let mut inner = scope.variable_scope_with("", options)?;
            let options = VariableOptions::new().shape([2]).use_resource(true);
            let made = inner.get_variable(step["name"].as_str().unwrap(), options)?;
            said(made.name(inner.graph()).into())
        }
        "add" => {
            for pair in step["items"].as_array().unwrap() {
                let item = item(scope, pair[0].as_str().unwrap(), &pair[1]);
                scope.add_to_collection(step["collection"].as_str().unwrap(), item);
            }
            said(Value::Null)
        }
        "get" => {
            let name = step["collection"].as_str().unwrap();
            let items = scope.get_collection(name, step["scope"].as_str());
            let names = items.iter().map(|item| item.name(scope.graph()));
            said(names.collect::<Vec<_>>().into())
        }
        _ => export(scope, step, sources),
    }
}
