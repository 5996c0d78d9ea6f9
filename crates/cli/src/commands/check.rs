//! `flowkeep check`: what signatures need that cannot be run, found without running anything.

use std::collections::BTreeMap;
use std::io::Write;

use flowkeep_runtime::kernel::FileUse;
use flowkeep_runtime::{MissingKernel, SessionOptions};
use flowkeep_saved_model::constants::INIT_OP_SIGNATURE_KEY;
use flowkeep_saved_model::{LoadOptions, SavedModel, SavedModelBundle};
use flowkeep_tensor::Code;
use serde::Serialize;

use super::call::file_access;
use super::{choose_tags, never_written};
use crate::args::{Flags, Format};
use crate::error::Error;
use crate::render::{Page, json};

#[derive(Serialize)]
struct Checked {
    tags: Vec<String>,
    signatures: BTreeMap<String, Vec<Missing>>,
    /// What is wrong with signatures beside that.
    errors: BTreeMap<String, String>,
    /// What there is to say of variables without a checkpoint; it is no error, since an init op may set them.
    #[serde(skip_serializing_if = "Option::is_none")]
    never_written: Option<String>,
}

#[derive(Serialize)]
struct Missing {
    op: String,
    /// Type attributes that the op's kernel does not take, such as `T=complex64`.
    types: Vec<String>,
    /// The first node that needs it, and how many there are.
    node: String,
    n_nodes: usize,
    /// `reads` or `writes`, of an op that could run and may not touch files so.
    denied: Option<&'static str>,
}

/// Checks one signature, or all of them.
///
/// Errors: after the list, `UNIMPLEMENTED` if something cannot be run, `PERMISSION_DENIED` if it only may not.
pub(crate) fn run(flags: &Flags, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let model = SavedModel::open(&flags.dir)?;
    let tags = choose_tags(&model, flags.tag_set.as_deref())?;
    let wanted: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut session = SessionOptions { threads: 1, ..Default::default() };
    session.registry.set(file_access(flags));
    let bundle =
        SavedModelBundle::prepare(model, &wanted, LoadOptions { session, ..Default::default() })?;
    let never_written = never_written(bundle.meta_graph(), &flags.dir);
    let keys: Vec<&str> = match &flags.signature_def {
        Some(key) => vec![key],
        None => {
            let keys = bundle.meta_graph().signatures.keys().map(String::as_str);
            keys.filter(|key| *key != INIT_OP_SIGNATURE_KEY).collect()
        }
    };
    let (mut signatures, mut errors) = (BTreeMap::new(), BTreeMap::new());
    for key in keys {
        match bundle.missing_kernels(key) {
            Ok(missing) => {
                let missing = missing.into_iter().map(Missing::from).collect();
                signatures.insert(key.to_owned(), missing);
            }
            // One that is not there is a wrong command line; all others are looked at.
            Err(error) if flags.signature_def.is_some() => return Err(error.into()),
            Err(error) => {
                errors.insert(key.to_owned(), error.to_string());
            }
        }
    }
    let checked = Checked { tags, signatures, errors, never_written };
    match format {
        Format::Json => json::document(&checked, out)?,
        Format::Text => text(&checked, &mut Page(out))?,
    }
    let bad: Vec<&Vec<Missing>> =
        checked.signatures.values().filter(|missing| !missing.is_empty()).collect();
    let n_bad = bad.len() + checked.errors.len();
    if n_bad == 0 {
        return Ok(());
    }
    let n_signatures = checked.signatures.len() + checked.errors.len();
    let is_denied = |missing: &Missing| missing.denied.is_some();
    let code = match checked.errors.is_empty() && bad.into_iter().flatten().all(is_denied) {
        true => Code::PermissionDenied,
        false => Code::Unimplemented,
    };
    Err(Error::Reported {
        code,
        message: format!("{n_bad} of {n_signatures} signatures cannot run"),
    })
}

fn text(checked: &Checked, page: &mut Page<'_>) -> Result<(), Error> {
    for (key, missing) in &checked.signatures {
        if missing.is_empty() {
            page.line(format!("{key}: every op can run"))?;
            continue;
        }
        let (denied, lacking): (Vec<_>, Vec<_>) =
            missing.iter().partition(|missing| missing.denied.is_some());
        if !lacking.is_empty() {
            page.line(format!("{key}: no CPU kernel for"))?;
            lacking.into_iter().try_for_each(|missing| page.line(line(missing, "")))?;
        }
        if !denied.is_empty() {
            page.line(format!("{key}: not allowed (see --allow_read and --allow_write)"))?;
        }
        for missing in denied {
            let uses = missing.denied.map(|verb| format!(", which {verb} files"));
            page.line(line(missing, &uses.unwrap_or_default()))?;
        }
    }
    for (key, error) in &checked.errors {
        page.line(format!("{key}: {error}"))?;
    }
    if let Some(what) = &checked.never_written {
        page.line(what)?;
    }
    Ok(())
}

/// An op with its types and the nodes that have it.
fn line(missing: &Missing, uses: &str) -> String {
    let Missing { op, types, node, n_nodes, .. } = missing;
    let types = if types.is_empty() { String::new() } else { format!(" [{}]", types.join(", ")) };
    let more = if *n_nodes > 1 { format!(" and {} more", n_nodes - 1) } else { String::new() };
    format!("  {op}{types} (node {node}{more}){uses}")
}

impl From<MissingKernel> for Missing {
    fn from(missing: MissingKernel) -> Missing {
        Missing {
            op: missing.op,
            types: missing.types,
            node: missing.node,
            n_nodes: missing.n_nodes,
            denied: missing.denied.map(FileUse::verb),
        }
    }
}
