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
use crate::genome::{Genome, INPUTS};
use crate::raster::grid::Coordinates;
use crate::raster::step::{IMAGES, MAX_TERMS, Step, input};

/// What the outputs of a genome show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Their activations.
    Activations,
    /// The sums that enter them, unscaled, within what the curves can reduce.
    Sums,
}

/// A compiled genome.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// From the last to the first to be run.
    pub(crate) reversed_steps: Vec<Step>,
    /// The number of steps that depend on x alone: the first to be run.
    pub(crate) x_steps: usize,
    pub(crate) registers: usize,
    pub(crate) outputs: usize,
    /// For every output, the image whose plane each image shows.
    pub(crate) shown: [[u8; IMAGES]; 3],
    live: usize,
}

impl Program {
    /// Compiles a genome.
    pub fn compile(genome: &Genome, coordinates: Coordinates) -> Self {
        let mut program = Self::default();
        Compiler::default().compile(genome, coordinates, Shown::Activations, &mut program);
        program
    }

    /// Compiles a genome whose outputs show something else.
    pub(crate) fn compile_shown(genome: &Genome, coordinates: Coordinates, shown: Shown) -> Self {
        let mut program = Self::default();
        Compiler::default().compile(genome, coordinates, shown, &mut program);
        program
    }

    /// Number of nodes that the outputs depend on, outputs included.
    pub fn live_nodes(&self) -> usize {
        self.live
    }

    /// Number of steps that draw four mirrored pixels.
    pub fn steps(&self) -> usize {
        self.reversed_steps.len()
    }
}

/// Node ids below this are looked up in a table.
const LARGEST_TABLE: usize = 1 << 14;

const NONE: u32 = u32::MAX;

const X: u8 = 1;
const Y_OR_D: u8 = 2;

/// What is known of an input or node.
#[derive(Clone, Copy)]
struct Value {
    /// `X`, `Y_OR_D`, both, or 0 for a constant.
    depends: u8,
    constant: f32,
    symmetry: Symmetry,
    /// For every image, the first that equals it up to sign.
    first: [u8; IMAGES],
    /// Bit i: whether image i is the opposite of `first[i]`.
    negative: u8,
    /// Where each image is, if it is the first of its kind.
    registers: [u32; IMAGES],
}

/// How the images of a value relate. Bit `i (i - 1) / 2 + j` is for the images i and j, j < i.
#[derive(Clone, Copy)]
struct Symmetry {
    same: u8,
    opposite: u8,
}

impl Symmetry {
    const ALL: u8 = 0b11_11_11;
    /// The pairs of images that are on different sides, left and right or top and bottom.
    const LEFT_RIGHT: u8 = 0b10_11_01;
    const TOP_BOTTOM: u8 = 0b01_11_10;
}

impl Value {
    fn new(depends: u8, symmetry: Symmetry) -> Self {
        let mut value =
            Self { depends, constant: 1.0, symmetry, first: [0; IMAGES], negative: 0, registers: [NONE; IMAGES] };
        for image in 1..IMAGES {
            let earlier = |pairs: u8| pairs >> (image * (image - 1) / 2) & ((1 << image) - 1);
            let opposite = earlier(symmetry.opposite);
            let first = (earlier(symmetry.same) | opposite | 1 << image).trailing_zeros();
            value.first[image] = first as u8;
            value.negative |= (opposite >> first & 1) << image;
        }
        value
    }

    fn input(depends: u8, swapped: u8, coordinates: Coordinates, registers: [u32; IMAGES]) -> Self {
        let opposite = if coordinates == Coordinates::Unit { swapped } else { 0 };
        Self { registers, ..Self::new(depends, Symmetry { same: Symmetry::ALL & !swapped, opposite }) }
    }
}

/// An enabled connection, in the list of its target.
#[derive(Clone, Copy)]
struct Edge {
    source: u32,
    weight: f32,
    next: u32,
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
    /// Node ids to their positions in the genome; what it says of ids that a genome lacks is left from another.
    indices: Vec<u32>,
    /// First incoming edge of every node.
    heads: Vec<u32>,
    edges: Vec<Edge>,
    visited: Vec<bool>,
    stack: Vec<(u32, u32)>,
    /// Inputs, then nodes.
    values: Vec<Value>,
    terms: Vec<Term>,
    x_nodes: Vec<Node>,
    nodes: Vec<Node>,
    /// Registers in no use.
    free: Vec<u32>,
    registers: u32,
}

impl Compiler {
    pub(crate) fn compile(&mut self, genome: &Genome, coordinates: Coordinates, shown: Shown, program: &mut Program) {
        self.collect_edges(genome);
        self.start(genome.nodes.len(), coordinates);
        program.live = 0;
        for output in 0..genome.outputs {
            program.live += self.visit(genome, output, shown);
        }
        program.outputs = genome.outputs;
        for (shown, value) in program.shown.iter_mut().zip(&self.values[INPUTS..INPUTS + genome.outputs]) {
            *shown = value.first;
        }
        self.emit_all(program);
    }

    /// Lists the enabled connections into every node, in the order of innovations.
    fn collect_edges(&mut self, genome: &Genome) {
        // A table is faster than the search of `Genome::node_index`, where it is small.
        let last = genome.nodes.last().map_or(0, |node| node.id) as usize;
        let tabulated = last < LARGEST_TABLE;
        if tabulated {
            self.indices.resize(self.indices.len().max(last + 1), 0);
            for (index, node) in genome.nodes.iter().enumerate() {
                self.indices[node.id as usize] = index as u32;
            }
        }
        let indices = &self.indices;
        let index = |id: u32| {
            if tabulated {
                indices[id as usize]
            } else {
                genome.node_index(id).expect("connections of a valid genome join its nodes") as u32
            }
        };
        self.heads.clear();
        self.heads.resize(genome.nodes.len(), NONE);
        self.edges.clear();
        for c in genome.connections.iter().rev().filter(|c| c.enabled) {
            let source = if (c.source as usize) < INPUTS { c.source } else { INPUTS as u32 + index(c.source) };
            let head = &mut self.heads[index(c.target) as usize];
            let next = std::mem::replace(head, self.edges.len() as u32);
            self.edges.push(Edge { source, weight: c.weight, next });
        }
    }

    fn start(&mut self, nodes: usize, coordinates: Coordinates) {
        self.visited.clear();
        self.visited.resize(nodes, false);
        self.terms.clear();
        self.x_nodes.clear();
        self.nodes.clear();
        let x = [input::X, input::X_MIRRORED, NONE, NONE];
        let y = [input::Y, NONE, input::Y_MIRRORED, NONE];
        let constant = Value::new(0, Symmetry { same: Symmetry::ALL, opposite: 0 });
        self.values.clear();
        self.values.push(Value::input(X, Symmetry::LEFT_RIGHT, coordinates, x));
        self.values.push(Value::input(Y_OR_D, Symmetry::TOP_BOTTOM, coordinates, y));
        self.values.push(Value::input(Y_OR_D, 0, coordinates, [input::D, NONE, NONE, NONE]));
        self.values.push(constant);
        self.values.resize(INPUTS + nodes, constant);
    }

    /// Visits what an output depends on, sources first, and returns the number of nodes not visited before.
    fn visit(&mut self, genome: &Genome, output: usize, shown: Shown) -> usize {
        let mut visited = 1;
        self.visited[output] = true;
        self.stack.push((output as u32, self.heads[output]));
        while let Some((node, next)) = self.stack.last_mut() {
            if *next == NONE {
                let node = *node as usize;
                self.stack.pop();
                self.add_node(genome, node, shown);
                continue;
            }
            let Edge { source, next: after, .. } = self.edges[*next as usize];
            *next = after;
            if source as usize >= INPUTS {
                let node = source as usize - INPUTS;
                if !std::mem::replace(&mut self.visited[node], true) {
                    visited += 1;
                    self.stack.push((node as u32, self.heads[node]));
                }
            }
        }
        visited
    }

    /// Folds a node's constant sources, and the node itself if there are no others.
    fn add_node(&mut self, genome: &Genome, index: usize, shown: Shown) {
        let activation = genome.nodes[index].activation;
        let is_output = index < genome.outputs;
        let (curve, scale) = match shown {
            Shown::Sums if is_output => (Curve::Sum, 1.0),
            _ => (activation.curve(), activation.scale()),
        };
        let first = self.terms.len() as u32;
        let (mut start, mut depends) = (0.0_f32, 0);
        let mut symmetry = Symmetry { same: Symmetry::ALL, opposite: Symmetry::ALL };
        let mut next = self.heads[index];
        while next != NONE {
            let edge = self.edges[next as usize];
            next = edge.next;
            let source = &self.values[edge.source as usize];
            if source.depends == 0 {
                start = edge.weight.mul_add(source.constant, start);
                continue;
            }
            depends |= source.depends;
            symmetry.same &= source.symmetry.same;
            symmetry.opposite &= source.symmetry.opposite;
            self.terms.push(Term { source: edge.source, weight: edge.weight * scale });
        }
        start *= scale;
        let value = &mut self.values[INPUTS + index];
        if depends == 0 && !is_output {
            value.constant = curve.at(start);
            return;
        }
        if depends == 0 || start != 0.0 {
            symmetry.opposite = 0;
        }
        match curve.parity() {
            Parity::Odd => (),
            Parity::Even => {
                symmetry.same |= symmetry.opposite;
                symmetry.opposite = 0;
            }
            Parity::Neither => symmetry.opposite = 0,
        }
        *value = Value::new(depends, symmetry);
        let node = Node { value: (INPUTS + index) as u32, curve, start, first, end: self.terms.len() as u32 };
        if depends == X && !is_output { self.x_nodes.push(node) } else { self.nodes.push(node) }
    }

    /// Makes the steps from the last to the first, so that a register is taken where its value is last used and given back
    /// where it is computed. One image comes after the other, which keeps few values alive; x steps come first.
    fn emit_all(&mut self, program: &mut Program) {
        self.free.clear();
        self.registers = input::COUNT;
        program.reversed_steps.clear();
        for x_phase in [false, true] {
            let nodes = std::mem::take(if x_phase { &mut self.x_nodes } else { &mut self.nodes });
            let before = program.reversed_steps.len();
            for image in (0..IMAGES).rev() {
                for node in nodes.iter().rev() {
                    if self.values[node.value as usize].first[image] as usize == image {
                        self.emit(node, image, x_phase, program);
                    }
                }
            }
            program.x_steps = program.reversed_steps.len() - before;
            *(if x_phase { &mut self.x_nodes } else { &mut self.nodes }) = nodes;
        }
        program.registers = self.registers as usize;
    }

    /// Adds the steps that compute one image of a node.
    fn emit(&mut self, node: &Node, image: usize, x_phase: bool, program: &mut Program) {
        let index = node.value as usize - INPUTS;
        let output = index < program.outputs;
        let target = if output {
            (image * program.outputs + index) as u32
        } else {
            let register = self.values[node.value as usize].registers[image];
            self.free.push(register);
            register
        };
        let mut step = new_step(program, node.curve, output, target);
        let (first, mut end) = (node.first as usize, node.end as usize);
        while end - first > MAX_TERMS {
            // The last terms are added to the sum of those before.
            let count = (end - first - MAX_TERMS - 1) % (MAX_TERMS - 1) + 1;
            let partial = self.take_register();
            step.sources[0] = partial;
            step.weights[0] = 1.0;
            self.add_terms(step, 1, end - count, end, image, x_phase);
            self.free.push(partial);
            step = new_step(program, Curve::Sum, false, partial);
            end -= count;
        }
        step.start = node.start;
        self.add_terms(step, 0, first, end, image, x_phase);
    }

    fn add_terms(&mut self, step: &mut Step, at: usize, first: usize, end: usize, image: usize, x_phase: bool) {
        step.terms = (at + end - first) as u8;
        for (k, index) in (at..).zip(first..end) {
            let Term { source, weight } = self.terms[index];
            let value = &self.values[source as usize];
            let earliest = value.first[image] as usize;
            let mut register = value.registers[earliest];
            step.weights[k] = if value.negative >> image & 1 == 1 { -weight } else { weight };
            if register == NONE {
                // What x alone gives must last for many tiles.
                let lasting = value.depends == X && !x_phase;
                register = if lasting { self.new_register() } else { self.take_register() };
                self.values[source as usize].registers[earliest] = register;
            }
            step.sources[k] = register;
        }
    }

    fn take_register(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| self.new_register())
    }

    fn new_register(&mut self) -> u32 {
        self.registers += 1;
        self.registers - 1
    }
}

/// Adds a step without terms, to be completed in place.
fn new_step(program: &mut Program, curve: Curve, output: bool, target: u32) -> &mut Step {
    program.reversed_steps.push(Step {
        curve,
        output,
        terms: 0,
        target,
        start: 0.0,
        sources: [0; MAX_TERMS],
        weights: [0.0; MAX_TERMS],
    });
    program.reversed_steps.last_mut().expect("just added")
}
