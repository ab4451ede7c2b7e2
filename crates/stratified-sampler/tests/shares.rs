//! What weights, caps, thresholds, ranks and saved positions promise, over random strata and settings.

use std::collections::HashMap;

use proptest::prelude::*;
use stratified_sampler::{
    BatchSampler, Batches, Leftovers, Position, SamplerError, Shard, Stratified, StratifiedConfig, UniformConfig,
    Weights,
};

/// Labels of strata of random sizes, interleaved; every stratum has a pair.
fn labels() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![1..8usize, 1..150usize], 1..9)
        .prop_map(|sizes| {
            (0u32..).zip(sizes).flat_map(|(stratum, size)| std::iter::repeat_n(stratum, size)).collect::<Vec<u32>>()
        })
        .prop_shuffle()
}

fn weights() -> impl Strategy<Value = Weights> {
    prop_oneof![
        Just(Weights::Equal),
        (0.3..8.0f64).prop_map(Weights::Temperature),
        prop::collection::vec(prop_oneof![Just(0.0), 0.0..10.0f64], 9).prop_map(Weights::Given),
    ]
}

fn any_leftovers() -> impl Strategy<Value = Leftovers> {
    prop_oneof![Just(Leftovers::Drop), Just(Leftovers::Carry), Just(Leftovers::Merge), Just(Leftovers::Mix)]
}

fn sizes(labels: &[u32]) -> HashMap<u32, usize> {
    let mut sizes = HashMap::new();
    labels.iter().for_each(|&label| *sizes.entry(label).or_insert(0) += 1);
    sizes
}

/// The sampler, unless these settings leave nothing to draw.
fn built(config: StratifiedConfig, labels: &[u32]) -> Option<Stratified> {
    match config.build(labels) {
        Ok(sampler) => Some(sampler),
        Err(
            SamplerError::NothingToDraw { .. }
            | SamplerError::NoStratumLeft { .. }
            | SamplerError::NoWeight
            | SamplerError::Cap { .. },
        ) => None,
        Err(error) => panic!("{error}"),
    }
}

fn distinct(batch: &[u32]) -> usize {
    batch.iter().collect::<std::collections::HashSet<_>>().len()
}

proptest! {
    #[test]
    fn weighted_batches_are_pure_and_never_repeat_a_pair(
        labels in labels(), batch_size in 1..30usize, weights in weights(), seed in any::<u64>(), carry in any::<bool>(),
    ) {
        let leftovers = if carry { Leftovers::Carry } else { Leftovers::Drop };
        let config = StratifiedConfig::new(batch_size).with_leftovers(leftovers).with_seed(seed).with_weights(weights);
        let Some(sampler) = built(config, &labels) else { return Ok(()) };
        let sizes = sizes(&labels);
        let by_size: usize = sizes.values().map(|size| size / batch_size).sum();
        let mut drawn = vec![0u32; labels.len()];
        for epoch in 0..4 {
            let mut pure = 0;
            for (index, batch) in Batches::new(&sampler, epoch).enumerate() {
                prop_assert_eq!(distinct(&batch), batch.len());
                batch.iter().for_each(|&pair| drawn[pair as usize] += 1);
                if let Some(label) = sampler.stratum(epoch, index) {
                    pure += 1;
                    prop_assert!(batch.iter().all(|&pair| labels[pair as usize] == label));
                    prop_assert_eq!(batch.len(), batch_size);
                } else {
                    prop_assert!(batch.iter().all(|&pair| sizes[&labels[pair as usize]] < batch_size));
                }
            }
            prop_assert_eq!(pure, by_size);
            let report = sampler.report(epoch);
            prop_assert_eq!(report.seen + report.carried + report.wasted, labels.len());
            let pairs: usize = Batches::new(&sampler, epoch).map(|batch| batch.len()).sum();
            prop_assert_eq!(report.seen + report.repeated, pairs);
        }
        // A stream is even: of one stratum no pair is two ahead of another.
        for &label in sizes.keys() {
            let times = || (0..labels.len()).filter(|&pair| labels[pair] == label).map(|pair| drawn[pair]);
            prop_assert!(times().max().unwrap_or(0) - times().min().unwrap_or(0) <= 1, "stratum {}", label);
        }
    }

    #[test]
    fn equal_weights_give_equal_numbers_of_batches(
        labels in labels(), batch_size in 1..20usize, epoch in 0..20u64,
    ) {
        let config = StratifiedConfig::new(batch_size).with_leftovers(Leftovers::Drop).with_weights(Weights::Equal);
        let Some(sampler) = built(config, &labels) else { return Ok(()) };
        let strata = sampler.report(epoch).strata;
        let homes = || strata.iter().filter(|stratum| stratum.size >= batch_size).map(|stratum| stratum.batches);
        prop_assert!(homes().max().unwrap_or(0) - homes().min().unwrap_or(0) <= 1, "{:?}", strata);
    }

    #[test]
    fn a_cap_bounds_every_stratum_and_a_threshold_keeps_small_ones_out(
        labels in labels(), batch_size in 1..20usize, more in 0..60usize, drop_below in 0..40usize,
        leftovers in any_leftovers(), epoch in 0..20u64, seed in any::<u64>(),
    ) {
        let cap = batch_size + more;
        let config = StratifiedConfig::new(batch_size)
            .with_leftovers(leftovers)
            .with_seed(seed)
            .with_cap(Some(cap))
            .with_drop_below(drop_below);
        let Some(sampler) = built(config, &labels) else { return Ok(()) };
        let mut drawn = HashMap::new();
        for batch in Batches::new(&sampler, epoch) {
            prop_assert_eq!(distinct(&batch), batch.len());
            batch.iter().for_each(|&pair| *drawn.entry(labels[pair as usize]).or_insert(0usize) += 1);
        }
        // Under `Carry` a batch may begin in the epoch before.
        let slack = if leftovers == Leftovers::Carry { batch_size - 1 } else { 0 };
        for (label, size) in sizes(&labels) {
            let times = drawn.get(&label).copied().unwrap_or(0);
            if size < drop_below {
                prop_assert_eq!(times, 0);
            } else {
                prop_assert!(times <= size.min(cap) + slack, "{} of {} pairs of stratum {}", times, size, label);
                if matches!(leftovers, Leftovers::Mix | Leftovers::Merge) {
                    prop_assert_eq!(times, size.min(cap));
                }
            }
        }
        prop_assert!(leftovers == Leftovers::Carry || sampler.report(epoch).repeated == 0);
    }

    #[test]
    fn ranks_share_every_batch_and_nothing_else(
        labels in labels(), world in 1..6usize, share in 1..8usize, leftovers in any_leftovers(), epoch in 0..9u64,
    ) {
        let config = StratifiedConfig::new(world * share).with_leftovers(leftovers);
        let Some(sampler) = built(config, &labels) else { return Ok(()) };
        let ranks: Vec<_> = (0..world).map(|rank| Shard::new(&sampler, rank, world).unwrap()).collect();
        let whole: Vec<Vec<u32>> = Batches::new(&sampler, epoch).collect();
        let len = ranks[0].len(epoch);
        prop_assert!(ranks.iter().all(|rank| rank.len(epoch) == len));
        let mut dropped = whole[len..].concat().len();
        for (index, batch) in whole[..len].iter().enumerate() {
            let shares: Vec<Vec<u32>> = ranks.iter().map(|rank| {
                let mut out = Vec::new();
                rank.batch(epoch, index, &mut out).unwrap();
                out
            }).collect();
            prop_assert!(shares.iter().all(|share| share.len() == shares[0].len() && !share.is_empty()));
            let joined = shares.concat();
            prop_assert_eq!(&joined, &batch[..joined.len()]);
            dropped += batch.len() - joined.len();
        }
        prop_assert_eq!(ranks[0].dropped(epoch), dropped);
        prop_assert!(dropped < world);
        prop_assert!(ranks[0].batch(epoch, len, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_position_resumes_its_own_plan_with_any_number_of_ranks_and_no_other(
        labels in labels(), batch_size in 1..12usize, at in any::<prop::sample::Index>(), epoch in 0..9u64, seed in 0..1000u64,
    ) {
        let config = StratifiedConfig::new(2 * batch_size).with_seed(seed).with_leftovers(Leftovers::Carry);
        let Some(sampler) = built(config.clone(), &labels) else { return Ok(()) };
        let whole: Vec<Vec<u32>> = Batches::new(&sampler, epoch).collect();
        let at = at.index(whole.len() + 1);
        let mut batches = Batches::new(&sampler, epoch);
        at.checked_sub(1).map(|last| batches.nth(last));
        let position = batches.position();
        prop_assert_eq!((position.epoch, position.index), (epoch, at));
        prop_assert!(position.resume(&sampler).unwrap().eq(whole[at..].iter().cloned()));
        let rank = Shard::new(&sampler, 1, 2).unwrap();
        prop_assert_eq!(rank.plan_hash(), sampler.plan_hash());

        let mut others = vec![config.clone().with_seed(seed + 1), config.clone().with_cap(Some(1 << 20))];
        others.push(config.clone().with_drop_last(true));
        for other in others {
            if let Some(other) = built(other, &labels) {
                let refused = position.resume(&other).err();
                prop_assert_eq!(refused, Some(SamplerError::OtherPlan { saved: sampler.plan_hash(), here: other.plan_hash() }));
            }
        }
        let mut other_labels = labels.clone();
        other_labels[0] += 1;
        if let Some(other) = built(config, &other_labels) {
            prop_assert!(position.resume(&other).is_err());
        }
    }
}

#[test]
fn wrong_settings_are_named() {
    let labels = [0, 0, 0, 0, 1, 1, 1, 1];
    let config = StratifiedConfig::new(2).with_leftovers(Leftovers::Drop);
    let error = |config: StratifiedConfig| config.build(&labels).unwrap_err().to_string();
    let weighted = |weights: &[f64]| error(config.clone().with_weights(Weights::Given(weights.to_vec())));
    assert_eq!(weighted(&[1.0, -0.5]), "weight -0.5 of label 1, expected a number from 0");
    assert_eq!(weighted(&[f64::NAN, 1.0]), "weight NaN of label 0, expected a number from 0");
    assert_eq!(weighted(&[f64::INFINITY, 1.0]), "weight inf of label 0, expected a number from 0");
    assert_eq!(weighted(&[1.0]), "1 weights, none for label 1");
    assert_eq!(weighted(&[0.0, 0.0]), "the weights of all strata that fill a batch are 0");
    for temperature in [0.0, -1.0, f64::NAN] {
        let config = config.clone().with_weights(Weights::Temperature(temperature));
        assert!(error(config).starts_with(&format!("temperature {temperature} of the weights")));
    }
    let mixed = config.clone().with_weights(Weights::Equal).with_leftovers(Leftovers::Mix);
    assert_eq!(error(mixed), "weights other than by size go with leftovers \"drop\" or \"carry\", not \"mix\"");
    let capped = config.clone().with_cap(Some(1));
    assert_eq!(error(capped), "a cap of 1 pairs a stratum, below the 2 of a stratum with batches of its own");
    assert!(error(config.with_drop_below(5)).contains("strata of at least 5 pairs, largest stratum 4 pairs"));
}

#[test]
fn wrong_ranks_and_positions_are_named() {
    let sampler = UniformConfig::new(6).build(20).unwrap();
    let error = |rank, world| Shard::new(&sampler, rank, world).unwrap_err().to_string();
    assert_eq!(error(0, 0), "a world of 0 ranks");
    assert_eq!(error(2, 2), "rank 2 in a world of 2, expected 0 to 1");
    assert_eq!(error(0, 4), "batch size 6 is no multiple of the 4 ranks");

    let position = Position { plan: sampler.plan_hash(), epoch: 0, index: 5 };
    assert_eq!(position.resume(&sampler).unwrap_err(), SamplerError::PastTheEnd { index: 5, len: 4 });
    assert_eq!(Position { index: 4, ..position }.resume(&sampler).unwrap().count(), 0);
    let text = r#"{"plan": "0123", "epoch": 0, "index": 0}"#;
    let error = serde_json::from_str::<Position>(text).unwrap_err().to_string();
    assert!(error.contains("\"0123\" is no plan hash"), "{error}");
}

/// Hashes and weighted draws are the same on every platform and in every later version.
#[test]
fn values_are_stable() {
    let labels: Vec<u32> = (0..60).map(|pair| u32::from(pair % 6 == 0)).collect();
    let config = StratifiedConfig::new(4).with_leftovers(Leftovers::Carry).with_seed(3).with_weights(Weights::Equal);
    let sampler = config.build(&labels).unwrap();
    assert_eq!(sampler.plan_hash().to_string(), "d5ff9f08a0ab009d97bf98f38b61fb34");
    let mut batch = Vec::new();
    sampler.batch(7, 2, &mut batch).unwrap();
    assert_eq!(batch, [18, 30, 48, 54]);
}
