use flowkeep_ckpt::counted;
use flowkeep_graph::Attr;
use flowkeep_graph::view::{Change, FunctionDiff, MetaGraphDiff, NodeDiff, PartChange};

use super::safe;

/// What differs: `-` is only in the first, `+` only in the second, `~` in both.
pub(crate) fn diff(diff: &MetaGraphDiff) -> String {
    let mut out = String::new();
    let graph = &diff.graph;
    nodes(&graph.nodes, "", &mut out);
    for function in &graph.functions {
        match function {
            FunctionDiff::Removed { name } => out += &format!("- function {}\n", safe(name)),
            FunctionDiff::Added { name } => out += &format!("+ function {}\n", safe(name)),
            FunctionDiff::Changed { name, old_name, changes, nodes: of_body } => {
                out += &format!("~ function {}\n", renamed(old_name.as_deref(), name));
                changes.iter().for_each(|change| out += &line(change, "    "));
                nodes(of_body, "    ", &mut out);
            }
        }
    }
    for (which, old, new) in &graph.versions {
        out += &format!("~ version {which}: {old} => {new}\n");
    }
    for part in &diff.parts {
        let sign = match part.change {
            PartChange::Removed => '-',
            PartChange::Added => '+',
            PartChange::Changed => '~',
        };
        let key = part.key.as_deref().map(|key| format!(" {}", safe(key))).unwrap_or_default();
        out += &format!("{sign} {}{key}\n", part.part);
    }
    out + &total(diff)
}

fn total(diff: &MetaGraphDiff) -> String {
    let graph = &diff.graph;
    let [mut n_removed, mut n_added, mut n_changed, mut n_renamed] = [0; 4];
    for node in &graph.nodes {
        match node {
            NodeDiff::Removed { .. } => n_removed += 1,
            NodeDiff::Added { .. } => n_added += 1,
            NodeDiff::Changed { changes, .. } if changes.is_empty() => n_renamed += 1,
            NodeDiff::Changed { .. } => n_changed += 1,
        }
    }
    let mut parts = vec![format!("{} the same", counted(graph.n_same, "node"))];
    for (n, what) in [
        (n_changed, "changed"),
        (n_renamed, "renamed"),
        (n_removed, "only in the first"),
        (n_added, "only in the second"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    if graph.n_same_functions + graph.functions.len() > 0 {
        let same = counted(graph.n_same_functions, "function");
        parts.push(format!("{same} the same, {} not", graph.functions.len()));
    }
    if !diff.parts.is_empty() {
        parts.push(format!("{} different", counted(diff.parts.len(), "other part")));
    }
    parts.join(", ") + "\n"
}

fn nodes(diffs: &[NodeDiff], indent: &str, out: &mut String) {
    for diff in diffs {
        match diff {
            NodeDiff::Removed { name, op } => {
                *out += &format!("{indent}- {name} ({})\n", safe(op));
            }
            NodeDiff::Added { name, op } => *out += &format!("{indent}+ {name} ({})\n", safe(op)),
            NodeDiff::Changed { name, old_name, op, changes } => {
                let name = renamed(old_name.as_deref(), name);
                *out += &format!("{indent}~ {name} ({})\n", safe(op));
                let indent = format!("{indent}    ");
                changes.iter().for_each(|change| *out += &line(change, &indent));
            }
        }
    }
}

fn renamed(old: Option<&str>, new: &str) -> String {
    match old {
        Some(old) => format!("{} => {}", safe(old), safe(new)),
        None => safe(new),
    }
}

fn line(change: &Change, indent: &str) -> String {
    let pair = |old: &Option<String>, new: &Option<String>| {
        let text = |side: &Option<String>| side.as_deref().map_or("(none)".into(), safe);
        format!("{} => {}", text(old), text(new))
    };
    let text = match change {
        Change::Op { old, new } => format!("op: {} => {}", safe(old), safe(new)),
        Change::Input { index, old, new } => format!("input {index}: {}", pair(old, new)),
        Change::ControlInputs { removed, added } => {
            let removed = removed.iter().map(|name| format!("-{name}"));
            let names = removed.chain(added.iter().map(|name| format!("+{name}")));
            format!("waits for: {}", names.collect::<Vec<_>>().join(" "))
        }
        Change::Attr { name, old, new } => {
            let [old, new] = [old, new].map(|attr| attr.as_ref().map(Attr::to_string));
            let same = if old == new && old.is_some() { " (other elements)" } else { "" };
            format!("{}: {}{same}", safe(name), pair(&old, &new))
        }
        Change::Device { old, new } => format!("device: {old:?} => {new:?}"),
        Change::Signature { old, new } => format!("signature: {} => {}", safe(old), safe(new)),
        Change::Result { name, old, new } => {
            format!("result {}: {}", safe(name), pair(old, new))
        }
        Change::Gradient { old, new } => format!("gradient: {}", pair(old, new)),
        Change::Body => "body: different".into(),
    };
    format!("{indent}{text}\n")
}
