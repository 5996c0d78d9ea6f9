//! Goes on with a training that TensorFlow has begun, and saves.
//!
//! ```sh
//! train DIR/model.ckpt-10 BATCHES STEPS OUT     # prints the loss of each step, saves in OUT
//! ```
//!
//! The MetaGraph lies beside the checkpoint; its train op is in the collection `train_op`, its loss is
//! called `loss`. BATCHES is another checkpoint, with a tensor for each placeholder, whose first axis
//! counts steps. `flowkeep train` has more to choose from, and reads batches from `.npz` files.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::BundleReader;
use flowkeep_graph::file::read_meta_graph_file;
use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::Saver;
use flowkeep_saver::train::{StackedBatches, TrainEvent, TrainOptions, train};

#[expect(clippy::print_stdout, reason = "a program whose result is what it prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [prefix, batches, steps, out] = &args[..] else {
        return Err("usage: train PREFIX BATCHES STEPS OUT".into());
    };
    let def = read_meta_graph_file(prefix.as_ref())?;
    let meta_graph = MetaGraph::import(def, &ImportOptions::default())?;
    let mut saver = Saver::from_meta_graph(&meta_graph)?.ok_or("the meta graph has no Saver")?;
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let options = SessionOptions { registry, ..SessionOptions::default() };
    let session = Session::new(Arc::clone(&meta_graph.graph), options);

    let train_op = meta_graph.node_list("train_op").first().ok_or("there is no train_op")?;
    let mut options = TrainOptions::of(train_op.as_str(), steps.parse()?);
    options.fetches = vec!["loss:0".to_owned()];
    options.checkpoint = Some(prefix.into());
    options.model_dir = Some(out.into());
    let mut batches = stacked(batches.as_ref())?;
    train(&session, &mut saver, &options, &mut batches, &mut |event| {
        if let TrainEvent::Step { step, values: [loss], .. } = event {
            println!("{step} {:?}", loss.to_scalar::<f32>().unwrap_or(f32::NAN));
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// The batches of a checkpoint.
fn stacked(prefix: &Path) -> Result<StackedBatches, Box<dyn Error>> {
    let reader = BundleReader::open(prefix)?;
    let keys: Vec<String> = reader.keys().map(|key| key.to_string()).collect();
    let tensors = keys.into_iter().map(|key| Ok((key.clone(), reader.tensor(&key)?)));
    Ok(StackedBatches::new(tensors.collect::<Result<_, flowkeep_bundle::Error>>()?)?)
}
