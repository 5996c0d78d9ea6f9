//! Models of the time before SavedModels, with V1 checkpoints.

use flowkeep_tensor::{DType, Shape};
use serde_json::Value;

use super::*;

fn unhex(json: &Value) -> Vec<u8> {
    let text = json.as_str().unwrap();
    let digits = |idx: usize| u8::from_str_radix(&text[idx..idx + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

#[test]
fn old_exports_are_restored_and_saved_again_as_by_tensorflow() {
    let text = fs::read_to_string(fixture("exports.json")).unwrap();
    let exports: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(exports.len(), 2);
    for export in &exports {
        let folder = fixtures().join("saved_models").join(export["folder"].as_str().unwrap());
        let (session, saver) = open(&folder.join("export.meta"));
        restore(&session, &saver, &folder.join(export["checkpoint"].as_str().unwrap()));

        let variables = export["variables"].as_object().unwrap();
        assert_eq!(variables.len(), 2);
        for (name, expected) in variables {
            assert_eq!(
                (&expected["dtype"], &expected["shape"]),
                (&"float32".into(), &[0; 0].into())
            );
            let bytes = unhex(&expected["hex"]).into();
            let expected = Tensor::from_bytes(DType::F32, Shape::SCALAR, bytes).unwrap();
            assert_eq!(session.run(&[], &[&format!("{name}:0")], &[]).unwrap(), [expected]);
        }

        let dir = tempfile::tempdir().unwrap();
        fetch_saved(&session, &saver, &dir.path().join("again")).unwrap();
        let saved = export["saved"].as_object().unwrap().iter();
        let saved: BTreeMap<_, _> = saved
            .map(|(name, content)| (name.strip_prefix("again").unwrap().into(), unhex(content)))
            .collect();
        assert_eq!(files(&dir.path().join("again")), saved, "{}", folder.display());
    }
}
