//! Which task is fine-tuned.

use crate::suggest::hint;
use serde::{Deserialize, Serialize};

/// Which task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One label of several, or several at once, for a text or a pair.
    Classification,
    /// A number for a text or a pair.
    Regression,
    /// A tag for every word.
    TokenClassification,
    /// The span of a context that answers a question.
    QuestionAnswering,
    /// A score of relevance for a query and a document.
    Ranking,
    /// The item that comes next in a session.
    Recommendation,
}

impl Kind {
    /// All kinds with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Classification, "classification"),
        (Self::Regression, "regression"),
        (Self::TokenClassification, "token-classification"),
        (Self::QuestionAnswering, "question-answering"),
        (Self::Ranking, "ranking"),
        (Self::Recommendation, "recommendation"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| kind).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(|(_, name)| name).collect();
            format!("expected one of {}{}", names.join(", "), hint(text, names.iter().copied()))
        })
    }
}
