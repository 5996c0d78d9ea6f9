use std::fmt;
use std::str::FromStr;

use super::history::{History, numbers};
use crate::Error;

/// A release of TensorFlow that is to read a graph.
///
/// Parsed from a release (`1.15`, `2.4.1`) or the GraphDef version of one (`134`). Not all releases
/// are known: of others the newest known one before counts, which takes no more than they do.
///
/// ```
/// use flowkeep_graph::transform::Consumer;
///
/// let consumer: Consumer = "1.15.2".parse()?;
/// assert_eq!((consumer.release(), consumer.version()), ("1.15", 134));
/// assert_eq!("1.10".parse::<Consumer>()?.release(), "1.8");
/// assert_eq!("150".parse::<Consumer>()?, consumer);
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The position among the releases of the table.
    pub(super) position: usize,
}

impl Consumer {
    /// All releases that are known, the one with the oldest GraphDef version first.
    pub fn all() -> impl ExactSizeIterator<Item = Consumer> {
        (0..History::get().releases.len()).map(|position| Consumer { position })
    }

    /// The release.
    pub fn release(&self) -> &'static str {
        History::get().name(self.position)
    }

    /// Its GraphDef version.
    pub fn version(&self) -> i32 {
        History::get().releases.get(self.position).map_or(0, |(_, version)| *version)
    }
}

/// `TensorFlow 1.15 (GraphDef version 134)`.
impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TensorFlow {} (GraphDef version {})", self.release(), self.version())
    }
}

impl FromStr for Consumer {
    type Err = Error;

    /// Errors: `INVALID_ARGUMENT` for what is neither, and for releases before the first or behind the
    /// last that is known.
    fn from_str(text: &str) -> Result<Consumer, Error> {
        let all = || Consumer::all().map(|consumer| (consumer, numbers(consumer.release())));
        let known = || {
            let mut releases: Vec<_> = all().collect();
            releases.sort_by_key(|(_, numbers)| *numbers);
            let name = |end: Option<&(Consumer, Option<(u32, u32)>)>| {
                end.map_or("", |(consumer, _)| consumer.release())
            };
            format!("known are {} to {}", name(releases.first()), name(releases.last()))
        };
        let error = |what: &str| Error::Arguments(format!("{what}: {}", known()));
        if let Ok(version) = text.parse::<i32>() {
            if Consumer::all().all(|consumer| consumer.version() < version) {
                return Err(error(&format!("GraphDef version {version} is not known")));
            }
            // Of releases with one version the first has the fewest ops.
            let found = Consumer::all().filter(|consumer| consumer.version() <= version);
            let version = found.map(|consumer| consumer.version()).max();
            let found = Consumer::all().find(|consumer| Some(consumer.version()) == version);
            return found.ok_or_else(|| error(&format!("GraphDef version {text} is too old")));
        }
        let Some(wanted) = numbers(text) else {
            return Err(error(&format!(
                "'{text}' is no release of TensorFlow and no GraphDef version"
            )));
        };
        let newest = all().filter_map(|(_, numbers)| numbers).max();
        if newest.is_none_or(|newest| wanted > newest) {
            return Err(error(&format!("TensorFlow {text} is not known")));
        }
        let found = all().filter(|(_, numbers)| *numbers <= Some(wanted));
        let found = found.max_by_key(|(_, numbers)| *numbers);
        found
            .map(|(consumer, _)| consumer)
            .ok_or_else(|| error(&format!("TensorFlow {text} is too old")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_and_versions_are_found() {
        for (text, release) in [
            ("1.4", "1.4"),
            ("1.7.1", "1.4"),
            ("1.15.0", "1.15"),
            ("2.0", "2.0"),
            ("2.0.0-rc1", "2.0"),
            ("2.21", "2.21"),
            ("24", "1.4"),
            ("27", "1.12"),
            ("28", "1.12"),
            ("119", "2.0"),
            ("134", "1.15"),
            ("2474", "2.21"),
        ] {
            assert_eq!(text.parse::<Consumer>().unwrap().release(), release, "{text}");
        }
        for (text, what) in [
            ("1.3", "TensorFlow 1.3 is too old"),
            ("2.22", "TensorFlow 2.22 is not known"),
            ("23", "GraphDef version 23 is too old"),
            ("2475", "GraphDef version 2475 is not known"),
            ("-1", "GraphDef version -1 is too old"),
            ("x", "'x' is no release of TensorFlow and no GraphDef version"),
            ("2.4.1.2", "'2.4.1.2' is no release of TensorFlow and no GraphDef version"),
            ("", "'' is no release of TensorFlow and no GraphDef version"),
        ] {
            let error = text.parse::<Consumer>().unwrap_err().to_string();
            assert_eq!(error, format!("{what}: known are 1.4 to 2.21"), "{text}");
        }
    }
}
