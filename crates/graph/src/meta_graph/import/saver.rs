//! Savers of imported graphs.

use flowkeep_proto::{pb, text};

use super::super::scope_names::prepend_name_scope;
use crate::Error;

/// A saver whose tensors are in a scope.
///
/// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for one at the root that does not say how it
/// saves and restores. A scope is a name to TensorFlow.
pub(super) fn in_scope(mut def: pb::SaverDef, scope: &str) -> Result<pb::SaverDef, Error> {
    for name in [&mut def.filename_tensor_name, &mut def.save_tensor_name, &mut def.restore_op_name]
    {
        *name = prepend_name_scope(name, scope);
    }
    for (field, name) in
        [("save_tensor_name", &def.save_tensor_name), ("restore_op_name", &def.restore_op_name)]
    {
        if name.is_empty() {
            let printed = text::print_message(&def).unwrap_or_default();
            return Err(Error::MetaGraph(format!("saver_def must specify the {field}: {printed}")));
        }
    }
    Ok(def)
}
