//! The ops that put a loaded graph into its first state: `tf.compat.v1.saved_model.main_op`.

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{CollectionItem, NodeId, collection_keys};

use crate::Error;

/// A node that initializes the variables, the local variables and the tables of a graph: `main_op`.
///
/// Its name is that of a group, `group_deps`. Who restores variables wants
/// [`tables_initializer`] and the local variables only, since this runs afterwards.
///
/// Errors: as [`Scope::group`].
pub fn main_op(scope: &mut Scope) -> Result<NodeId, Error> {
    let nodes = initializers(scope)?;
    Ok(scope.group(nodes)?)
}

/// As [`main_op`], and afterwards the node of this name, which restores: `main_op_with_restore`.
///
/// Errors: `NOT_FOUND`, with TensorFlow's text, if there is no such node; as [`Scope::group`].
pub fn main_op_with_restore(scope: &mut Scope, restore_op_name: &str) -> Result<NodeId, Error> {
    let main_op = main_op(scope)?;
    let restore = scope.graph().get_operation_by_name(restore_op_name)?;
    let mut after = scope.control_dependencies([main_op])?;
    Ok(after.group([restore])?)
}

/// A node that fills the tables of a graph, those of the collection `table_initializer`; one that does
/// nothing if there are none: `tf.compat.v1.tables_initializer`.
///
/// Errors: as [`Scope::group`].
pub fn tables_initializer(scope: &mut Scope) -> Result<NodeId, Error> {
    let items = scope.collections().get(collection_keys::TABLE_INITIALIZERS);
    let nodes = items.iter().filter_map(|item| match item {
        CollectionItem::Node(id) => Some(*id),
        CollectionItem::Tensor(tensor) => Some(tensor.node),
        _ => None,
    });
    let nodes: Vec<NodeId> = nodes.collect();
    let mut named = scope.with_op_name("init_all_tables");
    Ok(if nodes.is_empty() { named.no_op()? } else { named.group(nodes)? })
}

fn initializers(scope: &mut Scope) -> Result<[NodeId; 3], Error> {
    let variables = scope.global_variables_initializer()?;
    let local_variables = scope.local_variables_initializer()?;
    Ok([variables, local_variables, tables_initializer(scope)?])
}
