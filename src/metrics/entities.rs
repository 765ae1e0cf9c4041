//! Entities in sequences of tags, counted as seqeval does by default, which is the way of `conlleval`: lenient about
//! where an entity begins, exact about its type and both ends.
//!
//! A tag is a letter and a type, `B-PER`. An entity begins at `B` and `S`, and at any other letter where none goes on:
//! after `O`, after `E` or `S`, or where the type changes. It ends before `O`, `B` and `S`, after `E` and `S`, and where
//! the type changes. That reads IO, IOB1, IOB2 and BIOES alike.
//!
//! `L` and `U` of BILOU have no rule of their own. They are read rightly where `O`, `B` of another type or `U` of another
//! type follows; where the same type follows, `B-X L-X B-X` loses the first entity and `U-X U-X` is one. Written as `E`
//! and `S`, they are read rightly everywhere.

use super::counts::{Counts, mean};
use std::collections::{BTreeMap, BTreeSet};

/// A run of tokens with a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity {
    /// What follows the tag's letter and hyphen; `_` where nothing does.
    pub kind: String,
    /// Position of the first token.
    pub first: usize,
    /// Position of the last token.
    pub last: usize,
}

/// The entities of one sequence, in their order.
pub fn entities<S: AsRef<str>>(tags: &[S]) -> Vec<Entity> {
    scan(tags.iter().map(AsRef::as_ref))
}

fn scan<'a>(tags: impl Iterator<Item = &'a str>) -> Vec<Entity> {
    let mut found = Vec::new();
    let (mut before, mut kind_before, mut first) = ('O', "", 0);
    for (at, tag) in tags.chain(["O"]).enumerate() {
        let (letter, kind) = split(tag);
        if ends(before, letter, kind_before != kind) {
            found.push(Entity { kind: kind_before.to_owned(), first, last: at.saturating_sub(1) });
        }
        if begins(before, letter, kind_before != kind) {
            first = at;
        }
        (before, kind_before) = (letter, kind);
    }
    found
}

/// The letter of a tag and its type, with or without a hyphen between. No tag at all is read as `O`.
fn split(tag: &str) -> (char, &str) {
    let mut chars = tag.chars();
    let letter = chars.next().unwrap_or('O');
    let rest = chars.as_str();
    let kind = rest.split_once('-').map_or(rest, |(_, kind)| kind);
    (letter, if kind.is_empty() { "_" } else { kind })
}

/// Whether an entity ends between two tags.
fn ends(before: char, letter: char, kind_changes: bool) -> bool {
    match before {
        'E' | 'S' => true,
        'B' | 'I' if matches!(letter, 'B' | 'S' | 'O') => true,
        'O' | '.' => false,
        _ => kind_changes,
    }
}

/// Whether an entity begins at the second of two tags.
fn begins(before: char, letter: char, kind_changes: bool) -> bool {
    match letter {
        'B' | 'S' => true,
        'E' | 'I' if matches!(before, 'E' | 'S' | 'O') => true,
        'O' | '.' => false,
        _ => kind_changes,
    }
}

/// Entities of a corpus, predicted against gold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityScores {
    /// The counts of each type that occurs in gold or among the predictions.
    pub types: BTreeMap<String, Counts>,
}

impl EntityScores {
    /// From the tags of each sequence. `None` where gold and predictions are not equally many or not equally long.
    pub fn new<G: AsRef<str>, P: AsRef<str>>(gold: &[Vec<G>], predicted: &[Vec<P>]) -> Option<Self> {
        let lengths_differ = gold.iter().zip(predicted).any(|(gold, predicted)| gold.len() != predicted.len());
        if gold.len() != predicted.len() || lengths_differ {
            return None;
        }
        let (gold, predicted) = (corpus(gold), corpus(predicted));
        let mut types = BTreeMap::<String, Counts>::new();
        for entity in &gold {
            types.entry(entity.kind.clone()).or_default().gold += 1;
        }
        for entity in &predicted {
            let counts = types.entry(entity.kind.clone()).or_default();
            counts.predicted += 1;
            counts.hits += usize::from(gold.contains(entity));
        }
        Some(Self { types })
    }

    /// The counts of all types together: their precision, recall and F1 are the micro averages.
    pub fn all(&self) -> Counts {
        self.types.values().copied().sum()
    }

    /// Mean F1 of the types.
    pub fn macro_f1(&self) -> f64 {
        mean(self.types.values().map(Counts::f1))
    }
}

/// The entities of all sequences, laid end to end with an `O` after each, so that positions are unique and none reaches
/// into the next.
fn corpus<S: AsRef<str>>(sequences: &[Vec<S>]) -> BTreeSet<Entity> {
    scan(sequences.iter().flat_map(|tags| tags.iter().map(AsRef::as_ref).chain(["O"]))).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tags: &str) -> Vec<(String, usize, usize)> {
        let tags: Vec<&str> = tags.split(' ').collect();
        entities(&tags).into_iter().map(|entity| (entity.kind, entity.first, entity.last)).collect()
    }

    fn expected(entities: &[(&str, usize, usize)]) -> Vec<(String, usize, usize)> {
        entities.iter().map(|&(kind, first, last)| (kind.to_owned(), first, last)).collect()
    }

    #[test]
    fn every_scheme_is_read() {
        let both = expected(&[("PER", 1, 2), ("LOC", 3, 3)]);
        assert_eq!(found("O B-PER I-PER B-LOC O"), both, "IOB2");
        assert_eq!(found("O I-PER I-PER I-LOC"), both, "IO");
        assert_eq!(found("O B-PER E-PER S-LOC"), both, "BIOES");
        assert_eq!(found("O B-PER L-PER U-LOC"), both, "BILOU");
        assert_eq!(found("I-PER B-PER"), expected(&[("PER", 0, 0), ("PER", 1, 1)]), "IOB1");
    }

    #[test]
    fn odd_tags_are_read_as_seqeval_reads_them() {
        assert_eq!(found("B I O"), expected(&[("_", 0, 1)]));
        assert_eq!(found("BPER I-PER"), expected(&[("PER", 0, 1)]));
        assert_eq!(found("B-PER-X I-PER"), expected(&[("PER-X", 0, 0), ("PER", 1, 1)]));
        // No rule ends an entity after L, none begins one at a second U.
        assert_eq!(found("B-PER L-PER B-PER O"), expected(&[("PER", 2, 2)]));
        assert_eq!(found("U-PER U-PER O"), expected(&[("PER", 0, 1)]));
        assert_eq!(entities(&[""; 2]), []);
    }

    #[test]
    fn scores_of_a_case_worked_out_by_hand() {
        let gold = [vec!["B-PER", "I-PER", "O"], vec!["B-LOC", "O", "B-LOC"]];
        let predicted = [vec!["B-PER", "I-PER", "I-LOC"], vec!["I-LOC", "O", "O"]];
        let scores = EntityScores::new(&gold, &predicted).unwrap();
        assert_eq!(scores.types["PER"], Counts { gold: 1, predicted: 1, hits: 1 });
        assert_eq!(scores.types["LOC"], Counts { gold: 2, predicted: 2, hits: 1 });
        assert_eq!(scores.all(), Counts { gold: 3, predicted: 3, hits: 2 });
        assert!((scores.macro_f1() - 0.75).abs() < 1e-12);
        assert_eq!(EntityScores::new(&gold, &predicted[..1]), None);
        assert_eq!(
            EntityScores::new(&gold[..1], &predicted[1..].iter().map(|t| t[..2].to_vec()).collect::<Vec<_>>()),
            None
        );
    }
}
