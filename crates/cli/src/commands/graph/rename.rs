use std::fs;
use std::path::PathBuf;

use flowkeep_ckpt::{RenameRule, counted};
use flowkeep_graph::rewrite::Rewritten;
use flowkeep_graph::transform::{RenameRules, rename};
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report, transformed};
use crate::error::Error;

/// Give nodes and functions other names
///
/// Rules apply one after the other: the map first, then each --sub in turn. Inputs, colocation, signatures,
/// collections, the saver and objects follow. What a checkpoint calls its variables stays as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph rename --sub '^tower_0/' '' model.meta out.meta
  flowkeep graph rename --map names.txt frozen.pb renamed.pb
  flowkeep graph rename --function-sub '_\\d+$' '' saved_model renamed_model

A map has an old and a new name on each line, separated by a tab or blanks.")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
    /// Replace every match of a regular expression in names of nodes; \1 or $1 stands for a group
    #[arg(long = "sub", num_args = 2, value_names = ["REGEX", "REPLACEMENT"], allow_hyphen_values = true)]
    subs: Vec<String>,
    /// A file of old and new names of nodes
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// The same as --sub, in names of functions
    #[arg(long = "function-sub", num_args = 2, value_names = ["REGEX", "REPLACEMENT"], allow_hyphen_values = true)]
    function_subs: Vec<String>,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let mut rules = Vec::new();
        if let Some(path) = &self.map {
            let text = fs::read_to_string(path)
                .map_err(|source| Error::Io { path: path.clone(), source })?;
            rules.push(RenameRule::parse_map(&text)?);
        }
        let subs = |subs: &[String]| -> Result<Vec<RenameRule>, Error> {
            let pairs = subs.chunks_exact(2);
            pairs.map(|sub| Ok(RenameRule::regex(&sub[0], &sub[1])?)).collect()
        };
        rules.extend(subs(&self.subs)?);
        let function_rules = subs(&self.function_subs)?;
        if rules.is_empty() && function_rules.is_empty() {
            return Err(Error::invalid(
                "there is nothing to rename by: give --sub, --map or --function-sub",
            ));
        }
        let nodes = |name: &str| RenameRule::apply_all(&rules, name);
        let functions = |name: &str| RenameRule::apply_all(&function_rules, name);
        let rules = RenameRules { nodes: &nodes, functions: &functions };
        self.edit.run(cx, |meta_graph| {
            let (mut meta_graph, names) = transformed(meta_graph, |graph| rename(graph, rules))?;
            names.apply_to(&mut meta_graph)?;
            let mut lines = vec![format!("{} renamed", counted(names.nodes.len(), "node"))];
            if !names.functions.is_empty() {
                lines.push(format!("{} renamed", counted(names.functions.len(), "function")));
            }
            let data = json!({"nodes": names.nodes, "functions": names.functions});
            let report = Report { lines, data, ..Report::default() };
            Ok((Rewritten { meta_graph, names }, report))
        })
    }
}
