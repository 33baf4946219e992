//! Which reads of one car came before: for senders that refine a plate without saying which read they replace.
//!
//! Ids are derived from what the vendor keeps stable, so most revisions find what they replace without any memory. Two
//! senders give a car one number and each read another plate, with nothing that orders them. For those the gateway
//! remembers, for the newest cars, only hashes: which read of a car is the first, the second, … A restarted gateway
//! knows nothing of the cars before; then a refined plate is one more read instead of a revision.

use std::collections::{HashMap, VecDeque};

/// Remembers the order of a car's reads.
pub trait Recall {
    /// The place of `read` among the different reads of `car`, from 0. Asking again gives the same answer.
    fn place(&mut self, car: u128, read: u128) -> usize;
}

/// The newest cars, in memory. At the limit the oldest car is forgotten.
#[derive(Debug, Default)]
pub struct RecentCars {
    reads: HashMap<u128, Vec<u128>>,
    order: VecDeque<u128>,
}

impl RecentCars {
    /// The most cars that are remembered.
    pub const MAX_CARS: usize = 10_000;
    /// The most distinct reads of one car; further ones share the last place.
    pub const MAX_READS_OF_CAR: usize = 16;
}

impl Recall for RecentCars {
    fn place(&mut self, car: u128, read: u128) -> usize {
        if !self.reads.contains_key(&car) {
            if self.order.len() == Self::MAX_CARS
                && let Some(oldest) = self.order.pop_front()
            {
                self.reads.remove(&oldest);
            }
            self.order.push_back(car);
        }
        let reads = self.reads.entry(car).or_default();
        if let Some(place) = reads.iter().position(|known| *known == read) {
            return place;
        }
        if reads.len() < Self::MAX_READS_OF_CAR {
            reads.push(read);
        }
        reads.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_of_a_car_keep_their_places_and_the_oldest_car_is_forgotten() {
        let mut cars = RecentCars::default();
        assert_eq!([cars.place(7, 1), cars.place(7, 2), cars.place(7, 1), cars.place(8, 2)], [0, 1, 0, 0]);
        for car in 100..100 + RecentCars::MAX_CARS as u128 {
            cars.place(car, 1);
        }
        assert_eq!((cars.reads.len(), cars.order.len()), (RecentCars::MAX_CARS, RecentCars::MAX_CARS));
        assert_eq!(cars.place(7, 2), 0);
        let places: Vec<_> = (0..40).map(|read| cars.place(9, read)).collect();
        assert_eq!(places.last(), Some(&(RecentCars::MAX_READS_OF_CAR - 1)));
    }
}
