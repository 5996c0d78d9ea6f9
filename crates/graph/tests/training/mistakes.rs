//! What cannot be, in the order of `fixtures/optimizers/generate.py`.

use flowkeep_graph::builder::{Initializer, Scope, Variable, VariableOptions};
use flowkeep_graph::optimizers::{
    Adagrad, AdagradDa, Adam, ExponentialMovingAverage, Ftrl, Minimize, Optimizer, ProximalAdagrad,
};
use flowkeep_graph::{Error, Output};
use flowkeep_tensor::DType;

type Mistake = fn(&mut Scope) -> Result<(), Error>;

pub(crate) const MISTAKES: [Mistake; 15] = [
    |scope| applied(scope, Adam::default(), &[]),
    |scope| {
        let w = variable(scope, "w", &[4, 3], DType::F32, false)?;
        let r = variable(scope, "r", &[2], DType::F32, true)?;
        applied(scope, Adam::default(), &[w, r])
    },
    |scope| {
        variable(scope, "w", &[4, 3], DType::F32, true)?;
        let x = scalar(scope, DType::F32)?;
        minimized(scope, x)
    },
    |scope| {
        let x = scalar(scope, DType::F32)?;
        minimized(scope, x)
    },
    |scope| {
        variable(scope, "w", &[4, 3], DType::F32, true)?;
        let x = scalar(scope, DType::I32)?;
        minimized(scope, x)
    },
    |scope| applied(scope, Adagrad { initial_accumulator_value: 0.0, ..Adagrad::new(0.1) }, &[]),
    |scope| {
        let kind = ProximalAdagrad { initial_accumulator_value: -0.5, ..ProximalAdagrad::new(0.1) };
        applied(scope, kind, &[])
    },
    |scope| {
        let step = scope.get_or_create_global_step()?;
        let kind = AdagradDa {
            initial_gradient_squared_accumulator_value: -1.0,
            ..AdagradDa::new(0.1, &step)
        };
        applied(scope, kind, &[])
    },
    |scope| applied(scope, Ftrl { learning_rate_power: 0.5, ..Ftrl::new(0.1) }, &[]),
    |scope| {
        let kind = Ftrl { l2_shrinkage_regularization_strength: -0.25, ..Ftrl::new(0.1) };
        applied(scope, kind, &[])
    },
    |scope| applied(scope, Optimizer::new(Adam::default()).named(""), &[]),
    |scope| {
        scope.create_global_step()?;
        scope.create_global_step().map(|_| ())
    },
    |scope| {
        step(scope, &[], DType::F32, false)?;
        scope.get_global_step().map(|_| ())
    },
    |scope| {
        step(scope, &[2], DType::I64, true)?;
        scope.get_global_step().map(|_| ())
    },
    |scope| {
        let i = variable(scope, "i", &[4, 3], DType::I32, true)?;
        ExponentialMovingAverage::new(0.5).apply(scope, Some(&[i])).map(|_| ())
    },
];

fn options(dims: &[usize], dtype: DType, use_resource: bool) -> VariableOptions {
    let options = VariableOptions::new().shape(dims).dtype(dtype).use_resource(use_resource);
    options.initializer(Initializer::Zeros)
}

fn variable(
    scope: &mut Scope,
    name: &str,
    dims: &[usize],
    dtype: DType,
    use_resource: bool,
) -> Result<Variable, Error> {
    scope.get_variable(name, options(dims, dtype, use_resource))
}

fn step(
    scope: &mut Scope,
    dims: &[usize],
    dtype: DType,
    use_resource: bool,
) -> Result<Variable, Error> {
    let options = options(dims, dtype, use_resource).collections(["variables", "global_step"]);
    scope.get_variable("global_step", options)
}

fn scalar(scope: &mut Scope, dtype: DType) -> Result<Output, Error> {
    scope.with_op_name("x").placeholder(dtype, [])
}

fn applied(
    scope: &mut Scope,
    kind: impl Into<Optimizer>,
    variables: &[Variable],
) -> Result<(), Error> {
    let gradients: Vec<_> = variables.iter().map(|variable| (None, variable.clone())).collect();
    Optimizer::new(kind).apply_gradients(scope, &gradients, None, None).map(|_| ())
}

fn minimized(scope: &mut Scope, loss: Output) -> Result<(), Error> {
    let mut adam = Optimizer::new(Adam::default());
    adam.minimize(scope, loss, &Minimize::default()).map(|_| ())
}
