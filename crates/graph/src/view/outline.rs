use std::collections::{BTreeMap, HashMap, HashSet};

use flowkeep_tensor::PartialShape;

use super::links::Links;
use super::op_kind::{is_control_flow, is_placeholder};
use super::{OpKind, Shapes};
use crate::{Error, Graph, Node, NodeId, PortType};

/// The most scopes around a node; what is left of a longer name stays together.
const MAX_DEPTH: usize = 64;

/// Which part of a graph is drawn, and how finely.
#[derive(Clone, Debug, Default)]
pub struct OutlineOptions {
    /// The most scopes around what is drawn; a scope within that many is drawn as one thing.
    pub depth: Option<usize>,
    /// A node, and how many edges away from it a node may be to be drawn.
    pub focus: Option<(String, usize)>,
    /// Whether control edges are left out.
    pub data_only: bool,
}

/// A graph as it is drawn: nodes in scopes, and edges.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Everything that is in no scope, and the scopes.
    pub root: Scope,
    /// The edges, in order of the graph; edges between the same things are one.
    pub edges: Vec<OutlineEdge>,
    /// How many nodes are not drawn because they are too far away.
    pub n_hidden: usize,
}

/// A scope: what names have in common before a slash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Its full name; empty for the root.
    pub name: String,
    /// The scopes in it, by name.
    pub scopes: Vec<Scope>,
    /// The nodes in it, in order of the graph.
    pub items: Vec<Item>,
}

/// Something that is drawn as one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its number, by which edges name it.
    pub id: usize,
    /// The full name of the node, or of the scope.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// A node.
    Node {
        /// Its op.
        op: String,
        /// What it is there for.
        role: Role,
        /// Whether it is the one that is looked at.
        is_focus: bool,
    },
    /// A scope with all that is in it.
    Scope {
        /// How many nodes are in it.
        n_nodes: usize,
    },
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is fed from outside.
    Input,
    /// It is a constant.
    Constant,
    /// It is a variable.
    Variable,
    /// It steers which nodes run.
    ControlFlow,
    /// It calls a function.
    Call,
    /// Any other.
    Plain,
}

/// An edge between two items.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlineEdge {
    /// The item that it comes from.
    pub from: usize,
    /// The item that it leads to.
    pub to: usize,
    /// Whether nothing flows along it.
    pub is_control: bool,
    /// Whether it closes a loop.
    pub is_back_edge: bool,
    /// How many edges between nodes it stands for.
    pub n_edges: usize,
    /// Type and shape of the tensor, if it is only one.
    pub tensor: Option<(PortType, PartialShape)>,
}

impl Outline {
    /// The outline of a graph; `shapes` are those of the graph.
    ///
    /// Errors: `NOT_FOUND` for a focus that is no node.
    pub fn new(graph: &Graph, shapes: &Shapes, options: &OutlineOptions) -> Result<Outline, Error> {
        let focus = match &options.focus {
            None => None,
            Some((name, radius)) => {
                let id = graph.get_operation_by_name(name)?;
                Some((id, near(graph, id, *radius, options.data_only)))
            }
        };
        let drawn: Vec<_> = graph
            .iter()
            .filter(|(id, _)| focus.as_ref().is_none_or(|(_, near)| near.contains(id)))
            .map(|(id, node)| (id, node, Place::of(node.name(), options)))
            .collect();
        let mut n_in_scope: HashMap<&str, usize> = HashMap::new();
        for (_, _, place) in &drawn {
            if let Place::With(scope) = place {
                *n_in_scope.entry(scope).or_default() += 1;
            }
        }
        let mut drawing = Drawing::default();
        let n_hidden = graph.len() - drawn.len();
        for (id, node, place) in drawn {
            let scope = match place {
                Place::In(scope) => scope,
                Place::With(scope) => match n_in_scope.get(scope) {
                    Some(n_nodes) if *n_nodes > 1 => {
                        drawing.put_into_scope(id, scope, *n_nodes);
                        continue;
                    }
                    _ => around(scope),
                },
            };
            let is_focus = focus.as_ref().is_some_and(|(focus, _)| *focus == id);
            let (op, role) = (node.op().to_owned(), Role::of(graph, node));
            drawing.put(id, scope, node.name(), ItemKind::Node { op, role, is_focus });
        }
        let edges = drawing.edges(graph, shapes, options.data_only);
        Ok(Outline { root: drawing.tree(), edges, n_hidden })
    }
}

impl Role {
    fn of(graph: &Graph, node: &Node) -> Role {
        match node.op() {
            op if is_placeholder(op) => Role::Input,
            "Const" => Role::Constant,
            "Variable" | "VariableV2" | "VarHandleOp" => Role::Variable,
            op if is_control_flow(op) => Role::ControlFlow,
            "PartitionedCall" | "StatefulPartitionedCall" => Role::Call,
            _ if OpKind::of(graph, node) == OpKind::Function => Role::Call,
            _ => Role::Plain,
        }
    }
}

/// Where a node is drawn.
enum Place<'n> {
    /// By itself, in this scope.
    In(&'n str),
    /// In one thing with all that is in this scope.
    With(&'n str),
}

impl<'n> Place<'n> {
    fn of(name: &'n str, options: &OutlineOptions) -> Place<'n> {
        let before = |n_scopes: usize| {
            let (at, _) = name.match_indices('/').nth(n_scopes)?;
            name.get(..at)
        };
        match options.depth.filter(|depth| *depth < MAX_DEPTH).map(before) {
            Some(Some(scope)) => Place::With(scope),
            _ => Place::In(before(MAX_DEPTH).map_or_else(|| around(name), around)),
        }
    }
}

/// The scope around a node or another scope.
fn around(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(scope, _)| scope)
}

/// The nodes that are at most so many edges away, in either direction.
fn near(graph: &Graph, start: NodeId, radius: usize, data_only: bool) -> HashSet<NodeId> {
    let links = Links::new(graph);
    let mut seen = HashSet::from([start]);
    let mut edge = vec![start];
    for _ in 0..radius {
        let mut next = Vec::new();
        for id in std::mem::take(&mut edge) {
            let Some(node) = graph.get(id) else { continue };
            let data = node.inputs().iter().map(|input| input.node);
            let data = data.chain(links.data(id).iter().map(|link| link.consumer));
            let control = node.control_inputs().iter().chain(links.control(id)).copied();
            let control = control.filter(|_| !data_only);
            next.extend(data.chain(control).filter(|id| seen.insert(*id)));
        }
        edge = next;
        if edge.is_empty() {
            break;
        }
    }
    seen
}

/// A drawing under way.
#[derive(Default)]
struct Drawing<'g> {
    /// The item of each node that is drawn.
    item_of: HashMap<NodeId, usize>,
    /// The item of each scope that is drawn as one thing.
    item_of_scope: HashMap<&'g str, usize>,
    /// Items with the scopes that they are in, in order of their numbers.
    items: Vec<(&'g str, Item)>,
}

impl<'g> Drawing<'g> {
    fn put(&mut self, id: NodeId, scope: &'g str, name: &str, kind: ItemKind) {
        self.item_of.insert(id, self.items.len());
        let item = Item { id: self.items.len(), name: name.to_owned(), kind };
        self.items.push((scope, item));
    }

    fn put_into_scope(&mut self, id: NodeId, scope: &'g str, n_nodes: usize) {
        match self.item_of_scope.get(scope) {
            Some(item) => {
                self.item_of.insert(id, *item);
            }
            None => {
                self.item_of_scope.insert(scope, self.items.len());
                self.put(id, around(scope), scope, ItemKind::Scope { n_nodes });
            }
        }
    }

    fn edges(&self, graph: &Graph, shapes: &Shapes, data_only: bool) -> Vec<OutlineEdge> {
        let mut edges: Vec<OutlineEdge> = Vec::new();
        let mut places: HashMap<(usize, usize, bool, bool), usize> = HashMap::new();
        let mut add = |from: NodeId, to: NodeId, is_control: bool, tensor| {
            let (Some(item), Some(other)) = (self.item_of.get(&from), self.item_of.get(&to)) else {
                return;
            };
            if item == other && from != to {
                return;
            }
            let is_back_edge = from >= to && graph.get(to).is_some_and(Node::is_merge);
            let place = (*item, *other, is_control, is_back_edge);
            match places.get(&place).and_then(|place| edges.get_mut(*place)) {
                Some(edge) => {
                    edge.n_edges += 1;
                    edge.tensor = None;
                }
                None => {
                    places.insert(place, edges.len());
                    let (from, to) = (*item, *other);
                    let edge =
                        OutlineEdge { from, to, is_control, is_back_edge, n_edges: 1, tensor };
                    edges.push(edge);
                }
            }
        };
        for (id, node) in graph.iter() {
            for input in node.inputs() {
                let types = graph.get(input.node).and_then(|source| source.output_types());
                let port = types.zip(usize::try_from(input.index).ok());
                let port = port.and_then(|(types, index)| types.get(index).copied());
                add(input.node, id, false, port.map(|port| (port, shapes.get(*input))));
            }
            for source in node.control_inputs().iter().filter(|_| !data_only) {
                add(*source, id, true, None);
            }
        }
        edges
    }

    /// The items in their scopes.
    fn tree(self) -> Scope {
        let mut root = Scope::default();
        // By parts of names, so that what is in a scope stands together.
        let mut by_scope: BTreeMap<Vec<&str>, Vec<Item>> = BTreeMap::new();
        for (scope, item) in self.items {
            let parts = if scope.is_empty() { Vec::new() } else { scope.split('/').collect() };
            by_scope.entry(parts).or_default().push(item);
        }
        for (parts, items) in by_scope {
            let mut scope = &mut root;
            let mut name = String::new();
            for (idx, part) in parts.into_iter().enumerate() {
                name.extend([if idx > 0 { "/" } else { "" }, part]);
                if scope.scopes.last().is_none_or(|last| last.name != name) {
                    scope.scopes.push(Scope { name: name.clone(), ..Scope::default() });
                }
                match scope.scopes.last_mut() {
                    Some(inner) => scope = inner,
                    None => break,
                }
            }
            scope.items.extend(items);
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_proto::text;

    use super::*;
    use crate::ImportOptions;

    fn graph(names: &[&str]) -> Graph {
        let mut source = String::new();
        for (idx, name) in names.iter().enumerate() {
            let input = idx.checked_sub(1).map(|before| format!("input: '^{}'", names[before]));
            source +=
                &format!("node {{ name: '{name}' op: 'NoOp' {} }}", input.unwrap_or_default());
        }
        Graph::import(text::parse_message(&source).unwrap(), &ImportOptions::default()).unwrap()
    }

    fn outline(graph: &Graph, depth: Option<usize>, focus: Option<(&str, usize)>) -> Outline {
        let focus = focus.map(|(name, radius)| (name.to_owned(), radius));
        let options = OutlineOptions { depth, focus, data_only: false };
        Outline::new(graph, &Shapes::new(graph, None), &options).unwrap()
    }

    /// Scopes in braces, folded ones with the number of nodes in them.
    fn shown(scope: &Scope) -> String {
        let inner = scope.scopes.iter().map(|inner| format!("{}{{{}}}", inner.name, shown(inner)));
        let items = scope.items.iter().map(|item| match &item.kind {
            ItemKind::Node { is_focus, .. } => {
                format!("{}{}", item.name, if *is_focus { "!" } else { "" })
            }
            ItemKind::Scope { n_nodes } => format!("{}({n_nodes})", item.name),
        });
        inner.chain(items).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nodes_are_in_their_scopes_and_deep_ones_are_folded() {
        let graph = graph(&["x", "a/b/c", "a/b/d", "a-b/y", "a/e", "a", "p/q/r"]);
        let shown = |depth| shown(&outline(&graph, depth, None).root);
        assert_eq!(shown(None), "a{a/b{a/b/c a/b/d} a/e} a-b{a-b/y} p{p/q{p/q/r}} x a");
        assert_eq!(shown(Some(1)), "a{a/b(2) a/e} a-b{a-b/y} p{p/q/r} x a");
        // What is alone in a scope is drawn itself.
        assert_eq!(shown(Some(0)), "x a(3) a-b/y a p/q/r");
    }

    #[test]
    fn edges_between_the_same_things_are_one_and_those_within_are_none() {
        let graph = graph(&["x", "s/a", "t/b", "s/c", "t/d", "t/e"]);
        let outline = outline(&graph, Some(0), None);
        let edges: Vec<_> =
            outline.edges.iter().map(|edge| (edge.from, edge.to, edge.n_edges)).collect();
        assert_eq!(edges, [(0, 1, 1), (1, 2, 2), (2, 1, 1)]);
        assert!(outline.edges.iter().all(|edge| edge.is_control && edge.tensor.is_none()));
    }

    #[test]
    fn only_what_is_near_the_focus_is_drawn() {
        let graph = graph(&["a", "b", "c", "d", "e"]);
        let near = |radius| {
            let outline = outline(&graph, None, Some(("c", radius)));
            assert_eq!(outline.edges.len(), outline.root.items.len() - 1);
            (shown(&outline.root), outline.n_hidden)
        };
        assert_eq!(near(0), ("c!".into(), 4));
        assert_eq!(near(1), ("b c! d".into(), 2));
        assert_eq!(near(9), ("a b c! d e".into(), 0));
        let options = OutlineOptions { focus: Some(("f".into(), 1)), ..OutlineOptions::default() };
        assert!(Outline::new(&graph, &Shapes::new(&graph, None), &options).is_err());
    }

    #[test]
    fn names_without_end_make_no_scopes_without_end() {
        let deep = vec!["a"; 5000].join("/");
        let graph = graph(&[&deep]);
        let outline = outline(&graph, None, None);
        let mut n_scopes = 0;
        let mut scope = &outline.root;
        while let [inner] = &scope.scopes[..] {
            n_scopes += 1;
            scope = inner;
        }
        assert_eq!(n_scopes, MAX_DEPTH);
        assert_eq!(scope.items[0].name, deep);
    }
}
