//! Calls functions of a model by their paths: `call_objects < request.json > results.json`.
//!
//! The request is `{"model": directory, "steps": [...]}`, with steps and values as `object_script` has
//! them; `"filters"`, `"partial"` and `"tags"` are options of loading. A model that does not load gives
//! `{"error": message}`.

use std::io::Read;
use std::path::Path;

use flowkeep_saved_model::{LoadedObjects, ObjectLoadOptions};
use serde_json::{Value, json};

#[path = "../tests/object_script/mod.rs"]
mod object_script;

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut request = String::new();
    std::io::stdin().read_to_string(&mut request)?;
    let request: Value = serde_json::from_str(&request)?;
    let filters = request.get("filters").and_then(Value::as_array).into_iter().flatten();
    let tags = request.get("tags").and_then(Value::as_array).into_iter().flatten();
    let options = ObjectLoadOptions {
        tags: tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect(),
        node_filters: filters.filter_map(|path| path.as_str().map(str::to_owned)).collect(),
        allow_partial_checkpoint: request.get("partial").is_some_and(|partial| *partial == true),
        ..ObjectLoadOptions::default()
    };
    let dir = request.get("model").and_then(Value::as_str).ok_or("the request names no model")?;
    let answer = match LoadedObjects::load(dir, options) {
        Ok(model) => {
            object_script::run(&model, Path::new(dir), request.get("steps").unwrap_or(&Value::Null))
                .into()
        }
        Err(error) => json!({ "error": error.to_string() }),
    };
    println!("{answer}");
    Ok(())
}
