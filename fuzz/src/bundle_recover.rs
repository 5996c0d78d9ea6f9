//! Target `bundle_recover`: recovers what it can of a bundle made of the input.
//!
//! The form of inputs is that of `bundle_open`, without its mode.

use std::io;
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{BundleReader, ReaderOptions, VerifyOptions};

/// Runs the target on one input; panics if the reader breaks its word.
pub fn run(input: &[u8]) {
    let Some((len, rest)) = input.split_first_chunk() else { return };
    let Some((index, data)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len))) else {
        return;
    };
    let data = BytesSource::new(data.to_vec());
    let open = move |_: u32, _: u32| -> io::Result<Arc<dyn Source>> { Ok(Arc::new(data.clone())) };
    let options = ReaderOptions { threads: 1, ..ReaderOptions::default() };
    let index = BytesSource::new(index.to_vec());
    let Ok(recovered) = BundleReader::recover_from_sources(&index, 1, open.clone(), options) else {
        return;
    };
    let sound = BundleReader::from_sources(&index, open, options);
    if let Ok(sound) = &sound {
        assert!(recovered.damage.is_empty() && recovered.uncertain.is_empty());
        assert!(sound.keys().eq(recovered.reader.keys()), "a sound index is recovered whole");
    }
    if recovered.reader.header().n_shards > 100 {
        return;
    }
    let report = recovered.reader.verify(VerifyOptions { threads: 1, progress: None });
    for key in recovered.reader.keys().take(100) {
        let is_damaged = recovered.reader.tensor(&key).is_err();
        let is_reported = report.damaged.iter().any(|(damaged, _)| {
            *damaged == key || flowkeep_bundle::slice_key::decode(damaged).is_some()
        });
        assert!(!is_damaged || is_reported || is_variant(&recovered.reader, &key));
    }
}

fn is_variant(reader: &BundleReader, key: &[u8]) -> bool {
    reader.entry(key).is_ok_and(|entry| entry.dtype == flowkeep_tensor::DType::Variant)
}

/// The input that stands for these parts; `None` if the index is too long for it.
pub fn join(index: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let len = u16::try_from(index.len()).ok()?;
    Some([&len.to_le_bytes(), index, data].concat())
}
