//! What every sampler promises, over random strata, batch sizes, policies, seeds and epochs.

use std::collections::HashSet;

use proptest::prelude::*;
use stratified_sampler::{BatchSampler, Batches, Leftovers, SamplerError, Stratified, StratifiedConfig, UniformConfig};

/// Labels of strata of random sizes, interleaved, with gaps between the labels.
fn labels() -> impl Strategy<Value = Vec<u32>> {
    let sizes = prop::collection::vec(prop_oneof![0..4usize, 1..40usize, 30..200usize], 1..12);
    let gap = prop_oneof![Just(1u32), Just(5), Just(300_000_000)];
    (sizes, gap)
        .prop_map(|(sizes, gap)| {
            let strata = (0u32..).zip(&sizes);
            strata.flat_map(|(stratum, &size)| std::iter::repeat_n(stratum * gap, size)).collect::<Vec<u32>>()
        })
        .prop_shuffle()
        .prop_filter("some pairs", |labels| !labels.is_empty())
}

fn leftovers() -> impl Strategy<Value = Leftovers> {
    prop_oneof![Just(Leftovers::Drop), Just(Leftovers::Carry), Just(Leftovers::Merge), Just(Leftovers::Mix),]
}

fn config() -> impl Strategy<Value = StratifiedConfig> {
    let min_stratum = prop_oneof![3 => Just(0usize), 1 => 0..60usize];
    (1..40usize, leftovers(), any::<u64>(), any::<bool>(), min_stratum).prop_map(
        |(batch_size, leftovers, seed, drop_last, min_stratum)| {
            StratifiedConfig::new(batch_size)
                .with_leftovers(leftovers)
                .with_seed(seed)
                .with_drop_last(drop_last)
                .with_min_stratum(min_stratum)
        },
    )
}

/// Epochs near the beginning and as far as there are any.
fn epoch() -> impl Strategy<Value = u64> {
    prop_oneof![0..50u64, any::<u64>(), Just(u64::MAX)]
}

fn sizes(labels: &[u32]) -> std::collections::BTreeMap<u32, usize> {
    let mut sizes = std::collections::BTreeMap::new();
    for &label in labels {
        *sizes.entry(label).or_insert(0) += 1;
    }
    sizes
}

/// Sizes of the strata that have batches of their own.
fn homes(config: &StratifiedConfig, labels: &[u32]) -> Vec<usize> {
    let at_least = config.batch_size.max(config.min_stratum);
    let sizes = sizes(labels).into_values();
    sizes.filter(|&size| size >= at_least).collect()
}

/// Batches that an endless stream completes in an epoch.
fn completed(size: usize, batch_size: usize, epoch: u64) -> u128 {
    let before = |epoch: u128| epoch * size as u128 / batch_size as u128;
    before(u128::from(epoch) + 1) - before(u128::from(epoch))
}

fn times_drawn(sampler: &Stratified, epoch: u64, times: &mut [u64]) {
    for pair in sampler.plan(epoch) {
        times[pair as usize] += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_to_draw_is_the_only_error_for_valid_settings(config in config(), labels in labels()) {
        let possible = match config.leftovers {
            Leftovers::Drop => !homes(&config, &labels).is_empty(),
            _ => !config.drop_last || labels.len() >= config.batch_size,
        };
        match config.build(&labels) {
            Ok(_) => prop_assert!(possible),
            Err(SamplerError::NothingToDraw { .. } | SamplerError::NoStratumLeft { .. }) => prop_assert!(!possible),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn a_batch_has_different_pairs_and_only_the_last_is_short(
        config in config(), labels in labels(), epoch in epoch()
    ) {
        let Ok(sampler) = config.clone().build(&labels) else { return Ok(()) };
        let len = sampler.len(epoch);
        for (index, batch) in Batches::new(&sampler, epoch).enumerate() {
            let different: HashSet<u32> = batch.iter().copied().collect();
            prop_assert_eq!(different.len(), batch.len());
            prop_assert!(batch.iter().all(|&pair| (pair as usize) < labels.len()));
            if index + 1 < len || config.drop_last || config.leftovers == Leftovers::Drop {
                prop_assert_eq!(batch.len(), config.batch_size);
            } else {
                prop_assert!((1..=config.batch_size).contains(&batch.len()));
            }
        }
    }

    #[test]
    fn every_stratum_has_its_batches_and_the_rest_are_leftovers(
        config in config(), labels in labels(), epoch in epoch()
    ) {
        let Ok(sampler) = config.clone().build(&labels) else { return Ok(()) };
        let own: usize = homes(&config, &labels).iter().map(|size| size / config.batch_size).sum();
        let report = sampler.report(epoch);
        match config.leftovers {
            Leftovers::Drop => {
                prop_assert_eq!((report.pure, report.mixed), (own, 0));
                prop_assert_eq!(report.seen, own * config.batch_size);
            }
            Leftovers::Merge | Leftovers::Mix => {
                let full = labels.len() / config.batch_size;
                let short = !config.drop_last && !labels.len().is_multiple_of(config.batch_size);
                prop_assert_eq!((report.full, report.short), (full, usize::from(short)));
                prop_assert!(report.pure >= own);
            }
            Leftovers::Carry => {
                let homes = homes(&config, &labels);
                let small = labels.len() - homes.iter().sum::<usize>();
                let streams = homes.into_iter().chain((small >= config.batch_size).then_some(small));
                let full: u128 = streams.map(|size| completed(size, config.batch_size, epoch)).sum();
                prop_assert_eq!(report.full as u128, full);
                let short = !config.drop_last && (1..config.batch_size).contains(&small);
                prop_assert_eq!(report.short, usize::from(short));
            }
        }
    }

    #[test]
    fn each_pair_is_drawn_as_often_as_the_policy_says(
        config in config(), labels in labels(), epoch in epoch()
    ) {
        let Ok(sampler) = config.clone().build(&labels) else { return Ok(()) };
        if config.leftovers == Leftovers::Carry { return Ok(()) }
        let mut times = vec![0; labels.len()];
        times_drawn(&sampler, epoch, &mut times);
        prop_assert!(times.iter().all(|&times| times <= 1));
        let drawn: u64 = times.iter().sum();
        if config.leftovers != Leftovers::Drop {
            let lost = labels.len() as u64 - drawn;
            prop_assert!(lost == 0 || (config.drop_last && lost < config.batch_size as u64));
        }
    }

    #[test]
    fn carried_pairs_are_drawn_as_often_as_epochs_have_passed_or_once_less(
        config in config(), labels in labels(), epochs in 1..40u64
    ) {
        let config = config.with_leftovers(Leftovers::Carry).with_drop_last(false);
        let batch_size = config.batch_size;
        let Ok(sampler) = config.clone().build(&labels) else { return Ok(()) };
        let sizes = sizes(&labels);
        let is_home = |label: u32| sizes[&label] >= batch_size.max(config.min_stratum);
        let mut times = vec![0; labels.len()];
        for epoch in 0..epochs {
            times_drawn(&sampler, epoch, &mut times);
            for (&label, &times) in labels.iter().zip(&times) {
                prop_assert!(times == epoch || times == epoch + 1, "{} after {}", times, epoch + 1);
                if is_home(label) && sizes[&label].is_multiple_of(batch_size) {
                    prop_assert_eq!(times, epoch + 1);
                }
            }
        }
    }

    #[test]
    fn carried_batches_are_of_one_stratum_unless_it_is_small(
        config in config(), labels in labels(), epoch in epoch()
    ) {
        let config = config.with_leftovers(Leftovers::Carry);
        let Ok(sampler) = config.clone().build(&labels) else { return Ok(()) };
        let sizes = sizes(&labels);
        for batch in Batches::new(&sampler, epoch) {
            let strata: HashSet<u32> = batch.iter().map(|&pair| labels[pair as usize]).collect();
            let all_small = strata.iter().all(|label| {
                sizes[label] < config.batch_size.max(config.min_stratum)
            });
            prop_assert!(strata.len() == 1 || all_small);
        }
    }

    #[test]
    fn batches_do_not_depend_on_what_was_drawn_before(
        config in config(), labels in labels(), epoch in epoch(), other in epoch(), index in any::<prop::sample::Index>()
    ) {
        let Ok(sampler) = config.clone().build(&labels) else { return Ok(()) };
        let index = index.index(sampler.len(epoch));
        let expected = Batches::new(&sampler, epoch).nth(index);
        let fresh = config.build(&labels).unwrap();
        let _ = fresh.plan(other);
        let mut batch = vec![1, 2, 3];
        fresh.batch(epoch, index, &mut batch).unwrap();
        prop_assert_eq!(Some(batch), expected);
    }

    #[test]
    fn the_plan_is_the_batches_one_after_another(config in config(), labels in labels(), epoch in epoch()) {
        let Ok(sampler) = config.build(&labels) else { return Ok(()) };
        let batches: Vec<Vec<u32>> = Batches::new(&sampler, epoch).collect();
        let plan = sampler.plan(epoch);
        prop_assert_eq!(plan.chunks(sampler.batch_size()).collect::<Vec<_>>(), batches);
    }

    #[test]
    fn past_the_end_is_an_error_that_names_index_and_length(
        config in config(), labels in labels(), epoch in epoch(), beyond in 0..3usize
    ) {
        let Ok(sampler) = config.build(&labels) else { return Ok(()) };
        let len = sampler.len(epoch);
        let index = len + beyond;
        let mut batch = vec![7];
        prop_assert_eq!(sampler.batch(epoch, index, &mut batch), Err(SamplerError::PastTheEnd { index, len }));
        prop_assert!(batch.is_empty());
    }

    #[test]
    fn reports_add_up(config in config(), labels in labels(), epoch in epoch()) {
        let Ok(sampler) = config.clone().build(&labels) else { return Ok(()) };
        let report = sampler.report(epoch);
        prop_assert_eq!(report.batches, sampler.len(epoch));
        prop_assert_eq!(report.full + report.short, report.batches);
        prop_assert_eq!(report.pure + report.mixed, report.batches);
        prop_assert_eq!(report.seen + report.carried + report.wasted, labels.len());
        prop_assert_eq!(report.pairs, labels.len());
        prop_assert!(report.carried == 0 || config.leftovers == Leftovers::Carry);
        let different: HashSet<u32> = sampler.plan(epoch).into_iter().collect();
        prop_assert_eq!(report.seen, different.len());
        prop_assert!(report.mean_purity.is_some_and(|purity| purity > 0.0 && purity <= 1.0));
        prop_assert_eq!(report.mean_purity == Some(1.0), report.mixed == 0);

        let strata = sizes(&labels);
        prop_assert!(report.strata.iter().map(|stratum| (stratum.label, stratum.size)).eq(strata));
        prop_assert_eq!(report.strata.iter().map(|stratum| stratum.batches).sum::<usize>(), report.pure);
        let wasted: usize = report.strata.iter().map(|stratum| stratum.leftover).sum();
        prop_assert!(wasted >= report.wasted);
    }

    #[test]
    fn merging_by_any_map_draws_each_pair_once(
        config in config(), labels in labels(), epoch in epoch(), jumps in prop::collection::vec(1..1000u32, 64)
    ) {
        let config = config.with_leftovers(Leftovers::Merge).with_drop_last(false);
        let strata: Vec<u32> = sizes(&labels).into_keys().collect();
        let labels: Vec<u32> = labels.iter().map(|label| strata.binary_search(label).unwrap() as u32).collect();
        let count = strata.len() as u32;
        prop_assume!(count > 1);
        let nearest: Vec<u32> = (0..count).zip(jumps).map(|(label, jump)| (label + 1 + jump % (count - 1)) % count).collect();
        let sampler = config.build_with_nearest(&labels, &nearest).unwrap();
        let mut times = vec![0; labels.len()];
        times_drawn(&sampler, epoch, &mut times);
        prop_assert!(times.iter().all(|&times| times == 1));
    }

    #[test]
    fn uniform_draws_each_pair_once(
        pairs in 1..2000usize, batch_size in 1..300usize, seed in any::<u64>(), drop_last in any::<bool>(), epoch in epoch()
    ) {
        let config = UniformConfig::new(batch_size).with_seed(seed).with_drop_last(drop_last);
        let Ok(sampler) = config.build(pairs) else {
            prop_assert!(drop_last && pairs < batch_size);
            return Ok(())
        };
        let mut plan = sampler.plan(epoch);
        prop_assert_eq!(plan.len(), if drop_last { pairs - pairs % batch_size } else { pairs });
        prop_assert_eq!(plan.len().div_ceil(batch_size), sampler.len(epoch));
        plan.sort_unstable();
        prop_assert!(plan.windows(2).all(|two| two[0] < two[1]));
        prop_assert!(plan.iter().all(|&pair| (pair as usize) < pairs));
        let report = sampler.report(epoch);
        prop_assert_eq!((report.seen, report.mean_purity), (plan.len(), None));
    }

    #[test]
    fn mix_has_as_many_steps_as_uniform(config in config(), labels in labels(), epoch in epoch()) {
        let uniform = UniformConfig::new(config.batch_size).with_drop_last(config.drop_last).build(labels.len());
        let mixed = config.with_leftovers(Leftovers::Mix).build(&labels);
        prop_assert_eq!(uniform.map(|sampler| sampler.len(epoch)).ok(), mixed.map(|sampler| sampler.len(epoch)).ok());
    }
}
