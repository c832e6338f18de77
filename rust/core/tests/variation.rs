//! Mutation and crossover of CPPNs through the public interface.

mod common;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;

use common::{GO, NONE, PAPER, copies, figure_4, fingerprint, genome, on_threads, settings};
use neatfool_core::{
    Activation, ConnectionGene, CppnSettings, CrossoverSettings, Genome, INPUTS, Innovations, MAX_WEIGHT, Mating,
    MutationRates, VariationError, random_population, vary,
};
use proptest::prelude::*;

const CROSSOVER: CrossoverSettings = CrossoverSettings { keep_disabled: 0.75 };

fn start(count: usize, settings: &CppnSettings, seed: u64) -> (Vec<Genome>, Innovations) {
    let mut innovations = Innovations::new(settings.outputs);
    let genomes = random_population(count, settings, seed, &mut innovations, &GO).expect("valid settings");
    (genomes, innovations)
}

/// Children of generation 1 from copies of one genome.
fn children_of(parent: &Genome, count: usize, rates: MutationRates, innovations: &mut Innovations) -> Vec<Genome> {
    let settings = settings(parent.outputs(), 0, rates);
    let matings = vec![Mating { fitter: 0, other: 0, equal: false }; count];
    vary(std::slice::from_ref(parent), &matings, &settings, &CROSSOVER, 11, 1, 0, innovations, &GO).expect("valid")
}

fn pairs(genome: &Genome) -> HashSet<(u32, u32)> {
    genome.connections().iter().map(|c| (c.source, c.target)).collect()
}

/// Whether an observed share is within five standard deviations of `p`.
fn close(observed: usize, trials: usize, p: f64) -> bool {
    (observed as f64 / trials as f64 - p).abs() < 5.0 * (p * (1.0 - p) / trials as f64).sqrt() + 1e-12
}

#[test]
fn start_is_fully_connected_and_uniform() {
    let (genomes, innovations) = start(2000, &settings(3, 0, MutationRates::default()), 1);
    assert_eq!(innovations, Innovations::new(3));
    assert_eq!(innovations, Innovations { next_innovation: 12, next_node: 7 });
    let mut bins = [0_usize; 10];
    let mut activations = HashMap::new();
    for genome in &genomes {
        genome.validate().expect("valid");
        assert_eq!(genome.hidden(), 0);
        let all: HashSet<_> = (0..4).flat_map(|source| (4..7).map(move |target| (source, target))).collect();
        assert_eq!(pairs(genome), all);
        for c in genome.connections() {
            assert!(c.enabled);
            bins[(c.weight / 2.0 + 5.0) as usize] += 1;
        }
        for node in genome.nodes() {
            *activations.entry(node.activation).or_insert(0) += 1;
        }
    }
    assert!(bins.iter().all(|&n| close(n, 24_000, 0.1)), "{bins:?}");
    assert!(PAPER.iter().all(|a| close(activations[a], 6000, 0.25)), "{activations:?}");
}

#[test]
fn weights_follow_polynomial_mutation() {
    // A weight of 0 never meets the bounds, so the change over 20 has the distribution of delta.
    let parent = genome(&[], &[(0, 0, 4, 0.0, true), (1, 1, 4, 10.0, true)]);
    for eta in [0.0, 5.0, 15.0] {
        let rates = MutationRates { weight: 1.0, weight_eta: eta, ..NONE };
        let children = children_of(&parent, 40_000, rates, &mut Innovations::new(1));
        let mut deltas: Vec<f64> = children.iter().map(|g| f64::from(g.connections()[0].weight) / 20.0).collect();
        deltas.sort_by(f64::total_cmp);
        // Closed form: P(delta <= d) = (1 + d)^(eta + 1) / 2 below 0, 1 - (1 - d)^(eta + 1) / 2 above; then clamped at ±1/2.
        let cdf = |d: f64| {
            if d < 0.0 { (1.0 + d).powf(eta + 1.0) / 2.0 } else { 1.0 - (1.0 - d).powf(eta + 1.0) / 2.0 }
        };
        let inside = deltas.iter().enumerate().filter(|(_, d)| d.abs() < 0.499_999);
        let worst = inside.map(|(i, &d)| (cdf(d) - i as f64 / 40_000.0).abs()).fold(0.0, f64::max);
        assert!(worst < 1.95 / 200.0, "Kolmogorov-Smirnov distance {worst} at eta {eta}");
        assert!(children.iter().all(|g| g.connections()[1].weight <= MAX_WEIGHT));
        let stuck = children.iter().filter(|g| g.connections()[1].weight >= MAX_WEIGHT).count();
        assert!(close(stuck, 40_000, 0.5), "half of the steps from the bound lead out of it, {stuck}");
    }
}

#[test]
fn rates_are_those_of_the_settings() {
    let (parents, innovations) = start(1, &settings(1, 8, MutationRates::default()), 3);
    let parent = &parents[0];
    assert!(parent.hidden() > 1);
    let count = 20_000;
    let weights = parent.connections().len() * count;
    let children = children_of(parent, count, MutationRates { weight: 0.1, ..NONE }, &mut innovations.clone());
    let changed = children.iter().flat_map(|g| g.connections().iter().zip(parent.connections()));
    assert!(close(changed.filter(|(a, b)| a.weight.to_bits() != b.weight.to_bits()).count(), weights, 0.1));

    let children = children_of(parent, count, MutationRates { activation: 0.2, ..NONE }, &mut innovations.clone());
    let changed = children.iter().flat_map(|g| g.nodes().iter().zip(parent.nodes()));
    // One draw in four gives the old activation.
    let changed = changed.filter(|(a, b)| a.activation != b.activation).count();
    assert!(close(changed, parent.nodes().len() * count, 0.15));

    let children =
        children_of(parent, count, MutationRates { delete_connection: 0.3, ..NONE }, &mut innovations.clone());
    let fewer = children.iter().filter(|g| g.connections().len() + 1 == parent.connections().len()).count();
    assert!(close(fewer, count, 0.3));

    let children = children_of(parent, count, MutationRates { delete_node: 0.2, ..NONE }, &mut innovations.clone());
    let fewer: Vec<_> = children.iter().filter(|g| g.hidden() + 1 == parent.hidden()).collect();
    assert!(close(fewer.len(), count, 0.2));
    for id in parent.nodes()[1..].iter().map(|n| n.id) {
        let gone = fewer.iter().filter(|g| g.node_index(id).is_none()).count();
        assert!(close(gone, fewer.len(), 1.0 / parent.hidden() as f64));
    }

    let children = children_of(parent, count, MutationRates { add_node: 0.5, ..NONE }, &mut innovations.clone());
    let more = children.iter().filter(|g| g.hidden() == parent.hidden() + 1).count();
    assert!(close(more, count, 0.5));
}

#[test]
fn added_connections_are_uniform_over_what_keeps_the_graph_acyclic() {
    // 0 -> 5 -> 6 -> 4, with 5 -> 6 disabled: it still orders the two.
    let parent = genome(&[5, 6], &[(0, 0, 5, 1.0, true), (4, 5, 6, 1.0, false), (5, 6, 4, 1.0, true)]);
    let mut innovations = Innovations { next_innovation: 6, next_node: 7 };
    let count = 60_000;
    let children = children_of(&parent, count, MutationRates { add_connection: 1.0, ..NONE }, &mut innovations);
    let mut added: HashMap<(u32, u32), usize> = HashMap::new();
    let (mut enabled, mut unchanged) = (0, 0);
    for child in &children {
        let new: Vec<_> = pairs(child).difference(&pairs(&parent)).copied().collect();
        match new[..] {
            [pair] => *added.entry(pair).or_default() += 1,
            _ if child == &parent => unchanged += 1,
            _ => {
                assert!(child.connections()[1].enabled);
                enabled += 1;
            }
        }
    }
    // Each of the 6 sources with probability 1/6; inputs and node 5 have 3 or 2 possible targets, node 6 only the output.
    for (pair, share) in [
        ((0, 4), 1.0 / 18.0),
        ((0, 6), 1.0 / 18.0),
        ((1, 4), 1.0 / 18.0),
        ((1, 5), 1.0 / 18.0),
        ((1, 6), 1.0 / 18.0),
        ((2, 5), 1.0 / 18.0),
        ((3, 6), 1.0 / 18.0),
        ((5, 4), 1.0 / 12.0),
    ] {
        assert!(close(added[&pair], count, share), "{pair:?}: {}", added[&pair]);
    }
    assert!(!added.contains_key(&(6, 5)));
    assert!(close(enabled, count, 1.0 / 12.0));
    assert!(close(unchanged, count, 1.0 / 18.0 + 1.0 / 6.0));
    assert_eq!(innovations.next_innovation as usize, 6 + added.len(), "one number per new pair");
    let mut number_of = HashMap::new();
    for c in children.iter().flat_map(Genome::connections) {
        assert_eq!(*number_of.entry((c.source, c.target)).or_insert(c.innovation), c.innovation);
    }
}

#[test]
fn split_keeps_the_weight_and_shares_its_numbers() {
    let parent = genome(&[], &[(0, 0, 4, 2.5, true), (1, 1, 4, -1.0, false)]);
    for keep_split in [false, true] {
        let mut innovations = Innovations::new(1);
        let rates = MutationRates { add_node: 1.0, keep_split, ..NONE };
        for child in children_of(&parent, 50, rates, &mut innovations) {
            let connections: Vec<_> =
                child.connections().iter().map(|c| (c.innovation, c.source, c.target, c.weight, c.enabled)).collect();
            let mut expected = vec![(1, 1, 4, -1.0, false), (4, 0, 5, 2.5, true), (5, 5, 4, 2.5, true)];
            if keep_split {
                expected.insert(0, (0, 0, 4, 2.5, false));
            }
            assert_eq!(connections, expected);
        }
        assert_eq!(innovations, Innovations { next_innovation: 6, next_node: 6 });
    }
}

#[test]
fn deleting_a_node_takes_its_connections() {
    let parent = genome(&[5], &[(0, 0, 5, 1.0, true), (1, 5, 4, 1.0, true), (2, 1, 4, 1.0, true)]);
    let mut innovations = Innovations { next_innovation: 4, next_node: 6 };
    let child = &children_of(&parent, 1, MutationRates { delete_node: 1.0, ..NONE }, &mut innovations)[0];
    assert_eq!(child, &genome(&[], &[(2, 1, 4, 1.0, true)]));
}

#[test]
fn nothing_to_delete_or_split_is_no_error() {
    let parent = genome(&[], &[]);
    let rates = MutationRates { delete_connection: 1.0, add_node: 1.0, delete_node: 1.0, weight: 1.0, ..NONE };
    assert_eq!(children_of(&parent, 1, rates, &mut Innovations::new(1))[0], parent);
}

#[test]
fn repeated_structure_in_one_genome_gets_fresh_numbers() {
    // Splits that stay, re-enabled by added connections and split again, many rounds in one ledger.
    let rates = MutationRates { add_connection: 1.0, add_node: 1.0, keep_split: true, ..MutationRates::default() };
    let (genomes, innovations) = start(60, &settings(1, 40, rates), 5);
    for genome in &genomes {
        genome.validate().expect("valid");
    }
    // Shared numbers mean shared structure.
    let mut seen: HashMap<u32, (u32, u32)> = HashMap::new();
    for c in genomes.iter().flat_map(Genome::connections) {
        assert_eq!(*seen.entry(c.innovation).or_insert((c.source, c.target)), (c.source, c.target));
    }
    assert!(seen.keys().all(|&i| i < innovations.next_innovation));
    let shared = genomes.iter().filter(|g| g.nodes().iter().any(|n| n.id == 5)).count();
    assert!(shared > 1, "the first split is found by several genomes");
}

fn offspring(pool: &[Genome], fitter: u32, equal: bool, keep_disabled: f64, count: usize) -> Vec<Genome> {
    let matings = vec![Mating { fitter, other: 1 - fitter, equal }; count];
    let settings = settings(1, 0, NONE);
    let mut innovations = Innovations { next_innovation: 100, next_node: 100 };
    let children =
        vary(pool, &matings, &settings, &CrossoverSettings { keep_disabled }, 3, 1, 0, &mut innovations, &GO)
            .expect("valid");
    for child in &children {
        child.validate().expect("valid");
    }
    children
}

fn find(genome: &Genome, innovation: u32) -> Option<&ConnectionGene> {
    genome.connections().iter().find(|c| c.innovation == innovation)
}

#[test]
fn figure_4_offspring_of_equals_mixes_all_genes() {
    let (one, two) = figure_4();
    let count = 20_000;
    let children = offspring(&[one, two], 0, true, 0.75, count);
    let share = |what: &dyn Fn(&Genome) -> bool| children.iter().filter(|c| what(c)).count();
    for innovation in 1..=5 {
        assert!(close(share(&|c| find(c, innovation).expect("matching").weight < 1.5), count, 0.5));
    }
    // Disabled in both, and in the second alone.
    for innovation in [2, 5] {
        assert!(close(share(&|c| !find(c, innovation).expect("matching").enabled), count, 0.75));
    }
    for (innovation, weight) in [(6, 2.0), (7, 2.0), (8, 1.0), (9, 2.0), (10, 2.0)] {
        assert!(close(share(&|c| find(c, innovation).is_some()), count, 0.5));
        let inherited = |c| find(c, innovation).is_none_or(|gene| gene.enabled && (gene.weight - weight).abs() < 1e-9);
        assert!(children.iter().all(inherited));
    }
    // The complete offspring that the figure shows, and the smallest one.
    let has =
        |genome: &Genome, wanted: &[u32]| genome.connections().iter().map(|c| c.innovation).eq(wanted.iter().copied());
    assert!(close(share(&|c| has(c, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])), count, 1.0 / 32.0));
    assert!(close(share(&|c| has(c, &[1, 2, 3, 4, 5]) && c.hidden() == 1), count, 1.0 / 32.0));
    assert!(children.iter().all(|c| (c.hidden() == 2) == [6, 7, 10].iter().any(|&i| find(c, i).is_some())));
}

#[test]
fn disabled_genes_stay_so_with_the_given_probability() {
    let (one, two) = figure_4();
    for (keep_disabled, disabled) in [(1.0, true), (0.0, false)] {
        for child in offspring(&[one.clone(), two.clone()], 1, false, keep_disabled, 50) {
            assert!([2, 5].iter().all(|&i| find(&child, i).expect("of the fitter").enabled != disabled));
        }
    }
}

#[test]
fn figure_4_offspring_of_unequals_is_built_as_the_fitter() {
    let (one, two) = figure_4();
    for (fitter, parent) in [(0, &one), (1, &two)] {
        let children = offspring(&[one.clone(), two.clone()], fitter, false, 0.75, 50);
        assert!(children.iter().all(|c| pairs(c) == pairs(parent)));
        assert!(children.iter().all(|c| c.nodes().len() == parent.nodes().len()));
    }
}

#[test]
fn equals_that_disagree_make_no_cycle_and_no_double() {
    let ends = [(0, 0, 5, 1.0, true), (1, 0, 6, 1.0, true), (2, 5, 4, 1.0, true), (3, 6, 4, 1.0, true)];
    let forth = genome(&[5, 6], &[&ends[..], &[(4, 5, 6, 1.0, true), (6, 1, 5, 1.0, true)]].concat());
    let back =
        genome(&[5, 6], &[&ends[..], &[(5, 6, 5, 2.0, true), (7, 1, 5, 2.0, true), (8, 2, 6, 2.0, true)]].concat());
    let children = offspring(&[forth, back], 0, true, 0.75, 400);
    let count = |a: u32, b: u32| children.iter().filter(|c| find(c, a).is_some() && find(c, b).is_some()).count();
    assert_eq!((count(4, 5), count(6, 7)), (0, 0));
    assert!(count(4, 6) > 0 && count(5, 7) > 0 && count(4, 8) > 0);
}

#[test]
fn activations_come_from_either_parent() {
    let (one, two) = figure_4();
    let mut nodes = two.nodes().to_vec();
    for node in &mut nodes {
        node.activation = Activation::Gaussian;
    }
    let two = Genome::new(1, nodes, two.connections().to_vec()).expect("valid");
    let count = 10_000;
    let children = offspring(&[one, two], 1, false, 0.75, count);
    for node in 0..2 {
        let sine = children.iter().filter(|c| c.nodes()[node].activation == Activation::Sine).count();
        assert!(close(sine, count, 0.5));
    }
    assert!(children.iter().all(|c| c.nodes()[2].activation == Activation::Gaussian));
}

/// Pins what a seed gives, on every kind of machine.
#[test]
fn a_seed_gives_these_genomes_everywhere() {
    let settings = settings(3, 12, MutationRates { keep_split: true, ..MutationRates::default() });
    let (pool, mut innovations) = start(200, &settings, 42);
    let matings: Vec<_> = (0..200).map(|i| Mating { fitter: i, other: i * 7 % 200, equal: i % 5 == 0 }).collect();
    let children = vary(&pool, &matings, &settings, &CROSSOVER, 42, 3, 0, &mut innovations, &GO).expect("valid");
    let json: String = children.iter().map(Genome::to_json).collect();
    assert_eq!(
        (innovations.next_innovation, innovations.next_node, fingerprint(json.as_bytes())),
        (643, 194, 1_398_299_771_080_789_818)
    );
}

#[test]
fn cancelled_variation_gives_out_no_numbers() {
    let settings = settings(1, 3, MutationRates::default());
    let (pool, innovations) = start(4, &settings, 0);
    let (mut after, stop) = (innovations, AtomicBool::new(true));
    assert_eq!(
        vary(&pool, &copies(4), &settings, &CROSSOVER, 0, 1, 0, &mut after, &stop),
        Err(VariationError::Cancelled)
    );
    assert_eq!(random_population(4, &settings, 0, &mut after, &stop), Err(VariationError::Cancelled));
    assert_eq!(after, innovations);
}

#[test]
fn bad_arguments_are_named() {
    let good = settings(1, 0, MutationRates::default());
    let (pool, innovations) = start(2, &good, 0);
    let attempt = |matings: &[Mating], settings: &CppnSettings, keep_disabled: f64, mut innovations: Innovations| {
        let crossover = CrossoverSettings { keep_disabled };
        vary(&pool, matings, settings, &crossover, 0, 1, 0, &mut innovations, &GO).expect_err("bad").to_string()
    };
    let one = copies(1);
    let outside = [Mating { fitter: 0, other: 2, equal: false }];
    assert!(attempt(&outside, &good, 0.5, innovations).contains("parent 2 is not among the 2"));
    assert!(attempt(&one, &settings(3, 0, NONE), 0.5, innovations).contains("genome 0 has 1 outputs"));
    assert!(attempt(&one, &settings(2, 0, NONE), 0.5, innovations).contains("outputs is 2"));
    assert!(attempt(&one, &good, 1.5, innovations).contains("keep_disabled is 1.5"));
    assert!(attempt(&one, &good, f64::NAN, innovations).contains("keep_disabled is NaN"));
    let eta = settings(1, 0, MutationRates { weight_eta: -1.0, ..NONE });
    assert!(attempt(&one, &eta, 0.5, innovations).contains("weight_eta is -1"));
    let none = CppnSettings { activations: vec![], ..good.clone() };
    assert!(attempt(&one, &none, 0.5, innovations).contains("activations is empty"));
    let old = Innovations { next_innovation: 3, ..innovations };
    assert!(attempt(&one, &good, 0.5, old).contains("beyond the counters"));
    let full = Innovations { next_innovation: u32::MAX, ..innovations };
    assert!(attempt(&one, &good, 0.5, full).contains("used up"));
}

fn any_rates() -> impl Strategy<Value = MutationRates> {
    (prop::array::uniform6(0.0..=1.0_f64), 0.0..40.0_f64, any::<bool>()).prop_map(|(p, weight_eta, keep_split)| {
        let [weight, activation, add_connection, delete_connection, add_node, delete_node] = p;
        MutationRates {
            weight,
            weight_eta,
            activation,
            add_connection,
            delete_connection,
            add_node,
            delete_node,
            keep_split,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_sequence_of_operators_keeps_the_invariants(
        rates in any_rates(),
        outputs in prop::sample::select(vec![1, 3]),
        initial in 0..12_u32,
        seed: u64,
        picks in prop::collection::vec(prop::collection::vec((0..8_u32, 0..8_u32, any::<bool>()), 8), 0..10),
    ) {
        let settings = settings(outputs, initial, rates);
        let (mut pool, mut innovations) = start(8, &settings, seed);
        let (mut inherited, mut known) = (HashMap::new(), HashMap::new());
        for (generation, picks) in std::iter::once(None).chain(picks.iter().map(Some)).enumerate() {
            if let Some(picks) = picks {
                let matings: Vec<_> =
                    picks.iter().map(|&(fitter, other, equal)| Mating { fitter, other, equal }).collect();
                pool = vary(&pool, &matings, &settings, &CROSSOVER, seed, generation as u32, 0, &mut innovations, &GO)
                    .expect("valid");
            }
            for genome in &pool {
                prop_assert_eq!(genome.validate(), Ok(()));
                prop_assert_eq!(genome.outputs(), outputs);
                prop_assert!(genome.nodes().iter().all(|n| n.id < innovations.next_node));
                prop_assert!(genome.connections().iter().all(|c| c.innovation < innovations.next_innovation));
                prop_assert_eq!(&Genome::from_json(&genome.to_json()).expect("round trip"), genome);
                // A marking means the same pair of nodes for the whole run, and ids are never reused.
                for c in genome.connections() {
                    let pair = *known.entry(c.innovation).or_insert((c.source, c.target));
                    prop_assert_eq!(pair, (c.source, c.target));
                }
                for node in &genome.nodes()[outputs..] {
                    let born = *inherited.entry(node.id).or_insert(generation);
                    prop_assert!(node.id as usize >= INPUTS + outputs && born <= generation);
                }
            }
        }
    }

    #[test]
    fn threads_and_batches_do_not_show(rates in any_rates(), seed: u64, cut in 0..100_usize) {
        let settings = settings(3, 5, rates);
        let run = |threads: usize| on_threads(threads, || {
            let (pool, mut innovations) = start(100, &settings, seed);
            let matings: Vec<_> =
                (0..100).map(|i| Mating { fitter: i, other: (i * 37) % 100, equal: i % 3 == 0 }).collect();
            let children = vary(&pool, &matings, &settings, &CROSSOVER, seed, 7, 0, &mut innovations, &GO).expect("valid");
            (pool, matings, children, innovations)
        });
        let (pool, matings, children, innovations) = run(1);
        let (pool_3, _, children_3, innovations_3) = run(3);
        prop_assert!(pool == pool_3 && children == children_3 && innovations == innovations_3);

        // In two calls: the same children but for the numbering of what is new.
        let (_, mut innovations) = start(100, &settings, seed);
        let (first, second) = matings.split_at(cut);
        let mut parts = vary(&pool, first, &settings, &CROSSOVER, seed, 7, 0, &mut innovations, &GO).expect("valid");
        parts.extend(vary(&pool, second, &settings, &CROSSOVER, seed, 7, cut as u32, &mut innovations, &GO).expect("valid"));
        for (part, child) in parts.iter().zip(&children) {
            prop_assert_eq!(part.nodes().len(), child.nodes().len());
            let weights = |g: &Genome| {
                let mut weights: Vec<_> = g.connections().iter().map(|c| (c.weight.to_bits(), c.enabled)).collect();
                weights.sort_unstable();
                weights
            };
            prop_assert_eq!(weights(part), weights(child));
        }
    }
}
