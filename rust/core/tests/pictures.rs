//! The operators of the direct encoding through the public interface.

mod common;

use std::num::NonZero;

use common::{GO, fingerprint, on_threads};
use neatfool_core::{DirectOperator, DirectPopulation, DirectSettings, ImageShape};
use proptest::prelude::*;

const GRAY: ImageShape = ImageShape { channels: 1, height: 40, width: 60 };
const COLOUR: ImageShape = ImageShape { channels: 3, height: 24, width: 30 };

fn smooth(count: usize, shape: ImageShape, cells: u8, seed: u64) -> DirectPopulation {
    DirectPopulation::smooth(count, shape, NonZero::new(cells).expect("not 0"), seed, &GO).expect("valid")
}

/// Pictures of one value in each channel.
fn flat(shape: ImageShape, values: &[[u16; 3]]) -> DirectPopulation {
    let side = shape.height * shape.width;
    let genes = values.iter().flat_map(|color| color[..shape.channels].iter().flat_map(|&gene| vec![gene; side]));
    DirectPopulation::new(shape.length(), genes.collect()).expect("valid")
}

/// So many children of the first two pictures of a pool.
fn children(
    pool: &DirectPopulation,
    shape: ImageShape,
    operator: DirectOperator,
    count: usize,
    seed: u64,
) -> Vec<Vec<u16>> {
    let settings = DirectSettings::default();
    let made = pool.breed(&vec![(0, 1); count], &vec![operator; count], shape, &settings, seed, 1, 0, &GO);
    made.expect("valid").genes().chunks(shape.length()).map(<[u16]>::to_vec).collect()
}

/// Largest difference between neighbours in a row, in genes.
fn steepest(genes: &[u16], width: usize) -> u16 {
    let rows = genes.chunks(width).flat_map(|row| row.windows(2).map(|pair| pair[0].abs_diff(pair[1])));
    rows.max().expect("a row of two")
}

#[test]
fn a_start_is_smooth_random_and_the_mean_of_its_cells() {
    let pool = smooth(200, GRAY, 3, 5);
    assert_eq!(pool, smooth(200, GRAY, 3, 5));
    assert_ne!(pool, smooth(200, GRAY, 3, 6));
    for genes in pool.genes().chunks(GRAY.length()) {
        // A third of 60 pixels from one cell to the next, which differ by 65,535 at most.
        assert!(steepest(genes, GRAY.width) <= 65_535 / 20 + 1);
    }
    let mean = pool.genes().iter().map(|&gene| f64::from(gene)).sum::<f64>() / pool.genes().len() as f64;
    assert!((mean - 32_767.5).abs() < 5.0 * 65_535.0 / (12.0_f64 * 1800.0).sqrt(), "{mean}");
    let one = smooth(1, COLOUR, 1, 5);
    for plane in one.genes().chunks(COLOUR.height * COLOUR.width) {
        assert!(plane.iter().all(|gene| gene == &plane[0]));
    }
}

/// The bilinear value between the centres of pixels, from its definition.
#[test]
fn a_start_is_interpolated_between_the_centres_of_its_cells() {
    let shape = ImageShape { channels: 1, height: 1, width: 90 };
    let genes = smooth(1, shape, 2, 9).genes().to_vec();
    // Of two cells, the centres are a quarter and three quarters across.
    let (first, last) = (f64::from(genes[0]), f64::from(genes[89]));
    for (column, &gene) in genes.iter().enumerate() {
        let share = (((column as f64 + 0.5) / 90.0 - 0.25) * 2.0).clamp(0.0, 1.0);
        assert!((f64::from(gene) - (first + share * (last - first))).abs() <= 1.0);
    }
}

#[test]
fn what_only_moves_pixels_keeps_a_flat_picture() {
    use DirectOperator::{Compose, Place, Repeat, Warp};
    let pool = flat(COLOUR, &[[0, 65_535, 12_345], [777, 40_000, 65_535]]);
    for (operator, shown) in [(Place, 0), (Repeat, 0), (Warp, 0), (Compose, 1)] {
        let expected = &pool.genes()[shown * COLOUR.length()..][..COLOUR.length()];
        assert!(children(&pool, COLOUR, operator, 50, 3).iter().all(|child| child == expected), "{operator:?}");
    }
}

#[test]
fn what_moves_pixels_shows_no_other_values() {
    use DirectOperator::{Compose, Place, Repeat, Warp};
    let pool = smooth(2, GRAY, 4, 2);
    for (operator, shown) in [(Place, 0), (Repeat, 0), (Warp, 0), (Compose, 1)] {
        let source = &pool.genes()[shown * GRAY.length()..][..GRAY.length()];
        let (least, most) = (source.iter().min(), source.iter().max());
        let made = children(&pool, GRAY, operator, 50, 3);
        assert!(made.iter().all(|child| child.iter().min() >= least && child.iter().max() <= most), "{operator:?}");
        assert!(made.iter().filter(|child| child.as_slice() != source).count() >= 49, "{operator:?}");
    }
}

#[test]
fn repeated_pictures_repeat() {
    let ramp: Vec<u16> = (0..GRAY.length()).map(|at| (at % GRAY.width * 1000) as u16).collect();
    let pool = DirectPopulation::new(GRAY.length(), [ramp.clone(), ramp].concat()).expect("valid");
    let turns = |child: &Vec<u16>| {
        let steps: Vec<i32> =
            child[..GRAY.width].windows(2).map(|pair| i32::from(pair[1]) - i32::from(pair[0])).collect();
        let signs: Vec<i32> = steps.into_iter().map(i32::signum).filter(|&sign| sign != 0).collect();
        signs.windows(2).filter(|pair| pair[0] != pair[1]).count()
    };
    let made = children(&pool, GRAY, DirectOperator::Repeat, 100, 4);
    let most = made.iter().map(turns).max().expect("some");
    assert!(made.iter().all(|child| turns(child) >= 1), "1.5 mirrored pictures turn at least once");
    assert!((7..=9).contains(&most), "nine mirrored pictures turn at most nine times, not {most}");
}

#[test]
fn channels_are_mixed_whole_and_areas_in_between() {
    let pool = flat(COLOUR, &[[1000, 2000, 3000], [61_000, 62_000, 63_000]]);
    let side = COLOUR.height * COLOUR.width;
    let (mut whole, mut other) = (0, 0);
    for child in children(&pool, COLOUR, DirectOperator::Mix, 200, 8) {
        let shares: Vec<f64> = child
            .iter()
            .enumerate()
            .map(|(at, &gene)| (f64::from(gene) - 1000.0 * (at / side + 1) as f64) / 60_000.0)
            .collect();
        assert!(shares.iter().all(|share| (-0.0001..=1.0001).contains(share)));
        if shares.iter().all(|share| !(0.0001..=0.9999).contains(share)) {
            whole += 1;
        }
        other += usize::from(shares.iter().any(|&share| share > 0.25));
    }
    assert!(whole > 80, "every other mixture takes channels: {whole}");
    assert!(other > 150, "most take something: {other}");
    let gray = flat(GRAY, &[[1000; 3], [61_000; 3]]);
    assert!(
        children(&gray, GRAY, DirectOperator::Mix, 20, 8).iter().any(|child| child.iter().any(|&gene| gene > 2000))
    );
}

#[test]
fn colours_change_alike_wherever_they_are() {
    let pool = smooth(2, COLOUR, 2, 6);
    let side = COLOUR.height * COLOUR.width;
    let parent = &pool.genes()[..COLOUR.length()];
    for child in children(&pool, COLOUR, DirectOperator::Recolor, 100, 6) {
        for plane in child.chunks(side) {
            // Each channel of the child is a smooth function of one channel of the parent.
            let steady = |source: &[u16]| {
                let mut pairs: Vec<(u16, u16)> = source.iter().copied().zip(plane.iter().copied()).collect();
                pairs.sort_unstable();
                pairs.windows(2).all(|pair| {
                    f64::from(pair[1].1.abs_diff(pair[0].1)) <= 6.5 * f64::from(pair[1].0 - pair[0].0) + 8.0
                })
            };
            assert!(parent.chunks(side).any(steady));
        }
    }
}

#[test]
fn overlays_change_channels_by_no_more_than_they_say() {
    for operator in [DirectOperator::Wave, DirectOperator::Noise] {
        let pool = flat(COLOUR, &[[32_768; 3]; 2]);
        let made = children(&pool, COLOUR, operator, 200, 7);
        let change = |child: &Vec<u16>| child.iter().map(|gene| gene.abs_diff(32_768)).max().expect("genes");
        assert!(made.iter().all(|child| change(child) <= 32_768), "0.8 is folded back at 0.5");
        assert!(made.iter().filter(|child| change(child) > 600).count() > 120, "{operator:?}");
        let still = |child: &Vec<u16>| {
            child.chunks(COLOUR.height * COLOUR.width).any(|plane| plane.iter().all(|&g| g == 32_768))
        };
        assert!((60..190).contains(&made.iter().filter(|child| still(child)).count()), "two in five channels stay");
    }
}

#[test]
fn mutate_is_the_papers() {
    let pool = smooth(2, COLOUR, 4, 3);
    let settings = DirectSettings { crossover_rate: 0.0, halve_every: Some(2), ..DirectSettings::default() };
    let bred = pool.breed(&[(0, 1); 3], &[DirectOperator::Mutate; 3], COLOUR, &settings, 3, 5, 7, &GO).expect("valid");
    let changed = bred.genes().chunks(COLOUR.length()).map(|child| {
        child.iter().zip(pool.genes()).filter(|(mine, parents)| mine != parents).count() as f64 / child.len() as f64
    });
    for share in changed {
        assert!((share - settings.rate_in(5)).abs() < 0.02, "{share}");
    }
}

#[test]
fn codes_and_names_are_those_of_files() {
    let names = ["mutate", "place", "repeat", "warp", "recolor", "mix", "compose", "wave", "noise"];
    for (code, name) in names.into_iter().enumerate() {
        let operator = DirectOperator::from_code(code as u8).expect("known");
        assert_eq!((operator.name(), operator.code()), (name, code as u8));
        assert_eq!(operator.parents(), if matches!(name, "mix" | "compose") { 2 } else { 1 });
    }
    assert_eq!(DirectOperator::from_code(names.len() as u8), None);
}

#[test]
fn bad_arguments_are_named() {
    let pool = smooth(2, COLOUR, 2, 1);
    let attempt = |parents: &[(u32, u32)], shape: ImageShape| {
        let settings = DirectSettings::default();
        pool.breed(parents, &[DirectOperator::Place], shape, &settings, 0, 0, 0, &GO).expect_err("bad").to_string()
    };
    assert!(attempt(&[(0, 2)], COLOUR).contains("parent 2"));
    assert!(attempt(&[(0, 1); 2], COLOUR).contains("1 operators for 2 matings"));
    assert!(attempt(&[(0, 1)], ImageShape { width: 31, ..COLOUR }).contains("2232"));
    assert!(attempt(&[(0, 1)], ImageShape { channels: 2, height: 36, width: 30 }).contains("not 2"));
    let start = |shape| DirectPopulation::smooth(1, shape, NonZero::<u8>::MIN, 0, &GO).expect_err("bad").to_string();
    assert!(start(ImageShape { channels: 4, ..COLOUR }).contains("not 4"));
    assert!(start(ImageShape { height: 0, ..COLOUR }).contains("0 genes"));
    assert!(start(ImageShape { channels: 1, height: usize::MAX, width: 2 }).contains("too many"));
}

/// Pins what a seed gives, on every kind of machine.
#[test]
fn a_seed_gives_these_genes_everywhere() {
    let pool = smooth(5, COLOUR, 5, 42);
    let operators: Vec<_> = DirectOperator::ALL.into_iter().cycle().take(90).collect();
    let parents: Vec<(u32, u32)> = (0..90).map(|child| (child % 5, child * 3 % 5)).collect();
    let children = pool.breed(&parents, &operators, COLOUR, &DirectSettings::default(), 42, 3, 0, &GO).expect("valid");
    let bytes: Vec<u8> = children.genes().iter().flat_map(|gene| gene.to_le_bytes()).collect();
    assert_eq!(fingerprint(&bytes), 10_820_766_295_435_942_217);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn threads_and_batches_do_not_show(
        height in 1..40_usize,
        width in 1..40_usize,
        channels in prop_oneof![Just(1_usize), Just(3)],
        cells: u8,
        seed: u64,
        generation: u32,
        cut in 0..20_usize,
    ) {
        let shape = ImageShape { channels, height, width };
        let settings = DirectSettings::default();
        let parents: Vec<(u32, u32)> = (0..20).map(|i| (i % 7, (i * 3) % 7)).collect();
        let operators: Vec<_> = DirectOperator::ALL.into_iter().cycle().take(20).collect();
        let run = |threads: usize| on_threads(threads, || {
            let pool = smooth(7, shape, cells.max(1), seed);
            let children = pool.breed(&parents, &operators, shape, &settings, seed, generation, 5, &GO).expect("valid");
            (pool, children)
        });
        let (pool, children) = run(1);
        prop_assert_eq!(&children, &run(3).1);
        let parts = [0..cut, cut..20].map(|range| {
            let first = 5 + range.start as u32;
            let (parents, operators) = (&parents[range.clone()], &operators[range]);
            let part = pool.breed(parents, operators, shape, &settings, seed, generation, first, &GO);
            part.expect("valid").genes().to_vec()
        });
        prop_assert_eq!(parts.concat(), children.genes());
    }
}
