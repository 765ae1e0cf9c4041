//! Sessions as documents, and their items as a vocabulary.

use super::super::data::{apart, fingerprint};
use super::super::read::{ItemSession, LEAST_ITEMS, Loaded, read_sessions};
use crate::config::FinetuneConfig;
use crate::corpus::read::Corpus;
use crate::corpus::{self, BuildOptions, HoldOut, Progress, TokenStore, Vocabulary};
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;

/// What a run trains on and is judged by.
pub(super) struct SessionData {
    /// Its words are the items of `train`, the most frequent first.
    pub tokenizer: Tokenizer,
    pub train: Loaded<ItemSession>,
    pub dev: Loaded<ItemSession>,
    pub test: Option<Loaded<ItemSession>>,
    pub fingerprint: String,
}

/// Special tokens, whose ids lie before those of the items.
pub(super) const SPECIAL: usize = 5;

impl SessionData {
    /// Reads the files that `config` names.
    ///
    /// # Errors
    /// A file or session that cannot be used, with file and line; sessions for judging that share nothing with the others.
    pub(super) fn read(config: &FinetuneConfig) -> Result<Self> {
        let (files, skip) = (&config.data, config.data.skip_bad_rows);
        let mut train = read_sessions(&files.train, LEAST_ITEMS, skip)?;
        let is_apart = files.dev.as_os_str().is_empty();
        let dev = match is_apart {
            true => apart(&mut train, files.dev_share, |session| session.items.join("\n"), |_| String::new())?,
            false => read_sessions(&files.dev, LEAST_ITEMS, skip)?,
        };
        let tokenizer = Tokenizer::from_words(by_frequency(&train.rows))?;
        check_shared(&tokenizer, &dev)?;
        let test = files.test.as_ref().map(|path| read_sessions(path, LEAST_ITEMS, skip)).transpose()?;
        test.as_ref().map_or(Ok(()), |test| check_shared(&tokenizer, test))?;
        let both: [&Path; 2] = [&files.train, &files.dev];
        let fingerprint = fingerprint(if is_apart { &both[..1] } else { &both })?;
        Ok(Self { tokenizer, train, dev, test, fingerprint })
    }

    /// The store of the sessions of `train`, with those of `dev` held out, as documents of up to `width` items.
    ///
    /// # Errors
    /// Those of building it.
    pub(super) fn store(&self, width: usize, progress: &mut dyn FnMut(Progress)) -> Result<TokenStore> {
        let mut texts: Vec<String> = self.train.rows.iter().flat_map(|session| pieces(session, width)).collect();
        let trained = texts.len();
        texts.extend(self.dev.rows.iter().filter_map(|session| self.end(session, width)));
        let options = BuildOptions { hold_out: HoldOut::Last(texts.len() - trained), ..BuildOptions::default() };
        let corpus = Corpus::from_texts("sessions", texts);
        corpus::cached(&corpus, Vocabulary::Given(&self.tokenizer), &options, progress)
    }

    /// The last `width` items that the vocabulary has; nothing where it does not have the very last one.
    fn end(&self, session: &ItemSession, width: usize) -> Option<String> {
        let known: Vec<&str> =
            session.items.iter().map(String::as_str).filter(|item| self.tokenizer.id(item).is_some()).collect();
        let last = session.items.last().is_some_and(|item| self.tokenizer.id(item).is_some());
        last.then(|| known[known.len().saturating_sub(width)..].join(" "))
    }
}

/// The items of `sessions`, the most frequent first, equally frequent ones by name.
fn by_frequency(sessions: &[ItemSession]) -> Vec<&str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for item in sessions.iter().flat_map(|session| &session.items) {
        *counts.entry(item).or_default() += 1;
    }
    let mut items: Vec<(&str, usize)> = counts.into_iter().collect();
    items.sort_unstable_by_key(|&(item, count)| (Reverse(count), item));
    items.into_iter().map(|(item, _)| item).collect()
}

/// A session in pieces of `width` items, cut from its end on, so that the end is whole; an item that is left alone at the
/// beginning says nothing.
fn pieces(session: &ItemSession, width: usize) -> impl Iterator<Item = String> {
    session.items.rchunks(width).filter(|piece| piece.len() > 1).map(|piece| piece.join(" "))
}

/// Checks that there is a session whose next item could be found.
///
/// # Errors
/// [`Error::Input`] with the line of the first session otherwise.
pub(super) fn check_shared(tokenizer: &Tokenizer, sessions: &Loaded<ItemSession>) -> Result<()> {
    let known = |session: &ItemSession| session.items.last().is_some_and(|item| tokenizer.id(item).is_some());
    let Some(first) = sessions.rows.first().filter(|_| !sessions.rows.iter().any(known)) else { return Ok(()) };
    let item = first.items.last().map_or("", |item| item);
    let message = format!(
        "no session ends in an item that the training data have, this one in \"{item}\"; expected the same ids of items"
    );
    Err(Error::Input { path: sessions.path.clone(), line: Some(first.line), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(text: &str) -> ItemSession {
        ItemSession { line: 1, user: String::new(), items: text.split(' ').map(str::to_owned).collect() }
    }

    #[test]
    fn long_sessions_are_cut_from_their_end() {
        let of = |text: &str| -> Vec<String> { pieces(&session(text), 3).collect() };
        assert_eq!(of("a b c d e"), ["c d e", "a b"]);
        assert_eq!(of("a b c d"), ["b c d"]);
        assert_eq!(of("a b"), ["a b"]);
    }

    #[test]
    fn items_are_ordered_by_frequency_and_name() {
        assert_eq!(by_frequency(&[session("b a c a"), session("c d a")]), ["a", "c", "b", "d"]);
    }
}
