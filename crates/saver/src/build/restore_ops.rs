//! The nodes that restore.

use flowkeep_graph::builder::{Operand, Scope};
use flowkeep_graph::{Attr, AttrList, NodeId, Output};
use flowkeep_tensor::Tensor;

use super::save_ops::strings;
use super::saveable::Saveable;
use super::{Plan, Shards, cpu_beside};
use crate::Error;

impl Plan<'_> {
    /// Restores and assigns all; the node `name` runs when that is done.
    pub(super) fn restore(
        &self,
        scope: &mut Scope,
        saveables: &[&Saveable],
        name: &str,
    ) -> Result<NodeId, Error> {
        let restored = self.restored(scope, saveables)?;
        let mut assigned = Vec::with_capacity(saveables.len());
        for (saveable, value) in saveables.iter().zip(restored) {
            let value = if self.config.reshape {
                let shape = shape_to_restore(scope, saveable)?;
                scope.op("Reshape").input(value).input(shape).build_one()?
            } else {
                value
            };
            assigned.push(saveable.assign(scope, value, !self.config.reshape)?);
        }
        Ok(scope.with_op_name(name).group(assigned)?)
    }

    /// What a checkpoint has, in the order of `saveables`.
    fn restored(&self, scope: &mut Scope, saveables: &[&Saveable]) -> Result<Vec<Output>, Error> {
        if self.bulk {
            let mut scope = scope.device("cpu:0")?;
            return self.restore_op(&mut scope, saveables);
        }
        let mut restored = Vec::with_capacity(saveables.len());
        for saveable in saveables {
            let mut scope = match &*saveable.device {
                "" => scope.without_device(),
                device => scope.device(&cpu_beside(device)?)?,
            };
            restored.extend(self.restore_op(&mut scope, &[saveable])?);
        }
        Ok(restored)
    }

    fn restore_op(&self, scope: &mut Scope, saveables: &[&Saveable]) -> Result<Vec<Output>, Error> {
        let names = strings(saveables.iter().map(|saveable| &*saveable.key))?;
        let slices = strings(saveables.iter().map(|saveable| &*saveable.slice_spec))?;
        let dtypes = saveables.iter().map(|saveable| saveable.dtype).collect();
        let restore = scope.op("RestoreV2").input(self.filename).input(names).input(slices);
        let restore = restore.attr("dtypes", Attr::List(AttrList::Type(dtypes))).build()?;
        Ok((0u32..).zip(saveables).map(|(index, _)| restore.output(index)).collect())
    }

    /// Restores each shard on its device.
    pub(super) fn restore_sharded(
        &self,
        scope: &mut Scope,
        shards: &Shards<'_>,
    ) -> Result<NodeId, Error> {
        let mut restored = Vec::with_capacity(shards.len());
        for (device, saveables) in shards {
            let mut scope = scope.device(device)?;
            restored.push(self.restore(&mut scope, saveables, "restore_shard")?);
        }
        Ok(scope.with_op_name("restore_all").group(restored)?)
    }
}

/// The shape that a variable has, as far as it is known when the graph is built, else when it runs.
fn shape_to_restore(scope: &mut Scope, saveable: &Saveable) -> Result<Operand, Error> {
    // A slice that is a resource is read here too, as TensorFlow does it.
    let tensor = saveable.tensor(scope)?;
    match saveable.shape.to_shape() {
        None => Ok(scope.shape_of(tensor)?.into()),
        Some(shape) => {
            let sizes = shape.dims().iter().map(|size| i32::try_from(*size).unwrap_or(i32::MAX));
            Ok(Tensor::from_elements(sizes.collect::<Vec<i32>>()).into())
        }
    }
}
