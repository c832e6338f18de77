//! Compatibility distance, speciation and reproduction through the public interface.

mod common;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use common::{GO, copies, figure_4, genome, on_threads, settings};
use neatfool_core::{
    Compatibility, CrossoverSettings, Genome, Innovations, MutationRates, Purpose, SpeciesError, SpeciesSet,
    SpeciesSettings, Stream, distance, random_population, vary,
};
use proptest::prelude::*;

fn stream() -> Stream {
    Stream::new(1, Purpose::Speciate, 0, 0)
}

fn population(count: usize, seed: u64) -> Vec<Genome> {
    let settings = settings(1, 12, MutationRates::default());
    random_population(count, &settings, seed, &mut Innovations::new(1), &GO).expect("valid")
}

/// Genomes in groups of these sizes that are far from each other: innovations do not match across groups.
fn groups(sizes: &[usize]) -> Vec<Genome> {
    let mut genomes = Vec::new();
    for (group, &size) in sizes.iter().enumerate() {
        let base = 4 * group as u32;
        let connections: Vec<_> = (0..4).map(|i| (base + i, i, 4, 1.0, true)).collect();
        genomes.extend(std::iter::repeat_n(genome(&[], &connections), size));
    }
    genomes
}

/// Species set and species ids of groups; the ids are 0, 1, ... in the order of the groups.
fn divided(sizes: &[usize], settings: &SpeciesSettings) -> (SpeciesSet, Vec<u32>) {
    let mut set = SpeciesSet::new(0.5);
    let ids = set.speciate(&groups(sizes), settings, &mut stream(), &GO).expect("valid");
    (set, ids)
}

#[test]
fn distance_of_the_paper_s_figure() {
    let (one, two) = figure_4();
    let coefficients = Compatibility { excess: 10.0, disjoint: 1.0, weight: 0.4, activation: 0.0, small_genome: 0 };
    let expected = 20.0 / 9.0 + 3.0 / 9.0 + 0.4 * 6.5 / 5.0;
    assert!((distance(&one, &two, &coefficients) - expected).abs() < 1e-6);
    let small = Compatibility { small_genome: 20, ..coefficients.clone() };
    assert!((distance(&one, &two, &small) - (23.0 + 0.52)).abs() < 1e-5);
    let just_large = Compatibility { small_genome: 9, ..coefficients };
    assert!((distance(&one, &two, &just_large) - expected).abs() < 1e-6);
}

#[test]
fn distance_counts_activations_of_common_nodes() {
    use neatfool_core::Activation;
    let one = genome(&[5], &[]);
    let mut nodes = genome(&[5, 6], &[]).nodes().to_vec();
    nodes[1].activation = Activation::Tanh;
    let two = Genome::new(1, nodes, vec![]).expect("valid");
    assert!((distance(&one, &two, &Compatibility { activation: 3.0, ..Compatibility::default() }) - 1.5).abs() < 1e-6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn distance_is_symmetric_and_zero_on_itself(seed: u64, small_genome in 0..30_usize) {
        let coefficients = Compatibility { small_genome, excess: 1.5, ..Compatibility::default() };
        let genomes = population(8, seed);
        for a in &genomes {
            prop_assert!(distance(a, a, &coefficients).abs() < f32::MIN_POSITIVE);
            for b in &genomes {
                prop_assert_eq!(distance(a, b, &coefficients).to_bits(), distance(b, a, &coefficients).to_bits());
            }
        }
    }

    #[test]
    fn a_genome_is_in_the_first_species_it_is_compatible_with(seed: u64, threshold in 1.0..4.0_f32) {
        let genomes = population(60, seed);
        let settings = SpeciesSettings { target_species: 60, ..SpeciesSettings::default() };
        let mut set = SpeciesSet::new(threshold);
        let ids = set.speciate(&genomes, &settings, &mut stream(), &GO).expect("valid");
        // One by one, as the paper describes it.
        let mut founders: Vec<usize> = Vec::new();
        for (i, genome) in genomes.iter().enumerate() {
            let close = |&f: &usize| distance(genome, &genomes[f], &settings.compatibility) < threshold;
            let expected = founders.iter().position(close).unwrap_or(founders.len());
            if expected == founders.len() {
                founders.push(i);
            }
            prop_assert_eq!(ids[i] as usize, expected);
        }
        prop_assert_eq!(set.species().len(), founders.len());
        for species in set.species() {
            let member = |(genome, id): (&Genome, &u32)| *id == species.id && *genome == species.representative;
            prop_assert!(genomes.iter().zip(&ids).any(member));
        }
    }

    #[test]
    fn matings_sum_and_stay_within_species(
        sizes in prop::collection::vec(1..20_usize, 1..8),
        children in 0..200_usize,
        scale in prop::sample::select(vec![0.0_f32, 1e-42, 1e-12, 1.0]),
        seed: u64,
    ) {
        let settings = SpeciesSettings { interspecies: 0.0, ..SpeciesSettings::default() };
        let (mut set, ids) = divided(&sizes, &settings);
        let mut draw = Stream::new(seed, Purpose::Select, 0, 0);
        let fitness: Vec<f32> = ids.iter().map(|_| draw.unit_f32() * scale).collect();
        let offspring = set.reproduce(&ids, &fitness, children, &settings, &mut draw).expect("valid");
        prop_assert_eq!(offspring.matings.len(), children);
        for m in &offspring.matings {
            prop_assert_eq!(ids[m.fitter as usize], ids[m.other as usize]);
            prop_assert!(fitness[m.fitter as usize] >= fitness[m.other as usize]);
        }
        prop_assert_eq!(offspring.elites.len(), sizes.iter().filter(|&&size| size >= 5).count());
        // By largest remainder, a species is less than one child off its exact share.
        let mut means: Vec<f64> = vec![0.0; sizes.len()];
        for (id, f) in ids.iter().zip(&fitness) {
            means[*id as usize] += f64::from(*f) / sizes[*id as usize] as f64;
        }
        let total: f64 = means.iter().sum();
        for (id, mean) in means.iter().enumerate() {
            let share = if total > 0.0 { mean / total } else { 1.0 / sizes.len() as f64 };
            let got = offspring.matings.iter().filter(|m| ids[m.fitter as usize] as usize == id).count();
            prop_assert!((got as f64 - share * children as f64).abs() < 1.0 + 1e-9);
        }
    }
}

#[test]
fn known_shares() {
    let settings = SpeciesSettings { elitism_size: 3, ..SpeciesSettings::default() };
    let (mut set, ids) = divided(&[4, 2, 1], &settings);
    // Means 0.2, 0.4 and 0.2: of 9 children 2.25, 4.5 and 2.25.
    let fitness = [0.1, 0.3, 0.2, 0.2, 0.5, 0.3, 0.2];
    let offspring = set.reproduce(&ids, &fitness, 9, &settings, &mut stream()).expect("valid");
    let mut counts = HashMap::new();
    for m in &offspring.matings {
        *counts.entry(ids[m.fitter as usize]).or_insert(0) += 1;
    }
    assert_eq!((counts[&0], counts[&1], counts[&2]), (2, 5, 2));
    assert_eq!(offspring.elites, [1]);
    // A fifth of 4, rounded up, is the champion alone.
    assert!(offspring.matings.iter().filter(|m| m.fitter < 4).all(|m| m.fitter == 1 && m.other == 1));
}

#[test]
fn mating_probabilities() {
    let settings = SpeciesSettings { survival: 0.5, crossover: 0.6, interspecies: 0.25, ..SpeciesSettings::default() };
    let (mut set, ids) = divided(&[20, 20], &settings);
    let fitness = vec![1e-12; 40];
    let count = 40_000;
    let offspring = set.reproduce(&ids, &fitness, count, &settings, &mut stream()).expect("valid");
    let share = |matched: usize| matched as f64 / count as f64;
    let copied = offspring.matings.iter().filter(|m| m.fitter == m.other).count();
    let across = offspring.matings.iter().filter(|m| ids[m.fitter as usize] != ids[m.other as usize]).count();
    assert!((share(copied) - 0.4).abs() < 0.02, "{copied}");
    assert!((share(across) - 0.15).abs() < 0.02, "{across}");
    assert!(offspring.matings.iter().all(|m| m.equal && m.fitter % 20 < 10 && m.other % 20 < 10));
}

#[test]
fn stagnant_species_go_but_the_best_stay() {
    let settings = SpeciesSettings { stagnation: 3, species_elitism: 1, ..SpeciesSettings::default() };
    let genomes = groups(&[3, 3, 3]);
    let (mut set, mut ids) = divided(&[3, 3, 3], &settings);
    // Species 1 is the best and never improves, species 2 improves always, species 0 never.
    for generation in 0..4 {
        let improving = 0.1 + 0.01 * generation as f32;
        let fitness: Vec<f32> = ids.iter().map(|id| [0.2, 0.9, improving][*id as usize]).collect();
        let offspring = set.reproduce(&ids, &fitness, 30, &settings, &mut stream()).expect("valid");
        let breeding = |id: u32| offspring.matings.iter().any(|m| ids[m.fitter as usize] == id);
        assert_eq!([breeding(0), breeding(1), breeding(2)], [generation < 3, true, true], "generation {generation}");
        let left: Vec<u32> = set.species().iter().map(|s| s.id).collect();
        assert_eq!(left, if generation < 3 { vec![0, 1, 2] } else { vec![1, 2] });
        if generation < 3 {
            ids = set.speciate(&genomes, &settings, &mut stream(), &GO).expect("valid");
        }
    }
    assert_eq!(set.species()[0].age, 4);
    assert_eq!(set.species()[0].last_improvement, 1);
}

#[test]
fn all_stagnant_leaves_one() {
    let settings = SpeciesSettings { stagnation: 0, species_elitism: 0, ..SpeciesSettings::default() };
    let (mut set, ids) = divided(&[2, 2], &settings);
    let offspring = set.reproduce(&ids, &[0.0, 0.0, 0.0, 0.1], 5, &settings, &mut stream()).expect("valid");
    assert!(offspring.matings.len() == 5 && offspring.matings.iter().all(|m| m.fitter == 3));
}

#[test]
fn one_genome_breeds_alone() {
    let settings = SpeciesSettings { elitism_size: 1, ..SpeciesSettings::default() };
    let (mut set, ids) = divided(&[1], &settings);
    let offspring = set.reproduce(&ids, &[0.0], 7, &settings, &mut stream()).expect("valid");
    assert_eq!(
        offspring.matings,
        vec![copies(1)[0]; 7].into_iter().map(|m| neatfool_core::Mating { equal: true, ..m }).collect::<Vec<_>>()
    );
    assert_eq!(offspring.elites, [0]);
}

#[test]
fn species_keep_their_ids_and_the_dead_go() {
    let settings = SpeciesSettings::default();
    let (mut set, ids) = divided(&[2, 2, 2], &settings);
    assert_eq!(ids, [0, 0, 1, 1, 2, 2]);
    let later = groups(&[0, 2, 1, 3]);
    let mut set_of_two = SpeciesSet::new(0.5);
    assert_eq!(set_of_two.speciate(&later, &settings, &mut stream(), &GO).expect("valid"), [0, 0, 1, 2, 2, 2]);
    assert_eq!(set.speciate(&later, &settings, &mut stream(), &GO).expect("valid"), [1, 1, 2, 3, 3, 3]);
    assert_eq!(set.species().iter().map(|s| s.id).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn number_of_species_is_steered_to_the_target() {
    let variation = settings(1, 12, MutationRates::default());
    let settings = SpeciesSettings { target_species: 10, ..SpeciesSettings::default() };
    for threshold in [0.01, 3.0, 20.0] {
        let mut innovations = Innovations::new(1);
        let mut genomes = random_population(150, &variation, 4, &mut innovations, &GO).expect("valid");
        let mut set = SpeciesSet::new(threshold);
        let mut counts = Vec::new();
        for generation in 0..60 {
            let mut stream = Stream::new(4, Purpose::Speciate, generation, 0);
            let ids = set.speciate(&genomes, &settings, &mut stream, &GO).expect("valid");
            assert!(set.species().len() <= 20);
            counts.push(set.species().len());
            let fitness = vec![0.5; ids.len()];
            let offspring = set.reproduce(&ids, &fitness, 150, &settings, &mut stream).expect("valid");
            genomes = vary(
                &genomes,
                &offspring.matings,
                &variation,
                &CrossoverSettings::default(),
                4,
                generation + 1,
                0,
                &mut innovations,
                &GO,
            )
            .expect("valid");
        }
        let late = &counts[40..];
        let mean = late.iter().sum::<usize>() as f64 / late.len() as f64;
        assert!((7.0..=13.0).contains(&mean), "from {threshold}: {counts:?}");
    }
}

#[test]
fn threads_do_not_show_and_state_survives_json() {
    let settings = SpeciesSettings::default();
    let genomes = population(500, 9);
    let run = |threads: usize| {
        on_threads(threads, || {
            let mut set = SpeciesSet::new(2.0);
            let mut stream = stream();
            let ids = set.speciate(&genomes, &settings, &mut stream, &GO).expect("valid");
            let fitness: Vec<f32> = (0..ids.len()).map(|i| (i % 17) as f32).collect();
            let offspring = set.reproduce(&ids, &fitness, 100, &settings, &mut stream).expect("valid");
            (set, ids, offspring)
        })
    };
    let one = run(1);
    assert_eq!(one, run(3));
    let json = serde_json::to_string(&one.0).expect("serialises");
    let read: SpeciesSet = serde_json::from_str(&json).expect("reads");
    assert_eq!(read, one.0);
    read.validate().expect("valid");
    let broken: SpeciesSet = serde_json::from_str(&json.replace("\"next_id\":", "\"next_id\":0,\"x\":"))
        .unwrap_or_else(|_| SpeciesSet::new(f32::NAN));
    assert!(broken.validate().is_err());
    let cyclic = json.replacen("\"version\":1", "\"version\":2", 1);
    assert!(serde_json::from_str::<SpeciesSet>(&cyclic).is_err(), "a representative is checked as it is read");
}

#[test]
fn what_would_never_end_or_overflow_is_refused() {
    let (set, _) = divided(&[2], &SpeciesSettings::default());
    let json = serde_json::to_string(&set).expect("serialises");
    let refused = |text: String| {
        assert_ne!(text, json);
        serde_json::from_str::<SpeciesSet>(&text).expect("reads").validate().expect_err("refused").to_string()
    };
    assert!(
        refused(json.replace(&format!("\"threshold\":{}", set.threshold()), "\"threshold\":1e-45")).contains("1e-45")
    );
    assert!(refused(json.replace("\"next_id\":1", "\"next_id\":4294967295")).contains("ids"));
    let old = json.replace("\"age\":0", "\"age\":4294967295");
    assert!(refused(old.replace("\"last_improvement\":0", "\"last_improvement\":4294967295")).contains("age"));
}

#[test]
fn known_species_are_no_more_than_twice_a_lower_target() {
    let (mut set, _) = divided(&[1; 6], &SpeciesSettings { target_species: 3, ..SpeciesSettings::default() });
    assert_eq!(set.species().len(), 6);
    let settings = SpeciesSettings { target_species: 1, ..SpeciesSettings::default() };
    set.speciate(&groups(&[1; 6]), &settings, &mut stream(), &GO).expect("valid");
    assert!(set.species().len() <= 2);
}

#[test]
fn cancelled_speciation_changes_nothing() {
    let settings = SpeciesSettings { target_species: 1, ..SpeciesSettings::default() };
    let (mut set, _) = divided(&[3, 2], &SpeciesSettings::default());
    let before = set.clone();
    let error = set.speciate(&groups(&[3, 2, 4]), &settings, &mut stream(), &AtomicBool::new(true));
    assert_eq!(error, Err(SpeciesError::Cancelled));
    assert_eq!(set, before);
}

#[test]
fn distances_beyond_all_numbers_make_one_species() {
    let compatibility = Compatibility { excess: f32::MAX, disjoint: f32::MAX, ..Compatibility::default() };
    let settings = SpeciesSettings { compatibility, target_species: 1, ..SpeciesSettings::default() };
    let mut set = SpeciesSet::new(1.0);
    for _ in 0..2 {
        set.speciate(&groups(&[2, 2, 2]), &settings, &mut stream(), &GO).expect("ends");
        assert_eq!(set.species().len(), 1);
        set.validate().expect("valid");
    }
}

#[test]
fn bad_arguments_are_named() {
    let settings = SpeciesSettings::default();
    let (set, ids) = divided(&[2], &settings);
    let attempt = |ids: &[u32], fitness: &[f32], settings: &SpeciesSettings| {
        set.clone().reproduce(ids, fitness, 3, settings, &mut stream()).expect_err("bad").to_string()
    };
    assert!(attempt(&ids, &[0.5, f32::NAN], &settings).contains("fitness of genome 1 is NaN"));
    assert!(attempt(&ids, &[-0.5, 1.0], &settings).contains("fitness of genome 0 is -0.5"));
    assert!(attempt(&ids, &[0.5], &settings).contains("2 species ids and 1 fitness"));
    assert!(attempt(&[], &[], &settings).contains("at least one genome"));
    assert!(attempt(&[0, 9], &[0.5, 0.5], &settings).contains("genome 1 is of species 9"));
    let bad = SpeciesSettings { survival: 1.5, ..settings.clone() };
    assert!(attempt(&ids, &[0.5, 0.5], &bad).contains("survival is 1.5"));
    for bad in [
        SpeciesSettings { target_species: 0, ..settings.clone() },
        SpeciesSettings { threshold_step: 1.0, ..settings.clone() },
        SpeciesSettings {
            compatibility: Compatibility { weight: f32::NAN, ..Compatibility::default() },
            ..settings.clone()
        },
    ] {
        assert!(bad.validate().is_err());
    }
    assert!(SpeciesSet::new(0.0).speciate(&groups(&[1]), &settings, &mut stream(), &GO).is_err());
}
