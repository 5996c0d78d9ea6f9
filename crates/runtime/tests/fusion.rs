//! Nodes that run in one give what they give apart, bit by bit, and fail as they fail apart.

use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::{RunKey, Session, SessionOptions};
use flowkeep_tensor::Tensor;

fn session(text: &str, threads: usize) -> Session {
    let def: pb::GraphDef = text::parse_message(text).expect("the test's graph parses");
    let graph = Graph::import(def, &ImportOptions::default()).expect("the test's graph imports");
    Session::new(Arc::new(graph), SessionOptions { threads, ..SessionOptions::default() })
}

fn placeholder(name: &str, dtype: &str) -> String {
    format!(
        "node {{ name: '{name}' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: {dtype} }} }}
         attr {{ key: 'shape' value {{ shape {{ unknown_rank: true }} }} }} }}\n"
    )
}

fn node(name: &str, op: &str, inputs: &[&str], dtype: &str, attrs: &str) -> String {
    let inputs: String = inputs.iter().map(|input| format!("input: '{input}' ")).collect();
    format!(
        "node {{ name: '{name}' op: '{op}' {inputs} attr {{ key: 'T' value {{ type: {dtype} }} }} {attrs} }}\n"
    )
}

fn attr(name: &str, value: &str) -> String {
    format!("attr {{ key: '{name}' value {{ {value} }} }} ")
}

fn format_of(name: &str) -> String {
    attr("data_format", &format!("s: '{name}'"))
}

fn windows(format: &str, strides: &str) -> String {
    let strides = attr("strides", &format!("list {{ i: [{strides}] }}"));
    attr("padding", "s: 'SAME'") + &format_of(format) + &strides
}

/// `x` and `w` convolved, a bias `b`, and an activation.
fn layer(dtype: &str, format: &str, activation: &str) -> String {
    let conv = node("conv", "Conv2D", &["x", "w"], dtype, &windows(format, "1, 1, 1, 1"));
    let bias = node("bias", "BiasAdd", &["conv", "b"], dtype, &format_of(format));
    let last = node("last", activation, &["bias"], dtype, "");
    let inputs = ["x", "w", "b"].map(|name| placeholder(name, dtype)).concat();
    [inputs, conv, bias, last].concat()
}

/// Numbers between -1 and 1.
fn numbers(dims: &[usize]) -> Vec<f32> {
    let n: usize = dims.iter().product();
    (0..n).map(|i| ((i * 7919 + 13) % 997) as f32 / 498.0 - 1.0).collect()
}

fn tensor(dtype: &str, dims: &[usize]) -> Tensor {
    let values = numbers(dims);
    match dtype {
        "DT_FLOAT" => Tensor::from_vec(dims.to_vec(), values).unwrap(),
        "DT_DOUBLE" => {
            Tensor::from_vec(dims.to_vec(), values.into_iter().map(f64::from).collect()).unwrap()
        }
        _ => {
            let halves = values.into_iter().map(flowkeep_tensor::f16::from_f32).collect();
            Tensor::from_vec(dims.to_vec(), halves).unwrap()
        }
    }
}

/// The lines of the plan for these fetches: each names a step and where its outputs go.
fn plan(session: &Session, feeds: &[&str], fetches: &[&str]) -> String {
    session.plan(&RunKey::new(feeds, fetches, &[])).unwrap().to_string()
}

/// Whether the step of a node gives nothing to anybody.
fn is_left_out(plan: &str, node: &str) -> bool {
    let line = plan.lines().find(|line| line.contains(&format!(" {node} ("))).unwrap();
    !line.contains("->")
}

fn bytes(tensor: &Tensor) -> &[u8] {
    tensor.as_bytes().unwrap()
}

#[test]
fn a_layer_in_one_gives_the_bits_of_its_nodes() {
    let layers = [
        ("DT_FLOAT", "NHWC", "Relu", true),
        ("DT_FLOAT", "NCHW", "Relu6", true),
        ("DT_DOUBLE", "NHWC", "Relu6", true),
        ("DT_FLOAT", "NHWC", "Elu", false),
        // Rounded between the nodes.
        ("DT_HALF", "NHWC", "Relu", false),
    ];
    for threads in [1, 3] {
        for (dtype, format, activation, is_whole) in layers {
            let session = session(&layer(dtype, format, activation), threads);
            // More than a thousand products a sum: parts of them are summed first.
            let x = match format {
                "NHWC" => tensor(dtype, &[2, 9, 8, 130]),
                _ => tensor(dtype, &[2, 130, 9, 8]),
            };
            let feeds = [
                ("x:0", x),
                ("w:0", tensor(dtype, &[3, 3, 130, 37])),
                ("b:0", tensor(dtype, &[37])),
            ];
            let names = ["x:0", "w:0", "b:0"];
            let plan_of = |fetches: &[&str]| plan(&session, &names, fetches);
            assert_eq!(
                is_left_out(&plan_of(&["last:0"]), "bias"),
                is_whole,
                "{dtype} {activation}"
            );
            assert_eq!(is_left_out(&plan_of(&["bias:0"]), "conv"), dtype != "DT_HALF");
            let apart = ["conv:0", "bias:0", "last:0"];
            assert!(!is_left_out(&plan_of(&apart), "conv"));
            let apart = session.run(&feeds, &apart, &[]).unwrap();
            let bias = session.run(&feeds, &["bias:0"], &[]).unwrap();
            let last = session.run(&feeds, &["last:0"], &[]).unwrap();
            assert_eq!(bytes(&bias[0]), bytes(&apart[1]), "{dtype} {format} {activation}");
            assert_eq!(bytes(&last[0]), bytes(&apart[2]), "{dtype} {format} {activation}");
        }
    }
}

#[test]
fn an_activation_may_follow_at_once() {
    let dtype = "DT_FLOAT";
    let text = [
        ["x", "w"].map(|name| placeholder(name, dtype)).concat(),
        node("conv", "Conv2D", &["x", "w"], dtype, &windows("NHWC", "1, 2, 2, 1")),
        node("relu", "Relu", &["conv"], dtype, ""),
        node("again", "Relu6", &["relu"], dtype, ""),
    ];
    let session = session(&text.concat(), 1);
    let feeds = [("x:0", tensor(dtype, &[1, 7, 7, 3])), ("w:0", tensor(dtype, &[3, 3, 3, 5]))];
    let plan = plan(&session, &["x:0", "w:0"], &["again:0"]);
    assert!(is_left_out(&plan, "conv") && !is_left_out(&plan, "relu"), "{plan}");
    let apart = session.run(&feeds, &["conv:0", "again:0"], &[]).unwrap();
    let whole = session.run(&feeds, &["again:0"], &[]).unwrap();
    assert_eq!(bytes(&whole[0]), bytes(&apart[1]));
}

#[test]
fn errors_name_the_node_that_they_are_of() {
    let session = session(&layer("DT_FLOAT", "NHWC", "Relu"), 1);
    let run = |x: &[usize], b: &[usize], fetch: &str| {
        let feeds = [
            ("x:0", tensor("DT_FLOAT", x)),
            ("w:0", tensor("DT_FLOAT", &[1, 1, 2, 4])),
            ("b:0", tensor("DT_FLOAT", b)),
        ];
        let whole = session.run(&feeds, &[fetch], &[]).unwrap_err();
        let apart = session.run(&feeds, &["conv:0", "bias:0", "last:0"], &[]).unwrap_err();
        assert_eq!(whole.to_string(), apart.to_string());
        whole.to_string()
    };
    for fetch in ["bias:0", "last:0"] {
        let text = run(&[1, 3, 3], &[4], fetch);
        assert!(text.contains("conv") && text.contains("must be 4-dimensional"), "{text}");
        let text = run(&[1, 3, 3, 3], &[4], fetch);
        assert!(text.contains("conv") && text.contains("input depth"), "{text}");
        let text = run(&[1, 3, 3, 2], &[5], fetch);
        assert!(text.contains("bias") && text.contains("as many biases"), "{text}");
        let text = run(&[1, 0, 3, 2], &[5, 1], fetch);
        assert!(text.contains("bias") && text.contains("Biases must be 1D"), "{text}");
    }
}

#[test]
fn what_others_read_or_wait_for_stays_apart() {
    let dtype = "DT_FLOAT";
    let second = node("second", "Relu", &["conv"], dtype, "");
    let waits = node("waits", "Identity", &["b", "^conv"], dtype, "");
    for other in [second, waits] {
        let name = if other.contains("second") { "second:0" } else { "waits:0" };
        let session = session(&(layer(dtype, "NHWC", "Relu") + &other), 2);
        let plan = plan(&session, &["x:0", "w:0", "b:0"], &["last:0", name]);
        assert!(!is_left_out(&plan, "conv"), "{plan}");
        // The bias goes with the activation's convolution, or not at all.
        assert!(!is_left_out(&plan, "bias"), "{plan}");
    }
}

#[test]
fn the_gradient_of_pooling_by_winners_is_that_by_values() {
    let pools = [
        ("NHWC", [1, 2, 2, 1], [1, 2, 2, 1], [3, 8, 6, 20], true),
        ("NHWC", [1, 3, 2, 1], [1, 2, 1, 1], [2, 7, 9, 5], true),
        ("NCHW", [1, 1, 3, 3], [1, 1, 2, 2], [2, 5, 7, 7], true),
        // Windows too large for a byte.
        ("NHWC", [1, 17, 16, 1], [1, 2, 2, 1], [1, 20, 20, 2], false),
    ];
    let list = |sizes: [i64; 4]| sizes.map(|size| size.to_string()).join(", ");
    for (format, size, strides, dims, is_traced) in pools {
        let attrs = windows(format, &list(strides))
            + &attr("ksize", &format!("list {{ i: [{}] }}", list(size)));
        let dtype = "DT_FLOAT";
        let text = [
            ["x", "y", "dy"].map(|name| placeholder(name, dtype)).concat(),
            node("pool", "MaxPool", &["x"], dtype, &attrs),
            node("grad", "MaxPoolGrad", &["x", "pool", "dy"], dtype, &attrs),
            node("second", "MaxPoolGrad", &["x", "pool", "y"], dtype, &attrs),
            node("apart", "MaxPoolGrad", &["x", "y", "dy"], dtype, &attrs),
        ];
        for threads in [1, 3] {
            let session = session(&text.concat(), threads);
            let mut x = numbers(&dims);
            x.iter_mut().step_by(11).for_each(|x| *x = f32::NAN);
            x.iter_mut().step_by(7).for_each(|x| *x = 0.5);
            let x = Tensor::from_vec(dims.to_vec(), x).unwrap();
            let pooled = session.run(&[("x:0", x.clone())], &["pool:0"], &[]).unwrap().remove(0);
            let dy = tensor(dtype, pooled.dims());
            let feeds = [("x:0", x), ("y:0", pooled.clone()), ("dy:0", dy)];
            let fetches = ["grad:0", "second:0", "pool:0", "apart:0"];
            let plan = plan(&session, &["x:0", "y:0", "dy:0"], &fetches);
            let n_readers = plan.lines().find(|line| line.contains(" pool (")).unwrap();
            // Of its value two gradients and a fetch, of its trace two gradients.
            assert_eq!(n_readers.matches("->").count(), if is_traced { 5 } else { 3 }, "{plan}");
            let got = session.run(&feeds, &fetches, &[]).unwrap();
            assert_eq!(bytes(&got[0]), bytes(&got[3]), "{format} {size:?}");
            assert_eq!(bytes(&got[2]), bytes(&pooled), "{format} {size:?}");
            assert_ne!(bytes(&got[1]), bytes(&got[3]));
        }
    }
}

#[test]
fn a_pooling_of_other_windows_leaves_no_trace() {
    let dtype = "DT_FLOAT";
    let attrs = |size: &str| {
        windows("NHWC", "1, 2, 2, 1") + &attr("ksize", &format!("list {{ i: [1, {size}, 2, 1] }}"))
    };
    let text = [
        ["x", "dy"].map(|name| placeholder(name, dtype)).concat(),
        node("pool", "MaxPool", &["x"], dtype, &attrs("3")),
        node("grad", "MaxPoolGrad", &["x", "pool", "dy"], dtype, &attrs("2")),
    ];
    let session = session(&text.concat(), 1);
    let plan = plan(&session, &["x:0", "dy:0"], &["grad:0"]);
    let line = plan.lines().find(|line| line.contains(" pool (")).unwrap();
    assert_eq!(line.matches("->").count(), 1, "{plan}");
}

#[test]
fn a_rectifier_before_the_pooling_has_its_gradient_with_it() {
    let dtype = "DT_FLOAT";
    // Windows side by side; windows that overlap stay apart.
    for (size, is_whole) in [("1, 2, 2, 1", true), ("1, 3, 3, 1", false)] {
        let attrs =
            windows("NHWC", "1, 2, 2, 1") + &attr("ksize", &format!("list {{ i: [{size}] }}"));
        let text = [
            ["z", "dy"].map(|name| placeholder(name, dtype)).concat(),
            node("x", "Identity", &["z"], dtype, ""),
            node("pool", "MaxPool", &["x"], dtype, &attrs),
            node("grad", "MaxPoolGrad", &["x", "pool", "dy"], dtype, &attrs),
            node("last", "ReluGrad", &["grad", "x"], dtype, ""),
        ];
        for threads in [1, 3] {
            let session = session(&text.concat(), threads);
            let dims = [3, 7, 6, 19];
            let mut z = numbers(&dims);
            z.iter_mut().step_by(11).for_each(|z| *z = f32::NAN);
            z.iter_mut().step_by(5).for_each(|z| *z = z.min(0.0));
            let mut dy = numbers(&[3, 4, 3, 19]);
            dy.iter_mut().step_by(13).for_each(|dy| *dy = f32::INFINITY);
            let feeds = [
                ("z:0", Tensor::from_vec(dims.to_vec(), z).unwrap()),
                ("dy:0", Tensor::from_vec(vec![3, 4, 3, 19], dy).unwrap()),
            ];
            let names = ["z:0", "dy:0"];
            let plan = plan(&session, &names, &["last:0"]);
            assert_eq!(is_left_out(&plan, "grad"), is_whole, "{plan}");
            let apart = session.run(&feeds, &["grad:0", "last:0"], &[]).unwrap();
            let whole = session.run(&feeds, &["last:0"], &[]).unwrap();
            assert_eq!(bytes(&whole[0]), bytes(&apart[1]), "windows {size}");
            let wrong = [feeds[0].clone(), ("dy:0", tensor(dtype, &[3, 4, 4, 19]))];
            let error = session.run(&wrong, &["last:0"], &[]).unwrap_err().to_string();
            let apart = session.run(&wrong, &["grad:0", "last:0"], &[]).unwrap_err().to_string();
            assert_eq!(error, apart);
            assert!(error.contains("grad"), "{error}");
        }
    }
}
