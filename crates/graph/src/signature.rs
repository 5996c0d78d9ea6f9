use std::collections::BTreeMap;

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, PartialShape, REF_OFFSET};

use crate::{Error, PortType, TensorAttr};

/// Named inputs and outputs of a graph, for a purpose that the method's name tells.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Signature {
    /// Inputs by key.
    pub inputs: BTreeMap<String, TensorInfo>,
    /// Outputs by key.
    pub outputs: BTreeMap<String, TensorInfo>,
    /// The kind of the signature, such as `tensorflow/serving/predict`.
    pub method_name: String,
    /// Values of inputs that a caller may leave out, by key.
    pub defaults: BTreeMap<String, TensorAttr>,
}

/// Where a value of a signature is in the graph, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// The tensor, or the tensors that make up the value.
    pub encoding: Encoding,
    /// The element type, a reference for reference variables; `None` when none is given, as where
    /// the name is that of an op.
    pub dtype: Option<PortType>,
    /// The shape, of a sparse tensor the dense one. A shape that is not given counts as a scalar's.
    pub shape: PartialShape,
}

/// The tensors that make up a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoding {
    /// Nothing is named.
    Missing,
    /// A dense tensor `node:0`, or an op.
    Dense(String),
    /// A sparse tensor.
    CooSparse {
        /// The tensor of the values.
        values: String,
        /// The tensor of the indices.
        indices: String,
        /// The tensor of the dense shape.
        dense_shape: String,
    },
    /// Any other composite.
    Composite {
        /// What the composite is.
        type_spec: Option<Box<pb::TypeSpecProto>>,
        /// Its tensors, in the order that its specification defines.
        components: Vec<TensorInfo>,
    },
}

impl Signature {
    /// The signature of a message.
    ///
    /// Errors: `INVALID_ARGUMENT` for shapes and types that do not exist.
    pub fn from_proto(def: pb::SignatureDef) -> Result<Signature, Error> {
        let infos = |map: BTreeMap<String, pb::TensorInfo>| {
            map.into_iter()
                .map(|(key, info)| TensorInfo::from_proto(info).map(|info| (key, info)))
                .collect::<Result<BTreeMap<_, _>, Error>>()
        };
        Ok(Signature {
            inputs: infos(def.inputs)?,
            outputs: infos(def.outputs)?,
            method_name: def.method_name,
            defaults: def.defaults.into_iter().map(|(key, tensor)| (key, tensor.into())).collect(),
        })
    }

    /// The signature in the form of a message.
    pub fn to_proto(&self) -> pb::SignatureDef {
        let infos = |map: &BTreeMap<String, TensorInfo>| {
            map.iter().map(|(key, info)| (key.clone(), info.to_proto())).collect()
        };
        pb::SignatureDef {
            inputs: infos(&self.inputs),
            outputs: infos(&self.outputs),
            method_name: self.method_name.clone(),
            defaults: self
                .defaults
                .iter()
                .map(|(key, tensor)| (key.clone(), tensor.proto().clone()))
                .collect(),
        }
    }
}

impl TensorInfo {
    /// The description of a message.
    ///
    /// Errors: `INVALID_ARGUMENT` for shapes and types that do not exist.
    pub fn from_proto(info: pb::TensorInfo) -> Result<TensorInfo, Error> {
        let bad = |error: flowkeep_tensor::Error| Error::MetaGraph(format!("TensorInfo: {error}"));
        let dtype = match info.dtype {
            0 => None,
            number => Some(PortType {
                dtype: DType::from_number(number).map_err(bad)?,
                is_ref: number > REF_OFFSET,
            }),
        };
        let shape = info.tensor_shape.unwrap_or_default();
        let encoding = match info.encoding {
            None => Encoding::Missing,
            Some(pb::tensor_info::Encoding::Name(name)) => Encoding::Dense(name),
            Some(pb::tensor_info::Encoding::CooSparse(sparse)) => Encoding::CooSparse {
                values: sparse.values_tensor_name,
                indices: sparse.indices_tensor_name,
                dense_shape: sparse.dense_shape_tensor_name,
            },
            Some(pb::tensor_info::Encoding::CompositeTensor(composite)) => Encoding::Composite {
                type_spec: composite.type_spec.map(Box::new),
                components: composite
                    .components
                    .into_iter()
                    .map(TensorInfo::from_proto)
                    .collect::<Result<_, _>>()?,
            },
        };
        Ok(TensorInfo { encoding, dtype, shape: PartialShape::from_proto(&shape).map_err(bad)? })
    }

    /// The description in the form of a message.
    pub fn to_proto(&self) -> pb::TensorInfo {
        use pb::tensor_info::{CompositeTensor, CooSparse, Encoding as Wire};
        let encoding = match &self.encoding {
            Encoding::Missing => None,
            Encoding::Dense(name) => Some(Wire::Name(name.clone())),
            Encoding::CooSparse { values, indices, dense_shape } => {
                Some(Wire::CooSparse(CooSparse {
                    values_tensor_name: values.clone(),
                    indices_tensor_name: indices.clone(),
                    dense_shape_tensor_name: dense_shape.clone(),
                }))
            }
            Encoding::Composite { type_spec, components } => {
                Some(Wire::CompositeTensor(CompositeTensor {
                    type_spec: type_spec.as_deref().cloned(),
                    components: components.iter().map(TensorInfo::to_proto).collect(),
                }))
            }
        };
        let number =
            |port: PortType| port.dtype.number() + if port.is_ref { REF_OFFSET } else { 0 };
        // A composite has its shape in its specification.
        let is_given = !matches!(self.encoding, Encoding::Composite { .. })
            || self.shape.dims().is_none_or(|dims| !dims.is_empty());
        pb::TensorInfo {
            dtype: self.dtype.map_or(0, number),
            tensor_shape: is_given.then(|| self.shape.to_proto()),
            encoding,
        }
    }

    /// The data type of the values; `None` when none is given.
    pub fn dtype(&self) -> Option<DType> {
        self.dtype.map(|port| port.dtype)
    }

    /// The name of the dense tensor or op, if this is one.
    pub fn name(&self) -> Option<&str> {
        if let Encoding::Dense(name) = &self.encoding { Some(name) } else { None }
    }

    /// The names of all tensors that make up the value, in order.
    pub fn tensor_names(&self) -> Vec<&str> {
        match &self.encoding {
            Encoding::Missing => Vec::new(),
            Encoding::Dense(name) => vec![name],
            Encoding::CooSparse { values, indices, dense_shape } => {
                vec![values, indices, dense_shape]
            }
            Encoding::Composite { components, .. } => {
                components.iter().flat_map(TensorInfo::tensor_names).collect()
            }
        }
    }
}
