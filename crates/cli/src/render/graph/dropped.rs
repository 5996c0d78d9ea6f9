use flowkeep_ckpt::counted;
use flowkeep_graph::rewrite::Dropped;

use super::safe;

/// What a MetaGraph lost with the nodes that are gone, one line for each kind of thing.
pub(crate) fn dropped(dropped: &Dropped) -> Vec<String> {
    let mut lines = Vec::new();
    let mut list = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            lines.push(format!("dropped {what}: {}", names.join(", ")));
        }
    };
    list("signatures", dropped.signatures.iter().map(|key| safe(key)).collect());
    let collections = dropped.collections.iter();
    let collections =
        collections.map(|(name, n)| format!("{} of {}", counted(*n, "item"), safe(name)));
    list("from collections", collections.collect());
    list("assets", dropped.assets.iter().map(|name| safe(name)).collect());
    if dropped.saver {
        lines.push("dropped the saver".into());
    }
    if dropped.objects {
        lines.push("dropped the objects".into());
    }
    lines
}
