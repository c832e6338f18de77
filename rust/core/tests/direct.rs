//! The direct encoding through the public interface.

mod common;

use common::{GO, fingerprint, on_threads};
use neatfool_core::{ColorModel, DirectPopulation, DirectSettings};
use proptest::prelude::*;

const LENGTH: usize = 20_001;

fn only_mutation(mutation_rate: f64, mutation_eta: f64) -> DirectSettings {
    DirectSettings { mutation_rate, mutation_eta, crossover_rate: 0.0, ..DirectSettings::default() }
}

/// Two individuals of constant genes.
fn constants(a: u16, b: u16) -> DirectPopulation {
    DirectPopulation::new(LENGTH, [vec![a; LENGTH], vec![b; LENGTH]].concat()).expect("valid")
}

/// Largest distance between the empirical distribution of `sample` and `cdf`.
fn kolmogorov_smirnov(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    sample
        .iter()
        .enumerate()
        .map(|(i, &x)| (cdf(x) - i as f64 / n).abs().max((cdf(x) - (i + 1) as f64 / n).abs()))
        .fold(0.0, f64::max)
}

#[test]
fn start_is_uniform() {
    let population = DirectPopulation::random(10, LENGTH, 1, &GO).expect("valid");
    assert_eq!((population.count(), population.length()), (10, LENGTH));
    let sample = population.genes().iter().map(|&g| f64::from(g)).collect();
    assert!(kolmogorov_smirnov(sample, |x| (x + 0.5) / 65_536.0) < 1.95 / (10.0 * LENGTH as f64).sqrt());
    assert_ne!(population.genes()[..LENGTH], population.genes()[LENGTH..2 * LENGTH]);
    assert_eq!(population, DirectPopulation::random(10, LENGTH, 1, &GO).expect("valid"));
}

#[test]
fn mutation_has_its_rate_and_independent_gaps() {
    for rate in [0.0, 1e-4, 0.013, 0.1, 0.5, 0.9, 1.0] {
        let parents = constants(30_000, 0);
        let children = parents.vary(&[(0, 0); 50], &only_mutation(rate, 2.0), 3, 1, 0, &GO).expect("valid");
        let n = children.genes().len() as f64;
        let changed: Vec<bool> = children.genes().iter().map(|&g| g != 30_000).collect();
        let share = |count: usize| count as f64 / n;
        // One mutation in some thousands rounds to no change at all.
        let tolerance = |p: f64| 5.0 * (p * (1.0 - p) / n).sqrt() + 1e-4 * p;
        let observed = share(changed.iter().filter(|&&c| c).count());
        assert!((observed - rate).abs() <= tolerance(rate), "{observed} at {rate}");
        let neighbours = share(changed.windows(2).filter(|pair| pair[0] && pair[1]).count());
        assert!((neighbours - rate * rate).abs() <= 2.0 * tolerance(rate * rate) + 2e-6, "{neighbours} at {rate}");
    }
}

#[test]
fn rate_halves() {
    let settings = DirectSettings { halve_every: Some(1000), ..DirectSettings::default() };
    for (generation, rate) in [(0, 0.1), (999, 0.1), (1000, 0.05), (4321, 0.00625), (u32::MAX, 0.0)] {
        assert!((settings.rate_in(generation) - rate).abs() < 1e-15);
    }
    assert!((DirectSettings::default().rate_in(50_000) - 0.1).abs() < 1e-15);
    let parents = constants(30_000, 0);
    let children = parents.vary(&[(0, 0); 20], &settings, 3, 2000, 0, &GO).expect("valid");
    let changed = children.genes().iter().filter(|&&g| g != 30_000).count() as f64 / children.genes().len() as f64;
    assert!((changed - 0.025).abs() < 0.002, "{changed}");
    let unchanged = parents.vary(&[(0, 0); 2], &settings, 3, u32::MAX, 0, &GO).expect("valid");
    assert!(unchanged.genes().iter().all(|&g| g == 30_000));
}

#[test]
fn mutation_follows_the_closed_form() {
    for eta in [0.0, 3.0, 15.0, 100.0] {
        let children = constants(32_768, 0).vary(&[(0, 0); 5], &only_mutation(1.0, eta), 8, 1, 0, &GO).expect("valid");
        let cdf = |d: f64| {
            let d = d.clamp(-1.0, 1.0);
            if d < 0.0 { (1.0 + d).powf(eta + 1.0) / 2.0 } else { 1.0 - (1.0 - d).powf(eta + 1.0) / 2.0 }
        };
        // Away from the clamps and past the rounding of a gene.
        for d in [-0.45, -0.3, -0.1, -0.03, -0.01, -0.003, 0.001, 0.004, 0.02, 0.05, 0.15, 0.4] {
            let below = |&&g: &&u16| (f64::from(g) - 32_768.0 - 0.5) / 65_535.0 < d;
            let observed = children.genes().iter().filter(below).count() as f64 / (5.0 * LENGTH as f64);
            let expected = cdf(d);
            let sigma = (expected * (1.0 - expected) / (5.0 * LENGTH as f64)).sqrt();
            assert!(
                (observed - expected).abs() < 5.0 * sigma + 0.0008,
                "eta {eta}, P(delta < {d}): {observed}, {expected}"
            );
        }
    }
    let edge = constants(65_535, 0).vary(&[(0, 0); 5], &only_mutation(1.0, 15.0), 8, 1, 0, &GO).expect("valid");
    let stuck = edge.genes().iter().filter(|&&g| g == 65_535).count() as f64 / (5.0 * LENGTH as f64);
    assert!((stuck - 0.5).abs() < 0.01, "half of the steps from the bound lead out of it: {stuck}");
}

#[test]
fn crossover_keeps_the_mean_and_has_the_spread_of_sbx() {
    let settings = DirectSettings { mutation_rate: 0.0, crossover_rate: 1.0, ..DirectSettings::default() };
    let (a, b) = (30_000_u16, 36_000_u16);
    let population = constants(a, b);
    let children = population.vary(&[(0, 1), (1, 0), (0, 1), (1, 0)], &settings, 8, 1, 0, &GO).expect("valid");
    let spread = |child: usize, near: f64, far: f64| -> Vec<f64> {
        let genes = &children.genes()[child * LENGTH..(child + 1) * LENGTH];
        genes.iter().map(|&g| (2.0 * f64::from(g) - near - far) / (near - far)).collect()
    };
    // P(beta <= x) = x^(eta+1) / 2 up to 1, then 1 - x^-(eta+1) / 2.
    let cdf = |x: f64| if x <= 1.0 { x.max(0.0).powi(11) / 2.0 } else { 1.0 - x.powi(-11) / 2.0 };
    for child in 0..4 {
        let (near, far) = if child % 2 == 0 { (a, b) } else { (b, a) };
        let betas = spread(child, f64::from(near), f64::from(far));
        // One gene step is 1/3000 in beta, where the density is at most 5.5.
        let worst = kolmogorov_smirnov(betas, cdf);
        assert!(worst < 1.95 / (LENGTH as f64).sqrt() + 5.5 / 3000.0, "{worst}");
    }
    // The mean of the first children of (a, b) and (b, a) is that of the parents.
    let mean = children.genes().iter().map(|&g| f64::from(g)).sum::<f64>() / children.genes().len() as f64;
    assert!((mean - 33_000.0).abs() < 15.0, "{mean}");
}

#[test]
fn crossover_has_its_rate_and_is_whole() {
    let settings = DirectSettings { mutation_rate: 0.0, crossover_rate: 0.3, ..DirectSettings::default() };
    let population = DirectPopulation::new(100, [vec![30_000; 100], vec![36_000; 100]].concat()).expect("valid");
    let children = population.vary(&vec![(0, 1); 5000], &settings, 1, 1, 0, &GO).expect("valid");
    let copies = children.genes().chunks(100).filter(|genes| genes.iter().all(|&g| g == 30_000)).count();
    assert!((copies as f64 / 5000.0 - 0.7).abs() < 5.0 * (0.21_f64 / 5000.0).sqrt(), "{copies}");
    let crossed = children.genes().chunks(100).filter(|genes| genes.iter().filter(|&&g| g != 30_000).count() > 80);
    assert_eq!(crossed.count() + copies, 5000);
    let alone = population.vary(&[(1, 1); 50], &settings, 1, 1, 0, &GO).expect("valid");
    assert!(alone.genes().iter().all(|&g| g == 36_000));
}

/// Pins what a seed gives, on every kind of machine.
#[test]
fn a_seed_gives_these_genes_everywhere() {
    let pool = DirectPopulation::random(5, LENGTH, 42, &GO).expect("valid");
    let settings = DirectSettings { crossover_rate: 0.7, ..DirectSettings::default() };
    let children = pool.vary(&[(0, 1), (2, 3), (4, 4), (3, 0), (1, 2)], &settings, 42, 3, 0, &GO).expect("valid");
    let bytes: Vec<u8> = children.genes().iter().flat_map(|gene| gene.to_le_bytes()).collect();
    assert_eq!(fingerprint(&bytes), 7_568_107_926_215_613_763);
}

#[test]
fn bytes_truncate() {
    let genes: Vec<u16> = (0..=u16::MAX).collect();
    let population = DirectPopulation::new(65_536, genes).expect("valid");
    let mut bytes = vec![1; 65_536];
    population.draw(0, 1, ColorModel::Raw, &mut bytes, &GO).expect("right size");
    for (gene, &byte) in bytes.iter().enumerate() {
        assert_eq!(u64::from(byte), gene as u64 * 255 / 65_535);
    }
    let short = population.draw(0, 1, ColorModel::Raw, &mut bytes[1..], &GO).expect_err("short");
    assert!(short.to_string().contains("65535 bytes"));
}

#[test]
fn individuals_can_be_taken_and_put() {
    let mut population = DirectPopulation::new(2, vec![1, 2, 3, 4, 5, 6]).expect("valid");
    let taken = population.take(&[2, 0, 2]).expect("valid");
    assert_eq!(taken.genes(), [5, 6, 1, 2, 5, 6]);
    assert!(population.take(&[3]).expect_err("outside").to_string().contains("3 is not among the 3"));
    population.put(&[1, 0], &taken, &[1, 2]).expect("valid");
    assert_eq!(population.genes(), [5, 6, 1, 2, 5, 6]);
    assert!(population.put(&[3], &taken, &[0]).is_err());
    assert!(population.put(&[0], &taken, &[3]).is_err());
    assert!(population.put(&[0], &DirectPopulation::new(1, vec![1]).expect("valid"), &[0]).is_err());
}

#[test]
fn colour_images_are_drawn_one_by_one_or_together() {
    let population = DirectPopulation::random(3, 300, 9, &GO).expect("valid");
    let mut together = vec![0; 900];
    population.draw(0, 3, ColorModel::Hls, &mut together, &GO).expect("valid");
    for index in 0..3 {
        let mut alone = vec![0; 300];
        population.draw(index, 3, ColorModel::Hls, &mut alone, &GO).expect("valid");
        assert_eq!(alone, together[index * 300..][..300]);
    }
    let mut raw = vec![0; 900];
    population.draw(0, 3, ColorModel::Raw, &mut raw, &GO).expect("valid");
    assert_ne!(raw, together);
}

#[test]
fn bad_arguments_are_named() {
    let population = constants(1, 2);
    let attempt = |parents: &[(u32, u32)], settings: &DirectSettings| {
        population.vary(parents, settings, 0, 0, 0, &GO).expect_err("bad").to_string()
    };
    let good = DirectSettings::default();
    assert!(attempt(&[(0, 2)], &good).contains("parent 2"));
    assert!(attempt(&[], &DirectSettings { mutation_rate: 1.1, ..good.clone() }).contains("mutation_rate is 1.1"));
    assert!(attempt(&[], &DirectSettings { crossover_rate: f64::NAN, ..good.clone() }).contains("crossover_rate"));
    assert!(attempt(&[], &DirectSettings { crossover_eta: f64::INFINITY, ..good.clone() }).contains("crossover_eta"));
    assert!(attempt(&[], &DirectSettings { mutation_eta: -0.5, ..good.clone() }).contains("mutation_eta"));
    assert!(attempt(&[], &DirectSettings { halve_every: Some(0), ..good }).contains("halve_every is 0"));
    assert!(DirectPopulation::new(0, vec![]).is_err());
    assert!(DirectPopulation::new(3, vec![0; 4]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn threads_and_batches_do_not_show(
        length in 1..1500_usize,
        rate in 0.0..=1.0_f64,
        eta in 0.0..30.0_f64,
        seed: u64,
        generation: u32,
        cut in 0..20_usize,
    ) {
        let settings = DirectSettings {
            mutation_rate: rate, mutation_eta: eta, crossover_rate: 0.5, crossover_eta: eta, halve_every: None,
        };
        let parents: Vec<(u32, u32)> = (0..20).map(|i| (i % 7, (i * 3) % 7)).collect();
        let run = |threads: usize| on_threads(threads, || {
            let pool = DirectPopulation::random(7, length, seed, &GO).expect("valid");
            let children = pool.vary(&parents, &settings, seed, generation, 5, &GO).expect("valid");
            (pool, children)
        });
        let (pool, children) = run(1);
        prop_assert_eq!(&children, &run(3).1);
        let (first, second) = parents.split_at(cut);
        let parts = [(first, 5), (second, 5 + cut as u32)].map(|(parents, first_index)| {
            pool.vary(parents, &settings, seed, generation, first_index, &GO).expect("valid").genes().to_vec()
        });
        prop_assert_eq!(parts.concat(), children.genes());
    }
}
