//! Graphs that are run, and their results.

use std::sync::Arc;

use flowkeep_graph::Graph;
use flowkeep_graph::transform::VariableInfo;
use flowkeep_runtime::resource::Variable;
use flowkeep_runtime::{Error, Session, SessionOptions};
use flowkeep_tensor::{Code, Tensor};

use crate::fixture::Case;

/// A session on `graph` in which the case's variables have their values.
pub(crate) fn session(case: &Case, graph: &Graph) -> Session {
    let session = Session::new(Arc::new(graph.clone()), SessionOptions::default());
    for variable in graph.nodes().iter().filter_map(VariableInfo::of) {
        let Some(value) = case.variables.get(variable.name) else { continue };
        let kind = if variable.is_resource { Variable::KIND } else { Variable::REF_KIND };
        let make = || -> Arc<dyn flowkeep_runtime::resource::Resource> {
            let new = if variable.is_resource { Variable::new } else { Variable::new_ref };
            Arc::new(new(variable.shared_name, variable.dtype, variable.shape()))
        };
        let name = variable.shared_name;
        let handle = session.resources().lookup_or_create(variable.container, kind, name, make);
        handle.get::<Variable>().unwrap().assign(value.clone()).unwrap();
    }
    session
}

pub(crate) fn run(session: &Session, case: &Case) -> Result<Vec<Tensor>, Error> {
    // A graph that was cut may not have all of them any more.
    let is_there = |name: &str| session.graph().output(name).is_ok();
    let feeds = case.feeds.iter().filter(|(name, _)| is_there(name));
    let feeds: Vec<(&str, Tensor)> =
        feeds.map(|(name, value)| (name.as_str(), value.clone())).collect();
    let fetches: Vec<&str> = case.fetches.iter().map(|(name, _)| name.as_str()).collect();
    session.run(&feeds, &fetches, &[])
}

/// Runs a graph and compares its results with TensorFlow's: floats to a few units in the last place
/// of the largest, all else exactly. Says whether the runtime has all that it needs for that.
pub(crate) fn check(case: &Case, graph: &Graph) -> bool {
    let got = match run(&session(case, graph), case) {
        Ok(got) => got,
        Err(error) if error.code() == Code::Unimplemented => return false,
        Err(error) => panic!("{}: {error}", case.name),
    };
    for (got, (name, want)) in got.iter().zip(&case.fetches) {
        let what = format!("{}: {name}", case.name);
        assert_eq!((got.dtype(), got.shape()), (want.dtype(), want.shape()), "{what}");
        let (Ok(got), Ok(want)) = (got.as_slice::<f32>(), want.as_slice::<f32>()) else {
            assert_eq!(got, want, "{what}");
            continue;
        };
        let largest = want.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let off = got.iter().zip(want).fold(0f32, |off, (got, want)| off.max((got - want).abs()));
        assert!(off <= 2e-6 * largest, "{what} is off by {off} of {largest}");
    }
    true
}
