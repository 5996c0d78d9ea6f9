//! Ops from outside: definitions that are given with the registry, kernels, and what is said without them.

use std::sync::Arc;

use flowkeep_graph::{Error, Graph, ImportOptions, OpDef};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, OpRegistration, Status, op};
use flowkeep_runtime::{Registry, RunKey, Session, SessionOptions};
use flowkeep_tensor::{Code, DType, Tensor};

const POWER: &str = "
    name: 'MyPower'
    input_arg { name: 'x' type_attr: 'T' }
    output_arg { name: 'y' type_attr: 'T' }
    output_arg { name: 'n' type: DT_INT64 }
    attr { name: 'T' type: 'type' allowed_values { list { type: [DT_FLOAT, DT_DOUBLE] } } }
    attr { name: 'n' type: 'int' default_value { i: 3 } }";

struct Power(i32);

impl OpKernel for Power {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let mut x = cx.take_input(0)?;
        x.make_mut::<f32>()?.iter_mut().for_each(|x| *x = x.powi(self.0));
        cx.set_output(0, x)?;
        cx.set_output(1, Tensor::from_vec([], vec![i64::from(self.0)])?)
    }
}

fn power(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let n = i32::try_from(init.attr_int("n")?)
        .map_err(|_| Status::invalid_argument("n is too large"))?;
    Ok(Box::new(Power(n)))
}

const OPS: &[OpRegistration] = &[op("MyPower").types(&[("T", &[DType::F32])]).cpu(power)];

fn definition(text: &str) -> OpDef {
    OpDef::from_proto(&text::parse_message::<pb::OpDef>(text).unwrap())
}

fn registry() -> Registry {
    let mut registry = Registry::standard();
    registry.add(OPS);
    registry.define(definition(POWER));
    registry
}

fn import(registry: &Registry, text: &str) -> Result<Graph, Error> {
    let mut options = ImportOptions::default();
    options.op_defs = registry.op_defs().to_vec();
    Graph::import(text::parse_message(text).unwrap(), &options)
}

fn session(graph: Graph, registry: Registry) -> Session {
    Session::new(Arc::new(graph), SessionOptions { registry, ..Default::default() })
}

fn graph(dtype: &str) -> String {
    format!(
        "node {{ name: 'x' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: {dtype} }} }} }}
         node {{ name: 'y' op: 'MyPower' input: 'x' attr {{ key: 'T' value {{ type: {dtype} }} }} }}
         node {{ name: 'z' op: 'Neg' input: 'y' attr {{ key: 'T' value {{ type: {dtype} }} }} }}"
    )
}

fn x() -> Tensor {
    Tensor::from_vec([2], vec![2.0f32, -1.0]).unwrap()
}

#[test]
fn an_op_from_outside_has_types_defaults_and_a_kernel() {
    let graph = import(&registry(), &graph("DT_FLOAT")).unwrap();
    let node = graph.node(graph.node_by_name("y").unwrap());
    assert_eq!(node.attr("n").and_then(|attr| attr.as_int()), Some(3));
    assert_eq!(node.n_outputs(), Some(2));
    let session = session(graph, registry());
    let fetched = session.run(&[("x", x())], &["z", "y:1"], &[]).unwrap();
    assert_eq!(fetched[0].as_slice::<f32>().unwrap(), [-8.0, 1.0]);
    assert_eq!(fetched[1].as_slice::<i64>().unwrap(), [3]);
}

#[test]
fn an_op_from_outside_runs_in_functions() {
    let text = "
        node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
        node { name: 'call' op: 'PartitionedCall' input: 'x'
               attr { key: 'Tin' value { list { type: DT_FLOAT } } }
               attr { key: 'Tout' value { list { type: DT_FLOAT } } }
               attr { key: 'f' value { func { name: 'f' } } } }
        library { function {
            signature { name: 'f' input_arg { name: 'a' type: DT_FLOAT } output_arg { name: 'b' type: DT_FLOAT } }
            node_def { name: 'p' op: 'MyPower' input: 'a' attr { key: 'T' value { type: DT_FLOAT } }
                       attr { key: 'n' value { i: 2 } } }
            ret { key: 'b' value: 'p:y:0' } } }";
    let session = session(import(&registry(), text).unwrap(), registry());
    let fetched = session.run(&[("x", x())], &["call"], &[]).unwrap();
    assert_eq!(fetched[0].as_slice::<f32>().unwrap(), [4.0, 1.0]);
}

#[test]
fn types_are_checked_as_those_of_any_op() {
    let mixed = graph("DT_FLOAT").replace(
        "key: 'T' value { type: DT_FLOAT } } }\n         node { name: 'z'",
        "key: 'T' value { type: DT_DOUBLE } } }\n         node { name: 'z'",
    );
    let error = import(&registry(), &mixed).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let wrong = graph("DT_INT32");
    let error = import(&registry(), &wrong).unwrap_err().to_string();
    assert!(error.contains("MyPower"), "{error}");
    // Defined, but without a kernel for the type: said when it is to run.
    let session = session(import(&registry(), &graph("DT_DOUBLE")).unwrap(), registry());
    let missing = session.missing_kernels(&RunKey::new(&["x"], &["z"], &[])).unwrap();
    assert_eq!(missing.len(), 1, "{missing:?}");
}

#[test]
fn an_op_that_nobody_defines_fails_when_it_is_to_run() {
    let graph = import(&Registry::standard(), &graph("DT_FLOAT")).unwrap();
    let session = session(graph, Registry::standard());
    assert!(
        session.run(&[], &[], &["x"]).is_err_and(|error| error.code() == Code::InvalidArgument)
    );
    let error = session.run(&[("x", x())], &["z"], &[]).unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.to_string().contains("MyPower"), "{error}");
}

#[test]
fn a_name_has_one_definition() {
    let defined_twice = |second: &str| {
        let mut registry = registry();
        registry.define(definition(second));
        import(&registry, &graph("DT_FLOAT"))
    };
    assert!(defined_twice(POWER).is_ok());
    for other in [&POWER.replace("i: 3", "i: 4"), "name: 'Neg'"] {
        let error = defined_twice(other).unwrap_err();
        assert!(error.to_string().starts_with("cannot define op '"), "{error}");
    }
}
