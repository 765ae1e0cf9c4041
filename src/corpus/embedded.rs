//! The corpus that is compiled in: prose written for this project, so that a first run needs nothing else.

/// The texts under `assets/corpus`.
const TEXTS: [&str; 8] = [
    include_str!("../../assets/corpus/01-nature.txt"),
    include_str!("../../assets/corpus/02-crafts.txt"),
    include_str!("../../assets/corpus/03-places.txt"),
    include_str!("../../assets/corpus/04-science.txt"),
    include_str!("../../assets/corpus/05-stories.txt"),
    include_str!("../../assets/corpus/06-home.txt"),
    include_str!("../../assets/corpus/07-people.txt"),
    include_str!("../../assets/corpus/08-journeys.txt"),
];

/// The documents that are compiled in, the themes in turn, so that the held-out ones at the end are not one theme.
pub fn embedded() -> Vec<String> {
    let themes: Vec<Vec<&str>> = TEXTS.iter().map(|text| text.split("\n\n").collect()).collect();
    let longest = themes.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|at| themes.iter().filter_map(move |theme| theme.get(at).map(|text| (*text).to_owned())))
        .collect()
}
