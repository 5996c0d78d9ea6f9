use std::cmp::{Ordering, Reverse};

use flowkeep_bundle::Key;

use super::sort::SortBy;
use super::sum::Sum;
use super::{Listing, ObjectListing, type_name};
use crate::text::{Align, Columns, TextOptions, counted, shown};
use crate::{Error, TensorInfo};

/// The most levels of a tree: what is left of a longer name stays in one piece.
const MAX_DEPTH: usize = 64;

/// How names are made a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOptions {
    /// Whether scopes that hold nothing but another scope or tensor are written in one line with it.
    pub fold: bool,
    /// The most levels below the root; what lies deeper is only summed up.
    pub max_depth: Option<usize>,
}

impl Default for TreeOptions {
    fn default() -> TreeOptions {
        TreeOptions { fold: true, max_depth: None }
    }
}

/// Tensors by the scopes of their names, or by the objects that own them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tree<'a> {
    /// The scope that everything is in; its label is empty.
    pub root: TreeNode<'a>,
}

/// A scope, a tensor, or both: `w` may be a tensor, and a scope for `w/Adam`.
#[derive(Debug)]
#[non_exhaustive]
pub struct TreeNode<'a> {
    /// The part of the name that it adds to that of its parent; several, joined by `/`, where scopes
    /// are folded.
    pub label: Key,
    /// The tensor of this name.
    pub leaf: Option<Leaf<'a>>,
    /// What the tensors come to that are here and below, those that are not shown among them.
    pub sum: Sum,
    /// The number of tensors here and below that cannot be told of.
    pub n_damaged: usize,
    /// What is in the scope, in the order of the listing; where that is by types or shapes, scopes
    /// come first.
    pub children: Vec<TreeNode<'a>>,
    /// Whether there is more in the scope, which is too deep to be shown.
    pub is_cut: bool,
}

/// A tensor in a tree.
#[derive(Clone, Copy, Debug)]
pub enum Leaf<'a> {
    /// What is known of it.
    Tensor(&'a TensorInfo),
    /// Why nothing is.
    Damaged(&'a Error),
}

/// A name, split, and what has it.
struct Item<'a> {
    parts: Vec<&'a [u8]>,
    leaf: Leaf<'a>,
}

impl<'a> Tree<'a> {
    /// The tree of names, which `/` divides.
    pub fn of_names(listing: &Listing<'a>, options: &TreeOptions) -> Tree<'a> {
        let tensors = listing.rows.iter().map(|row| (&row.info.name, Leaf::Tensor(row.info)));
        let damaged = listing.damaged.iter().map(|(name, error)| (*name, Leaf::Damaged(error)));
        let items = tensors.chain(damaged).map(|(name, leaf)| Item { parts: split(name), leaf });
        let order = Order { sort: listing.sort, reverse: listing.reverse };
        Tree::of_items(items.collect(), options, order)
    }

    /// The tree of objects, by their paths; what belongs to no object is at the root, under its key.
    pub fn of_objects(listing: &'a ObjectListing<'a>, options: &TreeOptions) -> Tree<'a> {
        let items = listing.rows.iter().map(|row| {
            let mut parts = match row.path() {
                Some(path) => split(path.as_bytes()),
                None => vec![&*row.info.name],
            };
            parts.extend(row.entry_name().map(str::as_bytes));
            Item { parts, leaf: Leaf::Tensor(row.info) }
        });
        let damaged = listing.damaged.iter();
        let damaged =
            damaged.map(|(name, error)| Item { parts: vec![name], leaf: Leaf::Damaged(error) });
        let order = Order { sort: listing.sort, reverse: listing.reverse };
        Tree::of_items(items.chain(damaged).collect(), options, order)
    }

    fn of_items(mut items: Vec<Item<'a>>, options: &TreeOptions, order: Order) -> Tree<'a> {
        items.sort_by(|a, b| a.parts.cmp(&b.parts));
        let max_depth = options.max_depth.unwrap_or(MAX_DEPTH);
        let build = Build { fold: options.fold, max_depth, order };
        let mut root = TreeNode::new(Vec::new());
        build.fill(&mut root, &items, 0, 0);
        Tree { root }
    }

    /// As lines, drawn as a tree: labels, types and shapes or numbers of tensors, sizes.
    pub fn text(&self, options: &TextOptions) -> String {
        let mut columns = Columns::new(&[Align::Left; 3]);
        push_rows(&self.root, ".", "", options, &mut columns);
        let mut out = String::new();
        columns.write(&mut out);
        out
    }
}

/// The parts of a name.
fn split(name: &[u8]) -> Vec<&[u8]> {
    name.splitn(MAX_DEPTH, |byte| *byte == b'/').collect()
}

impl TreeNode<'_> {
    fn new(label: Vec<u8>) -> Self {
        TreeNode {
            label: label.into(),
            leaf: None,
            sum: Sum::default(),
            n_damaged: 0,
            children: Vec::new(),
            is_cut: false,
        }
    }
}

/// The order of what is in a scope.
#[derive(Clone, Copy)]
struct Order {
    sort: SortBy,
    reverse: bool,
}

impl Order {
    fn compare(self, a: &TreeNode<'_>, b: &TreeNode<'_>) -> Ordering {
        let order = match self.sort {
            SortBy::Name | SortBy::Natural => Ordering::Equal,
            SortBy::Size => Reverse(a.sum.len_bytes).cmp(&Reverse(b.sum.len_bytes)),
            // Scopes have neither, and come first.
            SortBy::DType | SortBy::Shape => match (a.single_tensor(), b.single_tensor()) {
                (Some(a), Some(b)) => self.sort.compare(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            },
        };
        let order = order.then_with(|| self.sort.compare_names(&a.label, &b.label));
        if self.reverse { order.reverse() } else { order }
    }
}

impl TreeNode<'_> {
    /// Whether this is a tensor and no scope.
    fn is_single(&self) -> bool {
        self.children.is_empty() && !self.is_cut
    }

    fn single_tensor(&self) -> Option<&TensorInfo> {
        match self.leaf {
            Some(Leaf::Tensor(info)) if self.is_single() => Some(info),
            _ => None,
        }
    }
}

struct Build {
    fold: bool,
    max_depth: usize,
    order: Order,
}

impl Build {
    /// Fills a node of a level with items, which agree in their first `n_parts` parts and are sorted.
    fn fill<'a>(&self, node: &mut TreeNode<'a>, items: &[Item<'a>], n_parts: usize, depth: usize) {
        let mut rest = items;
        // The item that ends here is the first; others of that name become children without a label.
        if let Some((first, others)) = items.split_first()
            && first.parts.len() == n_parts
        {
            node.leaf = Some(first.leaf);
            node.add_leaf(first.leaf);
            rest = others;
        }
        while let Some(first) = rest.first() {
            let part = first.parts.get(n_parts).copied();
            let n = rest.iter().take_while(|item| item.parts.get(n_parts).copied() == part).count();
            let (group, after) = rest.split_at(if part.is_some() { n } else { 1 });
            rest = after;
            let mut child = TreeNode::new(part.unwrap_or_default().to_vec());
            let n_child_parts = if part.is_some() { n_parts + 1 } else { n_parts };
            self.fill_folded(&mut child, group, n_child_parts, depth + 1);
            node.sum.add_all(&child.sum);
            node.n_damaged += child.n_damaged;
            if depth < self.max_depth {
                node.children.push(child);
            } else {
                node.is_cut = true;
            }
        }
        node.children.sort_by(|a, b| self.order.compare(a, b));
    }

    /// Takes more parts into the label as long as there is but one way on.
    fn fill_folded<'a>(
        &self,
        node: &mut TreeNode<'a>,
        items: &[Item<'a>],
        mut n_parts: usize,
        depth: usize,
    ) {
        if self.fold
            && let (Some(first), Some(last)) = (items.first(), items.last())
        {
            let mut label = node.label.to_vec();
            while let (Some(part), Some(other)) =
                (first.parts.get(n_parts), last.parts.get(n_parts))
                && part == other
            {
                label.push(b'/');
                label.extend_from_slice(part);
                n_parts += 1;
            }
            node.label = label.into();
        }
        self.fill(node, items, n_parts, depth);
    }
}

impl<'a> TreeNode<'a> {
    fn add_leaf(&mut self, leaf: Leaf<'a>) {
        match leaf {
            Leaf::Tensor(info) => self.sum.add(info),
            Leaf::Damaged(_) => self.n_damaged += 1,
        }
    }
}

/// Adds the row of a node, whose label is `label`, and those of its children, which begin with
/// `indent`.
fn push_rows(
    node: &TreeNode<'_>,
    label: &str,
    indent: &str,
    options: &TextOptions,
    columns: &mut Columns,
) {
    let what = match (&node.leaf, node.is_single()) {
        (Some(Leaf::Tensor(info)), true) => format!("{} {}", type_name(info), info.shape),
        (Some(Leaf::Damaged(error)), true) => {
            format!("damaged: {}", shown(error.to_string().as_bytes()))
        }
        (leaf, _) => {
            let mut text = counted(node.sum.n_tensors, "tensor");
            if node.n_damaged > 0 {
                text.push_str(&format!(", {} damaged", node.n_damaged));
            }
            if let Some(Leaf::Tensor(info)) = leaf {
                text.push_str(&format!(", {} {} here", type_name(info), info.shape));
            }
            text
        }
    };
    columns.push(vec![label.to_owned(), what, node.sum.size_text(options)]);
    let [tee, corner, bar] = match options.ascii {
        true => ["|-- ", "`-- ", "|   "],
        false => ["\u{251c}\u{2500}\u{2500} ", "\u{2514}\u{2500}\u{2500} ", "\u{2502}   "],
    };
    let n_children = node.children.len();
    for (idx, child) in node.children.iter().enumerate() {
        let is_last = idx + 1 == n_children;
        let branch = if is_last { corner } else { tee };
        let below = if is_last { "    " } else { bar };
        let label = match child.label.is_empty() {
            true => "\"\"".into(),
            false => shown(&child.label),
        };
        push_rows(
            child,
            &format!("{indent}{branch}{label}"),
            &format!("{indent}{below}"),
            options,
            columns,
        );
    }
}
