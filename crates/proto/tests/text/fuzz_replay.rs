//! The fuzz target `text_format` as an ordinary test.

use std::fs;

use crate::fixtures;

#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../../fuzz/src/text_format.rs"]
mod text_format;

#[test]
fn inputs_found_by_fuzzing_do_no_harm() {
    let files = fs::read_dir(fixtures().join("hostile/text_format")).unwrap();
    let n_replayed =
        files.map(|file| text_format::run(&fs::read(file.unwrap().path()).unwrap())).count();
    assert!(n_replayed >= 8, "{n_replayed} inputs");
}

#[test]
fn damaged_inputs_do_no_harm() {
    let text = "name: 'a\\x4\\u00e9' input: [\"x\"] attr { key: 'T' value { type: DT_FLOAT } }";
    let wire = b"\x0a\x01a\x1a\x01x\x2a\x07\x0a\x01T\x12\x02\x18\x01";
    for (mode, content) in [(0, text.as_bytes()), (1, wire)] {
        let mut input = text_format::join(mode, "tensorflow.NodeDef", content).unwrap();
        (0..input.len()).for_each(|len| text_format::run(&input[..len]));
        for at in 0..input.len() {
            for bit in 0..8 {
                input[at] ^= 1 << bit;
                text_format::run(&input);
                input[at] ^= 1 << bit;
            }
        }
    }
}
