//! The posterior of each pair: the sum over all one-to-one assignments of its connected component.
//!
//! An assignment's weight is the product of the weights of its pairs; a pair's marginal is the share of the assignments
//! that have it. With at most eight exits or eight entries the sum is exact, by the set of those taken. Larger
//! components are solved by thirty rounds of belief propagation on matchings, in order, which is exact on trees.

use std::collections::BTreeMap;

/// Components with at most this number of exits, or of entries, are summed exactly.
const EXACT_MAX: usize = 8;
/// Rounds of belief propagation.
const ROUNDS: usize = 30;
/// Weights are cut here: beyond it a pair is certain anyway, and products stay finite.
const WEIGHT_MAX: f64 = 1e12;

/// A possible pair, with its weight against "this exit has no entry, and this entry no exit".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// The place of the exit among the exits.
    pub exit: u32,
    /// The place of the entry among the entries.
    pub entry: u32,
    /// W.
    pub weight: f64,
}

/// The connected components of the pairs, each as places of `edges`; by their first pair, and within by place.
pub fn components(edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut parents: Vec<usize> = (0..edges.len()).collect();
    let mut first_of_exit = BTreeMap::new();
    let mut first_of_entry = BTreeMap::new();
    for (place, edge) in edges.iter().enumerate() {
        for first in
            [*first_of_exit.entry(edge.exit).or_insert(place), *first_of_entry.entry(edge.entry).or_insert(place)]
        {
            let (one, other) = (root(&mut parents, place), root(&mut parents, first));
            parents[one.max(other)] = one.min(other);
        }
    }
    let mut components: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for place in 0..edges.len() {
        components.entry(root(&mut parents, place)).or_default().push(place);
    }
    components.into_values().collect()
}

fn root(parents: &mut [usize], mut place: usize) -> usize {
    while parents[place] != place {
        parents[place] = parents[parents[place]];
        place = parents[place];
    }
    place
}

/// The marginal posterior of each pair of one component, in their order.
pub fn marginals(edges: &[Edge]) -> Vec<f64> {
    let component = Component::new(edges);
    if component.exits <= EXACT_MAX {
        component.enumerate()
    } else if component.entries <= EXACT_MAX {
        component.transposed().enumerate()
    } else {
        component.propagate()
    }
}

/// A component with its own numbers for exits and entries.
struct Component {
    exits: usize,
    entries: usize,
    /// Exit, entry, weight.
    pairs: Vec<(usize, usize, f64)>,
}

impl Component {
    fn new(edges: &[Edge]) -> Self {
        let number = |ids: BTreeMap<u32, usize>| -> BTreeMap<u32, usize> {
            ids.into_keys().enumerate().map(|(number, id)| (id, number)).collect()
        };
        let exits = number(edges.iter().map(|edge| (edge.exit, 0)).collect());
        let entries = number(edges.iter().map(|edge| (edge.entry, 0)).collect());
        let pair = |edge: &Edge| (exits[&edge.exit], entries[&edge.entry], edge.weight.min(WEIGHT_MAX));
        Self { exits: exits.len(), entries: entries.len(), pairs: edges.iter().map(pair).collect() }
    }

    fn transposed(&self) -> Self {
        let pairs = self.pairs.iter().map(|(exit, entry, weight)| (*entry, *exit, *weight)).collect();
        Self { exits: self.entries, entries: self.exits, pairs }
    }

    /// The exact sum: entry by entry, over the sets of exits that are taken.
    fn enumerate(&self) -> Vec<f64> {
        let sets = 1 << self.exits;
        let mut of_entry = vec![Vec::new(); self.entries];
        for (exit, entry, weight) in &self.pairs {
            of_entry[*entry].push((1_usize << exit, *weight));
        }
        // Weights of the assignments of the entries before, by the set that they take.
        let mut before = vec![vec![0.0; sets]; self.entries + 1];
        before[0][0] = 1.0;
        for (entry, pairs) in of_entry.iter().enumerate() {
            let mut next = before[entry].clone();
            for (bit, weight) in pairs {
                for set in (0..sets).filter(|set| set & bit == 0) {
                    next[set | bit] += before[entry][set] * weight;
                }
            }
            before[entry + 1] = next;
        }
        // Weights of the assignments of the entries behind, by the set that is taken already.
        let mut behind = vec![vec![1.0; sets]; self.entries + 1];
        for (entry, pairs) in of_entry.iter().enumerate().rev() {
            let mut next = behind[entry + 1].clone();
            for (bit, weight) in pairs {
                for set in (0..sets).filter(|set| set & bit == 0) {
                    next[set] += behind[entry + 1][set | bit] * weight;
                }
            }
            behind[entry] = next;
        }
        let total = behind[0][0];
        let marginal = |(exit, entry, weight): &(usize, usize, f64)| {
            let bit = 1 << exit;
            let free = (0..sets).filter(|set| set & bit == 0);
            free.map(|set| before[*entry][set] * weight * behind[entry + 1][set | bit]).sum::<f64>() / total
        };
        self.pairs.iter().map(marginal).collect()
    }

    /// Belief propagation: each end tells each of its pairs how free it is.
    fn propagate(&self) -> Vec<f64> {
        // What the exit, and what the entry, says of each pair: the pair's weight over that of all its others.
        let mut of_exit: Vec<f64> = self.pairs.iter().map(|(_, _, weight)| *weight).collect();
        let mut of_entry = vec![0.0; self.pairs.len()];
        for _ in 0..ROUNDS {
            let told = self.others(&of_exit, self.entries, |pair| pair.1);
            for (said, (pair, others)) in of_entry.iter_mut().zip(self.pairs.iter().zip(&told)) {
                *said = pair.2 / (1.0 + others);
            }
            let told = self.others(&of_entry, self.exits, |pair| pair.0);
            for (said, (pair, others)) in of_exit.iter_mut().zip(self.pairs.iter().zip(&told)) {
                *said = pair.2 / (1.0 + others);
            }
        }
        // Both ends give the same marginal once the messages have settled. In a dense component that has not settled
        // the smaller one is taken: so no end is ever given away more than once.
        let by_entry = self.others(&of_exit, self.entries, |pair| pair.1);
        let by_exit = self.others(&of_entry, self.exits, |pair| pair.0);
        let marginal = |own: f64, others: f64| own / (1.0 + own + others);
        let both = of_exit.iter().zip(&by_entry).zip(of_entry.iter().zip(&by_exit));
        both.map(|((exit, entries), (entry, exits))| marginal(*exit, *entries).min(marginal(*entry, *exits))).collect()
    }

    /// For each pair the sum of the messages of the other pairs at its end, in order.
    fn others(&self, said: &[f64], ends: usize, end: impl Fn(&(usize, usize, f64)) -> usize) -> Vec<f64> {
        let mut pairs_of = vec![Vec::new(); ends];
        for (place, pair) in self.pairs.iter().enumerate() {
            pairs_of[end(pair)].push(place);
        }
        let sum = |place: usize, pair: &(usize, usize, f64)| {
            pairs_of[end(pair)].iter().filter(|other| **other != place).map(|other| said[*other]).sum()
        };
        self.pairs.iter().enumerate().map(|(place, pair)| sum(place, pair)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every assignment, one after the other.
    fn naive(edges: &[Edge]) -> Vec<f64> {
        let mut total = 0.0;
        let mut sums = vec![0.0; edges.len()];
        for chosen in 0..1_u32 << edges.len() {
            let pairs: Vec<usize> = (0..edges.len()).filter(|place| chosen >> place & 1 == 1).collect();
            let clash = |one: &usize, other: &usize| {
                one != other && (edges[*one].exit == edges[*other].exit || edges[*one].entry == edges[*other].entry)
            };
            if pairs.iter().any(|one| pairs.iter().any(|other| clash(one, other))) {
                continue;
            }
            let weight: f64 = pairs.iter().map(|place| edges[*place].weight).product();
            total += weight;
            for place in pairs {
                sums[place] += weight;
            }
        }
        sums.iter().map(|sum| sum / total).collect()
    }

    fn edges(ends: u32, most: usize) -> impl Strategy<Value = Vec<Edge>> {
        let pair = ((0..ends, 0..ends), 0.001_f64..1e5);
        proptest::collection::btree_map(pair.prop_map(|(ends, _)| ends), 0.001_f64..1e5, 1..most)
            .prop_map(|pairs| pairs.into_iter().map(|((exit, entry), weight)| Edge { exit, entry, weight }).collect())
    }

    proptest! {
        #[test]
        fn the_posterior_is_that_of_all_assignments(edges in edges(5, 11)) {
            let expected = naive(&edges);
            let mut found = vec![0.0; edges.len()];
            for component in components(&edges) {
                let own: Vec<Edge> = component.iter().map(|place| edges[*place]).collect();
                for (place, marginal) in component.iter().zip(marginals(&own)) {
                    found[*place] = marginal;
                }
            }
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 1e-9, "{found} {expected}");
            }
        }

        #[test]
        fn belief_propagation_is_exact_on_a_chain(weights in proptest::collection::vec(0.001_f64..1e4, 3..10)) {
            let edge = |(place, weight): (usize, &f64)| {
                let place = u32::try_from(place).unwrap();
                Edge { exit: place.div_ceil(2), entry: place / 2, weight: *weight }
            };
            let edges: Vec<Edge> = weights.iter().enumerate().map(edge).collect();
            for (found, expected) in Component::new(&edges).propagate().iter().zip(naive(&edges)) {
                prop_assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }

        #[test]
        fn no_end_is_given_away_more_than_once(edges in edges(12, 60)) {
            for component in components(&edges) {
                let own: Vec<Edge> = component.iter().map(|place| edges[*place]).collect();
                let marginals = marginals(&own);
                for end in 0..12 {
                    let of = |is_of: &dyn Fn(&Edge) -> bool| -> f64 {
                        own.iter().zip(&marginals).filter(|(edge, _)| is_of(edge)).map(|(_, marginal)| marginal).sum()
                    };
                    prop_assert!(of(&|edge| edge.exit == end) < 1.0 + 1e-9);
                    prop_assert!(of(&|edge| edge.entry == end) < 1.0 + 1e-9);
                }
            }
        }
    }
}
