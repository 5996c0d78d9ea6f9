use std::collections::BTreeMap;

use flowkeep_bundle::Key;
use flowkeep_bundle::object_graph::OBJECT_GRAPH_KEY;
use flowkeep_tensor::Tensor;
use regex::Regex;

use crate::transfer::{self, Item};
use crate::{Checkpoint, Error, Output, Progress, Written};

/// How tensors get other names. Rules are applied one after the other, each to what the one before
/// gave; a name that a rule does not match stays.
#[derive(Clone, Debug)]
pub enum RenameRule {
    /// Whole names, and what becomes of them.
    Map(BTreeMap<String, String>),
    /// Every match of a regular expression is replaced; `$1` or `\1` in the replacement stands for a
    /// group.
    Regex(Regex, String),
}

impl RenameRule {
    /// The rule that replaces every match of `regex`.
    ///
    /// Errors: `INVALID_ARGUMENT` if it is no regular expression.
    pub fn regex(regex: &str, replacement: &str) -> Result<RenameRule, Error> {
        let compiled = Regex::new(regex).map_err(|error| {
            let what = error.to_string();
            let what = what.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Error::Invalid(format!("'{regex}' is not a regular expression: {what}"))
        })?;
        Ok(RenameRule::Regex(compiled, with_dollars(replacement)))
    }

    /// The rule of a file with an old name and a new one on each line, separated by a tab, or by blanks
    /// where there is no tab; empty lines and those that begin with `#` mean nothing.
    ///
    /// Errors: `INVALID_ARGUMENT`, naming the line, for anything else and for an old name that comes
    /// twice.
    pub fn parse_map(text: &str) -> Result<RenameRule, Error> {
        let mut map = BTreeMap::new();
        for (idx, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\r');
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let names: Vec<&str> = match line.contains('\t') {
                true => line.split('\t').collect(),
                false => line.split_whitespace().collect(),
            };
            let [old, new] = names[..] else {
                let n = idx + 1;
                return Err(Error::Invalid(format!(
                    "line {n} of the map is not two names: {line}"
                )));
            };
            if map.insert(old.to_owned(), new.to_owned()).is_some() {
                let n = idx + 1;
                return Err(Error::Invalid(format!("line {n} of the map has {old} once more")));
            }
        }
        Ok(RenameRule::Map(map))
    }

    /// What rules make of a name, one after the other; `None` if none of them matches.
    pub fn apply_all(rules: &[RenameRule], name: &str) -> Option<String> {
        let mut new: Option<String> = None;
        for rule in rules {
            new = rule.apply(new.as_deref().unwrap_or(name)).or(new);
        }
        new
    }

    fn apply(&self, name: &str) -> Option<String> {
        match self {
            RenameRule::Map(map) => map.get(name).cloned(),
            RenameRule::Regex(regex, replacement) => {
                regex.is_match(name).then(|| regex.replace_all(name, replacement).into_owned())
            }
        }
    }
}

/// Turns `\1` into `${1}` and keeps `$1` from taking letters that follow it for part of a name.
fn with_dollars(replacement: &str) -> String {
    let mut out = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        let is_group = matches!(c, '\\' | '$') && chars.peek().is_some_and(char::is_ascii_digit);
        if is_group {
            out.push_str("${");
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                out.push(digit);
            }
            out.push('}');
        } else if c == '\\' && chars.peek() == Some(&'\\') {
            chars.next();
            out.push('\\');
        } else {
            out.push(c);
        }
    }
    out
}

/// What was renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renamed {
    /// Old and new names, in order of the old ones.
    pub renamed: Vec<(Key, Key)>,
    /// The number of tensors that kept their names.
    pub n_kept: usize,
    /// What was written.
    pub written: Written,
}

/// The new name of each tensor of `from`, in order of the old names; nothing is written.
///
/// The object graph keeps its name, and so do tensors whose names are not UTF-8.
///
/// Errors: `NOT_FOUND` for an old name of a map that no tensor has; `INVALID_ARGUMENT`, naming both, if
/// two tensors would get one name, or one an empty name.
pub fn new_names(from: &Checkpoint, rules: &[RenameRule]) -> Result<Vec<(Key, Key)>, Error> {
    let mut names = Vec::with_capacity(from.tensors().len());
    for info in from.tensors() {
        let mut name = info.name.clone();
        if name != OBJECT_GRAPH_KEY
            && let Some(new) = name.as_str().and_then(|name| RenameRule::apply_all(rules, name))
        {
            name = Key::from(new.into_bytes());
        }
        names.push((info.name.clone(), name));
    }
    names.sort();
    if let Some(RenameRule::Map(map)) = rules.first() {
        for old in map.keys() {
            from.info(old)?;
        }
    }
    let mut seen = BTreeMap::new();
    for (old, new) in &names {
        if new.is_empty() {
            return Err(Error::Invalid(format!("tensor {old} would get an empty name")));
        }
        if let Some(other) = seen.insert(new, old) {
            let what = format!("tensors {other} and {old} would both be called {new}");
            return Err(Error::Invalid(what));
        }
    }
    Ok(names)
}

/// Writes a checkpoint whose tensors have other names. The keys in the object graph of an object-based
/// checkpoint change along.
///
/// Errors: as [`new_names`]; those of reading and writing.
pub fn rename(
    from: &Checkpoint,
    rules: &[RenameRule],
    output: &Output,
    progress: Progress<'_>,
) -> Result<Renamed, Error> {
    let names = new_names(from, rules)?;
    let by_old: BTreeMap<&Key, &Key> = names.iter().map(|(old, new)| (old, new)).collect();
    let mut items = Vec::with_capacity(names.len());
    for info in from.tensors() {
        let new = by_old.get(&info.name).copied().unwrap_or(&info.name).clone();
        items.push(Item::copy(from, info, new)?);
    }
    if let Some(graph) = from.object_graph()? {
        let mut failed = None;
        let graph = graph.rename_keys(|key| match new_key(key, &by_old) {
            Ok(new) => Some(new),
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        failed.map_or(Ok(()), Err)?;
        replace(&mut items, OBJECT_GRAPH_KEY, Tensor::scalar_string(graph.encode()));
    }
    let written = transfer::write(items, output, progress)?;
    let (renamed, kept): (Vec<_>, Vec<_>) = names.into_iter().partition(|(old, new)| old != new);
    Ok(Renamed { renamed, n_kept: kept.len(), written })
}

/// The new key of an attribute of an object: the new name of its tensor, or the beginning of those of
/// all its tensors, as a table has them.
fn new_key(key: &str, by_old: &BTreeMap<&Key, &Key>) -> Result<String, Error> {
    let of_text = |text: &str| Key::from(text.as_bytes().to_vec());
    let text = |name: &Key| name.as_str().map(str::to_owned).ok_or_else(|| not_text(name));
    if let Some(new) = by_old.get(&of_text(key)) {
        return text(new);
    }
    let mut found: Option<String> = None;
    let entries = by_old.range::<Key, _>(&of_text(key)..);
    for (old, new) in entries.take_while(|(old, _)| old.starts_with(key.as_bytes())) {
        let (old, new) = (text(old)?, text(new)?);
        let stem = new.strip_suffix(&old[key.len()..]).map(str::to_owned);
        if stem.is_none() || found.as_ref().is_some_and(|found| Some(found) != stem.as_ref()) {
            return Err(Error::Invalid(format!(
                "{old} would be called {new}, but what belongs to {key} must go on being called alike"
            )));
        }
        found = stem;
    }
    Ok(found.unwrap_or_else(|| key.to_owned()))
}

fn not_text(name: &Key) -> Error {
    Error::Unsupported(format!("the object graph has no place for {name}, which is not UTF-8"))
}

/// Puts a tensor in the place of the item of this name.
pub(crate) fn replace(items: &mut [Item<'_>], name: &str, tensor: Tensor) {
    if let Some(item) = items.iter_mut().find(|item| item.name == name) {
        *item = Item::value(item.name.clone(), tensor);
    }
}
