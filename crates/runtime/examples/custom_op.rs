//! An op that TensorFlow does not have: its definition, its kernel, and a graph that uses it.
//!
//! `cargo run -p flowkeep-runtime --example custom_op`
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions, OpDef};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, OpRegistration, Status, op};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_tensor::{DType, Tensor};

/// The definition, as TensorFlow's `REGISTER_OP` would have it.
const LEAKY_CLIP: &str = "
    name: 'LeakyClip'
    input_arg { name: 'x' type_attr: 'T' }
    output_arg { name: 'y' type_attr: 'T' }
    attr { name: 'T' type: 'type' allowed_values { list { type: [DT_FLOAT, DT_DOUBLE] } } }
    attr { name: 'limit' type: 'float' default_value { f: 1 } }
    attr { name: 'slope' type: 'float' default_value { f: 0.5 } }";

/// Beyond `limit` on either side, `x` goes on with `slope`.
struct LeakyClip {
    limit: f32,
    slope: f32,
}

impl OpKernel for LeakyClip {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let mut x = cx.take_input(0)?;
        for x in x.make_mut::<f32>()? {
            let clipped = x.max(-self.limit).min(self.limit);
            *x = clipped + self.slope * (*x - clipped);
        }
        cx.set_output(0, x)
    }
}

fn leaky_clip(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(LeakyClip { limit: init.attr_float("limit")?, slope: init.attr_float("slope")? }))
}

/// The kernel is for `float` only; a session says of nodes with `double` that it has none.
const OPS: &[OpRegistration] = &[op("LeakyClip").types(&[("T", &[DType::F32])]).cpu(leaky_clip)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut registry = Registry::standard();
    registry.add(OPS);
    registry.define(OpDef::from_proto(&text::parse_message::<pb::OpDef>(LEAKY_CLIP)?));

    let mut import = ImportOptions::default();
    import.op_defs = registry.op_defs().to_vec();
    let def = text::parse_message(
        "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
         node { name: 'y' op: 'LeakyClip' input: 'x' attr { key: 'T' value { type: DT_FLOAT } }
                attr { key: 'limit' value { f: 2 } } }",
    )?;
    let graph = Arc::new(Graph::import(def, &import)?);

    let session = Session::new(graph, SessionOptions { registry, ..Default::default() });
    let x = Tensor::from_vec([4], vec![-12.0f32, -1.0, 1.5, 3.0])?;
    let y = session.run(&[("x", x)], &["y"], &[])?;
    println!("{:?}", y[0].as_slice::<f32>()?);
    assert_eq!(y[0].as_slice::<f32>()?, [-7.0, -1.0, 1.5, 2.5]);
    Ok(())
}
