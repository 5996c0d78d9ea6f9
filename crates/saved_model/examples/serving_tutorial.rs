//! The programs of the first tutorials on SavedModels: one program saves a network with a signature,
//! another one finds its tensors by the keys of the signature, feeds and runs them; the same in one
//! call; and two models side by side, each in a graph and a session of its own.
//!
//! ```sh
//! serving_tutorial save DIR                   # `input_x` and `keep_prob` give `output`
//! serving_tutorial run DIR 0.5 1 2 -1         # feeds three numbers
//! serving_tutorial simple_save DIR            # the network in one call, with `x` and `y`
//! serving_tutorial two DIR OTHER_DIR          # `x` of both through `y`
//! ```
//!
//! With `ref` behind `save` and `simple_save`, variables are references, as in TensorFlow 1.

use std::error::Error;
use std::sync::Arc;

use flowkeep_graph::Output;
use flowkeep_graph::builder::{Operand, Scope, VariableOptions};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::{
    LoadOptions, MetaGraphOptions, SavedModelBuilder, SavedModelBundle, SignatureTensor, constants,
    get_tensor_from_tensor_info, predict_signature_def, simple_save,
};
use flowkeep_tensor::{DType, Tensor};

const SIGNATURE: &str = "test_signature";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["save", dir] => save(dir, true),
        ["save", dir, "ref"] => save(dir, false),
        ["run", dir, ref numbers @ ..] => run(dir, numbers),
        ["simple_save", dir] => save_simply(dir, true),
        ["simple_save", dir, "ref"] => save_simply(dir, false),
        ["two", dir, other_dir] => two(dir, other_dir),
        _ => Err("usage: serving_tutorial save|simple_save DIR [ref] | run DIR NUMBER.. | two DIR OTHER_DIR".into()),
    }
}

/// A network: its input, the probability that a hidden unit is kept, and its output.
struct Network {
    scope: Scope,
    x: Output,
    keep_prob: Output,
    y: Output,
}

impl Network {
    fn new(use_resource: bool) -> Result<Network, Box<dyn Error>> {
        let mut scope = Scope::new();
        let x = scope.with_op_name("x").placeholder(DType::F32, [None])?;
        let keep_prob = scope.with_op_name("keep_prob").placeholder_with_default(1.0f32, [])?;
        let options = VariableOptions::new().use_resource(use_resource);
        let w =
            scope.with_op_name("w").variable(options.clone().initializer([1.0f32, 2.0, 3.0]))?;
        let b = scope.with_op_name("b").variable(options.initializer(0.5f32))?;
        let x_column = scope.expand_dims(x, 1)?;
        let hidden = scope.mul(x_column, &w)?;
        let hidden = dropout(&mut scope, hidden, keep_prob)?;
        let sum = scope.reduce_sum(hidden, flowkeep_graph::builder::Axes::of([1]))?;
        let y = scope.with_op_name("y").add(sum, &b)?;
        Ok(Network { scope, x, keep_prob, y })
    }

    /// A session in which the variables have their first values.
    fn session(&mut self) -> Result<Session, Box<dyn Error>> {
        let init = self.scope.with_op_name("init").global_variables_initializer()?;
        let name = self.scope.graph().node(init).name().to_owned();
        let graph = Arc::new(self.scope.graph().clone());
        let session = Session::new(graph, SessionOptions::default());
        session.run(&[], &[], &[&name])?;
        Ok(session)
    }
}

/// Sets units to zero at random, as `tf.nn.dropout` of TensorFlow 1.
fn dropout(
    scope: &mut Scope,
    x: impl Into<Operand>,
    keep_prob: Output,
) -> Result<Output, Box<dyn Error>> {
    let x = x.into();
    let mut scope = scope.name_scope("dropout")?;
    let shape = scope.shape_of(x.clone())?;
    let uniform = scope.op("RandomUniform").input(shape);
    let uniform = uniform.attr("dtype", flowkeep_graph::Attr::Type(DType::F32)).build_one()?;
    let sum = scope.add(keep_prob, uniform)?;
    let kept = scope.floor(sum)?;
    let scaled = scope.truediv(x, keep_prob)?;
    Ok(scope.mul(scaled, kept)?)
}

fn save(dir: &str, use_resource: bool) -> Result<(), Box<dyn Error>> {
    let mut network = Network::new(use_resource)?;
    let session = network.session()?;
    let Network { scope, x, keep_prob, y } = &mut network;
    let inputs = [("input_x", *x), ("keep_prob", *keep_prob)];
    let signature = predict_signature_def(scope, inputs, [("output", *y)])?;
    let options = MetaGraphOptions::default().signature(SIGNATURE, signature);
    let mut builder = SavedModelBuilder::new(dir)?;
    builder.add_meta_graph_and_variables(scope, &session, &["test_saved_model"], options)?;
    builder.save(false)?;
    Ok(())
}

/// Finds tensors by their keys, and runs them in the session of the loaded model.
fn run(dir: &str, numbers: &[&str]) -> Result<(), Box<dyn Error>> {
    let bundle = SavedModelBundle::load(dir, &["test_saved_model"], LoadOptions::default())?;
    let signature = bundle.signature(SIGNATURE)?;
    let session = bundle.session();
    let name = |info| -> Result<String, Box<dyn Error>> {
        match get_tensor_from_tensor_info(info, session.graph(), None)? {
            SignatureTensor::Dense(tensor) => Ok(session.graph().tensor_name(tensor).to_string()),
            _ => Err("not a dense tensor".into()),
        }
    };
    let x_name = name(&signature.inputs["input_x"])?;
    let keep_prob_name = name(&signature.inputs["keep_prob"])?;
    let y_name = name(&signature.outputs["output"])?;

    let x: Vec<f32> = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let x = Tensor::from_vec([x.len()], x)?;
    let feeds = [(&*x_name, x), (&*keep_prob_name, Tensor::scalar(1.0f32))];
    let y = session.run(&feeds, &[&y_name], &[])?;
    print(&y_name, &y[0])
}

fn save_simply(dir: &str, use_resource: bool) -> Result<(), Box<dyn Error>> {
    let mut network = Network::new(use_resource)?;
    let session = network.session()?;
    let Network { scope, x, y, .. } = &mut network;
    simple_save(scope, &session, dir, [("x", *x)], [("y", *y)], None)?;
    Ok(())
}

/// Each bundle has a graph and a session of its own, so that equal names do no harm.
fn two(dir: &str, other_dir: &str) -> Result<(), Box<dyn Error>> {
    let load =
        |dir: &str| SavedModelBundle::load(dir, &[constants::SERVING], LoadOptions::default());
    let bundles = [load(dir)?, load(other_dir)?];
    let mut x = Tensor::from_vec([2], vec![1.0f32, 10.0])?;
    for bundle in &bundles {
        let mut outputs = bundle.call(constants::DEFAULT_SERVING_SIGNATURE_DEF_KEY, &[("x", x)])?;
        let (key, y) = outputs.remove(0);
        print(&key, &y)?;
        x = y;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn print(name: &str, tensor: &Tensor) -> Result<(), Box<dyn Error>> {
    println!("{name} : {:?}", tensor.as_slice::<f32>()?);
    Ok(())
}
