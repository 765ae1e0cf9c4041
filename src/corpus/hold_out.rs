//! How held-out documents are chosen.

use serde::{Deserialize, Serialize};

/// How held-out documents are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldOut {
    /// This share of the tokens, as nearly as whole documents allow, and one document at least. A hash of the tokens decides:
    /// documents that are equal to the networks are on the same side, and their order does not matter.
    Share(f64),
    /// The last documents, of this number.
    Last(usize),
}

impl std::fmt::Display for HoldOut {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Share(share) => write!(f, "a share of {share}"),
            Self::Last(count) => write!(f, "the last {count} documents"),
        }
    }
}

impl HoldOut {
    /// The numbers of the held-out documents in order. `hashes` are those of the tokens, `tokens` gives the length of a
    /// document.
    pub(super) fn choose(self, hashes: &[u64], tokens: impl Fn(usize) -> usize) -> Vec<u64> {
        let share = match self {
            Self::Share(share) => share,
            Self::Last(count) => {
                return (hashes.len().saturating_sub(count)..hashes.len()).map(|at| at as u64).collect();
            }
        };
        let mut order: Vec<usize> = (0..hashes.len()).collect();
        order.sort_unstable_by_key(|&at| (hashes[at], at));
        let size = |group: &[usize]| group.iter().map(|&at| tokens(at)).sum::<usize>();
        let wanted = (share * size(&order) as f64).round() as usize;
        let (mut chosen, mut sum) = (Vec::new(), 0);
        for group in order.chunk_by(|&one, &other| hashes[one] == hashes[other]) {
            let size = size(group);
            if (sum + size).saturating_sub(wanted) > wanted.saturating_sub(sum) {
                // One that is longer than all that is wanted is never held out, so that it does not end the search.
                if size > wanted {
                    continue;
                }
                break;
            }
            chosen.extend_from_slice(group);
            sum += size;
        }
        if sum == 0 {
            let groups = order.chunk_by(|&one, &other| hashes[one] == hashes[other]);
            chosen = groups.filter(|group| size(group) > 0).min_by_key(|group| size(group)).unwrap_or(&order).to_vec();
        }
        chosen.sort_unstable();
        chosen.into_iter().map(|at| at as u64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(share: f64, documents: &[(u64, usize)]) -> Vec<u64> {
        let hashes: Vec<u64> = documents.iter().map(|document| document.0).collect();
        HoldOut::Share(share).choose(&hashes, |at| documents[at].1)
    }

    /// Finding 13: equal documents stood on both sides.
    #[test]
    fn equal_documents_are_on_the_same_side() {
        let documents: Vec<(u64, usize)> = (0..1000).map(|at| (at * 7919 % 100, 10)).collect();
        for share in [0.01, 0.1, 0.3] {
            let held = choose(share, &documents);
            assert_eq!(held.len(), (1000.0 * share) as usize, "ten of each");
            for hash in 0..100 {
                let alike = documents.iter().enumerate().filter(|(_, document)| document.0 == hash);
                let on_side = alike.filter(|(at, _)| held.contains(&(*at as u64))).count();
                assert!([0, 10].contains(&on_side), "{on_side} of the ten documents {hash}");
            }
        }
    }

    #[test]
    fn the_share_is_of_tokens_as_nearly_as_documents_allow() {
        // By hash: 30 tokens, then 40 would be 20 more than the 50 that are wanted and 20 fewer without them.
        let mut documents = vec![(3, 430), (1, 30), (2, 40)];
        assert_eq!(choose(0.1, &documents), [1, 2]);
        documents[2].1 = 60;
        assert_eq!(choose(0.1, &documents), [1]);
        // A document that is longer than the share does not stand in the way.
        assert_eq!(choose(0.1, &[(1, 600), (2, 40), (3, 40)]), [1, 2]);
        // Where all are too long, the shortest is held out, never an empty one.
        assert_eq!(choose(0.01, &[(1, 600), (2, 400), (3, 500), (4, 0)]), [1]);
        assert_eq!(HoldOut::Last(2).choose(&[5, 6, 7], |_| 1), [1, 2]);
    }
}
