use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use flowkeep_graph::OpDef;
use flowkeep_graph::op_def::ArgType;
use flowkeep_tensor::DType;

use crate::kernel::settings::Settings;
use crate::kernel::{FileUse, Fusion, KernelInit, OpKernel, Status};

/// Makes the kernel of a node: reads its attributes, once.
pub type KernelBuilder = fn(&KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status>;

/// The data types that a kernel takes for one type attribute of its op.
pub type TypeConstraint = (&'static str, &'static [DType]);

/// One row of an op table: which kernel runs an op, and for which types.
#[derive(Clone, Copy)]
pub struct OpRegistration {
    name: &'static str,
    types: &'static [TypeConstraint],
    cpu: Option<KernelBuilder>,
    cheap: bool,
    elementwise: bool,
    stateful: bool,
    files: Option<FileUse>,
    fusion: Fusion,
}

/// The row of the op `name`, to be completed by [`OpRegistration::cpu`].
pub const fn op(name: &'static str) -> OpRegistration {
    OpRegistration {
        name,
        types: &[],
        cpu: None,
        cheap: false,
        elementwise: false,
        stateful: false,
        files: None,
        fusion: Fusion::NONE,
    }
}

impl OpRegistration {
    /// Restricts the kernel to these data types, per type attribute (or list of types).
    #[must_use]
    pub const fn types(self, types: &'static [TypeConstraint]) -> OpRegistration {
        OpRegistration { types, ..self }
    }

    /// The builder of the CPU kernel.
    #[must_use]
    pub const fn cpu(self, builder: KernelBuilder) -> OpRegistration {
        OpRegistration { cpu: Some(builder), ..self }
    }

    /// Says that the kernel does next to nothing, so that it is never worth another thread.
    #[must_use]
    pub const fn cheap(self) -> OpRegistration {
        OpRegistration { cheap: true, ..self }
    }

    /// Says that the kernel is a function of elements: it depends on nothing but the types of the node's
    /// inputs and outputs, keeps nothing, and has done with its inputs when it sets its only output.
    ///
    /// Nodes of the same types share such a kernel, and the output may have the first input's place.
    #[must_use]
    pub const fn elementwise(self) -> OpRegistration {
        OpRegistration { elementwise: true, ..self }
    }

    /// Says that the kernel keeps state between runs: a session makes it once per node, not once
    /// per plan.
    #[must_use]
    pub const fn stateful(self) -> OpRegistration {
        OpRegistration { stateful: true, ..self }
    }

    /// Says that the kernel touches files: it asks [`KernelInit::file_access`] before it does, and is not
    /// even built where no file may be used so.
    #[must_use]
    pub const fn files(self, files: FileUse) -> OpRegistration {
        OpRegistration { files: Some(files), ..self }
    }

    /// Says what the kernel can do together with that of a node before it.
    #[must_use]
    pub(crate) const fn fusion(self, fusion: Fusion) -> OpRegistration {
        OpRegistration { fusion, ..self }
    }

    /// The op's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The data types that the kernel takes, per type attribute; attributes not listed are free.
    pub fn type_constraints(&self) -> &'static [TypeConstraint] {
        self.types
    }

    /// The types of tensors that the kernel takes or gives, in the order of [`DType::ALL`]: those of its
    /// restrictions, or else those that the op's definition allows.
    pub fn dtypes(&self) -> Vec<DType> {
        let Some(def) = flowkeep_graph::op_def::lookup(self.name) else { return Vec::new() };
        let takes = |dtype: DType| {
            def.inputs.iter().chain(&def.outputs).any(|arg| match &arg.ty {
                ArgType::Fixed(fixed) => *fixed == dtype,
                ArgType::TypeAttr(attr) | ArgType::TypeListAttr(attr) => {
                    let restricted = self.types.iter().find(|(name, _)| **name == **attr);
                    match restricted {
                        Some((_, dtypes)) => dtypes.contains(&dtype),
                        None => def.attr(attr).is_none_or(|attr| {
                            let allowed = attr.allowed.as_ref().and_then(|list| list.as_types());
                            allowed.is_none_or(|allowed| allowed.contains(&dtype))
                        }),
                    }
                }
                ArgType::Missing => false,
            })
        };
        DType::ALL.iter().copied().filter(|dtype| takes(*dtype)).collect()
    }

    /// The builder of the CPU kernel.
    pub fn cpu_builder(&self) -> Option<KernelBuilder> {
        self.cpu
    }

    /// What the kernel does to files, if it touches any.
    pub fn file_use(&self) -> Option<FileUse> {
        self.files
    }

    /// What the kernel can do together with that of a node before it.
    pub(crate) fn fusions(&self) -> Fusion {
        self.fusion
    }

    /// Whether the kernel is never worth another thread.
    pub fn is_cheap(&self) -> bool {
        self.cheap
    }

    /// Whether the kernel is a function of elements.
    pub fn is_elementwise(&self) -> bool {
        self.elementwise
    }

    /// Whether the kernel keeps state between runs.
    pub fn is_stateful(&self) -> bool {
        self.stateful
    }
}

impl fmt::Debug for OpRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpRegistration")
            .field("name", &self.name)
            .field("types", &self.types)
            .finish_non_exhaustive()
    }
}

/// The ops that a session can run, and the settings of their kernels: a value made of constant
/// tables, not a global.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    ops: HashMap<&'static str, OpRegistration>,
    op_defs: Vec<Arc<OpDef>>,
    pub(crate) settings: Settings,
}

impl Registry {
    /// A registry without any op.
    pub fn empty() -> Registry {
        Registry::default()
    }

    /// All ops of this crate.
    pub fn standard() -> Registry {
        let mut registry = Registry::default();
        for table in crate::ops::TABLES {
            registry.add(table);
        }
        registry
    }

    /// Adds the rows of a table; a row replaces an earlier one of the same op.
    pub fn add(&mut self, table: &[OpRegistration]) {
        self.ops.extend(table.iter().map(|row| (row.name, *row)));
    }

    /// Defines an op that TensorFlow does not have.
    ///
    /// The graph must be imported with it, so that the types of its tensors are known: give
    /// [`Registry::op_defs`] to [`ImportOptions::op_defs`](flowkeep_graph::ImportOptions::op_defs). Who
    /// loads models does that.
    pub fn define(&mut self, op: OpDef) {
        self.op_defs.push(Arc::new(op));
    }

    /// The ops that were defined.
    pub fn op_defs(&self) -> &[Arc<OpDef>] {
        &self.op_defs
    }

    /// Sets a value that kernels are built with and find by its type
    /// ([`KernelInit::setting`]); it replaces an earlier one of the same type.
    ///
    /// This is how who embeds the runtime talks to ops from outside: the crate that registers them
    /// has a type for what can be chosen.
    pub fn set<T: Any + Send + Sync>(&mut self, setting: T) {
        self.settings.set(setting);
    }

    /// The value of this type that was set.
    pub fn setting<T: Any>(&self) -> Option<&T> {
        self.settings.get()
    }

    /// The row of the op `name`.
    pub fn get(&self, name: &str) -> Option<&OpRegistration> {
        self.ops.get(name)
    }

    /// All rows, sorted by op.
    pub fn rows(&self) -> Vec<&OpRegistration> {
        let mut rows: Vec<_> = self.ops.values().collect();
        rows.sort_by_key(|row| row.name);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_by_type_and_replaced() {
        let mut registry = Registry::empty();
        assert_eq!(registry.setting::<u8>(), None);
        registry.set(1u8);
        registry.set("one");
        let before = registry.clone();
        registry.set(2u8);
        assert_eq!((registry.setting(), registry.setting()), (Some(&2u8), Some(&"one")));
        assert_eq!(before.setting(), Some(&1u8));
        assert_eq!(registry.setting::<u16>(), None);
    }
}
