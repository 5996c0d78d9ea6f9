//! What is wrong with a model or a call is said in one line, with a canonical code.

use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_proto::pb::attr_value::Value;
use flowkeep_proto::prost::Message as _;
use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{Error, LoadOptions, SavedModel, SavedModelBundle, Verify};
use flowkeep_tensor::{Code, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/saved_models").join(name)
}

fn options() -> LoadOptions {
    LoadOptions {
        session: SessionOptions { threads: 1, ..Default::default() },
        ..Default::default()
    }
}

/// Loads a model and checks what is said of it.
fn check_load(dir: &Path, tags: &[&str], code: Code, words: &[&str]) {
    let error = SavedModelBundle::load(dir, tags, options()).expect_err("the model is bad");
    check(&error, code, words);
}

fn check(error: &Error, code: Code, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.code(), code, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
    assert!(!text.contains('\n'), "more than a line: {text:?}");
}

/// A copy of a model that a test may spoil.
fn copy_of(name: &str) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a temporary folder");
    copy_dir(&fixture(name), to.path());
    to
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the fixture is there") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

fn spoil(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("the file is there");
    change(&mut bytes);
    fs::write(path, bytes).expect("the file is written");
}

#[test]
fn a_missing_directory_is_named() {
    let text =
        "SavedModel file does not exist at: /no/such/model/{saved_model.pbtxt|saved_model.pb}";
    check_load(Path::new("/no/such/model"), &["serve"], Code::NotFound, &[text]);
}

#[test]
fn wrong_tags_list_those_present() {
    check_load(
        &fixture("multi_tag"),
        &["train"],
        Code::NotFound,
        &[
            "MetaGraphDef associated with tags 'train' could not be found in SavedModel",
            "'serve'",
            "gpu",
        ],
    );
}

#[test]
fn a_subset_of_the_tags_is_no_match() {
    check_load(
        &fixture("multi_tag"),
        &["gpu"],
        Code::NotFound,
        &["associated with tags 'gpu' could"],
    );
}

#[test]
fn unknown_signatures_and_inputs_suggest_the_nearest() {
    let bundle = SavedModelBundle::load(fixture("half_plus_two_tf2"), &["serve"], options())
        .expect("a good model");
    let x = || Tensor::from_vec([1, 1], vec![1.0f32]).expect("a tensor");
    let error = bundle.call("serving_defaul", &[("x", x())]).expect_err("no such signature");
    check(
        &error,
        Code::NotFound,
        &["Could not find signature \"serving_defaul\"", "did you mean \"serving_default\"?"],
    );
    let error = bundle.call("serving_default", &[("X", x())]).expect_err("no such input");
    check(
        &error,
        Code::InvalidArgument,
        &["\"X\" is not a valid input key", "did you mean \"x\"?"],
    );
}

#[test]
fn wrong_types_and_shapes_say_expected_and_got() {
    let bundle = SavedModelBundle::load(fixture("half_plus_two_tf2"), &["serve"], options())
        .expect("a good model");
    let ints = Tensor::from_vec([1, 1], vec![1i64]).expect("a tensor");
    let error = bundle.call("serving_default", &[("x", ints)]).expect_err("wrong type");
    check(&error, Code::InvalidArgument, &["input \"x\" takes float32 [?,1], got int64 [1,1]"]);
    let flat = Tensor::from_vec([3], vec![1.0f32; 3]).expect("a tensor");
    let error = bundle.call("serving_default", &[("x", flat)]).expect_err("wrong shape");
    check(&error, Code::InvalidArgument, &["takes float32 [?,1], got float32 [3]"]);
}

#[test]
fn truncated_messages_are_data_loss() {
    let dir = copy_of("half_plus_two_tf2");
    let mut len = 0;
    spoil(&dir.path().join("saved_model.pb"), |bytes| {
        len = bytes.len();
        bytes.truncate(4000);
    });
    let cut = format!("it breaks off after 4000 bytes of at least {len}; copy it again");
    let words = ["Cannot parse file", "saved_model.pb", &cut];
    check_load(dir.path(), &["serve"], Code::DataLoss, &words);
    spoil(&dir.path().join("saved_model.pb"), Vec::clear);
    check_load(dir.path(), &["serve"], Code::DataLoss, &["saved_model.pb: it is empty; copy"]);
}

#[test]
fn malformed_text_is_data_loss_with_its_place() {
    let dir = copy_of("half_plus_two_pbtxt");
    spoil(&dir.path().join("saved_model.pbtxt"), |bytes| {
        bytes.extend_from_slice(b"\nmeta_graphs { nonsense: 1 }\n")
    });
    check_load(dir.path(), &["serve"], Code::DataLoss, &["Cannot parse pbtxt file", "nonsense"]);
}

#[test]
fn a_flipped_bit_in_the_variables_names_the_tensor() {
    let dir = copy_of("half_plus_two_ref");
    let data = dir.path().join("variables/variables.data-00000-of-00001");
    spoil(&data, |bytes| bytes[0] ^= 0x10);
    let words = ["tensor a ", "variables.data-00000-of-00001"];
    for (mmap, verify) in
        [(true, Verify::AtLoad), (false, Verify::AtLoad), (false, Verify::AtFirstUse)]
    {
        let options = LoadOptions { mmap, verify, ..options() };
        let error = SavedModelBundle::load(dir.path(), &["serve"], options);
        check(&error.expect_err("corrupt"), Code::DataLoss, &words);
    }
}

#[test]
fn damaged_variables_are_found_by_whoever_first_looks_at_them() {
    let dir = copy_of("half_plus_two_ref");
    let data = dir.path().join("variables/variables.data-00000-of-00001");
    spoil(&data, |bytes| bytes[0] ^= 0x10);
    let model = SavedModelBundle::load(dir.path(), &["serve"], options()).expect("not looked at");
    let words = ["tensor a ", "variables.data-00000-of-00001"];
    let x = Tensor::from_vec([1, 1], vec![1.0f32]).expect("a tensor");
    for _ in 0..2 {
        let call = model.call("serving_default", &[("x", x.clone())]);
        let fetch = model.session().run(&[], &["a:0"], &[]).expect_err("damaged");
        check(&fetch.into(), Code::DataLoss, &words);
        check(&call.expect_err("damaged"), Code::DataLoss, &words);
    }
    let good = model.session().run(&[], &["b:0"], &[]).expect("undamaged");
    assert_eq!(good[0].as_slice::<f32>().expect("floats"), &[2.0]);
}

#[test]
fn truncated_variables_name_the_tensor() {
    let dir = copy_of("half_plus_two_ref");
    let data = dir.path().join("variables/variables.data-00000-of-00001");
    spoil(&data, |bytes| bytes.truncate(2));
    let error = SavedModelBundle::load(dir.path(), &["serve"], options()).expect_err("cut short");
    assert!(matches!(error.code(), Code::DataLoss | Code::OutOfRange), "{error}");
    assert!(error.to_string().contains("variables.data-00000-of-00001"), "{error}");
}

#[test]
fn assets_cannot_lead_out_of_the_model() {
    let mut def = SavedModel::open(fixture("lookup_tf2")).expect("a good model").def().clone();
    for asset in &mut def.meta_graphs[0].asset_file_def {
        asset.filename = "../../secret".into();
    }
    let dir = copy_of("lookup_tf2");
    let bytes = flowkeep_proto::prost::Message::encode_to_vec(&def);
    fs::write(dir.path().join("saved_model.pb"), bytes).expect("written");
    check_load(dir.path(), &["serve"], Code::InvalidArgument, &["'../../secret' leads out"]);
}

#[test]
fn missing_ops_are_all_listed_before_anything_runs() {
    let mut def =
        SavedModel::open(fixture("half_plus_two_resource")).expect("a good model").def().clone();
    let graph = def.meta_graphs[0].graph_def.as_mut().expect("a graph");
    for node in &mut graph.node {
        match node.op.as_str() {
            "AddV2" => node.op = "OneOpOfMine".into(),
            "Mul" => node.op = "OtherOpOfMine".into(),
            _ => {}
        }
    }
    let dir = copy_of("half_plus_two_resource");
    let bytes = flowkeep_proto::prost::Message::encode_to_vec(&def);
    fs::write(dir.path().join("saved_model.pb"), bytes).expect("written");
    let model = SavedModel::open(dir.path()).expect("opens all the same");
    let bundle =
        SavedModelBundle::prepare(model, &["serve"], options()).expect("imports all the same");
    let missing = bundle.missing_kernels("serving_default").expect("a list");
    let ops: Vec<_> = missing.iter().map(|missing| missing.op.as_str()).collect();
    assert_eq!(ops, ["OneOpOfMine", "OtherOpOfMine"]);
    let bundle =
        SavedModelBundle::load(dir.path(), &["serve"], options()).expect("loads all the same");
    let x = Tensor::from_vec([1], vec![1.0f32]).expect("a tensor");
    let error = bundle.call("serving_default", &[("x", x)]).expect_err("cannot run");
    check(&error, Code::Unimplemented, &["OneOpOfMine", "OtherOpOfMine"]);
}

#[test]
fn a_constant_without_a_value_is_refused_with_the_text_of_tensorflows_loader() {
    let dir = copy_of("half_plus_two_resource");
    let mut def = SavedModel::open(dir.path()).expect("it opens").into_def();
    let graph = def.meta_graphs[0].graph_def.as_mut().expect("a graph");
    let constant = graph.node.iter_mut().find(|node| node.op == "Const").expect("a constant");
    let name = constant.name.clone();
    constant.attr.remove("value");
    fs::write(dir.path().join("saved_model.pb"), def.encode_to_vec()).expect("it is written");
    let text = format!(
        "Saved model contains node \"{name}\" which is a constant tensor but no value has been provided"
    );
    check_load(dir.path(), &["serve"], Code::FailedPrecondition, &[&text]);
}

#[test]
fn constants_whose_content_does_not_fit_are_told_when_they_are_read() {
    let dir = copy_of("half_plus_two_resource");
    let mut def = SavedModel::open(dir.path()).expect("it opens").into_def();
    let graph = def.meta_graphs[0].graph_def.as_mut().expect("a graph");
    let constant = graph.node.iter_mut().find(|node| node.op == "Const").expect("a constant");
    let Some(Value::Tensor(tensor)) = constant.attr.get_mut("value").and_then(|v| v.value.as_mut())
    else {
        panic!("a tensor");
    };
    tensor.float_val.clear();
    tensor.string_val.clear();
    tensor.tensor_content = bytes::Bytes::from_static(b"abc");
    fs::write(dir.path().join("saved_model.pb"), def.encode_to_vec()).expect("it is written");
    // TensorFlow loads such a model, too, unless what is wrong is run when it loads.
    let error = SavedModelBundle::load(dir.path(), &["serve"], options())
        .and_then(|bundle| bundle.call("serving_default", &[("x", Tensor::scalar(1f32))]));
    let error = error.expect_err("the constant is bad");
    check(&error, Code::InvalidArgument, &[]);
}
