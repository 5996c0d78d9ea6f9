use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use flowkeep_graph::Node;

use crate::kernel::{
    FileAccess, KernelContext, KernelInit, OpKernel, OpRegistration, Registry, Status,
};
use crate::session::KernelCache;
use crate::{Error, MissingKernel};

/// Finds the kernels of nodes, and collects what cannot be found.
pub(super) struct Kernels<'a> {
    registry: &'a Registry,
    cache: &'a KernelCache,
    missing: BTreeMap<(String, Vec<String>), MissingKernel>,
    /// The first error of a kernel's builder; reported if no kernel is missing.
    build_error: Option<Error>,
}

impl<'a> Kernels<'a> {
    pub(super) fn new(registry: &'a Registry, cache: &'a KernelCache) -> Kernels<'a> {
        Kernels { registry, cache, missing: BTreeMap::new(), build_error: None }
    }

    /// The kernel of a node, and whether it is cheap. What is missing or refused is noted for
    /// [`Kernels::finish`], and something that does nothing stands in.
    pub(super) fn of(&mut self, node: &Node, path: &str) -> (Arc<dyn OpKernel>, bool) {
        let row = self.registry.get(node.op());
        let refused = row.map(|row| refused_types(row, node)).unwrap_or_default();
        let builder =
            row.filter(|_| refused.is_empty()).and_then(|row| Some((row, row.cpu_builder()?)));
        let denied = builder.and_then(|(row, _)| row.file_use()).filter(|file_use| {
            let access = self.registry.setting::<FileAccess>();
            access.is_some_and(|access| access.denies_all(*file_use))
        });
        let Some((row, build)) = builder.filter(|_| denied.is_none()) else {
            let key = (node.op().to_owned(), refused.clone());
            let missing = self.missing.entry(key).or_insert_with(|| MissingKernel {
                op: node.op().to_owned(),
                types: refused,
                node: path.to_owned(),
                n_nodes: 0,
                denied,
            });
            missing.n_nodes += 1;
            return (Arc::new(Forward), true);
        };
        let mut cache =
            row.is_stateful().then(|| self.cache.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(kernel) = cache.as_ref().and_then(|cache| cache.get(path)) {
            return (kernel.clone(), row.is_cheap());
        }
        match build(&KernelInit { node, path, settings: &self.registry.settings }) {
            Ok(kernel) => {
                let kernel: Arc<dyn OpKernel> = kernel.into();
                if let Some(cache) = &mut cache {
                    cache.insert(path.into(), kernel.clone());
                }
                (kernel, row.is_cheap())
            }
            Err(status) => {
                let error = Error::Node { node: path.to_owned(), op: node.op().to_owned(), status };
                self.build_error.get_or_insert(error);
                (Arc::new(Forward), true)
            }
        }
    }

    /// Errors: `UNIMPLEMENTED` listing every node without a kernel, or `PERMISSION_DENIED` if they are
    /// all denied; else the first error of a kernel's builder.
    pub(super) fn finish(self) -> Result<(), Error> {
        if !self.missing.is_empty() {
            return Err(Error::Unsupported(self.missing.into_values().collect()));
        }
        self.build_error.map_or(Ok(()), Err)
    }
}

/// The type attributes of `node` that the kernel of `row` does not take, as `T=complex64`.
fn refused_types(row: &OpRegistration, node: &Node) -> Vec<String> {
    let mut refused = Vec::new();
    for (attr, allowed) in row.type_constraints() {
        let single = node.attrs().dtype(attr).map(|dtype| vec![dtype]);
        let types =
            single.or_else(|_| node.attrs().types(attr).map(<[_]>::to_vec)).unwrap_or_default();
        let wrong = types.iter().filter(|dtype| !allowed.contains(dtype));
        refused.extend(wrong.map(|dtype| format!("{attr}={dtype}")));
    }
    refused.dedup();
    refused
}

/// Hands its inputs on, in order.
pub(super) struct Forward;

impl OpKernel for Forward {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        for idx in 0..cx.n_inputs() {
            let value = cx.take_value(idx)?;
            cx.set_output(idx, value)?;
        }
        Ok(())
    }
}
