//! Operators that change what a picture shows in one piece: where it lies, how often it repeats, how it is bent and coloured.
//!
//! The paper found that repeating an element raises confidence (section 3.2); these let a search repeat in one step what
//! mutation of single genes would need many for. All but [`Operator::Mutate`], [`Operator::Weights`], [`Operator::Recolor`] and
//! [`Operator::Mix`] feed what the network did with coordinates with new coordinates, each from a new node: the picture stays,
//! seen through another window.

use std::collections::HashMap;

use crate::activation::{Activation, Cosine, Function as _, Sine};
use crate::genome::{BIAS, Genome, INPUTS};
use crate::power::exponent;
use crate::rng::Stream;
use crate::variation::innovations::{Draft, is_new};
use crate::variation::mutation::{mutated_weight, random_activation};
use crate::variation::settings::{CppnSettings, Mating};

/// Inputs x, y and d.
const X: u32 = 0;
const Y: u32 = 1;
const D: u32 = 2;
/// A mixture of more nodes than this is not made.
const LARGEST_MIXTURE: usize = 80;
/// Distribution index of large steps, for colours.
const LARGE_STEPS: f64 = 5.0;

/// A way to make a child.
///
/// [`Operator::code`] is part of the format of checkpoints: an operator keeps its code for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operator {
    /// The paper's mutation, all steps.
    Mutate = 0,
    /// Weights alone, at a rate between 5 and 40 %.
    Weights = 1,
    /// The picture moved, scaled by 0.4 to 2.5 and, every other time, turned.
    Place = 2,
    /// A part of the picture, or all of it, repeated up to nine times across, mirrored from one to the next.
    Repeat = 3,
    /// One coordinate bent by a sine of the other (domain warping).
    Warp = 4,
    /// Other weights into the outputs, and sometimes another activation there.
    Recolor = 5,
    /// One or two outputs, hue and lightness say, from another genome with all that they depend on.
    Mix = 6,
}

impl Operator {
    /// Every operator, in the order of the codes.
    pub const ALL: [Self; 7] =
        [Self::Mutate, Self::Weights, Self::Place, Self::Repeat, Self::Warp, Self::Recolor, Self::Mix];

    /// The number that stands for it in files.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The operator of a code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Its name in settings and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Weights => "weights",
            Self::Place => "place",
            Self::Repeat => "repeat",
            Self::Warp => "warp",
            Self::Recolor => "recolor",
            Self::Mix => "mix",
        }
    }

    /// Parents that a child has.
    pub fn parents(self) -> usize {
        if self == Self::Mix { 2 } else { 1 }
    }

    /// The child of a mating, its new genes numbered provisionally. `ancestors` is scratch space.
    pub(super) fn child(
        self,
        pool: &[Genome],
        mating: &Mating,
        settings: &CppnSettings,
        stream: &mut Stream,
        ancestors: &mut Vec<u32>,
    ) -> Draft {
        let parent = &pool[mating.fitter as usize];
        let mut draft = Draft::new(parent.clone_with_room());
        match self {
            Self::Mutate => draft.mutate(settings, stream, ancestors),
            Self::Weights => {
                let rate = 0.05 + 0.35 * f64::from(stream.unit_f32());
                draft.vary_weights(rate, settings, stream);
            }
            Self::Place => {
                draft.place(stream);
                draft.maybe_vary_weights(settings, stream);
            }
            Self::Repeat => {
                draft.repeat(stream);
                draft.maybe_vary_weights(settings, stream);
            }
            Self::Warp => draft.warp(stream),
            Self::Recolor => draft.recolor(settings, stream),
            Self::Mix => {
                if !draft.mix(&pool[mating.other as usize], stream, ancestors) {
                    draft.vary_weights(0.1, settings, stream);
                }
            }
        }
        draft
    }
}

/// Uniform in `[low, high)`.
fn between(low: f32, high: f32, stream: &mut Stream) -> f32 {
    stream.unit_f32().mul_add(high - low, low)
}

impl Draft {
    fn vary_weights(&mut self, rate: f64, settings: &CppnSettings, stream: &mut Stream) {
        let exponent = exponent(settings.rates.weight_eta);
        for connection in &mut self.genome.connections {
            if stream.chance(rate) {
                connection.weight = mutated_weight(connection.weight, exponent, stream);
            }
        }
    }

    fn maybe_vary_weights(&mut self, settings: &CppnSettings, stream: &mut Stream) {
        if stream.chance(0.5) {
            self.vary_weights(0.1, settings, stream);
        }
    }

    fn place(&mut self, stream: &mut Stream) {
        let factor = between(1.0, 2.5, stream);
        let scale = if stream.chance(0.5) { factor } else { 1.0 / factor };
        let half_turns = if stream.chance(0.5) { between(-1.0, 1.0, stream) } else { 0.0 };
        let (cos, sin) = (scale * Cosine::at(half_turns), scale * Sine::at(half_turns));
        let shift = [between(-0.5, 0.5, stream), between(-0.5, 0.5, stream)];
        // A triangle wave is its sum within [-1, 1] and mirrors what lies beyond.
        let x = self.node(Activation::Triangle, &[(X, cos), (Y, sin), (BIAS, shift[0])]);
        let y = self.node(Activation::Triangle, &[(X, -sin), (Y, cos), (BIAS, shift[1])]);
        self.see_through(&[(X, x), (Y, y)]);
    }

    fn repeat(&mut self, stream: &mut Stream) {
        let times = between(1.5, 9.0, stream);
        let part = if stream.chance(0.5) { 1.0 } else { between(1.0 / times, 1.0, stream) };
        let inputs: &[u32] = if stream.chance(0.5) { &[X, Y, D] } else { &[X, Y] };
        let mut windows = Vec::with_capacity(inputs.len());
        for &input in inputs {
            let phase = between(-2.0, 2.0, stream);
            let mut seen = self.node(Activation::Triangle, &[(input, times), (BIAS, phase)]);
            if part < 1.0 {
                let centre = between(part - 1.0, 1.0 - part, stream);
                // Linear is a third of its sum.
                seen = self.node(Activation::Linear, &[(seen, 3.0 * part), (BIAS, 3.0 * centre)]);
            }
            windows.push((input, seen));
        }
        self.see_through(&windows);
    }

    fn warp(&mut self, stream: &mut Stream) {
        let (bent, along) = if stream.chance(0.5) { (X, Y) } else { (Y, X) };
        let (waves, phase) = (between(1.0, 9.0, stream), between(-2.0, 2.0, stream));
        let wave = self.node(Activation::Sine, &[(along, waves), (BIAS, phase)]);
        let seen = self.node(Activation::Triangle, &[(bent, 1.0), (wave, between(0.05, 0.4, stream))]);
        self.see_through(&[(bent, seen)]);
    }

    fn recolor(&mut self, settings: &CppnSettings, stream: &mut Stream) {
        let exponent = exponent(LARGE_STEPS);
        let outputs = self.genome.outputs;
        let last = (INPUTS + outputs) as u32;
        for connection in self.genome.connections.iter_mut().filter(|c| c.target < last) {
            if stream.chance(0.4) {
                connection.weight = mutated_weight(connection.weight, exponent, stream);
            }
        }
        for node in &mut self.genome.nodes[..outputs] {
            if stream.chance(0.2) {
                node.activation = random_activation(settings, stream);
            }
        }
    }

    /// Takes one or two outputs from another genome; false, and nothing done, if there is only one or too much would come.
    fn mix(&mut self, other: &Genome, stream: &mut Stream, ancestors: &mut Vec<u32>) -> bool {
        let outputs = self.genome.outputs;
        if outputs == 1 {
            return false;
        }
        let chosen = 1 + stream.below(6);
        let (taken, kept): (Vec<u32>, Vec<u32>) =
            (INPUTS as u32..(INPUTS + outputs) as u32).partition(|id| chosen >> (id - INPUTS as u32) & 1 == 1);
        let needed = depended_on(other, &taken, ancestors);
        let staying = depended_on(&self.genome, &kept, ancestors);
        if needed.len() + staying.len() > LARGEST_MIXTURE {
            return false;
        }
        self.genome.connections.retain(|c| staying.contains(&c.target));
        self.genome.nodes.retain(|n| n.id < (INPUTS + outputs) as u32 || staying.contains(&n.id));
        let mut new_id = HashMap::new();
        for node in other.nodes.iter().filter(|n| needed.contains(&n.id)) {
            if other.is_output(node.id) {
                self.genome.nodes[node.id as usize - INPUTS].activation = node.activation;
            } else {
                new_id.insert(node.id, self.node(node.activation, &[]));
            }
        }
        for c in other.connections.iter().filter(|c| c.enabled && needed.contains(&c.target)) {
            let renamed = |id: u32| new_id.get(&id).copied().unwrap_or(id);
            self.connect(renamed(c.source), renamed(c.target), c.weight);
        }
        true
    }

    /// Feeds from new nodes what the inputs fed, new nodes aside.
    fn see_through(&mut self, windows: &[(u32, u32)]) {
        let mut moved = Vec::new();
        self.genome.connections.retain(|c| {
            let window = windows.iter().find(|&&(input, _)| input == c.source && c.enabled && !is_new(c.target));
            moved.extend(window.map(|&(_, node)| (node, c.target, c.weight)));
            window.is_none()
        });
        for (source, target, weight) in moved {
            self.connect(source, target, weight);
        }
    }
}

/// The nodes that outputs depend on, themselves included.
fn depended_on(genome: &Genome, outputs: &[u32], ancestors: &mut Vec<u32>) -> Vec<u32> {
    let mut all = Vec::new();
    for &output in outputs {
        genome.collect_ancestors(output, ancestors);
        all.extend_from_slice(ancestors);
    }
    all.sort_unstable();
    all.dedup();
    all
}
