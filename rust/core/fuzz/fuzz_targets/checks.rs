//! What has to hold for any bytes. The fuzz targets run it on new ones, `tests/corpus.rs` on those that are kept.

#![allow(dead_code, reason = "each target does one of three checks")]

use std::sync::atomic::AtomicBool;

use neatfool_core::{
    Activation, ColorModel, Compatibility, Coordinates, CppnSettings, CrossoverSettings, Genome, GenomeArrays, Grid,
    Innovations, Mating, MutationRates, Purpose, SpeciesSet, SpeciesSettings, Stream, outputs, render, sums, vary,
};

static GO: AtomicBool = AtomicBool::new(false);
const COLORS: [ColorModel; 3] = [ColorModel::Hls, ColorModel::Hsv, ColorModel::Raw];

/// Keeps rayon to the fuzzer's own thread.
pub fn one_thread() {
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global().expect("the first pool");
}

/// Text, and after a NUL the choices of what is done with it.
pub fn genome_json(data: &[u8]) {
    let (text, mut choices) = divide(data);
    let Some(genome) = text.and_then(|text| Genome::from_json(text).ok()) else { return };
    let simple =
        r#"{"format": "neatfool-cppn", "version": 1, "outputs": OUTPUTS, "nodes": [NODES], "connections": []}"#;
    let nodes: Vec<String> =
        (4..4 + genome.outputs()).map(|id| format!(r#"{{"id": {id}, "activation": "sine"}}"#)).collect();
    let simple = simple.replace("OUTPUTS", &nodes.len().to_string()).replace("NODES", &nodes.join(","));
    live(&[genome, Genome::from_json(&simple).expect("outputs alone are a genome")], &mut choices);
}

/// Bytes that are read as the flat arrays of a few genomes.
pub fn arrays(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (wanted, count, faults) = (usize::from(bytes.byte() % 5), bytes.byte() % 4, bytes.byte());
    let counts = |bytes: &mut Bytes| (0..count).map(|_| u32::from(bytes.byte() % 16)).collect::<Vec<_>>();
    let (mut node_counts, connection_counts) = (counts(&mut bytes), counts(&mut bytes));
    let sum = |counts: &[u32]| counts.iter().sum::<u32>();
    let (nodes, connections) = (sum(&node_counts), sum(&connection_counts));
    let (mut node_ids, mut node_activations) = (Vec::new(), Vec::new());
    for _ in 0..nodes {
        node_ids.push(bytes.number());
        node_activations.push(bytes.byte());
    }
    let [mut innovations, mut sources, mut targets] = [const { Vec::new() }; 3];
    let (mut weights, mut enabled) = (Vec::new(), Vec::new());
    for _ in 0..connections {
        innovations.push(bytes.number());
        sources.push(bytes.number());
        targets.push(bytes.number());
        weights.push(f32::from_bits(bytes.word()));
        enabled.push(bytes.byte());
    }
    // Arrays of lengths that contradict each other.
    match faults {
        1 => drop(node_counts.pop()),
        2 => node_counts.iter_mut().for_each(|count| *count = u32::MAX - *count),
        3 => drop(node_ids.pop()),
        4 => node_activations.push(0),
        5 => drop(sources.pop()),
        6 => targets.push(4),
        7 => weights.clear(),
        8 => enabled.push(1),
        9 => innovations.clear(),
        _ => {}
    }
    let arrays = GenomeArrays {
        node_counts: &node_counts,
        node_ids: &node_ids,
        node_activations: &node_activations,
        connection_counts: &connection_counts,
        innovations: &innovations,
        sources: &sources,
        targets: &targets,
        weights: &weights,
        enabled: &enabled,
    };
    let Ok(genomes) = arrays.genomes(wanted, &GO) else { return };
    assert_eq!(genomes.len(), node_counts.len());
    for (genome, (&nodes, &connections)) in genomes.iter().zip(node_counts.iter().zip(&connection_counts)) {
        assert_eq!(genome.outputs(), wanted);
        assert_eq!((genome.nodes().len(), genome.connections().len()), (nodes as usize, connections as usize));
    }
    live(&genomes, &mut bytes);
}

/// Text, and after a NUL the choices of what is done with it.
pub fn species_json(data: &[u8]) {
    let (text, mut choices) = divide(data);
    let Some(mut set) = text.and_then(|text| serde_json::from_str::<SpeciesSet>(text).ok()) else { return };
    let Ok(()) = set.validate() else { return };
    reread(&set);
    let settings = SpeciesSettings {
        compatibility: Compatibility {
            excess: choices.amount(),
            disjoint: choices.amount(),
            weight: choices.amount(),
            activation: choices.amount(),
            ..Compatibility::default()
        },
        target_species: usize::from(choices.byte() % 4) + 1,
        stagnation: u32::from(choices.byte() % 4),
        species_elitism: usize::from(choices.byte() % 4),
        elitism_size: usize::from(choices.byte() % 4),
        survival: choices.chance(),
        crossover: choices.chance(),
        interspecies: choices.chance(),
        ..SpeciesSettings::default()
    };
    let mut pool: Vec<Genome> = set.species().iter().take(8).map(|species| species.representative.clone()).collect();
    pool.retain(|genome| genome.outputs() == pool_outputs(set.species()));
    if pool.is_empty() {
        return;
    }
    let mut counters = counters(&pool);
    let mut stream = Stream::new(u64::from(choices.word()), Purpose::Speciate, 0, 0);
    for generation in 0..3 {
        let species = set.speciate(&pool, &settings, &mut stream, &GO).expect("a set that was checked");
        assert_eq!(species.len(), pool.len());
        assert!(set.species().len() <= 2 * settings.target_species, "too many species");
        set.validate().expect("speciation keeps a set sound");
        let fitness: Vec<f32> = pool.iter().map(|_| choices.amount()).collect();
        let children = usize::from(choices.byte() % 8);
        let offspring = set.reproduce(&species, &fitness, children, &settings, &mut stream).expect("valid arguments");
        assert_eq!(offspring.matings.len(), children);
        assert!(offspring.elites.iter().all(|&elite| (elite as usize) < pool.len()));
        set.validate().expect("reproduction keeps a set sound");
        reread(&set);
        let Some(next) = bred(&pool, &offspring.matings, &mut counters, &mut choices, generation) else { return };
        pool.extend(next);
    }
}

fn pool_outputs(species: &[neatfool_core::Species]) -> usize {
    species.first().map_or(1, |species| species.representative.outputs())
}

fn reread(set: &SpeciesSet) {
    let text = serde_json::to_string(set).expect("plain data");
    let again: SpeciesSet = serde_json::from_str(&text).expect("its own text");
    again.validate().expect("its own text");
    assert_eq!(&again, set);
}

/// Everything a run does with genomes.
fn live(pool: &[Genome], choices: &mut Bytes) {
    seen(pool, choices);
    for genome in pool {
        assert_eq!(Genome::from_json(&genome.to_json()).as_ref(), Ok(genome));
    }
    let count = pool.len() as u32;
    if count == 0 {
        return;
    }
    let mating = |i: u32, equal| Mating { fitter: i % count, other: (i + 1) % count, equal };
    let matings: Vec<Mating> = (0..2 * count).flat_map(|i| [mating(i, false), mating(i, true)]).collect();
    let mut counters = counters(pool);
    if let Some(children) = bred(pool, &matings, &mut counters, choices, 0) {
        seen(&children, choices);
        let grandchildren = bred(&children, &matings, &mut counters, choices, 1).expect("as many numbers as before");
        seen(&grandchildren, choices);
    }
}

/// Draws genomes in every way.
fn seen(genomes: &[Genome], choices: &mut Bytes) {
    let (width, height) = (usize::from(choices.byte() % 20) + 1, usize::from(choices.byte() % 5) + 1);
    let home = (usize::from(choices.byte()) + 1, usize::from(choices.byte()) + 1);
    let color = COLORS[usize::from(choices.byte() % 3)];
    let channels = genomes.first().map_or(1, Genome::outputs);
    let all: Vec<&Genome> = genomes.iter().collect();
    for coordinates in [Coordinates::Unit, Coordinates::Pixel] {
        let grid = Grid::resampled(width, height, home.0, home.1, coordinates).expect("a small picture");
        let mut pixels = vec![0; all.len() * channels * width * height];
        render(&all, &grid, color, &mut pixels, &GO).expect("a buffer that fits");
        for genome in genomes {
            let planes = outputs(genome, &grid, &GO).expect("not cancelled");
            assert!(planes.iter().all(|value| value.abs() <= 1.0), "an output beyond ±1");
            let node = genome.nodes()[usize::from(choices.byte()) % genome.nodes().len()].id;
            assert!(sums(genome, node, &grid, &GO).expect("a node of it").iter().all(|sum| sum.is_finite()));
            genome.silenced(node).expect("a node of it").validate().expect("a smaller genome");
        }
    }
}

/// A generation of children, checked; `None` where the historical markings are used up.
fn bred(
    pool: &[Genome],
    matings: &[Mating],
    counters: &mut Innovations,
    choices: &mut Bytes,
    generation: u32,
) -> Option<Vec<Genome>> {
    let settings = CppnSettings {
        outputs: pool[0].outputs(),
        activations: Activation::ALL.to_vec(),
        initial_mutations: 0,
        rates: MutationRates {
            weight: choices.chance(),
            weight_eta: f64::from(choices.byte()),
            activation: choices.chance(),
            add_connection: choices.chance(),
            delete_connection: choices.chance(),
            add_node: choices.chance(),
            delete_node: choices.chance(),
            keep_split: choices.byte() % 2 == 1,
        },
    };
    let crossover = CrossoverSettings { keep_disabled: choices.chance() };
    let (seed, before) = (u64::from(choices.word()), *counters);
    let children = vary(pool, matings, &settings, &crossover, seed, generation, 0, counters, &GO).ok()?;
    assert_eq!(children.len(), matings.len());
    for child in &children {
        child.validate().expect("variation keeps the invariants");
        assert_eq!(child.outputs(), settings.outputs);
        assert!(child.nodes().iter().all(|node| node.id < counters.next_node));
        assert!(child.connections().iter().all(|gene| gene.innovation < counters.next_innovation));
    }
    let mut again = before;
    let repeated = vary(pool, matings, &settings, &crossover, seed, generation, 0, &mut again, &GO);
    assert_eq!((repeated.as_ref(), again), (Ok(&children), *counters), "the same seed, other children");
    Some(children)
}

/// Counters above everything in the pool.
fn counters(pool: &[Genome]) -> Innovations {
    let above = |last: Option<u32>| last.map_or(0, |last| last.saturating_add(1));
    let next_innovation = above(pool.iter().filter_map(|g| g.connections().last()).map(|c| c.innovation).max());
    Innovations { next_innovation, next_node: above(pool.iter().filter_map(|g| g.nodes().last()).map(|n| n.id).max()) }
}

fn divide(data: &[u8]) -> (Option<&str>, Bytes<'_>) {
    let end = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    (std::str::from_utf8(&data[..end]).ok(), Bytes(&data[(end + 1).min(data.len())..]))
}

/// Bytes to take numbers from; zeros when they run out.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A small number from one byte, or any from five.
    fn number(&mut self) -> u32 {
        match self.byte() {
            u8::MAX => self.word(),
            small => u32::from(small),
        }
    }

    fn chance(&mut self) -> f64 {
        f64::from(self.byte()) / 255.0
    }

    /// Finite and not negative, from 0 to the largest there is.
    fn amount(&mut self) -> f32 {
        match self.byte() {
            u8::MAX => f32::MAX,
            254 => f32::MIN_POSITIVE,
            small => f32::from(small) / 16.0,
        }
    }
}
