//! Genomes compiled to straight-line programs.
//!
//! # Evaluation order
//!
//! The value of a node is `curve(scale * start + sum of (scale * weight) * source)`, every step a single-precision fused
//! multiply-add. `start` gathers the sources that are the same for every pixel (the bias and what depends on it alone); the
//! other terms follow; both in the order of their innovation numbers. Of a sum of more than [`MAX_TERMS`] terms, the first
//! [`MAX_TERMS`], then `MAX_TERMS - 1` at a time, are clamped to what the curves can reduce. Disabled connections and nodes
//! that no output depends on do not exist for a program.
//!
//! # Mirrored pixels
//!
//! A program draws a pixel of the upper left quarter and its mirror images together, as four images numbered 0 (itself), 1
//! (left-right), 2 (top-bottom) and 3 (both). What does not change from one image to another (all that depends on d alone, for
//! one), or changes sign only (odd functions of x, for another), is computed once. Arithmetic rounded to nearest is symmetric
//! in sign, so the bits are those of drawing each pixel by itself.

use crate::activation::{Curve, Parity};
use crate::genome::{BIAS, Genome, INPUTS};
use crate::render::Coordinates;

/// Terms of a sum that one step adds up.
pub(crate) const MAX_TERMS: usize = 4;
/// Mirror images of a pixel, itself included.
pub(crate) const IMAGES: usize = 4;

/// Registers that hold the inputs of a program: x, y and d, and mirrored x and y where these are not `-x` and `-y`.
pub(crate) mod input {
    pub(crate) const X: u32 = 0;
    pub(crate) const Y: u32 = 1;
    pub(crate) const D: u32 = 2;
    pub(crate) const X_MIRRORED: u32 = 3;
    pub(crate) const Y_MIRRORED: u32 = 4;
    pub(crate) const COUNT: u32 = 5;
}

/// `target = curve(start + sum of weights x sources)` for every pixel of a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) curve: Curve,
    /// Whether the target is a plane of the picture rather than a register.
    pub(crate) output: bool,
    pub(crate) terms: u8,
    pub(crate) target: u32,
    pub(crate) start: f32,
    pub(crate) sources: [u32; MAX_TERMS],
    pub(crate) weights: [f32; MAX_TERMS],
}

/// A compiled genome.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub(crate) steps: Vec<Step>,
    /// The first steps depend on x alone.
    pub(crate) x_steps: usize,
    pub(crate) registers: usize,
    pub(crate) outputs: usize,
    /// For every mirror image, the image whose plane of each output it shows.
    pub(crate) shown: [[u8; 3]; IMAGES],
    live: usize,
}

impl Program {
    /// Compiles a genome.
    pub fn compile(genome: &Genome, coordinates: Coordinates) -> Self {
        let mut program = Self::default();
        Compiler::default().compile(genome, coordinates, &mut program);
        program
    }

    /// Number of nodes that the outputs depend on, outputs included.
    pub fn live_nodes(&self) -> usize {
        self.live
    }

    /// Number of steps that draw four mirrored pixels.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }
}

/// A step's value, possibly negated: index in the high bits, sign in the lowest.
type Signed = u32;

const X: u8 = 1;
const CHANGING: u8 = 2;

/// What is known of an input or node.
#[derive(Clone, Copy, Default)]
struct Value {
    /// What it depends on: `X`, `CHANGING` (y or d), both, or 0 for nothing, when `constant` is its value.
    depends: u8,
    constant: f32,
    images: [Signed; IMAGES],
}

#[derive(Clone, Copy)]
struct Edge {
    source: u32,
    target: u32,
    weight: f32,
}

#[derive(Clone, Copy)]
struct Term {
    source: u32,
    weight: f32,
}

/// A live node whose value is not constant, or an output.
#[derive(Clone, Copy)]
struct Node {
    value: u32,
    curve: Curve,
    start: f32,
    first: u32,
    end: u32,
}

/// The working memory of compilation, kept from one genome to the next.
#[derive(Default)]
pub(crate) struct Compiler {
    edges: Vec<Edge>,
    first: Vec<u32>,
    incoming: Vec<Term>,
    values: Vec<Value>,
    stack: Vec<(u32, u32)>,
    visited: Vec<bool>,
    terms: Vec<Term>,
    nodes: Vec<Node>,
    last_use: Vec<u32>,
    register: Vec<u32>,
    free: Vec<u32>,
}

impl Compiler {
    pub(crate) fn compile(&mut self, genome: &Genome, coordinates: Coordinates, program: &mut Program) {
        self.collect_edges(genome);
        self.visit(genome, coordinates);
        program.steps.clear();
        program.outputs = genome.outputs;
        program.live = self.visited.iter().filter(|&&live| live).count();
        self.last_use.clear();
        self.last_use.resize(input::COUNT as usize, 0);
        // x first, to be computed once per column; otherwise one image after the other, which keeps few values alive.
        for x_steps in [true, false] {
            for image in 0..IMAGES {
                for index in 0..self.nodes.len() {
                    let node = self.nodes[index];
                    let is_output = (node.value as usize) < INPUTS + genome.outputs;
                    let only_x = self.values[node.value as usize].depends == X && !is_output;
                    if only_x == x_steps {
                        self.emit(node, image, is_output, program);
                    }
                }
            }
            if x_steps {
                program.x_steps = program.steps.len();
            }
        }
        for (output, value) in self.values[INPUTS..INPUTS + genome.outputs].iter().enumerate() {
            for image in 0..IMAGES {
                program.shown[image][output] = (value.images[image] >> 1) as u8;
            }
        }
        self.assign_registers(program);
    }

    /// Sorts the enabled connections by target, keeping the order of innovations.
    fn collect_edges(&mut self, genome: &Genome) {
        let nodes = genome.nodes.len();
        let node = |id: u32| genome.node_index(id).expect("connections of a valid genome join its nodes") as u32;
        self.edges.clear();
        self.first.clear();
        self.first.resize(nodes + 1, 0);
        for c in genome.connections.iter().filter(|c| c.enabled) {
            let source = if (c.source as usize) < INPUTS { c.source } else { INPUTS as u32 + node(c.source) };
            let target = node(c.target);
            self.first[target as usize + 1] += 1;
            self.edges.push(Edge { source, target, weight: c.weight });
        }
        for i in 0..nodes {
            self.first[i + 1] += self.first[i];
        }
        self.incoming.clear();
        self.incoming.resize(self.edges.len(), Term { source: 0, weight: 0.0 });
        // `first[t]` walks to the end of t's slice, which is the start of the next.
        for edge in &self.edges {
            let slot = &mut self.first[edge.target as usize];
            self.incoming[*slot as usize] = Term { source: edge.source, weight: edge.weight };
            *slot += 1;
        }
        self.first.rotate_right(1);
        self.first[0] = 0;
    }

    /// Visits what the outputs depend on, sources first.
    fn visit(&mut self, genome: &Genome, coordinates: Coordinates) {
        let count = genome.nodes.len();
        self.visited.clear();
        self.visited.resize(count, false);
        self.terms.clear();
        self.nodes.clear();
        self.values.clear();
        let mirrored = |plus: u32, own: u32, bit: usize| {
            std::array::from_fn(|image| match (image & bit != 0, coordinates) {
                (false, _) => plus << 1,
                (true, Coordinates::Unit) => plus << 1 | 1,
                (true, Coordinates::Pixel) => own << 1,
            })
        };
        let value = |depends, images| Value { depends, constant: 1.0, images };
        self.values.push(value(X, mirrored(input::X, input::X_MIRRORED, 1)));
        self.values.push(value(CHANGING, mirrored(input::Y, input::Y_MIRRORED, 2)));
        self.values.push(value(CHANGING, [input::D << 1; IMAGES]));
        debug_assert_eq!(self.values.len(), BIAS as usize);
        self.values.push(value(0, [0; IMAGES]));
        self.values.resize(INPUTS + count, Value::default());
        for output in 0..genome.outputs as u32 {
            self.visited[output as usize] = true;
            self.stack.push((output, self.first[output as usize]));
            while let Some((node, next)) = self.stack.last_mut() {
                if *next == self.first[*node as usize + 1] {
                    let node = *node;
                    self.stack.pop();
                    self.add_node(genome, node as usize);
                    continue;
                }
                let source = self.incoming[*next as usize].source;
                *next += 1;
                if source as usize >= INPUTS {
                    let node = source - INPUTS as u32;
                    if !std::mem::replace(&mut self.visited[node as usize], true) {
                        self.stack.push((node, self.first[node as usize]));
                    }
                }
            }
        }
    }

    /// Folds a node's constant sources, and the node itself if there are no others.
    fn add_node(&mut self, genome: &Genome, index: usize) {
        let activation = genome.nodes[index].activation;
        let (curve, scale) = (activation.curve(), activation.scale());
        let first = self.terms.len() as u32;
        let (mut start, mut depends) = (0.0_f32, 0);
        for term in &self.incoming[self.first[index] as usize..self.first[index + 1] as usize] {
            let source = &self.values[term.source as usize];
            if source.depends == 0 {
                start = term.weight.mul_add(source.constant, start);
            } else {
                depends |= source.depends;
                self.terms.push(Term { source: term.source, weight: term.weight * scale });
            }
        }
        start *= scale;
        let value = &mut self.values[INPUTS + index];
        value.depends = depends;
        if depends == 0 && index >= genome.outputs {
            value.constant = curve.at(start);
        } else {
            let end = self.terms.len() as u32;
            self.nodes.push(Node { value: (INPUTS + index) as u32, curve, start, first, end });
        }
    }

    /// Adds the steps that compute one image of a node, unless an earlier image is the same up to its sign.
    fn emit(&mut self, node: Node, image: usize, is_output: bool, program: &mut Program) {
        let value = node.value as usize;
        if let Some(same) = self.same_as_earlier(node, image) {
            self.values[value].images[image] = same;
            return;
        }
        let (first, end) = (node.first as usize, node.end as usize);
        let mut step = Step {
            curve: Curve::Sum,
            output: false,
            terms: 0,
            target: 0,
            start: node.start,
            sources: [0; MAX_TERMS],
            weights: [0.0; MAX_TERMS],
        };
        for term in &self.terms[first..end] {
            let mut count = step.terms as usize;
            if count == MAX_TERMS {
                let partial = push(step, program, &mut self.last_use);
                step.start = 0.0;
                step.sources[0] = partial;
                step.weights[0] = 1.0;
                count = 1;
            }
            let source = self.values[term.source as usize].images[image];
            step.sources[count] = source >> 1;
            step.weights[count] = if source & 1 == 1 { -term.weight } else { term.weight };
            step.terms = count as u8 + 1;
        }
        step.curve = node.curve;
        if is_output {
            let output = value - INPUTS;
            step.output = true;
            step.target = (image * program.outputs + output) as u32;
            push(step, program, &mut self.last_use);
            // Outputs are nobody's source: the image's number takes the place of the step's.
            self.values[value].images[image] = (image << 1) as Signed;
        } else {
            self.values[value].images[image] = push(step, program, &mut self.last_use) << 1;
        }
    }

    /// An earlier image of the node that has the same value or, for a curve with a parity, the opposite argument.
    fn same_as_earlier(&self, node: Node, image: usize) -> Option<Signed> {
        let images = &self.values[node.value as usize].images;
        let parity = node.curve.parity();
        for earlier in 0..image {
            let mut same = true;
            let mut opposite = node.start == 0.0 && parity != Parity::Neither;
            for term in &self.terms[node.first as usize..node.end as usize] {
                let source = &self.values[term.source as usize].images;
                same &= source[image] == source[earlier];
                opposite &= source[image] == source[earlier] ^ 1;
            }
            if same {
                return Some(images[earlier]);
            }
            if opposite {
                return Some(images[earlier] ^ Signed::from(parity == Parity::Odd));
            }
        }
        None
    }

    /// Replaces step numbers by registers, used again after the last use of what they hold. The target of a step may be one
    /// of its sources.
    fn assign_registers(&mut self, program: &mut Program) {
        let x_values = input::COUNT + program.x_steps as u32;
        self.register.clear();
        self.register.extend(0..input::COUNT);
        self.free.clear();
        let mut registers = input::COUNT;
        for (index, step) in program.steps.iter_mut().enumerate() {
            for source in &mut step.sources[..step.terms as usize] {
                let value = *source;
                *source = self.register[value as usize];
                let lasting = value < input::COUNT || (value < x_values && index >= program.x_steps);
                if !lasting && self.last_use[value as usize] == index as u32 {
                    self.free.push(*source);
                }
            }
            if !step.output {
                step.target = self.free.pop().unwrap_or_else(|| {
                    registers += 1;
                    registers - 1
                });
            }
            self.register.push(step.target);
        }
        program.registers = registers as usize;
    }
}

/// Adds a step and returns the number of its value: inputs first, then steps.
fn push(step: Step, program: &mut Program, last_use: &mut Vec<u32>) -> u32 {
    let index = program.steps.len() as u32;
    for &source in &step.sources[..step.terms as usize] {
        last_use[source as usize] = index;
    }
    program.steps.push(step);
    last_use.push(0);
    input::COUNT + index
}
