//! Kernels for images with channels first, which the reference's CPU refuses: each must give what
//! the same op gives for the transposed image.

use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_tensor::Tensor;

/// Numbers without a pattern, between -1 and 1.
fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn tensor(dims: [usize; 4], seed: u32) -> Tensor {
    Tensor::from_vec(dims, values(dims.iter().product(), seed)).expect("the length fits")
}

/// `[a, b, c, d]` as `ints` lists of attributes have them.
fn list(name: &str, values: &[i64]) -> String {
    let values: String = values.iter().map(|value| format!("i: {value} ")).collect();
    format!("attr {{ key: '{name}' value {{ list {{ {values} }} }} }}")
}

fn string(name: &str, value: &str) -> String {
    format!("attr {{ key: '{name}' value {{ s: '{value}' }} }}")
}

const FLOAT: &str = "attr { key: 'T' value { type: DT_FLOAT } }";

fn placeholder(name: &str, dtype: &str) -> String {
    format!(
        "node {{ name: '{name}' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: {dtype} }} }} }}"
    )
}

/// Runs `op` on `x` (and `w`) once with channels first, once between transposes; `attrs` makes the
/// attributes from a function that puts NHWC lists in order.
fn check(
    op: &str,
    x: [usize; 4],
    w: Option<[usize; 4]>,
    attrs: impl Fn(&dyn Fn([i64; 4]) -> Vec<i64>) -> String,
) {
    let inputs = |image: &str| match w {
        Some(_) => format!("input: '{image}' input: 'w'"),
        None => format!("input: '{image}'"),
    };
    let first = attrs(&|[n, h, w, c]| vec![n, c, h, w]);
    let last = attrs(&|nhwc| nhwc.to_vec());
    let graph = [
        placeholder("x", "DT_FLOAT"),
        placeholder("w", "DT_FLOAT"),
        placeholder("to_last", "DT_INT32"),
        placeholder("to_first", "DT_INT32"),
        format!(
            "node {{ name: 'y' op: '{op}' {} {FLOAT} {first} {} }}",
            inputs("x"),
            string("data_format", "NCHW")
        ),
        format!("node {{ name: 'xt' op: 'Transpose' input: 'x' input: 'to_last' {FLOAT} }}"),
        format!(
            "node {{ name: 'yt' op: '{op}' {} {FLOAT} {last} {} }}",
            inputs("xt"),
            string("data_format", "NHWC")
        ),
        format!("node {{ name: 'z' op: 'Transpose' input: 'yt' input: 'to_first' {FLOAT} }}"),
    ]
    .concat();
    let def: pb::GraphDef = text::parse_message(&graph).expect("the test's graph parses");
    let graph = Graph::import(def, &ImportOptions::default()).expect("the test's graph imports");
    let session = Session::new(Arc::new(graph), SessionOptions::default());
    let feeds = [
        ("x:0", tensor(x, 1)),
        ("w:0", w.map_or(Tensor::scalar(0f32), |w| tensor(w, 2))),
        ("to_last:0", Tensor::from_elements(vec![0, 2, 3, 1])),
        ("to_first:0", Tensor::from_elements(vec![0, 3, 1, 2])),
    ];
    let outputs = session.run(&feeds, &["y:0", "z:0"], &[]).expect("both ways run");
    assert_eq!(outputs[0].shape().rank(), 4);
    assert_eq!(outputs[0], outputs[1], "{op}");
}

#[test]
fn convolution_takes_channels_first() {
    check("Conv2D", [2, 3, 7, 6], Some([3, 2, 3, 4]), |order| {
        [
            list("strides", &order([1, 2, 1, 1])),
            list("dilations", &order([1, 1, 2, 1])),
            string("padding", "SAME"),
        ]
        .concat()
    });
    check("Conv2D", [1, 4, 5, 5], Some([3, 3, 2, 6]), |order| {
        let before = order([0, 1, 0, 0]);
        let after = order([0, 2, 1, 0]);
        let paddings: Vec<i64> = before.into_iter().zip(after).flat_map(|(a, b)| [a, b]).collect();
        [
            list("strides", &[1; 4]),
            string("padding", "EXPLICIT"),
            list("explicit_paddings", &paddings),
        ]
        .concat()
    });
    check("DepthwiseConv2dNative", [2, 3, 6, 5], Some([3, 3, 3, 2]), |order| {
        [list("strides", &order([1, 2, 2, 1])), string("padding", "VALID")].concat()
    });
}

#[test]
fn pooling_takes_channels_first() {
    for op in ["MaxPool", "AvgPool"] {
        check(op, [2, 3, 7, 5], None, |order| {
            [
                list("ksize", &order([1, 3, 2, 1])),
                list("strides", &order([1, 2, 1, 1])),
                string("padding", "SAME"),
            ]
            .concat()
        });
    }
    check("MaxPool", [1, 6, 2, 3], None, |order| {
        [
            list("ksize", &order([1, 1, 1, 3])),
            list("strides", &order([1, 1, 1, 3])),
            string("padding", "VALID"),
        ]
        .concat()
    });
}

#[test]
fn blocks_of_channels_first_become_channels() {
    let attrs =
        |_: &dyn Fn([i64; 4]) -> Vec<i64>| "attr { key: 'block_size' value { i: 2 } }".to_owned();
    check("SpaceToDepth", [2, 3, 4, 6], None, attrs);
    check("DepthToSpace", [2, 12, 2, 3], None, attrs);
}

#[test]
fn vectors_of_channels_are_refused() {
    for op in ["SpaceToDepth", "DepthToSpace"] {
        let graph = placeholder("x", "DT_FLOAT")
            + &format!(
                "node {{ name: 'y' op: '{op}' input: 'x' {FLOAT} {} \
                 attr {{ key: 'block_size' value {{ i: 2 }} }} }}",
                string("data_format", "NCHW_VECT_C")
            );
        let def: pb::GraphDef = text::parse_message(&graph).expect("the test's graph parses");
        let graph = Graph::import(def, &ImportOptions::default()).expect("the graph imports");
        let session = Session::new(Arc::new(graph), SessionOptions::default());
        let x = tensor([1, 4, 4, 4], 1);
        let error = session.run(&[("x:0", x)], &["y:0"], &[]).expect_err("there is no kernel");
        assert!(error.to_string().contains("NCHW_VECT_C"), "{error}");
    }
}
