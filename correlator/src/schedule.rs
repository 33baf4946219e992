//! Schedules arrivals into batches: all events of a vehicle in one unit, and a vehicle in one batch at a time. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking::{EventKey, Vehicle};

use crate::arrival::{Arrival, Received};
use crate::dead_letters::Letter;
use crate::new_event::NewEvent;

/// The arrivals of one vehicle, in order of arrival.
#[derive(Debug)]
pub(crate) struct VehicleArrivals {
    pub(crate) vehicle: Vehicle,
    pub(crate) events: Vec<NewEvent>,
}

/// An event of a batch, and the message that contained it.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) message: Arc<Received>,
    pub(crate) key: EventKey,
    /// The index of its vehicle in the batch.
    pub(crate) index: usize,
}

/// A set of vehicles and events to settle together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) vehicles: Vec<VehicleArrivals>,
    /// All events of the batch.
    pub(crate) elements: Vec<Element>,
}

/// The vehicles in flight, and the arrivals that wait for them.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// The batch number of each vehicle, and its index in the batch.
    under_way: HashMap<Vehicle, (u64, usize)>,
    /// The number of the last batch.
    batch_number: u64,
    /// Arrivals of vehicles that were in flight.
    waiting: HashMap<Vehicle, VecDeque<Arrival>>,
    /// Vehicles that are free again and have waiting arrivals.
    free: VecDeque<Vehicle>,
}

impl Schedule {
    /// Up to `most` waiting arrivals of vehicles that are free again, for the next batch.
    pub(crate) fn take_ready(&mut self, most: usize) -> Vec<Arrival> {
        let mut ready = Vec::new();
        while ready.len() < most {
            let Some(vehicle) = self.free.pop_front() else { break };
            let Some(mut waiting) = self.waiting.remove(&vehicle) else { continue };
            let taken = waiting.len().min(most - ready.len());
            ready.extend(waiting.drain(..taken));
            if !waiting.is_empty() {
                // It is in flight with the next batch, whose end frees it again.
                self.waiting.insert(vehicle, waiting);
            }
        }
        ready
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.free.is_empty()
    }

    /// Makes a batch. Arrivals of vehicles in flight wait; refusals go to `letters`. Returns `None` if there is
    /// nothing to do.
    pub(crate) fn batch(&mut self, arrivals: Vec<Arrival>, letters: &mut Vec<Letter>) -> Option<Batch> {
        self.batch_number += 1;
        let mut batch = Batch::default();
        batch.elements.reserve(arrivals.len());
        for arrival in arrivals {
            let event = match arrival.content {
                Ok(event) => event,
                Err(refused) => {
                    letters.push(Letter::new(arrival.message, refused));
                    continue;
                }
            };
            let index = match self.under_way.get(&event.vehicle) {
                Some((number, index)) if *number == self.batch_number => *index,
                Some(_) => {
                    let waiting = self.waiting.entry(event.vehicle.clone()).or_default();
                    waiting.push_back(Arrival { content: Ok(event), ..arrival });
                    continue;
                }
                None => {
                    let index = batch.vehicles.len();
                    self.under_way.insert(event.vehicle.clone(), (self.batch_number, index));
                    batch.vehicles.push(VehicleArrivals { vehicle: event.vehicle.clone(), events: Vec::new() });
                    index
                }
            };
            let (key, receipt, supersedes) = (event.key, arrival.message.receipt.clone(), arrival.supersedes);
            batch.elements.push(Element { message: arrival.message, key, index });
            let received_at = arrival.received_at;
            batch.vehicles[index].events.push(NewEvent { event, received_at, receipt, supersedes });
        }
        (!batch.elements.is_empty()).then_some(batch)
    }

    /// Frees the vehicles of a batch.
    pub(crate) fn done(&mut self, vehicles: &[Vehicle]) {
        for vehicle in vehicles {
            self.under_way.remove(vehicle);
            if self.waiting.contains_key(vehicle) {
                self.free.push_back(vehicle.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::Queue;
    use parking::Timestamp;

    use super::*;
    use crate::arrival::{delivered, read_all};

    fn arrivals(plates: &[&str]) -> Vec<Arrival> {
        let read = |plate: &&str| {
            let body = format!(
                r#"{{"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "vehicle_plate": "{plate}", "exit_date_time": "2024-09-24T09:00:00Z"}}"#
            );
            read_all(Queue::Exit, &delivered(body), Timestamp::from_millis(1_727_168_400_000))
        };
        plates.iter().flat_map(read).collect()
    }

    /// A batch of arrivals without refusals.
    fn batch(schedule: &mut Schedule, arrivals: Vec<Arrival>) -> Option<Batch> {
        let mut letters = Vec::new();
        let batch = schedule.batch(arrivals, &mut letters);
        assert!(letters.is_empty());
        batch
    }

    fn plates(batch: &Batch) -> Vec<(String, usize)> {
        batch.vehicles.iter().map(|work| (work.vehicle.plate.to_string(), work.events.len())).collect()
    }

    #[test]
    fn all_events_of_a_vehicle_in_a_batch_are_one_unit() {
        let mut letters = Vec::new();
        let batch =
            Schedule::default().batch(arrivals(&["B2", "A1", "B2", "SEVENTEEN-LETTERS-12"]), &mut letters).unwrap();
        assert_eq!(plates(&batch), [("B2".into(), 2), ("A1".into(), 1)]);
        assert_eq!((batch.elements.len(), letters.len()), (3, 1), "what is refused is no part of the batch");
    }

    #[test]
    fn a_vehicle_is_in_one_batch_at_a_time() {
        let mut schedule = Schedule::default();
        let first = batch(&mut schedule, arrivals(&["A1", "B2"])).unwrap();
        let second = batch(&mut schedule, arrivals(&["A1", "C3"])).unwrap();
        assert_eq!(plates(&second), [("C3".into(), 1)]);
        assert!(batch(&mut schedule, arrivals(&["A1"])).is_none());
        assert!(!schedule.has_ready());

        let free: Vec<Vehicle> = first.vehicles.into_iter().map(|work| work.vehicle).collect();
        schedule.done(&free);
        let ready = schedule.take_ready(10);
        assert_eq!(plates(&batch(&mut schedule, ready).unwrap()), [("A1".into(), 2)]);
    }

    #[test]
    fn what_waits_for_one_vehicle_comes_in_batches_too() {
        let mut schedule = Schedule::default();
        let mut sizes = Vec::new();
        let mut arrivals = arrivals(&["A1"; 25]);
        let rest = arrivals.split_off(1);
        let mut next = batch(&mut schedule, arrivals);
        assert!(batch(&mut schedule, rest).is_none());
        while let Some(under_way) = next {
            sizes.push(under_way.elements.len());
            schedule.done(&[under_way.vehicles[0].vehicle.clone()]);
            let ready = schedule.take_ready(10);
            next = batch(&mut schedule, ready);
        }
        assert_eq!(sizes, [1, 10, 10, 4]);
    }
}
