//! A straight line through four points, found by gradient descent: the first program of TensorFlow's guide
//! that trains.
//!
//! ```sh
//! linear_regression [PREFIX]   # prints the weight, the bias and the loss, and saves them
//! ```

use std::error::Error;
use std::sync::Arc;

use flowkeep_graph::builder::{Axes, Scope, VariableOptions};
use flowkeep_graph::optimizers::{GradientDescent, Minimize, Optimizer};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::{SaveOptions, Saver, SaverConfig};
use flowkeep_tensor::{DType, Tensor};

const N_STEPS: usize = 1000;

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut scope = Scope::new();
    let start = |value: f32| VariableOptions::new().initializer(Tensor::from_elements(vec![value]));
    let weight = scope.get_variable("W", start(0.3))?;
    let bias = scope.get_variable("b", start(-0.3))?;
    let x = scope.with_op_name("x").placeholder(DType::F32, [None])?;
    let y = scope.with_op_name("y").placeholder(DType::F32, [None])?;
    let product = scope.mul(&weight, x)?;
    let line = scope.add(product, &bias)?;
    let distance = scope.sub(line, y)?;
    let squares = scope.square(distance)?;
    let loss = scope.with_op_name("loss").reduce_sum(squares, Axes::all())?;

    let mut optimizer = Optimizer::new(GradientDescent::new(0.01));
    let minimize = Minimize { name: Some("train".to_owned()), ..Minimize::default() };
    optimizer.minimize(&mut scope, loss, &minimize)?;
    scope.with_op_name("init").global_variables_initializer()?;
    let mut saver = Saver::new(&mut scope, SaverConfig::default())?;

    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let options = SessionOptions { registry, ..SessionOptions::default() };
    let session = Session::new(Arc::new(scope.into_graph()), options);
    session.run(&[], &[], &["init"])?;
    let points = [
        ("x", Tensor::from_elements(vec![1.0f32, 2.0, 3.0, 4.0])),
        ("y", Tensor::from_elements(vec![0.0f32, -1.0, -2.0, -3.0])),
    ];
    for _ in 0..N_STEPS {
        session.run(&points, &[], &["train"])?;
    }
    let read = [&weight, &bias].map(|v| session.graph().tensor_name(v.snapshot()).to_string());
    let values = session.run(&points, &[&read[0], &read[1], "loss"], &[])?;
    let [weight, bias, loss] = [0, 1, 2].map(|at| values[at].as_slice::<f32>().unwrap_or_default());
    println!("W: {weight:?} b: {bias:?} loss: {:e}", loss[0]);
    if let Some(prefix) = std::env::args().nth(1) {
        saver.save(&session, prefix, &SaveOptions::default())?;
    }
    Ok(())
}
