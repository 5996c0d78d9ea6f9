//! `flowkeep graph`: one module per subcommand, with its flags, its call of the library, and its JSON; the
//! texts are in [`crate::render::graph`].

mod clear_devices;
mod convert;
mod diff;
mod dot;
mod downgrade;
pub(super) mod edit;
mod extract;
mod fold_batch_norms;
mod fold_constants;
pub(super) mod freeze;
mod inline;
mod json;
mod path;
mod remove_training_nodes;
mod rename;
mod show;
pub(super) mod source;
mod strip_default_attrs;
mod strip_unused;
mod summary;

use std::io::Write;

use clap::{Parser, Subcommand};

use crate::args::Format;
use crate::error::Error;

/// Exit status when a command that answers a question says no.
const NO: u8 = 1;
/// Exit status of those commands when they cannot answer.
const TROUBLE: u8 = 2;

/// Look into graphs, compare, convert and edit them.
///
/// A graph is read from a GraphDef, a MetaGraph or a SavedModel, in a file of any name, binary or text, or
/// from a SavedModel's directory; `-` is standard input. What is edited is written as what it was read from:
/// a MetaGraph and a SavedModel keep the rest.
#[derive(Debug, Parser)]
#[command(name = "flowkeep graph", bin_name = "flowkeep graph", after_help = AFTER_HELP)]
pub(crate) struct Invocation {
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Print no notes
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit status: 0 success, 2 wrong command line, otherwise 10 plus TensorFlow's error code; of diff and
path: 0 the same, there is one; 1 not so; 2 trouble.";

#[derive(Debug, Subcommand)]
enum Command {
    ClearDevices(clear_devices::Args),
    Convert(convert::Args),
    Diff(diff::Args),
    Dot(dot::Args),
    Downgrade(downgrade::Args),
    Extract(extract::Args),
    FoldBatchNorms(fold_batch_norms::Args),
    FoldConstants(fold_constants::Args),
    Freeze(freeze::Args),
    Inline(inline::Args),
    Path(path::Args),
    RemoveTrainingNodes(remove_training_nodes::Args),
    Rename(rename::Args),
    Show(show::Args),
    StripDefaultAttrs(strip_default_attrs::Args),
    StripUnused(strip_unused::Args),
    Summary(summary::Args),
}

/// What a command is given besides its flags.
pub(super) struct Context<'a> {
    pub(super) format: Format,
    pub(super) quiet: bool,
    pub(super) out: &'a mut dyn Write,
}

impl Context<'_> {
    /// Says something beside the results. Nobody is left to tell when that fails.
    fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

impl Invocation {
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The exit status of failures, if it is not that of the error.
    pub(crate) fn status_of_trouble(&self) -> Option<u8> {
        matches!(self.command, Command::Diff(_) | Command::Path(_)).then_some(TROUBLE)
    }

    /// Does what is asked for and gives the exit status.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let cx = &mut Context { format: self.format, quiet: self.quiet, out };
        match &self.command {
            Command::ClearDevices(args) => args.run(cx),
            Command::Convert(args) => args.run(cx),
            Command::Diff(args) => args.run(cx),
            Command::Dot(args) => args.run(cx),
            Command::Downgrade(args) => args.run(cx),
            Command::Extract(args) => args.run(cx),
            Command::FoldBatchNorms(args) => args.run(cx),
            Command::FoldConstants(args) => args.run(cx),
            Command::Freeze(args) => args.run(cx),
            Command::Inline(args) => args.run(cx),
            Command::Path(args) => args.run(cx),
            Command::RemoveTrainingNodes(args) => args.run(cx),
            Command::Rename(args) => args.run(cx),
            Command::Show(args) => args.run(cx),
            Command::StripDefaultAttrs(args) => args.run(cx),
            Command::StripUnused(args) => args.run(cx),
            Command::Summary(args) => args.run(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::*;
    use crate::args::own;

    #[test]
    fn the_definition_is_consistent() {
        Invocation::command().debug_assert();
    }

    #[test]
    fn underscores_are_hyphens_in_flags_only() {
        let words = ["flowkeep", "graph", "path", "a_b", "c_d", "e_f", "--data_only"];
        let parsed = own::<Invocation>(words.map(OsString::from).to_vec()).unwrap();
        assert!(format!("{parsed:?}").contains("\"e_f\""), "{parsed:?}");
        assert!(own::<Invocation>(["flowkeep", "graph"].map(OsString::from).to_vec()).is_err());
        assert!(
            own::<Invocation>(["flowkeep", "graph", "bogus"].map(OsString::from).to_vec()).is_err()
        );
    }
}
