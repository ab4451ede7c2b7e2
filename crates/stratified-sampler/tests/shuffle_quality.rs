//! Orders are as random as counting can tell: chi-square tests over many epochs and seeds. All are seeded, so that they
//! pass or fail for good.

use stratified_sampler::{BatchSampler, Leftovers, StratifiedConfig, UniformConfig};

/// Returns by how many standard deviations a chi-square statistic exceeds its mean (Wilson & Hilferty 1931).
fn deviation(counts: &[u32], expected: f64, freedom: usize) -> f64 {
    let square = |&count: &u32| (f64::from(count) - expected).powi(2) / expected;
    let chi_square: f64 = counts.iter().map(square).sum();
    let spread = 2.0 / (9.0 * freedom as f64);
    ((chi_square / freedom as f64).cbrt() - (1.0 - spread)) / spread.sqrt()
}

#[track_caller]
fn assert_even(what: &str, counts: &[u32], freedom: usize) {
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let deviation = deviation(counts, total / counts.len() as f64, freedom);
    assert!(deviation.abs() < 4.0, "{what}: {deviation:.1} standard deviations");
}

/// Calls `look` with orders of `0..size` of many epochs, or of many seeds.
fn orders(size: usize, count: u64, over_seeds: bool, mut look: impl FnMut(&[u32])) {
    let config = UniformConfig::new(size);
    let fixed = config.clone().build(size).unwrap();
    let mut order = Vec::new();
    for number in 0..count {
        if over_seeds {
            let sampler = config.clone().with_seed(number).build(size).unwrap();
            sampler.batch(0, 0, &mut order).unwrap();
        } else {
            fixed.batch(number, 0, &mut order).unwrap();
        }
        look(&order);
    }
}

#[test]
fn all_orders_of_few_items_come_equally_often() {
    for over_seeds in [false, true] {
        for (size, factorial) in [(2, 2), (3, 6), (4, 24), (5, 120), (6, 720)] {
            let mut counts = vec![0u32; factorial];
            orders(size, 100_000, over_seeds, |order| counts[rank(order)] += 1);
            assert_even(&format!("orders of {size}"), &counts, factorial - 1);
        }
    }
}

/// Returns the number of an order among all orders.
fn rank(order: &[u32]) -> usize {
    let later_smaller = |at: usize| order[at..].iter().filter(|&&item| item < order[at]).count();
    (0..order.len()).fold(0, |rank, at| rank * (order.len() - at) + later_smaller(at))
}

#[test]
fn every_item_comes_at_every_position_equally_often() {
    for over_seeds in [false, true] {
        for size in [2, 3, 7, 16, 50, 63, 64, 101, 150] {
            let mut counts = vec![0u32; size * size];
            orders(size, 20_000, over_seeds, |order| {
                for (position, &item) in order.iter().enumerate() {
                    counts[position * size + item as usize] += 1;
                }
            });
            let what = format!("positions of {size}");
            assert_even(&what, &counts, (size - 1) * (size - 1));
        }
    }
}

/// The second position is the next one, one in the next row of the Feistel network's grid, and one far away.
#[test]
fn every_pair_of_items_comes_at_two_positions_equally_often() {
    for size in [3usize, 5, 6, 9, 12, 20, 40, 64, 90] {
        let next_row = size.div_ceil((size as f64).sqrt().ceil() as usize);
        for second in [1, next_row.min(size - 1), size / 2] {
            let mut counts = vec![0u32; size * size];
            orders(size, 100_000, false, |order| {
                counts[order[0] as usize * size + order[second] as usize] += 1;
            });
            let different: Vec<u32> =
                (0..size * size).filter(|cell| cell / size != cell % size).map(|cell| counts[cell]).collect();
            let what = format!("pairs of {size} at 0 and {second}");
            assert_even(&what, &different, different.len() - 1);
        }
    }
}

#[test]
fn neighbours_stay_neighbours_no_more_often_than_by_chance() {
    for size in [10usize, 64, 500, 1024, 3000] {
        let epochs = 3000;
        let mut followed = 0;
        let mut fixed = 0;
        orders(size, epochs, false, |order| {
            followed += order.windows(2).filter(|two| two[0] + 1 == two[1]).count();
            fixed += (0u32..).zip(order).filter(|(at, item)| at == *item).count();
        });
        // Each of n - 1 neighbours, and each of n positions, by chance once in n orders; the counts are close to Poisson.
        let expected = epochs as f64 * (size as f64 - 1.0) / size as f64;
        assert!((followed as f64 - expected).abs() < 4.0 * expected.sqrt(), "{size}: {followed}");
        let expected = epochs as f64;
        assert!((fixed as f64 - expected).abs() < 4.0 * expected.sqrt(), "{size}: {fixed}");
    }
}

#[test]
fn large_orders_are_even_at_any_two_positions_and_epochs() {
    const BINS: usize = 32;
    // Multiples of the bins, large enough that drawing without replacement does not show.
    for size in [320_000usize, 5_000_000 - 5_000_000 % BINS] {
        let sampler = UniformConfig::new(1).build(size).unwrap();
        let mut batch = Vec::new();
        let mut bin = |epoch: u64, position: usize| {
            sampler.batch(epoch, position, &mut batch).unwrap();
            batch[0] as usize * BINS / size
        };
        let next_row = (size as f64).sqrt() as usize;
        let others = [(0, 1), (0, next_row), (0, size / 2), (1, 0)];
        for (epochs_on, position) in others {
            let mut counts = vec![0u32; BINS * BINS];
            for epoch in 0..100_000 {
                counts[bin(epoch, 0) * BINS + bin(epoch + epochs_on, position)] += 1;
            }
            let what = format!("{size}, {epochs_on} epochs on, position {position}");
            assert_even(&what, &counts, BINS * BINS - 1);
        }
    }
}

#[test]
fn strata_come_in_proportion_to_their_sizes_at_any_time_of_an_epoch() {
    // 6, 3 and 1 batches of 5.
    let labels: Vec<u32> = (0..50).map(|pair| [0, 0, 0, 0, 0, 0, 1, 1, 1, 2][pair % 10]).collect();
    let sampler = StratifiedConfig::new(5).build(&labels).unwrap();
    let epochs = 20_000;
    let mut counts = [[0u32; 10]; 3];
    let mut batch = Vec::new();
    for epoch in 0..epochs {
        for index in 0..10 {
            sampler.batch(epoch, index, &mut batch).unwrap();
            counts[labels[batch[0] as usize] as usize][index] += 1;
        }
    }
    for (counts, share) in counts.iter().zip([0.6, 0.3, 0.1]) {
        // The ten counts of a stratum vary as draws of `share` do, fixed in sum.
        let expected = epochs as f64 * share;
        let deviation: f64 =
            counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / (expected * (1.0 - share))).sum();
        assert!(deviation < 28.0, "chi-square {deviation} of 9 degrees, {share}");
    }
}

#[test]
fn every_pair_of_a_stratum_is_left_over_equally_often() {
    // 23 of one stratum, batches of 5: three left over, in the mixed batch with three of the other.
    let labels: Vec<u32> = (0..46).map(|pair| pair % 2).collect();
    for leftovers in [Leftovers::Mix, Leftovers::Merge, Leftovers::Drop] {
        let sampler = StratifiedConfig::new(5).with_leftovers(leftovers).build(&labels).unwrap();
        let mut pure = [0u32; 46];
        for epoch in 0..30_000 {
            for batch in stratified_sampler::Batches::new(&sampler, epoch) {
                let is_pure = batch.iter().all(|pair| pair % 2 == batch[0] % 2) && batch.len() == 5;
                for pair in batch {
                    pure[pair as usize] += u32::from(is_pure);
                }
            }
        }
        // A left over pair is three of 23: less varied than independent counts, so only an upper bound is tested.
        let expected = pure.iter().map(|&count| f64::from(count)).sum::<f64>() / 46.0;
        assert!(deviation(&pure, expected * 1.0, 45) < 4.0, "{leftovers:?}");
        assert!(expected < 30_000.0 * 0.9, "{leftovers:?}");
    }
}

#[test]
fn carrying_across_a_seam_favours_no_pair() {
    // Of 23 and of 13 pairs in batches of 5 and 8: epochs of several kinds of seam.
    for (size, batch_size) in [(23usize, 5usize), (13, 8), (15, 8), (17, 8)] {
        let labels = vec![0; size];
        for epoch in [1, 2, 3] {
            let mut drawn = vec![0u32; size];
            let mut first_seam = Vec::new();
            for seed in 0..20_000 {
                let sampler = StratifiedConfig::new(batch_size)
                    .with_leftovers(Leftovers::Carry)
                    .with_seed(seed)
                    .build(&labels)
                    .unwrap();
                // Of the batches of an epoch, in any order, one at random.
                sampler.batch(epoch, 0, &mut first_seam).unwrap();
                for &pair in &first_seam {
                    drawn[pair as usize] += 1;
                }
            }
            let expected = 20_000.0 * batch_size as f64 / size as f64;
            let square = |&count: &u32| (f64::from(count) - expected).powi(2);
            // Drawn without replacement, each count has this variance and the counts size - 1 degrees of freedom.
            let share = batch_size as f64 / size as f64;
            let variance = 20_000.0 * share * (1.0 - share) * size as f64 / (size as f64 - 1.0);
            let chi_square: f64 = drawn.iter().map(square).sum::<f64>() / variance;
            let freedom = size as f64 - 1.0;
            let bound = freedom + 4.0 * (2.0 * freedom).sqrt() + 8.0;
            assert!(chi_square < bound, "{size} by {batch_size}, epoch {epoch}: {chi_square}");
        }
    }
}
