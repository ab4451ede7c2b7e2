//! What `Curriculum` promises, over random schedules and samplers.

use proptest::prelude::*;
use stratified_sampler::{
    BatchSampler, Batches, Between, Clock, Curriculum, CurriculumConfig, Knot, Leftovers, Position, SamplerError,
    StratifiedConfig, UniformConfig,
};

const PAIRS: usize = 240;
const BATCH: usize = 8;

fn samplers(number: usize) -> Vec<Box<dyn BatchSampler>> {
    let labels = |strata: u32| (0..PAIRS as u32).map(|pair| pair * 7 % strata).collect::<Vec<u32>>();
    let stratified = |strata, leftovers| {
        let config = StratifiedConfig::new(BATCH).with_leftovers(leftovers).with_seed(u64::from(strata));
        Box::new(config.build(&labels(strata)).expect("valid settings"))
    };
    let all: [Box<dyn BatchSampler>; 4] = [
        Box::new(UniformConfig::new(BATCH).build(PAIRS).expect("valid settings")),
        stratified(5, Leftovers::Drop),
        stratified(7, Leftovers::Carry),
        stratified(11, Leftovers::Mix),
    ];
    all.into_iter().take(number).collect()
}

fn config(samplers: usize) -> impl Strategy<Value = CurriculumConfig> {
    let shares = prop::collection::vec(prop_oneof![Just(0.0), 0.0..1.0f64], samplers);
    let shares = shares.prop_filter("shares all 0", |shares| shares.iter().sum::<f64>() > 1e-3);
    let knot = (0.01..4.0f64, shares);
    let clock = prop_oneof![Just(Clock::Steps), Just(Clock::Epochs)];
    let between = prop_oneof![Just(Between::Linear), Just(Between::Constant)];
    (prop::collection::vec(knot, 1..5), clock, between).prop_map(|(gaps, clock, between)| {
        let batches = (PAIRS / BATCH) as f64;
        let unit = if clock == Clock::Steps { batches } else { 1.0 };
        let mut at = 0.0;
        let knots = gaps.into_iter().map(|(gap, shares)| {
            at += gap * unit;
            Knot { at, shares }
        });
        CurriculumConfig { clock, between, knots: knots.collect() }
    })
}

fn any_curriculum() -> impl Strategy<Value = (CurriculumConfig, usize)> {
    (1..5usize).prop_flat_map(|samplers| (config(samplers), Just(samplers)))
}

/// The share of a sampler at a time, from the definition.
fn share(config: &CurriculumConfig, time: f64, sampler: usize) -> f64 {
    let part = |knot: &Knot| knot.shares[sampler] / knot.shares.iter().sum::<f64>();
    let knots = &config.knots;
    let after = knots.iter().position(|knot| knot.at > time);
    match (after, config.between) {
        (Some(0), _) => part(&knots[0]),
        (None, _) => part(knots.last().expect("a knot")),
        (Some(next), Between::Constant) => part(&knots[next - 1]),
        (Some(next), Between::Linear) => {
            let (from, to) = (&knots[next - 1], &knots[next]);
            let passed = (time - from.at) / (to.at - from.at);
            (1.0 - passed) * part(from) + passed * part(to)
        }
    }
}

proptest! {
    #[test]
    fn samplers_keep_to_their_shares((config, number) in any_curriculum()) {
        let curriculum = config.clone().build(samplers(number)).unwrap();
        let batches = curriculum.len(0);
        // One that loses its share may be owed a batch of each other.
        let losses = config.knots.iter().flat_map(|knot| &knot.shares).filter(|share| **share == 0.0).count();
        let slack = (losses * number) as f64;
        let mut owed = vec![0.0; number];
        for step in 0..6 * batches {
            let time = step as f64 / if config.clock == Clock::Steps { 1.0 } else { batches as f64 };
            owed.iter_mut().enumerate().for_each(|(sampler, owed)| *owed += share(&config, time, sampler));
            let sampler = curriculum.sampler((step / batches) as u64, step % batches);
            prop_assert!(share(&config, time, sampler) > 0.0, "sampler {sampler} has no share");
            owed[sampler] -= 1.0;
            for owed in &owed {
                prop_assert!(*owed > -1.0 - slack && *owed < number as f64 + slack, "{owed} batches behind");
            }
        }
    }

    #[test]
    fn each_sampler_goes_through_all_its_batches_in_order((config, number) in any_curriculum()) {
        let curriculum = config.build(samplers(number)).unwrap();
        let inner = samplers(number);
        let mut streams: Vec<_> = inner
            .iter()
            .map(|sampler| (0..).flat_map(move |epoch| Batches::new(sampler, epoch).take(sampler.full_batches(epoch))))
            .collect();
        for epoch in 0..4 {
            for (index, batch) in Batches::new(&curriculum, epoch).enumerate() {
                prop_assert_eq!(Some(batch), streams[curriculum.sampler(epoch, index)].next());
            }
        }
    }

    #[test]
    fn any_order_of_asking_gives_the_same(
        (config, number) in any_curriculum(), asked in prop::collection::vec((0..8u64, 0..PAIRS / BATCH), 1..12),
    ) {
        let (one, other) = (config.clone().build(samplers(number)).unwrap(), config.build(samplers(number)).unwrap());
        prop_assert_eq!(one.plan_hash(), other.plan_hash());
        let plans: Vec<Vec<u32>> = (0..8).map(|epoch| one.plan(epoch)).collect();
        let mut batch = Vec::new();
        for (epoch, index) in asked {
            other.batch(epoch, index, &mut batch).unwrap();
            prop_assert_eq!(&batch[..], &plans[epoch as usize][index * BATCH..][..BATCH]);
            prop_assert_eq!(other.stratum(epoch, index), one.stratum(epoch, index));
        }
    }
}

#[test]
fn stages_follow_one_another() {
    let curriculum = CurriculumConfig::stages(Clock::Epochs, &[0.0, 2.0, 3.0]).build(samplers(3)).unwrap();
    let of_epoch = |epoch| (0..30).map(|index| curriculum.sampler(epoch, index)).collect::<Vec<usize>>();
    assert!([0, 1, 2, 3, 9].map(of_epoch) == [0, 0, 1, 2, 2].map(|sampler| vec![sampler; 30]));
    // Each pair once where the sampler draws each once.
    assert_eq!((curriculum.report(1).seen, curriculum.report(1).repeated), (PAIRS, 0));
}

#[test]
fn a_stage_may_begin_within_an_epoch() {
    let curriculum = CurriculumConfig::stages(Clock::Steps, &[0.0, 40.0]).build(samplers(2)).unwrap();
    let first = (0..30).find(|&index| curriculum.sampler(1, index) == 1);
    assert_eq!(first, Some(10));
}

#[test]
fn a_rising_share_rises() {
    let curriculum = CurriculumConfig::rising(Clock::Epochs, 1.0, 5.0).build(samplers(2)).unwrap();
    let of_second = |epoch| (0..30).filter(|&index| curriculum.sampler(epoch, index) == 1).count();
    // Epoch 1 rises from 0 to 1/4: 3.6 of 30 batches, and so on.
    for (epoch, expected) in (0..).zip([0.0, 3.6, 11.1, 18.6, 26.1, 30.0, 30.0]) {
        assert!((of_second(epoch) as f64 - expected).abs() < 1.0, "epoch {epoch}: {}", of_second(epoch));
    }
}

#[test]
fn another_schedule_is_another_plan() {
    let stages = |at| CurriculumConfig::stages(Clock::Epochs, &[0.0, at]).build(samplers(2)).unwrap();
    let (saved, other) = (Batches::new(&stages(1.0), 3).position(), stages(2.0));
    assert!(matches!(saved.resume(&other), Err(SamplerError::OtherPlan { .. })));
    assert_eq!(saved, Position { plan: stages(1.0).plan_hash(), epoch: 3, index: 0 });
}

fn refused(config: CurriculumConfig, samplers: Vec<Box<dyn BatchSampler>>) -> SamplerError {
    config.build(samplers).map(|_: Curriculum<_>| ()).expect_err("a bad setting")
}

#[test]
fn bad_schedules_are_refused() {
    let stages = |starts: &[f64]| CurriculumConfig::stages(Clock::Epochs, starts);
    assert_eq!(refused(stages(&[0.0]), Vec::new()), SamplerError::NoSamplers);
    assert_eq!(refused(stages(&[]), samplers(1)), SamplerError::NoKnots);
    for (config, wrong) in [
        (stages(&[0.0, 1.0, 1.0]), 2),
        (stages(&[-1.0, 1.0, 2.0]), 0),
        (stages(&[0.0, f64::NAN, 2.0]), 1),
        (stages(&[0.0, 1.0]), 0),
    ] {
        let error = refused(config, samplers(3));
        assert!(matches!(error, SamplerError::Knot { index, samplers: 3, .. } if index == wrong), "{error}");
    }
    for shares in [vec![0.0, 0.0], vec![1.0, -0.5], vec![1.0, f64::INFINITY], vec![f64::NAN, 1.0], vec![f64::MAX; 2]] {
        let knots = vec![Knot { at: 0.0, shares }];
        let config = CurriculumConfig { clock: Clock::Steps, between: Between::Linear, knots };
        assert!(matches!(refused(config, samplers(2)), SamplerError::Knot { index: 0, .. }));
    }
    let text = refused(stages(&[0.0, 1.0, 1.0]), samplers(3)).to_string();
    assert!(text.starts_with("knot 2 at 1 with shares [0.0, 0.0, 1.0]"), "{text}");
}

#[test]
fn samplers_that_do_not_fit_are_refused() {
    let stages = || CurriculumConfig::stages(Clock::Epochs, &[0.0, 1.0]);
    let mut other = samplers(1);
    other.push(Box::new(UniformConfig::new(BATCH + 1).build(PAIRS).unwrap()));
    let error = refused(stages(), other);
    assert_eq!(error, SamplerError::OtherSampler { sampler: 1, batch_size: BATCH + 1, pairs: PAIRS });
    let few = || -> Box<dyn BatchSampler> { Box::new(UniformConfig::new(BATCH).build(BATCH - 1).unwrap()) };
    let error = refused(stages(), vec![few(), few()]);
    assert_eq!(error, SamplerError::NothingToDraw { batch_size: BATCH, largest: BATCH - 1 });
}

/// Literals: what a schedule draws is part of the interface.
#[test]
fn a_schedule_draws_the_same_for_ever() {
    let curriculum = CurriculumConfig::rising(Clock::Steps, 0.0, 24.0).build(samplers(2)).unwrap();
    let order: Vec<usize> = (0..24).map(|index| curriculum.sampler(0, index)).collect();
    assert_eq!(order, [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0]);
}
