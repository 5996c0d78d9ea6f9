//! TensorFlow's string ops: tensors of byte strings, joined, cut, matched and read.
//!
//! Strings are bytes; only where an op says so are they characters of UTF-8.

mod as_string;
mod farmhash;
mod hash;
mod join;
mod number;
mod printf;
mod re2;
mod regex;
mod split;
mod substr;
mod summary;
mod text;

use flowkeep_tensor::DType;

pub use self::farmhash::fingerprint64;

use crate::kernel::{OpRegistration, TypeConstraint, op};
use crate::ops::dispatch::INDICES;

const READABLE: &[TypeConstraint] =
    &[("out_type", &[DType::F32, DType::F64, DType::I32, DType::I64, DType::U32, DType::U64])];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("AsString").cpu(as_string::as_string),
    op("Assert").cpu(summary::assert).cheap(),
    op("ReduceJoin").cpu(join::reduce_join),
    op("RegexFullMatch").cpu(regex::regex_full_match),
    op("RegexReplace").cpu(regex::regex_replace),
    op("StaticRegexFullMatch").cpu(regex::static_regex_full_match),
    op("StaticRegexReplace").cpu(regex::static_regex_replace),
    op("StringJoin").cpu(join::string_join),
    op("StringLength").cpu(text::string_length),
    op("StringLower").cpu(text::string_lower),
    op("StringSplit").cpu(split::string_split),
    op("StringSplitV2").cpu(split::string_split_v2),
    op("StringStrip").cpu(text::string_strip),
    op("StringToHashBucket").cpu(hash::legacy),
    op("StringToHashBucketFast").cpu(hash::fast),
    op("StringToHashBucketStrong").cpu(hash::strong),
    op("StringToNumber").types(READABLE).cpu(number::string_to_number),
    op("StringUpper").cpu(text::string_upper),
    op("Substr").types(&[("T", INDICES)]).cpu(substr::substr),
];
