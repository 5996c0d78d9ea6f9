//! Tables, and whatever else restores itself, are saved and restored.

use flowkeep_bundle::CheckpointReader;
use flowkeep_graph::builder::{
    SaveSpec, SaveableObject, Scope, Table, TableOptions, VariableOptions,
};
use flowkeep_runtime::Session;
use flowkeep_saver::{SaveOptions, SaverConfig, WriteVersion};
use flowkeep_tensor::{DType, Tensor};

use crate::{launched, values};

/// A table of ages, a node `insert` that puts two into it, and a tensor `found` of what it has of three.
fn ages(scope: &mut Scope) -> Table {
    let mut named = scope.with_op_name("ages");
    let table = named.mutable_hash_table(DType::I64, 0.5f32, TableOptions::default()).unwrap();
    drop(named);
    scope.with_op_name("insert").table_insert(&table, [3i64, 7], [30.0f32, 70.0]).unwrap();
    let found = scope.with_op_name("find").table_find(&table, [3i64, 4, 7]).unwrap();
    scope.with_op_name("found").identity(found).unwrap();
    scope.with_op_name("v").variable(VariableOptions::new().initializer([1.0f32])).unwrap();
    table
}

fn found(session: &Session) -> Vec<f32> {
    let found = session.run(&[], &["found:0"], &[]).unwrap();
    found[0].as_slice::<f32>().unwrap().to_vec()
}

#[test]
fn tables_of_one_program_are_restored_in_another() {
    for version in [WriteVersion::V1, WriteVersion::V2] {
        let dir = tempfile::tempdir().unwrap();
        let config = || SaverConfig { write_version: version, ..SaverConfig::default() };
        let mut scope = Scope::new();
        ages(&mut scope);
        let (one, mut saver) = launched(scope, config());
        one.run(&[], &[], &["insert/LookupTableInsertV2"]).unwrap();
        let saved = saver.save(&one, dir.path().join("m"), &SaveOptions::default());
        let saved = saved.unwrap().unwrap();

        let mut scope = Scope::new();
        ages(&mut scope);
        let (other, saver) = launched(scope, config());
        assert_eq!(found(&other), [0.5; 3]);
        let report = saver.restore(&other, &saved).unwrap();
        assert_eq!(found(&other), [30.0, 0.5, 70.0]);
        let keys: Vec<&str> = report.restored.iter().map(|one| &*one.key).collect();
        assert_eq!(keys, ["ages-keys", "ages-values", "v"]);
    }
}

#[test]
fn a_table_is_restored_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut scope = Scope::new();
    let keys = VariableOptions::new().initializer([3i64, 7]);
    scope.with_op_name("ages-keys").variable(keys).unwrap();
    scope.with_op_name("v").variable(VariableOptions::new().initializer([5.0f32])).unwrap();
    let (one, mut saver) = launched(scope, SaverConfig::default());
    let saved = saver.save(&one, dir.path().join("m"), &SaveOptions::default()).unwrap().unwrap();

    let mut scope = Scope::new();
    ages(&mut scope);
    let (other, saver) = launched(scope, SaverConfig::default());
    let error = saver.restore(&other, &saved).unwrap_err().to_string();
    assert!(error.contains("Key ages-values not found in checkpoint"), "{error}");
    let report = saver.restore_partial(&other, &saved).unwrap();
    let restored: Vec<&str> = report.restored.iter().map(|one| &*one.variable).collect();
    assert_eq!((restored, report.skipped.len()), (vec!["v"], 1));
    assert_eq!(found(&other), [0.5; 3]);
}

#[test]
fn an_object_restores_itself_by_its_own_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let mut scope = Scope::new();
    let v = VariableOptions::new().initializer([1.0f32, 2.0]);
    let v = scope.with_op_name("v").variable(v).unwrap();
    let value = scope.read(&v).unwrap();
    let half = scope.mul(value, 0.5f32).unwrap();
    let variable = v.clone();
    let specs = vec![SaveSpec::new(half, "half")];
    let halved = SaveableObject::new("halved", specs, move |scope, tensors, _| {
        let doubled = scope.mul(tensors[0], 2.0f32)?;
        scope.assign(&variable, doubled)
    });
    let set = scope.assign(&v, [9.0f32, 9.0]).unwrap();
    let set = scope.graph().node(set).name().to_owned();
    let config = SaverConfig::of(flowkeep_saver::VarList::list([halved]));
    let (session, mut saver) = launched(scope, config);
    let saved = saver.save(&session, dir.path().join("m"), &SaveOptions::default());
    let saved = saved.unwrap().unwrap();
    let stored: Tensor = CheckpointReader::open(&saved).unwrap().tensor("half").unwrap();
    assert_eq!(stored.as_slice::<f32>().unwrap(), [0.5, 1.0]);
    session.run(&[], &[], &[&set]).unwrap();
    saver.restore(&session, &saved).unwrap();
    assert_eq!(values(&session, &v), [1.0, 2.0]);
}
