//! Samples become Markdown.

use std::fmt::Write;

use crate::scenario::{Scenario, Spent};
use crate::statistics::{Ratio, median, quantile, ratio};

/// What a contender's rounds gave, in their order.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) spent: Vec<Spent>,
    pub(crate) quantity: Vec<f64>,
}

impl Samples {
    fn wall(&self) -> Vec<f64> {
        self.spent.iter().map(|spent| spent.wall.as_secs_f64() * 1e3).collect()
    }

    fn cpu(&self) -> Vec<f64> {
        self.spent.iter().map(|spent| spent.cpu.as_secs_f64() * 1e3).collect()
    }
}

/// The table of a scenario. Targets count as met when the whole interval is under them.
pub(crate) fn table(name: &str, scenario: &Scenario, samples: &[Samples], left_out: &[String]) -> String {
    let mut text = format!("### {name}\n\n{}, {} rounds.\n\n", scenario.about, samples[0].spent.len());
    // What is looked at of all of them is a column.
    let column =
        scenario.contenders.iter().map(|contender| contender.quantity.as_ref()).collect::<Option<Vec<_>>>();
    text += &match &column {
        Some(quantities) => {
            let name = quantities[0].name;
            format!(
                "| | ms (quartiles) | CPU ms | {name} | ratio (95%) | target | |\n|---|---|---|---|---|---|---|\n"
            )
        }
        None => "| | ms (quartiles) | CPU ms | ratio (95%) | target | |\n|---|---|---|---|---|---|\n".into(),
    };
    let ours = samples[0].wall();
    for (i, (contender, theirs)) in scenario.contenders.iter().zip(samples).enumerate() {
        let wall = theirs.wall();
        let (low, high) = (quantile(&wall, 0.25), quantile(&wall, 0.75));
        let strong = if i == 0 { "**" } else { "" };
        write!(
            text,
            "| {strong}{}{strong} | {} ({} to {}) | {} |",
            contender.name,
            short(median(&wall)),
            short(low),
            short(high),
            short(median(&theirs.cpu()))
        )
        .expect("a string");
        if column.is_some() {
            write!(text, " {} |", short(median(&theirs.quantity))).expect("a string");
        }
        text += &match i {
            0 => " | | |\n".into(),
            _ => against(ratio(&ours, &wall), contender.target),
        };
    }
    for (contender, samples) in scenario.contenders.iter().zip(samples) {
        let (Some(quantity), None) = (&contender.quantity, &column) else { continue };
        let worst = samples.quantity.iter().copied().fold(0.0, f64::max);
        let verdict = quantity.at_most.map_or(String::new(), |bound| {
            format!(", target ≤ {bound}: {}", if worst <= bound { "met" } else { "**missed**" })
        });
        write!(text, "\n{}: {} {} at most{verdict}.\n", contender.name, short(worst), quantity.name)
            .expect("a string");
    }
    for peer in left_out {
        write!(text, "\nLeft out, {peer}.\n").expect("a string");
    }
    text
}

fn against(Ratio { value, low, high }: Ratio, target: Option<f64>) -> String {
    let ratio = format!(" {value:.2} ({low:.2} to {high:.2}) |");
    match target {
        None => ratio + " | |\n",
        Some(target) if high <= target => ratio + &format!(" ≤ {target} | met |\n"),
        Some(target) if value <= target => ratio + &format!(" ≤ {target} | **not sure** |\n"),
        Some(target) => ratio + &format!(" ≤ {target} | **missed** |\n"),
    }
}

/// Three digits, which is more than can be trusted.
fn short(number: f64) -> String {
    match number {
        n if n >= 100.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n if n >= 0.1 => format!("{n:.2}"),
        n => format!("{n:.4}"),
    }
}
