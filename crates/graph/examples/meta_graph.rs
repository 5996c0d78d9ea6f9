//! Writes a MetaGraph, or moves one into a scope of another:
//!
//! * `meta_graph export ref|resource OUT.meta`: a layer in the scope `layer`, with its variables and what
//!   runs it in collections.
//! * `meta_graph import IN.meta SCOPE N OUT.meta`: imports IN `N` times under SCOPE and exports all of it,
//!   with the saver of the first.

use std::path::Path;

use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
use flowkeep_graph::collection_keys::INIT_OP;
use flowkeep_graph::file::{Form, read_meta_graph_file, write_meta_graph};
use flowkeep_graph::{CollectionItem, CollectionWarning, ExportOptions, ImportMetaGraphOptions};
use flowkeep_tensor::{DType, Tensor};

type Done = Result<(), Box<dyn std::error::Error>>;

fn main() -> Done {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["export", "ref", path] => export(false, Path::new(path)),
        ["export", "resource", path] => export(true, Path::new(path)),
        ["import", from, scope, n, to] => import(Path::new(from), scope, n.parse()?, Path::new(to)),
        _ => {
            Err("usage: meta_graph export ref|resource OUT.meta | import IN.meta SCOPE N OUT.meta"
                .into())
        }
    }
}

fn export(use_resource: bool, path: &Path) -> Done {
    let mut scope = Scope::new();
    let x = scope.with_op_name("layer/x").placeholder(DType::F32, [None, Some(2)])?;
    let y = {
        let mut layer = scope.variable_scope("layer")?;
        let weights = Tensor::from_vec([2, 2], vec![1.0f32, 2.0, 3.0, 4.0])?;
        let weights = VariableOptions::new().initializer(weights).use_resource(use_resource);
        let w = layer.get_variable("w", weights)?;
        let ones = VariableOptions::new().shape([2]).initializer(Initializer::Ones);
        let b = layer.get_variable("b", ones.trainable(false).use_resource(use_resource))?;
        let product = layer.matmul(x, &w)?;
        let sum = layer.bias_add(product, &b)?;
        layer.with_op_name("y").relu(sum)?
    };
    let init = scope.global_variables_initializer()?;
    scope.add_to_collection("inputs", x);
    scope.add_to_collection("outputs", y);
    scope.add_to_collection(INIT_OP, init);
    scope.add_to_collection("rate", CollectionItem::Float(0.5));

    let exported = scope.export_meta_graph(&ExportOptions::default())?;
    tell(&exported.warnings);
    write_meta_graph(&exported.meta_graph_def, path, Form::Binary)?;
    Ok(())
}

fn import(from: &Path, import_scope: &str, n: usize, to: &Path) -> Done {
    let def = read_meta_graph_file(from)?;
    let mut scope = Scope::new();
    let mut saver_def = None;
    for _ in 0..n {
        let options = ImportMetaGraphOptions::under(import_scope);
        let imported = scope.import_meta_graph(def.clone(), &options)?;
        tell(&imported.warnings);
        for name in imported.variables.keys() {
            println(&format!("{}{name}", imported.scope));
        }
        saver_def = saver_def.or(imported.saver_def);
    }
    let mut options = ExportOptions::default();
    options.saver_def = saver_def;
    let exported = scope.export_meta_graph(&options)?;
    tell(&exported.warnings);
    write_meta_graph(&exported.meta_graph_def, to, Form::Binary)?;
    Ok(())
}

fn tell(warnings: &[CollectionWarning]) {
    warnings.iter().for_each(|warning| println(&warning.to_string()));
}

#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
fn println(line: &str) {
    println!("{line}");
}
