use std::collections::HashMap;
use std::fmt;

use flowkeep_tensor::DType;

use crate::kernel::{KernelInit, OpKernel, Status};

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
    stateful: bool,
}

/// The row of the op `name`, to be completed by [`OpRegistration::cpu`].
pub const fn op(name: &'static str) -> OpRegistration {
    OpRegistration { name, types: &[], cpu: None, cheap: false, stateful: false }
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

    /// Says that the kernel keeps state between runs: a session makes it once per node, not once
    /// per plan.
    #[must_use]
    pub const fn stateful(self) -> OpRegistration {
        OpRegistration { stateful: true, ..self }
    }

    /// The op's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The data types that the kernel takes, per type attribute; attributes not listed are free.
    pub fn type_constraints(&self) -> &'static [TypeConstraint] {
        self.types
    }

    /// The builder of the CPU kernel.
    pub fn cpu_builder(&self) -> Option<KernelBuilder> {
        self.cpu
    }

    /// Whether the kernel is never worth another thread.
    pub fn is_cheap(&self) -> bool {
        self.cheap
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

/// The ops that a session can run: a value made of constant tables, not a global.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    ops: HashMap<&'static str, OpRegistration>,
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
