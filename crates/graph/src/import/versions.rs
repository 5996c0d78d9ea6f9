//! Which graphs this reader takes.

use std::collections::BTreeSet;

use flowkeep_proto::pb;

use crate::Error;

/// The version of graphs that this reader is made for: that of TensorFlow 2.21.
pub const GRAPH_DEF_VERSION: i32 = 2474;

/// Graphs with functions are for readers from this version on.
pub(crate) const FUNCTIONS_SINCE: i32 = 12;

/// The oldest writer that is understood.
const MIN_PRODUCER: i32 = 0;
/// The release whose rules these are.
const TENSORFLOW: &str = "2.21.0";
/// Writers that are this many versions (days) newer are still expected to be understood.
const FORWARD_COMPATIBLE: i32 = 21;

/// Checks that a graph may be read by this reader.
pub(super) fn check(versions: &pb::VersionDef) -> Result<(), Error> {
    let pb::VersionDef { producer, min_consumer, bad_consumers } = versions;
    if *producer < MIN_PRODUCER {
        return Err(Error::Version(format!(
            "GraphDef producer version {producer} below min producer {MIN_PRODUCER} supported by TensorFlow \
             {TENSORFLOW}.  Please regenerate your graph."
        )));
    }
    if *min_consumer > GRAPH_DEF_VERSION {
        return Err(Error::Version(format!(
            "GraphDef min consumer version {min_consumer} above current version {GRAPH_DEF_VERSION} for \
             TensorFlow {TENSORFLOW}.  Please upgrade TensorFlow."
        )));
    }
    if bad_consumers.contains(&GRAPH_DEF_VERSION) {
        return Err(Error::Version(format!(
            "GraphDef disallows consumer version {GRAPH_DEF_VERSION}.  Please upgrade TensorFlow: this version is \
             likely buggy."
        )));
    }
    Ok(())
}

/// The versions of a graph that another has been imported into.
///
/// Absent versions count as all zero.
pub(super) fn merged(graph: &pb::VersionDef, imported: &pb::VersionDef) -> pb::VersionDef {
    let bad = graph.bad_consumers.iter().chain(&imported.bad_consumers);
    let bad: BTreeSet<i32> = bad.copied().collect();
    pb::VersionDef {
        producer: graph.producer.min(imported.producer),
        min_consumer: graph.min_consumer.max(imported.min_consumer),
        bad_consumers: bad.into_iter().collect(),
    }
}

/// Adds to an error that the graph comes from a much newer writer, if it does.
pub(super) fn explain(error: Error, versions: &pb::VersionDef) -> Error {
    if versions.producer <= GRAPH_DEF_VERSION + FORWARD_COMPATIBLE {
        return error;
    }
    Error::ForwardCompatibility {
        source: Box::new(error),
        consumer: GRAPH_DEF_VERSION,
        producer: versions.producer,
    }
}
