use std::fmt;

/// A collection that was left out, or is not what it should be. Displayed in TensorFlow's words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectionWarning {
    /// The collection.
    pub collection: String,
    /// What is wrong with it.
    pub kind: WarningKind,
}

/// What is wrong with a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// It is not exported, for this reason: an item is of another kind than the first one.
    Dropped(String),
    /// It is not imported: nothing says what its items are.
    NoKind,
    /// It is imported as an old writer meant it: its items, of this kind, stand for variables.
    OldForm(&'static str),
}

impl CollectionWarning {
    pub(super) fn new(collection: &str, kind: WarningKind) -> CollectionWarning {
        CollectionWarning { collection: collection.to_owned(), kind }
    }
}

impl fmt::Display for CollectionWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.collection;
        match &self.kind {
            WarningKind::Dropped(reason) => write!(
                f,
                "Issue encountered when serializing {key}.\n\
                 Type is unsupported, or the types of the items don't match field type in CollectionDef. \
                 Note this is a warning and probably safe to ignore.\n{reason}"
            ),
            WarningKind::NoKind => {
                write!(f, "Cannot identify data type for collection {key}. Skipping.")
            }
            WarningKind::OldForm(kind) => write!(
                f,
                "The saved meta_graph is possibly from an older release:\n'{key}' collection should be of type \
                 'byte_list', but instead is of type '{kind}'."
            ),
        }
    }
}
