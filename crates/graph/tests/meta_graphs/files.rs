//! MetaGraphs in files.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use flowkeep_graph::file::{FileError, Form, read_meta_graph_file, write_meta_graph};
use flowkeep_proto::pb;
use flowkeep_tensor::Code;

use super::{decode, golden, meta_graph};

#[test]
fn files_are_read_as_tensorflow_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for file in golden()["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        fs::write(&path, decode(&file["content"])).unwrap();
        let read = read_meta_graph_file(&path);
        let Some(error) = file["error"].as_str() else {
            assert_eq!(read.unwrap(), meta_graph(&file["meta_graph"]), "{name}");
            continue;
        };
        let got = read.unwrap_err();
        assert_eq!(got.code(), Code::DataLoss);
        let got = got.to_string().replace(&path.display().to_string(), "PATH");
        // What Python's decoder of UTF-8 says is told in other words.
        match file["type"].as_str() {
            Some("UnicodeDecodeError") => {
                assert!(got.starts_with("Cannot parse file PATH: "), "{got}")
            }
            _ => assert_eq!(got, error, "{name}"),
        }
    }
}

#[test]
fn files_are_written_to_the_byte_as_tensorflow_writes_them() {
    let golden = golden();
    let dir = tempfile::tempdir().unwrap();
    for (name, written) in golden["written"].as_object().unwrap() {
        let def = meta_graph(&golden["sources"][name]);
        for (form, key) in [(Form::Text, "text"), (Form::Binary, "binary")] {
            let path = dir.path().join("new/folder").join(name);
            write_meta_graph(&def, &path, form).unwrap();
            assert!(fs::read(&path).unwrap() == decode(&written[key]), "{name} as {key}");
            assert_eq!(read_meta_graph_file(&path).unwrap(), def, "{name} as {key}");
        }
    }
}

#[test]
fn the_prefix_of_a_checkpoint_leads_to_its_metagraph() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let def = pb::MetaGraphDef {
        meta_info_def: Some(pb::meta_graph_def::MetaInfoDef {
            tags: vec!["found".to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    };
    write_meta_graph(&def, &path("model.ckpt-10.meta"), Form::Binary).unwrap();
    for name in ["model.ckpt-10", "model.ckpt-10.meta", "model.ckpt-10-?????-of-00002"] {
        assert_eq!(read_meta_graph_file(&path(name)).unwrap(), def, "{name}");
    }
    // A checkpoint of version 1, which is no MetaGraph, under the name of its prefix.
    fs::write(path("model.ckpt-10"), Bytes::from_static(b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"))
        .unwrap();
    assert_eq!(read_meta_graph_file(&path("model.ckpt-10")).unwrap(), def);
}

#[test]
fn a_file_that_is_not_there_is_told_by_the_name_that_was_given() {
    let error = read_meta_graph_file(Path::new("none/model.ckpt")).unwrap_err();
    assert_eq!(error.to_string(), "File does not exist. Received: none/model.ckpt.");
    assert_eq!(error.code(), Code::NotFound);
    assert!(matches!(error, FileError::NoMetaGraph { .. }));
}
