//! `flowkeep run`: one call of one signature.

use std::io::Write;
use std::time::{Duration, Instant};

use flowkeep_tensor::Tensor;

use super::call::{Call, allowable, limits};
use super::must_have_folder;
use crate::args::{Flags, Format};
use crate::error::Error;
use crate::outputs;
use crate::render::{Page, json, run, trace};

/// Reads the inputs, loads the model, calls the signature, prints its outputs and writes them to files.
pub(crate) fn run(flags: &Flags, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    if let Some(flag) = flags.elsewhere {
        return Err(Error::not_offered(format!(
            "--{flag} needs TensorFlow's own session and is not offered"
        )));
    }
    if let Some(path) = &flags.trace {
        must_have_folder(path, "--trace")?;
    }
    let call = Call::prepare(flags, None)?;
    call.warnings.iter().for_each(|warning| warn(warning));
    let callable = call.bundle.callable(&call.key, &call.keys()).map_err(allowable)?;
    let mut options = limits(flags);
    options.trace = flags.trace.is_some();

    let called = Instant::now();
    let (outputs, metadata) =
        callable.call_with_options(call.feeds(), &options).map_err(allowable)?;
    let ran = called.elapsed();

    print(&outputs, flags, format, out)?;
    out.flush().map_err(Error::Output)?;
    if let Some(path) = &flags.trace {
        let document = trace::chrome(&call.key, &metadata).to_string();
        std::fs::write(path, document)
            .map_err(|source| Error::Io { path: path.clone(), source })?;
    }
    note(&format!(
        "loaded {} in {}, ran {} in {}",
        flags.dir.display(),
        milliseconds(call.loaded),
        call.key,
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
