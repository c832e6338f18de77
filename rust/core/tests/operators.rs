//! The operators of `breed` through the public interface.

mod common;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;

use common::{GO, NONE, PAPER, copies, on_threads, random_genome, settings};
use neatfool_core::{
    Activation, BIAS, ColorModel, Coordinates, CppnSettings, Genome, Grid, INPUTS, Innovations, Mating, MutationRates,
    Operator, VariationError, breed, random_population, render,
};
use proptest::prelude::*;

/// Counters above every marking of `random_genome`.
fn counters() -> Innovations {
    Innovations { next_innovation: 1000, next_node: 1000 }
}

fn quiet(outputs: usize) -> CppnSettings {
    settings(outputs, 0, NONE)
}

fn children(pool: &[Genome], matings: &[Mating], operator: Operator, seed: u64) -> Vec<Genome> {
    let operators = vec![operator; matings.len()];
    breed(pool, matings, &operators, &quiet(pool[0].outputs()), seed, 1, 0, &mut counters(), &GO).expect("valid")
}

fn many(parent: &Genome, operator: Operator) -> Vec<Genome> {
    let matings = vec![Mating { fitter: 0, other: 0, equal: false }; 200];
    children(std::slice::from_ref(parent), &matings, operator, 3)
}

fn at(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::Sine => v.sin(),
        Activation::Sigmoid => 2.0 / (1.0 + (-v).exp()) - 1.0,
        Activation::Gaussian => (-v * v).exp(),
        Activation::Linear => v.clamp(-3.0, 3.0) / 3.0,
        // Of period 4: 0 at 0, 1 at 1, -1 at 3.
        Activation::Triangle => 1.0 - ((v - 1.0).rem_euclid(4.0) - 2.0).abs().mul_add(-1.0, 2.0),
        other => panic!("{other:?} is not among the activations of these tests"),
    }
}

/// The value of a node, from the values of the inputs.
fn value(genome: &Genome, id: u32, inputs: [f64; 4]) -> f64 {
    if (id as usize) < INPUTS {
        return inputs[id as usize];
    }
    let incoming = genome.connections().iter().filter(|c| c.target == id && c.enabled);
    let sum = incoming.map(|c| f64::from(c.weight) * value(genome, c.source, inputs)).sum();
    at(genome.nodes()[genome.node_index(id).expect("known")].activation, sum)
}

/// The nodes through which a child sees each input, beside the inputs that it sees as before.
fn windows(parent: &Genome, child: &Genome) -> HashMap<u32, u32> {
    let old: HashSet<u32> = parent.nodes().iter().map(|n| n.id).collect();
    let mut seen = HashMap::new();
    for c in parent.connections().iter().filter(|c| (c.source as usize) < INPUTS) {
        let same = |d: &&neatfool_core::ConnectionGene| {
            d.target == c.target
                && d.weight.to_bits() == c.weight.to_bits()
                && (d.source == c.source || !old.contains(&d.source) && d.source as usize >= INPUTS)
        };
        let moved: Vec<_> = child.connections().iter().filter(same).collect();
        assert_eq!(moved.len(), 1, "every connection from an input is where it was, or at a new node");
        assert_eq!(*seen.entry(c.source).or_insert(moved[0].source), moved[0].source, "one window an input");
    }
    seen
}

/// Checks that a child shows at every point what its parent shows at the point that its windows lead to.
fn assert_sees_the_parent(parent: &Genome, child: &Genome) {
    let windows = windows(parent, child);
    for (x, y) in [(0.0, 0.0), (0.3, -0.8), (-1.0, 1.0), (0.71, 0.13)] {
        let inputs = [x, y, f64::hypot(x, y), 1.0];
        let seen = std::array::from_fn(|input| {
            windows.get(&(input as u32)).map_or(inputs[input], |&node| value(child, node, inputs))
        });
        for output in 4..4 + parent.outputs() as u32 {
            let (is, should) = (value(child, output, inputs), value(parent, output, seen));
            assert!((is - should).abs() < 1e-6, "{is} instead of {should}");
        }
    }
}

fn weights_into(genome: &Genome, node: u32) -> HashMap<u32, f32> {
    genome.connections().iter().filter(|c| c.target == node).map(|c| (c.source, c.weight)).collect()
}

/// Children of which no weight changed, as in every other one: of so many connections one of the parent's would have, too.
fn unweighted(parent: &Genome, operator: Operator) -> Vec<Genome> {
    let kept = |child: &Genome| {
        parent.connections().iter().all(|c| {
            let same =
                |d: &&neatfool_core::ConnectionGene| d.target == c.target && d.weight.to_bits() == c.weight.to_bits();
            child.connections().iter().any(|d| same(&d))
        })
    };
    let (kept, changed): (Vec<_>, Vec<_>) = many(parent, operator).into_iter().partition(kept);
    assert!(kept.len() > 60 && changed.len() > 20, "{} of {}", kept.len(), kept.len() + changed.len());
    kept
}

#[test]
fn place_moves_turns_and_scales() {
    let parent = random_genome(5, 3, 12, 90, &PAPER);
    let mut turned = 0;
    for child in unweighted(&parent, Operator::Place) {
        assert_sees_the_parent(&parent, &child);
        let windows = windows(&parent, &child);
        let (x, y) = (weights_into(&child, windows[&0]), weights_into(&child, windows[&1]));
        assert_eq!((x[&0].to_bits(), x[&1].to_bits()), (y[&1].to_bits(), (-y[&0]).to_bits()));
        let scale = x[&0].hypot(x[&1]);
        assert!((0.399..2.501).contains(&scale), "{scale}");
        assert!(x[&BIAS].abs() <= 0.5 && y[&BIAS].abs() <= 0.5);
        turned += usize::from(x[&1].abs() > 1e-3);
    }
    assert!(turned > 20);
}

#[test]
fn repeat_shows_a_part_many_times() {
    let parent = random_genome(6, 1, 14, 90, &PAPER);
    let (mut parts, mut rings) = (0, 0);
    for child in unweighted(&parent, Operator::Repeat) {
        assert_sees_the_parent(&parent, &child);
        let windows = windows(&parent, &child);
        let x = weights_into(&child, windows[&0]);
        // Either the repeating node, or a part of what it shows.
        let node = *x.keys().find(|&&id| id != BIAS).expect("a source");
        let times = if (node as usize) < INPUTS { x[&0] } else { weights_into(&child, node)[&0] };
        assert!((1.5..9.0).contains(&times));
        parts += usize::from(node as usize >= INPUTS);
        rings += usize::from(windows.get(&2).is_some_and(|&d| d as usize >= INPUTS));
        for x in [-1.0, -0.4, 0.0, 0.9] {
            assert!(value(&child, windows[&0], [x, 0.2, 0.5, 1.0]).abs() <= 1.0);
        }
    }
    assert!(parts > 20 && rings > 20, "{parts} {rings}");
}

#[test]
fn warp_bends_one_coordinate() {
    let parent = random_genome(7, 3, 6, 24, &PAPER);
    let mut bent = HashSet::new();
    for child in many(&parent, Operator::Warp) {
        assert_sees_the_parent(&parent, &child);
        let new: Vec<_> = windows(&parent, &child).into_iter().filter(|&(input, node)| input != node).collect();
        assert_eq!(new.len(), 1);
        bent.insert(new[0].0);
    }
    assert_eq!(bent, HashSet::from([0, 1]));
}

#[test]
fn mix_takes_whole_outputs_from_the_other() {
    let pool = [random_genome(8, 3, 7, 30, &PAPER), random_genome(9, 3, 7, 30, &PAPER)];
    let matings = vec![Mating { fitter: 0, other: 1, equal: false }; 60];
    let grid = Grid::new(12, 12, Coordinates::Unit).expect("a size");
    let drawn = |genome: &Genome| {
        let mut out = vec![0; 3 * 144];
        render(&[genome], &grid, ColorModel::Raw, &mut out, &GO).expect("drawn");
        out
    };
    let (own, others) = (drawn(&pool[0]), drawn(&pool[1]));
    let mut found = HashSet::new();
    for child in children(&pool, &matings, Operator::Mix, 4) {
        let picture = drawn(&child);
        let origin: Vec<_> = (0..3)
            .map(|output| {
                let plane = output * 144..(output + 1) * 144;
                let [from_own, from_other] =
                    [&own, &others].map(|parent| picture[plane.clone()] == parent[plane.clone()]);
                assert!(from_own != from_other, "output {output} is one parent's");
                from_other
            })
            .collect();
        found.insert(origin);
        let needed = |id: u32| child.connections().iter().any(|c| c.source == id);
        assert!(child.nodes()[3..].iter().all(|n| needed(n.id)) || child.hidden() <= 14);
    }
    assert_eq!(found.len(), 6, "one or two outputs, any");
}

#[test]
fn a_gray_picture_or_one_too_large_is_not_mixed() {
    let gray = [random_genome(1, 1, 5, 20, &PAPER), random_genome(2, 1, 5, 20, &PAPER)];
    let large = [random_genome(1, 3, 300, 900, &PAPER), random_genome(2, 3, 300, 900, &PAPER)];
    for pool in [gray, large] {
        for child in children(&pool, &[Mating { fitter: 0, other: 1, equal: false }; 30], Operator::Mix, 4) {
            assert_eq!(child.nodes(), pool[0].nodes());
            assert_eq!(child.connections().len(), pool[0].connections().len());
        }
    }
}

#[test]
fn weights_and_recolor_keep_the_structure() {
    let parent = random_genome(10, 3, 8, 40, &PAPER);
    let pairs =
        |genome: &Genome| genome.connections().iter().map(|c| (c.innovation, c.source, c.target)).collect::<Vec<_>>();
    let changed = |a: &Genome, b: &Genome| {
        let both = a.connections().iter().zip(b.connections());
        both.filter(|(a, b)| a.weight.to_bits() != b.weight.to_bits()).map(|(a, _)| a.target).collect::<Vec<_>>()
    };
    let mut weights = 0;
    for child in many(&parent, Operator::Weights) {
        assert_eq!((pairs(&child), child.nodes()), (pairs(&parent), parent.nodes()));
        weights += changed(&parent, &child).len();
    }
    // 5 to 40 %, 22.5 % in the mean.
    let share = weights as f64 / (200 * parent.connections().len()) as f64;
    assert!((0.19..0.26).contains(&share), "{share}");
    for child in many(&parent, Operator::Recolor) {
        assert_eq!(pairs(&child), pairs(&parent));
        assert_eq!(child.nodes()[3..], parent.nodes()[3..]);
        assert!(changed(&parent, &child).into_iter().all(|target| child.is_output(target)));
    }
}

#[test]
fn mutate_is_the_mutation_of_the_settings() {
    let parent = random_genome(11, 1, 4, 12, &PAPER);
    let rates = MutationRates { add_node: 1.0, ..NONE };
    let mating = [Mating { fitter: 0, other: 0, equal: false }];
    let child = &breed(
        std::slice::from_ref(&parent),
        &mating,
        &[Operator::Mutate],
        &settings(1, 0, rates),
        0,
        1,
        0,
        &mut counters(),
        &GO,
    )
    .expect("valid")[0];
    assert_eq!(
        (child.nodes().len(), child.connections().len()),
        (parent.nodes().len() + 1, parent.connections().len() + 1)
    );
}

#[test]
fn codes_are_kept_and_wrong_calls_said() {
    for (code, operator) in Operator::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(operator.code()), code);
        assert_eq!(Operator::from_code(operator.code()), Some(operator));
        assert_eq!(operator.parents(), 1 + usize::from(operator.name() == "mix"));
    }
    assert_eq!(Operator::from_code(7), None);
    let names: Vec<_> = Operator::ALL.into_iter().map(Operator::name).collect();
    assert_eq!(names, ["mutate", "weights", "place", "repeat", "warp", "recolor", "mix"]);
    let pool = [random_genome(1, 1, 5, 20, &PAPER)];
    let error = breed(&pool, &copies(1), &[], &quiet(1), 0, 1, 0, &mut counters(), &GO).expect_err("too few");
    assert_eq!(error.to_string(), "there are 0 operators for 1 matings");
    let mut last = Innovations { next_innovation: (1 << 31) - 10, next_node: 1000 };
    let full = breed(&pool, &copies(1), &[Operator::Repeat], &quiet(1), 0, 1, 0, &mut last, &GO).expect_err("used up");
    assert!(matches!(full, VariationError::Exhausted));
    assert_eq!(last.next_innovation, (1 << 31) - 10);
    let stopped =
        breed(&pool, &copies(1), &[Operator::Warp], &quiet(1), 0, 1, 0, &mut counters(), &AtomicBool::new(true));
    assert!(matches!(stopped, Err(VariationError::Cancelled)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_sequence_keeps_the_invariants_and_depends_on_no_split(
        outputs in prop::sample::select(vec![1, 3]),
        initial in 0..12_u32,
        seed: u64,
        picks in prop::collection::vec(prop::collection::vec((0..8_u32, 0..8_u32, 0..7_u8), 8), 0..10),
    ) {
        let settings = settings(outputs, initial, MutationRates::default());
        let mut innovations = Innovations::new(outputs);
        let mut pool = random_population(8, &settings, seed, &mut innovations, &GO).expect("valid");
        for (generation, picks) in picks.iter().enumerate() {
            let matings: Vec<_> = picks.iter().map(|&(fitter, other, _)| Mating { fitter, other, equal: true }).collect();
            let operators: Vec<_> = picks.iter().filter_map(|p| Operator::from_code(p.2)).collect();
            let made = |from: usize, to: usize, next: &mut Innovations| {
                breed(&pool, &matings[from..to], &operators[from..to], &settings, seed, generation as u32, from as u32, next, &GO)
                    .expect("valid")
            };
            let (mut whole, mut split) = (innovations, innovations);
            let children = on_threads(3, || made(0, 8, &mut whole));
            let parts = on_threads(1, || [made(0, 3, &mut split), made(3, 8, &mut split)].concat());
            prop_assert_eq!(&children, &parts);
            prop_assert_eq!(whole, split);
            for child in &children {
                prop_assert_eq!(child.validate(), Ok(()));
                prop_assert!(child.nodes().iter().all(|n| n.id < whole.next_node));
                prop_assert!(child.connections().iter().all(|c| c.innovation < whole.next_innovation));
            }
            innovations = whole;
            pool = children;
        }
    }
}
