//! The first programs of TensorFlow's guide to saving: two variables are changed and saved, restored in
//! another program, and one of them alone, also under another name.
//!
//! ```sh
//! tutorial save DIR/model.ckpt          # v1 and v2, changed once
//! tutorial restore DIR/model.ckpt       # prints both
//! tutorial save_v2 DIR/v2.ckpt          # only v2, called `second`
//! tutorial restore_v2 DIR/v2.ckpt second # v2 from what is called so; v1 is initialized
//! ```
//!
//! With `ref` behind, variables are references, as in TensorFlow 1.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use flowkeep_graph::Graph;
use flowkeep_graph::builder::{Initializer, Scope, Variable, VariableOptions};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::{SaveOptions, Saver, SaverConfig, VarList};

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut scope = Scope::new();
    if args.last() == Some(&"ref") {
        args.pop();
        scope.disable_resource_variables();
    }
    let zeros =
        |length: usize| VariableOptions::new().shape([length]).initializer(Initializer::Zeros);
    let v1 = scope.get_variable("v1", zeros(3))?;
    let v2 = scope.get_variable("v2", zeros(5))?;
    match args[..] {
        ["save", prefix] => {
            let changed = [changed(&mut scope, &v1, 1.0)?, changed(&mut scope, &v2, -1.0)?];
            let change = scope.with_op_name("change").group(changed)?;
            let init = scope.with_op_name("init").global_variables_initializer()?;
            let mut saver = Saver::new(&mut scope, SaverConfig::default())?;
            let [change, init] = [change, init].map(|id| scope.graph().node(id).name().to_owned());
            let session = session(scope.into_graph());
            session.run(&[], &[], &[&init])?;
            session.run(&[], &[], &[&change])?;
            let path = saver.save(&session, prefix, &SaveOptions::default())?;
            println!("Model saved in path: {}", path.unwrap_or_default().display());
        }
        ["restore", prefix] => {
            let saver = Saver::new(&mut scope, SaverConfig::default())?;
            let session = session(scope.into_graph());
            saver.restore(&session, prefix)?;
            print(&session, [&v1, &v2])?;
        }
        ["save_v2", prefix] => {
            let change = changed(&mut scope, &v2, -1.0)?;
            let init = scope.variables_initializer([&v2])?;
            let mut saver = Saver::new(&mut scope, only("second", &v2))?;
            let [change, init] = [change, init].map(|id| scope.graph().node(id).name().to_owned());
            let session = session(scope.into_graph());
            session.run(&[], &[], &[&init])?;
            session.run(&[], &[], &[&change])?;
            saver.save(&session, prefix, &SaveOptions::default())?;
        }
        ["restore_v2", prefix, key] => {
            let saver = Saver::new(&mut scope, only(key, &v2))?;
            let session = session(scope.into_graph());
            let initializer = session.graph().node(v1.initializer()).name().to_owned();
            session.run(&[], &[], &[&initializer])?;
            saver.restore(&session, prefix)?;
            print(&session, [&v1, &v2])?;
        }
        _ => {
            return Err(
                "usage: tutorial save|restore|save_v2 PREFIX | restore_v2 PREFIX KEY".into()
            );
        }
    }
    Ok(())
}

/// The node that adds a number to a variable.
fn changed(
    scope: &mut Scope,
    variable: &Variable,
    by: f32,
) -> Result<flowkeep_graph::NodeId, flowkeep_graph::Error> {
    let sum = scope.add(variable, by)?;
    scope.assign(variable, sum)
}

/// A Saver of one variable under a name of its own.
fn only(key: &str, variable: &Variable) -> SaverConfig {
    SaverConfig::of(VarList::Map(BTreeMap::from([(key.to_owned(), variable.into())])))
}

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn print(session: &Session, variables: [&Variable; 2]) -> Result<(), Box<dyn Error>> {
    for variable in variables {
        let tensor = session.graph().tensor_name(variable.snapshot()).to_string();
        let value = session.run(&[], &[&tensor], &[])?;
        let name = session.graph().node(variable.op()).name();
        println!("{name} : {:?}", value[0].as_slice::<f32>()?);
    }
    Ok(())
}

fn session(graph: Graph) -> Session {
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    Session::new(Arc::new(graph), SessionOptions { registry, ..SessionOptions::default() })
}
