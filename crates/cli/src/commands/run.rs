//! `flowkeep run`: one call of one signature.

use std::io::Write;
use std::time::{Duration, Instant};

use flowkeep_saved_model::{LoadOptions, SavedModel, SavedModelBundle};
use flowkeep_tensor::Tensor;

use super::{choose_signature, choose_tags};
use crate::args::{Flags, Format};
use crate::error::Error;
use crate::inputs::{self, Inputs};
use crate::outputs;
use crate::render::{Page, json, run};

/// Reads the inputs, loads the model, calls the signature, prints its outputs and writes them to files.
pub(crate) fn run(flags: &Flags, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let inputs = Inputs::read(flags)?;
    let mut warnings = inputs.warnings;
    let started = Instant::now();
    let model = SavedModel::open(&flags.dir)?;
    let tags = choose_tags(&model, flags.tag_set.as_deref())?;
    let mut options = LoadOptions::default();
    options.session.threads = flags.threads.unwrap_or(0);
    let wanted: Vec<&str> = tags.iter().map(String::as_str).collect();
    let bundle = SavedModelBundle::prepare(model, &wanted, options)?;

    // Whatever can be wrong with the call is found before anything runs.
    let key =
        choose_signature(flags.signature_def.as_deref(), bundle.meta_graph().signatures.keys());
    let signature = bundle.signature(&key)?;
    // A signature without inputs, which saved_model_cli cannot run, needs no flag.
    if inputs.given.is_empty() && !signature.inputs.is_empty() {
        return Err(Error::invalid(
            "At least one of --inputs, --input_exprs or --input_examples must be required",
        ));
    }
    let keys: Vec<&str> = inputs.given.iter().map(|(key, _)| key.as_str()).collect();
    let callable = bundle.callable(&key, &keys)?;
    let mut feeds = Vec::new();
    for (key, given) in &inputs.given {
        // The callable has checked that there is such an input.
        let Some(info) = signature.inputs.get(key) else { continue };
        feeds.push(inputs::to_tensor(key, given, info, &mut warnings)?);
    }
    warnings.iter().for_each(|warning| warn(warning));
    bundle.initialize(&flags.dir)?;
    let loaded = started.elapsed();

    let called = Instant::now();
    let outputs = callable.call(feeds)?;
    let ran = called.elapsed();

    print(&outputs, flags, format, out)?;
    out.flush().map_err(Error::Output)?;
    note(&format!(
        "loaded {} in {}, ran {key} in {}",
        flags.dir.display(),
        milliseconds(loaded),
        milliseconds(ran)
    ));
    Ok(())
}

fn print(
    outputs: &[(String, Tensor)],
    flags: &Flags,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let save = |key: &str, tensor: &Tensor| match &flags.outdir {
        Some(dir) => outputs::save(dir, key, tensor, flags.overwrite).map(Some),
        None => Ok(None),
    };
    if format == Format::Json {
        for (key, tensor) in outputs {
            save(key, tensor)?;
        }
        return json::document(&run::outputs_json(outputs)?, out);
    }
    let mut page = Page(out);
    for (key, tensor) in outputs {
        page.output(key, tensor)?;
        if let Some(path) = save(key, tensor)? {
            page.saved(key, &path)?;
        }
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn warn(text: &str) {
    note(&format!("flowkeep: warning: {text}"));
}

/// Says something beside the result; nothing is lost when nobody listens.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
