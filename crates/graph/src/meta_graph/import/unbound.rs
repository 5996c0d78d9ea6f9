//! What an exported scope took from outside of it.

use flowkeep_proto::pb;
use flowkeep_proto::pb::collection_def::Kind;

use super::ImportMetaGraphOptions;
use crate::Error;

/// Fails when unbound inputs are not given, or others with them.
pub(super) fn check(def: &pb::MetaGraphDef, options: &ImportMetaGraphOptions) -> Result<(), Error> {
    let Some(key) = &options.unbound_inputs_col_name else { return Ok(()) };
    let collection = def.collection_def.get(key).and_then(|collection| collection.kind.as_ref());
    let mut unbound: Vec<String> = match collection {
        Some(Kind::BytesList(list)) => {
            list.value.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
        }
        Some(Kind::NodeList(list)) => list.value.clone(),
        _ => return Ok(()),
    };
    let names = unbound.join(",");
    unbound.sort_unstable();
    if unbound.is_empty() || unbound.iter().eq(options.input_map.keys()) {
        return Ok(());
    }
    Err(Error::MetaGraph(format!(
        "Graph contains unbound inputs: {names}. Must provide these inputs through input_map."
    )))
}
