//! Ops that have no method of their own.

use bytes::Bytes;
use flowkeep_graph::builder::{Operand, Scope};
use flowkeep_graph::{Attr, AttrList, Error};
use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

fn text(text: &'static str) -> Attr {
    Attr::Str(Bytes::from_static(text.as_bytes()))
}

fn types(types: &[DType]) -> Attr {
    Attr::List(AttrList::Type(types.into()))
}

fn strings(values: &[&'static str]) -> Operand {
    let values: Vec<Bytes> =
        values.iter().map(|value| Bytes::from_static(value.as_bytes())).collect();
    Tensor::from_strings([values.len()], values).unwrap().into()
}

fn shape(dims: &[usize]) -> PartialShape {
    PartialShape::from(&Shape::new(dims))
}

pub(crate) fn other_ops(scope: &mut Scope) -> Result<(), Error> {
    let x = scope.with_op_name("x").placeholder(DType::F32, [Some(2), Some(3)])?;
    let n = scope.with_op_name("n").placeholder(DType::I64, [Some(4)])?;
    scope.op("IdentityN").input_list([Operand::from(x), n.into(), 1.5f32.into()]).build()?;
    let print = scope.op("Print").input(x).input_list([Operand::from(n), "text".into()]);
    print.attr("message", text("m")).name("say").build()?;
    let element_types = types(&[DType::F32, DType::I64]);
    let shapes = Attr::List(AttrList::Shape([shape(&[2, 3]), shape(&[4])].into()));
    let queue = scope.op("FIFOQueueV2").attr("component_types", element_types.clone());
    let queue = queue.attr("shapes", shapes).name("queue").build_one()?;
    scope.op("QueueEnqueueV2").input(queue).input_list([x, n]).build()?;
    scope.op("QueueDequeueV2").input(queue).attr("component_types", element_types).build()?;
    let b = scope.constant(Tensor::scalar_string("b"))?;
    let join = scope.op("StringJoin").input_list([Operand::from("a"), b.into()]);
    join.attr("separator", text("-")).build()?;
    scope.op("Einsum").input_list([x, x]).attr("equation", text("ij,ij->i")).build()?;
    let holds = scope.constant(Tensor::scalar(true))?;
    scope.op("Assert").input(holds).input_list([x, n]).build()?;
    scope.op("ShapeN").input_list([x, x]).attr("out_type", Attr::Type(DType::I64)).build()?;
    let save = scope.op("SaveV2").input("p").input(strings(&["a", "b"])).input(strings(&["", ""]));
    save.input_list([x, n]).build()?;
    let restore = scope.op("RestoreV2").input("p").input(strings(&["a"])).input(strings(&[""]));
    restore.attr("dtypes", types(&[DType::F32])).build()?;
    let image = scope.zeros(&Shape::from([1, 2, 2, 4]), DType::F32)?;
    let lrn = scope.op("LRN").input(image).attr("depth_radius", Attr::Int(2));
    lrn.attr("bias", Attr::Float(1.0)).attr("alpha", Attr::Float(0.5)).build()?;
    let boundaries = Attr::List(AttrList::Float([0.0, 1.0].into()));
    scope.op("Bucketize").input(x).attr("boundaries", boundaries).build()?;
    let none = Tensor::from_strings([0], Vec::new()).unwrap();
    let serialized = scope.placeholder(DType::String, [None])?;
    let names = scope.constant(none.clone())?;
    let sparse_keys = scope.constant(none.clone())?;
    let ragged_keys = scope.constant(none)?;
    let default = scope.constant(Tensor::from_elements(vec![0.0f32]))?;
    let parse = scope.op("ParseExampleV2").input(serialized).input(names).input(sparse_keys);
    let parse = parse.input(strings(&["d"])).input(ragged_keys).input_list([default]);
    parse
        .attr("num_sparse", Attr::Int(0))
        .attr("sparse_types", Attr::List(AttrList::Empty))
        .attr("ragged_value_types", Attr::List(AttrList::Empty))
        .attr("ragged_split_types", Attr::List(AttrList::Empty))
        .attr("dense_shapes", Attr::List(AttrList::Shape([shape(&[1])].into())))
        .build()?;
    let condition = scope.constant(Tensor::from_elements(vec![true, false]))?;
    scope.op("Where").input(condition).build()?;
    Ok(())
}
