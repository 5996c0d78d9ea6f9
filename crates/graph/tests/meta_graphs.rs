//! MetaGraphs are imported and exported as TensorFlow does it.
//!
//! `fixtures/meta_graph/cases.json.gz` holds cases of steps and what TensorFlow said to each;
//! `fixtures/meta_graph/generate.py` says what steps mean.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use base64::Engine;
use flowkeep_graph::builder::{Reuse, Scope, VariableOptions, VariableScopeOptions};
use flowkeep_graph::{
    CollectionItem, CollectionWarning, Element, Error, ExportOptions, ImportMetaGraphOptions,
    InputRef, WarningKind, op_def,
};
use flowkeep_proto::pb;
use flowkeep_tensor::DType;
use prost::Message;
use serde_json::{Value, json};

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/meta_graph/cases.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn decode(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn meta_graph(value: &Value) -> pb::MetaGraphDef {
    pb::MetaGraphDef::decode(&*decode(value)).unwrap()
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// What was said to a step, in the form of the fixture.
struct Said {
    ok: Value,
    exported: Option<pb::MetaGraphDef>,
    warnings: Vec<CollectionWarning>,
}

fn said(ok: Value) -> Result<Said, Error> {
    Ok(Said { ok, exported: None, warnings: Vec::new() })
}

fn import(scope: &mut Scope, step: &Value, sources: &Value) -> Result<Said, Error> {
    let def = meta_graph(&sources[step["source"].as_str().unwrap()]);
    let mut options = ImportMetaGraphOptions::under(step["import_scope"].as_str().unwrap_or(""));
    options.clear_devices = step["clear_devices"] == true;
    match step.get("unbound_inputs_col_name") {
        Some(name) => options.unbound_inputs_col_name = name.as_str().map(str::to_owned),
        None => {}
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
    let imported = match step["within"].as_str() {
        Some(name) => scope.name_scope(name)?.import_meta_graph(def, &options)?,
        None => scope.import_meta_graph(def, &options)?,
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

fn play(scope: &mut Scope, step: &Value, sources: &Value) -> Result<Said, Error> {
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
fn compare(got: &pb::MetaGraphDef, want: &pb::MetaGraphDef, stripped: bool) -> Result<(), String> {
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

/// Whether a step went as TensorFlow's did; of errors, whether the case goes on.
fn check(step: &Value, said: Result<Said, Error>, want: &Value) -> Result<bool, String> {
    let said = match (said, want["error"].as_str()) {
        (Ok(said), None) => said,
        (Err(error), Some(want)) => {
            return match error.to_string() {
                text if text == want || differs_knowingly(&text, want) => Ok(false),
                text => Err(format!("error {text}\n  instead {want}")),
            };
        }
        // TensorFlow has come to refuse versions that its own old builds have.
        (Ok(_), Some("Invalid version: '0.12.head'")) => return Ok(false),
        (Ok(_), Some(want)) => return Err(format!("no error, instead {want}")),
        (Err(error), None) => return Err(format!("error {error}")),
    };
    let dropped: BTreeSet<&str> = said
        .warnings
        .iter()
        .filter(|warning| !matches!(warning.kind, WarningKind::OldForm(_)))
        .map(|warning| warning.collection.as_str())
        .collect();
    let want_dropped = strings(&want["warnings"]);
    if dropped != want_dropped.iter().map(String::as_str).collect() {
        return Err(format!("warnings {dropped:?}\n  instead {want_dropped:?}"));
    }
    let mut want_ok = want["ok"].clone();
    if let Some(exported) = said.exported {
        let want = meta_graph(&want_ok["meta_graph"].take());
        want_ok.as_object_mut().unwrap().remove("meta_graph");
        compare(&exported, &want, step["strip_default_attrs"] == true)?;
    }
    if said.ok != want_ok {
        return Err(format!("{}\n  instead {want_ok}", said.ok));
    }
    Ok(true)
}

/// Errors that are told in other words: those of Python's decoder, and of a saver, whose text Python
/// prints with shorter numbers.
fn differs_knowingly(got: &str, want: &str) -> bool {
    let saver = "saver_def must specify the ";
    (got.contains("is not UTF-8") && want.contains("codec can't decode"))
        || (got.starts_with(saver) && got.split(':').next() == want.split(':').next())
}

/// Plays the cases whose names fit.
fn play_cases(fits: impl Fn(&str) -> bool) {
    let golden = golden();
    let mut wrong = Vec::new();
    for case in golden["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if !fits(name) {
            continue;
        }
        let mut scope = Scope::new();
        let steps = case["steps"].as_array().unwrap().iter();
        for (idx, (step, want)) in steps.zip(case["said"].as_array().unwrap()).enumerate() {
            let said = play(&mut scope, step, &golden["sources"]);
            match check(step, said, want) {
                Ok(true) => {}
                Ok(false) => break,
                Err(what) => {
                    wrong.push(format!("{name}, step {idx}: {what}"));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

/// Says what a part of the cases shows; the first pattern that a case's name fits counts.
macro_rules! facts {
    ($($fact:ident: $($pattern:literal),+;)+) => {
        const PATTERNS: &[&[&str]] = &[$(&[$($pattern),+]),+];

        $(#[test]
        fn $fact() {
            let own: &[&str] = &[$($pattern),+];
            play_cases(|name| PATTERNS.iter().find(|patterns| fits(name, patterns)) == Some(&own));
        })+
    };
}

fn fits(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| name.contains(pattern))
}

facts! {
    trainability_of_old_writers_is_that_of_collections: "older_";
    the_kind_of_a_collection_is_that_of_its_first_item: "kinds:", "first item";
    strings_that_are_no_text_are_for_the_root_only: "blanks:";
    variables_of_old_collections_are_restored_as_tensors: "compat:";
    loops_and_conditionals_get_scopes_and_frames: "contexts:";
    queue_runners_name_queues_in_their_scope: "queues";
    the_ops_of_called_functions_are_listed: "functions:";
    partitioned_variables_keep_their_slices: "partitioned:";
    savers_are_cleared_but_for_the_one_of_the_metagraph: "savers";
    messages_that_name_nothing_are_errors: "reference.", "resource.";
    unbound_inputs_are_listed_and_asked_for: "outside", "waits", "inputs", "control from";
    devices_are_kept_merged_or_cleared: "devices";
    defaults_are_stripped_on_demand: "defaults stripped";
    a_given_graph_is_exported_in_place_of_the_built_one: "from a GraphDef";
    imports_are_numbered_and_follow_name_scopes: "twice", "within", "slash";
    a_scope_is_exported_by_what_names_begin_with: "from scope", "a scope moves";
    what_is_exported_is_imported_again: "exported again", "under a scope";
    collections_and_the_writer_are_chosen: "collections", "writer";
    elements_are_returned: "elements";
    imported_variables_are_not_got_by_name: "imported variables";
}

#[test]
fn every_case_shows_some_fact() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap().iter();
    let names = cases.map(|case| case["name"].as_str().unwrap());
    let rest: Vec<&str> =
        names.filter(|name| !PATTERNS.iter().any(|patterns| fits(name, patterns))).collect();
    assert!(rest.is_empty(), "{rest:?}");
}
