use flowkeep_ckpt::{Align, Columns, counted};
use flowkeep_graph::view::{Edge, Paths, Step};

use super::{grouped, safe};

/// Paths between two nodes; `is_reversed` says that there are some in the other direction.
pub(crate) fn paths(paths: &Paths, [from, to]: [&str; 2], is_reversed: bool) -> String {
    let mut out = String::new();
    let ends = format!("from {} to {}", safe(from), safe(to));
    let n_listed = paths.paths.len();
    out += &match (paths.n_paths, n_listed) {
        (0, 0) if is_reversed => format!("no path {ends}, but one in the other direction\n"),
        (0, 0) => format!("no path {ends}\n"),
        (0, _) => format!("no path {ends} but around loops\n"),
        (1, _) => format!("one path {ends}\n"),
        (n, 1) => format!("{} paths {ends}, the shortest:\n", grouped(n)),
        (n, listed) if u64::try_from(listed) == Ok(n) => format!("{n} paths {ends}\n"),
        (n, listed) => format!("{} paths {ends}, the {listed} shortest:\n", grouped(n)),
    };
    for (idx, path) in paths.paths.iter().enumerate() {
        if n_listed > 1 {
            let n_edges = path.len().saturating_sub(1);
            out += &format!("\n{}. {}\n", idx + 1, counted(n_edges, "edge"));
        }
        let mut columns = Columns::new(&[Align::Left; 4]);
        let mut before: Option<&Step> = None;
        for step in path {
            let way = match (step.edge, before) {
                (Some(Edge::Data { output, input, is_back_edge }), Some(before)) => {
                    let back = if is_back_edge { ", around the loop" } else { "" };
                    format!("input {input} is {}:{output}{back}", before.node)
                }
                (Some(Edge::Control), Some(before)) => format!("waits for {}", before.node),
                _ => String::new(),
            };
            columns.push(vec![String::new(), step.node.clone(), safe(&step.op), way]);
            before = Some(step);
        }
        columns.write(&mut out);
    }
    out
}
