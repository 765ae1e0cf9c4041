//! How tags mark entities: by a prefix, as `B-PER`, or otherwise.

use std::borrow::Cow;

/// The tag of a word that is no entity.
pub(super) const OUTSIDE: &str = "O";

/// How tags mark where an entity begins and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `B-PER`, `I-PER`
    Prefix,
    /// `B_PER`, `I_PER`
    Underscore,
    /// `PER-B`, `PER-I`, or with `_` between
    Suffix,
    /// `B`, `I`: entities of one kind.
    Bare,
    /// `PER`, `LOC` beside `O`: a run of one kind is an entity.
    Kinds,
    /// None: each tag says something of its own word, as parts of speech do.
    Absent,
}

/// Whether a text is one of the letters of a scheme: IOB, BIOES, BILOU or BMES.
fn is_letter(text: &str) -> bool {
    ["B", "I", "E", "S", "L", "U", "M"].contains(&text)
}

impl Scheme {
    /// The scheme that most of `labels` have.
    pub(super) fn of(labels: &[String]) -> Self {
        let inside: Vec<&String> = labels.iter().filter(|label| *label != OUTSIDE).collect();
        let most = |has: &dyn Fn(&str) -> bool| {
            let count = inside.iter().filter(|label| has(label)).count();
            count > 0 && 2 * count > inside.len()
        };
        let before = |label: &str, between: char| {
            label.split_once(between).is_some_and(|(letter, kind)| is_letter(letter) && !kind.is_empty())
        };
        let behind = |label: &str| {
            label.rsplit_once(['-', '_']).is_some_and(|(kind, letter)| is_letter(letter) && !kind.is_empty())
        };
        let is_number = |label: &&String| label.parse::<i64>().is_ok();
        if most(&|label| before(label, '-')) {
            Self::Prefix
        } else if most(&|label| before(label, '_')) {
            Self::Underscore
        } else if most(&behind) {
            Self::Suffix
        } else if most(&is_letter) {
            Self::Bare
        } else if inside.len() < labels.len() && !inside.is_empty() && !inside.iter().any(is_number) {
            Self::Kinds
        } else {
            Self::Absent
        }
    }

    /// A tag in the form of a prefix and a kind, in the letters of BIOES, in which entities are counted.
    pub(super) fn canonical(self, tag: &str) -> Cow<'_, str> {
        if tag == OUTSIDE || tag.is_empty() {
            return OUTSIDE.into();
        }
        let (letter, kind) = match self {
            Self::Prefix => tag.split_once('-').unwrap_or((tag, "")),
            Self::Underscore => tag.split_once('_').unwrap_or((tag, "")),
            Self::Suffix => tag.rsplit_once(['-', '_']).map_or((tag, ""), |(kind, letter)| (letter, kind)),
            Self::Bare => (tag, ""),
            Self::Kinds | Self::Absent => ("I", tag),
        };
        let letter = match letter {
            "L" => "E",
            "U" => "S",
            "M" => "I",
            letter => letter,
        };
        format!("{letter}-{kind}").into()
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Prefix => "entities by prefixes (B-PER)",
            Self::Underscore => "entities by prefixes (B_PER)",
            Self::Suffix => "entities by suffixes (PER-B)",
            Self::Bare => "entities of one kind (B, I)",
            Self::Kinds => "entities by kind alone (PER); neighbours of one kind are one",
            Self::Absent => "no entities, so words are judged one by one",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: &str) -> Scheme {
        Scheme::of(&labels.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn schemes_are_told_by_labels() {
        assert_eq!(of("O B-PER I-PER B-LOC"), Scheme::Prefix);
        assert_eq!(of("O B_PER I_PER"), Scheme::Underscore);
        assert_eq!(of("O PER-B PER-I"), Scheme::Suffix);
        assert_eq!(of("O PER_B PER_I"), Scheme::Suffix);
        assert_eq!(of("O B I"), Scheme::Bare);
        assert_eq!(of("O PER LOC"), Scheme::Kinds);
        assert_eq!(of("NOUN VERB ADJ"), Scheme::Absent);
        assert_eq!(of("0 1 2"), Scheme::Absent);
        assert_eq!(of("O"), Scheme::Absent);
    }

    #[test]
    fn tags_get_one_form() {
        assert_eq!(Scheme::Prefix.canonical("U-PER"), "S-PER");
        assert_eq!(Scheme::Underscore.canonical("B_PER_1"), "B-PER_1");
        assert_eq!(Scheme::Suffix.canonical("PER-L"), "E-PER");
        assert_eq!((Scheme::Bare.canonical("I"), Scheme::Kinds.canonical("O")), ("I-".into(), "O".into()));
        assert_eq!(Scheme::Kinds.canonical("B-side"), "I-B-side");
    }
}
