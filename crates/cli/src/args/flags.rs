//! The flags of the commands on SavedModels: those of `saved_model_cli`, and our own.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches};

use super::spelling::{self, bool_value};

/// The flags of all commands. As in `saved_model_cli`, a command takes those of others and ignores them.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) dir: PathBuf,
    pub(crate) all: bool,
    pub(crate) tag_set: Option<String>,
    pub(crate) signature_def: Option<String>,
    pub(crate) list_ops: bool,
    pub(crate) inputs: String,
    pub(crate) input_exprs: String,
    pub(crate) input_examples: String,
    pub(crate) outdir: Option<PathBuf>,
    pub(crate) overwrite: bool,
    /// Where `saved_model_cli` would run; the first of these that is set.
    pub(crate) elsewhere: Option<&'static str>,
    pub(crate) op_denylist: String,
    pub(crate) fail_if_found: bool,
    pub(crate) output_prefix: PathBuf,
    pub(crate) signature_def_key: String,
    pub(crate) checkpoint_path: Option<PathBuf>,
    pub(crate) variables_to_feed: String,
    /// What is made of inputs that are not given.
    pub(crate) made: Option<Made>,
    /// The size of dimensions that signatures leave open.
    pub(crate) dim: u64,
    pub(crate) threads: Option<usize>,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_output_bytes: Option<usize>,
    pub(crate) max_tensor_bytes: Option<usize>,
    pub(crate) max_live_bytes: Option<usize>,
    pub(crate) allow_read: Vec<PathBuf>,
    pub(crate) allow_write: Vec<PathBuf>,
    pub(crate) callers: usize,
    pub(crate) runs: Option<usize>,
    pub(crate) seconds: Option<Duration>,
    pub(crate) warmup: usize,
    /// Whether all weights are compared with their checksums before anything runs.
    pub(crate) verify_at_load: bool,
}

/// Values of inputs that nobody gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Zeros,
    /// Random ones, the same for the same seed.
    Random(u64),
}

impl Flags {
    pub(super) fn of(matches: &mut ArgMatches) -> Flags {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
        let paths =
            |name: &str| matches.get_many::<PathBuf>(name).into_iter().flatten().cloned().collect();
        let on = |name: &str| matches.get_one::<bool>(name).copied().unwrap_or_default();
        let number = |name: &str| matches.get_one::<u64>(name).copied();
        let size = |name: &str| number(name).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let seconds = |name: &str| matches.get_one::<Duration>(name).copied();
        let made = match number("random") {
            Some(seed) => Some(Made::Random(seed)),
            None => on("zeros").then_some(Made::Zeros),
        };
        let elsewhere = ["tf_debug", "init_tpu"].into_iter().find(|name| on(name));
        Flags {
            dir: path("dir").unwrap_or_default(),
            all: on("all"),
            tag_set: text("tag_set"),
            signature_def: text("signature_def"),
            list_ops: on("list_ops"),
            inputs: text("inputs").unwrap_or_default(),
            input_exprs: text("input_exprs").unwrap_or_default(),
            input_examples: text("input_examples").unwrap_or_default(),
            outdir: path("outdir"),
            overwrite: on("overwrite"),
            elsewhere: elsewhere
                .or_else(|| text("worker").filter(|worker| !worker.is_empty()).map(|_| "worker")),
            op_denylist: text("op_denylist").unwrap_or_default(),
            fail_if_found: on("fail_if_found"),
            output_prefix: path("output_prefix").unwrap_or_default(),
            signature_def_key: text("signature_def_key").unwrap_or_default(),
            checkpoint_path: path("checkpoint_path"),
            variables_to_feed: text("variables_to_feed").unwrap_or_default(),
            made,
            dim: number("dim").unwrap_or(1),
            threads: size("threads"),
            trace: path("trace"),
            timeout: seconds("timeout"),
            max_output_bytes: size("max_output_bytes"),
            max_tensor_bytes: size("max_tensor_bytes"),
            max_live_bytes: size("max_live_bytes"),
            allow_read: paths("allow_read"),
            allow_write: paths("allow_write"),
            callers: size("callers").unwrap_or(1),
            runs: size("runs"),
            seconds: seconds("seconds"),
            warmup: size("warmup").unwrap_or(10),
            verify_at_load: on("verify_at_load"),
        }
    }
}

/// All flags.
pub(super) fn all() -> Vec<Arg> {
    let text = |name: &'static str, placeholder: &'static str, help: &'static str| {
        value(name, placeholder, help).num_args(1)
    };
    let path = |name: &'static str, placeholder: &'static str, help: &'static str| {
        text(name, placeholder, help).value_parser(clap::value_parser!(PathBuf))
    };
    let number = |name: &'static str, at_least: u64, help: &'static str| {
        text(name, "N", help).value_parser(clap::value_parser!(u64).range(at_least..))
    };
    let unused = |name: &'static str| text(name, "VALUE", "Taken, and of no effect");
    vec![
        path("dir", "DIR", "The SavedModel's directory"),
        switch("all", "Show everything; of scan, every place"),
        text("tag_set", "TAGS", "The tags of the MetaGraph, separated by commas"),
        text("signature_def", "KEY", "The key of the signature"),
        switch("list_ops", "Show the ops of the MetaGraph"),
        text(
            "inputs",
            "INPUTS",
            "Inputs from files: key=file.npy;key=file.npz[name];key=file.json;key=file.csv[column]",
        ),
        text("input_exprs", "EXPRS", "Inputs as Python literals: key=[1, 2];key='text'"),
        text("input_examples", "EXAMPLES", "Inputs as tf.train.Example: key=[{'feature': [1.0]}]"),
        Arg::new("random")
            .long("random")
            .value_name("SEED")
            .help("Random values for inputs that are not given")
            .num_args(0..=1)
            .default_missing_value("0")
            .value_parser(clap::value_parser!(u64))
            .conflicts_with("zeros"),
        switch("zeros", "Zeros, and empty strings, for inputs that are not given"),
        number(
            "dim",
            0,
            "Size of dimensions that the signature leaves open, for --random and --zeros [default: 1]",
        ),
        path("outdir", "DIR", "Where to write each output as <key>.npy"),
        switch("overwrite", "Replace output files that exist"),
        number("threads", 1, "Threads to run on [default: all cores]")
            .value_parser(clap::value_parser!(u64).range(1..=65535)),
        path("trace", "FILE", "Write when each node ran, for chrome://tracing and Perfetto"),
        text("timeout", "SECONDS", "The longest that loading or the call may run")
            .value_parser(duration),
        number("max_output_bytes", 0, "The most bytes that all outputs together may have"),
        number("max_tensor_bytes", 0, "The most bytes that one tensor on the way may have"),
        number("max_live_bytes", 0, "The most bytes that all tensors on the way may have at once"),
        switch("verify_at_load", "Compare all weights with their checksums before anything runs"),
        paths("allow_read", "A file or folder that the model may read, beside its own"),
        paths("allow_write", "A file or folder that the model may write"),
        number("callers", 1, "Callers at once [default: 1]")
            .value_parser(clap::value_parser!(u64).range(1..=1024)),
        number(
            "runs",
            1,
            "Calls to measure, of all callers together [default: as many as take 2 seconds]",
        ),
        text("seconds", "SECONDS", "How long to measure")
            .value_parser(duration)
            .conflicts_with("runs"),
        number("warmup", 0, "Calls before those that are measured [default: 10]"),
        text(
            "op_denylist",
            "OPS",
            "The ops to look for, separated by commas [default: PrintV2, ReadFile, WriteFile]",
        ),
        switch("fail_if_found", "Exit with 17 if any is found"),
        path("output_prefix", "DIR", "The folder for the files to write"),
        text("signature_def_key", "KEY", "The key of the signature")
            .default_value("serving_default"),
        path("checkpoint_path", "PREFIX", "The checkpoint [default: that of the SavedModel]"),
        text(
            "variables_to_feed",
            "NAMES",
            "Variables that stay inputs: all, or names separated by commas",
        ),
        text("format", "FORMAT", "How to print results")
            .value_parser(PossibleValuesParser::new(["text", "json"]))
            .default_value("text"),
        // Of saved_model_cli, where TensorFlow itself is needed.
        switch("tf_debug", "Not offered"),
        switch("init_tpu", "Not offered"),
        text("worker", "TARGET", "Not offered"),
        switch("use_tfrt", "Taken, and of no effect"),
        unused("output_dir"),
        unused("max_workspace_size_bytes"),
        unused("precision_mode"),
        unused("minimum_segment_size"),
        switch("convert_tf1_model", "Taken, and of no effect"),
        unused("target_triple"),
        unused("target_cpu"),
        unused("cpp_class"),
        unused("multithreading"),
    ]
}

/// A flag that may be given several times.
fn paths(name: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(name).long(name).value_name("PATH").help(help).action(ArgAction::Append);
    let arg = arg.num_args(1).allow_hyphen_values(true).value_parser(clap::value_parser!(PathBuf));
    match spelling::hyphenated(name) {
        Some(alias) => arg.alias(alias),
        None => arg,
    }
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(name)
        .long(name)
        .value_name(placeholder)
        .help(help)
        .action(ArgAction::Set)
        .allow_hyphen_values(true)
        .overrides_with(name);
    match spelling::hyphenated(name) {
        Some(alias) => arg.alias(alias),
        None => arg,
    }
}

/// A flag that is true when bare; `--flag=false` and `--noflag` are its opposite.
fn switch(name: &'static str, help: &'static str) -> Arg {
    value(name, "BOOL", help)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .hide_possible_values(true)
        .value_parser(bool_value)
}

/// Reads seconds, whole or not.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "is not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
