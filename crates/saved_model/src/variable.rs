use std::sync::Arc;

use flowkeep_graph::transform::VariableInfo;
use flowkeep_runtime::resource::{ResourceManager, Variable};

use crate::Error;

/// The variable that a node stands for, among the resources of a session; it is made, without a value,
/// if no run has made it yet.
///
/// Errors: those of the attributes of the node; a resource of another type under its name.
pub fn variable_of(
    resources: &ResourceManager,
    info: &VariableInfo<'_>,
) -> Result<Arc<Variable>, Error> {
    let (kind, name) = match info.is_resource {
        // An empty name is a name like others there.
        true => (Variable::KIND, info.node.attrs().str("shared_name")?.clone()),
        false => (Variable::REF_KIND, info.shared_name.as_bytes().to_vec().into()),
    };
    let name = String::from_utf8_lossy(&name).into_owned();
    let make = || {
        let (name, dtype, shape) = (name.as_str(), info.dtype, info.shape());
        Arc::new(match info.is_resource {
            true => Variable::new(name, dtype, shape),
            false => Variable::new_ref(name, dtype, shape),
        }) as Arc<_>
    };
    let handle = resources.lookup_or_create(info.container, kind, &name, make);
    handle.get::<Variable>().map_err(|status| Error::Model {
        code: status.code(),
        message: status.message().to_owned(),
    })
}
