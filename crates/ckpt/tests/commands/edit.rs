use std::collections::BTreeMap;

use flowkeep_bundle::slice_key;
use flowkeep_ckpt::{
    Checkpoint, MergeOptions, OnConflict, Output, Pattern, PruneOptions, Pruned, RenameRule,
    Selection, Shards, merge, plan_prune, prune, rename, reshard,
};
use flowkeep_tensor::Tensor;

use crate::common::{assert_same, fixture, names, open, save, save_sliced, v2};

fn map(pairs: &[(&str, &str)]) -> RenameRule {
    let pairs = pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
    RenameRule::Map(pairs.collect::<BTreeMap<_, _>>())
}

#[test]
fn names_change_by_maps_and_regular_expressions() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("bundles/partitioned");
    let rules = [
        map(&[("w", "layer_1/kernel")]),
        RenameRule::regex(r"layer_(\d)", r"block\1/dense").unwrap(),
    ];
    let output = v2(&dir.path().join("p"));
    let report = rename(&source, &rules, &output, None).unwrap();
    let renamed: Vec<_> =
        report.renamed.iter().map(|(old, new)| (old.to_string(), new.to_string())).collect();
    assert_eq!(renamed, [("w".to_owned(), "block1/dense/kernel".to_owned())]);
    assert_eq!(report.n_kept, 1);
    let out = open(&output.path);
    assert_eq!(names(&out), ["block1/dense/kernel", "z"]);
    assert_eq!(out.tensor("block1/dense/kernel").unwrap(), source.tensor("w").unwrap());
    // The slices were renamed along.
    let reader = out.as_bundle().unwrap();
    assert!(reader.contains(slice_key::encode(b"block1/dense/kernel", &"2,2:-".parse().unwrap())));
}

#[test]
fn names_that_would_meet_or_are_not_there_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("bundles/partitioned");
    let output = v2(&dir.path().join("p"));
    let cases = [
        (map(&[("w", "z")]), "tensors w and z would both be called z"),
        (map(&[("nope", "x")]), "Key nope not found in checkpoint"),
        (map(&[("w", "")]), "tensor w would get an empty name"),
    ];
    for (rule, message) in cases {
        let error = rename(&source, &[rule], &output, None).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    assert!(!output.path.with_extension("index").exists());
    // Names may be exchanged.
    rename(&source, &[map(&[("w", "z"), ("z", "w")])], &output, None).unwrap();
    assert_eq!(open(&output.path).tensor("w").unwrap(), source.tensor("z").unwrap());
    let map = RenameRule::parse_map("# old new\n\nw  x\r\na b\tc d\n").unwrap();
    let RenameRule::Map(map) = map else { panic!() };
    assert_eq!(
        map.into_iter().collect::<Vec<_>>(),
        [("a b".into(), "c d".into()), ("w".into(), "x".into())]
    );
    for (text, message) in [
        ("a", "line 1 of the map is not two names: a"),
        ("a b\na c", "line 2 of the map has a once more"),
        ("a b c", "line 1 of the map is not two names: a b c"),
    ] {
        assert_eq!(RenameRule::parse_map(text).unwrap_err().to_string(), message);
    }
}

/// Every key that the object graph names, and those of tables with their endings, is a tensor.
fn assert_graph_fits(checkpoint: &Checkpoint) {
    let graph = checkpoint.object_graph().unwrap().unwrap();
    for variable in graph.variables() {
        let key = &variable.attribute.checkpoint_key;
        let found = names(checkpoint).iter().any(|name| name.starts_with(key.as_str()));
        assert!(found, "{key}");
    }
}

#[test]
fn object_graphs_follow_their_tensors() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["slots", "state", "keras", "nested"] {
        let source = fixture(&format!("object_graphs/{name}"));
        let rules = [RenameRule::regex("^([^/_])", "new_$1").unwrap()];
        let output = v2(&dir.path().join(name));
        rename(&source, &rules, &output, None).unwrap();
        let out = open(&output.path);
        assert_eq!(out.tensors().len(), source.tensors().len());
        assert_graph_fits(&out);
        let key = out.object_graph().unwrap().unwrap();
        assert!(
            key.variables().all(|variable| variable.attribute.checkpoint_key.starts_with("new_"))
        );
    }
    let source = fixture("object_graphs/state");
    let torn = map(&[("table/.ATTRIBUTES/table-keys", "other/.ATTRIBUTES/table-keys")]);
    let error = rename(&source, &[torn], &v2(&dir.path().join("torn")), None).unwrap_err();
    let message = "table/.ATTRIBUTES/table-values would be called table/.ATTRIBUTES/table-values, but what belongs \
                   to table/.ATTRIBUTES/table must go on being called alike";
    assert_eq!(error.to_string(), message);
}

#[test]
fn slots_are_told_by_the_names_of_tensorflow_1() {
    let dir = tempfile::tempdir().unwrap();
    let one = || Tensor::scalar(1.0f32);
    let tensors = [
        ("dense/kernel", one()),
        ("dense/kernel/Adam", one()),
        ("dense/kernel/Adam_1", one()),
        ("dense/kernel/ExponentialMovingAverage", one()),
        ("dense/Momentum", one()),
        ("dense/bias", one()),
        ("dense/bias/Momentum", one()),
        ("dense/dense/bias/Momentum", one()),
        ("optimize/dense/bias/RMSProp_1", one()),
        ("Adam/kernel", one()),
        ("beta1_power", one()),
        ("beta2_power_1", one()),
        ("global_step", Tensor::scalar(3i64)),
        ("training/SGD/iter", one()),
        ("model/epsilon", one()),
        ("decay", one()),
        ("scores/global_step", Tensor::from_elements(vec![1.0f32, 2.0])),
    ];
    let source = save(&dir.path().join("p"), &tensors);
    let options = PruneOptions { slots: true, ..PruneOptions::default() };
    let report = plan_prune(&source, &options).unwrap();
    let of = |why: Pruned| -> Vec<String> {
        report.pruned.iter().filter(|(_, w)| *w == why).map(|(name, _)| name.to_string()).collect()
    };
    assert_eq!(
        of(Pruned::Slot),
        [
            "dense/bias/Momentum",
            "dense/dense/bias/Momentum",
            "dense/kernel/Adam",
            "dense/kernel/Adam_1",
            "optimize/dense/bias/RMSProp_1",
        ]
    );
    assert_eq!(
        of(Pruned::TrainingState),
        ["beta1_power", "beta2_power_1", "global_step", "training/SGD/iter"]
    );
    let selection = Selection {
        include: vec![Pattern::glob("dense/*").unwrap()],
        exclude: vec![Pattern::regex("bias$").unwrap()],
    };
    let options = PruneOptions { selection, slots: true };
    let report = prune(&source, &options, &v2(&dir.path().join("q")), None).unwrap();
    let kept = ["dense/Momentum", "dense/kernel", "dense/kernel/ExponentialMovingAverage"];
    assert_eq!(names(&open(&dir.path().join("q"))), kept);
    assert_eq!(report.kept.len(), 3);
    assert_eq!(report.pruned.len() + report.kept.len(), tensors.len());
}

#[test]
fn slots_are_told_by_the_object_graph() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str], usize); 3] = [
        ("slots", &["model/", "save_counter/"], 15),
        ("keras", &["optimizer/_trainable_variables/", "save_counter/"], 3),
        ("root_optimizer", &["weights/.ATTRIBUTES/", "save_counter/"], 2),
    ];
    for (name, kept, n_kept) in cases {
        let source = fixture(&format!("object_graphs/{name}"));
        let output = v2(&dir.path().join(name));
        let options = PruneOptions { slots: true, ..PruneOptions::default() };
        prune(&source, &options, &output, None).unwrap();
        let out = open(&output.path);
        assert_graph_fits(&out);
        let names: Vec<_> = names(&out).into_iter().filter(|name| !name.starts_with('_')).collect();
        assert!(
            names.iter().all(|name| kept.iter().any(|kept| name.starts_with(kept))),
            "{names:?}"
        );
        assert!(!names.iter().any(|name| name.contains("OPTIMIZER_SLOT")), "{names:?}");
        assert_eq!(names.len(), n_kept, "{name}: {names:?}");
    }
}

#[test]
fn checkpoints_are_merged_and_slices_come_together() {
    let dir = tempfile::tempdir().unwrap();
    let parts = [save_sliced(&dir.path().join("a"), 0), save_sliced(&dir.path().join("b"), 2)];
    let output = v2(&dir.path().join("merged"));
    let written = merge(&parts, &MergeOptions::default(), &output, None).unwrap();
    assert_eq!(written.n_tensors, 3);
    let out = open(&output.path);
    assert_eq!(names(&out), ["only0", "only2", "w"]);
    let expected = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0];
    assert_eq!(out.tensor("w").unwrap().as_slice::<f32>().unwrap(), expected);

    let first =
        save(&dir.path().join("c"), &[("x", Tensor::scalar(1i32)), ("y", Tensor::scalar(1i32))]);
    let last = save(&dir.path().join("d"), &[("x", Tensor::scalar(2i32))]);
    let both = [first, last];
    let output = Output { overwrite: true, ..v2(&dir.path().join("e")) };
    let error = merge(&both, &MergeOptions::default(), &output, None).unwrap_err();
    let (c, d) = (dir.path().join("c"), dir.path().join("d"));
    assert_eq!(error.to_string(), format!("tensor x is in {} and in {}", c.display(), d.display()));
    for (on_conflict, expected) in [(OnConflict::First, 1), (OnConflict::Last, 2)] {
        let options = MergeOptions { on_conflict, ..MergeOptions::default() };
        merge(&both, &options, &output, None).unwrap();
        let x = open(&output.path).tensor("x").unwrap();
        assert_eq!(x.to_scalar::<i32>().unwrap(), expected);
    }
    let overlapping = [open(&dir.path().join("a")), save_sliced(&dir.path().join("f"), 1)];
    let error = merge(&overlapping, &MergeOptions::default(), &output, None).unwrap_err();
    assert_eq!(error.to_string(), "Adding duplicate key: w slice 1,1:-");
    let graphs = [fixture("object_graphs/slots"), fixture("object_graphs/keras")];
    let error = merge(&graphs, &MergeOptions::default(), &output, None).unwrap_err();
    assert!(error.to_string().ends_with("; object graphs are not merged"), "{error}");
}

#[test]
fn data_files_are_cut_by_number_and_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..300_000).map(|i| i as f32).collect();
    let tensors = [
        ("big", Tensor::from_vec([100, 1000], values[..100_000].to_vec()).unwrap()),
        ("long", Tensor::from_elements(values)),
        ("row", Tensor::from_vec([1, 150_000], vec![2.0f32; 150_000]).unwrap()),
        ("s", Tensor::scalar(1i8)),
        ("text", Tensor::from_strings([1], vec!["x".repeat(10).into()]).unwrap()),
    ];
    let source = save(&dir.path().join("p"), &tensors);
    for n_shards in [1, 2, 4, 7] {
        let output = v2(&dir.path().join(format!("n{n_shards}")));
        reshard(&source, Shards::Count(n_shards), &output, None).unwrap();
        let out = open(&output.path);
        assert_eq!(out.as_bundle().unwrap().header().n_shards, n_shards);
        assert_same(&source, &out);
    }
    let output = v2(&dir.path().join("max"));
    let max = 256_000;
    let written = reshard(&source, Shards::MaxLen(max), &output, None).unwrap();
    assert_eq!(written.n_tensors, 5);
    let out = open(&output.path);
    assert_same(&source, &out);
    let n_shards = out.as_bundle().unwrap().header().n_shards;
    for number in 0..n_shards {
        let path = format!("{}.data-{number:05}-of-{n_shards:05}", output.path.display());
        let len = std::fs::metadata(path).unwrap().len();
        // One row of `row` is larger than the limit.
        assert!(len <= max || len == 600_000, "{number}: {len}");
    }
    assert_eq!(out.info("big").unwrap().n_slices, 2);
    assert_eq!(out.info("long").unwrap().n_slices, 5);
    assert_eq!(out.info("row").unwrap().n_slices, 0);

    // A damaged tensor is noticed although its parts have no checksum of their own.
    let data = dir.path().join("p.data-00000-of-00001");
    let mut bytes = std::fs::read(&data).unwrap();
    bytes[500_000] ^= 1;
    std::fs::write(&data, bytes).unwrap();
    let error = reshard(
        &open(&dir.path().join("p")),
        Shards::MaxLen(max),
        &v2(&dir.path().join("q")),
        None,
    );
    assert_eq!(error.unwrap_err().code().name(), "DATA_LOSS");
    assert!(!dir.path().join("q.index").exists());
}
