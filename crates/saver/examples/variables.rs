//! The tutorial of variables in two programs: one changes and saves them, the other goes on from its
//! MetaGraph and its checkpoint.
//!
//! ```sh
//! variables save DIR/model.ckpt [resource] [sharded] [V1] [table]     # writes DIR/model.ckpt-1, -2 and -3
//! variables restore DIR/model.ckpt-3 OUT/model.ckpt           # adds one to v1, writes OUT/model.ckpt-4
//! ```

use std::error::Error;
use std::sync::Arc;

use flowkeep_graph::builder::{Initializer, Partitioner, Scope, TableOptions, VariableOptions};
use flowkeep_graph::file::read_meta_graph_file;
use flowkeep_graph::{Graph, ImportOptions, MetaGraph};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::{SaveOptions, Saver, SaverConfig, WriteVersion};
use flowkeep_tensor::DType;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["save", prefix, ref options @ ..] => save(prefix, options),
        ["restore", from, to] => restore(from, to),
        _ => {
            Err("usage: variables save PREFIX [resource] [sharded] [V1] [table] | restore FROM TO"
                .into())
        }
    }
}

fn save(prefix: &str, options: &[&str]) -> Result<(), Box<dyn Error>> {
    let has = |option| options.contains(&option);
    let mut scope = Scope::new();
    let own = VariableOptions::new().use_resource(has("resource"));
    let zeros = own.clone().initializer(Initializer::Zeros);
    let v1 = scope.get_variable("v1", zeros.clone().shape([3]))?;
    let v2 = scope.device("/cpu:0")?.get_variable("v2", own.clone().initializer([5.0f32, -5.0]))?;
    let parts = own.clone().shape([5, 2]).initializer(Initializer::Ones);
    scope.get_partitioned_variable("p", parts.partitioner(Partitioner::fixed_size(2, 0)))?;
    let step = scope.get_variable("global_step", own.initializer(0i64))?;

    let added = scope.assign_add(&v1, [1.0f32, 2.0, 3.0])?;
    let halved = {
        let half = scope.mul(&v2, 0.5f32)?;
        scope.assign(&v2, half)?
    };
    let counted = scope.assign_add(&step, 1i64)?;
    let mut steps = vec![added, halved, counted];
    if has("table") {
        let mut named = scope.with_op_name("ages");
        let table = named.mutable_hash_table(DType::I64, -1.0f32, TableOptions::default())?;
        drop(named);
        steps.push(scope.table_insert(&table, [3i64, 7], [30.5f32, 70.5])?);
    }
    let train = scope.with_op_name("train").group(steps)?;
    scope.add_to_collection("train_op", train);
    scope.with_op_name("init").global_variables_initializer()?;
    let write_version = if has("V1") { WriteVersion::V1 } else { WriteVersion::V2 };
    let config = SaverConfig {
        sharded: has("sharded"),
        write_version,
        max_to_keep: Some(2),
        ..SaverConfig::default()
    };
    let mut saver = Saver::new(&mut scope, config)?;

    let session = session(Arc::new(scope.into_graph()));
    session.run(&[], &[], &["init"])?;
    for _ in 0..3 {
        session.run(&[], &[], &["train"])?;
        saver.save(&session, prefix, &SaveOptions::at_step(&step))?;
    }
    Ok(())
}

fn restore(from: &str, to: &str) -> Result<(), Box<dyn Error>> {
    let def = read_meta_graph_file(from.as_ref())?;
    let meta_graph = MetaGraph::import(def, &ImportOptions::default())?;
    let mut saver = Saver::from_meta_graph(&meta_graph)?.ok_or("the meta graph has no Saver")?;
    let session = session(meta_graph.graph.clone());
    saver.restore(&session, from)?;
    let train = meta_graph.node_list("train_op").first().ok_or("there is no train_op")?;
    session.run(&[], &[], &[train])?;
    let graph = session.graph();
    let step = ["global_step/Read/ReadVariableOp:0", "global_step:0"];
    let step = step.into_iter().find(|name| graph.get_tensor_by_name(name).is_ok());
    saver.save(&session, to, &SaveOptions::at_step(step.ok_or("there is no global_step")?))?;
    Ok(())
}

fn session(graph: Arc<Graph>) -> Session {
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    Session::new(graph, SessionOptions { registry, ..SessionOptions::default() })
}
