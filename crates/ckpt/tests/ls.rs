//! Listings of checkpoints, their trees and their objects.

use std::path::{Path, PathBuf};

use flowkeep_bundle::BundleWriter;
use flowkeep_ckpt::ls::{ListOptions, Listing, ObjectListing, SortBy, Tree, TreeOptions};
use flowkeep_ckpt::{Checkpoint, Pattern, Selection, Sizes, TextOptions};
use flowkeep_tensor::{DType, Tensor};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn open(path: &str) -> Checkpoint {
    Checkpoint::open(&fixtures().join(path)).unwrap()
}

/// A checkpoint of float vectors of zeros, by names and lengths.
fn written(dir: &Path, tensors: &[(&str, usize)]) -> Checkpoint {
    let prefix = dir.join("m");
    let mut writer = BundleWriter::create(&prefix, Default::default()).unwrap();
    for (name, len) in tensors {
        writer.add(name, &Tensor::zeros(DType::F32, [*len]).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    Checkpoint::open(&prefix).unwrap()
}

fn names(listing: &Listing<'_>) -> Vec<String> {
    listing.rows.iter().map(|row| row.info.name.to_string()).collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn listings_are_sorted_as_asked_for() {
    let checkpoint = open("inspect/many");
    let list = |sort, reverse| {
        names(&Listing::new(&checkpoint, &ListOptions { sort, reverse, ..Default::default() }))
    };
    let by_name = list(SortBy::Name, false);
    assert_eq!(by_name[4..6], ["model/layer_10/bias", "model/layer_2/bias"]);
    let natural = list(SortBy::Natural, false);
    assert_eq!(natural[4..6], ["model/layer_2/bias", "model/layer_10/bias"]);
    let mut reversed = list(SortBy::Natural, true);
    reversed.reverse();
    assert_eq!(natural, reversed);
    assert_eq!(
        list(SortBy::Size, false),
        [
            "model/layer_1/kernel",
            "model/layer_1/kernel/Adam",
            "ints",
            "model/layer_2/bias",
            "table/names",
            "model/layer_10/bias",
            "global_step",
            "model/scale",
        ]
    );
    assert_eq!(
        list(SortBy::DType, false)[..3],
        ["model/scale", "model/layer_1/kernel", "model/layer_1/kernel/Adam"]
    );
    assert_eq!(
        list(SortBy::Shape, false)[..3],
        ["global_step", "model/scale", "model/layer_10/bias"]
    );
    assert_eq!(list(SortBy::Shape, true)[0], "model/layer_1/kernel/Adam");
    for (name, sort) in SortBy::ALL {
        assert_eq!(SortBy::from_name(name), Some(*sort));
    }
}

#[test]
fn totals_are_those_of_the_selection() {
    let checkpoint = open("inspect/many");
    let selection = Selection {
        include: vec![Pattern::glob("model/*").unwrap()],
        exclude: vec![Pattern::regex("Adam").unwrap()],
    };
    let listing = Listing::new(&checkpoint, &ListOptions { selection, ..Default::default() });
    assert_eq!(listing.rows.len(), 4);
    let all = listing.totals.all;
    assert_eq!((all.n_tensors, all.n_elements, all.len_bytes), (4, 1209, 4800 + 12 + 40 + 2));
    let by_type = listing.totals.by_type.iter();
    let by_type: Vec<_> = by_type
        .map(|one| (one.type_name.as_str(), one.sum.n_elements, one.sum.len_bytes))
        .collect();
    assert_eq!(by_type, [("float16", 1, 2), ("float32", 1203, 4812), ("float64", 5, 40)]);
    assert_eq!(
        listing.totals.text(&TextOptions::default()),
        "4 tensors, 1209 elements, 4.7 KiB\n\
         \u{20} float16: 1 tensor, 1 element, 2 B\n\
         \u{20} float32: 2 tensors, 1203 elements, 4.7 KiB\n\
         \u{20} float64: 1 tensor, 5 elements, 40 B\n"
    );
    let none = Selection { include: vec![Pattern::glob("x").unwrap()], exclude: Vec::new() };
    let listing = Listing::new(&checkpoint, &ListOptions { selection: none, ..Default::default() });
    assert_eq!(
        lines(&listing.text(&TextOptions::default())),
        ["name  type  shape  elements  bytes", "0 tensors, 0 elements, 0 B"]
    );
}

#[test]
fn tables_have_columns_for_slices_and_files_where_there_are_several() {
    let exact = TextOptions { sizes: Sizes::Exact, ..TextOptions::default() };
    let checkpoint = open("inspect/many");
    let listing = Listing::new(&checkpoint, &ListOptions::default());
    assert_eq!(
        lines(&listing.text(&exact))[..4],
        [
            "name                       type     shape    elements  bytes",
            "global_step                int64    []              1      8",
            "ints                       int32    [1100]       1100   4400",
            "model/layer_1/kernel       float32  [30,40]      1200   4800",
        ]
    );
    let checkpoint = open("bundles/partitioned");
    let options = ListOptions { slices: true, ..ListOptions::default() };
    let listing = Listing::new(&checkpoint, &options);
    assert_eq!(
        listing.text(&TextOptions::default()),
        "name       type     shape  elements  bytes  slices\n\
         w          float32  [4,3]        12   48 B       2\n\
         \u{20} 0,2:0,3                         6   24 B\n\
         \u{20} 2,2:-                           6   24 B\n\
         z          int32    []            1    4 B\n\
         2 tensors, 13 elements, 52 B\n\
         \u{20} float32: 1 tensor, 12 elements, 48 B\n\
         \u{20} int32: 1 tensor, 1 element, 4 B\n"
    );
    let checkpoint = open("savers/sharded");
    let text = Listing::new(&checkpoint, &options).text(&TextOptions::default());
    assert!(lines(&text)[0].ends_with("slices  files"), "{text}");
    let checkpoint = open("v1/sharded-?????-of-00003");
    let text = Listing::new(&checkpoint, &options).text(&TextOptions::default());
    assert!(text.contains("\nw          float32  [4,3]        12   48 B       2  1-2\n"), "{text}");
    assert!(text.contains("\n  2,2:0,3                         6      ?          2\n"), "{text}");
}

#[test]
fn lengths_that_are_not_known_are_not_made_up() {
    let checkpoint = open("v1/dtypes");
    let selection =
        Selection { include: vec![Pattern::glob("string/*").unwrap()], exclude: Vec::new() };
    let listing = Listing::new(&checkpoint, &ListOptions { selection, ..Default::default() });
    assert_eq!(listing.totals.all.n_unknown, 4);
    let text = listing.text(&TextOptions::default());
    assert!(text.contains(" ?\n") && text.ends_with("elements, 0 B and more\n"), "{text}");
}

#[test]
fn damaged_tensors_are_listed_with_the_reason() {
    let text = std::fs::read_to_string(fixtures().join("hostile/bundles.json")).unwrap();
    let hostile: Value = serde_json::from_str(&text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let index = hostile["size 7 of 8"]["index"].as_str().unwrap();
    let index: Vec<u8> = (0..index.len())
        .step_by(2)
        .map(|idx| u8::from_str_radix(&index[idx..idx + 2], 16).unwrap())
        .collect();
    std::fs::write(dir.path().join("b.index"), index).unwrap();
    let checkpoint = Checkpoint::open(&dir.path().join("b")).unwrap();
    let listing = Listing::new(&checkpoint, &ListOptions::default());
    assert_eq!((listing.rows.len(), listing.totals.n_damaged), (0, 1));
    let reason = "damaged: Invalid size in bundle entry: key v; stored size 7; expected size 8";
    let text = listing.text(&TextOptions::default());
    assert!(lines(&text)[1].starts_with(&format!("v  {reason}")), "{text}");
    assert_eq!(lines(&text)[2], "0 tensors, 0 elements, 0 B, 1 damaged");
    let tree = Tree::of_names(&listing, &TreeOptions::default());
    assert_eq!(tree.root.n_damaged, 1);
    assert!(tree.text(&TextOptions::default()).contains(reason));
}

#[test]
fn trees_follow_scopes_and_fold_chains() {
    let dir = tempfile::tempdir().unwrap();
    let tensors = [
        ("a//b", 1),
        ("deep/er/and/deeper/w", 2),
        ("deep/er/and/v", 3),
        ("layer_10/w", 4),
        ("layer_2/w", 5),
        ("w", 6),
        ("w/Adam", 7),
        ("w/Adam_1", 8),
    ];
    let checkpoint = written(dir.path(), &tensors);
    let tree = |sort, options: &TreeOptions| {
        let listing = Listing::new(&checkpoint, &ListOptions { sort, ..Default::default() });
        Tree::of_names(&listing, options).text(&TextOptions { ascii: true, ..Default::default() })
    };
    assert_eq!(
        tree(SortBy::Natural, &TreeOptions::default()),
        "\
.                 8 tensors                    144 B
|-- a//b          float32 [1]                  4 B
|-- deep/er/and   2 tensors                    20 B
|   |-- deeper/w  float32 [2]                  8 B
|   `-- v         float32 [3]                  12 B
|-- layer_2/w     float32 [5]                  20 B
|-- layer_10/w    float32 [4]                  16 B
`-- w             3 tensors, float32 [6] here  84 B
    |-- Adam      float32 [7]                  28 B
    `-- Adam_1    float32 [8]                  32 B
"
    );
    assert_eq!(
        tree(SortBy::Size, &TreeOptions { fold: false, max_depth: Some(3) }),
        "\
.                8 tensors                    144 B
|-- w            3 tensors, float32 [6] here  84 B
|   |-- Adam_1   float32 [8]                  32 B
|   `-- Adam     float32 [7]                  28 B
|-- deep         2 tensors                    20 B
|   `-- er       2 tensors                    20 B
|       `-- and  2 tensors                    20 B
|-- layer_2      1 tensor                     20 B
|   `-- w        float32 [5]                  20 B
|-- layer_10     1 tensor                     16 B
|   `-- w        float32 [4]                  16 B
`-- a            1 tensor                     4 B
    `-- \"\"       1 tensor                     4 B
        `-- b    float32 [1]                  4 B
"
    );
}

#[test]
fn trees_keep_every_tensor_whatever_the_depth() {
    let dir = tempfile::tempdir().unwrap();
    let very_deep = "x/".repeat(100_000);
    let checkpoint = written(dir.path(), &[("a/b/c", 1), ("a/b/d", 1), (&very_deep, 1)]);
    let listing = Listing::new(&checkpoint, &ListOptions::default());
    for fold in [true, false] {
        for max_depth in [Some(0), Some(1), None] {
            let tree = Tree::of_names(&listing, &TreeOptions { fold, max_depth });
            assert_eq!((tree.root.sum.n_tensors, tree.root.sum.len_bytes), (3, 12));
            assert_eq!(tree.root.is_cut, max_depth == Some(0));
            assert_eq!(tree.root.children.len(), if max_depth == Some(0) { 0 } else { 2 });
            let text = tree.text(&TextOptions::default());
            assert!(text.lines().count() < 70, "{} lines", text.lines().count());
        }
    }
}

#[test]
fn names_that_would_move_the_cursor_are_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = written(dir.path(), &[("a\nb\u{1b}[2J", 1)]);
    let listing = Listing::new(&checkpoint, &ListOptions::default());
    let tree = Tree::of_names(&listing, &TreeOptions::default());
    for text in [listing.text(&TextOptions::default()), tree.text(&TextOptions::default())] {
        assert!(text.contains("a\\nb\\u{1b}[2J"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}

#[test]
fn objects_are_listed_by_path_with_slots_and_full_names() {
    let fixture =
        std::fs::read_to_string(fixtures().join("object_graphs/object_graphs.json")).unwrap();
    let fixture: Value = serde_json::from_str(&fixture).unwrap();
    assert!(fixture.is_object());
    let checkpoint = open("object_graphs/slots");
    let listing = ObjectListing::new(&checkpoint, &ListOptions::default()).unwrap().unwrap();
    let find = |path: &str| {
        let row = listing.rows.iter().find(|row| row.path() == Some(path)).unwrap();
        row.object.as_ref().unwrap()
    };
    let slot = find("model/first/bias/.OPTIMIZER_SLOT/my..opt/m");
    let of = slot.slot.as_ref().unwrap();
    assert_eq!(of.slot_name, "m");
    assert_eq!(of.variable, find("model/first/bias").node_id);
    assert_eq!(find("model/first/bias").slot, None);
    assert_eq!(find("model/first/bias").attribute, "VARIABLE_VALUE");
    assert!(!find("model/first/bias").full_name.is_empty());
    let graph = listing.rows.iter().find(|row| row.info.name == "_CHECKPOINTABLE_OBJECT_GRAPH");
    assert_eq!(graph.unwrap().object, None);
    assert_eq!(graph.unwrap().label(), "_CHECKPOINTABLE_OBJECT_GRAPH");
    let text = listing.text(&TextOptions::default());
    assert!(lines(&text)[0].starts_with("object"), "{text}");

    let checkpoint = open("object_graphs/state");
    let listing = ObjectListing::new(&checkpoint, &ListOptions::default()).unwrap().unwrap();
    let labels: Vec<_> = listing.rows.iter().map(|row| row.label()).collect();
    assert!(labels.contains(&"table (table-keys)".into()), "{labels:?}");
    assert!(labels.contains(&"text (py_state)".into()), "{labels:?}");
    let tree = Tree::of_objects(&listing, &TreeOptions::default());
    let text = tree.text(&TextOptions { ascii: true, ..TextOptions::default() });
    assert!(text.contains("|   `-- table-values "), "{text}");
    assert_eq!(tree.root.sum, listing.totals.all);

    assert!(ObjectListing::new(&open("bundles/one"), &ListOptions::default()).unwrap().is_none());
    assert!(ObjectListing::new(&open("npy/two.npz"), &ListOptions::default()).unwrap().is_none());
}

#[test]
fn paths_of_hostile_objects_are_bounded() {
    let folder = fixtures().join("hostile/object_graph");
    for name in ["deep_chain", "slots_of_slots", "names_like_paths", "nested_keys", "same_names"] {
        let graph = std::fs::read(folder.join(name)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("m");
        let mut writer = BundleWriter::create(&prefix, Default::default()).unwrap();
        let graph_value = Tensor::from_strings([0usize; 0], vec![graph.clone().into()]).unwrap();
        let parsed = flowkeep_bundle::ObjectGraph::decode(&graph).unwrap();
        let mut keys: Vec<&str> =
            parsed.variables().map(|one| &*one.attribute.checkpoint_key).take(5_000).collect();
        keys.extend(["_CHECKPOINTABLE_OBJECT_GRAPH"]);
        keys.sort_unstable();
        keys.dedup();
        for key in keys.into_iter().filter(|key| !key.is_empty()) {
            match key {
                "_CHECKPOINTABLE_OBJECT_GRAPH" => writer.add(key, &graph_value).unwrap(),
                key => writer.add(key, &Tensor::scalar(1.0f32)).unwrap(),
            }
        }
        writer.finish().unwrap();
        let checkpoint = Checkpoint::open(&prefix).unwrap();
        let listing = ObjectListing::new(&checkpoint, &ListOptions::default()).unwrap().unwrap();
        let len_paths: usize = listing.rows.iter().filter_map(|row| row.path()).map(str::len).sum();
        let len_keys: usize = checkpoint.tensors().iter().map(|info| info.name.len()).sum();
        assert!(len_paths <= 16 * len_keys + (1 << 20), "{name}: {len_paths}");
        let tree = Tree::of_objects(&listing, &TreeOptions::default());
        assert_eq!(tree.root.sum.n_tensors, listing.rows.len(), "{name}");
    }
}
