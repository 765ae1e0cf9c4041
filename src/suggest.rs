//! What a name that does not exist was probably meant to be.

/// The nearest of `known` to `name`, unless all of them are far away.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = plain(name);
    let of = |known: &'a str| (distance(&name, &plain(known)), known);
    let (distance, found) = known.into_iter().map(of).min_by_key(|(distance, _)| *distance)?;
    is_near(distance, &name).then_some(found)
}

/// The same as the end of a message, or nothing.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |found| format!("; did you mean \"{found}\"?"))
}

/// The number of letters that are missing, added, wrong or swapped.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

/// Whether `distance` is small for a name of this length.
pub(crate) fn is_near(distance: usize, name: &str) -> bool {
    let length = name.chars().count();
    distance == 0 || length >= 3 && distance <= (length / 3).max(1)
}

/// `name` in lower case, with `_` for hyphens and spaces.
pub(crate) fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}
