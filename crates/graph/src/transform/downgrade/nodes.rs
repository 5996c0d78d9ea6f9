//! The nodes of one graph, of the main one or a function's, in stored form.

use std::collections::{HashMap, HashSet};

use flowkeep_proto::pb;

use super::{ChangedOp, DowngradeOptions, DowngradeReport, swap};
use crate::InputRef;

/// Nodes, and how tensors are named among them.
pub(super) struct Nodes<'a> {
    /// The function that they are the body of.
    pub(super) function: Option<String>,
    pub(super) nodes: &'a mut Vec<pb::NodeDef>,
    /// The names of all functions of the library.
    pub(super) functions: &'a HashSet<String>,
    by_name: HashMap<String, usize>,
    /// All that is taken as an input or a result.
    taken: HashSet<String>,
    /// What is stored of a function's arguments: their shapes may be among it.
    pub(super) args: HashMap<String, pb::AttrValue>,
}

impl<'a> Nodes<'a> {
    pub(super) fn of_graph(def: &'a mut pb::GraphDef, functions: &'a HashSet<String>) -> Nodes<'a> {
        Nodes::new(None, &mut def.node, HashSet::new(), HashMap::new(), functions)
    }

    pub(super) fn of_function(
        def: &'a mut pb::FunctionDef,
        functions: &'a HashSet<String>,
    ) -> Nodes<'a> {
        let signature = def.signature.as_ref();
        let name = signature.map(|signature| signature.name.clone()).unwrap_or_default();
        let args = signature.into_iter().flat_map(|signature| &signature.input_arg);
        let args = (0u32..).zip(args).filter_map(|(idx, arg)| {
            let shapes = def.arg_attr.get(&idx)?.attr.get("_output_shapes")?;
            Some((arg.name.clone(), shapes.clone()))
        });
        let args = args.collect();
        let taken = def.ret.values().cloned().collect();
        Nodes::new(Some(name), &mut def.node_def, taken, args, functions)
    }

    fn new(
        function: Option<String>,
        nodes: &'a mut Vec<pb::NodeDef>,
        mut taken: HashSet<String>,
        args: HashMap<String, pb::AttrValue>,
        functions: &'a HashSet<String>,
    ) -> Nodes<'a> {
        taken.extend(nodes.iter().flat_map(|node| node.input.iter().cloned()));
        let names = nodes.iter().enumerate().map(|(idx, node)| (node.name.clone(), idx));
        let by_name = names.collect();
        Nodes { function, nodes, functions, by_name, taken, args }
    }

    pub(super) fn downgrade(mut self, options: &DowngradeOptions, report: &mut DowngradeReport) {
        // Gradients come first: what they take of a normalization is of no use to older ones.
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|idx| !self.nodes.get(*idx).is_some_and(|node| node.op.contains("Grad")));
        for idx in &order {
            self.swap(*idx, options, report);
        }
        for node in self.nodes.iter_mut().filter(|node| !self.functions.contains(&node.op)) {
            super::check::check(node, self.function.as_deref(), options.consumer, report);
        }
    }

    /// Lets a node be of an op that the consumer has, as far as there is one.
    fn swap(&mut self, idx: usize, options: &DowngradeOptions, report: &mut DowngradeReport) {
        let Some(old) = self.nodes.get(idx).cloned() else { return };
        let Some(new) = swap::swapped(self, &old, options) else { return };
        report.changed_ops.push(ChangedOp {
            function: self.function.clone(),
            node: old.name.clone(),
            from: old.op.clone(),
            to: new.op.clone(),
        });
        for input in old.input.iter().skip(new.input.len()) {
            if !self.nodes.iter().any(|node| node.name != old.name && node.input.contains(input)) {
                self.taken.remove(input);
            }
        }
        if let Some(node) = self.nodes.get_mut(idx) {
            *node = new;
        }
    }

    /// The node that an input comes from, and the output; `None` for arguments of functions.
    pub(super) fn source(&self, input: &str) -> Option<(&pb::NodeDef, usize)> {
        let (name, index) = match &self.function {
            None => match InputRef::parse(input) {
                InputRef::Data { node, index } => (node, usize::try_from(index).ok()?),
                InputRef::Control(_) => return None,
            },
            Some(_) => {
                let (name, _) = input.split_once(':')?;
                let index = input.rsplit_once(':').and_then(|(_, index)| index.parse().ok());
                (name, index.unwrap_or(0))
            }
        };
        Some((self.nodes.get(*self.by_name.get(name)?)?, index))
    }

    /// Whether something takes an output, which is `result` of its op and the only tensor of that.
    pub(super) fn is_taken(&self, node: &str, index: u32, result: &str) -> bool {
        match &self.function {
            None => self.taken.contains(&InputRef::Data { node, index }.to_string()),
            Some(_) => {
                self.taken.contains(&format!("{node}:{result}"))
                    || self.taken.contains(&format!("{node}:{result}:0"))
            }
        }
    }
}
