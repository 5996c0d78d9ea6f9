//! The command line: commands, flags, their spellings and the help.

mod help;
mod spelling;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};

pub(crate) use spelling::{bool_value, hyphenated_flags};

use crate::commands::{ckpt, graph, ops, sig, train};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Something about a SavedModel.
    Model { command: Command, format: Format, flags: Flags },
    /// Something about checkpoints.
    Ckpt(Box<ckpt::Invocation>),
    /// Something about graphs.
    Graph(Box<graph::Invocation>),
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
    Check,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

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
    pub(crate) threads: Option<usize>,
}

/// A command line that ends before any command starts: help, version or a mistake.
#[derive(Debug)]
pub(crate) struct Early(clap::Error);

impl Early {
    /// Prints the text and gives the exit status.
    pub(crate) fn finish(self) -> ExitCode {
        let text = self.0.render().to_string();
        let is_answer = matches!(self.0.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        // Nobody is left to tell when writing fails.
        let _ = match is_answer {
            true => std::io::stdout().write_all(text.as_bytes()),
            false => std::io::stderr().write_all(text.as_bytes()),
        };
        ExitCode::from(if is_answer { 0 } else { 2 })
    }
}

/// Reads the command line, with `args` beginning with the program's name.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Early> {
    let args: Vec<OsString> = args.into_iter().collect();
    match args.get(1).and_then(|command| command.to_str()) {
        Some("ckpt") => {
            let invocation = ckpt::parse(args).map_err(Early)?;
            return Ok(Invocation::Ckpt(Box::new(invocation)));
        }
        Some("graph") => {
            let invocation = graph::parse(args).map_err(Early)?;
            return Ok(Invocation::Graph(Box::new(invocation)));
        }
        Some("ops") => return Ok(Invocation::Ops(ops::parse(args).map_err(Early)?)),
        Some("sig") => {
            let invocation = sig::parse(args).map_err(Early)?;
            return Ok(Invocation::Sig(Box::new(invocation)));
        }
        Some("train") => {
            let invocation = train::parse(args).map_err(Early)?;
            return Ok(Invocation::Train(Box::new(invocation)));
        }
        _ => {}
    }
    let mut matches = command().try_get_matches_from(spelling::normalize(args)).map_err(Early)?;
    let Some((name, mut matches)) = matches.remove_subcommand() else {
        return Err(Early(command().error(ErrorKind::MissingSubcommand, "Too few arguments.")));
    };
    let command = match name.as_str() {
        "show" => Command::Show,
        "run" => Command::Run,
        _ => Command::Check,
    };
    let format = match matches.remove_one::<String>("format").as_deref() {
        Some("json") => Format::Json,
        _ => Format::Text,
    };
    Ok(Invocation::Model { command, format, flags: flags(&mut matches) })
}

fn flags(matches: &mut ArgMatches) -> Flags {
    let mut text = |name: &str| matches.remove_one::<String>(name);
    let (tag_set, signature_def) = (text("tag_set"), text("signature_def"));
    let (inputs, input_exprs, input_examples) =
        (text("inputs"), text("input_exprs"), text("input_examples"));
    Flags {
        dir: matches.remove_one("dir").unwrap_or_default(),
        all: matches.remove_one("all").unwrap_or_default(),
        tag_set,
        signature_def,
        list_ops: matches.remove_one("list_ops").unwrap_or_default(),
        inputs: inputs.unwrap_or_default(),
        input_exprs: input_exprs.unwrap_or_default(),
        input_examples: input_examples.unwrap_or_default(),
        outdir: matches.remove_one("outdir"),
        overwrite: matches.remove_one("overwrite").unwrap_or_default(),
        threads: matches.remove_one::<u16>("threads").map(usize::from),
    }
}

fn command() -> clap::Command {
    let subcommand =
        |name: &'static str, about: &'static str, used: &[&str], examples: &'static str| {
            let args = all_flags().into_iter().map(|arg| {
                let hidden = !used.contains(&arg.get_id().as_str());
                arg.hide(hidden)
            });
            clap::Command::new(name).about(about).args(args).after_help(examples)
        };
    clap::Command::new("flowkeep")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Shows, checks and runs what TensorFlow saved, and edits its checkpoints and graphs, without TensorFlow.")
        .after_help(help::EXAMPLES)
        .subcommand_required(true)
        .subcommands([
            // Listed here; what follows them is read by their modules in `commands`.
            clap::Command::new("ckpt").about("List, check, compare, edit and convert checkpoints"),
            clap::Command::new("graph").about("Look into graphs, compare, convert and edit them"),
            clap::Command::new("ops").about("List the ops that can run"),
            clap::Command::new("sig").about("Add, rename and remove signatures and tags of a model"),
            clap::Command::new("train").about("Train a model from its MetaGraph and a checkpoint"),
            subcommand(
                "show",
                "Show the tag sets, signatures, ops and functions of a SavedModel",
                &["dir", "all", "tag_set", "signature_def", "list_ops", "format"],
                help::SHOW,
            ),
            subcommand(
                "run",
                "Run a signature of a SavedModel",
                &[
                    "dir",
                    "tag_set",
                    "signature_def",
                    "inputs",
                    "input_exprs",
                    "input_examples",
                    "outdir",
                    "overwrite",
                    "threads",
                    "format",
                ],
                help::RUN,
            ),
            subcommand(
                "check",
                "List the ops that a signature needs and that cannot be run yet",
                &["dir", "tag_set", "signature_def", "format"],
                help::CHECK,
            ),
        ])
}

fn all_flags() -> [Arg; 12] {
    let text = |name: &'static str, placeholder: &'static str, help: &'static str| {
        value(name, placeholder, help).num_args(1)
    };
    [
        text("dir", "DIR", "The SavedModel's directory")
            .required(true)
            .value_parser(clap::value_parser!(PathBuf)),
        switch("all", "Show everything"),
        text("tag_set", "TAGS", "The tags of the MetaGraph, separated by commas"),
        text("signature_def", "KEY", "The key of the signature"),
        switch("list_ops", "Show the ops of the MetaGraph"),
        text(
            "inputs",
            "INPUTS",
            "Inputs from files: key=file.npy;key=file.npz[name];key=file.json",
        ),
        text("input_exprs", "EXPRS", "Inputs as Python literals: key=[1, 2];key='text'"),
        text("input_examples", "EXAMPLES", "Inputs as tf.train.Example: key=[{'feature': [1.0]}]"),
        text("outdir", "DIR", "Where to write each output as <key>.npy")
            .value_parser(clap::value_parser!(PathBuf)),
        switch("overwrite", "Replace output files that exist"),
        text("threads", "N", "Threads to run on [default: all cores]")
            .value_parser(clap::value_parser!(u16).range(1..)),
        text("format", "FORMAT", "How to print results")
            .value_parser(PossibleValuesParser::new(["text", "json"]))
            .default_value("text"),
    ]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Flags {
        match parse(["flowkeep"].iter().chain(args).map(OsString::from)).unwrap() {
            Invocation::Model { flags, .. } => flags,
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
