//! What commands found out, as plain data that renders to text or JSON.

mod functions;
mod ops;
mod structured;

use std::collections::{BTreeMap, BTreeSet};

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, REF_OFFSET};
use serde::Serialize;

pub(crate) use functions::{Argument, Function, Functions, TraceOption};

/// A MetaGraph: its tags, signatures and ops.
#[derive(Debug, Serialize)]
pub(crate) struct MetaGraph {
    pub(crate) tags: Vec<String>,
    pub(crate) signatures: BTreeMap<String, Signature>,
    pub(crate) ops: BTreeSet<String>,
}

/// A signature: inputs and outputs by key.
#[derive(Debug, Serialize)]
pub(crate) struct Signature {
    pub(crate) inputs: BTreeMap<String, TensorInfo>,
    pub(crate) outputs: BTreeMap<String, TensorInfo>,
    pub(crate) method_name: String,
}

/// An input or output: type, shape (`None` when the rank is unknown, -1 for unknown dimensions), tensor.
#[derive(Debug, Serialize)]
pub(crate) struct TensorInfo {
    pub(crate) dtype: String,
    pub(crate) shape: Option<Vec<i64>>,
    pub(crate) name: String,
}

impl MetaGraph {
    pub(crate) fn new(def: &pb::MetaGraphDef) -> MetaGraph {
        MetaGraph {
            tags: tags(def).to_vec(),
            signatures: def
                .signature_def
                .iter()
                .map(|(key, def)| (key.clone(), Signature::new(def)))
                .collect(),
            ops: ops_used(def),
        }
    }
}

impl Signature {
    pub(crate) fn new(def: &pb::SignatureDef) -> Signature {
        let infos = |infos: &BTreeMap<String, pb::TensorInfo>| {
            infos.iter().map(|(key, info)| (key.clone(), TensorInfo::new(info))).collect()
        };
        Signature {
            inputs: infos(&def.inputs),
            outputs: infos(&def.outputs),
            method_name: def.method_name.clone(),
        }
    }
}

impl TensorInfo {
    fn new(info: &pb::TensorInfo) -> TensorInfo {
        let shape = match &info.tensor_shape {
            Some(shape) if shape.unknown_rank => None,
            Some(shape) => Some(shape.dim.iter().map(|dim| dim.size).collect()),
            None => Some(Vec::new()),
        };
        let name = match &info.encoding {
            Some(pb::tensor_info::Encoding::Name(name)) => name.clone(),
            _ => String::new(),
        };
        TensorInfo { dtype: dtype_name(info.dtype), shape, name }
    }
}

/// The tags of a MetaGraph in their stored order.
pub(crate) fn tags(def: &pb::MetaGraphDef) -> &[String] {
    def.meta_info_def.as_ref().map(|info| &info.tags[..]).unwrap_or_default()
}

/// The ops of a MetaGraph's graph, and of the functions that it calls directly.
pub(crate) fn ops_used(def: &pb::MetaGraphDef) -> BTreeSet<String> {
    def.graph_def.as_ref().map(ops::used).unwrap_or_default()
}

/// The name of the wire enum's value, `DT_FLOAT_REF` for a reference.
fn dtype_name(number: i32) -> String {
    match DType::from_number(number) {
        Ok(dtype) if number > REF_OFFSET => format!("{}_REF", dtype.proto_name()),
        Ok(dtype) => dtype.proto_name().into(),
        Err(_) if number == 0 => "DT_INVALID".into(),
        Err(_) => number.to_string(),
    }
}
