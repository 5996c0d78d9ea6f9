//! Whether bytes are a function or a node, without decoding it: records, lengths and texts are looked at, nothing is
//! kept.

/// Messages nest at most this deep, fewer than a decoder allows.
const MAX_DEPTH: usize = 90;

/// The messages that functions are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    ArgAttrs,
    ArgDef,
    AttrDef,
    AttrValue,
    DebugInfo,
    Dim,
    DtypeAndShape,
    FullType,
    Function,
    Handle,
    List,
    NameAttrList,
    Node,
    Op,
    OpDeprecation,
    Shape,
    Tensor,
    Variant,
    /// Entries of maps, by their keys and values.
    NumberToArgAttrs,
    NumberToNumber,
    TextToAttr,
    TextToText,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Varint,
    Bits32,
    /// Any number of them, one in a record or all in one.
    Varints,
    Bits32s,
    Bits64s,
    Bytes,
    /// UTF-8.
    Text,
    Of(Message),
}

/// What a field holds; `None` for one that the message does not have.
fn kind(message: Message, number: u32) -> Option<Kind> {
    use Kind::*;
    use Message::*;
    Some(match (message, number) {
        (Function, 1) => Of(Op),
        (Function, 3) => Of(Node),
        (Function, 4 | 6) => Of(TextToText),
        (Function, 5) => Of(TextToAttr),
        (Function, 7) => Of(NumberToArgAttrs),
        (Function, 8) => Of(NumberToNumber),
        (ArgAttrs, 1) => Of(TextToAttr),

        (Node, 1..=4) => Text,
        (Node, 5) => Of(TextToAttr),
        (Node, 6) => Of(DebugInfo),
        (Node, 7) => Of(FullType),
        (DebugInfo, 1 | 2) => Text,

        (Op, 1 | 5 | 6 | 20) => Text,
        (Op, 2 | 3) => Of(ArgDef),
        (Op, 4) => Of(AttrDef),
        (Op, 8) => Of(OpDeprecation),
        (Op, 16..=19 | 21) => Varint,
        (OpDeprecation, 1) => Varint,
        (OpDeprecation, 2) => Text,
        (ArgDef, 1 | 2 | 4..=6) => Text,
        (ArgDef, 3 | 16) => Varint,
        (ArgDef, 7) => Of(DtypeAndShape),
        (ArgDef, 17) => Of(FullType),
        (AttrDef, 1 | 2 | 4) => Text,
        (AttrDef, 3 | 7) => Of(AttrValue),
        (AttrDef, 5 | 6) => Varint,

        (AttrValue, 1) => Of(List),
        (AttrValue, 2) => Bytes,
        (AttrValue, 3 | 5 | 6) => Varint,
        (AttrValue, 4) => Bits32,
        (AttrValue, 7) => Of(Shape),
        (AttrValue, 8) => Of(Tensor),
        (AttrValue, 9) => Text,
        (AttrValue, 10) => Of(NameAttrList),
        (List, 2) => Bytes,
        (List, 3 | 5 | 6) => Varints,
        (List, 4) => Bits32s,
        (List, 7) => Of(Shape),
        (List, 8) => Of(Tensor),
        (List, 9) => Of(NameAttrList),
        (NameAttrList, 1) => Text,
        (NameAttrList, 2) => Of(TextToAttr),

        (Tensor, 1 | 3) => Varint,
        (Tensor, 2) => Of(Shape),
        (Tensor, 4 | 8 | 18) => Bytes,
        (Tensor, 5 | 9) => Bits32s,
        (Tensor, 6 | 12) => Bits64s,
        (Tensor, 7 | 10 | 11 | 13 | 16 | 17) => Varints,
        (Tensor, 14) => Of(Handle),
        (Tensor, 15) => Of(Variant),
        (Shape, 2) => Of(Dim),
        (Shape, 3) => Varint,
        (Dim, 1) => Varint,
        (Dim, 2) => Text,
        (Handle, 1..=3 | 5) => Text,
        (Handle, 4) => Varint,
        (Handle, 6) => Of(DtypeAndShape),
        (DtypeAndShape, 1) => Varint,
        (DtypeAndShape, 2) => Of(Shape),
        (Variant, 1) => Text,
        (Variant, 2) => Bytes,
        (Variant, 3) => Of(Tensor),
        (FullType, 1 | 4) => Varint,
        (FullType, 2) => Of(FullType),
        (FullType, 3) => Text,

        (NumberToArgAttrs | NumberToNumber, 1) | (NumberToNumber, 2) => Varint,
        (NumberToArgAttrs, 2) => Of(ArgAttrs),
        (TextToAttr | TextToText, 1) | (TextToText, 2) => Text,
        (TextToAttr, 2) => Of(AttrValue),
        _ => return None,
    })
}

/// Whether the bytes are a function beyond doubt: what is said no to may yet be one, in a form that nobody
/// writes.
pub(super) fn is_function(bytes: &[u8]) -> bool {
    is_message(Message::Function, bytes, 0).is_some()
}

/// Whether the bytes are a node, as of [`is_function`].
pub(super) fn is_node(bytes: &[u8]) -> bool {
    is_message(Message::Node, bytes, 0).is_some()
}

fn is_message(message: Message, mut rest: &[u8], depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let key = u32::try_from(key).ok().filter(|key| key >> 3 != 0)?;
        match (key & 7, kind(message, key >> 3)) {
            (0, None | Some(Kind::Varint | Kind::Varints)) => {
                varint(&mut rest)?;
            }
            (1, None | Some(Kind::Bits64s)) => {
                rest.split_off(..8)?;
            }
            (5, None | Some(Kind::Bits32 | Kind::Bits32s)) => {
                rest.split_off(..4)?;
            }
            (2, kind) => {
                let len = usize::try_from(varint(&mut rest)?).ok()?;
                let bytes = rest.split_off(..len)?;
                match kind {
                    None | Some(Kind::Bytes) => {}
                    Some(Kind::Text) => {
                        std::str::from_utf8(bytes).ok()?;
                    }
                    Some(Kind::Of(message)) => is_message(message, bytes, depth + 1)?,
                    Some(Kind::Varints) => varints(bytes)?,
                    Some(Kind::Bits32s) if len.is_multiple_of(4) => {}
                    Some(Kind::Bits64s) if len.is_multiple_of(8) => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    Some(())
}

fn varints(mut rest: &[u8]) -> Option<()> {
    while !rest.is_empty() {
        varint(&mut rest)?;
    }
    Some(())
}

/// Takes a number off the front; `None` if it ends too late.
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    // The tenth byte holds the last bit.
    let byte = *rest.split_off_first()?;
    (byte < 2).then(|| value | u64::from(byte) << 63)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message as _;
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::*;
    use crate::pb;

    fn add<'a>(
        found: &mut BTreeMap<String, &'a DescriptorProto>,
        scope: &str,
        def: &'a DescriptorProto,
    ) {
        let name = format!("{scope}.{}", def.name());
        def.nested_type.iter().for_each(|nested| add(found, &name, nested));
        found.insert(name, def);
    }

    #[test]
    fn every_field_of_every_message_is_known_as_it_is_declared() {
        let set = FileDescriptorSet::decode(&include_bytes!("../gen/descriptors.bin")[..]).unwrap();
        let mut declared = BTreeMap::new();
        for file in &set.file {
            let scope = format!(".{}", file.package());
            file.message_type.iter().for_each(|def| add(&mut declared, &scope, def));
        }
        let mut todo = vec![(Message::Function, ".tensorflow.FunctionDef".to_owned())];
        let mut seen = Vec::new();
        while let Some((message, name)) = todo.pop() {
            if seen.contains(&(message, name.clone())) {
                continue;
            }
            let def = declared[&name];
            let numbers = def.field.iter().map(|field| field.number() as u32).collect::<Vec<_>>();
            for number in (0..64).filter(|number| !numbers.contains(number)) {
                assert_eq!(kind(message, number), None, "{name} has no field {number}");
            }
            for field in &def.field {
                let is_repeated = field.label() == Label::Repeated;
                let expected = match (field.r#type(), is_repeated) {
                    (Type::Message, _) => {
                        let Some(Kind::Of(inner)) = kind(message, field.number() as u32) else {
                            panic!("{name}.{} is a message", field.name());
                        };
                        todo.push((inner, field.type_name().to_owned()));
                        continue;
                    }
                    (Type::String, _) => Kind::Text,
                    (Type::Bytes, _) => Kind::Bytes,
                    (Type::Float, false) => Kind::Bits32,
                    (Type::Float, true) => Kind::Bits32s,
                    (Type::Double, true) => Kind::Bits64s,
                    (_, false) => Kind::Varint,
                    (_, true) => Kind::Varints,
                };
                let got = kind(message, field.number() as u32);
                assert_eq!(got, Some(expected), "{name}.{}", field.name());
            }
            seen.push((message, name));
        }
        // Each stands for one message, but that entries of maps are told apart by what they hold.
        assert!(seen.len() > 20);
    }

    #[test]
    fn what_passes_decodes_and_what_is_written_passes() {
        let def: pb::FunctionDef = crate::text::parse_message(
            "signature { name: 'f' input_arg { name: 'x' type: DT_FLOAT handle_data { dtype: DT_INT32 shape { dim { size: 3 } } } }
               attr { name: 'T' type: 'type' allowed_values { list { type: [DT_FLOAT, DT_HALF] } } } is_stateful: true
               deprecation { version: 3 explanation: 'gone' } control_output: 'c' }
             node_def { name: 'n' op: 'Const' input: ['x', '^c'] device: '/cpu:0'
               attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 name: 'b' } } float_val: [1, 2]
                 double_val: 1 int_val: [1, -1] string_val: 'ä' int64_val: -1 resource_handle_val { name: 'r' hash_code: 7 }
                 variant_val { type_name: 'v' tensors { int_val: 1 } } } } }
               attr { key: 'g' value { func { name: 'g' attr { key: 'f' value { f: 0.5 } } } } }
               attr { key: 'l' value { list { i: [1, 200] f: [1, 2] b: [true] s: 'x' shape { unknown_rank: true } func { name: 'h' } } } }
               experimental_debug_info { original_node_names: 'o' }
               experimental_type { type_id: TFT_TENSOR args { s: 't' } args { i: 5 } } }
             ret { key: 'y' value: 'n:output:0' } control_ret { key: 'c' value: 'n' }
             attr { key: '_a' value { placeholder: 'T' } } arg_attr { key: 0 value { attr { key: 'b' value { b: true } } } }
             resource_arg_unique_id { key: 0 value: 1 }",
        )
        .unwrap();
        let bytes = def.encode_to_vec();
        assert!(is_function(&bytes) && is_function(&[]));
        // Each byte changed in several ways, and each beginning.
        let (mut n_passed, mut n_decoded) = (0, 0);
        for at in 0..bytes.len() {
            let mut changed: Vec<Vec<u8>> = vec![bytes[..at].to_vec()];
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                changed.push(bytes);
            }
            for bytes in changed {
                let decodes = pb::FunctionDef::decode(&bytes[..]).is_ok();
                let passes = is_function(&bytes);
                assert!(decodes || !passes, "at {at}: {bytes:?}");
                n_passed += u32::from(passes);
                n_decoded += u32::from(decodes);
            }
        }
        // It says no to little that is fine: groups, which nobody writes.
        assert!(n_passed * 100 >= n_decoded * 95, "{n_passed} of {n_decoded}");
    }

    #[test]
    fn hostile_numbers_and_depths_are_refused() {
        let too_long = [0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        let huge = [0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f];
        // A key that is none, of field 0, of a field beyond all, of a wire type that is none.
        for bytes in [&too_long[..], &huge, &[0x00], &[0x80, 0x80, 0x80, 0x80, 0x10, 0], &[0x0e]] {
            assert!(!is_function(bytes), "{bytes:?}");
            assert!(pb::FunctionDef::decode(bytes).is_err(), "{bytes:?}");
        }
        let mut deep = Vec::new();
        for _ in 0..200 {
            let mut outer = vec![0x12];
            prost::encoding::encode_varint(deep.len() as u64, &mut outer);
            outer.append(&mut deep);
            deep = outer;
        }
        let mut function = vec![0x1a];
        let mut node = vec![0x3a];
        prost::encoding::encode_varint(deep.len() as u64, &mut node);
        node.append(&mut deep);
        prost::encoding::encode_varint(node.len() as u64, &mut function);
        function.append(&mut node);
        assert!(!is_function(&function));
        assert!(pb::FunctionDef::decode(&function[..]).is_err());
    }
}
