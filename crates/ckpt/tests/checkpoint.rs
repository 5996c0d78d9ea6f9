//! One view of checkpoints and of the files of other tools.

use std::path::{Path, PathBuf};

use flowkeep_ckpt::{Checkpoint, Format, interchange};
use flowkeep_tensor::Tensor;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[test]
fn every_format_opens_and_says_what_it_is() {
    let cases = [
        ("bundles/partitioned", Format::V2, 2),
        ("bundles/partitioned.index", Format::V2, 2),
        ("object_graphs/manager", Format::V2, 3),
        ("saved_models/half_plus_two_ref", Format::V2, 3),
        ("saved_models/session_bundle_half_plus_two/00000123/export-00000-of-00001", Format::V1, 2),
        ("v1/sharded-?????-of-00003", Format::V1, 0),
        ("npy/two.npz", Format::File(interchange::Format::Npz), 2),
    ];
    for (path, format, n_tensors) in cases {
        let checkpoint = Checkpoint::open(&fixtures().join(path)).unwrap();
        assert_eq!(checkpoint.format(), format, "{path}");
        assert!(n_tensors == 0 || checkpoint.tensors().len() == n_tensors, "{path}");
        assert!(!checkpoint.found().is_empty());
        assert_eq!(Format::from_name(format.name()), Some(format));
        for info in checkpoint.tensors() {
            let tensor = checkpoint.tensor(&info.name).unwrap();
            assert_eq!((tensor.shape(), Some(tensor.dtype())), (&info.shape, info.dtype), "{path}");
            assert_eq!(checkpoint.info(&info.name).unwrap(), info);
        }
        assert_eq!(checkpoint.info("nope").unwrap_err().code().name(), "NOT_FOUND", "{path}");
    }
    let error = Checkpoint::open(&fixtures().join("nowhere")).unwrap_err();
    assert_eq!(error.code().name(), "NOT_FOUND");
}

#[test]
fn slices_and_stretches_are_the_same_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..1_000_000).map(|i| i as f32).collect();
    let tensor = Tensor::from_vec([1000, 1000], values).unwrap();
    let prefix = dir.path().join("p");
    let mut writer = flowkeep_bundle::BundleWriter::create(&prefix, Default::default()).unwrap();
    writer.add("w", &tensor).unwrap();
    writer.finish().unwrap();
    let npz = dir.path().join("p.npz");
    let specs = [interchange::TensorSpec::new("w", tensor.dtype(), tensor.shape())];
    interchange::write(&npz, interchange::Format::Npz, &specs, &Default::default(), |_| {
        Ok::<_, flowkeep_ckpt::Error>(tensor.clone())
    })
    .unwrap();
    for path in [prefix, npz] {
        let checkpoint = Checkpoint::open(&path).unwrap();
        let slice = checkpoint.slice("w", &"998,2:-".parse().unwrap()).unwrap();
        assert_eq!(slice.dims(), &[2, 1000]);
        assert_eq!(slice.as_slice::<f32>().unwrap()[1999], 999_999.0);
        for n_threads in [1, 3] {
            let elements = checkpoint.elements("w").unwrap();
            let stretches =
                elements.map_stretches(n_threads, |at, bytes| (at, bytes.to_vec())).unwrap();
            assert_eq!(stretches.len(), 8);
            let mut end = 0;
            for (at, bytes) in stretches {
                assert_eq!(at, end);
                let start = at as usize;
                assert_eq!(bytes, tensor.as_bytes().unwrap()[start..start + bytes.len()]);
                end += bytes.len() as u64;
            }
            elements.finish().unwrap();
        }
    }
}
