//! Builds a small classifier with a step that trains it, and writes its GraphDef:
//! `build_network ref|resource OUT.pb`.
//!
//! Feed `x` (`[n,4]`) and `y` (`[n,3]`, one-hot); run `init` once and `train` as often as you like; fetch
//! `probabilities`, `loss`, `accuracy`.

use flowkeep_graph::builder::{
    Axes, Initializer, MatMulOptions, Scope, Variable, VariableOptions, VariableScopeOptions,
};
use flowkeep_graph::{Error, Output};
use flowkeep_tensor::{DType, Tensor};
use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (form, path) = match (args.next().as_deref(), args.next()) {
        (Some("ref"), Some(path)) => (false, path),
        (Some("resource"), Some(path)) => (true, path),
        _ => return Err("usage: build_network ref|resource OUT.pb".into()),
    };
    let mut scope = Scope::new();
    classifier(&mut scope, form)?;
    for variable in scope.collections().variable_defs("trainable_variables", scope.graph()) {
        println(&format!("{} starts with {}", variable.variable_name, variable.initial_value_name));
    }
    let graph = scope.into_graph();
    println(&format!("{} nodes", graph.len()));
    std::fs::write(path, graph.to_graph_def().encode_to_vec())?;
    Ok(())
}

/// Two layers, of which the second one is trained.
fn classifier(scope: &mut Scope, use_resource: bool) -> Result<(), Error> {
    let x = scope.with_op_name("x").placeholder(DType::F32, [None, Some(4)])?;
    let y = scope.with_op_name("y").placeholder(DType::F32, [None, Some(3)])?;

    let mut options = VariableScopeOptions::default();
    options.defaults.use_resource = Some(use_resource);
    let (hidden, _) = {
        let mut layer = scope.variable_scope_with("hidden", options.clone())?;
        let (sum, w) = dense(&mut layer, x, [4, 8])?;
        (layer.relu(sum)?, w)
    };
    let (logits, w) = {
        let mut layer = scope.variable_scope_with("output", options)?;
        dense(&mut layer, hidden, [8, 3])?
    };
    let probabilities = scope.with_op_name("probabilities").softmax(logits)?;

    let losses = scope.softmax_cross_entropy_with_logits_v2(y, logits)?;
    scope.with_op_name("loss").reduce_mean(losses, Axes::all())?;
    let (predicted, labelled) = (scope.argmax(logits, 1)?, scope.argmax(y, 1)?);
    let correct = scope.equal(predicted, labelled)?;
    let correct = scope.cast(correct, DType::F32)?;
    scope.with_op_name("accuracy").reduce_mean(correct, Axes::all())?;

    train(scope, &w, hidden, probabilities, y)?;
    scope.global_variables_initializer()?;
    Ok(())
}

/// `x w + b`, and `w`.
fn dense(scope: &mut Scope, x: Output, shape: [usize; 2]) -> Result<(Output, Variable), Error> {
    // Weights that need no luck: they differ, and anyone can compute them.
    let n = u16::try_from(shape[0] * shape[1]).unwrap_or(0);
    let values = (0..n).map(|idx| (f32::from(idx) * 0.7).sin()).collect();
    let weights = Tensor::from_vec(shape, values).map_err(|error| Error::AttrValue {
        attr: "value".to_owned(),
        code: error.code(),
        message: error.to_string(),
    })?;
    let w = scope.get_variable("w", VariableOptions::new().initializer(weights))?;
    let zeros = VariableOptions::new().shape([shape[1]]).initializer(Initializer::Zeros);
    let b = scope.get_variable("b", zeros)?;
    let product = scope.matmul(x, &w)?;
    Ok((scope.bias_add(product, &b)?, w))
}

/// One step down the gradient of the mean loss, for the weights of the last layer.
fn train(
    scope: &mut Scope,
    w: &Variable,
    hidden: Output,
    probabilities: Output,
    y: Output,
) -> Result<(), Error> {
    let step = {
        let mut scope = scope.name_scope("gradient")?;
        let error = scope.sub(probabilities, y)?;
        let turned = MatMulOptions { transpose_a: true, ..Default::default() };
        let sum = scope.matmul_with(hidden, error, turned)?;
        let shape = scope.shape_of(y)?;
        let rows = scope.slice(shape, [0i32], [1i32])?;
        let n = scope.cast(rows, DType::F32)?;
        let mean = scope.truediv(sum, n)?;
        scope.mul(mean, 0.5f32)?
    };
    let update = scope.assign_sub(w, step)?;
    scope.with_op_name("train").group([update])?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
fn println(line: &str) {
    println!("{line}");
}
