//! Graphs that are there, imported among the nodes that are built.

use std::collections::HashMap;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_tensor::{MAX_RANK, PartialShape};

use super::{DeviceSpec, Scope, shape};
use crate::gradients::Flow;
use crate::node::colocation_target;
use crate::{Attr, Error, ImportOptions, Imported, NodeId};

impl Scope {
    /// Adds a graph: `tf.import_graph_def`. [`ImportOptions::under`] makes the options.
    ///
    /// The prefix is a name scope within the current one, as [`Scope::name_scope`] enters it; the empty
    /// one is the root. Nodes ask for the device of device scopes where they leave it open, and wait for
    /// the current control dependencies. Shapes that an exporter has stored add to those that are known
    /// here. Either all is added, or the scope stays as it was.
    ///
    /// Errors: as [`Scope::name_scope`] and [`Graph::import_into`](crate::Graph::import_into);
    /// `INVALID_ARGUMENT` for stored shapes that contradict the graph, and, within a device scope, for
    /// devices that are none.
    pub fn import_graph_def(
        &mut self,
        def: pb::GraphDef,
        options: &ImportOptions,
    ) -> Result<Imported, Error> {
        self.all_or_nothing(|scope| scope.import_nodes(def, options))
    }

    /// Does something that fails as a whole.
    pub(crate) fn all_or_nothing<T>(
        &mut self,
        make: impl FnOnce(&mut Scope) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (graph, names, shapes) = (self.graph.clone(), self.names.clone(), self.shapes.clone());
        let (collections, control) = (self.collections.clone(), self.control.clone());
        let reductions = self.reductions.clone();
        let made = make(self);
        if made.is_err() {
            (self.graph, self.names, self.shapes) = (graph, names, shapes);
            (self.collections, self.control) = (collections, control);
            self.reductions = reductions;
            self.flow = Flow::default();
        }
        made
    }

    pub(crate) fn import_nodes(
        &mut self,
        mut def: pb::GraphDef,
        options: &ImportOptions,
    ) -> Result<Imported, Error> {
        let mut inner = self.name_scope(&options.prefix)?;
        let scope: &mut Scope = &mut inner;
        let mut options = ImportOptions {
            prefix: scope.current_name_scope(),
            uniquify_prefix: false,
            uniquify_names: true,
            colocate_devices: true,
            ..options.clone()
        };
        options.control_dependencies.extend(scope.control.for_inputs(&[]));
        if std::mem::take(&mut options.clear_devices) {
            def.node.iter_mut().for_each(|node| node.device.clear());
        }
        scope.merge_devices(&mut def)?;
        let stored = stored_shapes(&def);
        let imported = scope.graph.import_into(def, &options)?;
        let stored: HashMap<String, Vec<PartialShape>> =
            stored.into_iter().map(|(name, shapes)| (imported.name(&name), shapes)).collect();
        for id in imported.nodes() {
            let Some(node) = scope.graph.get(id) else { continue };
            scope.names.names_mut().insert(node.name());
            scope.shapes.add(&scope.graph, id);
            scope.control.made(id);
            if let Some(shapes) = stored.get(node.name()) {
                scope.learn_shapes(id, shapes)?;
            }
        }
        Ok(imported)
    }

    /// Gives the nodes of a message the device of the device scopes, as far as they leave theirs open.
    /// Colocated ones follow others.
    fn merge_devices(&self, def: &mut pb::GraphDef) -> Result<(), Error> {
        let device = self.placement.device();
        if device.is_empty() {
            return Ok(());
        }
        let outer: DeviceSpec = device.parse()?;
        for node in def.node.iter_mut().filter(|node| !is_colocated(node)) {
            let own: DeviceSpec = node.device.parse()?;
            node.device = own.within(&outer).to_string();
        }
        Ok(())
    }

    /// Adds what an exporter knew of the shapes of a node to what is known.
    fn learn_shapes(&mut self, id: NodeId, stored: &[PartialShape]) -> Result<(), Error> {
        let n_outputs = self.graph.get(id).and_then(|node| node.n_outputs()).unwrap_or(0);
        for (index, stored) in (0..).zip(stored.iter().take(n_outputs)) {
            if stored.rank().is_some_and(|rank| rank > MAX_RANK) {
                continue;
            }
            let tensor = id.output(index);
            let merged = shape::merged(self.shapes.get(tensor), stored).map_err(|what| {
                let node = self.graph.get(id).map_or("", |node| node.name()).to_owned();
                let message = format!(
                    "Node '{node}' has an _output_shapes attribute inconsistent with the GraphDef for \
                     output #{index}: {what}"
                );
                Error::Shape { node, message }
            })?;
            self.shapes.set(tensor, merged);
        }
        Ok(())
    }
}

/// Whether a node names others to be on one device with; it may also name itself.
fn is_colocated(node: &pb::NodeDef) -> bool {
    match node.attr.get("_class").and_then(|attr| attr.value.as_ref()) {
        Some(Value::List(list)) => {
            let mut targets = list.s.iter().filter_map(|class| colocation_target(class));
            targets.any(|target| target != node.name)
        }
        _ => false,
    }
}

/// The shapes that an exporter has stored, by the names of nodes in the message.
fn stored_shapes(def: &pb::GraphDef) -> Vec<(String, Vec<PartialShape>)> {
    let stored = def.node.iter().filter_map(|node| {
        let shapes = Attr::from_proto(node.attr.get("_output_shapes")?.clone()).as_shapes()?;
        let says_something = shapes.iter().any(|shape| shape.rank().is_some());
        says_something.then(|| (node.name.clone(), shapes))
    });
    stored.collect()
}
