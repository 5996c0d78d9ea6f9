//! Kernels for volumes with channels first or dilated windows, which the reference's CPU refuses: each must give what
//! the same op gives for the transposed volume, or for a filter with holes.

use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_tensor::{Shape, Tensor};

/// Small whole numbers without a pattern, whose products and sums are exact.
fn tensor(dims: [usize; 5], seed: u32) -> Tensor {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as f32 - 8.0
    };
    let values = (0..dims.iter().product::<usize>()).map(|_| next()).collect();
    Tensor::from_vec(dims, values).expect("the length fits")
}

/// The tensor with dimension `i` of the result being dimension `perm[i]`.
fn transposed(x: &Tensor, perm: [usize; 5]) -> Tensor {
    let dims: Vec<usize> = perm.iter().map(|axis| x.dims()[*axis]).collect();
    let from = x.as_slice::<f32>().expect("floats");
    let element = |at: usize| {
        let (mut rest, mut index) = (at, [0; 5]);
        for axis in (0..5).rev() {
            index[perm[axis]] = rest % dims[axis];
            rest /= dims[axis];
        }
        from[index.iter().zip(x.dims()).fold(0, |at, (i, dim)| at * dim + i)]
    };
    let values = (0..from.len()).map(element).collect();
    Tensor::from_vec(Shape::from(dims), values).expect("as many elements")
}

fn list(name: &str, values: [i64; 5]) -> String {
    let values: String = values.iter().map(|value| format!("i: {value} ")).collect();
    format!("attr {{ key: '{name}' value {{ list {{ {values} }} }} }}")
}

fn string(name: &str, value: &str) -> String {
    format!("attr {{ key: '{name}' value {{ s: '{value}' }} }}")
}

/// Runs a node of `op` on these inputs.
fn run(op: &str, inputs: &[Tensor], attrs: &str) -> Tensor {
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
    let session = Session::new(Arc::new(graph), SessionOptions::default());
    let keys: Vec<String> = names.iter().map(|name| format!("{name}:0")).collect();
    let feeds: Vec<(&str, Tensor)> =
        keys.iter().map(String::as_str).zip(inputs.iter().cloned()).collect();
    session.run(&feeds, &["y:0"], &[]).expect("the node runs").remove(0)
}

const TO_FIRST: [usize; 5] = [0, 4, 1, 2, 3];

#[test]
fn volumes_take_channels_first() {
    let x = tensor([2, 4, 5, 6, 3], 1);
    let first = transposed(&x, TO_FIRST);
    let strides = |first: bool| {
        let (list_of, format) =
            if first { ([1, 1, 2, 1, 2], "NCDHW") } else { ([1, 2, 1, 2, 1], "NDHWC") };
        [list("strides", list_of), string("padding", "SAME"), string("data_format", format)]
            .concat()
    };
    for op in ["MaxPool3D", "AvgPool3D"] {
        let last =
            run(op, std::slice::from_ref(&x), &(strides(false) + &list("ksize", [1, 2, 3, 2, 1])));
        let other = run(
            op,
            std::slice::from_ref(&first),
            &(strides(true) + &list("ksize", [1, 1, 2, 3, 2])),
        );
        assert_eq!(transposed(&last, TO_FIRST), other, "{op}");
    }
    let w = tensor([3, 2, 2, 3, 4], 2);
    let last = run("Conv3D", &[x.clone(), w.clone()], &strides(false));
    assert_eq!(
        transposed(&last, TO_FIRST),
        run("Conv3D", &[first.clone(), w.clone()], &strides(true))
    );
    let sizes = |sizes: [i32; 5]| Tensor::from_elements(sizes.to_vec());
    let back = "Conv3DBackpropInputV2";
    let dx = run(back, &[sizes([2, 4, 5, 6, 3]), w.clone(), last.clone()], &strides(false));
    let dy = transposed(&last, TO_FIRST);
    let other = run(back, &[sizes([2, 3, 4, 5, 6]), w, dy.clone()], &strides(true));
    assert_eq!(transposed(&dx, TO_FIRST), other);
    let back = "Conv3DBackpropFilterV2";
    let dw = run(back, &[x, sizes([3, 2, 2, 3, 4]), last], &strides(false));
    assert_eq!(dw, run(back, &[first, sizes([3, 2, 2, 3, 4]), dy], &strides(true)));
}

#[test]
fn gradients_of_pooled_volumes_take_channels_first() {
    let x = tensor([2, 4, 5, 6, 3], 1);
    let attrs = |first: bool| {
        let (windows, format) =
            if first { ([1, 1, 2, 1, 2], "NCDHW") } else { ([1, 2, 1, 2, 1], "NDHWC") };
        let lists = list("strides", windows) + &list("ksize", windows);
        [lists, string("padding", "SAME"), string("data_format", format)].concat()
    };
    let both = |op: &str, inputs: &[Tensor]| {
        let first: Vec<Tensor> = inputs.iter().map(|x| transposed(x, TO_FIRST)).collect();
        let last = run(op, inputs, &attrs(false));
        assert_eq!(transposed(&last, TO_FIRST), run(op, &first, &attrs(true)), "{op}");
        last
    };
    let y = both("MaxPool3D", std::slice::from_ref(&x));
    let dy = tensor([2, 2, 5, 3, 3], 2);
    let dx = both("MaxPool3DGrad", &[x.clone(), y.clone(), dy.clone()]);
    assert_eq!(both("MaxPool3DGradGrad", &[x, y, dx.clone()]).dims(), dy.dims());
    let sizes = |sizes: [i32; 5]| Tensor::from_elements(sizes.to_vec());
    let op = "AvgPool3DGrad";
    let last = run(op, &[sizes([2, 4, 5, 6, 3]), dy.clone()], &attrs(false));
    let first = run(op, &[sizes([2, 3, 4, 5, 6]), transposed(&dy, TO_FIRST)], &attrs(true));
    assert_eq!(transposed(&last, TO_FIRST), first);
}

#[test]
fn dilated_filters_are_filters_with_holes() {
    let (x, w) = (tensor([1, 5, 4, 8, 2], 3), tensor([2, 2, 2, 2, 3], 4));
    let mut holes = vec![0f32; 3 * 2 * 4 * 6];
    for (at, taps) in w.as_slice::<f32>().expect("floats").chunks_exact(6).enumerate() {
        let (plane, row, col) = (at / 4, at / 2 % 2, at % 2);
        holes[((plane * 2 * 2 + row) * 4 + col * 3) * 6..][..6].copy_from_slice(taps);
    }
    let holes = Tensor::from_vec([3, 2, 4, 2, 3], holes).expect("the length fits");
    for padding in ["SAME", "VALID"] {
        let plain = [list("strides", [1; 5]), string("padding", padding)].concat();
        let dilated = plain.clone() + &list("dilations", [1, 2, 1, 3, 1]);
        let y = run("Conv3D", &[x.clone(), holes.clone()], &plain);
        assert_eq!(run("Conv3D", &[x.clone(), w.clone()], &dilated), y);
        let of_input = Tensor::from_elements(vec![1i32, 5, 4, 8, 2]);
        let back = |w: &Tensor, attrs: &str| {
            run("Conv3DBackpropInputV2", &[of_input.clone(), w.clone(), y.clone()], attrs)
        };
        assert_eq!(back(&w, &dilated), back(&holes, &plain));
        // The gradient of a filter with holes is one with more taps.
        let sizes = |sizes: [i32; 5]| Tensor::from_elements(sizes.to_vec());
        let by_filter = |filter: [i32; 5], attrs: &str| {
            run("Conv3DBackpropFilterV2", &[x.clone(), sizes(filter), y.clone()], attrs)
        };
        let (few, all) = (by_filter([2, 2, 2, 2, 3], &dilated), by_filter([3, 2, 4, 2, 3], &plain));
        let all = all.as_slice::<f32>().expect("floats");
        for (at, taps) in few.as_slice::<f32>().expect("floats").chunks_exact(6).enumerate() {
            let (plane, row, col) = (at / 4, at / 2 % 2, at % 2);
            assert_eq!(*taps, all[((plane * 2 * 2 + row) * 4 + col * 3) * 6..][..6]);
        }
    }
}
