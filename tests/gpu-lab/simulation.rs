//! Runs suites of GPU cases in simulated time.

use dynamo_test::__private::Need;
use dynamo_test::__private::schedule::{Admitted, Card, Queue, Reserved};

use crate::policy::{Fifo, Kind, Ours, Policy};
use crate::random::Random;

const RUNS: u64 = 100;
const CASES: usize = 60;
const CARD_MIB: u64 = 48 * 1024;
const MEDIAN_SECONDS: f64 = 90.0;
const DEVIATION: f64 = 0.7;
/// How far expected seconds are from real ones.
const NOISE: f64 = 0.5;

/// What a suite is like.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    cards: usize,
    /// Whether cases with several GPUs declare their memory.
    wide_share: bool,
    /// How many cases a card may bear.
    residents: u32,
    /// The ratio to the lower bound that is to be reached.
    target: Option<f64>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "8 GPUs, all share",
        cards: 8,
        wide_share: true,
        residents: u32::MAX,
        target: Some(1.30),
    },
    Scenario {
        name: "8 GPUs, wide alone",
        cards: 8,
        wide_share: false,
        residents: u32::MAX,
        target: Some(1.10),
    },
    Scenario { name: "1 GPU", cards: 1, wide_share: true, residents: u32::MAX, target: Some(1.12) },
    Scenario {
        name: "8 GPUs, all share, 2 a card",
        cards: 8,
        wide_share: true,
        residents: 2,
        target: None,
    },
    Scenario {
        name: "8 GPUs, wide alone, 2 a card",
        cards: 8,
        wide_share: false,
        residents: 2,
        target: None,
    },
    Scenario { name: "1 GPU, 2 a card", cards: 1, wide_share: true, residents: 2, target: None },
];

struct Case {
    need: Need,
    seconds: f64,
    expected_seconds: f64,
}

/// Prints how each policy does in each scenario.
pub(crate) fn print() {
    println!(
        "{CASES} cases: 70 % on one GPU, 20 % on two, 10 % on four; 3 to 25 of 48 GiB; lognormal, median {MEDIAN_SECONDS} s, deviation {DEVIATION}"
    );
    println!("{RUNS} suites; expected seconds off by a factor of e^(±{NOISE})");
    println!("makespan in multiples of a lower bound that no schedule beats (mean)\n");
    for scenario in SCENARIOS {
        println!("{}", scenario.name);
        let policies = || -> Vec<Box<dyn Policy>> {
            vec![
                Box::new(Fifo::new(Kind::Sequential)),
                Box::new(Fifo::new(Kind::OneOnACard)),
                Box::new(Fifo::new(Kind::WorstFit { residents: scenario.residents })),
                Box::new(Ours { queue: Queue::default(), residents: scenario.residents }),
            ]
        };
        for position in 0..policies().len() {
            let ratio = |run| {
                let cases = suite(scenario, run);
                let policy = policies().swap_remove(position);
                makespan(policy, &cases, scenario.cards) / lower_bound(scenario, &cases)
            };
            let mean = (0..RUNS).map(ratio).sum::<f64>() / RUNS as f64;
            let name = policies()[position].name();
            let target = scenario.target.filter(|_| name == "dynamo-test").map(|target| {
                let met = if mean <= target { "reached" } else { "MISSED" };
                format!("   (to reach: {target:.2}; {met})")
            });
            println!("    {name:<28} {mean:>6.3}{}", target.unwrap_or_default());
        }
    }
}

fn suite(scenario: &Scenario, seed: u64) -> Vec<Case> {
    let mut random = Random::new(seed);
    let case = |position: usize| {
        let count = match position * 100 / CASES {
            0..70 => 1,
            70..90 => 2,
            _ => 4,
        };
        let vram = random.between(3.0 * 1024.0, 25.0 * 1024.0) as u64;
        let seconds = random.lognormal(MEDIAN_SECONDS, DEVIATION);
        let shares = count == 1 || scenario.wide_share;
        Case {
            need: Need { count, vram_mib: shares.then_some(vram), ..Need::default() },
            seconds,
            expected_seconds: random.lognormal(seconds, NOISE),
        }
    };
    let mut cases: Vec<Case> = (0..CASES).map(case).collect();
    cases.retain(|case| case.need.count as usize <= scenario.cards);
    // Suites are not sorted by what they need.
    for last in (1..cases.len()).rev() {
        cases.swap(last, random.between(0.0, last as f64 + 0.999) as usize);
    }
    cases
}

/// The longest case, and the time that all would take if they filled the cards without a gap.
fn lower_bound(scenario: &Scenario, cases: &[Case]) -> f64 {
    let longest = cases.iter().map(|case| case.seconds).fold(0.0, f64::max);
    let part = |case: &Case| match case.need.vram_mib {
        Some(vram) => (vram as f64 / CARD_MIB as f64).max(1.0 / f64::from(scenario.residents)),
        None => 1.0,
    };
    let area = cases.iter().map(|case| f64::from(case.need.count) * part(case) * case.seconds);
    longest.max(area.sum::<f64>() / scenario.cards as f64)
}

fn makespan(mut policy: Box<dyn Policy>, cases: &[Case], count: usize) -> f64 {
    let idle = Card {
        name: "simulated".into(),
        compute_capability: (9, 0),
        usable_mib: CARD_MIB,
        free_mib: CARD_MIB,
        unleased_mib: CARD_MIB,
        residents: 0,
        is_left_alone: true,
        is_quiet: true,
        reserved: Reserved::No,
    };
    for (ticket, case) in cases.iter().enumerate() {
        policy.push(ticket as u64, case.need.clone(), case.expected_seconds);
    }
    let mut running: Vec<(f64, Admitted)> = Vec::new();
    let mut now = 0.0;
    loop {
        // As the harness does: the cards' state is what the leases on them say.
        let mut cards = vec![idle.clone(); count];
        for (_, admitted) in &running {
            for position in &admitted.cards {
                cards[*position].occupy(&admitted.need);
            }
        }
        let started = policy.start(&mut cards);
        let end = |ticket: u64| now + cases[ticket as usize].seconds;
        running.extend(started.into_iter().map(|admitted| (end(admitted.ticket), admitted)));
        let next = running.iter().map(|(end, _)| *end).fold(f64::INFINITY, f64::min);
        if next.is_infinite() {
            return now;
        }
        now = next;
        running.retain(|(end, _)| *end > now);
    }
}
