//! Entering scopes and leaving them.

use std::ops::{Deref, DerefMut};

use super::dependencies::ControlBlocks;
use super::name_scopes::Current;
use super::placement::Placement;
use super::scope::unknown_node;
use super::variable_scope::{LeftScope, ScopeTarget, VariableScopeOptions};
use super::{DeviceSpec, Reuse, Scope};
use crate::{Attr, Error, NodeId};

/// A scope that has been entered: it stands for the [`Scope`] until it is dropped, which leaves it.
///
/// What is entered last is left first, as the borrow checker sees to.
#[derive(Debug)]
#[must_use = "the scope is left at once when this is dropped"]
pub struct Entered<'a> {
    scope: &'a mut Scope,
    undo: Undo,
}

/// What leaving restores.
#[derive(Debug)]
enum Undo {
    Name(Current),
    Variable { name: Option<Current>, scope: Box<LeftScope>, block: usize },
    Device,
    Placement(Placement),
    Control(Option<ControlBlocks>),
    Init { placement: Placement, control: ControlBlocks },
    Container(String),
    OpName(Option<String>),
}

impl Deref for Entered<'_> {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        self.scope
    }
}

impl DerefMut for Entered<'_> {
    fn deref_mut(&mut self) -> &mut Scope {
        self.scope
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let scope = &mut *self.scope;
        match std::mem::replace(&mut self.undo, Undo::OpName(None)) {
            Undo::Name(left) => scope.names.leave(left),
            Undo::Variable { name, scope: left, block } => {
                scope.placement.leave_variable_scope(block);
                scope.variable_scopes.leave(*left);
                if let Some(left) = name {
                    scope.names.leave(left);
                }
            }
            Undo::Device => scope.placement.pop_device(),
            Undo::Placement(placement) => scope.placement = placement,
            Undo::Control(cleared) => {
                scope.control.leave();
                if let Some(outer) = cleared {
                    scope.control = outer;
                }
            }
            Undo::Init { placement, control } => {
                scope.placement = placement;
                scope.control = control;
            }
            Undo::Container(container) => scope.container = container,
            Undo::OpName(name) => scope.op_name = name,
        }
    }
}

impl Scope {
    /// Enters a name scope: nodes and scopes within are named `name/…`.
    ///
    /// A name that is taken is told apart, as `name_1`. A name with a slash at its end is a scope as
    /// a whole, `a/b/`, which is entered again under that name. The empty name leads to the root.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for names that may not be.
    pub fn name_scope(&mut self, name: &str) -> Result<Entered<'_>, Error> {
        let left = self.names.enter(name)?;
        Ok(Entered { scope: self, undo: Undo::Name(left) })
    }

    /// Enters a variable scope, and a name scope with it.
    ///
    /// Variables that [`Scope::get_variable`] gets within are named `name/…`, whatever the name scope
    /// is; nodes are named after the name scope, which is a new one each time.
    ///
    /// Errors: as [`Scope::name_scope`].
    pub fn variable_scope<'t>(
        &mut self,
        target: impl Into<ScopeTarget<'t>>,
    ) -> Result<Entered<'_>, Error> {
        self.variable_scope_with(target, VariableScopeOptions::default())
    }

    /// Enters a variable scope with other defaults for its variables.
    ///
    /// Errors: as [`Scope::name_scope`]; `INVALID_ARGUMENT` for reuse in a scope with a default name.
    pub fn variable_scope_with<'t>(
        &mut self,
        target: impl Into<ScopeTarget<'t>>,
        options: VariableScopeOptions,
    ) -> Result<Entered<'_>, Error> {
        let VariableScopeOptions { reuse, defaults, auxiliary_name_scope } = options;
        let target = target.into();
        if let (ScopeTarget::Default(name), Some(Reuse::Yes | Reuse::Auto)) = (target, reuse) {
            return Err(Error::Variable {
                name: name.to_owned(),
                message: "reuse=True cannot be used without a name_or_scope".to_owned(),
            });
        }
        let own_name = match target {
            ScopeTarget::Name(name) | ScopeTarget::Default(name) => name,
            ScopeTarget::Scope(scope) => scope.name().rsplit('/').next().unwrap_or_default(),
        };
        let name = if !auxiliary_name_scope {
            let same = self.names.absolute().to_owned();
            Some(self.names.enter(&same)?)
        } else if own_name.is_empty() && !matches!(target, ScopeTarget::Default(_)) {
            None
        } else {
            Some(self.names.enter(own_name)?)
        };
        let absolute =
            if name.is_some() { self.names.absolute().to_owned() } else { String::new() };
        let block = self.placement.enter_variable_scope();
        let scopes = &mut self.variable_scopes;
        let scope = match target {
            ScopeTarget::Name(name) => scopes.enter_name(name, absolute, reuse, defaults),
            ScopeTarget::Default(name) => {
                scopes.enter_name(&scopes.unique(name), absolute, None, defaults)
            }
            ScopeTarget::Scope(scope) => scopes.enter_scope(scope, reuse, defaults),
        };
        Ok(Entered { scope: self, undo: Undo::Variable { name, scope: scope.into(), block } })
    }

    /// Enters a device scope: nodes within ask for this device, `/job:ps/gpu:0` for instance, where
    /// scopes further in do not ask for another.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for what is no device.
    pub fn device(&mut self, device: &str) -> Result<Entered<'_>, Error> {
        let device = device.parse()?;
        Ok(self.device_scope(Some(device)))
    }

    /// Enters a block in which the device scopes around it do not count: `tf.device(None)`.
    pub fn without_device(&mut self) -> Entered<'_> {
        self.device_scope(None)
    }

    /// Enters a block in which nodes are on the device of `node`; device scopes around it do not count.
    ///
    /// Errors: `NOT_FOUND` for a node that does not exist.
    pub fn colocate_with(&mut self, node: impl Into<NodeId>) -> Result<Entered<'_>, Error> {
        self.colocation_scope(Some(node.into()), false)
    }

    /// Enters a block in which nodes are on the device of `node`, and of no other node that they were
    /// colocated with: `colocate_with(node, ignore_existing=True)`.
    ///
    /// Errors: `NOT_FOUND` for a node that does not exist.
    pub fn colocate_only_with(&mut self, node: impl Into<NodeId>) -> Result<Entered<'_>, Error> {
        self.colocation_scope(Some(node.into()), true)
    }

    /// Enters a block in which nodes are colocated with none, and no device scope counts:
    /// `colocate_with(None, ignore_existing=True)`.
    pub fn without_colocation(&mut self) -> Entered<'_> {
        let outer = self.placement.colocate_with(None, true);
        Entered { scope: self, undo: Undo::Placement(outer) }
    }

    /// Enters a block in which nodes run after `nodes`, and after those of the blocks around it.
    ///
    /// Errors: `NOT_FOUND` for a node that does not exist.
    pub fn control_dependencies<N: Into<NodeId>>(
        &mut self,
        nodes: impl IntoIterator<Item = N>,
    ) -> Result<Entered<'_>, Error> {
        let nodes: Vec<NodeId> = nodes.into_iter().map(Into::into).collect();
        if let Some(missing) = nodes.iter().find(|id| self.graph.get(**id).is_none()) {
            return Err(unknown_node(*missing));
        }
        for id in self.control.enter(nodes) {
            self.set_attr(id, "_has_manual_control_dependencies", Attr::Bool(true))?;
        }
        Ok(Entered { scope: self, undo: Undo::Control(None) })
    }

    /// Enters a block in which nodes wait for none: `control_dependencies(None)`.
    pub fn without_control_dependencies(&mut self) -> Entered<'_> {
        let outer = self.control.clear();
        self.control.enter([]);
        Entered { scope: self, undo: Undo::Control(Some(outer)) }
    }

    /// Enters a block in which stateful ops keep what they hold in this container.
    pub fn container(&mut self, name: &str) -> Entered<'_> {
        let outer = std::mem::replace(&mut self.container, name.to_owned());
        Entered { scope: self, undo: Undo::Container(outer) }
    }

    /// Gives the next op this name: `scope.with_op_name("y").matmul(a, b)`.
    ///
    /// The name is one in the current name scope, and told apart if it is taken. With a slash at its
    /// end it is the whole name, slash left out.
    pub fn with_op_name(&mut self, name: &str) -> Entered<'_> {
        let name = (!name.is_empty()).then(|| name.to_owned());
        let outer = std::mem::replace(&mut self.op_name, name);
        Entered { scope: self, undo: Undo::OpName(outer) }
    }

    pub(super) fn device_scope(&mut self, device: Option<DeviceSpec>) -> Entered<'_> {
        self.placement.push_device(device);
        Entered { scope: self, undo: Undo::Device }
    }

    pub(super) fn colocation_scope(
        &mut self,
        node: Option<NodeId>,
        ignore_others: bool,
    ) -> Result<Entered<'_>, Error> {
        if let Some(id) = node
            && self.graph.get(id).is_none()
        {
            return Err(unknown_node(id));
        }
        let outer = self.placement.colocate_with(node, ignore_others);
        Ok(Entered { scope: self, undo: Undo::Placement(outer) })
    }

    /// Enters the block in which a variable is made: nodes wait for none.
    pub(crate) fn init_scope(&mut self) -> Entered<'_> {
        let placement = self.placement.enter_init_scope();
        let control = self.control.clear();
        self.control.enter([]);
        Entered { scope: self, undo: Undo::Init { placement, control } }
    }
}
