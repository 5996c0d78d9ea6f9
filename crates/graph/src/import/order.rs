//! The order of nodes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Edges;
use crate::graph::node_id;
use crate::node::{is_merge, is_next_iteration};
use crate::{Error, NodeId};

/// The nodes in topological order; of those that are ready, the first in the file comes first.
///
/// A Merge that is fed by a NextIteration is ready when its control inputs and one data input are.
/// Sources that are no nodes of `edges` are ready from the start.
///
/// Errors: `INVALID_ARGUMENT` when some nodes never are ready.
pub(crate) fn topological<'a>(
    edges: &Edges,
    op: impl Fn(usize) -> &'a str,
) -> Result<Vec<NodeId>, Error> {
    let order = partial(edges, op);
    check_complete(edges, &order)?;
    Ok(order)
}

/// Fails when the order lacks nodes.
pub(crate) fn check_complete(edges: &Edges, order: &[NodeId]) -> Result<(), Error> {
    match edges.n_nodes() - order.len() {
        0 => Ok(()),
        n_nodes => Err(Error::Cycle { n_nodes }),
    }
}

/// As [`topological`], without the nodes that never are ready.
pub(crate) fn partial<'a>(edges: &Edges, op: impl Fn(usize) -> &'a str) -> Vec<NodeId> {
    let n_nodes = edges.n_nodes();
    let closes_loop = |idx: usize| {
        is_merge(op(idx))
            && edges.data(idx).iter().any(|output| is_next_iteration(op(output.node.index())))
    };
    if (0..n_nodes).all(|idx| is_ready_in_file_order(edges, idx, closes_loop)) {
        return (0..n_nodes).map(node_id).collect();
    }
    let is_node = |id: NodeId| id.index() < n_nodes;
    let waits_for = (0..n_nodes).map(|idx| {
        let n_data = edges.data(idx).iter().filter(|output| is_node(output.node)).count();
        let n_control = edges.control(idx).iter().filter(|id| is_node(**id)).count();
        if closes_loop(idx) {
            let is_fed = n_data < edges.data(idx).len();
            Waiting { n_sources: n_control + usize::from(!is_fed), data: Data::Any { is_fed } }
        } else {
            Waiting { n_sources: n_control + n_data, data: Data::All }
        }
    });
    sort(edges, waits_for.collect())
}

/// Whether all that a node waits for comes before it in the file.
fn is_ready_in_file_order(edges: &Edges, idx: usize, closes_loop: impl Fn(usize) -> bool) -> bool {
    let before = |id: NodeId| id.index() < idx || id.index() >= edges.n_nodes();
    if edges.sources(idx).all(|(source, _)| before(source)) {
        return true;
    }
    closes_loop(idx)
        && edges.control(idx).iter().all(|id| before(*id))
        && edges.data(idx).iter().any(|output| before(output.node))
}

/// What a node still waits for.
struct Waiting {
    n_sources: usize,
    data: Data,
}

/// Which data inputs a node waits for.
enum Data {
    All,
    /// For the first that is ready, unless there was one.
    Any {
        is_fed: bool,
    },
}

fn sort(edges: &Edges, mut waiting: Vec<Waiting>) -> Vec<NodeId> {
    let consumers = Consumers::new(edges);
    let is_ready = |waiting: &Waiting| waiting.n_sources == 0;
    let mut ready: BinaryHeap<Reverse<usize>> = waiting
        .iter()
        .enumerate()
        .filter(|(_, waiting)| is_ready(waiting))
        .map(|(idx, _)| Reverse(idx))
        .collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(Reverse(idx)) = ready.pop() {
        order.push(node_id(idx));
        for (consumer, is_data) in consumers.of(idx) {
            let Some(waiting) = waiting.get_mut(*consumer) else { continue };
            if let Data::Any { is_fed } = &mut waiting.data
                && *is_data
                && std::mem::replace(is_fed, true)
            {
                continue;
            }
            waiting.n_sources = waiting.n_sources.saturating_sub(1);
            if is_ready(waiting) {
                ready.push(Reverse(*consumer));
            }
        }
    }
    order
}

/// The edges by source.
struct Consumers {
    consumers: Vec<(usize, bool)>,
    starts: Vec<usize>,
}

impl Consumers {
    fn new(edges: &Edges) -> Consumers {
        let n_nodes = edges.n_nodes();
        let mut starts = vec![0usize; n_nodes + 1];
        let all = || {
            (0..n_nodes)
                .flat_map(|idx| edges.sources(idx).map(move |(source, data)| (source, idx, data)))
        };
        for (source, ..) in all() {
            // Behind the last start are sources that are no nodes.
            if let Some(count) = starts.get_mut(source.index().saturating_add(1)) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut consumers = vec![(0, false); sum];
        for (source, idx, data) in all() {
            if let Some(next) = next.get_mut(source.index())
                && let Some(consumer) = consumers.get_mut(*next)
            {
                *consumer = (idx, data);
                *next += 1;
            }
        }
        Consumers { consumers, starts }
    }

    fn of(&self, node: usize) -> &[(usize, bool)] {
        let Some([start, end]) = self.starts.get(node..).and_then(|starts| starts.first_chunk())
        else {
            return &[];
        };
        self.consumers.get(*start..*end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Output;

    /// Orders nodes given as (op, data inputs, control inputs).
    fn order(nodes: &[(&'static str, &[u32], &[u32])]) -> Result<Vec<u32>, Error> {
        let mut edges = Edges::with_capacity(nodes.len());
        for (_, data, control) in nodes {
            data.iter().for_each(|id| edges.push_data(Output { node: NodeId(*id), index: 0 }));
            control.iter().for_each(|id| edges.push_control(NodeId(*id)));
            edges.finish_node();
        }
        let order = topological(&edges, |idx| nodes[idx].0)?;
        Ok(order.into_iter().map(|id| id.0).collect())
    }

    #[test]
    fn file_order_is_kept_where_it_can_be() {
        assert_eq!(
            order(&[("A", &[], &[]), ("B", &[0], &[]), ("C", &[0], &[1])]).unwrap(),
            [0, 1, 2]
        );
        assert_eq!(
            order(&[("A", &[3], &[]), ("B", &[], &[]), ("C", &[], &[]), ("D", &[], &[2])]).unwrap(),
            [1, 2, 3, 0]
        );
    }

    #[test]
    fn loops_close_only_from_next_iteration_to_merge() {
        let body: &[(&str, &[u32], &[u32])] =
            &[("Enter", &[], &[]), ("Merge", &[0, 2], &[]), ("NextIteration", &[1], &[])];
        assert_eq!(order(body).unwrap(), [0, 1, 2]);
        let backwards: &[(&str, &[u32], &[u32])] =
            &[("NextIteration", &[1], &[]), ("Merge", &[2, 0], &[]), ("Enter", &[], &[])];
        assert_eq!(order(backwards).unwrap(), [2, 1, 0]);
        let not_a_merge: &[(&str, &[u32], &[u32])] =
            &[("Enter", &[], &[]), ("AddN", &[0, 2], &[]), ("NextIteration", &[1], &[])];
        assert_eq!(order(not_a_merge), Err(Error::Cycle { n_nodes: 2 }));
        let by_control: &[(&str, &[u32], &[u32])] =
            &[("Enter", &[], &[]), ("Merge", &[0], &[2]), ("NextIteration", &[1], &[])];
        assert_eq!(order(by_control), Err(Error::Cycle { n_nodes: 2 }));
    }

    #[test]
    fn repeated_edges_count_each() {
        assert_eq!(order(&[("A", &[1, 1], &[1]), ("B", &[], &[])]).unwrap(), [1, 0]);
    }
}
