use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use flowkeep_proto::pb;

use crate::builder::{SaveableObject, Variable};
use crate::{Graph, Node, NodeId, Output};

/// What is in the collections of a graph.
///
/// ```
/// use flowkeep_graph::builder::Scope;
/// use flowkeep_graph::CollectionItem;
/// use flowkeep_tensor::DType;
///
/// let mut scope = Scope::new();
/// let a = scope.with_op_name("s/a").placeholder(DType::F32, [])?;
/// let b = scope.with_op_name("b").placeholder(DType::F32, [])?;
/// for item in [a.into(), b.into(), CollectionItem::Int(7)] {
///     scope.add_to_collection("mine", item);
/// }
/// let mine = |name| scope.collections().in_scope("mine", name, scope.graph());
/// assert_eq!(mine("s"), [a.into()]);
/// assert_eq!(mine("").len(), 2, "a number has no name");
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collections(BTreeMap<String, Vec<CollectionItem>>);

/// Something in a collection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CollectionItem {
    /// A variable.
    Variable(Variable),
    /// A tensor.
    Tensor(Output),
    /// A node.
    Node(NodeId),
    /// A string that may be a name: it is exported with a scope only if it begins with it, and
    /// imported under a scope it gets that.
    Str(String),
    /// A string that is no name.
    Bytes(Bytes),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f32),
    /// A message with its type.
    Any(prost_types::Any),
    /// A saver, with the names that its tensors have in the graph.
    Saver(Box<pb::SaverDef>),
    /// Who fills a queue, with names in the graph.
    QueueRunner(Box<pb::QueueRunnerDef>),
    /// Something other than a variable that is saved. MetaGraphs store its name alone.
    Saveable(Box<SaveableObject>),
    /// A conditional built of `Switch` and `Merge`, with names in the graph.
    Cond(Box<pb::CondContextDef>),
    /// A loop built of `Enter` and `Exit`, with names in the graph.
    While(Box<pb::WhileContextDef>),
}

impl CollectionItem {
    /// The name by which scopes tell items apart: that of a variable's or other tensor (`v:0`), of a
    /// node, of the queue that is filled, of what is saved, of a conditional or loop. `None` of all else.
    pub fn name(&self, graph: &Graph) -> Option<String> {
        match self {
            CollectionItem::Variable(variable) => Some(variable.name(graph)),
            CollectionItem::Tensor(tensor) => Some(graph.tensor_name(*tensor).to_string()),
            CollectionItem::Node(id) => Some(graph.get(*id).map_or("", Node::name).to_owned()),
            CollectionItem::QueueRunner(def) => Some(def.queue_name.clone()),
            CollectionItem::Saveable(saveable) => Some(saveable.name().to_owned()),
            CollectionItem::Cond(def) => Some(def.context_name.clone()),
            CollectionItem::While(def) => Some(def.context_name.clone()),
            CollectionItem::Str(_)
            | CollectionItem::Bytes(_)
            | CollectionItem::Int(_)
            | CollectionItem::Float(_)
            | CollectionItem::Any(_)
            | CollectionItem::Saver(_) => None,
        }
    }
}

/// What the item is, in a word or two.
impl fmt::Display for CollectionItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CollectionItem::Variable(_) => "a variable",
            CollectionItem::Tensor(_) => "a tensor",
            CollectionItem::Node(_) => "a node",
            CollectionItem::Str(_) => "a string",
            CollectionItem::Bytes(_) => "bytes",
            CollectionItem::Int(_) => "an int",
            CollectionItem::Float(_) => "a float",
            CollectionItem::Any(_) => "a message",
            CollectionItem::Saver(_) => "a saver",
            CollectionItem::QueueRunner(_) => "a queue runner",
            CollectionItem::Saveable(_) => "a saveable object",
            CollectionItem::Cond(_) => "a conditional",
            CollectionItem::While(_) => "a loop",
        })
    }
}

impl From<Variable> for CollectionItem {
    fn from(variable: Variable) -> CollectionItem {
        CollectionItem::Variable(variable)
    }
}

impl From<Output> for CollectionItem {
    fn from(tensor: Output) -> CollectionItem {
        CollectionItem::Tensor(tensor)
    }
}

impl From<NodeId> for CollectionItem {
    fn from(node: NodeId) -> CollectionItem {
        CollectionItem::Node(node)
    }
}

impl Collections {
    /// The items of a collection, in the order in which they were put there.
    pub fn get(&self, name: &str) -> &[CollectionItem] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The items of a collection to be changed in place; one that is not there is made, empty:
    /// `get_collection_ref`.
    pub fn get_mut(&mut self, name: &str) -> &mut Vec<CollectionItem> {
        self.0.entry(name.to_owned()).or_default()
    }

    /// The items whose names begin with `scope`, whether or not a slash follows: `get_collection` with
    /// a scope that has no characters that mean something in a regular expression. Items without a
    /// name are left out, also of the empty scope.
    pub fn in_scope(&self, name: &str, scope: &str, graph: &Graph) -> Vec<CollectionItem> {
        self.matching(name, |item| item.starts_with(scope), graph)
    }

    /// The items whose names fit: `get_collection` with any regular expression, which is the
    /// caller's to match. Items without a name do not fit.
    pub fn matching(
        &self,
        name: &str,
        fits: impl Fn(&str) -> bool,
        graph: &Graph,
    ) -> Vec<CollectionItem> {
        let items = self.get(name).iter();
        items.filter(|item| item.name(graph).is_some_and(|name| fits(&name))).cloned().collect()
    }

    /// The items of all collections, to be changed in place.
    pub(crate) fn items_mut(&mut self) -> impl Iterator<Item = &mut CollectionItem> {
        self.0.values_mut().flatten()
    }

    /// All collections, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[CollectionItem])> {
        self.0.iter().map(|(name, items)| (name.as_str(), items.as_slice()))
    }

    /// The variables of a collection.
    pub fn variables(&self, name: &str) -> impl Iterator<Item = &Variable> {
        self.get(name).iter().filter_map(|item| match item {
            CollectionItem::Variable(variable) => Some(variable),
            _ => None,
        })
    }

    /// The messages of the variables of a collection of a graph.
    pub fn variable_defs(&self, name: &str, graph: &Graph) -> Vec<pb::VariableDef> {
        self.variables(name).map(|variable| variable.to_proto(graph)).collect()
    }

    /// Puts something into a collection.
    pub fn add(&mut self, name: &str, item: impl Into<CollectionItem>) {
        self.get_mut(name).push(item.into());
    }

    /// Takes a collection away, and gives what was in it.
    pub fn remove(&mut self, name: &str) -> Vec<CollectionItem> {
        self.0.remove(name).unwrap_or_default()
    }

    /// Puts all that is in other collections behind what is in these.
    pub(crate) fn extend(&mut self, others: Collections) {
        for (name, items) in others.0 {
            self.get_mut(&name).extend(items);
        }
    }
}
