//! Files with graphs, against what TensorFlow writes.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flowkeep_graph::file::{
    Form, GraphFile, GraphMessage, Kind, convert, convert_bytes, write_graph,
};
use flowkeep_tensor::Code;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn views() -> PathBuf {
    fixtures().join("graph_views")
}

const GRAPHS: [&str; 6] = ["conv", "dense", "elementwise", "functions", "loop", "values"];

/// Files that hold the same message, binary and text, as TensorFlow wrote them.
fn pairs() -> Vec<(String, String, Kind)> {
    let mut pairs = Vec::new();
    for name in GRAPHS {
        pairs.push((format!("{name}.pb"), format!("{name}.pbtxt"), Kind::GraphDef));
    }
    for name in ["functions", "values"] {
        pairs.push((format!("{name}.meta"), format!("{name}.meta.pbtxt"), Kind::MetaGraphDef));
    }
    let model = ["model.saved_model.pb", "model.saved_model.pbtxt"].map(str::to_owned);
    let [binary, text] = model;
    pairs.push((binary, text, Kind::SavedModel));
    pairs
}

#[test]
fn each_form_is_turned_into_the_bytes_that_tensorflow_writes() {
    for (binary, text, kind) in pairs() {
        let bytes = |name: &str| Bytes::from(fs::read(views().join(name)).unwrap());
        let (wire, source) = (bytes(&binary), bytes(&text));
        // Names say nothing here.
        let path = Path::new("-");
        for (from, to, form) in [(&wire, &source, Form::Text), (&source, &wire, Form::Binary)] {
            let converted = convert_bytes(path, from.clone(), form).unwrap();
            assert_eq!(converted.kind, kind, "{binary}");
            assert!(converted.from != form, "{binary}");
            assert!(converted.bytes == *to, "{binary} to {}", form.name());
        }
        assert!(convert_bytes(path, source.clone(), Form::Text).unwrap().bytes == source, "{text}");
        assert!(convert_bytes(path, wire.clone(), Form::Binary).unwrap().bytes == wire, "{binary}");
    }
}

#[test]
fn write_graph_writes_what_tensorflow_writes() {
    let dir = tempfile::tempdir().unwrap();
    let logdir = dir.path().join("a/b");
    for name in GRAPHS {
        let file = GraphFile::open(&views().join(format!("{name}.pb"))).unwrap();
        let GraphMessage::GraphDef(graph) = file.message else { panic!("{name}") };
        for (ending, form) in [("pb", Form::Binary), ("pbtxt", Form::Text)] {
            let name = format!("{name}.{ending}");
            // What is there is replaced.
            for _ in 0..2 {
                let path = write_graph(&graph, &logdir, &name, form).unwrap();
                assert_eq!(path, logdir.join(&name));
                assert!(
                    fs::read(path).unwrap() == fs::read(views().join(&name)).unwrap(),
                    "{name}"
                );
            }
        }
    }
    let n_files = fs::read_dir(&logdir).unwrap().count();
    assert_eq!(n_files, 2 * GRAPHS.len(), "nothing else is left behind");
}

#[test]
fn comments_and_layout_go_and_unknown_fields_of_binary_files_stay() {
    let text = Bytes::from_static(b"# a graph\nnode < op: 'NoOp' name: 'x' >");
    let converted = convert_bytes(Path::new("-"), text, Form::Text).unwrap();
    assert_eq!(converted.bytes, "node {\n  name: \"x\"\n  op: \"NoOp\"\n}\n");
    let mut bytes = fs::read(views().join("loop.pb")).unwrap();
    bytes.extend([0x9a, 0x06, 1, b'?']);
    let converted = convert_bytes(Path::new("-"), bytes.clone().into(), Form::Binary).unwrap();
    assert!(converted.bytes == bytes);
    let text = convert_bytes(Path::new("-"), bytes.into(), Form::Text).unwrap().bytes;
    assert!(text == fs::read(views().join("loop.pbtxt")).unwrap());
}

#[test]
fn constants_are_views_of_the_file() {
    let bytes = Bytes::from(fs::read(views().join("values.pb")).unwrap());
    let file = GraphFile::from_bytes(Path::new("-"), bytes.clone()).unwrap();
    let GraphMessage::GraphDef(graph) = file.message else { panic!() };
    let is_view = |content: &Bytes| bytes.as_ptr_range().contains(&content.as_ptr());
    let contents = graph.node.iter().filter_map(|node| match &node.attr.get("value")?.value {
        Some(flowkeep_proto::pb::attr_value::Value::Tensor(tensor)) => {
            Some(&tensor.tensor_content).filter(|content| !content.is_empty())
        }
        _ => None,
    });
    let contents: Vec<_> = contents.collect();
    assert!(contents.len() >= 3 && contents.iter().all(|content| is_view(content)));
}

#[test]
fn models_are_found_in_their_directories() {
    for (name, form) in [("half_plus_two_tf2", Form::Binary), ("half_plus_two_pbtxt", Form::Text)] {
        let dir = fixtures().join("saved_models").join(name);
        let file = GraphFile::open(&dir).unwrap();
        assert_eq!((file.message.kind(), file.form), (Kind::SavedModel, form));
        assert_eq!(file.dir.as_deref(), Some(&*dir));
        assert_eq!(file.variables(), Some(dir.join("variables/variables")));
        let inner = GraphFile::open(&file.path).unwrap();
        assert!(inner.message == file.message && inner.variables() == file.variables());
        let (_, what) = file.into_meta_graph_def(None).unwrap();
        assert_eq!(what, "the MetaGraph 'serve' of a SavedModel");
        let other = convert(&dir, form).unwrap();
        assert_eq!((other.kind, other.from), (Kind::SavedModel, form));
    }
    let error = GraphFile::open(&fixtures().join("plans")).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.to_string().starts_with("SavedModel file does not exist at: "), "{error}");
}

#[test]
fn metagraphs_are_chosen_by_their_tags() {
    let open = || GraphFile::open(&views().join("model.saved_model.pb")).unwrap();
    let choose = |tags: &[&str]| {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        open().into_meta_graph_def(Some(&tags)).map(|(_, what)| what)
    };
    assert_eq!(choose(&["gpu", "train"]).unwrap(), "the MetaGraph 'train, gpu' of a SavedModel");
    assert_eq!(
        open().into_meta_graph_def(None).unwrap().1,
        "the MetaGraph 'serve' of a SavedModel"
    );
    let error = choose(&["gpu"]).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.to_string().ends_with("tag-sets: ['serve', 'train,gpu']"), "{error}");
    let meta = GraphFile::open(&views().join("dense.meta")).unwrap();
    let error = meta.into_meta_graph_def(Some(&["serve".to_owned()])).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn files_cut_anywhere_are_read_in_part_or_refused() {
    for name in ["functions.pb", "values.meta", "values.pbtxt", "model.saved_model.pb"] {
        let bytes = Bytes::from(fs::read(views().join(name)).unwrap());
        let whole = GraphFile::from_bytes(Path::new(name), bytes.clone()).unwrap();
        let (mut n_read, mut n_refused) = (0, 0);
        for len in (0..bytes.len()).step_by(13) {
            match GraphFile::from_bytes(Path::new(name), bytes.slice(..len)) {
                Ok(file) => {
                    n_read += 1;
                    let is_silent = len < 8;
                    assert!(
                        is_silent || file.message.kind() == whole.message.kind(),
                        "{name} {len}"
                    );
                }
                Err(error) => {
                    n_refused += 1;
                    assert_eq!(error.code(), Code::DataLoss, "{name} {len}: {error}");
                    assert!(error.to_string().contains("Cannot parse file: "), "{error}");
                }
            }
        }
        assert!(n_read > 0 && n_refused > 10, "{name}: {n_read} {n_refused}");
    }
}

#[test]
fn files_of_two_gibibytes_are_refused_before_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.pb");
    fs::copy(views().join("loop.pb"), &path).unwrap();
    // The rest of the file is a hole.
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 31).unwrap();
    let error = GraphFile::open(&path).unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    let text =
        "Cannot parse file: it has 2147483648 bytes, and a protobuf message at most 2147483647";
    assert!(error.to_string().ends_with(text), "{error}");
}
