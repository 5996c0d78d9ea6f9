use std::collections::{BTreeSet, HashMap, VecDeque};

use flowkeep_tensor::Code;

use super::SavedObjects;
use crate::Error;

impl SavedObjects {
    /// The id of the object that a path leads to, as `root.encoder.kernel` or `encoder.kernel`.
    ///
    /// Names that hold dots are found too: at each object the longest name of a child that fits is
    /// followed. The empty path is the root's.
    ///
    /// Errors: `NOT_FOUND`, with TensorFlow's text.
    pub fn find(&self, path: &str) -> Result<usize, Error> {
        let below = match path.strip_prefix("root") {
            Some("") => "",
            Some(rest) if self.child_of(0, path).is_none() => {
                rest.strip_prefix('.').unwrap_or(path)
            }
            _ => path,
        };
        let (mut id, mut rest) = (0, below);
        while !rest.is_empty() {
            let (child, behind) = self.child_of(id, rest).ok_or_else(|| Error::Model {
                code: Code::NotFound,
                message: format!("Unable to find node root.{below}."),
            })?;
            (id, rest) = (child, behind);
        }
        Ok(id)
    }

    /// The child whose name begins a path, and what of the path is behind it.
    fn child_of<'a>(&self, id: usize, path: &'a str) -> Option<(usize, &'a str)> {
        let children = &self.object(id)?.children;
        let fits =
            children.iter().filter(|child| !child.local_name.is_empty()).filter_map(|child| {
                let behind = path.strip_prefix(child.local_name.as_str())?;
                let behind = if behind.is_empty() { behind } else { behind.strip_prefix('.')? };
                Some((child.local_name.len(), child.node_id, behind))
            });
        // Of several of a name the last, as everywhere.
        fits.max_by_key(|(len, ..)| *len).map(|(_, id, behind)| (id, behind))
    }

    /// A shortest path to an object, `root.a.b`; `None` if there is none.
    pub fn path(&self, id: usize) -> Option<String> {
        let mut from: HashMap<usize, (usize, &str)> = HashMap::new();
        let mut queue = VecDeque::from([0]);
        while let Some(parent) = queue.pop_front() {
            if parent == id {
                break;
            }
            for child in self.object(parent).into_iter().flat_map(|object| &object.children) {
                if child.node_id != 0 && !from.contains_key(&child.node_id) {
                    from.insert(child.node_id, (parent, &child.local_name));
                    queue.push_back(child.node_id);
                }
            }
        }
        let mut names = Vec::new();
        let mut at = id;
        while at != 0 {
            let (parent, name) = *from.get(&at)?;
            names.push(name);
            at = parent;
        }
        names.push("root");
        names.reverse();
        Some(names.join("."))
    }

    /// The objects that paths lead to, and all that these lead to; `None` for all objects, which is what
    /// the root leads to.
    ///
    /// Errors: `INVALID_ARGUMENT` for a path that does not begin with `root`, `NOT_FOUND` for one that
    /// leads nowhere; both with TensorFlow's texts.
    pub(crate) fn below(&self, paths: &[String]) -> Result<Option<BTreeSet<usize>>, Error> {
        let mut found = BTreeSet::new();
        let mut to_visit = Vec::new();
        for path in paths {
            let first = path.split('.').next().unwrap_or_default();
            if first != "root" {
                return Err(Error::Model {
                    code: Code::InvalidArgument,
                    message: format!(
                        "When passing string identifiers to node_filters, the first name must be root. Received \
                         {first}."
                    ),
                });
            }
            to_visit.push(self.find(path)?);
        }
        while let Some(id) = to_visit.pop() {
            if found.insert(id) {
                let children = self.object(id).into_iter().flat_map(|object| &object.children);
                to_visit.extend(children.map(|child| child.node_id));
            }
        }
        Ok(if found.contains(&0) { None } else { Some(found) })
    }
}
