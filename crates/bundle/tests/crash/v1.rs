//! The same for a V1 checkpoint, which is one file.

use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{Durability, Error, ReaderOptions, V1Reader, V1Writer, V1WriterOptions};
use flowkeep_tensor::Tensor;

use super::Found;
use super::model::{Fault, Files, Model};

const PATH: &str = "/d/m";

fn save(model: &Model, value: i32, durability: Durability) -> Result<(), Error> {
    let options =
        V1WriterOptions { durability, create_dir: true, storage: Arc::new(model.clone()) };
    let mut writer = V1Writer::create(Path::new(PATH), options)?;
    for key in ["a", "b"] {
        // Large enough for blocks of their own.
        writer.add(key, &Tensor::from_elements(vec![value; 300_000]))?;
    }
    writer.finish()
}

fn look(files: &Files) -> Found {
    let Some(file) = files.get(Path::new(PATH)) else { return Found::Nothing };
    let source = Arc::new(BytesSource::new(file.clone())) as Arc<dyn Source>;
    let reader = V1Reader::from_sources([source], ReaderOptions::default());
    let tensors = reader.and_then(|reader| Ok([reader.tensor("a")?, reader.tensor("b")?]));
    let Ok([a, b]) = tensors else { return Found::Damaged };
    assert_eq!(a, b, "a mixture");
    Found::Whole(a.as_slice::<i32>().unwrap()[0])
}

/// A file system with the old checkpoint, if there is to be one.
fn before(is_old: bool) -> (Model, Found) {
    let model = Model::default();
    if !is_old {
        return (model, Found::Nothing);
    }
    save(&model, 1, Durability::Synced).unwrap();
    model.sync_all();
    (model, Found::Whole(1))
}

#[test]
fn a_v1_file_is_the_old_one_or_the_new_one() {
    for is_old in [false, true] {
        let (model, _) = before(is_old);
        model.arm(None);
        save(&model, 2, Durability::Synced).unwrap();
        assert_eq!((look(&model.visible()), model.visible().len()), (Found::Whole(2), 1));
        let n_steps = model.n_steps();
        assert!(n_steps > 8, "{n_steps} steps");
        for step in 1..=n_steps + 1 {
            let (model, old) = before(is_old);
            model.arm(Some((step, Fault::Crash)));
            let result = save(&model, 2, Durability::Synced);
            for files in model.after_power_loss().into_iter().chain([model.visible()]) {
                let found = look(&files);
                assert!([old, Found::Whole(2)].contains(&found), "step {step}: {found:?}");
                assert!(result.is_err() || found == Found::Whole(2), "step {step}");
            }

            let (model, old) = before(is_old);
            let files = model.visible();
            model.arm(Some((step, Fault::Error)));
            match save(&model, 2, Durability::Synced) {
                Ok(()) => assert_eq!(look(&model.visible()), Found::Whole(2), "step {step}"),
                // The directory could not be synced after the file was there, or nothing changed.
                Err(_) if look(&model.visible()) != old => {
                    assert_eq!(look(&model.visible()), Found::Whole(2), "step {step}");
                }
                Err(_) => assert_eq!(model.visible(), files, "step {step}"),
            }
        }
    }
}
