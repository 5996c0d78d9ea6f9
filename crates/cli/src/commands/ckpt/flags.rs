//! Flags that several subcommands share.

use std::path::{Path, PathBuf};

use clap::Args;
use flowkeep_bundle::{Durability, Overwrite};
use flowkeep_ckpt::{Checkpoint, Format, Output, Pattern, ReaderOptions, Selection};

use crate::error::Error;

/// Which tensors are meant.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Tensors")]
pub(super) struct Select {
    /// Only tensors whose whole names match, such as 'encoder/*' or 'layer_[0-3]/{kernel,bias}';
    /// `*` stands for any characters, slashes too
    #[arg(long = "match", value_name = "GLOB")]
    globs: Vec<String>,
    /// Only tensors in whose names the regular expression is found
    #[arg(long, value_name = "REGEX")]
    regex: Vec<String>,
    /// No tensors whose whole names match
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// No tensors in whose names the regular expression is found
    #[arg(long, value_name = "REGEX")]
    exclude_regex: Vec<String>,
}

impl Select {
    /// Whether anything is said about the tensors.
    pub(super) fn is_given(&self) -> bool {
        [&self.globs, &self.regex, &self.exclude, &self.exclude_regex]
            .iter()
            .any(|patterns| !patterns.is_empty())
    }

    /// What is selected, by more patterns as well.
    pub(super) fn selection_with(&self, globs: &[String]) -> Result<Selection, Error> {
        let mut selection = self.selection()?;
        for glob in globs {
            selection.include.push(Pattern::glob(glob)?);
        }
        Ok(selection)
    }

    pub(super) fn selection(&self) -> Result<Selection, Error> {
        let patterns = |globs: &[String], regexes: &[String]| {
            let globs = globs.iter().map(|glob| Pattern::glob(glob));
            let regexes = regexes.iter().map(|regex| Pattern::regex(regex));
            globs.chain(regexes).collect::<Result<Vec<_>, _>>()
        };
        Ok(Selection {
            include: patterns(&self.globs, &self.regex)?,
            exclude: patterns(&self.exclude, &self.exclude_regex)?,
        })
    }
}

/// How checkpoints are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reading")]
pub(super) struct Read {
    /// Map files into memory: faster where tensors are read whole, but nobody may shorten the files
    /// meanwhile
    #[arg(long)]
    mmap: bool,
    /// Do not compare checksums
    #[arg(long)]
    no_verify: bool,
    /// The most threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl Read {
    pub(super) fn options(&self) -> ReaderOptions {
        ReaderOptions { mmap: self.mmap, verify: !self.no_verify, threads: self.threads() }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads.map_or(ReaderOptions::default().threads, usize::from)
    }

    pub(super) fn open(&self, path: &Path) -> Result<Checkpoint, Error> {
        Ok(Checkpoint::open_with(path, self.options())?)
    }
}

/// How a checkpoint is written.
#[derive(Args, Debug)]
#[command(next_help_heading = "Writing")]
pub(super) struct Write {
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
    /// Do not wait until everything is on the disk
    #[arg(long)]
    no_sync: bool,
    /// When a checkpoint is replaced, give data files the names that TensorFlow would give them; a
    /// failure in that moment then leaves a damaged checkpoint
    #[arg(long)]
    same_names: bool,
    /// Let tensors begin at multiples of N bytes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    align: u64,
}

impl Write {
    pub(super) fn output(&self, path: &Path, format: Format, read: &Read) -> Output {
        let mut output = Output::new(PathBuf::from(path), format);
        output.overwrite = self.overwrite;
        output.alignment = self.align;
        output.threads = read.threads();
        if self.no_sync {
            output.durability = Durability::Unsynced;
        }
        if self.same_names {
            output.names = Overwrite::SameNames;
        }
        output
    }
}
