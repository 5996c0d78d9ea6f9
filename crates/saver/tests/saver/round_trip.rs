//! What is saved is restored: in other graphs, under other names, partly, from MetaGraphs.

use std::fs;
use std::sync::Arc;

use flowkeep_bundle::CheckpointReader;
use flowkeep_graph::builder::{Initializer, Partitioner, Scope, Variable, VariableOptions};
use flowkeep_graph::file::read_meta_graph_file;
use flowkeep_graph::{ImportMetaGraphOptions, ImportOptions, MetaGraph};
use flowkeep_saver::{
    GlobalStep, RestoreProblem, SaveOptions, Saver, SaverBuilder, SaverConfig, VarList,
    WriteVersion, import_meta_graph, import_meta_graph_file, init_from_checkpoint,
};

use crate::{launched, session, values, variable};

/// A graph whose variables `v1` and `v2` start with the numbers from 1 times `factor`.
fn two(use_resource: bool, factor: f32) -> (Scope, [Variable; 2]) {
    let mut scope = Scope::new();
    let names = [("v1", 3u16), ("scope/v2", 2)];
    let variables = names.map(|(name, n)| {
        let value: Vec<f32> = (1..=n).map(|number| f32::from(number) * factor).collect();
        let options = VariableOptions::new().initializer(value).use_resource(use_resource);
        scope.with_op_name(name).variable(options).unwrap()
    });
    (scope, variables)
}

#[test]
fn what_one_program_saves_another_restores() {
    for version in [WriteVersion::V1, WriteVersion::V2] {
        for sharded in [false, true] {
            for builder in [SaverBuilder::Bulk, SaverBuilder::Base] {
                for use_resource in [false, true] {
                    let dir = tempfile::tempdir().unwrap();
                    let config = SaverConfig {
                        write_version: version,
                        sharded,
                        builder,
                        ..Default::default()
                    };
                    let (scope, _) = two(use_resource, 1.0);
                    let (one, mut saver) = launched(scope, config.clone());
                    let options = SaveOptions::at_step(10);
                    let saved = saver.save(&one, dir.path().join("m"), &options).unwrap().unwrap();
                    assert_eq!(saver.last_checkpoints(), std::slice::from_ref(&saved));

                    let (scope, variables) = two(!use_resource, 7.0);
                    let (other, saver) = launched(scope, config);
                    let report = saver.restore(&other, &saved).unwrap();
                    assert_eq!(values(&other, &variables[0]), [1.0, 2.0, 3.0]);
                    assert_eq!(values(&other, &variables[1]), [1.0, 2.0]);
                    assert_eq!((report.restored.len(), report.unused.len()), (2, 0));
                }
            }
        }
    }
}

#[test]
fn a_meta_file_and_a_checkpoint_are_restored_by_two_calls() {
    let dir = tempfile::tempdir().unwrap();
    let (mut scope, [v1, _]) = two(true, 1.0);
    scope.add_to_collection("mine", v1.snapshot());
    let (one, mut saver) = launched(scope, SaverConfig::default());
    let saved = saver.save(&one, dir.path().join("m"), &SaveOptions::at_step(1000));
    let saved = saved.unwrap().unwrap();

    let def = read_meta_graph_file(&saved).unwrap();
    let meta_graph = MetaGraph::import(def, &ImportOptions::default()).unwrap();
    let mut saver = Saver::from_meta_graph(&meta_graph).unwrap().unwrap();
    let other = session(meta_graph.graph.clone());
    saver.restore(&other, &saved).unwrap();
    let mine = meta_graph.node_list("mine")[0].as_str();
    assert_eq!(
        other.run(&[], &[mine], &[]).unwrap()[0].as_slice::<f32>().unwrap(),
        [1.0, 2.0, 3.0]
    );

    // What is saved from there has the same MetaGraph, collections and all.
    let again = saver.save(&other, dir.path().join("again"), &SaveOptions::default());
    let again = read_meta_graph_file(&again.unwrap().unwrap()).unwrap();
    assert_eq!(again, read_meta_graph_file(&saved).unwrap());
}

#[test]
fn a_meta_file_is_imported_into_a_scope_of_another_graph() {
    let dir = tempfile::tempdir().unwrap();
    let (scope, _) = two(false, 1.0);
    let (one, mut saver) = launched(scope, SaverConfig::default());
    let saved = saver.save(&one, dir.path().join("m"), &SaveOptions::default()).unwrap().unwrap();

    let mut scope = Scope::new();
    variable(&mut scope, "other", &[2], true);
    let options = ImportMetaGraphOptions::under("tower");
    let (saver, imported) = import_meta_graph_file(&mut scope, &saved, &options).unwrap();
    let (saver, variables) = (saver.unwrap(), imported.variables);
    let def = saver.as_saver_def().unwrap();
    assert_eq!(def.restore_op_name, "tower/save/restore_all");
    let inner = saver.to_proto(Some("tower")).unwrap();
    assert_eq!(inner.restore_op_name, "save/restore_all");
    assert_eq!(saver.to_proto(Some("elsewhere")), None);
    let renewed = Saver::from_proto(inner, Some("tower/")).unwrap();
    assert_eq!(renewed.as_saver_def(), saver.as_saver_def());
    let other = session(scope.into_graph());
    saver.restore(&other, &saved).unwrap();
    assert_eq!(values(&other, &variables["scope/v2:0"]), [1.0, 2.0]);
}

#[test]
fn a_meta_graph_without_a_saver_gets_one_for_its_variables() {
    let (scope, _) = two(true, 1.0);
    let def = scope.export_meta_graph(&Default::default()).unwrap().meta_graph_def;
    let options = ImportMetaGraphOptions::default();
    let (saver, _) = import_meta_graph(&mut Scope::new(), def, &options).unwrap();
    assert_eq!(saver.unwrap().as_saver_def().unwrap().restore_op_name, "save/restore_all");
    let (saver, _) = import_meta_graph(&mut Scope::new(), Default::default(), &options).unwrap();
    assert!(saver.is_none());
}

#[test]
fn a_new_saver_of_an_imported_graph_is_named_as_tensorflow_names_it() {
    let (mut scope, _) = two(true, 1.0);
    let saver = Saver::new(&mut scope, SaverConfig::default()).unwrap();
    let exported = saver.export_meta_graph(&scope, Default::default()).unwrap();
    let mut other = Scope::new();
    let options = ImportMetaGraphOptions::default();
    import_meta_graph(&mut other, exported.meta_graph_def, &options).unwrap();
    let saver = Saver::new(&mut other, SaverConfig::default()).unwrap();
    // Importing takes the names of nodes, not of scopes; as interop/test_saver.py has it.
    assert_eq!(saver.as_saver_def().unwrap().restore_op_name, "save/restore_all_1");
}

#[test]
fn the_state_file_names_no_checkpoint_without_its_meta_graph() {
    let dir = tempfile::tempdir().unwrap();
    let (scope, _) = two(true, 1.0);
    let (session, mut saver) = launched(scope, SaverConfig::default());
    let first = saver.save(&session, dir.path().join("m"), &SaveOptions::at_step(1));
    let first = first.unwrap().unwrap();
    // Nothing can be written over a directory.
    fs::create_dir(dir.path().join("m-2.meta")).unwrap();
    saver.save(&session, dir.path().join("m"), &SaveOptions::at_step(2)).unwrap_err();
    assert_eq!(saver.last_checkpoints(), std::slice::from_ref(&first));
    assert_eq!(flowkeep_bundle::latest_checkpoint(dir.path(), None).unwrap(), Some(first));
}

#[test]
fn one_variable_is_saved_under_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let (scope, [_, v2]) = two(true, 1.0);
    let config = SaverConfig::of(VarList::map([("renamed", &v2)]));
    let (one, mut saver) = launched(scope, config);
    let saved = saver.save(&one, dir.path().join("m"), &SaveOptions::default()).unwrap().unwrap();
    let reader = CheckpointReader::open(&saved).unwrap();
    let keys: Vec<String> = reader.keys().map(|key| key.to_string()).collect();
    assert_eq!(keys, ["renamed"]);
}

#[test]
fn a_variable_in_parts_is_restored_in_other_parts() {
    let dir = tempfile::tempdir().unwrap();
    let parts = |n_parts: usize, use_resource: bool, initializer: Initializer| {
        let mut scope = Scope::new();
        let options = VariableOptions::new().shape([7, 2]).initializer(initializer);
        let options = options.partitioner(Partitioner::fixed_size(n_parts, 0));
        let variable =
            scope.get_partitioned_variable("p", options.use_resource(use_resource)).unwrap();
        (scope, variable)
    };
    let (scope, _) = parts(3, true, Initializer::Ones);
    let (one, mut saver) = launched(scope, SaverConfig::default());
    let saved = saver.save(&one, dir.path().join("m"), &SaveOptions::default()).unwrap().unwrap();
    let (scope, variable) = parts(2, false, Initializer::Zeros);
    let (other, saver) = launched(scope, SaverConfig::default());
    saver.restore(&other, &saved).unwrap();
    for part in variable.parts() {
        assert!(values(&other, part).iter().all(|value| *value == 1.0));
    }
}

#[test]
fn a_variable_takes_another_shape_only_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let graph = |dims: &[usize], use_resource| {
        let mut scope = Scope::new();
        let variable = variable(&mut scope, "v", dims, use_resource);
        (scope, variable)
    };
    let (one, mut saver) = launched(graph(&[2, 3], true).0, SaverConfig::default());
    let saved = saver.save(&one, dir.path().join("m"), &SaveOptions::default()).unwrap().unwrap();
    for use_resource in [false, true] {
        let (scope, variable) = graph(&[6], use_resource);
        let (other, saver) = launched(scope, SaverConfig { reshape: true, ..Default::default() });
        saver.restore(&other, &saved).unwrap();
        assert_eq!(values(&other, &variable), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
    let (other, saver) = launched(graph(&[6], false).0, SaverConfig::default());
    assert!(saver.restore(&other, &saved).is_err());
    // As in TensorFlow, a resource takes what it gets.
    let (other, saver) = launched(graph(&[6], true).0, SaverConfig::default());
    saver.restore(&other, &saved).unwrap();
}

#[test]
fn what_fits_is_restored_and_the_rest_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (scope, _) = two(true, 1.0);
    let (one, mut saver) = launched(scope, SaverConfig::default());
    let saved = saver.save(&one, dir.path().join("m"), &SaveOptions::default()).unwrap().unwrap();

    let mut scope = Scope::new();
    let v1 = variable(&mut scope, "v1", &[4], true);
    let v2 = variable(&mut scope, "scope/v2", &[2], false);
    let v3 = variable(&mut scope, "scope/v3", &[1], false);
    let (other, saver) = launched(scope, SaverConfig::default());
    other.run(&[], &[], &["init"]).unwrap();
    let report = saver.restore_partial(&other, &saved).unwrap();
    let restored: Vec<&str> = report.restored.iter().map(|one| one.variable.as_str()).collect();
    assert_eq!(restored, ["scope/v2"]);
    let [RestoreProblem::Missing { key, nearest }, RestoreProblem::Shape { variable, .. }] =
        &report.skipped[..]
    else {
        panic!("{:?}", report.skipped)
    };
    assert_eq!((key.as_str(), variable.as_str()), ("scope/v3", "v1"));
    assert_eq!(nearest, &["scope/v2"]);
    assert_eq!(values(&other, &v1), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(values(&other, &v2), [1.0, 2.0]);
    assert_eq!(values(&other, &v3), [1.0]);
}

#[test]
fn variables_start_with_what_a_checkpoint_has() {
    let dir = tempfile::tempdir().unwrap();
    let (scope, _) = two(true, 5.0);
    let (one, mut saver) = launched(scope, SaverConfig::default());
    saver.save(&one, dir.path().join("m"), &SaveOptions::default()).unwrap();
    for use_resource in [false, true] {
        let mut scope = Scope::new();
        let options = VariableOptions::new().initializer(Initializer::Zeros);
        let options = options.use_resource(use_resource);
        let mut inner = scope.variable_scope("new").unwrap();
        let v2 = inner.get_variable("v2", options.clone().shape([2])).unwrap();
        drop(inner);
        let w = scope.get_variable("w", options.shape([1])).unwrap();
        let map = [("scope/", "new/")];
        let done = init_from_checkpoint(&mut scope, dir.path(), map).unwrap();
        assert_eq!(done.len(), 1);
        scope.with_op_name("init").global_variables_initializer().unwrap();
        let session = session(scope.into_graph());
        session.run(&[], &[], &["init"]).unwrap();
        assert_eq!(values(&session, &v2), [5.0, 10.0]);
        assert_eq!(values(&session, &w), [0.0]);
    }
}

#[test]
fn steps_are_numbers_tensors_and_names() {
    let dir = tempfile::tempdir().unwrap();
    let (mut scope, _) = two(true, 1.0);
    let options = VariableOptions::new().initializer(41i64).use_resource(true);
    let step = scope.with_op_name("global_step").variable(options).unwrap();
    let (session, mut saver) = launched(scope, SaverConfig::default());
    let name = session.graph().tensor_name(step.snapshot()).to_string();
    for step in [GlobalStep::from(&step), name.as_str().into(), step.snapshot().into(), 41.into()] {
        let saved = saver.save(&session, dir.path().join("m"), &SaveOptions::at_step(step));
        assert_eq!(saved.unwrap().unwrap(), dir.path().join("m-41"));
    }
    let vector = saver.save(
        &session,
        dir.path().join("m"),
        &SaveOptions::at_step("v1/Read/ReadVariableOp:0"),
    );
    assert!(vector.unwrap_err().to_string().contains("no single whole number"));
}

#[test]
fn files_are_as_the_options_say() {
    let dir = tempfile::tempdir().unwrap();
    let (scope, _) = two(true, 1.0);
    let (session, mut saver) = launched(scope, SaverConfig::default());
    let mut save = |name: &str, options: SaveOptions| {
        saver.save(&session, dir.path().join(name), &options).unwrap();
    };
    let default = SaveOptions::default;
    save("a", SaveOptions { write_meta_graph: false, ..default() });
    save("b", SaveOptions { meta_graph_suffix: "graph".into(), ..default() });
    save("c", SaveOptions { latest_filename: Some("newest".into()), ..default() });
    save("d", SaveOptions { write_state: false, strip_default_attrs: true, ..default() });
    let there = |name: &str| dir.path().join(name).exists();
    for (name, is_there) in [
        ("a.index", true),
        ("a.meta", false),
        ("b.graph", true),
        ("b.meta", false),
        ("c.meta", true),
        ("newest", true),
        ("d.meta", true),
    ] {
        assert_eq!(there(name), is_there, "{name}");
    }
    let newest = fs::read_to_string(dir.path().join("newest")).unwrap();
    assert!(newest.contains("/c\"") && !newest.contains("/d\""), "{newest}");
    let stripped = read_meta_graph_file(&dir.path().join("d.meta")).unwrap();
    assert!(stripped.meta_info_def.unwrap().stripped_default_attrs);
    assert!(
        fs::metadata(dir.path().join("d.meta")).unwrap().len()
            < fs::metadata(dir.path().join("c.meta")).unwrap().len()
    );
}

#[test]
fn a_saver_of_nothing_writes_the_meta_graph_only() {
    let dir = tempfile::tempdir().unwrap();
    let (session, mut saver) =
        launched(Scope::new(), SaverConfig { allow_empty: true, ..Default::default() });
    let saved = saver.save(&session, dir.path().join("m"), &SaveOptions::default()).unwrap();
    assert_eq!(saved, None);
    let files: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["m.meta"]);
    assert_eq!(saver.restore(&session, "nowhere").unwrap().restored.len(), 0);
}

#[test]
fn tensorflows_checkpoints_are_restored_by_its_meta_graphs() {
    for name in ["sharded", "v1_sharded"] {
        let fixture = crate::fixtures().join("savers").join(name);
        let def = read_meta_graph_file(&fixture).unwrap();
        let meta_graph = MetaGraph::import(def, &ImportOptions::default()).unwrap();
        let saver = Saver::from_meta_graph(&meta_graph).unwrap().unwrap();
        let session = session(Arc::clone(&meta_graph.graph));
        let whole = crate::fixtures().join("savers/whole");
        let report = saver.restore(&session, whole).unwrap();
        // Two variables are in two parts each.
        assert_eq!((report.restored.len(), report.unused.len()), (10, 0), "{name}");
        let step = session.run(&[], &["global_step/Read/ReadVariableOp:0"], &[]).unwrap();
        assert_eq!(step[0].to_scalar::<i64>().unwrap(), 1 << 40);
    }
}
