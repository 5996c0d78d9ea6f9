//! Savers at work: what they write, keep, restore and refuse.

mod crash;
mod keep;
mod objects;
mod refuse;
mod round_trip;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowkeep_graph::Graph;
use flowkeep_graph::builder::{Initializer, Scope, Variable, VariableOptions};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::{Clock, Durability, Overwrite, Saver, SaverConfig, SaverOptions};
use flowkeep_tensor::{Shape, Tensor};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// A session that can save, with file names as TensorFlow's.
fn session(graph: impl Into<Arc<Graph>>) -> Session {
    let mut registry = Registry::standard();
    let options = SaverOptions {
        durability: Durability::Unsynced,
        overwrite: Overwrite::SameNames,
        ..SaverOptions::default()
    };
    flowkeep_saver::register_with(&mut registry, options);
    Session::new(graph.into(), SessionOptions { registry, threads: 2, ..SessionOptions::default() })
}

/// A session of a scope whose variables have their initial values, and the Saver.
fn launched(mut scope: Scope, config: SaverConfig) -> (Session, Saver) {
    let saver = Saver::new(&mut scope, config).unwrap();
    scope.with_op_name("init").global_variables_initializer().unwrap();
    let session = session(scope.into_graph());
    session.run(&[], &[], &["init"]).unwrap();
    (session, saver)
}

/// A variable that starts with 1, 2, 3, ….
fn variable(scope: &mut Scope, name: &str, dims: &[usize], use_resource: bool) -> Variable {
    let shape = Shape::new(dims);
    let values = (1u16..).take(shape.n_elements()).map(f32::from).collect();
    let value = Tensor::from_vec(shape, values).unwrap();
    let options = VariableOptions::new().initializer(Initializer::Value(value.into()));
    scope.with_op_name(name).variable(options.use_resource(use_resource)).unwrap()
}

fn values(session: &Session, variable: &Variable) -> Vec<f32> {
    let name = session.graph().tensor_name(variable.snapshot()).to_string();
    session.run(&[], &[&name], &[]).unwrap()[0].as_slice::<f32>().unwrap().to_vec()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A clock that is set by hand.
#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl HandClock {
    fn set(&self, seconds: f64) {
        self.0.store(seconds.to_bits(), Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}
