//! The headline figures of all lots: who is inside, and the day of each lot against the same weekday a week before.

use chrono::NaiveDate;
use ledger::Pending;
use maud::{Markup, html};
use sessions::{DayCounts, Days, LotStatus, ScopedService};

use super::compared::{Before, unknown};
use super::local::Local;
use super::text::{self, number};
use super::{days, links};

/// What the figures are made of.
#[derive(Debug)]
pub(super) struct Headline<'a> {
    pub(super) lots: &'a [LotStatus],
    /// Of each lot, what passed on the same weekday a week before until now.
    pub(super) before: &'a [Option<DayCounts>],
    pub(super) pending: Pending,
    /// The queue depth and a note.
    pub(super) queues: &'a (String, String),
}

impl Headline<'_> {
    pub(super) fn figures(&self, service: &ScopedService) -> Markup {
        let sum = |count: fn(&LotStatus) -> u64| self.lots.iter().map(count).sum::<u64>();
        let today = |of: fn(&DayCounts) -> u64| self.lots.iter().map(|lot| of(&lot.today)).sum::<u64>();
        let in_lots = format!("vehicles in {} lots", self.lots.len());
        let list = |filter: &[(&str, &str)]| links::list("", filter);
        let (day, compared) = self.day(service);
        let before = |of: fn(&DayCounts) -> u64| compared.count(self.sum_before(of));
        let held = text::held(self.pending.held_exits, &service.rules());
        let (matched, unmatched) = (today(|day| day.matched), today(|day| day.unmatched));
        let of_exits = match (matched + unmatched, &held) {
            (0, None) => "no exit is decided yet".to_owned(),
            (0, Some(held)) => format!("no exit is decided yet; {held}"),
            (_, None) => "of those exits".to_owned(),
            (_, Some(held)) => format!("of those exits; {held}"),
        };
        let no_data = || "no data".to_owned();
        let (queued, of_queued) = self.queues;
        html! {
            dl.figures {
                (text::linked_figure("inside", "Inside", sum(|lot| lot.inside), &in_lots, &list(&[("state", "open")])))
                (self.free_spaces())
                (text::linked_figure("overstays", "Overstays", sum(|lot| lot.overstays), &"longer than permitted", &list(&[("overstay", "true")])))
                (text::linked_figure("doubtful", "Doubtful", sum(|lot| lot.doubtful.unwrap_or_default()), &"their exit was probably missed", &list(&[("doubtful", "true")])))
                (text::linked_figure("entries", &format!("Entries {day}"), today(|day| day.entries), &before(|day| day.entries), &list(&of_today("", "entries"))))
                (text::linked_figure("exits", &format!("Exits {day}"), today(|day| day.exits), &before(|day| day.exits), &list(&of_today("", "exits"))))
                (text::linked_figure("unmatched", &format!("Unmatched exits {day}"), unmatched, &before(|day| day.unmatched), &list(&of_today("unmatched_exit", "exits"))))
                (text::figure("share", &format!("Match rate {day}"), &text::share(matched, matched + unmatched).unwrap_or_else(no_data), &of_exits))
                (text::linked_figure("held", "Held exits", self.pending.held_exits, &"waiting for a late entry", &list(&[("state", "held_exit")])))
                (text::figure("overdue", "Overdue stays", &number(self.pending.overdue_stays), &"longer than the longest stay"))
                (text::figure("queued", "Queue depth", queued, of_queued))
            }
        }
    }

    /// What the day is called, and the day that it is compared with. The day of a lot is that of its own time, which may be
    /// over at a lot without events.
    fn day(&self, service: &ScopedService) -> (String, Before) {
        let dates =
            self.lots.iter().filter_map(|lot| Some((lot.date?, Local::of(service, &lot.id).date(service.now()))));
        let dates: Vec<(NaiveDate, NaiveDate)> = dates.collect();
        let now = Local::of_utc(service).date(service.now());
        let newest = dates.iter().map(|(date, _)| *date).max().unwrap_or(now);
        let is_today = dates.iter().all(|(date, clock)| date == clock);
        let is_one = dates.iter().all(|(date, _)| *date == newest);
        let name = match (is_today, is_one) {
            (true, _) => "today".to_owned(),
            (false, true) => format!("on {}", days::dates((newest, newest), None)),
            (false, false) => "on each lot's newest day".to_owned(),
        };
        (name, Before::of_lots(newest))
    }

    /// The sum of all lots with events; `None` unless it is known of each.
    fn sum_before(&self, of: fn(&DayCounts) -> u64) -> Option<i64> {
        let with_events = self.lots.iter().zip(self.before).filter(|(lot, _)| lot.time.is_some());
        let counts: Option<Vec<u64>> = with_events.map(|(_, before)| before.as_ref().map(of)).collect();
        let counts = counts.filter(|counts| !counts.is_empty())?;
        i64::try_from(counts.iter().sum::<u64>()).ok()
    }

    fn free_spaces(&self) -> Markup {
        let free: Vec<u64> = self.lots.iter().filter_map(LotStatus::free_spaces).collect();
        if free.is_empty() {
            let why = "no lot has a number of spaces in the file of lots";
            return text::figure("free", "Free spaces", &unknown(why), &"the number of spaces is unknown");
        }
        let note = match (free.len(), self.lots.len()) {
            (known, all) if known == all => "in all lots".to_owned(),
            (known, all) => format!("in {known} of {all} lots, the others' spaces are unknown"),
        };
        text::figure("free", "Free spaces", &number(free.iter().sum()), &note)
    }
}

/// The filter of the list of a lot's day.
pub(super) fn of_today<'a>(state: &'a str, of: &'a str) -> [(&'a str, &'a str); 3] {
    let [today, ..] = api::questions::days::PERIODS;
    debug_assert_eq!(today.1, Days::Last(1));
    [("state", state), ("period", today.0), ("period_of", of)]
}
