//! Restores a checkpoint by the graph of a Saver, and saves it again: `save_again MODEL.meta FROM TO`.

use std::error::Error;

use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_proto::pb;
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_tensor::Tensor;
use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [meta, from, to] =
        <[String; 3]>::try_from(args).map_err(|_| "usage: save_again MODEL.meta FROM TO")?;

    let def = pb::MetaGraphDef::decode(&std::fs::read(meta)?[..])?;
    let meta_graph = MetaGraph::import(def, &ImportOptions::default())?;
    let saver = meta_graph.saver_def.ok_or("the meta graph has no Saver")?;

    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let options = SessionOptions { registry, ..SessionOptions::default() };
    let session = Session::new(meta_graph.graph, options);

    let filename = saver.filename_tensor_name.as_str();
    session.run(&[(filename, Tensor::scalar_string(from))], &[], &[&saver.restore_op_name])?;
    session.run(&[(filename, Tensor::scalar_string(to))], &[&saver.save_tensor_name], &[])?;
    Ok(())
}
