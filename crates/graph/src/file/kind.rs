use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use flowkeep_proto::pb;
use flowkeep_proto::prost::Name;

/// What a file with a graph holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A graph.
    GraphDef,
    /// A graph with what is needed to use it.
    MetaGraphDef,
    /// Any number of MetaGraphs.
    SavedModel,
}

impl Kind {
    /// All kinds, in the order in which they are tried.
    pub const ALL: [Kind; 3] = [Kind::GraphDef, Kind::MetaGraphDef, Kind::SavedModel];

    /// The kind that a file's name promises; `None` for names that any kind may have.
    pub fn of_name(path: &Path) -> Option<Kind> {
        let name = path.file_name().and_then(OsStr::to_str)?;
        match name.rsplit_once('.') {
            Some(("saved_model", "pb" | "pbtxt")) => Some(Kind::SavedModel),
            Some((_, "meta")) => Some(Kind::MetaGraphDef),
            _ => None,
        }
    }

    /// The name of the message without its package, such as `GraphDef`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::GraphDef => "GraphDef",
            Kind::MetaGraphDef => "MetaGraphDef",
            Kind::SavedModel => "SavedModel",
        }
    }

    /// The name of the message with its package, such as `tensorflow.GraphDef`.
    pub fn full_name(self) -> String {
        match self {
            Kind::GraphDef => pb::GraphDef::full_name(),
            Kind::MetaGraphDef => pb::MetaGraphDef::full_name(),
            Kind::SavedModel => pb::SavedModel::full_name(),
        }
    }

    /// The kind whose messages have a field of this name.
    pub(super) fn of_field(name: &str) -> Option<Kind> {
        match name {
            "node" | "library" | "version" | "versions" | "debug_info" => Some(Kind::GraphDef),
            "meta_info_def" | "graph_def" | "saver_def" | "collection_def" | "signature_def"
            | "asset_file_def" | "object_graph_def" => Some(Kind::MetaGraphDef),
            "saved_model_schema_version" | "meta_graphs" => Some(Kind::SavedModel),
            _ => None,
        }
    }
}

/// The message's name without its package.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a message is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// As protobuf's records.
    Binary,
    /// In protobuf's text format.
    Text,
}

impl Form {
    /// `binary` or `text`.
    pub fn name(self) -> &'static str {
        match self {
            Form::Binary => "binary",
            Form::Text => "text",
        }
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_proto::text;

    use super::*;

    #[test]
    fn names_promise_kinds_where_tensorflow_reserves_them() {
        for (path, kind) in [
            ("model/saved_model.pb", Some(Kind::SavedModel)),
            ("saved_model.pbtxt", Some(Kind::SavedModel)),
            ("train/model.ckpt-100.meta", Some(Kind::MetaGraphDef)),
            ("graph.pb", None),
            ("my_saved_model.pb", None),
            ("meta", None),
            ("-", None),
        ] {
            assert_eq!(Kind::of_name(Path::new(path)), kind, "{path}");
        }
    }

    #[test]
    fn no_two_kinds_have_a_field_of_the_same_name() {
        for field in [
            "node",
            "library",
            "version",
            "versions",
            "debug_info",
            "meta_info_def",
            "graph_def",
            "saver_def",
            "collection_def",
            "signature_def",
            "asset_file_def",
            "object_graph_def",
            "saved_model_schema_version",
            "meta_graphs",
        ] {
            let is_known = |kind: &Kind| {
                let error = text::parse(&kind.full_name(), format!("{field}: @")).unwrap_err();
                !error.message().contains("no field named")
            };
            let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(is_known).collect();
            assert_eq!(kinds, [Kind::of_field(field).unwrap()], "{field}");
        }
    }
}
