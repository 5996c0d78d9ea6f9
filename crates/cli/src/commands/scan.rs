//! `flowkeep scan`: ops that a model from elsewhere should not have, and where they are.

use std::collections::BTreeSet;
use std::io::Write;

use flowkeep_graph::op_def;
use flowkeep_proto::pb;
use flowkeep_saved_model::SavedModel;
use flowkeep_saved_model::scan::{Place, find_ops};
use flowkeep_tensor::Code;
use serde::Serialize;

use super::{no_tags, op_meant, tags_of};
use crate::args::{Flags, Format};
use crate::error::Error;
use crate::python::{set_repr, str_repr};
use crate::render::{Page, json};
use crate::view::{ops_used, tags};

/// The ops that are looked for when none are named.
const DEFAULT_DENYLIST: [&str; 3] = ["PrintV2", "ReadFile", "WriteFile"];

#[derive(Serialize)]
struct Scanned {
    denylist: BTreeSet<String>,
    meta_graphs: Vec<MetaGraph>,
}

#[derive(Serialize)]
struct MetaGraph {
    tags: Vec<String>,
    ops: BTreeSet<String>,
    /// Those of `ops` that `saved_model_cli scan` does not see.
    hidden: BTreeSet<String>,
    places: Vec<FoundPlace>,
}

#[derive(Serialize)]
struct FoundPlace {
    op: String,
    node: String,
    function: Option<String>,
    /// The nodes in whose strings the graph of the node is serialized, outermost first.
    serialized_in: Vec<String>,
    run_by: Vec<String>,
}

/// Scans the MetaGraph of `--tag_set`, or all of them.
///
/// Errors: those of opening; `PERMISSION_DENIED`, after the list, if something is found and `--fail_if_found` is
/// given.
pub(crate) fn run(flags: &Flags, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let model = SavedModel::open(&flags.dir)?;
    let defs = &model.def().meta_graphs;
    let chosen = match &flags.tag_set {
        None => &defs[..],
        Some(tag_set) => match tags_of(tag_set) {
            wanted if wanted.is_empty() => return Err(no_tags()),
            wanted => std::slice::from_ref(&defs[model.find(&wanted)?]),
        },
    };
    let denylist = denylist(&flags.op_denylist);
    denylist.iter().for_each(|op| note_unknown(op));
    let meta_graphs = chosen.iter().map(|def| MetaGraph::new(def, &denylist)).collect();
    let scanned = Scanned { denylist, meta_graphs };
    match format {
        Format::Json => json::document(&scanned, out)?,
        Format::Text => text(&scanned, flags.all, &mut Page(out))?,
    }
    out.flush().map_err(Error::Output)?;
    scanned.meta_graphs.iter().for_each(note_hidden);
    let n_found: usize = scanned.meta_graphs.iter().map(|found| found.places.len()).sum();
    if n_found == 0 || !flags.fail_if_found {
        return Ok(());
    }
    let message = format!("{n_found} nodes with ops that are not wanted");
    Err(Error::Reported { code: Code::PermissionDenied, message })
}

/// The ops of `--op_denylist`; the default ones if it names none.
fn denylist(flag: &str) -> BTreeSet<String> {
    let named = flag.split(',').map(str::trim).filter(|op| !op.is_empty());
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    if named.is_empty() { DEFAULT_DENYLIST.map(str::to_owned).into() } else { named }
}

impl MetaGraph {
    fn new(def: &pb::MetaGraphDef, denylist: &BTreeSet<String>) -> MetaGraph {
        let places: Vec<FoundPlace> =
            find_ops(def, denylist).into_iter().map(FoundPlace::from).collect();
        let ops: BTreeSet<String> = places.iter().map(|place| place.op.clone()).collect();
        let seen = ops_used(def);
        let hidden = ops.difference(&seen).cloned().collect();
        MetaGraph { tags: tags(def).to_vec(), ops, hidden, places }
    }
}

impl From<Place> for FoundPlace {
    fn from(place: Place) -> FoundPlace {
        FoundPlace {
            op: place.op,
            node: place.node,
            function: place.function,
            serialized_in: place.inside,
            run_by: place.run_by,
        }
    }
}

/// The text of `saved_model_cli scan`; with `all`, followed by every place.
fn text(scanned: &Scanned, all: bool, page: &mut Page<'_>) -> Result<(), Error> {
    for found in &scanned.meta_graphs {
        let tags: Vec<String> = found.tags.iter().map(|tag| str_repr(tag)).collect();
        let tags = tags.join(", ");
        page.line(match found.ops.is_empty() {
            true => format!(
                "MetaGraph with tag set [{tags}] does not contain the default denylisted ops: {}",
                set_repr(&scanned.denylist)
            ),
            false => format!(
                "MetaGraph with tag set [{tags}] contains the following denylisted ops: {}",
                set_repr(&found.ops)
            ),
        })?;
        for place in found.places.iter().filter(|_| all) {
            page.line(format!("  {}", line(place)))?;
        }
    }
    Ok(())
}

/// A place, and what runs it.
fn line(place: &FoundPlace) -> String {
    let FoundPlace { op, node, function, serialized_in, run_by } = place;
    let mut line = format!("{op}: node {node}");
    if let Some(function) = function {
        line += &format!(" of function {function}");
    }
    if !serialized_in.is_empty() {
        line += &format!(" of a graph in the strings of {}", serialized_in.join(", in it "));
    }
    match run_by.is_empty() {
        true => line + ", which no signature runs",
        false => line + &format!(", run by {}", run_by.join(", ")),
    }
}

/// Says what `saved_model_cli` would have passed over. Nobody is left to tell when that fails.
fn note_hidden(found: &MetaGraph) {
    if !found.hidden.is_empty() {
        let hidden: Vec<&str> = found.hidden.iter().map(String::as_str).collect();
        let _ = writeln!(
            std::io::stderr(),
            "flowkeep: note: saved_model_cli does not see {}, which only branches, other functions or serialized \
             graphs have",
            hidden.join(", ")
        );
    }
}

/// Says that there is no op of a name: whoever misspells one should not take the model for harmless.
fn note_unknown(name: &str) {
    if !op_def::is_known(name) {
        let meant = op_meant(name);
        let _ =
            writeln!(std::io::stderr(), "flowkeep: warning: TensorFlow has no op {name}{meant}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_the_default_one() {
        for flag in ["", " , "] {
            assert_eq!(denylist(flag), DEFAULT_DENYLIST.map(str::to_owned).into(), "{flag:?}");
        }
        assert_eq!(denylist("NoOp, MatMul,"), ["MatMul", "NoOp"].map(str::to_owned).into());
    }
}
