use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::links::Links;
use crate::{Error, Graph, Node, NodeId};

/// How one node depends on another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// How many paths there are that go around no loop; what does not fit is the largest number. If
    /// there is none, but one that goes around a loop, 0.
    pub n_paths: u64,
    /// The shortest ones, the shortest first; each from the first node to the last.
    pub paths: Vec<Vec<Step>>,
}

/// A node on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node's name.
    pub node: String,
    /// Its op.
    pub op: String,
    /// The edge by which it is reached; of several, the first. `None` for the first node.
    pub edge: Option<Edge>,
}

/// An edge between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// An output of the one is an input of the other.
    Data {
        /// Which output.
        output: u32,
        /// Which input.
        input: usize,
        /// Whether it closes a loop.
        is_back_edge: bool,
    },
    /// The other waits for the one.
    Control,
}

/// Which paths are looked for.
#[derive(Clone, Copy, Debug)]
pub struct PathOptions {
    /// Whether control edges are left out.
    pub data_only: bool,
    /// The most paths that are listed.
    pub limit: usize,
}

impl Default for PathOptions {
    /// One path, along all edges.
    fn default() -> PathOptions {
        PathOptions { data_only: false, limit: 1 }
    }
}

impl Paths {
    /// The paths from one node to another, along the edges; each is the name of a node or of a tensor,
    /// and a tensor to begin with rules out the other outputs of its node.
    ///
    /// Takes time linear in the size of the graph and in what is listed.
    ///
    /// Errors: as [`Graph::output`] and [`Graph::get_operation_by_name`].
    pub fn between(
        graph: &Graph,
        from: &str,
        to: &str,
        options: &PathOptions,
    ) -> Result<Paths, Error> {
        let graph = &*graph.sorted();
        let (from, output) = find(graph, from)?;
        let (to, _) = find(graph, to)?;
        let links = Links::new(graph);
        let search = Search { graph, links: &links, from, output, data_only: options.data_only };
        let forward = search.ahead(to);
        let n_paths = forward.get(&from).map_or(0, |ahead| ahead.n_paths);
        let found = match n_paths {
            0 => search.around(to).into_iter().collect(),
            _ => search.shortest(to, &forward, options.limit),
        };
        let paths = found.iter().map(|path| search.steps(path)).collect();
        Ok(Paths { n_paths, paths })
    }
}

/// The node of a name, and the output that the name says.
fn find(graph: &Graph, name: &str) -> Result<(NodeId, Option<u32>), Error> {
    match graph.node_by_name(name) {
        Some(id) => Ok((id, None)),
        None if name.contains(':') => {
            let output = graph.output(name)?;
            Ok((output.node, Some(output.index)))
        }
        None => Ok((graph.get_operation_by_name(name)?, None)),
    }
}

struct Search<'a> {
    graph: &'a Graph,
    links: &'a Links,
    from: NodeId,
    /// The only output of the first node that counts.
    output: Option<u32>,
    data_only: bool,
}

/// What is known of the way from a node to the last one.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    n_edges: usize,
    n_paths: u64,
}

impl Search<'_> {
    /// The edges that lead out of a node, one for each node that they lead to.
    fn out(&self, id: NodeId) -> Vec<(NodeId, Edge)> {
        let data = self.links.data(id).iter();
        let data =
            data.filter(|link| id != self.from || self.output.is_none_or(|o| o == link.output));
        let data = data.map(|link| {
            let is_back_edge = link.consumer <= id;
            let edge = Edge::Data { output: link.output, input: link.input, is_back_edge };
            (link.consumer, edge)
        });
        let ignores_control = self.data_only || id == self.from && self.output.is_some();
        let control = if ignores_control { &[][..] } else { self.links.control(id) };
        let mut out: Vec<_> =
            data.chain(control.iter().map(|consumer| (*consumer, Edge::Control))).collect();
        // Stable: of several edges to one node, the first stays.
        out.sort_by_key(|(consumer, _)| *consumer);
        out.dedup_by_key(|(consumer, _)| *consumer);
        out
    }

    /// For each node from which the last one is reached without a loop: how far it is, along how many
    /// paths. Nodes are in topological order, so that they all lie between the first and the last.
    fn ahead(&self, to: NodeId) -> HashMap<NodeId, Ahead> {
        let mut ahead = HashMap::from([(to, Ahead { n_edges: 0, n_paths: 1 })]);
        for idx in (self.from.0..to.0).rev() {
            let id = NodeId(idx);
            let mut sum: Option<Ahead> = None;
            for (next, _) in self.out(id) {
                if let (true, Some(of_next)) = (next > id, ahead.get(&next)) {
                    let n_edges = of_next.n_edges + 1;
                    let before = sum.unwrap_or(Ahead { n_edges, n_paths: 0 });
                    sum = Some(Ahead {
                        n_edges: before.n_edges.min(n_edges),
                        n_paths: before.n_paths.saturating_add(of_next.n_paths),
                    });
                }
            }
            if let Some(sum) = sum {
                ahead.insert(id, sum);
            }
        }
        ahead
    }

    /// The shortest paths without a loop. What lies ahead is known, so that no step is in vain.
    fn shortest(
        &self,
        to: NodeId,
        ahead: &HashMap<NodeId, Ahead>,
        limit: usize,
    ) -> Vec<Vec<NodeId>> {
        // Beginnings of paths: their last nodes, and which beginning each goes on from.
        let mut begun: Vec<(NodeId, Option<usize>)> = vec![(self.from, None)];
        let whole = ahead.get(&self.from).map_or(0, |ahead| ahead.n_edges);
        // By the length that the whole path will have; of equal ones, the one that is nearest its end.
        let mut queue = BinaryHeap::from([Reverse((whole, whole, 0))]);
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(Reverse((whole, rest, place))) = queue.pop()
        {
            let Some((id, _)) = begun.get(place).copied() else { continue };
            if id == to {
                found.push(path_to(place, &begun));
                continue;
            }
            for (next, _) in self.out(id) {
                if let (true, Some(of_next)) = (next > id, ahead.get(&next)) {
                    let whole = whole - rest + 1 + of_next.n_edges;
                    queue.push(Reverse((whole, of_next.n_edges, begun.len())));
                    begun.push((next, Some(place)));
                }
            }
        }
        found
    }

    /// The shortest path that may go around loops.
    fn around(&self, to: NodeId) -> Option<Vec<NodeId>> {
        let mut begun: Vec<(NodeId, Option<usize>)> = vec![(self.from, None)];
        let mut seen = HashSet::from([self.from]);
        let mut place = 0;
        while let Some((id, _)) = begun.get(place).copied() {
            if id == to {
                return Some(path_to(place, &begun));
            }
            for (next, _) in self.out(id) {
                if seen.insert(next) {
                    begun.push((next, Some(place)));
                }
            }
            place += 1;
        }
        None
    }

    fn steps(&self, path: &[NodeId]) -> Vec<Step> {
        let mut before = None;
        let step = |id: &NodeId| {
            let node = self.graph.get(*id);
            let edge = before.and_then(|before| {
                let edges = self.out(before);
                edges.iter().find(|(next, _)| next == id).map(|(_, edge)| *edge)
            });
            before = Some(*id);
            let text = |of: fn(&Node) -> &str| node.map_or("", of).to_owned();
            Step { node: text(Node::name), op: text(Node::op), edge }
        };
        path.iter().map(step).collect()
    }
}

/// The nodes of a beginning of a path, in order.
fn path_to(place: usize, begun: &[(NodeId, Option<usize>)]) -> Vec<NodeId> {
    let mut path = Vec::new();
    let mut at = Some(place);
    while let Some((id, before)) = at.and_then(|place| begun.get(place)) {
        path.push(*id);
        at = *before;
    }
    path.reverse();
    path
}
