//! The nodes that restore.

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{Attr, AttrList, NodeId, Output};

use super::save_ops::{specs, strings};
use super::saveable::{Saveable, Spec};
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
        let mut restored = self.restored(scope, saveables)?.into_iter();
        let mut assigned = Vec::with_capacity(saveables.len());
        for saveable in saveables {
            let shapes = match self.config.reshape {
                true => Some(saveable.shapes_to_restore(scope)?),
                false => None,
            };
            let values: Vec<Output> = restored.by_ref().take(saveable.specs.len()).collect();
            assigned.push(saveable.restore(scope, &values, shapes)?);
        }
        Ok(scope.with_op_name(name).group(assigned)?)
    }

    /// What a checkpoint has, in the order of `saveables` and their tensors.
    fn restored(&self, scope: &mut Scope, saveables: &[&Saveable]) -> Result<Vec<Output>, Error> {
        if self.bulk {
            let mut scope = scope.device("cpu:0")?;
            return self.restore_op(&mut scope, specs(saveables).collect());
        }
        let mut restored = Vec::with_capacity(saveables.len());
        for saveable in saveables {
            let mut scope = match &*saveable.device {
                "" => scope.without_device(),
                device => scope.device(&cpu_beside(device)?)?,
            };
            for spec in &saveable.specs {
                restored.extend(self.restore_op(&mut scope, vec![spec])?);
            }
        }
        Ok(restored)
    }

    fn restore_op(&self, scope: &mut Scope, specs: Vec<&Spec>) -> Result<Vec<Output>, Error> {
        let names = strings(specs.iter().map(|spec| &*spec.key))?;
        let slices = strings(specs.iter().map(|spec| &*spec.slice_spec))?;
        let dtypes = specs.iter().map(|spec| spec.dtype).collect();
        let restore = scope.op("RestoreV2").input(self.filename).input(names).input(slices);
        let restore = restore.attr("dtypes", Attr::List(AttrList::Type(dtypes))).build()?;
        Ok((0u32..).zip(specs).map(|(index, _)| restore.output(index)).collect())
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
