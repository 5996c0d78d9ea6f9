//! The nodes that save.

use bytes::Bytes;
use flowkeep_graph::builder::{Operand, Scope};
use flowkeep_graph::{NodeId, Output};
use flowkeep_tensor::{Shape, Tensor};

use super::saveable::{Saveable, Spec};
use super::{Plan, Shards, cpu_beside};
use crate::Error;
use crate::saver::WriteVersion;

/// What a checkpoint is called while its shards are written, behind its own name.
const SHARDED_SUFFIX: &str = "_temp/part";
const SHARDED_SUFFIX_S3: &str = ".part";

impl Plan<'_> {
    /// Saves all under one name, and gives that name back when that is done.
    pub(super) fn save(
        &self,
        scope: &mut Scope,
        filename: Output,
        saveables: &[&Saveable],
    ) -> Result<Output, Error> {
        let save = self.save_op(scope, filename, saveables)?;
        let mut scope = scope.colocate_with(filename)?;
        let mut scope = scope.control_dependencies([save])?;
        Ok(scope.op("Identity").input(filename).name("control_dependency").build_one()?)
    }

    fn save_op(
        &self,
        scope: &mut Scope,
        filename: Output,
        saveables: &[&Saveable],
    ) -> Result<NodeId, Error> {
        let mut tensors = Vec::with_capacity(saveables.len());
        for saveable in saveables {
            tensors.extend(saveable.tensors(scope)?);
        }
        let save = match self.config.write_version {
            WriteVersion::V1 => scope.op("SaveSlices").name("save"),
            WriteVersion::V2 => scope.op("SaveV2"),
        };
        let names = strings(specs(saveables).map(|spec| &*spec.key))?;
        let slices = strings(specs(saveables).map(|spec| &*spec.slice_spec))?;
        Ok(save.input(filename).input(names).input(slices).input_list(tensors).build()?)
    }

    /// Saves each shard by itself, then makes one checkpoint of them.
    pub(super) fn save_sharded(
        &self,
        scope: &mut Scope,
        shards: &Shards<'_>,
    ) -> Result<Output, Error> {
        match self.config.write_version {
            WriteVersion::V1 => self.save_sharded_v1(scope, shards),
            WriteVersion::V2 => self.save_sharded_v2(scope, shards),
        }
    }

    fn save_sharded_v1(&self, scope: &mut Scope, shards: &Shards<'_>) -> Result<Output, Error> {
        let n_shards = n_shards(scope, shards)?;
        let mut saves = Vec::with_capacity(shards.len());
        for (idx, (device, saveables)) in (0i32..).zip(shards) {
            let mut scope = scope.device(device)?;
            let name = scope.op("ShardedFilename").input(self.filename).input(idx);
            let name = name.input(n_shards).build_one()?;
            saves.push(self.save(&mut scope, name, saveables)?);
        }
        let mut scope = scope.control_dependencies(saves)?;
        Ok(scope.op("ShardedFilespec").input(self.filename).input(n_shards).build_one()?)
    }

    fn save_sharded_v2(&self, scope: &mut Scope, shards: &Shards<'_>) -> Result<Output, Error> {
        let prefix = self.filename;
        let temporary = {
            let mut scope = scope.device("CPU")?;
            let pattern = flowkeep_graph::Attr::Str(Bytes::from_static(b"^s3://.*"));
            let is_s3 = scope.op("StaticRegexFullMatch").input(prefix);
            let is_s3 = is_s3.attr("pattern", pattern).build_one()?;
            let beside = scope.constant(Tensor::scalar_string(SHARDED_SUFFIX_S3))?;
            let below = scope.constant(Tensor::scalar_string(SHARDED_SUFFIX))?;
            let suffix = scope.op("Select").input(is_s3).input(beside).input(below).build_one()?;
            scope.op("StringJoin").input_list([prefix, suffix]).build_one()?
        };
        let n_shards = n_shards(scope, shards)?;
        let (mut names, mut saves) = (Vec::new(), Vec::new());
        for (idx, (device, saveables)) in (0i32..).zip(shards) {
            let mut scope = scope.device(&cpu_beside(device)?)?;
            let name = scope.op("ShardedFilename").input(temporary).input(idx);
            let name = name.input(n_shards).build_one()?;
            names.push(Operand::from(name));
            saves.push(self.save(&mut scope, name, saveables)?);
        }
        let last = shards.last().map_or("", |(device, _)| device);
        let mut scope = scope.control_dependencies(saves)?;
        let mut scope = scope.device(&cpu_beside(last)?)?;
        let merge = scope.op("MergeV2Checkpoints").input(Operand::packed(names)).input(prefix);
        let merge = merge.build()?;
        let mut scope = scope.control_dependencies([merge])?;
        Ok(scope.op("Identity").input(prefix).build_one()?)
    }
}

fn n_shards(scope: &mut Scope, shards: &Shards<'_>) -> Result<Output, Error> {
    let n_shards = i32::try_from(shards.len()).unwrap_or(i32::MAX);
    Ok(scope.with_op_name("num_shards").constant(Tensor::scalar(n_shards))?)
}

/// All tensors of what is saved, in order.
pub(super) fn specs<'a>(saveables: &'a [&'a Saveable]) -> impl Iterator<Item = &'a Spec> {
    saveables.iter().flat_map(|saveable| &saveable.specs)
}

/// A vector of strings.
pub(super) fn strings<'a>(values: impl Iterator<Item = &'a str>) -> Result<Tensor, Error> {
    let values: Vec<Bytes> = values.map(|value| Bytes::copy_from_slice(value.as_bytes())).collect();
    Ok(Tensor::from_strings(Shape::from([values.len()]), values)?)
}
