use std::collections::BTreeMap;

use flowkeep_graph::file::deterministic_bytes;
use flowkeep_proto::pb;
use flowkeep_runtime::fingerprint64;

/// Joins two hashes: `FingerprintCat64`.
pub(super) fn cat(a: u64, b: u64) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let shift_mix = |value: u64| value ^ value >> 47;
    let mixed = shift_mix(b.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    let joined = (a ^ FACTOR ^ mixed).wrapping_mul(FACTOR);
    shift_mix(shift_mix(joined).wrapping_mul(FACTOR))
}

/// Of the signatures, sorted by key.
pub(super) fn signature_def_hash(signatures: &BTreeMap<String, pb::SignatureDef>) -> u64 {
    signatures.iter().fold(0, |hash, (key, signature)| {
        let hash = cat(hash, fingerprint64(key.as_bytes()));
        cat(hash, fingerprint64(&deterministic_bytes(signature)))
    })
}

/// Of the concrete functions, in the order in which they were made, without the numbers that say it.
///
/// TensorFlow makes no fingerprint where a function has no number; here it counts as the first.
pub(super) fn saved_object_graph_hash(objects: Option<&pb::SavedObjectGraph>) -> u64 {
    let mut functions: Vec<_> =
        objects.iter().flat_map(|objects| &objects.concrete_functions).collect();
    functions.sort_by_key(|(name, _)| number_of(name));
    functions.into_iter().fold(0, |hash, (name, function)| {
        let hash = cat(hash, fingerprint64(without_number(name).as_bytes()));
        cat(hash, fingerprint64(&deterministic_bytes(function)))
    })
}

/// The number of an export at the end of a function's name, behind an underscore.
pub(super) fn number_of(name: &str) -> Option<i64> {
    name.rsplit('_').next()?.parse().ok()
}

/// The name of a function as far as the number of an export.
pub(super) fn without_number(name: &str) -> &str {
    let digits = number_of(name).map(|number| number.to_string()).unwrap_or_default();
    name.strip_suffix(&*digits).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_the_number_at_their_end() {
        for (name, number, rest) in [
            ("__inference_f_12", Some(12), "__inference_f_"),
            ("f_007", Some(7), "f_00"),
            ("f", None, "f"),
            ("f_1x", None, "f_1x"),
            ("12", Some(12), ""),
        ] {
            assert_eq!((number_of(name), without_number(name)), (number, rest), "{name}");
        }
    }
}
