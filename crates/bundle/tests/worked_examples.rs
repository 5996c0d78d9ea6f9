//! The worked examples of the format's description, from their bytes as printed there.

use std::io;
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{BundleReader, ReaderOptions, V1Reader, V1Writer, V1WriterOptions};
use flowkeep_tensor::Tensor;

const MAGIC: &str = "57 fb 80 8b 24 75 47 db";

fn unhex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// A reader of an index as printed, with `n_zeros` zeros before the magic.
fn open(index: &str, n_zeros: usize, shards: &[&str]) -> BundleReader {
    let index = [unhex(index), vec![0; n_zeros], unhex(MAGIC)].concat();
    let shards: Vec<_> = shards.iter().map(|data| BytesSource::new(unhex(data))).collect();
    let shard = move |number: u32, _| -> io::Result<Arc<dyn Source>> {
        Ok(Arc::new(shards[number as usize].clone()))
    };
    BundleReader::from_sources(&BytesSource::new(index), shard, ReaderOptions::default()).unwrap()
}

const ONE: &str = "
    00 00 06 08 01 1a 02 08 01 00 01 0f 76 08 01 12
    04 12 02 08 02 28 08 35 59 3c e5 35 00 00 00 00
    01 00 00 00 00 30 55 93 58 00 00 00 00 01 00 00
    00 00 c0 f2 a1 b0 00 01 02 77 00 24 00 00 00 00
    01 00 00 00 00 94 60 b2 cd 29 08 36 0e";

#[test]
fn one_float_tensor() {
    let reader = open(ONE, 36, &["00 00 80 3f 00 00 00 40"]);
    let entry = reader.entry("v").unwrap();
    assert_eq!((entry.dtype.name(), entry.shape.dims(), entry.offset), ("float", &[2][..], 0));
    assert_eq!((entry.size, entry.crc32c), (8, 0x28c0_c9b1));
    assert_eq!(reader.tensor("v").unwrap().as_slice::<f32>().unwrap(), &[1.0, 2.0]);
}

#[test]
fn a_flipped_data_bit_is_reported_in_tensorflows_words() {
    // TensorFlow 2.21 prints these two numbers for this bit.
    let reader = open(ONE, 36, &["00 01 80 3f 00 00 00 40"]);
    let message = reader.tensor("v").unwrap_err().to_string();
    let expected = "TensorBundle at <sources> shard 0 (8 bytes): Checksum does not match: stored 683723185 vs. \
                    calculated on the restored bytes 1086580089";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_tensor_in_two_slices_and_a_scalar() {
    let index = "
        00 00 06 08 01 1a 02 08 01 00 0a 13 00 77 00 01
        01 02 80 82 80 83 08 01 12 08 12 02 08 02 12 02
        08 03 28 18 35 c0 db 3d 17 06 04 15 82 82 80 7f
        08 01 12 08 12 02 08 02 12 02 08 03 20 18 28 18
        35 d4 84 4e 02 00 01 20 77 08 01 12 08 12 02 08
        04 12 02 08 03 3a 08 0a 02 10 02 0a 02 10 03 3a
        08 0a 04 08 02 10 02 0a 00 00 01 0d 7a 08 03 12
        00 20 30 28 04 35 1d 15 82 65 00 00 00 00 01 00
        00 00 00 1a 2a 2a 1f 00 00 00 00 01 00 00 00 00
        c0 f2 a1 b0 00 01 03 7b 00 82 01 00 00 00 00 01
        00 00 00 00 f1 65 1f 1b 87 01 08 94 01 0f";
    let data = "
        00 00 00 00 00 00 80 3f 00 00 00 40 00 00 40 40 00 00 80 40 00 00 a0 40
        00 00 c0 40 00 00 e0 40 00 00 00 41 00 00 10 41 00 00 20 41 00 00 30 41
        01 00 00 00";
    let reader = open(index, 34, &[data]);
    let tensor = reader.tensor("w").unwrap();
    assert_eq!(tensor.dims(), &[4, 3]);
    let expected: Vec<f32> = (0..12u8).map(f32::from).collect();
    assert_eq!(tensor.as_slice::<f32>().unwrap(), expected);
    assert_eq!(reader.tensor("z").unwrap().to_scalar::<i32>().unwrap(), 1);
    assert_eq!(reader.keys().map(|key| key.to_string()).collect::<Vec<_>>(), ["w", "z"]);
}

#[test]
fn two_bundles_merged_into_one_of_two_data_files() {
    let index = "
        00 00 06 08 02 1a 02 08 01 00 01 11 61 08 01 12
        04 12 02 08 02 18 01 28 08 35 59 3c e5 35 00 01
        0f 62 08 01 12 04 12 02 08 02 28 08 35 59 3c e5
        35 00 01 0f 63 08 03 12 00 18 01 20 08 28 04 35
        63 3f 7f 28 00 01 0d 73 08 07 12 00 20 08 28 06
        35 64 fc de a4 00 00 00 00 01 00 00 00 00 fa 50
        c9 17 00 00 00 00 01 00 00 00 00 c0 f2 a1 b0 00
        01 02 74 00 5d 00 00 00 00 01 00 00 00 00 d2 80
        da 22 62 08 6f 0e";
    let shards =
        ["00 00 80 3f 00 00 00 40 01 1d 15 82 65 71", "00 00 80 3f 00 00 00 40 03 00 00 00"];
    let reader = open(index, 36, &shards);
    assert_eq!(reader.header().n_shards, 2);
    assert_eq!(reader.tensor("a").unwrap().as_slice::<f32>().unwrap(), &[1.0, 2.0]);
    assert_eq!(reader.tensor("b").unwrap().as_slice::<f32>().unwrap(), &[1.0, 2.0]);
    assert_eq!(reader.tensor("c").unwrap().to_scalar::<i32>().unwrap(), 3);
    assert_eq!(reader.tensor("s").unwrap().as_strings().unwrap(), ["q"]);
}

#[cfg(feature = "snappy")]
#[test]
fn a_compressed_data_block() {
    let index = "
        38 80 00 00 06 08 01 1a 02 08 01 00 02 0f 76 61
        08 01 12 04 12 02 08 02 28 08 35 59 3c e5 35 01
        01 0f 62 3a 13 00 1c 00 00 00 00 01 00 00 00 01
        60 40 e1 82 00 00 00 00 01 00 00 00 00 c0 f2 a1
        b0 00 01 02 77 00 2f 00 00 00 00 01 00 00 00 00
        fc 32 92 ab 34 08 41 0e 00";
    let reader = open(index, 35, &["00 00 80 3f 00 00 00 40"]);
    for key in ["va", "vb"] {
        assert_eq!(reader.tensor(key).unwrap().as_slice::<f32>().unwrap(), &[1.0, 2.0]);
    }
}

/// A V1 file with a scalar and a vector, read and written.
#[test]
fn a_v1_file_of_two_tensors() {
    let file = "
        00 00 22 0a 20 0a 09 0a 01 6e 12 00 18 03 22 00
        0a 0f 0a 01 78 12 04 12 02 08 02 18 01 22 02 0a
        00 12 02 08 01 00 05 0c 00 6e 00 01 00 12 0a 0a
        01 6e 12 00 1a 03 3a 01 07 01 07 15 78 00 01 01
        01 80 7f 12 13 0a 01 78 12 02 0a 00 1a 0a 2a 08
        00 00 80 3f 00 00 00 40 00 00 00 00 01 00 00 00
        00 82 36 5a 47 00 00 00 00 01 00 00 00 00 c0 f2
        a1 b0 00 01 02 01 00 60 00 00 00 00 01 00 00 00
        00 62 83 39 ed 65 08 72 0e 00";
    let file = [unhex(file), vec![0; 35], unhex(MAGIC)].concat();
    assert_eq!(file.len(), 181);
    let source = Arc::new(BytesSource::new(file.clone())) as Arc<dyn Source>;
    let reader = V1Reader::from_sources([source], ReaderOptions::default()).unwrap();
    let (n, x) = (reader.tensor("n").unwrap(), reader.tensor("x").unwrap());
    assert_eq!((&n, &x), (&Tensor::scalar(7i32), &Tensor::from_elements(vec![1.0f32, 2.0])));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let mut writer = V1Writer::create(&path, V1WriterOptions::default()).unwrap();
    writer.add("x", &x).unwrap();
    writer.add("n", &n).unwrap();
    writer.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), file);
}
