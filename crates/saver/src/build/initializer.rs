use std::path::Path;

use flowkeep_graph::builder::{DeviceSpec, Scope, Variable};
use flowkeep_graph::{Attr, AttrList, Element, Output};
use flowkeep_tensor::Tensor;

use super::save_ops::strings;
use super::saveable::Saveable;
use crate::Error;

/// Adds what restores a tensor of a checkpoint, or a slice of it, into a variable: the tensor, and
/// what assigns it.
pub(crate) fn checkpoint_initializer(
    scope: &mut Scope,
    prefix: &Path,
    key: &str,
    variable: &Variable,
    slice: Option<String>,
) -> Result<(Output, Element), Error> {
    let spec = slice.clone().unwrap_or_default();
    // A variable that is a slice is assigned as such, whatever is restored into it.
    let saveable = match variable.save_slice() {
        Some(own) => Saveable::of_slice(scope, variable, own.spec(), key),
        None => Saveable::of_tensor(scope, variable.graph_element(), key)?,
    };
    let device = scope.graph().node(variable.op()).device().parse::<DeviceSpec>()?;
    let prefix = Tensor::scalar_string(prefix.as_os_str().as_encoded_bytes().to_vec());
    let restored = {
        let mut scope = scope.device(&device.to_string())?;
        let mut scope = scope.device("/cpu:0")?;
        let restore = scope.op("RestoreV2").name("checkpoint_initializer").input(prefix);
        let restore = restore.input(strings([key].into_iter())?);
        let restore = restore.input(strings([&*spec].into_iter())?);
        let dtypes = Attr::List(AttrList::Type(vec![variable.dtype()].into()));
        restore.attr("dtypes", dtypes).build_one()?
    };
    let assign = saveable.restore(scope, &[restored], None)?;
    // An assignment to a reference is a tensor in TensorFlow, one to a resource a node.
    let assign = match variable.is_resource() {
        true => Element::Node(assign),
        false => Element::Output(assign.output(0)),
    };
    Ok((restored, assign))
}
