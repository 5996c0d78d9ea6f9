//! SavedModels whose functions stay as they are stored.
//!
//! Decoded, a function takes some twelve times the bytes of the file, and most of a model's functions are
//! never called: those that save, that restore, that trained it. [`decode`] leaves each one a view of the
//! file's bytes, which are checked, so that decoding one of them later cannot fail.
//!
//! ```
//! use flowkeep_proto::prost::Message;
//! use flowkeep_proto::{pb, stored, text};
//!
//! let model: pb::SavedModel = text::parse_message(
//!     "meta_graphs { graph_def { library { function { signature { name: 'f' } } } } }",
//! )?;
//! let found = stored::decode(model.encode_to_vec().into())?;
//! assert_eq!(found.functions[0][0].name(), "f");
//! assert_eq!(found.decoded(), model);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::{DecodeError, Message};

use crate::pb;

mod check;
mod outline;

pub use self::outline::outline;

/// A SavedModel, and apart from it the functions of its graphs.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The message; its libraries are there, but hold no functions.
    pub def: pb::SavedModel,
    /// The functions of each MetaGraph, in order.
    pub functions: Vec<Vec<Function>>,
}

/// A function as it is stored: a message [`pb::FunctionDef`] that was checked to decode.
#[derive(Clone, Debug, PartialEq)]
pub struct Function(Bytes);

/// Decodes a SavedModel but for its functions, which are views of `bytes`.
///
/// Errors: as of decoding all of it.
pub fn decode(bytes: Bytes) -> Result<Stored, DecodeError> {
    let model = SavedModel::decode(bytes)?;
    let mut functions = Vec::with_capacity(model.meta_graphs.len());
    let mut meta_graphs = Vec::with_capacity(model.meta_graphs.len());
    for meta_graph in model.meta_graphs {
        let (mut def, graph) = meta_graph.into_parts();
        let graph = graph.map(GraphDef::decode).transpose()?;
        let (graph, stored) = graph.map(GraphDef::into_parts).unzip();
        def.graph_def = graph;
        meta_graphs.push(def);
        let stored: Vec<Bytes> = stored.unwrap_or_default();
        functions.push(stored.into_iter().map(Function::new).collect::<Result<_, _>>()?);
    }
    let saved_model_schema_version = model.saved_model_schema_version;
    Ok(Stored { def: pb::SavedModel { saved_model_schema_version, meta_graphs }, functions })
}

impl Function {
    /// The function of a message; a view of `bytes`.
    ///
    /// Errors: as of decoding it.
    pub fn new(bytes: Bytes) -> Result<Function, DecodeError> {
        if !check::is_function(&bytes) {
            // The reason, unless it is a form that the check leaves to the decoder.
            pb::FunctionDef::decode(bytes.clone())?;
        }
        Ok(Function(bytes))
    }

    /// The bytes of the message.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The message; texts of attributes and contents of tensors are views of the stored bytes.
    pub fn decoded(&self) -> pb::FunctionDef {
        self.decode_as()
    }

    /// The name, which its signature has.
    pub fn name(&self) -> String {
        self.decode_as::<Named>().signature.unwrap_or_default().name
    }

    /// The signature, if there is one.
    pub fn signature(&self) -> Option<pb::OpDef> {
        self.decode_as::<Signed>().signature
    }

    /// The attributes of the function itself.
    pub fn attr(&self) -> BTreeMap<String, pb::AttrValue> {
        self.decode_as::<Attributed>().attr
    }

    /// What makes the body, with the nodes still stored.
    pub fn body(&self) -> Body {
        self.decode_as()
    }

    /// The message, or what `M` has of it.
    fn decode_as<M: Message + Default>(&self) -> M {
        // It was checked.
        M::decode(self.0.clone()).unwrap_or_default()
    }
}

impl Stored {
    /// The message with its functions, decoded.
    pub fn decoded(self) -> pb::SavedModel {
        let mut def = self.def;
        for (meta_graph, functions) in def.meta_graphs.iter_mut().zip(self.functions) {
            let graph = meta_graph.graph_def.as_mut();
            if let Some(library) = graph.and_then(|graph| graph.library.as_mut()) {
                library.function.extend(functions.iter().map(Function::decoded));
            }
        }
        def
    }
}

/// A [`pb::FunctionDef`] without signature and attributes, whose nodes are as they are stored.
#[derive(Clone, PartialEq, Message)]
pub struct Body {
    /// Messages [`pb::NodeDef`]; those of a checked function decode.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub node_def: Vec<Bytes>,
    /// Body tensor of each output argument.
    #[prost(btree_map = "string, string", tag = "4")]
    pub ret: BTreeMap<String, String>,
    /// Body node of each control output.
    #[prost(btree_map = "string, string", tag = "6")]
    pub control_ret: BTreeMap<String, String>,
    /// Attributes of input arguments, by position.
    #[prost(btree_map = "uint32, message", tag = "7")]
    pub arg_attr: BTreeMap<u32, pb::function_def::ArgAttrs>,
}

/// As [`pb::SavedModel`].
#[derive(Clone, PartialEq, Message)]
struct SavedModel {
    #[prost(int64, tag = "1")]
    saved_model_schema_version: i64,
    #[prost(message, repeated, tag = "2")]
    meta_graphs: Vec<MetaGraphDef>,
}

/// As [`pb::MetaGraphDef`], but that the graph is bytes.
#[derive(Clone, PartialEq, Message)]
struct MetaGraphDef {
    #[prost(message, optional, tag = "1")]
    meta_info_def: Option<pb::meta_graph_def::MetaInfoDef>,
    /// Each time that the field is there.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    graph_def: Vec<Bytes>,
    #[prost(message, optional, tag = "3")]
    saver_def: Option<pb::SaverDef>,
    #[prost(btree_map = "string, message", tag = "4")]
    collection_def: BTreeMap<String, pb::CollectionDef>,
    #[prost(btree_map = "string, message", tag = "5")]
    signature_def: BTreeMap<String, pb::SignatureDef>,
    #[prost(message, repeated, tag = "6")]
    asset_file_def: Vec<pb::AssetFileDef>,
    #[prost(message, optional, tag = "7")]
    object_graph_def: Option<pb::SavedObjectGraph>,
}

/// As [`pb::GraphDef`].
#[derive(Clone, PartialEq, Message)]
struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    node: Vec<pb::NodeDef>,
    #[prost(message, optional, tag = "2")]
    library: Option<FunctionDefLibrary>,
    #[prost(int32, tag = "3")]
    version: i32,
    #[prost(message, optional, tag = "4")]
    versions: Option<pb::VersionDef>,
    #[prost(message, optional, tag = "5")]
    debug_info: Option<pb::GraphDebugInfo>,
}

/// As [`pb::FunctionDefLibrary`], but that functions are bytes.
#[derive(Clone, PartialEq, Message)]
struct FunctionDefLibrary {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    function: Vec<Bytes>,
    #[prost(message, repeated, tag = "2")]
    gradient: Vec<pb::GradientDef>,
    #[prost(message, repeated, tag = "3")]
    registered_gradients: Vec<pb::RegisteredGradient>,
}

/// The name of a [`pb::FunctionDef`].
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(message, optional, tag = "1")]
    signature: Option<Name>,
}

/// The name of a [`pb::OpDef`].
#[derive(Clone, PartialEq, Message)]
struct Name {
    #[prost(string, tag = "1")]
    name: String,
}

/// The signature of a [`pb::FunctionDef`].
#[derive(Clone, PartialEq, Message)]
struct Signed {
    #[prost(message, optional, tag = "1")]
    signature: Option<pb::OpDef>,
}

/// The attributes of a [`pb::FunctionDef`].
#[derive(Clone, PartialEq, Message)]
struct Attributed {
    #[prost(btree_map = "string, message", tag = "5")]
    attr: BTreeMap<String, pb::AttrValue>,
}

impl MetaGraphDef {
    /// The message without its graph, and the graph.
    fn into_parts(mut self) -> (pb::MetaGraphDef, Option<Bytes>) {
        // Objects are kept as long as the model, and have grown with room for as many again.
        if let Some(objects) = &mut self.object_graph_def {
            objects.nodes.shrink_to_fit();
        }
        let def = pb::MetaGraphDef {
            meta_info_def: self.meta_info_def,
            graph_def: None,
            saver_def: self.saver_def,
            collection_def: self.collection_def,
            signature_def: self.signature_def,
            asset_file_def: self.asset_file_def,
            object_graph_def: self.object_graph_def,
        };
        // A field that is there several times is one message, whose bytes are theirs in order.
        let graph = match self.graph_def.len() {
            0 | 1 => self.graph_def.pop(),
            _ => Some(self.graph_def.concat().into()),
        };
        (def, graph)
    }
}

impl GraphDef {
    fn into_parts(self) -> (pb::GraphDef, Vec<Bytes>) {
        let (library, functions) = self.library.map(FunctionDefLibrary::into_parts).unzip();
        #[expect(deprecated, reason = "the field is kept as it was read")]
        let def = pb::GraphDef {
            node: self.node,
            library,
            version: self.version,
            versions: self.versions,
            debug_info: self.debug_info,
        };
        (def, functions.unwrap_or_default())
    }
}

impl FunctionDefLibrary {
    fn into_parts(self) -> (pb::FunctionDefLibrary, Vec<Bytes>) {
        let FunctionDefLibrary { function, gradient, registered_gradients } = self;
        (pb::FunctionDefLibrary { function: Vec::new(), gradient, registered_gradients }, function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse_message;

    fn model() -> pb::SavedModel {
        parse_message(
            "saved_model_schema_version: 1
             meta_graphs { meta_info_def { tags: 'serve' stripped_op_list { op { name: 'X' } } }
               graph_def { node { name: 'a' op: 'Const' } versions { producer: 5 } version: 3 debug_info { files: 'x.py' }
                 library { function { signature { name: 'f' } node_def { name: 'n' op: 'NoOp' } attr { key: 'a' value { i: 1 } } ret { key: 'y' value: 'n' }
                     control_ret { key: 'c' value: 'n' } arg_attr { key: 0 value { attr { key: 'b' value { b: true } } } } } function { signature { name: 'g' } }
                   gradient { function_name: 'f' gradient_func: 'g' } registered_gradients { gradient_func: 'g' registered_op_type: 'X' } } }
               saver_def { max_to_keep: 5 } collection_def { key: 'c' value { node_list { value: 'a' } } }
               signature_def { key: 's' value { method_name: 'm' } } asset_file_def { filename: 'v.txt' }
               object_graph_def { nodes { user_object { identifier: 'i' } } concrete_functions { key: 'f' value { bound_inputs: 1 } } } }
             meta_graphs { graph_def { library { } } }
             meta_graphs { }",
        )
        .unwrap()
    }

    #[test]
    fn nothing_is_lost() {
        let model = model();
        let stored = decode(model.encode_to_vec().into()).unwrap();
        assert_eq!(stored.functions.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 0]);
        let mut rest = model.clone();
        let library = |model: &mut pb::SavedModel, idx: usize| {
            model.meta_graphs[idx].graph_def.as_mut().unwrap().library.as_mut().unwrap().clone()
        };
        for (function, def) in stored.functions[0].iter().zip(&library(&mut rest, 0).function) {
            assert_eq!(*function.as_bytes(), def.encode_to_vec());
            assert_eq!(function.decoded(), *def);
            assert_eq!(
                (function.signature(), function.attr()),
                (def.signature.clone(), def.attr.clone())
            );
            let body = function.body();
            assert_eq!(
                (body.ret, body.control_ret, body.arg_attr),
                (def.ret.clone(), def.control_ret.clone(), def.arg_attr.clone())
            );
            let nodes = body.node_def.into_iter().map(|node| pb::NodeDef::decode(node).unwrap());
            assert_eq!(nodes.collect::<Vec<_>>(), def.node_def);
            assert_eq!(function.name(), def.signature.as_ref().unwrap().name);
        }
        let graph = rest.meta_graphs[0].graph_def.as_mut().unwrap();
        graph.library.as_mut().unwrap().function.clear();
        assert_eq!(stored.def, rest);
        assert_eq!(stored.decoded(), model);
    }

    #[test]
    fn functions_of_a_library_in_parts_stay_in_order() {
        let part = |name: &str| {
            let text = format!(
                "meta_graphs {{ graph_def {{ library {{ function {{ signature {{ name: '{name}' }} }} }} }} }}"
            );
            let model: pb::SavedModel = parse_message(text).unwrap();
            model.meta_graphs[0].encode_to_vec()
        };
        // Twice the same field of one message: its parts are put together.
        let both = [part("f"), part("g")].concat();
        let mut bytes = vec![0x12];
        prost::encoding::encode_varint(both.len() as u64, &mut bytes);
        bytes.extend(both);
        let whole = pb::SavedModel::decode(&bytes[..]).unwrap();
        let stored = decode(bytes.into()).unwrap();
        assert_eq!(stored.functions[0].len(), 2);
        assert_eq!(stored.decoded(), whole);
    }

    #[test]
    fn whatever_is_no_model_is_refused() {
        let bytes = model().encode_to_vec();
        for at in 0..bytes.len() {
            for change in [0x80, 0x01, 0x04] {
                let mut bytes = bytes.clone();
                bytes[at] ^= change;
                let whole = pb::SavedModel::decode(&bytes[..]);
                let stored = decode(bytes.into());
                assert_eq!(whole.is_ok(), stored.is_ok(), "byte {at}");
                if let (Ok(whole), Ok(stored)) = (whole, stored) {
                    assert_eq!(stored.decoded(), whole, "byte {at}");
                }
            }
        }
    }
}
