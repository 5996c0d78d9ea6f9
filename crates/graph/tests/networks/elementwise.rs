//! Ops that work element by element.

use flowkeep_graph::builder::{Operand, Scope, VariableOptions};
use flowkeep_graph::{Error, Output};
use flowkeep_tensor::{DType, Tensor};

type Unary = fn(&mut Scope, Output) -> Result<Output, Error>;
type Binary = fn(&mut Scope, Operand, Operand) -> Result<Output, Error>;

const UNARY: &[Unary] = &[
    Scope::abs,
    Scope::ceil,
    Scope::elu,
    Scope::exp,
    Scope::floor,
    Scope::identity,
    Scope::log,
    Scope::log1p,
    Scope::neg,
    Scope::relu,
    Scope::relu6,
    Scope::rsqrt,
    Scope::selu,
    Scope::sigmoid,
    Scope::sign,
    Scope::softplus,
    Scope::softsign,
    Scope::sqrt,
    Scope::square,
    Scope::stop_gradient,
    Scope::tanh,
];

const BINARY: &[Binary] = &[
    Scope::equal,
    Scope::floor_div,
    Scope::floor_mod,
    Scope::greater,
    Scope::greater_equal,
    Scope::less,
    Scope::less_equal,
    Scope::maximum,
    Scope::minimum,
    Scope::mul,
    Scope::not_equal,
    Scope::pow,
    Scope::squared_difference,
    Scope::sub,
    Scope::add,
    Scope::div,
    Scope::truediv,
];

pub(crate) fn elementwise(scope: &mut Scope) -> Result<(), Error> {
    let x = scope.with_op_name("x").placeholder(DType::F32, [None, Some(3)])?;
    let y = scope.with_op_name("y").placeholder(DType::F32, [Some(3)])?;
    let p = scope.with_op_name("p").placeholder(DType::Bool, [None, Some(3)])?;
    let n = scope.with_op_name("n").placeholder(DType::I32, [Some(3)])?;
    for op in UNARY {
        op(scope, x)?;
        op(&mut scope.with_op_name("own"), x)?;
    }
    scope.logical_not(p)?;
    for op in BINARY {
        op(scope, x.into(), y.into())?;
        op(scope, x.into(), 2.0f32.into())?;
        op(&mut scope.with_op_name("named"), 3.0f32.into(), y.into())?;
    }
    scope.logical_and(p, p)?;
    scope.logical_or(p, true)?;
    scope.div(n, 2i32)?;
    scope.truediv(n, [1i32, 2, 3])?;
    let letter = scope.constant(Tensor::from_strings([1], vec!["a".into()]).unwrap())?;
    scope.add(letter, "b")?;
    scope.select(p, x, x)?;
    scope.select_v2(p, x, y)?;
    scope.leaky_relu(x, 0.1)?;
    scope.cast(n, DType::I32)?;
    scope.cast(n, DType::F16)?;
    scope.cast([1i32, 2], DType::F32)?;
    scope.add_n([x])?;
    scope.with_op_name("one").add_n([x])?;
    scope.add_n([x, x, x])?;
    scope.softmax(x)?;
    scope.with_op_name("log").log_softmax(x)?;
    let variable = VariableOptions::new().initializer([1.0f32]).use_resource(true);
    let read = scope.with_op_name("v").variable(variable)?;
    scope.add(&read, 1.0f32)?;
    scope.relu(&read)?;
    let value = scope.identity(&read)?;
    scope.softmax(value)?;
    Ok(())
}
