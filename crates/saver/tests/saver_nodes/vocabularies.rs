//! `warm_start` adds the nodes that TensorFlow's adds, which compute what TensorFlow's compute, or fails
//! with its words.

use std::io::Read;
use std::sync::Arc;

use flowkeep_graph::builder::{GLOBAL_VARIABLES, Initializer, Scope, Variable};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::{Error, VocabInfo, WarmStart, WarmStartVars, warm_start};
use flowkeep_tensor::{DType, Tensor};
use serde_json::{Value, json};

use crate::{check_all, compare, compare_variables, message, play};

const VOCABS: &str = "../../fixtures/saver_graphs/vocab_";

fn cases() -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/saver_graphs/warm_start_vocab.json.gz"
    );
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn info(spec: &Value) -> VocabInfo {
    let suffix = spec["suffix"].as_str().unwrap_or("");
    let file = |age: &str| format!("{VOCABS}{age}{suffix}.txt");
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    VocabInfo {
        old_vocab_size: spec.get("old_size").map(number),
        backup_initializer: spec.get("ones").map(|_| Initializer::Ones),
        axis: spec.get("axis").map_or(0, number),
        ..VocabInfo::new(file("new"), number(&spec["size"]), number(&spec["oov"]), file("old"))
    }
}

fn settings(case: &Value) -> WarmStart {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let vars = match &case["vars"] {
        Value::Null => WarmStartVars::WithVocabulary,
        Value::Array(names) => WarmStartVars::Named(names.iter().map(text).collect()),
        pattern => WarmStartVars::Matching(text(pattern)),
    };
    let infos = case["vocabularies"].as_object().unwrap().iter();
    let previous = case["previous"].as_object().into_iter().flatten();
    WarmStart {
        vars,
        vocab_info: infos.map(|(name, spec)| (name.clone(), info(spec))).collect(),
        prev_var_names: previous.map(|(name, key)| (name.clone(), text(key))).collect(),
    }
}

fn warm_started(case: &Value, scope: &mut Scope) -> Result<(), Error> {
    let checkpoint = case["checkpoint"].as_str().unwrap_or("savers/whole");
    warm_start(scope, format!("../../fixtures/{checkpoint}"), &settings(case)).map(|_| ())
}

fn numbers(tensor: &Tensor) -> Value {
    match tensor.dtype() {
        DType::I64 => json!(tensor.as_slice::<i64>().unwrap()),
        _ => json!(tensor.as_slice::<f32>().unwrap()),
    }
}

/// All numbers of an array of arrays.
fn flat(value: &Value, numbers: &mut Vec<Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flat(value, numbers)),
        number => numbers.push(number.clone()),
    }
}

/// What differs in the values that the variables start with.
fn check_values(case: &Value, mut scope: Scope) -> Result<(), String> {
    scope.with_op_name("init").global_variables_initializer().unwrap();
    let variables = scope.collections().variables(GLOBAL_VARIABLES);
    let variables: Vec<Variable> = variables.cloned().collect();
    let graph = Arc::new(scope.into_graph());
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let options = SessionOptions { registry, ..SessionOptions::default() };
    let session = Session::new(graph.clone(), options);
    session.run(&[], &[], &["init"]).map_err(|error| error.to_string())?;
    for variable in variables {
        let snapshot = graph.tensor_name(variable.snapshot()).to_string();
        let got = numbers(&session.run(&[], &[&snapshot], &[]).unwrap()[0]);
        let mut want = Vec::new();
        flat(&case["values"][graph.node(variable.op()).name()], &mut want);
        if got != Value::Array(want.clone()) {
            return Err(format!("{snapshot}: {got} instead {want:?}"));
        }
    }
    Ok(())
}

fn check(case: &Value) -> Result<(), String> {
    let mut scope = Scope::new();
    play::variables(&mut scope, &case["variables"]);
    let n_before = scope.graph().len();
    match (warm_started(case, &mut scope), case["error"].as_str()) {
        (Err(error), Some(text)) if error.to_string() == text => return Ok(()),
        (Err(error), _) => return Err(format!("{error}\n  instead {}", case["error"])),
        (Ok(()), Some(text)) => return Err(format!("no error {text}")),
        (Ok(()), None) => {}
    }
    let mut added = scope.graph().to_graph_def();
    added.node.drain(..n_before);
    compare(added, message(&case["nodes"]))?;
    compare_variables(case, &scope)?;
    check_values(case, scope)
}

#[test]
fn variables_get_the_rows_of_their_words() {
    check_all(&cases(), 22, check);
}
