//! What restoring would do, against what TensorFlow does.

use std::path::{Path, PathBuf};

use flowkeep_ckpt::Checkpoint;
use flowkeep_ckpt::plan::{
    Assignment, Names, Outcome, Plan, PlanItem, PlanValues, Target, TargetOptions, WantedBy,
};
use flowkeep_graph::file::GraphFile;
use flowkeep_graph::transform::{VariableInfo, VariableValues};
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_tensor::DType;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn plans() -> Value {
    let text = std::fs::read_to_string(fixtures().join("plans/plans.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn target(path: &str) -> Target {
    Target::open(&fixtures().join(path), &TargetOptions::default()).unwrap()
}

fn checkpoint(path: &str) -> Checkpoint {
    Checkpoint::open(&fixtures().join(path)).unwrap()
}

/// What is asked for, as the fixture has it: names, slices, types.
fn list(target: &Target) -> Vec<[String; 3]> {
    let mut list = Vec::new();
    for wanted in &target.wanted {
        let dtype = wanted.dtype.unwrap().python_name().to_owned();
        let shape = wanted.shape.to_shape();
        let dims = shape.iter().flat_map(|shape| shape.dims());
        let dims: String = dims.map(|dim| format!("{dim} ")).collect();
        let specs = wanted.slices.iter().map(|slice| format!("{dims}{slice}"));
        let specs: Vec<_> =
            if wanted.slices.is_empty() { vec![String::new()] } else { specs.collect() };
        list.extend(specs.into_iter().map(|spec| [wanted.name.to_string(), spec, dtype.clone()]));
    }
    list.sort();
    list
}

fn strings(list: &Value) -> Vec<[String; 3]> {
    serde_json::from_value(list.clone()).unwrap()
}

#[test]
fn savers_ask_for_what_their_ops_restore() {
    let fixture = plans();
    let graphs = fixture["graphs"].as_object().unwrap();
    assert!(graphs.len() >= 11);
    for (name, graph) in graphs {
        let target = target(&format!("plans/{name}"));
        assert_eq!(list(&target), strings(&graph["restored"]), "{name}");
        let is_by_saver = matches!(target.wanted_by, WantedBy::Saver { .. });
        assert_eq!(is_by_saver, !name.starts_with("no_saver"), "{name}");
    }
    let models = fixture["models"].as_object().unwrap();
    assert!(models.len() >= 9);
    for (path, restored) in models {
        let target = target(&format!("saved_models/{path}"));
        assert_eq!(list(&target), strings(restored), "{path}");
        assert!(matches!(target.wanted_by, WantedBy::Saver { only_v1: false, .. }), "{path}");
        let own = checkpoint(&format!("saved_models/{path}"));
        let plan = Plan::new(&own, &target).unwrap();
        assert!(plan.ok(), "{path}: {}", plan.text(true));
        let known = target.wanted.iter().filter(|wanted| wanted.shape.rank().is_some());
        // Only the object graph goes to no variable.
        assert!(known.count() + 1 >= target.wanted.len(), "{path}");
    }
}

/// Where TensorFlow's importer says something else than the graph: it makes the saver anew from the
/// names of variables, and does not know under which names that saver knew them.
const FORGOTTEN: [(&str, &str); 2] =
    [("renamed.meta", "objects"), ("renamed.meta", "objects_missing")];

#[test]
fn plans_foresee_what_tensorflow_does() {
    let fixture = plans();
    let (mut n_restored, mut n_failed) = (0, 0);
    for (graph, entry) in fixture["graphs"].as_object().unwrap() {
        let target = target(&format!("plans/{graph}"));
        for (name, error) in entry["checkpoints"].as_object().unwrap() {
            if FORGOTTEN.contains(&(graph, name)) {
                continue;
            }
            let from = checkpoint(&format!("plans/{name}"));
            let plan = Plan::new(&from, &target).unwrap();
            let shown = format!("{graph} {name}\n{}", plan.text(true));
            let Some(message) = error["message"].as_str() else {
                n_restored += 1;
                assert_eq!(plan.error(), None, "{shown}");
                // Of resource variables, TensorFlow does not check the shapes.
                let is_unchecked = |item: &&PlanItem<'_>| {
                    item.wanted.assignment == Assignment::Unchecked
                        && matches!(item.outcome, Outcome::Mismatch { dtype: false, .. })
                };
                assert!(plan.items.iter().filter(|i| !i.ok()).all(|i| is_unchecked(&i)), "{shown}");
                continue;
            };
            n_failed += 1;
            let expected =
                message.replace("plans/", &format!("{}/", fixtures().join("plans").display()));
            let found = plan.error().unwrap_or_else(|| panic!("{message}: {shown}"));
            // The last paragraph of one text goes on with advice.
            assert!(
                expected == found || expected.starts_with(&format!("{found} Saver was ")),
                "{found}\n{expected}\n{shown}"
            );
            assert!(!plan.ok(), "{shown}");
        }
    }
    assert!(n_restored > 50 && n_failed > 80, "{n_restored} {n_failed}");
}

#[test]
fn graphs_without_a_saver_ask_for_their_variables() {
    let names = |target: &Target| -> Vec<String> {
        target.wanted.iter().map(|wanted| wanted.name.to_string()).collect()
    };
    let all = ["dense/bias", "dense/kernel", "global_step", "local"];
    let of_saver = &all[..3];
    for (path, wanted_by, expected) in [
        ("plans/graph.pb", WantedBy::Nodes, &all[..]),
        ("plans/graph.pbtxt", WantedBy::Nodes, &all),
        ("plans/text.pbtxt", WantedBy::Collection, of_saver),
        ("plans/no_saver.meta", WantedBy::Collection, of_saver),
    ] {
        let target = target(path);
        assert_eq!(
            (&target.wanted_by, names(&target).as_slice()),
            (&wanted_by, &expected.iter().map(|name| name.to_string()).collect::<Vec<_>>()[..]),
            "{path}"
        );
        let kernel = &target.wanted[1];
        assert_eq!((kernel.dtype, kernel.shape.to_string()), (Some(DType::F32), "[2,3]".into()));
        let from = checkpoint("plans/extra");
        assert!(Plan::new(&from, &target).unwrap().ok(), "{path}");
        let from = checkpoint("plans/good");
        assert_eq!(Plan::new(&from, &target).unwrap().ok(), expected.len() == 3, "{path}");
    }
    // Under an imported scope, TensorFlow takes the names of nodes and not of resources.
    let below = plans()["below"].clone();
    let below: Vec<String> = serde_json::from_value(below).unwrap();
    let found = names(&target("plans/below.pb"));
    assert!(below.iter().all(|name| found.contains(name)), "{found:?}");
    let scoped = target("plans/below.pb");
    let from = checkpoint("plans/extra");
    let plan = Plan::new(&from, &scoped).unwrap();
    let kernel = plan.items.iter().find(|item| item.wanted.name == "below/dense/kernel").unwrap();
    assert_eq!(nearest(kernel)[0], ("dense/kernel".into(), true));
}

fn nearest(item: &PlanItem<'_>) -> Vec<(String, bool)> {
    match &item.outcome {
        Outcome::Missing { nearest } => {
            nearest.iter().map(|near| (near.name.clone(), near.fits)).collect()
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn missing_names_come_with_those_that_were_meant() {
    let target = target("plans/ref.meta");
    for (name, expected) in [
        ("scoped", [&["model/dense/bias"][..], &["model/dense/kernel"], &["model/global_step"]]),
        ("endings", [&["dense/bias:0"], &["dense/kernel:0"], &["global_step:0"]]),
        ("typo", [&["dense_1/bias"], &["dense/kernal"], &[]]),
    ] {
        let from = checkpoint(&format!("plans/{name}"));
        let plan = Plan::new(&from, &target).unwrap();
        for (item, expected) in plan.items.iter().zip(expected) {
            let expected: Vec<_> = expected.iter().map(|name| ((*name).to_owned(), true)).collect();
            assert_eq!(nearest(item), expected, "{name} {}", item.wanted.name);
        }
        assert_eq!(plan.unused.len(), 3);
    }
}

#[test]
fn objects_and_names_are_brought_together() {
    let objects = checkpoint("plans/objects");
    let by_names = target("plans/ref.meta");
    let plan = Plan::new(&objects, &by_names).unwrap();
    assert!(plan.ok() && plan.names == Names::FullNamesOfSource && plan.unused.is_empty());
    let source = plan.items[1].source.unwrap();
    assert_eq!(source.name, "root/layer/kernel/.ATTRIBUTES/VARIABLE_VALUE");
    // The other way around.
    let good = checkpoint("plans/good");
    let by_objects = Target::of_checkpoint(&objects).unwrap();
    let plan = Plan::new(&good, &by_objects).unwrap();
    assert!(plan.ok() && plan.names == Names::FullNamesOfTarget && plan.unused.is_empty());
    assert_eq!(plan.items.len(), 3);
    // From one to the other, by keys.
    let missing = checkpoint("plans/objects_missing");
    let plan = Plan::new(&missing, &by_objects).unwrap();
    assert_eq!((plan.ok(), plan.names), (false, Names::Same));
    assert_eq!(plan.items.iter().filter(|item| item.ok()).count(), 2);
    let target = Target::of_checkpoint(&missing).unwrap();
    let plan = Plan::new(&objects, &target).unwrap();
    assert!(plan.ok());
    assert_eq!(plan.unused.len(), 1);
    // A name that is missing is looked for among the full names.
    let typo = checkpoint("plans/typo");
    let target = Target::of_checkpoint(&typo).unwrap();
    let plan = Plan::new(&objects, &target).unwrap();
    assert_eq!(plan.names, Names::Same);
    let scoped = checkpoint("plans/missing");
    let target = Target::of_checkpoint(&scoped).unwrap();
    assert!(Plan::new(&objects, &target).unwrap().ok());
}

#[test]
fn objects_are_found_by_their_paths() {
    use flowkeep_bundle::object_graph::{Attribute, Child, OBJECT_GRAPH_KEY, ObjectNode};
    use flowkeep_bundle::{BundleWriter, ObjectGraph};
    use flowkeep_tensor::{Shape, Tensor};

    let dir = tempfile::tempdir().unwrap();
    // The same object, `v`, whose key is another in each checkpoint.
    let written = |name: &str, key: &str| {
        let attribute = Attribute {
            name: "VARIABLE_VALUE".into(),
            full_name: String::new(),
            checkpoint_key: key.into(),
        };
        let child = Child { node_id: 1, local_name: "v".into() };
        let root = ObjectNode { children: vec![child], ..ObjectNode::default() };
        let node = ObjectNode { attributes: vec![attribute], ..ObjectNode::default() };
        let graph = ObjectGraph::new(vec![root, node]).unwrap().encode();
        let prefix = dir.path().join(name);
        let mut writer = BundleWriter::create(&prefix, Default::default()).unwrap();
        let graph = Tensor::from_strings(Shape::SCALAR, vec![graph.into()]).unwrap();
        writer.add(OBJECT_GRAPH_KEY, &graph).unwrap();
        writer.add(key, &Tensor::scalar(1.0f32)).unwrap();
        writer.finish().unwrap();
        Checkpoint::open(&prefix).unwrap()
    };
    let (a, b) = (written("a", "v/.ATTRIBUTES/VARIABLE_VALUE"), written("b", "old/v"));
    let target = Target::of_checkpoint(&b).unwrap();
    let plan = Plan::new(&a, &target).unwrap();
    assert!(plan.ok() && plan.names == Names::Paths && plan.unused.is_empty());
    assert!(plan.text(true).contains("from v/.ATTRIBUTES/VARIABLE_VALUE"));
}

#[test]
fn a_savedmodel_of_objects_takes_a_checkpoint_by_names() {
    let target = target("saved_models/half_plus_two_tf2");
    let from = checkpoint("saved_models/half_plus_two_ref");
    let plan = Plan::new(&from, &target).unwrap();
    assert_eq!(plan.names, Names::FullNamesOfTarget);
    let names: Vec<_> = plan.items.iter().map(|item| item.wanted.name.to_string()).collect();
    assert_eq!(names, ["a/.ATTRIBUTES/VARIABLE_VALUE", "b/.ATTRIBUTES/VARIABLE_VALUE"]);
    // But TensorFlow's ops for it do not.
    let error = "Key _CHECKPOINTABLE_OBJECT_GRAPH not found in checkpoint";
    assert!(plan.ok() && plan.error().as_deref() == Some(error));
}

#[test]
fn mismatches_say_what_would_help() {
    let from = checkpoint("plans/flat");
    for (graph, expected, error) in [
        (
            "ref",
            false,
            Some(
                "Assign requires shapes of both tensors to match. lhs shape= [2,3] rhs shape= [3,2]",
            ),
        ),
        ("resource", false, Some("the variable would change its shape from [2,3] to [3,2]")),
        ("reshape", true, None),
        (
            "parts_ref",
            false,
            Some(
                "tensor_name = dense/kernel; shape in shape_and_slice spec [2,3] does not match the shape stored in checkpoint: [3,2]",
            ),
        ),
    ] {
        let target = target(&format!("plans/{graph}.meta"));
        let plan = Plan::new(&from, &target).unwrap();
        assert_eq!(plan.ok(), expected, "{graph}");
        let kernel = &plan.items[1];
        assert_eq!(kernel.error().as_deref(), error, "{graph}");
        let outcome = match expected {
            true => Outcome::Reshaped,
            false => Outcome::Mismatch { dtype: false, shape: true, reshape_fits: true },
        };
        assert_eq!(kernel.outcome, outcome, "{graph}");
    }
}

#[test]
fn texts_name_what_is_wrong_and_sum_up() {
    let (typo, target) = (checkpoint("plans/typo"), target("plans/ref.meta"));
    let text = |plan: &Plan<'_>, all| {
        let text = plan.text(all).replace(&format!("{}/", fixtures().display()), "");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        text(&Plan::new(&typo, &target).unwrap(), true),
        [
            "from: plans/typo (V2)",
            "into: plans/ref.meta (a MetaGraph), by its saver's save/restore_all",
            "missing  dense/bias    float32 [3]      nearest: dense_1/bias",
            "missing  dense/kernel  float32 [2,3]    nearest: dense/kernal",
            "missing  global_step   int64 []",
            "unused   dense/kernal  float32 [2,3]",
            "unused   dense_1/bias  float32 [3]",
            "unused   step          int64 []",
            "0 of 3 tensors restored, 3 missing, 3 of the checkpoint not used",
        ]
    );
    let flat = checkpoint("plans/flat");
    let resource = self::target("plans/resource.meta");
    let plan = Plan::new(&flat, &resource).unwrap();
    assert_eq!(
        text(&plan, false)[2..],
        [
            "shape  dense/kernel  float32 [2,3]  stored float32 [3,2]  reshaping would fit; TensorFlow \
             would not notice",
            "2 of 3 tensors restored, 1 of another shape",
        ]
    );
    let (objects, graph) = (checkpoint("plans/objects"), self::target("plans/graph.pb"));
    assert_eq!(
        text(&Plan::new(&objects, &graph).unwrap(), false)[1..],
        [
            "into: plans/graph.pb (a GraphDef), by its variables",
            "names: the checkpoint is object-based; its variables were found by their names in a graph",
            "missing  local  float32 [4]",
            "3 of 4 tensors restored, 1 missing",
        ]
    );
    let dtypes = checkpoint("plans/dtypes");
    let plan = Plan::new(&dtypes, &target).unwrap();
    assert_eq!(text(&plan, false)[2], "type  dense/bias   float32 [3]  stored float64 [3]");
    let old = self::target("plans/old.meta");
    let plan = Plan::new(&flat, &old).unwrap();
    assert_eq!(text(&plan, false)[2], "the saver reads V1 checkpoints alone");
}

#[test]
fn damaged_tensors_are_told_from_missing_ones() {
    let hostile = std::fs::read_to_string(fixtures().join("hostile/bundles.json")).unwrap();
    let hostile: Value = serde_json::from_str(&hostile).unwrap();
    let index = hostile["size 7 of 8"]["index"].as_str().unwrap();
    let digits = |idx: usize| u8::from_str_radix(&index[idx..idx + 2], 16).unwrap();
    let index: Vec<u8> = (0..index.len()).step_by(2).map(digits).collect();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("b.index"), index).unwrap();
    let from = Checkpoint::open(&dir.path().join("b")).unwrap();
    let one = Target::of_checkpoint(&checkpoint("bundles/one")).unwrap();
    let plan = Plan::new(&from, &one).unwrap();
    assert_eq!((&plan.items[0].outcome, plan.ok()), (&Outcome::Damaged, false));
    let error = plan.items[0].error().unwrap();
    assert!(error.starts_with("Invalid size in bundle entry: key v; stored size 7"), "{error}");
    assert_eq!(plan.error(), Some(error));
}

#[test]
fn files_of_any_tool_can_be_either_side() {
    let npz = checkpoint("npy/two.npz");
    let target = Target::of_checkpoint(&npz).unwrap();
    assert!(Plan::new(&npz, &target).unwrap().ok());
    let same = self::target("npy/two.npz");
    assert!(same.wanted == target.wanted && same.wanted_by == WantedBy::Checkpoint);
    let good = checkpoint("plans/good");
    let plan = Plan::new(&good, &target).unwrap();
    assert_eq!((plan.ok(), plan.unused.len()), (false, 3));
}

#[test]
fn metagraphs_are_chosen_by_their_tags() {
    let path = fixtures().join("saved_models/multi_tag");
    let open = |tags: Option<&[&str]>| {
        let tags = tags.map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect());
        Target::open(&path, &TargetOptions { tags })
    };
    let serve = open(None).unwrap();
    assert!(serve.found.ends_with("(the MetaGraph 'serve' of a SavedModel)"), "{}", serve.found);
    assert_eq!(open(Some(&["serve"])).unwrap().wanted, serve.wanted);
    let error = open(Some(&["nope", "x"])).unwrap_err();
    assert_eq!(error.code().name(), "NOT_FOUND");
    let message = error.to_string();
    assert!(
        message.contains("MetaGraphDef associated with tag-set nope,x could not be found"),
        "{message}"
    );
    assert!(message.contains("'serve'"), "{message}");
    let file = Target::open(&path.join("saved_model.pb"), &TargetOptions::default()).unwrap();
    assert_eq!(file.wanted, serve.wanted);
    let text = target("saved_models/half_plus_two_pbtxt");
    assert_eq!(text.wanted.len(), 3);
}

#[test]
fn graphs_are_recognized_under_other_names() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ref.meta", "graph.pb", "text.pbtxt"] {
        let path = dir.path().join(name.replace('.', "_"));
        std::fs::copy(fixtures().join("plans").join(name), &path).unwrap();
        let renamed = Target::open(&path, &TargetOptions::default()).unwrap();
        assert_eq!(renamed.wanted, target(&format!("plans/{name}")).wanted, "{name}");
    }
}

#[test]
fn files_that_are_no_graphs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        Target::open(&path, &TargetOptions::default())
    };
    for (name, content, what) in [
        ("a.pb", &b"\xff\xff"[..], "Cannot parse file: it is neither a message nor text"),
        (
            "b.pbtxt",
            b"node { nam: 'x' }",
            "Cannot parse file: 1:8 : Message type \"tensorflow.NodeDef\" has no field named \"nam\".",
        ),
        ("c.meta", b"graph_def { node { } }", "c.meta: "),
        ("saved_model.pb", b"", "MetaGraphDef associated with tag-set serve could not be found"),
    ] {
        let error = match open(name, content) {
            Ok(target) => panic!("{name}: {target:?}"),
            Err(error) => error,
        };
        assert!(error.to_string().contains(what), "{name}: {error}");
        assert!(
            ["DATA_LOSS", "INVALID_ARGUMENT", "NOT_FOUND"].contains(&error.code().name()),
            "{name}: {error}"
        );
    }
    let whole = std::fs::read(fixtures().join("plans/graph.pb")).unwrap();
    for len in (0..whole.len()).step_by(7) {
        // Either an error, or the graph of fewer nodes: no panic.
        let _ = open("cut.pb", &whole[..len]);
    }
    let nowhere = Target::open(&dir.path().join("none.meta"), &TargetOptions::default());
    assert_eq!(nowhere.unwrap_err().code().name(), "NOT_FOUND");
}

#[test]
fn hostile_models_are_survived() {
    for entry in std::fs::read_dir(fixtures().join("hostile/saved_model_open")).unwrap() {
        let entry = entry.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let content = std::fs::read(entry.path()).unwrap();
        for name in ["saved_model.pb", "saved_model.pbtxt"] {
            std::fs::write(dir.path().join(name), &content).unwrap();
            let _ = Target::open(&dir.path().join(name), &TargetOptions::default());
        }
    }
}

#[test]
fn plans_give_the_values_of_variables() {
    let values = |graph: &str, name: &str, variable: &str| {
        let file = GraphFile::open(&fixtures().join("plans").join(graph)).unwrap();
        let target = Target::of_file(file.clone(), &TargetOptions::default()).unwrap();
        let from = checkpoint(&format!("plans/{name}"));
        let plan = Plan::new(&from, &target).unwrap();
        let (def, _) = file.into_meta_graph_def(None).unwrap();
        let graph = def.graph_def.unwrap();
        let graph = Graph::import(graph, &ImportOptions::default()).unwrap();
        let node = graph.node(graph.node_by_name(variable).unwrap());
        let value = PlanValues::new(&plan).value(&VariableInfo::of(node).unwrap());
        value.map(|value| value.map(|value| value.numpy_str()))
    };
    let kernel = "[[0. 1. 2.]\n [3. 4. 5.]]";
    for graph in ["ref.meta", "resource.meta", "graph.pb", "no_saver.meta", "old.meta"] {
        for from in ["good", "good_v1"] {
            let value = values(graph, from, "dense/kernel").unwrap();
            assert_eq!(value.as_deref(), Some(kernel), "{graph} {from}");
        }
    }
    // A part takes its slice, whatever the tensor is stored as.
    for graph in ["parts_ref.meta", "parts_resource.meta"] {
        for (part, columns) in [("0", "[[0. 1.]\n [3. 4.]]"), ("1", "[[2.]\n [5.]]")] {
            let value = values(graph, "good", &format!("dense/kernel/part_{part}")).unwrap();
            assert_eq!(value.as_deref(), Some(columns), "{graph}");
        }
    }
    // An object-based checkpoint is looked up by the names in the graph.
    let value = values("ref.meta", "objects", "dense/kernel").unwrap();
    assert_eq!(value.as_deref(), Some(kernel));
    let error = values("ref.meta", "typo", "dense/kernel").unwrap_err();
    assert_eq!(error.code().name(), "NOT_FOUND");
    assert_eq!(error.to_string(), "Key dense/kernel not found in checkpoint");
}
