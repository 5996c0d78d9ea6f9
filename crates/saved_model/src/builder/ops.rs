//! The ops that a MetaGraph names: the one that initializes what is loaded, and the one that trains.

use std::collections::BTreeMap;

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{CollectionItem, Element, NodeId, Signature};
use flowkeep_tensor::Code;

use crate::constants::{LEGACY_INIT_OP_KEY, MAIN_OP_KEY};
use crate::{Error, build_tensor_info_from_op};

/// Puts the main op into its collection, as its only member.
///
/// Errors: `FAILED_PRECONDITION`, with TensorFlow's text, if the graph has one already.
pub(super) fn add_main_op(scope: &mut Scope, main_op: Option<NodeId>) -> Result<(), Error> {
    let Some(main_op) = main_op else { return Ok(()) };
    build_tensor_info_from_op(scope, Element::Node(main_op))?;
    for key in [MAIN_OP_KEY, LEGACY_INIT_OP_KEY] {
        if !scope.collections().get(key).is_empty() {
            return Err(Error::Build {
                code: Code::FailedPrecondition,
                message: format!(
                    "Graph already contains one or more main ops under the collection {key}."
                ),
            });
        }
    }
    scope.add_to_collection(MAIN_OP_KEY, main_op);
    Ok(())
}

/// Adds the signature that names an op, `op_signature_def`.
pub(super) fn add_op_signature(
    scope: &Scope,
    signatures: &mut BTreeMap<String, Signature>,
    op: Option<Element>,
    key: &str,
) -> Result<(), Error> {
    let Some(op) = op else { return Ok(()) };
    let info = build_tensor_info_from_op(scope, op)?;
    let outputs = BTreeMap::from([(key.to_owned(), info)]);
    signatures.insert(key.to_owned(), Signature { outputs, ..Signature::default() });
    Ok(())
}

/// The item that a collection has of a node or tensor.
pub(super) fn item_of(op: Element) -> CollectionItem {
    match op {
        Element::Node(id) => id.into(),
        Element::Output(output) => output.into(),
    }
}
