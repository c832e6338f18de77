//! Compilation and rendering of genomes, one thread.
//!
//! `cargo bench -p neatfool-core --bench render`. Random genomes of 18 nodes and 39 connections; and
//! those of the files beside this one. Rendering counts node values, live nodes times pixels, so
//! the inverse of criterion's throughput is the time per node and pixel.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{GO, PAPER, random_genome, reference_genomes};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use neatfool_core::{ColorModel, Coordinates, Genome, Grid, Program, render};

fn sets() -> Vec<(String, Vec<Genome>)> {
    let random = |outputs: usize| (0..32).map(|seed| random_genome(seed, outputs, 18 - outputs, 39, &PAPER)).collect();
    let mut sets = vec![("random-rgb".to_string(), random(3)), ("random-gray".to_string(), random(1))];
    sets.extend(["rgb", "gray"].map(|set| (format!("reference-{set}"), reference_genomes(set))));
    sets
}

fn compilation(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    for (name, genomes) in sets() {
        group.throughput(Throughput::Elements(genomes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| genomes.iter().map(|genome| Program::compile(genome, Coordinates::Unit).steps()).sum::<usize>());
        });
    }
}

fn rendering(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut group = c.benchmark_group("render");
    for (name, genomes) in sets() {
        let outputs = genomes[0].outputs();
        let nodes: usize = genomes.iter().map(|genome| Program::compile(genome, Coordinates::Unit).live_nodes()).sum();
        let genomes: Vec<&Genome> = genomes.iter().collect();
        for size in [28, 227, 256, 1024] {
            let grid = Grid::new(size, size, Coordinates::Unit).expect("a valid size");
            let mut out = vec![0; genomes.len() * outputs * size * size];
            group.throughput(Throughput::Elements((nodes * size * size) as u64));
            for (model, color) in [("raw", ColorModel::Raw), ("hls", ColorModel::Hls)] {
                if outputs == 1 && color != ColorModel::Raw {
                    continue;
                }
                group.bench_function(BenchmarkId::new(format!("{name}/{model}"), size), |b| {
                    pool.install(|| {
                        b.iter(|| render(&genomes, &grid, color, &mut out, &GO).expect("not cancelled"));
                    });
                });
            }
        }
    }
}

criterion_group!(benches, compilation, rendering);
criterion_main!(benches);
