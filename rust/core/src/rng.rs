//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
//!
//! A stream is named by (seed, purpose, generation, index), so any child of any generation can be made again alone, in any
//! order and on any number of threads.

#![expect(clippy::inline_always, reason = "kernels must be compiled into the function of each instruction set")]

use crate::simd::{Kernel, Level};

/// What a stream is for: streams of different purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// A random individual of the start.
    Start = 0,
    /// Crossover and mutation of one child.
    Vary = 1,
    /// Drawing the parents of a generation.
    Select = 2,
    /// Species: representatives, mating.
    Speciate = 3,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    /// Generation and index, the constant part of the counter; the rest is the number of the next block.
    index: [u32; 2],
    position: u64,
    ready: [u32; READY],
    used: usize,
}

/// Numbers made at a time: eight blocks side by side cost little more than one.
const READY: usize = 32;
const ROUNDS: usize = 10;

/// One block of Philox4x32-10.
#[inline(always)]
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// Consecutive blocks of a stream, from `position` on.
struct Blocks<'a> {
    key: [u32; 2],
    index: [u32; 2],
    position: u64,
    out: &'a mut [[u32; 4]],
}

impl Kernel for Blocks<'_> {
    #[inline(always)]
    fn run(self) {
        for (offset, block) in self.out.iter_mut().enumerate() {
            let position = self.position.wrapping_add(offset as u64);
            *block = philox([position as u32, (position >> 32) as u32, self.index[0], self.index[1]], self.key);
        }
    }
}

impl Stream {
    /// The stream of one individual. Up to 2^32 x 4 numbers follow before two streams could meet.
    pub fn new(seed: u64, purpose: Purpose, generation: u32, index: u32) -> Self {
        // The purpose goes through the cipher with the seed, leaving the counter's words to generation, index and position.
        let key = philox([seed as u32, (seed >> 32) as u32, purpose as u32, 0], [0, 0]);
        Self { key: [key[0], key[1]], index: [index, generation], position: 0, ready: [0; READY], used: READY }
    }

    /// A uniform 32-bit number.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.used == READY {
            self.make_ready();
        }
        self.used += 1;
        self.ready[self.used - 1]
    }

    #[inline(never)]
    fn make_ready(&mut self) {
        let mut ready = [0; READY];
        self.next_blocks(ready.as_chunks_mut().0);
        self.ready = ready;
        self.used = 0;
    }

    fn next_blocks(&mut self, blocks: &mut [[u32; 4]]) {
        let Self { key, index, position, .. } = *self;
        self.position = position.wrapping_add(blocks.len() as u64);
        let blocks = Blocks { key, index, position, out: blocks };
        // All levels give the same numbers, so a level that is misnamed is for those to report who can.
        match Level::active() {
            Ok(level) => level.run(blocks),
            Err(_) => blocks.run(),
        }
    }

    /// Fills `out` with the numbers that as many calls of [`Stream::next_u32`] would give, in less time.
    pub fn fill(&mut self, out: &mut [u32]) {
        let (head, rest) = out.split_at_mut(out.len().min(READY - self.used));
        head.copy_from_slice(&self.ready[self.used..self.used + head.len()]);
        self.used += head.len();
        let (blocks, tail) = rest.as_chunks_mut();
        self.next_blocks(blocks);
        tail.fill_with(|| self.next_u32());
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    #[inline]
    pub fn unit_f32(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    #[inline]
    pub fn unit_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32());
        let low = u64::from(self.next_u32());
        ((high << 32 | low) >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// True with probability `p`, rounded down to a multiple of 2^-32.
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        u64::from(self.next_u32()) < (p * 4_294_967_296.0) as u64
    }

    /// Uniform in `0..n` without bias (Lemire 2019).
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "cannot draw from nothing");
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u64::from(self.next_u32()) * u64::from(n);
            if wide as u32 >= threshold {
                return (wide >> 32) as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the Random123 distribution's `kat_vectors`.
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn fill_gives_the_same_numbers() {
        for low in [0, u64::from(u32::MAX) - 9] {
            let mut one = Stream::new(5, Purpose::Vary, 1, 2);
            one.position = low;
            let mut many = one.clone();
            for length in [0, 1, 2, 31, 32, 33, 200, 7] {
                let mut filled = vec![0; length];
                many.fill(&mut filled);
                assert!(filled.iter().all(|&number| number == one.next_u32()));
            }
        }
    }

    #[test]
    fn instruction_sets_agree() {
        let (key, index, position) = ([3, 4], [5, 6], u64::from(u32::MAX) - 20);
        let expected: Vec<_> =
            (position..).take(75).map(|at| philox([at as u32, (at >> 32) as u32, index[0], index[1]], key)).collect();
        for level in Level::available() {
            let mut blocks = vec![[0; 4]; 75];
            level.run(Blocks { key, index, position, out: &mut blocks });
            assert_eq!(blocks, expected);
        }
    }

    #[test]
    fn streams_differ() {
        let first = |seed, purpose, generation, index| Stream::new(seed, purpose, generation, index).next_u32();
        let base = first(1, Purpose::Vary, 2, 3);
        assert_eq!(base, first(1, Purpose::Vary, 2, 3));
        for other in [
            first(0, Purpose::Vary, 2, 3),
            first(1 << 32, Purpose::Vary, 2, 3),
            first(1, Purpose::Start, 2, 3),
            first(1, Purpose::Vary, 3, 3),
            first(1, Purpose::Vary, 2, 4),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn below_is_uniform() {
        let mut stream = Stream::new(7, Purpose::Select, 0, 0);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|&c| (9_500..10_500).contains(&c)), "{counts:?}");
    }

    #[test]
    fn units_stay_in_range_with_mean_one_half() {
        let mut stream = Stream::new(7, Purpose::Vary, 0, 0);
        let mut sum = 0.0;
        for _ in 0..100_000 {
            let (a, b) = (stream.unit_f32(), stream.unit_f64());
            assert!((0.0..1.0).contains(&a) && (0.0..1.0).contains(&b));
            sum += b + f64::from(a);
        }
        assert!((sum / 200_000.0 - 0.5).abs() < 0.005);
    }
}
