use std::collections::VecDeque;

use super::{ObjectGraph, ObjectNode};

/// What stands between a variable and the optimizer of its slots.
const OPTIMIZER_SLOT: &str = "/.OPTIMIZER_SLOT/";

/// How a node is reached from the root, on a shortest way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Root,
    /// As the child of that index of a node.
    Child {
        parent: usize,
        child_idx: usize,
    },
    /// As the slot variable of that index of a node; that node and the original variable are
    /// reached through children.
    Slot {
        optimizer: usize,
        slot_idx: usize,
    },
    Nowhere,
}

/// How each node is reached: breadth-first through children, then as slot variables.
pub(super) fn origins(nodes: &[ObjectNode]) -> Vec<Origin> {
    let mut origins = vec![Origin::Nowhere; nodes.len()];
    let mut reach = |id: usize, origin| match origins.get_mut(id) {
        Some(found @ Origin::Nowhere) => {
            *found = origin;
            true
        }
        _ => false,
    };
    reach(0, Origin::Root);
    let mut queue = VecDeque::from([0]);
    while let Some(parent) = queue.pop_front() {
        let children = nodes.get(parent).into_iter().flat_map(|node| &node.children);
        for (child_idx, child) in children.enumerate() {
            if reach(child.node_id, Origin::Child { parent, child_idx }) {
                queue.push_back(child.node_id);
            }
        }
    }
    let through_children: Vec<_> =
        origins.iter().map(|origin| *origin != Origin::Nowhere).collect();
    let is_reached = |id: usize| through_children.get(id).copied().unwrap_or(false);
    for (optimizer, node) in nodes.iter().enumerate().filter(|(id, _)| is_reached(*id)) {
        for (slot_idx, slot) in node.slot_variables.iter().enumerate() {
            if let Some(found @ Origin::Nowhere) = origins.get_mut(slot.slot_variable)
                && is_reached(slot.original_variable)
            {
                *found = Origin::Slot { optimizer, slot_idx };
            }
        }
    }
    origins
}

impl ObjectGraph {
    /// The path of a node, by which TensorFlow makes its keys; that of the root is empty. `None` if
    /// there is no such node, or no path leads to it.
    pub fn path(&self, id: usize) -> Option<String> {
        let Origin::Slot { optimizer, slot_idx } = *self.origins.get(id)? else {
            return self.path_of_children(id);
        };
        let slot = self.nodes.get(optimizer)?.slot_variables.get(slot_idx)?;
        let variable = self.path_of_children(slot.original_variable)?;
        let optimizer = self.path_of_children(optimizer)?;
        let slot_name = escape_local_name(&slot.slot_name);
        Some(format!("{variable}{OPTIMIZER_SLOT}{optimizer}/{slot_name}"))
    }

    fn path_of_children(&self, id: usize) -> Option<String> {
        let mut names = Vec::new();
        let mut id = id;
        loop {
            match *self.origins.get(id)? {
                Origin::Root => break,
                Origin::Child { parent, child_idx } => {
                    let child = self.nodes.get(parent)?.children.get(child_idx)?;
                    names.push(escape_local_name(&child.local_name));
                    id = parent;
                }
                Origin::Slot { .. } | Origin::Nowhere => return None,
            }
        }
        names.reverse();
        Some(names.join("/"))
    }

    /// The node that a path leads to. Any path will do, not only a shortest one.
    pub fn find(&self, path: &str) -> Option<usize> {
        let Some((variable, rest)) = path.split_once(OPTIMIZER_SLOT) else {
            return self.find_child(path);
        };
        let (optimizer, slot_name) = rest.rsplit_once('/')?;
        let (variable, optimizer) = (self.find_child(variable)?, self.find_child(optimizer)?);
        let slot_name = unescape_local_name(slot_name)?;
        let mut slots = self.nodes.get(optimizer)?.slot_variables.iter();
        let slot =
            slots.find(|slot| slot.original_variable == variable && slot.slot_name == slot_name)?;
        Some(slot.slot_variable)
    }

    fn find_child(&self, path: &str) -> Option<usize> {
        if path.is_empty() {
            return Some(0);
        }
        path.split('/')
            .try_fold(0, |id, name| self.nodes.get(id)?.child(&unescape_local_name(name)?))
    }
}

/// A local name as it stands in a path: `.` is written `..`, and `/` is written `.S`.
pub fn escape_local_name(name: &str) -> String {
    name.replace('.', "..").replace('/', ".S")
}

/// The local name that a part of a path stands for; `None` if it is none.
fn unescape_local_name(part: &str) -> Option<String> {
    let mut name = String::with_capacity(part.len());
    let mut chars = part.chars();
    while let Some(char) = chars.next() {
        name.push(match char {
            '.' => match chars.next()? {
                '.' => '.',
                'S' => '/',
                _ => return None,
            },
            char => char,
        });
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::super::{Child, SlotVariable};
    use super::*;

    fn node(children: &[(usize, &str)], slots: &[(usize, &str, usize)]) -> ObjectNode {
        let child = |(node_id, name): &(usize, &str)| Child {
            node_id: *node_id,
            local_name: (*name).into(),
        };
        let slot = |(original, name, slot): &(usize, &str, usize)| SlotVariable {
            original_variable: *original,
            slot_name: (*name).into(),
            slot_variable: *slot,
        };
        ObjectNode {
            children: children.iter().map(child).collect(),
            slot_variables: slots.iter().map(slot).collect(),
            ..ObjectNode::default()
        }
    }

    #[test]
    fn paths_are_shortest_and_cycles_end() {
        let graph = ObjectGraph::new(vec![
            node(&[(1, "a"), (2, "b.c")], &[]),
            node(&[(3, "long"), (0, "up")], &[]),
            node(&[(2, "self"), (3, "x/y"), (3, "again")], &[]),
            node(&[(4, ""), (1, "back")], &[]),
            node(&[], &[]),
            node(&[(4, "lost")], &[]),
        ])
        .unwrap();
        let paths: Vec<_> = (0..7).map(|id| graph.path(id)).collect();
        let expected = ["", "a", "b..c", "a/long", "a/long/"];
        let expected = expected.iter().map(|path| Some((*path).to_owned()));
        assert!(paths.iter().cloned().eq(expected.chain([None, None])), "{paths:?}");
        for (path, id) in [
            ("", Some(0)),
            ("a/up/a/up/b..c/self/self", Some(2)),
            ("b..c/x.Sy", Some(3)),
            ("b..c/again", Some(3)),
            ("a/long/", Some(4)),
            ("a/short", None),
            ("b.c", None),
            ("b.", None),
            ("/a", None),
        ] {
            assert_eq!(graph.find(path), id, "{path}");
        }
    }

    #[test]
    fn slot_variables_have_paths_through_their_variables() {
        let graph = ObjectGraph::new(vec![
            node(&[(1, "v"), (2, "opt"), (5, "child")], &[(1, "m", 6)]),
            node(&[], &[]),
            // A slot that is a child, slots of a slot, of itself, and of a stranger.
            node(&[], &[(1, "m/m", 3), (1, "c", 5), (3, "n", 4), (4, "o", 4), (7, "p", 7)]),
            node(&[], &[]),
            node(&[], &[]),
            node(&[], &[]),
            node(&[], &[]),
            node(&[], &[(1, "q", 7)]),
        ])
        .unwrap();
        let paths = [
            (3, Some("v/.OPTIMIZER_SLOT/opt/m.Sm")),
            (4, None),
            (5, Some("child")),
            (6, Some("v/.OPTIMIZER_SLOT//m")),
            (7, None),
        ];
        for (id, path) in paths {
            assert_eq!(graph.path(id).as_deref(), path, "{id}");
            if let Some(path) = path {
                assert_eq!(graph.find(path), Some(id));
            }
        }
        assert_eq!(graph.find("v/.OPTIMIZER_SLOT/opt/c"), Some(5));
        assert_eq!(graph.find("v/.OPTIMIZER_SLOT/opt/x"), None);
        assert_eq!(graph.find("v/.OPTIMIZER_SLOT/m"), None);
    }

    #[test]
    fn local_names_are_escaped() {
        for (name, part) in
            [("", ""), ("a", "a"), ("a/b", "a.Sb"), ("x.y", "x..y"), (".S", "..S"), ("./", "...S")]
        {
            assert_eq!(escape_local_name(name), part);
            assert_eq!(unescape_local_name(part).as_deref(), Some(name));
        }
        for part in [".", "a.", ".x", "a.s", "..."] {
            assert_eq!(unescape_local_name(part), None, "{part}");
        }
    }
}
