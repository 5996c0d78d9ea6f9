//! Files of a model: which are copied, and under which names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{CollectionItem, MetaGraph};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::{AssetForm, Error, MetaGraphOptions, SavedModel, SavedModelBuilder};
use flowkeep_tensor::{Code, DType, Tensor};

fn texts(paths: &[&Path]) -> Tensor {
    let bytes = paths.iter().map(|path| path.to_str().unwrap().to_owned().into());
    Tensor::from_strings([paths.len()], bytes.collect()).unwrap()
}

fn add(
    builder: &mut SavedModelBuilder,
    scope: &mut Scope,
    assets: Vec<CollectionItem>,
    asset_form: AssetForm,
) -> Result<(), Error> {
    let session = Session::new(Arc::new(scope.graph().clone()), SessionOptions::default());
    let options = MetaGraphOptions { assets, asset_form, ..MetaGraphOptions::default() };
    builder.add_meta_graph_and_variables(scope, &session, &["serve"], options)
}

/// A scope with constants of these paths.
fn scope_of(paths: &[&Path]) -> (Scope, Vec<CollectionItem>) {
    let mut scope = Scope::new();
    let constants = paths.iter().map(|path| scope.constant(texts(&[path])).unwrap().into());
    let constants = constants.collect();
    (scope, constants)
}

fn contents(dir: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn assets_of(meta_graph: &MetaGraph) -> Vec<(&str, &str)> {
    let assets = meta_graph.asset_files.iter();
    assets.map(|asset| (&*asset.tensor_name, &*asset.filename)).collect()
}

// The names are what TensorFlow 2.21's builder gives these files.
#[test]
fn files_of_one_name_are_told_apart_by_content() {
    for form in [AssetForm::Collection, AssetForm::AssetFileDef] {
        let parent = tempfile::tempdir().unwrap();
        let file = |dir: &str, text: &str| {
            let path = parent.path().join(dir).join("w.txt");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let [first, same, other, third] =
            [file("a", "x"), file("b", "x"), file("c", "y"), file("d", "z")];
        let missing = parent.path().join("missing.txt");
        let paths = [&*first, &*first, &*same, &*other, &*third, &*missing];
        let (mut scope, items) = scope_of(&paths);
        let mut builder = SavedModelBuilder::new(parent.path().join("m")).unwrap();
        add(&mut builder, &mut scope, items, form).unwrap();
        builder.save(false).unwrap();
        let copied = contents(&builder.export_dir().join("assets"));
        let expected = [("w.txt", "x"), ("w.txt_1", "y"), ("w.txt_2", "z")];
        assert_eq!(copied, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        let model = SavedModel::open(builder.export_dir()).unwrap();
        let def = &model.def().meta_graphs[0];
        let in_field = form == AssetForm::AssetFileDef;
        assert_eq!(def.asset_file_def.len(), if in_field { 6 } else { 0 });
        assert_eq!(def.collection_def.contains_key("saved_model_assets"), !in_field);
        let meta_graph = model.meta_graph(&["serve"]).unwrap();
        let expected = [
            ("Const:0", "w.txt"),
            ("Const_1:0", "w.txt"),
            ("Const_2:0", "w.txt"),
            ("Const_3:0", "w.txt_1"),
            ("Const_4:0", "w.txt_2"),
            ("Const_5:0", "missing.txt"),
        ];
        assert_eq!(assets_of(&meta_graph), expected);
    }
}

#[test]
fn the_file_of_the_first_graph_is_that_of_all() {
    let parent = tempfile::tempdir().unwrap();
    let mut builder = SavedModelBuilder::new(parent.path().join("m")).unwrap();
    for (dir, text) in [("a", "x"), ("b", "y")] {
        let path = parent.path().join(dir).join("w.txt");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let (mut scope, assets) = scope_of(&[&path]);
        if text == "x" {
            add(&mut builder, &mut scope, assets, AssetForm::Collection).unwrap();
        } else {
            let options = MetaGraphOptions { assets, ..MetaGraphOptions::default() };
            builder.add_meta_graph(&mut scope, &["other"], options).unwrap();
        }
    }
    builder.save(false).unwrap();
    let copied = contents(&builder.export_dir().join("assets"));
    assert_eq!(copied, [("w.txt".to_owned(), "x".to_owned())].into());
}

#[test]
fn what_is_no_constant_path_is_refused_in_tensorflows_words() {
    let mut scope = Scope::new();
    let placeholder = scope.with_op_name("p").placeholder(DType::String, []).unwrap();
    let number = scope.with_op_name("n").constant(Tensor::scalar(1.0f32)).unwrap();
    let two = scope.with_op_name("t").constant(texts(&[Path::new("a"), Path::new("b")])).unwrap();
    let empty = scope.with_op_name("e").constant(texts(&[Path::new("")])).unwrap();
    let node = scope.with_op_name("group").no_op().unwrap();
    let parent = tempfile::tempdir().unwrap();
    let mut builder = SavedModelBuilder::new(parent.path().join("m")).unwrap();
    for (item, text) in [
        (
            placeholder.into(),
            "Asset path tensor Tensor(\"p:0\", shape=(), dtype=string) must be of type constant.Has type Placeholder \
             instead.",
        ),
        (
            number.into(),
            "Asset path tensor Tensor(\"n:0\", shape=(), dtype=float32)` must be of dtype string.Has type <dtype: \
             'float32'> instead.",
        ),
        (
            two.into(),
            "Asset path tensor Tensor(\"t:0\", shape=(2,), dtype=string) must be a scalar.",
        ),
        (
            empty.into(),
            "Asset filepath tensor Tensor(\"e:0\", shape=(1,), dtype=string) in is invalid.",
        ),
        (CollectionItem::Node(node), "Asset path tensor group must be a Tensor."),
    ] {
        let error = add(&mut builder, &mut scope, vec![item], AssetForm::Collection).unwrap_err();
        assert_eq!((error.code(), &*error.to_string()), (Code::InvalidArgument, text));
    }
}
