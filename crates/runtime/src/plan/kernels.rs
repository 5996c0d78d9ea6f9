use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use flowkeep_graph::Node;
use flowkeep_tensor::DType;

use crate::kernel::{
    FileAccess, Fusion, KernelContext, KernelInit, OpKernel, OpRegistration, Registry, Status,
};
use crate::session::KernelCache;
use crate::{Error, MissingKernel};

/// The kernel of a node, and what its row says of it.
pub(super) struct Found {
    pub(super) kernel: Arc<dyn OpKernel>,
    pub(super) is_cheap: bool,
    pub(super) is_elementwise: bool,
    pub(super) fusion: Fusion,
}

impl Found {
    fn of(row: &OpRegistration, kernel: Arc<dyn OpKernel>) -> Found {
        Found {
            kernel,
            is_cheap: row.is_cheap(),
            is_elementwise: row.is_elementwise(),
            fusion: row.fusions(),
        }
    }

    /// Something that does nothing.
    fn stand_in() -> Found {
        Found {
            kernel: Arc::new(Forward),
            is_cheap: true,
            is_elementwise: false,
            fusion: Fusion::default(),
        }
    }
}

/// Finds the kernels of nodes, and collects what cannot be found.
pub(super) struct Kernels<'a> {
    registry: &'a Registry,
    cache: &'a KernelCache,
    /// The kernels that nodes of the same op and types share.
    shared: HashMap<(&'static str, Vec<DType>), Arc<dyn OpKernel>>,
    missing: BTreeMap<(String, Vec<String>), MissingKernel>,
    /// The first error of a kernel's builder; reported if no kernel is missing.
    build_error: Option<Error>,
}

impl<'a> Kernels<'a> {
    pub(super) fn new(registry: &'a Registry, cache: &'a KernelCache) -> Kernels<'a> {
        Kernels {
            registry,
            cache,
            shared: HashMap::new(),
            missing: BTreeMap::new(),
            build_error: None,
        }
    }

    /// The kernel of a node. What is missing or refused is noted for
    /// [`Kernels::finish`], and something that does nothing stands in.
    pub(super) fn of(&mut self, node: &Node, path: &str) -> Found {
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
            return Found::stand_in();
        };
        let mut cache =
            row.is_stateful().then(|| self.cache.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(kernel) = cache.as_ref().and_then(|cache| cache.get(path)) {
            return Found::of(row, kernel.clone());
        }
        let types = || {
            let ports = node.input_types().iter().chain(node.output_types().unwrap_or(&[]));
            (row.name(), ports.map(|port| port.dtype).collect())
        };
        let key = row.is_elementwise().then(types);
        if let Some(kernel) = key.as_ref().and_then(|key| self.shared.get(key)) {
            return Found::of(row, kernel.clone());
        }
        match build(&KernelInit { node, path, settings: &self.registry.settings }) {
            Ok(kernel) => {
                let kernel: Arc<dyn OpKernel> = kernel.into();
                if let Some(key) = key {
                    self.shared.insert(key, kernel.clone());
                }
                if let Some(cache) = &mut cache {
                    cache.insert(path.into(), kernel.clone());
                }
                Found::of(row, kernel)
            }
            Err(status) => {
                let error = Error::Node { node: path.to_owned(), op: node.op().to_owned(), status };
                self.build_error.get_or_insert(error);
                Found::stand_in()
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

#[cfg(test)]
mod tests {
    use flowkeep_graph::{Graph, ImportOptions};
    use flowkeep_proto::{pb, text};

    use super::*;

    #[test]
    fn nodes_of_the_same_types_share_a_kernel_that_keeps_nothing() {
        let node = |name: &str, op: &str, dtype: &str| {
            format!(
                "node {{ name: '{name}' op: '{op}' input: 'x{dtype}' input: 'x{dtype}'
                 attr {{ key: 'T' value {{ type: DT_{dtype} }} }} }}\n"
            )
        };
        let placeholder = |dtype: &str| {
            format!(
                "node {{ name: 'x{dtype}' op: 'Placeholder'
                 attr {{ key: 'dtype' value {{ type: DT_{dtype} }} }} }}\n"
            )
        };
        let nodes = [
            placeholder("FLOAT"),
            placeholder("INT32"),
            node("a", "AddV2", "FLOAT"),
            node("b", "AddV2", "FLOAT"),
            node("c", "AddV2", "INT32"),
            node("d", "Sub", "FLOAT"),
            node("e", "MatMul", "FLOAT"),
            node("f", "MatMul", "FLOAT"),
        ];
        let def: pb::GraphDef = text::parse_message(nodes.concat()).unwrap();
        let graph = Graph::import(def, &ImportOptions::default()).unwrap();
        let (registry, cache) = (Registry::standard(), KernelCache::default());
        let mut kernels = Kernels::new(&registry, &cache);
        let [a, b, c, d, e, f] = ["a", "b", "c", "d", "e", "f"]
            .map(|name| kernels.of(graph.node(graph.node_by_name(name).unwrap()), name).kernel);
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &c) && !Arc::ptr_eq(&a, &d));
        // Products keep their weights in another form.
        assert!(!Arc::ptr_eq(&e, &f));
        assert!(kernels.finish().is_ok());
    }
}
