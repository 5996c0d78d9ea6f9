//! Hashes are those that TensorFlow 2.21 wrote beside its models.

use std::path::{Path, PathBuf};

use flowkeep_saved_model::{Error, Fingerprint};
use flowkeep_tensor::Code;

/// The models with hashes of TensorFlow.
fn models() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let models = std::fs::read_dir(root.join("fixtures/saved_models")).unwrap();
    let mut models: Vec<PathBuf> = models.map(|entry| entry.unwrap().path()).collect();
    models.push(root.join("models/mnist/1"));
    models.retain(|dir| dir.join("fingerprint.pb").exists());
    models.sort();
    models
}

#[test]
fn hashes_of_tensorflows_models_are_tensorflows() {
    let models = models();
    assert!(models.len() >= 8, "{models:?}");
    for dir in models {
        let stored = Fingerprint::read(&dir).unwrap();
        let mut computed = Fingerprint::compute(&dir).unwrap();
        computed.uuid.clone_from(&stored.uuid);
        assert_eq!(computed, stored, "{}", dir.display());
        assert_eq!(Fingerprint::from_proto(stored.to_proto()), stored);
    }
}

#[test]
fn a_missing_file_is_told_of_in_tensorflows_words() {
    let dir = tempfile::tempdir().unwrap();
    let error = Fingerprint::read(dir.path()).unwrap_err();
    assert!(matches!(error, Error::NoFingerprint { .. }));
    assert_eq!(error.code(), Code::NotFound);
    std::fs::write(dir.path().join("fingerprint.pb"), [0xff; 3]).unwrap();
    assert_eq!(Fingerprint::read(dir.path()).unwrap_err().code(), Code::DataLoss);
}
