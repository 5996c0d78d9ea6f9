//! The nodes by which a Saver saves and restores, as `tf.compat.v1.train.Saver` adds them to a graph.
//!
//! Modules in reading order: `var_list` (what a user asks to be saved), `saveable` (what that means
//! under which keys), `naming` (from the one to the other), `text` (what TensorFlow's messages print),
//! `save_ops`, `restore_ops` (the nodes), `initializer` (variables that start with what a checkpoint has).

mod initializer;
mod naming;
mod restore_ops;
mod save_ops;
mod saveable;
mod text;
mod var_list;

use flowkeep_graph::builder::{DeviceSpec, Scope};
use flowkeep_graph::{NodeId, Output};
use flowkeep_proto::pb;

use crate::Error;
use crate::saver::{SaverBuilder, SaverConfig};

pub(crate) use self::initializer::checkpoint_initializer;
pub(crate) use self::text::python_shape;
pub use self::var_list::{SaveItem, VarList};

use self::saveable::Saveable;

/// How the nodes of a Saver are to be.
struct Plan<'a> {
    config: &'a SaverConfig,
    filename: Output,
    bulk: bool,
}

/// Adds the nodes of a Saver for `var_list`, and says which of them are to be fed, fetched and run.
pub(crate) fn build(
    scope: &mut Scope,
    var_list: &VarList,
    config: &SaverConfig,
) -> Result<pb::SaverDef, Error> {
    let saveables = naming::saveables(scope, var_list)?;
    let mut scope = scope.name_scope(config.name.as_deref().unwrap_or("save"))?;
    let model = config.filename.as_deref().filter(|name| !name.is_empty()).unwrap_or("model");
    let filename = scope.with_op_name("filename").placeholder_with_default(model, [])?;
    let filename = scope.with_op_name("Const").placeholder_with_default(filename, [])?;
    let plan = Plan { config, filename, bulk: config.builder == SaverBuilder::Bulk };
    let (saved, restored) = if config.sharded {
        let shards = by_device(&saveables)?;
        (plan.save_sharded(&mut scope, &shards)?, plan.restore_sharded(&mut scope, &shards)?)
    } else {
        let all: Vec<&Saveable> = saveables.iter().collect();
        (plan.save(&mut scope, filename, &all)?, plan.restore(&mut scope, &all, "restore_all")?)
    };
    Ok(saver_def(&scope, config, (filename, saved, restored)))
}

fn saver_def(
    scope: &Scope,
    config: &SaverConfig,
    (filename, saved, restored): (Output, Output, NodeId),
) -> pb::SaverDef {
    let graph = scope.graph();
    pb::SaverDef {
        filename_tensor_name: graph.tensor_name(filename).to_string(),
        save_tensor_name: graph.tensor_name(saved).to_string(),
        restore_op_name: graph.node(restored).name().to_owned(),
        max_to_keep: config.max_to_keep.unwrap_or(0),
        sharded: config.sharded,
        keep_checkpoint_every_n_hours: config.keep_checkpoint_every_n_hours as f32,
        version: config.write_version.into(),
    }
}

/// What lies on one device, in order of devices; none is a device too.
type Shards<'a> = Vec<(String, Vec<&'a Saveable>)>;

fn by_device(saveables: &[Saveable]) -> Result<Shards<'_>, Error> {
    let mut shards: Shards<'_> = Vec::new();
    for saveable in saveables {
        let device = saveable.device()?;
        match shards.iter_mut().find(|(other, _)| *other == device) {
            Some((_, shard)) => shard.push(saveable),
            None => shards.push((device, vec![saveable])),
        }
    }
    shards.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(shards)
}

/// The first CPU beside a device, where files are read and written for it.
fn cpu_beside(device: &str) -> Result<String, Error> {
    let cpu: DeviceSpec = "/device:CPU:0".parse()?;
    Ok(cpu.within(&device.parse()?).to_string())
}
