//! Which kind of message bytes are, and in which form.

use flowkeep_proto::text::{Fault, find_fault};

use super::evidence::{Evidence, begins_as, evidence};
use super::{COPY_AGAIN, Form, Kind};

/// What bytes hold.
pub(super) type Detected = (Kind, Form);

/// Finds out what bytes hold; the module `file` has the rules.
///
/// `hint` is the kind that a name promises. `only` rules all kinds but one out.
///
/// Errors: what is wrong, as part of a sentence.
pub(super) fn detect(
    bytes: &[u8],
    hint: Option<Kind>,
    only: Option<Kind>,
) -> Result<Detected, String> {
    let kinds = Kind::ALL.into_iter().filter(|kind| only.is_none_or(|only| only == *kind));
    let found: Vec<(Kind, Evidence)> = kinds.map(|kind| (kind, evidence(kind, bytes))).collect();
    let kind_with = |wanted: Evidence| {
        let mut kinds = found.iter().filter(|(_, found)| *found == wanted).map(|(kind, _)| *kind);
        let first = kinds.clone().next();
        kinds.find(|kind| hint == Some(*kind)).or(first)
    };
    if let Some(kind) = kind_with(Evidence::For).or_else(|| kind_with(Evidence::Silent)) {
        return Ok((kind, Form::Binary));
    }
    if let Some(text) = as_text(bytes) {
        let first = first_field(text);
        let kind = only.or_else(|| Kind::of_field(first)).or(hint);
        return Ok((kind.unwrap_or(Kind::GraphDef), Form::Text));
    }
    match kind_with(Evidence::Cut) {
        Some(kind) => {
            let of = match find_fault(&kind.full_name(), bytes) {
                Some(Fault::Cut { wanted, .. }) => format!(" of at least {wanted}"),
                _ => String::new(),
            };
            Err(format!("the {kind} breaks off after {} bytes{of}; {COPY_AGAIN}", bytes.len()))
        }
        None => match kind_of_damaged(bytes, hint, only) {
            // Who decodes it finds the place.
            Some(kind) => Ok((kind, Form::Binary)),
            None => Err(format!("it is neither a message nor text{}", what_else(bytes))),
        },
    }
}

/// The kind of a message in which something is wrong: the one that its name or its place promises, or else, of those
/// that a part of it is, the one in which the fault lies the latest. `None` for what never was a message.
fn kind_of_damaged(bytes: &[u8], hint: Option<Kind>, only: Option<Kind>) -> Option<Kind> {
    if !what_else(bytes).is_empty() {
        return None;
    }
    let fits = |kind: &Kind| {
        only.or(hint).map_or_else(|| begins_as(*kind, bytes), |promised| promised == *kind)
    };
    let place = |kind: Kind| match find_fault(&kind.full_name(), bytes)? {
        Fault::Malformed { at, .. } => Some(at),
        Fault::Cut { len, .. } => Some(len),
    };
    let kinds = Kind::ALL.into_iter().filter(fits);
    let placed = kinds.filter_map(|kind| Some((place(kind)?, kind)));
    placed.max_by_key(|(at, _)| *at).map(|(_, kind)| kind)
}

/// What bytes are that have no graph, and what reads them, as the end of a sentence.
pub(super) fn what_else(bytes: &[u8]) -> &'static str {
    /// The last bytes of the index of a checkpoint.
    const TABLE: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
    if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
        ", but HDF5; export the model of Keras as a SavedModel"
    } else if bytes.starts_with(b"PK\x03\x04") {
        ", but a zip archive; a model of Keras in one is exported with model.export"
    } else if bytes.starts_with(b"\x93NUMPY") {
        ", but an array of NumPy"
    } else if bytes.get(4..8) == Some(b"TFL3") {
        ", but a model of TensorFlow Lite"
    } else if bytes.ends_with(&TABLE) {
        ", but the table of a checkpoint"
    } else {
        ""
    }
}

/// Whether the beginning of bytes is text with a field of one of the kinds.
pub(super) fn begins_as_text(bytes: &[u8]) -> bool {
    // The beginning may end in the middle of a character.
    let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    Kind::of_field(first_field(text)).is_some()
}

/// The bytes as text, if they are that.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let is_binary = |byte: &u8| *byte < b' ' && !b"\t\n\r".contains(byte);
    if bytes.iter().any(is_binary) { None } else { str::from_utf8(bytes).ok() }
}

/// The name of the first field in a text.
fn first_field(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        match text.strip_prefix('#') {
            Some(comment) => text = comment.split_once('\n').map_or("", |(_, rest)| rest),
            None => break,
        }
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_part(c)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use flowkeep_proto::pb;
    use flowkeep_proto::prost::Message;

    use super::*;

    fn node() -> pb::NodeDef {
        pb::NodeDef { name: "x".into(), op: "NoOp".into(), ..Default::default() }
    }

    fn graph() -> pb::GraphDef {
        pb::GraphDef { node: vec![node()], ..Default::default() }
    }

    fn versions() -> pb::GraphDef {
        let versions = pb::VersionDef { producer: 27, ..Default::default() };
        pb::GraphDef { versions: Some(versions), ..Default::default() }
    }

    fn library() -> pb::GraphDef {
        let signature = pb::OpDef { name: "f".into(), ..Default::default() };
        let function = pb::FunctionDef { signature: Some(signature), ..Default::default() };
        let library = pb::FunctionDefLibrary { function: vec![function], ..Default::default() };
        pb::GraphDef { library: Some(library), ..Default::default() }
    }

    fn meta_graph(graph_def: Option<pb::GraphDef>) -> pb::MetaGraphDef {
        pb::MetaGraphDef { graph_def, ..Default::default() }
    }

    fn with_info(info: pb::meta_graph_def::MetaInfoDef) -> pb::MetaGraphDef {
        pb::MetaGraphDef { meta_info_def: Some(info), ..Default::default() }
    }

    fn with_signature() -> pb::MetaGraphDef {
        let signature = [("serving_default".to_owned(), pb::SignatureDef::default())];
        pb::MetaGraphDef { signature_def: signature.into(), ..Default::default() }
    }

    fn with_collection() -> pb::MetaGraphDef {
        let collection = [("variables".to_owned(), pb::CollectionDef::default())];
        pb::MetaGraphDef { collection_def: collection.into(), ..Default::default() }
    }

    fn model(meta_graphs: Vec<pb::MetaGraphDef>) -> pb::SavedModel {
        pb::SavedModel { meta_graphs, ..Default::default() }
    }

    fn found(bytes: &[u8], hint: Option<Kind>) -> Option<Kind> {
        match detect(bytes, hint, None) {
            Ok((kind, form)) => {
                assert_eq!(form, Form::Binary);
                Some(kind)
            }
            Err(_) => None,
        }
    }

    #[test]
    fn messages_that_say_something_are_recognized_under_every_name() {
        let mut with_op = node();
        with_op.op = "Package>My.Op".into();
        with_op.device = "/cpu:0".into();
        let tags =
            pb::meta_graph_def::MetaInfoDef { tags: vec!["a b".into()], ..Default::default() };
        let version = pb::meta_graph_def::MetaInfoDef {
            meta_graph_version: "v1".into(),
            ..Default::default()
        };
        let op = pb::OpDef { name: "NoOp".into(), ..Default::default() };
        let ops = pb::meta_graph_def::MetaInfoDef {
            stripped_op_list: Some(pb::OpList { op: vec![op] }),
            ..Default::default()
        };
        let schema = pb::SavedModel { saved_model_schema_version: 1, ..Default::default() };
        let meta_graphs = [
            meta_graph(Some(graph())),
            meta_graph(Some(library())),
            meta_graph(Some(versions())),
            with_info(tags),
            with_info(version),
            with_info(ops),
            with_signature(),
            with_collection(),
        ];
        let mut cases = vec![
            (Kind::GraphDef, graph().encode_to_vec()),
            (
                Kind::GraphDef,
                pb::GraphDef { node: vec![with_op], ..Default::default() }.encode_to_vec(),
            ),
            (Kind::GraphDef, versions().encode_to_vec()),
            (Kind::GraphDef, library().encode_to_vec()),
            (Kind::SavedModel, schema.encode_to_vec()),
        ];
        for def in meta_graphs {
            cases.push((Kind::MetaGraphDef, def.encode_to_vec()));
            cases.push((Kind::SavedModel, model(vec![def]).encode_to_vec()));
        }
        for (kind, bytes) in cases {
            for hint in
                [None, Some(Kind::GraphDef), Some(Kind::MetaGraphDef), Some(Kind::SavedModel)]
            {
                assert_eq!(found(&bytes, hint), Some(kind), "{hint:?} {bytes:?}");
            }
        }
    }

    #[test]
    fn fields_of_newer_writers_are_no_objection() {
        let field = [0x9a, 0x06, 3, b'n', b'e', b'w'];
        for (kind, bytes) in [
            (Kind::GraphDef, graph().encode_to_vec()),
            (Kind::MetaGraphDef, meta_graph(Some(graph())).encode_to_vec()),
            (Kind::SavedModel, model(vec![meta_graph(Some(graph()))]).encode_to_vec()),
        ] {
            assert_eq!(found(&[&bytes[..], &field].concat(), None), Some(kind));
        }
    }

    #[test]
    fn messages_that_say_nothing_are_what_the_name_promises_or_else_graphs() {
        // Field 2, empty: a library without functions, a graph without nodes, an empty MetaGraph.
        for bytes in [&b""[..], b"\x12\x00"] {
            assert_eq!(found(bytes, None), Some(Kind::GraphDef));
            for kind in Kind::ALL {
                assert_eq!(found(bytes, Some(kind)), Some(kind));
            }
        }
        assert_eq!(detect(b"", None, Some(Kind::SavedModel)), Ok((Kind::SavedModel, Form::Binary)));
    }

    #[test]
    fn text_is_recognized_by_its_first_field() {
        for (text, kind) in [
            ("node { name: 'x' }", Kind::GraphDef),
            ("# graph_def\n\n  # more\r\nversions { }", Kind::GraphDef),
            ("\nmeta_info_def { }", Kind::MetaGraphDef),
            ("collection_def<key:'a'>", Kind::MetaGraphDef),
            ("saved_model_schema_version: 1", Kind::SavedModel),
            ("meta_graphs { graph_def { } }", Kind::SavedModel),
            ("nodes { }", Kind::GraphDef),
        ] {
            assert_eq!(detect(text.as_bytes(), None, None), Ok((kind, Form::Text)), "{text}");
        }
        let hint = Some(Kind::SavedModel);
        assert_eq!(detect(b"# nothing\n", hint, None), Ok((Kind::SavedModel, Form::Text)));
    }

    #[test]
    fn large_files_are_text_if_they_begin_so() {
        assert!(begins_as_text(
            "# caf\u{e9}\nnode { name: '\u{e9}".as_bytes().split_last().unwrap().1
        ));
        assert!(!begins_as_text(b"\x0a\x08node {"));
        assert!(!begins_as_text(b"hello"));
        assert!(!begins_as_text(b""));
    }

    #[test]
    fn what_is_damaged_is_left_to_who_decodes_it() {
        let graph = pb::GraphDef { node: vec![node(); 3], ..Default::default() }.encode_to_vec();
        // The tag of a field of the last node is of no type that there is.
        let mut wrong = graph.clone();
        let at = wrong.len() - node().encode_to_vec().len();
        wrong[at] = 0x0f;
        let cut = &graph[..4];
        for (bytes, hint, kind) in [
            (&wrong[..], None, Some(Kind::GraphDef)),
            (&wrong, Some(Kind::SavedModel), Some(Kind::SavedModel)),
            (cut, Some(Kind::MetaGraphDef), Some(Kind::MetaGraphDef)),
            (cut, None, None),
            (b"\xff\xff", Some(Kind::SavedModel), Some(Kind::SavedModel)),
            (b"\x93NUMPY\x01\x00", Some(Kind::SavedModel), None),
        ] {
            let expected = kind.map(|kind| (kind, Form::Binary));
            assert_eq!(detect(bytes, hint, None).ok(), expected, "{hint:?} {bytes:?}");
        }
    }

    #[test]
    fn what_is_no_graph_is_told_from_what_breaks_off() {
        let value = pb::attr_value::Value::S(Bytes::from_static(&[0; 100]));
        let mut node = node();
        node.attr.insert("a".into(), pb::AttrValue { value: Some(value) });
        let graph = pb::GraphDef { node: vec![node; 3], ..Default::default() };
        let bytes = graph.encode_to_vec();
        let (half, _) = bytes.split_at(bytes.len() / 2);
        assert_eq!(
            detect(half, None, None).unwrap_err(),
            format!(
                "the GraphDef breaks off after {} bytes of at least {}; {COPY_AGAIN}",
                half.len(),
                bytes.len() / 3 * 2
            )
        );
        for (bytes, but) in [
            (&b"\xff\xff"[..], ""),
            (b"\x93NUMPY\x01\x00", ", but an array of NumPy"),
            (
                b"PK\x03\x04",
                ", but a zip archive; a model of Keras in one is exported with model.export",
            ),
            (b"\x89HDF\r\n\x1a\n\x00", ", but HDF5; export the model of Keras as a SavedModel"),
            (b"\x1c\x00\x00\x00TFL3\x14", ", but a model of TensorFlow Lite"),
        ] {
            let what = detect(bytes, None, None).unwrap_err();
            assert_eq!(what, format!("it is neither a message nor text{but}"));
        }
    }
}
