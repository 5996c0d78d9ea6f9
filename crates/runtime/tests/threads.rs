//! Gradients whose work is cut into tasks: the same bits with any number of threads, and the right sums.

use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_tensor::Tensor;

/// Numbers from -1 to 1 without a pattern; in steps of an eighth, sums of their products are exact.
fn tensor(dims: &[usize], steps: f32, seed: u32) -> Tensor {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * steps
    };
    let whole = steps < 100.0;
    let values = (0..dims.iter().product::<usize>())
        .map(|_| if whole { next().round() / steps } else { next() / steps })
        .collect();
    Tensor::from_vec(dims, values).expect("the length fits")
}

/// Runs the node `y` of this op on these inputs.
fn run(op: &str, inputs: &[Tensor], attrs: &str, threads: usize) -> Tensor {
    let names: Vec<String> = (0..inputs.len()).map(|idx| format!("in{idx}")).collect();
    let placeholders = names.iter().zip(inputs).map(|(name, tensor)| {
        let dtype = tensor.dtype().proto_name();
        format!(
            "node {{ name: '{name}' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: {dtype} }} }} }}"
        )
    });
    let uses: String = names.iter().map(|name| format!("input: '{name}' ")).collect();
    let float = "attr { key: 'T' value { type: DT_FLOAT } }";
    let node = format!("node {{ name: 'y' op: '{op}' {uses} {float} {attrs} }}");
    let graph: String = placeholders.chain([node]).collect();
    let def: pb::GraphDef = text::parse_message(&graph).expect("the test's graph parses");
    let graph = Graph::import(def, &ImportOptions::default()).expect("the test's graph imports");
    let options = SessionOptions { threads, ..SessionOptions::default() };
    let session = Session::new(Arc::new(graph), options);
    let keys: Vec<String> = names.iter().map(|name| format!("{name}:0")).collect();
    let feeds: Vec<(&str, Tensor)> =
        keys.iter().map(String::as_str).zip(inputs.iter().cloned()).collect();
    session.run(&feeds, &["y:0"], &[]).expect("the node runs").remove(0)
}

fn list(name: &str, values: &[i64]) -> String {
    let values: String = values.iter().map(|value| format!("i: {value} ")).collect();
    format!("attr {{ key: '{name}' value {{ list {{ {values} }} }} }}")
}

fn windows(size: i64, stride: i64) -> String {
    let padding = "attr { key: 'padding' value { s: 'SAME' } }".to_owned();
    let strides = padding + &list("strides", &[1, stride, stride, 1]);
    if size == 0 { strides } else { strides + &list("ksize", &[1, size, size, 1]) }
}

fn sizes(sizes: &[i32]) -> Tensor {
    Tensor::from_elements(sizes.to_vec())
}

#[test]
fn threads_do_not_change_a_bit_of_a_gradient() {
    const FINE: f32 = 1e6;
    let large = [8, 28, 28, 4];
    let cases = [
        (
            "Conv2DBackpropFilter",
            vec![tensor(&large, FINE, 1), sizes(&[5, 5, 4, 6]), tensor(&[8, 28, 28, 6], FINE, 2)],
            windows(0, 1),
        ),
        (
            "FusedBatchNormGradV3",
            vec![
                tensor(&[16, 28, 28, 4], FINE, 1),
                tensor(&[16, 28, 28, 4], FINE, 2),
                tensor(&[4], FINE, 3),
                tensor(&[4], FINE, 4),
                Tensor::from_elements(vec![0.5f32, 1.0, 1.5, 2.0]),
                Tensor::from_elements(Vec::<f32>::new()),
            ],
            "attr { key: 'U' value { type: DT_FLOAT } }".to_owned(),
        ),
        (
            "MaxPoolGrad",
            vec![
                tensor(&large, FINE, 1),
                tensor(&[8, 14, 14, 4], FINE, 2),
                tensor(&[8, 14, 14, 4], FINE, 3),
            ],
            windows(3, 2),
        ),
        (
            "ResizeBilinearGrad",
            vec![tensor(&[2, 61, 45, 3], FINE, 1), tensor(&[2, 40, 50, 3], FINE, 2)],
            String::new(),
        ),
    ];
    for (op, inputs, attrs) in cases {
        let one = run(op, &inputs, &attrs, 1);
        for threads in [2, 3, 8] {
            let bits = |tensor: &Tensor| -> Vec<u32> {
                tensor.as_slice::<f32>().expect("floats").iter().map(|x| x.to_bits()).collect()
            };
            assert_eq!(bits(&one), bits(&run(op, &inputs, &attrs, threads)), "{op}, {threads}");
        }
    }
}

#[test]
fn gradients_of_filters_sum_over_all_pixels() {
    // Many pixels and a small filter, few and a large one.
    for ([n, h, w, c], [k, l], m, stride) in [
        ([8usize, 28, 28, 2], [5usize, 5], 4usize, 1usize),
        ([3, 30, 30, 3], [4, 6], 3, 2),
        ([1, 6, 6, 40], [3, 3], 60, 1),
    ] {
        let (p, q) = (h.div_ceil(stride), w.div_ceil(stride));
        let x = tensor(&[n, h, w, c], 8.0, 1);
        let dy = tensor(&[n, p, q, m], 8.0, 2);
        let filter = sizes(&[k as i32, l as i32, c as i32, m as i32]);
        let inputs = [x.clone(), filter, dy.clone()];
        let dw = run("Conv2DBackpropFilter", &inputs, &windows(0, stride as i64), 2);
        let (x, dy) = (x.as_slice::<f32>().expect("floats"), dy.as_slice::<f32>().expect("floats"));
        let mut expected = vec![0f32; k * l * c * m];
        let before = |size: usize, out: usize, window: usize| {
            ((out - 1) * stride + window).saturating_sub(size) / 2
        };
        let (top, left) = (before(h, p, k), before(w, q, l));
        for at in 0..n * p * q {
            let (image, row, col) = (at / (p * q), at / q % p, at % q);
            for tap in 0..k * l {
                let i = (row * stride + tap / l).checked_sub(top).filter(|i| *i < h);
                let j = (col * stride + tap % l).checked_sub(left).filter(|j| *j < w);
                let (Some(i), Some(j)) = (i, j) else { continue };
                let x = &x[((image * h + i) * w + j) * c..][..c];
                for (channel, x) in x.iter().enumerate() {
                    let sums = &mut expected[(tap * c + channel) * m..][..m];
                    let dy = &dy[at * m..][..m];
                    sums.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += x * dy);
                }
            }
        }
        assert_eq!(dw.as_slice::<f32>().expect("floats"), expected, "{h}x{w}x{c}");
    }
}
