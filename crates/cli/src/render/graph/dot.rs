use std::fmt::Write as _;

use flowkeep_graph::view::{Item, ItemKind, Outline, OutlineEdge, Role, Scope};

/// A graph in the language of Graphviz.
pub(crate) fn dot(outline: &Outline, title: &str) -> String {
    let mut out = String::new();
    let mut drawing = Drawing { out: &mut out, n_clusters: 0 };
    drawing.line(0, &format!("digraph {} {{", quoted(title)));
    drawing.line(1, "node [fontname=\"Helvetica\" fontsize=10 shape=box style=\"rounded,filled\" fillcolor=white];");
    drawing.line(1, "edge [fontname=\"Helvetica\" fontsize=8];");
    drawing.scope(&outline.root, 1);
    outline.edges.iter().for_each(|edge| drawing.edge(edge));
    drawing.line(0, "}");
    out
}

struct Drawing<'a> {
    out: &'a mut String,
    n_clusters: usize,
}

impl Drawing<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{:width$}{text}", "", width = 2 * depth);
    }

    fn scope(&mut self, scope: &Scope, depth: usize) {
        for inner in &scope.scopes {
            self.line(depth, &format!("subgraph cluster_{} {{", self.n_clusters));
            self.n_clusters += 1;
            let label = last_part(&inner.name, &scope.name);
            self.line(
                depth + 1,
                &format!("label={}; style=\"rounded\"; color=gray;", quoted(label)),
            );
            self.scope(inner, depth + 1);
            self.line(depth, "}");
        }
        scope.items.iter().for_each(|item| self.item(item, &scope.name, depth));
    }

    fn item(&mut self, item: &Item, scope: &str, depth: usize) {
        let label = last_part(&item.name, scope);
        let name = quoted(&item.name);
        let (label, style) = match &item.kind {
            ItemKind::Node { op, role, is_focus } => {
                let label = if label == op { label.to_owned() } else { format!("{label}\n{op}") };
                let style = match role {
                    Role::Input => " shape=ellipse fillcolor=lightblue",
                    Role::Constant => " shape=plain style=\"\"",
                    Role::Variable => " shape=cylinder style=filled fillcolor=lightyellow",
                    Role::ControlFlow => " shape=diamond style=filled",
                    Role::Call => " shape=component style=filled",
                    Role::Plain => "",
                };
                let focus = if *is_focus { " penwidth=3" } else { "" };
                (label, format!("{style}{focus}"))
            }
            ItemKind::Scope { n_nodes } => {
                (format!("{label}\n{n_nodes} nodes"), " shape=box3d style=filled".to_owned())
            }
        };
        let id = item.id;
        self.line(depth, &format!("n{id} [label={} tooltip={name}{style}];", quoted(&label)));
    }

    fn edge(&mut self, edge: &OutlineEdge) {
        let mut attrs = Vec::new();
        match (&edge.tensor, edge.n_edges) {
            (_, n @ 2..) => attrs.push(format!("label=\"{n}\"")),
            (Some((port, shape)), _) => {
                attrs.push(format!("label={}", quoted(&format!("{port} {shape}"))));
            }
            _ => {}
        }
        if edge.is_control {
            attrs.push("style=dashed".into());
        }
        if edge.is_back_edge {
            attrs.push("style=bold constraint=false".into());
        }
        let attrs = match attrs.is_empty() {
            true => String::new(),
            false => format!(" [{}]", attrs.join(" ")),
        };
        self.line(1, &format!("n{} -> n{}{attrs};", edge.from, edge.to));
    }
}

/// What a name has beyond that of the scope around it.
fn last_part<'n>(name: &'n str, scope: &str) -> &'n str {
    let rest = name.strip_prefix(scope).filter(|_| !scope.is_empty());
    rest.and_then(|rest| rest.strip_prefix('/')).unwrap_or(name)
}

/// A string in quotes. Line breaks become those of labels.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_do_not_break_out_of_their_quotes() {
        for (text, expected) in [
            ("a/b", "\"a/b\""),
            ("\"];", "\"\\\"];\""),
            ("\\", "\"\\\\\""),
            ("x\nMatMul", "\"x\\nMatMul\""),
            ("\u{1b}[1m", "\"\u{fffd}[1m\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn labels_are_what_is_left_of_names() {
        assert_eq!(last_part("a/b/c", "a/b"), "c");
        assert_eq!(last_part("a/b", ""), "a/b");
        assert_eq!(last_part("ab", "a"), "ab");
    }
}
