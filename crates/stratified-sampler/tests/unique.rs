//! What `UniqueBy` promises, over random strata, keys and samplers.

use std::collections::HashSet;

use proptest::prelude::*;
use stratified_sampler::{
    BatchSampler, Batches, Leftovers, SamplerError, StratifiedConfig, UniformConfig, UniqueBy, Weights,
};

const PAIRS: usize = 240;

/// A sampler by its settings.
#[derive(Clone, Debug)]
struct Settings {
    labels: Vec<u32>,
    stratified: StratifiedConfig,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Uniform,
    Stratified,
    Weighted,
}

impl Settings {
    fn build(&self) -> Box<dyn BatchSampler> {
        let stratified = self.stratified.clone();
        let weighted = stratified.clone().with_leftovers(Leftovers::Carry).with_weights(Weights::Equal);
        match self.kind {
            Kind::Uniform => Box::new(UniformConfig::new(stratified.batch_size).build(PAIRS).expect("valid settings")),
            Kind::Stratified => Box::new(stratified.build(&self.labels).expect("valid settings")),
            Kind::Weighted => Box::new(weighted.build(&self.labels).expect("valid settings")),
        }
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let leftovers =
        prop_oneof![Just(Leftovers::Drop), Just(Leftovers::Carry), Just(Leftovers::Merge), Just(Leftovers::Mix)];
    let kind = prop_oneof![Just(Kind::Uniform), Just(Kind::Stratified), Just(Kind::Weighted)];
    let labels = prop::collection::vec(0..6u32, PAIRS);
    (labels, leftovers, 1..20usize, kind, any::<u64>()).prop_map(|(labels, leftovers, batch_size, kind, seed)| {
        let stratified = StratifiedConfig::new(batch_size).with_leftovers(leftovers).with_seed(seed);
        Settings { labels, stratified, kind }
    })
}

fn keys(most: u32) -> impl Strategy<Value = Vec<Vec<u32>>> {
    let spread = prop_oneof![Just(1u32), Just(10_000_000)];
    let columns = prop::collection::vec(prop::collection::vec(0..most, PAIRS), 1..3);
    (columns, spread).prop_map(|(columns, spread)| {
        columns.into_iter().map(|column| column.into_iter().map(|key| key * spread).collect()).collect()
    })
}

fn sorted(mut pairs: Vec<u32>) -> Vec<u32> {
    pairs.sort_unstable();
    pairs
}

proptest! {
    #[test]
    fn no_key_comes_twice_in_a_batch_and_nothing_is_lost(
        settings in settings(), keys in (2..300u32).prop_flat_map(keys), drop_last in any::<bool>(), epoch in 0..9u64,
    ) {
        let (labels, sampler) = (&settings.labels, settings.build());
        let unique = UniqueBy::new(&sampler, keys.clone()).unwrap().with_drop_last(drop_last);
        let (len, size) = (unique.len(epoch), unique.batch_size());
        for (index, batch) in Batches::new(&unique, epoch).enumerate() {
            for column in &keys {
                let of_batch: HashSet<u32> = batch.iter().map(|&pair| column[pair as usize]).collect();
                prop_assert_eq!(of_batch.len(), batch.len());
            }
            prop_assert!(batch.len() == size || index + 1 == len && !drop_last && !batch.is_empty());
            if let Some(label) = unique.stratum(epoch, index) {
                prop_assert!(batch.iter().all(|&pair| labels[pair as usize] == label));
            }
        }
        prop_assert!(unique.batch(epoch, len, &mut Vec::new()).is_err());
        let mut drawn = unique.plan(epoch);
        drawn.extend(unique.unplaced(epoch));
        prop_assert_eq!(sorted(drawn), sorted(sampler.plan(epoch)));
    }

    #[test]
    fn where_no_keys_meet_the_batches_stay_as_they_are(settings in settings(), epoch in 0..9u64) {
        let sampler = settings.build();
        // Under weights a pair may come twice in an epoch, and then meets itself.
        prop_assume!(sampler.report(epoch).repeated == 0);
        let unique = UniqueBy::new(&sampler, vec![(0..PAIRS as u32).rev().collect()]).unwrap();
        prop_assert_eq!(unique.plan(epoch), sampler.plan(epoch));
        prop_assert_eq!(unique.full_batches(epoch), sampler.full_batches(epoch));
        prop_assert!(unique.unplaced(epoch).is_empty());
    }

    /// With one column a batch is short or a pair unplaced only where a key has more pairs than there are batches, or batches run out.
    #[test]
    fn of_each_key_as_many_pairs_are_placed_as_there_are_batches_at_most(key_count in 1..12u32, batch_size in 1..20usize) {
        let keys: Vec<u32> = (0..PAIRS as u32).map(|pair| pair % key_count).collect();
        let unique = UniqueBy::new(UniformConfig::new(batch_size).build(PAIRS).unwrap(), vec![keys]).unwrap();
        let placed = unique.plan(0).len();
        if batch_size <= key_count as usize {
            prop_assert!(placed + (key_count as usize) * batch_size >= PAIRS, "{} placed", placed);
        } else {
            // No batch can be full; one short one is left.
            prop_assert_eq!((unique.len(0), placed), (1, key_count as usize));
        }
    }
}

#[test]
fn a_plan_changes_with_its_keys() {
    let sampler = UniformConfig::new(4).build(8).unwrap();
    let hash = |keys: Vec<Vec<u32>>| UniqueBy::new(sampler.clone(), keys).unwrap().plan_hash();
    assert_eq!(hash(vec![vec![1; 8]]), hash(vec![vec![1; 8]]));
    assert_ne!(hash(vec![vec![1; 8]]), hash(vec![vec![2; 8]]));
    assert_ne!(hash(vec![vec![1; 8]]), hash(vec![vec![1; 8]; 2]));
    let dropped = UniqueBy::new(sampler.clone(), vec![vec![1; 8]]).unwrap().with_drop_last(true);
    assert_ne!(dropped.plan_hash(), hash(vec![vec![1; 8]]));
    assert_ne!(dropped.plan_hash(), sampler.plan_hash());
}

#[test]
fn wrong_keys_are_named() {
    let sampler = UniformConfig::new(4).build(8).unwrap();
    let error = |keys| UniqueBy::new(sampler.clone(), keys).unwrap_err();
    assert_eq!(error(Vec::new()), SamplerError::NoKeys);
    let error = error(vec![vec![0; 8], vec![0; 7]]).to_string();
    assert_eq!(error, "column 1 of the keys has 7, the sampler 8 pairs");
}
