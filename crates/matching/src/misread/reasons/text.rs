//! The reasons in sentences, with the plates as they were read.

use parking::readable::{grouped, spaced_duration};
use parking::{Direction, Timestamp};

use super::{Candidate, End, Misreading, Reasons, Repeat};

/// Ratios from here on are shown without decimals.
const WHOLE_FROM: f64 = 10.0;
/// Greater ratios are not told apart: nothing is more certain.
const SHOWN_MAX: f64 = 1e12;

impl Reasons {
    /// Some sentences. They contain plates.
    pub fn text(&self, time: &dyn Fn(Timestamp) -> String) -> String {
        let words = Words { read: &self.read, time };
        let mut sentences = Vec::new();
        if let Some(repeat) = self.repeats.as_ref().filter(|repeat| repeat.stands) {
            sentences.push(words.repeat(repeat));
        }
        let [own, wanted] = words.directions();
        match self.candidates.split_first() {
            None => sentences.push(format!("No {wanted} with a similar plate is possible.")),
            Some((best, next)) => {
                sentences.push(words.decision(best));
                sentences.extend(details(best));
                sentences.push(next.first().map_or_else(
                    || format!("No other {wanted} is possible."),
                    |next| {
                        let next_end = words.end(&next.other);
                        format!(
                            "The second most likely is {next_end}, with a probability of {}.",
                            decimal(next.posterior)
                        )
                    },
                ));
                let none = decimal(self.none);
                sentences.push(format!("The probability that none of them belongs to this {own} is {none}."));
                sentences.push(words.basis(best));
            }
        }
        sentences.join(" ")
    }
}

struct Words<'a> {
    read: &'a End,
    time: &'a dyn Fn(Timestamp) -> String,
}

impl Words<'_> {
    /// The direction of the read, and that of its other end.
    fn directions(&self) -> [&'static str; 2] {
        let (entry, exit) = (Direction::Entry.as_str(), Direction::Exit.as_str());
        match self.read.key.direction {
            Direction::Entry => [entry, exit],
            Direction::Exit => [exit, entry],
        }
    }

    fn end(&self, end: &End) -> String {
        let gate = end.gate.as_ref().map_or_else(String::new, |gate| format!(" at {gate}"));
        let direction = end.key.direction.as_str();
        format!("the {direction} of {}{gate}, read as {}", (self.time)(end.key.time), end.plate)
    }

    fn repeat(&self, repeat: &Repeat) -> String {
        let [own, _] = self.directions();
        format!(
            "This {own}, read as {}, counts as a second read of {}, with a probability of {}.",
            self.read.plate,
            self.end(&repeat.of),
            decimal(repeat.posterior)
        )
    }

    fn decision(&self, best: &Candidate) -> String {
        let [own, wanted] = self.directions();
        let (other, probability, tau) = (self.end(&best.other), decimal(best.posterior), decimal(best.tau));
        let apart = spaced_duration(best.other.key.time.millis_since(self.read.key.time).abs());
        let plate = &self.read.plate;
        if best.stands {
            format!(
                "This {own}, read as {plate}, belongs to {other}, {apart} away, with a probability of {probability}; at \
                 least {tau} is needed."
            )
        } else {
            format!(
                "No {wanted} belongs to this {own}, read as {plate}, with the probability of {tau} that is needed; the \
                 likeliest is {other}, {apart} away, with {probability}."
            )
        }
    }

    fn basis(&self, best: &Candidate) -> String {
        let when = if best.is_final { "the last decision" } else { "the first decision, which may still change" };
        format!(
            "It was decided as of {} by the rule {} and the model {}: {when}.",
            (self.time)(best.decided_at),
            best.rule,
            best.model
        )
    }
}

/// How the plates differ, and what the weight is made of.
fn details(best: &Candidate) -> Vec<String> {
    let factors = &best.factors;
    vec![
        format!("The plate most likely is {}: {}.", best.plate, misread(&best.misread)),
        format!("The two reads are {} as likely of one vehicle as of two.", times(factors.likelihood_ratio)),
        format!(
            "A stay ends in just this second with a chance of {}, an exit without an entry comes with {}.",
            one_in(factors.stay),
            one_in(factors.lone_exits)
        ),
        format!("The exit of the entry was missed or still to come with a chance of {}.", percent(factors.unseen)),
        format!(
            "Two stays of one vehicle, each with one read lost, are {} as likely as two vehicles.",
            times(factors.dip)
        ),
        format!(
            "Together one stay is {} as likely as two vehicles; {} decided together.",
            times(best.weight),
            if best.component == 1 { "the pair was".to_owned() } else { format!("{} pairs were", best.component) }
        ),
    ]
}

/// The errors at both ends in words.
fn misread([entry, exit]: &[Vec<Misreading>; 2]) -> String {
    let list = |errors: &[Misreading]| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (&entry[..], &exit[..]) {
        ([], []) => "both reads are right".to_owned(),
        (entry, []) => format!("at the entry {}", list(entry)),
        ([], exit) => format!("at the exit {}", list(exit)),
        (entry, exit) => format!("at the entry {}; at the exit {}", list(entry), list(exit)),
    }
}

/// Ten thousandths as a decimal number.
fn decimal(ten_thousandths: u16) -> String {
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}

/// A ratio: `5,210 times`, `3.4 times`, `0.02 times`.
fn times(ratio: f64) -> String {
    if ratio >= WHOLE_FROM {
        format!("{} times", grouped(rounded(ratio)))
    } else if ratio >= 1.0 {
        format!("{ratio:.1} times")
    } else {
        format!("{ratio:.2} times")
    }
}

/// A small chance: `1 in 9,120`.
fn one_in(chance: f64) -> String {
    format!("1 in {}", grouped(rounded(1.0 / chance.max(1.0 / SHOWN_MAX))))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and the limit")]
fn rounded(value: f64) -> u64 {
    libm::round(value.clamp(0.0, SHOWN_MAX)) as u64
}
