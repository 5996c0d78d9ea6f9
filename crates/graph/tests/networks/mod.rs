//! The networks of `fixtures/graph_builder/generate.py`, line by line.

use flowkeep_graph::Error;
use flowkeep_graph::builder::Scope;

mod arrays;
mod classifier;
mod elementwise;
mod losses;
mod other_ops;
mod random_values;
mod scopes;

/// A network and how it is built.
pub(crate) struct Network {
    pub(crate) name: &'static str,
    pub(crate) build: fn(&mut Scope) -> Result<(), Error>,
}

/// All networks, in the order of the fixture.
pub(crate) const ALL: &[Network] = &[
    Network { name: "classifier_ref", build: classifier::by_ref },
    Network { name: "classifier_resource", build: classifier::by_resource },
    Network { name: "convnet", build: classifier::convnet },
    Network { name: "scopes", build: scopes::scopes },
    Network { name: "elementwise", build: elementwise::elementwise },
    Network { name: "arrays", build: arrays::arrays },
    Network { name: "losses", build: losses::losses },
    Network { name: "random_values", build: random_values::random_values },
    Network { name: "other_ops", build: other_ops::other_ops },
];
