//! Genomes, settings and pools of threads for tests and benchmarks.
#![allow(dead_code, reason = "every user needs another part")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use neatfool_core::{
    Activation, ConnectionGene, CppnSettings, Genome, INPUTS, Mating, MutationRates, NodeGene, Purpose, Stream,
};

/// Go on: the call is not cancelled.
pub static GO: AtomicBool = AtomicBool::new(false);

/// The activations of the paper.
pub const PAPER: [Activation; 4] = [Activation::Sine, Activation::Sigmoid, Activation::Gaussian, Activation::Linear];

/// A random acyclic genome. Hidden nodes have at least one source each but maybe no target.
pub fn random_genome(
    seed: u64,
    outputs: usize,
    hidden: usize,
    connections: usize,
    activations: &[Activation],
) -> Genome {
    let mut stream = Stream::new(seed, Purpose::Start, 0, 0);
    let first_hidden = INPUTS + outputs;
    let nodes = (INPUTS..first_hidden + hidden)
        .map(|id| NodeGene { id: id as u32, activation: activations[stream.below(activations.len() as u32) as usize] })
        .collect();
    // Sources come before targets in `order`, which is not that of the ids.
    let mut order: Vec<u32> = (first_hidden..first_hidden + hidden).map(|id| id as u32).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, stream.below(i as u32 + 1) as usize);
    }
    let mut genes: Vec<ConnectionGene> = Vec::new();
    let mut connect = |stream: &mut Stream, position: usize| {
        let target = if position < hidden { order[position] } else { (INPUTS + position - hidden) as u32 };
        let source = stream.below((INPUTS + position.min(hidden)) as u32) as usize;
        let source = if source < INPUTS { source as u32 } else { order[source - INPUTS] };
        if genes.iter().all(|g| (g.source, g.target) != (source, target)) {
            let weight = stream.unit_f32() * 20.0 - 10.0;
            genes.push(ConnectionGene { innovation: genes.len() as u32, source, target, weight, enabled: true });
        }
    };
    for position in 0..hidden + outputs {
        connect(&mut stream, position);
    }
    for _ in hidden + outputs..connections {
        let position = stream.below((hidden + outputs) as u32) as usize;
        connect(&mut stream, position);
    }
    Genome::new(outputs, nodes, genes).expect("the generator makes valid genomes")
}

/// No mutation at all.
pub const NONE: MutationRates = MutationRates {
    weight: 0.0,
    weight_eta: 15.0,
    activation: 0.0,
    add_connection: 0.0,
    delete_connection: 0.0,
    add_node: 0.0,
    delete_node: 0.0,
    keep_split: false,
};

pub fn settings(outputs: usize, initial_mutations: u32, rates: MutationRates) -> CppnSettings {
    CppnSettings { outputs, activations: PAPER.to_vec(), initial_mutations, rates }
}

/// A gray genome with hidden nodes of these ids and connections (innovation, source, target, weight, enabled).
pub fn genome(hidden: &[u32], connections: &[(u32, u32, u32, f32, bool)]) -> Genome {
    let nodes = std::iter::once(4).chain(hidden.iter().copied());
    Genome::new(
        1,
        nodes.map(|id| NodeGene { id, activation: Activation::Sine }).collect(),
        connections
            .iter()
            .map(|&(innovation, source, target, weight, enabled)| ConnectionGene {
                innovation,
                source,
                target,
                weight,
                enabled,
            })
            .collect(),
    )
    .expect("valid")
}

/// The parents of figure 4 of Stanley & Miikkulainen 2002, their nodes 1 to 6 renamed: inputs 0, 1, 2, output 4, hidden 5
/// and 6. Matching genes 1 to 5, disjoint 6, 7 and 8, excess 9 and 10.
pub fn figure_4() -> (Genome, Genome) {
    let one = genome(
        &[5],
        &[
            (1, 0, 4, 1.0, true),
            (2, 1, 4, 1.0, false),
            (3, 2, 4, 1.0, true),
            (4, 1, 5, 1.0, true),
            (5, 5, 4, 1.0, true),
            (8, 0, 5, 1.0, true),
        ],
    );
    let two = genome(
        &[5, 6],
        &[
            (1, 0, 4, 2.0, true),
            (2, 1, 4, 2.0, false),
            (3, 2, 4, 2.0, true),
            (4, 1, 5, 2.0, true),
            (5, 5, 4, 3.5, false),
            (6, 5, 6, 2.0, true),
            (7, 6, 4, 2.0, true),
            (9, 2, 5, 2.0, true),
            (10, 0, 6, 2.0, true),
        ],
    );
    (one, two)
}

/// Every genome of a pool once, as a copy.
pub fn copies(count: usize) -> Vec<Mating> {
    (0..count as u32).map(|i| Mating { fitter: i, other: i, equal: false }).collect()
}

/// Runs something on a pool of so many threads.
pub fn on_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads").install(run)
}

/// FNV-1a.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The 32 genomes of `benches/genomes_rgb.json` or `benches/genomes_gray.json`, lists of `{"no": outputs, "nodes": [[id, activation, [[source, weight], ...]], ...]}`, sources 0 to 3 being
/// x, y, d and bias and activations 0 to 3 [`PAPER`].
pub fn reference_genomes(set: &str) -> Vec<Genome> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/genomes_{set}.json"));
    let text = std::fs::read_to_string(path).expect("a file of the package");
    let genomes: Vec<serde_json::Value> = serde_json::from_str(&text).expect("a list of genomes");
    let integer = |v: &serde_json::Value| v.as_u64().expect("an integer") as usize;
    genomes
        .iter()
        .map(|genome| {
            let (mut nodes, mut connections) = (Vec::new(), Vec::new());
            for node in genome["nodes"].as_array().expect("nodes") {
                let target = integer(&node[0]) as u32;
                nodes.push(NodeGene { id: target, activation: PAPER[integer(&node[1])] });
                for connection in node[2].as_array().expect("connections") {
                    connections.push(ConnectionGene {
                        innovation: connections.len() as u32,
                        source: integer(&connection[0]) as u32,
                        target,
                        weight: connection[1].as_f64().expect("a weight") as f32,
                        enabled: true,
                    });
                }
            }
            Genome::new(integer(&genome["no"]), nodes, connections).expect("a valid genome")
        })
        .collect()
}
