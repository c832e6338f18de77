//! Genomes per second of variation and speciation, on colour genomes of about 18 nodes and 39 connections.
//!
//! `cargo bench --bench variation`; `RAYON_NUM_THREADS=1` for the time of one thread.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{GO, NONE, settings};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use neatfool_core::{
    ColorModel, Compatibility, CrossoverSettings, DirectPopulation, DirectSettings, Genome, Innovations, Mating,
    MutationRates, Purpose, SpeciesSet, SpeciesSettings, Stream, distance, random_population, vary,
};

/// A population with history, bred to size by mutation and crossover.
fn population(count: usize) -> (Vec<Genome>, Innovations) {
    let growth = MutationRates { add_connection: 1.0, delete_connection: 0.1, ..MutationRates::default() };
    let settings = settings(3, 0, growth);
    let mut innovations = Innovations::new(3);
    let mut genomes = random_population(count, &settings, 1, &mut innovations, &GO).expect("valid");
    let mut generation = 0;
    while genomes.iter().map(|g| g.connections().len()).sum::<usize>() < 39 * count {
        generation += 1;
        let matings = matings(count, 97);
        genomes =
            vary(&genomes, &matings, &settings, &CrossoverSettings::default(), 1, generation, 0, &mut innovations, &GO)
                .expect("valid");
    }
    let mean = |size: fn(&Genome) -> usize| genomes.iter().map(size).sum::<usize>() as f64 / count as f64;
    eprintln!(
        "{count} genomes: {:.1} nodes, {:.1} connections on average",
        mean(|g| g.nodes().len()),
        mean(|g| g.connections().len())
    );
    (genomes, innovations)
}

fn matings(count: usize, step: usize) -> Vec<Mating> {
    (0..count).map(|i| Mating { fitter: i as u32, other: ((i + step) % count) as u32, equal: false }).collect()
}

fn cppn(criterion: &mut Criterion) {
    let coefficients = Compatibility::default();
    for count in [1000, 10_000] {
        let (genomes, innovations) = population(count);
        let mut group = criterion.benchmark_group(format!("cppn {count}"));
        group.throughput(Throughput::Elements(count as u64));
        let crossover = CrossoverSettings::default();
        let equal: Vec<Mating> = matings(count, 97).into_iter().map(|m| Mating { equal: true, ..m }).collect();
        for (name, matings, rates) in [
            ("copy", matings(count, 0), NONE),
            ("mutation", matings(count, 0), MutationRates::default()),
            ("crossover", matings(count, 97), NONE),
            ("crossover of equals", equal, NONE),
            ("crossover and mutation", matings(count, 97), MutationRates::default()),
        ] {
            let settings = settings(3, 0, rates);
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    vary(&genomes, &matings, &settings, &crossover, 1, 9, 0, &mut innovations.clone(), &GO)
                        .expect("valid")
                });
            });
        }
        group.bench_function("distance", |bencher| {
            bencher.iter(|| {
                let pairs = genomes.iter().zip(genomes.iter().cycle().skip(97));
                pairs.map(|(a, b)| distance(a, b, &coefficients)).sum::<f32>()
            });
        });
        let species = SpeciesSettings::default();
        let mut set = SpeciesSet::new(3.0);
        let mut stream = Stream::new(1, Purpose::Speciate, 0, 0);
        let mut ids = Vec::new();
        for _ in 0..40 {
            ids = set.speciate(&genomes, &species, &mut stream, &GO).expect("valid");
        }
        eprintln!("{} species", set.species().len());
        group.bench_function("speciation", |bencher| {
            bencher.iter_batched(
                || set.clone(),
                |mut set| set.speciate(&genomes, &species, &mut stream, &GO).expect("valid"),
                BatchSize::SmallInput,
            );
        });
        let fitness: Vec<f32> = (0..count).map(|i| (i % 1013) as f32 / 1013.0).collect();
        group.bench_function("reproduction", |bencher| {
            bencher.iter_batched(
                || set.clone(),
                |mut set| set.reproduce(&ids, &fitness, count, &species, &mut stream).expect("valid"),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn direct(criterion: &mut Criterion) {
    const LENGTH: usize = 256 * 256 * 3;
    let population = DirectPopulation::random(8, LENGTH, 1, &GO).expect("valid");
    let parents: Vec<(u32, u32)> = (0..8).map(|i| (i, (i + 1) % 8)).collect();
    let mut group = criterion.benchmark_group("direct 8 x 3 x 256 x 256");
    group.throughput(Throughput::Elements((8 * LENGTH) as u64));
    for (name, mutation_rate, crossover_rate) in
        [("copy", 0.0, 0.0), ("mutation", 0.1, 0.0), ("crossover", 0.0, 1.0), ("crossover and mutation", 0.1, 1.0)]
    {
        let settings = DirectSettings { mutation_rate, crossover_rate, ..DirectSettings::default() };
        group.bench_function(name, |bencher| {
            bencher.iter(|| population.vary(&parents, &settings, 1, 1, 0, &GO).expect("valid"));
        });
    }
    let mut bytes = vec![0; 8 * LENGTH];
    group.bench_function("drawing", |bencher| {
        bencher.iter(|| population.draw(0, 3, ColorModel::Hls, black_box(&mut bytes), &GO).expect("right size"));
    });
    group.bench_function("start", |bencher| bencher.iter(|| DirectPopulation::random(8, LENGTH, 1, &GO)));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2))
        .warm_up_time(std::time::Duration::from_millis(500));
    targets = cppn, direct
}
criterion_main!(benches);
