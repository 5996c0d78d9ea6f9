//! Gradients that are made here are those that TensorFlow's Python makes.
//!
//! `fixtures/gradients/gradients.json.gz` holds graphs before and after `tf.gradients`, from `cases.py` beside
//! it, `families.json.gz` those of `families.py`; `conditions.json.gz` and `loops.json.gz` those of `conditions.py` and `loops.py`, with functions.

mod libraries;
mod nodes;

use std::io::Read;

use base64::Engine;
use flowkeep_graph::builder::Scope;
use flowkeep_graph::gradients::{
    AggregationMethod, Gradient, GradientOptions, IndexedSlices, Support, UnconnectedGradients,
    support,
};
use flowkeep_graph::{Graph, ImportMetaGraphOptions, ImportOptions, Output};
use flowkeep_proto::pb;
use prost::Message;
use serde_json::Value;

use nodes::difference;

fn cases() -> Vec<Value> {
    cases_of("gradients.json.gz")
}

fn cases_of(file: &str) -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/gradients");
    let mut text = String::new();
    let file = std::fs::File::open(format!("{folder}/{file}")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut golden: Value = serde_json::from_str(&text).unwrap();
    match golden["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("no cases"),
    }
}

fn message<M: Message + Default>(value: &Value) -> M {
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
    M::decode(&*bytes).unwrap()
}

fn tensor(graph: &Graph, name: &Value) -> Output {
    graph.get_tensor_by_name(name.as_str().unwrap()).unwrap()
}

fn tensors(graph: &Graph, names: &Value) -> Vec<Output> {
    names.as_array().unwrap().iter().map(|name| tensor(graph, name)).collect()
}

fn gradient(graph: &Graph, name: &Value) -> Option<Gradient> {
    match name {
        Value::Null => None,
        Value::Array(parts) => Some(Gradient::Sparse(IndexedSlices {
            values: tensor(graph, &parts[0]),
            indices: tensor(graph, &parts[1]),
            dense_shape: (!parts[2].is_null()).then(|| tensor(graph, &parts[2])),
        })),
        name => Some(Gradient::Dense(tensor(graph, name))),
    }
}

fn options(graph: &Graph, options: &Value) -> GradientOptions {
    let mut made = GradientOptions::new();
    for (key, value) in options.as_object().unwrap() {
        made = match key.as_str() {
            "grad_ys" => {
                made.grad_ys(value.as_array().unwrap().iter().map(|name| gradient(graph, name)))
            }
            "stop_gradients" => made.stop_gradients(tensors(graph, value)),
            "name" => made.name(value.as_str().unwrap()),
            "gate_gradients" => made.gate_gradients(value.as_bool().unwrap()),
            "colocate_gradients_with_ops" => {
                made.colocate_gradients_with_ops(value.as_bool().unwrap())
            }
            "aggregation_method" => made.aggregation_method(AggregationMethod::Tree),
            "unconnected_gradients" => made.unconnected_gradients(UnconnectedGradients::Zero),
            key => panic!("{key}"),
        };
    }
    made
}

/// The graph of a case: alone, or with its collections.
fn scope(case: &Value) -> Scope {
    if case["meta_graph"].is_string() {
        let mut scope = Scope::new();
        let def = message(&case["meta_graph"]);
        scope.import_meta_graph(def, &ImportMetaGraphOptions::default()).unwrap();
        return scope;
    }
    let mut import = ImportOptions::default();
    import.colocate_devices = true;
    Scope::from_graph(Graph::import(message(&case["graph_def"]), &import).unwrap())
}

/// What differs from what TensorFlow made, or from its error.
fn check(case: &Value) -> Result<(), String> {
    let mut scope = scope(case);
    let graph = scope.graph();
    let (ys, xs) = (tensors(graph, &case["ys"]), tensors(graph, &case["xs"]));
    let options = options(graph, &case["options"]);
    let n_before = scope.graph().len();
    let made = scope.gradients_with(&ys, &xs, &options);
    if let Some(want) = case["error"].as_str() {
        assert_eq!(scope.graph().len(), n_before, "a failure leaves nothing behind");
        return match made {
            Ok(_) => Err(format!("made what cannot be: {want}")),
            Err(error) if error.to_string() == want => Ok(()),
            Err(error) => Err(format!("{error}\n  instead {want}")),
        };
    }
    let made = made.map_err(|error| error.to_string())?;
    let names = case["gradients"].as_array().unwrap();
    let named: Vec<_> = names.iter().map(|name| gradient(scope.graph(), name)).collect();
    if made != named {
        return Err(format!("{made:?}\n  instead {named:?}"));
    }
    if case["after"].is_null() {
        return Ok(());
    }
    let mut want: pb::GraphDef = message(&case["after"]);
    let mut got = scope.to_graph_def_with_shapes();
    let mut wrong = Vec::new();
    if case["graph_def"].is_string() && want.library.is_some() {
        let before = message(&case["graph_def"]);
        wrong.extend(libraries::differences(&mut got, &mut want, &before));
    }
    let (mut got, mut want) = (got.node, want.node);
    if got.iter().any(|node| matches!(&*node.op, "Exit" | "StatelessWhile" | "While")) {
        // What loops wait for is made when all of it is there, or after them.
        got.sort_by(|a, b| a.name.cmp(&b.name));
        want.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let n = got.len().max(want.len());
    let (mut got_nodes, mut want_nodes) = (got.into_iter(), want.into_iter());
    let pairs = (0..n).map(|_| difference(got_nodes.next(), want_nodes.next()));
    wrong.extend(pairs.flatten());
    wrong.truncate(8);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

#[test]
fn gradients_come_out_as_tensorflow_makes_them() {
    check_all(&cases());
}

#[test]
fn gradients_of_more_families_come_out_as_tensorflow_makes_them() {
    check_all(&cases_of("families.json.gz"));
}

#[test]
fn gradients_of_conditions_come_out_as_tensorflow_makes_them() {
    check_all(&cases_of("conditions.json.gz"));
}

#[test]
fn gradients_of_loops_come_out_as_tensorflow_makes_them() {
    check_all(&cases_of("loops.json.gz"));
}

fn check_all(cases: &[Value]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|what| format!("{}: {what}", case["name"])))
        .collect();
    let n = cases.len();
    assert!(wrong.is_empty(), "{}\n{} of {n} cases", wrong.join("\n"), wrong.len());
}

#[test]
fn loops_that_nothing_describes_are_refused() {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == "loop_of_products").unwrap();
    let def: pb::MetaGraphDef = message(&case["meta_graph"]);
    let graph = Graph::import(def.graph_def.unwrap(), &ImportOptions::default()).unwrap();
    let (ys, xs) = (tensors(&graph, &case["ys"]), tensors(&graph, &case["xs"]));
    let mut scope = Scope::from_graph(graph);
    let error = scope.gradients(ys, xs).unwrap_err();
    assert_eq!(error.code(), flowkeep_tensor::Code::Unimplemented);
    assert_eq!(
        error.to_string(),
        "the gradient of op 'Exit' is not supported (node 'while/Exit_1') without the collection while_context, which \
         says what is in its loop"
    );
}

/// The graph of a case, after a change of its functions.
fn changed(name: &str, change: impl Fn(&mut Vec<pb::FunctionDef>)) -> (Value, Scope) {
    let cases = cases_of("conditions.json.gz");
    let case = cases.into_iter().find(|case| case["name"] == name).unwrap();
    let mut def: pb::GraphDef = message(&case["graph_def"]);
    change(&mut def.library.as_mut().unwrap().function);
    let graph = Graph::import(def, &ImportOptions::default()).unwrap();
    (case, Scope::from_graph(graph))
}

/// The error of the gradients of such a graph, which stays as it was.
fn refused(name: &str, change: impl Fn(&mut Vec<pb::FunctionDef>)) -> flowkeep_graph::Error {
    let (case, mut scope) = changed(name, change);
    let before = scope.to_graph_def_with_shapes();
    let (ys, xs) = (tensors(scope.graph(), &case["ys"]), tensors(scope.graph(), &case["xs"]));
    let error = scope.gradients(ys, xs).unwrap_err();
    assert_eq!(scope.to_graph_def_with_shapes(), before);
    error
}

/// The function that has a node of this name, and the node.
fn with_node<'a>(
    functions: &'a mut [pb::FunctionDef],
    name: &str,
) -> (String, &'a mut pb::NodeDef) {
    let mut found = functions.iter_mut().filter_map(|function| {
        let owner = function.signature.as_ref()?.name.clone();
        Some((owner, function.node_def.iter_mut().find(|node| node.name == name)?))
    });
    found.next().unwrap()
}

/// Makes a node one that has no gradient here; its output is called otherwise.
fn without_gradient(functions: &mut [pb::FunctionDef], name: &str) {
    let (owner, node) = with_node(functions, name);
    node.op = "MatrixSquareRoot".to_owned();
    let [before, now] = ["y", "output"].map(|output| format!("{name}:{output}:0"));
    let is_owner = |function: &&mut pb::FunctionDef| {
        function.signature.as_ref().is_some_and(|signature| signature.name == owner)
    };
    let function = functions.iter_mut().find(is_owner).unwrap();
    let inputs = function.node_def.iter_mut().flat_map(|node| &mut node.input);
    for input in inputs.chain(function.ret.values_mut()).filter(|input| **input == before) {
        input.clone_from(&now);
    }
}

#[test]
fn what_lies_in_branches_and_has_no_gradient_here_is_named() {
    let error = refused("values_on_the_way", |functions| {
        without_gradient(functions, "Sin");
    });
    assert_eq!(error.code(), flowkeep_tensor::Code::Unimplemented);
    let want = "the gradient of op 'MatrixSquareRoot' is not supported (node 'Sin')";
    assert_eq!(error.to_string(), want);
}

#[test]
fn branches_that_run_themselves_are_refused() {
    let error = refused("condition_in_a_branch", |functions| {
        let (owner, node) = with_node(functions, "cond");
        let owner = pb::NameAttrList { name: owner, ..Default::default() };
        let value = Some(pb::attr_value::Value::Func(owner));
        node.attr.insert("then_branch".to_owned(), pb::AttrValue { value });
    });
    assert_eq!(error.code(), flowkeep_tensor::Code::Unimplemented);
    assert!(error.to_string().contains("it runs itself"), "{error}");
}

/// A node `y = If(on, x)` that runs these functions.
fn either(name: &str, on: &str, x: &str, functions: [&str; 2]) -> pb::NodeDef {
    use pb::attr_value::{ListValue, Value};
    let function =
        |name: &str| Value::Func(pb::NameAttrList { name: name.to_owned(), ..Default::default() });
    let float = i32::from(pb::DataType::DtFloat);
    let types = || Value::List(Box::new(ListValue { r#type: vec![float], ..Default::default() }));
    let attrs = [
        ("Tcond", Value::Type(i32::from(pb::DataType::DtBool))),
        ("Tin", types()),
        ("Tout", types()),
        ("then_branch", function(functions[0])),
        ("else_branch", function(functions[1])),
    ];
    let attr = attrs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), pb::AttrValue { value: Some(value) }));
    pb::NodeDef {
        name: name.to_owned(),
        op: "StatelessIf".to_owned(),
        input: vec![on.to_owned(), x.to_owned()],
        attr: attr.collect(),
        ..Default::default()
    }
}

fn node(name: &str, op: &str, dtype: pb::DataType, inputs: &[&str]) -> pb::NodeDef {
    let value = Some(pb::attr_value::Value::Type(i32::from(dtype)));
    let attr = if inputs.is_empty() { "dtype" } else { "T" };
    pb::NodeDef {
        name: name.to_owned(),
        op: op.to_owned(),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        attr: [(attr.to_owned(), pb::AttrValue { value })].into(),
        ..Default::default()
    }
}

/// Conditions within conditions: each runs the next, in one of its branches or in both.
fn nested(depth: usize, in_both: bool) -> (Scope, Output, Output) {
    let float = pb::DataType::DtFloat;
    let arg = |name: &str, dtype: pb::DataType| pb::op_def::ArgDef {
        name: name.to_owned(),
        r#type: dtype.into(),
        ..Default::default()
    };
    let function = |level: usize| {
        let (inner, last) = (format!("f{}", level + 1), format!("f{depth}"));
        let mut nodes = vec![node("Sin", "Sin", float, &["x"])];
        if level < depth {
            let mut on = node("on", "Const", pb::DataType::DtBool, &[]);
            let value = pb::TensorProto {
                dtype: pb::DataType::DtBool.into(),
                tensor_shape: Some(pb::TensorShapeProto::default()),
                bool_val: vec![true],
                ..Default::default()
            };
            let value = Some(pb::attr_value::Value::Tensor(Box::new(value)));
            on.attr.insert("value".to_owned(), pb::AttrValue { value });
            let other = if in_both { &inner } else { &last };
            nodes.extend([on, either("y", "on:output:0", "Sin:y:0", [&inner, other])]);
        }
        let ret = if level < depth { "y:output:0" } else { "Sin:y:0" };
        pb::FunctionDef {
            signature: Some(pb::OpDef {
                name: format!("f{level}"),
                input_arg: vec![arg("x", float)],
                output_arg: vec![arg("ret", float)],
                ..Default::default()
            }),
            node_def: nodes,
            ret: [("ret".to_owned(), ret.to_owned())].into(),
            ..Default::default()
        }
    };
    let library = pb::FunctionDefLibrary {
        function: (0..=depth).map(function).collect(),
        ..Default::default()
    };
    let nodes = vec![
        node("x", "Placeholder", float, &[]),
        node("on", "Placeholder", pb::DataType::DtBool, &[]),
        either("y", "on", "x", ["f0", "f0"]),
    ];
    let def = pb::GraphDef { node: nodes, library: Some(library), ..Default::default() };
    let graph = Graph::import(def, &ImportOptions::default()).unwrap();
    let [y, x] = ["y:0", "x:0"].map(|name| graph.get_tensor_by_name(name).unwrap());
    (Scope::from_graph(graph), y, x)
}

#[test]
fn conditions_nest_as_deep_as_is_said() {
    let (mut scope, y, x) = nested(31, false);
    assert!(scope.gradients([y], [x]).unwrap()[0].is_some());
    for (depth, in_both) in [(32, false), (2000, false), (20, true)] {
        let (mut scope, y, x) = nested(depth, in_both);
        let error = scope.gradients([y], [x]).unwrap_err();
        assert_eq!(error.code(), flowkeep_tensor::Code::Unimplemented, "{error}");
    }
}

#[test]
fn loops_that_do_not_count_are_refused() {
    let (case, mut scope) = {
        let cases = cases_of("loops.json.gz");
        let case = cases.into_iter().find(|case| case["name"] == "powers").unwrap();
        let mut def: pb::GraphDef = message(&case["graph_def"]);
        // The number of iterations at most becomes one of another type.
        for function in &mut def.library.as_mut().unwrap().function {
            let signature = function.signature.as_mut().unwrap();
            signature.input_arg[1].r#type = pb::DataType::DtInt64.into();
            if let Some(arg) = signature.output_arg.get_mut(1) {
                arg.r#type = pb::DataType::DtInt64.into();
            }
        }
        def.node.retain(|node| node.name != "while/Identity_1");
        let most = def.node.iter_mut().find(|node| node.name == "while/maximum_iterations");
        let most = most.unwrap();
        most.op = "Placeholder".to_owned();
        most.attr.clear();
        let long = || pb::attr_value::Value::Type(pb::DataType::DtInt64.into());
        most.attr.insert("dtype".to_owned(), pb::AttrValue { value: Some(long()) });
        let node = def.node.iter_mut().find(|node| node.name == "while").unwrap();
        let Some(pb::attr_value::Value::List(types)) = &mut node.attr.get_mut("T").unwrap().value
        else {
            panic!("no types")
        };
        types.r#type[1] = pb::DataType::DtInt64.into();
        (case, Scope::from_graph(Graph::import(def, &ImportOptions::default()).unwrap()))
    };
    let before = scope.to_graph_def_with_shapes();
    let (ys, xs) = (tensors(scope.graph(), &case["ys"]), tensors(scope.graph(), &case["xs"]));
    let error = scope.gradients(ys, xs).unwrap_err();
    assert_eq!(error.code(), flowkeep_tensor::Code::Unimplemented);
    assert_eq!(
        error.to_string(),
        "the gradient of op 'While' is not supported for a loop that does not count its iterations (node 'while')"
    );
    assert_eq!(scope.to_graph_def_with_shapes(), before);
}

#[test]
fn what_lies_in_loops_and_has_no_gradient_here_leaves_nothing_behind() {
    let cases = cases_of("loops.json.gz");
    let case = cases.iter().find(|case| case["name"] == "values_on_the_way").unwrap();
    let mut def: pb::GraphDef = message(&case["graph_def"]);
    without_gradient(&mut def.library.as_mut().unwrap().function, "Tanh");
    let mut scope = Scope::from_graph(Graph::import(def, &ImportOptions::default()).unwrap());
    let before = scope.to_graph_def_with_shapes();
    let (ys, xs) = (tensors(scope.graph(), &case["ys"]), tensors(scope.graph(), &case["xs"]));
    let error = scope.gradients(ys, xs).unwrap_err();
    let want = "the gradient of op 'MatrixSquareRoot' is not supported (node 'Tanh')";
    assert_eq!(error.to_string(), want);
    assert_eq!(scope.to_graph_def_with_shapes(), before);
}

#[test]
fn branches_that_do_not_fit_their_node_are_refused() {
    for (name, change) in [("is not found", 0), ("arguments and", 1), ("of other types", 2)] {
        let error = refused("tanh_or_exp", |functions| {
            let (owner, _) = with_node(functions, "Tanh");
            let is_owner = |function: &pb::FunctionDef| {
                function.signature.as_ref().is_some_and(|signature| signature.name == owner)
            };
            let place = functions.iter().position(is_owner).unwrap();
            let function = &mut functions[place];
            let signature = function.signature.as_mut().unwrap();
            match change {
                0 => signature.name = "other".to_owned(),
                1 => signature.input_arg.push(pb::op_def::ArgDef {
                    name: "more".to_owned(),
                    r#type: pb::DataType::DtFloat.into(),
                    ..Default::default()
                }),
                _ => {
                    let double = i32::from(pb::DataType::DtDouble);
                    signature.input_arg.iter_mut().for_each(|arg| arg.r#type = double);
                    signature.output_arg.iter_mut().for_each(|arg| arg.r#type = double);
                    for node in &mut function.node_def {
                        let value = Some(pb::attr_value::Value::Type(double));
                        node.attr.insert("T".to_owned(), pb::AttrValue { value });
                    }
                }
            }
        });
        assert_eq!(error.code(), flowkeep_tensor::Code::InvalidArgument, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn the_list_of_ops_with_gradients_is_complete() {
    let text = include_str!("../../../docs/gradients.md");
    let (_, lists) = text.split_once("## Ops with gradients").unwrap();
    let (with, without) = lists.split_once("## What is missing").unwrap();
    let listed = |text: &str, op: &str| text.contains(&format!("`{op}`"));
    for op in flowkeep_graph::op_def::names() {
        let support = support(op);
        assert_eq!(listed(with, op), support == Support::Differentiable, "{op}");
        if support == Support::Missing {
            assert!(listed(without, op), "{op}");
        }
    }
}
