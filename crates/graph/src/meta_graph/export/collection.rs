//! Collections of a graph to collections of messages.

use flowkeep_proto::pb;
use flowkeep_proto::pb::collection_def::{
    AnyList, BytesList, FloatList, Int64List, Kind, NodeList,
};

use super::super::keys::{DefKind, def_kind};
use super::super::scope_names::strip_name_scope;
use super::{Selection, defs};
use crate::CollectionItem;

/// The message of a collection; `None` of one of which nothing is exported.
///
/// Errors: why it cannot be told.
pub(in super::super) fn collection_def(
    key: &str,
    items: &[CollectionItem],
    selection: &Selection<'_>,
) -> Result<Option<pb::CollectionDef>, String> {
    let items: Vec<&CollectionItem> = items.iter().filter(|item| has(selection, item)).collect();
    let Some(first) = items.first() else { return Ok(None) };
    let kind = match def_kind(key) {
        Some(kind) => messages(&items, kind, selection)?,
        None => Some(list(first, &items, selection)?),
    };
    Ok(Some(pb::CollectionDef { kind }))
}

/// Whether an item is exported: what has no name is.
fn has(selection: &Selection<'_>, item: &CollectionItem) -> bool {
    match item {
        CollectionItem::Str(text) => selection.has(text),
        item => item.name(selection.graph).is_none_or(|name| selection.has(&name)),
    }
}

/// The messages of a collection that holds some; without any it is of no kind.
fn messages(
    items: &[&CollectionItem],
    kind: DefKind,
    selection: &Selection<'_>,
) -> Result<Option<Kind>, String> {
    let mut value = Vec::with_capacity(items.len());
    for item in items {
        value.extend(defs::message(item, kind, selection.graph, selection.scope)?);
    }
    Ok((!value.is_empty()).then_some(Kind::BytesList(BytesList { value })))
}

/// The items of a collection that are all like the first one.
fn list(
    first: &CollectionItem,
    items: &[&CollectionItem],
    selection: &Selection<'_>,
) -> Result<Kind, String> {
    let items = items.iter().copied();
    Ok(match first {
        CollectionItem::Str(_) | CollectionItem::Bytes(_) => {
            let strings = items.map(|item| match item {
                CollectionItem::Str(text) => Ok(text.clone().into_bytes()),
                CollectionItem::Bytes(bytes) => Ok(bytes.to_vec()),
                item => Err(format!("Expected binary or unicode string, got {item}")),
            });
            Kind::BytesList(BytesList { value: strings.collect::<Result<_, _>>()? })
        }
        CollectionItem::Int(_) => {
            let numbers = items.map(|item| match item {
                CollectionItem::Int(number) => Ok(*number),
                item => Err(format!("Expected an int, got {item}")),
            });
            Kind::Int64List(Int64List { value: numbers.collect::<Result<_, _>>()? })
        }
        CollectionItem::Float(_) => {
            let numbers = items.map(|item| match item {
                CollectionItem::Float(number) => Ok(*number),
                CollectionItem::Int(number) => Ok(to_float(*number)),
                item => Err(format!("Expected a float, got {item}")),
            });
            Kind::FloatList(FloatList { value: numbers.collect::<Result<_, _>>()? })
        }
        CollectionItem::Any(_) => {
            let messages = items.map(|item| match item {
                CollectionItem::Any(message) => Ok(message.clone()),
                item => Err(format!("Expected a message, got {item}")),
            });
            Kind::AnyList(AnyList { value: messages.collect::<Result<_, _>>()? })
        }
        _ => {
            let names = items.map(|item| match item.name(selection.graph) {
                Some(name) => Ok(strip_name_scope(&name, selection.scope).into_owned()),
                None => Err(format!("{item} has no name")),
            });
            Kind::NodeList(NodeList { value: names.collect::<Result<_, _>>()? })
        }
    })
}

#[expect(clippy::as_conversions, reason = "the nearest float is what is stored")]
fn to_float(number: i64) -> f32 {
    number as f32
}
