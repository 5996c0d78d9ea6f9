//! A convolutional network that learns to read digits, from nothing: built, trained, saved and trained on.
//!
//! ```sh
//! digits train DIR/model.ckpt 100 [ref]       # trains 100 steps, writes DIR/model.ckpt-100
//! digits continue DIR/model.ckpt-100 20       # trains 20 more from what is there, writes DIR/model.ckpt-120
//! digits batches FROM N FILE                  # writes what N steps from FROM on are fed with
//! ```
//!
//! Each step prints its loss. The digits are drawn here: no two batches are the same, and step 7 has the same one
//! each time. FILE holds, for each step, all images as floats and then all labels as `i64`, little-endian.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use flowkeep_graph::builder::{
    Axes, Conv2dOptions, Initializer, Padding, PoolOptions, Scope, VariableOptions,
};
use flowkeep_graph::file::read_meta_graph_file;
use flowkeep_graph::optimizers::{Adam, Minimize, Optimizer};
use flowkeep_graph::{Graph, ImportOptions, MetaGraph, Output};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::{SaveOptions, Saver, SaverConfig};
use flowkeep_tensor::{DType, Tensor};

const BATCH: usize = 32;
const SIZE: usize = 14;
/// Five columns of seven rows for each digit, a row in the low five bits.
const GLYPHS: [[u8; 7]; 10] = [
    [0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e],
    [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e],
    [0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f],
    [0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e],
    [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02],
    [0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e],
    [0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e],
    [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
    [0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e],
    [0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c],
];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["train", prefix, n, ref rest @ ..] => train(prefix, n.parse()?, rest == ["ref"]),
        ["continue", from, n] => train_on(from, n.parse()?),
        ["batches", from, n, file] => write_batches(from.parse()?, n.parse()?, file),
        _ => {
            Err("usage: digits train PREFIX N [ref] | continue FROM N | batches FROM N FILE".into())
        }
    }
}

/// The network; gives its loss.
fn network(scope: &mut Scope) -> Result<Output, flowkeep_graph::Error> {
    let image = [None, Some(14), Some(14), Some(1)];
    let images = scope.with_op_name("images").placeholder(DType::F32, image)?;
    let labels = scope.with_op_name("labels").placeholder(DType::I64, [None])?;
    let mut x = images;
    for (name, n_in, n_out) in [("conv1", 1, 8), ("conv2", 8, 16)] {
        let mut layer = scope.variable_scope(name)?;
        let kernel = layer.get_variable("kernel", weights(&[3, 3, n_in, n_out]))?;
        let bias = layer.get_variable("bias", zeros(n_out))?;
        x = layer.conv2d(x, &kernel, Conv2dOptions::new(Padding::Same))?;
        x = layer.bias_add(x, &bias)?;
        x = layer.relu(x)?;
        x = layer.max_pool(x, PoolOptions::new([2, 2], Padding::Same))?;
    }
    x = scope.reshape(x, [-1i32, 4 * 4 * 16])?;
    for (name, n_in, n_out) in [("dense", 4 * 4 * 16, 32), ("logits", 32, 10)] {
        let mut layer = scope.variable_scope(name)?;
        let kernel = layer.get_variable("kernel", weights(&[n_in, n_out]))?;
        let bias = layer.get_variable("bias", zeros(n_out))?;
        x = layer.matmul(x, &kernel)?;
        x = layer.bias_add(x, &bias)?;
        if name == "dense" {
            x = layer.relu(x)?;
        }
    }
    let losses = scope.sparse_softmax_cross_entropy_with_logits(labels, x)?;
    let predicted = scope.argmax(x, 1)?;
    let correct = scope.equal(predicted, labels)?;
    let correct = scope.cast(correct, DType::F32)?;
    scope.with_op_name("accuracy").reduce_mean(correct, Axes::all())?;
    scope.with_op_name("loss").reduce_mean(losses, Axes::all())
}

fn weights(dims: &[usize]) -> VariableOptions {
    VariableOptions::new().shape(dims).initializer(Initializer::glorot_uniform())
}

fn zeros(length: usize) -> VariableOptions {
    VariableOptions::new().shape([length]).initializer(Initializer::Zeros)
}

fn train(prefix: &str, n_steps: u64, by_ref: bool) -> Result<(), Box<dyn Error>> {
    let mut scope = Scope::new();
    if by_ref {
        scope.disable_resource_variables();
    }
    scope.set_random_seed(Some(1));
    let loss = network(&mut scope)?;
    let step = scope.get_or_create_global_step()?;
    let rate = scope.exponential_decay(0.005, &step, 100, 0.9, false)?;
    let mut adam = Optimizer::new(Adam::new(rate));
    let minimize = Minimize { name: Some("train".to_owned()), ..Minimize::counting(&step) };
    adam.minimize(&mut scope, loss, &minimize)?;
    scope.with_op_name("init").global_variables_initializer()?;
    let mut saver = Saver::new(&mut scope, SaverConfig::default())?;

    let session = session(Arc::new(scope.into_graph()));
    session.run(&[], &[], &["init"])?;
    steps(&session, 0, n_steps)?;
    saver.save(&session, prefix, &SaveOptions::at_step(&step))?;
    Ok(())
}

fn train_on(from: &str, n_steps: u64) -> Result<(), Box<dyn Error>> {
    let def = read_meta_graph_file(from.as_ref())?;
    let meta_graph = MetaGraph::import(def, &ImportOptions::default())?;
    let mut saver = Saver::from_meta_graph(&meta_graph)?.ok_or("the meta graph has no Saver")?;
    let session = session(Arc::clone(&meta_graph.graph));
    saver.restore(&session, from)?;
    let (prefix, step) = from.rsplit_once('-').ok_or("the checkpoint has no step in its name")?;
    let step: u64 = step.parse()?;
    steps(&session, step, n_steps)?;
    saver.save(&session, prefix, &SaveOptions::at_step(i64::try_from(step + n_steps)?))?;
    Ok(())
}

/// Trains, and prints the loss of each step before it.
#[expect(clippy::print_stdout, reason = "an example that prints")]
fn steps(session: &Session, from: u64, n_steps: u64) -> Result<(), Box<dyn Error>> {
    for step in from..from + n_steps {
        let (images, labels) = batch(step)?;
        let feeds = [("images", images), ("labels", labels)];
        let got = session.run(&feeds, &["loss", "accuracy"], &["train"])?;
        let (loss, accuracy) = (got[0].as_slice::<f32>()?[0], got[1].as_slice::<f32>()?[0]);
        println!("step {step} loss {loss} accuracy {accuracy}");
    }
    Ok(())
}

/// The images and labels of a step.
fn batch(step: u64) -> Result<(Tensor, Tensor), Box<dyn Error>> {
    let mut random = Random(step.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        let digit = random.below(10);
        let (left, top) = (random.below(SIZE - 10), random.below(SIZE - 12));
        for row in 0..SIZE {
            for column in 0..SIZE {
                let ink = row >= top && column >= left && has_ink(digit, row - top, column - left);
                let noise = random.below(256) as f32 / 512.0;
                images.push(if ink { 1.0 - noise } else { noise });
            }
        }
        labels.push(digit as i64);
    }
    let images = Tensor::from_vec([BATCH, SIZE, SIZE, 1], images)?;
    Ok((images, Tensor::from_elements(labels)))
}

/// Whether a digit has ink at a point. Its own points are two wide, and twelve rows high.
fn has_ink(digit: usize, row: usize, column: usize) -> bool {
    let (row, column) = (row * 7 / 12, column / 2);
    row < 7 && column < 5 && GLYPHS[digit][row] >> (4 - column) & 1 == 1
}

/// Numbers that look random: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 33) % bound as u64) as usize
    }
}

fn write_batches(from: u64, n: u64, file: impl AsRef<Path>) -> Result<(), Box<dyn Error>> {
    let mut bytes = Vec::new();
    for step in from..from + n {
        let (images, labels) = batch(step)?;
        let images = images.as_slice::<f32>()?;
        let labels = labels.as_slice::<i64>()?;
        bytes.extend(images.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(labels.iter().flat_map(|x| x.to_le_bytes()));
    }
    Ok(std::fs::write(file, bytes)?)
}

fn session(graph: Arc<Graph>) -> Session {
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    Session::new(graph, SessionOptions { registry, ..SessionOptions::default() })
}
