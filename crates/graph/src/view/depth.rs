use crate::Graph;

/// The number of nodes on the longest path along data and control edges that goes around no loop.
pub(super) fn depth(graph: &Graph) -> usize {
    let mut depths = vec![0; graph.len()];
    for (id, node) in graph.iter() {
        let data = node.inputs().iter().map(|input| input.node);
        let sources = data.chain(node.control_inputs().iter().copied());
        // What comes from behind closes a loop, and has no depth yet.
        let before = sources.filter_map(|source| depths.get(source.index())).max();
        let own = before.map_or(1, |before| before + 1);
        if let Some(place) = depths.get_mut(id.index()) {
            *place = own;
        }
    }
    depths.into_iter().max().unwrap_or(0)
}
