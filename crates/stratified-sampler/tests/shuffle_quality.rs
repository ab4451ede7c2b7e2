//! Orders are as random as counting can tell: chi-square tests over many epochs and seeds. All are seeded, so that they
//! pass or fail for good.

use stratified_sampler::{BatchSampler, Batches, Leftovers, StratifiedConfig, UniformConfig};

/// Asserts that counts vary about their mean as chance has it: their squared deviations over `variance` are chi-square.
#[track_caller]
fn assert_chance(what: &str, counts: &[u32], variance: f64, freedom: usize) {
    let mean = counts.iter().map(|&count| f64::from(count)).sum::<f64>() / counts.len() as f64;
    let square = |&count: &u32| (f64::from(count) - mean).powi(2) / variance;
    let chi_square: f64 = counts.iter().map(square).sum();
    // Close to normal (Wilson & Hilferty 1931).
    let spread = 2.0 / (9.0 * freedom as f64);
    let deviation = ((chi_square / freedom as f64).cbrt() - (1.0 - spread)) / spread.sqrt();
    assert!(deviation.abs() < 4.0, "{what}: {deviation:.1} standard deviations");
}

/// Asserts that independent draws fell into all cells alike.
#[track_caller]
fn assert_even(what: &str, counts: &[u32]) {
    let draws: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    assert_chance(what, counts, draws / counts.len() as f64, counts.len() - 1);
}

/// Asserts that all items were among the chosen alike, where each of so many draws chose that share of them.
#[track_caller]
fn assert_chosen_alike(what: &str, counts: &[u32], draws: u64, share: f64) {
    let others = counts.len() - 1;
    let finite = counts.len() as f64 / others as f64;
    let variance = draws as f64 * share * (1.0 - share) * finite;
    assert_chance(what, counts, variance, others);
}

/// Calls `look` with orders of `0..size` of many epochs, or of many seeds.
fn orders(size: usize, count: u64, over_seeds: bool, mut look: impl FnMut(&[u32])) {
    let config = UniformConfig::new(size);
    let fixed = config.clone().build(size).expect("valid settings");
    let mut order = Vec::new();
    for number in 0..count {
        if over_seeds {
            let sampler = config.clone().with_seed(number).build(size).expect("valid settings");
            sampler.batch(0, 0, &mut order).expect("an epoch has a batch");
        } else {
            fixed.batch(number, 0, &mut order).expect("an epoch has a batch");
        }
        look(&order);
    }
}

#[test]
fn all_orders_of_few_items_come_equally_often() {
    for over_seeds in [false, true] {
        for (size, factorial) in [(2, 2), (3, 6), (4, 24), (5, 120), (6, 720)] {
            let mut counts = vec![0u32; factorial];
            orders(size, 50_000, over_seeds, |order| counts[rank(order)] += 1);
            assert_even(&format!("orders of {size}"), &counts);
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
            // Variance and degrees of freedom of sums of permutation matrices.
            let variance = 20_000.0 / (size as f64 - 1.0);
            let what = format!("positions of {size}");
            assert_chance(&what, &counts, variance, (size - 1) * (size - 1));
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
            orders(size, 25_000, false, |order| {
                counts[order[0] as usize * size + order[second] as usize] += 1;
            });
            let different: Vec<u32> =
                (0..size * size).filter(|cell| cell / size != cell % size).map(|cell| counts[cell]).collect();
            let what = format!("pairs of {size} at 0 and {second}");
            assert_even(&what, &different);
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
            assert_even(&what, &counts);
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
    for epoch in 0..epochs {
        for (index, batch) in Batches::new(&sampler, epoch).enumerate() {
            counts[labels[batch[0] as usize] as usize][index] += 1;
        }
    }
    for (counts, share) in counts.iter().zip([0.6, 0.3, 0.1]) {
        assert_chosen_alike(&format!("a share of {share}"), counts, epochs, share);
    }
}

#[test]
fn every_pair_of_a_stratum_is_left_over_equally_often() {
    // 23 of each stratum, batches of 5: three of each left over, so that no batch of leftovers is of one stratum.
    let labels: Vec<u32> = (0..46).map(|pair| pair % 2).collect();
    let epochs = 20_000;
    for leftovers in [Leftovers::Mix, Leftovers::Merge, Leftovers::Drop] {
        let config = StratifiedConfig::new(5).with_leftovers(leftovers);
        let sampler = config.build(&labels).unwrap();
        let mut in_own = [[0u32; 23]; 2];
        for epoch in 0..epochs {
            for batch in Batches::new(&sampler, epoch) {
                let stratum = batch[0] % 2;
                if batch.len() == 5 && batch.iter().all(|pair| pair % 2 == stratum) {
                    for pair in batch {
                        in_own[stratum as usize][pair as usize / 2] += 1;
                    }
                }
            }
        }
        for counts in &in_own {
            assert_chosen_alike(&format!("{leftovers:?}"), counts, epochs, 20.0 / 23.0);
        }
    }
}

#[test]
fn carrying_across_a_seam_favours_no_pair() {
    // Strata of more than four batches, of more than two, and of fewer than two, which keep an order for some epochs.
    for (size, batch_size) in [(23, 5), (17, 8), (15, 8), (13, 8)] {
        let labels = vec![0; size];
        let config = StratifiedConfig::new(batch_size).with_leftovers(Leftovers::Carry);
        for epoch in [1, 2, 3] {
            let seeds = 20_000;
            let mut counts = vec![0u32; size];
            let mut batch = Vec::new();
            for seed in 0..seeds {
                let sampler = config.clone().with_seed(seed).build(&labels).unwrap();
                // Any of the epoch's batches, so that the one at the seam is among them.
                sampler.batch(epoch, 0, &mut batch).unwrap();
                for &pair in &batch {
                    counts[pair as usize] += 1;
                }
            }
            let what = format!("{size} by {batch_size}, epoch {epoch}");
            let share = batch_size as f64 / size as f64;
            assert_chosen_alike(&what, &counts, seeds, share);
        }
    }
}
