//! `flowkeep check`: what signatures need that cannot be run, found without running anything.

use std::collections::BTreeMap;
use std::io::Write;

use flowkeep_runtime::{MissingKernel, SessionOptions};
use flowkeep_saved_model::constants::INIT_OP_SIGNATURE_KEY;
use flowkeep_saved_model::{LoadOptions, SavedModel, SavedModelBundle};
use flowkeep_tensor::Code;
use serde::Serialize;

use super::choose_tags;
use crate::args::{Flags, Format};
use crate::error::Error;
use crate::render::{Page, json};

#[derive(Serialize)]
struct Checked {
    tags: Vec<String>,
    signatures: BTreeMap<String, Vec<Missing>>,
}

#[derive(Serialize)]
struct Missing {
    op: String,
    /// Type attributes that the op's kernel does not take, such as `T=complex64`.
    types: Vec<String>,
    /// The first node that needs it, and how many there are.
    node: String,
    n_nodes: usize,
}

/// Checks one signature, or all of them.
///
/// Errors: `UNIMPLEMENTED`, after the list, if something cannot be run.
pub(crate) fn run(flags: &Flags, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let model = SavedModel::open(&flags.dir)?;
    let tags = choose_tags(&model, flags.tag_set.as_deref())?;
    let wanted: Vec<&str> = tags.iter().map(String::as_str).collect();
    let session = SessionOptions { threads: 1, ..Default::default() };
    let bundle =
        SavedModelBundle::prepare(model, &wanted, LoadOptions { session, ..Default::default() })?;
    let keys: Vec<&str> = match &flags.signature_def {
        Some(key) => vec![key],
        None => {
            let keys = bundle.meta_graph().signatures.keys().map(String::as_str);
            keys.filter(|key| *key != INIT_OP_SIGNATURE_KEY).collect()
        }
    };
    let mut signatures = BTreeMap::new();
    for key in keys {
        let missing = bundle.missing_kernels(key)?.into_iter().map(Missing::from).collect();
        signatures.insert(key.to_owned(), missing);
    }
    let checked = Checked { tags, signatures };
    match format {
        Format::Json => json::document(&checked, out)?,
        Format::Text => text(&checked, &mut Page(out))?,
    }
    let n_bad = checked.signatures.values().filter(|missing| !missing.is_empty()).count();
    if n_bad == 0 {
        return Ok(());
    }
    let n_signatures = checked.signatures.len();
    Err(Error::Reported {
        code: Code::Unimplemented,
        message: format!("{n_bad} of {n_signatures} signatures cannot run"),
    })
}

fn text(checked: &Checked, page: &mut Page<'_>) -> Result<(), Error> {
    for (key, missing) in &checked.signatures {
        if missing.is_empty() {
            page.line(format!("{key}: every op can run"))?;
            continue;
        }
        page.line(format!("{key}: no CPU kernel for"))?;
        for Missing { op, types, node, n_nodes } in missing {
            let types =
                if types.is_empty() { String::new() } else { format!(" [{}]", types.join(", ")) };
            let more =
                if *n_nodes > 1 { format!(" and {} more", n_nodes - 1) } else { String::new() };
            page.line(format!("  {op}{types} (node {node}{more})"))?;
        }
    }
    Ok(())
}

impl From<MissingKernel> for Missing {
    fn from(missing: MissingKernel) -> Missing {
        Missing {
            op: missing.op,
            types: missing.types,
            node: missing.node,
            n_nodes: missing.n_nodes,
        }
    }
}
