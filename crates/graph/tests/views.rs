//! Views of graphs, against what Python found in the same graphs of TensorFlow.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_graph::builder::{BuiltinShapes, ShapeProvider};
use flowkeep_graph::file::GraphFile;
use flowkeep_graph::view::{
    Edge, Flops, NodeView, PathOptions, Paths, Shapes, Summary, SummaryOptions, VariableView,
};
use flowkeep_graph::{Attrs, Graph, ImportOptions};
use flowkeep_tensor::PartialShape;
use serde_json::{Value, json};

fn views() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/graph_views")
}

/// The graph of a file, as it is.
fn graph(name: &str) -> Graph {
    let file = GraphFile::open(&views().join(name)).unwrap();
    let (def, _) = file.into_meta_graph_def(None).unwrap();
    Graph::import(def.graph_def.unwrap(), &ImportOptions::default()).unwrap()
}

/// The facts of all graphs, by name.
fn facts() -> BTreeMap<String, Value> {
    let text = fs::read_to_string(views().join("facts.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn shape(shape: &PartialShape) -> Value {
    json!(shape.dims())
}

fn flops(flops: Flops) -> Option<Value> {
    match flops {
        Flops::NotCounted => None,
        Flops::Unknown => Some(json!("unknown")),
        Flops::Known(n) => Some(json!(n)),
    }
}

/// The number of the profiler, without its fraction.
fn whole(value: &Value) -> Value {
    value.as_f64().map_or_else(|| value.clone(), |n| json!(n as u64))
}

#[test]
fn operations_are_counted_as_tensorflows_profiler_counts_them() {
    let (mut n_known, mut n_unknown) = (0, 0);
    let mut check = |what: &str, graph: &Graph, expected: &Value| {
        let shapes = Shapes::new(graph, None);
        for (id, node) in graph.iter() {
            let found = flops(Flops::of(node, id, &shapes));
            let expected = expected.get(node.name()).map(whole);
            // What TensorFlow infers in functions, and does not store, is not known here.
            let is_inferred = node.attr("_output_shapes").is_none();
            if !(is_inferred && found == Some(json!("unknown")) && expected.is_some()) {
                assert_eq!(found, expected, "{what} {} {}", node.name(), node.op());
            }
            match found {
                Some(Value::String(_)) => n_unknown += 1,
                Some(_) => n_known += 1,
                None => {}
            }
        }
    };
    for (name, facts) in facts() {
        let graph = graph(&format!("{name}.meta"));
        check(&name, &graph, &facts["flops"]);
        for function in graph.library().functions() {
            let body = function.instantiate(&Attrs::default(), graph.library()).unwrap();
            check(function.name(), &body.graph, &facts["functions"][function.name()]["flops"]);
        }
    }
    assert!(n_known > 70 && n_unknown > 40, "{n_known} {n_unknown}");
}

#[test]
fn shapes_that_are_not_stored_are_inferred() {
    let provider: Arc<dyn ShapeProvider> = Arc::new(BuiltinShapes);
    let mut n_known = 0;
    for (name, facts) in facts() {
        for ending in ["pb", "meta"] {
            let graph = graph(&format!("{name}.{ending}"));
            let shapes = Shapes::new(&graph, Some(&provider));
            for (id, node) in graph.iter() {
                let expected = facts["flops"].get(node.name()).map(whole);
                let found = flops(Flops::of(node, id, &shapes));
                // Not all ops are known to the provider.
                if found != Some(json!("unknown")) {
                    assert_eq!(found, expected, "{name} {} {}", node.name(), node.op());
                    n_known += usize::from(found.is_some());
                }
            }
        }
    }
    assert!(n_known > 130, "{n_known}");
}

#[test]
fn sums_are_those_of_the_graph() {
    for (name, facts) in facts() {
        for ending in ["pb", "meta"] {
            let graph = graph(&format!("{name}.{ending}"));
            let summary = Summary::new(&graph, &SummaryOptions::default());
            assert_eq!(json!(summary.n_nodes), facts["nodes"], "{name}");
            assert_eq!(json!(summary.depth), facts["depth"], "{name}");
            assert_eq!(summary.producer, 2474, "{name}");
            let ops: BTreeMap<_, _> = summary.ops.iter().map(|op| (&op.op, op.n_nodes)).collect();
            assert_eq!(json!(ops), facts["ops"], "{name}");
            assert!(summary.ops.is_sorted_by_key(|op| std::cmp::Reverse(op.n_nodes)), "{name}");
            let control_flow: BTreeMap<_, _> =
                summary.control_flow().map(|op| (&op.op, op.n_nodes)).collect();
            assert_eq!(json!(control_flow), facts["control_flow"], "{name}");
            let constants = summary.constants;
            let constants = json!({
                "nodes": constants.n_nodes,
                "elements": constants.n_elements,
                "bytes": constants.len_bytes,
            });
            assert_eq!(constants, facts["constants"], "{name}");
        }
    }
    let frames = |name: &str| Summary::new(&graph(name), &SummaryOptions::default()).frames;
    assert_eq!(frames("loop.pb"), ["outer/inner/while_context", "outer/while_context"]);
    let devices = Summary::new(&graph("values.pb"), &SummaryOptions::default()).devices;
    let expected = [("/device:CPU:0", 3), ("/job:worker/task:1/device:GPU:0", 1)];
    assert_eq!(devices, expected.map(|(device, n)| (device.to_owned(), n)));
}

#[test]
fn inputs_and_outputs_have_types_and_shapes() {
    for (name, facts) in facts() {
        let summary = Summary::new(&graph(&format!("{name}.meta")), &SummaryOptions::default());
        let inputs = summary.inputs.iter().map(|input| {
            (input.name.clone(), json!([input.dtype.unwrap().python_name(), shape(&input.shape)]))
        });
        assert_eq!(json!(inputs.collect::<BTreeMap<_, _>>()), facts["inputs"], "{name}");
        let outputs = summary.outputs.iter().map(|output| {
            let tensor = |(dtype, dims): &(Option<flowkeep_tensor::DType>, PartialShape)| {
                // The types of references say so in Python.
                json!([dtype.unwrap().python_name(), shape(dims)])
            };
            (output.name.clone(), output.tensors.iter().map(tensor).collect::<Vec<_>>())
        });
        let found = json!(outputs.collect::<BTreeMap<_, _>>());
        let expected = facts["outputs"].to_string().replace("_ref\"", "\"");
        assert_eq!(found, serde_json::from_str::<Value>(&expected).unwrap(), "{name}");
    }
}

#[test]
fn variables_are_counted_whatever_they_are_made_of() {
    for (name, facts) in facts() {
        let facts = facts["variables"].as_object().unwrap();
        for ending in ["pb", "meta"] {
            let graph = graph(&format!("{name}.{ending}"));
            let summary = Summary::new(&graph, &SummaryOptions::default());
            let view = |variable: &VariableView| {
                let view = json!({
                    "op": variable.op,
                    "dtype": variable.dtype.unwrap().python_name(),
                    "shape": shape(&variable.shape),
                    "elements": variable.n_elements(),
                    "bytes": variable.len_bytes(),
                });
                (variable.name.clone(), view)
            };
            let found: BTreeMap<_, _> = summary.variables.iter().map(view).collect();
            assert_eq!(json!(found), json!(facts), "{name}");
            let sum = |key: &str| -> u64 { facts.values().filter_map(|v| v[key].as_u64()).sum() };
            let totals = summary.parameters;
            assert_eq!(
                (totals.n_elements, totals.len_bytes),
                (sum("elements"), sum("bytes")),
                "{name}"
            );
            let n_unknown = facts.values().filter(|variable| variable["elements"].is_null());
            assert_eq!(totals.n_unknown, n_unknown.count() as u64, "{name}");
        }
    }
}

#[test]
fn functions_know_their_callers() {
    let facts = &facts()["functions"]["functions"];
    for file in ["functions.pb", "functions.meta"] {
        let summary = Summary::new(&graph(file), &SummaryOptions::default());
        assert_eq!(summary.functions.len(), facts.as_object().unwrap().len());
        for function in &summary.functions {
            let expected = &facts[&function.name];
            let found = [function.n_nodes, function.n_args, function.n_rets].map(|n| json!(n));
            let [nodes, args, rets] = ["nodes", "args", "rets"].map(|key| expected[key].clone());
            assert_eq!(found, [nodes, args, rets], "{}", function.name);
            assert_eq!(json!(function.constants.len_bytes), expected["constants"]["bytes"]);
            let callers =
                function.callers.iter().map(|caller| json!([caller.function, caller.node]));
            let callers: Vec<_> = callers.collect();
            let mut expected: Vec<_> = expected["callers"].as_array().unwrap().clone();
            expected.sort_by_key(|caller| {
                (caller[0].as_str().map(str::to_owned), caller[1].as_str().map(str::to_owned))
            });
            assert_eq!(callers, expected, "{}", function.name);
        }
    }
}

#[test]
fn functions_count_once_for_each_node_that_names_them() {
    let summary = Summary::new(&graph("functions.meta"), &SummaryOptions::default());
    let own = |part: &str| {
        let function = summary.functions.iter().find(|function| function.name.contains(part));
        function.unwrap().flops.as_ref().unwrap().flops
    };
    let square = own("square");
    let poly = own("poly") + 2 * square;
    // The branches of if (poly, square), the loop (square), and the branches of case (poly).
    let expected = own("while_cond") + own("while_body") + own("map") + 2 * poly + 2 * square;
    assert_eq!((own("poly"), square), (8, 4));
    assert_eq!(summary.function_flops.flops, expected);
    assert_eq!(summary.function_flops.n_unknown, 2);
}

#[test]
fn unknown_dimensions_may_be_given_a_size() {
    let graph = graph("conv.meta");
    let flops = |assume| {
        let options = SummaryOptions { assume, ..SummaryOptions::default() };
        let summary = Summary::new(&graph, &options);
        let conv = summary.flops.by_op.iter().find(|op| op.op == "Conv2D").unwrap();
        (conv.n_unknown, conv.flops)
    };
    let (n_unknown, known) = flops(None);
    assert_eq!(n_unknown, 1);
    // A filter of 3x3x3 on 7x7 places and for 4 channels.
    let of_one = 2 * 7 * 7 * 4 * 27;
    assert_eq!(flops(Some(1)), (0, known + of_one));
    assert_eq!(flops(Some(64)), (0, known + 64 * of_one));
}

#[test]
fn bodies_of_functions_have_arguments_and_results() {
    let graph = graph("functions.meta");
    let body = graph.library().functions().iter().find(|f| f.name().contains("poly")).unwrap();
    let body = body.instantiate(&Attrs::default(), graph.library()).unwrap();
    let summary = Summary::of_function(&body, &SummaryOptions::default());
    let inputs: Vec<_> =
        summary.inputs.iter().map(|i| (&*i.name, &*i.op, i.shape.to_string())).collect();
    assert_eq!(inputs, [("x", "_Arg", "[4]".to_owned())]);
    let output = &summary.outputs[0];
    assert_eq!((&*output.name, &*output.op), ("identity", "Identity"));
    assert_eq!(output.tensor_name.as_deref(), Some("Identity:0"));
    assert_eq!(output.tensors[0].1.to_string(), "[4]");
}

#[test]
fn a_node_is_seen_with_its_neighbours() {
    let graph = graph("dense.meta");
    let shapes = Shapes::new(&graph, None);
    let view = NodeView::find(&graph, "hidden", &shapes).unwrap();
    assert_eq!((view.op.as_str(), view.inputs[0].tensor.as_str()), ("Relu", "BiasAdd:0"));
    assert_eq!(view.inputs[0].arg.as_deref(), Some("features"));
    assert_eq!(view.inputs[0].shape.to_string(), "[32,8]");
    let consumers: Vec<_> =
        view.outputs[0].consumers.iter().map(|c| (c.node.as_str(), c.input)).collect();
    assert!(consumers.contains(&("logits", 0)), "{consumers:?}");
    assert!(consumers.contains(&("gradients/hidden_grad/ReluGrad", 1)), "{consumers:?}");
    let attrs: Vec<_> =
        view.attrs.iter().map(|attr| (&*attr.name, attr.value.to_string())).collect();
    assert_eq!(attrs, [("T", "DT_FLOAT".to_owned())]);

    let view = NodeView::find(&graph, "logits:0", &shapes).unwrap();
    let defaults: Vec<_> =
        view.attrs.iter().filter(|attr| attr.is_default).map(|attr| &*attr.name).collect();
    assert_eq!(defaults, ["grad_a", "grad_b", "transpose_a", "transpose_b"]);
    assert_eq!(view.flops, Flops::Known(2 * 32 * 8 * 4));

    let view = NodeView::find(&graph, "layer/w/Assign", &shapes).unwrap();
    assert_eq!(view.colocation, ["layer/w"]);
    assert!(view.inputs[0].dtype.unwrap().is_ref && !view.is_stateful);
    let view = NodeView::find(&graph, "Momentum/update", &shapes).unwrap();
    assert_eq!((view.op.as_str(), view.control_inputs.len()), ("NoOp", 3));
    assert_eq!(view.control_consumers, ["Momentum/Const"]);

    let error = NodeView::find(&graph, "nope", &shapes).unwrap_err();
    assert_eq!(error.to_string(), "The name 'nope' refers to an Operation not in the graph.");
}

#[test]
fn loops_and_lists_are_seen_in_inputs() {
    let graph = graph("loop.meta");
    let shapes = Shapes::new(&graph, None);
    let view = NodeView::find(&graph, "outer/Merge", &shapes).unwrap();
    let inputs: Vec<_> =
        view.inputs.iter().map(|i| (i.arg.as_deref().unwrap(), i.is_back_edge)).collect();
    assert_eq!(inputs, [("inputs[0]", false), ("inputs[1]", true)]);
    let args: Vec<_> = view.outputs.iter().map(|o| o.arg.as_deref().unwrap()).collect();
    assert_eq!(args, ["output", "value_index"]);
}

#[test]
fn paths_are_as_many_and_as_long_as_in_the_graph() {
    let graph = graph("dense.pb");
    let mut n_found = 0;
    for pair in facts()["dense"]["paths"].as_array().unwrap() {
        let [from, to] = [&pair[0], &pair[1]].map(|name| name.as_str().unwrap());
        let lengths = pair[2].as_array().unwrap().iter().flat_map(|entry| {
            vec![entry[0].as_u64().unwrap() as usize; entry[1].as_u64().unwrap() as usize]
        });
        let lengths: Vec<usize> = lengths.collect();
        let options = PathOptions { limit: 1000, ..PathOptions::default() };
        let found = Paths::between(&graph, from, to, &options).unwrap();
        assert_eq!(found.n_paths, lengths.len() as u64, "{from} {to}");
        let found_lengths: Vec<_> = found.paths.iter().map(|path| path.len() - 1).collect();
        assert_eq!(found_lengths, lengths, "{from} {to}");
        let mut names: Vec<Vec<&str>> =
            found.paths.iter().map(|path| path.iter().map(|step| &*step.node).collect()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), lengths.len(), "no path is listed twice");
        n_found += lengths.len();
        let one = Paths::between(&graph, from, to, &PathOptions::default()).unwrap();
        assert_eq!(one.paths.first(), found.paths.first(), "{from} {to}");
        assert_eq!(one.n_paths, found.n_paths);
    }
    assert!(n_found > 50);
}

#[test]
fn paths_follow_edges() {
    let graph = graph("dense.pb");
    let paths = |from, to, data_only| {
        let options = PathOptions { data_only, limit: 100 };
        Paths::between(&graph, from, to, &options).unwrap()
    };
    let path = &paths("x", "logits", true).paths[0];
    let steps: Vec<_> = path.iter().map(|step| (&*step.node, &*step.op, step.edge)).collect();
    let edge = |input| Some(Edge::Data { output: 0, input, is_back_edge: false });
    let expected = [
        ("x", "Placeholder", None),
        ("MatMul", "MatMul", edge(0)),
        ("BiasAdd", "BiasAdd", edge(0)),
        ("hidden", "Relu", edge(0)),
        ("logits", "MatMul", edge(0)),
    ];
    assert_eq!(steps, expected);
    // The step that counts waits for those that train.
    assert!(paths("x", "Momentum", false).n_paths > 50);
    assert_eq!(paths("x", "Momentum", true).n_paths, 0);
    let last = paths("Momentum/update", "Momentum", false).paths[0].clone();
    assert_eq!(last[1].edge, Some(Edge::Control));
    // Only the second output leads to the gradient.
    let loss = graph.nodes().iter().find(|n| n.op() == "SparseSoftmaxCrossEntropyWithLogits");
    let [value, gradient] = [0, 1].map(|idx| format!("{}:{idx}", loss.unwrap().name()));
    let n_paths =
        |from: &str| Paths::between(&graph, from, "loss", &PathOptions::default()).unwrap().n_paths;
    assert_eq!([n_paths(&value), n_paths(&gradient)], [1, 0]);
    let error = Paths::between(&graph, "x", "nope:0", &PathOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("The name 'nope:0' refers to a Tensor"), "{error}");
}

#[test]
fn where_only_a_loop_leads_back_the_path_goes_around_it() {
    let graph = graph("loop.pb");
    let around =
        Paths::between(&graph, "outer/NextIteration", "outer/Identity", &PathOptions::default());
    let around = around.unwrap();
    assert_eq!(around.n_paths, 0);
    let steps: Vec<_> = around.paths[0].iter().map(|step| &*step.node).collect();
    let expected = ["outer/NextIteration", "outer/Merge", "outer/Switch", "outer/Identity"];
    assert_eq!(steps, expected);
    let edge = Edge::Data { output: 0, input: 1, is_back_edge: true };
    assert_eq!(around.paths[0][1].edge, Some(edge));
    let none = Paths::between(&graph, "result", "n", &PathOptions::default()).unwrap();
    assert!(none.paths.is_empty());
}
