//! HighwayHash of 64 bits, with the key of riegeli files.

const KEY: [u64; 4] =
    [0x2f69_6c65_6765_6952, 0x0a73_6472_6f63_6572, 0x2f69_6c65_6765_6952, 0x0a73_6472_6f63_6572];
const INIT_MUL_0: [u64; 4] =
    [0xdbe6_d5d5_fe4c_ce2f, 0xa409_3822_299f_31d0, 0x1319_8a2e_0370_7344, 0x243f_6a88_85a3_08d3];
const INIT_MUL_1: [u64; 4] =
    [0x3bd3_9e10_cb0e_f593, 0xc0ac_f169_b5f1_8a8c, 0xbe54_66cf_34e9_0c6c, 0x4528_21e6_38d0_1377];

/// The hash of some bytes.
pub(super) fn highway_hash(bytes: &[u8]) -> u64 {
    let mut state = State::new();
    let (packets, rest) = bytes.as_chunks::<32>();
    for packet in packets {
        state.update(packet);
    }
    if !rest.is_empty() {
        state.update_remainder(rest);
    }
    state.finish()
}

struct State {
    v0: [u64; 4],
    v1: [u64; 4],
    mul_0: [u64; 4],
    mul_1: [u64; 4],
}

impl State {
    fn new() -> State {
        State {
            v0: std::array::from_fn(|i| INIT_MUL_0[i] ^ KEY[i]),
            v1: std::array::from_fn(|i| INIT_MUL_1[i] ^ KEY[i].rotate_left(32)),
            mul_0: INIT_MUL_0,
            mul_1: INIT_MUL_1,
        }
    }

    fn update(&mut self, packet: &[u8; 32]) {
        let (lanes, _) = packet.as_chunks::<8>();
        self.update_lanes(std::array::from_fn(|i| u64::from_le_bytes(lanes[i])));
    }

    fn update_lanes(&mut self, lanes: [u64; 4]) {
        let low = |lane: u64| lane & 0xffff_ffff;
        for (i, lane) in lanes.into_iter().enumerate() {
            self.v1[i] = self.v1[i].wrapping_add(self.mul_0[i]).wrapping_add(lane);
            self.mul_0[i] ^= low(self.v1[i]).wrapping_mul(self.v0[i] >> 32);
            self.v0[i] = self.v0[i].wrapping_add(self.mul_1[i]);
            self.mul_1[i] ^= low(self.v0[i]).wrapping_mul(self.v1[i] >> 32);
        }
        zipper_merge(&self.v1, &mut self.v0);
        zipper_merge(&self.v0, &mut self.v1);
    }

    /// The last bytes, fewer than 32 and at least one: their number and they themselves.
    fn update_remainder(&mut self, rest: &[u8]) {
        let n = rest.len();
        let n_bits = u32::try_from(n).unwrap_or(0);
        for lane in &mut self.v0 {
            *lane = lane.wrapping_add((u64::from(n_bits) << 32) + u64::from(n_bits));
        }
        for lane in &mut self.v1 {
            let [low, high] = [*lane & 0xffff_ffff, *lane >> 32];
            let turn = |half: u64| ((half << n_bits) | (half >> (32 - n_bits))) & 0xffff_ffff;
            *lane = turn(low) | (turn(high) << 32);
        }
        let mut packet = [0; 32];
        let n_words = n & !3;
        packet[..n_words].copy_from_slice(&rest[..n_words]);
        if n & 16 != 0 {
            packet[28..].copy_from_slice(&rest[n - 4..]);
        } else if n & 3 != 0 {
            packet[16] = rest[n_words];
            packet[17] = rest[n_words + (n & 3) / 2];
            packet[18] = rest[n - 1];
        }
        self.update(&packet);
    }

    fn finish(mut self) -> u64 {
        for _ in 0..4 {
            let [a, b, c, d] = self.v0.map(|lane| lane.rotate_left(32));
            self.update_lanes([c, d, a, b]);
        }
        [self.v1[0], self.mul_0[0], self.mul_1[0]].into_iter().fold(self.v0[0], u64::wrapping_add)
    }
}

/// Adds to each pair of lanes the bytes of the pair of `from`, shuffled.
fn zipper_merge(from: &[u64; 4], to: &mut [u64; 4]) {
    for (from, to) in from.as_chunks::<2>().0.iter().zip(to.as_chunks_mut::<2>().0) {
        let [a, b] = from.map(u64::to_le_bytes);
        let low = [a[3], b[4], a[2], a[5], b[6], a[1], b[7], a[0]];
        let high = [b[3], a[4], b[2], b[5], b[1], a[6], b[0], a[7]];
        to[0] = to[0].wrapping_add(u64::from_le_bytes(low));
        to[1] = to[1].wrapping_add(u64::from_le_bytes(high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 64 bytes of every riegeli file, as its specification prints them.
    #[test]
    fn the_hashes_of_a_files_first_bytes_are_those_of_the_specification() {
        let signature = [&b"s"[..], &[0; 15]].concat();
        let empty = 0x72c3_b1e9_c013_9fe1_u64;
        let cases = [
            (Vec::new(), empty),
            ([0u64.to_le_bytes(), 64u64.to_le_bytes()].concat(), 0x3f4a_880d_d170_af83),
            ([&[0; 8][..], &empty.to_le_bytes(), &signature].concat(), 0xa9e1_8792_3cc2_ba91),
        ];
        for (bytes, hash) in cases {
            assert_eq!(highway_hash(&bytes), hash, "{bytes:?}");
        }
    }
}
