//! What a reader can check by hand: errors, settings, leftovers of few strata.

use std::collections::{BTreeSet, HashSet};

use stratified_sampler::{
    BatchSampler, Batches, Leftovers, PlanReport, SamplerError, Stratified, StratifiedConfig, TopicAwareConfig,
    UniformConfig, UniqueBy,
};

/// Returns labels of strata of these sizes, one stratum after another.
fn labels(sizes: &[usize]) -> Vec<u32> {
    let strata = (0u32..).zip(sizes);
    strata.flat_map(|(stratum, &size)| std::iter::repeat_n(stratum, size)).collect()
}

fn error(config: StratifiedConfig, labels: &[u32]) -> SamplerError {
    config.build(labels).expect_err("wrong settings")
}

#[test]
fn errors_name_what_is_wrong() {
    let config = StratifiedConfig::new;
    assert_eq!(error(config(4), &[]), SamplerError::NoPairs);
    assert_eq!(error(config(0), &[1]), SamplerError::NoBatchSize);
    assert_eq!(
        error(config(6).with_leftovers(Leftovers::Drop), &labels(&[3, 5])).to_string(),
        "nothing to draw: batch size 6, largest stratum 5 pairs"
    );
    assert_eq!(
        error(config(2).with_leftovers(Leftovers::Drop).with_min_stratum(9), &labels(&[3, 5])).to_string(),
        "nothing to draw: strata of at least 9 pairs, largest stratum 5 pairs"
    );
    assert_eq!(
        error(config(9).with_drop_last(true), &labels(&[3, 5])),
        SamplerError::NothingToDraw { batch_size: 9, largest: 8 }
    );
}

#[test]
fn a_wrong_map_of_nearest_strata_is_an_error_under_any_policy() {
    for leftovers in [Leftovers::Merge, Leftovers::Mix] {
        let config = StratifiedConfig::new(2).with_leftovers(leftovers);
        let build = |nearest: &[u32]| {
            let built = config.clone().build_with_nearest(&labels(&[3, 3, 3]), nearest);
            built.unwrap_err().to_string()
        };
        assert_eq!(build(&[1, 0]), "the map of nearest strata has 2 entries, none for label 2");
        assert_eq!(build(&[1, 1, 0]), "the map of nearest strata maps label 1 to itself");
        assert_eq!(build(&[1, 3, 0]), "the map of nearest strata maps label 1 to 3, beyond its 3 entries");
    }
}

#[test]
fn more_pairs_than_can_be_numbered_are_an_error() {
    let most = 65_535 * 65_535;
    let config = UniformConfig::new(4096);
    assert!(matches!(
        config.clone().build(most + 1),
        Err(SamplerError::TooManyPairs { pairs, most: m }) if pairs == most + 1 && m == most
    ));
    let sampler = config.build(most).unwrap();
    let last = Batches::new(&sampler, 3).last().unwrap();
    assert_eq!(last.len(), most % 4096);
    assert!(last.iter().all(|&pair| (pair as usize) < most));
}

#[test]
fn settings_read_from_text_reject_unknown_keys() {
    let config: StratifiedConfig = serde_json::from_str(r#"{"batch_size": 8, "leftovers": "carry"}"#).unwrap();
    assert_eq!(config, StratifiedConfig::new(8).with_leftovers(Leftovers::Carry));
    let wrong = r#"{"batch_size": 8, "leftover": "carry"}"#;
    let error = serde_json::from_str::<StratifiedConfig>(wrong).unwrap_err();
    assert!(error.to_string().contains("leftover"));
    assert!(serde_json::from_str::<UniformConfig>(wrong).is_err());
}

#[test]
fn a_report_survives_serialisation() {
    let sampler = StratifiedConfig::new(3).build(&labels(&[7, 5])).unwrap();
    let report = sampler.report(1);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<PlanReport>(&text).unwrap(), report);
}

#[test]
fn a_batch_larger_than_everything_is_one_short_batch() {
    for leftovers in [Leftovers::Carry, Leftovers::Merge, Leftovers::Mix] {
        for batch_size in [9, usize::MAX] {
            let config = StratifiedConfig::new(batch_size).with_leftovers(leftovers);
            let sampler = config.build(&labels(&[3, 5])).unwrap();
            let report = sampler.report(0);
            assert_eq!((report.batches, report.short, report.seen), (1, 1, 8));
            assert_eq!(report.mean_purity, Some(5.0 / 8.0));
        }
    }
    let sampler = UniformConfig::new(usize::MAX).build(8).unwrap();
    assert_eq!((sampler.len(0), sampler.plan(0).len()), (1, 8));
}

/// Strata of 7, 5 and 2 pairs, batches of 3: own batches 2, 1 and 0; leftovers 1, 2 and 2.
#[test]
fn three_strata_by_hand() {
    let report = |leftovers| {
        let config = StratifiedConfig::new(3).with_leftovers(leftovers);
        config.build(&labels(&[7, 5, 2])).unwrap().report(0)
    };
    let drop = report(Leftovers::Drop);
    assert_eq!((drop.batches, drop.pure, drop.seen, drop.wasted), (3, 3, 9, 5));
    assert_eq!(drop.strata[1].leftover, 2);

    for leftovers in [Leftovers::Merge, Leftovers::Mix] {
        let report = report(leftovers);
        assert_eq!((report.full, report.short, report.seen), (4, 1, 14));
        assert!(report.pure >= 3);
        assert_eq!(report.strata[0].size, 7);
    }

    // The first epochs of the streams complete 2 and 1 batches; the two of the small stratum are a short batch.
    let carry = report(Leftovers::Carry);
    assert_eq!((carry.full, carry.short, carry.pure), (3, 1, 4));
    assert_eq!((carry.seen, carry.carried, carry.wasted), (11, 3, 0));
}

#[test]
fn carrying_drops_nothing_but_small_strata_with_drop_last() {
    let config = StratifiedConfig::new(3).with_leftovers(Leftovers::Carry);
    let sampler = config.with_drop_last(true).build(&labels(&[7, 5, 2])).unwrap();
    let report = sampler.report(0);
    assert_eq!((report.seen, report.carried, report.wasted), (9, 3, 2));
    // 7 pairs fill 7 batches of 3 in 3 epochs, and 5 pairs 5.
    let batches: usize = (0..3).map(|epoch| sampler.len(epoch)).sum();
    assert_eq!(batches, 12);
}

#[test]
fn a_stratum_of_exactly_one_batch_is_that_batch() {
    for leftovers in [Leftovers::Drop, Leftovers::Carry, Leftovers::Merge, Leftovers::Mix] {
        let config = StratifiedConfig::new(4).with_leftovers(leftovers);
        let sampler = config.build(&[9; 4]).unwrap();
        for epoch in [0, 1, 77, u64::MAX] {
            let plan: BTreeSet<u32> = sampler.plan(epoch).into_iter().collect();
            assert!(plan.into_iter().eq(0..4));
        }
    }
}

#[test]
fn strata_below_the_minimum_share_batches() {
    let config = StratifiedConfig::new(4).with_min_stratum(10);
    let sampler = config.build(&labels(&[8, 8, 12])).unwrap();
    let report = sampler.report(0);
    assert_eq!(report.strata[2].batches, 3);
    assert!(report.mixed_pairs > 0);
    assert!(report.strata[0].batches + report.strata[1].batches < 4);
}

/// Returns for each mixed batch of an epoch the strata in it.
fn mixed(sampler: &Stratified, labels: &[u32], epoch: u64) -> Vec<BTreeSet<u32>> {
    Batches::new(sampler, epoch)
        .map(|batch| batch.iter().map(|&pair| labels[pair as usize]).collect())
        .filter(|strata: &BTreeSet<u32>| strata.len() > 1)
        .collect()
}

#[test]
fn merged_strata_are_nearest_to_each_other() {
    // Strata of half a batch; 0-3, 1-4 and 2-5 are near each other.
    let labels = labels(&[4; 6]);
    let nearest = [3, 4, 5, 0, 1, 2];
    let config = StratifiedConfig::new(8).with_leftovers(Leftovers::Merge);
    let sampler = config.build_with_nearest(&labels, &nearest).unwrap();
    let line = [0, 3, 1, 4, 2, 5];
    let near: HashSet<BTreeSet<u32>> =
        (0..6).flat_map(|at| [2, 3].map(|count| (0..count).map(|next| line[(at + next) % 6]).collect())).collect();
    let mut met = HashSet::new();
    for epoch in 0..50 {
        for strata in mixed(&sampler, &labels, epoch) {
            assert!(near.contains(&strata), "{strata:?}");
            met.insert(strata);
        }
    }
    // The cuts lie elsewhere in every epoch.
    assert!(met.len() > 6, "{met:?}");
}

#[test]
fn without_a_map_leftovers_merge_in_order_of_size() {
    // Each leaves two pairs over; batches of four take two or three neighbours in order of size.
    let labels = labels(&[14, 2, 10, 6]);
    let config = StratifiedConfig::new(4).with_leftovers(Leftovers::Merge);
    let sampler = config.build(&labels).unwrap();
    let by_size = [1, 3, 2, 0];
    for epoch in 0..50 {
        for strata in mixed(&sampler, &labels, epoch) {
            let in_a_row = (0..4).any(|at| {
                let some: BTreeSet<u32> = (0..strata.len()).map(|next| by_size[(at + next) % 4]).collect();
                some == strata
            });
            assert!(in_a_row, "{strata:?}");
        }
    }
}

#[test]
fn a_map_may_pass_through_labels_without_pairs() {
    let labels = [0, 0, 0, 2, 2, 2];
    let config = StratifiedConfig::new(2).with_leftovers(Leftovers::Merge);
    let sampler = config.build_with_nearest(&labels, &[1, 2, 1, 0]).unwrap();
    let report = sampler.report(0);
    assert_eq!((report.full, report.mixed, report.seen), (3, 1, 6));
}

#[test]
fn leftovers_differ_from_epoch_to_epoch() {
    let labels = labels(&[50, 50]);
    let sampler = StratifiedConfig::new(40).build(&labels).unwrap();
    let left_over = |epoch| {
        let is_mixed = |batch: &Vec<u32>| batch.len() == 20;
        let batch: BTreeSet<u32> = Batches::new(&sampler, epoch).find(is_mixed).unwrap().into_iter().collect();
        batch
    };
    let different: HashSet<_> = (0..20).map(left_over).collect();
    assert_eq!(different.len(), 20);
}

#[test]
fn strata_epochs_and_seeds_have_orders_of_their_own() {
    let labels = labels(&[50, 50]);
    let mut orders = HashSet::new();
    for seed in 0..3 {
        let sampler = StratifiedConfig::new(50).with_seed(seed).build(&labels).unwrap();
        for batch in (0..3).flat_map(|epoch| Batches::new(&sampler, epoch)) {
            orders.insert(batch.iter().map(|pair| pair % 50).collect::<Vec<u32>>());
        }
    }
    assert_eq!(orders.len(), 2 * 3 * 3);
}

#[test]
fn a_sampler_is_shared_between_threads() {
    let labels = labels(&[100, 37, 20]);
    let config = StratifiedConfig::new(8).with_leftovers(Leftovers::Carry);
    let sampler: Box<dyn BatchSampler> = Box::new(config.build(&labels).unwrap());
    let plans: Vec<Vec<u32>> = (0..4).map(|epoch| sampler.plan(epoch)).collect();
    std::thread::scope(|scope| {
        for epoch in 0..4u64 {
            let (sampler, plans) = (&sampler, &plans);
            scope.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(sampler.plan(epoch), plans[epoch as usize]);
                }
            });
        }
    });
}

#[test]
fn purity_of_any_sampler_is_measured_by_any_labels() {
    let labels = labels(&[40, 40]);
    let uniform = UniformConfig::new(10).build(80).unwrap();
    let by_strata = PlanReport::measure(&uniform, 0, &labels);
    assert!(by_strata.mean_purity.is_some_and(|purity| purity < 0.8));
    let by_none = uniform.report(0);
    assert_eq!((by_none.mixed, by_none.mean_purity), (8, None));
    assert!(by_none.strata.is_empty());
}

/// Literals: what a seed draws is part of the interface.
#[test]
fn a_seed_draws_the_same_for_ever() {
    let labels: Vec<u32> = (0..20).map(|pair| pair * pair % 5).collect();
    let plan = |leftovers| {
        let config = StratifiedConfig::new(3).with_seed(42).with_leftovers(leftovers);
        config.build(&labels).unwrap().plan(1)
    };
    assert_eq!(plan(Leftovers::Drop), [12, 3, 17, 1, 11, 4, 16, 14, 9, 5, 15, 0, 8, 2, 13]);
    assert_eq!(plan(Leftovers::Carry), [2, 13, 7, 12, 17, 8, 15, 10, 5, 12, 7, 3, 11, 4, 16, 14, 9, 19, 6, 16, 1]);
    assert_eq!(plan(Leftovers::Merge), [12, 3, 17, 10, 19, 6, 16, 14, 9, 5, 15, 0, 8, 2, 13, 1, 11, 4, 7, 18]);
    assert_eq!(plan(Leftovers::Mix), [12, 3, 17, 10, 18, 6, 16, 14, 9, 5, 15, 0, 8, 2, 13, 1, 11, 4, 19, 7]);
    let uniform = UniformConfig::new(4).with_seed(42).build(10).unwrap();
    assert_eq!(uniform.plan(1), [6, 0, 9, 7, 1, 5, 8, 3, 4, 2]);
    let large = UniformConfig::new(4).with_seed(42).build(5_000_000).unwrap();
    assert_eq!(Batches::new(&large, 7).nth(9), Some(vec![3749395, 3203049, 211055, 2314661]));
}

/// The same of the samplers that are compiled an epoch.
#[test]
fn a_compiled_epoch_is_the_same_for_ever() {
    let labels: Vec<u32> = (0..24).map(|pair| pair * pair % 5).collect();
    let keys: Vec<u32> = (0..24).map(|pair| pair % 9).collect();
    let stratified = StratifiedConfig::new(4).with_seed(42).build(&labels).unwrap();
    let unique = UniqueBy::new(stratified, vec![keys]).unwrap();
    assert_eq!(unique.plan(1), [13, 17, 3, 7, 0, 8, 23, 21, 14, 9, 19, 6, 10, 20, 5, 15, 22, 18, 2, 12, 1, 11, 4, 16]);
    assert_eq!(unique.unplaced(1), [0u32; 0]);
    let topics = TopicAwareConfig::new(4, 2).with_seed(42).build(&labels).unwrap();
    assert_eq!(topics.plan(1), [5, 10, 2, 7, 16, 19, 18, 23, 21, 6, 22, 12, 11, 1, 15, 20, 3, 8, 4, 14]);
}
