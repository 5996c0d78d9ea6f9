//! Shapes, parts and reductions of tensors; constants.

use flowkeep_graph::Error;
use flowkeep_graph::builder::{Axes, MatMulOptions, Operand, Scope, VariableOptions};
use flowkeep_tensor::{Complex, DType, PartialShape, Shape, Tensor, bf16, f16};

fn matrix<T: flowkeep_tensor::Element>(rows: usize, values: Vec<T>) -> Tensor {
    let columns = values.len() / rows;
    Tensor::from_vec([rows, columns], values).unwrap()
}

pub(crate) fn arrays(scope: &mut Scope) -> Result<(), Error> {
    let x = scope.with_op_name("x").placeholder(DType::F32, [None, Some(3)])?;
    let known = [Some(2), Some(3), Some(4)];
    let known = scope.with_op_name("known").placeholder(DType::F32, known)?;
    let any = PartialShape::unknown();
    let unknown = scope.with_op_name("unknown").placeholder_of(DType::F32, any)?;
    let n = scope.with_op_name("n").placeholder(DType::I32, [])?;
    let row = matrix(1, vec![1.0f32, 2.0, 3.0]);
    scope.placeholder_with_default(row, [None, Some(3)])?;
    let two = scope.constant(Tensor::scalar(2i32))?;
    scope.with_op_name("count").placeholder_with_default(two, [])?;
    scope.reshape(x, [-1i32])?;
    scope.with_op_name("flat").reshape(known, [4i32, -1])?;
    scope.reshape(x, Operand::packed([n.into(), 3i32.into()]))?;
    let sizes = scope.stack([Operand::from(3i32), n.into()], 0)?;
    scope.reshape(x, sizes)?;
    scope.reshape(unknown, [-1i32, 2])?;
    scope.transpose_all(known)?;
    scope.transpose(known, [2i32, 0, 1])?;
    scope.with_op_name("turned").transpose_all(x)?;
    scope.expand_dims(x, 0)?;
    scope.expand_dims(known, -1)?;
    let column = scope.expand_dims(x, 2)?;
    scope.squeeze(column, &[])?;
    scope.squeeze(column, &[2])?;
    let thin = scope.placeholder(DType::F32, [Some(1), Some(5), Some(1)])?;
    scope.with_op_name("thin").squeeze(thin, &[])?;
    scope.shape_of(known)?;
    let shape = scope.shape_of(x)?;
    scope.with_op_name("shape").shape_of(unknown)?;
    scope.rank(x)?;
    scope.rank(unknown)?;
    scope.size(known)?;
    scope.size(x)?;
    scope.zeros_like(known)?;
    scope.zeros_like(x)?;
    scope.zeros(&Shape::from([3]), DType::F32)?;
    scope.zeros(&Shape::from([40, 50]), DType::F32)?;
    scope.with_op_name("ones_of_ints").ones(&Shape::from([2]), DType::I32)?;
    scope.zeros(&Shape::from([2]), DType::String)?;
    scope.zeros(&Shape::from([2]), DType::Bool)?;
    let indices = scope.placeholder(DType::I64, [None])?;
    scope.one_hot(indices, 10, DType::F32)?;
    scope.pad(x, &[[0, 0], [1, 2]])?;
    scope.concat([x, x], 1)?;
    let zeros = scope.zeros(&Shape::from([1, 3]), DType::F32)?;
    scope.with_op_name("rows").concat([x, zeros], 0)?;
    scope.concat([x], 0)?;
    scope.concat([Operand::from([1.0f32]), [2.0f32, 3.0].into()], 0)?;
    scope.stack([x, x], 1)?;
    scope.with_op_name("sizes").stack([Operand::from(n), 3i32.into(), n.into()], 0)?;
    let slices = scope.unstack(known, 0)?;
    scope.split(known, 2, 2)?;
    scope.with_op_name("columns").split(x, 3, 1)?;
    scope.gather(known, [0i32, 1, 1], 0)?;
    let indices = scope.placeholder(DType::I32, [None, Some(2)])?;
    scope.gather(known, indices, 1)?;
    let table = |use_resource| VariableOptions::new().shape([10, 4]).use_resource(use_resource);
    let by_handle = scope.get_variable("table", table(true))?;
    scope.gather(&by_handle, [1i32, 2], 0)?;
    scope.gather(&by_handle, matrix(1, vec![0i32]), 1)?;
    let by_ref = scope.get_variable("old", table(false))?;
    scope.gather(&by_ref, [1i32, 2], 0)?;
    scope.slice(known, [0i32, 1, 0], [-1i32, 2, 3])?;
    scope.slice(shape, [0i32], [1i32])?;
    scope.tile(x, [2i32, 1])?;
    let turned = MatMulOptions { transpose_b: true, ..Default::default() };
    scope.matmul_with(slices[0], slices[1], turned)?;
    let turned = MatMulOptions { transpose_a: true, ..Default::default() };
    scope.matmul_with(known, known, turned)?;
    scope.with_op_name("batches").matmul(x, unknown)?;
    scope.argmax(known, 2)?;
    scope.with_op_name("least").argmin(x, 0)?;
    scope.range(0i32, 3i32, 1i32)?;
    scope.range(1i32, n, 2i32)?;
    scope.with_op_name("quarters").range(0.0f32, 1.0f32, 0.25f32)?;
    let reductions = [
        Scope::reduce_sum,
        Scope::reduce_mean,
        Scope::reduce_max,
        Scope::reduce_min,
        Scope::reduce_prod,
    ];
    for reduce in reductions {
        reduce(scope, known, Axes::all())?;
        reduce(scope, known, 1.into())?;
        reduce(scope, known, Axes::of([0, 2]).keep_dims())?;
        reduce(&mut scope.with_op_name("last"), x, Axes::from(-1))?;
        reduce(scope, unknown, Axes::all())?;
    }
    let same = scope.equal(x, x)?;
    scope.reduce_all(same, Axes::all())?;
    let same = scope.equal(x, x)?;
    scope.reduce_any(same, 0)?;
    scope.constant(Tensor::scalar(7i32))?;
    scope.with_op_name("one").constant(Tensor::from_elements(vec![1.5f32]))?;
    scope.constant(matrix(2, vec![1i64, 2, 3, 4]))?;
    scope.constant(Tensor::from_strings([2], vec!["a".into(), "bc".into()]).unwrap())?;
    scope.constant(Tensor::from_elements(vec![true, false]))?;
    scope.constant(Tensor::from_elements(vec![1u16, 2]))?;
    scope.constant(Tensor::scalar(f16::from_f32(1.5)))?;
    scope.constant(Tensor::from_elements(vec![bf16::from_f32(1.5), bf16::from_f32(2.5)]))?;
    scope.constant(Tensor::from_elements(vec![Complex { re: 1.0f64, im: 2.0 }]))?;
    scope.constant(Tensor::from_vec([0, 2], Vec::<f32>::new()).unwrap())?;
    Ok(())
}
