//! `flowkeep ckpt`: one module per subcommand, with its flags, its call of the toolkit, and its text and
//! JSON.

mod avg;
mod cast;
mod cat;
mod convert;
mod diff;
mod flags;
mod ls;
mod merge;
mod plan;
mod progress;
mod prune;
mod rename;
mod reshard;
mod salvage;
mod stat;
mod verify;
mod written;

use std::io::Write;

use clap::{Parser, Subcommand};

use self::progress::Bar;
use crate::args::Format;
use crate::error::Error;

/// Exit status when a command that answers a question says no.
const NO: u8 = 1;
/// Exit status of those commands when they cannot answer.
const TROUBLE: u8 = 2;

/// List, check, compare, edit and convert checkpoints.
///
/// A checkpoint is named by its prefix, its directory, any of its files, or a SavedModel's directory;
/// .npz, .npy and .safetensors files and folders of raw tensors do as well where tensors are read.
#[derive(Debug, Parser)]
#[command(name = "flowkeep ckpt", bin_name = "flowkeep ckpt", after_help = AFTER_HELP)]
pub(crate) struct Invocation {
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Print neither progress nor notes
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit status: 0 success, 2 wrong command line, otherwise 10 plus TensorFlow's error code; of diff,
plan and verify: 0 the same, complete, sound; 1 not so; 2 trouble.";

#[derive(Debug, Subcommand)]
enum Command {
    Avg(avg::Args),
    Cast(cast::Args),
    Cat(cat::Args),
    Convert(convert::Args),
    Diff(diff::Args),
    Ls(ls::Args),
    Merge(merge::Args),
    Plan(plan::Args),
    Prune(prune::Args),
    Rename(rename::Args),
    #[command(visible_alias = "split")]
    Reshard(reshard::Args),
    Salvage(salvage::Args),
    Stat(stat::Args),
    Verify(verify::Args),
}

/// What a command is given besides its flags.
struct Context<'a> {
    format: Format,
    quiet: bool,
    out: &'a mut dyn Write,
}

impl Context<'_> {
    /// A progress bar for so many bytes; it is seen on terminals only.
    fn bar(&self, n_bytes: u64) -> Bar {
        Bar::new(n_bytes, !self.quiet && self.format == Format::Text)
    }

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
        let answers =
            matches!(self.command, Command::Diff(_) | Command::Plan(_) | Command::Verify(_));
        answers.then_some(TROUBLE)
    }

    /// Does what is asked for and gives the exit status.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let cx = &mut Context { format: self.format, quiet: self.quiet, out };
        match &self.command {
            Command::Avg(args) => args.run(cx),
            Command::Cast(args) => args.run(cx),
            Command::Cat(args) => args.run(cx),
            Command::Convert(args) => args.run(cx),
            Command::Diff(args) => args.run(cx),
            Command::Ls(args) => args.run(cx),
            Command::Merge(args) => args.run(cx),
            Command::Plan(args) => args.run(cx),
            Command::Prune(args) => args.run(cx),
            Command::Rename(args) => args.run(cx),
            Command::Reshard(args) => args.run(cx),
            Command::Salvage(args) => args.run(cx),
            Command::Stat(args) => args.run(cx),
            Command::Verify(args) => args.run(cx),
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
        let words =
            ["flowkeep", "ckpt", "prune", "a_b", "c_d", "--no_sync", "--exclude=x_y", "--dry_run"];
        let parsed = own::<Invocation>(words.map(OsString::from).to_vec()).unwrap();
        assert!(format!("{parsed:?}").contains("\"x_y\""), "{parsed:?}");
        assert!(format!("{parsed:?}").contains("\"a_b\""), "{parsed:?}");
        assert!(own::<Invocation>(["flowkeep", "ckpt"].map(OsString::from).to_vec()).is_err());
        assert!(
            own::<Invocation>(["flowkeep", "ckpt", "bogus"].map(OsString::from).to_vec()).is_err()
        );
    }
}
