//! A JSON object that is the input of a task.

use super::columns::{DOCUMENT, QUERY, Shape, TEXT};
use super::conll::WORDS;
use super::json::{Chosen, missing, object, strings, text};
use crate::tasks::{Input, Kind};

type Outcome<T> = std::result::Result<T, String>;

/// The input for `kind` that the object in `line` holds, by the names of fields that files have.
///
/// # Errors
/// What is wrong with the line, in words.
pub fn object_input(line: &str, kind: Kind) -> Outcome<Input> {
    let object = object(line)?;
    let named = |names: &[&str]| {
        let (name, value) = Chosen::default().field(&object, names).ok_or_else(|| missing(&object, names))?;
        text(&name, value)
    };
    let pair = |first: &[&str], second: &[&str]| Ok(Input::Pair(named(first)?, named(second)?));
    match kind {
        Kind::QuestionAnswering => {
            let (question, context) = (named(&["question"])?, named(&["context"])?);
            Ok(Input::Question { question, context: context.into() })
        }
        Kind::TokenClassification => match Chosen::default().field(&object, WORDS) {
            Some((name, words)) if words.is_array() => Ok(Input::Words(strings(&name, words)?)),
            Some((name, words)) => {
                Ok(Input::Words(text(&name, words)?.split_whitespace().map(str::to_owned).collect()))
            }
            None => Err(missing(&object, WORDS)),
        },
        _ => match Shape::of(&object.keys().collect::<Vec<_>>()) {
            Some(Shape::Pair(first, second)) => pair(&[first], &[second]),
            Some(Shape::Ranking) => pair(QUERY, DOCUMENT),
            Some(Shape::Text) if kind != Kind::Ranking => Ok(Input::Text(named(TEXT)?)),
            _ if kind == Kind::Ranking => pair(QUERY, DOCUMENT),
            _ => Err(missing(&object, &["text"])),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_inputs() {
        let of = |line: &str, kind| object_input(line, kind);
        let text = |text: &str| Ok(Input::Text(text.to_owned()));
        assert_eq!(of("{\"Text\": \"a b\", \"label\": 3}", Kind::Classification), text("a b"));
        let pair = Ok(Input::Pair("a".into(), "b".into()));
        assert_eq!(of("{\"premise\": \"a\", \"hypothesis\": \"b\"}", Kind::Regression), pair);
        assert_eq!(of("{\"query\": \"a\", \"passage\": \"b\"}", Kind::Ranking), pair);
        let words = Ok(Input::Words(vec!["a".into(), "b".into()]));
        assert_eq!(of("{\"tokens\": [\"a\", \"b\"]}", Kind::TokenClassification), words);
        assert_eq!(of("{\"text\": \"a b\"}", Kind::TokenClassification), words);
        let error = of("{\"name\": \"a\"}", Kind::Classification).unwrap_err();
        assert!(error.contains("no field \"text\"; the fields are: name"), "{error}");
        assert!(of("{\"question\": \"a\"}", Kind::QuestionAnswering).unwrap_err().contains("\"context\""));
        assert!(of("{\"text\": \"a\"", Kind::Classification).unwrap_err().contains("expected one JSON object"));
    }
}
