//! Collections of messages to collections of a graph.

use std::collections::{BTreeMap, HashMap};

use flowkeep_proto::pb;
use flowkeep_proto::pb::collection_def::Kind;
use flowkeep_proto::prost::{Message, Name};

use super::super::keys::{DefKind, ONCE_NAMES, TRAINABLE_VARIABLES, def_kind, tells_trainability};
use super::super::scope_names::prepend_name_scope;
use super::super::{CollectionItem, CollectionWarning, Collections, WarningKind};
use super::contexts::Place;
use super::{saver, writer};
use crate::builder::Variable;
use crate::{Element, Error, Graph, NodeId};

/// Where the items of collections are, and who wrote them.
pub(in super::super) struct Restore<'a> {
    pub(in super::super) graph: &'a Graph,
    /// The scope that the nodes are in.
    pub(in super::super) scope: &'a str,
    /// Whether the writer's variables say whether they are trainable.
    pub(in super::super) variables_say_trainable: bool,
}

/// What collections of messages come to.
#[derive(Default)]
pub(in super::super) struct Restored {
    pub(in super::super) collections: Collections,
    /// The nodes that enter loops, and the frames that they are to enter.
    pub(in super::super) frames: Vec<(NodeId, String)>,
    pub(in super::super) warnings: Vec<CollectionWarning>,
}

/// Variables by the bytes of their messages.
type Built<'a> = HashMap<&'a [u8], Variable>;

impl<'a> Restore<'a> {
    /// Items of a graph at its root, written by a release of TensorFlow.
    pub(in super::super) fn at_root(graph: &'a Graph, version: &str) -> Restore<'a> {
        Restore { graph, scope: "", variables_say_trainable: writer::says_trainable(version) }
    }

    /// The items of all collections that are `wanted`: those to be trained first, so that they are.
    pub(in super::super) fn all(
        &self,
        defs: &BTreeMap<String, pb::CollectionDef>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Restored, Error> {
        let mut restored = Restored::default();
        let mut built = Built::new();
        let first = defs.get_key_value(TRAINABLE_VARIABLES);
        let others = defs.iter().filter(|(key, _)| *key != TRAINABLE_VARIABLES);
        for (key, def) in first.into_iter().chain(others) {
            if wanted(key) {
                self.collection(key, def, &mut built, &mut restored)?;
            }
        }
        Ok(restored)
    }

    fn collection<'d>(
        &self,
        key: &str,
        def: &'d pb::CollectionDef,
        built: &mut Built<'d>,
        restored: &mut Restored,
    ) -> Result<(), Error> {
        let Some(kind) = &def.kind else {
            restored.warnings.push(CollectionWarning::new(key, WarningKind::NoKind));
            return Ok(());
        };
        if let (Kind::BytesList(list), Some(def_kind)) = (kind, def_kind(key)) {
            for bytes in &list.value {
                let item = self.message(key, def_kind, bytes, built, &mut restored.frames)?;
                restored.collections.add(key, item);
            }
            return Ok(());
        }
        if ONCE_NAMES.contains(&key) {
            let warning = WarningKind::OldForm(kind_name(kind));
            restored.warnings.push(CollectionWarning::new(key, warning));
        }
        for item in self.items(key, kind)? {
            restored.collections.add(key, item);
        }
        Ok(())
    }

    /// The items of a collection that holds no messages.
    fn items(&self, key: &str, kind: &Kind) -> Result<Vec<CollectionItem>, Error> {
        Ok(match kind {
            Kind::NodeList(list) => {
                let names = list.value.iter().map(|name| prepend_name_scope(name, self.scope));
                let elements = names.map(|name| {
                    Ok(match self.graph.as_graph_element(&name)? {
                        Element::Node(id) => CollectionItem::Node(id),
                        Element::Output(tensor) => CollectionItem::Tensor(tensor),
                    })
                });
                elements.collect::<Result<_, Error>>()?
            }
            Kind::BytesList(list) => {
                let strings = list.value.iter().map(|bytes| self.string(key, bytes));
                strings.collect::<Result<_, _>>()?
            }
            Kind::Int64List(list) => list.value.iter().copied().map(CollectionItem::Int).collect(),
            Kind::FloatList(list) => {
                list.value.iter().copied().map(CollectionItem::Float).collect()
            }
            Kind::AnyList(list) => list.value.iter().cloned().map(CollectionItem::Any).collect(),
        })
    }

    /// A string, which under a scope counts as a name.
    fn string(&self, key: &str, bytes: &[u8]) -> Result<CollectionItem, Error> {
        if self.scope.is_empty() {
            return Ok(CollectionItem::Bytes(bytes.to_vec().into()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Error::MetaGraph(format!("collection {key} has a string that is not UTF-8: {error}"))
        })?;
        Ok(CollectionItem::Str(prepend_name_scope(text, self.scope)))
    }

    fn message<'d>(
        &self,
        key: &str,
        kind: DefKind,
        bytes: &'d [u8],
        built: &mut Built<'d>,
        frames: &mut Vec<(NodeId, String)>,
    ) -> Result<CollectionItem, Error> {
        let place = Place { graph: self.graph, scope: self.scope };
        Ok(match kind {
            DefKind::Variable => self.variable(key, bytes, built)?.into(),
            DefKind::Saver => {
                CollectionItem::Saver(saver::in_scope(decode(key, bytes)?, self.scope)?.into())
            }
            DefKind::QueueRunner => {
                CollectionItem::QueueRunner(place.queue_runner(decode(key, bytes)?)?.into())
            }
            DefKind::Cond => CollectionItem::Cond(place.cond(decode(key, bytes)?, frames)?.into()),
            DefKind::While => {
                CollectionItem::While(place.while_loop(decode(key, bytes)?, frames)?.into())
            }
        })
    }

    /// A variable; one with the same message that is there already is the same.
    fn variable<'d>(
        &self,
        key: &str,
        bytes: &'d [u8],
        built: &mut Built<'d>,
    ) -> Result<Variable, Error> {
        if !tells_trainability(key) {
            return Variable::from_proto(&decode(key, bytes)?, self.graph, self.scope);
        }
        if let Some(variable) = built.get(bytes) {
            return Ok(variable.clone());
        }
        let mut def: pb::VariableDef = decode(key, bytes)?;
        if !self.variables_say_trainable {
            def.trainable = key == TRAINABLE_VARIABLES;
        }
        let variable = Variable::from_proto(&def, self.graph, self.scope)?;
        built.insert(bytes, variable.clone());
        Ok(variable)
    }
}

fn decode<M: Message + Name + Default>(key: &str, bytes: &[u8]) -> Result<M, Error> {
    M::decode(bytes).map_err(|error| {
        Error::MetaGraph(format!("collection {key} has a malformed {}: {error}", M::NAME))
    })
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::NodeList(_) => "node_list",
        Kind::BytesList(_) => "bytes_list",
        Kind::Int64List(_) => "int64_list",
        Kind::FloatList(_) => "float_list",
        Kind::AnyList(_) => "any_list",
    }
}
