//! The text format of large graphs: read into wire form and into messages, and printed. Beside it
//! what its parts cost: copying the text, and decoding and encoding the message.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_proto::{pb, text};
use prost::Message;

/// Nodes of the graph.
const N_NODES: usize = 50_000;
/// Bytes of the constant that is written with escapes.
const N_BYTES: usize = 4 << 20;
/// Elements of the constant that is written as numbers.
const N_FLOATS: usize = 500_000;

fn hash(i: usize) -> u32 {
    u32::try_from(i & 0xffff_ffff).expect("masked").wrapping_mul(2_654_435_761).rotate_left(13)
}

/// A weight as training leaves it: between -1 and 1, all bits in use.
fn weight(i: usize) -> f32 {
    (f64::from(hash(i)) / 2_147_483_648.0 - 1.0) as f32
}

fn attr(value: Value) -> pb::AttrValue {
    pb::AttrValue { value: Some(value) }
}

fn float() -> pb::AttrValue {
    attr(Value::Type(pb::DataType::DtFloat.into()))
}

fn constant(name: &str, tensor: pb::TensorProto) -> pb::NodeDef {
    pb::NodeDef {
        name: name.to_owned(),
        op: "Const".to_owned(),
        attr: BTreeMap::from([
            ("dtype".to_owned(), float()),
            ("value".to_owned(), attr(Value::Tensor(Box::new(tensor)))),
        ]),
        ..Default::default()
    }
}

fn shape(n: usize) -> pb::TensorShapeProto {
    let dim = pb::tensor_shape_proto::Dim { size: n as i64, name: String::new() };
    pb::TensorShapeProto { dim: vec![dim], unknown_rank: false }
}

/// Layers that add, multiply and reshape, as an exporter names them.
fn nodes() -> pb::GraphDef {
    let node = |i: usize| {
        let op = ["AddV2", "MatMul", "Relu", "Conv2D", "Reshape"][i % 5];
        let name = |i: usize| format!("model/block_{}/layer_{}/{}", i / 50, i % 50, i);
        let mut attrs = BTreeMap::from([("T".to_owned(), float())]);
        if op == "MatMul" {
            attrs.insert("transpose_a".to_owned(), attr(Value::B(false)));
            attrs.insert("transpose_b".to_owned(), attr(Value::B(true)));
        }
        if op == "Conv2D" {
            attrs.insert("data_format".to_owned(), attr(Value::S("NHWC".into())));
            let list = pb::attr_value::ListValue { i: vec![1, 1, 1, 1], ..Default::default() };
            attrs.insert("strides".to_owned(), attr(Value::List(Box::new(list))));
        }
        pb::NodeDef {
            name: name(i),
            op: op.to_owned(),
            input: (1..=2).map(|back| name(i.saturating_sub(back))).collect(),
            device: "/job:localhost/replica:0/task:0/device:CPU:0".to_owned(),
            attr: attrs,
            ..Default::default()
        }
    };
    pb::GraphDef { node: (0..N_NODES).map(node).collect(), ..Default::default() }
}

/// One constant whose elements are bytes.
fn tensor_content() -> pb::GraphDef {
    let content: Vec<u8> = (0..N_BYTES / 4).flat_map(|i| weight(i).to_le_bytes()).collect();
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtFloat.into(),
        tensor_shape: Some(shape(N_BYTES / 4)),
        tensor_content: content.into(),
        ..Default::default()
    };
    pb::GraphDef { node: vec![constant("kernel", tensor)], ..Default::default() }
}

/// One constant whose elements are numbers.
fn float_val() -> pb::GraphDef {
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtFloat.into(),
        tensor_shape: Some(shape(N_FLOATS)),
        float_val: (0..N_FLOATS).map(weight).collect(),
        ..Default::default()
    };
    pb::GraphDef { node: vec![constant("kernel", tensor)], ..Default::default() }
}

fn text_format(c: &mut Criterion) {
    let mut graph = nodes();
    graph.node.extend(tensor_content().node);
    let cases = [
        ("nodes", nodes()),
        ("tensor_content", tensor_content()),
        ("nodes and tensor_content", graph),
        ("float_val", float_val()),
    ];
    for (name, graph) in cases {
        let printed = text::print_message(&graph).expect("a graph prints");
        let wire = graph.encode_to_vec();
        assert!(text::parse_message::<pb::GraphDef>(&printed).expect("what was printed") == graph);

        let mut group = c.benchmark_group(format!("text_format/{name}"));
        group.sample_size(10).measurement_time(Duration::from_secs(3));
        group.throughput(Throughput::Bytes(printed.len() as u64));
        group.bench_function("parse", |b| {
            b.iter(|| text::parse("tensorflow.GraphDef", black_box(&printed)).expect("sound").len())
        });
        group.bench_function("parse_message", |b| {
            b.iter(|| {
                text::parse_message::<pb::GraphDef>(black_box(&printed)).expect("sound").node.len()
            })
        });
        group.bench_function("print", |b| {
            b.iter(|| text::print("tensorflow.GraphDef", black_box(&wire)).expect("sound").len())
        });
        group.bench_function("print_message", |b| {
            b.iter(|| text::print_message(black_box(&graph)).expect("sound").len())
        });
        group.bench_function("machine: copy of the text", |b| {
            b.iter(|| black_box(black_box(&printed).clone()).len())
        });
        group.bench_function("prost: decode", |b| {
            b.iter(|| pb::GraphDef::decode(black_box(wire.as_slice())).expect("sound").node.len())
        });
        group.bench_function("prost: encode", |b| {
            b.iter(|| black_box(&graph).encode_to_vec().len())
        });
        group.finish();
    }
}

criterion_group!(benches, text_format);
criterion_main!(benches);
