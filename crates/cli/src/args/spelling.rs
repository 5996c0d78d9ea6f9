//! The spellings that `saved_model_cli` takes, turned into those that the parser knows.

use std::ffi::OsString;

/// Flags with a value, and flags that are true or false.
const TEXTS: &[&str] = &[
    "dir",
    "tag_set",
    "signature_def",
    "inputs",
    "input_exprs",
    "input_examples",
    "dim",
    "outdir",
    "threads",
    "trace",
    "timeout",
    "max_output_bytes",
    "max_tensor_bytes",
    "max_live_bytes",
    "allow_read",
    "allow_write",
    "callers",
    "runs",
    "seconds",
    "warmup",
    "op_denylist",
    "output_prefix",
    "signature_def_key",
    "checkpoint_path",
    "variables_to_feed",
    "format",
    "worker",
    "output_dir",
    "max_workspace_size_bytes",
    "precision_mode",
    "minimum_segment_size",
    "target_triple",
    "target_cpu",
    "cpp_class",
    "multithreading",
];
const SWITCHES: &[&str] = &[
    "all",
    "list_ops",
    "overwrite",
    "zeros",
    "verify_at_load",
    "fail_if_found",
    "tf_debug",
    "init_tpu",
    "use_tfrt",
    "convert_tf1_model",
];

/// The spelling with hyphens of a flag with underscores.
pub(super) fn hyphenated(name: &str) -> Option<&'static str> {
    Some(match name {
        "tag_set" => "tag-set",
        "signature_def" => "signature-def",
        "list_ops" => "list-ops",
        "input_exprs" => "input-exprs",
        "input_examples" => "input-examples",
        "max_output_bytes" => "max-output-bytes",
        "max_tensor_bytes" => "max-tensor-bytes",
        "max_live_bytes" => "max-live-bytes",
        "verify_at_load" => "verify-at-load",
        "allow_read" => "allow-read",
        "allow_write" => "allow-write",
        "op_denylist" => "op-denylist",
        "fail_if_found" => "fail-if-found",
        "output_prefix" => "output-prefix",
        "signature_def_key" => "signature-def-key",
        "checkpoint_path" => "checkpoint-path",
        "variables_to_feed" => "variables-to-feed",
        "tf_debug" => "tf-debug",
        "init_tpu" => "init-tpu",
        "use_tfrt" => "use-tfrt",
        "output_dir" => "output-dir",
        "max_workspace_size_bytes" => "max-workspace-size-bytes",
        "precision_mode" => "precision-mode",
        "minimum_segment_size" => "minimum-segment-size",
        "convert_tf1_model" => "convert-tf1-model",
        "target_triple" => "target-triple",
        "target_cpu" => "target-cpu",
        "cpp_class" => "cpp-class",
        _ => return None,
    })
}

/// Turns `-flag` into `--flag` and `--noflag` into `--flag=false`; all else stays.
pub(super) fn normalize(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut is_value = false;
    let mut normalized = Vec::new();
    for arg in args {
        let spelled = if is_value { None } else { arg.to_str().and_then(spelled_out) };
        is_value = match spelled.as_deref().or(arg.to_str()).filter(|_| !is_value) {
            Some(arg) => {
                arg.strip_prefix("--").is_some_and(|name| TEXTS.contains(&&*name.replace('-', "_")))
            }
            None => false,
        };
        normalized.push(spelled.map(OsString::from).unwrap_or(arg));
    }
    normalized
}

/// Turns underscores in the names of long flags into hyphens.
pub(crate) fn hyphenated_flags(
    args: impl Iterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    args.map(|arg| match arg.to_str().and_then(|arg| arg.strip_prefix("--")) {
        Some(flag) => {
            let (name, value) = flag.split_at(flag.find('=').unwrap_or(flag.len()));
            OsString::from(format!("--{}{value}", name.replace('_', "-")))
        }
        None => arg,
    })
}

/// The flag with two dashes, if `arg` is a flag that we know.
fn spelled_out(arg: &str) -> Option<String> {
    let flag = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
    let (name, value) = match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    };
    let known = name.replace('-', "_");
    if TEXTS.contains(&&*known) || SWITCHES.contains(&&*known) {
        return Some(match value {
            Some(value) => format!("--{known}={value}"),
            None => format!("--{known}"),
        });
    }
    let positive = known.strip_prefix("no").filter(|name| SWITCHES.contains(name))?;
    let value = match value {
        None => false,
        Some(value) => !bool_value(value).ok()?,
    };
    Some(format!("--{positive}={value}"))
}

/// Reads a truth value as `saved_model_cli` does.
pub(crate) fn bool_value(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err("Non-boolean argument to boolean flag".into()),
    }
}
