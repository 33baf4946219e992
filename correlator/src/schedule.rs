//! Which arrivals go into which batch: all events of a vehicle in one unit, and a vehicle in one batch at a time. Pure.

use std::collections::{BTreeMap, HashMap};

use parking::{GateEvent, Timestamp, Vehicle};

use crate::arrival::Arrival;

/// Arrivals of one vehicle, in the order in which they came.
#[derive(Debug)]
pub(crate) struct VehicleArrivals {
    pub(crate) vehicle: Vehicle,
    pub(crate) events: Vec<(GateEvent, Timestamp)>,
}

/// What is worked on together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) vehicles: Vec<VehicleArrivals>,
    /// Everything of the batch: events and refused elements.
    pub(crate) arrivals: Vec<Arrival>,
}

/// Remembers which vehicles are under way, and what waits for them.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    under_way: HashMap<Vehicle, Vec<Arrival>>,
    ready: Vec<Arrival>,
}

impl Schedule {
    /// What waited for vehicles that are free again.
    pub(crate) fn take_ready(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut self.ready)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Makes a batch; arrivals of vehicles that are under way wait. `None` when all of them wait.
    pub(crate) fn batch(&mut self, arrivals: Vec<Arrival>) -> Option<Batch> {
        let mut batch = Batch::default();
        let mut grouped: BTreeMap<Vehicle, Vec<(GateEvent, Timestamp)>> = BTreeMap::new();
        for arrival in arrivals {
            if let Ok(event) = &arrival.content {
                if let Some(waiting) = self.under_way.get_mut(&event.vehicle) {
                    waiting.push(arrival);
                    continue;
                }
                grouped.entry(event.vehicle.clone()).or_default().push((event.clone(), arrival.received_at));
            }
            batch.arrivals.push(arrival);
        }
        for vehicle in grouped.keys() {
            self.under_way.insert(vehicle.clone(), Vec::new());
        }
        batch.vehicles = grouped.into_iter().map(|(vehicle, events)| VehicleArrivals { vehicle, events }).collect();
        (!batch.arrivals.is_empty()).then_some(batch)
    }

    /// The vehicles of a batch are free again.
    pub(crate) fn done(&mut self, vehicles: &[Vehicle]) {
        for vehicle in vehicles {
            self.ready.extend(self.under_way.remove(vehicle).into_iter().flatten());
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::{Queue, Tag};
    use bytes::Bytes;

    use super::*;

    fn arrivals(plates: &[&str]) -> Vec<Arrival> {
        let read = |plate: &&str| {
            let body = format!(
                r#"{{"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "vehicle_plate": "{plate}", "exit_date_time": "2024-09-24T09:00:00Z"}}"#
            );
            crate::arrival::read(
                Queue::Exit,
                Tag { generation: 1, number: 1 },
                &Bytes::from(body),
                Timestamp::from_millis(1_727_168_400_000),
            )
        };
        plates.iter().flat_map(read).collect()
    }

    fn plates(batch: &Batch) -> Vec<(String, usize)> {
        batch.vehicles.iter().map(|work| (work.vehicle.plate.to_string(), work.events.len())).collect()
    }

    #[test]
    fn all_events_of_a_vehicle_in_a_batch_are_one_unit() {
        let batch = Schedule::default().batch(arrivals(&["B2", "A1", "B2", "-"])).unwrap();
        assert_eq!(plates(&batch), [("A1".into(), 1), ("B2".into(), 2)]);
        assert_eq!(batch.arrivals.len(), 4, "what is refused is part of the batch too");
    }

    #[test]
    fn a_vehicle_is_in_one_batch_at_a_time() {
        let mut schedule = Schedule::default();
        let first = schedule.batch(arrivals(&["A1", "B2"])).unwrap();
        let second = schedule.batch(arrivals(&["A1", "C3"])).unwrap();
        assert_eq!(plates(&second), [("C3".into(), 1)]);
        assert!(schedule.batch(arrivals(&["A1"])).is_none());
        assert!(!schedule.has_ready());

        let free: Vec<Vehicle> = first.vehicles.into_iter().map(|work| work.vehicle).collect();
        schedule.done(&free);
        let ready = schedule.take_ready();
        assert_eq!(plates(&schedule.batch(ready).unwrap()), [("A1".into(), 2)]);
    }
}
