//! The command line: commands, flags, their spellings and the help.

mod flags;
mod help;
mod spelling;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;

pub(crate) use flags::{Flags, Made};
pub(crate) use spelling::bool_value;
use spelling::hyphenated_flags;

use crate::commands::{ckpt, convert, freeze, graph, ops, sig, train};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Something about a SavedModel.
    Model { command: Command, format: Format, flags: Box<Flags> },
    /// Something about checkpoints.
    Ckpt(Box<ckpt::Invocation>),
    /// Something about graphs.
    Graph(Box<graph::Invocation>),
    /// A model from a graph, or from another model.
    Convert(Box<convert::Invocation>),
    /// A graph without variables.
    Freeze(Box<freeze::Invocation>),
    /// Which ops there are.
    Ops(ops::Invocation),
    /// Something about signatures.
    Sig(Box<sig::Invocation>),
    /// Training.
    Train(Box<train::Invocation>),
}

impl Invocation {
    /// How results are written.
    pub(crate) fn format(&self) -> Format {
        match self {
            Invocation::Model { format, .. } => *format,
            Invocation::Ckpt(invocation) => invocation.format(),
            Invocation::Graph(invocation) => invocation.format(),
            Invocation::Convert(invocation) => invocation.format(),
            Invocation::Freeze(invocation) => invocation.format(),
            Invocation::Ops(invocation) => invocation.format(),
            Invocation::Sig(invocation) => invocation.format(),
            Invocation::Train(invocation) => invocation.format(),
        }
    }
}

/// The commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Show,
    Run,
    Scan,
    Check,
    Bench,
    Explain,
    FreezeModel,
    /// `convert tensorrt`, which is refused as by a TensorFlow without TensorRT.
    TensorRt,
    /// `aot_compile_cpu`, which is refused.
    Aot,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// A command line that ends before any command starts: help, version or a mistake.
#[derive(Debug)]
pub(crate) struct Early(clap::Error);

impl Early {
    /// Prints the text and gives the exit status.
    pub(crate) fn finish(self) -> ExitCode {
        let mut text = self.0.render().to_string();
        if self.0.kind() == ErrorKind::InvalidUtf8
            && let Some((at, word)) = not_text(std::env::args_os())
        {
            text = text.replacen('\n', &format!(": number {at}, {word:?}\n"), 1);
        }
        let is_answer = matches!(self.0.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        // Nobody is left to tell when writing fails.
        let _ = match is_answer {
            true => std::io::stdout().write_all(text.as_bytes()),
            false => std::io::stderr().write_all(text.as_bytes()),
        };
        ExitCode::from(if is_answer { 0 } else { 2 })
    }
}

/// The first argument that is no UTF-8, and its place after the program's name.
fn not_text(args: impl IntoIterator<Item = OsString>) -> Option<(usize, OsString)> {
    args.into_iter().enumerate().find(|(_, word)| word.to_str().is_none())
}

/// Reads the command line of a command that defines itself: the program's name and the command's are
/// the first words. Flags may have underscores for hyphens.
pub(crate) fn own<I: clap::Parser>(args: Vec<OsString>) -> Result<I, clap::Error> {
    I::try_parse_from(hyphenated_flags(args.into_iter().skip(1)))
}

/// Reads the command line, with `args` beginning with the program's name.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Early> {
    let args: Vec<OsString> = args.into_iter().collect();
    let is_tensorrt = || args.iter().any(|arg| arg == "tensorrt");
    match args.get(1).and_then(|command| command.to_str()) {
        Some("ckpt") => return own(args).map(Box::new).map(Invocation::Ckpt).map_err(Early),
        Some("graph") => return own(args).map(Box::new).map(Invocation::Graph).map_err(Early),
        Some("convert") if !is_tensorrt() => {
            return own(args).map(Box::new).map(Invocation::Convert).map_err(Early);
        }
        Some("freeze") => {
            let checked = own(args).and_then(freeze::Invocation::checked);
            return checked.map(Box::new).map(Invocation::Freeze).map_err(Early);
        }
        Some("ops") => return own(args).map(Invocation::Ops).map_err(Early),
        Some("sig") => return own(args).map(Box::new).map(Invocation::Sig).map_err(Early),
        Some("train") => return own(args).map(Box::new).map(Invocation::Train).map_err(Early),
        _ => {}
    }
    let mut matches =
        command().try_get_matches_from(spelling::normalize(tensorrt(args))).map_err(Early)?;
    let Some((name, mut matches)) = matches.remove_subcommand() else {
        return Err(Early(command().error(ErrorKind::MissingSubcommand, "Too few arguments.")));
    };
    let command = match name.as_str() {
        "show" => Command::Show,
        "run" => Command::Run,
        "scan" => Command::Scan,
        "bench" => Command::Bench,
        "explain" => Command::Explain,
        "freeze_model" => Command::FreezeModel,
        TENSORRT => Command::TensorRt,
        "aot_compile_cpu" => Command::Aot,
        _ => Command::Check,
    };
    let format = match matches.remove_one::<String>("format").as_deref() {
        Some("json") => Format::Json,
        _ => Format::Text,
    };
    Ok(Invocation::Model { command, format, flags: Box::new(Flags::of(&mut matches)) })
}

/// The name of `convert tensorrt` among the commands; other conversions are in a module of their own.
const TENSORRT: &str = "convert_tensorrt";

/// Makes one word of `convert tensorrt`, whose second word may stand anywhere.
fn tensorrt(mut args: Vec<OsString>) -> Vec<OsString> {
    if args.get(1).is_some_and(|command| command == "convert") {
        args.retain(|arg| arg != "tensorrt");
        args[1] = TENSORRT.into();
    }
    args
}

fn command() -> clap::Command {
    let subcommand = |name: &'static str, about: &'static str, required: &[&str], used: &[&str]| {
        let args = flags::all().into_iter().map(|arg| {
            let id = arg.get_id().to_string();
            let is_required = required.contains(&id.as_str());
            arg.required(is_required)
                .hide(!is_required && id != "format" && !used.contains(&id.as_str()))
        });
        let args: Vec<clap::Arg> = args.collect();
        clap::Command::new(name).about(about).args(args).after_help(help::of(name))
    };
    let listed = |name: &'static str, about: &'static str| clap::Command::new(name).about(about);
    const INPUTS: [&str; 6] = ["inputs", "input_exprs", "input_examples", "random", "zeros", "dim"];
    const SIGNATURE: [&str; 2] = ["tag_set", "signature_def"];
    const ALLOWED: [&str; 2] = ["allow_read", "allow_write"];
    const LIMITS: [&str; 4] = ["timeout", "max_output_bytes", "max_tensor_bytes", "max_live_bytes"];
    const FREEZE: [&str; 3] = ["signature_def_key", "checkpoint_path", "variables_to_feed"];
    const RUN: [&str; 5] = ["outdir", "overwrite", "threads", "trace", "verify_at_load"];
    let run = [&SIGNATURE[..], &INPUTS, &RUN, &LIMITS, &ALLOWED].concat();
    let bench = ["threads", "callers", "runs", "seconds", "warmup", "verify_at_load"];
    let bench = [&SIGNATURE[..], &INPUTS, &bench, &ALLOWED].concat();
    let check = [&SIGNATURE[..], &ALLOWED].concat();
    clap::Command::new("flowkeep")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Shows, checks, runs and converts what TensorFlow saved, and edits its checkpoints and graphs, without \
             TensorFlow.",
        )
        .after_help(help::EXAMPLES)
        .subcommand_required(true)
        .subcommands([
            // Listed here; what follows them is read by their modules in `commands`.
            listed("ckpt", "List, check, compare, edit and convert checkpoints"),
            listed("convert", "Make a SavedModel of a graph, or a simpler one of a SavedModel"),
            listed("freeze", "Make a graph without variables of a model and its checkpoint"),
            listed("graph", "Look into graphs, compare, convert and edit them"),
            listed("ops", "List the ops that can run"),
            listed("sig", "Add, rename and remove signatures and tags of a model"),
            listed("train", "Train a model from its MetaGraph and a checkpoint"),
            subcommand(
                "show",
                "Show the tag sets, signatures, ops and functions of a SavedModel",
                &["dir"],
                &["all", "tag_set", "signature_def", "list_ops"],
            ),
            subcommand("explain", "Say on one page what a SavedModel is and how to call it", &["dir"], &SIGNATURE),
            subcommand("run", "Run a signature of a SavedModel", &["dir"], &run),
            subcommand("bench", "Measure how fast a signature runs", &["dir"], &bench),
            subcommand(
                "check",
                "List the ops that a signature needs and that cannot be run yet",
                &["dir"],
                &check,
            ),
            subcommand(
                "scan",
                "Look for ops that a model from elsewhere should not have",
                &["dir"],
                &["all", "tag_set", "op_denylist", "fail_if_found"],
            ),
            subcommand(
                "freeze_model",
                "Freeze a signature into the files that a compiler takes",
                &["dir", "output_prefix", "tag_set"],
                &FREEZE,
            ),
            subcommand(TENSORRT, "Not offered", &["dir", "output_dir", "tag_set"], &[]).hide(true),
            subcommand("aot_compile_cpu", "Not offered", &["cpp_class"], &[]).hide(true),
        ])
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn parsed(args: &[&str]) -> Flags {
        match parse(["flowkeep"].iter().chain(args).map(OsString::from)).unwrap() {
            Invocation::Model { flags, .. } => *flags,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn flags_are_spelled_as_in_saved_model_cli() {
        for args in [
            ["show", "--dir=m", "--all", "--tag_set=serve"].as_slice(),
            &["show", "-dir", "m", "-all=true", "--tag-set", "serve"],
            &["show", "--all=1", "-tag_set=serve", "--dir", "m"],
            &["show", "--noall", "--all", "-dir=m", "--tag-set=x", "--tag_set=serve"],
        ] {
            let flags = parsed(args);
            assert_eq!(flags.dir, PathBuf::from("m"), "{args:?}");
            assert!(flags.all, "{args:?}");
            assert_eq!(flags.tag_set.as_deref(), Some("serve"), "{args:?}");
        }
        assert!(!parsed(&["show", "--dir=m", "--noall"]).all);
        assert!(!parsed(&["show", "--dir=m", "--all=False"]).all);
        assert!(parsed(&["run", "--dir=m", "--nooverwrite=false", "--list-ops"]).list_ops);
    }

    #[test]
    fn values_may_look_like_flags() {
        let flags = parsed(&["run", "--dir", "m", "--input_exprs", "-dir=1", "--outdir=-all"]);
        assert_eq!(flags.input_exprs, "-dir=1");
        assert_eq!(flags.outdir, Some(PathBuf::from("-all")));
    }

    #[test]
    fn mistakes_are_usage_errors() {
        for args in [
            ["show"].as_slice(),
            &[],
            &["bogus"],
            &["show", "--dir=m", "--bogus"],
            &["show", "--dir=m", "--all=maybe"],
            &["run", "--dir=m", "--threads=0"],
            &["run", "--dir=m", "--format=xml"],
            &["show", "--dir=m", "extra"],
        ] {
            assert!(
                parse(["flowkeep"].iter().chain(args).map(OsString::from)).is_err(),
                "{args:?}"
            );
        }
    }
}
