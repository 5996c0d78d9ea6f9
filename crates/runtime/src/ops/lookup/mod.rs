//! TensorFlow's lookup ops: hash tables.

mod access;
mod column;
mod entries;
mod initialize;
mod make;
mod table;
mod text_file;
mod vocab_remapping;

use flowkeep_tensor::DType;

use crate::kernel::{FileUse, OpRegistration, TypeConstraint, op};

/// The types that tables can hold.
const TABLE: &[TypeConstraint] = &[
    ("key_dtype", &[DType::I32, DType::I64, DType::String]),
    ("value_dtype", &[DType::Bool, DType::F32, DType::F64, DType::I32, DType::I64, DType::String]),
];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("GenerateVocabRemapping")
        .cpu(vocab_remapping::generate_vocab_remapping)
        .files(FileUse::Read),
    op("HashTable").types(TABLE).cpu(make::hash_table).stateful().cheap(),
    op("HashTableV2").types(TABLE).cpu(make::hash_table).stateful().cheap(),
    op("InitializeTable").cpu(initialize::initialize_table),
    op("InitializeTableFromTextFile")
        .cpu(text_file::initialize_from_text_file)
        .files(FileUse::Read),
    op("InitializeTableFromTextFileV2")
        .cpu(text_file::initialize_from_text_file)
        .files(FileUse::Read),
    op("InitializeTableV2").cpu(initialize::initialize_table),
    op("LookupTableExport").cpu(access::export),
    op("LookupTableExportV2").cpu(access::export),
    op("LookupTableFind").cpu(access::find),
    op("LookupTableFindV2").cpu(access::find),
    op("LookupTableImport").cpu(initialize::import),
    op("LookupTableImportV2").cpu(initialize::import),
    op("LookupTableInsert").cpu(access::insert),
    op("LookupTableInsertV2").cpu(access::insert),
    op("LookupTableRemoveV2").cpu(access::remove),
    op("LookupTableSize").cpu(access::size).cheap(),
    op("LookupTableSizeV2").cpu(access::size).cheap(),
    op("MutableHashTable").types(TABLE).cpu(make::mutable_hash_table).stateful().cheap(),
    op("MutableHashTableOfTensors").types(TABLE).cpu(make::mutable_of_tensors).stateful().cheap(),
    op("MutableHashTableOfTensorsV2").types(TABLE).cpu(make::mutable_of_tensors).stateful().cheap(),
    op("MutableHashTableV2").types(TABLE).cpu(make::mutable_hash_table).stateful().cheap(),
];
