//! What belongs to a graph, after the graph was edited: a MetaGraph keeps what still makes sense.
//!
//! Modules in reading order: `endpoints` ([`Endpoints`], the nodes that a MetaGraph names), `dangling`
//! ([`Dropped`], what names nodes that are gone), `functions` (those that objects need), `ops` (the list of
//! ops), `stored` (defaults, as they were stored). [`rewrite`] does it all;
//! [`GraphFile::rewrite`](crate::file::GraphFile::rewrite) does it to a file.

use flowkeep_proto::pb;

use crate::transform::NameMap;
use crate::{Error, ImportOptions, MetaGraph};

mod dangling;
mod endpoints;
mod functions;
mod ops;
mod stored;

pub use dangling::Dropped;
pub use endpoints::Endpoints;
pub use functions::keep_functions_of_objects;
pub use ops::relist_ops;
use stored::Stored;

/// A MetaGraph whose graph was edited.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The MetaGraph; nodes that are gone may be named in it.
    pub meta_graph: MetaGraph,
    /// The new names of nodes and functions that were renamed. The MetaGraph has them already.
    pub names: NameMap,
}

impl From<MetaGraph> for Rewritten {
    /// Nothing was renamed.
    fn from(meta_graph: MetaGraph) -> Rewritten {
        Rewritten { meta_graph, names: NameMap::default() }
    }
}

/// Imports a MetaGraph, lets `edit` change it, and gives the new message, without what names nodes that
/// are gone.
///
/// Attributes that have a default and were not stored are left out again; if there was a list of the ops
/// that the graph uses, it lists those that it uses now.
///
/// Errors: as [`MetaGraph::import`]; those of `edit`.
pub fn rewrite<E: From<Error>>(
    def: pb::MetaGraphDef,
    edit: impl FnOnce(MetaGraph) -> Result<Rewritten, E>,
) -> Result<(pb::MetaGraphDef, Dropped), E> {
    let stored = Stored::of(&def);
    let meta_graph = MetaGraph::import(def, &ImportOptions::default())?;
    let Rewritten { mut meta_graph, names } = edit(meta_graph)?;
    let dropped = dangling::drop_dangling(&mut meta_graph);
    let mut def = meta_graph.to_meta_graph_def();
    stored.restore(&mut def, &names);
    Ok((def, dropped))
}
