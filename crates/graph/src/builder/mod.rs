//! Graphs built in Rust as `tf.compat.v1` builds them in Python.
//!
//! [`Scope`] is the place to start. In reading order:
//!
//! * Names: [`UniqueNames`]; [`Scope::name_scope`], [`Scope::with_op_name`].
//! * Places: [`DeviceSpec`]; [`Scope::device`], [`Scope::colocate_with`],
//!   [`Scope::control_dependencies`], [`Scope::container`].
//! * Nodes: [`NodeBuilder`], from [`Scope::op`], for every op; [`Operand`], what ops are fed with; the
//!   methods of [`Scope`] that are called like ops, `matmul` and `relu` and so on, for those that are
//!   written by hand.
//! * Variables: [`Variable`], [`VariableOptions`], [`Initializer`]; by name, [`VariableScope`],
//!   [`Scope::get_variable`], [`Reuse`]; in parts, [`PartitionedVariable`], [`Partitioner`]; all of a
//!   graph, [`Collections`].
//! * Lookup tables: [`Table`], from [`Scope::mutable_hash_table`]; [`SaveableObject`], all else that is saved.
//! * Graphs that are there: [`Scope::import_graph_def`], [`Scope::import_meta_graph`]; and the way out,
//!   [`Scope::export_meta_graph`].
//! * Shapes: [`ShapeProvider`], of which [`BuiltinShapes`] is one; [`Scope::shape`].

mod class_scopes;
mod collect;
mod cond;
mod constant;
mod create;
mod create_variable;
mod dependencies;
mod device_spec;
mod entered;
mod function;
mod get_variable;
mod import_graph;
mod import_variable;
mod infer_attrs;
mod initialized;
mod initializer;
mod name_scopes;
mod node_builder;
mod operand;
mod ops;
mod partition;
mod placement;
mod random;
mod reserve;
mod saveable;
mod scope;
mod shape;
mod slot;
mod stored;
mod table;
mod text;
mod unique_names;
mod variable;
mod variable_scope;

pub use crate::meta_graph::keys::{GLOBAL_VARIABLES, LOCAL_VARIABLES, TRAINABLE_VARIABLES};
pub use crate::meta_graph::{CollectionItem, Collections};
pub(crate) use cond::Made;
pub use device_spec::DeviceSpec;
pub use entered::Entered;
pub(crate) use function::FunctionRoot;
pub use get_variable::VariableOrParts;
pub use initializer::{Distribution, FanMode, InitialShape, Initializer, InitializerFn};
pub use node_builder::NodeBuilder;
pub use operand::Operand;
pub use ops::{Axes, Conv2dOptions, DataFormat, MatMulOptions, Padding, PoolOptions};
pub use partition::{PartitionedVariable, Partitioner};
pub(crate) use random::{number, shape_operand};
pub(crate) use reserve::Reserved;
pub use saveable::{SaveSpec, SaveableObject};
pub use scope::Scope;
pub(crate) use shape::Shapes as InferredShapes;
pub(crate) use shape::number_range;
pub use shape::{BuiltinShapes, Dim, HandleShape, InferenceContext, ShapeProvider};
pub use table::{Table, TableOptions};
pub(crate) use text::python_shape;
pub use unique_names::UniqueNames;
pub use variable::{SaveSlice, Variable, VariableOptions};
pub use variable_scope::{
    Reuse, ScopeTarget, VariableDefaults, VariableScope, VariableScopeOptions,
};
